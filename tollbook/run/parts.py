"""The write stage: a part of the night's buckets becomes lake files.

A part is a fixed run of bucket ranges, each of which becomes one row group; which rows go into
which part depends on the rows alone, never on threads. A part is written by one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from tollbook import codes, reasons, schemas
from tollbook.money import exact_sum
from tollbook.run import lake, lake_columns
from tollbook.run.catalogue import LakeFile
from tollbook.run.exchange import take
from tollbook.run.lake_columns import Names
from tollbook.run.pool import Behind
from tollbook.run.totals import Tally
from tollbook.stage import ints

OTHERS_A_GROUP = 65_536  # rows with a reason that are held before they are written


@dataclass(frozen=True)
class Target:
    """Where a run writes.

    prefix: the lake's folder as written in the catalogue. earlier: of records that are retried,
    how often, this time included, and when they were first suspended. disk: forces files to it.
    """

    root: Path
    prefix: str
    run_number: int
    as_of_utc_s: int
    names: Names
    own_carrier: str
    disk: Behind = field(default_factory=Behind)
    earlier: dict[int, tuple[int, int]] = field(default_factory=dict)

    def waited(self, record_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How often records were retried (int8), and since when they wait (int64)."""
        tries = np.zeros(len(record_ids), np.int8)
        since_utc_s = np.full(len(record_ids), self.as_of_utc_s, np.int64)
        if self.earlier:
            for row, record in enumerate(record_ids.tolist()):
                tries[row], since_utc_s[row] = self.earlier.get(record, (0, self.as_of_utc_s))
        return tries, since_utc_s


@dataclass
class Written:
    """What a part has written, and its money counted two ways."""

    files: list[LakeFile] = field(default_factory=list)
    component_micro: int = 0  # sum over the component columns
    ratings_micro: int = 0  # the same of further ratings


@dataclass(frozen=True)
class Others:
    """Rows that have a reason (schemas.USAGE or more).

    first_ids: int64, for duplicates the record that came first, else 0. rejected: bytes of rows
    that could not be decoded (schemas.REJECTED).
    """

    batch: pa.RecordBatch
    first_ids: np.ndarray
    rejected: pa.RecordBatch | None = None


def join(parts: list[Others]) -> Others:
    """The rows of several pieces, in their order."""
    if len(parts) == 1:
        return parts[0]
    names = schemas.USAGE.names
    batches = [one.batch.select(names) for one in parts]
    rejected = [one.rejected for one in parts if one.rejected is not None]
    return Others(
        pa.concat_batches(batches),
        np.concatenate([one.first_ids for one in parts]),
        pa.concat_batches(rejected) if rejected else None,
    )  # fmt: skip


