"""What people do about deliveries between the nights: look, ask again, say what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, update

from tollbook.errors import NotFound, TollbookError, printable
from tollbook.run import alarms, deliveries, plan, requests, sequences
from tollbook.run.alarms import Notice
from tollbook.run.catalogue import InputFile
from tollbook.run.plan import Waiting
from tollbook.run.requests import Request
from tollbook.run.session import Session, put_right
from tollbook.run.tables import FILES, MARKS
from tollbook.sources import Source


def look(session: Session, now_utc_s: int) -> tuple[Notice, ...]:
    """Look for alarms without running the night; an interrupted run is left as it is."""
    with session.catalogue.writer():
        put_right(session)
        return alarms.look(session, now_utc_s, _waiting(session))


def _waiting(session: Session) -> list[Waiting]:
    """What the next night will read, what an interrupted one has planned, what is unfinished."""
    catalogue = session.catalogue
    # No digest is needed to know that a file is new; its path keeps it from being anyone's copy.
    found = plan.collect(catalogue, session.workspace, str, catalogue.next_run_number())
    planned = [file for run in catalogue.runs(state="planned")
               for file in catalogue.files(run.run_number)]  # fmt: skip
    return found.unfinished + [
        Waiting(file.source, file.name, file.modified_ns // 10**9) for file in planned + found.new
    ]


@dataclass(frozen=True)
class Wanted:
    """What a person asks a source for: sequence numbers, gaps, one file, or a span of time."""

    source: str
    first: int | None = None
    last: int | None = None
    gap: str | None = None
    name: str | None = None
    since_utc_s: int | None = None
    until_utc_s: int | None = None


@dataclass(frozen=True)
class Asked:
    """made: the new requests. left_out: numbers of gaps that open requests wanted before."""

    made: list[Request]
    left_out: str


def ask(session: Session, wanted: Wanted, by: str, note: str, now_utc_s: int) -> Asked:
    """Write the requests down, and a file for each; raises TollbookError if it is unclear what for.
    """
    with session.catalogue.writer():
        asked, left_out = _requests(session, wanted)
        with session.catalogue.transaction() as link:
            made = [
                requests.add(link, Request(
                    0, wanted.source, numbers, wanted.name or "", wanted.since_utc_s or 0,
                    wanted.until_utc_s or 0, numbers, note, by, now_utc_s,
                ))
                for numbers in asked
            ]  # fmt: skip
        requests.write_files(
            session.workspace.out, requests.read(session.catalogue, requests.OPEN)
        )
    return Asked(made, left_out)


def _requests(session: Session, wanted: Wanted) -> tuple[list[str], str]:
    """The sequence numbers of each request to make, one of "" where it is not by number; and those
    that are asked for already."""
    by_number = wanted.first is not None or wanted.last is not None
    by_time = wanted.since_utc_s is not None or wanted.until_utc_s is not None
    ways = (by_number, wanted.gap is not None, wanted.name is not None, by_time)
    if sum(ways) != 1:
        raise TollbookError(
            f"{wanted.source}: {sum(ways)} ways to say which files\n"
            "    allowed: one of --from/--to, --gap, --file, --since/--until\n"
            "    do: for example `--from 17 --to 19`, or `--gap all`"
        )
    source = _source(session, wanted.source)
    if by_number:
        return [sequences.text(_numbers(source, wanted))], ""
    if wanted.gap is not None:
        return _gaps(session, wanted.source, wanted.gap)
    if wanted.name is not None and source.match(wanted.name) is None:
        raise TollbookError(
            f"{wanted.source}: no file of this source is named {printable(wanted.name)!r}\n"
            f"    allowed: names of the pattern {source.files}\n"
            "    do: `tollbook collection log` lists the files that have come"
        )
    since, until = wanted.since_utc_s, wanted.until_utc_s
    if by_time and (since is None or until is None or since >= until):
        raise TollbookError(
            f"{wanted.source}: a span of time that does not end after it begins\n"
            "    allowed: --since before --until, both given\n    do: correct the two"
        )
    return [""], ""


def _source(session: Session, name: str) -> Source:
    return next(one for one in session.workspace.sources if one.name == name)


def _counting(source: Source) -> None:
    """Raises TollbookError where a source's files have no numbers."""
    if "{sequence" not in source.files:
        raise TollbookError(
            f"{source.name}: its files are not numbered: {source.files}\n"
            "    allowed: sources whose pattern has {sequence:06d} or suchlike\n"
            "    do: ask for files by --file or --since/--until"
        )


