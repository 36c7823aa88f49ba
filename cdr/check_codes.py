"""Codes that a TAP record uses, against the tables of its file that say what they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cdr import ber
from cdr.ber_state_kernels import OF_RECORD

# The type of a code, and the table that defines it (TD.57: network and accounting information).
DEFINED_IN: Final = {
    "UtcTimeOffsetCode": "UtcTimeOffsetInfo", "RecEntityCode": "RecEntityInformation",
    "ExchangeRateCode": "CurrencyConversion", "TaxCode": "Taxation",
    "DiscountCode": "Discounting", "MessageDescriptionCode": "MessageDescriptionInformation",
}  # fmt: skip
SHOWN_MAX: Final = 1000  # references that are listed; all are counted


@dataclass(frozen=True)
class Reference:
    """A code that the file does not define: its type and value, the record and its own place."""

    code: str
    value: int
    record: int  # from 1
    at: int


@dataclass
class Codes:
    """What the blocks of a file use and define, gathered one after the other."""

    defined: dict[str, set[int]] = field(default_factory=lambda: {one: set() for one in DEFINED_IN})
    twice: set[tuple[str, int]] = field(default_factory=set)
    unknown: dict[tuple[str, int], int] = field(default_factory=dict)  # how often each is used
    places: list[Reference] = field(default_factory=list)

    def add(self, block: ber.Block, records_before: int) -> None:
        """The codes of a block. records_before: how many records came before it."""
        schema = block.schema
        used: list[tuple[str, int, int]] = []
        for number in block.fields():
            one = schema.fields[number]
            name = one.words[0]
            if name not in DEFINED_IN:
                continue
            if schema.tables[one.table] == DEFINED_IN[name]:
                self._define(name, block, number)
            else:
                used.append((name, number, one.table))
        for name, number, table in used:
            self._use(name, block, number, table, records_before)

    def _define(self, name: str, block: ber.Block, number: int) -> None:
        for value in block.column(number).drop_null().to_pylist():
            if value in self.defined[name] and len(self.twice) < SHOWN_MAX:
                self.twice.add((name, value))
            self.defined[name].add(value)

    def _use(self, name: str, block: ber.Block, number: int, table: int, before: int) -> None:
        column = block.column(number)
        record = (np.arange(len(column)) if table == block.schema.record
                  else block.parents(table)[OF_RECORD])
        begin, _ = block.places(number)
        values = column.fill_null(0).to_numpy()
        is_used = (record >= 0) & column.is_valid().to_numpy(zero_copy_only=False)
        known = np.array(sorted(self.defined[name]), np.int64)
        rows = np.flatnonzero(is_used & ~np.isin(values, known))
        for value, count in zip(*np.unique(values[rows], return_counts=True), strict=True):
            key = (name, int(value))
            if key in self.unknown or len(self.unknown) < SHOWN_MAX:
                self.unknown[key] = self.unknown.get(key, 0) + int(count)
        for row in rows[: max(0, SHOWN_MAX - len(self.places))].tolist():
            self.places.append(Reference(name, int(values[row]), before + int(record[row]) + 1,
                                         int(begin[row])))

    def undefined(self) -> tuple[int, tuple[Reference, ...]]:
        """How many references have no definition anywhere in the file, and those that are listed,
        in the order of the file."""
        count = sum(times for (name, value), times in self.unknown.items()
                    if value not in self.defined[name])
        shown = [one for one in self.places if one.value not in self.defined[one.code]]
        return count, tuple(sorted(shown, key=lambda one: one.at))
