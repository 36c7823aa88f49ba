"""A block of records as a ``schemas.CDR`` batch, whatever kind of layout its records follow.

One kernel types all values. It finds the records of delimited text itself (``decode_found``); those
of other kinds are given to it with the places of their fields (``decode_given``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from cdr import delimited_kernels, delimited_spec
from cdr import spec_kernels as k
from cdr.layout_fields import FIELDS
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas, stage

WINDOW_ROWS: Final = 2048  # a column of a window costs a third of a microsecond beside its rows
WINDOW_FIELDS: Final = 65_536  # a window's field ends stay within the second-level cache
ROW_BUFFER_BYTES: Final = 256 * 1024
_IS_SUSPENDED: Final = np.zeros(1 + max(r.code for r in reasons.REASONS), np.bool_)
_IS_SUSPENDED[[r.code for r in reasons.REASONS if r.stage == "decode"
               and r.disposition == codes.SUSPENDED]] = True  # fmt: skip
_DISCARDED: Final = np.array([r.code for r in reasons.REASONS if r.stage == "decode"
                              and r.disposition == codes.DISCARDED], np.int16)  # fmt: skip
_KINDS: Final = {field.name: None if pa.types.is_string(field.type)
                 else np.dtype(field.type.to_pandas_dtype()) for field in schemas.CDR}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    data: uint8, ``byte_count`` bytes, then a line feed and at least 127 more bytes that are read
    but mean nothing. byte_offset: place of its first byte in the (expanded) file; first_line: the
    line, from 1, on which it starts (or the number of its first record, where there are no lines);
    line_count: its line feeds; is_quoted: a quote or an escape occurs; is_checked: bytes occur that
    are not printable ASCII.
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


class Given(NamedTuple):
    """Records that were found before, and where their fields are; same index = same row.

    begin, end: the record in the block; line: its number in the block, from 0; reason: why it is
    bad as a whole, or 0. Field i of row r lies in ``source`` at ``bounds[2 * i, r] + 1`` and ends
    before ``bounds[2 * i + 1, r]``; int32, in the order of the layout's columns. ``source`` is
    uint8 with PAD_BYTES behind what is read; is_short: a field that must be there lies behind the
    record's end.
    """

    begin: np.ndarray
    end: np.ndarray
    line: np.ndarray
    reason: np.ndarray
    bounds: np.ndarray
    source: np.ndarray
    is_checked: bool
    is_short: np.ndarray
    blank_count: int
    comment_count: int


def prepare_places(
    layout: Layout, source_zone: str, operator_zone: str, source_index: int, file_number: int
) -> DecodeContext:
    """The context of a file whose fields are given: each has two of ``Given.bounds``."""
    resolved = tuple(
        delimited_spec.Resolved(column, 2 * place) for place, column in enumerate(layout.columns)
    )
    width = max(1, 2 * len(resolved) - 1)
    zones = {"source": source_zone, "operator": operator_zone}
    compiled = delimited_spec.compile_layout(layout, resolved, (width, width), zones)
    return DecodeContext(layout, compiled, source_index, file_number)


def decode_found(block: Block, context: DecodeContext) -> stage.StageResult:
    """Delimited text: the kernel finds the records and their fields."""
    compiled = context.compiled
    out = _output(block.line_count + 1, block.byte_count, context)
    scratch = scratch_of(compiled.width, context.layout.row_bytes_max, block.is_quoted)
    how = k.RECORDS_QUOTED if block.is_quoted else k.RECORDS_PLAIN
    _run(block, context, scratch, out, (how, block.is_checked))
    return _result(block, context, out, block.data)


def decode_given(block: Block, context: DecodeContext, given: Given) -> stage.StageResult:
    """Records whose fields were found before; the same types, reasons and rejected bytes."""
    count = len(given.begin)
    out = _output(count, len(given.source), context)
    if count:
        scratch = _scratch_of(given, context.compiled.width, context.file_number, block.first_line)
        _run(block, context, scratch, out, (k.RECORDS_GIVEN, given.is_checked))
        # A condition that does not hold comes before a record that is too short for its columns.
        reason = out.verdicts[k.REASON, :count]
        late = given.is_short & ~np.isin(reason, _DISCARDED) & (reason != k.ROW_TOO_LONG)
        reason[late] = k.COLUMNS_TOO_FEW
        out.verdicts[k.REASON_FIELD, :count][late] = -1
        out.numbers[k.FAULT_BEGIN, :count][late] = 0
        out.numbers[k.FAULT_LENGTH, :count][late] = 0
    out.totals[k.TOTAL_BLANK] = given.blank_count
    out.totals[k.TOTAL_COMMENT] = given.comment_count
    return _result(block, context, out, given.source)


def scratch_of(width: int, row_bytes: int, is_quoted: bool) -> k.Scratch:
    """Working memory for windows of records that the kernel finds."""
    window = max(16, min(WINDOW_ROWS, WINDOW_FIELDS // (width + 1)))
    # Columns lie apart by no power of two, or their cache lines would push each other out.
    bounds = np.zeros(((width // k.ENDS_STEP + 1) * k.ENDS_STEP + 1, window + 16), np.int32)
    raw = np.zeros_like(bounds) if is_quoted else bounds
    row = np.zeros(row_bytes + ROW_BUFFER_BYTES if is_quoted else 0, np.uint8)
    ends = np.zeros((2, 0 if is_quoted else k.ENDS_COUNT), np.int32)
    return _scratch(bounds, raw, row, ends, np.zeros((5, window), np.int64))


def _scratch_of(given: Given, width: int, file_number: int, first_line: int) -> k.Scratch:
    """One window with all rows, which are there before the kernel runs."""
    rows = np.empty((5, len(given.begin)), np.int64)
    rows[k.ROW_BEGIN], rows[k.ROW_END] = given.begin, given.end
    rows[k.ROW_WIDTH], rows[k.ROW_REASON] = width, given.reason
    rows[k.ROW_ID] = given.line + ((file_number << 32) + first_line)
    ends = np.zeros((2, 0), np.int32)
    return _scratch(given.bounds, given.bounds, given.source, ends, rows)


def _scratch(
    bounds: np.ndarray, raw: np.ndarray, row: np.ndarray, ends: np.ndarray, rows: np.ndarray
) -> k.Scratch:
    window = rows.shape[1]
    marks = np.zeros((2, k.MARK_WORDS), np.uint64)
    return k.Scratch(
        bounds=bounds,
        raw=raw,
        rows=rows,
        row=row,
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


def array(shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
    """An uninitialised array in Arrow's memory pool, which keeps pages from block to block."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(pa.allocate_buffer(size), kind).reshape(shape)


