"""Discounts on single records as arrays, and what they make of the charges of one record.

A discount is a bit; bits ascend in the order in which discounts are asked: by priority, then by
name. What the words of ``execution`` mean is in docs/rating.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.exact_kernels import HALF_MASK, add_product, divide, divide_wide
from tariffs.rule_kernels import Rules
from tollbook.jit import borrows, inner

PERCENT, OFF, FIXED, CAP, FREE_UNITS, PRICE = 0, 1, 2, 3, 4, 5  # tariffs.book_discounts.ACTIONS
# tariffs.memory_model.EXECUTIONS
EXCLUSIVE, JOINT, SEMI_FORCED, SUPER_FORCED, FIRST, DIFFERS, BEST = 0, 1, 2, 3, 4, 5, 6
NO_OTHER = -1  # instead of a charge at another price: the record has none
LISTED, BEFORE, TAKEN = 0, 1, 2  # rows of the room that discount_row works in
WORK_COLUMNS = 64

# slots: bits of the components it acts on; is_named: they are named. amount: micro. What is left of
# a charge is charge * part / whole; charges up to ``narrow`` times ``part`` fit 62 bits. other: a
# place among other prices, or -1. step_first, step_count: in ``steps``; used_...: in ``used``.
DISCOUNT = np.dtype([(name, np.int64) for name in (
    "kind", "execution", "priority", "slots", "is_named", "amount", "part", "whole", "narrow",
    "other", "step_first", "step_count", "used_first", "used_count", "rule",
)])  # fmt: skip
STEP = np.dtype([("unit", np.int64), ("mode", np.int64)])  # unit: micro of the last digit kept
USED = np.dtype([("counter", np.int64), ("low", np.int64), ("high", np.int64)])  # [low, high)


class Discounts(NamedTuple):
    """The discounts of a book (DISCOUNT), by bit.

    mask: int64 by cell of the rules' dense table, the discounts whose conditions may hold; rules:
    their open conditions. possible: int64 by version, the discounts that its plan can have.
    since_utc_s, until_utc_s: int64 [version, discount], when they are valid. rule_slots: int64 by
    rule, bits of the components that have a price there and may be discounted; version_slots, also
    by rule: all of its version that may be. other_target: int64 [other, rule, slot], as
    Rules.target; of an other with a unit, the first other_quantity of it is free instead.
    """

    discounts: np.ndarray
    steps: np.ndarray
    used: np.ndarray
    mask: np.ndarray
    rules: Rules
    possible: np.ndarray
    since_utc_s: np.ndarray
    until_utc_s: np.ndarray
    rule_slots: np.ndarray
    version_slots: np.ndarray
    other_target: np.ndarray
    other_unit: np.ndarray  # int64, tollbook.codes; 0: another price
    other_quantity: np.ndarray  # int64


class Selection(NamedTuple):
    """Which discounts a row of customers/subscriptions.csv is chosen for, as masks.

    always: int64 by row, and 0 behind the last. Row s has the spans first[s] .. first[s + 1] - 1
    in which a membership adds some and takes others away. Where is_known is 0 there are no
    customers: then by_plan (int64) counts, the discounts that are for all of a plan.
    """

    is_known: int
    by_plan: np.ndarray
    always: np.ndarray
    first: np.ndarray  # int32
    since_utc_s: np.ndarray
    until_utc_s: np.ndarray
    adds: np.ndarray
    takes: np.ndarray


@inner
@borrows
def chosen_at(selection: Selection, subscription: int, plan: int, utc_s: int) -> int:
    """The discounts that a subscription's row is chosen for at an instant."""
    if selection.is_known == 0:
        return int(selection.by_plan[plan]) if plan >= 0 else 0
    found = int(selection.always[subscription])
    if subscription < 0:
        return found
    taken = 0
    for span in range(selection.first[subscription], selection.first[subscription + 1]):
        if selection.since_utc_s[span] <= utc_s < selection.until_utc_s[span]:
            found |= int(selection.adds[span])
            taken |= int(selection.takes[span])
    return found & ~taken


@inner
@borrows
def within_used(book: Discounts, held: int, totals: np.ndarray) -> int:
    """Of some discounts those whose counters allow them. totals: int64 by counter, -1: none."""
    for place in range(len(book.discounts)):
        one = book.discounts[place]
        for at in range(one["used_first"], one["used_first"] + one["used_count"]):
            total = totals[book.used[at]["counter"]]
            if not book.used[at]["low"] <= total < book.used[at]["high"]:
                held &= ~(1 << place)
    return held


@inner
@borrows
def stepped(steps: np.ndarray, first: int, count: int, amount: int) -> int:
    """An amount in micro, rounded step by step."""
    for place in range(first, first + count):
        unit = steps[place]["unit"]
        amount = divide(amount, unit, steps[place]["mode"]) * unit
    return amount


@inner
@borrows
def share_of(one: np.void, steps: np.ndarray, amount: int) -> int:
    """What a percentage leaves of an amount: exact until the first step."""
    first, count = int(one["step_first"]), int(one["step_count"])
    unit, mode = 1, 4  # half_even at a millionth
    if count > 0:
        unit, mode = int(steps[first]["unit"]), int(steps[first]["mode"])
    if amount <= one["narrow"]:
        found = divide(amount * int(one["part"]), int(one["whole"]) * unit, mode)
    else:
        high, low = add_product(0, 0, int(one["part"]), 0, amount & HALF_MASK)
        found = divide_wide(high, low, 0, int(one["whole"]) * unit, mode)
    return stepped(steps, first + 1, count - 1, found * unit) if count > 0 else found


