"""Naive twin of a component's price: one increment at a time, fractions, and datetime's clock.

Written for being obviously right, from the numbered rules of docs/rating.md; nothing of the
product's arithmetic or clocks is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from zoneinfo import ZoneInfo

from rating.trace_steps import Facts
from tariffs.model import Band, Book, Dates, Rate, Tier

NANO_A_MICRO = 1000
FOREVER = 10**15
CUTTING = ("unit", "restart")
Span = tuple[int, Rate | None]  # until when (UTC seconds) which rate; None: free


def local(utc_s: int, zone: str) -> datetime:
    return datetime.fromtimestamp(utc_s, ZoneInfo(zone))


def rounded_nano(nano: Fraction, digits: int, mode: int) -> int:
    """Rounded to digits of the currency unit, in nano."""
    unit = 10 ** (9 - digits)
    below = int(nano // unit) * unit
    rest, above = nano - below, below + unit
    nearer = below if rest < unit - rest else above
    if rest == 0:
        return below
    if mode in (0, 1):
        return (below, above)[mode]
    if 2 * rest != unit:
        return nearer
    even = below if below // unit % 2 == 0 else above
    return {2: above, 3: below, 4: even}[mode]


def rounded(nano: Fraction, digits: int, mode: int) -> int:
    """Rounded to digits of the currency unit, in micro."""
    return rounded_nano(nano, digits, mode) // NANO_A_MICRO


def quantities(rate: Rate, facts: Facts) -> list[int]:
    up, down = facts.up_bytes, facts.down_bytes
    volumes = [up, down] if rate.apart else [up + down]
    return {"second": [facts.duration_s], "event": [facts.event_count], "byte": volumes}[rate.unit]


def border_of(rate: Rate) -> str:
    return rate.border or {"second": "unit", "byte": "start", "event": "start"}[rate.unit]


def is_cut(rate: Rate) -> bool:
    """Whether a border, also one of versions, may lie within a usage of this rate."""
    return rate.unit != "event" and border_of(rate) in CUTTING


def lead_of(spans: Sequence[Span]) -> Rate | None:
    rates = [rate for _, rate in spans if rate is not None]
    return rates[0] if rates else None


def is_on(dates: Dates, day: date) -> bool:
    """Every part that is given must hold."""
    last_day = (day + timedelta(days=1)).day == 1
    key = 100 * day.month + day.day
    parts = []
    if dates.spans:
        parts.append(any(first <= day < end for first, end in dates.spans))
    if dates.yearly:
        parts.append(any(
            first <= key <= last if first <= last else not last < key < first
            for first, last in dates.yearly
        ))  # fmt: skip
    if dates.months:
        parts.append(day.month in dates.months)
    if dates.month_days:
        parts.append(day.day in dates.month_days or (-1 in dates.month_days and last_day))
    if dates.years:
        parts.append(day.year in dates.years)
    return all(parts)


@dataclass(frozen=True)
class Schedule:
    """What is in force at a moment; tiers (): free."""

    part: int
    tiers: tuple[Tier, ...]
    connect_nano: int

    def tier_number(self, position: int) -> int:
        return max(i for i, tier in enumerate(self.tiers) if tier.from_quantity <= position)


@dataclass(frozen=True)
class Increment:
    """One increment. entered: the version, schedule and tier in which it begins."""

    entered: tuple[Schedule, int]
    day: date
    amount_nano: Fraction
    fee_nano: int


@dataclass(frozen=True)
class Part:
    """Of a usage the positions covered .. stop; their tiers count from ``origin`` on."""

    covered: int
    stop: int
    origin: int = 0


@dataclass
class Pricing:
    """One component of one usage."""

    book: Book
    zone: str
    spans: Sequence[Span]
    facts: Facts
    rate: Rate  # the leading one
    part: Part | None = None  # None: the whole usage

    @cached_property
    def clock(self) -> tzinfo:
        facts = self.facts
        if self.rate.clock == "switch":
            return timezone(timedelta(seconds=facts.utc_offset_s))
        named = {"home": facts.home_time_zone, "visited": facts.served_time_zone}
        return ZoneInfo(named.get(self.rate.clock) or self.zone)

    @cached_property
    def _days(self) -> dict[tuple[int, date], list[Band]]:
        return {}

    def bands_of(self, part: int, rate: Rate, day: date) -> list[Band]:
        """Bands of a local day, the heaviest first."""
        if (part, day) not in self._days:
            day_type = 7 if day in self.book.holidays else day.weekday()
            own = [b for b in rate.bands if b.days & 2**day_type and is_on(b.dates, day)]
            self._days[part, day] = sorted(own, key=lambda band: -band.weight)
        return self._days[part, day]

    def schedule(self, utc_s: int) -> tuple[Schedule, date]:
        """What holds at a moment, and its local day."""
        part = next(i for i, (until, _) in enumerate(self.spans) if utc_s < until)
        rate = self.spans[part][1]
        moment = datetime.fromtimestamp(utc_s, self.clock)
        day = moment.date()
        if rate is None:
            return Schedule(part, (), 0), day
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        for band in self.bands_of(part, rate, day):
            if band.from_s <= second < band.to_s:
                connect = rate.connect_nano if band.connect_nano < 0 else band.connect_nano
                return Schedule(part, band.tiers, connect), day
        return Schedule(part, rate.tiers, rate.connect_nano), day

    def moment(self, position: int, quantity: int) -> int:
        """When a position is used."""
        start, lasts_s = self.facts.start_utc_s, self.facts.duration_s
        if self.rate.unit == "second":
            return start + position
        if position < quantity:
            return start + int(Fraction(position * lasts_s, quantity))
        return start + max(lasts_s - 1, 0)

    def increments(
        self, quantity: int, before: int, fixed: Schedule | None
    ) -> Iterator[Increment]:
        """Everything that is charged of one quantity. before: what lies before it."""
        rate, part = self.rate, self.part
        priced = max(quantity, rate.minimum_quantity) if quantity else 0
        covered, origin = 0, 0
        if part is not None:
            priced = min(part.stop - before, quantity)
            covered, origin = max(part.covered - before, 0), part.origin
        position = max(min(rate.free_quantity, priced), covered)
        entered: tuple[Schedule, int] | None = None
        is_first = covered == 0
        restarts = border_of(rate) == "restart"

        def place(at: int) -> tuple[Schedule, int, date]:
            schedule, day = (fixed, date.min) if fixed else self.schedule(self.moment(at, quantity))
            return schedule, schedule.tier_number(at + origin) if schedule.tiers else -1, day

        while position < priced:
            schedule, number, day = place(position)
            if not schedule.tiers:
                position, entered = position + 1, None
                continue
            tier = schedule.tiers[number]
            length = rate.first_increment if is_first and rate.first_increment else tier.increment
            is_first = False
            fee = tier.fee_nano if entered != (schedule, number) else 0
            entered = (schedule, number)
            yield Increment(entered, day, Fraction(length * tier.price_nano, tier.per), fee)
            end = position + length
            if restarts:
                inside = range(position + 1, min(end, priced))
                end = next((at for at in inside if place(at)[:2] != entered), end)
            position = end

    def sum_nano(self, fixed: Schedule | None) -> Fraction:
        """Connection fee, fees and increments, with the roundings before the last."""
        rate = self.rate
        counts = quantities(rate, self.facts)
        used = next(count for count in counts if count)
        connect = (fixed or self.first_schedule(used)).connect_nano
        if rate.stage == "component":
            found = (one for place, part in enumerate(counts)
                     for one in self.increments(part, sum(counts[:place]), fixed))  # fmt: skip
            return sum((one.amount_nano + one.fee_nano for one in found), Fraction(connect))
        digits = rate.digits if rate.stage_digits < 0 else rate.stage_digits
        mode = rate.mode if rate.stage_mode < 0 else rate.stage_mode

        def near(amount: Fraction | int) -> int:
            return rounded_nano(Fraction(amount), digits, mode)

        total = near(connect)
        for place, part in enumerate(counts):
            found_here = list(self.increments(part, sum(counts[:place]), fixed))
            for _, run in groupby(found_here, key=self.run_key(found_here)):
                own = list(run)
                fees = [one.fee_nano for one in own]
                exact = sum((one.amount_nano for one in own), Fraction(0))
                if rate.stage == "increment":
                    total += sum(near(one.amount_nano) for one in own) + sum(map(near, fees))
                elif rate.stage == "segment":
                    total += near(exact + sum(fees))
                else:
                    total += len(own) * near(Fraction(near(exact), len(own)))
                    total += sum(map(near, fees))
        return Fraction(total)

    def run_key(self, found: list[Increment]):
        """Numbers the runs that are rounded together: increments of one identity and, with the
        stage cgrates, of one local day."""
        number, keys, before = 0, {}, None
        for one in found:
            own = (one.entered, one.day if self.rate.stage == "cgrates" else None)
            number += own != before
            before = own
            keys[id(one)] = number
        return lambda one: keys[id(one)]

    def first_schedule(self, quantity: int) -> Schedule:
        """What holds at the first position that is not free under its version."""
        position = 0
        while not (found := self.schedule(self.moment(position, quantity))[0]).tiers:
            position += 1
        return found

    def charge_micro(self) -> int:
        rate, facts = self.rate, self.facts
        if self.part is None and sum(quantities(rate, facts)) <= rate.short_call:
            return 0
        start, lasts_s = facts.start_utc_s, max(facts.duration_s, 1)
        border = "start" if rate.unit == "event" else border_of(rate)
        moments = {
            "start": [start],
            "end": [start + lasts_s - 1],
            "middle": [start + facts.duration_s // 2],
            "cheapest": range(start, start + lasts_s),
        }
        if border in CUTTING:
            nano = self.sum_nano(None)
        else:
            offered = {self.schedule(moment)[0] for moment in moments[border]}
            nano = min(self.sum_nano(schedule) for schedule in offered)
        nano = max(nano, Fraction(rate.minimum_nano))
        if rate.maximum_nano:
            nano = min(nano, Fraction(rate.maximum_nano))
        return rounded(nano, rate.digits, rate.mode)


def charge_micro(
    book: Book, zone: str, spans: Sequence[Span], facts: Facts, part: Part | None = None
) -> int:
    """One component of a usage. spans: its rate under each version that the usage crosses."""
    rate = lead_of(spans)
    if rate is not None and not is_cut(rate):
        spans = [(FOREVER, spans[0][1])]
        rate = spans[0][1]
    if rate is None:
        return 0
    return Pricing(book, zone, spans, facts, rate, part).charge_micro()


def instant(day: date, wall_s: int, zone: str) -> int:
    """A wall second of a local day as an instant."""
    wall = datetime(day.year, day.month, day.day) + timedelta(seconds=wall_s)
    return int(wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp())
