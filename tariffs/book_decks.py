"""Decks, the CSV files beside a book: a rate for each zone, or a price for each prefix.

Prefix decks are large, so they are read and checked column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tariffs import units
from tariffs.book_rules import ANY_ZONE
from tariffs.book_tiers import PRICE_LIMIT_NANO
from tariffs.model import Deck, PrefixDeck, PrefixRows
from tariffs.when import Position
from tollbook import columns, money, text
from tollbook.columns import Table
from tollbook.text import Problems

PREFIX_COLUMNS: Final = ("prefix", "destination", "price", "rate", "increments", "connect",
                         "minimum", "valid_from", "valid_to")  # fmt: skip
ROWS_MAX: Final = 2_000_000
PREFIX_DIGITS_MAX: Final = 15  # of an E.164 number

_WALL_CLOCK: Final = "UTC"  # wall seconds are those of a clock without an offset
_DECIMAL: Final = r"^[0-9]{1,10}(\.[0-9]{1,9})?$"
_MANGLED: Final = r"^[0-9]([.,][0-9]+)?[eE]\+?[0-9]+$|^[0-9]+\.0$"
_PRICE_ALLOWED: Final = "a decimal from 0 to 1000000000 with at most 9 decimals, such as 0.0123"


@dataclass(frozen=True)
class DeckRow:
    """One line of a deck file; ``zone`` may be ANY_ZONE: all zones that no other line names."""

    zone: str
    rate: str
    at: Position


@dataclass
class DeckFiles:
    """Deck files of one book, each read once however many plans name it.

    read, prefixes: by name of the file; None where problems were noted in it.
    """

    folder: Path
    shown: str
    problems: Problems
    read: dict[str, tuple[DeckRow, ...] | None] = field(default_factory=dict)
    prefixes: dict[str, PrefixDeck | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every deck that a rule names."""
        return tuple(sorted({*self.read, *self.prefixes}))

    def rows(self, name: str, at: Position) -> tuple[DeckRow, ...] | None:
        """The rows of a deck by zone, which is named at that place."""
        before = self.problems.errors
        if name not in self.read:
            there = self._is_there(name, at, "the columns zone and rate")
            path, shown = self.folder / name, f"{self.shown}/{name}"
            rows = _read_deck(path, shown, self.problems) if there else ()
            self.read[name] = rows if self.problems.errors == before else None
        return self.read[name]

    def prefix_deck(self, name: str, at: Position) -> PrefixDeck | None:
        """A deck by prefix, which is named at that place."""
        before = self.problems.errors
        if name not in self.prefixes:
            deck = None
            if self._is_there(name, at, "the columns prefix and price"):
                deck = read_prefixes(self.folder / name, self.problems, f"{self.shown}/{name}")
            self.prefixes[name] = deck if self.problems.errors == before else None
        return self.prefixes[name]

    def _is_there(self, name: str, at: Position, needed: str) -> bool:
        if (self.folder / name).is_file():
            return True
        self.problems.add((at.file, at.line), f"there is no deck '{name}'",
                          f"a .csv file of the same folder, with {needed}",
                          "write it, or correct its name")
        return False


def _read_deck(path: Path, shown: str, problems: Problems) -> tuple[DeckRow, ...]:
    rows: dict[str, DeckRow] = {}
    for row in text.load_csv(path, ("zone", "rate"), ("name",), problems, shown):
        for column in ("zone", "rate"):
            if not row[column]:
                problems.add(row.at, f"the {column} is empty", "a zone and a rate on every line",
                             "fill it in, or remove the line")
        if row["zone"] in rows:
            problems.add(row.at, f"zone '{row['zone']}' stands twice (first in line "
                         f"{rows[row['zone']].at.line})", "every zone once", "remove one")
        rows[row["zone"]] = DeckRow(row["zone"], row["rate"], Position(row.file, row.line))
    return tuple(rows.values())


