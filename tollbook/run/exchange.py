"""The exchange: rows come in by chunk of a file, and go out by bucket of account.

A chunk's rows are put into bucket order once; columns are kept as narrowly as their values allow
(a column that is the same in all rows of the chunk is kept as one number), and chunks beyond the
memory budget go to a spill file. A text that an index of the same row names as well is ``implied``:
it comes out empty, and whoever needs it takes the name. What comes out depends on neither the
budget nor the order in which threads finish: pieces are joined in the order of (file, chunk).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.run.exchange_kernels import (
    STRIDE,
    bucket_order,
    drop_implied,
    gather,
    gather_bytes,
    gather_offsets,
    kept_range,
)
from tollbook.stage import TextColumn, int_array, ints, text_array, text_of

ChunkKey = tuple[int, int]  # file number, number of the chunk in the file
_NARROWER: Final = (np.dtype(np.int16), np.dtype(np.int32))


@dataclass(frozen=True)
class _Ints:
    """An integer column: value = base + values[row]; values is None where all rows are equal."""

    base: int
    values: np.ndarray | _Spilled | None


@dataclass(frozen=True)
class _Texts:
    """A text column; both are None where all texts are empty."""

    offsets: np.ndarray | _Spilled | None
    data: np.ndarray | _Spilled | None


@dataclass(frozen=True)
class _Spilled:
    """An array that lies in the spill file."""

    position: int
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class _Chunk:
    starts: np.ndarray  # int64[buckets + 1]: first row of each bucket
    columns: tuple[_Ints | _Texts, ...]


def take(batch: pa.RecordBatch, order: np.ndarray) -> pa.RecordBatch:
    """The rows of ``order`` (int64 row numbers) as a new batch."""
    columns = [_take_column(column, order) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _take_column(column: pa.Array, order: np.ndarray) -> pa.Array:
    if pa.types.is_integer(column.type):
        values = column.to_numpy(zero_copy_only=True)
        if len(values) and values.min() == values.max():  # the order of equal values is no matter
            return column.slice(0, len(order))
        out = np.empty(len(order), values.dtype)
        gather(values, order, 0, out)
        return int_array(out)
    texts = text_of(column)
    if texts.offsets[0] == texts.offsets[-1]:
        return column.slice(0, len(order))
    texts = gather_text(texts, order)
    return text_array(texts.offsets, texts.data, column.type)


def gather_text(column: TextColumn, order: np.ndarray) -> TextColumn:
    """The texts of the rows in ``order``."""
    offsets = np.empty(len(order) + 1, np.int32)
    size = gather_offsets(column.offsets, order, offsets)
    data = np.empty(size + STRIDE, np.uint8)
    gather_bytes(column.offsets, column.data, order, data)
    return TextColumn(offsets, data[:size])


class Exchange:
    """Collects batches of one schema (integers and texts) and gives them back by bucket."""

    def __init__(
        self,
        schema: pa.Schema,
        buckets: int,
        budget_bytes: int,
        spill_folder: Path,
        implied: Mapping[str, str] | None = None,
    ) -> None:
        """implied: text column -> the index column that names the same, where it is not -1."""
        self.schema, self.buckets = schema, buckets
        self._implied = implied or {}
        self._budget_bytes, self._spill_folder = budget_bytes, spill_folder
        self._chunks: dict[ChunkKey, _Chunk] = {}
        self._lock = Lock()
        self._held_bytes = 0
        self._spill_handle = -1
        self._spill_size = 0
        self.rows_by_bucket = np.zeros(buckets, np.int64)

    def add(
        self, key: ChunkKey, batch: pa.RecordBatch, bucket: np.ndarray
    ) -> pa.RecordBatch | None:
        """Take in a chunk; may be called by several threads.

        bucket: int16, one of 0..buckets for each row; rows of bucket ``buckets`` are not kept but
        given back (None if there are none), in their order.
        """
        order = np.empty(len(bucket), np.int64)
        starts = np.zeros(self.buckets + 2, np.int64)
        bucket_order(bucket, starts, order)
        kept = int(starts[self.buckets])
        left_out = take(batch, order[kept:]) if kept < len(order) else None
        order = order[:kept]
        inside = bucket < self.buckets
        columns = tuple(
            _scatter(self._slim(batch, place, inside), order, inside)
            for place in range(batch.num_columns)
        )
        size = sum(map(_held, columns))
        with self._lock:
            if self._held_bytes + size > self._budget_bytes:
                columns = tuple(self._spill(column) for column in columns)
            else:
                self._held_bytes += size
            self._chunks[key] = _Chunk(starts[:-1], columns)
            self.rows_by_bucket += np.diff(starts[:-1])
        return left_out

    def drop_file(self, file_number: int) -> None:
        """Forget the rows of a file that was refused whole."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == file_number]:
                self.rows_by_bucket -= np.diff(self._chunks.pop(key).starts)

    def collect(self, first: int, last: int) -> pa.RecordBatch:
        """All rows of buckets first..last-1, in the order of files and chunks."""
        chunks = [self._chunks[key] for key in sorted(self._chunks)]
        spans = [(int(c.starts[first]), int(c.starts[last])) for c in chunks]
        pieces = [
            (chunk, low, high)
            for chunk, (low, high) in zip(chunks, spans, strict=True) if low < high
        ]  # fmt: skip
        rows = sum(high - low for _, low, high in pieces)
        arrays = []
        for index, field in enumerate(self.schema):
            if pa.types.is_integer(field.type):
                arrays.append(self._collect_ints(index, field, pieces, rows))
            else:
                arrays.append(self._collect_texts(index, field, pieces, rows))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def distinct(self, name: str) -> list[int]:
        """The values that occur in an integer column, ascending."""
        index = self.schema.get_field_index(name)
        found: set[int] = set()
        for chunk in self._chunks.values():
            column = chunk.columns[index]
            assert isinstance(column, _Ints)
            if column.values is None:
                found.add(column.base)
            else:
                values = self._load(column.values, 0, int(chunk.starts[-1]))
                found.update((np.unique(values).astype(np.int64) + column.base).tolist())
        return sorted(found)

    def tasks(self, rows_wanted: int) -> list[tuple[int, int]]:
        """Contiguous ranges of buckets with at least ``rows_wanted`` rows each (but the last).

        Depends on the rows alone, so the files that are written from it do, too.
        """
        found, first, rows = [], 0, 0
        for bucket in range(self.buckets):
            rows += int(self.rows_by_bucket[bucket])
            if rows >= rows_wanted:
                found.append((first, bucket + 1))
                first, rows = bucket + 1, 0
        if rows or not found:
            found.append((first, self.buckets))
        return found

    def close(self) -> None:
        """Forget everything; the spill file has no name and vanishes."""
        self._chunks.clear()
        if self._spill_handle >= 0:
            os.close(self._spill_handle)
            self._spill_handle = -1

    # ---- inside

    def _slim(self, batch: pa.RecordBatch, place: int, inside: np.ndarray) -> pa.Array:
        """A column as it is kept: without the texts that an index implies."""
        column, index = batch.column(place), self._implied.get(self.schema.field(place).name)
        if index is None:
            return column
        texts = text_of(column)
        offsets = np.empty(len(column) + 1, np.int32)
        data = np.empty(int(texts.offsets[-1] - texts.offsets[0]), np.uint8)
        size = drop_implied(
            texts.offsets, texts.data, ints(batch, index), inside, offsets, data
        )
        return text_array(offsets, data[:size], column.type)

    def _spill(self, column: _Ints | _Texts) -> _Ints | _Texts:
        if isinstance(column, _Ints):
            values = column.values
            return _Ints(column.base, self._store(values)) if _is_array(values) else column
        if column.offsets is None:
            return column
        return _Texts(self._store(column.offsets), self._store(column.data))

    def _store(self, values: np.ndarray | _Spilled | None) -> _Spilled:
        assert isinstance(values, np.ndarray)  # what is added was never spilled before
        if self._spill_handle < 0:
            with tempfile.TemporaryFile(dir=self._spill_folder) as handle:
                self._spill_handle = os.dup(handle.fileno())
        position = self._spill_size
        view = values.view(np.uint8).data if values.size else memoryview(b"")
        while len(view):
            written = os.pwrite(self._spill_handle, view, self._spill_size)
            self._spill_size += written
            view = view[written:]
        return _Spilled(position, values.dtype, values.size)

    def _load(self, values: np.ndarray | _Spilled, low: int, high: int) -> np.ndarray:
        if isinstance(values, np.ndarray):
            return values[low:high]
        width = values.dtype.itemsize
        out = np.empty(high - low, values.dtype)
        view, position = out.view(np.uint8).data, values.position + low * width
        while len(view):
            count = os.preadv(self._spill_handle, [view], position)
            if count == 0:
                raise OSError("the spill file ended early")
            view, position = view[count:], position + count
        return out

    def _collect_ints(
        self, index: int, field: pa.Field, pieces: Sequence[tuple[_Chunk, int, int]], rows: int
    ) -> pa.Array:
        out = np.empty(rows, field.type.to_pandas_dtype())
        at = 0
        for chunk, low, high in pieces:
            column = chunk.columns[index]
            assert isinstance(column, _Ints)
            part = out[at : at + high - low]
            if column.values is None:
                part[:] = column.base
            else:
                part[:] = self._load(column.values, low, high)
                if column.base:
                    part += column.base
            at += high - low
        return int_array(out)

    def _collect_texts(
        self, index: int, field: pa.Field, pieces: Sequence[tuple[_Chunk, int, int]], rows: int
    ) -> pa.Array:
        offsets = np.zeros(rows + 1, np.int32)
        data, at, size = [], 0, 0
        for chunk, low, high in pieces:
            column = chunk.columns[index]
            assert isinstance(column, _Texts)
            if column.offsets is None or column.data is None:
                at += high - low
                offsets[at - (high - low) + 1 : at + 1] = size
                continue
            part = self._load(column.offsets, low, high + 1)
            data.append(self._load(column.data, int(part[0]), int(part[-1])))
            offsets[at + 1 : at + 1 + high - low] = part[1:] - (int(part[0]) - size)
            at, size = at + high - low, size + int(part[-1]) - int(part[0])
        joined = np.concatenate(data) if data else np.zeros(0, np.uint8)
        return text_array(offsets, joined, field.type)


