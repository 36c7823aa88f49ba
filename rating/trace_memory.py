"""What a record used of allowances, tiers and caps, in exact steps: how its charge became less.

What was taken is stored with the record (``used``); here it is worked out again what that left to
be priced, and what was then paid. Plain Python over the book's dataclasses, as the whole trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from rating.trace_steps import Component, Facts, Used
from rating.trace_time import ENDLESS
from rating.trace_walk import Reach
from tariffs.memory_model import OWNERS, Allowance, Cap, Counter
from tariffs.model import Book, Rate, Version, When
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
class Caps:
    """What is known of the caps that hold for a record, beside what it used.

    owners: kinds of owners that it has. used_up: those of which nothing was left before it, beside
    those that tell it by what they took off. first: those that are asked before others of the same
    priority, whatever their spans end.
    """

    owners: Sequence[str] = OWNERS
    used_up: Sequence[str] = ()
    first: Sequence[str] = ()


ANY_CAPS: Final = Caps()


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
    caps: Caps = ANY_CAPS
    covered: dict[str, int] = field(default_factory=dict)
    stop: dict[str, int] = field(default_factory=dict)
    origin: dict[str, int] = field(default_factory=dict)
    tiered: set[str] = field(default_factory=set)
    added: dict[str, int] = field(default_factory=dict)
    anew: bool | None = None

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

    def paid(
        self, components: Sequence[Component], charges: Mapping[str, int]
    ) -> tuple[Component, ...]:
        """The components with what money took off. charges: what discounts have left of them."""
        left = dict(charges)
        for cap_or_allowance, taken in self._money():
            self._pay(cap_or_allowance, taken, left)
        return tuple(
            replace(one, off_micro=charges[one.component] - left[one.component])
            for one in components
        )

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

    # ---- money

    def _money(self) -> Iterator[tuple[Allowance | Cap, Used | None]]:
        """What asks for money, in its order: allowances, then caps; None: nothing was left of it.

        A cap that holds and has taken nothing was used up before. Those with a price beyond come
        first of these, then those of few components.
        """
        taken = {use.item: use for use in self.used}
        for use in self.used:
            item = self._item(use)
            if isinstance(item, Allowance) and item.measure == MONEY:
                yield item, use
        day = self._day()
        caps = [
            cap for cap in self.version.memory.caps
            if self.ways.holds(cap.when, self.facts) and self._covers(cap)
            and cap.owner in self.caps.owners
            and (cap.span.valid_from is None or cap.span.valid_from <= day)
            and (cap.span.valid_to is None or day < cap.span.valid_to)
        ]  # fmt: skip
        first = self.caps.first
        asked = [(cap, taken.get(f"{self.plan_id}/cap/{cap.name}")) for cap in caps]
        yield from sorted(asked, key=lambda one: (
            bool(one[1]) or not one[0].beyond,
            0 if one[1] is None and one[0].beyond else len(self._covers(one[0])),
            one[0].priority, one[0].name not in first, _ends(one[0], day), one[0].name,
        ))  # fmt: skip

    def _day(self) -> date:
        return date.fromisoformat(
            clock.local_text(self.facts.start_utc_s, self.version.time_zone).split()[1]
        )

    def _pay(self, item: Allowance | Cap, use: Used | None, charges: dict[str, int]) -> None:
        names = self._covers(item)
        total = sum(charges[name] for name in names)
        if isinstance(item, Cap):
            off = total - (use.taken if use is not None else 0)
            self._take_off(names, off, charges)
            if use is None and item.beyond and (total or item.name in self.caps.used_up):
                self._go_beyond(item, charges, total)
            return
        assert use is not None
        if item.mode == "threshold":
            room = ENDLESS if use.granted is None else max(use.granted - use.before, 0)
            off = max(total - room, 0)
        else:
            off = total if item.mode == "overrun" else min(use.taken, total)
        self._take_off(names, off, charges)

    def _go_beyond(self, cap: Cap, charges: dict[str, int], total: int) -> None:
        """The price after a cap, of the first component that counts in its unit; at most the total
        that there was to pay."""
        unit = self.version.rate(cap.beyond).unit
        rates = {one.component: one.rate for one in self.whole if one.rate is not None}
        for first in [name for name in self._covers(cap) if rates[name].unit == unit][:1]:
            length = max(self.stop[first] - self.covered[first], 0)
            charges[first] = min(self.ways.length(cap.beyond, length), total)

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
