"""Rates -> arrays for ``price_kernels`` and ``walk_kernels``; ``compile_proof`` has the arithmetic.

A rate is one of the grid where it can be, and GENERAL where increments may be cut, chosen or
rounded in other ways. A rate for which it cannot be shown that no amount overflows is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

from tariffs import price_kernels as kernels
from tariffs.compile_bands import DayClasses, Shapes, day_classes, has_overlap, is_covered
from tariffs.compile_proof import (
    ENDLESS,
    NARROW,
    NO_MAXIMUM,
    General,
    Grid,
    Link,
    Maxima,
    note_overflow,
)
from tariffs.exact_kernels import HALF_BITS, HALF_MASK
from tariffs.model import BORDERS, CLOCKS, STAGES, UNITS, Rate, Tier
from tariffs.rate_limits import faults, schedules, stage_mode
from tariffs.units import QUANTITY_LIMIT
from tollbook import money
from tollbook.text import Problems

__all__ = ["ENDLESS", "Link", "Maxima", "RateTables", "Rows", "frozen", "is_grid"]
UNIT_CODE: Final = dict(
    zip(UNITS, (kernels.SECONDS, kernels.BYTES, kernels.EVENTS), strict=True)
)
_CACHE_LINE: Final = 64


class Rows:
    """Rows of one record type as they are gathered: one by one, or a block at a time."""

    def __init__(self, kind: DTypeLike) -> None:
        self.kind = np.dtype(kind)
        self.count = 0
        self._blocks: list[np.ndarray] = []
        self._rows: list[Any] = []

    def add(self, row: Any) -> int:
        """Append a row (a tuple in the order of the fields); returns its index."""
        self._rows.append(row)
        self.count += 1
        return self.count - 1

    def extend(self, block: np.ndarray) -> int:
        """Append an array of rows; returns the index of the first."""
        self._close()
        self._blocks.append(block)
        self.count += len(block)
        return self.count - len(block)

    def _close(self) -> None:
        if self._rows:
            self._blocks.append(np.array(self._rows, self.kind))
            self._rows = []

    def array(self) -> np.ndarray:
        """Everything gathered, as one read-only array."""
        self._close()
        return frozen(np.concatenate(self._blocks) if self._blocks else [], self.kind)


@dataclass
class RateTables:
    """Rates, schedules and tiers as they are gathered.

    link: of the versions that one usage may cross, while rates of such versions are added.
    """

    maxima: Maxima
    days: DayClasses = field(default_factory=day_classes)
    link: Link | None = None
    rates: Rows = field(default_factory=lambda: Rows(kernels.RATE))
    rates_rest: Rows = field(default_factory=lambda: Rows(kernels.RATE_REST))
    schedules: Rows = field(default_factory=lambda: Rows(kernels.SCHEDULE))
    schedules_rest: Rows = field(default_factory=lambda: Rows(kernels.SCHEDULE_REST))
    tiers: Rows = field(default_factory=lambda: Rows(kernels.TIER))
    extras: Rows = field(default_factory=lambda: Rows(kernels.EXTRA))

    def __post_init__(self) -> None:
        self.shapes = Shapes(self.days)
        self._known: dict[object, int] = {}  # where equal schedules, tiers and extras stand

    def add(self, rate: Rate, problems: Problems) -> int:
        """Add one rate; returns its index. What is wrong with it is noted.

        A rate of the grid that may meet rates of other versions in one sum is added twice, the
        second time as one that adds up with them.
        """
        before, link = problems.errors, self.link
        check_rate(rate, self.days, problems)
        index = self.rates.count
        if problems.errors > before:
            return index
        if is_grid(rate):
            self.add_grid(Grid(rate), problems, -1 if link is None else index + 1)
            if link is not None:
                self._add_general(rate, link, problems)
        else:
            self._add_general(rate, link, problems)
        return index

    def add_grid(self, grid: Grid, problems: Problems, linked: int = -1) -> None:
        """Add a rate whose increments form one grid. linked: the same rate as one that adds up."""
        rate = grid.rate
        quantity = self.maxima.of(rate.unit)
        largest = grid.largest_sum(quantity)
        cap = _cap(rate, grid.bound(rate.maximum_nano))
        charge_micro = (min(largest, cap) // grid.denominator + 1) * _scale(rate)
        bits = max(largest, grid.denominator).bit_length()
        note_overflow(rate, quantity, charge_micro, bits, problems)
        is_narrow = grid.denominator < NARROW // 2 and (not rate.maximum_nano or cap < NARROW)
        narrow = min(grid.largest_quantity(NARROW), quantity) if is_narrow else -1
        blocks = []
        for tiers, connect_nano in grid.schedules:
            rows = [(grid.weight(tier, tier.increment), 0) for tier in tiers]
            first = grid.weight(tiers[0], rate.first_increment) if rate.first_increment else 0
            blocks.append((tiers, rows, first, grid.connect(connect_nano)))
        amounts = grid.denominator, grid.bound(rate.minimum_nano), cap
        first = self._add_schedules(rate, blocks)
        self._add_row(rate, narrow, first, amounts, (kernels.GRID, -1, linked))

    def _add_general(self, rate: Rate, link: Link | None, problems: Problems) -> None:
        """A rate of any kind, for the walk from border to border."""
        general, quantity = General(rate, link), self.maxima.of(rate.unit)
        largest = general.largest_sum(self.maxima)
        cap = _cap(rate, general.bound(rate.maximum_nano))
        charge_micro = (min(largest, cap) // general.denominator + 1) * _scale(rate)
        bits = max(largest, general.denominator, general.stage).bit_length()
        if rate.stage != "component":  # its quotient must fit one half
            bits = max(bits, HALF_BITS + (largest // general.stage).bit_length())
        note_overflow(rate, quantity, charge_micro, bits, problems)
        blocks = []
        for tiers, connect_nano in general.schedules:
            rows = [(general.weight(tier), general.bound(tier.fee_nano)) for tier in tiers]
            blocks.append((tiers, rows, 0, general.bound(connect_nano)))
        extra = (
            BORDERS.index(rate.border_mode), CLOCKS.index(rate.clock), rate.first_increment,
            rate.free_quantity, rate.minimum_quantity, self.maxima.duration_s,
            STAGES.index(rate.stage), stage_mode(rate), general.stage & HALF_MASK,
            general.stage >> HALF_BITS,
        )  # fmt: skip
        amounts = general.denominator, general.bound(rate.minimum_nano), cap
        first, place = self._add_schedules(rate, blocks), self._place(self.extras, (extra,))
        linked = self.rates.count if link is not None else -1
        self._add_row(rate, -1, first, amounts, (kernels.GENERAL, place, linked))

    def _add_row(
        self, rate: Rate, narrow: int, first_schedule: int, amounts: tuple[int, int, int],
        program: tuple[int, int, int],
    ) -> None:
        """The rate's own row. amounts: denominator, minimum and maximum. program: with its extra
        and the linked rate."""  # fmt: skip
        denominator, minimum, maximum = amounts
        splits = rate.border_mode in ("unit", "restart")
        self.rates.add((
            UNIT_CODE[rate.unit], rate.apart, splits, rate.mode, self.shapes.add(rate),
            first_schedule, _scale(rate), narrow, rate.short_call, self.maxima.of(rate.unit),
            denominator & HALF_MASK, minimum & HALF_MASK, maximum & HALF_MASK,
        ))  # fmt: skip
        self.rates_rest.add((
            minimum >> HALF_BITS, maximum >> HALF_BITS, denominator >> HALF_BITS, *program,
        ))  # fmt: skip

    def _add_schedules(
        self,
        rate: Rate,
        blocks: Sequence[tuple[Sequence[Tier], Sequence[tuple[int, int]], int, int]],
    ) -> int:
        """Schedules as (tiers, weight and fee of each, first weight, connection fee)."""
        rows, rest = [], []
        for tiers, amounts, first_weight, connect in blocks:
            ends = [*(tier.from_quantity for tier in tiers[1:]), ENDLESS]
            lines = tuple(
                (end, tier.increment, weight & HALF_MASK, weight >> HALF_BITS, fee & HALF_MASK,
                 fee >> HALF_BITS)
                for end, tier, (weight, fee) in zip(ends, tiers, amounts, strict=True)
            )  # fmt: skip
            rows.append((
                connect & HALF_MASK, rate.first_increment, first_weight & HALF_MASK,
                *lines[0][:3], self._place(self.tiers, lines), len(lines),
            ))  # fmt: skip
            rest.append((connect >> HALF_BITS, first_weight >> HALF_BITS))
        key = "schedules", tuple(rows), tuple(rest)
        if key not in self._known:
            self._known[key] = self.schedules.count
            for row, more in zip(rows, rest, strict=True):
                self.schedules.add(row)
                self.schedules_rest.add(more)
        return self._known[key]

    def _place(self, rows: Rows, lines: tuple[tuple[int, ...], ...]) -> int:
        """Where these rows stand, one after the other; equal ones are shared."""
        key = id(rows), lines
        if key not in self._known:
            self._known[key] = rows.count
            for line in lines:
                rows.add(line)
        return self._known[key]

    def arrays(self) -> kernels.Prices:
        """Everything gathered, as read-only arrays."""
        return kernels.Prices(
            rates=self.rates.array(),
            rates_rest=self.rates_rest.array(),
            day_classes=len(self.days),
            hours=frozen(self.shapes.hours(), kernels.HOUR),
            bands=frozen(self.shapes.bands, kernels.BAND),
            schedules=self.schedules.array(),
            schedules_rest=self.schedules_rest.array(),
            tiers=self.tiers.array(),
            extras=self.extras.array(),
        )


def frozen(values: Sequence[Any] | np.ndarray, kind: DTypeLike) -> np.ndarray:
    """A read-only array that begins with a line of the processor's cache.

    Never empty, so that no kernel sees an array without a first element.
    """
    kind = np.dtype(kind)
    source = np.asarray(values, kind) if len(values) else np.zeros(1, kind)
    room = np.empty(source.nbytes + _CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % _CACHE_LINE
    array = room[begin : begin + source.nbytes].view(kind).reshape(source.shape)
    array[...] = source
    array.setflags(write=False)
    return array


def is_grid(rate: Rate) -> bool:
    """Whether the increments of a rate form one grid from the start of every usage."""
    splits = rate.border_mode == "unit" and rate.unit == "second"
    has_fee = any(tier.fee_nano for tiers, _ in schedules(rate) for tier in tiers)
    return (
        (splits or rate.border_mode == "start")
        and not (rate.free_quantity or rate.minimum_quantity or has_fee)
        and not (rate.over is not None and rate.first_increment)  # its tier is not the first
        and rate.clock == "tariff"
        and rate.stage in ("component", "increment")
    )


def _scale(rate: Rate) -> int:
    return int(10 ** (money.MICRO_DIGITS - rate.digits))


def _cap(rate: Rate, maximum: int) -> int:
    return min(maximum, NO_MAXIMUM) if rate.maximum_nano else NO_MAXIMUM


def check_rate(rate: Rate, days: DayClasses, problems: Problems) -> None:
    """What the kernels rely on; ``check`` has said it more helpfully for books that were text."""
    where = rate.at.file, rate.at.line
    for found, allowed, advice in faults(rate):
        problems.add(where, f"rate '{rate.name}': {found}", allowed, advice)
    every = [band.tiers for band in rate.bands] + [rate.tiers] * bool(rate.tiers)
    tiers = [tier for tiers in every for tier in tiers]
    wrong = {
        f"counts '{rate.unit}'": rate.unit not in UNITS,
        "has no price": not tiers or not all(every),
        "has tiers that do not ascend from 0": not all(map(_ascends, every)),
        "has hours without a price": bool(tiers) and not is_covered(rate, days),
        "has bands that overlap": has_overlap(rate.bands, days),
        f"has an increment or `per` outside 1 to {QUANTITY_LIMIT}": any(
            not 1 <= length <= QUANTITY_LIMIT for t in tiers for length in (t.per, t.increment)),
        "has a negative amount": min(
            [rate.connect_nano, rate.minimum_nano, rate.maximum_nano, rate.first_increment,
             rate.short_call, *(tier.price_nano for tier in tiers)]) < 0,
        f"is rounded to {rate.digits} digits": not 0 <= rate.digits <= money.MICRO_DIGITS,
        f"has rounding mode {rate.mode}": rate.mode not in money.ROUNDING_MODES.values(),
        "is a template": rate.is_template or any(tier.percent_nano for tier in tiers),
    }  # fmt: skip
    for fault, is_so in wrong.items():
        if is_so:
            problems.add(where, f"rate '{rate.name}' {fault}",
                         "schedules as `tollbook tariff check` accepts them", "correct the rate")


def _ascends(tiers: Sequence[Tier]) -> bool:
    starts = [tier.from_quantity for tier in tiers]
    return starts[:1] in ([], [0]) and all(a < b for a, b in pairwise(starts))
