"""What each record takes from slots of money, in the order of each account: allowances pay, caps
keep what is left to their amounts, counters add it up."""

from __future__ import annotations

import numpy as np

from rating.slot_kernels import DRAWN
from rating.take_kernels import available, book, first_of, quantity_of, stepped
from tariffs.item_kernels import (
    ALLOWANCE,
    CAP,
    COUNTER,
    MEASURE_MONEY,
    OVERRUN,
    THRESHOLD,
    TIERS,
)
from tollbook.jit import borrows, inlined, inner, kernel


@inlined
@borrows
def sum_of(charges: np.ndarray, bits: int) -> int:
    """What the components of a mask cost together."""
    total = 0
    for slot in range(len(charges)):
        if (bits >> slot) & 1:
            total += charges[slot]
    return total


@inlined
@borrows
def pay(charges: np.ndarray, bits: int, amount: int) -> None:
    """Take an amount off the components of a mask, in the book's order."""
    for slot in range(len(charges)):
        if (bits >> slot) & 1:
            off = min(charges[slot], amount)
            charges[slot] -= off
            amount -= off


@inlined
@borrows
def take_one(
    one: np.void, entry: np.void, slot: np.void, this: np.void, charges: np.ndarray
) -> None:
    """What a row takes from one slot of money, or adds to a counter."""
    kind, bits, start = int(entry["kind"]), int(one["slots"]), int(this["start_utc_s"])
    if kind == COUNTER:
        measure = int(entry["measure"])
        amount = quantity_of(this, measure)
        if measure == MEASURE_MONEY:
            amount = sum_of(charges, bits)
        if amount > 0:
            book(one, slot, amount, start)
        return
    total = sum_of(charges, bits)
    room = available(slot, int(entry["rollover_limit"]), int(one["role"]))
    if total <= 0:
        return
    if entry["mode"] == THRESHOLD:
        pay(charges, bits, max(total - room, 0))
        book(one, slot, total, start)
        return
    if room <= 0:
        return
    taken = stepped(total, int(entry["increment"]), room)
    pay(charges, bits, total if entry["mode"] == OVERRUN else min(taken, total))
    book(one, slot, taken, start)


@inlined
def width_of(bits: int) -> int:
    """How many components a mask has."""
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@inner
@borrows
def keep_to_caps(
    takes: np.ndarray, slots: np.ndarray, entries: np.ndarray, this: np.void, first: int,
    last: int, charges: np.ndarray,
) -> None:
    """All caps of a row, ``takes[first:last]``.

    Prices beyond those that are used up come first; the others then lower the charges, the one of
    the fewest components first; and count what is left to pay when all have done so.
    """
    for at in range(first, last):
        one, entry = takes[at], entries[takes[at]["entry"]]
        if entry["price"] < 0 or available(slots[one["slot"]], 0, 0) > 0:
            continue
        total = sum_of(charges, int(one["slots"]))
        pay(charges, int(one["slots"]), total)
        component = first_of(one, entry, this)
        if component >= 0:  # never more than there was left to pay
            charges[component] = min(int(one["micro"]), total)
    for width in range(1, len(charges) + 1):
        for at in range(first, last):
            one, bits = takes[at], int(takes[at]["slots"])
            room = available(slots[one["slot"]], 0, 0)
            if width_of(bits) == width and (room > 0 or entries[one["entry"]]["price"] < 0):
                pay(charges, bits, max(sum_of(charges, bits) - room, 0))
    for at in range(first, last):
        one = takes[at]
        room = available(slots[one["slot"]], 0, 0)
        amount = min(sum_of(charges, int(one["slots"])), room)
        if amount > 0:
            book(one, slots[one["slot"]], amount, int(this["start_utc_s"]))


@inlined
@borrows
def pay_row(
    this: np.void, takes: np.ndarray, slots: np.ndarray, entries: np.ndarray,
    charge_micro: np.ndarray, row: int, charges: np.ndarray,
) -> None:  # fmt: skip
    """Money allowances, caps and counters of one row: what its components cost (``charge_micro``)
    becomes what they cost then. charges: room to work in, one for each component."""
    for slot in range(len(charges)):
        charges[slot] = charge_micro[slot, row]
    at, last = int(this["first"]), int(this["first"] + this["count"])
    while at < last:
        one, entry = takes[at], entries[takes[at]["entry"]]
        behind = at + 1
        is_quantity = entry["kind"] == ALLOWANCE and entry["measure"] != MEASURE_MONEY
        if entry["kind"] == CAP:  # all of them, as they stand together
            while behind < last and entries[takes[behind]["entry"]]["kind"] == CAP:
                behind += 1
            keep_to_caps(takes, slots, entries, this, at, behind, charges)
        elif not is_quantity and entry["kind"] != TIERS and not one["role"] & DRAWN:
            take_one(one, entry, slots[one["slot"]], this, charges)
        at = behind
    for slot in range(len(charges)):
        charge_micro[slot, row] = charges[slot]


@kernel
def take_money(
    chosen: np.ndarray, order: np.ndarray, work: np.ndarray, takes: np.ndarray,
    slots: np.ndarray, entries: np.ndarray, charge_micro: np.ndarray,
) -> None:
    """Money allowances, caps and counters. chosen: places in ``work``, ascending.

    order: the row of each place. charge_micro: int64 [component, row], what each row would cost;
    becomes what it costs.
    """
    charges = np.zeros(charge_micro.shape[0], np.int64)
    for place in chosen:
        this = work[place]
        if this["has_money"] != 0:
            pay_row(this, takes, slots, entries, charge_micro, order[place], charges)
