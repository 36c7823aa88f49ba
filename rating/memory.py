"""Rating with memory: allowances, caps, counters and tiers that depend on what came before.

Four passes (docs/rating.md): the slots that each row may use; in the order of each account, the
quantities that it takes from them; the price of what is left; and, in that order again, money. A
row that cannot be rated takes nothing: its account is worked out again without it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from rating import discount_order, grants, left_kernels, order_kernels, slot_kernels, take_kernels
from rating.discount_order_kernels import Ordered, take_discounted
from rating.find_kernels import Rated, Usage
from rating.grant_kernels import Terms
from tariffs.compile_memory import MemoryTables
from tariffs.compiler import CompiledBook
from tariffs.model import PARTS_MAX
from tariffs.rule_kernels import Tables
from tollbook import money, schemas
from tollbook.stage import int_array, ints

_REACH: Final = 3  # numbers of a component's reach
_GROWTH: Final = 2


class Owners(NamedTuple):
    """Whose the rows of a batch are.

    pool, subscription, account, group: int32 by row, -1: none. Rows of one pool share slots with
    no row of another one. A subscription is one index for each (subscription id, account). terms:
    of subscriptions, accounts and groups, when they were in force.
    """

    pool: np.ndarray
    subscription: np.ndarray
    account: np.ndarray
    group: np.ndarray
    terms: tuple[Terms, Terms, Terms]


@dataclass(frozen=True)
class State:
    """``schemas.STATE`` as numpy columns, ordered by owner_kind, owner, item and since_day.

    owner_index points into the owners of the run, item_index into the compiled book's items.
    """

    owner_kind: np.ndarray  # int8
    owner_index: np.ndarray  # int32
    item_index: np.ndarray  # int32
    since_day: np.ndarray  # int32
    until_day: np.ndarray  # int32
    granted: np.ndarray  # int64
    used: np.ndarray  # int64
    carried_used: np.ndarray  # int64
    last_start_utc_s: np.ndarray  # int64

    @classmethod
    def empty(cls) -> State:
        """Nothing has been used."""
        kinds = [field.type.to_pandas_dtype() for field in schemas.STATE]
        return cls(*(np.zeros(0, kind) for kind in kinds))

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> State:
        """The columns of a batch of ``schemas.STATE``."""
        schemas.check(batch, schemas.STATE, "state")
        return cls(*(ints(batch, field.name) for field in fields(cls)))

    def batch(self) -> pa.RecordBatch:
        """The same as a batch."""
        columns = [int_array(np.ascontiguousarray(getattr(self, f.name))) for f in fields(self)]
        return pa.RecordBatch.from_arrays(columns, schema=schemas.STATE)

    def __len__(self) -> int:
        return len(self.used)


@dataclass(frozen=True)
class Past:
    """What the stage rate needs for books with memory: whose the rows are, and what they used."""

    owners: Owners
    state: State


@dataclass
class _Work:
    """The arrays of one batch."""

    usage: Usage
    out: Rated
    tables: Tables
    memory: MemoryTables
    owned: slot_kernels.Owned
    work: np.ndarray
    room: slot_kernels.Room
    left: take_kernels.Left
    parts: np.ndarray
    ordered: Ordered | None = None

    def take(self, order: np.ndarray, rows: np.ndarray) -> None:
        """Let rows take what they use, in this order, and price what is left. rows: the same ones
        in the order of the batch, which is quicker to read."""
        entries, takes, slots = self.memory.tables.entries, self.room.takes, self.room.slots
        self.left.counts[:] = 0
        take_kernels.take_quantities(order, self.work, takes, slots, entries, self.left)
        if self.left.counts.any():
            left_kernels.price_parts(self.tables, self.usage, self.out, self.left, self.parts)
            left_kernels.price_takes(
                self.tables, self.usage, self.owned.own_version, self.left, takes, entries,
                self.parts,
            )  # fmt: skip
        left_kernels.put_together(rows, self.out, self.left, takes, entries)
        self.take_money(order)

    def take_money(self, order: np.ndarray) -> None:
        """Discounts, money allowances, caps and counters of rows in this order."""
        tables = self.work, self.room.takes, self.room.slots, self.memory.tables.entries
        if self.ordered is None:
            take_kernels.take_money(order, *tables, self.out.charge_micro)
        else:
            take_discounted(order, *tables, self.out.charge_micro, self.ordered)


def apply(
    batch: pa.RecordBatch,
    compiled: CompiledBook,
    usage: Usage,
    out: Rated,
    own_version: np.ndarray,
    past: Past,
    charge_too_large: int,
) -> tuple[pa.ListArray, State]:
    """Take from slots what the rows of a batch use; ``out`` becomes what they cost then.

    out: whole usages, priced without any limit of a charge. own_version: int32, of each
    subscription's plan, whichever plan priced the usage. Returns the column ``used`` and the state
    after the batch.
    """
    memory = compiled.memory
    assert memory is not None
    owners = past.owners
    owned = slot_kernels.Owned(
        owners.subscription, owners.account, owners.group, ints(batch, "bill_period"), own_version
    )
    work = np.zeros(len(out.reason), slot_kernels.WORK)
    room = _found(memory, compiled.tables, usage, out, owned, owners, work, past.state)
    rows = np.flatnonzero(work["count"])
    order = _ordered(rows, owners.pool, usage, batch)
    this = _Work(usage, out, compiled.tables, memory, owned, work, room,
                 _left(out, rows, room), np.empty((PARTS_MAX, 2), np.int64))  # fmt: skip
    this.ordered = discount_order.prepare(compiled, batch, usage, out)
    if this.ordered is not None:
        _discount_others(this, this.ordered)
    full, slots = out.charge_micro[:, rows], room.slots.copy()
    limits = compiled.tables.versions.versions["charge_limit_micro"]
    this.take(order, rows)
    is_over = np.zeros(len(rows), np.bool_)
    while left_kernels.add_up(rows, out, limits, is_over):
        order, rows, full = _without(this, order, rows, full, slots, is_over, charge_too_large,
                                     owners.pool)  # fmt: skip
        this.take(order, rows)
        is_over = np.zeros(len(rows), np.bool_)
    _refuse_whole(out, limits, charge_too_large)
    used = _used_column(work, room, out.reason)
    if this.ordered is not None:
        first = len(memory.item_names)
        used = discount_order.with_discounts(used, this.ordered, out.reason, first)
    return used, _state_of(room)


def _discount_others(this: _Work, ordered: Ordered) -> None:
    """The rows that concern no slot, in any order."""
    rows = np.flatnonzero((this.work["count"] == 0) & (ordered.held != 0))
    this.take_money(rows)
    this.out.total_micro[rows] = this.out.charge_micro[:, rows].sum(axis=0)


def _refuse_whole(out: Rated, limits: np.ndarray, reason: int) -> None:
    """Rows that concern no slot and exceed the limit of their version."""
    is_over = (out.reason == 0) & (out.rule_index >= 0)
    is_over &= out.total_micro > limits[out.version_index]
    out.reason[is_over] = reason
    out.charge_micro[:, is_over] = 0
    out.total_micro[is_over] = 0


def _without(
    this: _Work, order: np.ndarray, rows: np.ndarray, full: np.ndarray, slots: np.ndarray,
    is_over: np.ndarray, reason: int, pool: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the first row that cannot be rated out of each pool, and set those pools back to where
    they were; returns what is to be worked out again, as ``_Work.take`` wants it."""  # fmt: skip
    out, work = this.out, this.work
    failed = np.zeros(len(out.reason), np.bool_)
    failed[rows[is_over]] = True
    behind = order[failed[order]]
    _, first = np.unique(pool[behind], return_index=True)
    gone = behind[first]
    out.reason[gone] = reason
    out.charge_micro[:, gone] = 0
    out.total_micro[gone] = 0
    again = np.isin(pool[order], pool[gone])
    again_rows = np.isin(pool[rows], pool[gone])
    for row in order[again].tolist():
        begin = int(work[row]["first"])
        takes = this.room.takes[begin : begin + int(work[row]["count"])]
        this.room.slots[takes["slot"]] = slots[takes["slot"]]
        takes["taken"] = 0
    kept = again_rows & (out.reason[rows] == 0)
    out.charge_micro[:, rows[kept]] = full[:, kept]
    order = order[again]
    return order[out.reason[order] == 0], rows[kept], full[:, kept]


