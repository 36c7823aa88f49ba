"""The duplicate index: which records came before, by the UTC day on which they started.

Each run appends to the days that it touches (``lake/duplicates/<day>/run-<n>/``): files of
ascending ranges of hashes, sorted by hash. A night reads
only the days that its own records touch, and of those only the rows whose hashes fall into the
range that it is working on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tollbook import schemas
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.parts import Target
from tollbook.stage import ints

DATASET: Final = "duplicates"
_HASH_BITS: Final = 63  # hashes are non-negative int64
_ROWS_A_GROUP: Final = 131_072


@dataclass(frozen=True)
class Index:
    """The index files in force, by day."""

    root: Path
    by_day: dict[int, list[LakeFile]]

    @classmethod
    def of(cls, root: Path, files: Sequence[LakeFile]) -> Index:
        by_day: dict[int, list[LakeFile]] = defaultdict(list)
        for file in files:
            by_day[file.period].append(file)
        return cls(root, dict(by_day))

    def read(
        self, new: pa.RecordBatch, group: tuple[int, int], partitions: int
    ) -> pa.RecordBatch | None:
        """Known keys of the days of ``new`` within a range of partitions, sorted by hash."""
        if new.num_rows == 0:
            return None
        days = np.unique(ints(new, "start_day"))
        width = 1 << (_HASH_BITS - partitions.bit_length() + 1)
        low, high = group[0] * width, group[1] * width
        tables = [
            self._slice(file, low, high)
            for day in days.tolist() for file in self.by_day.get(day, ())
        ]  # fmt: skip
        tables = [table for table in tables if table.num_rows]
        if not tables:
            return None
        whole = pa.concat_tables(tables).combine_chunks()
        order = np.argsort(whole.column("dedupe_hash").to_numpy(), kind="stable")
        return whole.take(pa.array(order)).combine_chunks().to_batches()[0]

    def _slice(self, file: LakeFile, low: int, high: int) -> pa.Table:
        """Rows of a file whose hash lies in low..high-1: only the row groups that may hold them."""
        with pq.ParquetFile(str(self.root / file.path)) as source:
            wanted = [
                number for number in range(source.num_row_groups)
                if _overlaps(source.metadata.row_group(number), low, high)
            ]  # fmt: skip
            table = source.read_row_groups(wanted, use_threads=False)
        hashes = table.column("dedupe_hash")
        if low > 0 or high <= np.iinfo(np.int64).max:
            table = table.filter(pc.and_(
                pc.greater_equal(hashes, low), pc.less_equal(hashes, high - 1),
            ))  # fmt: skip
        return table.cast(schemas.DUPLICATE_KEY)


def _overlaps(group: pq.RowGroupMetaData, low: int, high: int) -> bool:
    position = schemas.DUPLICATE_KEY.get_field_index("dedupe_hash")
    statistics = group.column(position).statistics
    return statistics is None or (statistics.min < high and statistics.max >= low)


@dataclass
class Writer:
    """Writes one range of the run's keys: a file a day, rows ascending by hash."""

    target: Target
    number: int
    _writers: dict[int, lake.Writer] = field(default_factory=dict)

    def write(self, kept: pa.RecordBatch) -> None:
        """Append keys sorted by (day, hash, record id); calls come in ascending order of hash."""
        if kept.num_rows == 0:
            return
        day = ints(kept, "start_day")
        edges = np.concatenate(([0], np.flatnonzero(np.diff(day)) + 1, [len(day)]))
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            writer = self._writer(int(day[low]))
            for at in range(low, high, _ROWS_A_GROUP):
                writer.write(kept.slice(at, min(_ROWS_A_GROUP, high - at)))

    def _writer(self, day: int) -> lake.Writer:
        if day not in self._writers:
            number = self.target.run_number
            folder, name = lake.period_folder(DATASET, day), f"keys-{self.number:04d}"
            path = lake.relative_path(DATASET, folder, number, name)
            self._writers[day] = lake.Writer(
                self.target.root, f"{self.target.prefix}/{path}", number, DATASET, day
            )
        return self._writers[day]

    def close(self) -> list[LakeFile]:
        return [self._writers[day].close() for day in sorted(self._writers)]
