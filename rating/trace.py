"""The price of one usage in exact steps, for ``tollbook explain``: plain Python, no arrays.

Reads the book's dataclasses, not the compiled arrays, and lands on the amounts that the kernels
store, to the last digit (tests/test_rating.py). Amounts on the way are fractions of a nano.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

import numpy as np
import pyarrow as pa

from tariffs.book_rules import ANY_ZONE
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook
from tariffs.model import (
    ALL_DAYS,
    DAY_S,
    FREE,
    Band,
    Book,
    Charge,
    Plan,
    Rate,
    Rule,
    Version,
    When,
)
from tollbook import clock, codes, money

_HOLIDAY: Final = 7  # position in model.DAY_TYPES
_NANO_A_MICRO: Final = 1000


@dataclass(frozen=True)
class Facts:
    """What rating needs to know about a usage, in the words of the book; "" where there is none."""

    service: str
    direction: str
    start_utc_s: int
    roaming: str = "home"
    relation: str = ""
    other_zone: str = ""
    access_code: str = ""
    on_net: bool = False
    special: bool = False
    duration_s: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    event_count: int = 0
    served_zone: str = ""
    home_zone: str = ""
    home_relation: str = ""
    carrier: str = ""
    forward: str = "none"
    boundary: str = "none"
    same_place: bool = False
    friend: bool = False
    group: bool = False
    other_e164: int = 0
    routing_e164: int = 0
    utc_offset_s: int = 0


@dataclass(frozen=True)
class Segment:
    """Increments of one length and price, one after the other.

    band: its name, "" for the price that holds where no band does. tier: from 1. For prices by
    the second the segment lasts from_utc_s to to_utc_s (the last increment counted whole).
    """

    band: str
    tier: int
    count: int
    increment: int
    price_nano: int
    per: int
    amount_nano: Fraction
    from_utc_s: int
    to_utc_s: int


@dataclass(frozen=True)
class Component:
    """How one component came about.

    rate: None where the component is free. deck: the deck that named the rate, "" if a rule did.
    quantity: what is counted, in the rate's unit. is_short: free as a short call.
    exact_nano: segments and connection fee, within minimum and maximum, before the one rounding.
    bound: "minimum" or "maximum" where one of them decided.
    """

    component: str
    rate: Rate | None
    deck: str = ""
    quantity: int = 0
    is_short: bool = False
    segments: tuple[Segment, ...] = ()
    bound: str = ""
    exact_nano: Fraction = Fraction(0)
    charge_micro: int = 0


@dataclass(frozen=True)
class Trace:
    """How a usage was rated. reason: "" or the name in tollbook.reasons; then nothing is charged.

    rule_index: position of the rule in its version, -1: none held.
    """

    plan: Plan | None
    version: Version | None = None
    rule_index: int = -1
    rule: Rule | None = None
    components: tuple[Component, ...] = ()
    charge_micro: int = 0
    reason: str = ""


def price(book: Book, plan_id: str, facts: Facts, maxima: Maxima | None = None) -> Trace:
    """Rate one usage step by step."""
    plan = next((plan for plan in book.plans if plan.plan_id == plan_id), None)
    version = version_at(plan, facts.start_utc_s) if plan else None
    if version is None:
        return Trace(plan, reason="plan_missing")
    holding = ((i, r) for i, r in enumerate(version.rules) if holds(r.when, facts))
    index, rule = next(holding, (-1, None))
    found = Trace(plan, version, index, rule)
    if rule is None or rule.refuse:
        return replace(found, reason="no_rate")
    chosen = [(charge, _rate_for(version, charge, facts)) for charge in rule.charges]
    if any(rate == "" for _, rate in chosen):
        return replace(found, reason="no_rate")
    components = []
    for charge, name in chosen:
        rate = None if name == FREE else version.rate(name)
        if rate is not None and sum(counted(rate, facts)) > (maxima or Maxima()).of(rate.unit):
            return replace(found, reason="charge_too_large")
        made = price_rate(rate, facts, version.time_zone, book.holidays)
        components.append(replace(made, component=charge.component, deck=charge.by_zone))
    total = sum(component.charge_micro for component in components)
    if total > version.charge_limit_micro:
        return replace(found, components=tuple(components), reason="charge_too_large")
    return replace(found, components=tuple(components), charge_micro=total)


def version_at(plan: Plan, utc_s: int) -> Version | None:
    """The version in force at an instant, by its own clock."""
    for version in sorted(plan.versions, key=lambda one: one.valid_from, reverse=True):
        if clock.date_utc_s(version.valid_from, version.time_zone) <= utc_s:
            end = version.valid_to
            is_over = end is not None and clock.date_utc_s(end, version.time_zone) <= utc_s
            return None if is_over else version
    return None


def holds(when: When, facts: Facts) -> bool:
    """Whether all conditions of a rule hold."""
    listed = (
        (when.service, facts.service),
        (when.direction, facts.direction),
        (when.roaming, facts.roaming),
        (when.relation, facts.relation),
        (when.to_zone, facts.other_zone),
        (when.access_code, facts.access_code),
    )
    return (
        all(not words or word in words for words, word in listed)
        and when.on_net in (None, facts.on_net)
        and when.special in (None, facts.special)
    )


def _rate_for(version: Version, charge: Charge, facts: Facts) -> str:
    """Name of the rate, FREE, or "" where the deck has none for the zone."""
    if not charge.by_zone:
        return charge.rate
    deck = next(deck for deck in version.decks if deck.name == charge.by_zone)
    rates = dict(deck.rates)
    return rates.get(facts.other_zone, rates.get(ANY_ZONE, "") if facts.other_zone else "")


def counted(rate: Rate, facts: Facts) -> tuple[int, ...]:
    """The quantities that the rate counts: two where bytes up and down round apart."""
    if rate.unit == "second":
        return (facts.duration_s,)
    if rate.unit == "event":
        return (facts.event_count,)
    if rate.apart:
        return facts.up_bytes, facts.down_bytes
    return (facts.up_bytes + facts.down_bytes,)


def price_rate(
    rate: Rate | None, facts: Facts, time_zone: str, holidays: frozenset[date] = frozenset()
) -> Component:
    """One component's steps; ``rate`` None is free."""
    if rate is None:
        return Component("", None)
    quantities = counted(rate, facts)
    quantity = sum(quantities)
    if quantity <= rate.short_call:
        return Component("", rate, quantity=quantity, is_short=quantity > 0)
    segments = tuple(
        segment
        for part in quantities
        for segment in segments_of(rate, facts.start_utc_s, part, time_zone, holidays)
    )
    exact = rate.connect_nano + sum((s.amount_nano for s in segments), Fraction(0))
    bound = ""
    if exact < rate.minimum_nano:
        exact, bound = Fraction(rate.minimum_nano), "minimum"
    if rate.maximum_nano and exact > rate.maximum_nano:
        exact, bound = Fraction(rate.maximum_nano), "maximum"
    unit_nano = 10 ** (money.NANO_DIGITS - rate.digits)
    units = money.round_div(exact.numerator, exact.denominator * unit_nano, rate.mode)
    charge_micro = units * unit_nano // _NANO_A_MICRO
    return Component("", rate, "", quantity, False, segments, bound, exact, charge_micro)


