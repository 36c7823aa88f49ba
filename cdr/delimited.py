"""Reads delimited files by a layout: their header, blocks of whole records, columns.

Main path: ``identify`` looks at a file's head, ``prepare`` resolves the layout against it,
``blocks`` cuts the file at record ends, ``decode`` turns a block into a ``schemas.CDR`` batch.
Blocks are independent of each other: they may be decoded in any order and at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from cdr import delimited_kernels, delimited_spec, files, quoted_kernels, record_kernels
from cdr import spec_kernels as k
from cdr.delimited_header import Header, resolve
from cdr.delimited_header import identify as identify  # one of the verbs of cdr.formats
from cdr.layout_fields import FIELDS
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas, stage

BLOCK_BYTES: Final = 8 * 2**20
BLOCK_BYTES_MAX: Final = 2**29  # places in a block, and in its texts, are int32
LINES_MAX: Final = 2**19  # of a block: rows take memory, however short they are
WINDOW_ROWS: Final = 2048  # a column of a window costs a third of a microsecond beside its rows
WINDOW_FIELDS: Final = 65_536  # a window's field ends stay within the second-level cache
ROW_BUFFER_BYTES: Final = 256 * 1024
_SUSPENDED: Final = np.array([r.code for r in reasons.REASONS if r.stage == "decode"
                              and r.disposition == codes.SUSPENDED], np.int16)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    data: uint8, ``byte_count`` bytes, then a line feed and at least 127 more bytes that are read
    but mean nothing. byte_offset: place of its first byte in the (expanded) file; first_line: the
    line, from 1, on which it starts; line_count: its line feeds; is_quoted: a quote or an escape
    occurs; is_checked: bytes occur that are not printable ASCII.
    """

    data: np.ndarray
    byte_count: int
    byte_offset: int
    first_line: int
    line_count: int
    is_quoted: bool
    is_checked: bool


@dataclass(frozen=True)
class DecodeContext:
    """All that decoding needs beside the bytes: a layout resolved against one file."""

    layout: Layout
    compiled: delimited_spec.Compiled
    source_index: int
    file_number: int


def prepare(
    layout: Layout, header: Header, source_zone: str, operator_zone: str, source_index: int,
    file_number: int,
) -> DecodeContext:  # fmt: skip
    """The context of a file. Raises BrokenFile if its header lacks a column that must be there."""
    resolved, widths = resolve(layout, header)
    zones = {"source": source_zone, "operator": operator_zone}
    compiled = delimited_spec.compile_layout(layout, resolved, widths, zones)
    return DecodeContext(layout, compiled, source_index, file_number)


