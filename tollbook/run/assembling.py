"""Phase 3 of a run: partial records, those that waited included, become calls, or wait on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from rating import duplicates
from rating.duplicates import Repeats
from tollbook import reasons
from tollbook.run import awaited, flow, lake, moves, suspended
from tollbook.run.catalogue import Total
from tollbook.run.exchange import ChunkKey, take
from tollbook.run.flow import Chunk, Flow
from tollbook.run.lake_columns import CDR_IN_LAKE
from tollbook.run.parts import Others, Part, Written
from tollbook.run.pipeline import BY_NAME
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.stage import StageResult, ints

# Keys of chunks that are of no file of this run: before all files, and behind them.
RELEASED: Final = -1
CALLS: Final = 2**31 - 1
ROWS_A_TASK: Final = 131_072
_AWAITED: Final = reasons.CODE["part_awaited"]
_MERGED: Final = reasons.CODE["part_merged"]
_COUNTED: Final = ("record_id", "usage_period", "reason", "service")


@dataclass(frozen=True)
class Released:
    """What was taken up again: the files that held it, its rows by file of the network, and the
    control totals that it leaves (as minus)."""

    paths: tuple[str, ...] = ()
    rows_by_file: tuple[tuple[int, int], ...] = ()
    left: tuple[Total, ...] = ()


def release(session: Session, work: Flow) -> Released:
    """Sends the parts that wait through the stages again: today's reference data decide."""
    files = session.catalogue.lake_files(awaited.DATASET)
    if not files:
        return Released()
    sources = work.reference.names.sources
    session.progress.start("partial records", sum(file.rows for file in files))
    before = dict(work.decoded_rows)  # of new files; what is released counts by itself
    rows = (
        _kept(work, pa.Table.from_batches([batch]))
        for batch in lake.batches(session.root, files, CDR_IN_LAKE)
    )
    chunks = (
        Chunk((RELEASED, number), table.num_rows, partial(_decode, table, sources))
        for number, table in enumerate(rows) if table.num_rows
    )
    flow.scatter(work, chunks, validated=True)
    work.decoded_rows = before
    counted = [_kept(work, lake.read(session.root, file, _COUNTED)) for file in files]
    return Released(
        tuple(file.path for file in files),
        tuple(moves.rows_by_file(counted).items()),
        tuple(moves.totals_of(counted, -1)),
    )


def _kept(work: Flow, table: pa.Table) -> pa.Table:
    return table if work.withdrawn is None else work.withdrawn.kept(table)


def _decode(table: pa.Table, sources: tuple[str, ...]) -> StageResult:
    return StageResult(suspended.cdr_batch(table, sources))


def assemble(work: Flow, repeats: Repeats) -> list[Written]:
    """Calls go to the buckets of usage; merged and waiting parts, and duplicates, are written."""
    if work.rules is None:
        return []
    tasks = work.parts.tasks(ROWS_A_TASK)
    work.progress.start("assemble", len(tasks))
    written = []
    for one in in_order(work.threads, partial(_assemble, work, repeats), enumerate(tasks)):
        written.append(one)
        work.progress.advance(1)
    return written


def _assemble(work: Flow, repeats: Repeats, item: tuple[int, tuple[int, int]]) -> Written:
    number, partitions = item
    part = Part(work.target, number, work.tally, "assembled")
    batch = duplicates.mark(work.parts.collect(*partitions), repeats)
    if batch.num_rows:
        found = BY_NAME["assemble"](batch, work.rules, None)
        _distribute(work, part, (CALLS, number), found, repeats)
    return part.close()


def _distribute(
    work: Flow, part: Part, key: ChunkKey, found: StageResult, repeats: Repeats
) -> None:
    """Each row to where its reason sends it."""
    batch, reason = found.batch, ints(found.batch, "reason")
    calls, waits = np.flatnonzero(reason == 0), np.flatnonzero(reason == _AWAITED)
    if len(calls):
        made = take(batch, calls)
        work.usage.add(key, made, ints(made, "bucket"))
    if len(waits):
        parts = found.state
        part.write_pending(take(batch, waits), parts.call_ids[waits], parts.due_utc_s[waits])
    others = np.flatnonzero((reason != 0) & (reason != _AWAITED))
    if len(others):
        firsts = np.where(
            reason == _MERGED, found.state.call_ids, flow.first_ids(batch, repeats)
        )
        part.write_others(Others(take(batch, others), firsts[others]))
