"""Bands of a rate -> shapes: which schedule holds at each second of each kind of day.

Days with the same day type and the same answer to every date condition of the book are one *day
class*. A shape lists the spans of every day class; rates whose spans are alike share one, so a
deck of 300,000 prices needs no more shapes than one rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from tariffs.model import DAY_CLASSES_MAX, DAY_S, DAY_TYPES, Band, Book, Dates, Rate
from tariffs.price_kernels import BAND, HOUR
from tariffs.rate_limits import schedules
from tollbook import clock
from tollbook.text import Problems

NO_PRICE: Final = -1  # instead of a schedule: hours that no band covers
NO_DATES: Final = Dates()
HOUR_S: Final = 3600
_HOURS: Final = DAY_S // HOUR_S
_LAST_DAY: Final = date(2101, 1, 3)
_HOLIDAY: Final = 7  # position in model.DAY_TYPES
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday

Span = tuple[int, int]  # (second of its end, schedule of the rate)


@dataclass(frozen=True)
class DayClasses:
    """Kinds of day, and which one each local day is.

    of_day: int16 by local day since 1970. day_types: by class, a position in model.DAY_TYPES.
    holding: by class, the date conditions that hold on its days; without any condition the
    classes are the day types.
    """

    of_day: np.ndarray
    day_types: tuple[int, ...]
    holding: tuple[frozenset[Dates], ...]

    def __len__(self) -> int:
        return len(self.day_types)

    def holds(self, band: Band, day_class: int) -> bool:
        """Whether a band holds on the days of a class."""
        return bool(band.days >> self.day_types[day_class] & 1) and (
            band.dates == NO_DATES or band.dates in self.holding[day_class]
        )


def day_classes(
    holidays: Iterable[date] = (),
    conditions: Iterable[Dates] = (),
    problems: Problems | None = None,
) -> DayClasses:
    """The kinds of day that holidays and date conditions make; too many of them are noted."""
    days = np.arange(_LAST_DAY.toordinal() - clock.EPOCH_DAY, dtype=np.int64)
    day_type = (days + _FIRST_WEEKDAY) % 7
    for day in holidays:
        if 0 <= day.toordinal() - clock.EPOCH_DAY < len(day_type):
            day_type[day.toordinal() - clock.EPOCH_DAY] = _HOLIDAY
    distinct = tuple(dict.fromkeys(one for one in conditions if one != NO_DATES))
    if not distinct:
        nothing: frozenset[Dates] = frozenset()
        of_day = day_type.astype(np.int16)
        of_day.setflags(write=False)
        return DayClasses(of_day, tuple(range(len(DAY_TYPES))), (nothing,) * len(DAY_TYPES))
    truth = np.stack([holds_on(one, days) for one in distinct])
    packed = np.concatenate([day_type[:, None].astype(np.uint8), np.packbits(truth, axis=0).T], 1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    if len(first) > DAY_CLASSES_MAX and problems is not None:
        problems.add(
            ("tariffs", 0), f"the dates of the bands make {len(first)} kinds of day",
            f"at most {DAY_CLASSES_MAX}", "use fewer different `dates`",
        )  # fmt: skip
    of_day = which.reshape(-1).astype(np.int16)
    of_day.setflags(write=False)
    holding = tuple(
        frozenset(one for one, holds in zip(distinct, truth[:, day], strict=True) if holds)
        for day in first.tolist()
    )
    return DayClasses(of_day, tuple(day_type[first].tolist()), holding)


def book_day_classes(book: Book, problems: Problems) -> DayClasses:
    """The kinds of day of a whole book."""
    conditions = (
        band.dates
        for plan in book.plans
        for version in plan.versions
        for rate in version.rates
        for band in rate.bands
    )
    return day_classes(book.holidays, conditions, problems)


def holds_on(dates: Dates, days: np.ndarray) -> np.ndarray:
    """Where a date condition holds: bool by day since 1970 (int64)."""
    moments = days.astype("datetime64[D]")
    months = moments.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    of_month = (moments - months.astype("datetime64[D]")).astype(np.int64) + 1
    holds = np.ones(len(days), bool)
    if dates.spans:
        epoch = clock.EPOCH_DAY
        edges = [(a.toordinal() - epoch, b.toordinal() - epoch) for a, b in dates.spans]
        holds &= _any(len(days), ((a <= days) & (days < b) for a, b in edges))
    if dates.yearly:
        at = month * 100 + of_month
        holds &= _any(len(days), (
            (a <= at) & (at <= b) if a <= b else (a <= at) | (at <= b) for a, b in dates.yearly
        ))  # fmt: skip
    if dates.months:
        holds &= np.isin(month, dates.months)
    if dates.month_days:
        following = (months + 1).astype("datetime64[D]")
        is_last = moments + 1 == following
        holds &= np.isin(of_month, dates.month_days) | (is_last & (-1 in dates.month_days))
    if dates.years:
        holds &= np.isin(moments.astype("datetime64[Y]").astype(np.int64) + 1970, dates.years)
    return holds


def _any(count: int, parts: Iterable[np.ndarray]) -> np.ndarray:
    found = np.zeros(count, bool)
    for part in parts:
        found |= part
    return found


def day_spans(rate: Rate, day_class: int, days: DayClasses) -> list[Span]:
    """Schedules of one kind of day as (second of their end, schedule), up to the end of the day.

    Where two bands hold, the higher weight counts; neighbours of the same schedule are one.
    """
    number = {schedule: index for index, schedule in enumerate(schedules(rate))}
    own = number.get((rate.tiers, rate.connect_nano), NO_PRICE) if rate.tiers else NO_PRICE
    holding = [band for band in rate.bands if days.holds(band, day_class)]
    edges = sorted({DAY_S, *(b.from_s for b in holding), *(b.to_s for b in holding)} - {0})
    spans: list[Span] = []
    begin = 0
    for end in edges:
        inside = [band for band in holding if band.from_s <= begin < band.to_s]
        schedule = own
        if inside:
            band = max(inside, key=lambda band: band.weight)
            connect = rate.connect_nano if band.connect_nano < 0 else band.connect_nano
            schedule = number[band.tiers, connect]
        if spans and spans[-1][1] == schedule:
            spans.pop()
        spans.append((end, schedule))
        begin = end
    return spans


def has_overlap(bands: Sequence[Band], days: DayClasses) -> bool:
    """Whether two bands of one weight hold at the same time."""
    for day_class in range(len(days)):
        ends: dict[int, int] = {}
        for band in sorted((b for b in bands if days.holds(b, day_class)), key=lambda b: b.from_s):
            if band.from_s < ends.get(band.weight, 0):
                return True
            ends[band.weight] = band.to_s
    return False


def is_covered(rate: Rate, days: DayClasses) -> bool:
    """Whether every second of every kind of day has a price."""
    return bool(rate.tiers) or all(
        schedule != NO_PRICE
        for day_class in range(len(days))
        for _, schedule in day_spans(rate, day_class, days)
    )


@dataclass
class Shapes:
    """Shapes as they are gathered: equal ones are one.

    hour_band: for each shape and day class the band in force as each hour of the day begins.
    bands: (second of the end, end counted on where the next day goes on alike, schedule).
    """

    days: DayClasses
    hour_band: list[int] = field(default_factory=list)
    bands: list[tuple[int, int, int]] = field(default_factory=list)
    longest_day: list[int] = field(default_factory=list)  # by shape, its most spans in a day
    _known: dict[tuple[tuple[Span, ...], ...], int] = field(default_factory=dict)
    _of_rate: dict[object, int] = field(default_factory=dict)

    def add(self, rate: Rate) -> int:
        """The shape of a rate, or -1 where one schedule holds at all times."""
        number = {schedule: index for index, schedule in enumerate(schedules(rate))}
        if len(number) == 1:
            return -1
        key = bool(rate.tiers), *(
            (band.days, band.from_s, band.to_s, band.dates, band.weight, number[
                band.tiers, rate.connect_nano if band.connect_nano < 0 else band.connect_nano])
            for band in rate.bands
        )  # fmt: skip
        if key not in self._of_rate:
            self._of_rate[key] = self._shape(tuple(
                tuple(day_spans(rate, day_class, self.days)) for day_class in range(len(self.days))
            ))  # fmt: skip
        return self._of_rate[key]

    def _shape(self, spans: tuple[tuple[Span, ...], ...]) -> int:
        if spans in self._known:
            return self._known[spans]
        self._known[spans] = len(self._known)
        self.longest_day.append(max(map(len, spans)))
        morning = _morning(spans)
        for day in spans:
            first = len(self.bands)
            for end, schedule in day:
                on = morning.get(schedule, 0) if end == DAY_S else 0
                self.bands.append((end, end + on, schedule))
            ends = [end for end, _ in day]
            begins = np.searchsorted(ends, np.arange(_HOURS) * HOUR_S, side="right")
            self.hour_band += (first + begins).tolist()
        return self._known[spans]

    def hours(self) -> np.ndarray:
        """HOUR rows: each hour's band."""
        rows = np.zeros(len(self.hour_band), HOUR)
        if self.bands:
            bands = np.array(self.bands, BAND)[self.hour_band]
            for name in BAND.names or ():
                rows[name] = bands[name]
            rows["band"] = self.hour_band
        return rows


def _morning(spans: Sequence[Sequence[Span]]) -> dict[int, int]:
    """The schedule that every kind of day begins with, and how long it lasts at least."""
    firsts = {day[0][1] for day in spans}
    return {firsts.pop(): min(day[0][0] for day in spans)} if len(firsts) == 1 else {}
