"""The price of one component in exact steps: its increments, one after the other, and their sum.

Nothing is counted one by one: a step takes all increments up to the next moment at which the price
may change, so that a call of a month is as quick to explain as one of a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from rating.trace_steps import Component, Facts, Segment, Staged
from tariffs.model import DAY_S, Band, Dates, Rate, Tier
from tollbook import clock, money

CUTTING: Final = ("unit", "restart")  # border modes under which a price may change within a usage
ENDLESS: Final = 1 << 62
_HOLIDAY: Final = 7  # position in model.DAY_TYPES
_NANO_A_MICRO: Final = 1000


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


@dataclass(frozen=True)
class Course:
    """How positions of a quantity lie in time: by the second, spread over the usage, or at once.

    fixed: the one price of all positions, where the rate says so.
    """

    timeline: Timeline
    start_utc_s: int
    quantity: int
    duration_s: int
    is_time: bool
    fixed: Hold | None = None

    def moment(self, position: int) -> int:
        """The instant of a position."""
        if self.is_time:
            return self.start_utc_s + position
        if position >= self.quantity:
            return self.start_utc_s + max(self.duration_s - 1, 0)
        return self.start_utc_s + position * self.duration_s // self.quantity

    def position_at(self, utc_s: int) -> int:
        """The first position whose moment is not before an instant."""
        after_s = utc_s - self.start_utc_s
        if self.is_time or after_s <= 0:
            return max(after_s, 0)
        if after_s >= self.duration_s:
            return ENDLESS
        return -(-after_s * self.quantity // self.duration_s)

    def at(self, position: int) -> tuple[Hold, int]:
        """What holds at a position, and the next position at which it may be something else."""
        if self.fixed is not None:
            return self.fixed, ENDLESS
        hold = self.timeline.at(self.moment(position))
        return hold, self.position_at(hold.until_utc_s)


@dataclass
class _Walk:
    """The increments of one quantity, as they are gathered into segments."""

    rate: Rate
    course: Course
    stop: int  # the quantity that is priced
    segments: list[Segment] = field(default_factory=list)
    run: int = -1
    entered: tuple[object, ...] = ()  # the schedule and tier of the increment before
    day: int = 0

    def go(self, position: int, first: int) -> None:
        """Cut everything from a position on. first: length of the first increment, or 0."""
        while position < self.stop:
            hold, stop = self.course.at(position)
            if hold.is_free:
                position, self.entered = stop, ()
                continue
            number, tier, stop = _tier_at(hold, position, stop)
            identity = (*hold.schedule, number)
            if self.rate.border_mode == "restart":
                stop = self._border_after(identity, stop)
            stop = min(stop, self.stop)
            count, length = (1, first) if first else (
                -(-(stop - position) // tier.increment), tier.increment)  # fmt: skip
            first = 0
            end = position + count * length
            is_cut = self.rate.border_mode == "restart" and stop < min(end, self.stop)
            self._add(identity, hold, tier, Segment(
                hold.band, number, count, length, tier.price_nano, tier.per,
                Fraction(count * length * tier.price_nano, tier.per), self._time(position),
                self._time(end), position=position, part=hold.part, is_cut=is_cut,
            ))  # fmt: skip
            position = stop if is_cut else end

    def _time(self, position: int) -> int:
        by_second = self.course.is_time
        return self.course.start_utc_s + position if by_second else self.course.moment(position)

    def _border_after(self, identity: tuple[object, ...], stop: int) -> int:
        """The next position that really is a border: midnight and a moved clock are none."""
        while stop < self.stop:
            hold, further = self.course.at(stop)
            if hold.is_free:
                break
            number, _, further = _tier_at(hold, stop, further)
            if (*hold.schedule, number) != identity:
                break
            stop = further
        return stop

    def _add(
        self, identity: tuple[object, ...], hold: Hold, tier: Tier, new: Segment
    ) -> None:
        is_entered = identity != self.entered
        is_next_day = self.rate.stage == "cgrates" and hold.local_day != self.day
        self.run += is_entered or is_next_day
        new = replace(new, run=self.run, fee_nano=tier.fee_nano if is_entered else 0)
        last = self.segments[-1] if self.segments else None
        if last is not None and (last.run, last.band, last.increment) == (
            new.run, new.band, new.increment):  # fmt: skip
            self.segments[-1] = replace(
                last, count=last.count + new.count, to_utc_s=new.to_utc_s, is_cut=new.is_cut,
                amount_nano=last.amount_nano + new.amount_nano,
            )  # fmt: skip
        else:
            self.segments.append(new)
        self.entered, self.day = identity, hold.local_day


def _tier_at(hold: Hold, position: int, stop: int) -> tuple[int, Tier, int]:
    """Number (from 1) of the tier at a position, the tier, and where it ends at the latest."""
    number = sum(tier.from_quantity <= position for tier in hold.tiers)
    if number < len(hold.tiers):
        stop = min(stop, hold.tiers[number].from_quantity)
    return number, hold.tiers[number - 1], stop


def price_spans(
    spans: Sequence[Span], facts: Facts, time_zone: str, holidays: frozenset[date]
) -> Component:
    """One component's steps; spans: its rate under each version that the usage crosses."""
    rate = leading(spans)
    if rate is None:
        return Component("", None)
    if not cuts(rate):
        spans = [Span(ENDLESS, spans[0].rate)]
        rate = spans[0].rate
        if rate is None:
            return Component("", None)
    counts = counted(rate, facts)
    quantity = sum(counts)
    if quantity <= rate.short_call:
        return Component("", rate, quantity=quantity, is_short=quantity > 0)
    timeline = Timeline(tuple(spans), clock_of(rate, facts, time_zone, holidays))
    found = min(
        (_walked(rate, facts, counts, timeline, at) for at in _one_price(rate, facts, timeline)),
        key=lambda component: component.sum_nano,
    )
    return _finished(rate, found)


