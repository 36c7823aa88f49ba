"""The stage pair: the two legs of a forwarded call find each other.

A customer who forwards calls gives two records: the incoming leg of the call, and the leg on which
it went on. Switches do not always write into the second who called; the first one tells.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.reference import Reference
from tollbook import codes, schemas
from tollbook.stage import StageResult, ints, with_columns

_FAR: Final = np.iinfo(np.int64).max
_SPOKEN: Final = (codes.VOICE, codes.VIDEO)


def pair(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.USAGE``, all of a customer's in one batch: legs of one call are flagged.

    A forwarded leg (direction forward) and an incoming one belong together if they are sound, of
    one served number and one service, start at most ``mediation: pair_forwarded`` apart, and the
    caller is the same as far as both know it. Those nearest in time find each other first; each
    leg belongs to at most one other. Both get ``FLAG_PAIRED``; a forwarded leg without a third
    number gets that of the caller. totals: paired, the calls.
    """
    limit_s = reference.pair_forwarded_s
    if limit_s is None:
        return StageResult(batch)
    schemas.check(batch, schemas.USAGE, "pair")
    direction = ints(batch, "direction")
    good = (ints(batch, "reason") == 0) & np.isin(ints(batch, "service"), _SPOKEN)
    forwarded = np.flatnonzero(good & (direction == codes.FORWARD))
    if not len(forwarded):
        return StageResult(batch, totals={"paired": 0})
    served = ints(batch, "served_e164")
    incoming = np.flatnonzero(good & (direction == codes.IN))
    incoming = incoming[np.isin(served[incoming], served[forwarded])]
    legs = _find(batch, forwarded, incoming, limit_s)
    return StageResult(_joined(batch, *legs), totals={"paired": len(legs[0])})


def _find(
    batch: pa.RecordBatch, forwarded: np.ndarray, incoming: np.ndarray, limit_s: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of forwarded legs, and beside each the row of its incoming leg.

    Legs that name the same caller first; then legs of which one does not name any.
    """
    third, other = ints(batch, "third_e164"), ints(batch, "other_e164")
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for knows, hidden in ((True, False), (False, False), (True, True)):
        ours = forwarded[(third[forwarded] != 0) == knows]
        theirs = incoming[(other[incoming] == 0)] if hidden else incoming
        for before in found:
            ours, theirs = np.setdiff1d(ours, before[0]), np.setdiff1d(theirs, before[1])
        caller = (third[ours], other[theirs]) if knows and not hidden else (
            np.zeros(len(ours), np.int64), np.zeros(len(theirs), np.int64))  # fmt: skip
        found.append(_nearest(batch, (ours, theirs), np.concatenate(caller), limit_s))
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


def _nearest(
    batch: pa.RecordBatch, legs: tuple[np.ndarray, np.ndarray], caller: np.ndarray, limit_s: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of one group (served number, service, caller), the nearest in time first.

    What is nearest of all lies side by side in the order of time, so does every pair that is nearer
    than the pairs on both sides of it; these are taken at once, and then looked for again among
    what is left.
    """
    rows = np.concatenate(legs)
    is_forwarded = np.arange(len(rows)) < len(legs[0])
    start, ids = ints(batch, "start_utc_s")[rows], ints(batch, "record_id")[rows]
    # The bucket, so that it does not matter which buckets lie together in a batch.
    groups = (*(ints(batch, name)[rows] for name in ("served_e164", "service", "bucket")), caller)
    left = np.lexsort((ids, start, *groups))
    found = [np.zeros((2, 0), np.int64)]
    while True:
        one, two = left[:-1], left[1:]
        fits = is_forwarded[one] != is_forwarded[two]
        for column in groups:
            fits &= column[one] == column[two]
        apart = start[two] - start[one]
        apart[~fits | (apart > limit_s)] = _FAR
        before, after = np.append(_FAR, apart[:-1]), np.append(apart[1:], _FAR)
        taken = np.flatnonzero((apart < before) & (apart <= after) & (apart < _FAR))
        if not len(taken):
            pairs = np.concatenate(found, axis=1)
            return rows[pairs[0]], rows[pairs[1]]
        pair_of = np.vstack((one[taken], two[taken]))
        found.append(np.where(is_forwarded[pair_of[0]], pair_of, pair_of[::-1]))
        left = np.delete(left, np.concatenate((taken, taken + 1)))


def _joined(
    batch: pa.RecordBatch, forwarded: np.ndarray, incoming: np.ndarray
) -> pa.RecordBatch:
    """The rows with what their other legs know."""
    if not len(forwarded):
        return batch
    flags = ints(batch, "flags").copy()
    flags[forwarded] |= codes.FLAG_PAIRED
    flags[incoming] |= codes.FLAG_PAIRED
    new: dict[str, np.ndarray | pa.Array] = {"flags": flags}
    texts = batch.column("third_raw")
    empty = pc.equal(texts.take(pa.array(forwarded)), "").to_numpy(zero_copy_only=False)
    if empty.any():
        source = np.arange(batch.num_rows)
        source[forwarded[empty]] = incoming[empty]
        is_taken = pa.array(source != np.arange(batch.num_rows))
        given = batch.column("other_raw").take(pa.array(source))
        new["third_raw"] = pc.if_else(is_taken, given, texts)
        third = ints(batch, "third_e164").copy()
        third[forwarded[empty]] = ints(batch, "other_e164")[incoming[empty]]
        new["third_e164"] = third
    return with_columns(batch, batch.schema, new)
