"""A retry: suspended records go through the night's stages again, with today's reference data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from rating.reference import Reference
from tollbook.run import commit, flow, late, moves, suspended, suspense_log, taking, work
from tollbook.run.catalogue import Run
from tollbook.run.data import Data
from tollbook.run.flow import Chunk, Flow
from tollbook.run.moves import Taken
from tollbook.run.nightly import Outcome, outcome_of
from tollbook.run.pipeline import BY_NAME
from tollbook.run.session import Session, commit_plan, writing
from tollbook.run.standing import READY, STANDINGS, Today
from tollbook.run.suspended import Choice
from tollbook.stage import StageResult


def run(
    session: Session, choice: Choice, as_of_utc_s: int | None = None, who: str = ""
) -> Outcome:
    """Try the chosen records again for which anything changed since they were tried last; those
    that fail once more stay in suspense, counted."""
    with writing(session):
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        if not any(True for _ in _take(session, choice, Today(session, now))):
            return Outcome()
        snapshot = taking.take_snapshot(session)
        arguments = choice.arguments() | {"who": who}
        planned = commit_plan(session, "retry", snapshot, now, arguments=arguments)
        return execute(session, planned)


def execute(session: Session, planned: Run) -> Outcome:
    """Follow a retry's plan."""
    began = time.monotonic()
    today = Today(session, planned.as_of_utc_s, planned.snapshot)
    taken = list(_take(session, Choice.of(planned.arguments), today))
    rows = [one.rows for one in taken]
    with work.prepared(session, planned) as (found, going):
        session.progress.start("retry", sum(table.num_rows for table in rows))
        flow.scatter(going, _chunks(taken, found, going), validated=True)
        going.decoded_rows = moves.rows_by_file(rows)
        done = work.finish(session, going)
        files = done.files + moves.rewrite(
            session, planned.run_number,
            ((moves.judge_of(one.file), one.staying) for one in taken),
        )  # fmt: skip
        decoded = dict(going.decoded_rows)
    logged = [suspense_log.entries(table, planned, suspense_log.RETRIED) for table in rows]
    files += suspense_log.write(session, planned.run_number, logged)

    def record(link: Connection) -> None:
        both = moves.net([*done.net, *moves.totals_of(rows, -1)])
        session.catalogue.add_totals(link, planned.run_number, both)
        late.note(link, planned.run_number, done.late, found.customers.accounts.account_id)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(
        session.catalogue, session.root, planned.run_number, files,
        [*(one.file.path for one in taken), *done.superseded], record, elapsed_ms,
    )  # fmt: skip
    return outcome_of(
        session, planned, done.totals, decoded, leg_count=done.leg_rows, elapsed_ms=elapsed_ms,
        warnings=found.warnings, released=done.released,
    )  # fmt: skip


def standings(session: Session, choice: Choice, as_of_utc_s: int | None) -> dict[str, int]:
    """How many of the chosen records are in each of ``standing.STANDINGS``."""
    now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
    today, found = Today(session, now), np.zeros(len(STANDINGS), np.int64)
    for file, table in suspended.tables(session):
        codes_of = today.standing(file, table)[choice.mask(table)]
        found += np.bincount(codes_of, minlength=len(STANDINGS))
    return dict(zip(STANDINGS, found.tolist(), strict=True))


def _take(session: Session, choice: Choice, today: Today) -> Iterator[Taken]:
    for file, table in suspended.tables(session):
        mask = choice.mask(table) & (today.standing(file, table) == READY)
        if mask.any():
            yield moves.take(file, table, mask)


def _chunks(taken: list[Taken], found: Data, going: Flow) -> Iterator[Chunk]:
    """The rows as pieces that wait since the same run; each is validated by today's limits.

    A record's age is what it was when it came: waiting does not make it too old.
    """
    sources = [source.name for source in found.workspace.sources]
    age_s = found.workspace.limits.age_s
    for number, one in enumerate(taken):
        ids, tries, since = (
            one.rows.column(name).to_numpy() for name in ("record_id", "tries", "suspended_utc_s")
        )
        going.target.earlier.update(zip(
            ids.tolist(), zip((tries + 1).tolist(), since.tolist(), strict=True), strict=True
        ))  # fmt: skip
        for piece, moment in enumerate(np.unique(since).tolist()):
            rows = one.rows.filter(pa.array(since == moment))
            checks = going.reference.checks._replace(start_min_utc_s=moment - age_s)
            limits = replace(going.reference, checks=checks)

            def decode(table: pa.Table = rows, limits: Reference = limits) -> StageResult:
                batch = BY_NAME["validate"](suspended.cdr_batch(table, sources), limits, None).batch
                return StageResult(batch, suspended.rejected_batch(table))

            yield Chunk((number, piece), rows.num_rows, decode)
