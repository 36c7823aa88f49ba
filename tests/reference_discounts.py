"""Naive twin of discounts: whom they are for, when they hold, and what they leave, in fractions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

import reference_rating
from reference_price import instant

from rating.trace_steps import Facts
from tariffs.compile_rates import Maxima
from tariffs.memory_model import Chosen, Discount
from tariffs.model import FREE, Book, Charge, Plan, Rule, Version
from tollbook.money import (
    ROUND_DOWN,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
)

Charges = dict[str, int]  # micro by component
Entry = tuple[str, int, int]  # discount, before, taken


@dataclass(frozen=True)
class Line:
    """A row of subscriptions.csv. opened_utc_s: when the first row of its subscription began.

    memberships: (group, from, to) of its number, in UTC seconds.
    """

    subscription: str
    account: str
    number: str
    plan: str
    opened_utc_s: int
    memberships: tuple[tuple[str, int, int], ...] = ()


def rounded(amount: Fraction, digits: int, mode: int) -> Fraction:
    """An amount in micro, never below zero, to so many decimals of the currency."""
    unit = 10 ** (6 - digits)
    whole, rest = divmod(amount / unit, 1)
    up = {
        ROUND_DOWN: False, ROUND_UP: rest > 0, ROUND_HALF_UP: rest >= Fraction(1, 2),
        ROUND_HALF_DOWN: rest > Fraction(1, 2),
        ROUND_HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
    }[mode]  # fmt: skip
    return Fraction((whole + up) * unit)


def tests_of(chosen: Chosen, line: Line, utc_s: int, zone: str) -> list[bool]:
    """What is given, each by itself."""
    found = []
    if chosen.numbers:
        found.append(any(
            a <= line.number[: len(a)] <= b and len(line.number) >= len(a)
            for a, b in chosen.numbers
        ))  # fmt: skip
    if chosen.subscriptions:
        found.append(line.subscription in chosen.subscriptions)
    if chosen.accounts:
        found.append(line.account in chosen.accounts)
    if chosen.plans:
        found.append(line.plan in chosen.plans)
    if chosen.groups:
        found.append(any(
            group in chosen.groups and since <= utc_s < until
            for group, since, until in line.memberships
        ))  # fmt: skip
    if chosen.opened_from or chosen.opened_to:
        since, until = chosen.opened_from, chosen.opened_to
        found.append(
            (since is None or instant(since, 0, zone) <= line.opened_utc_s)
            and (until is None or line.opened_utc_s < instant(until, 0, zone))
        )
    return found


def is_for(discount: Discount, line: Line, utc_s: int, zone: str) -> bool:
    """Whether a discount is for a subscription at an instant; zone: the operator's."""
    out = discount.excluded
    return all(tests_of(discount.chosen, line, utc_s, zone)) and not (
        out is not None and any(tests_of(out, line, utc_s, zone))
    )


def is_valid(discount: Discount, utc_s: int, version: Version) -> bool:
    zone = discount.time_zone or version.time_zone

    def at(day: date | None, otherwise: bool, test: Callable[[int], bool]) -> bool:
        return otherwise if day is None else test(instant(day, 0, zone))

    return at(discount.valid_from, True, lambda first: first <= utc_s) and at(
        discount.valid_to, True, lambda end: utc_s < end
    )


def is_met(discount: Discount, version: Version, facts: Facts) -> bool:
    """Whether a discount is valid, its conditions hold, and the version has its rate."""
    action = discount.action
    return (
        is_valid(discount, facts.start_utc_s, version)
        and all(reference_rating.conditions(discount.when, facts))
        and (action.kind != "price" or action.rate in {rate.name for rate in version.rates})
    )


def is_held(discount: Discount, plan: str, version: Version, facts: Facts) -> bool:
    """The same, and whether it is for everybody on the plan, whoever that is."""
    out = discount.excluded
    named = Chosen(plans=discount.chosen.plans) == discount.chosen
    return (
        named and plan in (discount.chosen.plans or (plan,))
        and not (out is not None and plan in out.plans) and is_met(discount, version, facts)
    )  # fmt: skip


def left_of(discount: Discount, amount: int, listed: int, other: int) -> int:
    """What one discount leaves of one component's amount."""
    action = discount.action
    exact = {
        "percent": Fraction(amount * action.amount_nano, 100 * 10**9),
        "off": Fraction(max(amount - action.amount_micro, 0)),
        "fixed": Fraction(action.amount_micro),
        "cap": Fraction(min(amount, action.amount_micro)),
        "free": Fraction(max(amount - max(listed - other, 0), 0)),
        "price": Fraction(other),
    }[action.kind]
    if exact == amount:
        return amount
    for digits, mode in discount.rounding or ((6, ROUND_HALF_EVEN),):
        exact = rounded(exact, digits, mode)
    return int(exact)


