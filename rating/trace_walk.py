"""The price of one component in exact steps: its increments, one after the other, and their sum.

Nothing is counted one by one: a step takes all increments up to the next moment at which the price
may change, so that a call of a month is as quick to explain as one of a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

from rating.trace_steps import Component, Facts, Segment, Staged
from rating.trace_time import ENDLESS, Hold, Span, Timeline, clock_of
from tariffs.model import Rate, Tier
from tollbook import money

CUTTING: Final = ("unit", "restart")  # border modes under which a price may change within a usage
_NANO_A_MICRO: Final = 1000


class Reach(NamedTuple):
    """The part of a quantity that is priced: positions covered .. stop - 1.

    origin: added to a position to find its tier. is_anew: the part is priced as a usage by itself.
    """

    covered: int
    stop: int
    origin: int = 0
    is_anew: bool = False


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
    origin: int = 0

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
            number, tier, stop = self._tier_at(hold, position, stop)
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

    def _tier_at(self, hold: Hold, position: int, stop: int) -> tuple[int, Tier, int]:
        origin = self.course.origin
        number, tier, stop = _tier_at(hold, position + origin, stop + origin)
        return number, tier, stop - origin

    def _time(self, position: int) -> int:
        by_second = self.course.is_time
        return self.course.start_utc_s + position if by_second else self.course.moment(position)

    def _border_after(self, identity: tuple[object, ...], stop: int) -> int:
        """The next position that really is a border: midnight and a moved clock are none."""
        while stop < self.stop:
            hold, further = self.course.at(stop)
            if hold.is_free:
                break
            number, _, further = self._tier_at(hold, stop, further)
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
    spans: Sequence[Span], facts: Facts, time_zone: str, holidays: frozenset[date],
    reach: Reach | None = None,
) -> Component:
    """One component's steps; spans: its rate under each version that the usage crosses. reach: the
    part that is priced; None: all of it, and at least the minimum quantity."""
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
    if reach is not None and reach.is_anew:
        counts, facts, reach = _anew(rate, counts, facts, reach)
    timeline = Timeline(tuple(spans), clock_of(rate, facts, time_zone, holidays))
    found = min(
        (_walked(rate, facts, counts, timeline, at, reach)
         for at in _one_price(rate, facts, timeline)),
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


def _anew(
    rate: Rate, counts: tuple[int, ...], facts: Facts, reach: Reach
) -> tuple[tuple[int, ...], Facts, Reach]:
    """A part of a usage as a usage by itself, from the same start."""
    first = max(min(counts[0], reach.stop) - reach.covered, 0)
    both = min(sum(counts), reach.stop) - reach.covered
    if rate.unit == "second":
        facts = replace(facts, duration_s=both)
    return (first, both - first)[: len(counts)], facts, Reach(0, both, reach.origin)


def _walked(
    rate: Rate, facts: Facts, counts: Sequence[int], timeline: Timeline, at: int | None,
    reach: Reach | None,
) -> Component:
    """Segments, connection fee and sum, priced at one moment or (None) at each its own."""
    walks: list[_Walk] = []
    fixed, before = None if at is None else timeline.at(at), 0
    for part in counts:
        course = Course(timeline, facts.start_utc_s, part, facts.duration_s,
                        rate.unit == "second", fixed, reach.origin if reach else 0)  # fmt: skip
        covered, priced = 0, max(part, rate.minimum_quantity) if part else 0
        if reach is not None:
            covered, priced = max(reach.covered - before, 0), min(reach.stop - before, part)
            before += part
            if covered >= priced:
                continue
        walk = _Walk(rate, course, priced, run=walks[-1].run if walks else -1)
        walk.go(max(min(rate.free_quantity, priced), covered),
                0 if covered else rate.first_increment)  # fmt: skip
        walks.append(walk)
    segments = tuple(segment for walk in walks for segment in walk.segments)
    used = next(walk.course for walk in walks if walk.stop)  # nothing up: the fee of what is down
    connect = (fixed or _first_priced(used)).connect_nano
    staged = stages(rate, connect, segments)
    exact = connect + sum((s.amount_nano + s.fee_nano for s in segments), Fraction(0))
    return Component(
        "", rate, quantity=sum(counts), segments=segments, priced_at_utc_s=at, staged=staged,
        priced_quantity=sum(walk.stop for walk in walks) - (reach.covered if reach else 0),
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
