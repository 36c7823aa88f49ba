"""The price of one usage in exact steps, for ``tollbook explain``: plain Python, no arrays.

Reads the book's dataclasses, not the compiled arrays, and lands on the amounts that the kernels
store, to the last digit (tests/test_property.py). The steps are in ``trace_steps``, the cutting of
a usage into increments in ``trace_walk``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from rating.trace_deck import rate_of, row_of
from rating.trace_memory import ANYTHING, Asked, Memory, Ways
from rating.trace_steps import Component, Facts, Part, Segment, Staged, Trace, Used
from rating.trace_time import ENDLESS, Span
from rating.trace_walk import Reach, counted, cuts, leading, price_spans
from tariffs.book_rules import ANY_ZONE
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook
from tariffs.model import FREE, PARTS_MAX, Book, Charge, Plan, Rate, Rule, Version
from tariffs.when import When
from tollbook import codes

__all__ = ["Component", "Facts", "Part", "Segment", "Staged", "Trace", "counted", "price"]

_ANY: Final = "*"  # of a relation or an access code
_NO_CODE: Final = "none"


@dataclass(frozen=True)
class _Chosen:
    """What a rule names for a component: a rate, or nothing to pay (rate None)."""

    rate: Rate | None
    deck: str = ""
    line: int = 0
    is_missing: bool = False  # no row or relation fits


_MISSING: Final = _Chosen(None, is_missing=True)


@dataclass(frozen=True)
class _Past:
    """What a usage took, by the plan of its subscription."""

    plan_id: str
    version: Version
    used: Sequence[Used]
    discounted: Callable[[Trace], Trace] | None
    asked: Asked


def price(
    book: Book, plan_id: str, facts: Facts, maxima: Maxima | None = None,
    used: Sequence[Used] | None = None, discounted: Callable[[Trace], Trace] | None = None,
    known: Asked = ANYTHING,
) -> Trace:
    """Rate one usage step by step.

    used: what it took from balances, as it is stored, in the order in which they were asked; None:
    price it as if there were none. discounted: adds the discounts to a trace; with ``used`` they
    come between what took quantities and what took money. known: what is known of items that
    took nothing.
    """
    limits = maxima or Maxima()
    plan = next((plan for plan in book.plans if plan.plan_id == plan_id), None)
    version = version_at(plan, facts.start_utc_s) if plan else None
    past = None if used is None or version is None else _Past(
        plan_id, version, used, discounted, known)  # fmt: skip
    own = _price_by(book, plan_id, facts, limits, past)
    if not _falls_back(own) or own.version is None:
        return own
    asked = [own]
    for other_id in own.version.fallback:
        other = _price_by(book, other_id, facts, limits, past)
        if not other.reason or other.reason == "charge_too_large":
            return replace(other, asked=tuple(asked))
        if other.reason == "no_rate" and not _falls_back(other):
            break
        asked.append(other)
    return own


def _falls_back(found: Trace) -> bool:
    """Whether the next plan is asked: nothing was found at the start, and nobody refused."""
    is_refused = found.rule is not None and found.rule.refuse
    return found.reason == "no_rate" and not is_refused and len(found.parts) <= 1


def _price_by(
    book: Book, plan_id: str, facts: Facts, limits: Maxima, past: _Past | None
) -> Trace:
    """Rate by one plan, without its fallbacks."""
    plan = next((plan for plan in book.plans if plan.plan_id == plan_id), None)
    version = version_at(plan, facts.start_utc_s) if plan else None
    if plan is None or version is None:
        return Trace(plan, reason="plan_missing")
    parts = tuple(_parts(plan, version, facts))
    rule = parts[0].rule
    found = Trace(plan, version, parts[0].rule_index, rule, parts=parts)
    chosen: list[dict[str, _Chosen]] = []
    for place, part in enumerate(parts):
        named = _chosen(part, facts)
        missing = tuple(name for name, one in (named or {}).items() if one.is_missing)
        if named is None or missing:
            return replace(found, parts=parts[: place + 1], reason="no_rate", missing=missing)
        chosen.append(named)
    lines = []
    for component in dict.fromkeys(name for named in chosen for name in named):
        line = [named.get(component, _Chosen(None)) for named in chosen]
        if _units_differ(line):
            return replace(found, reason="no_rate")
        lines.append((component, line))
    components = []
    for component, line in lines:
        made = _component(line, parts, facts, version.time_zone, book, limits)
        if made is None:
            return replace(found, reason="charge_too_large")
        components.append(replace(made, component=component))
    found = replace(found, components=tuple(components))
    if past is not None:
        found = _remembered(found, _memory(components, dict(lines), parts, facts, book, past), past)
    total = sum(found.charges.values())
    if total > version.charge_limit_micro:
        return replace(found, reason="charge_too_large")
    return replace(found, charge_micro=total)


def _remembered(found: Trace, memory: Memory, past: _Past) -> Trace:
    """A trace after quantities, discounts and money, in this order."""
    found = replace(found, components=memory.components(), used=tuple(past.used))
    if past.discounted is not None:
        found = past.discounted(found)
    return memory.paid(found)


def _memory(
    components: Sequence[Component], lines: Mapping[str, Sequence[_Chosen]],
    parts: Sequence[Part], facts: Facts, book: Book, past: _Past,
) -> Memory:
    """What finds out what the record took of each component."""
    zone = parts[0].version.time_zone

    def rest(name: str, reach: Reach) -> Component:
        made = _component(lines[name], parts, facts, zone, book, Maxima(), reach)
        assert made is not None  # the whole of it has been priced before
        return replace(made, component=name)

    def length(name: str, quantity: int) -> int:
        rate = past.version.rate(name)
        asked = replace(facts, event_count=quantity, up_bytes=quantity, down_bytes=0)
        if rate.unit == "second":
            asked = replace(facts, duration_s=quantity)
        return price_rate(rate, asked, past.version.time_zone, book.holidays).charge_micro

    begun = frozenset(name for name, line in lines.items() if line[0].rate is not None)
    return Memory(book, past.plan_id, past.version, facts, components, past.used,
                  Ways(begun, rest, length, holds), past.asked)  # fmt: skip


def _component(
    line: Sequence[_Chosen], parts: Sequence[Part], facts: Facts, zone: str, book: Book,
    limits: Maxima, reach: Reach | None = None,
) -> Component | None:
    """One component over all parts, or the part of it that is left; None if more is counted than
    may be."""  # fmt: skip
    spans = [Span(part.to_utc_s, one.rate) for part, one in zip(parts, line, strict=True)]
    spans[-1] = Span(ENDLESS, spans[-1].rate)
    rate = leading(spans)
    if rate is not None and not cuts(rate):
        rate = spans[0].rate
    if rate is not None and sum(counted(rate, facts)) > limits.of(rate.unit):
        return None
    named = next((one for one in line if rate is not None and one.rate is rate), line[0])
    made = price_spans(spans, facts, zone, book.holidays, reach)
    return replace(made, deck=named.deck, deck_line=named.line)


def _units_differ(line: Sequence[_Chosen]) -> bool:
    """Whether a later version counts something else, so that no sum over both can be made."""
    units = [one.rate.unit for one in line if one.rate is not None]
    rate = next((one.rate for one in line if one.rate is not None), None)
    return rate is not None and cuts(rate) and any(unit != rate.unit for unit in units)


def _parts(plan: Plan, version: Version, facts: Facts) -> Iterator[Part]:
    """The versions that a usage crosses; one, unless the first says otherwise."""
    start, end = facts.start_utc_s, facts.start_utc_s + facts.duration_s
    count = 1
    while (
        version.version_change == "split" or count > 1
    ) and count < PARTS_MAX and (border := _end_utc_s(version)) < end:
        following = version_at(plan, border)
        if following is None or _begin_utc_s(following) != border:
            break
        yield Part(version, *_rule_of(version, facts), start, border)
        version, start, count = following, border, count + 1
    yield Part(version, *_rule_of(version, facts), start, max(start, end))


def _rule_of(version: Version, facts: Facts) -> tuple[int, Rule | None]:
    """The first rule that holds, and its position; -1 and None if none does."""
    holding = ((i, r) for i, r in enumerate(version.rules) if holds(r.when, facts))
    return next(holding, (-1, None))


def _chosen(part: Part, facts: Facts) -> dict[str, _Chosen] | None:
    """What the rule of a part names for each component; None if nothing may be charged."""
    if part.rule is None or part.rule.refuse:
        return None
    return {
        charge.component: _rate_for(part.version, charge, facts) for charge in part.rule.charges
    }


def _rate_for(version: Version, charge: Charge, facts: Facts) -> _Chosen:
    """The rate that a charge names, or that its table names for the usage."""
    name, deck = charge.rate, ""
    if charge.by_prefix:
        return _row_for(version, charge, facts)
    if charge.by_zone:
        deck = charge.by_zone
        rates = dict(next(one for one in version.decks if one.name == deck).rates)
        name = rates.get(facts.other_zone, rates.get(ANY_ZONE, "") if facts.other_zone else "")
    elif charge.by_relation:
        name = _by_word(charge.by_relation, facts.relation)
    elif charge.by_home_relation:
        name = _by_word(charge.by_home_relation, facts.home_relation)
    if not name:
        return _MISSING
    return _Chosen(None if name == FREE else version.rate(name), deck)


def _by_word(rates: Sequence[tuple[str, str]], word: str) -> str:
    """The rate of a relation, or that of all others; "" without a relation or a rate."""
    table = dict(rates)
    return table.get(word, table.get(_ANY, "")) if word else ""


def _row_for(version: Version, charge: Charge, facts: Facts) -> _Chosen:
    deck = next(one for one in version.prefix_decks if one.name == charge.by_prefix)
    number = facts.routing_e164 if facts.is_routed and facts.routing_e164 else facts.other_e164
    row = row_of(deck, number, facts.start_utc_s, version.time_zone)
    if row < 0:
        return _MISSING
    return _Chosen(rate_of(version, deck, row, charge.like), deck.name, int(deck.rows.lines[row]))


def _begin_utc_s(version: Version) -> int:
    return _instant(version.valid_from, version.valid_from_s, version.time_zone)


def _end_utc_s(version: Version) -> int:
    if version.valid_to is None:
        return ENDLESS
    return _instant(version.valid_to, version.valid_to_s, version.time_zone)


def _instant(day: date, wall_s: int, zone: str) -> int:
    midnight = datetime(day.year, day.month, day.day)
    wall = midnight + timedelta(seconds=wall_s)
    return int(wall.replace(tzinfo=ZoneInfo(zone)).timestamp())


def version_at(plan: Plan, utc_s: int) -> Version | None:
    """The version in force at an instant, by its own clock; a later one as soon as it begins."""
    in_force = (
        version for version in reversed(plan.versions)
        if _begin_utc_s(version) <= utc_s < _end_utc_s(version)
    )  # fmt: skip
    return next(in_force, None)


def holds(when: When, facts: Facts) -> bool:
    """Whether all conditions of a rule hold."""
    listed = (
        (when.service, facts.service),
        (when.direction, facts.direction),
        (when.roaming, facts.roaming),
        (when.relation, facts.relation),
        (when.to_zone, facts.other_zone),
        (when.from_zone, facts.served_zone),
        (when.home_zone, facts.home_zone),
        (when.home_relation, facts.home_relation),
        (when.carrier, facts.carrier),
        (when.forward, facts.forward),
        (when.boundary, facts.boundary),
    )
    said = (
        (when.on_net, facts.on_net),
        (when.special, facts.special),
        (when.same_place, facts.same_place),
        (when.friend, facts.friend),
        (when.group, facts.group),
    )
    return (
        all(not words or word in words for words, word in listed)
        and all(wanted in (None, found) for wanted, found in said)
        and _code_holds(when.access_code, facts.access_code)
    )


def _code_holds(wanted: Sequence[str], code: str) -> bool:
    """``*`` is any access code, ``none`` is none."""
    return not wanted or (code or _NO_CODE) in wanted or (bool(code) and _ANY in wanted)


def price_rate(
    rate: Rate | None, facts: Facts, time_zone: str, holidays: frozenset[date] = frozenset()
) -> Component:
    """One component's steps by one rate; None is free."""
    return price_spans([Span(ENDLESS, rate)], facts, time_zone, holidays)


