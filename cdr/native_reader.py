"""Reads native files in the night, by a layout of kind ``ber``: TAP, NRTRDE, TS 32.297 and 32.298.

The verbs are those of ``cdr.formats``. A file is read whole (native.read), walked once, and its
records are decoded a block at a time; blocks may be decoded in any order and at the same time.
Records are numbered from 1 in the order of the file, those that cannot be read included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cdr import ber, files, native
from cdr.ber_cells import BlockCells, FileFacts
from cdr.ber_layout import BerLayout
from cdr.ber_rows import Rows
from cdr.file_facts import learned
from cdr.framed_records import sorted_out
from tollbook import stage
from tollbook.errors import BrokenFile

# A layout reads framed records and those without frames alike.
FAMILY: Final = {"ts32297": "ts32298"}


@dataclass(frozen=True)
class DecodeContext:
    """All that decoding needs beside the bytes."""

    layout: BerLayout
    source_index: int
    file_number: int


@dataclass(frozen=True, eq=False)
class Block:
    """Records of a file. byte_count: what progress counts; first: the number of its first record.

    cells: those that are BER (None: there are none). numbers: int64, the number of each of them.
    others: frames that are no record (begin, end, number, reason).
    """

    byte_count: int
    cells: BlockCells | None
    numbers: np.ndarray
    data: np.ndarray
    others: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.int64))


def identify(path: Path, layout: BerLayout) -> native.Format:
    """What a file is; raises BrokenFile if the layout is not one for it."""
    room = np.empty(native.LOOKED_AT, np.uint8)
    with files.open_stored(path) as stream:
        head = room[: stream.read_into(room)].tobytes()
        is_plain = stream.compression == "plain"
    # How far a compressed file expands is only known when it was read: ``blocks`` looks again.
    return _format_of(head, path.stat().st_size if is_plain else int.from_bytes(head[:4]), path,
                      layout)


def _format_of(head: bytes, size_bytes: int, path: Path, layout: BerLayout) -> native.Format:
    found = native.identify(head, size_bytes)
    if found is None or FAMILY.get(found.name, found.name) != layout.format:
        shown = "text" if head and native.is_text(head) else "in no format that is known"
        raise BrokenFile(
            str(path), f"it is {found.title if found else shown}",
            f"a file of {native.FORMATS[layout.format].source}, as layout '{layout.name}' says",
            "name another layout for the source in operator.yaml, or put the file where it belongs",
        )  # fmt: skip
    return found


def prepare(
    layout: BerLayout, header: native.Format, source_zone: str, operator_zone: str,
    source_index: int, file_number: int,
) -> DecodeContext:  # fmt: skip
    """The context of a file. Times of native records have offsets of their own: no zone is used."""
    return DecodeContext(layout, source_index, file_number)


def blocks(path: Path, layout: BerLayout, rows: int = ber.ROWS) -> Iterator[Block]:
    """The records of a file; raises BrokenFile where it cannot be read to its end."""
    data = native.read(path)
    form = _format_of(data[: native.LOOKED_AT], len(data), path, layout)
    found = blocks_of(data, form, str(path), rows)
    del data  # the walk has its own copy: only one of them is kept
    yield from found


def blocks_of(
    data: bytes, form: native.Format, where: str, rows: int = ber.ROWS
) -> Iterator[Block]:
    """The records of a file in memory."""
    size_bytes, others, numbers = len(data), None, None
    if form.name == "ts32297":
        regions, others = framed(data, form, where)
        numbers = regions[:, 2]
    else:
        regions = np.array(native.regions(data, form, where), np.int64).reshape(-1, 3)
    if others is not None and len(others):
        size = int((others[:, 1] - others[:, 0]).sum())
        yield Block(size, None, others[:0, 2], np.frombuffer(data, np.uint8), others)
    facts, first, at = FileFacts(), 0, 0
    walked = ber.blocks(data, form.schema, where, regions[:, :2].tolist(), rows, fresh=True)
    del data
    for block in walked if len(regions) else ():
        facts = learned(facts, BlockCells(block, facts))
        cells = BlockCells(block, facts)
        records = block.records
        end = int(records.at[-1] + records.size[-1]) if cells.count else at
        of_block = np.arange(first + 1, first + 1 + cells.count)
        if numbers is not None:
            of_block = numbers[of_block - 1]
        yield Block(max(0, end - at), cells, of_block, block.data)
        first, at = first + cells.count, end
    if at < size_bytes:  # what is behind the last record; for a file without any, all of it
        nothing = np.zeros(0, np.int64)
        yield Block(size_bytes - at, None, nothing, np.zeros(0, np.uint8))


def framed(data: bytes, form: native.Format, where: str) -> tuple[np.ndarray, np.ndarray]:
    """int64, the frames of TS 32.297 that hold one record of BER (begin, end, number from 1), and
    those that do not (with the reason beside)."""
    return sorted_out(np.frombuffer(data, np.uint8), native.frames(data, where), form)


def decode(block: Block, context: DecodeContext) -> stage.StageResult:
    """A block as a ``schemas.CDR`` batch: every record is a row, bad ones carry their reason.

    ``rejected`` holds the bytes of rows that a person must look at; totals: rows.
    """
    rows = Rows(context.layout, block.cells, block.numbers, block.data, block.others)
    return rows.result(context.source_index, context.file_number)
