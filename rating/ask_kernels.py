"""Which items of its version each record asks: those that concern it, in the version's order.

The usage columns are read here, once, in the order of files; what the passes behind it need of a
row then lies where its account has it, in records that lie one behind the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.find_kernels import (
    FLAGS_MASK,
    Rated,
    Usage,
    asked_of,
    holds_open,
    target_of,
)
from rating.slot_kernels import (
    ASK_BITS,
    ASK_PLACE,
    BEYOND,
    DRAWN,
    SLOT_BITS,
    SLOT_MASK,
    owner_of,
)
from tariffs.item_kernels import (
    ALLOWANCE,
    CAP,
    COUNTER,
    MEASURE_MONEY,
    NOTHING,
    Items,
)
from tariffs.price_kernels import BYTES, DAY_S, SECONDS, zone_entry
from tariffs.rule_kernels import DECK, DIRECTIONS, ROAMINGS, YES_NO, Tables
from tollbook.jit import inlined, inner, kernel


class Owned(NamedTuple):
    """Whose a row is, by kind of owner (-1: nobody's), and its month of the bill; int32 each.

    order: int64, rows with a rule, as their accounts have them.
    """

    order: np.ndarray
    subscription: np.ndarray
    account: np.ndarray
    group: np.ndarray
    bill_period: np.ndarray
    own_version: np.ndarray  # of the subscription's plan, whichever priced it


@inlined
def concerned(entry: np.void, active: int, unit: int) -> int:
    """Bits of the components that an item concerns, or 0: it does not apply; of a counter of
    quantities 1. active: components that cost something; unit: what the service counts."""
    measure = int(entry["measure"])
    if entry["kind"] == COUNTER and measure != MEASURE_MONEY:
        return int(measure + 1 == unit)
    if measure == MEASURE_MONEY:
        active = active | active >> SLOT_BITS | active >> 2 * SLOT_BITS
        return int(entry["slots"]) & active & SLOT_MASK
    return int(entry["slots"]) & (active >> (SLOT_BITS * measure)) & SLOT_MASK


@inlined
def costs(
    rate_of: np.ndarray, rates: np.ndarray, work: np.void, over: np.ndarray, tiers: np.ndarray
) -> int:
    """The components that cost something, by unit. tiers: int64, filled with the entry of each
    component whose tiers are counted over a span, or NOTHING. over: by rate."""
    active = 0
    for slot in range(len(rate_of)):
        rate = rate_of[slot]
        tiers[slot] = NOTHING
        if rate < 0:
            continue
        unit, quantity = int(rates[rate]["unit"]), int(work["events"])
        if unit == SECONDS:
            quantity = int(work["seconds"])
        elif unit == BYTES:
            quantity = int(work["bytes"])
        if quantity > rates[rate]["short_call"]:
            active |= 1 << (SLOT_BITS * (unit - 1) + slot)
            tiers[slot] = over[rate]
    return active


@inlined
def money_of(entry: np.void) -> int:
    """``has_money`` of a row that has this item."""
    if entry["kind"] == CAP and entry["price"] >= 0:
        return 1 | BEYOND
    return int(entry["kind"] != ALLOWANCE or entry["measure"] == MEASURE_MONEY)


@inner
def further(
    entries: np.ndarray, asks: np.ndarray, count: int, one: np.void, this: tuple[int, int],
    tiers: np.ndarray,
) -> int:
    """Ask the items that others draw on, and tiers over a span; returns how many asks there are.

    one: the row's WORK. this: its version's first item and bits of those drawn on. tiers: as of
    ``costs``.
    """  # fmt: skip
    (first, drawn), active, place = this, int(one["active"]), 0
    while drawn >> place != 0:
        if (drawn >> place) & 1 and holds(entries[first + place], one):
            asks[count], count = (first + place) << ASK_PLACE | DRAWN, count + 1
        place += 1
    active = (active | active >> SLOT_BITS | active >> 2 * SLOT_BITS) & SLOT_MASK
    for slot in range(len(tiers)):
        if (active >> slot) & 1 == 0 or tiers[slot] < 0:
            continue
        bits, at = 0, int(tiers[slot])
        for other in range(slot, len(tiers)):
            if (active >> other) & 1 and tiers[other] == at:
                bits |= 1 << other
                if other > slot:
                    tiers[other] = NOTHING
        if holds(entries[at], one):
            asks[count], count = at << ASK_PLACE | bits << ASK_BITS, count + 1
    return count


@inlined
def holds(entry: np.void, one: np.void) -> bool:
    """Whether an item applies on a row's day, and the row has an owner of its kind."""
    if one["day"] < entry["first_day"] or one["day"] >= entry["last_day"]:
        return False
    return owner_of(one, int(entry["owner"])) >= 0


@kernel
def gather_rows(
    tables: Tables, items: Items, usage: Usage, out: Rated, owned: Owned, work: np.ndarray
) -> None:
    """What finds the slots of rows, by place in the order. work: zeroed."""
    # Columns are read as they lie; each row is then written once, where its account has it.
    service, direction, roaming, relation, flags = usage[:5]
    starts, lasts, ups, downs, events = usage[8:13]
    order, subscription, account, group, bill_period, own_version = owned
    _, version_of, rule_of = out[:3]
    _, first_cell, masks = items[:3]
    versions, units = tables.versions.versions, items.service_unit
    relations, first_month = int(tables.rules.relation_count + 1), items.first_month
    place_of_row = np.full(len(own_version), -1, np.int32)
    for place in range(len(work)):
        place_of_row[order[place]] = place
    for row in range(len(own_version)):
        if place_of_row[row] < 0:
            continue
        one = work[place_of_row[row]]
        own = own_version[row]
        one["version"], one["month"] = own, bill_period[row] - first_month
        one["rule"] = versions[version_of[row]]["first_rule"] + rule_of[row]
        one["subscription"], one["account"] = subscription[row], account[row]
        one["group"], one["unit"] = group[row], units[service[row]]
        one["start_utc_s"], one["seconds"] = starts[row], lasts[row]
        one["bytes"], one["events"] = ups[row] + downs[row], events[row]
        if first_cell[own] >= 0:
            cell = int(service[row]) * DIRECTIONS + int(direction[row])
            cell = cell * ROAMINGS + int(roaming[row])
            cell = cell * relations + int(relation[row]) + 1
            cell = cell * YES_NO * YES_NO + int(flags[row] & FLAGS_MASK)
            one["mask"] = masks[first_cell[own] + cell]


@kernel
def ask_items(
    tables: Tables, items: Items, usage: Usage, order: np.ndarray, work: np.ndarray,
    asks: np.ndarray, counts: np.ndarray,
) -> bool:
    """The items that concern each row, and what the later passes need to know of it.

    work: as ``gather_rows`` leaves it; first and count become the row's place in ``asks`` (int64:
    the item's place << ASK_PLACE | bits of its components << ASK_BITS | role). counts: int64, how
    many rows and asks are done, from where it goes on; False: no room for another row.
    """  # fmt: skip
    versions, clock_entries, rates = (
        tables.versions.versions, tables.clocks.entries, tables.prices.rates)  # fmt: skip
    firsts, _, _, entries, over, has_over = items[:6]
    target, asked, most = tables.rules.target, asked_of(tables, usage), items.row_most
    tiers, rate_of = np.full(SLOT_BITS, NOTHING, np.int64), np.empty(target.shape[1], np.int64)
    zone, low, high, offset = -1, 0, 0, 0
    done, count = int(counts[0]), int(counts[1])
    while done < len(work) and count + most <= len(asks):
        one = work[done]
        done += 1
        own, mask, start = int(one["version"]), int(one["mask"]), int(one["start_utc_s"])
        if mask == 0 and has_over == 0:
            continue
        one["first"] = count
        for slot in range(len(rate_of)):
            rate_of[slot] = target[one["rule"], slot]
            if rate_of[slot] <= DECK:
                rate_of[slot] = target_of(asked, order[done - 1], rate_of[slot])
        active, unit = costs(rate_of, rates, one, over, tiers), int(one["unit"])
        if zone != versions[own]["zone"] or start < low or start >= high:
            zone = int(versions[own]["zone"])
            at = zone_entry(tables.clocks, zone, start)
            low, high = clock_entries[at]["since_utc_s"], clock_entries[at + 1]["since_utc_s"]
            offset = int(clock_entries[at]["offset_s"])
        one["active"], one["day"] = active, (start + offset) // DAY_S
        first, place, drawn, chosen = int(firsts[own]), 0, 0, 0
        while mask >> place != 0:
            place += 1
            if (mask >> (place - 1)) & 1 == 0:
                continue
            at = first + place - 1
            entry = entries[at]
            bits = concerned(entry, active, unit)
            if bits == 0 or not holds(entry, one):
                continue
            if entry["rule"] >= 0 and not holds_open(
                items.rules, usage, order[done - 1], entry["rule"]
            ):  # fmt: skip
                continue
            chosen |= 1 << (place - 1)
            one["has_money"] |= money_of(entry)
            asks[count], count = at << ASK_PLACE | bits << ASK_BITS, count + 1
            while entry["draws_on"] >= 0:
                drawn |= 1 << (int(entry["draws_on"]) - first)
                entry = entries[entry["draws_on"]]
        drawn &= ~chosen
        if drawn | has_over != 0:
            count = further(entries, asks, count, one, (first, drawn), tiers)
        one["count"] = count - one["first"]
    counts[0], counts[1] = done, count
    return done == len(work)