def _found(
    memory: MemoryTables,
    tables: Tables,
    usage: Usage,
    out: Rated,
    owned: slot_kernels.Owned,
    owners: Owners,
    work: np.ndarray,
    state: State,
) -> slot_kernels.Room:
    """The slots of all rows, those of the state first, and what new ones are granted."""
    known, most = len(state), int(memory.tables.row_most)
    slots = np.zeros(known, slot_kernels.SLOT)
    for column, name in zip(fields(State), (
        "owner_kind", "owner", "item", "since_day", "until_day", "granted", "used",
        "carried_used", "last_start_utc_s",
    ), strict=True):  # fmt: skip
        slots[name] = getattr(state, column.name)
    slots["entry"] = -1
    counts = np.array([0, 0, known], np.int64)
    room = _grown(slots, np.zeros(0, slot_kernels.TAKE), counts, len(work) + most)
    while not slot_kernels.find_slots(
        tables, memory.tables, usage, out, owned, owners.terms, work, room
    ):
        room = _grown(room.slots, room.takes, counts, _GROWTH * len(room.takes))
    grants.grant(memory, room.slots, known, int(counts[2]), owners.terms)
    return room


def _grown(
    slots: np.ndarray, takes: np.ndarray, counts: np.ndarray, size: int
) -> slot_kernels.Room:
    """Room for so many more takes and slots; what is there stays."""
    used, known = int(counts[1]), int(counts[2])
    more_takes = np.empty(used + size, slot_kernels.TAKE)
    more_takes[:used] = takes[:used]
    more_slots = np.empty(known + size, slot_kernels.SLOT)
    more_slots[:known] = slots[:known]
    places = np.full(1 << (2 * len(more_slots)).bit_length(), -1, np.int32)
    slot_kernels.enter_slots(more_slots, known, places)
    return slot_kernels.Room(more_takes, more_slots, places, counts)


