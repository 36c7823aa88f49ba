"""Prefix decks: the CSV files that a charge names with ``by_prefix``, one dated row a price.

A deck is sorted by prefix and first day, and the same rows give the same bytes, so that a change of
prices is a small diff. In memory an empty ``valid_to`` is OPEN, so that days compare as texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tariffs import units
from tollbook import clock, outputs
from tollbook.money import NANO_DIGITS, format_nano, parse_decimal
from tollbook.text import Problems, Row, load_csv

COLUMNS: Final = (
    "prefix", "destination", "price", "increments", "connect", "minimum", "valid_from", "valid_to",
)  # fmt: skip
OPEN: Final = "9999-12-31"  # after every day that a deck can hold
_AMOUNTS: Final = ("price", "connect", "minimum")


class Terms(NamedTuple):
    """What a carrier asks for one code. None and ``""``: the rate ``like`` decides."""

    destination: str
    price_nano: int
    increments: str = ""  # first/following seconds
    connect_nano: int | None = None
    minimum_nano: int | None = None


class DeckRow(NamedTuple):
    """One row: usage from ``valid_from`` on and before ``valid_to``, ISO days; rows sort so."""

    prefix: str
    valid_from: str  # "": always
    valid_to: str  # OPEN: none
    terms: Terms


def read_deck(path: Path, problems: Problems) -> list[DeckRow]:
    """The rows of a deck in order; rows with a problem, which is noted, are left out."""
    found: list[tuple[DeckRow, int]] = []
    for row in load_csv(path, COLUMNS[:1] + COLUMNS[2:3], COLUMNS[1:2] + COLUMNS[3:], problems):
        before = problems.errors
        read = _read_row(row, problems)
        if problems.errors == before:
            found.append((read, row.line))
    found.sort()
    for (earlier, line), (later, at) in pairwise(found):
        if earlier.prefix == later.prefix and later.valid_from < earlier.valid_to:
            problems.add((str(path), at), f"prefix {later.prefix} has two prices at once (see "
                         f"line {line})", "one row in force for each prefix at any time",
                         "end the earlier row where the later one begins")
    return [row for row, _ in found]


def _read_row(row: Row, problems: Problems) -> DeckRow:
    prefix = row["prefix"]
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 15) or prefix[0] == "0":
        problems.add(row.at, f"prefix is '{prefix}'", "1 to 15 digits from the country code on",
                     "write for example 447700")
    increments = row["increments"]
    steps = _increments(increments) if increments else ""
    if steps is None:
        problems.add(row.at, f"increments is '{increments}'", units.INCREMENTS_ALLOWED,
                     "write seconds, such as 60/6")
    terms = Terms(
        " ".join(row["destination"].split()),
        _price(row, "price", problems) or 0,
        steps or "",
        _price(row, "connect", problems),
        _price(row, "minimum", problems),
    )
    since, until = (_day(row, name, problems) for name in ("valid_from", "valid_to"))
    if until and since >= until:
        problems.add(row.at, f"valid_to '{until}' is not after valid_from '{since}'",
                     "the first day that is no longer valid", "correct one of the two")
    return DeckRow(prefix, since, until or OPEN, terms)


# The cells of a deck repeat: most of its prices, days and increments stand in many rows.


@lru_cache(maxsize=2**16)
def _nano(text: str) -> int | None:
    return parse_decimal(text, NANO_DIGITS)


@lru_cache(maxsize=2**12)
def _increments(text: str) -> str | None:
    found = units.parse_increments(text, "second")
    return None if found is None else f"{found[0]}/{found[1]}"


@lru_cache(maxsize=2**12)
def _is_day(text: str) -> bool:
    return clock.parse_date(text) is not None


def _price(row: Row, name: str, problems: Problems) -> int | None:
    text = row[name]
    if not text and name != "price":
        return None
    value = _nano(text)
    if value is None or value < 0:
        problems.add(row.at, f"{name} is '{text}'", "a decimal from 0 on with at most 9 decimals",
                     "correct it")
    return value


def _day(row: Row, name: str, problems: Problems) -> str:
    text = row[name]
    if text and not _is_day(text):
        problems.add(row.at, f"{name} is '{text}'", "YYYY-MM-DD, years 1970 to 2100; empty: open",
                     "write the day so")
    return text


def write_deck(path: Path, rows: Iterable[DeckRow]) -> bool:
    """Writes the deck in one step, and says whether the file changed."""
    pending = path.with_name(f"_{path.name}.pending")
    try:
        outputs.write_csv(pending, COLUMNS, map(_cells, rows), _AMOUNTS)
        if path.exists() and path.read_bytes() == pending.read_bytes():
            return False
        with pending.open("rb") as written:
            os.fsync(written.fileno())
        pending.replace(path)
        return True
    finally:
        pending.unlink(missing_ok=True)


def _cells(row: DeckRow) -> tuple[str, ...]:
    terms = row.terms
    return (
        row.prefix, terms.destination, format_nano(terms.price_nano), terms.increments,
        optional_price(terms.connect_nano), optional_price(terms.minimum_nano), row.valid_from,
        "" if row.valid_to == OPEN else row.valid_to,
    )  # fmt: skip


def optional_price(price_nano: int | None) -> str:
    """A price as text; ``""`` where the deck names none."""
    return "" if price_nano is None else format_nano(price_nano)
