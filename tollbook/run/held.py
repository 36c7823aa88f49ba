"""Bytes that are held between the phases of a run: in memory, beyond a budget on disk.

Memory comes from Arrow's pool, in large pieces. (numpy would ask the system for large pages, which
virtual machines may have to fetch from their host: measured, twice the time to put rows in.)
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa

SEGMENT_BYTES: Final = 2**28
ALIGNED: Final = 8  # every place is a multiple: the bytes may be seen as integers of any width
PADDING: Final = 16  # readable behind every piece
_SEGMENT_BITS: Final = 40
_DISK: Final = 1 << 20  # the segment's number that stands for the file
_NOWHERE: Final = -1  # and the one of pieces without a byte
_NOTHING: Final = np.zeros(ALIGNED, np.uint8)


class Held:
    """Pieces of bytes by their place; may be filled by several threads at once."""

    def __init__(self, budget_bytes: int, folder: Path) -> None:
        self._budget_bytes, self._folder = budget_bytes, folder
        self._lock = Lock()
        self._segments: list[np.ndarray] = []
        self._free = 0  # first unused byte of the last segment
        self._handle = -1
        self._stored_bytes = 0
        self.memory_bytes = 0

    def room(self, size: int) -> tuple[int, np.ndarray]:
        """A place for so many bytes, and the bytes (uint8) to fill before ``keep`` is called."""
        whole = -(-(size + PADDING) // ALIGNED) * ALIGNED
        with self._lock:
            if self.memory_bytes + whole > self._budget_bytes:
                place = _DISK << _SEGMENT_BITS | self._stored_bytes
                self._stored_bytes += whole
                return place, np.empty(whole, np.uint8)[:size]
            if not self._segments or self._free + whole > len(self._segments[-1]):
                segment = pa.allocate_buffer(max(whole, SEGMENT_BYTES))
                self._segments.append(np.frombuffer(segment, np.uint8))
                self._free = 0
            first, number = self._free, len(self._segments) - 1
            self._free += whole
            self.memory_bytes += whole
            return number << _SEGMENT_BITS | first, self._segments[number][first : first + size]

    def keep(self, place: int, filled: np.ndarray) -> None:
        """The room at a place is filled."""
        if place >> _SEGMENT_BITS != _DISK:
            return
        view, position = filled.data, place & (1 << _SEGMENT_BITS) - 1
        while len(view):
            written = os.pwrite(self._file(), view, position)
            view, position = view[written:], position + written

    def gathered(
        self, places: np.ndarray, sizes: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where pieces can be read: (uint8 bytes, which of the pieces, where each begins there).

        places, sizes: int64, of the pieces; places may lie within what was put.
        """
        segment, first = places >> _SEGMENT_BITS, places & (1 << _SEGMENT_BITS) - 1
        segment[sizes == 0], first[sizes == 0] = _NOWHERE, 0
        found = []
        for number in np.unique(segment).tolist():
            which = np.flatnonzero(segment == number)
            if number == _NOWHERE:
                data, at = _NOTHING, first[which]
            elif number == _DISK:
                data, at = self._read(first[which], sizes[which])
            else:
                data, at = self._segments[number], first[which]
            found.append((data, which, at))
        return found

    def close(self) -> None:
        """Forget everything; the file has no name and vanishes."""
        self._segments.clear()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _file(self) -> int:
        with self._lock:
            if self._handle < 0:
                with tempfile.TemporaryFile(dir=self._folder) as handle:
                    self._handle = os.dup(handle.fileno())
            return self._handle

    def _read(self, first: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pieces of the file, one behind the other; and where each begins."""
        begins = first % ALIGNED  # integers stay where their width wants them
        room = (begins + sizes + PADDING + ALIGNED - 1) // ALIGNED * ALIGNED
        at = np.cumsum(room) - room
        data = np.empty(int(room.sum()), np.uint8)
        for piece, (position, size) in enumerate(zip(first.tolist(), sizes.tolist(), strict=True)):
            begin = int(at[piece] + begins[piece])
            view = data[begin : begin + size].data
            while len(view):
                count = os.preadv(self._file(), [view], position)
                if count == 0:
                    raise OSError("the file for rows beyond memory ended early")
                view, position = view[count:], position + count
        return data, at + begins