class Part:
    """The lake files of one part, opened when their first row comes."""

    def __init__(self, target: Target, number: int, tally: Tally, stem: str = "part") -> None:
        """stem, number: of the names of its files."""
        self._target, self._tally, self._name = target, tally, f"{stem}-{number:04d}"
        self._writers: dict[tuple[str, int], lake.Writer] = {}
        self._others: list[Others] = []
        self.written = Written()

    def close(self) -> Written:
        if self._others:
            self._write_others(join(self._others))
        for key in sorted(self._writers):
            self.written.files.append(self._writers[key].close())
        return self.written

    def _write(self, dataset: str, period: int, table: pa.Table) -> None:
        writer = self._writers.get((dataset, period))
        if writer is None:
            path = lake.relative_path(
                dataset, lake.period_folder(dataset, period), self._target.run_number,
                self._name,
            )  # fmt: skip
            writer = self._writers[dataset, period] = lake.Writer(
                self._target.root, f"{self._target.prefix}/{path}", self._target.run_number,
                dataset, period, self._target.disk.force,
            )  # fmt: skip
        writer.write(table)

    def write_rated(self, batch: pa.RecordBatch) -> None:
        """Rated rows, one row group for each bill period."""
        names = self._target.names
        for period, rows in by_month(batch, "bill_period"):
            self._write("rated", period, lake_columns.rated_table(rows, names))
        for slot in range(len(names.components)):
            column = ints(batch, schemas.CHARGE_COLUMNS[slot])
            self.written.component_micro += exact_sum(column)
        self._tally.add(batch)

    def write_legs(self, legs: pa.RecordBatch) -> None:
        names, own = self._target.names, self._target.own_carrier
        for period, rows in by_month(legs, "settle_period"):
            self._write("legs", period, lake_columns.legs_table(rows, names, own))

    def write_ratings(self, ratings: pa.RecordBatch) -> None:
        names = self._target.names
        for period, rows in by_month(ratings, "usage_period"):
            self._write("ratings", period, lake_columns.ratings_table(rows, names))
        for slot in range(len(names.components)):
            column = ints(ratings, schemas.CHARGE_COLUMNS[slot])
            self.written.ratings_micro += exact_sum(column)

    def write_state(self, month: int, slots: pa.Table) -> None:
        """Slots of owners in the month in which they are kept, as the lake has them."""
        self._write("state", month, slots)

    def write_pending(
        self, batch: pa.RecordBatch, call_ids: np.ndarray, due_utc_s: np.ndarray
    ) -> None:
        """Parts of calls that wait (schemas.USAGE); beside them their call, and until when."""
        self._tally.add(batch)
        table = lake_columns.pending_table(batch, self._target.names, call_ids, due_utc_s)
        self._write("pending", 0, table)

    def write_others(self, others: Others) -> None:
        """Rows that have a reason: suspense, or what is never charged.

        They are few in each range of buckets, so they are written together when the part ends.
        """
        self._tally.add(others.batch)
        self._others.append(others)
        if sum(one.batch.num_rows for one in self._others) >= OTHERS_A_GROUP:
            self._write_others(join(self._others))
            self._others = []

    def _write_others(self, others: Others) -> None:
        batch = others.batch
        waiting = suspended(ints(batch, "reason"))
        for mask, dataset in ((waiting, "suspense"), (~waiting, "uncharged")):
            chosen = np.flatnonzero(mask)
            if not len(chosen):
                continue
            rows = take(batch, chosen)
            if dataset == "suspense":
                ids = ints(rows, "record_id")
                tries, since_utc_s = self._target.waited(ids)
                table = lake_columns.suspense_table(
                    rows, self._target.names, raw_of(ids, others.rejected), tries, since_utc_s
                )
            else:
                firsts = others.first_ids[chosen]
                table = lake_columns.uncharged_table(rows, self._target.names, firsts)
            self._write(dataset, 0, table)


def suspended(code: np.ndarray) -> np.ndarray:
    """Which reasons mean that the record waits in suspense."""
    table = np.zeros(max(reasons.BY_CODE) + 1, bool)
    for reason in reasons.REASONS:
        table[reason.code] = reason.disposition == codes.SUSPENDED
    found: np.ndarray = table[code]
    return found


def raw_of(record_ids: np.ndarray, rejected: pa.RecordBatch | None) -> pa.Table:
    """The bytes of rejected rows, aligned with ``record_ids``; empty where there are none."""
    if rejected is None or rejected.num_rows == 0:
        empty = pa.array([b""] * len(record_ids), pa.binary())
        return pa.table({"raw_value": empty, "raw_record": empty})
    known = ints(rejected, "record_id")
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], record_ids)
    place = np.minimum(place, len(known) - 1)
    rows = order[place]
    found = known[rows] == record_ids
    chosen = pa.array(rows, mask=~found)
    return pa.table({
        name: rejected.column(name).take(chosen).fill_null(b"")
        for name in ("raw_value", "raw_record")
    })  # fmt: skip


def by_month(batch: pa.RecordBatch, column: str) -> list[tuple[int, pa.RecordBatch]]:
    """The rows of each month, in their order; the batch itself where all are of one month."""
    if batch.num_rows == 0:
        return []
    month = ints(batch, column)
    low, high = int(month.min()), int(month.max())
    if low == high:
        return [(low, batch)]
    return [
        (int(value), take(batch, np.flatnonzero(month == value)))
        for value in np.unique(month)
    ]


def write_part(
    part: Part,
    batch: pa.RecordBatch,
    extra: Mapping[str, pa.RecordBatch],
    first_ids: np.ndarray,
) -> None:
    """Write one bucket range that has been through rate and settle (schemas.RATED).

    extra: ``legs`` (schemas.LEG) and ``ratings`` (schemas.RATING), where there are any.
    """
    good = ints(batch, "reason") == 0
    if good.all():
        part.write_rated(batch)
    elif good.any():
        part.write_rated(batch.filter(pa.array(good)))
    for name, write in (("legs", part.write_legs), ("ratings", part.write_ratings)):
        if name in extra and extra[name].num_rows:
            write(extra[name])
    others = np.flatnonzero(~good)
    if len(others):
        part.write_others(Others(take(batch, others), first_ids[others]))
