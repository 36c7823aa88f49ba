"""What the records of a file add up to, beside the totals that the file itself states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow.compute as pc

from cdr import ber
from cdr.ber_cells import BlockCells, FileFacts
from cdr.ber_refunds import Refunds

INVOICED: Final = "00"  # the charge type that is the sum of all others (TD.57: ChargeType)
CHARGE, TAX, DISCOUNT = "charge", "tax", "discount"


@dataclass
class Sums:
    """Charges, taxes and discounts of the records so far, in the file's decimals.

    given: of what is charged; refunded: of what is given back.
    """

    given: dict[str, int] = field(default_factory=lambda: dict.fromkeys((CHARGE, TAX, DISCOUNT), 0))
    refunded: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((CHARGE, TAX, DISCOUNT), 0))

    def add(self, block: ber.Block) -> None:
        """The amounts of a block."""
        schema, cells = block.schema, BlockCells(block, FileFacts())
        refunds = Refunds(cells.block)
        for number in block.fields():
            one = schema.fields[number]
            table = schema.tables[one.table]
            last = one.path.rpartition(".")[2]
            kind = _kind(table, one.path, last)
            if not kind:
                continue
            values = block.column(number).fill_null(0).to_numpy()
            is_used = refunds.records(one.table) >= 0
            if table == "ChargeDetail":
                is_used &= _has_text(cells, table, "chargeType", INVOICED)
            is_refund = refunds.rows(one.table)
            self.given[kind] += exact_sum(values[is_used & ~is_refund])
            self.refunded[kind] += exact_sum(values[is_used & is_refund])


def _kind(table: str, path: str, last: str) -> str:
    """What an amount counts for; "": for nothing. An event of messages is charged directly."""
    if (table, path) == ("ChargeDetail", "charge") or last == "camelInvocationFee":
        return CHARGE
    if path.endswith("messagingEvent.charge"):
        return CHARGE
    if (table, path) == ("TaxInformation", "taxValue"):
        return TAX
    return DISCOUNT if path.endswith("discountInformation.discount") else ""


def _has_text(cells: BlockCells, table: str, path: str, text: str) -> np.ndarray:
    number = cells.fields.get((table, path))
    if number is None:
        return np.zeros(cells.block.rows(cells.schema.tables.index(table)), bool)
    same = pc.fill_null(pc.equal(cells.block.column(number), text), False)
    found: np.ndarray = same.to_numpy(zero_copy_only=False)
    return found


def exact_sum(values: np.ndarray) -> int:
    """The sum of int64 values, however large."""
    high, low = values >> 32, values & 0xFFFFFFFF
    return (int(high.sum(dtype=np.int64)) << 32) + int(low.sum(dtype=np.int64))