def _output(rows: int, text_bytes: int, context: DecodeContext) -> k.Output:
    # Room for each text column to hold the whole block: memory that is never touched costs nothing.
    grows = 2 if context.layout.encoding == "latin-1" else 1
    texts = len(context.compiled.texts)
    offsets = array((texts, (rows | 63) + 17), np.int32)
    offsets[:, 0] = 0
    return k.Output(
        numbers=array((k.NUMBERS_COUNT, (rows | 63) + 9), np.int64),
        smalls=array((3, (rows | 63) + 17), np.int32),
        verdicts=array((2, (rows | 63) + 33), np.int16),
        codes=array((k.CODES_COUNT, (rows | 63) + 65), np.int8),
        offsets=offsets,
        texts=array((texts, text_bytes * grows + k.PAD_BYTES + 64), np.uint8),
        totals=np.zeros(3, np.int64),
    )


def _run(
    block: Block, context: DecodeContext, scratch: k.Scratch, out: k.Output, how: tuple[int, bool]
) -> None:
    first_id = (context.file_number << 32) + block.first_line
    about = np.array([block.byte_count, block.byte_offset, first_id, *how], np.int64)
    with np.errstate(over="ignore"):
        delimited_kernels.decode_rows(block.data, about, context.compiled.spec, scratch, out)


def _result(
    block: Block, context: DecodeContext, out: k.Output, source: np.ndarray
) -> stage.StageResult:
    rows = int(out.totals[k.TOTAL_ROWS])
    batch = _batch(out, rows, context)
    totals = {"rows": rows, "blank_lines": int(out.totals[k.TOTAL_BLANK]),
              "comment_lines": int(out.totals[k.TOTAL_COMMENT])}  # fmt: skip
    return stage.StageResult(batch, _rejected(block, out, rows, source), totals=totals)


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
    for name, kind in _KINDS.items():
        value = given.get(name)
        if name in context.compiled.texts:
            slot = context.compiled.texts.index(name)
            offsets = out.offsets[slot, : rows + 1]
            columns.append(stage.text_array(offsets, out.texts[slot, : offsets[rows]]))
        elif kind is None:
            columns.append(_same_text(str(value or "").encode(), rows, nothing))
        elif name in read:
            columns.append(stage.int_array(read[name][:rows].astype(kind, copy=False)))
        else:
            values = np.full(rows, value, kind) if value else nothing.view(kind)[:rows]
            columns.append(stage.int_array(values))
    return pa.RecordBatch.from_arrays(columns, schema=schemas.CDR)


def _same_text(text: bytes, rows: int, nothing: np.ndarray) -> pa.Array:
    offsets = nothing.view(np.int32)[: rows + 1]
    if text:
        offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(len(text))
    return stage.text_array(offsets, np.tile(np.frombuffer(text, np.uint8), rows))


def _rejected(
    block: Block, out: k.Output, rows: int, source: np.ndarray
) -> pa.RecordBatch | None:
    """The bytes of the rows that cannot be charged as they are; None if there are none."""
    reason = out.verdicts[k.REASON, :rows]
    at = np.flatnonzero(reason != 0)  # few: these are looked up
    at = at[_IS_SUSPENDED[reason[at]]]
    if len(at) == 0:
        return None
    begins = out.numbers[k.BYTE_OFFSET, at] - block.byte_offset
    return pa.RecordBatch.from_arrays(
        [
            stage.int_array(out.numbers[k.RECORD_ID, at]),
            _pieces(source, out.numbers[k.FAULT_BEGIN, at], out.numbers[k.FAULT_LENGTH, at]),
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
