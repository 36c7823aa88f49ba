"""Which records are rated again under a book that remembers, and what they had used until then.

A scope names records; what one takes changes what is left for all of its pool. So the scope closes
over the pools of the accounts concerned, from its month on: those that stored records name, and
those to which these records belong today. The records, guided, and their uses of balances wait by
bucket in exchanges, so memory grows with neither.
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

from tariffs.memory_model import OWNERS
from tollbook import schemas
from tollbook.columns import index_in
from tollbook.run import rewriting, suspended, use_differences
from tollbook.run.audit_state import OWNER_COLUMNS
from tollbook.run.catalogue import LakeFile
from tollbook.run.exchange import Exchange
from tollbook.run.flow import BUCKETS, IMPLIED, Flow
from tollbook.run.item_owners import ItemOwners
from tollbook.run.pipeline import BY_NAME
from tollbook.run.pool import in_order
from tollbook.run.rerate_scope import Scope
from tollbook.run.session import Session
from tollbook.run.state import StateNames
from tollbook.run.undo_state import summed_by_day
from tollbook.run.use_differences import Booked
from tollbook.stage import int_array, ints, with_columns

_ROUND_BITS: Final = 20  # of a chunk's number, for row groups
_SLOT: Final = ("owner_kind", "owner", "item", "since")
ROWS: Final = pa.schema([
    *schemas.USAGE, pa.field("night", pa.int32()), pa.field("place", pa.int32()),
])  # fmt: skip
USES: Final = pa.schema([
    ("owner_kind", pa.int8()), ("owner_index", pa.int32()), ("item_index", pa.int32()),
    ("since_day", pa.int32()), ("day", pa.int32()), ("taken", pa.int64()),
])  # fmt: skip


@dataclass(frozen=True)
class Pools:
    """The pools of today, by the account that stands for each; the last stands for all owners that
    nobody knows today."""

    names: StateNames

    @property
    def count(self) -> int:
        return len(self.names.owners.accounts) + 1

    def of_slots(self, kind: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Of owners by their indices (int32)."""
        root = self.names.owners.root_of(kind, owner)
        return np.where(root < 0, self.count - 1, root)

    def of_owners(self, kind: int, ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Of owners by their ids (int32); words may be dictionaries."""
        whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        if not pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_encode()
        owner = index_in(whole.dictionary.cast(pa.string()), self.names.of_kind(kind))
        found = self.of_slots(np.full(len(owner), kind, np.int8), owner)
        pools: np.ndarray = np.append(found, np.int32(self.count - 1))[whole.indices.to_numpy()]
        return pools

    def of_stored(self, rows: pa.Table) -> np.ndarray:
        """Of the owners that rows of ``rated`` name: int32 [3, rows]; no group: the account's."""
        account = self.of_owners(OWNERS.index("account"), rows.column("account_id"))
        found = [account] * len(OWNERS)
        for kind, word in enumerate(OWNERS):
            name = OWNER_COLUMNS[word]
            if name in rows.column_names and word != "account":
                column = rows.column(name).cast(pa.string())
                has = pc.not_equal(column, "").to_numpy()
                found[kind] = np.where(has, self.of_owners(kind, column), account)
        return np.stack(found)


@dataclass
class Gathered:
    """concerned: bool by pool. rows: of ``ROWS``, uses: of ``USES``, by bucket of today. unknown:
    uses of what today's data do not know. kinds: whose their items were."""

    pools: Pools
    kinds: ItemOwners
    booked: Booked
    rows: Exchange
    uses: Exchange
    concerned: np.ndarray
    unknown: list[pa.Table] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    @property
    def is_whole(self) -> bool:
        return bool(self.concerned.all())

    def unknown_by_day(self) -> pa.Table:
        """Uses of what today's data do not know, summed up by slot and day."""
        whole = summed_by_day([use_differences.NOTHING, *self.unknown])
        return whole.filter(pc.not_equal(whole.column("taken"), 0))

    def add_uses(self, key: tuple[int, int], uses: pa.Table) -> None:
        """Take in uses (``use_differences.USES``)."""
        if not uses.num_rows:
            return
        names = self.pools.names
        whole = {name: pa.concat_arrays(uses.column(name).chunks) for name in uses.column_names}
        kind = index_in(whole["owner_kind"], OWNERS)
        owner = np.full(len(kind), -1, np.int32)
        for number in range(len(OWNERS)):
            of_kind = np.flatnonzero(kind == number)
            if len(of_kind):
                ids = whole["owner"].take(pa.array(of_kind)).dictionary_encode()
                found = index_in(ids.dictionary, names.of_kind(number))
                owner[of_kind] = found[ids.indices.to_numpy()]
        item = index_in(whole["item"], names.items)
        bucket = names.owners.bucket_of(kind, owner)
        is_known = (bucket >= 0) & (item >= 0)
        coded = pa.RecordBatch.from_arrays([
            int_array(kind.astype(np.int8)), int_array(owner), int_array(item),
            whole["since"].view(pa.int32()), whole["day"], whole["taken"],
        ], schema=USES)  # fmt: skip
        self.uses.add(key, coded, np.where(is_known, bucket, BUCKETS).astype(np.int16))
        if not is_known.all():
            left = summed_by_day([uses.filter(pa.array(~is_known))])
            with self._lock:
                self.unknown.append(left)

    def close(self) -> None:
        self.rows.close()
        self.uses.close()


def gather(
    session: Session, flow: Flow, files: Sequence[LakeFile], period: int, scope: Scope,
    released: np.ndarray,
) -> Gathered:  # fmt: skip
    """All records that a scope of a month concerns. files: of ``rated``, from that month on; rows
    name them by their place among these, from 1 on."""
    assert flow.slots is not None
    pools, folder = Pools(flow.slots.names), Path(flow.spill_folder)
    found = Gathered(
        pools, ItemOwners(session), Booked.since(session, period),
        Exchange(ROWS, BUCKETS, flow.memory_bytes // 2, folder, IMPLIED),
        Exchange(USES, BUCKETS, flow.memory_bytes // 8, folder),
        np.zeros(pools.count, np.bool_),
    )  # fmt: skip
    wanted = np.full(pools.count, scope == Scope())
    if scope != Scope():
        of_month = [file for file in files if file.period == period]
        for named in in_order(
            flow.threads, lambda file: _named(session, file, scope, released, pools), of_month
        ):
            wanted |= named
    rounds = 0
    while (wanted & ~found.concerned).any():
        one = _Round(session, flow, found, wanted & ~found.concerned, rounds)
        session.progress.start("guide", len(files))
        for reached in in_order(flow.threads, one.gather, enumerate(files, start=1)):
            wanted = wanted | reached
            session.progress.advance(1)
        found.concerned |= one.fresh
        rounds += 1
    return found


def _named(
    session: Session, file: LakeFile, scope: Scope, released: np.ndarray, pools: Pools
) -> np.ndarray:
    """The pools (bool) of the records of a file that a scope names."""
    found = np.zeros(pools.count, np.bool_)
    for rows in rewriting.groups(session.root, file):
        chosen = scope.mask(rows, released)
        if chosen.any():
            found[pools.of_stored(rows.filter(pa.array(chosen)))] = True
    return found


@dataclass(frozen=True)
class _Round:
    """Records of pools that are newly concerned (``fresh``), brought to their buckets."""

    session: Session
    flow: Flow
    found: Gathered
    fresh: np.ndarray
    number: int

    def gather(self, item: tuple[int, LakeFile]) -> np.ndarray:
        """Those of a file; returns the pools (bool) that they belong to, or used balances of."""
        place, file = item
        reached = np.zeros_like(self.fresh)
        groups = rewriting.chosen_groups(
            self.session.root, file, ("record_id", *OWNER_COLUMNS.values()),
            None if self.fresh.all() else lambda keys: bool(self._is_in(keys)[0].any()),
        )
        for group, rows in enumerate(groups):
            if not self.fresh.all():
                inside, pools = self._is_in(rows)
                rows = rows.filter(pa.array(inside))
                reached[pools[:, inside]] = True
            self._add((place, self.number << _ROUND_BITS | group), file, rows, reached)
        return reached

    def _is_in(self, rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Which rows (bool) are newly concerned; and the pools of all."""
        found, ids = self.found, rows.column("record_id").to_numpy()
        pools = found.pools.of_stored(rows)
        is_fresh = self.fresh[pools].any(axis=0)
        is_done = found.concerned[pools].any(axis=0)
        corrected = found.booked.of(ids)
        if corrected.num_rows:  # whose balances they use is not what the rows say any more
            of_slots = self._pools_of(corrected)
            order = np.argsort(ids, kind="stable")
            row = order[np.searchsorted(ids[order], corrected.column("record_id").to_numpy())]
            np.logical_or.at(is_fresh, row, self.fresh[of_slots])
            np.logical_or.at(is_done, row, found.concerned[of_slots])
        return is_fresh & ~is_done, pools

    def _pools_of(self, uses: pa.Table) -> np.ndarray:
        """The pools of slots (``use_differences.USES``)."""
        pools = np.full(uses.num_rows, self.found.pools.count - 1, np.int32)
        for kind, word in enumerate(OWNERS):
            rows = np.flatnonzero(pc.equal(uses.column("owner_kind"), word).to_numpy())
            if len(rows):
                ids = uses.column("owner").take(pa.array(rows))
                pools[rows] = self.found.pools.of_owners(kind, ids)
        return pools

    def _add(
        self, key: tuple[int, int], file: LakeFile, rows: pa.Table, reached: np.ndarray
    ) -> None:
        found, count = self.found, rows.num_rows
        ids = rows.column("record_id").to_numpy()
        corrected = found.booked.of(ids)
        if corrected.num_rows:
            reached[self._pools_of(corrected)] = True
        found.add_uses(key, pa.concat_tables([
            use_differences.of_rated(rows, found.kinds.of(file)), corrected,
        ]))  # fmt: skip
        batch = suspended.cdr_batch(rows, self.flow.reference.names.sources)
        for name in ("normalise", "guide"):
            batch = BY_NAME[name](batch, self.flow.reference, None).batch
        account = ints(batch, "account_index")
        reached[found.pools.names.owners.root_of_account[account[account >= 0]]] = True
        batch = with_columns(batch, ROWS, {
            "dedupe_hash": np.ascontiguousarray(rows.column("dedupe_hash").to_numpy()),
            "bill_period": np.full(count, file.period, np.int32),
            "night": np.full(count, rewriting.night_of(file), np.int32),
            "place": np.full(count, key[0], np.int32),
        })  # fmt: skip
        bucket = np.clip(ints(batch, "bucket"), 0, BUCKETS - 1).astype(np.int16)
        found.rows.add(key, batch, bucket)
