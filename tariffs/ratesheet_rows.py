"""The rows of a rate sheet, from whatever kind of file, and how large one may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from tariffs.ratesheet_notes import Fault

ROWS_LIMIT: Final = 500_000
COLUMNS_LIMIT: Final = 256
READABLE: Final = "CSV, or a workbook saved as .xlsx"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would obey them


class NumberCell(str):
    """A cell that a workbook holds as a number, as plain decimal text with a point."""

    __slots__ = ()


class SheetRow(NamedTuple):
    """One row that is not blank: its line in the file (row of the worksheet) and its cells."""

    line: int
    cells: tuple[str, ...]

    def cell(self, index: int) -> str:
        """The cell of a column; empty where the row is shorter, or there is no such column."""
        return self.cells[index] if 0 <= index < len(self.cells) else ""


@dataclass(frozen=True)
class Sheet:
    """The rows of a file, or of one worksheet; ``how`` says how the file was read."""

    file: str
    name: str
    rows: tuple[SheetRow, ...]
    how: str


def tidy(cells: list[str]) -> tuple[str, ...]:
    """The cells without outer blanks and control characters, and without empty cells at the end."""
    tidied = [cell if isinstance(cell, NumberCell) else _CONTROL.sub(" ", cell).strip()
              for cell in cells]  # fmt: skip
    while tidied and not tidied[-1]:
        tidied.pop()
    return tuple(tidied)


def too_large() -> Fault:
    """The fault of a sheet beyond the limits."""
    return Fault("size", "the sheet is larger than any rate sheet",
                 f"at most {ROWS_LIMIT} rows of {COLUMNS_LIMIT} columns",
                 "remove what is no rate, or split the sheet")  # fmt: skip
