"""Where the values of a block's records lie: those of a record's own row, of its repeated groups
and of the file, each as one cell a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdr import asn_values, ber
from cdr.asn_grammar import FILE, Schema
from cdr.asn_values import Form
from cdr.ber_layout import LAST, Place
from cdr.ber_refunds import Refunds
from cdr.ber_state_kernels import OF_RECORD, PAD_BYTES

LANE_BITS: Final = 32
# Table, path, take, where and among: what a cell was asked for with.
_Key = tuple[str, str, str, tuple[str, str], tuple[str, ...]]


class Cells(NamedTuple):
    """Contents by row: ``data[begin:begin + size]``; size below 0: there is no such value."""

    data: np.ndarray  # uint8
    begin: np.ndarray  # int32
    size: np.ndarray  # int32
    form: Form

    @property
    def there(self) -> np.ndarray:
        """Which rows have a value, and not an empty one (of integers: any)."""
        least = 0 if self.form is Form.INTEGER else 1
        found: np.ndarray = self.size >= least
        return found

    def column(self) -> pa.Array:
        """The values as ``asn_values.column`` gives them."""
        return asn_values.column(self.data, self.begin, self.size, self.form)

    def at(self, row: int) -> bytes:
        """The contents of one row, empty where it has none."""
        begin, size = int(self.begin[row]), max(0, int(self.size[row]))
        return self.data[begin : begin + size].tobytes()


class Sums(NamedTuple):
    """Sums by record: values (0 where a record has none), is_there, and is_bad (a part is no
    number from 0, or the sum is beyond 2**59)."""

    values: np.ndarray
    is_there: np.ndarray
    is_bad: np.ndarray


@dataclass(frozen=True)
class FileFacts:
    """What a file says outside of its records, as far as it was read.

    values: contents by path; offsets_s: by UTC offset code; decimals: of charges, -1: not said.
    """

    values: Mapping[str, bytes] = field(default_factory=dict)
    offsets_s: Mapping[int, int] = field(default_factory=dict)
    decimals: int = -1


class BlockCells:
    """The cells of a block; what is asked for twice is found once."""

    def __init__(self, block: ber.Block, facts: FileFacts) -> None:
        self.block, self.facts, self.schema = block, facts, block.schema
        self.count = block.rows(self.schema.record)
        self._known: dict[_Key, Cells] = {}

    @cached_property
    def fields(self) -> Mapping[tuple[str, str], int]:
        """The fields that occur in the block, by table and path."""
        names = self.schema.tables
        of = self.schema.fields
        return {(names[of[one].table], of[one].path): one for one in self.block.fields()}

    def has(self, place: Place) -> bool:
        """Whether the format has such a value."""
        own = place.table or self.schema.tables[self.schema.record]
        return (own, place.path) in forms(self.schema)

    def form(self, place: Place) -> Form:
        """How the contents of a place are written."""
        own = place.table or self.schema.tables[self.schema.record]
        return forms(self.schema)[own, place.path]

    def cells(
        self, place: Place, rows: np.ndarray, take: str, where: tuple[str, str],
        among: tuple[str, ...] = (),
    ) -> Cells:  # fmt: skip
        """One cell for each of the records ``rows``. among: of a repeated group, only values with
        one of these texts (empty: any)."""
        key = (place.table, place.path, take, where, among)
        if key not in self._known:
            self._known[key] = self._find(place, take, where, among)
        found = self._known[key]
        if len(rows) == self.count:
            return found
        return Cells(found.data, found.begin[rows], found.size[rows], found.form)

    def _find(
        self, place: Place, take: str, where: tuple[str, str], among: tuple[str, ...]
    ) -> Cells:
        form = self.form(place)
        if place.table == FILE:
            contents = self.facts.values.get(place.path)
            data = np.frombuffer((contents or b"") + bytes(PAD_BYTES), np.uint8)
            length = -1 if contents is None else len(contents)
            return Cells(data, np.zeros(self.count, np.int32),
                         np.full(self.count, length, np.int32), form)
        own = place.table or self.schema.tables[self.schema.record]
        field_number = self.fields.get((own, place.path))
        begin: np.ndarray = np.zeros(self.count, np.int32)
        size: np.ndarray = np.full(self.count, -1, np.int32)
        if field_number is None:
            return Cells(self.block.data, begin, size, form)
        if not place.table:
            begin, size = self.block.places(field_number)
            # Where there is no value, its place was never written.
            return Cells(self.block.data, np.where(size >= 0, begin, np.int32(0)), size, form)
        of_rows, of_sizes = self.block.places(field_number)
        used, owner = self._rows(place.table, of_sizes, where)
        if among:
            column = texts_of(Cells(self.block.data, of_rows[used], of_sizes[used], form))
            is_meant = pc.fill_null(pc.is_in(column, pa.array(among)), False)
            chosen = is_meant.to_numpy(zero_copy_only=False)
            used, owner = used[chosen], owner[chosen]
        # Rows of a group lie in the order of their records.
        is_one = np.ones(len(used), bool)
        if take == LAST:
            is_one[:-1] = owner[1:] != owner[:-1]
        else:
            is_one[1:] = owner[1:] != owner[:-1]
        begin[owner[is_one]], size[owner[is_one]] = of_rows[used[is_one]], of_sizes[used[is_one]]
        return Cells(self.block.data, begin, size, form)

    def _rows(
        self, table: str, sizes: np.ndarray, where: tuple[str, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a group's table that have the value and fit ``where``; and their records."""
        number = self.schema.tables.index(table)
        owner = self.block.parents(number)[OF_RECORD]
        fits = (sizes >= 0) & (owner >= 0)
        if where[0]:
            beside = self.fields.get((table, where[0]))
            if beside is None:
                fits[:] = False
            else:
                form = forms(self.schema)[table, where[0]]
                found = Cells(self.block.data, *self.block.places(beside), form)
                same = pc.fill_null(pc.equal(texts_of(found), where[1]), False)
                fits &= same.to_numpy(zero_copy_only=False)
        used = np.flatnonzero(fits)
        return used, owner[used]

    @cached_property
    def refunds(self) -> Refunds:
        """Which rows of repeated groups are refunds."""
        return Refunds(self.block)

    def sums(self, place: Place, where: tuple[str, str], with_refunds: bool) -> Sums:
        """The sum of an integer over the rows of a repeated group, by record."""
        found = Sums(*(np.zeros(self.count, kind) for kind in (np.int64, bool, bool)))
        number = self.fields.get((place.table, place.path))
        if number is None:
            return found
        begin, size = self.block.places(number)
        used, owner = self._rows(place.table, size, where)
        if not with_refunds:
            is_given = ~self.refunds.rows(self.schema.tables.index(place.table))[used]
            used, owner = used[is_given], owner[is_given]
        if len(used) == 0:
            return found
        column = Cells(self.block.data, begin[used], size[used], Form.INTEGER).column()
        values = column.fill_null(0).to_numpy()
        starts = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
        rows = owner[starts]
        # Two halves, so that no sum of a block's rows wraps.
        high = np.add.reduceat(values >> LANE_BITS, starts)
        low = np.add.reduceat(values & (2**LANE_BITS - 1), starts)
        high, low = high + (low >> LANE_BITS), low & (2**LANE_BITS - 1)
        is_bad = (high < 0) | (high >= 2**27)
        is_wrong = (values < 0) | column.is_null().to_numpy(zero_copy_only=False)
        if is_wrong.any():  # a negative part must not hide in a sum
            is_bad |= np.logical_or.reduceat(is_wrong, starts)
        found.is_there[rows], found.is_bad[rows] = True, is_bad
        found.values[rows] = np.where(is_bad, 0, high << LANE_BITS | low)
        return found


