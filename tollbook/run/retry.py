"""A retry: suspended records go through the night's stages again, with today's reference data."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from tollbook import clock, reasons
from tollbook.codes import DISPOSITIONS, SERVICE_CODE, SUSPENDED
from tollbook.run import commit, flow, lake, snapshots, suspended, work
from tollbook.run.catalogue import LakeFile, Run, Total
from tollbook.run.flow import Chunk, Flow
from tollbook.run.nightly import Outcome, outcome_of
from tollbook.run.session import Session, commit_plan, writing
from tollbook.run.suspended import Choice
from tollbook.stage import StageResult


@dataclass(frozen=True)
class _Taken:
    """A suspense file of which rows are tried again."""

    file: LakeFile
    again: pa.Table
    staying: pa.Table


def run(session: Session, choice: Choice, as_of_utc_s: int | None = None) -> Outcome:
    """Try the chosen records again; those that fail once more stay in suspense, counted."""
    with writing(session):
        if not any(True for _ in _take(session, choice)):
            return Outcome()
        snapshot = snapshots.take_checked(
            session.root, session.lake, lambda taken: work.compiled(session, taken.digest)
        )
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        arguments = {
            "reason": choice.reason, "file_number": choice.file_number,
            "record_ids": list(choice.record_ids),
        }  # fmt: skip
        planned = commit_plan(session, "retry", snapshot, now, arguments=arguments)
        return execute(session, planned)


def execute(session: Session, planned: Run) -> Outcome:
    """Follow a retry's plan."""
    began = time.monotonic()
    wanted = planned.arguments
    choice = Choice(wanted["reason"], wanted["file_number"], tuple(wanted["record_ids"]))
    taken = list(_take(session, choice))
    with work.prepared(session, planned) as (found, going):
        sources = [source.name for source in found.workspace.sources]
        session.progress.start("retry", sum(one.again.num_rows for one in taken))
        flow.scatter(going, _chunks(taken, sources, going), validated=True)
        going.decoded_rows = _rows_by_file(taken)
        done = work.finish(session, going)
        files = done.files + _rewrite(session, going, taken)
        decoded = dict(going.decoded_rows)

    def record(link: Connection) -> None:
        both = _net(done.totals, _taken_out(taken))
        session.catalogue.add_totals(link, planned.run_number, both)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(
        session.catalogue, session.root, planned.run_number, files,
        [one.file.path for one in taken], record, elapsed_ms,
    )  # fmt: skip
    return outcome_of(
        session, planned, done.totals, decoded, leg_count=done.leg_rows, elapsed_ms=elapsed_ms,
        warnings=found.warnings,
    )  # fmt: skip


def _take(session: Session, choice: Choice) -> Iterator[_Taken]:
    for file, table in suspended.tables(session):
        mask = choice.mask(table) & suspended.retryable(table)
        if mask.any():
            yield _Taken(file, table.filter(pa.array(mask)), table.filter(pa.array(~mask)))


def _chunks(taken: list[_Taken], sources: list[str], going: Flow) -> Iterator[Chunk]:
    for number, one in enumerate(taken):
        waited = zip(
            *(one.again.column(name).to_pylist() for name in ("tries", "suspended_utc_s")),
            strict=True,
        )
        going.target.earlier.update(
            (record, (tries + 1, since_utc_s)) for record, (tries, since_utc_s)
            in zip(one.again.column("record_id").to_pylist(), waited, strict=True)
        )  # fmt: skip

        def decode(table: pa.Table = one.again) -> StageResult:
            return StageResult(suspended.cdr_batch(table, sources))

        yield Chunk((number, 0), one.again.num_rows, decode)


def _rows_by_file(taken: list[_Taken]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for one in taken:
        numbers, counts = np.unique(
            one.again.column("record_id").to_numpy() >> 32, return_counts=True
        )
        found.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    return dict(found)


def _rewrite(session: Session, going: Flow, taken: list[_Taken]) -> list[LakeFile]:
    """The rows that were not chosen, unchanged, in a file of this run (none, if all were)."""
    if not any(one.staying.num_rows for one in taken):
        return []
    number = going.target.run_number
    path = lake.relative_path("suspense", "", number, "staying")
    writer = lake.Writer(session.root, f"{session.lake_prefix}/{path}", number, "suspense", 0)
    for one in taken:
        writer.write(lake.micro_to_amounts(one.staying))
    return [writer.close()]


def _taken_out(taken: list[_Taken]) -> list[Total]:
    """The retried rows as minus in the fate that they had."""
    found: Counter[tuple[int, int, int, int]] = Counter()
    for one in taken:
        files = (one.again.column("record_id").to_numpy() >> 32).tolist()
        periods = one.again.column("usage_period").to_pylist()
        names = one.again.column("reason").to_pylist()
        services = one.again.column("service").to_pylist()
        for file, period, name, service in zip(files, periods, names, services, strict=True):
            month = clock.parse_period(period) if period else 0
            found[file, month or 0, reasons.CODE[name], SERVICE_CODE[service]] += 1
    return [
        Total(*key, DISPOSITIONS[SUSPENDED], -rows, 0) for key, rows in sorted(found.items())
    ]


def _net(new: list[Total], old: list[Total]) -> list[Total]:
    """One row for each key: a record that fails for the same reason again cancels out."""
    found: dict[tuple[int, int, int, int], Total] = {}
    for total in [*new, *old]:
        key = (total.file_number, total.period, total.reason, total.service)
        before = found.get(key)
        found[key] = total if before is None else replace(
            total, rows=total.rows + before.rows,
            charge_micro=total.charge_micro + before.charge_micro,
        )  # fmt: skip
    return [found[key] for key in sorted(found) if found[key].rows or found[key].charge_micro]
