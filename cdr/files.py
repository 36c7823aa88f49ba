"""Files as they were stored: their digest, and their bytes whether plain, gzip or zstd.

Which of the three a file is, its first bytes tell, not its name. What expands beyond the declared
limits, or ends before its end, is refused whole with ``errors.BrokenFile``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.errors import BrokenFile

# That are hashed in one go. Between two of them the interpreter is asked for, which may be busy.
PIECE_BYTES: Final = 4 * 2**20
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Limits:
    """How far a compressed file may expand: in all, and by its ratio once ``free_bytes`` came."""

    expanded_bytes: int = 256 * 2**30
    ratio: int = 250
    free_bytes: int = 16 * 2**20


DEFAULT_LIMITS: Final = Limits()


def sha256(path: Path) -> str:
    """Hex digest of the bytes as they are stored (compressed files are not expanded)."""
    digest, room = hashlib.sha256(), memoryview(bytearray(PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(room):
            digest.update(room[:count])
    return digest.hexdigest()


def compression_of(path: Path) -> str:
    """``plain``, ``gzip`` or ``zstd``, by the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if head == ZSTD_MAGIC else "plain"


class Stored:
    """The expanded bytes of a file, read in order; see ``open_stored``."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.compression = compression_of(path)
        self.byte_offset = 0  # expanded bytes read so far
        self._raw = pa.OSFile(str(path), "rb")
        self._stream = self._raw
        if self.compression != "plain":
            self._stream = pa.CompressedInputStream(self._raw, self.compression)

    def read_into(self, target: np.ndarray) -> int:
        """Fills ``target`` (uint8); fewer bytes than it holds come only at the end of the file."""
        view, done = memoryview(target.data), 0
        while done < len(view):
            # Small steps where a file expands, so that a bomb is found before it fills memory.
            step = view[done:] if self.compression == "plain" else view[done : done + 2**20]
            try:
                count = self._stream.readinto(step)
            except OSError as error:
                raise self._broken(f"its {self.compression} data is broken ({error})") from error
            if count == 0:
                break
            done += count
            self.byte_offset += count
            self._check_expansion()
        return done

    def _check_expansion(self) -> None:
        if self.compression == "plain":
            return
        limits, stored = self.limits, max(1, self._raw.tell())
        if self.byte_offset > limits.expanded_bytes or (
            self.byte_offset > limits.free_bytes and self.byte_offset > limits.ratio * stored
        ):
            raise self._broken(f"{stored} stored bytes expand to {self.byte_offset} and more")

    def _broken(self, found: str) -> BrokenFile:
        limits = self.limits
        return BrokenFile(
            str(self.path), found,
            f"whole {self.compression} data that expands to at most {limits.ratio} times its size "
            f"and {limits.expanded_bytes} bytes",
            "fetch the file again, or ask the source for a new copy", self.byte_offset,
        )  # fmt: skip

    def close(self) -> None:
        self._stream.close()
        self._raw.close()


@contextmanager
def open_stored(path: Path, limits: Limits = DEFAULT_LIMITS) -> Iterator[Stored]:
    """The file's bytes, expanded; raises BrokenFile while reading, OSError if it cannot be read."""
    stored = Stored(path, limits)
    try:
        yield stored
    finally:
        stored.close()
