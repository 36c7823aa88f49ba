"""Rating with memory: allowances, caps, counters and tiers that depend on what came before.

Four passes in the order of accounts (docs/rating.md): the slots that each row may use; what it
takes from them; the price of what is left; and money. A row that cannot be rated takes
nothing: its account is worked out again without it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from rating import (
    ask_kernels,
    discount_order,
    grants,
    left_kernels,
    order_kernels,
    pay_kernels,
    slot_kernels,
    take_kernels,
)
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
_SLOTS: Final = 8  # takes for each slot, at first
_ASKS: Final = 4  # of a row, for which there is room at first


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
    """The arrays of one batch. order: the row of each place; work: by place."""

    usage: Usage
    out: Rated
    tables: Tables
    memory: MemoryTables
    owned: ask_kernels.Owned
    order: np.ndarray
    work: np.ndarray
    room: slot_kernels.Room
    left: take_kernels.Left
    parts: np.ndarray
    ordered: Ordered | None = None

    def take(self, chosen: np.ndarray) -> None:
        """Let rows take what they use, and price what is left. chosen: their places, ascending."""
        entries, takes, slots = self.memory.tables.entries, self.room.takes, self.room.slots
        self.left.counts[:] = 0
        take_kernels.take_quantities(chosen, self.work, takes, slots, entries, self.left)
        if self.left.counts.any():
            left_kernels.price_parts(
                self.tables, self.usage, self.out, self.order, self.left, self.parts
            )
            left_kernels.price_takes(
                self.tables, self.usage, self.owned.own_version, self.order, self.left, takes,
                entries, self.parts,
            )  # fmt: skip
        left_kernels.put_together(chosen, self.order, self.out, self.left, takes, entries)
        self.take_money(chosen, self.order, self.work)

    def take_money(self, chosen: np.ndarray, order: np.ndarray, work: np.ndarray) -> None:
        """Discounts, money allowances, caps and counters of these places of an order."""
        tables = order, work, self.room.takes, self.room.slots, self.memory.tables.entries
        if self.ordered is None:
            pay_kernels.take_money(chosen, *tables, self.out.charge_micro)
        else:
            take_discounted(chosen, *tables, self.out.charge_micro, self.ordered)


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
    order = _ordered(_concerned(memory, out, own_version), owners.pool, usage, batch)
    owned = ask_kernels.Owned(
        order, owners.subscription, owners.account, owners.group, ints(batch, "bill_period"),
        own_version,
    )  # fmt: skip
    room = _found(memory, compiled.tables, usage, out, owned, owners.terms, past.state)
    work = room.work
    this = _Work(usage, out, compiled.tables, memory, owned, order, work, room,
                 _left(out, room), np.empty((PARTS_MAX, 2), np.int64))  # fmt: skip
    chosen = np.flatnonzero(work["count"])
    this.ordered = discount_order.prepare(compiled, batch, usage, out)
    if this.ordered is not None:
        _discount_others(this, order[chosen], this.ordered)
    full, slots = out.charge_micro.copy(), room.slots[: int(room.counts[2])].copy()
    limits = compiled.tables.versions.versions["charge_limit_micro"]
    this.take(chosen)
    is_over = np.zeros(len(order), np.bool_)
    while left_kernels.add_up(chosen, order, out, limits, is_over):
        chosen = _without(this, chosen, is_over, owners.pool[order], full, slots, charge_too_large)
        this.take(chosen)
        is_over[:] = False
    _refuse_whole(out, limits, charge_too_large)
    used = _used_column(this)
    if this.ordered is not None:
        first = len(memory.item_names)
        used = discount_order.with_discounts(used, this.ordered, out.reason, first)
    return used, _state_of(room)


def _discount_others(this: _Work, rows: np.ndarray, ordered: Ordered) -> None:
    """All but these rows: those that concern no slot, in any order."""
    is_other = ordered.held != 0
    is_other[rows] = False
    others = np.flatnonzero(is_other)
    this.take_money(np.arange(len(others)), others, np.zeros(len(others), slot_kernels.WORK))
    this.out.total_micro[others] = this.out.charge_micro[:, others].sum(axis=0)


def _concerned(memory: MemoryTables, out: Rated, own_version: np.ndarray) -> np.ndarray:
    """Rows whose version remembers anything."""
    tables = memory.tables
    has_items = (tables.first_cell >= 0) | bool(tables.has_over)
    is_rated = (out.reason == 0) & (out.rule_index >= 0)
    return np.flatnonzero(is_rated & has_items[own_version])


def _refuse_whole(out: Rated, limits: np.ndarray, reason: int) -> None:
    """Rows that concern no slot and exceed the limit of their version."""
    is_over = (out.reason == 0) & (out.rule_index >= 0)
    is_over &= out.total_micro > limits[out.version_index]
    out.reason[is_over] = reason
    out.charge_micro[:, is_over] = 0
    out.total_micro[is_over] = 0


def _without(
    this: _Work, chosen: np.ndarray, is_over: np.ndarray, pool: np.ndarray, full: np.ndarray,
    slots: np.ndarray, reason: int,
) -> np.ndarray:
    """Take the first row that cannot be rated out of each pool, and set those pools back to where
    they were; returns the places that are to be worked out again. pool: by place."""  # fmt: skip
    out, order, work, takes = this.out, this.order, this.work, this.room.takes
    failed = np.flatnonzero(is_over)
    _, first = np.unique(pool[failed], return_index=True)
    gone = failed[first]
    rows = order[gone]
    out.reason[rows] = reason
    out.charge_micro[:, rows] = 0
    out.total_micro[rows] = 0
    concerned = chosen[np.isin(pool[chosen], pool[gone])]
    for place in concerned.tolist():
        begin = int(work[place]["first"])
        own = takes[begin : begin + int(work[place]["count"])]
        this.room.slots[own["slot"]] = slots[own["slot"]]
        own["taken"] = 0
    again: np.ndarray = concerned[out.reason[order[concerned]] == 0]
    out.charge_micro[:, order[again]] = full[:, order[again]]
    return again


def _found(
    memory: MemoryTables,
    tables: Tables,
    usage: Usage,
    out: Rated,
    owned: ask_kernels.Owned,
    terms: tuple[Terms, Terms, Terms],
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
    work = np.zeros(len(owned.order), slot_kernels.WORK)
    nothing = np.zeros(0, slot_kernels.TAKE)
    ask_kernels.gather_rows(tables, memory.tables, usage, out, owned, work)
    asks = _asks(memory, tables, usage, owned.order, work)
    room = _grown(work, slots, nothing, counts, len(asks) + most)
    while not slot_kernels.find_slots(memory.tables, terms, asks, room):
        room = _grown(work, room.slots, room.takes, counts, _GROWTH * len(room.takes))
    grants.grant(memory, room.slots, known, int(counts[2]), terms)
    return room


def _asks(
    memory: MemoryTables, tables: Tables, usage: Usage, order: np.ndarray, work: np.ndarray
) -> np.ndarray:
    """The items that all rows ask, as of ``ask_kernels.ask_items``."""
    asks = np.empty(_ASKS * len(work) + int(memory.tables.row_most), np.int64)
    counts = np.zeros(2, np.int64)
    while not ask_kernels.ask_items(tables, memory.tables, usage, order, work, asks, counts):
        more = np.empty(_GROWTH * len(asks), np.int64)
        more[: int(counts[1])] = asks[: int(counts[1])]
        asks = more
    return asks[: int(counts[1])]


def _grown(
    work: np.ndarray, slots: np.ndarray, takes: np.ndarray, counts: np.ndarray, size: int
) -> slot_kernels.Room:
    """Room for so many more takes and slots; what is there stays."""
    used, known = int(counts[1]), int(counts[2])
    more_takes = np.empty(used + size, slot_kernels.TAKE)
    more_takes[:used] = takes[:used]
    more_slots = np.empty(known + size // _SLOTS + 1, slot_kernels.SLOT)
    more_slots[:known] = slots[:known]
    places = np.full(1 << (2 * len(more_slots)).bit_length(), -1, np.int32)
    slot_kernels.enter_slots(more_slots, known, places)
    return slot_kernels.Room(work, more_takes, more_slots, places, counts)


def _left(out: Rated, room: slot_kernels.Room) -> take_kernels.Left:
    """Room for what is left of the rows."""
    count, components = len(room.work), out.charge_micro.shape[0]
    return take_kernels.Left(
        free=np.zeros(count, np.int8),
        reach=np.empty((count, components, _REACH), np.int64),
        bits=np.empty((count, 2), np.int64),
        rows=np.empty(count, np.int64),
        priced=np.empty((int(room.counts[1]), 2), np.int64),
        counts=np.zeros(2, np.int64),
    )


def _ordered(
    rows: np.ndarray, pool: np.ndarray, usage: Usage, batch: pa.RecordBatch
) -> np.ndarray:
    """Row numbers by pool, bill month, start, hash and record id."""
    if not len(rows):
        return rows
    keys, order = np.zeros(len(rows), np.int64), rows.copy()
    for column in (pool, ints(batch, "bill_period"), usage.start_utc_s):
        values = column[rows].astype(np.int64)
        values -= values.min()
        keys = keys << int(values.max()).bit_length() | values
    order_kernels.sort_rows(
        keys, order, np.empty_like(keys), np.empty_like(order), ints(batch, "dedupe_hash"),
        ints(batch, "record_id"),
    )  # fmt: skip
    return order


def _used_column(this: _Work) -> pa.ListArray:
    """The column ``used`` of schemas.RATED."""
    order, work, room, reason = this.order, this.work, this.room, this.out.reason
    offsets = np.zeros(len(reason) + 1, np.int32)
    order_kernels.list_used(order, work, room.takes, reason, offsets)
    count = int(offsets[-1])
    columns = (np.empty(count, np.int32), np.empty(count, np.int32),
               np.empty(count, np.int64), np.empty(count, np.int64))  # fmt: skip
    order_kernels.fill_used(order, work, room.takes, room.slots, offsets, columns)
    kind = schemas.RATED.field("used").type
    used = pa.StructArray.from_arrays([int_array(c) for c in columns], fields=list(schemas.USED))
    return pa.ListArray.from_buffers(
        kind, len(reason), [None, pa.py_buffer(offsets)], children=[used]
    )


def _in_order(slots: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows (int64) by owner_kind, owner, item and since_day, of which no two have the same; by
    one key where that fits."""
    columns = [slots[name][rows].astype(np.int64)
               for name in ("owner_kind", "owner", "item", "since_day")]  # fmt: skip
    key, bits = np.zeros(len(rows), np.int64), 0
    for column in columns:
        column -= column.min(initial=0)
        width = int(column.max(initial=0)).bit_length()
        key, bits = key << width | column, bits + width
    order: np.ndarray = rows[np.argsort(key) if bits < 63 else np.lexsort(columns[::-1])]
    return order


def _state_of(room: slot_kernels.Room) -> State:
    """The slots of which something was used; a slot is opened by its first use."""
    slots = room.slots[: int(room.counts[2])]
    rows = _in_order(slots, np.flatnonzero(slots["used"] > 0))
    return State(
        slots["owner_kind"][rows].astype(np.int8), *(slots[name][rows] for name in (
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
