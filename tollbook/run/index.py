"""The duplicate index: which records came before, by the UTC day on which they started.

Each run appends to the days that it touches (``lake/duplicates/<day>/run-<n>/``): files of
ascending ranges of hashes, sorted by hash. A night reads only the days that its own records come
near, of those only the row groups whose hashes fall into the range that it is working on, and keeps
of those only the rows of numbers and hours that its own records have: memory does not grow with the
history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rating.duplicate_kernels import OWNER_SHIFT
from tollbook import schemas
from tollbook.clock import DAY_S
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.parts import Target
from tollbook.run.withdrawn import Withdrawn
from tollbook.stage import ints

DATASET: Final = "duplicates"
_HASH_BITS: Final = 63  # hashes are non-negative int64
_ROWS_A_GROUP: Final = 131_072
HOUR_S: Final = 3600
HOURS: Final = 24
_OWNERS: Final = 1 << 20


@dataclass(frozen=True)
class Reach:
    """How near the history is to a new record: starts at most ``reach_s`` away from its own.

    Records that start before ``start_min_utc_s`` only have equal ones, which start with them.
    """

    reach_s: int = 0
    start_min_utc_s: int = 0

    def days(self, of_new: Sequence[int]) -> list[int]:
        """The days that records of these days come near, ascending."""
        more = -(-self.reach_s // DAY_S)
        oldest = self.start_min_utc_s // DAY_S
        around = {
            day + step for day in of_new if day >= oldest for step in range(-more, more + 1)
        }
        return sorted(around | set(of_new))


@dataclass(frozen=True)
class _Near:
    """Which rows of a day's index are needed: those of these hours, and of numbers that may be
    among the new ones (a table of the lowest bits of their hashes)."""

    hours: np.ndarray
    owners: np.ndarray

    @classmethod
    def of(cls, new: pa.RecordBatch, day: int, reach: Reach) -> _Near:
        start = ints(new, "start_utc_s")
        reach_s = np.where(start >= reach.start_min_utc_s, reach.reach_s, 0)
        first = (start - reach_s) // HOUR_S - day * HOURS
        last = (start + reach_s) // HOUR_S - day * HOURS
        inside = np.flatnonzero((last >= 0) & (first < HOURS))
        steps = np.bincount(np.maximum(first[inside], 0), minlength=HOURS + 1)
        steps -= np.bincount(np.minimum(last[inside] + 1, HOURS), minlength=HOURS + 1)
        owners = np.zeros(_OWNERS, np.bool_)
        owners[_owner(ints(new, "dedupe_hash")[inside])] = True
        return cls(np.cumsum(steps)[:HOURS] > 0, owners)

    def rows(self, table: pa.Table, low: int, high: int) -> np.ndarray:
        """Which rows of a table of that day are needed, of hashes from low to below high."""
        hashes = table.column("dedupe_hash").to_numpy()
        hour = table.column("start_utc_s").to_numpy() // HOUR_S % HOURS
        inside = (hashes >= low) & (hashes <= high - 1)
        return np.flatnonzero(inside & self.hours[hour] & self.owners[_owner(hashes)])


def _owner(hashes: np.ndarray) -> np.ndarray:
    """A place in a table for the number whose record it is."""
    places: np.ndarray = (hashes >> OWNER_SHIFT) & (_OWNERS - 1)
    return places


@dataclass(frozen=True)
class Index:
    """The index files in force, by day.

    heads: what is known of files that were opened. withdrawn: records whose keys no longer count.
    """

    root: Path
    by_day: dict[int, list[LakeFile]]
    reach: Reach = Reach()
    heads: dict[str, pq.FileMetaData] = field(default_factory=dict)
    withdrawn: Withdrawn | None = None

    @classmethod
    def of(
        cls, root: Path, files: Sequence[LakeFile], reach: Reach,
        withdrawn: Withdrawn | None = None,
    ) -> Index:  # fmt: skip
        by_day: dict[int, list[LakeFile]] = defaultdict(list)
        for file in files:
            by_day[file.period].append(file)
        return cls(root, dict(by_day), reach, withdrawn=withdrawn)

    @property
    def rows(self) -> int:
        """Keys of all these days."""
        return sum(file.rows for files in self.by_day.values() for file in files)

    def read(
        self, new: pa.RecordBatch, group: tuple[int, int], partitions: int
    ) -> pa.RecordBatch | None:
        """Known keys near those of ``new`` within a range of partitions, sorted by hash."""
        if new.num_rows == 0 or not self.by_day:
            return None
        width = 1 << (_HASH_BITS - partitions.bit_length() + 1)
        low, high = group[0] * width, group[1] * width
        tables: list[pa.Table] = []
        for day in self.reach.days(np.unique(ints(new, "start_day")).tolist()):
            files = self.by_day.get(day, ())
            if files:
                near = _Near.of(new, day, self.reach)
                for file in files:
                    tables += self._needed(file, near, low, high)
        if not tables:
            return None
        whole = pa.concat_tables(tables).combine_chunks()
        order = np.argsort(whole.column("dedupe_hash").to_numpy(), kind="stable")
        return whole.take(pa.array(order)).combine_chunks().to_batches()[0]

    def _needed(
        self, file: LakeFile, near: _Near, low: int, high: int
    ) -> Iterator[pa.Table]:
        """The rows of a file that are needed, from the row groups that may hold them."""
        path = str(self.root / file.path)
        head = self.heads.get(path)
        if head is None:
            head = self.heads[path] = pq.read_metadata(path)
        wanted = [
            number for number in range(head.num_row_groups)
            if _overlaps(head.row_group(number), low, high)
        ]  # fmt: skip
        if not wanted:
            return
        with pq.ParquetFile(path, metadata=head) as source:
            for number in wanted:
                table = source.read_row_group(number, use_threads=False)
                if self.withdrawn is not None:
                    table = self.withdrawn.kept(table)
                rows = near.rows(table, low, high)
                if len(rows):
                    yield table.take(pa.array(rows)).cast(schemas.DUPLICATE_KEY)


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
                self.target.root, f"{self.target.prefix}/{path}", number, DATASET, day,
                self.target.disk.force,
            )
        return self._writers[day]

    def close(self) -> list[LakeFile]:
        return [self._writers[day].close() for day in sorted(self._writers)]
