"""A workspace opened for work: its folder, catalogue and progress, shared by all kinds of run.

Whatever kind of run a command asks for, what an earlier crash left is put right first: committed
runs are rolled forward, a planned run is executed as its plan says.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tollbook import workspace
from tollbook.errors import Refused, TollbookError
from tollbook.run import commit, crash, snapshots
from tollbook.run.catalogue import Catalogue, InputFile, Run
from tollbook.run.pool import cores
from tollbook.run.progress import Progress, Silent
from tollbook.workspace import Workspace

OUT: Final = "out"
INBOX: Final = "inbox"
# Datasets that a night writes.
RESULTS: Final = ("rated", "suspense", "pending", "legs", "ratings", "uncharged")
# Kind of run -> the module whose ``execute(session, run)`` follows its plan.
KINDS: Final = {
    "night": "tollbook.run.night",
    "retry": "tollbook.run.retry",
    "correct": "tollbook.run.corrections",
    "discard": "tollbook.run.discards",
    "undo": "tollbook.run.undo",
    "bill": "tollbook.run.bills",
    "settle": "tollbook.run.settlements",
    "rerate": "tollbook.run.rerate",
}
SPILL: Final = "_spill-"  # how a run's folder for rows beyond its memory begins, in the lake


@dataclass
class Session:
    """One command's hold on a workspace."""

    root: Path
    workspace: Workspace
    catalogue: Catalogue
    progress: Progress = field(default_factory=Silent)
    threads: int = field(default_factory=cores)
    kept: object = None  # what the last run compiled; the next one may need the same

    @property
    def lake_prefix(self) -> str:
        """The lake's folder as the catalogue writes it: relative where it lies in the workspace."""
        lake = self.workspace.store.lake
        return str(lake.relative_to(self.root)) if lake.is_relative_to(self.root) else str(lake)

    @property
    def lake(self) -> Path:
        return self.workspace.store.lake


def open_session(root: Path, progress: Progress | None = None) -> Session:
    """The workspace in a folder; raises Refused, with all problems, if operator.yaml has one."""
    root = root.resolve()
    try:
        space = workspace.load(root)
    except Refused:
        from tollbook.run import data

        data.load(root)  # refuses with the problems of all other files, too
        raise
    catalogue = Catalogue(space.store.catalogue, root)
    _refuse_if_lost(catalogue, space.store.lake)
    return Session(root, space, catalogue, progress or Silent())


def _refuse_if_lost(catalogue: Catalogue, lake: Path) -> None:
    """Without its catalogue a lake's files would be forgotten, and the inbox charged once more."""
    if catalogue.next_run_number() > 1:
        return
    left = next((path for name in RESULTS for path in (lake / name).rglob("*.parquet")), None)
    if left is not None:
        raise TollbookError(
            f"{left}: the lake holds results and the catalogue knows of no run\n"
            "    allowed: a lake and the catalogue that belongs to it\n"
            "    do: put the catalogue back (store: catalogue), or move the lake away"
        )


def put_right(session: Session) -> list[int]:
    """Roll committed runs forward, delete what was never committed."""
    for left in session.lake.glob(f"{SPILL}*"):
        shutil.rmtree(left)
    folders = (session.lake, session.root / OUT)
    return commit.roll_forward(session.catalogue, folders, session.root)


@contextmanager
def writing(session: Session) -> Iterator[list[int]]:
    """The right to write. Gives the numbers of the runs that were put right first."""
    with session.catalogue.writer():
        done = put_right(session)
        for run in session.catalogue.runs(state="planned"):
            session.progress.say(f"run {run.run_number} ({run.kind}) was interrupted: going on")
            execute(session, run)
            done.append(run.run_number)
        yield done


def execute(session: Session, run: Run) -> Any:
    """Do what a run's plan says; the kinds are imported when they are needed."""
    return import_module(KINDS[run.kind]).execute(session, run)


def commit_plan(
    session: Session,
    kind: str,
    snapshot: snapshots.Snapshot,
    as_of_utc_s: int,
    period: int = 0,
    arguments: Mapping[str, Any] | None = None,
    files: list[InputFile] | None = None,
) -> Run:
    """Write down what the run will do, before it does anything."""
    catalogue = session.catalogue
    run = Run(
        catalogue.next_run_number(), kind, as_of_utc_s, period, open_period(catalogue, "bill"),
        snapshot.digest, arguments or {}, "planned", catalogue.epoch, 0,
    )  # fmt: skip
    crash.point("plan_made")
    with catalogue.transaction() as link:
        catalogue.add_snapshot(link, snapshot.digest, snapshot.file_count, snapshot.size_bytes)
        catalogue.add_run(link, run, files or [])
    crash.point("plan_committed")
    return run


def open_period(catalogue: Catalogue, kind: str) -> int:
    """The first month that is not closed; 0 while none is."""
    closed = catalogue.closed_periods(kind)
    return max(closed) + 1 if closed else 0
