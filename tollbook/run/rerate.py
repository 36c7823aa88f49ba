"""Re-rating: a month's rated records again, with today's tariffs, network and customers.

A month that is open is put right where it stands; the records of a closed one stay as they were
billed, and the differences are billed by the open month (docs/rerating.md). What is the same as
before is not touched; where everything is, the run leaves no trace.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow.compute as pc
from sqlalchemy import Connection

from tollbook import clock
from tollbook.errors import NotFound, TollbookError
from tollbook.run import (
    audit_state,
    commit,
    crash,
    differences,
    lake,
    late,
    moves,
    rerate_memory,
    snapshots,
    suspense_log,
    totals,
    work,
)
from tollbook.run.catalogue import LakeFile, Run, Total
from tollbook.run.flow import Flow
from tollbook.run.pool import in_order
from tollbook.run.rerate_figures import NOBODY, Figures, Movement, PlanLine
from tollbook.run.rerate_found import Found
from tollbook.run.rerate_scope import Scope, refuse_unknown
from tollbook.run.rerate_sides import Sides
from tollbook.run.rerate_work import Rerating
from tollbook.run.rerating import task
from tollbook.run.session import Session, commit_plan, open_period, writing

KIND: Final = "rerate"
_REFUSED: Final = (
    "records have used balances, and the tariff book has nothing that remembers them\n"
    "    allowed: months under a book with an allowance, period tier, counter or cap; or in which "
    "no record has used a balance\n"
    "    do: nothing was changed; leave an item that nothing uses in the book"
)


@dataclass(frozen=True)
class Rerated:
    """What re-rating has done, or would do. run_number 0: it wrote nothing.

    records: how many were rated again. changed: of how many something is another than before.
    bill_period: the month that bills the differences of a closed one; 0: the month is open.
    balances: how many months of the state are others than before. last_period: the last month of
    the records that were rated again. late: accounts that were due for late records, and no more.
    """

    period: int
    run_number: int = 0
    bill_period: int = 0
    records: int = 0
    changed: int = 0
    unrated: Mapping[str, int] = field(default_factory=dict)
    held: int = 0
    legs_kept: int = 0
    balances: int = 0
    last_period: int = 0
    late: tuple[late.Due, ...] = ()
    plans: tuple[PlanLine, ...] = ()
    less: Movement = NOBODY
    more: Movement = NOBODY
    currency: str = ""
    elapsed_ms: int = 0

    @property
    def old_micro(self) -> int:
        """What the records that differ were charged in all."""
        return sum(line.old_micro for line in self.plans)

    @property
    def new_micro(self) -> int:
        """What they are charged now."""
        return sum(line.new_micro for line in self.plans)


def run(
    session: Session, period: int, scope: Scope, as_of_utc_s: int | None = None,
    dry_run: bool = False,
) -> Rerated:  # fmt: skip
    """Rate the records of a bill month again; dry_run: only say what would change.

    Raises NotFound if no record of the month is rated, or a name of the scope is known nowhere,
    Refused for reference data that are not in order, TollbookError for a book whose prices
    remember.
    """
    with writing(session):
        _check_month(session, period)
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        before = snapshots.stored(session.lake)

        def check(taken: snapshots.Snapshot) -> None:
            ready = work.compiled(session, taken.digest)
            refuse_memory(session, ready)
            refuse_unknown(session, scope, ready.data, period)

        snapshot = snapshots.take_checked(session.root, session.lake, check)
        if dry_run:
            number = session.catalogue.next_run_number()
            only = Run(number, KIND, now, period, open_period(session.catalogue, "bill"),
                       snapshot.digest, scope.arguments(), "planned", 0, 0)  # fmt: skip
            try:
                done = _found(session, only, *_rerate(session, only, writes=False))
            finally:
                snapshots.forget(snapshot, session.lake, before)
            return done
        planned = commit_plan(session, KIND, snapshot, now, period, scope.arguments())
        done = execute(session, planned)
        if not done.run_number:
            snapshots.forget(snapshot, session.lake, before)
        return done


def execute(session: Session, planned: Run) -> Rerated:
    """Follow a re-rating's plan; if nothing differs the plan is given up, as if never made.

    So is one that is refused on the way: it would stop all runs after it.
    """
    try:
        return _execute(session, planned)
    except TollbookError:
        with session.catalogue.transaction() as link:
            session.catalogue.give_up(link, planned)
        raise


def _execute(session: Session, planned: Run) -> Rerated:
    began = time.monotonic()
    again, found = _rerate(session, planned, writes=True)
    memory = again.remembered
    files = [file for one in found for file in one.files]
    files += memory.files if memory is not None else []
    if not files:
        with session.catalogue.transaction() as link:
            session.catalogue.give_up(link, planned)
            if memory is not None:  # their order has changed nothing
                late.settle(link, memory.due)
        return _found(session, planned, again, found)
    changed = again.flow.tally.totals()
    gone = again.before.totals()
    _check(found, changed, again)

    def record(link: Connection) -> None:
        left = [replace(one, rows=-one.rows, charge_micro=-one.charge_micro) for one in gone]
        session.catalogue.add_totals(link, planned.run_number, moves.net([*changed, *left]))
        if memory is not None:
            late.strike_off(link, memory.due, planned.run_number)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    superseded = [path for one in found for path in one.superseded]
    superseded += memory.superseded if memory is not None else []
    commit.commit(
        session.catalogue, session.root, planned.run_number, files, superseded, record, elapsed_ms
    )
    done = _found(session, planned, again, found)
    return replace(done, run_number=planned.run_number, elapsed_ms=elapsed_ms)


def _rerate(session: Session, run: Run, writes: bool) -> tuple[Rerating, list[Found]]:
    """All files of the month, each by one thread; the results in the order of the files."""
    files = session.catalogue.lake_files("rated", periods=[run.period])
    if work.compiled(session, run.snapshot).book.memory is not None:
        files = rerate_memory.files_of(session, run)
    with work.prepared(session, run) as (_, going):
        again = _prepared(session, run, going, writes, files)
        session.progress.start("rerate", sum(file.rows for file in files))
        found = list(in_order(going.threads, partial(task, again), enumerate(files, start=1)))
        crash.point("chunks_scattered")
    months = [file.period for file, one in zip(files, found, strict=True) if one.figures.records]
    again.last_period = max(months, default=run.period)
    return again, found


def _prepared(
    session: Session, run: Run, going: Flow, writes: bool, files: Sequence[LakeFile]
) -> Rerating:
    months = {file.period for file in files}
    closed = [month for month in sorted(months) if month < run.open_period]
    is_any_open = len(closed) < len(months)
    scope = Scope.of(run.arguments)
    released = _released(session, scope.reason)
    ready = work.compiled(session, run.snapshot)
    refuse_memory(session, ready)
    memory = None
    if ready.book.memory is not None:
        memory = rerate_memory.rate(session, run, going, scope, released, writes)
    return Rerating(
        session, run, going, scope, released, differences.TaxClasses(ready.data.book),
        Sides(session, open_period(session.catalogue, "settle")) if is_any_open else None,
        differences.booked(session, closed) if closed else None, writes, memory,
    )  # fmt: skip


def _released(session: Session, reason: str) -> np.ndarray:
    """Records (ascending) that waited in suspense for a reason when they were tried again."""
    parts = [np.zeros(0, np.int64)]
    for file in session.catalogue.lake_files(suspense_log.DATASET) if reason else ():
        table = lake.read(session.root, file, ["record_id", "reason"])
        chosen = table.filter(pc.equal(table.column("reason"), reason))
        parts.append(chosen.column("record_id").to_numpy())
    return np.unique(np.concatenate(parts))


def _check(found: Sequence[Found], changed: Sequence[Total], again: Rerating) -> None:
    """Every record that left a file has one fate, and the money is what was written."""
    left = again.before.totals()
    came: dict[int, int] = {}
    for total in left:
        came[total.file_number] = came.get(total.file_number, 0) + total.rows
    totals.check_closed(
        came, changed, {"the component columns": sum(one.component_micro for one in found)}
    )
    gone, come = (sum(getattr(one, name) for one in found) for name in ("gone", "come"))
    if gone != come:
        raise totals.not_closed([f"{gone} records left their files, {come} were written anew"])


def _found(session: Session, run: Run, again: Rerating, found: Sequence[Found]) -> Rerated:
    whole = Figures()
    for one in found:
        whole.join(one.figures)
    less, more = whole.movements()
    memory = again.remembered
    return Rerated(
        run.period, 0, run.open_period if run.period < run.open_period else 0, whole.records,
        whole.changed, dict(sorted(whole.unrated.items())), whole.held, whole.legs_kept,
        0 if memory is None else memory.months, again.last_period,
        () if memory is None else memory.due, whole.plans(), less, more,
        session.workspace.operator.currency,
    )  # fmt: skip


def _check_month(session: Session, period: int) -> None:
    files: list[LakeFile] = session.catalogue.lake_files("rated")
    months = sorted({file.period for file in files})
    if period not in months:
        listed = ", ".join(clock.period_text(month) for month in months) or "none"
        raise NotFound(f"{clock.period_text(period)}: no record of this bill month is rated\n"
                       f"    allowed: {listed}\n"
                       "    do: name a month with rated records")  # fmt: skip


def refuse_memory(session: Session, ready: work.Compiled) -> None:
    """Raises TollbookError where records have used what the book does not remember any more."""
    if ready.book.memory is not None:
        return
    was = any(audit_state.remembers(session, one) for one in session.catalogue.lake_files("rated"))
    if was and session.catalogue.lake_files("state"):
        raise TollbookError(_REFUSED)
    if any(one.used for one in ready.data.book.discounts):
        raise TollbookError(_REFUSED)
