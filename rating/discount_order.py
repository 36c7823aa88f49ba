"""Discounts under a book with memory: what ``rating.memory`` applies between quantities and money.

Conditions on counters see the totals before each record, so discounts are taken in the order of
each account. A counter's total is known for the records that it counts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from rating import discounts
from rating.discount_order_kernels import Ordered
from rating.find_kernels import Faults, Rated, Usage
from tariffs.compiler import CompiledBook
from tariffs.discount_kernels import WORK_COLUMNS
from tollbook import schemas
from tollbook.stage import ints

_FAULTS: Final = Faults(1, 1, 1, -1)  # a charge at another price either is there or is not


def prepare(
    compiled: CompiledBook, batch: pa.RecordBatch, usage: Usage, out: Rated
) -> Ordered | None:
    """What the rows of a batch need; None where the book has no discounts."""
    book, memory = compiled.discounts, compiled.memory
    if not book.names or memory is None:
        return None
    held, most = discounts.held(compiled, usage, ints(batch, "subscription_index"), out)
    others = discounts.alternatives(compiled, usage, out, held, _FAULTS)
    first_rule = compiled.tables.versions.versions["first_rule"]
    bits = sum((held >> place & 1) for place in range(len(book.names)))
    entries = memory.tables.entries
    wanted = {f"counter/{name}": place for place, name in enumerate(book.counters)}
    names = [item.partition("/")[2] for item in memory.item_names]
    return Ordered(
        book.tables, first_rule[out.version_index] + out.rule_index, held, *others,
        np.concatenate([np.zeros(1, np.int64), np.cumsum(bits, dtype=np.int64)]),
        np.zeros(most, np.int64), np.zeros(most, np.int64),
        np.array([wanted.get(names[item], -1) for item in entries["item"]], np.int32),
        np.zeros(max(len(book.counters), 1), np.int64),
        np.zeros((3, WORK_COLUMNS), np.int64),
    )  # fmt: skip


def with_discounts(
    used: pa.ListArray, by: Ordered, reason: np.ndarray, first_item: int
) -> pa.ListArray:
    """The column ``used`` with what discounts took, behind what came from slots."""
    row = np.repeat(np.arange(len(reason)), np.diff(by.first))
    place = _places(by.held)
    kept = np.flatnonzero((by.taken != 0) & (reason[row] == 0))
    row, place = row[kept], place[kept]
    offsets = used.offsets.to_numpy().astype(np.int64)
    more = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(reason)))])
    old = [column.to_numpy() for column in used.values.flatten()]
    of_old = np.repeat(np.arange(len(reason)), np.diff(offsets))
    to_old = np.arange(len(of_old)) + more[of_old]
    to_new = np.arange(len(row)) + offsets[row + 1]
    new = first_item + place, np.zeros(len(row), np.int64), by.before[kept], by.taken[kept]
    columns = []
    for was, is_new in zip(old, new, strict=True):
        column = np.empty(len(was) + len(is_new), was.dtype)
        column[to_old], column[to_new] = was, is_new
        columns.append(pa.array(column))
    kind = schemas.RATED.field("used").type
    values = pa.StructArray.from_arrays(columns, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(
        pa.array((offsets + more).astype(np.int32)), values, type=kind
    )


def _places(held: np.ndarray) -> np.ndarray:
    """The discounts of all rows one after the other, in the order of their bits."""
    bits = np.unpackbits(held.astype("<i8").view(np.uint8), bitorder="little").reshape(-1, 64)
    return np.nonzero(bits)[1]