def make_deck(name: str, rows: Sequence[DeckRow], zones: Sequence[str] | None) -> Deck:
    """A deck with the line for all other zones (``*``) written out over ``zones``.

    Where the zones are not known the line stays as it is written.
    """
    named = {row.zone for row in rows}
    pairs: list[tuple[str, str]] = []
    for row in rows:
        if row.zone == ANY_ZONE and zones is not None:
            pairs += [(zone, row.rate) for zone in zones if zone not in named]
        else:
            pairs.append((row.zone, row.rate))
    return Deck(name, tuple(pairs), rows[0].at if rows else Position())


def read_prefixes(path: Path, problems: Problems, shown: str) -> PrefixDeck:
    """A deck by prefix, every row of it checked; what is wrong is noted with its line.

    A row has a price (per 60 s, or per the ``per`` of the rate that gives the rest) or the name of
    a rate. After a problem was noted the deck must not be used.
    """
    table = columns.load_table(path, PREFIX_COLUMNS[:1], PREFIX_COLUMNS[1:], problems, shown)
    if len(table) > ROWS_MAX:
        problems.add((shown, 0), f"the deck has {len(table)} rows", f"at most {ROWS_MAX} rows",
                     "remove rows that ended long ago, or split the deck by rules")
    prefix, size = _prefixes(table, problems)
    price, rate, rate_names = _prices_or_rates(table, problems)
    first, following = _increments(table, problems)
    since, until = columns.validity(table, _WALL_CLOCK, problems)
    rows = PrefixRows(
        prefix=prefix,
        size=size,
        destination=table["destination"],
        price_nano=price,
        rate=rate,
        first_increment=first,
        increment=following,
        connect_nano=_amounts(table, "connect", problems),
        minimum_nano=_amounts(table, "minimum", problems),
        valid_from_wall_s=since,
        valid_to_wall_s=until,
        lines=table.lines,
    )
    says_more = (first > 0) | (rows.connect_nano >= 0) | (rows.minimum_nano >= 0)
    table.report((rate >= 0) & says_more, lambda row: "the row names a rate, and also increments, "
                 "connect or minimum", "a rate alone: it says all of them",
                 "empty the other cells, or give the row a price", problems)
    valid = np.flatnonzero(since < until)  # of the others it is said that they end too early
    after, before = (
        valid[rows] for rows in columns.overlaps(prefix[valid], since[valid], until[valid])
    )
    _note_twice(table, after, before, problems)
    return PrefixDeck(path.name, rows, rate_names, Position(shown, 1))


