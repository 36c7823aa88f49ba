"""What is in force at each moment of a usage: the bands of a rate, on the clock that they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np

from rating.trace_steps import Facts
from tariffs.model import DAY_S, Band, Dates, Rate, Tier
from tollbook import clock

ENDLESS: Final = 1 << 62
_HOLIDAY: Final = 7  # position in model.DAY_TYPES


class Span(NamedTuple):
    """The rate of a component until an instant: None where it is free."""

    until_utc_s: int
    rate: Rate | None


class Hold(NamedTuple):
    """What is in force at a moment, and until when nothing can change."""

    part: int
    is_free: bool
    band: str
    tiers: tuple[Tier, ...]
    connect_nano: int
    until_utc_s: int
    local_day: int

    @property
    def schedule(self) -> tuple[object, ...]:
        return self.part, self.tiers, self.connect_nano


@dataclass(frozen=True)
class Clock:
    """Whose local time the bands mean: a zone, or (zone "") a fixed offset; and the holidays."""

    zone: str
    offset_s: int = 0
    holidays: frozenset[date] = frozenset()

    def local(self, utc_s: int) -> tuple[int, int]:
        """Local seconds since 1970 at an instant, and the instant at which the clock is moved."""
        if not self.zone:
            return utc_s + self.offset_s, ENDLESS
        table = clock.zone_table(self.zone)
        entry = int(np.searchsorted(table.since_utc_s, utc_s, side="right")) - 1
        is_last = entry + 1 == len(table.since_utc_s)
        moved = ENDLESS if is_last else int(table.since_utc_s[entry + 1])
        return utc_s + int(table.offset_s[entry]), moved


def clock_of(rate: Rate, facts: Facts, zone: str, holidays: frozenset[date]) -> Clock:
    """The clock that a rate's bands mean. zone: the version's own."""
    if rate.clock == "switch":
        return Clock("", facts.utc_offset_s, holidays)
    own = {"home": facts.home_time_zone, "visited": facts.served_time_zone}.get(rate.clock, "")
    return Clock(own or zone, 0, holidays)


def holds_on(dates: Dates, day: date) -> bool:
    """Whether a band's dates include a local day."""
    is_last = (day + timedelta(days=1)).month != day.month
    key = day.month * 100 + day.day
    yearly = (low <= key <= high if low <= high else key >= low or key <= high
              for low, high in dates.yearly)  # fmt: skip
    return (
        (not dates.spans or any(low <= day < high for low, high in dates.spans))
        and (not dates.yearly or any(yearly))
        and (not dates.months or day.month in dates.months)
        and (not dates.month_days or day.day in dates.month_days
             or (is_last and -1 in dates.month_days))
        and (not dates.years or day.year in dates.years)
    )  # fmt: skip


@dataclass(frozen=True)
class Timeline:
    """What is in force at every moment of a usage."""

    spans: tuple[Span, ...]
    clock: Clock

    def at(self, utc_s: int) -> Hold:
        """The band with the highest weight, or the rate's own price, at an instant."""
        part = next(i for i, span in enumerate(self.spans) if utc_s < span.until_utc_s)
        until, rate = self.spans[part]
        if rate is None:
            return Hold(part, True, "", (), 0, until, 0)
        local, moved = self.clock.local(utc_s)
        local_day, second = divmod(local, DAY_S)
        day = date.fromordinal(clock.EPOCH_DAY + local_day)
        bit = 1 << (_HOLIDAY if day in self.clock.holidays else day.weekday())
        bands = [b for b in rate.bands if b.days & bit and holds_on(b.dates, day)]
        edges = [edge for band in bands for edge in (band.from_s, band.to_s)]
        lasts_s = min([DAY_S, *(edge for edge in edges if edge > second)]) - second
        found = _heaviest([band for band in bands if band.from_s <= second < band.to_s])
        until = min(until, moved, utc_s + lasts_s)
        if found is None:
            return Hold(part, False, "", rate.tiers, rate.connect_nano, until, local_day)
        connect = found.connect_nano if found.connect_nano >= 0 else rate.connect_nano
        return Hold(part, False, found.name, found.tiers, connect, until, local_day)

    def throughout(self, from_utc_s: int, to_utc_s: int) -> Iterator[tuple[int, Hold]]:
        """All that holds in a span of time, and from when."""
        while from_utc_s < to_utc_s:
            hold = self.at(from_utc_s)
            yield from_utc_s, hold
            from_utc_s = hold.until_utc_s


def _heaviest(bands: Sequence[Band]) -> Band | None:
    return max(bands, key=lambda band: band.weight, default=None)