def facts_of(batch: pa.RecordBatch, row: int, compiled: CompiledBook) -> Facts:
    """The facts of one row of schemas.USAGE (or RATED) under the names of a compiled book."""

    def number(name: str) -> int:
        return int(batch.column(name)[row].as_py())

    def word(name: str, words: Sequence[str]) -> str:
        index = number(name)
        return words[index] if index >= 0 else ""

    flags = number("flags")
    names = compiled.names
    inter = codes.BOUNDARIES[1 + bool(flags & codes.FLAG_BOUNDARY_INTER)]
    return Facts(
        service=codes.SERVICES[number("service")],
        direction=codes.DIRECTIONS[number("direction")],
        start_utc_s=number("start_utc_s"),
        roaming=codes.ROAMINGS[number("roaming")],
        relation=word("relation_index", names.relations),
        other_zone=word("other_zone_index", names.zones),
        access_code=word("access_code_index", names.access_codes),
        on_net=bool(flags & codes.FLAG_ON_NET),
        special=bool(flags & codes.FLAG_SPECIAL),
        duration_s=number("duration_s"),
        up_bytes=number("up_bytes"),
        down_bytes=number("down_bytes"),
        event_count=number("event_count"),
        served_zone=word("served_zone_index", names.zones),
        home_zone=word("home_zone_index", names.zones),
        home_relation=word("home_relation_index", names.relations),
        carrier=word("carrier_index", names.carriers),
        forward=codes.FORWARDS[number("forward_reason")],
        boundary=inter if flags & codes.FLAG_BOUNDARY else codes.BOUNDARIES[0],
        same_place=bool(flags & codes.FLAG_SAME_PLACE),
        friend=bool(flags & codes.FLAG_FRIEND),
        group=bool(flags & codes.FLAG_GROUP),
        other_e164=number("other_e164"),
        routing_e164=number("routing_e164"),
        is_routed=bool(flags & codes.FLAG_ROUTED),
        utc_offset_s=number("utc_offset_s"),
        home_time_zone=word("home_zone_index", names.zone_time_zones),
        served_time_zone=word("served_zone_index", names.zone_time_zones),
    )
