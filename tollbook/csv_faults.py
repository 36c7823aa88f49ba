"""What messages say of CSV rows that cannot be read: found, allowed, and what to do."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Final

# A quote that no later one closes.
OPEN_QUOTE: Final = (
    "a quote opens here and never closes", "quotes in pairs around a cell",
    "close the quote, or remove it",
)  # fmt: skip
_SEPARATORS: Final = {";": "semicolon", "\t": "tab"}
OTHER_LINE: Final = (
    "a quote opens here and closes on another line", "one row a line",
    "close the quote on its own line",
)  # fmt: skip


def width(cells: int, wanted: int) -> tuple[str, str, str]:
    """Of a row that has more or fewer cells than the header."""
    missing = wanted - cells
    do = "quote cells that contain a comma"
    if missing == 1:
        do = "a cell is missing; write an empty one: ,,"
    elif missing > 1:
        do = f"{missing} cells are missing; write empty ones: ,,"
    return _cells(cells), f"{_cells(wanted)} as the header names", do


def separator(header: Sequence[str]) -> tuple[str, str, str] | None:
    """Of a header that is one cell, because something else than commas is between its names."""
    if len(header) != 1:
        return None
    name = _SEPARATORS.get(next((one for one in header[0] if one in _SEPARATORS), ""), "")
    if not name:
        return None
    return (f"the separator is a {name}", "cells with commas between them",
            "save the file as CSV with commas")  # fmt: skip


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def opens(line: str) -> bool:
    """Whether a quote around a cell opens on this line and does not close on it."""
    if line.count('"') % 2 == 0:  # most lines: there is no need to read them
        return False
    try:
        next(csv.reader([line], strict=True), None)
    except csv.Error:
        return True
    return False
