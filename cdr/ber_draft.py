"""Rows from values, to be written as BER: tables and columns by name."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from cdr import asn_values, ber_write
from cdr import ber_state_kernels as k
from cdr import ber_write_kernels as w
from cdr import value_write_kernels as values
from cdr.asn_grammar import FILE, Field, Schema
from cdr.asn_values import Form

INTERNATIONAL: Final = 0x91  # what an address begins with: an international number of E.164
_DIGITS: Final = (Form.DIGITS, Form.SWAPPED, Form.ADDRESS)


class Draft:
    """Rows and columns of a schema that are to be written.

    width: at least the rows of the largest table. Names that the schema does not have, and rows
    that do not exist, raise ValueError.
    """

    def __init__(self, schema: Schema, width: int) -> None:
        self.schema, self.width = schema, width
        self._begin = np.empty((schema.cells, width), np.int32)
        self._size = np.empty((schema.cells, width), np.int32)
        self._is_seen = np.zeros(schema.cells, np.int8)
        self._parents = np.empty((3, len(schema.tables), width), np.int32)
        self._rows = np.zeros(len(schema.tables), np.int64)
        self._rows[0] = 1
        self._parts: list[np.ndarray] = []
        self._bytes = 0
        entries = [one for held in (*schema.rows, *schema.nodes) for one in held.values()]
        self._places = {one.group: one.place for one in entries if one.group >= 0}

    def rows(
        self, table: str, parents: np.ndarray, parent: str = FILE, path: str = ""
    ) -> np.ndarray:
        """Adds a row for each of ``parents``, rows of the table ``parent``; their numbers.

        path: the list in those rows that they are elements of; "" where the row itself is a list,
        or where records stand one after the other.
        """
        number, above, first = self._table(table), self._table(parent), self._count(table)
        place = self._places[self._group(parent, path)] if path else 0
        new = np.arange(first, first + len(parents), dtype=np.int64)
        if len(new) and (new[-1] >= self.width or parents.min() < 0):
            raise ValueError(f"{table}: {first + len(new)} rows; at most {self.width}")
        if len(new) and parents.max() >= self._rows[above]:
            raise ValueError(f"{table}: row {parents.max()} of {parent} does not exist")
        self._parents[k.PARENT_TABLE, number, new] = place << k.TABLE_BITS | above
        self._parents[k.PARENT_ROW, number, new] = parents
        self._rows[number] += len(new)
        return new

    def there(self, table: str, path: str, is_there: np.ndarray) -> None:
        """Groups that are there (bool, by row of the table), whatever is in them.

        What a record is among its alternatives is said this way; elsewhere it is needed for groups
        that are to be empty.
        """
        nothing = pa.array([b""] * len(is_there), mask=~np.asarray(is_there, np.bool_))
        self.inside(table, path, nothing)

    def inside(self, table: str, path: str, contents: pa.Array) -> None:
        """Elements that are encoded already (binary, by row of the table), to stand in a group
        before what else is in it; nulls: it is not there."""
        self._by_row(table, contents)
        offsets, text = _text(contents)
        is_there = contents.is_valid().to_numpy(False)
        size = np.where(is_there, np.diff(offsets), k.ABSENT).astype(np.int32)
        cell = len(self.schema.fields) + self._group(table, path)
        self._keep(cell, offsets[:-1] - offsets[0], size, text[offsets[0] : offsets[-1]])

    def put(self, table: str, path: str, column: pa.Array, lead: int = INTERNATIONAL) -> None:
        """The values of a field by row of its table, as ``Block.column`` has them; nulls: none.

        lead: what addresses begin with.
        """
        cell = self._field(table, path)
        form = asn_values.form_of(self.schema.fields[cell].words)
        self._by_row(table, column)
        size = np.where(column.is_valid().to_numpy(False), 0, k.ABSENT).astype(np.int32)
        begin = np.empty(len(size), np.int32)
        if form is Form.INTEGER:
            numbers = column.cast(pa.int64()).fill_null(0).to_numpy()
            out = np.empty(8 * len(size), np.uint8)
            end = values.write_integers(numbers, size, begin, out)
            self._keep(cell, begin, size, out[:end])
            return
        offsets, text = _text(column)
        if form in _DIGITS:
            out = np.empty(len(text) + 2 * len(size), np.uint8)
            first = lead if form is Form.ADDRESS else -1
            swapped = form is not Form.DIGITS
            end = values.pack_digits(text, offsets, first, swapped, size, begin, out)
            self._keep(cell, begin, size, out[:end])
            return
        size = np.where(size < 0, k.ABSENT, np.diff(offsets)).astype(np.int32)
        self._keep(cell, offsets[:-1] - offsets[0], size, text[offsets[0] : offsets[-1]])

    def source(self) -> ber_write.Source:
        """All that was put, to be encoded."""
        data = np.concatenate([*self._parts, np.zeros(0, np.uint8)])
        content = w.Content(data, self._begin, self._size, self._parents, self._rows)
        return ber_write.Source(content, self._is_seen)

    def encode(self) -> bytes:
        """The bytes of all rows."""
        return ber_write.encode(self.schema, self.source()).tobytes()

    def _keep(self, cell: int, begin: np.ndarray, size: np.ndarray, out: np.ndarray) -> None:
        self._begin[cell, : len(size)] = begin + self._bytes
        self._size[cell, : len(size)] = size
        self._size[cell, len(size) :] = k.ABSENT
        self._is_seen[cell] = bool((size >= 0).any())
        self._parts.append(out)
        self._bytes += len(out)

    def _table(self, name: str) -> int:
        if name not in self.schema.tables:
            raise ValueError(f"no table {name}; there are {', '.join(self.schema.tables)}")
        return self.schema.tables.index(name)

    def _count(self, table: str) -> int:
        return int(self._rows[self._table(table)])

    def _by_row(self, table: str, column: np.ndarray) -> np.ndarray:
        if len(column) != self._count(table):
            raise ValueError(f"{len(column)} values for {self._count(table)} rows of {table}")
        return column

    def _field(self, table: str, path: str) -> int:
        return _find(self.schema.fields, self._table(table), path, f"field {table}.{path}")

    def _group(self, table: str, path: str) -> int:
        return _find(self.schema.groups, self._table(table), path, f"group {table}.{path}")


def _find(fields: tuple[Field, ...], table: int, path: str, what: str) -> int:
    for number, field in enumerate(fields):
        if (field.table, field.path) == (table, path):
            return number
    raise ValueError(f"no {what}")


def _text(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int32) and bytes of a column of text or bytes."""
    plain = column.cast(pa.binary())
    _, offsets, text = plain.buffers()
    where = np.frombuffer(offsets, np.int32)[plain.offset : plain.offset + len(plain) + 1]
    return where, np.frombuffer(text, np.uint8) if text else np.zeros(0, np.uint8)
