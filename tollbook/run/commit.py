"""The commit protocol (ADR 0004): all of a run becomes visible, or nothing of it.

1. Every file of the run is written under a pending name and forced to the disk with its folders.
2. One catalogue transaction records files, checksums, totals and what is superseded.
3. Superseded files are hidden, then the new ones are shown: a reader that globs the lake may for a
   moment see too few rows, never one twice.
4. The run is marked published.

A crash before 2 leaves pending files that the next start deletes; after 2 the next start repeats
3 and 4, each step of which may already have been done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from tollbook.run import crash, lake
from tollbook.run.catalogue import Catalogue, LakeFile
from tollbook.run.disk import sync


def commit(
    catalogue: Catalogue,
    root: Path,
    run_number: int,
    files: Sequence[LakeFile],
    superseded: Sequence[str],
    record: Callable[[Connection], None],
    elapsed_ms: int,
) -> None:
    """Steps 1 to 4. ``record`` adds what else belongs into the transaction (totals, periods)."""
    crash.point("files_written")
    folders = set()
    for file in files:  # the files themselves were forced to the disk when they were closed
        folders.add(lake.pending_path(root / file.path).parent)
    for folder in sorted(folders | {parent for f in folders for parent in f.parents
                                    if parent != root and root in parent.parents}):  # fmt: skip
        sync(folder)
    crash.point("before_transaction")
    with catalogue.transaction() as link:
        catalogue.add_lake_files(link, files)
        catalogue.supersede(link, superseded, run_number)
        record(link)
        catalogue.set_state(link, run_number, "committed", elapsed_ms=elapsed_ms)
    crash.point("after_transaction")
    publish(catalogue, root, run_number)


def publish(catalogue: Catalogue, root: Path, run_number: int) -> None:
    """Steps 3 and 4; repeating them changes nothing."""
    touched = set()
    for file in catalogue.superseded_by(run_number):
        path = root / file.path
        if path.exists():
            path.rename(hidden_path(path))
            touched.add(path.parent)
    crash.point("superseded_hidden")
    for index, file in enumerate(catalogue.lake_files(run_number=run_number, hidden=True)):
        path = root / file.path
        pending = lake.pending_path(path)
        if pending.exists():
            pending.rename(path)
            touched.add(path.parent)
        if index == 0:
            crash.point("first_file_shown")
    crash.point("all_files_shown")
    for folder in sorted(touched):
        sync(folder)
    with catalogue.transaction() as link:
        catalogue.set_state(link, run_number, "published")
    crash.point("published")


def hidden_path(path: Path) -> Path:
    """Where a superseded file is kept: no reader's glob picks it up, explain and audit do."""
    return path.with_name(f"_{path.name}.superseded")


def where_kept(file: LakeFile) -> LakeFile:
    """The file under the name that it has now, superseded or not."""
    return replace(file, path=str(hidden_path(Path(file.path)))) if file.superseded_by else file


def roll_forward(catalogue: Catalogue, folders: Sequence[Path], root: Path) -> list[int]:
    """Finish what was committed and not published; delete what was never committed.

    Returns the runs that were rolled forward. A planned run keeps its plan: the next run of its
    kind follows it.
    """
    finished = []
    for run in catalogue.runs(state="committed"):
        publish(catalogue, root, run.run_number)
        finished.append(run.run_number)
    for folder in folders:
        for pending in sorted(folder.rglob("_*.pending")):
            pending.unlink()
    return finished
