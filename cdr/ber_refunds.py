"""Which rows of a TAP file's repeated groups lie in what is given back (TD.57: content only)."""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import ber
from cdr.ber_state_kernels import OF_RECORD, PARENT_ROW, PARENT_TABLE

REFUND: Final = 1  # TD.57: ChargeRefundIndicator
_CONTENT: Final = "ContentServiceUsed"


class Refunds:
    """Which rows of a table lie in what is given back: content that says so of itself."""

    def __init__(self, block: ber.Block) -> None:
        self.block = block
        self.known: dict[int, np.ndarray] = {}

    def records(self, table: int) -> np.ndarray:
        """The record of each row; of the table of records each its own."""
        if table == self.block.schema.record:
            return np.arange(self.block.rows(table))
        found: np.ndarray = self.block.parents(table)[OF_RECORD]
        return found

    def rows(self, table: int) -> np.ndarray:
        """bool by row."""
        if table not in self.known:
            self.known[table] = self._find(table)
        return self.known[table]

    def _find(self, table: int) -> np.ndarray:
        block, schema = self.block, self.block.schema
        found = np.zeros(block.rows(table), bool)
        if _CONTENT not in schema.tables or table in (0, schema.record):
            return found
        if schema.tables[table] == _CONTENT:
            for number in block.fields():
                one = schema.fields[number]
                if (one.table, one.path) == (table, "chargeRefundIndicator"):
                    found |= block.column(number).fill_null(0).to_numpy() == REFUND
            return found
        parents = block.parents(table)
        for above in np.unique(parents[PARENT_TABLE]).tolist():
            if above not in (0, schema.record, table):
                rows = np.flatnonzero(parents[PARENT_TABLE] == above)
                found[rows] = self.rows(above)[parents[PARENT_ROW, rows]]
        return found
