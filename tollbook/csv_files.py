"""CSV files that people open in a spreadsheet: the one writer for all of them.

UTF-8, comma, line feed, quotes where needed; the same rows give the same bytes. A text that a
spreadsheet would run as a formula gets an apostrophe in front (customers choose their own names).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_FULL_WIDTH_STARTS: Final = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # as a Chinese keyboard has them
_STARTS: Final = _FORMULA_STARTS + _FULL_WIDTH_STARTS


def neutral(text: str) -> str:
    """``text``, with an apostrophe in front if a spreadsheet might take it for a formula.

    Blanks in front do not hide a formula: some programs strip them.
    """
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS) else text


def write(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]], amounts: Sequence[str]
) -> int:
    """Writes the file and returns the number of rows.

    Cells are text or whole numbers. Columns named in ``amounts`` hold decimals that the program
    made itself, so that ``-1.50`` stays a number; every other text is made ``neutral``.
    """
    plain = [name in amounts for name in header]
    count = 0
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            count += 1
            writer.writerow([
                cell if is_plain or isinstance(cell, int) else neutral(cell)
                for cell, is_plain in zip(row, plain, strict=True)
            ])  # fmt: skip
    return count