@dataclass(frozen=True)
class Record:
    """A record before its discounts.

    others: by name of a discount with ``free`` or ``price`` the charges at its price, None: none.
    """

    listed: Charges
    version: Version
    rule: Rule
    others: Mapping[str, Charges | None]

    def components(self, one: Discount) -> list[str]:
        """What a discount acts on."""
        free_of = set(self.version.memory.not_discountable)
        priced = {charge.component for charge in self.rule.charges if charge.rate != FREE} - free_of
        if one.execution == "super_forced":
            found = (set(one.components) & set(self.version.components)) - free_of
            return sorted(found) if one.components else sorted(priced)
        named = set(one.components or self.version.components)
        return sorted(name for name in named & priced if self.listed.get(name, 0) > 0)

    def can(self, one: Discount) -> bool:
        is_priced = one.action.kind not in ("free", "price") or self.others[one.name] is not None
        return bool(self.components(one)) and is_priced

    def left(self, one: Discount, name: str, amount: int) -> int:
        other = (self.others.get(one.name) or {}).get(name, 0)
        return left_of(one, amount, self.listed.get(name, 0), other)

    def takes(self, one: Discount) -> int:
        listed = {name: self.listed.get(name, 0) for name in self.components(one)}
        return sum(amount - self.left(one, name, amount) for name, amount in listed.items())


def acting_of(able: Sequence[Discount], record: Record) -> list[Discount]:
    """Of the discounts that hold, in their order, those that act."""

    def worded(*words: str) -> list[Discount]:
        return [one for one in able if one.execution in words]

    for word in ("super_forced", "exclusive"):
        if worded(word):
            return worded(word)[:1]
    chosen = worded("joint", "semi_forced") + worded("first")[:1]
    chosen += [one for one in worded("differs") if record.takes(one) != 0][:1]
    best = [one for one in worded("best") if one.priority == worded("best")[0].priority]
    if best and max(map(record.takes, best)) > 0:
        chosen.append(max(best, key=record.takes))
    return [one for one in able if one in chosen]


def apply(held: Sequence[Discount], record: Record) -> tuple[Charges, list[Entry]]:
    """What is left of a record's charges, and what each discount took."""
    ordered = sorted(held, key=lambda one: (one.priority, one.name))
    charges, entries = dict(record.listed), []
    for one in acting_of([one for one in ordered if record.can(one)], record):
        before = after = 0
        for name in record.components(one):
            amount = charges.get(name, 0)
            if one.execution == "semi_forced" and amount == 0:
                continue
            charges[name] = record.left(one, name, amount)
            before, after = before + amount, after + charges[name]
        if before != after:
            entries.append((one.name, before, before - after))
    return charges, entries


def at_other_price(plan: Plan, discount: Discount) -> Plan:
    """A plan whose rules charge the rate of a discount with ``price``."""

    def charges_of(version: Version, rule: Rule) -> tuple[Charge, ...]:
        rate, named = discount.action.rate, discount.components
        if discount.execution == "super_forced" and named:
            return tuple(Charge(name, rate) for name in version.components if name in named)
        return tuple(
            replace(Charge(charge.component, rate), at=charge.at) for charge in rule.charges
            if charge.rate != FREE and (not named or charge.component in named)
        )  # fmt: skip

    return replace(plan, versions=tuple(
        replace(version, rules=tuple(
            replace(rule, charges=charges_of(version, rule)) if not rule.refuse else rule
            for rule in version.rules
        )) if any(rate.name == discount.action.rate for rate in version.rates) else version
        for version in plan.versions
    ))  # fmt: skip


def shorter(facts: Facts, unit: str, quantity: int) -> Facts:
    """A usage without its first base units; bytes received go first."""
    if unit == "second":
        return replace(facts, duration_s=max(facts.duration_s - quantity, 0))
    if unit == "event":
        return replace(facts, event_count=max(facts.event_count - quantity, 0))
    rest = max(quantity - facts.down_bytes, 0)
    return replace(facts, down_bytes=max(facts.down_bytes - quantity, 0),
                   up_bytes=max(facts.up_bytes - rest, 0))  # fmt: skip


def other_charges(
    book: Book, plan_id: str, discount: Discount, facts: Facts, maxima: Maxima
) -> Charges | None:
    """The charges at the price of a discount; None: the record has none."""
    plan, action = book.plan(plan_id), discount.action
    if action.kind == "free":
        facts = shorter(facts, action.unit, action.quantity)
    else:
        plan = at_other_price(plan, discount)
    found = reference_rating.rate(replace(book, plans=(plan,)), plan_id, facts, maxima)
    return None if found.reason else found.charges


def rate(
    book: Book, line: Line, facts: Facts, maxima: Maxima, zone: str
) -> tuple[reference_rating.Rated, list[Entry]]:
    """A usage of a subscription, discounted; conditions on counters never hold."""
    found = reference_rating.rate(book, line.plan, facts, maxima)
    if found.reason:
        return found, []
    plan = book.plan(found.plan_id)
    version = next(one for one in plan.versions if one.valid_from == found.version)
    held = [
        one for one in book.discounts
        if is_for(one, line, facts.start_utc_s, zone) and is_met(one, version, facts)
        and not one.used
    ]  # fmt: skip
    others = {
        one.name: other_charges(book, found.plan_id, one, facts, maxima)
        for one in held if one.action.kind in ("free", "price")
    }  # fmt: skip
    record = Record(found.charges, version, version.rules[found.rule_index], others)
    charges, entries = apply(held, record)
    return replace(found, charges=charges), entries


def rate_of_plan(book: Book, plan: str, facts: Facts, maxima: Maxima) -> reference_rating.Rated:
    """A usage of nobody in particular: only plans decide which discounts are for it."""
    plain = replace(book, discounts=tuple(
        one for one in book.discounts if Chosen(plans=one.chosen.plans) == one.chosen
    ))  # fmt: skip
    return rate(plain, Line("", "", "", plan, 0), facts, maxima, "UTC")[0]
