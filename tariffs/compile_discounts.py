"""Discounts on single records -> arrays for ``discount_kernels``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

import numpy as np

from tariffs.book_discounts import ACTIONS
from tariffs.compile_rates import ENDLESS, frozen
from tariffs.compile_rules import RuleTables, dense
from tariffs.compile_targets import Edition, Names, unknown
from tariffs.discount_kernels import DISCOUNT, STEP, USED, Discounts, Selection
from tariffs.memory_model import EXECUTIONS, ITEMS_MAX, Chosen, Discount
from tariffs.model import UNITS
from tariffs.rule_kernels import FREE, Rules
from tariffs.when import When
from tollbook import clock, codes, money
from tollbook.money import MICRO_DIGITS

# With discounts, charges of one record stay this far below the limit of money: a record's
# components may then each cost as much as the whole did.
CHARGE_LIMIT_MICRO: Final = money.CHARGE_LIMIT_MICRO // 8
_UNIT_CODE: Final = dict(zip(UNITS, (codes.SECONDS, codes.BYTES, codes.EVENTS), strict=True))
_ALWAYS_SINCE: Final = -ENDLESS


@dataclass(frozen=True)
class DiscountTables:
    """The compiled discounts of a book; without any, ``names`` is empty.

    names: by bit. counters: names of the counters that conditions read, in the order of the totals
    that ``within_used`` is given. selection: whom they are for; until ``rating.selectors`` has
    chosen among customers, all of a plan.
    """

    names: tuple[str, ...]
    counters: tuple[str, ...]
    tables: Discounts
    selection: Selection


@dataclass(frozen=True)
class Compiling:
    """What the versions of a book have become: by version, its edition and its first rule.

    rules: the tables of all versions. plan_ids: by plan_index.
    """

    editions: Sequence[Edition]
    first_rules: Sequence[int]
    rules: Rules
    plan_ids: Sequence[str]
    names: Names


def in_order(discounts: Sequence[Discount]) -> tuple[Discount, ...]:
    """Discounts by bit: the order in which they are asked."""
    return tuple(sorted(discounts, key=lambda one: (one.priority, one.name)))


def compile_discounts(
    discounts: Sequence[Discount], book: Compiling, conditions: RuleTables
) -> DiscountTables:
    """The discounts of a book. conditions: an empty table, for their conditions; what is wrong is
    noted among its problems."""
    ordered = in_order(discounts)
    _check(ordered, book, conditions)
    counters = tuple(dict.fromkeys(used.counter for one in ordered for used in one.used))
    steps: list[tuple[int, int]] = []
    used: list[tuple[int, int, int]] = []
    rows: list[tuple[int, ...]] = []
    others: list[Discount] = []
    for one in ordered:
        row = _row(one, book.names.components) | {
            "step_first": len(steps), "step_count": len(one.rounding),
            "used_first": len(used), "used_count": len(one.used),
            "other": len(others) if one.action.kind in ("free", "price") else -1,
            "rule": conditions.add_conditions(one.when, one.at),
        }  # fmt: skip
        steps += [(10 ** (MICRO_DIGITS - digits), mode) for digits, mode in one.rounding]
        used += [(counters.index(part.counter), part.low, part.high) for part in one.used]
        if row["other"] >= 0:
            others.append(one)
        rows.append(tuple(row[name] for name in DISCOUNT.names or ()))
    conditions.problems.refuse_if_any("no record was read")
    tables = Discounts(
        frozen(rows, DISCOUNT), frozen(steps, STEP), frozen(used, USED),
        frozen(_masks(ordered, book.names), np.int64), conditions.arrays(),
        frozen([_possible(ordered, edition) for edition in book.editions], np.int64),
        *_validity(ordered, book.editions), *_slots(book), *_others(others, book),
    )  # fmt: skip
    return DiscountTables(
        tuple(one.name for one in ordered), counters, tables,
        _by_plan(ordered, book.plan_ids),
    )  # fmt: skip


def _check(discounts: Sequence[Discount], book: Compiling, conditions: RuleTables) -> None:
    problems = conditions.problems
    if len(discounts) > ITEMS_MAX:
        at = discounts[ITEMS_MAX].at
        problems.add((at.file, at.line), f"{len(discounts)} discounts", f"at most {ITEMS_MAX}",
                     "leave some out")
    for one in discounts:
        for component in one.components:
            if component not in book.names.components:
                unknown(problems, one.at, ("component", component), book.names.components)
    for edition in book.editions if discounts else ():
        limit, at = edition.version.charge_limit_micro, edition.version.at
        if limit > CHARGE_LIMIT_MICRO:
            problems.add((at.file, at.line), "with discounts the limit of one charge is "
                         f"{money.format_micro(limit)}",
                         f"at most {money.format_micro(CHARGE_LIMIT_MICRO)}", "lower the limit")


def _row(one: Discount, components: Sequence[str]) -> dict[str, int]:
    share = Fraction(one.action.amount_nano, 100 * money.NANO)
    named = [components.index(name) for name in one.components if name in components]
    slots = sum(1 << slot for slot in named) if one.components else (1 << len(components)) - 1
    return {
        "kind": ACTIONS.index(one.action.kind), "execution": EXECUTIONS.index(one.execution),
        "priority": one.priority, "slots": slots, "is_named": int(bool(one.components)),
        "amount": one.action.amount_micro, "part": share.numerator, "whole": share.denominator,
        "narrow": ((1 << 62) - 1) // max(share.numerator, 1),
    }  # fmt: skip


def _masks(discounts: Sequence[Discount], names: Names) -> np.ndarray:
    """By cell of the dense table the discounts whose conditions may hold there."""
    found = np.zeros(dense(When(), names.relations).size, np.int64)
    for place, one in enumerate(discounts):
        holds = dense(one.when, names.relations).reshape(-1)
        found |= holds.astype(np.int64) << place
    return found


def _possible(discounts: Sequence[Discount], edition: Edition) -> int:
    """The discounts that a version can have: their rate is there."""
    return sum(
        1 << place for place, one in enumerate(discounts)
        if one.action.kind != "price" or one.action.rate in edition.rates
    )


def _validity(
    discounts: Sequence[Discount], editions: Sequence[Edition]
) -> tuple[np.ndarray, np.ndarray]:
    """By version and discount: first second, and the first after it, by the clock that counts."""

    def second(day: date | None, zone: str, otherwise: int) -> int:
        return otherwise if day is None else clock.date_utc_s(day, zone)

    shape = len(editions), len(discounts)
    since, until = np.full(shape, _ALWAYS_SINCE, np.int64), np.full(shape, ENDLESS, np.int64)
    for version, edition in enumerate(editions):
        for place, one in enumerate(discounts):
            zone = one.time_zone or edition.version.time_zone
            since[version, place] = second(one.valid_from, zone, _ALWAYS_SINCE)
            until[version, place] = second(one.valid_to, zone, ENDLESS)
    return frozen(since, np.int64), frozen(until, np.int64)


def _slots(book: Compiling) -> tuple[np.ndarray, np.ndarray]:
    """By rule the components that may be discounted: those with a price, and all of its version."""
    target = book.rules.target
    priced = (target != FREE).astype(np.int64) @ (1 << np.arange(target.shape[1], dtype=np.int64))
    versions = np.zeros(len(target), np.int64)
    ends = [*book.first_rules[1:], len(target)]
    for edition, first, end in zip(book.editions, book.first_rules, ends, strict=True):
        version = edition.version
        slots = sum(
            1 << book.names.components.index(name) for name in version.components
            if name not in version.memory.not_discountable
        )  # fmt: skip
        priced[first:end] &= slots
        versions[first:end] = slots
    return frozen(priced, np.int64), frozen(versions, np.int64)


def _others(
    discounts: Sequence[Discount], book: Compiling
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, units and quantities of discounts that price a record anew."""
    target = book.rules.target
    targets = np.repeat(target[np.newaxis], max(len(discounts), 1), axis=0)
    ends = [*book.first_rules[1:], len(target)]
    units, quantities = [], []
    for place, one in enumerate(discounts):
        action = one.action
        units.append(_UNIT_CODE[action.unit] if action.kind == "free" else 0)
        quantities.append(action.quantity)
        if action.kind == "free":
            continue
        for edition, first, end in zip(book.editions, book.first_rules, ends, strict=True):
            if action.rate not in edition.rates:
                continue
            span = targets[place, first:end]
            forced = one.execution == "super_forced"
            for slot, name in enumerate(book.names.components):
                if one.components and name not in one.components:
                    span[:, slot] = FREE
                elif forced and one.components:
                    span[:, slot] = edition.rates[action.rate]
                else:
                    is_priced = span[:, slot] != FREE
                    span[is_priced, slot] = edition.rates[action.rate]
    return frozen(targets, np.int64), frozen(units, np.int64), frozen(quantities, np.int64)


def _by_plan(discounts: Sequence[Discount], plan_ids: Sequence[str]) -> Selection:
    """Whom discounts are for where there are no customers: everybody on their plans."""
    masks = [0] * len(plan_ids)
    for place, one in enumerate(discounts):
        out = one.excluded.plans if one.excluded else ()
        if is_for_plans(one.chosen):
            for plan, name in enumerate(plan_ids):
                if (not one.chosen.plans or name in one.chosen.plans) and name not in out:
                    masks[plan] |= 1 << place
    return Selection(
        0, frozen(masks, np.int64), frozen([0], np.int64), frozen([0, 0], np.int32),
        *(frozen([], np.int64) for _ in range(4)),
    )  # fmt: skip


def is_for_plans(chosen: Chosen) -> bool:
    """Whether nothing but plans says whom it is for."""
    return Chosen(plans=chosen.plans) == chosen

