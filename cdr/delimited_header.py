"""The head of a delimited file: lines to skip, names of columns, their types."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cdr import files
from cdr.delimited_spec import Resolved
from cdr.layout_types import COLUMNS_MAX, Layout
from tollbook.errors import BrokenFile

HEAD_BYTES: Final = 2**20  # the lines before the first record must end within these
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# A cell of a line of types, as Cisco CUCM writes it: INTEGER, VARCHAR(50), UNIQUEIDENTIFIER.
_TYPE: Final = re.compile(r"(INTEGER|STRING|VARCHAR|UNIQUEIDENTIFIER|BIGINT|NUMERIC)(\(\d+\))?")


@dataclass(frozen=True)
class Header:
    """What stands before the records of one file.

    names: the columns that the header names, in order; empty if the layout has no header.
    body_offset, body_line: byte and line (from 1) at which the records begin.
    """

    path: str
    names: tuple[str, ...]
    body_offset: int
    body_line: int


def identify(path: Path, layout: Layout) -> Header:
    """Reads a file's head; raises BrokenFile if it is not that of a file of this layout."""
    with files.open_stored(path) as stream:
        buffer = np.empty(HEAD_BYTES, np.uint8)
        head = buffer[: stream.read_into(buffer)].tobytes()
    needed = layout.skip_lines + {"none": 0, "names": 1, "names+types": 2}[layout.header]
    if needed and not head:
        raise _broken(path, layout, "it is empty", "fetch the file again")
    body = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
    lines = []
    for _ in range(needed):
        end = head.find(b"\n", body)
        if end < 0:
            raise _broken(path, layout, f"it ends, or runs on, in its head of {needed} "
                          f"{'line' if needed == 1 else 'lines'}",
                          "fetch the file again", body)
        lines.append(head[body:end].removesuffix(b"\r"))
        body = end + 1
    names: tuple[str, ...] = ()
    if layout.header != "none":
        names = _cells(lines[layout.skip_lines], layout)
        _check_types(path, layout, names, lines)
    return Header(str(path), names, body, needed + 1)


def _broken(path: Path | str, layout: Layout, found: str, do: str, at: int = 0) -> BrokenFile:
    kind = {"none": "no header", "names": "a line of column names",
            "names+types": "a line of column names and a line of their types"}[layout.header]
    return BrokenFile(str(path), found, f"layout {layout.name}: {kind}", do, at)


def _cells(line: bytes, layout: Layout) -> tuple[str, ...]:
    """The cells of a line of the head, without quotes and outer blanks."""
    text = line.decode("latin-1" if layout.encoding == "latin-1" else "utf-8", "replace")
    reader = csv.reader(
        [text.replace("\0", "")], delimiter=chr(layout.delimiter),
        quotechar=chr(layout.quote) if layout.quote >= 0 else None,
        quoting=csv.QUOTE_MINIMAL if layout.quote >= 0 else csv.QUOTE_NONE,
        escapechar="\\" if layout.backslash else None, skipinitialspace=layout.trim,
    )  # fmt: skip
    try:
        return tuple(cell.strip() for cells in reader for cell in cells)
    except csv.Error:
        return ()


def _check_types(
    path: Path, layout: Layout, names: tuple[str, ...], lines: list[bytes]
) -> None:
    if names and all(_TYPE.fullmatch(name) for name in names):
        raise _broken(path, layout, "the line of column names is missing: the first line holds "
                      f"types ({', '.join(names[:3])}, ...)",
                      "ask the source for the file with its line of names, or write a layout with "
                      "header: none and columns by position")
    if layout.header == "names+types":
        types = _cells(lines[layout.skip_lines + 1], layout)
        if len(types) != len(names) or not all(_TYPE.fullmatch(cell) for cell in types):
            raise _broken(path, layout, "the second line does not hold the types of the columns "
                          f"({', '.join(types[:3])}, ...)",
                          "use header: names if the file has no line of types")


def resolve(layout: Layout, header: Header) -> tuple[tuple[Resolved, ...], tuple[int, int]]:
    """The layout's columns with their places in this file; and the fewest and most columns a row.

    Raises BrokenFile if a column that is not optional is not in the header, or is in it twice.
    """
    names, found, missing = header.names, [], []
    for column in layout.columns:
        if not column.name:
            found.append(Resolved(column, column.position))
        elif names.count(column.name) == 1:
            found.append(Resolved(column, names.index(column.name)))
        elif column.name in names:
            raise _broken(header.path, layout, f"the header names '{column.name}' twice",
                          "ask the source for a file in which each column has its own name")
        elif not column.optional:
            missing.append(column.name)
    if missing:
        raise _broken(header.path, layout, f"the header lacks {', '.join(map(repr, missing))}; it "
                      f"names {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
                      "check that the source names the right layout, or mark the columns optional")
    if len(names) > COLUMNS_MAX:
        raise _broken(header.path, layout, f"the header names {len(names)} columns",
                      f"read at most {COLUMNS_MAX} columns")
    widths = layout.width_min, layout.width_max
    if widths == (0, 0):
        widths = len(names), len(names)
    return tuple(found), widths
