"""Discounts on single records, for a batch: which hold, what else a record would cost, the effect.

Part of the stage rate, and called only where the book has discounts. Where it remembers something,
too, ``rating.discount_order`` applies them record by record.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from rating import discount_kernels, pricing
from rating.find_kernels import Faults, Rated, Usage
from tariffs.compiler import CompiledBook
from tariffs.discount_kernels import NO_OTHER, WORK_COLUMNS
from tollbook import schemas

_UNITS: Final = ("duration_s", "up_bytes", "down_bytes", "event_count")


class Alternatives(NamedTuple):
    """Charges of rows at other prices. other: int64 [other, slot, column]; column: int32 by row."""

    other: np.ndarray
    column: np.ndarray


def apply(
    compiled: CompiledBook,
    usage: Usage,
    subscription_index: np.ndarray,
    out: Rated,
    faults: Faults,
) -> pa.ListArray:
    """Discount the charges and totals in ``out``; returns the column ``used`` of schemas.RATED.

    Nothing is remembered here: conditions on counters do not hold.
    """
    book = compiled.discounts.tables
    masks, most = held(compiled, usage, subscription_index, out)
    masks &= ~np.int64(sum(
        1 << place for place, one in enumerate(book.discounts) if one["used_count"]
    ))
    others = alternatives(compiled, usage, out, masks, faults)
    count = len(masks)
    entries = discount_kernels.Entries(
        np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64),
        np.empty(count, np.int32),
    )  # fmt: skip
    work = np.zeros((3, WORK_COLUMNS), np.int64)
    written = discount_kernels.apply_rows(
        compiled.tables, book, masks, out, others.other, others.column, work, entries
    )
    offsets = np.concatenate([np.zeros(1, np.int32), entries.ends])
    items = first_item(compiled) + entries.discount[:written]
    return used_column(offsets, items, entries.before[:written], entries.taken[:written])


def first_item(compiled: CompiledBook) -> int:
    """The item that stands for the first discount in the column ``used``."""
    return len(compiled.items) - len(compiled.discounts.names)


def used_column(
    offsets: np.ndarray, item: np.ndarray, before: np.ndarray, taken: np.ndarray
) -> pa.ListArray:
    """The column ``used``: entries of discounts have no span."""
    kind = schemas.RATED.field("used").type
    columns = (item.astype(np.int32), np.zeros(len(item), np.int32), before, taken)
    values = pa.StructArray.from_arrays(
        [pa.array(column) for column in columns], fields=list(kind.value_type)
    )
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind)


def held(
    compiled: CompiledBook, usage: Usage, subscription_index: np.ndarray, out: Rated
) -> tuple[np.ndarray, int]:
    """By row the discounts that hold, but for conditions on counters (int64 masks), and how many.

    subscription_index: int32, rows of ``Customers.lines``.
    """
    masks = np.empty(len(out.reason), np.int64)
    found = compiled.discounts
    most = discount_kernels.find_held(
        found.tables, found.selection, usage, subscription_index, out, masks
    )
    return masks, most


def alternatives(
    compiled: CompiledBook, usage: Usage, out: Rated, masks: np.ndarray, faults: Faults
) -> Alternatives:
    """What records would cost at the prices of the discounts that hold for them (int64 masks).

    A discount with ``price`` prices the usage by that rate, one with ``free`` a usage that is as
    much shorter from the start. Where an allowance has paid for a part, give the rest as ``usage``.
    """
    book, slots = compiled.discounts.tables, len(compiled.components)
    column = np.zeros(len(masks), np.int32)
    bits = [(place, int(one["other"])) for place, one in enumerate(book.discounts)
            if one["other"] >= 0]  # fmt: skip
    asked = np.int64(sum(1 << place for place, _ in bits))
    rows = np.flatnonzero(masks & asked)
    other = np.full((max(len(bits), 1), slots, max(len(rows), 1)), NO_OTHER, np.int64)
    column[rows] = np.arange(len(rows), dtype=np.int32)
    for place, at in bits:
        chosen = rows[(masks[rows] >> place) & 1 == 1]
        if len(chosen):
            found = _priced(compiled, at, usage, out, chosen, faults)
            discount_kernels.keep_others(found, column[chosen], other, at)
    return Alternatives(other, column)


def _priced(
    compiled: CompiledBook, at: int, usage: Usage, out: Rated, rows: np.ndarray, faults: Faults
) -> Rated:
    """The charges of some rows at another price (``at``: its place)."""
    book, tables = compiled.discounts.tables, compiled.tables
    columns = {name: column[rows] for name, column in usage._asdict().items()}
    unit = int(book.other_unit[at])
    if unit:
        discount_kernels.shorten(
            unit, int(book.other_quantity[at]), *(columns[name] for name in _UNITS)
        )
    else:
        target = np.ascontiguousarray(book.other_target[at])
        target.setflags(write=False)
        tables = tables._replace(rules=tables.rules._replace(target=target))
    for one in columns.values():
        one.setflags(write=False)
    asked = Usage(**columns)
    count = len(rows)
    found = Rated(
        np.zeros(count, np.int16), out.version_index[rows], out.rule_index[rows],
        np.zeros((len(compiled.components), count), np.int64), np.zeros(count, np.int64),
    )  # fmt: skip
    pricing.price(tables, asked, faults, found)
    return found
