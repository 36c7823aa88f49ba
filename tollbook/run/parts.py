"""The write stage: a part of the night's buckets becomes lake files.

A part is a fixed run of bucket ranges, each of which becomes one row group; which rows go into
which part depends on the rows alone, never on threads. A part is written by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from tollbook.run.totals import Tally
from tollbook.stage import ints

Stages = Mapping[str, Callable[..., object]]


@dataclass(frozen=True)
class Target:
    """Where a run writes. ``prefix``: the lake's folder as written in the catalogue."""

    root: Path
    prefix: str
    run_number: int
    as_of_utc_s: int
    names: Names
    own_carrier: str


@dataclass
class Written:
    """What a part has written, and its money counted two ways."""

    files: list[LakeFile] = field(default_factory=list)
    component_micro: int = 0  # sum over the component columns
    rated_rows: int = 0


class Part:
    """The lake files of one part, opened when their first row comes."""

    def __init__(self, target: Target, number: int, tally: Tally) -> None:
        self._target, self._number, self._tally = target, number, tally
        self._writers: dict[tuple[str, int], lake.Writer] = {}
        self.written = Written()

    def close(self) -> Written:
        for key in sorted(self._writers):
            self.written.files.append(self._writers[key].close())
        return self.written

    def _write(self, dataset: str, period: int, table: pa.Table) -> None:
        writer = self._writers.get((dataset, period))
        if writer is None:
            path = lake.relative_path(
                dataset, lake.period_folder(dataset, period), self._target.run_number,
                f"part-{self._number:04d}",
            )  # fmt: skip
            writer = self._writers[dataset, period] = lake.Writer(
                self._target.root, f"{self._target.prefix}/{path}", self._target.run_number,
                dataset, period,
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
        self.written.rated_rows += batch.num_rows
        self._tally.add(batch)

    def write_legs(self, legs: pa.RecordBatch) -> None:
        names, own = self._target.names, self._target.own_carrier
        for period, rows in by_month(legs, "settle_period"):
            self._write("legs", period, lake_columns.legs_table(rows, names, own))

    def write_others(
        self,
        batch: pa.RecordBatch,
        rejected: pa.RecordBatch | None,
        tries: np.ndarray | None,
        first_ids: np.ndarray,
    ) -> None:
        """Rows that have a reason: suspense, or what is never charged.

        tries: int8 for each row (None: first try). first_ids: int64, for duplicates the record that
        came first, else 0.
        """
        self._tally.add(batch)
        code = ints(batch, "reason")
        waiting = suspended(code)
        tries = np.zeros(batch.num_rows, np.int8) if tries is None else tries
        for mask, dataset in ((waiting, "suspense"), (~waiting, "uncharged")):
            chosen = np.flatnonzero(mask).astype(np.int32)
            if not len(chosen):
                continue
            rows = take(batch, chosen)
            if dataset == "suspense":
                raw = raw_of(ints(rows, "record_id"), rejected)
                table = lake_columns.suspense_table(
                    rows, self._target.names, raw, tries[chosen], self._target.as_of_utc_s
                )
            else:
                table = lake_columns.uncharged_table(rows, self._target.names, first_ids[chosen])
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
        (int(value), take(batch, np.flatnonzero(month == value).astype(np.int32)))
        for value in np.unique(month)
    ]


def account_order(batch: pa.RecordBatch) -> np.ndarray:
    """Rows that go on, by (account, start, hash, record id); rejected rows behind them.

    Returns int32 row numbers. The order within an account is the one that rating with memory
    needs: it does not depend on how records were cut into files.
    """
    account = ints(batch, "account_index").astype(np.int64)
    start = ints(batch, "start_utc_s")
    held = ints(batch, "reason") != 0
    key = ((account + 1) << 33) + (start - start.min() if len(start) else start)
    key[held] = np.iinfo(np.int64).max
    order = np.argsort(key)
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        edge = np.flatnonzero(np.concatenate(([False], same)) | np.concatenate((same, [False])))
        rows = order[edge]
        ranked = np.lexsort((
            ints(batch, "record_id")[rows], ints(batch, "dedupe_hash")[rows], key[rows],
        ))  # fmt: skip
        order[edge] = rows[ranked]
    return order.astype(np.int32)


def write_part(
    part: Part,
    batch: pa.RecordBatch,
    legs: pa.RecordBatch | None,
    tries: np.ndarray | None,
    first_ids: np.ndarray,
) -> None:
    """Write one bucket range that has been through rate and settle (schemas.RATED).

    Rows without a reason come first, but for those that rate or settle rejected.
    """
    reason = ints(batch, "reason")
    good = reason == 0
    count = int(good.sum())
    if count == len(reason):
        part.write_rated(batch)
    elif good[:count].all():
        part.write_rated(batch.slice(0, count))
    else:
        part.write_rated(take(batch, np.flatnonzero(good).astype(np.int32)))
    if legs is not None and legs.num_rows:
        part.write_legs(legs)
    if count < len(reason):
        others = np.flatnonzero(~good).astype(np.int32)
        chosen = None if tries is None else tries[others]
        part.write_others(take(batch, others), None, chosen, first_ids[others])
