"""The steps of a record as it was stored: what it used says which way it went.

What a record used is stored, but not what it only asked: a counter that it added nothing to, or the
order of caps whose spans end alike. Where the rest does not tell, each possibility is tried, and
the one that lands on the stored charges is the explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product

from rating import trace, trace_discounts
from rating.trace_memory import MONEY, Asked
from rating.trace_steps import Facts, Trace, Used
from tariffs.compile_rates import Maxima
from tariffs.compiler import DISCOUNT_ITEM
from tariffs.memory_model import OWNERS, Allowance, Counter, Discount
from tariffs.model import Book, Version

_TRIED_MAX = 2  # things of one kind that the stored record does not tell at once


@dataclass(frozen=True)
class Stored:
    """A rated record. used: as the trace wants it; None: its book remembers nothing.

    chosen: whether a discount is for the record's subscription. owners: kinds of owners that it
    has. charges_micro: what was stored, by component.
    """

    book: Book
    plan_id: str
    facts: Facts
    maxima: Maxima
    used: Sequence[Used] | None
    chosen: Callable[[Discount], bool]
    charges_micro: Mapping[str, int]
    owners: Sequence[str] = OWNERS


def explained(one: Stored) -> Trace:
    """The steps that land on what was stored; if there are none, those that come first."""
    acted = {use.item: use for use in one.used or () if use.item.startswith(DISCOUNT_ITEM)}
    if one.used is None:
        def is_for(discount: Discount) -> bool:
            return one.chosen(discount) and not discount.used

        found = trace.price(one.book, one.plan_id, one.facts, one.maxima)
        return trace_discounts.discounted(one.book, found, one.facts, one.maxima, is_for)
    first = None
    for held, asked_first in _guesses(one, acted):
        asked = Asked(one.owners, asked_first)
        found = _priced(one, acted.keys() | {f"{DISCOUNT_ITEM}{name}" for name in held}, asked)
        first = first or found
        if _lands(one, found, acted):
            return found
    assert first is not None  # there is always the guess of nothing
    return first


def _lands(one: Stored, found: Trace, acted: Mapping[str, Used]) -> bool:
    charges, stored = found.charges, one.charges_micro
    taken = {f"{DISCOUNT_ITEM}{step.discount.name}": step.taken_micro
             for step in found.discounts if step.taken_micro}  # fmt: skip
    return not found.reason and all(
        charges.get(name, 0) == stored.get(name, 0) for name in charges.keys() | stored.keys()
    ) and taken == {item: use.taken for item, use in acted.items()}


def _priced(one: Stored, held: set[str], asked: Asked) -> Trace:
    version = _own_version(one)

    def is_for(discount: Discount) -> bool:
        if not one.chosen(discount):
            return False
        known = _by_counters(one, version, discount)
        return f"{DISCOUNT_ITEM}{discount.name}" in held if known is None else known

    def discounted(found: Trace) -> Trace:
        is_cut = any(_is_quantity(use.item, version) for use in one.used or ())
        return trace_discounts.discounted(
            one.book, found, one.facts, one.maxima, is_for, is_cut
        )

    return trace.price(
        one.book, one.plan_id, one.facts, one.maxima, one.used, discounted, asked
    )


def _own_version(one: Stored) -> Version | None:
    plan = next((plan for plan in one.book.plans if plan.plan_id == one.plan_id), None)
    return trace.version_at(plan, one.facts.start_utc_s) if plan else None


def _is_quantity(item: str, version: Version | None) -> bool:
    """Whether an item of ``used`` is of tiers, or an allowance of quantities."""
    _, kind, name = item.rsplit("/", 2)
    allowances: Sequence[Allowance] = version.memory.allowances if version else ()
    of_money = {one.name for one in allowances if one.measure == MONEY}
    return kind == "tiers" or (kind == "allowance" and name not in of_money)


def _by_counters(one: Stored, version: Version | None, discount: Discount) -> bool | None:
    """Whether the conditions on counters hold; None: the record does not tell."""
    counters: Sequence[Counter] = version.memory.counters if version else ()
    by_name = {counter.name: counter for counter in counters}
    before = {use.item: use.before for use in one.used or ()}
    found: bool | None = True
    for used in discount.used:
        counter = by_name.get(used.counter)
        if counter is None or counter.owner not in one.owners or not trace.holds(
                counter.when, one.facts):  # fmt: skip
            return False
        total = before.get(f"{one.plan_id}/counter/{used.counter}")
        if total is None:
            found = None
        elif not used.low <= total < used.high:
            return False
    return found


def _guesses(
    one: Stored, acted: Mapping[str, Used]
) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Discounts that may have held without taking anything, and caps that may have been asked
    first (of spans whose end is not known); the fewest first."""
    version = _own_version(one)
    unknown = [
        discount.name for discount in one.book.discounts
        if discount.used and f"{DISCOUNT_ITEM}{discount.name}" not in acted
        and one.chosen(discount) and _by_counters(one, version, discount) is None
    ]
    caps = version.memory.caps if version else ()
    several = [cap.name for cap in caps] if len(caps) > 1 else []
    every = product(_few(unknown), _few(several))
    return iter(sorted(every, key=lambda guess: sum(map(len, guess))))


def _few(names: Sequence[str]) -> list[tuple[str, ...]]:
    sizes = range(min(len(names), _TRIED_MAX) + 1)
    return list(chain.from_iterable(combinations(names, size) for size in sizes))
