"""Reads files whose columns stand at fixed places: lines, or records of one length without ends.

The verbs of ``cdr.formats``; values are typed by the kernel that reads delimited text. In a file
without line ends a record's number takes the place of its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from cdr import decoding, delimited, files, record_kernels
from cdr.decoding import Block, DecodeContext, Given
from cdr.delimited import BLOCK_BYTES
from cdr.delimited_header import Header
from cdr.delimited_header import identify as identify  # one of the verbs
from cdr.layout_types import Layout
from tollbook import stage

_LINE_ENDS: Final = b"\r\n\x1a"  # and the end-of-file sign that some systems write


def prepare(
    layout: Layout, header: Header, source_zone: str, operator_zone: str, source_index: int,
    file_number: int,
) -> DecodeContext:  # fmt: skip
    """The context of a file; there is nothing in its head that could contradict the layout."""
    return decoding.prepare_places(layout, source_zone, operator_zone, source_index, file_number)


def blocks(path: Path, layout: Layout, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """The records of a file, about ``block_bytes`` at a time; memory does not grow with the file.

    Raises BrokenFile for a compression that is broken.
    """
    if layout.record_bytes == 0:
        yield from delimited.blocks(path, layout, block_bytes)
        return
    size = layout.record_bytes
    most = min(delimited.LINES_MAX, delimited.GIVEN_FIELDS_MAX // len(layout.columns))
    room, number = max(1, min(block_bytes // size, most)) * size, 1
    with files.open_stored(path) as stream:
        while True:
            buffer = np.empty(room, np.uint8)
            offset = stream.byte_offset
            got = stream.read_into(buffer)
            if got:
                yield delimited.block_of(buffer[:got].tobytes(), layout, offset, number)
            if got < room:
                return
            number += got // size


def decode(block: Block, context: DecodeContext) -> stage.StageResult:
    """A block as a ``schemas.CDR`` batch: every record is a row, bad ones carry their reason.

    A record that ends before a column that is not optional is ``columns_too_few``, unless a
    condition of ``keep`` has passed it over.
    """
    layout = context.layout
    begin, end, line = _records(block, layout)
    is_blank = begin == end
    is_comment = np.zeros(len(begin), np.bool_)
    if layout.comment:
        places = begin[:, None] + np.arange(len(layout.comment))
        is_comment = (block.data[places] == np.frombuffer(layout.comment, np.uint8)).all(axis=1)
        is_comment &= ~is_blank
    kept = ~is_blank & ~is_comment
    begin, end, line = begin[kept], end[kept], line[kept]
    # What lies beyond the row limit is not looked at: the kernel says that the row is too long.
    stop = np.minimum(end, begin + layout.row_bytes_max)
    bounds = np.empty((2 * len(layout.columns), len(begin)), np.int32)
    needed = 0
    for place, column in enumerate(layout.columns):
        bounds[2 * place] = np.minimum(begin + column.position, stop) - 1
        bounds[2 * place + 1] = np.minimum(begin + column.end, stop)
        needed = max(needed, 0 if column.optional else column.end)
    given = Given(
        begin, end, line, np.zeros(len(begin), np.int64), bounds, block.data, block.is_checked,
        end - begin < needed, int(is_blank.sum()), int(is_comment.sum()),
    )  # fmt: skip
    return decoding.decode_given(block, context, given)


def _records(block: Block, layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where records begin and end in the block, and their numbers in it, from 0; int64."""
    size = block.byte_count
    if layout.record_bytes:
        begin = np.arange(0, size, layout.record_bytes, dtype=np.int64)
        end = np.minimum(begin + layout.record_bytes, size)
        rest = block.data[begin[-1] : size].tobytes() if len(begin) else b""
        if len(rest) < layout.record_bytes and not rest.strip(_LINE_ENDS):
            end[-1:] = begin[-1:]  # a line end behind the last record
        return begin, end, np.arange(len(begin))
    return lines(block)


def lines(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lines of a block without their ends: begin, end, number from 0; int64."""
    size = block.byte_count
    end = np.flatnonzero(block.data[:size] == record_kernels.LF)
    if size and (len(end) == 0 or end[-1] != size - 1):
        end = np.append(end, size)
    begin = np.concatenate(([0], end[:-1] + 1)) if len(end) else end
    is_return = (end > begin) & (block.data[np.maximum(end - 1, 0)] == record_kernels.CR)
    return begin, end - is_return, np.arange(len(end))
