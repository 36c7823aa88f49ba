"""Undoing: all that a file, or the files of a night, has left in the lake is withdrawn.

A run of the kind ``undo``: the lake's files that hold such records are superseded, and written anew
without them. What was not charged because of a withdrawn record goes through the night's stages
again in the same run. In the control totals withdrawn records count as minus, so that of each file
nothing is left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from tollbook.run import (
    commit,
    moves,
    taking,
    undo_again,
    undo_choice,
    undo_lake,
    undo_marks,
    undo_state,
    undo_survey,
    withdrawn,
)  # fmt: skip
from tollbook.run.catalogue import InputFile, Run, Total
from tollbook.run.session import Session, commit_plan, writing
from tollbook.run.totals import not_closed
from tollbook.run.undo_survey import Survey

_PENDING: Final = "pending"


@dataclass(frozen=True)
class Undone:
    """What was withdrawn, or would be (run_number 0).

    records: by disposition. charge_micro: by bill month; leg_micro: by settlement month and
    direction (in, out). again: records of other files that go through the stages again, by why
    (duplicate, part); fates: what became of these. rerate_period: from this bill month on a
    re-rating works out what others pay without the balances that these records had used; 0: none.
    """

    what: str
    files: tuple[InputFile, ...]
    records: dict[str, int]
    charge_micro: dict[tuple[int, str], int]
    leg_micro: dict[tuple[int, str], int]
    again: dict[str, int]
    fates: dict[str, int] = field(default_factory=dict)
    run_number: int = 0
    elapsed_ms: int = 0
    rerate_period: int = 0


def look(session: Session, what: str) -> Undone:
    """What an undo would do; raises as ``run`` does. Nothing is written."""
    files = undo_choice.files_of(session, what)
    found = undo_survey.survey(session, [file.file_number for file in files])
    undo_marks.check_open(session, what, found)
    undo_again.check(session, found.again)
    return _undone(session, what, files, found)


def run(
    session: Session, what: str, note: str, who: str, as_of_utc_s: int | None = None
) -> Undone:
    """Withdraw a file (``F17``) or the files of a night (``run 12``).

    Raises NotFound if there is no such thing; TollbookError if it was withdrawn before, if one of
    its months is closed, or if nothing of it is to be withdrawn.
    """
    with writing(session):
        done = look(session, what)
        snapshot = taking.take_snapshot(session)
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        arguments = {withdrawn.FILES: [file.file_number for file in done.files], "what": what,
                     "note": note, "who": who}  # fmt: skip
        return execute(session, commit_plan(session, withdrawn.KIND, snapshot, now,
                                            arguments=arguments))  # fmt: skip


def execute(session: Session, planned: Run) -> Undone:
    """Follow an undo's plan."""
    began = time.monotonic()
    files = tuple(session.catalogue.file(one) for one in planned.arguments[withdrawn.FILES])
    found = undo_survey.survey(session, [file.file_number for file in files])
    out = undo_lake.rewrite(session, planned, found)
    waiting = undo_lake.out_of_suspense(session, planned, found)
    out.files += waiting.files
    gone = moves.net([*out.totals, *waiting.totals])
    _check_closed(session, files, found, gone)
    again = undo_again.rate(
        session, planned, found, out.again, undo_state.GivenBack.of(session, out.used)
    )
    superseded = [one.file.path for one in found.touched if one.file.dataset != _PENDING]
    totals = moves.net([*gone, *again.net])

    def record(link: Connection) -> None:
        undo_marks.write(session, link, planned, files)
        session.catalogue.add_totals(link, planned.run_number, totals)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(
        session.catalogue, session.root, planned.run_number, out.files + again.files,
        [*superseded, *again.superseded], record, elapsed_ms,
    )  # fmt: skip
    done = _undone(session, planned.arguments["what"], files, found)
    return Undone(**(done.__dict__ | {
        "run_number": planned.run_number, "elapsed_ms": elapsed_ms, "fates": again.fates,
        "records": _by_disposition(gone, files),
    }))  # fmt: skip


def _check_closed(
    session: Session, files: Sequence[InputFile], found: Survey, gone: Sequence[Total]
) -> None:
    """Of a file that is withdrawn nothing may be left: by the totals of all runs, and by rows."""
    numbers = {file.file_number for file in files}
    left = [total for _, total in session.catalogue.totals() if total.file_number in numbers]
    rest = moves.net([*left, *(total for total in gone if total.file_number in numbers)])
    wrong = [
        f"F{total.file_number}: {total.rows} records and {total.charge_micro} micro are "
        f"{total.disposition} by the control totals and not in the lake" for total in rest
    ]  # fmt: skip
    again = found.again
    others = -sum(total.rows for total in gone if total.file_number not in numbers)
    wanted = len(again.stored) + len(again.firsts)
    if others != wanted:
        wrong.append(f"{wanted} records of other files are to be rated again, {others} were found")
    if wrong:
        raise not_closed(wrong)


def _undone(
    session: Session, what: str, files: tuple[InputFile, ...], found: Survey
) -> Undone:
    numbers = {file.file_number for file in files}
    left = [total for _, total in session.catalogue.totals() if total.file_number in numbers]
    again = found.again
    return Undone(
        what, files, _by_disposition([_negative(total) for total in left], files),
        found.micro("rated"), found.micro("legs"),
        {"duplicates": len(again.duplicates), "parts": len(again.parts) + len(again.firsts)},
        rerate_period=found.first_used,
    )  # fmt: skip


def _by_disposition(gone: Sequence[Total], files: Sequence[InputFile]) -> dict[str, int]:
    numbers, found = {file.file_number for file in files}, dict[str, int]()
    for total in gone:
        if total.file_number in numbers:
            found[total.disposition] = found.get(total.disposition, 0) - total.rows
    return {name: rows for name, rows in sorted(found.items()) if rows}


def _negative(total: Total) -> Total:
    return Total(**(total.__dict__ | {"rows": -total.rows, "charge_micro": -total.charge_micro}))
