"""Which slots each record may use: its items, whose they are, and for which span of days.

Works in the order of accounts, as the passes behind it do, which then find all that they need of a
row in records that lie one behind the other: the usage columns are read here, once.
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
from rating.grant_kernels import Terms
from rating.hash_kernels import LANE, mix_word
from tariffs.item_kernels import (
    ACCOUNT,
    ALLOWANCE,
    CAP,
    COUNTER,
    DAY,
    DAYS,
    MEASURE_MONEY,
    MONTH,
    NOTHING,
    SUBSCRIPTION,
    Items,
)
from tariffs.price_kernels import BYTES, DAY_S, SECONDS, zone_entry
from tariffs.rule_kernels import DECK, DIRECTIONS, ROAMINGS, YES_NO, Tables
from tollbook.jit import inlined, inner, kernel

SLOT_BITS, SLOT_MASK = 8, 63  # components of a unit in ``active``: one byte for each unit
KEY_END, KEY_NAME = 1 << 22, 1 << 6  # how the order of a row's items is one integer

# The balance of one item of one owner for a span of days. entry: the version's item that opened it.
SLOT = np.dtype([
    *((name, np.int32) for name in (
        "owner_kind", "owner", "item", "since_day", "until_day", "entry")),
    *((name, np.int64) for name in ("granted", "used", "carried_used", "last_start_utc_s")),
    ("unused", np.int64),
])  # fmt: skip

# What a row may take from a slot, and what it took. slots: bits of the components concerned. role:
# OWN, CARRIED, or with DRAWN added where only another item draws on it. length, micro: of a part
# that has a price of its own.
TAKE = np.dtype([
    *((name, np.int32) for name in ("slot", "entry", "slots", "role")),
    *((name, np.int64) for name in ("key", "before", "taken", "length", "micro")),
])  # fmt: skip
OWN, CARRIED, DRAWN = 0, 1, 2
BEYOND = 2  # of ``has_money``: there is a cap with a price beyond it

# A row: its takes, its quantity by unit, and the components that cost something, by unit; and what
# finds its slots: bits of its version's items, the version, its rule among all, its owners.
WORK = np.dtype([
    *((name, np.int64) for name in (
        "first", "count", "seconds", "bytes", "events", "active", "start_utc_s", "has_money",
        "mask")),
    *((name, np.int32) for name in (
        "version", "rule", "subscription", "account", "group", "month", "unit", "unused")),
])  # fmt: skip


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


class Room(NamedTuple):
    """Where slots and takes are gathered. counts: int64, how many rows, takes and slots there are.

    work: by place in the order; zeroed. places: int32, a hash table of a power of two; -1: free.
    """

    work: np.ndarray
    takes: np.ndarray
    slots: np.ndarray
    places: np.ndarray
    counts: np.ndarray


@inlined
def place_of(
    slots: np.ndarray, places: np.ndarray, kind: int, owner: int, item: int, day: int
) -> int:
    """Where a slot is in the hash table, or where it would be."""
    mask = len(places) - 1
    state = mix_word(mix_word(int(np.int64(owner)) << 2 | int(np.int64(kind)), int(np.int64(item))),
                     int(np.int64(day)))  # fmt: skip
    place = (state ^ (state >> 31)) & LANE & mask
    while places[place] >= 0:
        slot = slots[places[place]]
        if (slot["owner"] == owner and slot["item"] == item and slot["since_day"] == day
                and slot["owner_kind"] == kind):  # fmt: skip
            break
        place = (place + 1) & mask
    return int(place)


@kernel
def enter_slots(slots: np.ndarray, count: int, places: np.ndarray) -> None:
    """Enters the first ``count`` slots into an empty table."""
    for index in range(count):
        slot = slots[index]
        places[place_of(
            slots, places, slot["owner_kind"], slot["owner"], slot["item"], slot["since_day"]
        )] = index  # fmt: skip


@inner
def first_day_of(terms: Terms, owner: int, plan: int) -> int:
    """The owner's first day on a plan, in days since 1970; 0 if there is none."""
    found = -1
    for place in range(terms.first[owner], terms.first[owner + 1]):
        if terms.plan_index[place] == plan or terms.plan_index[place] < 0:
            day = int(terms.from_day[place])
            if found < 0 or day < found:
                found = day
    return max(found, 0)


