"""Duplicates: the same record delivered twice is recognised, whatever file or night it came in.

The keys of all records that take part (suspended ones too, so that a corrected customer cannot hide
one) are scattered into partitions by their hash, in which those of one served number lie together;
``decide`` then works on some partitions at once, with what earlier runs left in the index. A hash
never decides alone: the fields are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from rating import duplicate_kernels as kernels
from rating import overlaps
from rating.reference import Reference
from rating.tables import columns_of
from tollbook import reasons, schemas
from tollbook.codes import DISCARDED
from tollbook.stage import int_array, ints, with_columns

PARTITIONS: Final = 1 << kernels.PARTITION_BITS
_NARROW_DAYS: Final = 1 << 16
_LOW_BITS: Final = 16
_DISCARDED: Final = [reason.code for reason in reasons.REASONS if reason.disposition == DISCARDED]


@dataclass(frozen=True)
class Repeats:
    """Records that are not charged because another one is.

    ids: int64, ascending. first_ids: int64, beside each the record that stays in its place.
    reasons: int16, beside each why (``tollbook.reasons``).
    """

    ids: np.ndarray
    first_ids: np.ndarray
    reasons: np.ndarray

    def take(self, rows: np.ndarray) -> Repeats:
        return Repeats(self.ids[rows], self.first_ids[rows], self.reasons[rows])


NO_REPEATS: Final = Repeats(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int16))


def join(found: Sequence[Repeats]) -> Repeats:
    """Those of several ranges of hashes together."""
    ids = np.concatenate([one.ids for one in (NO_REPEATS, *found)])
    firsts = np.concatenate([one.first_ids for one in (NO_REPEATS, *found)])
    codes = np.concatenate([one.reasons for one in (NO_REPEATS, *found)])
    return Repeats(ids, firsts, codes).take(np.argsort(ids, kind="stable"))


@dataclass(frozen=True)
class Decided:
    """What came out of comparing new keys with each other and with the history.

    kept: ``schemas.DUPLICATE_KEY`` to append to the index, ascending by (start_day, dedupe_hash,
    record_id).
    """

    repeats: Repeats
    kept: pa.RecordBatch


def keys_of(batch: pa.RecordBatch, reference: Reference) -> pa.RecordBatch:
    """``schemas.USAGE`` -> ``schemas.DUPLICATE_KEY`` of the rows that take part, in their order."""
    schemas.check(batch, schemas.USAGE, "deduplicate")
    columns = columns_of(batch, kernels.KeyColumns)
    count = int(np.count_nonzero(columns.dedupe_hash))
    types = (field.type.to_pandas_dtype() for field in schemas.DUPLICATE_KEY)
    keys = kernels.Keys(*(np.empty(count, kind) for kind in types))
    kernels.write_keys(reference.key_fields, columns, keys)
    return pa.RecordBatch.from_arrays(
        [int_array(column) for column in keys], schema=schemas.DUPLICATE_KEY
    )


def partition_of(hashes: np.ndarray) -> np.ndarray:
    """Partition of each hash, 0 to PARTITIONS - 1: its top bits; int16."""
    partitions: np.ndarray = (hashes >> (kernels.HASH_BITS - kernels.PARTITION_BITS)).astype(
        np.int16
    )
    return partitions


def decide(
    new: pa.RecordBatch, history: pa.RecordBatch | None, reference: Reference
) -> Decided:
    """Which new records repeat one that came before.

    new: ``schemas.DUPLICATE_KEY`` in any order, all keys of a range of hashes. history: keys of
    the same hashes from earlier runs, ascending by hash; at least of the days that ``new`` touches.

    A record equal to one of the history is a duplicate of it, unless it is that very record,
    tried again. Among new records that are equal the one with the lowest id stays. The other kinds
    of duplicates (``rating.overlaps``) are looked for among what is left.
    """
    schemas.check(new, schemas.DUPLICATE_KEY, "deduplicate")
    if history is None:
        history = new.slice(0, 0)
    order, hashes = _sorted_by_hash(new)
    first_id = np.empty(new.num_rows, np.int64)
    keys, old = columns_of(new, kernels.Keys), columns_of(history, kernels.Keys)
    kernels.find_first(reference.key_fields, hashes, order, keys, old, first_id)
    again = np.flatnonzero(first_id >= 0)
    repeats = [_repeats(new, order[again], first_id[again], "record_duplicate")]
    stays = order[first_id == kernels.STAYS]
    searches, short = reference.searches, stays[:0]
    if searches.overlapping is not None:
        rows, firsts = overlaps.find_overlapping(new, stays, history, searches.overlapping)
        repeats.append(_repeats(new, rows, firsts, "record_overlaps"))
        stays = _without(stays, rows)
    if searches.ultra_short is not None:
        short, firsts = overlaps.find_ultra_short(new, stays, history, searches.ultra_short)
        repeats.append(_repeats(new, short, firsts, "record_ultra_short"))
    return Decided(join(repeats), _kept(new, stays, short))


def _repeats(new: pa.RecordBatch, rows: np.ndarray, firsts: np.ndarray, reason: str) -> Repeats:
    code = np.full(len(rows), reasons.CODE[reason], np.int16)
    return Repeats(ints(new, "record_id")[rows], firsts, code)


def _without(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Those of ``rows``, in their order, that are not among the others."""
    return rows[~np.isin(rows, others)] if len(others) else rows