@inner
@borrows
def discounted(
    one: np.void, steps: np.ndarray, amount: int, listed: int, other: int
) -> int:
    """What a discount leaves of a component's amount.

    listed: the amount before any discount. other: the charge at the discount's own price. What
    stays as it is is not rounded.
    """
    kind, given = one["kind"], int(one["amount"])
    if kind == PERCENT:
        return amount if one["part"] == one["whole"] else share_of(one, steps, amount)
    left = given
    if kind == OFF:
        left = max(amount - given, 0)
    elif kind == CAP:
        left = min(amount, given)
    elif kind == FREE_UNITS:
        left = max(amount - max(listed - other, 0), 0)
    elif kind == PRICE:
        left = other
    if left == amount:
        return amount
    return stepped(steps, int(one["step_first"]), int(one["step_count"]), left)


@inner
@borrows
def slots_of(book: Discounts, place: int, rule: int, paid: int) -> int:
    """The components of a record that a discount acts on. paid: those that cost something."""
    one = book.discounts[place]
    slots = int(one["slots"])
    if one["execution"] != SUPER_FORCED:
        return slots & int(book.rule_slots[rule]) & paid
    return slots & int(book.version_slots[rule] if one["is_named"] else book.rule_slots[rule])


@inner
@borrows
def takes(
    book: Discounts, place: int, slots: int, other: np.ndarray, column: int, work: np.ndarray
) -> int:
    """What a discount would take off the listed amounts; below zero: add to them."""
    one, total = book.discounts[place], 0
    for slot in range(other.shape[1]):
        if slots >> slot & 1:
            price = other[one["other"], slot, column] if one["other"] >= 0 else 0
            listed = work[LISTED, slot]
            total += listed - discounted(one, book.steps, listed, listed, price)
    return total


@inner
@borrows
def act(
    book: Discounts, place: int, slots: int, charge: np.ndarray, row: int, other: np.ndarray,
    column: int, work: np.ndarray,
) -> None:  # fmt: skip
    """Let one discount act on what is left of a record's charges."""
    one, before, after = book.discounts[place], 0, 0
    for slot in range(len(charge)):
        amount = charge[slot, row]
        if slots >> slot & 1 == 0 or (one["execution"] == SEMI_FORCED and amount == 0):
            continue
        price = other[one["other"], slot, column] if one["other"] >= 0 else 0
        left = discounted(one, book.steps, amount, work[LISTED, slot], price)
        before += amount
        after += left
        charge[slot, row] = left
    work[BEFORE, place], work[TAKEN, place] = before, before - after


@inner
@borrows
def choose(
    book: Discounts, held: int, rule: int, paid: int, other: np.ndarray, column: int,
    work: np.ndarray,
) -> int:  # fmt: skip
    """Of the discounts that hold for a record those that act on it."""
    joint, first, differs, best = 0, -1, -1, -1
    exclusive, most = -1, 0
    for place in range(len(book.discounts)):
        if held >> place & 1 == 0:
            continue
        slots = slots_of(book, place, rule, paid)
        if slots == 0:
            continue
        execution = book.discounts[place]["execution"]
        if execution == SUPER_FORCED:
            return 1 << place
        if execution == EXCLUSIVE:
            exclusive = place if exclusive < 0 else exclusive
        elif execution in (JOINT, SEMI_FORCED):
            joint |= 1 << place
        elif execution == FIRST:
            first = place if first < 0 else first
        elif execution == DIFFERS:
            if differs < 0 and takes(book, place, slots, other, column, work) != 0:
                differs = place
        elif best < 0 or (
            book.discounts[place]["priority"] == book.discounts[best]["priority"]
        ):
            amount = takes(book, place, slots, other, column, work)
            if best < 0 or amount > most:
                best, most = place, amount
    if exclusive >= 0:
        return 1 << exclusive
    joint |= 1 << first if first >= 0 else 0
    joint |= 1 << differs if differs >= 0 else 0
    return joint | (1 << best if best >= 0 and most > 0 else 0)


@inner
@borrows
def discount_row(
    book: Discounts, held: int, rule: int, charge: np.ndarray, row: int,
    other: np.ndarray, column: int, work: np.ndarray,
) -> int:  # fmt: skip
    """Apply discounts to the charges of one record; returns those that acted, as a mask.

    held: those that hold for it (``rating.discount_kernels.find_held``, less what ``within_used``
    leaves out). rule: its place among all rules. charge: int64 [slot, row], list prices in, left
    over out. other: int64 [other, slot, column], the charges at other prices (``rating.discounts
    .alternatives``), and the record's column in it. work: int64 [3, WORK_COLUMNS], room; afterwards
    work[BEFORE, d] and work[TAKEN, d] say what discount d found and took off.
    """
    paid = 0
    for slot in range(len(charge)):
        work[LISTED, slot] = charge[slot, row]
        if charge[slot, row] > 0:
            paid |= 1 << slot
    for place in range(len(book.discounts)):
        at = book.discounts[place]["other"]
        if held >> place & 1 and at >= 0 and other[at, 0, column] == NO_OTHER:
            held &= ~(1 << place)
    acting = choose(book, held, rule, paid, other, column, work)
    for place in range(len(book.discounts)):
        if acting >> place & 1:
            slots = slots_of(book, place, rule, paid)
            act(book, place, slots, charge, row, other, column, work)
    return acting
