"""What the walk of BER works on: its grammar, where it stands, what it found, and the names of the
places in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PAD_BYTES = 16
DEPTH_MAX = 64
FILLER_HIGH = 0xFF  # besides zero
ABSENT = -1  # as a size
# Cells have room for a place of each row, the one that is none, and some: were they apart by a
# power of two, the places of one row would push each other out of caches.
SPARE_PLACES = 273

# What an entry of the grammar says about a tag: kind, then the child table, then the target.
UNKNOWN, FIELD, GROUP, OPAQUE, ROW, RECORD, ROW_FIELD, ROW_OPAQUE = range(8)
KIND_BITS, TABLE_BITS, TABLE_MASK = 3, 7, 127  # table << 3, target << 10

# Why ``walk_on`` came back; ``take_one`` also when it can go on.
DONE, FULL, BROKEN, GO_ON = range(4)

# Faults of a record, or of the file where no record is open.
TAG_TOO_LONG, LENGTH_TOO_LONG, BEYOND_CONTAINER, WRONG_FORM = range(1, 5)
TOO_DEEP, END_MISSING, TOO_MANY, TWICE = range(5, 9)

# What to do with the element at hand; below zero: minus the fault.
OPEN, CLOSE, PASS, KEEP, FILL = range(5)

# Places in Walk.state.
AT, DEPTH, REGION, FAULT, FAULT_AT, OPEN_RECORD, RECORD_DEPTH, MOST_ROWS, SLOTS = range(9)
STATE_COUNT = 9
# Columns of Walk.levels, rows of Found.parents and of Found.records.
NODE, END, TABLE, LEVEL_ROW, IS_OPEN = range(5)
LEVEL_COUNT = 5
PARENT_TABLE, PARENT_ROW, OF_RECORD = range(3)
FIRST, LOW, HIGH = range(3)
PLACE_ROW, PLACE_BEGIN, PLACE_SUM = range(3)
RECORD_AT, RECORD_SIZE, RECORD_NODE, RECORD_FAULT, RECORD_FAULT_AT = range(5)


class Grammar(NamedTuple):
    """Nodes with one entry for each tag from LOW to HIGH (tag number * 4 + class).

    The entry of a node's tag is at FIRST + tag: target << 10 | table << 3 | kind; target is a field
    or a node; a group has the number of a list of its row, or 0, in place of a table. cell: which
    one is noted for a group that is there and empty, -1: none. owner: by cell, the table whose
    rows have it. The last node knows no tag and is the target of all tags that are not known.
    is_filled: 1 where zeros and 0xFF between the outermost elements mean nothing. record_node: the
    node that holds the records.
    """

    nodes: np.ndarray  # int64 [node, 3]
    entry: np.ndarray  # int32
    cell: np.ndarray  # int32
    owner: np.ndarray  # int32
    record_table: int
    is_filled: int
    record_node: int


class Walk(NamedTuple):
    """Where the walk stands; it goes on from here when it is called again.

    regions: begin and end of what is walked at the outermost level, one after the other. levels:
    int64 [level, NODE .. IS_OPEN]. tables: int64, the last row of each table. first, last: by cell,
    its places in ``Found.places``; the first is none.
    """

    state: np.ndarray  # int64
    regions: np.ndarray  # int64 [region, 2]
    levels: np.ndarray
    tables: np.ndarray
    first: np.ndarray  # int64
    last: np.ndarray  # int64


class Found(NamedTuple):
    """What was found. places: int32 [place, 3], those of a cell together and in the order of their
    rows: the row, where the contents begin, and the bytes of all contents up to the end of these.
    Before them is one that is none: row -1 and no bytes; place 0 is that of all cells without any.
    Only rows that have contents have a place.

    parents: int32 [3, table, row], the row's parent and the record that it belongs to (-1: none);
    the parent's table has the number of the list above it (list << TABLE_BITS | table).
    records: int64 [5, record]: its place, the size of the whole element, the node that it is (which
    of its alternatives), its fault and the place of that.
    """

    places: np.ndarray
    parents: np.ndarray
    records: np.ndarray
