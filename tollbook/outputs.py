"""Files for people: the one CSV writer, and file names made from other texts.

UTF-8, comma, line feed, quotes where needed; the same rows give the same bytes. A text that a
spreadsheet would run as a formula gets an apostrophe in front (customers choose their own names).
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

# The last four are the first four as a Chinese keyboard has them.
_FORMULA_STARTS: Final = (
    "=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20",
)  # fmt: skip

# Cells that every spreadsheet keeps as they are: nothing, short whole numbers, lower-case words.
_HARMLESS: Final = re.compile(r"|0|[1-9][0-9]{0,10}|[a-z_]+")


def neutral(text: str) -> str:
    """``text``, with an apostrophe in front if a spreadsheet might take it for a formula.

    Blanks in front do not hide a formula: some programs strip them.
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def protected(text: str) -> str:
    """A cell for a file that comes back: an apostrophe in front of all that a spreadsheet might run
    or rewrite (formulas, leading zeros, long digits, dates, words such as TRUE)."""
    return text if _HARMLESS.fullmatch(text) and text not in ("true", "false") else f"'{text}"


def bare(cell: str) -> str:
    """What ``protected`` was made of; a cell that lost its apostrophe is taken as it is."""
    return cell.removeprefix("'")


def write_csv(
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


def file_name(text: str) -> str:
    """``text`` as a file name: the same if it is safe, else cleaned and told apart by a digest."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text)[:100]
    if safe == text and not safe.startswith("."):
        return safe
    return f"{safe.lstrip('.')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
