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

from cdr import ber, native
from cdr.ber_cells import BlockCells, FileFacts
from cdr.ber_layout import BerLayout
from cdr.ber_rows import Rows
from cdr.ber_state_kernels import PAD_BYTES
from cdr.file_facts import learned
from cdr.native_pieces import pieces
from tollbook import stage
from tollbook.errors import BrokenFile, HeldFile

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
    # How far a compressed file expands is only known when it was read: ``blocks`` looks again.
    return _format_of(native.head_of(path), path, layout)


def _format_of(head: native.Head, path: Path, layout: BerLayout) -> native.Format:
    """The format by the bytes; where they do not say it, records one after the other by the
    layout: the first of them may be one that is not known, and there may be none."""
    found, asked = head.format, native.FORMATS[layout.format]
    if found is None and asked.is_repeated and head.kind != "text":
        return asked
    if found is None or FAMILY.get(found.name, found.name) != layout.format:
        shown = {"not known": "in no format that is known"}.get(head.kind, head.kind)
        raise BrokenFile(
            str(path), f"it is {found.title if found else shown}",
            f"a file of {asked.source}, as layout '{layout.name}' says",
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
    """The records of a file; raises BrokenFile where it cannot be read to its end, and HeldFile
    behind the last of them where its header says that it has more or fewer."""
    data = native.read(path)
    form = _format_of(native.head_in(data), path, layout)
    raw = ber.padded(data, str(path))
    del data  # only one of them is kept
    found = 0
    for block in blocks_of(raw, form, str(path), rows):
        found += len(block.numbers) + len(block.others)
        yield block
    if form is native.FRAMED:
        stated = native.header_of(raw, str(path)).record_count
        if stated not in (-1, found):
            raise HeldFile(
                f"held back: {found:,} records, but {stated:,} in the header of the file\n"
                "    allowed: as many records as its header says (TS 32.297)\n"
                "    do: have it sent again, or read it all the same with "
                "`tollbook collection release`"
            )


def blocks_of(
    data: np.ndarray, form: native.Format, where: str, rows: int = ber.ROWS
) -> Iterator[Block]:
    """The records of a file in memory (``ber.padded``)."""
    size_bytes, at, first = len(data) - PAD_BYTES, 0, 1
    facts, walker = FileFacts(), ber.Walker(data, form.schema, where, rows, fresh=True)
    for piece in pieces(data, form, where):
        if len(piece.others):
            end = int(piece.others[-1, 1])
            yield Block(max(0, end - at), None, piece.others[:0, 2], data, piece.others)
            at = max(at, end)
        done = 0
        for block in walker.blocks(piece.parts):
            facts = learned(facts, BlockCells(block, facts))
            cells = BlockCells(block, facts)
            records, behind = block.records, done + cells.count
            end = int(records.at[-1] + records.size[-1]) if cells.count else at
            numbers = (np.arange(first + done, first + behind) if piece.numbers is None
                       else piece.numbers[done:behind])
            yield Block(max(0, end - at), cells, numbers, data)
            done, at = behind, max(at, end)
        first += done
    if at < size_bytes:  # what is behind the last record; for a file without any, all of it
        yield Block(size_bytes - at, None, np.zeros(0, np.int64), data[:0])


def decode(block: Block, context: DecodeContext) -> stage.StageResult:
    """A block as a ``schemas.CDR`` batch: every record is a row, bad ones carry their reason.

    ``rejected`` holds the bytes of rows that a person must look at; totals: rows.
    """
    rows = Rows(context.layout, block.cells, block.numbers, block.data, block.others)
    return rows.result(context.source_index, context.file_number)
