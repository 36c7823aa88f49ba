"""What the kernels of items rely on; ``check`` says it more helpfully for books that were text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tariffs.memory_model import ITEMS_MAX, Allowance, Cap, Counter, Span
from tariffs.model import Plan, Rate, Version
from tariffs.settled import WHOLE, components_of
from tariffs.units import QUANTITY_LIMIT
from tariffs.when import Position
from tollbook import money
from tollbook.text import Problems

AMOUNT_LIMIT: Final = money.CHARGE_LIMIT_MICRO  # so that a balance and one usage fit 62 bits
MEMBER_LIMIT: Final = 10**16  # of an amount that is granted for each member
ROLLOVERS_MAX: Final = 12
_Fault = tuple[Position, str, str, str]  # where, found, allowed, what to do
_Item = Allowance | Cap | Counter


def check_version(
    plan: Plan, version: Version, components: Sequence[str], problems: Problems
) -> None:
    """Note everything about the items of a version that cannot be rated exactly."""
    for at, found, allowed, advice in (*_faults(version, components), *_changes(plan, version)):
        problems.add((at.file, at.line), f"plan '{plan.plan_id}': {found}", allowed, advice)


def _changes(plan: Plan, version: Version) -> Iterator[_Fault]:
    """Items of the same name in an earlier version whose balances could not go on."""
    for other in plan.versions:
        if (other.valid_from, other.valid_from_s) >= (version.valid_from, version.valid_from_s):
            continue
        before = dict(_named(other))
        for (kind, name), (at, kept) in _named(version):
            if (kind, name) in before and before[kind, name][1] != kept:
                yield (at, f"{kind} '{name}' has another unit, owner or span than in the version "
                       f"of {other.label}", "the same ones, so that its balance goes on",
                       "give it another name")  # fmt: skip


def _named(version: Version) -> Iterator[tuple[tuple[str, str], tuple[Position, object]]]:
    """By kind and name where an item stands, and what its slots are told apart by."""
    memory = version.memory
    for kind, items in (("allowance", memory.allowances), ("counter", memory.counters),
                        ("cap", memory.caps)):  # fmt: skip
        one: _Item
        for one in items:
            kept = getattr(one, "measure", "money"), one.owner, one.span.kind, one.span.days
            yield (kind, one.name), (one.at, kept)
    for rate in version.rates:
        if rate.over is not None:
            kept = rate.unit, rate.over.owner, rate.over.span.kind, rate.over.span.days
            yield ("tiers", rate.name), (rate.at, kept)


def _faults(version: Version, components: Sequence[str]) -> Iterator[_Fault]:
    memory = version.memory
    every: list[_Item] = [*memory.allowances, *memory.caps, *memory.counters]
    if len(every) > ITEMS_MAX:
        yield (version.at, f"{len(every)} items", f"at most {ITEMS_MAX} in a version",
               "leave some out")  # fmt: skip
    for one in every:
        yield from _item_faults(one, components)
    for allowance in memory.allowances:
        yield from _allowance_faults(allowance, version)
    for cap in memory.caps:
        if not 0 <= cap.amount_micro <= AMOUNT_LIMIT:
            yield cap.at, f"cap '{cap.name}' of {cap.amount_micro} micro", _amounts(), "correct it"
        yield from _price_faults(cap.at, cap.beyond, "", version)
    for rate in version.rates:
        yield from _rate_faults(rate, version)


def _amounts() -> str:
    return f"0 to {AMOUNT_LIMIT}"


def _item_faults(one: _Item, components: Sequence[str]) -> Iterator[_Fault]:
    for name in one.covers:
        if name not in components:
            yield (one.at, f"'{one.name}' covers '{name}'", ", ".join(components),
                   "name components of the book")  # fmt: skip
    yield from _span_faults(one.at, one.name, one.span)


def _span_faults(at: Position, name: str, span: Span) -> Iterator[_Fault]:
    if span.kind == "days" and not 1 <= span.days <= QUANTITY_LIMIT:
        yield at, f"'{name}' holds for {span.days} days", "1 day and more", "correct the span"


def _allowance_faults(one: Allowance, version: Version) -> Iterator[_Fault]:
    named = f"allowance '{one.name}'"
    limit = MEMBER_LIMIT if one.per_member else AMOUNT_LIMIT
    if one.amount != -1 and not 0 <= one.amount <= limit:
        yield one.at, f"{named} of {one.amount}", f"0 to {limit}", "correct the amount"
    if not 1 <= one.increment <= QUANTITY_LIMIT:
        yield (one.at, f"{named} is used in steps of {one.increment}", f"1 to {QUANTITY_LIMIT}",
               "correct the increment")  # fmt: skip
    if one.prorate.by == "half_month" and one.span.kind != "month":
        yield (one.at, f"{named} is halved in a span that is no month", "months",
               "use `days`")  # fmt: skip
    if one.prorate.unit_size < 1 or one.prorate.add_nano < 0:
        yield one.at, f"{named} has a unit or an addition below zero", "1 and more", "correct it"
    if not 0 <= one.rollover_spans <= ROLLOVERS_MAX or one.rollover_limit < 0:
        yield (one.at, f"{named} goes on for {one.rollover_spans} spans",
               f"0 to {ROLLOVERS_MAX}", "correct the rollover")  # fmt: skip
    if one.rollover_spans and (one.amount == -1 or one.span.kind == "once"):
        yield (one.at, f"{named} never ends, so nothing of it goes on",
               "an amount for each span", "leave out the rollover")  # fmt: skip
    if one.mode == "threshold" and (one.rollover_spans or one.draws_on or one.price):
        yield (one.at, f"{named} is a threshold that goes on, draws on another, or has a price",
               "a threshold by itself", "leave out one of them")  # fmt: skip
    if one.measure == "money" and one.price:
        yield one.at, f"{named} is money with a price", "seconds, bytes or events", "leave it out"
    yield from _price_faults(one.at, one.price, one.measure, version)
    yield from _draw_faults(one, version)


def _price_faults(at: Position, name: str, measure: str, version: Version) -> Iterator[_Fault]:
    rates = {rate.name: rate for rate in version.rates if not rate.is_template}
    if not name:
        return
    if name not in rates:
        yield at, f"the price '{name}'", ", ".join(rates), "name a rate of the version"
    elif rates[name].over is not None or (measure and rates[name].unit != measure):
        yield (at, f"the price '{name}' counts over a span, or in another unit",
               "a rate within one usage, in the unit of the allowance",
               "name another rate")  # fmt: skip


def _draw_faults(one: Allowance, version: Version) -> Iterator[_Fault]:
    others = {other.name: other for other in version.memory.allowances}
    seen, name = [one.name], one.draws_on
    while name:
        other = others.get(name)
        if other is None or other.measure != one.measure or one.measure == "money":
            yield (one.at, f"allowance '{one.name}' draws on '{name}'",
                   "an allowance of the version in the same unit, not of money",
                   "name another one")  # fmt: skip
            return
        if name in seen:
            yield (one.at, f"allowance '{one.name}' draws on itself", "no circle",
                   "leave out one `draws_on`")  # fmt: skip
            return
        seen.append(name)
        name = other.draws_on


def _settle_faults(rate: Rate, version: Version) -> Iterator[_Fault]:
    """What a settlement could not be worked out from: it looks at whole usages and their price."""
    named, found = f"rate '{rate.name}' is settled whole and", components_of(version, rate)
    if rate.over is not None and rate.over.span.kind != "month":
        yield (rate.at, f"{named} counts over another span than the month of the bill",
               "`period: month`", "correct one of them")  # fmt: skip
    if len(found) > 1:
        yield (rate.at, f"{named} charged for {', '.join(found)}", "one component",
               "write a rate for each component")  # fmt: skip
    for name in found:
        if name not in version.memory.not_discountable:
            yield (rate.at, f"{named} charged for '{name}', which is discountable",
                   "a component of `not_discountable`", "name it there")  # fmt: skip
        for cap in version.memory.caps:
            if name in cap.covers:
                yield (cap.at, f"cap '{cap.name}' covers '{name}', which is settled whole",
                       "other components", "remove it from `covers`")  # fmt: skip


def _rate_faults(rate: Rate, version: Version) -> Iterator[_Fault]:
    if rate.over is None:
        return
    named = f"rate '{rate.name}'"
    if rate.over.settle == WHOLE:
        yield from _settle_faults(rate, version)
    if version.version_change == "split":
        yield (rate.at, f"{named} counts over a span, and the version cuts usages",
               "`version_change: start`", "leave out one of them")  # fmt: skip
    if rate.is_template:
        yield (rate.at, f"{named} counts over a span, and is a template", "no template",
               "leave out one of them")  # fmt: skip
    likes = [
        charge for rule in version.rules for charge in rule.charges if charge.like == rate.name
    ]
    if likes:
        yield (likes[0].at, f"rows of a deck are like {named}, which counts over a span",
               "rates within one usage", "name another rate")  # fmt: skip
    yield from _span_faults(rate.at, rate.name, rate.over.span)
