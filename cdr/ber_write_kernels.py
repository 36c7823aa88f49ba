"""Writes BER (ITU-T X.690 clause 8) from rows and the places of their contents, in two passes.

``measure`` goes from the rows of inner lists outwards and adds up lengths; ``write`` goes inwards
and knows with every header how long its contents are. Lengths are definite and as short as they
can be. Steps stand in the order of writing, a group before what is in it; what belongs to no row
takes no room.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cdr.ber_state_kernels import ABSENT, PARENT_ROW, PARENT_TABLE
from cdr.spec_kernels import Int
from tollbook.jit import inner, kernel

FIELD, GROUP, LIST = range(3)
# When a step is written: if there is something in it, always, if its cell says so, and always but
# without a header: elements that follow each other with nothing around them.
FILLED, ALWAYS, CHOSEN, BARE = range(4)
SHORT_LENGTH_MAX = 127


class Steps(NamedTuple):
    """What the rows of all tables are written with.

    first: the steps of table t are first[t] .. first[t + 1] - 1. end: behind the last step inside
    of a step. parent: the step around it, or -1. cell: where its contents are, or -1; those of a
    group or list are written before what else is in it. tag: its bytes as a number, size of it in
    tag_size. list: position of a list in ``Lists.at``.
    """

    first: np.ndarray  # int64
    kind: np.ndarray  # int8
    mode: np.ndarray  # int8
    cell: np.ndarray  # int32
    parent: np.ndarray  # int32
    end: np.ndarray  # int32
    tag: np.ndarray  # int64
    tag_size: np.ndarray  # int8
    list: np.ndarray  # int32


class Content(NamedTuple):
    """Rows and contents, as ``ber_kernels.Found`` has them. rows: int64, how many by table.

    Contents lie in ``data`` where ``begin`` and ``size`` (int32 [cell, row]) say; whoever made them
    has checked that.
    """

    data: np.ndarray
    begin: np.ndarray
    size: np.ndarray
    parents: np.ndarray
    rows: np.ndarray


class Lists(NamedTuple):
    """slot: int32, by PARENT_TABLE of a row, which list it is in. at: int64 [list, row of the
    table that has the list], the length of what is in it, then the place for its next element.

    order: int64, tables with those of inner lists first. inside: int64, by step, the length of its
    contents in the row at hand, or ABSENT.
    """

    slot: np.ndarray
    at: np.ndarray
    order: np.ndarray
    inside: np.ndarray


@inner
def length_size(length: Int) -> Int:
    """Bytes that a length takes."""
    count = np.int64(1)
    if length > SHORT_LENGTH_MAX:
        while length > 0:
            count += 1
            length >>= 8
    return count


@inner
def put_header(out: np.ndarray, at: Int, tag: Int, tag_size: Int, length: Int) -> Int:
    """Writes a tag and a length; the place behind them."""
    for i in range(tag_size):
        out[at + i] = tag >> 8 * (tag_size - 1 - i) & 0xFF
    at += tag_size
    count = length_size(length) - 1
    if count == 0:
        out[at] = length
        return at + 1
    out[at] = 0x80 | count
    for i in range(count):
        out[at + 1 + i] = length >> 8 * (count - 1 - i) & 0xFF
    return at + 1 + count


@inner
def measure_row(steps: Steps, table: Int, row: Int, size: np.ndarray, lists: Lists) -> Int:
    """The length of a row with its header; that of each of its steps is in ``lists.inside``."""
    at, last, total, inside = steps.first[table], steps.first[table + 1], np.int64(0), lists.inside
    while at < last:
        end = steps.end[at]
        if steps.mode[at] == CHOSEN and size[steps.cell[at], row] < 0:
            inside[at] = ABSENT
            at = end
            continue
        inside[at:end] = 0
        for step in range(end - 1, at - 1, -1):
            cell, mode, length = steps.cell[step], steps.mode[step], inside[step]
            is_there = mode in (ALWAYS, BARE)
            if cell >= 0 and size[cell, row] >= 0:
                is_there = True
                length += size[cell, row]
            if steps.kind[step] == LIST:
                length += lists.at[steps.list[step], row]
            if not is_there and length == 0:
                inside[step] = ABSENT
                continue
            inside[step] = length
            if mode != BARE:
                length += steps.tag_size[step] + length_size(length)
            if steps.parent[step] >= 0:
                inside[steps.parent[step]] += length
            else:
                total += length
        at = end
    return total


@kernel
def measure(steps: Steps, content: Content, lists: Lists) -> Int:
    """The length of everything. ``lists.at`` is zero before, and what lists hold behind."""
    total = np.int64(0)
    for table in lists.order:
        for row in range(content.rows[table]):
            length = measure_row(steps, table, row, content.size, lists)
            if table == 0:
                total += length
            else:
                slot = lists.slot[content.parents[PARENT_TABLE, table, row]]
                lists.at[slot, content.parents[PARENT_ROW, table, row]] += length
    return total


@kernel
def write(steps: Steps, content: Content, lists: Lists, out: np.ndarray) -> None:
    """Writes all rows into ``out``, which is as long as ``measure`` said just before."""
    data, begin, size, parents, rows = content
    for table in lists.order[::-1]:
        first, last = steps.first[table], steps.first[table + 1]
        for row in range(rows[table]):
            at, length = np.int64(0), measure_row(steps, table, row, size, lists)
            if table != 0:
                slot, parent = lists.slot[parents[PARENT_TABLE, table, row]], np.int64(0)
                parent = parents[PARENT_ROW, table, row]
                at = lists.at[slot, parent]
                lists.at[slot, parent] = at + length
            step = first
            while step < last:
                length = lists.inside[step]
                if length < 0:
                    step = steps.end[step]
                    continue
                if steps.mode[step] != BARE:
                    at = put_header(out, at, steps.tag[step], steps.tag_size[step], length)
                cell = steps.cell[step]
                if cell >= 0 and size[cell, row] > 0:
                    place, count = begin[cell, row], size[cell, row]
                    for i in range(count):
                        out[at + i] = data[place + i]
                    at += count
                    length -= count
                if steps.kind[step] == LIST:
                    lists.at[steps.list[step], row] = at
                    at += length
                step += 1