def _left(out: Rated, rows: np.ndarray, room: slot_kernels.Room) -> take_kernels.Left:
    """Room for what is left of the rows."""
    count, components = len(rows), out.charge_micro.shape[0]
    return take_kernels.Left(
        free=np.zeros(len(out.reason), np.int8),
        reach=np.empty((count, components, _REACH), np.int64),
        bits=np.empty((count, 2), np.int64),
        rows=np.empty(count, np.int64),
        priced=np.empty((int(room.counts[1]), 2), np.int64),
        counts=np.zeros(2, np.int64),
    )


def _ordered(
    rows: np.ndarray, pool: np.ndarray, usage: Usage, batch: pa.RecordBatch
) -> np.ndarray:
    """Row numbers by pool, start, hash and record id."""
    if not len(rows):
        return rows
    start, pools = usage.start_utc_s[rows], pool[rows].astype(np.int64)
    start = start - start.min()
    bits = int(start.max()).bit_length()
    keys, order = (pools - pools.min()) << bits | start, rows.copy()
    order_kernels.sort_rows(
        keys, order, np.empty_like(keys), np.empty_like(order), ints(batch, "dedupe_hash"),
        ints(batch, "record_id"),
    )  # fmt: skip
    return order


def _used_column(
    work: np.ndarray, room: slot_kernels.Room, reason: np.ndarray
) -> pa.ListArray:
    """The column ``used`` of schemas.RATED."""
    offsets = np.zeros(len(work) + 1, np.int32)
    order_kernels.list_used(work, room.takes, reason, offsets)
    count = int(offsets[-1])
    columns = (np.empty(count, np.int32), np.empty(count, np.int32),
               np.empty(count, np.int64), np.empty(count, np.int64))  # fmt: skip
    order_kernels.fill_used(work, room.takes, room.slots, offsets, columns)
    kind = schemas.RATED.field("used").type
    used = pa.StructArray.from_arrays([int_array(c) for c in columns], fields=list(schemas.USED))
    return pa.ListArray.from_buffers(
        kind, len(work), [None, pa.py_buffer(offsets)], children=[used]
    )


def _state_of(room: slot_kernels.Room) -> State:
    """The slots of which something was used; a slot is opened by its first use."""
    slots = room.slots[: int(room.counts[2])]
    slots = slots[slots["used"] > 0]
    order = np.lexsort((slots["since_day"], slots["item"], slots["owner"], slots["owner_kind"]))
    slots = slots[order]
    return State(
        slots["owner_kind"].astype(np.int8), *(np.ascontiguousarray(slots[name]) for name in (
            "owner", "item", "since_day", "until_day", "granted", "used", "carried_used",
            "last_start_utc_s",
        )),
    )  # fmt: skip


def unlimited(compiled: CompiledBook) -> Tables:
    """The tables of a book whose charges have no limit yet: it holds for what is left to pay."""
    versions = compiled.tables.versions.versions.copy()
    versions["charge_limit_micro"] = money.CHARGE_LIMIT_MICRO
    versions.setflags(write=False)
    return compiled.tables._replace(versions=compiled.tables.versions._replace(versions=versions))
