"""Discounts and money under a book with memory: record by record, in the order of each account."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.pay_kernels import pay_row
from tariffs.discount_kernels import BEFORE, TAKEN, Discounts, discount_row, within_used
from tariffs.item_kernels import ALLOWANCE, COUNTER, MEASURE_MONEY, TIERS
from tollbook.jit import borrows, inner, kernel

NO_TOTAL = -1  # of a counter that does not count a record
PRICED_MAX = 10**18  # micro; a larger charge stands for none


class Ordered(NamedTuple):
    """What discounts need to be applied in order.

    rule: int64 by row, its place among all rules. held: int64 by row, masks. other, column: charges
    at other prices. first: int64 by row (and one more), where its discounts lie in before and
    taken, in the order of their bits. counter_of: int32 by entry of the items, the counter that
    conditions read, or -1. totals, room: to work in.
    """

    book: Discounts
    rule: np.ndarray
    held: np.ndarray
    other: np.ndarray
    column: np.ndarray
    first: np.ndarray
    before: np.ndarray
    taken: np.ndarray
    counter_of: np.ndarray
    totals: np.ndarray
    room: np.ndarray


@inner
@borrows
def held_now(
    by: Ordered, row: int, this: np.void, takes: np.ndarray, slots: np.ndarray,
    entries: np.ndarray,
) -> int:  # fmt: skip
    """The discounts that hold for a row, its counters as they are before it. Where an allowance has
    paid for a part, or tiers count over a span, no other price is known: those do not hold."""
    held, is_cut = int(by.held[row]), False
    for place in range(len(by.totals)):
        by.totals[place] = NO_TOTAL
    for at in range(this["first"], this["first"] + this["count"]):
        one, entry = takes[at], entries[takes[at]["entry"]]
        if entry["kind"] == COUNTER and by.counter_of[one["entry"]] >= 0:
            by.totals[by.counter_of[one["entry"]]] = slots[one["slot"]]["used"]
        is_quantity = entry["kind"] == ALLOWANCE and entry["measure"] != MEASURE_MONEY
        is_cut = is_cut or entry["kind"] == TIERS or (is_quantity and one["taken"] > 0)
    if is_cut:
        for place in range(len(by.book.discounts)):
            if by.book.discounts[place]["other"] >= 0:
                held &= ~(1 << place)
    return within_used(by.book, held, by.totals)


@inner
@borrows
def discount_ordered(
    by: Ordered, row: int, this: np.void, takes: np.ndarray, slots: np.ndarray,
    entries: np.ndarray, charge_micro: np.ndarray,
) -> None:  # fmt: skip
    """Apply the discounts of one row, and note what each of them took."""
    held = held_now(by, row, this, takes, slots, entries)
    for slot in range(charge_micro.shape[0]):
        if charge_micro[slot, row] > PRICED_MAX:
            held = 0
    acted = discount_row(
        by.book, held, int(by.rule[row]), charge_micro, row, by.other, int(by.column[row]), by.room
    )
    at = by.first[row]
    for place in range(len(by.book.discounts)):
        if by.held[row] >> place & 1:
            acts = acted >> place & 1 == 1
            by.before[at] = by.room[BEFORE, place] if acts else 0
            by.taken[at] = by.room[TAKEN, place] if acts else 0
            at += 1


@kernel
def take_discounted(
    chosen: np.ndarray, order: np.ndarray, work: np.ndarray, takes: np.ndarray,
    slots: np.ndarray, entries: np.ndarray, charge_micro: np.ndarray, by: Ordered,
) -> None:  # fmt: skip
    """As ``pay_kernels.take_money``, with the discounts of each row before its money."""
    charges = np.zeros(charge_micro.shape[0], np.int64)
    for place in chosen:
        row, this = order[place], work[place]
        if by.held[row] != 0:
            discount_ordered(by, row, this, takes, slots, entries, charge_micro)
        if this["has_money"] != 0:
            pay_row(this, takes, slots, entries, charge_micro, row, charges)
