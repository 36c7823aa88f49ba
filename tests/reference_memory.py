"""Naive twin of rating with memory: one record after the other, exact, in the order of accounts.

Written for being obviously right, from the numbered rules of docs/rating.md; it shares no code with
the product, only the naive twins of rating without memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import reference_discounts
import reference_rating
from reference_price import FOREVER, Part, charge_micro, is_cut, lead_of, quantities
from reference_slots import END, OPEN, Event, Item, Offer, Slots, Term

from rating.trace_steps import Facts
from tariffs.compile_rates import Maxima
from tariffs.memory_model import Allowance, Cap, Counter
from tariffs.model import Book, Rate, Version

UNIT = {"voice": "second", "video": "second", "sms": "event", "mms": "event", "data": "byte",
        "event": "event"}  # fmt: skip


@dataclass
class Result:
    """What a record costs, and what it used: (item, first day, used before, taken)."""

    reason: str = ""
    charges: dict[str, int] = field(default_factory=dict)
    used: list[tuple[str, date, int, int]] = field(default_factory=list)


@dataclass
class Twin:
    """Rates the records of accounts that share slots. terms: by (kind, owner)."""

    book: Book
    maxima: Maxima
    terms: dict[tuple[str, str], list[Term]]

    def __post_init__(self) -> None:
        self.slots = Slots(self.book, self.terms)
        self.unlimited = without_limits(self.book)

    def rate(self, events: Sequence[Event]) -> dict[int, Result]:
        return {one.record_id: self.rate_one(one) for one in sorted(events, key=lambda e: e.order)}

    def rate_one(self, event: Event) -> Result:
        """A record that cannot be rated leaves no trace."""
        before = deepcopy(self.slots.slots)
        result = Record(self, event).rate()
        if result.reason:
            self.slots.slots = before
        return result


@dataclass
class Record:
    """One record on its way."""

    twin: Twin
    event: Event
    named: dict[str, Rate] = field(default_factory=dict)  # components that cost something
    covered: dict[str, int] = field(default_factory=dict)
    stop: dict[str, int] = field(default_factory=dict)
    origin: dict[str, int] = field(default_factory=dict)
    anew: bool | None = None

    def rate(self) -> Result:
        twin, event, facts = self.twin, self.event, self.event.facts
        whole = reference_rating.rate(twin.unlimited, event.plan, facts, twin.maxima)
        if whole.reason:
            return Result(whole.reason)
        plans = {plan.plan_id: plan for plan in twin.book.plans}
        own = reference_rating.find(plans[event.plan], facts.start_utc_s, facts)
        found = reference_rating.find(plans[whole.plan_id], facts.start_utc_s, facts)
        for name, rate in found.named.items():
            if rate is not None and self.quantity(rate) > rate.short_call:
                self.named[name] = rate
                self.covered[name], self.stop[name] = 0, self.quantity(rate)
                self.origin[name] = 0
        zone = ZoneInfo(own.version.time_zone)
        day = datetime.fromtimestamp(facts.start_utc_s, zone).date()
        offers = self.offers(own.version, day, whole.plan_id)
        charges = dict.fromkeys(twin.book.components, 0) | whole.charges
        self.take_quantities(offers, own.version, plans[whole.plan_id], found, charges)
        discounts = self.discount(offers, charges, whole.plan_id, found)
        money = [one for one in offers if not self.is_quantity(one) and not one.is_drawn]
        caps = [one for one in money if isinstance(one.item, Cap)]
        for one in (one for one in money if isinstance(one.item, Allowance)):
            self.take_money(one, charges)
        self.keep_to(caps, charges, own.version)
        for one in (one for one in money if isinstance(one.item, Counter)):
            self.take_money(one, charges)
        if sum(charges.values()) > found.version.charge_limit_micro:
            return Result("charge_too_large")
        used = [(one.label, one.slot.since, one.before, one.taken) for one in offers if one.taken]
        return Result("", charges, used + discounts)

    def discount(
        self, offers: list[Offer], charges: dict[str, int], plan_id: str, found: Any
    ) -> list[tuple[str, date, int, int]]:
        """Discounts on what allowances of quantities have left; by plan alone, as no customers
        are known."""
        book, facts, plan = self.twin.book, self.event.facts, self.event.plan
        totals = {one.item.name: one.slot.used for one in offers if isinstance(one.item, Counter)}
        is_cut = any(
            isinstance(one.item, Rate)
            or (isinstance(one.item, Allowance) and one.item.measure != "money" and one.taken)
            for one in offers
        )
        held = [
            one for one in book.discounts
            if reference_discounts.is_held(one, plan, found.version, facts)
            and all(used.low <= totals.get(used.counter, -1) < used.high for used in one.used)
        ]
        others = {
            one.name: None if is_cut else reference_discounts.other_charges(
                book, plan_id, one, facts, self.twin.maxima)
            for one in held if one.action.kind in ("free", "price")
        }  # fmt: skip
        record = reference_discounts.Record(dict(charges), found.version, found.rule, others)
        left, entries = reference_discounts.apply(held, record)
        charges |= left
        return [(f"*/discount/{name}", date(1970, 1, 1), *amounts) for name, *amounts in entries]

    def take_quantities(
        self, offers: list[Offer], version: Version, plan: Any, found: Any, charges: dict[str, int]
    ) -> None:
        """Allowances and tiers, in their order; then the prices of what is left, and of what is
        covered at a price."""
        extra = [self.take_quantity(one, offers, version) for one in offers
                 if self.is_quantity(one)]  # fmt: skip
        for name, rate in self.named.items():
            if self.covered[name] >= self.stop[name]:
                charges[name] = 0
            elif self.covered[name] or self.stop[name] < self.quantity(rate) or self.origin[name]:
                charges[name] = self.rest_charge(plan, found, name)
        for name, micro in (one for one in extra if one is not None):
            charges[name] += micro

    def quantity(self, rate: Rate) -> int:
        return sum(quantities(rate, self.event.facts))

    @staticmethod
    def is_quantity(one: Offer) -> bool:
        return isinstance(one.item, Rate) or (
            isinstance(one.item, Allowance) and one.item.measure != "money")  # fmt: skip

    def covers(self, item: Item, version: Version) -> tuple[str, ...]:
        """The components that an item concerns, in the book's order."""
        left_alone = set() if isinstance(item, Counter) else set(version.memory.not_discountable)
        names = set(item.covers or version.components)
        if not isinstance(item, Cap) or not item.covers:
            names -= left_alone
        measure = getattr(item, "measure", "money")
        return tuple(
            name for name in self.twin.book.components if name in names and name in self.named
            and measure in ("money", self.named[name].unit)
        )  # fmt: skip

    def offers(self, version: Version, day: date, pricing_plan: str) -> list[Offer]:
        """All slots that the record may use, in the order in which they are asked."""
        event, memory, plan = self.event, version.memory, self.event.plan
        found: list[tuple[Any, Offer]] = []
        chosen, drawn = set(), set()
        by_name = {one.name: one for one in memory.allowances}

        def add(item: Any, kind: str, covers: tuple[str, ...], is_drawn: bool) -> None:
            label = f"{plan}/{kind}/{item.name}"
            for one in self.twin.slots.offers(item, label, event, day, plan, covers):
                key = phase_of(item), getattr(item, "priority", 0), one.ends, item.name
                found.append((key, replace(one, is_drawn=is_drawn)))

        for kind, items in (("allowance", memory.allowances), ("cap", memory.caps),
                            ("counter", memory.counters)):  # fmt: skip
            for item in items:
                covers = self.covers(item, version)
                counts = kind == "counter" and item.measure != "money"
                fits = UNIT.get(event.facts.service) == item.measure if counts else covers
                span = item.span
                if (all(reference_rating.conditions(item.when, event.facts)) and fits
                        and event.owners[item.owner]
                        and (span.valid_from or OPEN) <= day < (span.valid_to or END)):  # fmt: skip
                    add(item, kind, covers, False)
                    chosen.add(item.name) if kind == "allowance" else None
                    name = getattr(item, "draws_on", "")
                    while name:
                        drawn.add(name)
                        name = by_name[name].draws_on
        for name in drawn - chosen:
            add(by_name[name], "allowance", (), True)
        for rate in dict.fromkeys(rate for rate in self.named.values() if rate.over):
            covers = tuple(n for n in self.twin.book.components if self.named.get(n) == rate)
            label = f"{pricing_plan}/tiers/{rate.name}"
            for one in self.twin.slots.offers(rate, label, event, day, pricing_plan, covers):
                found.append(((1, 0, one.ends, rate.name), one))
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def take_quantity(
        self, one: Offer, offers: list[Offer], version: Version
    ) -> tuple[str, int] | None:
        """Let an allowance cover, or tiers count; gives a component the covered part's price."""
        open_names = [n for n in one.covers if self.covered[n] < self.stop[n]]
        if one.is_drawn or not open_names:
            return None
        if isinstance(one.item, Rate):
            rest = max(self.stop[n] - self.covered[n] for n in open_names)
            for name in one.covers:
                self.origin[name] = one.slot.used - (0 if self.anew else self.covered[name])
            one.take(rest)
            return None
        item = one.item
        begin = min(self.covered[n] for n in open_names)
        rest = max(self.stop[n] for n in open_names) - begin
        if item.mode == "threshold":
            self.end_early(one, begin, rest)
            return None
        return self.cover(one, begin, rest, offers, version)

    def end_early(self, one: Offer, begin: int, rest: int) -> None:
        """What lies behind the threshold is free."""
        for name in one.covers:
            end = max(self.covered[name], begin + min(rest, one.left))
            self.stop[name] = min(self.stop[name], end)
        one.take(rest)

    def cover(
        self, one: Offer, begin: int, rest: int, offers: list[Offer], version: Version
    ) -> tuple[str, int] | None:
        """Let an allowance cover what is left."""
        item = one.item
        parents = list(self.parents(item, offers, version))
        left = min([one.left, *(sum(offer.left for offer in some) for some in parents)])
        if left <= 0:
            return None
        steps = -(-rest // item.increment)
        taken = min(steps * item.increment, left)
        length = rest if item.mode == "overrun" else min(rest, taken)
        for name in one.covers:
            self.covered[name] = max(self.covered[name], min(begin + length, self.stop[name]))
        one.take(taken)
        for some in parents:
            rest_taken = taken
            for offer in some:
                part = min(rest_taken, offer.left)
                if part:
                    offer.take(part)
                rest_taken -= part
        if self.anew is None:
            self.anew = item.rest == "start"
        if item.price:
            return one.covers[0], self.length_charge(version, item.price, length)
        return None

    def parents(
        self, item: Allowance, offers: list[Offer], version: Version
    ) -> Iterator[list[Offer]]:
        by_name = {one.name: one for one in version.memory.allowances}
        while item.draws_on:
            item = by_name[item.draws_on]
            yield [one for one in offers if one.item is item]

    def take_money(self, one: Offer, charges: dict[str, int]) -> None:
        """Money allowances and counters."""
        item, total = one.item, sum(charges[name] for name in one.covers)
        if isinstance(item, Counter):
            facts = self.event.facts
            amount = {"second": facts.duration_s, "byte": facts.up_bytes + facts.down_bytes,
                      "event": facts.event_count, "money": total}[item.measure]  # fmt: skip
            if amount:
                one.take(amount)
            return
        left = one.left
        if total == 0:
            return
        if item.mode == "threshold":
            pay(charges, one.covers, max(total - left, 0))
            one.take(total)
        elif left:
            taken = min(-(-total // item.increment) * item.increment, left)
            pay(charges, one.covers, total if item.mode == "overrun" else min(total, taken))
            one.take(taken)

    def keep_to(self, caps: list[Offer], charges: dict[str, int], version: Version) -> None:
        """Prices beyond caps that are used up; then the others, narrow ones first; and what is
        left to pay counts for these."""
        kept = []
        for one in caps:
            if one.left or not one.item.beyond:
                kept.append(one)
                continue
            total = sum(charges[name] for name in one.covers)
            pay(charges, one.covers, total)
            unit = version.rate(one.item.beyond).unit
            for first in [name for name in one.covers if self.named[name].unit == unit][:1]:
                length = self.stop[first] - self.covered[first]
                charges[first] = min(total, self.length_charge(version, one.item.beyond, length))
        for one in sorted(kept, key=lambda one: len(one.covers)):
            total = sum(charges[name] for name in one.covers)
            pay(charges, one.covers, total - min(total, one.left))
        for one in kept:
            total = sum(charges[name] for name in one.covers)
            if total:
                one.take(total)

    def length_charge(self, version: Version, name: str, length: int) -> int:
        """So many base units under a rate, as a usage from the start of this one."""
        rate = version.rate(name)
        if length <= rate.short_call:
            return 0
        facts = with_quantity(self.event.facts, rate, length)
        return charge_micro(self.twin.book, version.time_zone, [(FOREVER, rate)], facts)

    def rest_charge(self, plan: Any, found: Any, name: str) -> int:
        """A component of which a part is left."""
        facts, rate = self.event.facts, self.named[name]
        parts = reference_rating.crossed(plan, found, facts)
        spans = [(reference_rating.end(p.version), (p.named or {}).get(name)) for p in parts]
        spans[-1] = (FOREVER, spans[-1][1])
        lead = lead_of(spans)
        if lead is not None and not is_cut(lead):
            spans = [(FOREVER, rate)]
        covered, stop = self.covered[name], self.stop[name]
        part = Part(covered, stop, self.origin[name])
        if self.anew:
            counts = quantities(rate, facts)
            first = max(min(counts[0], stop) - covered, 0)
            facts = with_quantity(facts, rate, first, stop - covered - first)
            part = Part(0, stop - covered, self.origin[name])
        zone = found.version.time_zone
        return charge_micro(self.twin.book, zone, spans, facts, part)


def pay(charges: dict[str, int], covers: Sequence[str], amount: int) -> None:
    """Take an amount off components, in their order."""
    for name in covers:
        part = min(charges[name], amount)
        charges[name] -= part
        amount -= part


def phase_of(item: Item) -> int:
    if isinstance(item, Allowance):
        return 2 if item.measure == "money" else 0
    return 3 if isinstance(item, Cap) else 4


def with_quantity(facts: Facts, rate: Rate, first: int, second: int = 0) -> Facts:
    """A usage of another quantity, from the same start."""
    if rate.unit == "second":
        return replace(facts, duration_s=first + second)
    if rate.unit == "event":
        return replace(facts, event_count=first + second)
    return replace(facts, up_bytes=first, down_bytes=second)


def without_limits(book: Book) -> Book:
    return replace(book, plans=tuple(
        replace(plan, versions=tuple(
            replace(version, charge_limit_micro=10**18) for version in plan.versions
        )) for plan in book.plans
    ))  # fmt: skip
