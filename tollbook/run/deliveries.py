"""What a look at the deliveries finds: the conditions, and what the catalogue has to remember.

Files are gone through once, when the run that read them has been committed: ``looked_run`` in the
catalogue is the last one whose files were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Executable, func, insert, select, update

from tollbook.clock import DAY_S
from tollbook.errors import printable
from tollbook.run import conditions, sequences
from tollbook.run.catalogue import Catalogue, InputFile
from tollbook.run.conditions import Condition, Read, SequenceGap
from tollbook.run.plan import Waiting
from tollbook.run.session import Session
from tollbook.run.tables import FILES, GAPS, MARKS, META, REFUSALS, RUNS
from tollbook.sources import Source

LOOKED_RUN: Final = "looked_run"
LOOKED_UTC_S: Final = "looked_utc_s"
_HOUR_S: Final = 3600


@dataclass
class Found:
    """conditions: what is wrong now. changes: what the catalogue has to remember.

    of_files: sources of which files came in, so that conditions of files are judged anew;
    of_copies: those, and the ones of which copies came in; of_volume: those of which hours could
    be compared. sources: all there are.
    """

    sources: frozenset[str]
    conditions: list[Condition] = field(default_factory=list)
    changes: list[Executable] = field(default_factory=list)
    of_files: set[str] = field(default_factory=set)
    of_copies: set[str] = field(default_factory=set)
    of_volume: set[str] = field(default_factory=set)

    def decides(self, kind: str, source: str) -> bool:
        """Whether a condition of this kind would have been found, if it held."""
        if source and source not in self.sources:
            return True  # the source is no more, and nobody would ever find it again
        if kind in (conditions.VOLUME, conditions.REPEATED):
            return source in (self.of_volume if kind == conditions.VOLUME else self.of_copies)
        return kind in conditions.STANDING or source in self.of_files


def look(session: Session, now_utc_s: int, waiting: Collection[Waiting]) -> Found:
    """Go through every source. Nothing is written."""
    catalogue, sources = session.catalogue, session.workspace.sources
    found = Found(frozenset(source.name for source in sources))
    read, last_run = _new_files(catalogue)
    refused = _new_refusals(catalogue)
    gaps = open_gaps(catalogue)
    last_seen = _last_seen(catalogue, sources, now_utc_s)
    hours = _records_by_hour(catalogue, sources, read) if read else {}
    book = _Book(catalogue, found, gaps)
    for source in sources:
        of_source = [one for one in read if one.file.source == source.name]
        told = book.follow(source, of_source) + refused.get(source.name, [])
        found.of_files.update(one.file.source for one in of_source)
        found.of_copies.update([source.name] if of_source or told else [])
        found.conditions += conditions.repeated(source, told)
        found.conditions += conditions.of_files(source, of_source)
        if of_source:
            _compare(catalogue, source, of_source, hours.get(source.name, {}), now_utc_s, found)
        since = last_seen.get(source.name, last_seen.get(""))
        if since is not None:
            found.conditions += conditions.silent(source, since, now_utc_s)
        for gap in book.gaps:
            if gap.source == source.name and gap.missing:
                found.conditions += conditions.missing(source, gap, now_utc_s)
        mine = [(one.name, one.since_utc_s) for one in waiting if one.source == source.name]
        found.conditions += conditions.backlog(source, mine, now_utc_s)
    if read:
        found.changes += [_keep(catalogue, LOOKED_RUN, last_run),
                          _keep(catalogue, LOOKED_UTC_S, now_utc_s)]  # fmt: skip
    if refused:
        found.changes.append(update(REFUSALS).values(looked_at=1))
    return found


def _keep(catalogue: Catalogue, name: str, value: int) -> Executable:
    with catalogue.engine.connect() as link:
        known = link.scalar(select(META.c.name).where(META.c.name == name))
    if known is None:
        return insert(META).values(name=name, value=value)
    return update(META).where(META.c.name == name).values(value=value)


def _new_files(catalogue: Catalogue) -> tuple[list[Read], int]:
    """Files of committed runs since the last look, and the last run that was looked at then."""
    looked = catalogue.value(LOOKED_RUN)
    query = select(RUNS.c.run_number, RUNS.c.as_of_utc_s, RUNS.c.state).where(
        RUNS.c.run_number > looked, RUNS.c.kind == "night").order_by(RUNS.c.run_number)  # fmt: skip
    found: list[Read] = []
    with catalogue.engine.connect() as link:
        rows = link.execute(query).all()
    for row in rows:
        if row.state == "planned":
            break  # its files are gone through when it has been committed
        looked = row.run_number
        found += [Read(file, row.as_of_utc_s) for file in catalogue.files(row.run_number)]
    return found, looked


def _new_refusals(catalogue: Catalogue) -> dict[str, list[str]]:
    """Source -> what was refused since the last look, in words."""
    found: dict[str, list[str]] = defaultdict(list)
    query = select(REFUSALS).where(REFUSALS.c.looked_at == 0).order_by(
        REFUSALS.c.source, REFUSALS.c.name)  # fmt: skip
    with catalogue.engine.connect() as link:
        for row in link.execute(query).mappings():
            found[row["source"]].append(f"{printable(row['name'])}: {row['why']}")
    return found


def open_gaps(catalogue: Catalogue) -> list[SequenceGap]:
    """Gaps of which numbers are missing."""
    query = select(GAPS).where(GAPS.c.missing != "").order_by(GAPS.c.gap_number)
    with catalogue.engine.connect() as link:
        return [SequenceGap(**row) for row in link.execute(query).mappings()]


def _last_seen(
    catalogue: Catalogue, sources: Iterable[Source], now_utc_s: int
) -> dict[str, int]:
    """Source -> when its last file was made; "": when the workspace first ran."""
    if not any(source.every_s for source in sources):
        return {}
    last = func.max(FILES.c.file_utc_s).label("last")
    query = select(FILES.c.source, last).group_by(FILES.c.source).where(
        FILES.c.refused == "", FILES.c.file_utc_s <= now_utc_s)  # fmt: skip
    with catalogue.engine.connect() as link:
        first = link.scalar(select(func.min(RUNS.c.as_of_utc_s)))
        found = {row.source: int(row.last) for row in link.execute(query)}
    return found if first is None else {"": int(first)} | found


def _records_by_hour(
    catalogue: Catalogue, sources: Iterable[Source], read: list[Read]
) -> dict[str, dict[int, int]]:
    """Source -> local hour -> records that were new, for what there is to compare with."""
    zones = {source.name: source.time_zone for source in sources}
    weeks = max(source.alarms.weeks for source in sources)
    first = min(one.file.file_utc_s for one in read)
    first = min(first, catalogue.value(LOOKED_UTC_S) or first)
    counted = func.sum(FILES.c.rows - FILES.c.duplicates).label("records")
    query = select(FILES.c.source, FILES.c.file_utc_s, counted).where(
        FILES.c.refused == "", FILES.c.file_utc_s >= first - (7 * weeks + 1) * DAY_S,
    ).group_by(FILES.c.source, FILES.c.file_utc_s)  # fmt: skip
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    with catalogue.engine.connect() as link:
        for row in link.execute(query):
            if row.source in zones:
                hour = conditions.local_hour(row.file_utc_s, zones[row.source])
                found[row.source][hour] += int(row.records)
    return found


def _compare(
    catalogue: Catalogue, source: Source, read: list[Read], hours: dict[int, int],
    now_utc_s: int, found: Found,
) -> None:  # fmt: skip
    """Hours in which files have come in, and those that have ended since the last look."""
    judged = {conditions.local_hour(one.file.file_utc_s, source.time_zone) for one in read}
    before = catalogue.value(LOOKED_UTC_S)
    if before:
        since, now = (conditions.local_hour(at, source.time_zone) for at in (before, now_utc_s))
        judged |= {hour for hour in hours if since <= hour <= now}
    is_judged, unusual = conditions.volume(source, hours, judged, now_utc_s)
    if is_judged:
        found.of_volume.add(source.name)
    found.conditions += unusual


class _Book:
    """The sequences of all sources, while a look goes through them."""

    def __init__(self, catalogue: Catalogue, found: Found, gaps: list[SequenceGap]) -> None:
        self.catalogue, self.found, self.gaps = catalogue, found, gaps
        with catalogue.engine.connect() as link:
            self.due = {row.source: row.due for row in link.execute(select(MARKS))}
            self.number = int(link.scalar(select(func.max(GAPS.c.gap_number))) or 0)

    def follow(self, source: Source, read: list[Read]) -> list[str]:
        """Take note of the numbers of new files; gives those that came before, in words."""
        files = [one.file for one in read if one.file.sequence >= 0 and not one.file.refused]
        if not files:
            return []
        due = self.due.get(source.name)
        followed = sequences.follow(due, (file.sequence for file in files), source.sequence_wrap)
        self._mark(source.name, due, followed.due)
        self.found.changes += [
            update(FILES).where(FILES.c.file_number == file.file_number).values(expected=was_due)
            for file in files if (was_due := followed.expected[file.sequence]) != file.sequence
        ]  # fmt: skip
        first = {gap.followed_by: min(file.file_utc_s for file in files
                                      if file.sequence == gap.followed_by)
                 for gap in followed.gaps}  # fmt: skip
        for gap in followed.gaps:
            self._open(source.name, gap, first[gap.followed_by])
        return list(self._repeated(source.name, files, set(followed.late)))

    def _mark(self, source: str, before: int | None, due: int) -> None:
        if before is None:
            self.found.changes.append(insert(MARKS).values(source=source, due=due))
        elif before != due:
            marked = update(MARKS).where(MARKS.c.source == source).values(due=due)
            self.found.changes.append(marked)

    def _open(self, source: str, gap: sequences.Gap, since_utc_s: int) -> None:
        self.number += 1
        numbers = sequences.text(gap.numbers)
        one = SequenceGap(self.number, source, numbers, numbers, since_utc_s)
        self.gaps.append(one)
        self.found.changes.append(insert(GAPS).values(**one.__dict__))

    def _repeated(self, source: str, files: list[InputFile], late: set[int]) -> Iterator[str]:
        seen: set[int] = set()
        for file in files:
            is_filling = file.sequence in late and self._fill(source, file.sequence)
            is_first = file.sequence not in seen and (is_filling or file.sequence not in late)
            seen.add(file.sequence)
            if not is_first and not file.request_number:
                name = f"F{file.file_number} ({printable(file.name)})"
                yield f"{name}: sequence {file.sequence} again"

    def _fill(self, source: str, number: int) -> bool:
        """The number is here: whether it was missing."""
        for place, gap in enumerate(self.gaps):
            missing = sequences.parse(gap.missing)
            if gap.source == source and sequences.holds(missing, number):
                left = sequences.text(sequences.without(missing, number))
                values: dict[str, Any] = gap.__dict__ | {"missing": left}
                self.gaps[place] = SequenceGap(**values)
                self.found.changes.append(
                    update(GAPS).where(GAPS.c.gap_number == gap.gap_number).values(missing=left)
                )
                return True
        return False