def block_of(data: bytes, layout: Layout, byte_offset: int = 0, first_line: int = 1) -> Block:
    """Bytes in memory (whole records, no header) as one block."""
    buffer = np.zeros(len(data) + k.PAD_BYTES, np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    lines, is_quoted, is_checked = _survey(buffer, len(data), layout)
    return _seal(buffer, len(data), byte_offset, first_line, (lines, is_quoted, is_checked))


def _seal(
    buffer: np.ndarray, size: int, offset: int, line: int, found: tuple[int, bool, bool]
) -> Block:
    buffer[size] = record_kernels.LF
    return Block(buffer, size, offset, line, *found)


def _survey(data: np.ndarray, size: int, layout: Layout) -> tuple[int, bool, bool]:
    """Line feeds; whether quotes or escapes occur; whether text needs checks."""
    found = np.zeros(3, np.int64)
    escape = record_kernels.ESCAPE if layout.backslash else -1
    with np.errstate(over="ignore"):  # words wrap on purpose
        record_kernels.survey(data, size, layout.quote, escape, found)
    return int(found[0]), bool(found[1]), bool(found[2])


def blocks(path: Path, layout: Layout, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """The records of a file, about ``block_bytes`` at a time; memory does not grow with the file.

    Raises BrokenFile for a header or a compression that is broken.
    """
    header = identify(path, layout)
    with files.open_stored(path) as stream:
        stream.read_into(np.empty(header.body_offset, np.uint8))
        yield from _Cutter(stream, layout, header, block_bytes).blocks()


class _Cutter:
    """Cuts a stream of bytes at record ends; the cut never changes what the records are."""

    def __init__(
        self, stream: files.Stored, layout: Layout, header: Header, block_bytes: int
    ) -> None:
        self.stream, self.layout = stream, layout
        self.block_bytes = min(max(1, block_bytes), BLOCK_BYTES_MAX)
        self.offset, self.line = header.body_offset, header.body_line
        self.carry = np.empty(0, np.uint8)
        self.spec = delimited_spec.record_spec(layout)
        self.scratch = _scratch(0, layout.row_bytes_max, True)

    def blocks(self) -> Iterator[Block]:
        limit, want, is_last = self.layout.row_bytes_max, self.block_bytes, False
        while True:
            kept = len(self.carry)
            buffer = _array((max(kept, want) + k.PAD_BYTES,), np.uint8)
            buffer[:kept] = self.carry
            size = kept
            if not is_last and kept < want:
                size += self.stream.read_into(buffer[kept:want])
                is_last = size < want
            if size == 0:
                return
            found = _survey(buffer, size, self.layout)
            shown = self._with_few_lines(buffer, size, found[0])
            is_end = is_last and shown == size
            end = size if is_end else self._whole(buffer, shown, found[1])
            if end == 0 and shown > limit + 2:
                yield self._overlong(buffer, size, limit + 1)
            elif end == 0:
                self.carry, want = buffer[:size], max(kept, want) * 2
                continue
            else:
                lines = found[0] - int(np.count_nonzero(buffer[end:size] == record_kernels.LF))
                self.carry = buffer[end:size].copy()
                block = _seal(buffer, end, self.offset, self.line, (lines, *found[1:]))
                self.offset, self.line = self.offset + end, self.line + lines
                yield block
            want = self.block_bytes

    def _with_few_lines(self, buffer: np.ndarray, size: int, lines: int) -> int:
        """``size``, or less where a block of that size would have more lines than are allowed."""
        if lines <= LINES_MAX:
            return size
        return int(np.flatnonzero(buffer[:size] == record_kernels.LF)[LINES_MAX - 1]) + 1

    def _whole(self, buffer: np.ndarray, size: int, is_quoted: bool) -> int:
        """Length of the part that holds whole records."""
        if is_quoted:
            with np.errstate(over="ignore"):
                return int(quoted_kernels.cut(buffer, size, self.spec, self.scratch))
        near = max(0, size - self.layout.row_bytes_max)
        at = buffer[near:size].tobytes().rfind(b"\n")
        return near + at + 1 if at >= 0 else buffer[:size].tobytes().rfind(b"\n") + 1

    def _overlong(self, buffer: np.ndarray, size: int, shown: int) -> Block:
        """A row beyond the row limit without a line end in sight: its head, and no more of it."""
        head = block_of(buffer[:shown].tobytes(), self.layout, self.offset, self.line)
        passed, rest = shown, buffer[shown:size]
        while True:
            at = rest.tobytes().find(b"\n")
            passed += at + 1 if at >= 0 else len(rest)
            if at >= 0 or len(rest) == 0:
                break
            rest = np.empty(max(self.block_bytes, 2**16), np.uint8)
            rest = rest[: self.stream.read_into(rest)]
        self.carry = rest[at + 1 :].copy() if at >= 0 else np.empty(0, np.uint8)
        self.offset, self.line = self.offset + passed, self.line + head.line_count + 1
        return head


def _scratch(width: int, row_bytes: int, is_quoted: bool) -> k.Scratch:
    window = max(16, min(WINDOW_ROWS, WINDOW_FIELDS // (width + 1)))
    # Columns lie apart by no power of two, or their cache lines would push each other out.
    bounds = np.zeros(((width // k.ENDS_STEP + 1) * k.ENDS_STEP + 1, window + 16), np.int32)
    marks = np.zeros((2, k.MARK_WORDS), np.uint64)
    ends = np.zeros((2, 0 if is_quoted else k.ENDS_COUNT), np.int32)
    return k.Scratch(
        bounds=bounds,
        raw=np.zeros_like(bounds) if is_quoted else bounds,
        rows=np.zeros((5, window), np.int64),
        row=np.zeros(row_bytes + ROW_BUFFER_BYTES if is_quoted else 0, np.uint8),
        low=np.zeros(window, np.int32),
        length=np.zeros(window, np.int32),
        fault=np.zeros(window, np.int32),
        word=np.zeros(window, np.int32),
        days=np.zeros(window, np.int64),
        known=np.zeros(3, np.int64),
        marks=marks.view(np.uint8),
        mark_words=marks,
        ends=ends[0],
        feeds=ends[1],
        state=np.zeros(10, np.int64),
    )


def _array(shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
    """An uninitialised array in Arrow's memory pool, which keeps pages from block to block."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(pa.allocate_buffer(size), kind).reshape(shape)


def _output(block: Block, context: DecodeContext) -> k.Output:
    rows = block.line_count + 1
    # Room for each text column to hold the whole block: memory that is never touched costs nothing.
    grows = 2 if context.layout.encoding == "latin-1" else 1
    texts = len(context.compiled.texts)
    offsets = _array((texts, (rows | 63) + 17), np.int32)
    offsets[:, 0] = 0
    return k.Output(
        numbers=_array((k.NUMBERS_COUNT, (rows | 63) + 9), np.int64),
        smalls=_array((3, (rows | 63) + 17), np.int32),
        verdicts=_array((2, (rows | 63) + 33), np.int16),
        codes=_array((k.CODES_COUNT, (rows | 63) + 65), np.int8),
        offsets=offsets,
        texts=_array((texts, block.byte_count * grows + k.PAD_BYTES + 64), np.uint8),
        totals=np.zeros(3, np.int64),
    )


def decode(block: Block, context: DecodeContext) -> stage.StageResult:
    """A block as a ``schemas.CDR`` batch: every record is a row, bad ones carry their reason.

    ``rejected`` holds the bytes of rows that a person must look at; ``totals``: rows, blank_lines,
    comment_lines. Pure: the same block and context give the same result.
    """
    compiled, out = context.compiled, _output(block, context)
    scratch = _scratch(compiled.width, context.layout.row_bytes_max, block.is_quoted)
    first_id = (context.file_number << 32) + block.first_line
    about = np.array([block.byte_count, block.byte_offset, first_id, block.is_quoted,
                      block.is_checked], np.int64)  # fmt: skip
    with np.errstate(over="ignore"):
        delimited_kernels.decode_rows(block.data, about, compiled.spec, scratch, out)
    rows = int(out.totals[k.TOTAL_ROWS])
    batch = _batch(out, rows, context)
    totals = {"rows": rows, "blank_lines": int(out.totals[k.TOTAL_BLANK]),
              "comment_lines": int(out.totals[k.TOTAL_COMMENT])}  # fmt: skip
    return stage.StageResult(batch, _rejected(block, out, rows), totals=totals)


def _batch(out: k.Output, rows: int, context: DecodeContext) -> pa.RecordBatch:
    read = {
        "byte_length": out.smalls[k.BYTE_LENGTH], "flags": out.smalls[k.FLAGS],
        "reason": out.verdicts[k.REASON], "reason_field": out.verdicts[k.REASON_FIELD],
        "utc_offset_s": out.smalls[k.UTC_OFFSET], "record_id": out.numbers[k.RECORD_ID],
        "byte_offset": out.numbers[k.BYTE_OFFSET],
    }  # fmt: skip
    for name in context.compiled.columns:
        is_code = name in delimited_spec.CODE_SLOT
        read[name] = (out.codes[delimited_spec.CODE_SLOT[name]] if is_code
                      else out.numbers[delimited_spec.NUMBER_SLOT[name]])
    given: dict[str, int | str] = {"source_index": context.source_index}
    given |= {FIELDS[name].column: value for name, value in context.layout.constants}
    nothing = np.zeros(rows + 1, np.int64)  # shared by all columns that the file does not have
    columns = []
    for field in schemas.CDR:
        value = given.get(field.name)
        if field.name in context.compiled.texts:
            slot = context.compiled.texts.index(field.name)
            offsets = out.offsets[slot, : rows + 1]
            columns.append(stage.text_array(offsets, out.texts[slot, : offsets[rows]]))
        elif pa.types.is_string(field.type):
            columns.append(_same_text(str(value or "").encode(), rows, nothing))
        else:
            kind = np.dtype(field.type.to_pandas_dtype())
            if field.name in read:
                values = read[field.name][:rows].astype(kind, copy=False)
            else:
                values = np.full(rows, value, kind) if value else nothing.view(kind)[:rows]
            columns.append(stage.int_array(values))
    return pa.RecordBatch.from_arrays(columns, schema=schemas.CDR)


def _same_text(text: bytes, rows: int, nothing: np.ndarray) -> pa.Array:
    offsets = nothing.view(np.int32)[: rows + 1]
    if text:
        offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(len(text))
    return stage.text_array(offsets, np.tile(np.frombuffer(text, np.uint8), rows))


def _rejected(block: Block, out: k.Output, rows: int) -> pa.RecordBatch | None:
    """The bytes of the rows that cannot be charged as they are; None if there are none."""
    at = np.flatnonzero(np.isin(out.verdicts[k.REASON, :rows], _SUSPENDED))
    if len(at) == 0:
        return None
    begins = out.numbers[k.BYTE_OFFSET, at] - block.byte_offset
    return pa.RecordBatch.from_arrays(
        [
            stage.int_array(out.numbers[k.RECORD_ID, at]),
            _pieces(block.data, out.numbers[k.FAULT_BEGIN, at], out.numbers[k.FAULT_LENGTH, at]),
            _pieces(block.data, begins, out.smalls[k.BYTE_LENGTH, at]),
        ],
        schema=schemas.REJECTED,
    )


def _pieces(data: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """``data[begins[i] : begins[i] + lengths[i]]`` for every i, as a binary column."""
    ends = np.cumsum(lengths)
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    total = int(offsets[-1])
    places = np.arange(total) + np.repeat(begins - (ends - lengths), lengths)
    return stage.text_array(offsets, data[places], pa.binary())


