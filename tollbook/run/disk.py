"""What has to survive a power cut: files and names that are forced to the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any


def sync(path: Path) -> None:
    """Force a file's bytes, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def force(handle: IO[Any]) -> None:
    """Force a file that was written to the disk, and close it."""
    try:
        os.fsync(handle.fileno())
    finally:
        handle.close()


def building(path: Path) -> Path:
    """What a file is called until it is whole and on the disk."""
    return path.with_name(f".{path.name}.building")


def settle(paths: Sequence[Path]) -> None:
    """Force files that lie under their ``building`` names to the disk, then rename them."""
    for path in paths:
        sync(building(path))
        building(path).rename(path)
    for folder in {path.parent for path in paths}:
        sync(folder)


def write_once(path: Path, data: bytes) -> None:
    """A file that is on the disk whole or not at all."""
    building(path).write_bytes(data)
    settle([path])