def _prefixes(table: Table, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes as int64 and their digits as int8; malformed ones become -1 - row, so that no two
    of them are alike."""
    column = table["prefix"]
    size = columns.lengths(column)
    good = columns.is_digits(column) & (size <= PREFIX_DIGITS_MAX)
    value = columns.digits_value(column, good)
    least = 10 ** np.arange(-1, PREFIX_DIGITS_MAX, dtype=np.int64).clip(0)
    good &= value >= least[np.minimum(size, PREFIX_DIGITS_MAX)]  # no 0 before the first digit
    bad = np.flatnonzero(~good)
    mangled = pc.match_substring_regex(column.take(pa.array(bad)), _MANGLED)
    mangled = mangled.to_numpy(zero_copy_only=False)
    allowed = f"1 to {PREFIX_DIGITS_MAX} digits with the country code, without + or a leading 0"
    table.report(bad[mangled], lambda row: f"prefix '{table.cell('prefix', row)}' was written by a "
                 "spreadsheet", allowed, "format the column as text and enter the code again",
                 problems)  # fmt: skip
    table.report(bad[~mangled], lambda row: f"prefix '{table.cell('prefix', row)}'", allowed,
                 "write the code as it is dialled from abroad, such as 44 or 8610", problems)
    unlike = np.where(good, value, -1 - np.arange(len(table)))
    return unlike, np.minimum(size, PREFIX_DIGITS_MAX).astype(np.int8)


def _note_twice(
    table: Table, after: np.ndarray, before: np.ndarray, problems: Problems
) -> None:
    if not len(after):
        return
    first = dict(zip(after.tolist(), before.tolist(), strict=True))
    day = pc.if_else(pa.array(columns.is_empty(table["valid_from"])), "always",
                     table["valid_from"])  # fmt: skip
    table.report(
        np.sort(after),
        lambda row: f"prefix {table.cell('prefix', row)} is valid twice from {day[row].as_py()} "
                    f"(first in line {int(table.lines[first[row]])})",
        "every prefix once at a time", "end the earlier row with valid_to, or remove one", problems,
    )  # fmt: skip


def decimals_nano(words: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Decimals with at most nine places as nano (int64), and which texts are such (bool).

    Zero where a text is none; never negative.
    """
    good = pc.match_substring_regex(words, _DECIMAL).to_numpy(zero_copy_only=False)
    safe = words if good.all() else pc.if_else(pa.array(good), words, "0")
    exact = pc.cast(safe, pa.decimal128(20, money.NANO_DIGITS))
    halves = np.frombuffer(exact.buffers()[1], np.int64)[2 * exact.offset :]
    value = halves[: 2 * len(exact) : 2].copy()  # at most 10**19: 10 digits, and below 2**63 here
    good = good & (value >= 0) & (value <= PRICE_LIMIT_NANO)
    return np.where(good, value, 0), good


def _by_word(
    table: Table, name: str, read: Callable[[pa.Array], tuple[np.ndarray, np.ndarray]],
    allowed: str, problems: Problems,
) -> np.ndarray:  # fmt: skip
    """One column through its distinct words: the values, with malformed words noted.

    read: distinct words -> values, of which the first axis is the word, and which words are good.
    """
    encoded = table[name].dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    values, good = read(encoded.dictionary)
    if not good.all():
        table.report((~good)[codes], lambda row: f"'{name}' is '{table.cell(name, row)}'", allowed,
                     "correct the cell", problems)  # fmt: skip
    found: np.ndarray = values[codes]
    return found


def _amounts(table: Table, name: str, problems: Problems) -> np.ndarray:
    """A column of prices in nano; -1 where the cell is empty."""

    def read(words: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        value, good = decimals_nano(words)
        blank = columns.is_empty(words)
        return np.where(blank, -1, value), good | blank

    return _by_word(table, name, read, f"{_PRICE_ALLOWED}, or nothing", problems)


def _prices_or_rates(
    table: Table, problems: Problems
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Prices in nano (-1: none), places in the names of rates (-1: none), and those names."""
    price = _amounts(table, "price", problems)
    names = table["rate"].dictionary_encode()
    words = [word for word in names.dictionary.to_pylist() if word]
    rate = columns.index_in(table["rate"], words)
    has_price = ~columns.is_empty(table["price"])
    for bad, found in ((has_price & (rate >= 0), "both a price and a rate"),
                       (~has_price & (rate < 0), "neither a price nor a rate")):  # fmt: skip
        table.report(bad, lambda row, found=found: f"the row has {found}",  # type: ignore[misc]
                     "a price, or the name of a rate", "fill in one of the two cells", problems)
    return price, rate, tuple(words)


def _increments(table: Table, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """First and following increment; 0 where the cell is empty."""

    def read(words: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        found = [(0, 0) if not word else units.parse_increments(word, "")
                 for word in words.to_pylist()]  # fmt: skip
        good = np.array([pair is not None for pair in found], np.bool_)
        values = np.array([pair or (0, 0) for pair in found], np.int64).reshape(-1, 2)
        return values, good

    found = _by_word(table, "increments", read, "60/6 or 1: numbers without a unit", problems)
    return found[:, 0].copy(), found[:, 1].copy()
