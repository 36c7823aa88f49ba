"""Files that are forced to the disk behind the back of those who write them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Any

import pytest

from tollbook.run import pool


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the files that were forced; one of three bytes finds the disk full."""
    sizes: list[int] = []

    def fsync(handle: int) -> None:
        size = os.fstat(handle).st_size
        if size == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sizes.append(size)

    monkeypatch.setattr(os, "fsync", fsync)
    return sizes


def written(folder: Path, size: int) -> IO[Any]:
    """An open file of so many bytes, as a writer leaves it."""
    handle = (folder / str(size)).open("wb")
    handle.write(b"x" * size)
    handle.flush()
    return handle


def test_all_files_are_on_the_disk_when_it_was_waited_for(
    tmp_path: Path, forced: list[int]
) -> None:
    behind = pool.Behind()
    sizes = [size for size in range(2 * pool.WAITING_MAX) if size != 3]
    handles = [written(tmp_path, size) for size in sizes]
    for handle in handles:
        behind.force(handle)
    behind.wait()
    assert forced == sizes
    assert all(handle.closed for handle in handles)
    behind.close()


def test_a_full_disk_is_told_by_wait(tmp_path: Path, forced: list[int]) -> None:
    behind = pool.Behind()
    handles = [written(tmp_path, size) for size in (1, 3, 5)]
    for handle in handles:
        behind.force(handle)
    with pytest.raises(OSError, match="No space left"):
        behind.wait()
    behind.close()
    assert forced == [1, 5]
    assert all(handle.closed for handle in handles)


def test_what_comes_after_the_end_is_forced_at_once(tmp_path: Path, forced: list[int]) -> None:
    behind = pool.Behind()
    behind.close()
    late = written(tmp_path, 7)
    behind.force(late)
    assert forced == [7]
    assert late.closed
