"""What each record takes from its slots of quantities, in the order of each account.

They say which part of a usage is left to be priced (``Left``); when that has its price, money is
taken (``pay_kernels``). Both touch one line of the row and one of each slot, never a usage column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.slot_kernels import BEYOND, CARRIED, SLOT_BITS
from tariffs.item_kernels import (
    ALLOWANCE,
    CAP,
    MEASURE_BYTE,
    MEASURE_MONEY,
    MEASURE_SECOND,
    OVERRUN,
    THRESHOLD,
    TIERS,
)
from tariffs.price_kernels import ENDLESS
from tollbook.jit import inlined, inner, kernel

FULL = ENDLESS  # counters stay there: no sum leaves int64
COVERED, STOP, ORIGIN = 0, 1, 2  # of ``Left.reach``


class Left(NamedTuple):
    """What is left to be priced of the rows of which something is covered.

    free: int8 by place, bits of the components that are wholly covered. Of the others, by number:
    rows (int64, places), reach (int64 [number, component, 3]) and bits (int64 [number, 2]: which
    components are priced anew, and whether as a usage by itself). priced: int64 [n, 2], a take
    that has a price of its own, and its place. counts: int64, how many numbers and such takes.
    """

    free: np.ndarray
    reach: np.ndarray
    bits: np.ndarray
    rows: np.ndarray
    priced: np.ndarray
    counts: np.ndarray


@inlined
def available(slot: np.void, limit: int, role: int) -> int:
    """What a row may still take from a slot. limit: of what goes on into later spans."""
    if slot["granted"] < 0:
        return ENDLESS
    if role & CARRIED:
        kept = int(slot["granted"]) - (int(slot["used"]) - int(slot["carried_used"]))
        return max(min(kept, limit) - int(slot["carried_used"]), 0)
    return max(int(slot["granted"]) - int(slot["used"]), 0)


@inlined
def book(one: np.void, slot: np.void, taken: int, start_utc_s: int) -> None:
    """A take, and its slot, after something was taken."""
    if one["taken"] == 0:
        one["before"] = slot["used"]
    one["taken"] += taken
    slot["used"] = min(int(slot["used"]) + taken, FULL)
    if one["role"] & CARRIED:
        slot["carried_used"] += taken
    slot["last_start_utc_s"] = max(slot["last_start_utc_s"], start_utc_s)


@inner
def left_to_draw(
    takes: np.ndarray, slots: np.ndarray, entries: np.ndarray, first: int, last: int, parent: int
) -> int:
    """The least that is left in what an item draws on, however long the chain is."""
    least = ENDLESS
    while parent >= 0:
        total = 0
        for at in range(first, last):
            if takes[at]["entry"] == parent:
                limit = int(entries[parent]["rollover_limit"])
                got = available(slots[takes[at]["slot"]], limit, takes[at]["role"])
                total = min(total + got, ENDLESS)
        least, parent = min(least, total), int(entries[parent]["draws_on"])
    return least


@inner
def draw(
    takes: np.ndarray, slots: np.ndarray, entries: np.ndarray, first: int, last: int,
    what: tuple[int, int, int],
) -> None:
    """Take a quantity from what an item draws on too. what: the parent, how much, the start."""
    parent, taken, start = what
    while parent >= 0:
        rest = taken
        for at in range(first, last):
            if takes[at]["entry"] == parent and rest > 0:
                slot = slots[takes[at]["slot"]]
                got = available(slot, int(entries[parent]["rollover_limit"]), takes[at]["role"])
                got = min(got, rest)
                if got > 0:
                    book(takes[at], slot, got, start)
                rest -= got
        parent = int(entries[parent]["draws_on"])


@inlined
def quantity_of(work: np.void, measure: int) -> int:
    """A row's quantity in a unit."""
    if measure == MEASURE_SECOND:
        return int(work["seconds"])
    return int(work["bytes"]) if measure == MEASURE_BYTE else int(work["events"])


