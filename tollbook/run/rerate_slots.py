"""The balances of a re-rating: what its records had used given back, and the months that differ.

Balances of owners that the scope does not concern pass through as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import pyarrow as pa

from tollbook import schemas
from tollbook.run import lake, state
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.rerate_pools import Gathered
from tollbook.run.session import Session
from tollbook.run.state import Slots
from tollbook.run.state_reach import month_of_day
from tollbook.run.totals import not_closed
from tollbook.run.undo_state import GivenBack, plain
from tollbook.stage import ints, with_columns

_Before = tuple[pa.RecordBatch, pa.RecordBatch, pa.RecordBatch]
_KEY = ("owner_kind", "owner_index", "item_index", "since_day")


@dataclass
class Balances:
    """The slots of a re-rating. months: of the state that are others than before; filled by several
    threads. after: the slots of each span as they are then."""

    slots: Slots
    gathered: Gathered
    months: set[int] = field(default_factory=set)
    after: list[pa.RecordBatch] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def read(cls, session: Session, slots: Slots, gathered: Gathered) -> Balances:
        """Brings the months that the records reach, or have used, to the buckets of the owners."""
        found, rows = cls(slots, gathered), gathered.rows
        of_records = {
            month for name in ("usage_period", "bill_period") for month in rows.distinct(name)
        } - {0}
        files = session.catalogue.lake_files(state.DATASET)
        stored = sorted({one.period for one in files})
        months = set(slots.reach.months(sorted(of_records), stored))
        unknown = gathered.unknown_by_day()
        used = np.array(gathered.uses.distinct("since_day"), np.int64)
        used = np.append(used, unknown.column("since").cast(pa.int32()).to_numpy())
        months |= set(np.unique(month_of_day(used)).tolist()) & set(stored)
        session.progress.start("balances", len(months))
        for month in sorted(months):
            of_month = [one for one in files if one.period == month]
            slots.files += of_month
            slots.add(month, lake.read_all(session.root, of_month))
            session.progress.advance(1)
        found._give_back_unknown(unknown)
        return found

    def _give_back_unknown(self, taken: pa.Table) -> None:
        """Uses of owners or items that today's data do not know."""
        stored = [
            plain(table).append_column("month", pa.array(np.full(len(table), month, np.int64)))
            for month, table in self.slots.unknown.items()
        ]
        given = GivenBack.of_taken(stored, taken)
        for month in sorted(given.months if given is not None else ()):
            assert given is not None
            self.slots.unknown[month] = given.less(self.slots.unknown[month])
            self.months.add(month)

    def before(self, span: tuple[int, int]) -> _Before:
        """The slots of a range of buckets (schemas.STATE): of the owners concerned, as they are and
        without what is given back; and those of all others."""
        held = self.slots.of_span(span)
        pool = self.gathered.pools.of_slots(ints(held, "owner_kind"), ints(held, "owner_index"))
        is_ours = self.gathered.concerned[pool]
        ours = held.filter(pa.array(is_ours))
        less = _less(ours, self.gathered.uses.collect(*span))
        return ours, less, held.filter(pa.array(~is_ours))

    def keep(self, before: pa.RecordBatch, after: pa.RecordBatch, others: pa.RecordBatch) -> None:
        """Take in the slots of a range of buckets. before, after: of the owners concerned."""
        old, new = (dict(self.slots.by_month(one)) for one in (before, after))
        different = {
            month for month in old.keys() | new.keys()
            if month not in old or month not in new or not old[month].equals(new[month])
        }
        with self._lock:
            self.months |= different
            self.after += [after, others]

    def write(self, session: Session, run: Run) -> tuple[list[LakeFile], list[str]]:
        """The months that differ, written anew (pending), and the files that held them."""
        if not self.months:
            return [], []
        whole, written = pa.concat_batches(self.after), []
        month = self.slots.reach.month_of(ints(whole, "item_index"), ints(whole, "since_day"))
        for period in sorted(self.months):
            rows = state.table_of(whole.filter(pa.array(month == period)), self.slots.names)
            rows = rows.select(state.STORED.names).cast(state.STORED)
            if period in self.slots.unknown:
                left = self.slots.unknown[period].select(state.STORED.names).cast(state.STORED)
                rows = pa.concat_tables([rows, left])
            if rows.num_rows:
                written.append(state.write_rows(
                    session.root, session.lake_prefix, run.run_number, period, rows
                ))  # fmt: skip
        return written, [one.path for one in self.slots.files if one.period in self.months]


def _less(held: pa.RecordBatch, uses: pa.RecordBatch) -> pa.RecordBatch:
    """Slots (sorted) without what is given back; of one that is used no more nothing is left."""
    if not uses.num_rows:
        return held
    slot = _slots_of(held, uses)
    uses, slot = uses.filter(pa.array(slot >= 0)), slot[slot >= 0]
    amount, count = ints(uses, "taken"), held.num_rows
    taken, carried = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(taken, slot, amount)
    is_later = ints(uses, "day") >= ints(held, "until_day")[slot]
    np.add.at(carried, slot[is_later], amount[is_later])
    used = ints(held, "used") - taken
    left = np.maximum(ints(held, "carried_used") - carried, 0)
    touched = np.zeros(count, np.bool_)
    touched[slot] = True
    new = with_columns(held, schemas.STATE, {"used": used, "carried_used": left})
    return new.filter(pa.array(~touched | (used > 0)))


def _slots_of(held: pa.RecordBatch, uses: pa.RecordBatch) -> np.ndarray:
    """The row of ``held`` that each use is of; int64, -1: of none, and was taken back since. Raises
    NotClosed if it was not."""
    code, size = np.zeros(held.num_rows + uses.num_rows, np.int64), 1
    for name in _KEY:
        both = np.concatenate([ints(held, name).astype(np.int64), ints(uses, name)])
        values, inverse = np.unique(both, return_inverse=True)
        code = code * len(values) + inverse.reshape(-1)
        distinct, code = np.unique(code, return_inverse=True)
        code, size = code.reshape(-1), len(distinct)
    row = np.full(size, -1, np.int64)
    row[code[: held.num_rows]] = np.arange(held.num_rows)
    of_use = code[held.num_rows :]
    in_all = np.zeros(size, np.int64)
    np.add.at(in_all, of_use, ints(uses, "taken"))
    missing = int(np.count_nonzero((row < 0) & (in_all != 0)))
    if missing:
        raise not_closed([f"balances that records had used are not in the state: {missing}"])
    found: np.ndarray = row[of_use]
    return found
