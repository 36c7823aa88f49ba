"""The catalogue: which runs, files, lake files, totals and periods there are.

One writer at a time: an operating-system lock on ``catalogue.lock`` plus an epoch that every
committing transaction compares; a writer that lost its lock can therefore not commit.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError

from tollbook.errors import Locked, NotFound, TollbookError
from tollbook.run.tables import (
    FILES,
    LAKE_FILES,
    LATE,
    META,
    METADATA,
    PERIODS,
    REFUSALS,
    RUNS,
    SCHEMA_VERSION,
    SNAPSHOTS,
    TOTALS,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A row of ``runs``; ``arguments`` is what a restart needs to do the same again."""

    run_number: int
    kind: str
    as_of_utc_s: int
    period: int
    open_period: int
    snapshot: str
    arguments: Mapping[str, Any]
    state: str
    epoch: int
    elapsed_ms: int


@dataclass(frozen=True)
class InputFile:
    """A file from the network as the catalogue knows it; the columns of ``tables.FILES``."""

    file_number: int
    run_number: int
    source: str
    name: str
    sha256: str
    size_bytes: int
    modified_ns: int
    sequence: int = -1
    rows: int = 0
    refused: str = ""
    file_utc_s: int = 0
    request_number: int = 0
    expected: int = -1
    first_start_utc_s: int = 0
    last_start_utc_s: int = 0
    seconds: int = 0
    volume_bytes: int = 0
    errors: int = 0
    duplicates: int = 0
    released: str = ""
    release_of: int = 0


# What a run learns of a file by reading it.
_FOUND_IN_FILE: Final = (
    "rows", "refused", "first_start_utc_s", "last_start_utc_s", "seconds", "volume_bytes",
    "errors", "duplicates",
)  # fmt: skip


@dataclass(frozen=True)
class LakeFile:
    """A file of the lake; ``path`` is relative to the workspace and holds when it is visible."""

    path: str
    run_number: int
    dataset: str
    period: int
    rows: int
    size_bytes: int
    sha256: str
    superseded_by: int = 0


@dataclass(frozen=True)
class Total:
    """How many records of a file, month and service met one fate in a run, and their charge."""

    file_number: int
    period: int
    reason: int
    service: int
    disposition: str
    rows: int
    charge_micro: int