def segments_of(
    rate: Rate, start_utc_s: int, quantity: int, time_zone: str, holidays: frozenset[date]
) -> list[Segment]:
    """The increments of a quantity, those of one price together."""
    segments: list[Segment] = []
    position = 0
    by_second = rate.unit == "second"
    while position < quantity:
        moment = start_utc_s + (position if by_second else 0)
        band, lasts_s = _band_at(rate, moment, time_zone, holidays)
        tiers = band.tiers
        number = sum(tier.from_quantity <= position for tier in tiers)
        tier = tiers[number - 1]
        if position == 0 and rate.first_increment:
            count, increment = 1, rate.first_increment
        else:
            stop = min(quantity, position + lasts_s) if by_second else quantity
            if number < len(tiers):
                stop = min(stop, tiers[number].from_quantity)
            count, increment = -(-(stop - position) // tier.increment), tier.increment
        position += count * increment
        end = start_utc_s + position if by_second else moment
        _append(segments, Segment(
            band.name, number, count, increment, tier.price_nano, tier.per,
            Fraction(count * increment * tier.price_nano, tier.per), moment, end,
        ))  # fmt: skip
    return segments


def _append(segments: list[Segment], new: Segment) -> None:
    """Join a segment to the one before where only midnight or a moved clock lies between."""
    last = segments[-1] if segments else None
    same = ("band", "tier", "increment", "price_nano", "per")
    if last is not None and all(getattr(last, name) == getattr(new, name) for name in same):
        segments[-1] = replace(
            last, count=last.count + new.count, to_utc_s=new.to_utc_s,
            amount_nano=last.amount_nano + new.amount_nano,
        )  # fmt: skip
    else:
        segments.append(new)


def _band_at(
    rate: Rate, utc_s: int, time_zone: str, holidays: frozenset[date]
) -> tuple[Band, int]:
    """The band in force at an instant (or the rate's own price), and for how long, in seconds."""
    table = clock.zone_table(time_zone)
    entry = int(np.searchsorted(table.since_utc_s, utc_s, side="right")) - 1
    local_day, second = divmod(utc_s + int(table.offset_s[entry]), DAY_S)
    day = date.fromordinal(clock.EPOCH_DAY + local_day)
    bit = 1 << (_HOLIDAY if day in holidays else day.weekday())
    ends = [DAY_S] + [band.from_s for band in rate.bands if band.days & bit]
    found = Band(ALL_DAYS, 0, min(end for end in ends if end > second), rate.tiers)
    for band in rate.bands:
        if band.days & bit and band.from_s <= second < band.to_s:
            found = band
    lasts_s = found.to_s - second
    if entry + 1 < len(table.since_utc_s):
        lasts_s = min(lasts_s, int(table.since_utc_s[entry + 1]) - utc_s)
    return found, lasts_s


def facts_of(batch: pa.RecordBatch, row: int, compiled: CompiledBook) -> Facts:
    """The facts of one row of schemas.USAGE (or RATED) under the names of a compiled book."""

    def number(name: str) -> int:
        return int(batch.column(name)[row].as_py())

    def word(name: str, words: Sequence[str]) -> str:
        index = number(name)
        return words[index] if index >= 0 else ""

    flags = number("flags")
    return Facts(
        service=codes.SERVICES[number("service")],
        direction=codes.DIRECTIONS[number("direction")],
        start_utc_s=number("start_utc_s"),
        roaming=codes.ROAMINGS[number("roaming")],
        relation=word("relation_index", compiled.names.relations),
        other_zone=word("other_zone_index", compiled.names.zones),
        access_code=word("access_code_index", compiled.names.access_codes),
        on_net=bool(flags & codes.FLAG_ON_NET),
        special=bool(flags & codes.FLAG_SPECIAL),
        duration_s=number("duration_s"),
        up_bytes=number("up_bytes"),
        down_bytes=number("down_bytes"),
        event_count=number("event_count"),
    )
