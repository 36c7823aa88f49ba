"""Checks of discounts: names that do not exist, and what can never make a difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tariffs.check_rules import check_when, listed, where
from tariffs.known import Edition, Known
from tariffs.memory_model import ITEMS_MAX, Discount
from tariffs.units import fits
from tariffs.when import Position
from tollbook import money
from tollbook.text import Problems, did_you_mean

_WHOLE_NANO: Final = 100 * money.NANO


def lint_discounts(
    discounts: Sequence[Discount], editions: Sequence[Edition], known: Known, problems: Problems
) -> None:
    """All checks of the discounts of a book."""
    first: dict[str, Position] = {}
    for number, discount in enumerate(discounts, 1):
        name = f"discount '{discount.name}'"
        if number == ITEMS_MAX + 1:
            problems.add(where(discount.at), f"{name} is number {number} of the book",
                         f"at most {ITEMS_MAX} discounts", "leave out those that are over")
        if discount.name in first:
            at = first[discount.name]
            problems.add(where(discount.at), f"{name} is there already ({at.file}:{at.line})",
                         "each name once", "give one of them another name")
        first.setdefault(discount.name, discount.at)
        check_when(discount.when, discount.at, known, problems)
        concerned = _check_plans(discount, name, editions, problems)
        _check_components(discount, name, concerned, problems)
        _check_rate(discount, name, concerned, problems)
        _check_used(discount, name, concerned, problems)
        _check_effect(discount, name, problems)


def _check_plans(
    discount: Discount, name: str, editions: Sequence[Edition], problems: Problems
) -> Sequence[Edition]:
    """Plans that the book does not have; returns the editions that the discount is for."""
    plans = {edition.plan_id for edition in editions}
    chosen, excluded = discount.chosen, discount.excluded
    for plan in (*chosen.plans, *(excluded.plans if excluded else ())):
        if plan not in plans:
            _unknown(discount, name, ("plan", plan), plans, problems)
    return [one for one in editions if not chosen.plans or one.plan_id in chosen.plans]


def _check_components(
    discount: Discount, name: str, editions: Sequence[Edition], problems: Problems
) -> None:
    known = dict.fromkeys(part for one in editions for part in one.version.components)
    for component in discount.components:
        if component not in known:
            _unknown(discount, name, ("component", component), known, problems)
    acts = any(
        part not in one.version.memory.not_discountable
        and (not discount.components or part in discount.components)
        for one in editions for part in one.version.components
    )  # fmt: skip
    if known and not acts and set(discount.components) <= set(known):
        problems.warn(where(discount.at), f"{name} acts on nothing: all its components are not "
                      "discountable", "components that the plans do not list in "
                      "`not_discountable`", "name other components, or remove it")


def _check_rate(
    discount: Discount, name: str, editions: Sequence[Edition], problems: Problems
) -> None:
    """The rate that is the price: in every version of plans that are named, else in one."""
    rate = discount.action.rate
    if discount.action.kind != "price" or not rate:
        return
    without = [one for one in editions
               if rate not in {r.name for r in one.version.rates} | one.unread_rates]  # fmt: skip
    if len(without) == len(editions) or (without and discount.chosen.plans):
        missing = f" in {without[0].at.file}" if len(without) < len(editions) else ""
        rates = sorted({r.name for one in editions for r in one.version.rates})
        problems.add(where(discount.at), f"{name}: rate '{rate}' is not defined{missing}",
                     listed(rates), did_you_mean(rate, rates, "add it to `rates` of the plans"))


def _check_used(
    discount: Discount, name: str, editions: Sequence[Edition], problems: Problems
) -> None:
    counters = [one for edition in editions for one in edition.version.memory.counters]
    for used in discount.used:
        measures = {one.measure for one in counters if one.name == used.counter}
        if not measures:
            known = {one.name for one in counters}
            _unknown(discount, name, ("counter", used.counter), known, problems)
        elif used.measure not in measures:
            problems.add(where(discount.at), f"{name}: counter '{used.counter}' counts "
                         f"{', '.join(sorted(measures))}, not {used.measure}",
                         "totals in what the counter counts", "correct the unit")


def _check_effect(discount: Discount, name: str, problems: Problems) -> None:
    action = discount.action
    useless = {
        "percent": action.amount_nano == _WHOLE_NANO,
        "off": action.amount_micro == 0,
    }
    if useless.get(action.kind, False) and not discount.rounding:
        problems.warn(where(discount.at), f"{name} changes nothing", "percent below 100: what is "
                      "left to pay; off above 0", "correct the action, or remove it")
    services = discount.when.service
    if action.kind == "free" and services and not any(fits(action.unit, s) for s in services):
        problems.add(where(discount.at), f"{name}: free {action.unit}s, but its `when` lets in "
                     f"{', '.join(services)} alone", "free in what the services count",
                     "correct the unit, or the services")


def _unknown(
    discount: Discount, name: str, found: tuple[str, str], known: Iterable[str],
    problems: Problems,
) -> None:  # fmt: skip
    kind, word = found
    names = sorted(known)
    problems.add(where(discount.at), f"{name}: {kind} '{word}' is not defined", listed(names),
                 did_you_mean(word, names, f"define it, or name another {kind}"))
