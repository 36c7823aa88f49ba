"""Reads delimited files by a layout: their header, blocks of whole records, columns.

Main path: ``identify`` looks at a file's head, ``prepare`` resolves the layout against it,
``blocks`` cuts the file at record ends, ``decode`` turns a block into a ``schemas.CDR`` batch.
Blocks are independent of each other: they may be decoded in any order and at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from cdr import delimited_spec, files, quoted_kernels, record_kernels
from cdr import spec_kernels as k
from cdr.decoding import Block as Block
from cdr.decoding import DecodeContext as DecodeContext
from cdr.decoding import array, scratch_of
from cdr.decoding import decode_found as decode  # one of the verbs of cdr.formats
from cdr.delimited_header import Header, resolve
from cdr.delimited_header import identify as identify  # another one
from cdr.layout_types import DELIMITED, Layout

__all__ = ["Block", "DecodeContext", "block_of", "blocks", "decode", "identify", "prepare"]

BLOCK_BYTES: Final = 8 * 2**20
BLOCK_BYTES_MAX: Final = 2**29  # places in a block, and in its texts, are int32
LINES_MAX: Final = 2**19  # of a block: rows take memory, however short they are
GIVEN_FIELDS_MAX: Final = 2**22  # of a block, where the places of all fields are given at once


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
        self.scratch = scratch_of(0, layout.row_bytes_max, True)
        self.lines_max = LINES_MAX
        if layout.kind != DELIMITED:
            self.lines_max = min(LINES_MAX, max(1, GIVEN_FIELDS_MAX // len(layout.columns)))

    def blocks(self) -> Iterator[Block]:
        limit, want, is_last = self.layout.row_bytes_max, self.block_bytes, False
        while True:
            kept = len(self.carry)
            buffer = array((max(kept, want) + k.PAD_BYTES,), np.uint8)
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
        if lines <= self.lines_max:
            return size
        return int(np.flatnonzero(buffer[:size] == record_kernels.LF)[self.lines_max - 1]) + 1

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
