"""What owners have used of what a book remembers, in the lake and in a run's rating.

The dataset ``state`` has one row for each slot, in the month in which its span begins (once: in
none). A run reads the months that its records reach, gives each span of buckets its owners' slots,
and writes what comes out of rating: months in which anything changed are written whole, and the
files that held them until then are superseded. Rows whose owner or item today's reference data do
not know are carried over as they are: a customer may come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.guide_kernels import BUCKET_COUNT
from rating.memory import Past, State
from rating.owners import OwnerTables, of_rows
from tariffs.compile_memory import MemoryTables
from tariffs.memory_model import OWNERS
from tollbook import money, schemas
from tollbook.columns import index_in
from tollbook.run import lake, lake_columns, totals
from tollbook.run.catalogue import LakeFile
from tollbook.run.exchange import Exchange
from tollbook.run.late import Late
from tollbook.run.parts import Part, Target
from tollbook.run.state_reach import Reach
from tollbook.stage import StageResult, ints

DATASET: Final = "state"
HELD_BYTES: Final = 256 * 2**20  # slots held in memory between the phases of a run
_KEY: Final = ("owner_kind", "owner_index", "item_index", "since_day")
STORED: Final = pa.schema([
    pa.field(name, kind, nullable=False) for name, kind in (
        ("owner_kind", pa.string()), ("owner", pa.string()), ("item", pa.string()),
        ("counts", pa.string()),
        ("since", pa.date32()), ("until", pa.date32()), ("granted", pa.int64()),
        ("used", pa.int64()), ("carried_used", pa.int64()), ("last_start_utc_s", pa.int64()),
    )
])  # fmt: skip
_AS_THEY_ARE: Final = ("granted", "used", "carried_used", "last_start_utc_s")


@dataclass(frozen=True)
class StateNames:
    """What indices of schemas.STATE stand for in a run.

    items: plan/kind/name; counts: what each counts (MemoryTables.item_counts), (): nothing is
    written. ids: of all owners, those of one kind behind those of the one before it; first: where
    each kind begins.
    """

    items: Sequence[str]
    owners: OwnerTables
    ids: pa.Array
    first: np.ndarray
    counts: Sequence[str] = ()

    @classmethod
    def of(
        cls, items: Sequence[str], owners: OwnerTables, counts: Sequence[str] = ()
    ) -> StateNames:
        kinds = (owners.subscriptions, owners.accounts, pa.array(owners.groups, pa.string()))
        first = np.cumsum([0, *map(len, kinds)])
        return cls(items, owners, pa.concat_arrays(kinds), first, counts)

    def of_kind(self, kind: int) -> pa.Array:
        """The ids of all owners of a kind: its place in memory_model.OWNERS."""
        return self.ids[self.first[kind] : self.first[kind + 1]]


def table_of(state: pa.RecordBatch, names: StateNames) -> pa.Table:
    """Slots (schemas.STATE) as rows of the lake's ``state`` dataset."""
    kind = ints(state, "owner_kind")
    owners, code = np.unique(names.first[kind] + ints(state, "owner_index"), return_inverse=True)
    ids = names.ids.take(pa.array(owners))
    return pa.table({
        "owner_kind": lake_columns.coded(kind, OWNERS),
        "owner": lake_columns.worded(code.astype(np.int32), ids),
        "item": lake_columns.coded(ints(state, "item_index"), names.items),
        "counts": lake_columns.coded(
            ints(state, "item_index"), names.counts or [""] * len(names.items)),
        "since": state.column("since_day").view(pa.date32()),
        "until": state.column("until_day").view(pa.date32()),
        **{name: state.column(name) for name in _AS_THEY_ARE},
    })  # fmt: skip


def batch_of(table: pa.Table, names: StateNames) -> tuple[pa.RecordBatch, pa.Table]:
    """Rows of the lake -> slots (schemas.STATE), and the rows that nothing here is known of."""
    table = table.cast(STORED).combine_chunks()
    columns = {name: pa.concat_arrays(table.column(name).chunks or [pa.array([], kind)])
               for name, kind in zip(STORED.names, STORED.types, strict=True)}  # fmt: skip
    kind = index_in(columns["owner_kind"], OWNERS)
    owner = np.full(len(table), -1, np.int32)
    for number in range(len(OWNERS)):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            owner[rows] = index_in(columns["owner"].take(pa.array(rows)), names.of_kind(number))
    item = index_in(columns["item"], names.items)
    bucket = names.owners.bucket_of(kind, owner)
    known = pa.array((bucket >= 0) & (item >= 0))
    new = {
        "owner_kind": pa.array(kind, pa.int8()), "owner_index": pa.array(owner, pa.int32()),
        "item_index": pa.array(item, pa.int32()),
        "since_day": columns["since"].view(pa.int32()),
        "until_day": columns["until"].view(pa.int32()),
        **{name: columns[name] for name in _AS_THEY_ARE},
    }  # fmt: skip
    batch = pa.RecordBatch.from_arrays([new[name] for name in schemas.STATE.names],
                                       schema=schemas.STATE)  # fmt: skip
    return batch.filter(known), table.filter(pc.invert(known))


