"""Rows that were rejected before duplicates are decided, with their bytes, in file order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import pyarrow as pa

from tollbook import schemas
from tollbook.run.exchange import ChunkKey


class Pile:
    """Pieces of (schemas.USAGE rows, their schemas.REJECTED rows); kept on disk beyond a budget."""

    def __init__(self, budget_bytes: int, folder: Path) -> None:
        self._budget_bytes, self._folder = budget_bytes, folder
        self._pieces: dict[ChunkKey, tuple[pa.RecordBatch, pa.RecordBatch] | Path] = {}
        self._lock = Lock()
        self._held_bytes = 0
        self._spilled: tempfile.TemporaryDirectory[str] | None = None

    def add(self, key: ChunkKey, batch: pa.RecordBatch, rejected: pa.RecordBatch | None) -> None:
        """Take in the rejected rows of a chunk; may be called by several threads."""
        details = _no_bytes() if rejected is None else rejected
        size = batch.nbytes + details.nbytes
        with self._lock:
            if self._held_bytes + size > self._budget_bytes:
                self._pieces[key] = self._spill(key, batch, details)
            else:
                self._held_bytes += size
                self._pieces[key] = (batch, details)

    def drop_file(self, file_number: int) -> None:
        """Forget the rows of a file that was refused whole."""
        with self._lock:
            for key in [key for key in self._pieces if key[0] == file_number]:
                del self._pieces[key]

    def pieces(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """All pieces, in the order of files and chunks."""
        for key in sorted(self._pieces):
            piece = self._pieces[key]
            yield _load(piece) if isinstance(piece, Path) else piece

    def close(self) -> None:
        self._pieces.clear()
        if self._spilled is not None:
            self._spilled.cleanup()
            self._spilled = None

    def _spill(self, key: ChunkKey, batch: pa.RecordBatch, details: pa.RecordBatch) -> Path:
        if self._spilled is None:
            self._spilled = tempfile.TemporaryDirectory(dir=self._folder, prefix="_rejected-")
        path = Path(self._spilled.name) / f"{key[0]}-{key[1]}"
        for suffix, rows in ((".usage", batch), (".bytes", details)):
            with (
                pa.OSFile(str(path) + suffix, "wb") as sink,
                pa.ipc.new_file(sink, rows.schema) as writer,
            ):
                writer.write_batch(rows)
        return path


def _no_bytes() -> pa.RecordBatch:
    arrays = [pa.array([], field.type) for field in schemas.REJECTED]
    return pa.RecordBatch.from_arrays(arrays, schema=schemas.REJECTED)


def _load(path: Path) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    found = []
    for suffix in (".usage", ".bytes"):
        with pa.OSFile(str(path) + suffix, "rb") as source:
            found.append(pa.ipc.open_file(source).get_batch(0))
    return found[0], found[1]
