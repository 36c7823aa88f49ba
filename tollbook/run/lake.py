"""The lake: immutable Parquet files by dataset, period and run.

A file is written as ``_NAME.parquet.pending``, a name that no reader's ``**/*.parquet`` picks up,
and gets its real name only after the catalogue has committed it (``commit.py``). Money columns are
``decimal64(18, 6)``: the int64 micro amounts seen through another type, stored as INT64 and read as
DECIMAL(18, 6) by every Parquet reader.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tollbook import clock
from tollbook.errors import TollbookError
from tollbook.run import disk
from tollbook.run.catalogue import LakeFile

AMOUNT: Final = pa.decimal64(18, 6)
# Columns that repeat so much that a dictionary pays, though they are no words.
REPEATED: Final = frozenset({"served_raw", "served_e164"})
# Integers that lie near those of the rows before them, or are small: kept as packed differences.
STEPS: Final = frozenset({
    "record_id", "byte_offset", "byte_length", "start_utc_s", "duration_s", "event_count", "flags",
    "rule", "direction", "service",
})  # fmt: skip
# Columns that hardly shrink: to try costs more time than it saves bytes.
NOISE: Final = frozenset({"dedupe_hash", "other_raw", "other_e164", "other_key"})
FEW_WORDS: Final = 256  # up to so many, codes are packed into a byte and hardly shrink further
SPARSE: Final = 4  # amounts of which less than one in so many is not 0 shrink better than they pack
BUFFER_BYTES: Final = 1 << 18  # small pieces of a file are put together before they are written
ROWS_AT_ONCE: Final = 8192  # that Arrow encodes in one go; its usual 1,024 cost a tenth more
SUFFIX: Final = ".parquet"


class _HashingFile(io.RawIOBase):
    """A file that hashes what passes through, so that nothing is read back for its checksum."""

    def __init__(self, path: Path, force: Callable[[IO[Any]], None]) -> None:
        self._handle = path.open("wb")
        self._force = force
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        written = self._handle.write(data)
        self.size_bytes += written
        return written

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        if not self.closed:
            self._handle.flush()

    def close(self) -> None:
        if not self.closed:
            super().close()  # flushes
            self._force(self._handle)


def write_output(
    root: Path, path: str, run_number: int, period: int, write: Callable[[Path], object]
) -> LakeFile:
    """A file for people or partners, pending like the lake's own; ``write`` fills it."""
    pending = pending_path(root / path)
    pending.parent.mkdir(parents=True, exist_ok=True)
    write(pending)
    disk.sync(pending)
    with pending.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return LakeFile(path, run_number, "out", period, 0, pending.stat().st_size, digest)


def pending_path(path: Path) -> Path:
    """Where a lake file lies until its run is committed."""
    return path.with_name(f"_{path.name}.pending")


def relative_path(dataset: str, period: str, run_number: int, name: str) -> str:
    """Path of a lake file inside the lake; ``period`` as it is written, "" for none."""
    folder = f"{dataset}/{period}" if period else dataset
    return f"{folder}/run-{run_number:05d}/{name}{SUFFIX}"