@cache
def forms(schema: Schema) -> Mapping[tuple[str, str], Form]:
    """How the contents of each field are written, by table and path."""
    return {
        (schema.tables[one.table], one.path): asn_values.form_of(one.words)
        for one in schema.fields
    }


_HEX: Final = np.frombuffer(b"0123456789ABCDEF", np.uint8)


def texts_of(cells: Cells) -> pa.Array:
    """Any contents as utf8: integers in decimals, bytes in hexadecimals; null where there is none
    or where it is not of its form."""
    if cells.form is Form.INTEGER:
        return cells.column().cast(pa.string())
    if cells.form not in (Form.BYTES, Form.TIME):
        return cells.column()
    raw = cells.column()
    _, offsets, data = raw.buffers()
    bounds = np.frombuffer(offsets, np.int32)[raw.offset : raw.offset + len(raw) + 1]
    used = np.frombuffer(data or b"", np.uint8)[: bounds[-1]]
    text = np.empty(2 * len(used), np.uint8)
    text[::2], text[1::2] = _HEX[used >> 4], _HEX[used & 15]
    found = pa.Array.from_buffers(
        pa.string(), len(raw), [None, pa.py_buffer(2 * bounds), pa.py_buffer(text)]
    )
    return pc.if_else(raw.is_valid(), found, pa.scalar(None, pa.string()))
