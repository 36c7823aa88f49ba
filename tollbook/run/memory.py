"""Memory that is used again instead of being given back and asked for anew.

A night allocates and frees arrays of some megabytes by the thousand. By default the C library
returns each of them to the system at once, and the system clears fresh pages for the next one:
measured, a sixth of a night's processor time. Here the C library is told to keep what it was given,
and Arrow to allocate through it. Where the C library knows no such settings, nothing changes.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

import pyarrow as pa

# Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_LARGEST: Final = 2**31 - 1


def set_up() -> None:
    """All of it, for the process of a run."""
    pa.set_memory_pool(pa.system_memory_pool())
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Tell the C library, for this process; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_ARENA_MAX, 1),  # else threads get arenas of their own, which cannot hold large pieces
        (_MMAP_THRESHOLD, 1 << 30),
        (_TRIM_THRESHOLD, _LARGEST),
        (_TOP_PAD, 1 << 26),
    )
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