def leading(spans: Sequence[Span]) -> Rate | None:
    """The rate that says how the usage is counted, cut and rounded: the first that is not free."""
    return next((span.rate for span in spans if span.rate is not None), None)


def cuts(rate: Rate) -> bool:
    """Whether borders, also one of versions, cut usages of this rate."""
    return rate.unit != "event" and rate.border_mode in CUTTING


def counted(rate: Rate, facts: Facts) -> tuple[int, ...]:
    """The quantities that the rate counts: two where bytes up and down round apart."""
    if rate.unit == "second":
        return (facts.duration_s,)
    if rate.unit == "event":
        return (facts.event_count,)
    if rate.apart:
        return facts.up_bytes, facts.down_bytes
    return (facts.up_bytes + facts.down_bytes,)


def _one_price(rate: Rate, facts: Facts, timeline: Timeline) -> list[int | None]:
    """The moments that may give the one price; [None] where borders cut."""
    start, lasts_s = facts.start_utc_s, max(facts.duration_s, 1)
    if rate.border_mode == "cheapest":
        firsts: dict[tuple[object, ...], int | None] = {}
        for since, hold in timeline.throughout(start, start + lasts_s):
            firsts.setdefault(hold.schedule, since)
        return list(firsts.values())
    moments = {"start": start, "end": start + lasts_s - 1, "middle": start + facts.duration_s // 2}
    return [moments.get("start" if rate.unit == "event" else rate.border_mode)]


def _walked(
    rate: Rate, facts: Facts, counts: Sequence[int], timeline: Timeline, at: int | None
) -> Component:
    """Segments, connection fee and sum, priced at one moment or (None) at each its own."""
    walks: list[_Walk] = []
    fixed = None if at is None else timeline.at(at)
    for part in counts:
        course = Course(timeline, facts.start_utc_s, part, facts.duration_s,
                        rate.unit == "second", fixed)  # fmt: skip
        priced = max(part, rate.minimum_quantity) if part else 0
        walk = _Walk(rate, course, priced, run=walks[-1].run if walks else -1)
        walk.go(min(rate.free_quantity, priced), rate.first_increment)
        walks.append(walk)
    segments = tuple(segment for walk in walks for segment in walk.segments)
    used = next(walk.course for walk in walks if walk.stop)  # nothing up: the fee of what is down
    connect = (fixed or _first_priced(used)).connect_nano
    staged = stages(rate, connect, segments)
    exact = connect + sum((s.amount_nano + s.fee_nano for s in segments), Fraction(0))
    return Component(
        "", rate, quantity=sum(counts), segments=segments, priced_at_utc_s=at, staged=staged,
        priced_quantity=sum(walk.stop for walk in walks),
        free_quantity=min(rate.free_quantity, walks[0].stop), connect_nano=connect,
        sum_nano=Fraction(sum(one.sum_nano for one in staged)) if staged else exact,
    )  # fmt: skip


def _first_priced(course: Course) -> Hold:
    """What holds where the first version begins in which the component is not free."""
    hold, stop = course.at(0)
    while hold.is_free:
        hold, stop = course.at(stop)
    return hold


def stages(rate: Rate, connect_nano: int, segments: Sequence[Segment]) -> tuple[Staged, ...]:
    """The roundings before the last; none with the stage ``component``."""
    if rate.stage == "component":
        return ()

    def near(amount: Fraction) -> int:
        digits = rate.stage_digits if rate.stage_digits >= 0 else rate.digits
        mode = rate.stage_mode if rate.stage_mode >= 0 else rate.mode
        unit: int = 10 ** (money.NANO_DIGITS - digits)
        return unit * money.round_div(amount.numerator, amount.denominator * unit, mode)

    found = [Staged("connect", 1, Fraction(connect_nano), near(Fraction(connect_nano)))]
    first = 0
    for _, run in groupby(segments, key=lambda segment: segment.run):
        own = list(run)
        fee = Fraction(sum(segment.fee_nano for segment in own))
        exact = sum((segment.amount_nano for segment in own), Fraction(0))
        if rate.stage == "segment":
            found.append(Staged("increments", 1, exact + fee, near(exact + fee), first, len(own)))
        elif fee:
            found.append(Staged("fee", 1, fee, near(fee), first, len(own)))
        if rate.stage == "cgrates":
            count, once = sum(segment.count for segment in own), near(exact)
            each = near(Fraction(once, count))
            found.append(Staged("increments", count, exact, each, first, len(own), once))
        elif rate.stage == "increment":
            found += [
                Staged("increments", one.count, one.amount_nano,
                       near(one.amount_nano * Fraction(1, one.count)), first + place, 1)
                for place, one in enumerate(own)
            ]  # fmt: skip
        first += len(own)
    return tuple(found)


def _finished(rate: Rate, found: Component) -> Component:
    """Minimum, maximum and the last rounding."""
    exact, bound = found.sum_nano, ""
    if exact < rate.minimum_nano:
        exact, bound = Fraction(rate.minimum_nano), "minimum"
    if rate.maximum_nano and exact > rate.maximum_nano:
        exact, bound = Fraction(rate.maximum_nano), "maximum"
    unit_nano = 10 ** (money.NANO_DIGITS - rate.digits)
    units = money.round_div(exact.numerator, exact.denominator * unit_nano, rate.mode)
    charge_micro = units * unit_nano // _NANO_A_MICRO
    return replace(found, bound=bound, exact_nano=exact, charge_micro=charge_micro)