class Catalogue:
    """Reads at any time; writes only inside ``writer``."""

    def __init__(self, url: str, root: Path) -> None:
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            url = f"sqlite:///{root / url.removeprefix('sqlite:///')}"
        self.engine: Engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_durable)
        self.root = root
        self.epoch = 0
        try:
            METADATA.create_all(self.engine)
        except DatabaseError as error:
            raise TollbookError(
                f"{self.engine.url!r}: the catalogue cannot be opened ({error.orig})\n"
                "    allowed: a database that tollbook made, or none yet\n"
                "    do: correct operator.yaml, store: catalogue, or put the catalogue back"
            ) from error
        with self.engine.begin() as link:
            version = link.scalar(select(META.c.value).where(META.c.name == "schema_version"))
            if version is None:
                link.execute(insert(META).values(name="schema_version", value=SCHEMA_VERSION))
                link.execute(insert(META).values(name="epoch", value=0))
            elif version != SCHEMA_VERSION:
                raise TollbookError(
                    f"{url}: catalogue of schema {version}; this tollbook reads {SCHEMA_VERSION}\n"
                    "    do: use the tollbook version that wrote it"
                )

    @contextmanager
    def writer(self) -> Iterator[Catalogue]:
        """The right to write, for as long as the block lasts; raises Locked if another has it."""
        path = self.root / "catalogue.lock"
        with path.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Locked(
                    f"{path}: another process is writing to this workspace\n"
                    "    allowed: one writer at a time\n    do: wait for it to end and start again"
                ) from error
            self.epoch = self.value("epoch")
            yield self

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction that fails if another writer has taken over since ``writer`` began."""
        with self.engine.begin() as link:
            taken = update(META).where(META.c.name == "epoch", META.c.value == self.epoch)
            if link.execute(taken.values(value=self.epoch + 1)).rowcount != 1:
                raise Locked("another writer took over this workspace; nothing was committed")
            yield link
        self.epoch += 1

    def value(self, name: str) -> int:
        with self.engine.connect() as link:
            found = link.scalar(select(META.c.value).where(META.c.name == name))
        return int(found or 0)

    # ---- runs

    def runs(self, state: str | None = None, kind: str | None = None) -> list[Run]:
        query = select(RUNS).order_by(RUNS.c.run_number)
        query = query if state is None else query.where(RUNS.c.state == state)
        query = query if kind is None else query.where(RUNS.c.kind == kind)
        with self.engine.connect() as link:
            return [_run(row) for row in link.execute(query).mappings()]

    def run(self, run_number: int) -> Run:
        with self.engine.connect() as link:
            query = select(RUNS).where(RUNS.c.run_number == run_number)
            row = link.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"run {run_number}: the workspace has no such run\n"
                           f"    allowed: runs up to {self.next_run_number() - 1}\n"
                           "    do: see `tollbook runs`")  # fmt: skip
        return _run(row)

    def next_run_number(self) -> int:
        with self.engine.connect() as link:
            return int(link.scalar(select(func.max(RUNS.c.run_number))) or 0) + 1

    def add_run(self, link: Connection, run: Run, files: Sequence[InputFile]) -> None:
        values = run.__dict__ | {"arguments": json.dumps(run.arguments, sort_keys=True)}
        link.execute(insert(RUNS).values(**values))
        if files:
            link.execute(insert(FILES), [file.__dict__ for file in files])

    def set_state(self, link: Connection, run_number: int, state: str, **values: Any) -> None:
        link.execute(
            update(RUNS).where(RUNS.c.run_number == run_number).values(state=state, **values)
        )

    def cancel(self, link: Connection, run_number: int) -> None:
        """Forget a planned run; its files are new again, and so is what seemed copied from them."""
        link.execute(delete(FILES).where(FILES.c.run_number == run_number))
        link.execute(delete(REFUSALS))  # what is still to be refused will be found again
        link.execute(delete(RUNS).where(RUNS.c.run_number == run_number))

    def give_up(self, link: Connection, run: Run) -> None:
        """Forget a planned run that has nothing to do, and its snapshot if no other run has it."""
        link.execute(delete(RUNS).where(RUNS.c.run_number == run.run_number))
        if link.scalar(select(RUNS.c.run_number).where(RUNS.c.snapshot == run.snapshot)) is None:
            link.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.digest == run.snapshot))

    # ---- files from the network

    def files(self, run_number: int | None = None) -> list[InputFile]:
        # Years of nights have hundreds of thousands of files: plain rows are read twice as fast.
        columns = [FILES.c[one.name] for one in fields(InputFile)]
        query = select(*columns).order_by(FILES.c.file_number)
        query = query if run_number is None else query.where(FILES.c.run_number == run_number)
        with self.engine.connect() as link:
            return [InputFile(*row) for row in link.execute(query)]

    def file(self, file_number: int) -> InputFile:
        with self.engine.connect() as link:
            query = select(FILES).where(FILES.c.file_number == file_number)
            row = link.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"F{file_number}: the workspace has read no such file\n"
                           f"    allowed: files up to F{self.next_file_number() - 1}\n"
                           "    do: see `tollbook collection log`")  # fmt: skip
        return InputFile(**row)

    def next_file_number(self) -> int:
        with self.engine.connect() as link:
            return int(link.scalar(select(func.max(FILES.c.file_number))) or 0) + 1

    def is_any_late(self) -> bool:
        """Whether an account is due to be rated again (``late``)."""
        with self.engine.connect() as link:
            return link.scalar(select(LATE.c.run_number).where(LATE.c.rerated_by == 0)) is not None

    def refusals(self) -> dict[tuple[str, str], tuple[int, int, str]]:
        """(source, name) -> (size, modified, why) of the copies that lie in the inbox."""
        with self.engine.connect() as link:
            rows = link.execute(select(REFUSALS)).mappings()
            return {(r["source"], r["name"]): (r["size_bytes"], r["modified_ns"], r["why"])
                    for r in rows}  # fmt: skip

    def add_refusal(self, link: Connection, file: InputFile, why: str, now_utc_s: int) -> None:
        key = (REFUSALS.c.source == file.source) & (REFUSALS.c.name == file.name)
        values = {
            "size_bytes": file.size_bytes, "modified_ns": file.modified_ns, "why": why,
            "sha256": file.sha256, "refused_utc_s": now_utc_s, "looked_at": 0,
        }  # fmt: skip
        if link.execute(update(REFUSALS).where(key).values(**values)).rowcount == 0:
            link.execute(insert(REFUSALS).values(source=file.source, name=file.name, **values))

    def update_files(self, link: Connection, files: Iterable[InputFile]) -> None:
        for file in files:
            link.execute(
                update(FILES)
                .where(FILES.c.file_number == file.file_number)
                .values(**{name: getattr(file, name) for name in _FOUND_IN_FILE})
            )

    # ---- lake files, totals, periods, snapshots

    def lake_files(
        self,
        dataset: str | None = None,
        periods: Sequence[int] | None = None,
        run_number: int | None = None,
        hidden: bool = False,
    ) -> list[LakeFile]:
        """Files of committed runs, by default only those in force, ordered by run and path."""
        query = select(LAKE_FILES).order_by(LAKE_FILES.c.run_number, LAKE_FILES.c.path)
        if dataset is not None:
            query = query.where(LAKE_FILES.c.dataset == dataset)
        if periods is not None:
            query = query.where(LAKE_FILES.c.period.in_(list(periods)))
        if run_number is not None:
            query = query.where(LAKE_FILES.c.run_number == run_number)
        if not hidden:
            query = query.where(LAKE_FILES.c.superseded_by == 0)
        with self.engine.connect() as link:
            return [LakeFile(**row) for row in link.execute(query).mappings()]

    def superseded_by(self, run_number: int) -> list[LakeFile]:
        query = select(LAKE_FILES).where(LAKE_FILES.c.superseded_by == run_number)
        with self.engine.connect() as link:
            return [LakeFile(**row) for row in link.execute(query).mappings()]

    def add_lake_files(self, link: Connection, files: Sequence[LakeFile]) -> None:
        if files:
            link.execute(insert(LAKE_FILES), [file.__dict__ for file in files])

    def supersede(self, link: Connection, paths: Sequence[str], run_number: int) -> None:
        for path in paths:
            link.execute(
                update(LAKE_FILES)
                .where(LAKE_FILES.c.path == path)
                .values(superseded_by=run_number)
            )

    def add_totals(self, link: Connection, run_number: int, totals: Sequence[Total]) -> None:
        rows = [
            {key: value for key, value in total.__dict__.items() if key != "charge_micro"}
            | {"run_number": run_number, "charge": str(total.charge_micro)}
            for total in totals
        ]
        if rows:
            link.execute(insert(TOTALS), rows)

    def totals(self, run_number: int | None = None) -> list[tuple[int, Total]]:
        """(run number, total) rows, in a fixed order."""
        query = select(TOTALS).order_by(*TOTALS.primary_key.columns)
        query = query if run_number is None else query.where(TOTALS.c.run_number == run_number)
        found = []
        with self.engine.connect() as link:
            for row in link.execute(query).mappings():
                values = dict(row)
                run, charge = values.pop("run_number"), int(values.pop("charge"))
                found.append((run, Total(**values, charge_micro=charge)))
        return found

    def closed_periods(self, kind: str) -> dict[int, int]:
        """Month -> run that closed it."""
        query = select(PERIODS.c.period, PERIODS.c.closed_by_run).where(PERIODS.c.kind == kind)
        with self.engine.connect() as link:
            return {row.period: row.closed_by_run for row in link.execute(query)}

    def close_period(self, link: Connection, kind: str, period: int, run_number: int) -> None:
        link.execute(insert(PERIODS).values(kind=kind, period=period, closed_by_run=run_number))

    def add_snapshot(self, link: Connection, digest: str, file_count: int, size: int) -> None:
        known = link.scalar(select(SNAPSHOTS.c.digest).where(SNAPSHOTS.c.digest == digest))
        if known is None:
            link.execute(
                insert(SNAPSHOTS).values(digest=digest, file_count=file_count, size_bytes=size)
            )


def _sqlite_durable(connection: Any, _record: Any) -> None:
    """A committed transaction must survive a power cut: full syncing, and a lasting journal."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA journal_mode = DELETE")
    cursor.close()


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(**(dict(row) | {"arguments": json.loads(row["arguments"])}))