def sort(state: pa.RecordBatch) -> pa.RecordBatch:
    """Slots in the order in which rating wants them."""
    order = np.lexsort([ints(state, name) for name in reversed(_KEY)])
    return state.take(pa.array(order))


@dataclass
class Slots:
    """The state of one run, from its files in the lake to those that take their place.

    held: the slots by bucket. unknown: by month, rows to be carried over. months: those in which
    something has changed; filled by several threads. late: records that came late.
    """

    names: StateNames
    reach: Reach
    held: Exchange
    late: Late
    files: list[LakeFile] = field(default_factory=list)
    unknown: dict[int, pa.Table] = field(default_factory=dict)
    months: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(
        cls, memory: MemoryTables, found: OwnerTables, folder: Path, late: Late
    ) -> Slots:
        """An empty one. memory: the items of the book; folder: for slots beyond memory."""
        items = memory.item_names
        return cls(
            StateNames.of(items, found, memory.item_counts),
            Reach.of(memory.tables.entries, len(items)),
            Exchange(schemas.STATE, BUCKET_COUNT, HELD_BYTES, folder), late,
        )  # fmt: skip

    def add(self, month: int, table: pa.Table) -> None:
        """Take in what the lake holds of a month."""
        batch, unknown = batch_of(table, self.names)
        bucket = self.names.owners.bucket_of(ints(batch, "owner_kind"), ints(batch, "owner_index"))
        self.held.add((month, 0), batch, bucket)
        if unknown.num_rows:
            self.unknown[month] = unknown

    def of_span(self, span: tuple[int, int]) -> pa.RecordBatch:
        """The slots of all owners of some buckets, sorted (schemas.STATE)."""
        return sort(self.held.collect(*span))

    def past(self, before: pa.RecordBatch, batch: pa.RecordBatch) -> Past:
        """What the stage rate wants to know of a span: its slots, and whose its rows are."""
        return Past(of_rows(batch, self.names.owners), State.of(before))

    def write(self, part: Part, past: Past, rated: StageResult) -> None:
        """Write a span's slots, month by month, as they are after its rows were rated, and note
        the months that have changed, and records that were late. Raises NotClosed if the balances
        are not less by what the records took."""
        before, after = past.state.batch(), rated.state.batch()
        self.check(before, after, rated.batch)
        self.late.look(before, past.owners, rated.batch)
        old = dict(self.by_month(before))
        for month, rows in self.by_month(after):
            part.write_state(month, table_of(rows, self.names))
            if month not in old or not old[month].equals(rows):
                with self._lock:
                    self.months.add(month)

    def check(self, before: pa.RecordBatch, after: pa.RecordBatch, rated: pa.RecordBatch) -> None:
        """Control total: what slots have more of ``used`` is what the rows say that they took."""
        item, _, _, taken = rated.column("used").flatten().flatten()
        of_slots = item.to_numpy() < len(self.names.items)  # behind them: discounts
        by_rows = money.exact_sum(taken.to_numpy()[of_slots])
        by_slots = money.exact_sum(ints(after, "used")) - money.exact_sum(ints(before, "used"))
        if by_rows != by_slots:
            raise totals.not_closed([
                f"balances: {by_slots} were used by the state, {by_rows} by the records",
            ])

    def by_month(self, state: pa.RecordBatch) -> list[tuple[int, pa.RecordBatch]]:
        if state.num_rows == 0:
            return []
        month = self.reach.month_of(ints(state, "item_index"), ints(state, "since_day"))
        return [
            (int(value), state.filter(pa.array(month == value))) for value in np.unique(month)
        ]

    def finish(self, target: Target, files: Sequence[LakeFile]) -> tuple[list[LakeFile], list[str]]:
        """The run's files without the state of months in which nothing has changed (it stays where
        it was), with what is carried over; and the paths of the files that are superseded."""
        kept = []
        for one in files:
            if one.dataset == DATASET and one.period not in self.months:
                path = lake.pending_path(target.root / one.path)
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
            else:
                kept.append(one)
        for month in sorted(self.months & set(self.unknown)):
            kept.append(write_rows(
                target.root, target.prefix, target.run_number, month, self.unknown[month]
            ))  # fmt: skip
        return kept, [one.path for one in self.files if one.period in self.months]


def write_rows(
    root: Path, prefix: str, run_number: int, month: int, rows: pa.Table
) -> LakeFile:  # fmt: skip
    """A file (pending) of slots as rows of the lake: those whose owners or items are not known
    today, or a whole month that no rating has to do with. prefix: as in ``parts.Target``."""
    path = lake.relative_path(DATASET, lake.period_folder(DATASET, month), run_number, "part-0000")
    writer = lake.Writer(root, f"{prefix}/{path}", run_number, DATASET, month)
    order = [("owner_kind", "ascending"), ("owner", "ascending"), ("item", "ascending"),
             ("since", "ascending")]  # fmt: skip
    words = ("owner_kind", "owner", "item", "counts")
    rows = rows.sort_by(order).combine_chunks()
    writer.write(pa.table({
        name: rows.column(name).dictionary_encode() if name in words else rows.column(name)
        for name in rows.schema.names
    }).combine_chunks())  # fmt: skip
    return writer.close()