class Writer:
    """Writes one lake file, row group by row group; the schema is that of the first table."""

    def __init__(
        self, root: Path, path: str, run_number: int, dataset: str, period: int,
        force: Callable[[IO[Any]], None] = disk.force,
    ) -> None:  # fmt: skip
        """force: how the file gets to the disk when it is closed."""
        self.path, self.run_number, self.dataset, self.period = path, run_number, dataset, period
        self.rows = 0
        target = pending_path(root / path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._sink = _HashingFile(target, force)
        self._buffer = pa.BufferedOutputStream(pa.PythonFile(self._sink, "w"), BUFFER_BYTES)
        self._parquet: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append the rows as one row group."""
        # Nothing is absent but by its value (docs/lake.md): then no level is stored for any row.
        schema = pa.schema([field.with_nullable(False) for field in batch.schema])
        table = pa.Table.from_arrays(batch.columns, schema=schema)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(
                self._buffer, table.schema, **_storage(table),
                write_statistics=["start_utc_s", "dedupe_hash", "record_id"],
                store_decimal_as_integer=True, store_schema=False,
                data_page_version="2.0", write_batch_size=ROWS_AT_ONCE,
            )  # fmt: skip
        if table.num_rows:
            self._parquet.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows

    def close(self) -> LakeFile:
        """Finish the file and have it forced to the disk; pending until its run is committed."""
        if self._parquet is None:
            raise TollbookError(f"{self.path}: a lake file needs at least a schema")
        self._parquet.close()
        self._buffer.close()  # and with it the file below
        return LakeFile(
            self.path, self.run_number, self.dataset, self.period, self.rows,
            self._sink.size_bytes, self._sink.digest.hexdigest(),
        )  # fmt: skip


def _storage(table: pa.Table) -> dict[str, Any]:
    """How each column is encoded and compressed: what costs the least time for its bytes.

    A byte that is written costs as much as some nanoseconds of encoding: it is hashed, copied for
    the system, and goes to the disk. The first rows of a file decide for all of it.
    """
    words, packed, compression = [], {}, {}
    plain = frozenset(table.column_names)  # those that are no list
    for name, kind in _leaves(table.schema):
        compression[name] = "none" if name in NOISE else "lz4"
        if pa.types.is_dictionary(kind) or name in REPEATED:
            words.append(name)
            if name in plain and _has_few_words(table.column(name)):
                compression[name] = "none"
        elif (name in STEPS and pa.types.is_integer(kind)) or (
            kind == AMOUNT and name in plain and not _is_sparse(table.column(name))
        ):
            packed[name] = "DELTA_BINARY_PACKED"
            compression[name] = "none"
    return {"use_dictionary": words, "column_encoding": packed, "compression": compression}


def _has_few_words(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_dictionary(column.type):
        return False
    return all(len(chunk.dictionary) <= FEW_WORDS for chunk in column.chunks)


def _is_sparse(amounts: pa.ChunkedArray) -> bool:
    """Whether most of the amounts are 0."""
    some = sum(int(np.count_nonzero(_as_int64(chunk).to_numpy())) for chunk in amounts.chunks)
    return some * SPARSE < len(amounts)


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    """The columns as Parquet stores them: a list of structs is one column for each of its fields.

    The names of such a list are words whether they come from a stage or out of another file.
    """
    for field in schema:
        if not pa.types.is_list(field.type):
            yield field.name, field.type
            continue
        for inside in field.type.value_type:
            is_word = pa.types.is_string(inside.type)
            kind = pa.dictionary(pa.int32(), inside.type) if is_word else inside.type
            yield f"{field.name}.list.element.{inside.name}", kind


def read(root: Path, file: LakeFile, columns: Sequence[str] | None = None, **how: Any) -> pa.Table:
    """A lake file as a table; amounts come back as int64 columns named ``*_micro``."""
    table = pq.read_table(pa.OSFile(str(root / file.path)), columns=_stored(columns), **how)
    return amounts_to_micro(table)


def read_all(root: Path, files: Sequence[LakeFile]) -> pa.Table:
    """Several files of one dataset, one behind the other."""
    return pa.concat_tables([read(root, one) for one in files])


def batches(
    root: Path, files: Sequence[LakeFile], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of several files, row group by row group, amounts as ``*_micro``."""
    for file in files:
        with pq.ParquetFile(str(root / file.path), memory_map=True) as source:
            present = [name for name in _stored(columns) or () if name in source.schema_arrow.names]
            for index in range(source.num_row_groups):
                group = source.read_row_group(index, columns=present, use_threads=False)
                yield from amounts_to_micro(group).combine_chunks().to_batches()


def _stored(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else [name.removesuffix("_micro") for name in columns]


def amounts_to_micro(table: pa.Table) -> pa.Table:
    """Decimal columns as the int64 micro amounts that they are, renamed ``*_micro``."""
    for index, field in enumerate(table.schema):
        if not pa.types.is_decimal(field.type):
            continue
        column = table.column(index)
        chunks = [_as_int64(chunk) for chunk in column.chunks]
        array = pa.chunked_array(chunks, type=pa.int64())
        table = table.set_column(index, f"{field.name}_micro", array)
    return table


def micro_to_amounts(table: pa.Table) -> pa.Table:
    """The way back: int64 columns named ``*_micro`` as decimal amounts."""
    for index, field in enumerate(table.schema):
        if field.name.endswith("_micro"):
            chunks = [as_amount(chunk) for chunk in table.column(index).chunks]
            array = pa.chunked_array(chunks, type=AMOUNT)
            table = table.set_column(index, field.name.removesuffix("_micro"), array)
    return table


def _as_int64(chunk: pa.Array) -> pa.Array:
    if pa.types.is_decimal64(chunk.type):
        return pa.Array.from_buffers(
            pa.int64(), len(chunk), [None, chunk.buffers()[1]], offset=chunk.offset
        )
    low = np.frombuffer(chunk.buffers()[1], np.int64)[::2]  # decimal128: low word of two
    return pa.array(low[chunk.offset : chunk.offset + len(chunk)])


def as_amount(array: pa.Array) -> pa.Array:
    """An int64 micro column seen as decimal64(18, 6); nothing is copied."""
    return pa.Array.from_buffers(
        AMOUNT, len(array), [None, array.buffers()[1]], offset=array.offset
    )


def period_folder(dataset: str, period: int) -> str:
    """How a file's period is written in its path: a month, or a day for the duplicate index."""
    if period == 0:
        return ""
    if dataset == "duplicates":
        return clock.utc_text(period * clock.DAY_S)[:10]
    return clock.period_text(period)