@inlined
def stepped(amount: int, increment: int, room: int) -> int:
    """What is taken for an amount: whole increments, and a smaller last rest of the slot whole."""
    return min((amount + increment - 1) // increment * increment, room)


@inlined
def begin_row(
    work: np.void, covered: np.ndarray, stops: np.ndarray, origins: np.ndarray
) -> None:
    """Nothing of a row is covered yet; each component ends with the quantity of its unit."""
    active = int(work["active"])
    for slot in range(len(covered)):
        covered[slot], origins[slot] = 0, 0
        stops[slot] = work["seconds"]
        if (active >> (SLOT_BITS + slot)) & 1:
            stops[slot] = work["bytes"]
        elif (active >> (2 * SLOT_BITS + slot)) & 1:
            stops[slot] = work["events"]


@inlined
def end_early(stops: np.ndarray, covered: np.ndarray, bits: int, position: int) -> None:
    """Components of a mask are free from a position on."""
    for slot in range(len(stops)):
        if (bits >> slot) & 1:
            stops[slot] = min(stops[slot], max(covered[slot], position))


@kernel
def take_quantities(
    chosen: np.ndarray, work: np.ndarray, takes: np.ndarray, slots: np.ndarray,
    entries: np.ndarray, left: Left,
) -> None:
    """Quantity allowances and tiers over a span. chosen: places in ``work``, ascending, of which
    nothing is taken yet."""
    components = left.reach.shape[1]
    covered, stops = np.zeros(components, np.int64), np.zeros(components, np.int64)
    origins = np.zeros(components, np.int64)
    for row in chosen:
        this = work[row]
        first, last = int(this["first"]), int(this["first"] + this["count"])
        start, left.free[row] = int(this["start_utc_s"]), 0
        touched, tiered, anew, is_set = 0, 0, -1, False
        for at in range(first, last):
            one, entry = takes[at], entries[takes[at]["entry"]]
            kind, measure, bits = int(entry["kind"]), int(entry["measure"]), int(one["slots"])
            if (kind != ALLOWANCE and kind != TIERS) or measure == MEASURE_MONEY or bits == 0:
                continue
            if not is_set:
                begin_row(this, covered, stops, origins)
                is_set = True
            begin, end = ENDLESS, 0
            for slot in range(components):
                if (bits >> slot) & 1 and covered[slot] < stops[slot]:
                    begin, end = min(begin, covered[slot]), max(end, stops[slot])
            rest, balance = end - begin, slots[one["slot"]]
            if end == 0:
                continue
            if kind == TIERS:
                used, rest = int(balance["used"]), 0
                for slot in range(components):
                    if (bits >> slot) & 1:
                        rest = max(rest, stops[slot] - covered[slot])
                        origins[slot] = used - (covered[slot] if anew <= 0 else 0)
                tiered |= bits if used + rest > entry["amount"] else 0
                book(one, balance, rest, start)
                continue
            room = available(balance, int(entry["rollover_limit"]), int(one["role"]))
            if entry["mode"] == THRESHOLD:
                end_early(stops, covered, bits, begin + min(rest, room))
                book(one, balance, rest, start)
                touched |= bits if rest > room else 0
                continue
            if entry["draws_on"] >= 0:
                room = min(room, left_to_draw(
                    takes, slots, entries, first, last, int(entry["draws_on"])
                ))  # fmt: skip
            if room <= 0:
                continue
            taken = stepped(rest, int(entry["increment"]), room)
            length = rest if entry["mode"] == OVERRUN else min(rest, taken)
            for slot in range(components):
                if (bits >> slot) & 1:
                    covered[slot] = max(covered[slot], min(begin + length, stops[slot]))
            book(one, balance, taken, start)
            if entry["draws_on"] >= 0:
                draw(takes, slots, entries, first, last, (int(entry["draws_on"]), taken, start))
            touched |= bits
            anew = int(entry["rest"]) if anew < 0 else anew
            if entry["price"] >= 0:
                one["length"] = length
                left.priced[left.counts[1], 0], left.priced[left.counts[1], 1] = at, row
                left.counts[1] += 1
        if touched | tiered != 0:
            note_left(left, row, covered, stops, origins, (touched, tiered, anew))
        if this["has_money"] & BEYOND:
            note_beyond(left, this, takes, entries, row, covered, stops, touched)


@inlined
def note_left(
    left: Left, row: int, covered: np.ndarray, stops: np.ndarray, origins: np.ndarray,
    what: tuple[int, int, int],
) -> None:
    """Write down what is left of a row. what: components of which something is covered or priced
    by tiers of a span, and whether the rest is a usage by itself."""  # fmt: skip
    (touched, tiered, anew), free = what, 0
    for slot in range(len(covered)):
        if ((touched | tiered) >> slot) & 1 and covered[slot] >= stops[slot]:
            free |= 1 << slot
    left.free[row] = free
    bits = (touched | tiered) & ~free
    if bits == 0:
        return
    number = left.counts[0]
    left.counts[0] += 1
    left.rows[number] = row
    left.bits[number, 0], left.bits[number, 1] = bits, max(anew, 0)
    for slot in range(len(left.reach[number])):
        left.reach[number, slot, COVERED] = covered[slot]
        left.reach[number, slot, STOP] = stops[slot]
        left.reach[number, slot, ORIGIN] = origins[slot]


@inlined
def first_of(one: np.void, entry: np.void, work: np.void) -> int:
    """The first component of a cap that counts in the unit of the price beyond it; -1: none."""
    bits = int(one["slots"]) & (int(work["active"]) >> (SLOT_BITS * int(entry["mode"])))
    for slot in range(SLOT_BITS):
        if (bits >> slot) & 1:
            return slot
    return -1


@inner
def note_beyond(
    left: Left, work: np.void, takes: np.ndarray, entries: np.ndarray, row: int,
    covered: np.ndarray, stops: np.ndarray, touched: int,
) -> None:
    """What is left of a row for the price beyond a cap: the rest of the cap's first component."""
    for at in range(work["first"], work["first"] + work["count"]):
        one, entry = takes[at], entries[takes[at]["entry"]]
        if entry["kind"] != CAP or entry["price"] < 0:
            continue
        slot = first_of(one, entry, work)
        if slot < 0:
            continue
        one["length"] = quantity_of(work, int(entry["mode"]))
        if (touched >> slot) & 1:
            one["length"] = max(stops[slot] - covered[slot], 0)
        left.priced[left.counts[1], 0], left.priced[left.counts[1], 1] = at, row
        left.counts[1] += 1
