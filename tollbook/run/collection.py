"""The collection log: every file that the network delivered, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import select

from tollbook import clock
from tollbook.run.catalogue import Catalogue, InputFile
from tollbook.run.tables import FILES, REFUSALS, RUNS

PLANNED: Final = "planned"  # its run was interrupted, and goes on at the next start
READ: Final = "read"
REFUSED: Final = "refused"
RECOLLECTED: Final = "recollected"  # read because somebody asked for it again


@dataclass(frozen=True)
class Entry:
    """A row of the log: the manifest of a file. run_number 0: a copy that no run has read."""

    file: InputFile
    status: str
    run_utc_s: int

    @property
    def new(self) -> int:
        """Records that had not been there before."""
        return self.file.rows - self.file.duplicates


@dataclass(frozen=True)
class Sums:
    """Of the files of a log; recollected = recollected_new + recollected_duplicates."""

    files: int
    refused: int
    records: int
    seconds: int
    volume_bytes: int
    size_bytes: int
    errors: int
    duplicates: int
    recollected: int
    recollected_new: int
    recollected_duplicates: int


@dataclass(frozen=True)
class Choice:
    """Which files: None is all. ``day``: that on which they were made, on the operator's clock."""

    source: str | None = None
    day: date | None = None
    run_number: int | None = None
    status: str | None = None


def log(catalogue: Catalogue, choice: Choice, time_zone: str) -> list[Entry]:
    """The chosen files in the order in which they were numbered; copies that were refused last."""
    query = select(FILES, RUNS.c.state, RUNS.c.as_of_utc_s.label("run_utc_s")).join(
        RUNS, RUNS.c.run_number == FILES.c.run_number).order_by(FILES.c.file_number)  # fmt: skip
    if choice.source is not None:
        query = query.where(FILES.c.source == choice.source)
    if choice.run_number is not None:
        query = query.where(FILES.c.run_number == choice.run_number)
    first, end = _bounds(choice.day, time_zone)
    if choice.day is not None:
        query = query.where(FILES.c.file_utc_s >= first, FILES.c.file_utc_s < end)
    found = []
    with catalogue.engine.connect() as link:
        for row in link.execute(query).mappings():
            values = dict(row)
            state, run_utc_s = values.pop("state"), values.pop("run_utc_s")
            file = InputFile(**values)
            found.append(Entry(file, _status(file, state), run_utc_s))
    if choice.run_number is None:
        found += [
            one for one in _copies(catalogue)
            if choice.source in (None, one.file.source)
            and (choice.day is None or first <= one.run_utc_s < end)
        ]  # fmt: skip
    return [one for one in found if choice.status in (None, one.status)]


def _bounds(day: date | None, time_zone: str) -> tuple[int, int]:
    if day is None:
        return 0, 0
    return clock.date_utc_s(day, time_zone), clock.date_utc_s(day + timedelta(days=1), time_zone)


def _status(file: InputFile, state: str) -> str:
    if state == PLANNED:
        return PLANNED
    if file.refused:
        return REFUSED
    return RECOLLECTED if file.request_number else READ


def _copies(catalogue: Catalogue) -> list[Entry]:
    """Copies and changed files in the inbox; they have no number, for nothing of them was read."""
    query = select(REFUSALS).order_by(REFUSALS.c.refused_utc_s, REFUSALS.c.source, REFUSALS.c.name)
    with catalogue.engine.connect() as link:
        return [
            Entry(
                InputFile(0, 0, row["source"], row["name"], row["sha256"], row["size_bytes"],
                          row["modified_ns"], refused=row["why"]),
                REFUSED, row["refused_utc_s"],
            )
            for row in link.execute(query).mappings()
        ]  # fmt: skip


def sums(entries: Iterable[Entry]) -> Sums:
    """The figures of a log, added up."""
    listed = list(entries)
    again = [one for one in listed if one.status == RECOLLECTED]
    return Sums(
        files=len(listed),
        refused=sum(one.status == REFUSED for one in listed),
        records=sum(one.file.rows for one in listed),
        seconds=sum(one.file.seconds for one in listed),
        volume_bytes=sum(one.file.volume_bytes for one in listed),
        size_bytes=sum(one.file.size_bytes for one in listed),
        errors=sum(one.file.errors for one in listed),
        duplicates=sum(one.file.duplicates for one in listed),
        recollected=sum(one.file.rows for one in again),
        recollected_new=sum(one.new for one in again),
        recollected_duplicates=sum(one.file.duplicates for one in again),
    )