def _numbers(source: Source, wanted: Wanted) -> sequences.Ranges:
    _counting(source)
    first = wanted.first if wanted.first is not None else wanted.last
    last = wanted.last if wanted.last is not None else wanted.first
    assert first is not None  # one of the two is there
    assert last is not None
    wrap = source.sequence_wrap
    across = last < first and (not wrap or wrap - first + last + 1 > wrap // 2)
    if across or (wrap and max(first, last) >= wrap):
        raise TollbookError(
            f"{wanted.source}: sequence {first} to {last}\n    allowed: --from not above --to"
            + (f", or across the wrap for at most {wrap // 2} numbers; both below {wrap}"
               if wrap else "")
            + "\n    do: correct the two"
        )  # fmt: skip
    return sequences.between(first, last, wrap)


def _gaps(session: Session, source: str, named: str) -> tuple[list[str], str]:
    """What is missing of the gaps and no open request waits for; and what one waits for."""
    found = [gap for gap in deliveries.open_gaps(session.catalogue) if gap.source == source]
    if named != "all":
        found = [gap for gap in found if named in (gap.numbers, gap.missing)]
    asked = tuple(
        pair for one in requests.read(session.catalogue, requests.OPEN) if one.source == source
        for pair in sequences.parse(one.missing)
    )  # fmt: skip
    missing = [sequences.parse(gap.missing) for gap in found]
    wanted = [left for one in missing if (left := sequences.less(one, asked))]
    if not wanted:
        raise NotFound(
            f"{source}: there is no such gap that has not been asked for\n"
            "    allowed: the numbers of a sequence_gap, or all\n"
            "    do: see `tollbook collection alarms` and `tollbook collection request`"
        )
    left_out = [pair for one in missing
                for pair in sequences.less(one, sequences.less(one, asked))]  # fmt: skip
    return [sequences.text(one) for one in wanted], sequences.text(tuple(left_out))


def release(session: Session, file_number: int, by: str, note: str) -> InputFile:
    """A file that was refused is read once more by the next night, however much is in error."""
    with session.catalogue.writer():
        file = session.catalogue.file(file_number)
        if not file.refused:
            raise TollbookError(
                f"F{file_number} ({file.source}/{file.name}) was read\n"
                "    allowed: files that were refused or held back\n"
                "    do: `tollbook collection log --status refused` lists them"
            )
        with session.catalogue.transaction() as link:
            released = f"{by}: {note}" if note else by
            link.execute(update(FILES).where(FILES.c.file_number == file_number).values(
                released=released))  # fmt: skip
    return file


def expect(session: Session, source: str, number: int) -> None:
    """The source counts on from this number, whatever it was before."""
    counting = _source(session, source)
    _counting(counting)
    wrap = counting.sequence_wrap
    if wrap and number >= wrap:
        raise TollbookError(
            f"{source}: {number} is expected\n    allowed: a number below {wrap}, where the source "
            "begins anew\n    do: correct the number, or sequence_wrap in operator.yaml"
        )
    with session.catalogue.writer(), session.catalogue.transaction() as link:
        marked = update(MARKS).where(MARKS.c.source == source).values(due=number)
        if link.execute(marked).rowcount == 0:
            link.execute(insert(MARKS).values(source=source, due=number))
