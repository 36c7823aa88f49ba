"""Which suspended records a retry takes: those for which anything changed since their last try.

What decides about a record lies in the snapshot of the run that judged it; with the same snapshot
it would only fail again. Time alone cures one reason: a start that was in the future.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import codes, reasons
from tollbook.run import moves, snapshots
from tollbook.run.catalogue import LakeFile
from tollbook.run.session import Session

TRIES_MAX: Final = 9
# What a retry would do with a record: take it; leave it, because nothing changed since its last
# try, because it was tried too often, or because nothing but a correction can cure it.
STANDINGS: Final = ("ready", "unchanged", "tried_out", "needs_correction")
READY, UNCHANGED, TRIED_OUT, NEEDS_CORRECTION = range(4)


class Today:
    """What decides in a retry at a time. snapshot: its digest; of the working folders if empty."""

    def __init__(self, session: Session, as_of_utc_s: int, snapshot: str = "") -> None:
        self._session, self._as_of_utc_s, self._given = session, as_of_utc_s, snapshot

    @cached_property
    def _snapshot(self) -> str:
        return self._given or snapshots.digest_of(self._session.root)

    @cached_property
    def _snapshots(self) -> dict[int, str]:
        return {run.run_number: run.snapshot for run in self._session.catalogue.runs()}

    def standing(self, file: LakeFile, table: pa.Table) -> np.ndarray:
        """Of each row of a suspense file, its place in ``STANDINGS`` (int64)."""
        judge = moves.judge_of(file)
        if judge == 0 or self._snapshots.get(judge) != self._snapshot:
            changed = np.ones(table.num_rows, bool)
        else:
            is_early = pc.equal(table.column("reason"), "start_in_future").to_numpy()
            changed = is_early & (table.column("start_utc_s").to_numpy() <= self._as_of_utc_s)
        found: np.ndarray = np.select(
            [~curable(table), table.column("tries").to_numpy() >= TRIES_MAX, ~changed],
            [np.int64(NEEDS_CORRECTION), np.int64(TRIED_OUT), np.int64(UNCHANGED)],
            np.int64(READY),
        )
        return found


def curable(table: pa.Table) -> np.ndarray:
    """Rows that another try may cure (bool): those that a person corrected, and those whose reason
    may go away by itself (``Reason.retryable``)."""
    names = pa.array([reason.name for reason in reasons.REASONS if reason.retryable])
    is_curable = pc.is_in(table.column("reason"), value_set=names).to_numpy()
    found: np.ndarray = is_curable | (table.column("flags").to_numpy() & codes.FLAG_CORRECTED != 0)
    return found