def _scatter(column: pa.Array, order: np.ndarray, inside: np.ndarray) -> _Ints | _Texts:
    """A column in the order of buckets, as narrow as its values allow.

    Only wide integers are narrowed: every pair of widths is a kernel that has to be compiled, and
    single bytes were measured to be slower to write than they are to keep.
    """
    if not pa.types.is_integer(column.type):
        texts = text_of(column)
        if texts.offsets[0] == texts.offsets[-1]:
            return _Texts(None, None)
        texts = gather_text(texts, order)
        return _Texts(texts.offsets, texts.data)
    if len(order) == 0:
        return _Ints(0, None)
    values, found = column.to_numpy(zero_copy_only=True), np.empty(2, np.int64)
    kept_range(values, inside, found)
    low, high = int(found[0]), int(found[1])
    if low == high:
        return _Ints(low, None)
    kind, base = values.dtype, 0
    for narrow in _NARROWER if kind == np.int64 else ():
        if high - low <= np.iinfo(narrow).max:
            kind, base = narrow, low
            break
    out = np.empty(len(order), kind)
    gather(values, order, base, out)
    return _Ints(base, out)


def _is_array(values: object) -> bool:
    return isinstance(values, np.ndarray)


def _held(column: _Ints | _Texts) -> int:
    parts = (column.values,) if isinstance(column, _Ints) else (column.offsets, column.data)
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))
