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
from tollbook.errors import Refused

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


def take(root: Path, lake: Path) -> Snapshot:
    """Copy the workspace's reference files into the lake; same content, same digest."""
    store = lake / "snapshots"
    objects = store / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    listed: list[tuple[Path, str]] = []
    size = 0
    for path in _sources(root):
        data = (root / path).read_bytes()
        name = hashlib.sha256(data).hexdigest()
        if not (objects / name).exists():
            write_once(objects / name, data)
        listed.append((path, name))
        size += len(data)
    digest = _digest_of_list(listed)
    folder = store / digest
    if not folder.exists():
        _materialise(objects, folder, listed)
    return Snapshot(digest, folder, len(listed), size)


def _digest_of_list(listed: Sequence[tuple[Path, str]]) -> str:
    """A snapshot's name, from the names and digests of its files."""
    lines = (f"{path.as_posix()}\0{name}\n" for path, name in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of(folder: Path) -> str:
    """The name that a snapshot's files should have given it."""
    return _digest_of_list([(path, sha256(folder / path)) for path in _sources(folder)])


def take_checked(root: Path, lake: Path, check: Callable[[Snapshot], object]) -> Snapshot:
    """``take``; if ``check`` refuses what was taken, it leaves nothing behind in the lake."""
    before = stored(lake)
    snapshot = take(root, lake)
    try:
        check(snapshot)
    except Refused:
        forget(snapshot, lake, before)
        raise
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


def _materialise(objects: Path, folder: Path, listed: list[tuple[Path, str]]) -> None:
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for path, name in listed:
        (building / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(objects / name, building / path)
    building.rename(folder)
    sync_folder(folder.parent)


def write_once(path: Path, data: bytes) -> None:
    """A file under a name that its content decides, on the disk whole or not at all."""
    building = path.with_name(f".{path.name}.building")
    with building.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    building.rename(path)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
