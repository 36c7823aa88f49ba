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
    bucket_places,
    collect_bytes,
    collect_ints,
    gather_bytes,
    gather_offsets,
    keep_ints,
    kept_range,
    scatter_texts,
)
from tollbook.run.held import ALIGNED, Held
from tollbook.stage import TextColumn, int_array, ints, text_array, text_of

ChunkKey = tuple[int, int]  # file number, number of the chunk in the file
_NARROW: Final = (np.int8, np.int16, np.int32)
_NONE: Final = np.zeros(0, np.int64)
_NO_TEXTS: Final = TextColumn(np.zeros(1, np.int32), np.zeros(0, np.uint8))
FEW: Final = 4  # rows of which there are not one in so many
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
        # The order of equal values is no matter; to look at all for the sake of some does not pay.
        if len(values) and len(order) * FEW > len(values) and values.min() == values.max():
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
        places = np.empty(len(bucket), np.int32)
        starts = np.zeros(self.buckets + 2, np.int64)
        bucket_places(bucket, starts, places)
        inside = bucket < self.buckets
        way = _Way(bucket, starts[:-1], places, inside, int(starts[self.buckets]))
        left_out = take(batch, np.flatnonzero(~inside)) if way.kept < len(bucket) else None
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

    def collect(self, first: int, last: int, names: Sequence[str] = ()) -> pa.RecordBatch:
        """All rows of buckets first..last-1, in the order of files and chunks.

        names: the columns that are wanted, in the schema's order; none: all.
        """
        return self._collect(first, last, names or self.schema.names, _NONE)[0]

    def split(
        self, first: int, last: int, apart: np.ndarray
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """The same rows as two batches: the others, and those of ``apart`` (int64, ascending).

        As quick as ``collect``; to pick out some rows afterwards is a copy of all.
        """
        return self._collect(first, last, self.schema.names, apart)

    def distinct(self, name: str) -> list[int]:
        """The values that occur in an integer column, ascending."""
        index = self.schema.get_field_index(name)
        found: set[int] = set()
        for chunk in self._ordered():
            rows, column = chunk.starts[-1:], chunk.columns[index]
            if column.width == _SAME:
                found.update({column.base} if rows[0] else ())
                continue
            pieces = _Pieces([chunk], np.zeros(1, np.int64), rows, _NONE)
            values, _ = self._collect_ints(index, np.dtype(np.int64), pieces)
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
        if way.kept == 0:
            return _Kept(_SAME, 0)
        found = np.empty(2, np.int64)
        kept_range(values, way.inside, found)
        low, high = int(found[0]), int(found[1])
        if low == high:
            return _Kept(_SAME, low)
        width, base = values.itemsize, 0
        for narrow in _NARROW:
            limit = np.iinfo(narrow)
            if high - low <= limit.max - limit.min and limit.bits < 8 * width:
                width, base = limit.bits // 8, low - int(limit.min)
                break
        place, room = self._held.room(-(-way.kept * width // ALIGNED) * ALIGNED)
        keep_ints(values, way.places, way.kept, base, width, Views.of(room))
        self._held.keep(place, room)
        return _Kept(width, base, place)

    def _keep_texts(self, batch: pa.RecordBatch, name: str, way: _Way) -> _Kept:
        """The lengths and bytes of the texts, without those that an index implies."""
        texts = text_of(batch.column(name))
        if texts.offsets[0] == texts.offsets[-1] or way.kept == 0:
            return _Kept(_SAME, 0)
        lengths = np.diff(texts.offsets)
        if name in self._implied:
            lengths[ints(batch, self._implied[name]) >= 0] = 0
        kept = self._keep_ints(lengths, way)
        if (kept.width, kept.base) == (_SAME, 0):
            return kept
        starts = np.zeros(len(way.starts), np.int64)
        place, room = self._held.room(int(lengths.sum(where=way.inside)))
        scatter_texts(texts.offsets, lengths, texts.data, way.bucket, starts, room)
        self._held.keep(place, room)
        return _Kept(kept.width, kept.base, kept.place, place, starts)

    def _collect(
        self, first: int, last: int, names: Sequence[str], apart: np.ndarray
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        chunks = self._ordered()
        low = np.array([chunk.starts[first] for chunk in chunks], np.int64)
        counts = np.array([chunk.starts[last] for chunk in chunks], np.int64) - low
        there = np.flatnonzero(counts)
        pieces = _Pieces(
            [chunks[place] for place in there.tolist()], low[there], counts[there], apart
        )
        schema = pa.schema([self.schema.field(name) for name in names])
        pairs = []
        for field in schema:
            index = self.schema.get_field_index(field.name)
            if pa.types.is_integer(field.type):
                kind = np.dtype(field.type.to_pandas_dtype())
                pairs.append([int_array(one) for one in self._collect_ints(index, kind, pieces)])
            else:
                texts = self._collect_texts(index, pieces, (first, last))
                both = (_without(texts, apart), gather_text(texts, apart)) if len(apart) else (
                    texts, _NO_TEXTS)
                pairs.append([text_array(one.offsets, one.data, field.type) for one in both])
        kept, left = (list(arrays) for arrays in zip(*pairs, strict=True))
        return (pa.RecordBatch.from_arrays(kept, schema=schema),
                pa.RecordBatch.from_arrays(left, schema=schema))  # fmt: skip

    def _collect_ints(
        self, index: int, kind: np.dtype, pieces: _Pieces
    ) -> tuple[np.ndarray, np.ndarray]:
        """The integers of some pieces, one behind the other; and those of the rows apart."""
        columns = [chunk.columns[index] for chunk in pieces.chunks]
        bases = np.array([column.base for column in columns], np.int64)
        widths = np.array([column.width for column in columns], np.int64)
        left = np.empty(len(pieces.apart), kind)
        out = np.empty(pieces.rows - len(left), kind)
        if not widths.any() and (bases == bases[:1]).all():
            for values in (out, left):
                values.fill(bases[0] if len(bases) else 0)
            return out, left
        places = np.array([column.place for column in columns], np.int64) + pieces.low * widths
        for data, which, at in self._held.gathered(places, widths * pieces.counts):
            about = np.stack((
                widths[which], bases[which], at, pieces.counts[which], pieces.at[which],
                pieces.gone[which],
            ))  # fmt: skip
            collect_ints(Views.of(data), about, pieces.apart, out, left)
        return out, left

    def _collect_texts(self, index: int, pieces: _Pieces, span: tuple[int, int]) -> TextColumn:
        """The texts of some pieces, one behind the other, also those of the rows apart."""
        lengths, _ = self._collect_ints(index, np.dtype(np.int32), pieces.together())
        offsets = np.zeros(pieces.rows + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
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
        return TextColumn(offsets, data)


def _without(column: TextColumn, apart: np.ndarray) -> TextColumn:
    """The texts but for some rows (int64, ascending)."""
    offsets = np.zeros(len(column.offsets) - len(apart), np.int32)
    np.cumsum(np.delete(np.diff(column.offsets), apart), out=offsets[1:])
    edges = column.offsets.astype(np.int64)
    first = edges[np.append(0, apart + 1)]
    sizes = edges[np.append(apart, len(edges) - 1)] - first
    data = np.empty(int(offsets[-1]), np.uint8)
    collect_bytes(column.data, first, sizes, np.cumsum(sizes) - sizes, data)
    return TextColumn(offsets, data)


@dataclass(frozen=True)
class _Way:
    """How the rows of a chunk go into buckets.

    bucket: int16, of each row. starts: int64 [buckets + 1], the first row of each bucket. places:
    int32, where each row goes; inside: bool, whether it is kept; kept: how many are.
    """

    bucket: np.ndarray
    starts: np.ndarray
    places: np.ndarray
    inside: np.ndarray
    kept: int


class _Pieces:
    """Rows of some chunks: ``counts`` from row ``low`` on.

    at: int64, where each piece begins if all stand one behind the other. apart: int64, ascending,
    rows among these that go elsewhere; gone: int64, how many of them come before each piece.
    """

    def __init__(
        self, chunks: Sequence[_Chunk], low: np.ndarray, counts: np.ndarray, apart: np.ndarray
    ) -> None:
        self.chunks, self.low, self.counts, self.apart = chunks, low, counts, apart
        self.at = np.cumsum(counts) - counts
        self.gone = np.searchsorted(apart, self.at)
        self.rows = int(counts.sum())

    def together(self) -> _Pieces:
        """The same with no row apart."""
        return _Pieces(self.chunks, self.low, self.counts, _NONE) if len(self.apart) else self
