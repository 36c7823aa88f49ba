"""Rows as BER: the tables that a schema reads, written with the same schema.

``of_block`` takes what was read; ``ber_draft`` makes rows from values. Elements that a schema does
not know are not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from cdr import ber_header_kernels as h
from cdr import ber_state_kernels as k
from cdr import ber_tree
from cdr import ber_write_kernels as w
from cdr.asn_grammar import Entry, Schema
from cdr.ber import Block

_WHOLE: Final = (k.OPAQUE, k.ROW_OPAQUE)
_FIELDS: Final = (k.FIELD, k.ROW_FIELD, *_WHOLE)
_ROWS: Final = (k.ROW, k.RECORD, k.ROW_FIELD, k.ROW_OPAQUE)
_CLASS_SHIFT: Final = 6


@dataclass(frozen=True, eq=False)
class Source:
    """Rows to write. is_seen: int8, by cell, whether it has contents at all."""

    content: w.Content
    is_seen: np.ndarray


@dataclass(frozen=True)
class _Step:
    """A step of ``ber_write_kernels``. parent, end: places in the list of all steps. within: as
    rows of the list have it for the table of their parent, -1: it is no list."""

    kind: int
    mode: int
    cell: int
    tag: bytes
    parent: int
    end: int = 0
    within: int = -1


def encode(schema: Schema, source: Source) -> np.ndarray:
    """uint8: the bytes of all rows."""
    steps, slots = _used(schema, source)
    content, order = source.content, _order(schema)
    lists = w.Lists(
        slots,
        np.zeros((int(slots.max(initial=-1)) + 1, int(content.rows.max())), np.int64),
        np.array(order, np.int64),
        np.zeros(len(steps.kind), np.int64),
    )
    out = np.empty(int(w.measure(steps, content, lists)), np.uint8)
    w.write(steps, content, lists, out)
    return out


def of_block(block: Block) -> Source:
    """What was read. Raises ValueError for records with a fault: they were not read whole."""
    schema, records, rows = block.schema, block.records, block.walk.tables + 1
    if records.fault.any():
        raise ValueError(f"{int((records.fault != 0).sum())} records have a fault")
    is_seen = (block.walk.last > block.walk.first).astype(np.int8)
    begin, size = np.empty((2, schema.cells, int(rows.max())), np.int32)
    for cell in np.flatnonzero(is_seen).tolist():
        begin[cell], size[cell] = block.found_in(cell, begin.shape[1])
    for entry in schema.rows[schema.record].values():
        if entry.kind != k.RECORD:
            continue
        cell = len(schema.fields) + entry.group
        chosen = np.flatnonzero(records.kind == entry.target)
        size[cell] = k.ABSENT
        size[cell, chosen] = 0
        is_seen[cell] = len(chosen) > 0
        if not schema.nodes[entry.target]:  # kept whole, as nothing of it was read
            for one in chosen.tolist():
                at, end = int(records.at[one]), int(records.at[one] + records.size[one])
                head = block.data[at : at + k.PAD_BYTES].tobytes()
                inside = at + ber_tree.header(head, 0, ber_tree.ANY_SIZE)[2]
                begin[cell, one], size[cell, one] = inside, end - inside
    return Source(w.Content(block.data, begin, size, block.found.parents, rows), is_seen)


def tag_bytes(key: int, is_group: bool) -> bytes:
    """A tag (number * 4 + class) as it is written (X.690 clause 8.1.2)."""
    lead = (key & 3) << _CLASS_SHIFT | (h.CONSTRUCTED if is_group else 0)
    number = key >> 2
    if number < h.LONG_TAG:
        return bytes([lead | number])
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(number & 0x7F | h.TAG_MORE)
    return bytes([lead | h.LONG_TAG, *reversed(parts)])


def element(key: int, is_group: bool, *contents: bytes) -> bytes:
    """One element around contents that are there already."""
    length = sum(map(len, contents))
    size = length.to_bytes((length.bit_length() + 7) // 8)
    is_short = length <= w.SHORT_LENGTH_MAX
    head = bytes([length]) if is_short else bytes([h.LENGTH_MORE | len(size)]) + size
    return b"".join((tag_bytes(key, is_group), head, *contents))


@cache
def _steps(schema: Schema) -> tuple[list[_Step], list[int]]:
    """The steps of all tables, and where those of each begin."""
    steps: list[_Step] = []
    first = [0]
    for table, held in enumerate(schema.rows):
        if table == 0 and not held:  # records one after the other
            steps.append(_Step(w.LIST, w.BARE, -1, b"", -1, 1, 0))
        else:
            mode = w.ALWAYS if table > 0 and len(held) == 1 else w.FILLED
            _add(steps, schema, table, held, -1, mode)
        first.append(len(steps))
    return steps, first


def _add(
    steps: list[_Step], schema: Schema, table: int, held: Mapping[int, Entry], parent: int,
    mode: int,
) -> None:  # fmt: skip
    for key, entry in held.items():
        at = len(steps)
        if entry.kind in _FIELDS:
            tag = tag_bytes(key, entry.kind in _WHOLE)
            steps.append(_Step(w.FIELD, w.FILLED, entry.target, tag, parent, at + 1))
            continue
        node, cell = schema.nodes[entry.target], len(schema.fields) + entry.group
        if entry.kind == k.RECORD:
            mode = w.CHOSEN
        if any(one.kind in _ROWS for one in node.values()):
            within = entry.place << k.TABLE_BITS | table
            tag = tag_bytes(key, True)
            steps.append(_Step(w.LIST, mode, cell, tag, parent, at + 1, within))
            continue
        steps.append(_Step(w.GROUP, mode, cell, tag_bytes(key, True), parent))
        _add(steps, schema, table, node, at, w.FILLED)
        steps[at] = _Step(w.GROUP, mode, cell, tag_bytes(key, True), parent, len(steps))


@cache
def _order(schema: Schema) -> tuple[int, ...]:
    """Tables, those of inner lists first. Raises ValueError where a list can hold itself."""
    inner: list[set[int]] = [set() for _ in schema.tables]
    for table, held in enumerate(schema.rows):
        inner[table] = set(_tables(schema, held))
    inner[0] |= {schema.record} if not schema.rows[0] else set()
    order: list[int] = []
    left = set(range(len(inner)))
    while left:
        ready = sorted(table for table in left if not inner[table] & left)
        if not ready:
            raise ValueError(f"{', '.join(schema.tables[table] for table in left)} hold each other")
        order += ready
        left -= set(ready)
    return tuple(order)


def _tables(schema: Schema, held: Mapping[int, Entry]) -> Iterator[int]:
    """The tables of all lists in the row of a table."""
    for entry in held.values():
        if entry.kind in _FIELDS:
            continue
        for inner in (node := schema.nodes[entry.target]).values():
            if inner.kind in _ROWS:
                yield inner.table
        if not any(one.kind in _ROWS for one in node.values()):
            yield from _tables(schema, node)


def _used(schema: Schema, source: Source) -> tuple[w.Steps, np.ndarray]:
    """The steps that the rows need, and the position of each list by the parents of its rows."""
    steps, first = _steps(schema)
    content = source.content
    with_rows: set[int] = set()
    for table in np.flatnonzero(content.rows[1:] > 0) + 1:
        codes = content.parents[k.PARENT_TABLE, table, : content.rows[table]]
        with_rows |= set(np.unique(codes).tolist())
    is_used = [
        step.mode in (w.ALWAYS, w.BARE) or step.within in with_rows
        or bool(step.cell >= 0 and source.is_seen[step.cell])
        for step in steps
    ]  # fmt: skip
    for at in range(len(steps) - 1, -1, -1):
        if is_used[at] and steps[at].parent >= 0:
            is_used[steps[at].parent] = True
    for at, step in enumerate(steps):  # an alternative that no record is
        if step.mode == w.CHOSEN and not source.is_seen[step.cell]:
            is_used[at : step.end] = [False] * (step.end - at)
    behind = np.concatenate(([0], np.cumsum(is_used)))
    kept = [step for step, used in zip(steps, is_used, strict=True) if used]
    cells = [step.cell if step.cell >= 0 and source.is_seen[step.cell] else -1 for step in kept]
    withins = [step.within for step in kept if step.kind == w.LIST]
    slots = np.full((k.TABLE_MASK + 1) << k.TABLE_BITS, -1, np.int32)
    slots[withins] = range(len(withins))
    return w.Steps(
        behind[first],
        np.array([step.kind for step in kept], np.int8),
        np.array([step.mode for step in kept], np.int8),
        np.array(cells, np.int32),
        np.array([behind[step.parent] if step.parent >= 0 else -1 for step in kept], np.int32),
        np.array([behind[step.end] for step in kept], np.int32),
        np.array([int.from_bytes(step.tag) for step in kept], np.int64),
        np.array([len(step.tag) for step in kept], np.int8),
        np.array([slots[step.within] for step in kept], np.int32),
    ), slots
