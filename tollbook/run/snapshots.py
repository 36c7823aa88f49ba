"""Content-addressed copies of the tariff book, the network and the customers.

A run refers to one snapshot, and everything that later asks "why" (explain, retry, audit) reads
that snapshot, never the working folders. A snapshot is a folder ``lake/snapshots/<digest>/`` laid
out like a workspace; its files are links to ``lake/snapshots/objects/<sha256>``, so that a file
which did not change between two nights is kept once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr.files import sha256
from tollbook.errors import TollbookError
from tollbook.run import disk, pool

TOP_FILES: Final = ("operator.yaml",)
FOLDERS: Final = ("tariffs", "network", "customers", "layouts", "templates")


@dataclass(frozen=True)
class Snapshot:
    digest: str
    folder: Path
    file_count: int
    size_bytes: int


def _sources(root: Path) -> list[Path]:
    """The files that make up reference data, relative to the workspace, in a fixed order."""
    found = [Path(name) for name in TOP_FILES if (root / name).is_file()]
    for folder in FOLDERS:
        found.extend(
            path.relative_to(root)
            for path in sorted((root / folder).rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        )
    return found


def _take(root: Path, lake: Path) -> tuple[Snapshot, list[Path]]:
    """Copy the workspace's reference files into the lake; same content, same digest.

    Gives the snapshot, which can be read, and its new files, which have yet to be settled.
    """
    store = lake / "snapshots"
    objects = store / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    listed: list[tuple[Path, str]] = []
    fresh: list[Path] = []
    size = 0
    for path in _sources(root):
        data = (root / path).read_bytes()
        name = hashlib.sha256(data).hexdigest()
        if objects / name not in fresh and not (objects / name).exists():
            disk.building(objects / name).write_bytes(data)
            fresh.append(objects / name)
        listed.append((path, name))
        size += len(data)
    digest = _digest_of_list(listed)
    folder = store / digest
    # A folder whose files never settled is what a crash has left, and may hold anything.
    if fresh or not folder.exists():
        _materialise(folder, [
            (path, disk.building(objects / name) if objects / name in fresh else objects / name)
            for path, name in listed
        ])  # fmt: skip
    return Snapshot(digest, folder, len(listed), size), fresh


def _digest_of_list(listed: Sequence[tuple[Path, str]]) -> str:
    """A snapshot's name, from the names and digests of its files."""
    lines = (f"{path.as_posix()}\0{name}\n" for path, name in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of(folder: Path) -> str:
    """The name that a snapshot's files should have given it."""
    return _digest_of_list([(path, sha256(folder / path)) for path in _sources(folder)])


def take_checked(root: Path, lake: Path, check: Callable[[Snapshot], object]) -> Snapshot:
    """A snapshot of the workspace that passes ``check``, on the disk.

    The disk is waited for while ``check`` works. If it refuses what was taken, nothing is left
    behind in the lake.
    """
    before = stored(lake)
    snapshot, fresh = _take(root, lake)

    def checked() -> TollbookError | None:
        try:
            check(snapshot)
        except TollbookError as refused:
            return refused
        return None

    _, refused = pool.beside(lambda: disk.settle(fresh), checked)
    if refused is not None:
        forget(snapshot, lake, before)
        raise refused
    return snapshot


def stored(lake: Path) -> set[Path]:
    """The snapshots and their files that the lake holds."""
    store = lake / "snapshots"
    return {*store.glob("*"), *store.glob("objects/*")}


def forget(snapshot: Snapshot, lake: Path, before: set[Path]) -> None:
    """Take back a snapshot that no run will refer to, but for what was ``stored`` before."""
    for new in {snapshot.folder, *(lake / "snapshots").glob("objects/*")} - before:
        if new.is_dir():
            shutil.rmtree(new)
        else:
            new.unlink()


def folder_of(lake: Path, digest: str) -> Path:
    """Where a run's reference data lie."""
    return lake / "snapshots" / digest


def _materialise(folder: Path, files: Sequence[tuple[Path, Path]]) -> None:
    """The folder of a snapshot, made of links. files: names in it, and what they are links to."""
    building = disk.building(folder)
    for left in (building, folder):
        shutil.rmtree(left, ignore_errors=True)
    building.mkdir()
    for path, file in files:
        (building / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(file, building / path)
    building.rename(folder)
    disk.sync(folder.parent)