@inlined
def span_of(
    month_day: np.ndarray, entry: np.void, when: tuple[int, int, int], back: int
) -> tuple[int, int, int]:
    """The span that lies ``back`` spans before that of a day: since, until, and when nothing of it
    can be used any more; days since 1970.

    when: the bill's month counted in ``month_day``, the local day, and the owner's first day.
    """
    (month, day, first), more = when, int(entry["rollover_spans"])
    if entry["span"] == MONTH:
        at, last = month - back, min(month - back + 1 + more, len(month_day) - 1)
        return int(month_day[at]), int(month_day[at + 1]), int(month_day[last])
    if entry["span"] == DAY:
        return day - back, day - back + 1, day - back + 1 + more
    if entry["span"] == DAYS:
        length = int(entry["days"])
        since = first + ((day - first) // length - back) * length
        return since, since + length, since + (1 + more) * length
    return int(entry["first_day"]), int(entry["last_day"]), int(entry["last_day"])


@inlined
def add_takes(
    entry: np.void, month_day: np.ndarray, takes: np.ndarray, slots: np.ndarray,
    places: np.ndarray, counts: np.ndarray, this: tuple[int, int, int, int, int],
    when: tuple[int, int, int],
) -> None:
    """The slots of an item that a row may use, each in its place in the row's order.

    this: the item's place, the bits of its components, whether it is only drawn on (DRAWN), whose
    it is, and the row's first take. when: as of ``span_of``.
    """  # fmt: skip
    place, bits, role, owner, low = this
    kind, item = int(entry["owner"]), int(entry["item"])
    count, known = int(counts[1]), int(counts[2])
    for back in range(int(entry["rollover_spans"]) + 1):
        since, until, ends = span_of(month_day, entry, when, back)
        if back > 0 and (until <= entry["opens_day"] or until <= when[2]):
            break
        at = place_of(slots, places, kind, owner, item, since)
        slot = int(places[at])
        if slot < 0:
            slot, known = known, known + 1
            places[at] = slot
            new = slots[slot]
            new["owner_kind"], new["owner"], new["item"], new["entry"] = kind, owner, item, place
            new["since_day"], new["until_day"] = since, until
            new["granted"], new["used"], new["carried_used"], new["last_start_utc_s"] = 0, 0, 0, 0
        key = (int(entry["rank"]) * KEY_END + min(ends, KEY_END - 1)) * KEY_NAME
        key += int(entry["name_rank"])
        index = count
        while index > low and takes[index - 1]["key"] > key:
            takes[index] = takes[index - 1]
            index -= 1
        one = takes[index]
        one["slot"], one["entry"], one["slots"], one["key"] = slot, place, bits, key
        one["role"] = role + (CARRIED if back > 0 else OWN)
        one["before"], one["taken"], one["length"], one["micro"] = 0, 0, 0, 0
        count += 1
    counts[1], counts[2] = count, known


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


@inlined
def owner_of(work: np.void, kind: int) -> int:
    """Whose a row is, among the owners of a kind; -1: nobody's."""
    if kind == SUBSCRIPTION:
        return int(work["subscription"])
    return int(work["account"]) if kind == ACCOUNT else int(work["group"])


@inner
def add_further(
    items: Items, terms: tuple[Terms, Terms, Terms], room: Room, one: np.void,
    this: tuple[int, int], tiers: np.ndarray, when: tuple[int, int],
) -> None:
    """The slots that others draw on, and those of tiers over a span.

    one: the row's WORK. this: its version's first item and bits of those drawn on. when: month and
    local day.
    """  # fmt: skip
    (first, drawn), active, place = this, int(one["active"]), 0
    while drawn >> place != 0:
        if (drawn >> place) & 1:
            add_one(items, terms, room, one, (first + place, 0, DRAWN), when)
        place += 1
    if items.has_over == 0:
        return
    active = (active | active >> SLOT_BITS | active >> 2 * SLOT_BITS) & SLOT_MASK
    for slot in range(SLOT_BITS):
        if (active >> slot) & 1 == 0 or tiers[slot] < 0:
            continue
        bits, at = 0, int(tiers[slot])
        for other in range(slot, SLOT_BITS):
            if (active >> other) & 1 and tiers[other] == at:
                bits |= 1 << other
                if other > slot:
                    tiers[other] = NOTHING
        add_one(items, terms, room, one, (at, bits, 0), when)


@inner
def add_one(
    items: Items, terms: tuple[Terms, Terms, Terms], room: Room, one: np.void,
    this: tuple[int, int, int], when: tuple[int, int],
) -> None:
    """The slots of one item for a row. this: its place, bits and role."""  # fmt: skip
    entry = items.entries[this[0]]
    owner, began = owner_of(one, int(entry["owner"])), 0
    if owner < 0 or when[1] < entry["first_day"] or when[1] >= entry["last_day"]:
        return
    if entry["span"] == DAYS:
        began = first_day_of(terms[entry["owner"]], owner, entry["plan"])
    add_takes(entry, items.month_day, room.takes, room.slots, room.places, room.counts,
              (this[0], this[1], this[2], owner, one["first"]),
              (when[0], when[1], began))  # fmt: skip


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
def find_slots(
    tables: Tables, items: Items, usage: Usage, order: np.ndarray,
    terms: tuple[Terms, Terms, Terms], room: Room,
) -> bool:
    """The slots that rows may use, and what the later passes need of them.

    Goes on from place ``counts[0]`` of the order; False: there is no room for another row. New
    slots have nothing yet. work: as ``gather_rows`` leaves it.
    """  # fmt: skip
    versions, clock_entries, rates = (
        tables.versions.versions, tables.clocks.entries, tables.prices.rates)  # fmt: skip
    firsts, _, _, entries, over, has_over, month_day = items[:7]
    target, asked, most = tables.rules.target, asked_of(tables, usage), items.row_most
    work, takes, slots, places, counts = room
    tiers, rate_of = np.empty(SLOT_BITS, np.int64), np.empty(target.shape[1], np.int64)
    zone, low, high, offset = -1, 0, 0, 0
    while counts[0] < len(work):
        one = work[counts[0]]
        own, mask, start = int(one["version"]), int(one["mask"]), int(one["start_utc_s"])
        if max(counts[1] - len(takes), counts[2] - len(slots)) + most > 0:
            return False
        counts[0] += 1
        if mask == 0 and has_over == 0:
            continue
        one["first"] = counts[1]
        for slot in range(len(rate_of)):
            rate_of[slot] = target[one["rule"], slot]
            if rate_of[slot] <= DECK:
                rate_of[slot] = target_of(asked, order[counts[0] - 1], rate_of[slot])
        active = costs(rate_of, rates, one, over, tiers)
        one["active"] = active
        if zone != versions[own]["zone"] or start < low or start >= high:
            zone = int(versions[own]["zone"])
            at = zone_entry(tables.clocks, zone, start)
            low, high = clock_entries[at]["since_utc_s"], clock_entries[at + 1]["since_utc_s"]
            offset = int(clock_entries[at]["offset_s"])
        day, month, unit = (start + offset) // DAY_S, int(one["month"]), int(one["unit"])
        first, place, drawn, chosen = int(firsts[own]), 0, 0, mask
        while mask >> place != 0:
            entry, at, began = entries[first + place], first + place, 0
            bits, owner = concerned(entry, active, unit), owner_of(one, int(entry["owner"]))
            holds = (mask >> place) & 1 and bits != 0 and owner >= 0
            holds = holds and entry["first_day"] <= day < entry["last_day"]
            if holds and entry["rule"] >= 0:
                row = order[counts[0] - 1]
                holds = holds_open(items.rules, usage, row, entry["rule"])
            place += 1
            if not holds:
                chosen &= ~(1 << (place - 1))
                continue
            one["has_money"] |= money_of(entry)
            if entry["span"] == DAYS:
                began = first_day_of(terms[entry["owner"]], owner, entry["plan"])
            add_takes(entry, month_day, takes, slots, places, counts,
                      (at, bits, 0, owner, one["first"]), (month, day, began))  # fmt: skip
            while entry["draws_on"] >= 0:
                drawn |= 1 << (int(entry["draws_on"]) - first)
                entry = entries[entry["draws_on"]]
        drawn &= ~chosen
        if drawn | has_over != 0:
            add_further(items, terms, room, one, (first, drawn), tiers, (month, day))
        one["count"] = counts[1] - one["first"]
    return True