def _kept(new: pa.RecordBatch, stays: np.ndarray, short: np.ndarray) -> pa.RecordBatch:
    """The rows that join the index (``stays``: in the order of hashes), by day.

    A very short call joins it although it is not charged: the run may go on another night.
    """
    day = ints(new, "start_day")[stays]
    if len(day) and int(day.max()) - int(day.min()) < _NARROW_DAYS:
        day = (day - day.min()).astype(np.uint16)  # sorted digit by digit, not by comparing
    rows = stays[np.argsort(day, kind="stable")]
    columns = [np.take(ints(new, name), rows, mode="clip") for name in new.schema.names]
    kept = pa.RecordBatch.from_arrays([int_array(one) for one in columns], schema=new.schema)
    if not len(short):
        return kept
    standing = ints(kept, "standing").copy()
    standing[np.isin(rows, short)] = kernels.SHORT
    return with_columns(kept, kept.schema, {"standing": standing})


def _sorted_by_hash(keys: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of (dedupe_hash, record_id), int32, and their hashes."""
    ids, hashes = ints(keys, "record_id"), ints(keys, "dedupe_hash")
    order = np.argsort(ids, kind="stable").astype(np.int32)
    hashes = hashes[order]
    kernels.sort_by_hash(
        hashes, order, np.empty_like(hashes), np.empty_like(order),
        np.empty(kernels.DIGIT_COUNT, np.int64),
    )  # fmt: skip
    return order, hashes


def mark(batch: pa.RecordBatch, repeats: Repeats) -> pa.RecordBatch:
    """Rows of ``schemas.USAGE`` with the reason for which they repeat another, where they do.

    The reason takes the place of a suspense reason, never of one for which a record is discarded.
    The batch itself is returned where nothing is to be marked.
    """
    if batch.num_rows == 0 or len(repeats.ids) == 0:
        return batch
    ids = ints(batch, "record_id")
    low, high = np.searchsorted(repeats.ids, [ids.min(), ids.max() + 1])
    near = repeats.ids[low:high]
    if len(near) == 0:
        return batch
    rows = _maybe_in(ids, near)
    place = np.minimum(np.searchsorted(near, ids[rows]), len(near) - 1)
    reason, field = ints(batch, "reason").copy(), ints(batch, "reason_field").copy()
    hit = (near[place] == ids[rows]) & ~np.isin(reason[rows], _DISCARDED)
    reason[rows[hit]] = repeats.reasons[low:high][place[hit]]
    field[rows[hit]] = -1
    new = {"reason": reason, "reason_field": field}
    return with_columns(batch, batch.schema, new)


def _maybe_in(ids: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Rows whose id may be among some: those that share its lowest bits with one of them."""
    seen = np.zeros(1 << _LOW_BITS, bool)
    mask = len(seen) - 1
    seen[some & mask] = True
    rows: np.ndarray = np.flatnonzero(seen[ids & mask])
    return rows
