"""What all actions on suspense share: which records they take, what they leave, control totals.

An action never changes a file: it supersedes the suspense files that hold a chosen record, and
writes the rows that stay into a file of its own. Records that leave a fate count there as minus, so
that the sum over all runs stays one fate for each record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from tollbook import clock, reasons
from tollbook.codes import SERVICE_CODE
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile, Total
from tollbook.run.session import Session
from tollbook.run.totals import disposition_of

DATASET = "suspense"
STAYING = "staying-"


@dataclass(frozen=True)
class Taken:
    """A suspense file of which rows are taken, and those of its rows that stay."""

    file: LakeFile
    rows: pa.Table
    staying: pa.Table


def take(file: LakeFile, table: pa.Table, mask: np.ndarray) -> Taken:
    """The rows of a suspense file, told apart by a mask (bool: taken)."""
    return Taken(file, table.filter(pa.array(mask)), table.filter(pa.array(~mask)))


def judge_of(file: LakeFile) -> int:
    """The run that last tried to rate a suspense file's rows; 0: none since a person acted."""
    name = file.path.rpartition("/")[2].removesuffix(lake.SUFFIX)
    if not name.startswith(STAYING):
        return file.run_number
    judge = name.removeprefix(STAYING)
    return int(judge) if judge.isdecimal() else 0  # files of older versions do not tell


def rewrite(
    session: Session, run_number: int, tables: Iterable[tuple[int, pa.Table]]
) -> list[LakeFile]:
    """The rows that stay in suspense, each with its ``judge_of``, in files of this run: one for
    each judge, none without rows."""
    writers: dict[int, lake.Writer] = {}
    for judge, table in tables:
        if not table.num_rows:
            continue
        if judge not in writers:
            path = lake.relative_path(DATASET, "", run_number, f"{STAYING}{judge:05d}")
            writers[judge] = lake.Writer(
                session.root, f"{session.lake_prefix}/{path}", run_number, DATASET, 0
            )
        writers[judge].write(lake.micro_to_amounts(table))
    return [writers[judge].close() for judge in sorted(writers)]


def rows_by_file(tables: Iterable[pa.Table]) -> dict[int, int]:
    """File number -> how many records of it the tables hold."""
    found: dict[int, int] = {}
    for table in tables:
        numbers, counts = np.unique(
            table.column("record_id").to_numpy() >> 32, return_counts=True
        )
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            found[number] = found.get(number, 0) + count
    return found


def totals_of(tables: Iterable[pa.Table], sign: int = 1, reason: str = "") -> list[Total]:
    """Suspended rows as control totals: ``sign`` -1 where they leave that fate.

    reason: the fate that they get; their own unless it is named.
    """
    return net([total for table in tables for total in _totals(table, sign, reason)])


def _totals(table: pa.Table, sign: int, reason: str) -> Iterator[Total]:
    keys = ["file", "usage_period", "reason", "service"]
    named = table.select(keys[1:]).append_column(
        "file", pa.array(table.column("record_id").to_numpy() >> 32)
    )
    for row in named.group_by(keys).aggregate([([], "count_all")]).to_pylist():
        code = reasons.CODE[reason or row["reason"]]
        period = clock.parse_period(row["usage_period"]) if row["usage_period"] else 0
        yield Total(
            row["file"], period or 0, code, SERVICE_CODE[row["service"]], disposition_of(code),
            sign * row["count_all"], 0,
        )  # fmt: skip


def net(totals: Iterable[Total]) -> list[Total]:
    """One row for each key, in a fixed order: a record that keeps its fate cancels out."""
    found: dict[tuple[int, int, int, int], Total] = {}
    for total in totals:
        key = (total.file_number, total.period, total.reason, total.service)
        before = found.get(key)
        found[key] = total if before is None else replace(
            total, rows=total.rows + before.rows,
            charge_micro=total.charge_micro + before.charge_micro,
        )  # fmt: skip
    return [found[key] for key in sorted(found) if found[key].rows or found[key].charge_micro]
