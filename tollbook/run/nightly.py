"""Planning a night: what lies in the inbox, the snapshot, the plan; then the work itself.

Kept apart from ``night`` so that a start with nothing to do loads no kernels.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdr.files import sha256
from tollbook import codes, reasons
from tollbook.run import alarms, awaited, plan, pool, requests, snapshots
from tollbook.run.alarms import Notice
from tollbook.run.catalogue import Run, Total
from tollbook.run.session import Session, commit_plan, execute, writing

if TYPE_CHECKING:
    from tollbook.run.high_usage import Report


@dataclass(frozen=True)
class Outcome:
    """What a run did, as its command reports it. run_number 0: there was nothing to do.

    rows: records that came in. released: partial records that waited since an earlier run.
    due_accounts: how many accounts are noted, by this run or earlier ones, for `late: rerate`.
    """

    run_number: int = 0
    file_count: int = 0
    rows: int = 0
    released: int = 0
    dispositions: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    charge_micro: int = 0
    leg_count: int = 0
    currency: str = ""
    elapsed_ms: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()
    put_right: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    alarms: tuple[Notice, ...] = ()
    high_usage: tuple[Report, ...] = ()
    due_accounts: int = 0


def run(session: Session, as_of_utc_s: int | None = None) -> Outcome:
    """One night: plan what is new in the inbox, and do it.

    as_of_utc_s: the run's only now; the clock's by default. Raises Refused if anything that people
    wrote is not in order, before any record is read; NotClosed if the control totals do not close.
    """
    with writing(session) as put_right:
        catalogue = session.catalogue
        number = catalogue.next_run_number()
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        found, snapshot = _collect(session, number)
        if found.refused:
            with catalogue.transaction() as link:
                for file, why in found.refused:
                    catalogue.add_refusal(link, file, why, now)
                requests.arrived(link, (file for file, _ in found.refused), now)
        told = Outcome(
            refused=tuple((f"{file.source}/{file.name}", why) for file, why in found.refused),
            unmatched=tuple(found.unmatched), put_right=tuple(put_right),
        )  # fmt: skip
        if snapshot is None and awaited.any_due(session, now):
            snapshot = _checked(session)
        if snapshot is not None:
            planned = commit_plan(session, "night", snapshot, now, files=found.new)
            told = merge(execute(session, planned), told)
        found_alarms = alarms.look(session, now, found.unfinished)
        return replace(told, alarms=found_alarms, high_usage=high_usage_of(session, now))


def high_usage_of(session: Session, now_utc_s: int) -> tuple[Report, ...]:
    """The levels of `high_usage` that were reached; what finds them is loaded where it is asked."""
    if not session.workspace.high_usage.rules:
        return ()
    from tollbook.run import high_usage

    return high_usage.look(session, now_utc_s)


def _collect(session: Session, number: int) -> tuple[plan.Collected, snapshots.Snapshot | None]:
    """What lies in the inbox; and today's reference data, if there is anything new to read.

    Hashing the new files and compiling the reference data take about as long: done side by side.
    """
    waiting: list[Path] = []

    def wait(path: Path) -> str:
        waiting.append(path)
        return ""

    catalogue, space = session.catalogue, session.workspace
    found = plan.collect(catalogue, space, wait, number)
    if not waiting:
        return found, None
    before = snapshots.stored(session.lake)
    digests, snapshot = pool.beside(
        lambda: {path: sha256(path) for path in waiting}, lambda: _checked(session)
    )
    found = plan.collect(catalogue, space, lambda path: digests.get(path) or sha256(path), number)
    if found.new:
        return found, snapshot
    snapshots.forget(snapshot, session.lake, before)
    return found, None


def _checked(session: Session) -> snapshots.Snapshot:
    """Today's reference data; whatever is wrong with them is refused before anything is written."""
    from tollbook.run import taking

    return taking.take_snapshot(session)


def merge(done: Outcome, told: Outcome) -> Outcome:
    """The outcome of the work with what planning had to tell."""
    values: dict[str, Any] = dict(done.__dict__)
    values["refused"] = told.refused + done.refused
    values |= {"unmatched": told.unmatched, "put_right": told.put_right}
    return Outcome(**values)


def outcome_of(
    session: Session, run: Run, totals: list[Total], decoded: Mapping[int, int], **more: Any
) -> Outcome:
    """The outcome of a night or a retry from its control totals (rows taken out count as minus)."""
    from tollbook.run.late import due

    dispositions = dict.fromkeys(codes.DISPOSITIONS, 0)
    found: dict[str, int] = {}
    for total in totals:
        if total.rows < 0:
            continue
        dispositions[total.disposition] += total.rows
        if total.reason:
            name = reasons.name_of(total.reason)
            found[name] = found.get(name, 0) + total.rows
    return Outcome(
        run_number=run.run_number,
        file_count=len(decoded),
        rows=sum(decoded.values()),
        dispositions=dispositions,
        reasons=dict(sorted(found.items())),
        charge_micro=sum(total.charge_micro for total in totals),
        currency=session.workspace.operator.currency,
        due_accounts=len({one.account_id for one in due(session.catalogue)}),
        **more,
    )
