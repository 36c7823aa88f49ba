"""Files of BER as tables: records and their repeated groups, with the place of every record.

``blocks`` walks a file over a schema (``asn_grammar``) and hands out tables of at most a given
number of rows; columns are read when they are asked for. A bad record is a row with a fault and no
values; bytes that make no sense outside of a record end the file with ``BrokenFile``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from cdr import asn_values, ber_kernels, ber_tree
from cdr import ber_state_kernels as k
from cdr.asn_grammar import Schema
from tollbook.errors import BrokenFile

ROWS: Final = 16_384  # of each table in a block, whose bytes are still in caches when read
FILE_BYTES_MAX: Final = 2**31 - 2**16  # places in a file are int32


@dataclass(frozen=True, eq=False)
class Records:
    """The records of a block, one entry each.

    at, size: int64, place in the file and length of the whole element; kind: int32, its node, see
    ``Schema.alternatives``; fault: int64, 0 for good ones, and its place.
    """

    at: np.ndarray
    size: np.ndarray
    kind: np.ndarray
    fault: np.ndarray
    fault_at: np.ndarray


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of all tables that were found together; ``blocks`` says how long it is valid."""

    schema: Schema
    data: np.ndarray
    walk: k.Walk
    found: k.Found

    def rows(self, table: int) -> int:
        """How many rows of a table there are."""
        return int(self.walk.tables[table]) + 1

    @property
    def records(self) -> Records:
        """Where the records lie and whether they are good."""
        rows = self.found.records[:, : self.rows(self.schema.record)]
        return Records(
            rows[k.RECORD_AT], rows[k.RECORD_SIZE], rows[k.RECORD_NODE], rows[k.RECORD_FAULT],
            rows[k.RECORD_FAULT_AT],
        )  # fmt: skip

    def parents(self, table: int) -> np.ndarray:
        """int32 [3, row]: the table and row of each row's parent, and its record (-1: none)."""
        found: np.ndarray = self.found.parents[:, table, : self.rows(table)].copy()
        found[k.PARENT_TABLE] &= k.TABLE_MASK
        return found

    def fields(self) -> tuple[int, ...]:
        """The fields that occur in the block."""
        fields = slice(len(self.schema.fields))
        return tuple(np.flatnonzero(self.walk.last[fields] > self.walk.first[fields]).tolist())

    def places(self, field: int) -> tuple[np.ndarray, np.ndarray]:
        """int32, by row of the field's table: where its contents begin, and their length or -1."""
        return self.found_in(field, self.rows(self.schema.fields[field].table))

    def found_in(self, cell: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of a cell, a field's or a group's that is empty, for so many rows."""
        begin, size = np.zeros(rows, np.int32), np.full(rows, k.ABSENT, np.int32)
        places = self.found.places[self.walk.first[cell] : self.walk.last[cell] + 1]
        begin[places[1:, k.PLACE_ROW]] = places[1:, k.PLACE_BEGIN]
        size[places[1:, k.PLACE_ROW]] = np.diff(places[:, k.PLACE_SUM])
        return begin, size

    def columns(self, fields: Sequence[int] | None = None) -> dict[int, pa.Array]:
        """Values by row of the fields' tables, null where there is none: of these fields, or
        (None) of all that occur."""
        chosen = np.array(self.fields() if fields is None else fields, np.int64)
        rows = self.walk.tables[self.schema.grammar.owner[chosen]] + 1
        spans = np.stack([self.walk.first[chosen], self.walk.last[chosen]])
        codes = _codes(self.schema)[chosen]
        read = asn_values.columns(self.data, self.found.places, spans, rows, codes)
        return dict(zip(chosen.tolist(), read, strict=True))

    def column(self, field: int) -> pa.Array:
        """The values of one field."""
        return self.columns((field,))[field]


@cache
def _codes(schema: Schema) -> np.ndarray:
    """How the contents of each field are written (``asn_values.code_of``)."""
    forms = (asn_values.form_of(field.words) for field in schema.fields)
    return np.array([asn_values.code_of(form) for form in forms], np.int64)


class Walker:
    """Walks the parts of a file that hold elements, given piece by piece.

    data: ``padded`` bytes. rows: room of each table in a block. A block is valid until the next one
    is asked for; ``fresh`` gives each memory of its own, so that another thread may read it
    meanwhile.
    """

    def __init__(
        self, data: np.ndarray, schema: Schema, where: str, rows: int = ROWS, fresh: bool = False
    ) -> None:
        self.data, self.schema, self.where = data, schema, where
        self.rows, self.fresh = rows, fresh
        self.found = _room(schema, rows)
        self.is_taken = False  # whether somebody else has the memory

    def blocks(self, regions: np.ndarray) -> Iterator[Block]:
        """The records of some parts, int64 [part, 2]: begin and end. Raises BrokenFile where
        nothing more can be read."""
        if len(regions) == 0:
            return
        walk = _start(self.schema, regions)
        why = k.FULL
        while why == k.FULL:
            if self.is_taken:
                self.found = _room(self.schema, self.rows)
            walk.tables[:] = -1
            walk.tables[0] = 0
            walk.first[:] = 0
            walk.last[:] = 0
            walk.state[k.SLOTS] = 0
            why = ber_kernels.walk_on(self.data, self.schema.grammar, walk, self.found)
            if why == k.BROKEN:
                _end_open_record(walk, self.found)
            self.is_taken = self.fresh
            kept = walk
            if self.fresh:
                now = (walk.tables.copy(), walk.first.copy(), walk.last.copy())
                kept = walk._replace(tables=now[0], first=now[1], last=now[2])
            yield Block(self.schema, self.data, kept, self.found)
        if why == k.BROKEN:
            at = int(walk.state[k.FAULT_AT])
            raise _broken(self.where, ber_tree.FAULTS[int(walk.state[k.FAULT])], at)


def padded(data: bytes, where: str) -> np.ndarray:
    """uint8: a file's bytes, and some behind them; raises BrokenFile if it is too large."""
    if len(data) > FILE_BYTES_MAX:
        raise too_large(where, len(data))
    raw = np.zeros(len(data) + k.PAD_BYTES, np.uint8)
    raw[: len(data)] = np.frombuffer(data, np.uint8)
    return raw


def blocks(
    data: bytes, schema: Schema, where: str, regions: Sequence[tuple[int, int]] = (),
    rows: int = ROWS, fresh: bool = False,
) -> Iterator[Block]:  # fmt: skip
    """The records of a file in their order.

    where: the file's name, for messages. regions: begin and end of the parts that hold elements;
    the whole file by default. Otherwise as ``Walker`` says.
    """
    raw = padded(data, where)
    parts = np.array(regions or [(0, len(data))], np.int64).reshape(-1, 2)
    del data  # it may be large, and nobody else's
    yield from Walker(raw, schema, where, rows, fresh).blocks(parts)


def _end_open_record(walk: k.Walk, found: k.Found) -> None:
    """A record within which a file breaks off is bad, and ends there."""
    row, at = int(walk.state[k.OPEN_RECORD]), int(walk.state[k.FAULT_AT])
    if row >= 0:
        found.records[k.RECORD_SIZE, row] = max(0, at - int(found.records[k.RECORD_AT, row]))
        found.records[k.RECORD_FAULT, row] = walk.state[k.FAULT]
        found.records[k.RECORD_FAULT_AT, row] = at


def _start(schema: Schema, regions: np.ndarray) -> k.Walk:
    walk = k.Walk(
        state=np.zeros(k.STATE_COUNT, np.int64),
        regions=regions,
        levels=np.zeros((k.DEPTH_MAX, k.LEVEL_COUNT), np.int64),
        tables=np.zeros(len(schema.tables), np.int64),
        first=np.zeros(schema.cells, np.int64),
        last=np.zeros(schema.cells, np.int64),
    )
    walk.state[[k.OPEN_RECORD, k.RECORD_DEPTH]] = -1
    walk.state[k.AT], walk.levels[0, k.END] = regions[0]
    walk.levels[0, k.NODE] = schema.root
    return walk


def _room(schema: Schema, rows: int) -> k.Found:
    """Memory that is only taken where it is written."""
    places = np.empty((1 + schema.cells * (rows + k.SPARE_PLACES), 3), np.int32)
    places[0] = (-1, 0, 0)
    return k.Found(
        places=places,
        parents=np.empty((3, len(schema.tables), rows), np.int32),
        records=np.empty((5, rows), np.int64),
    )


def too_large(where: str, size_bytes: int) -> BrokenFile:
    """A file that is not read because of its size."""
    return _broken(where, f"a file of {size_bytes} bytes or more", 0)


def _broken(where: str, found: str, at: int) -> BrokenFile:
    return BrokenFile(
        where, found, f"BER of at most {FILE_BYTES_MAX} bytes as its format says",
        "ask the sender for the file again", at,
    )  # fmt: skip
