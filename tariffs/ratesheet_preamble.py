"""What a sheet says of itself above its headings: from which day it holds, full or amendment."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tariffs.ratesheet_mapping import Located
from tariffs.ratesheet_values import parse_day

_DAY: Final = re.compile(
    r"(?:effective|valid|in force)\D{0,20}?([0-9][0-9A-Za-z/.-]{5,12})", re.IGNORECASE
)
_KIND_WORDS: Final = {
    "full": re.compile(r"\b(full|complete|a ?- ?z|a to z)\b"),
    "amendment": re.compile(r"\b(amendments?|partial|changes only|delta)\b"),
}


class Said(NamedTuple):
    """What was understood, and the words that said it; both ``""`` if nothing did."""

    value: str = ""
    words: str = ""


def notes_above(located: Located) -> str:
    """Every text above the headings."""
    rows = located.sheet.rows if located.header else ()
    line = located.header.line if located.header else 0
    return " ".join(" ".join(row.cells) for row in rows if row.line < line)


def day_above(located: Located, order: str) -> Said:
    """The day of the whole sheet, ISO, its date read in ``order``."""
    match = _DAY.search(notes_above(located))
    day = parse_day(match[1].rstrip("."), order).day if match else ""
    return Said(day, match[1]) if match and day else Said()


def kind_above(located: Located) -> Said:
    """``full`` or ``amendment``, if the notes name one of them and not the other."""
    notes = notes_above(located).lower()
    found = {kind: match[0] for kind, pattern in _KIND_WORDS.items()
             if (match := pattern.search(notes))}  # fmt: skip
    return Said(*found.popitem()) if len(found) == 1 else Said()
