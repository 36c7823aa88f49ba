"""The discounts of one usage in exact steps, for ``tollbook explain``: plain Python, no arrays.

Follows the numbered rules of docs/rating.md, and lands on what the kernels store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from rating import trace
from rating.trace_steps import Discounted, Effect, Facts, Trace
from tariffs.compile_discounts import in_order, is_for_plans
from tariffs.compile_rates import Maxima
from tariffs.memory_model import Discount
from tariffs.model import FREE, Book, Charge, Plan, Rule, Version
from tollbook import clock, money

_LISTED = ("free", "price")  # kinds of action that need the charge at another price
IsFor = Callable[[Discount], bool]


def is_of_plan(one: Discount, plan_id: str) -> bool:
    """Whether a discount is for all of a plan."""
    out = one.excluded.plans if one.excluded else ()
    named = is_for_plans(one.chosen) and plan_id in (one.chosen.plans or (plan_id,))
    return named and plan_id not in out


def of_plan(book: Book, plan_id: str, found: Trace, facts: Facts, limits: Maxima | None) -> Trace:
    """A trace with the discounts that are for all of a plan, where there are no customers."""

    def is_for(one: Discount) -> bool:
        return is_of_plan(one, plan_id) and not one.used

    return discounted(book, found, facts, limits, is_for)


def discounted(
    book: Book, found: Trace, facts: Facts, limits: Maxima | None, is_for: IsFor,
    is_cut: bool = False,
) -> Trace:  # fmt: skip
    """A trace with its discounts; is_for: whether one is for the subscription then, and its
    conditions on counters hold. is_cut: an allowance of quantities has paid a part, or tiers count
    over a period, so that no other price is known."""
    version, rule = found.version, found.rule
    if found.reason or version is None or rule is None or not book.discounts:
        return found
    held = [one for one in in_order(book.discounts)
            if is_for(one) and _holds(one, version, facts)]  # fmt: skip
    listed = {one.component: one.listed_micro for one in found.components}
    others = {
        one.name: None if is_cut else _other_charges(book, found, one, facts, limits)
        for one in held if one.action.kind in _LISTED
    }  # fmt: skip
    record = _Record(listed, version, rule, others)
    acting, passed = _choose([one for one in held if record.can(one)], record)
    left, steps = dict(listed), []
    for one in sorted((*acting, *passed), key=lambda one: (one.priority, one.name)):
        if one in passed:
            steps.append(Discounted(one, why_not=passed[one]))
            continue
        effects = tuple(record.effects(one, left))
        left |= {effect.component: effect.after_micro for effect in effects}
        steps.append(Discounted(one, effects))
    return replace(found, discounts=tuple(steps), charge_micro=sum(left.values()))


def _holds(one: Discount, version: Version, facts: Facts) -> bool:
    zone = one.time_zone or version.time_zone

    def begins(day: date) -> int:
        return clock.date_utc_s(day, zone)

    has_begun = one.valid_from is None or begins(one.valid_from) <= facts.start_utc_s
    has_ended = one.valid_to is not None and begins(one.valid_to) <= facts.start_utc_s
    has_rate = one.action.kind != "price" or any(
        rate.name == one.action.rate for rate in version.rates
    )
    return has_begun and not has_ended and has_rate and trace.holds(one.when, facts)


@dataclass(frozen=True)
class _Record:
    """A record before its discounts. others: by discount the charges at its price; None: none."""

    listed: Mapping[str, int]
    version: Version
    rule: Rule
    others: Mapping[str, Mapping[str, int] | None]

    def components(self, one: Discount) -> list[str]:
        """What a discount acts on: what may be discounted and costs something, unless forced."""
        allowed = [name for name in self.version.components
                   if name not in self.version.memory.not_discountable
                   and name in (one.components or self.version.components)]  # fmt: skip
        priced = {charge.component for charge in self.rule.charges if charge.rate != FREE}
        if one.execution == "super_forced":
            return [name for name in allowed if one.components or name in priced]
        return [name for name in allowed if name in priced and self.listed.get(name, 0) > 0]

    def can(self, one: Discount) -> bool:
        return bool(self.components(one)) and (
            one.action.kind not in _LISTED or self.others[one.name] is not None
        )

    def takes(self, one: Discount) -> int:
        return sum(effect.before_micro - effect.after_micro
                   for effect in self.effects(one, self.listed))  # fmt: skip

    def effects(self, one: Discount, left: Mapping[str, int]) -> list[Effect]:
        """What it makes of what is left."""
        found = []
        for name in self.components(one):
            amount = left.get(name, 0)
            if one.execution == "semi_forced" and amount == 0:
                continue
            other = (self.others.get(one.name) or {}).get(name, 0)
            exact = _exact(one, amount, self.listed.get(name, 0), other)
            rounded: list[int] = []
            if exact != amount:
                for digits, mode in one.rounding or ((money.MICRO_DIGITS, money.ROUND_HALF_EVEN),):
                    unit = 10 ** (money.MICRO_DIGITS - digits)
                    so_far = Fraction(rounded[-1]) if rounded else exact
                    rounded.append(money.round_div(
                        so_far.numerator, so_far.denominator * unit, mode
                    ) * unit)  # fmt: skip
            found.append(Effect(name, amount, exact, tuple(rounded),
                                rounded[-1] if rounded else amount))  # fmt: skip
        return found


def _exact(one: Discount, amount: int, listed: int, other: int) -> Fraction:
    action = one.action
    match action.kind:
        case "percent":
            return Fraction(amount * action.amount_nano, 100 * money.NANO)
        case "off":
            return Fraction(max(amount - action.amount_micro, 0))
        case "cap":
            return Fraction(min(amount, action.amount_micro))
        case "free":
            return Fraction(max(amount - max(listed - other, 0), 0))
        case "price":
            return Fraction(other)
    return Fraction(action.amount_micro)


def _choose(
    able: Sequence[Discount], record: _Record
) -> tuple[list[Discount], dict[Discount, str]]:
    """Those that act, and why the others that hold do not."""
    by_word: dict[str, list[Discount]] = {}
    for one in able:
        by_word.setdefault(one.execution, []).append(one)
    for word in ("super_forced", "exclusive"):
        if word in by_word:
            first = by_word[word][0]
            why = f"{first.name} is {word.replace('_', ' ')}"
            return [first], {one: why for one in able if one is not first}
    acting = [*by_word.get("joint", ()), *by_word.get("semi_forced", ())]
    acting += by_word.get("first", [])[:1]
    acting += [one for one in by_word.get("differs", ()) if record.takes(one)][:1]
    best = [one for one in by_word.get("best", ())
            if one.priority == by_word["best"][0].priority]  # fmt: skip
    if best and max(map(record.takes, best)) > 0:
        acting.append(max(best, key=record.takes))
    whys = {
        "first": "another one comes first", "best": "it is not the best",
        "differs": "it changes nothing, or another one comes first",
    }  # fmt: skip
    return acting, {one: whys[one.execution] for one in able if one not in acting}


def _other_charges(
    book: Book, found: Trace, one: Discount, facts: Facts, limits: Maxima | None
) -> dict[str, int] | None:
    """The charges at the price of a discount; None: the record has none."""
    if found.plan is None:
        return None
    plan, action = found.plan, one.action
    if action.kind == "price":
        plan = _repriced(plan, one)
    elif action.unit == "second":
        facts = replace(facts, duration_s=max(facts.duration_s - action.quantity, 0))
    elif action.unit == "event":
        facts = replace(facts, event_count=max(facts.event_count - action.quantity, 0))
    else:
        down = max(facts.down_bytes - action.quantity, 0)
        rest = action.quantity - (facts.down_bytes - down)
        facts = replace(facts, down_bytes=down, up_bytes=max(facts.up_bytes - rest, 0))
    made = trace.price(replace(book, plans=(plan,)), plan.plan_id, facts, limits)
    return None if made.reason else made.charges


def _repriced(plan: Plan, one: Discount) -> Plan:
    """A plan whose rules charge the rate of a discount."""

    def charges(version: Version, rule: Rule) -> tuple[Charge, ...]:
        if one.execution == "super_forced" and one.components:
            names = [name for name in version.components if name in one.components]
        else:
            names = [charge.component for charge in rule.charges
                     if charge.rate != FREE
                     and charge.component in (one.components or version.components)]  # fmt: skip
        return tuple(Charge(name, one.action.rate) for name in names)

    return replace(plan, versions=tuple(
        replace(version, rules=tuple(
            rule if rule.refuse else replace(rule, charges=charges(version, rule))
            for rule in version.rules
        )) if one.action.rate in {rate.name for rate in version.rates} else version
        for version in plan.versions
    ))  # fmt: skip
