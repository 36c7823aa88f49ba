"""The exchange: rows come in by chunk of a file, and go out by bucket of account.

A chunk's rows are put into bucket order once; columns are kept as narrowly as their values allow
(a column that is the same in all rows of the chunk is kept as one number), and what is beyond the
memory budget goes to disk (``held``). A text that an index of the same row names as well is
``implied``: it comes out empty, and whoever needs it takes the name. What comes out depends on
neither the budget nor the order in which threads finish: pieces are joined in the order of (file,
chunk).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.run.exchange_kernels import (
    STRIDE,
    Views,
    bucket_order,
    collect_bytes,
    collect_ints,
    gather_bytes,
    gather_offsets,
    kept_range,
    scatter_texts,
)
from tollbook.run.held import Held
from tollbook.stage import TextColumn, int_array, ints, text_array, text_of

ChunkKey = tuple[int, int]  # file number, number of the chunk in the file
_NARROW: Final = (np.int8, np.int16, np.int32)
_SAME: Final = 0  # width of a column that is the same in all rows


@dataclass(frozen=True)
class _Kept:
    """A column of integers as it is held: value = base + the integer of ``width`` bytes there.

    A text has its lengths so, and its bytes from ``data`` on; starts: int64 [buckets + 1], where
    those of each bucket begin.
    """

    width: int
    base: int
    place: int = 0
    data: int = 0
    starts: np.ndarray | None = None


@dataclass(frozen=True)
class _Chunk:
    starts: np.ndarray  # int64[buckets + 1]: first row of each bucket
    columns: tuple[_Kept, ...]


def take(batch: pa.RecordBatch, order: np.ndarray) -> pa.RecordBatch:
    """The rows of ``order`` (int64 row numbers) as a new batch."""
    columns = [_take_column(column, order) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _take_column(column: pa.Array, order: np.ndarray) -> pa.Array:
    if pa.types.is_integer(column.type):
        values = column.to_numpy(zero_copy_only=True)
        if len(values) and values.min() == values.max():  # the order of equal values is no matter
            return column.slice(0, len(order))
        return int_array(np.take(values, order, mode="clip"))
    if pa.types.is_list(column.type):
        return column.take(pa.array(order))
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
        self._held = Held(budget_bytes, spill_folder)
        self._chunks: dict[ChunkKey, _Chunk] = {}
        self._in_order: list[_Chunk] = []
        self._lock = Lock()
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
        way = _Way(bucket, starts[:-1], order[:kept], bucket < self.buckets)
        columns = tuple(
            self._keep_ints(ints(batch, field.name), way) if pa.types.is_integer(field.type)
            else self._keep_texts(batch, field.name, way)
            for field in self.schema
        )  # fmt: skip
        with self._lock:
            self._chunks[key] = _Chunk(way.starts, columns)
            self._in_order = []
            self.rows_by_bucket += np.diff(way.starts)
        return left_out

    def drop_file(self, file_number: int) -> None:
        """Forget the rows of a file that was refused whole."""
        with self._lock:
            self._in_order = []
            for key in [key for key in self._chunks if key[0] == file_number]:
                self.rows_by_bucket -= np.diff(self._chunks.pop(key).starts)

    def collect(self, first: int, last: int) -> pa.RecordBatch:
        """All rows of buckets first..last-1, in the order of files and chunks."""
        chunks = self._ordered()
        low = np.array([chunk.starts[first] for chunk in chunks], np.int64)
        counts = np.array([chunk.starts[last] for chunk in chunks], np.int64) - low
        chosen = np.flatnonzero(counts)
        pieces = _Pieces([chunks[place] for place in chosen.tolist()], low[chosen], counts[chosen])
        arrays = []
        for index, field in enumerate(self.schema):
            if pa.types.is_integer(field.type):
                kind = np.dtype(field.type.to_pandas_dtype())
                arrays.append(int_array(self._collect_ints(index, kind, pieces)))
            else:
                arrays.append(self._collect_texts(index, field, pieces, (first, last)))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def distinct(self, name: str) -> list[int]:
        """The values that occur in an integer column, ascending."""
        index = self.schema.get_field_index(name)
        found: set[int] = set()
        for chunk in self._ordered():
            rows, column = chunk.starts[-1:], chunk.columns[index]
            if column.width == _SAME:
                found.update({column.base} if rows[0] else ())
                continue
            pieces = _Pieces([chunk], np.zeros(1, np.int64), rows)
            values = self._collect_ints(index, np.dtype(np.int64), pieces)
            found.update(np.unique(values).tolist())
        return sorted(found)

    def tasks(
        self, rows_wanted: int, others: int = 0, rows_max: int = sys.maxsize
    ) -> list[tuple[int, int]]:
        """Contiguous ranges of buckets with at least ``rows_wanted`` rows each (but the last).

        A range also ends where it has ``rows_max`` rows, counting ``others`` that each bucket is
        worked on with. Depends on the rows alone, so the files that are written from it do, too.
        """
        found, first, rows = [], 0, 0
        for bucket in range(self.buckets):
            rows += int(self.rows_by_bucket[bucket])
            if rows >= rows_wanted or (
                rows and rows + (bucket + 1 - first) * others >= rows_max
            ):
                found.append((first, bucket + 1))
                first, rows = bucket + 1, 0
        if rows or not found:
            found.append((first, self.buckets))
        return found

    def close(self) -> None:
        """Forget everything."""
        self._chunks.clear()
        self._in_order = []
        self._held.close()

    # ---- inside

    def _ordered(self) -> list[_Chunk]:
        with self._lock:
            if not self._in_order:
                self._in_order = [self._chunks[key] for key in sorted(self._chunks)]
            return self._in_order

    def _keep_ints(self, values: np.ndarray, way: _Way) -> _Kept:
        """The integers in the order of buckets, as narrow as those that are kept allow."""
        if len(way.order) == 0:
            return _Kept(_SAME, 0)
        found = np.empty(2, np.int64)
        kept_range(values, way.inside, found)
        low, high = int(found[0]), int(found[1])
        if low == high:
            return _Kept(_SAME, low)
        kind, base = values.dtype, 0
        for narrow in _NARROW:
            limit = np.iinfo(narrow)
            if high - low <= limit.max - limit.min and limit.bits < 8 * values.itemsize:
                kind, base = np.dtype(narrow), low - int(limit.min)
                # Differences are right modulo the narrow width, and there they are unique.
                values = values.astype(kind) - np.array(base & 0xFF_FF_FF_FF).astype(kind)
                break
        size = len(way.order) * kind.itemsize
        place, room = self._held.room(size)
        np.take(values, way.order, out=room.view(kind), mode="clip")
        self._held.keep(place, room)
        return _Kept(kind.itemsize, base, place)

    def _keep_texts(self, batch: pa.RecordBatch, name: str, way: _Way) -> _Kept:
        """The lengths and bytes of the texts, without those that an index implies."""
        texts = text_of(batch.column(name))
        if texts.offsets[0] == texts.offsets[-1] or len(way.order) == 0:
            return _Kept(_SAME, 0)
        lengths = np.diff(texts.offsets)
        if name in self._implied:
            lengths[ints(batch, self._implied[name]) >= 0] = 0
        kept = self._keep_ints(lengths, way)
        if (kept.width, kept.base) == (_SAME, 0):
            return kept
        ends = np.zeros(len(way.order) + 1, np.int64)
        np.cumsum(np.take(lengths, way.order), out=ends[1:])
        starts = ends[way.starts]
        place, room = self._held.room(int(ends[-1]))
        scatter_texts(texts.offsets, lengths, texts.data, way.bucket, starts, starts.copy(), room)
        self._held.keep(place, room)
        return _Kept(kept.width, kept.base, kept.place, place, starts)

    def _collect_ints(
        self, index: int, kind: np.dtype, pieces: _Pieces, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The integers of some pieces, one behind the other."""
        columns = [chunk.columns[index] for chunk in pieces.chunks]
        bases = np.array([column.base for column in columns], np.int64)
        widths = np.array([column.width for column in columns], np.int64)
        if out is None:
            out = np.empty(pieces.rows, kind)
        if not widths.any() and (bases == bases[:1]).all():
            out.fill(bases[0] if len(bases) else 0)
            return out
        places = np.array([column.place for column in columns], np.int64) + pieces.low * widths
        for data, which, at in self._held.gathered(places, widths * pieces.counts):
            about = np.stack((
                widths[which], bases[which], at, pieces.counts[which], pieces.at[which],
            ))  # fmt: skip
            collect_ints(Views.of(data), about, out)
        return out

    def _collect_texts(
        self, index: int, field: pa.Field, pieces: _Pieces, span: tuple[int, int]
    ) -> pa.Array:
        offsets = np.zeros(pieces.rows + 1, np.int32)
        lengths = self._collect_ints(index, offsets.dtype, pieces, offsets[1:])
        if lengths.any():
            np.cumsum(lengths, out=lengths)
        data = np.empty(int(offsets[-1]), np.uint8)
        columns = [chunk.columns[index] for chunk in pieces.chunks]
        low, high = (
            np.array([0 if one.starts is None else one.starts[edge] for one in columns], np.int64)
            for edge in span
        )
        sizes = high - low
        if len(data):
            places = np.array([column.data for column in columns], np.int64) + low
            there = np.flatnonzero(sizes)
            target = offsets[pieces.at].astype(np.int64)
            for held, which, at in self._held.gathered(places[there], sizes[there]):
                chosen = there[which]
                collect_bytes(held, at, sizes[chosen], target[chosen], data)
        return text_array(offsets, data, field.type)


@dataclass(frozen=True)
class _Way:
    """How the rows of a chunk go into buckets.

    bucket: int16, of each row. starts: int64 [buckets + 1], the first row of each bucket. order:
    int64, the rows that are kept, by bucket. inside: bool, whether a row is kept.
    """

    bucket: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    inside: np.ndarray


class _Pieces:
    """Rows of some chunks: ``counts`` from row ``low`` on; ``at``: where each piece goes."""

    def __init__(self, chunks: Sequence[_Chunk], low: np.ndarray, counts: np.ndarray) -> None:
        self.chunks, self.low, self.counts = chunks, low, counts
        self.at = np.cumsum(counts) - counts
        self.rows = int(counts.sum())
