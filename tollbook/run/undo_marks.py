"""What the catalogue keeps of an undo: months that must be open, files, and what is missing now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from tollbook import clock
from tollbook.clock import DAY_S
from tollbook.errors import TollbookError
from tollbook.run import deliveries, requests, sequences
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.session import Session
from tollbook.run.tables import FILES, GAPS, REFUSALS, REQUESTS
from tollbook.run.undo_survey import Survey

# Dataset whose months are closed -> by which kind of run.
_CLOSED_BY: Final = {"rated": "bill", "legs": "settle"}
_DONE: Final = {"bill": "billed", "settle": "settled"}
# What a run has found in a file: nothing, once it is withdrawn.
_NOTHING: Final = dict.fromkeys(
    ("rows", "first_start_utc_s", "last_start_utc_s", "seconds", "volume_bytes", "errors",
     "duplicates"), 0,
)  # fmt: skip


def check_open(session: Session, what: str, found: Survey) -> None:
    """Refuse an undo that would take something out of a month that is closed."""
    wrong = []
    for dataset, kind in _CLOSED_BY.items():
        closed = session.catalogue.closed_periods(kind)
        rows: dict[int, int] = {}
        for one in found.of(dataset):
            if one.file.period in closed:
                rows[one.file.period] = rows.get(one.file.period, 0) + one.rows
        wrong += [
            f"{count:,} {'records' if dataset == 'rated' else 'legs'} of "
            f"{clock.period_text(period)}, {_DONE[kind]} by run {closed[period]}"
            for period, count in sorted(rows.items())
        ]  # fmt: skip
    if wrong:
        raise TollbookError(
            f"{what}: {'; '.join(wrong)}\n    allowed: files all of whose months are open\n"
            "    do: leave it, and put right what was wrong: charges of a closed month by "
            "`tollbook rerate`, which writes the differences into an open one; legs by a claim to "
            "the carrier"
        )


def write(session: Session, link: Connection, planned: Run, files: Sequence[InputFile]) -> None:
    """The files are as if they had been refused; their numbers are missing again."""
    note = planned.arguments.get("note", "")
    why = f"withdrawn by run {planned.run_number}" + (f": {note}" if note else "")
    for file in files:
        same = FILES.c.file_number == file.file_number
        link.execute(update(FILES).where(same).values(refused=why, released="", **_NOTHING))
        # A file of that name with other bytes was refused because of this one.
        link.execute(delete(REFUSALS).where(
            REFUSALS.c.source == file.source, REFUSALS.c.name == file.name,
            REFUSALS.c.sha256 != file.sha256,
        ))  # fmt: skip
    for source in sorted({file.source for file in files}):
        of_source = [file for file in files if file.source == source]
        _await(session, link, source, of_source)
        _miss(session, link, planned, source, of_source)


def _await(session: Session, link: Connection, source: str, files: Sequence[InputFile]) -> None:
    """Requests that are open wait again for what had come for them."""
    for request in requests.read(session.catalogue, requests.OPEN):
        asked = sequences.parse(request.sequences)
        again = {file.sequence for file in files if sequences.holds(asked, file.sequence)}
        if request.source != source or not again:
            continue
        missing = sequences.parse(request.missing)
        both = sequences.joined((*missing, *sequences.of(again)))
        link.execute(update(REQUESTS).where(
            REQUESTS.c.request_number == request.request_number
        ).values(missing=sequences.text(both)))  # fmt: skip


def _miss(
    session: Session, link: Connection, planned: Run, source: str, files: Sequence[InputFile]
) -> None:
    """Sequence numbers that the alarms had seen are a gap, until their files are read again."""
    looked = session.catalogue.value(deliveries.LOOKED_RUN)
    withdrawn = {file.file_number for file in files}
    others = [
        one for one in session.catalogue.files()
        if one.source == source and not one.refused and one.file_number not in withdrawn
    ]  # fmt: skip
    missing = [
        file.sequence for file in files
        if file.sequence >= 0 and file.run_number <= looked and not any(
            one.sequence == file.sequence and abs(one.file_utc_s - file.file_utc_s) < DAY_S
            for one in others
        )
    ]  # fmt: skip
    if not missing:
        return
    numbers = sequences.text(sequences.of(missing))
    last: Any = link.scalar(select(func.max(GAPS.c.gap_number)))
    link.execute(insert(GAPS).values(
        gap_number=int(last or 0) + 1, source=source, numbers=numbers, missing=numbers,
        since_utc_s=planned.as_of_utc_s,
    ))  # fmt: skip
