"""The one shape that every stage has, and the bridge between Arrow columns and numpy arrays.

A pure stage is ``stage(batch, reference, state) -> StageResult``: no global, no path, no catalogue,
no clock. What it needs to know is in ``reference``, what it must remember is in ``state``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class StageResult:
    """What a stage gives back.

    batch: the rows, in the order in which they came; rejected rows carry their reason.
    rejected: what the batch cannot hold of rejected rows (``schemas.REJECTED``), or None.
    state: what the stage must remember, or None.
    totals: figures for the control report, such as rows and charges, by name.
    extra: batches that the stage makes beside its rows (legs), by dataset name.
    """

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None = None
    state: Any = None
    totals: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, pa.RecordBatch] = field(default_factory=dict)


def ints(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """An integer column as a numpy view (read-only, not copied)."""
    column = batch.column(name)
    values: np.ndarray = column.to_numpy(zero_copy_only=True)
    return values


@dataclass(frozen=True)
class TextColumn:
    """A utf8 or binary column as two arrays: row i is ``data[offsets[i]:offsets[i + 1]]``."""

    offsets: np.ndarray  # int32, rows + 1
    data: np.ndarray  # uint8


def text(batch: pa.RecordBatch, name: str) -> TextColumn:
    """A utf8 or binary column as numpy views (not copied; slices are respected)."""
    return text_of(batch.column(name))


def text_of(column: pa.Array) -> TextColumn:
    """A utf8 or binary array as numpy views."""
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int32) if offsets is not None else np.zeros(1, np.int32)
    starts = starts[column.offset : column.offset + len(column) + 1]
    if len(starts) == 0:  # Arrow may leave out the offsets of an empty array
        starts = np.zeros(1, np.int32)
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return TextColumn(starts, raw)


def int_array(values: np.ndarray) -> pa.Array:
    """A contiguous integer array as an Arrow column (not copied)."""
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
    )


def zeros(kind: pa.DataType, count: int) -> pa.Array:
    """So many zeros of an integer type: columns that say nothing share their memory."""
    size = count * kind.byte_width
    return pa.Array.from_buffers(kind, count, [None, _zero_bytes(size.bit_length()).slice(0, size)])


@lru_cache(maxsize=4)
def _zero_bytes(bits: int) -> pa.Buffer:
    return pa.py_buffer(bytes(1 << bits))


def text_array(offsets: np.ndarray, data: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    """int32 offsets and uint8 data as a utf8 column (not copied, not validated)."""
    kind = kind or pa.string()
    return pa.Array.from_buffers(
        kind, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def with_columns(
    batch: pa.RecordBatch, schema: pa.Schema, new: Mapping[str, np.ndarray | pa.Array]
) -> pa.RecordBatch:
    """``batch`` brought to ``schema``: columns in ``new`` are added or replaced, others kept."""
    columns = []
    for name in schema.names:
        value = new[name] if name in new else batch.column(name)
        columns.append(int_array(value) if isinstance(value, np.ndarray) else value)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
