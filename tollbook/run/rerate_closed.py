"""Files of closed months: they stay as they were billed, and what is due otherwise is written down.

Money as ``differences``, which the open month bills; what records would have taken of balances as
``use_differences``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tollbook.run import differences, lake, row_changes, use_differences
from tollbook.run.catalogue import LakeFile
from tollbook.run.rerate_found import FIXED, Found, count
from tollbook.run.rerate_memory import Remembered
from tollbook.run.rerate_work import Rerating
from tollbook.stage import ints


@dataclass
class Uses:
    """What records of one file take otherwise than the lake knows (``use_differences``)."""

    remembered: Remembered | None
    file: LakeFile
    pieces: list[pa.Table] = field(default_factory=list)

    def find(self, old: pa.Table, new: pa.Table) -> pa.Table:
        """What rows of ``rated`` take otherwise once they are rated again."""
        if self.remembered is None:
            return use_differences.NOTHING
        known = self.remembered.booked.of(old.column("record_id").to_numpy())
        before = [use_differences.of_rated(old, self.remembered.was.of(self.file)), known]
        return use_differences.find(before, use_differences.of_rated(new, self.remembered.now))

    def stay(self, found: pa.Table) -> None:
        """Differences (``find``) of rows that stay."""
        if found.num_rows:
            self.pieces.append(found)

    def go(self, record_ids: np.ndarray) -> None:
        """Records whose rows are replaced: these say themselves what they take."""
        if self.remembered is not None:
            known = self.remembered.booked.of(record_ids)
            self.stay(use_differences.find([known], use_differences.NOTHING))

    def write(self, work: Rerating, number: int) -> list[LakeFile]:
        """As a lake file of the run (pending); none if nothing differs."""
        if not self.pieces:
            return []
        month = self.file.period
        return [use_differences.write(work.session, work.run, month, number, self.pieces)]


def compare(work: Rerating, number: int, file: LakeFile) -> Found:
    """Rates the rows in scope again, and writes what differs."""
    found, pieces, uses = Found(), [], Uses(work.remembered, file)
    assert work.booked is not None
    made = work.made_of(number)
    for rows in work.groups(file, made):
        batch, _ = work.rated_again(rows, made, with_legs=False)
        old, new = lake.amounts_to_micro(rows), work.as_stored(batch)
        ids, reason = ints(batch, "record_id"), ints(batch, "reason")
        unrated = reason != 0
        count(found.figures, reason, unrated)
        found.figures.records += len(ids)
        work.flow.progress.advance(len(ids))
        other = row_changes.changed(old, new, FIXED) | work.booked.is_in(ids)
        rows_of = pa.array(other & ~unrated)
        due = differences.find(
            old.filter(rows_of), new.filter(rows_of), work.classes,
            work.booked.of(ids[other & ~unrated]),
        )  # fmt: skip
        found.figures.changed += len(np.unique(due.column("record_id").to_numpy()))
        found.figures.add(due)
        pieces += [due] if due.num_rows else []
        uses.stay(uses.find(old, new))
    if work.writes:
        if pieces:
            found.files.append(
                differences.write(work.session, work.run, file.period, number, pieces)
            )
        found.files += uses.write(work, number)
    return found
