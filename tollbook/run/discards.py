"""Giving suspended records up: they move to ``uncharged`` as ``discarded_by_hand``, with a note."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from tollbook import clock, reasons, schemas
from tollbook.run import commit, data, lake, lake_columns, moves, snapshots, suspended, suspense_log
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.moves import Taken
from tollbook.run.session import Session, commit_plan, writing
from tollbook.run.suspended import Choice
from tollbook.run.totals import check_closed, not_closed
from tollbook.stage import int_array

REASON = "discarded_by_hand"
DATASET = "uncharged"


@dataclass(frozen=True)
class Discarded:
    """What was given up. run_number 0: no suspended record was chosen."""

    run_number: int = 0
    records: int = 0
    files: int = 0
    elapsed_ms: int = 0


def run(
    session: Session, choice: Choice, note: str, who: str, as_of_utc_s: int | None = None
) -> Discarded:
    """Discard the chosen records, whatever they wait for."""
    with writing(session):
        if not any(True for _ in _take(session, choice)):
            return Discarded()
        snapshot = snapshots.take_checked(
            session.root, session.lake, lambda taken: data.load(taken.folder)
        )
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        arguments = choice.arguments() | {"note": note, "who": who}
        planned = commit_plan(session, "discard", snapshot, now, arguments=arguments)
        return execute(session, planned)


def execute(session: Session, planned: Run) -> Discarded:
    """Follow a discard's plan."""
    began = time.monotonic()
    taken = list(_take(session, Choice.of(planned.arguments)))
    rows = [one.rows for one in taken]
    files = [_write(session, planned.run_number, rows)]
    by_file, discarded = moves.rows_by_file(rows), moves.totals_of(rows, 1, REASON)
    check_closed(by_file, discarded, {})
    if files[0].rows != sum(by_file.values()):
        raise not_closed([f"{sum(by_file.values())} records are discarded, {files[0].rows} rows "
                          "are in the lake"])  # fmt: skip
    files += moves.rewrite(
        session, planned.run_number, ((moves.judge_of(one.file), one.staying) for one in taken)
    )
    files += suspense_log.write(session, planned.run_number, [
        suspense_log.entries(table, planned, suspense_log.DISCARDED) for table in rows
    ])  # fmt: skip

    def record(link: Connection) -> None:
        both = moves.net([*discarded, *moves.totals_of(rows, -1)])
        session.catalogue.add_totals(link, planned.run_number, both)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(session.catalogue, session.root, planned.run_number, files,
                  [one.file.path for one in taken], record, elapsed_ms)  # fmt: skip
    return Discarded(planned.run_number, files[0].rows, len(by_file), elapsed_ms)


def _take(session: Session, choice: Choice) -> list[Taken]:
    found = ((file, table, choice.mask(table)) for file, table in suspended.tables(session))
    return [moves.take(file, table, mask) for file, table, mask in found if mask.any()]


def _write(session: Session, run_number: int, tables: Sequence[pa.Table]) -> LakeFile:
    path = lake.relative_path(DATASET, "", run_number, "discarded")
    writer = lake.Writer(session.root, f"{session.lake_prefix}/{path}", run_number, DATASET, 0)
    for table in tables:
        sources = pc.unique(table.column("source")).to_pylist()
        nobody = np.zeros(table.num_rows, np.int64)
        writer.write(lake_columns.uncharged_table(_usage(table, sources), _names(sources), nobody))
    return writer.close()


def _usage(table: pa.Table, sources: Sequence[str]) -> pa.RecordBatch:
    """Suspended rows as the write stage knows records: guided nowhere, and with their reason."""
    batch, rows = suspended.cdr_batch(table, sources), table.num_rows
    months = [clock.parse_period(one) if one else 0
              for one in table.column("usage_period").to_pylist()]  # fmt: skip
    known = {
        "reason": np.full(rows, reasons.CODE[REASON], np.int16),
        "usage_period": np.array(months, np.int32),
    }
    columns = []
    for field in schemas.USAGE:
        if field.name in known:
            columns.append(int_array(known[field.name]))
        elif field.name in schemas.CDR.names:
            columns.append(batch.column(field.name))
        else:
            nothing = -1 if field.name.endswith("_index") else 0
            columns.append(pa.repeat(pa.scalar(nothing, field.type), rows))
    return pa.RecordBatch.from_arrays(columns, schema=schemas.USAGE)


def _names(sources: Sequence[str]) -> lake_columns.Names:
    """What the indices of ``_usage`` stand for: sources, and nothing else."""
    nothing = dict.fromkeys((one.name for one in fields(lake_columns.Names)), ())
    return lake_columns.Names(**{**nothing, "sources": sources})  # type: ignore[arg-type]
