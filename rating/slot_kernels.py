"""Which slots each record may use: those of the items that it asks, by owner and span of days.

Works in the order of accounts, as the passes behind it do: an account's slots stay near. Loops
write out what they do to arrays, since handing arrays on counts references to them, which costs
more than the search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.grant_kernels import Terms
from rating.hash_kernels import FACTOR_A, FACTOR_B, FACTOR_C, LANE
from tariffs.item_kernels import ACCOUNT, DAY, DAYS, MONTH, SUBSCRIPTION, Items
from tollbook.jit import inlined, inner, kernel

SLOT_BITS, SLOT_MASK = 8, 63  # components of a unit in ``active``: one byte for each unit
KEY_END, KEY_NAME = 1 << 22, 1 << 6  # how the order of a row's items is one integer
NEAR_MASK = 127  # of the few slots that are looked at first: those that were found last
ASK_PLACE, ASK_BITS, BITS_MASK = 16, 8, 255  # an item that a row asks is one integer

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
# finds its slots: bits of its version's items, the version, its rule among all, its owners, the
# month of its bill and its local day.
WORK = np.dtype([
    *((name, np.int64) for name in (
        "first", "count", "seconds", "bytes", "events", "active", "start_utc_s", "has_money",
        "mask")),
    *((name, np.int32) for name in (
        "version", "rule", "subscription", "account", "group", "month", "unit", "day")),
])  # fmt: skip


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
def code_of(kind: int, owner: int, item: int, day: int) -> int:
    """Where a slot is looked for first; three products that wait for nothing."""
    code = (((owner << 2 | kind) & LANE) * FACTOR_A ^ (item & LANE) * FACTOR_B
            ^ (day & LANE) * FACTOR_C)  # fmt: skip
    return (code ^ (code >> 31)) & LANE


@inlined
def is_slot(slot: np.void, kind: int, owner: int, item: int, day: int) -> bool:
    """Whether this is the slot of an item, an owner and a span."""
    return bool(slot["owner"] == owner and slot["item"] == item and slot["since_day"] == day
                and slot["owner_kind"] == kind)  # fmt: skip


@kernel
def enter_slots(slots: np.ndarray, count: int, places: np.ndarray) -> None:
    """Enters the first ``count`` slots, all different, into an empty table."""
    mask = len(places) - 1
    for index in range(count):
        slot = slots[index]
        at = code_of(int(slot["owner_kind"]), int(slot["owner"]), int(slot["item"]),
                     int(slot["since_day"])) & mask  # fmt: skip
        while places[at] >= 0:
            at = (at + 1) & mask
        places[at] = index


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
def span_of(entry: np.void, day: int, first: int, back: int) -> tuple[int, int, int]:
    """The span, no month, that lies ``back`` spans before that of a local day: since, until, and
    when nothing of it can be used any more; days since 1970. first: the owner's first day."""
    more = int(entry["rollover_spans"])
    if entry["span"] == DAY:
        return day - back, day - back + 1, day - back + 1 + more
    if entry["span"] == DAYS:
        length = int(entry["days"])
        since = first + ((day - first) // length - back) * length
        return since, since + length, since + (1 + more) * length
    return int(entry["first_day"]), int(entry["last_day"]), int(entry["last_day"])


@inlined
def owner_of(work: np.void, kind: int) -> int:
    """Whose a row is, among the owners of a kind; -1: nobody's."""
    if kind == SUBSCRIPTION:
        return int(work["subscription"])
    return int(work["account"]) if kind == ACCOUNT else int(work["group"])


@inlined
def open_slot(
    new: np.void, entry: np.void, place: int, owner: int, since: int, until: int
) -> None:
    """A slot of which nothing is used yet."""
    new["owner_kind"], new["owner"] = entry["owner"], owner
    new["item"], new["entry"] = entry["item"], place
    new["since_day"], new["until_day"] = since, until
    new["granted"], new["used"], new["carried_used"], new["last_start_utc_s"] = 0, 0, 0, 0


@kernel
def find_slots(
    items: Items, terms: tuple[Terms, Terms, Terms], asks: np.ndarray, room: Room
) -> bool:
    """The slots of the items that rows ask (``ask_kernels``), each row's in the order of their use.

    Goes on from place ``counts[0]`` of the order; False: there is no room for another row. New
    slots have nothing yet. work: first and count, of the asks, become those of the takes.
    """  # fmt: skip
    entries, month_day, most = items.entries, items.month_day, items.row_most
    work, takes, slots, places, counts = room
    mask, last_month = len(places) - 1, len(month_day) - 1
    near = np.full(NEAR_MASK + 1, -1, np.int64)
    done, count, known = int(counts[0]), int(counts[1]), int(counts[2])
    while done < len(work) and max(count - len(takes), known - len(slots)) + most <= 0:
        one, first = work[done], count
        month, day = int(one["month"]), int(one["day"])
        for ask in range(one["first"], one["first"] + one["count"]):
            place = asks[ask] >> ASK_PLACE
            entry, began, since, until, ends = entries[place], 0, 0, 0, 0
            kind, item, more = int(entry["owner"]), int(entry["item"]), entry["rollover_spans"]
            owner = owner_of(one, kind)
            if entry["span"] == DAYS:
                began = first_day_of(terms[kind], owner, entry["plan"])
            for back in range(more + 1):
                if entry["span"] == MONTH:
                    since, until = int(month_day[month - back]), int(month_day[month - back + 1])
                    ends = int(month_day[min(month - back + 1 + more, last_month)])
                else:
                    since, until, ends = span_of(entry, day, began, back)
                if back > 0 and (until <= entry["opens_day"] or until <= began):
                    break
                code = code_of(kind, owner, item, since)
                slot = near[code & NEAR_MASK]
                if slot < 0 or not is_slot(slots[slot], kind, owner, item, since):
                    at = code & mask
                    while places[at] >= 0 and not is_slot(
                        slots[places[at]], kind, owner, item, since
                    ):  # fmt: skip
                        at = (at + 1) & mask
                    slot = int(places[at])
                    if slot < 0:
                        slot, known = known, known + 1
                        places[at] = slot
                        open_slot(slots[slot], entry, place, owner, since, until)
                    near[code & NEAR_MASK] = slot
                key = (int(entry["rank"]) * KEY_END + min(ends, KEY_END - 1)) * KEY_NAME
                key += int(entry["name_rank"])
                index, count = count, count + 1
                while index > first and takes[index - 1]["key"] > key:
                    takes[index] = takes[index - 1]
                    index -= 1
                take = takes[index]
                take["slot"], take["entry"], take["key"] = slot, place, key
                take["slots"] = (asks[ask] >> ASK_BITS) & BITS_MASK
                take["role"] = (asks[ask] & DRAWN) + (CARRIED if back > 0 else OWN)
                take["before"], take["taken"], take["length"], take["micro"] = 0, 0, 0, 0
        one["first"], one["count"], done = first, count - first, done + 1
    counts[0], counts[1], counts[2] = done, count, known
    return done == len(work)
