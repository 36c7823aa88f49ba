"""Prefix decks -> rates and number intervals, for ``prefix_kernels``.

A deck may have hundreds of thousands of rows, so nothing here walks over rows one by one: distinct
prices become rates, rows point to them, and prefixes become intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np

from tariffs.compile_blocks import add_rates
from tariffs.compile_rates import RateTables, frozen
from tariffs.model import Band, PrefixDeck, PrefixRows, Rate, Tier, Version
from tariffs.prefix_intervals import Prefixed, first_level, intervals
from tariffs.prefix_kernels import DATED, NO_PREFIX, Prefixes
from tariffs.when import Position
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.text import Problems
from tollbook.wall_clock import local_to_utc_s

PERCENT_NANO: Final = 100 * 10**9  # a percentage of 100
_PER_S: Final = 60  # of a row without a ``like``
_OWN: Final = ("first_increment", "increment", "connect_nano", "minimum_nano")  # beside the price


@dataclass
class PrefixTables:
    """Intervals of all prefix decks, as they are gathered; the same deck is compiled once."""

    rates: RateTables
    problems: Problems
    known: dict[Any, int] = field(default_factory=dict)
    kept: list[PrefixRows] = field(default_factory=list)  # so that no id is given twice
    columns: dict[str, list[np.ndarray]] = field(
        default_factory=lambda: {name: [] for name in Prefixes._fields}
    )
    interval_count: int = 0
    entry_count: int = 0

    def add(self, deck: PrefixDeck, version: Version, like: str, named: Sequence[int]) -> int:
        """The number of a deck under a version. named: the rates of ``deck.rate_names``."""
        form = _bare(version.rate(like)) if like else None
        key = id(deck.rows), form, tuple(named), version.time_zone, self.rates.link
        if key not in self.known:
            self.known[key] = len(self.known)
            self.kept.append(deck.rows)
            self._add(deck, version.time_zone, form, named)
        return self.known[key]

    def _add(
        self, deck: PrefixDeck, zone: str, form: Rate | None, named: Sequence[int]
    ) -> None:
        target = np.append(self._targets(deck, form, named), NO_PREFIX)
        rows = deck.rows
        since = _utc_s(rows.valid_from_wall_s, zone)
        until = _utc_s(rows.valid_to_wall_s, zone)
        found = intervals(Prefixed(rows.prefix, rows.size, since, until))
        base = self.entry_count
        single = target[np.maximum(found.row, -1)]
        rate = np.where(found.row < -1, DATED + 2 + found.row - base, single)
        self._put("first_level", first_level(found.start) + self.interval_count)
        self._put("start", found.start)
        self._put("rate", rate)
        self._put("entry_from_utc_s", np.append(since, OPEN_FROM)[found.entry])
        self._put("entry_to_utc_s", np.append(until, OPEN_TO)[found.entry])
        self._put("entry_rate", target[found.entry])
        self.interval_count += len(found.start)
        self.entry_count += len(found.entry)

    def _put(self, name: str, values: np.ndarray) -> None:
        self.columns[name].append(values)

    def _targets(
        self, deck: PrefixDeck, form: Rate | None, named: Sequence[int]
    ) -> np.ndarray:
        """The rate of every row, FREE where it says so; int64. Equal rows share one."""
        rows = deck.rows
        by_name = rows.price_nano < 0
        target: np.ndarray = np.array([*named, NO_PREFIX], np.int64)[rows.rate]
        if by_name.all():
            return target
        priced = np.flatnonzero(~by_name)
        own, kind = _distinct([getattr(rows, name)[priced] for name in _OWN])
        for number in range(len(own)):
            alike = priced[kind == number]
            prices, first, which = np.unique(
                rows.price_nano[alike], return_index=True, return_inverse=True
            )
            rate_of = partial(row_rate, deck, form, self.problems, alike[first])
            made = add_rates(self.rates, prices, rate_of, self.problems)
            target[alike] = made[which.reshape(-1)]
        return target

    def arrays(self) -> Prefixes:
        """Everything gathered, as read-only arrays."""
        kinds = {"start": np.int64, "entry_from_utc_s": np.int64, "entry_to_utc_s": np.int64}
        return Prefixes(**{
            name: frozen(np.concatenate(parts) if parts else [], kinds.get(name, np.int32))
            for name, parts in self.columns.items()
        })  # fmt: skip


def row_rate(
    deck: PrefixDeck, form: Rate | None, problems: Problems, chosen: np.ndarray, place: int
) -> Rate:
    """The rate of a row, chosen[place]: that of ``like`` with what the row gives by itself."""
    rows, row = deck.rows, int(chosen[place])
    at = Position(deck.at.file, int(rows.lines[row]))
    price, following = int(rows.price_nano[row]), int(rows.increment[row])
    first = int(rows.first_increment[row])
    connect, minimum = int(rows.connect_nano[row]), int(rows.minimum_nano[row])
    if form is None:
        tier = Tier(0, price, _PER_S, following or _PER_S)
        return Rate(deck.name, "second", (tier,), (), first, max(connect, 0), max(minimum, 0),
                    at=at)  # fmt: skip

    def tier_of(tier: Tier) -> Tier:
        product = price * (tier.percent_nano or PERCENT_NANO)
        if product % PERCENT_NANO:
            problems.add((at.file, at.line), "a percentage of the price is no whole nano",
                         "prices and percentages of at most 9 decimals together",
                         "round the price or the percentage")  # fmt: skip
        return replace(tier, price_nano=product // PERCENT_NANO, percent_nano=0,
                       increment=following or tier.increment)  # fmt: skip

    def band_of(band: Band) -> Band:
        return replace(band, tiers=tuple(map(tier_of, band.tiers)))

    return replace(
        form,
        name=deck.name,
        tiers=tuple(map(tier_of, form.tiers)),
        bands=tuple(map(band_of, form.bands)),
        first_increment=first if following else form.first_increment,
        connect_nano=form.connect_nano if connect < 0 else connect,
        minimum_nano=form.minimum_nano if minimum < 0 else minimum,
        at=at,
        is_template=False,
    )


def _bare(rate: Rate) -> Rate:
    """A rate without its name and its places in the text, so that equal ones are equal."""
    bands = tuple(replace(band, at=Position(), name="") for band in rate.bands)
    return replace(rate, name="", at=Position(), bands=bands)


def _utc_s(wall_s: np.ndarray, zone: str) -> np.ndarray:
    """UTC seconds of wall clock seconds; open ends stay open."""
    is_open = (wall_s <= OPEN_FROM) | (wall_s >= OPEN_TO)
    utc_s = local_to_utc_s(np.where(is_open, 0, wall_s), zone)
    return np.where(is_open, wall_s, utc_s)


def _distinct(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each distinct tuple, and for every row which it has."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if len(column) and column.min() != column.max():
            values, place = np.unique(column, return_inverse=True)
            _, code = np.unique(code * len(values) + place.reshape(-1), return_inverse=True)
            code = code.reshape(-1)
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return first, which.reshape(-1)
