"""What a record used of allowances, tiers and caps, in exact steps: how its charge became less.

What was taken is stored with the record (``used``); here it is worked out again what that left to
be priced, and what was then paid. Plain Python over the book's dataclasses, as the whole trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from rating.trace_steps import Component, Facts, Settled, Trace, Used
from rating.trace_time import ENDLESS
from rating.trace_walk import Reach
from tariffs.memory_model import OWNERS, Allowance, Cap, Counter
from tariffs.model import Book, Rate, Version
from tariffs.when import When
from tollbook import clock

MONEY: Final = "money"
Reprice = Callable[[str, Reach], Component]
PriceLength = Callable[[str, int], int]
_KINDS: Final = ("allowance", "tiers", "counter", "cap")


@dataclass(frozen=True)
class Ways:
    """How things are priced: the rest of a component, and a length under a rate of the version.

    begun: the components that have a rate when the usage begins; later versions may add others.
    """

    begun: frozenset[str]
    rest: Reprice
    length: PriceLength
    holds: Callable[[When, Facts], bool]


@dataclass(frozen=True)
class Asked:
    """What is known of the items that are asked for a record, beside what it used.

    owners: kinds of owners that it has. first: caps that are asked before others of the same
    priority, whenever their spans end.
    """

    owners: Sequence[str] = OWNERS
    first: Sequence[str] = ()


ANYTHING: Final = Asked()


@dataclass
class Memory:
    """One record on its way. version: of the subscription's own plan. whole: the components as
    they would be without memory."""

    book: Book
    plan_id: str
    version: Version
    facts: Facts
    whole: Sequence[Component]
    used: Sequence[Used]
    ways: Ways
    asked: Asked = ANYTHING
    covered: dict[str, int] = field(default_factory=dict)
    stop: dict[str, int] = field(default_factory=dict)
    origin: dict[str, int] = field(default_factory=dict)
    tiered: set[str] = field(default_factory=set)
    added: dict[str, int] = field(default_factory=dict)
    anew: bool | None = None
    settled: list[Settled] = field(default_factory=list)

    def components(self) -> tuple[Component, ...]:
        """The components with what allowances of quantities have covered and added."""
        for one in self.whole:
            rate = one.rate if one.component in self.ways.begun else None
            if rate is not None and one.quantity > rate.short_call:
                self.covered[one.component], self.stop[one.component] = 0, one.quantity
        for use in self.used:
            item = self._item(use)
            if isinstance(item, Rate):
                self._count(item, use)
            elif isinstance(item, Allowance) and item.measure != MONEY:
                self._cover(item, use)
        return tuple(
            replace(self._priced(one), added_micro=self.added.get(one.component, 0))
            for one in self.whole
        )

    def paid(self, found: Trace) -> Trace:
        """The trace with what money took off what discounts have left."""
        left = dict(found.charges)
        in_vain = sorted(self._in_vain(), key=lambda one: one.measure == MONEY)
        for use in self.used:
            item = self._item(use)
            if isinstance(item, Allowance) and item.measure == MONEY:
                self._pay(item, use, left)
        empty = [one for one in in_vain if one.measure != MONEY
                 or any(left[name] for name in self._covers(one))]  # fmt: skip
        for cap, use_of_cap in self._caps():
            self._cap(cap, use_of_cap, left)
        components = tuple(
            replace(one, off_micro=found.charges[one.component] - left[one.component])
            for one in found.components
        )
        return replace(found, components=components, settled=tuple(self.settled),
                       empty=tuple(empty))  # fmt: skip

    # ---- quantities

    def _item(self, use: Used) -> Allowance | Cap | Counter | Rate | None:
        plan_id, kind, name = use.item.rsplit("/", 2)
        memory = self.version.memory
        if kind == "tiers":
            rates = (one.rate for one in self.whole if one.rate is not None)
            return next((rate for rate in rates if rate.name == name), None)
        if plan_id != self.plan_id or kind not in _KINDS:
            return None
        items: Mapping[str, Sequence[Allowance | Cap | Counter]] = {
            "allowance": memory.allowances, "cap": memory.caps, "counter": memory.counters,
        }  # fmt: skip
        return next((one for one in items[kind] if one.name == name), None)

    def _covers(self, item: Allowance | Cap) -> list[str]:
        """The components that an item concerns, in the book's order."""
        names = set(item.covers or self.version.components)
        if isinstance(item, Allowance) or not item.covers:
            names -= set(self.version.memory.not_discountable)
        measure = item.measure if isinstance(item, Allowance) else MONEY
        rates = {one.component: one.rate for one in self.whole if one.rate is not None}
        return [
            name for name in self.book.components
            if name in names and name in self.stop and measure in (MONEY, rates[name].unit)
        ]  # fmt: skip

    def _own(self, item: Allowance) -> int:
        """What an allowance took itself: not what others took from it that draw on it."""
        label = f"{self.plan_id}/allowance/{item.name}"
        taken = sum(use.taken for use in self.used if use.item == label)
        return taken - sum(
            self._own(one) for one in self.version.memory.allowances if self._draws(one, item)
        )

    def _draws(self, one: Allowance, item: Allowance) -> bool:
        by_name = {each.name: each for each in self.version.memory.allowances}
        name = one.draws_on
        while name and name != item.name:
            name = by_name[name].draws_on
        return bool(name)

    def _cover(self, item: Allowance, use: Used) -> None:
        first = next(one for one in self.used if one.item == use.item)
        several = any(self._draws(one, item) and self._own(one) > 0
                      for one in self.version.memory.allowances)  # fmt: skip
        taken = use.taken if not several else self._own(item) if use is first else 0
        open_names = [n for n in self._covers(item) if self.covered[n] < self.stop[n]]
        if not open_names or taken <= 0:
            return
        begin = min(self.covered[name] for name in open_names)
        rest = max(self.stop[name] for name in open_names) - begin
        if item.mode == "threshold":
            room = ENDLESS if use.granted is None else max(use.granted - use.before, 0)
            for name in self._covers(item):
                end = max(self.covered[name], begin + min(rest, room))
                self.stop[name] = min(self.stop[name], end)
            return
        length = rest if item.mode == "overrun" else min(rest, taken)
        for name in self._covers(item):
            end = min(begin + length, self.stop[name])
            self.covered[name] = max(self.covered[name], end)
        if self.anew is None:
            self.anew = item.rest == "start"
        if item.price:
            name = self._covers(item)[0]
            more = self.ways.length(item.price, length)
            self.added[name] = self.added.get(name, 0) + more

    def _count(self, rate: Rate, use: Used) -> None:
        names = [one.component for one in self.whole if one.rate == rate
                 and one.component in self.stop]  # fmt: skip
        every = [tiers for tiers in (rate.tiers, *(band.tiers for band in rate.bands)) if tiers]
        end = min(tiers[1].from_quantity if len(tiers) > 1 else ENDLESS for tiers in every)
        for name in names:
            self.origin[name] = use.before - (0 if self.anew else self.covered[name])
        if use.before + use.taken > end:
            self.tiered |= set(names)

    def _priced(self, one: Component) -> Component:
        """A component as far as something is left of it."""
        name = one.component
        if name not in self.stop:
            return one
        covered, stop = self.covered[name], self.stop[name]
        if not covered and stop == one.quantity and name not in self.tiered:
            return one
        if covered >= stop:
            return Component(name, one.rate, one.deck, one.quantity, deck_line=one.deck_line,
                             covered=(0, one.quantity))  # fmt: skip
        reach = Reach(covered, stop, self.origin.get(name, 0), bool(self.anew))
        made = self.ways.rest(name, reach)
        return replace(made, quantity=one.quantity, covered=(covered, one.quantity - stop),
                       tiers_from=reach.origin if name in self.tiered else 0)  # fmt: skip

    # ---- what is asked

    def _is_asked(self, item: Allowance | Cap) -> bool:
        day, span = self._day(), item.span
        return (
            self.ways.holds(item.when, self.facts) and item.owner in self.asked.owners
            and (span.valid_from is None or span.valid_from <= day)
            and (span.valid_to is None or day < span.valid_to) and bool(self._covers(item))
        )  # fmt: skip

    def _in_vain(self) -> Iterator[Allowance]:
        """Allowances that are asked and took nothing, though something was left to be covered."""
        took = {use.item for use in self.used}
        for one in self.version.memory.allowances:
            is_silent = f"{self.plan_id}/allowance/{one.name}" not in took
            if is_silent and one.mode != "threshold" and self._is_asked(one) and any(
                self.covered[name] < self.stop[name] for name in self._covers(one)
            ):  # fmt: skip
                yield one

    def _day(self) -> date:
        stamp = clock.local_stamp(self.facts.start_utc_s, self.version.time_zone)
        return date.fromisoformat(stamp.split()[0])

    # ---- money

    def _caps(self) -> Iterator[tuple[Cap, Used | None]]:
        """The caps that hold, in their order; None: nothing was left of it.

        A cap that holds and has taken nothing was used up before. Those with a price beyond come
        first of these, then those of few components.
        """
        taken = {use.item: use for use in self.used}
        day, first = self._day(), self.asked.first
        asked = [(cap, taken.get(f"{self.plan_id}/cap/{cap.name}"))
                 for cap in self.version.memory.caps if self._is_asked(cap)]  # fmt: skip
        yield from sorted(asked, key=lambda one: (
            bool(one[1]) or not one[0].beyond,
            0 if one[1] is None and one[0].beyond else len(self._covers(one[0])),
            one[0].priority, one[0].name not in first, _ends(one[0], day), one[0].name,
        ))  # fmt: skip

    def _pay(self, item: Allowance, use: Used, charges: dict[str, int]) -> None:
        """An allowance of money pays."""
        total = self._total(item, charges)
        if item.mode == "threshold":
            room = ENDLESS if use.granted is None else max(use.granted - use.before, 0)
            off = max(total - room, 0)
        else:
            off = total if item.mode == "overrun" else min(use.taken, total)
        before = dict(charges)
        self._take_off(self._covers(item), off, charges)
        self._settle(item, use, before, charges)

    def _cap(self, cap: Cap, use: Used | None, charges: dict[str, int]) -> None:
        """A cap leaves what was left of it, or what is beyond it costs another price."""
        total, before, room = self._total(cap, charges), dict(charges), 0
        if use is not None:  # what it counts is what there is to pay after all caps
            room = use.taken if use.granted is None else use.granted - use.before
        self._take_off(self._covers(cap), max(total - room, 0), charges)
        beyond = self._beyond(cap) if use is None and total else None
        if beyond is not None:
            charges[beyond[0]] = min(self.ways.length(cap.beyond, beyond[2]), total)
        self._settle(cap, use, before, charges, beyond and beyond[1:])

    def _beyond(self, cap: Cap) -> tuple[str, Rate, int] | None:
        """The price after a cap: for the first component that counts in its unit, its rate and
        the length that it prices."""
        if not cap.beyond:
            return None
        beyond = self.version.rate(cap.beyond)
        rates = {one.component: one.rate for one in self.whole if one.rate is not None}
        for first in self._covers(cap):
            if rates[first].unit == beyond.unit:
                return first, beyond, max(self.stop[first] - self.covered[first], 0)
        return None

    def _total(self, item: Allowance | Cap, charges: Mapping[str, int]) -> int:
        return sum(charges[name] for name in self._covers(item))

    def _settle(
        self, item: Allowance | Cap, use: Used | None, before: Mapping[str, int],
        after: Mapping[str, int], beyond: tuple[Rate, int] | None = None,
    ) -> None:  # fmt: skip
        left = tuple((name, before[name], after[name]) for name in self._covers(item)
                     if before[name] != after[name])  # fmt: skip
        if left or beyond:
            self.settled.append(Settled(item, use, left, beyond))

    @staticmethod
    def _take_off(names: Sequence[str], amount: int, charges: dict[str, int]) -> None:
        for name in names:
            off = min(charges[name], amount)
            charges[name] -= off
            amount -= off


def _ends(cap: Cap, day: date) -> date:
    """When the span of a cap ends, as far as the order of caps depends on it."""
    span = cap.span
    if span.kind == "once":
        return span.valid_to or date.max
    if span.kind == "month":
        return (day.replace(day=1) + timedelta(31)).replace(day=1)
    return day + timedelta(max(span.days, 1))
