"""Drawn columns as the bytes of a file: the glue between layouts and the writing kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr import synth_kernels as kernels
from cdr.synth_layouts import Column, Rows, SynthLayout
from cdr.synth_population import Population

CLOCK_WIDTH: Final = 25  # 2003-06-10T06:59:50+08:00
INTEGER_WIDTH: Final = 20
UUID_WIDTH: Final = 36


@dataclass(frozen=True)
class Sheet:
    """A block of rows ready to be written; the first index of ``values`` is the column."""

    values: np.ndarray  # int64 (columns, rows)
    damage: np.ndarray  # int16
    fate: np.ndarray  # int64

    def __len__(self) -> int:
        return len(self.damage)

    def rows(self, chosen: np.ndarray) -> Sheet:
        """Some of the rows, copied."""
        return Sheet(self.values[:, chosen], self.damage[chosen], self.fate[chosen])

    def plus(self, more: Sheet) -> Sheet:
        """These rows and then others."""
        return Sheet(
            np.concatenate((self.values, more.values), axis=1),
            np.concatenate((self.damage, more.damage)),
            np.concatenate((self.fate, more.fate)),
        )


class RowWriter:
    """Writes sheets of one layout. Made once a source; its tables are shared by threads."""

    def __init__(self, layout: SynthLayout, people: Population) -> None:
        self.layout = layout
        self._pool: list[bytes] = []
        first_prefix = self._keep([prefix.encode() for prefix in people.prefixes])
        # Values that only serve as the argument of a column follow the columns themselves.
        self._names = [column.value for column in layout.columns]
        arguments = [self._argument(column, first_prefix) for column in layout.columns]
        texts = self._keep([damage.text for damage in layout.damages])
        position = {column.name: index for index, column in enumerate(layout.columns)}
        offsets = np.cumsum([0, *map(len, self._pool)], dtype=np.int64)
        self._longest_row = sum(self._width(column, people) for column in layout.columns) + max(
            (len(damage.text) + 2 for damage in layout.damages), default=0
        )
        self._rows = kernels.TextRows(
            kinds=np.array([column.kind for column in layout.columns], np.int8),
            arguments=np.array(arguments, np.int64),
            quoted=np.full(len(layout.columns), layout.quoted, np.uint8),
            values=np.zeros((0, 0), np.int64),
            damage=np.zeros(0, np.int16),
            damage_kinds=np.array([damage.how for damage in layout.damages], np.int8),
            damage_columns=np.array([position[d.column] for d in layout.damages], np.int64),
            damage_texts=texts + np.arange(len(layout.damages), dtype=np.int64),
            pool_offsets=offsets,
            pool_data=np.frombuffer(b"".join(self._pool), np.uint8),
        )

    def _keep(self, texts: list[bytes]) -> int:
        self._pool.extend(texts)
        return len(self._pool) - len(texts)

    def _argument(self, column: Column, first_prefix: int) -> int:
        if column.kind == kernels.TEXT:
            return self._keep([word.encode() for word in column.words])
        if column.kind == kernels.NUMBER:
            return first_prefix
        if isinstance(column.argument, str):
            self._names.append(column.argument)
            return len(self._names) - 1
        return column.argument

    def _width(self, column: Column, people: Population) -> int:
        """The longest text of a column with its quotes and delimiter."""
        widths = {
            kernels.TEXT: max((len(word.encode()) for word in column.words), default=0),
            kernels.INTEGER: INTEGER_WIDTH,
            kernels.NUMBER: INTEGER_WIDTH + max(map(len, people.prefixes)),
            kernels.CLOCK: CLOCK_WIDTH,
            kernels.CLOCK_OFFSET: CLOCK_WIDTH,
            kernels.UUID: UUID_WIDTH,
        }
        return widths[column.kind] + 3

    @property
    def header(self) -> bytes:
        """The header line; empty if the layout has none."""
        if not self.layout.header:
            return b""
        names = (column.name for column in self.layout.columns)
        return self.layout.delimiter.join(names).encode() + b"\n"

    def sheet(self, rows: Rows) -> Sheet:
        """Drawn rows as a matrix."""
        values = np.empty((len(self._names), len(rows["fate"])), np.int64)
        for index, name in enumerate(self._names):
            values[index] = rows[name]
        return Sheet(values, rows["damage"].astype(np.int16), rows["fate"])

    def text(self, sheet: Sheet, order: np.ndarray) -> bytes:
        """The lines of ``sheet`` in ``order`` (int64 positions)."""
        rows = self._rows._replace(values=sheet.values, damage=sheet.damage)
        out = np.empty(len(order) * self._longest_row, np.uint8)
        size = kernels.write_rows(rows, order, ord(self.layout.delimiter), out)
        return out[:size].tobytes()
