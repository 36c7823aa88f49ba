"""Records that an undo takes out of the lake: told from their ids, by everything that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tollbook.run.catalogue import Catalogue, Run

KIND: Final = "undo"
FILES: Final = "files"  # in the arguments of a plan: the numbers of the files that are withdrawn
_ROW_BITS: Final = 32  # of a record id, below the number of its file


@dataclass(frozen=True)
class Withdrawn:
    """All records of ``files`` (int64, numbers of files), and single ones of other files.

    record_ids: int64. Both ascending.
    """

    files: np.ndarray
    record_ids: np.ndarray

    def mask(self, record_ids: np.ndarray) -> np.ndarray:
        """Which of these records (int64 ids) are withdrawn; bool."""
        found: np.ndarray = np.isin(record_ids >> _ROW_BITS, self.files)
        if len(self.record_ids):
            found |= np.isin(record_ids, self.record_ids)
        return found

    def kept(self, table: pa.Table) -> pa.Table:
        """The rows of a table that are not withdrawn; the table itself where none is."""
        mask = self.mask(table.column("record_id").to_numpy())
        return table.filter(pa.array(~mask)) if mask.any() else table

    def may_hold(self, head: pq.FileMetaData) -> bool:
        """Whether a lake file may hold a withdrawn record, by the statistics of its row groups."""
        numbers = np.union1d(self.files, self.record_ids >> _ROW_BITS)
        leaf = next(at for at in range(head.num_columns)
                    if head.schema.column(at).path == "record_id")  # fmt: skip
        for group in range(head.num_row_groups):
            statistics = head.row_group(group).column(leaf).statistics
            if statistics is None:
                return True
            low = np.searchsorted(numbers, statistics.min >> _ROW_BITS)
            if low < len(numbers) and numbers[low] <= statistics.max >> _ROW_BITS:
                return True
        return False


def by_file(catalogue: Catalogue) -> dict[int, Run]:
    """File number -> the run that has withdrawn it, or is about to."""
    return {
        number: run for run in catalogue.runs(kind=KIND) for number in run.arguments[FILES]
    }
