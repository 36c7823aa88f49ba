"""Walks BER (ITU-T X.690 clause 8) over a grammar: where each field lies, never what it means.

One pass over the bytes. For every field that the grammar knows, the place and length of its
contents are noted behind those of the rows before; repeated groups open rows in child tables that
point to their parent. Values are read later, a block at a time (``value_kernels``).

Nothing is read outside ``data``: a header takes at most eleven bytes, ``data`` has PAD_BYTES behind
``size``, and no length is followed before it was found to end inside its container.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cdr.spec_kernels import Int
from tollbook.jit import inlined, inner, kernel

PAD_BYTES = 16
DEPTH_MAX = 64
TAG_BYTES_MAX, LENGTH_BYTES_MAX = 5, 4
CONSTRUCTED, LONG_TAG, TAG_MORE, LENGTH_MORE = 0x20, 0x1F, 0x80, 0x80
FILLER_HIGH = 0xFF  # besides zero
ABSENT = -1  # as a size
U = np.uint64  # positions known not to be below zero: numba need not look whether they are

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
AT, DEPTH, REGION, FAULT, FAULT_AT, OPEN_RECORD, RECORD_DEPTH, RECORD_TABLE, MOST_ROWS = range(9)
STATE_COUNT = 9
# Columns of Walk.levels, rows of Found.parents and of Found.records.
NODE, END, TABLE, LEVEL_ROW, IS_OPEN = range(5)
LEVEL_COUNT = 5
PARENT_TABLE, PARENT_ROW, OF_RECORD = range(3)
FIRST, LOW, HIGH = range(3)
PLACE_ROW, PLACE_BEGIN, PLACE_SUM = range(3)
RECORD_AT, RECORD_SIZE, RECORD_NODE, RECORD_FAULT, RECORD_FAULT_AT = range(5)


class Grammar(NamedTuple):
    """Nodes with one entry for each tag from ``low`` to ``high`` (tag number * 4 + class).

    Entries of node n begin at ``first[n]``: target << 10 | table << 3 | kind; target is a field or
    a node; a group has the number of a list of its row, or 0, in place of a table. cell: which one
    is noted for a group that is there and empty, -1: none. owner: by cell, the table whose rows have
    it. The last node knows no tag and is the
    target of all tags that are not known. is_filled: 1 where zeros and 0xFF between the outermost
    elements mean nothing.
    """

    nodes: np.ndarray  # int64 [node, 3]
    entry: np.ndarray  # int32
    cell: np.ndarray  # int32
    owner: np.ndarray  # int32
    record_table: int
    is_filled: int


class Walk(NamedTuple):
    """Where the walk stands; it goes on from here when it is called again.

    regions: begin and end of what is walked at the outermost level, one after the other. levels:
    int64 [level, NODE .. IS_OPEN]. tables: int64, the last row of each table. counts: by cell, how
    many places it has.
    """

    state: np.ndarray  # int64
    regions: np.ndarray  # int64 [region, 2]
    levels: np.ndarray
    tables: np.ndarray
    counts: np.ndarray  # int32


class Found(NamedTuple):
    """What was found. places: int32 [cell, place, 3], the places of a cell in the order of their
    rows: the row, where the contents begin, and the bytes of all contents up to the end of these.
    Each cell's first place is none: row -1 and no bytes. Only rows that have contents have a place.

    parents: int32 [3, table, row], the row's parent and the record that it belongs to (-1: none);
    the parent's table has the number of the list above it (list << TABLE_BITS | table).
    records: int64 [5, record]: its place, the size of the whole element, the node that it is (which
    of its alternatives), its fault and the place of that.
    """

    places: np.ndarray
    parents: np.ndarray
    records: np.ndarray


@inner
def read_tag(data: np.ndarray, at: Int) -> tuple[Int, Int]:
    """Tag number * 4 + class, and the place behind it; -1: longer than TAG_BYTES_MAX."""
    lead = np.int64(data[at])
    number, behind = lead & LONG_TAG, at + 1
    if number == LONG_TAG:
        number, more = np.int64(0), np.int64(TAG_MORE)
        while more >= TAG_MORE:
            if behind - at == TAG_BYTES_MAX:
                return -1, behind
            more = np.int64(data[behind])
            number = number << 7 | (more & 0x7F)
            behind += 1
    return number << 2 | lead >> 6, behind


@inner
def read_length(data: np.ndarray, at: Int) -> tuple[Int, Int]:
    """Length, and the place behind it; -1: indefinite, -2: longer than LENGTH_BYTES_MAX."""
    length = np.int64(data[at])
    if length < LENGTH_MORE:
        return length, at + 1
    count, length = length & 0x7F, np.int64(0)
    if count == 0:
        return -1, at + 1
    if count > LENGTH_BYTES_MAX:
        return -2, at + 1
    for i in range(1, count + 1):
        length = length << 8 | np.int64(data[at + i])
    return length, at + 1 + count


@inner
def judge(
    kind: Int, key: Int, length: Int, is_beyond: bool, is_group: bool, is_open: bool,
    depth: Int, is_filler: bool,
) -> Int:  # fmt: skip
    """What to do with an element; is_beyond: it ends behind what holds it."""
    if is_filler:
        return FILL
    if key < 0 or length == -2:
        return -TAG_TOO_LONG if key < 0 else -LENGTH_TOO_LONG
    if is_beyond:
        return -BEYOND_CONTAINER
    if key == 0 and length == 0 and is_open:
        return CLOSE
    if (length < 0 and not is_group) or (depth == 0 and kind == UNKNOWN):
        return -WRONG_FORM
    if kind == UNKNOWN:
        return PASS if length >= 0 else OPEN
    if kind in (FIELD, OPAQUE, ROW_FIELD, ROW_OPAQUE):
        if length < 0 or (kind in (FIELD, ROW_FIELD) and is_group):
            return -WRONG_FORM
        return KEEP if kind in (FIELD, OPAQUE) else OPEN
    return OPEN if is_group else -WRONG_FORM


# What is inlined has no branches: with them numba would count references to the arrays, in steps that
# cost less than such counting.
@inlined
def open_row(
    table: Int, row: Int, state: np.ndarray, levels: np.ndarray, tables: np.ndarray,
    parents: np.ndarray,
) -> None:  # fmt: skip
    """A new row of a table, child of the row in which the walk stands."""
    depth = state[DEPTH]
    tables[U(table)] = row
    state[MOST_ROWS] = max(state[MOST_ROWS], row + 1)
    parents[U(PARENT_TABLE), U(table), U(row)] = levels[U(depth), U(TABLE)]
    parents[U(PARENT_ROW), U(table), U(row)] = levels[U(depth), U(LEVEL_ROW)]
    parents[U(OF_RECORD), U(table), U(row)] = state[OPEN_RECORD]


@inlined
def open_record(
    row: Int, at: Int, node: Int, table: Int, state: np.ndarray, parents: np.ndarray,
    records: np.ndarray,
) -> None:  # fmt: skip
    """The row that was just opened is a record."""
    state[OPEN_RECORD], state[RECORD_DEPTH] = row, state[DEPTH] + 1
    records[U(RECORD_AT), U(row)], records[U(RECORD_NODE), U(row)] = at, node
    records[U(RECORD_FAULT), U(row)] = 0
    parents[U(OF_RECORD), U(table), U(row)] = row


@inlined
def step_down(
    target: Int, table: Int, row: Int, contents: Int, length: Int, state: np.ndarray,
    levels: np.ndarray,
) -> None:  # fmt: skip
    """Enters a group whose fields belong to a row."""
    depth = state[DEPTH] + 1
    levels[depth, NODE] = target
    levels[depth, END] = contents + length if length >= 0 else levels[depth - 1, END]
    levels[depth, TABLE], levels[depth, LEVEL_ROW] = table, row
    levels[depth, IS_OPEN] = length < 0
    state[DEPTH] = depth


@inlined
def close_record(at: Int, state: np.ndarray, records: np.ndarray) -> None:
    """The record at hand ends here."""
    record = state[OPEN_RECORD]
    records[U(RECORD_SIZE), U(record)] = at - records[U(RECORD_AT), U(record)]
    state[OPEN_RECORD], state[RECORD_DEPTH] = -1, -1


@inlined
def last_row(cell: Int, counts: np.ndarray, places: np.ndarray) -> Int:
    """The last row that has contents in a cell.

    Rows of a table come one after the other, as no list is inside of itself: no row that has some
    is missed by this.
    """
    return places[U(cell), U(counts[U(cell)]), U(PLACE_ROW)]


@inlined
def keep(
    cell: Int, row: Int, contents: Int, length: Int, counts: np.ndarray, places: np.ndarray
) -> None:
    """Notes the contents of a cell."""
    last = np.int64(counts[U(cell)])
    counts[U(cell)] = last + 1
    upto = places[U(cell), U(last), U(PLACE_SUM)] + length
    places[U(cell), U(last + 1), U(PLACE_ROW)] = row
    places[U(cell), U(last + 1), U(PLACE_BEGIN)] = contents
    places[U(cell), U(last + 1), U(PLACE_SUM)] = upto


@inner
def drop_record(
    record: Int, grammar: Grammar, tables: np.ndarray, counts: np.ndarray, found: Found
) -> None:
    """Takes back the rows of a record and what was noted of them."""
    for table in range(1, len(tables)):
        while tables[table] >= 0 and found.parents[OF_RECORD, table, tables[table]] == record:
            tables[table] -= 1
    for cell in range(len(counts)):
        last = tables[grammar.owner[cell]]
        while found.places[cell, counts[cell], PLACE_ROW] > last:
            counts[cell] -= 1


@inner
def give_up(
    fault: Int, at: Int, grammar: Grammar, walk: Walk, found: Found
) -> Int:
    """After a fault: DONE where the walk can go on behind the record at hand, else why not."""
    state, levels, records = walk.state, walk.levels, found.records
    record, depth = state[OPEN_RECORD], state[RECORD_DEPTH]
    if record < 0 or levels[depth, IS_OPEN] != 0:
        state[FAULT], state[FAULT_AT] = fault, at
        return BROKEN
    if fault == TOO_MANY and record > 0:  # in a block of its own it may fit
        drop_record(record, grammar, walk.tables, walk.counts, found)
        state[AT], state[DEPTH] = records[RECORD_AT, record], depth - 1
        state[OPEN_RECORD], state[RECORD_DEPTH] = -1, -1
        return FULL
    records[RECORD_FAULT, record], records[RECORD_FAULT_AT, record] = fault, at
    state[DEPTH] = depth
    return DONE


@inner
def take_one(data: np.ndarray, grammar: Grammar, walk: Walk, found: Found) -> Int:
    """Any one element, or the end of a level, at ``state`` AT; GO_ON, or why the walk ends."""
    nodes, entries, cells, _, _, is_filled = grammar
    state, regions, levels, tables, counts = walk
    places, parents, records = found
    at, depth, room = state[AT], state[DEPTH], parents.shape[2]
    node, end, row = levels[depth, NODE], levels[depth, END], levels[depth, LEVEL_ROW]
    action, entry = CLOSE, np.int64(len(nodes) - 1) << 10
    contents, length, target, stop = at, np.int64(0), np.int64(0), at
    if at < end:
        key, behind = read_tag(data, at)
        length, contents = read_length(data, behind)
        is_group, slot = data[at] & CONSTRUCTED != 0, np.int64(0)
        if key >= nodes[node, LOW] and key <= nodes[node, HIGH]:
            slot = nodes[node, FIRST] + key
            entry = np.int64(entries[slot])
        kind, target, stop = entry & 7, entry >> 10, contents + length
        is_filler = depth == 0 and is_filled != 0 and data[at] in (0, FILLER_HIGH)
        is_open, is_beyond = levels[depth, IS_OPEN] != 0, max(stop, contents) > end
        action = judge(kind, key, length, is_beyond, is_group, is_open, depth, is_filler)
        table = entry >> KIND_BITS & TABLE_MASK
        if action == OPEN and depth + 1 == DEPTH_MAX:
            action = -TOO_DEEP
        elif action == OPEN and kind < ROW:
            table = table << TABLE_BITS | levels[depth, TABLE]
        elif action == OPEN:
            row = tables[table] + 1
            action = -TOO_MANY if row >= room else (KEEP if kind >= ROW_FIELD else OPEN)
            if row < room:
                open_row(table, row, state, levels, tables, parents)
            if row < room and kind == RECORD:
                open_record(row, at, target, table, state, parents, records)
        if action == KEEP and last_row(target, counts, places) == row:
            action = -TWICE
        elif action == KEEP:
            keep(target, row, contents, length, counts, places)
        if action == OPEN and kind != UNKNOWN and cells[slot] >= 0:
            # One of indefinite length is empty where its end follows at once.
            is_empty = length < 0 and data[contents] | data[contents + 1] == 0
            if length == 0 or is_empty:  # no field will tell that it was there
                keep(cells[slot], row, contents, 0, counts, places)
        if action == OPEN:
            step_down(target, table, row, contents, length, state, levels)
    elif levels[depth, IS_OPEN] != 0:
        action = -END_MISSING
    why = give_up(-action, at, grammar, walk, found) if action < 0 else DONE
    if why != DONE:
        return why
    if action in (PASS, KEEP, FILL):
        state[AT] = at + 1 if action == FILL else stop
        return GO_ON
    state[AT] = at = contents if action >= 0 else levels[state[DEPTH], END]
    if action == OPEN:
        return GO_ON
    if state[DEPTH] == 0:
        state[REGION] += 1
        if state[REGION] >= len(regions):
            return DONE
        state[AT], levels[0, END] = regions[state[REGION], 0], regions[state[REGION], 1]
        return GO_ON
    state[DEPTH] -= 1
    if state[DEPTH] + 1 == state[RECORD_DEPTH]:
        close_record(at, state, records)
        return FULL if 2 * state[MOST_ROWS] > room else GO_ON
    return GO_ON


@kernel
def walk_on(data: np.ndarray, grammar: Grammar, walk: Walk, found: Found) -> Int:
    """Goes on until the data ends (DONE), room for rows runs out between two records (FULL), or
    the bytes make no sense outside of a record (BROKEN: state FAULT and FAULT_AT).

    A fault inside a record of definite length costs that record alone. Before each call the caller
    sets the last rows to -1 (0 for the first table) and ``counts`` to 0. Sound elements of known
    tags are taken here; whatever is unusual is left to ``take_one``, from its first byte.
    """
    nodes, entries = grammar.nodes, grammar.entry
    state, levels, tables, counts = walk.state, walk.levels, walk.tables, walk.counts
    places, parents, records = found
    room, why, state[MOST_ROWS] = parents.shape[2], GO_ON, 0
    while why == GO_ON:
        at, depth = state[AT], state[DEPTH]
        node, end, row = levels[depth, NODE], levels[depth, END], levels[depth, LEVEL_ROW]
        first, low, high = nodes[node, FIRST], nodes[node, LOW], nodes[node, HIGH]
        while True:
            if at >= end:
                if at > end or depth == 0 or levels[U(depth), U(IS_OPEN)] != 0:
                    break
                depth -= 1
                if depth + 1 == state[RECORD_DEPTH]:
                    close_record(at, state, records)
                    if 2 * state[MOST_ROWS] > room:
                        state[AT], state[DEPTH] = at, depth
                        return FULL
                node, end = levels[U(depth), U(NODE)], levels[U(depth), U(END)]
                row = levels[U(depth), U(LEVEL_ROW)]
                first, low = nodes[U(node), U(FIRST)], nodes[U(node), U(LOW)]
                high = nodes[U(node), U(HIGH)]
                continue
            lead, behind = np.int64(data[U(at)]), at + 1
            number = lead & LONG_TAG
            if number == LONG_TAG:
                number, behind = np.int64(data[U(at + 1)]), at + 2
                if number >= TAG_MORE:
                    number, behind = (number & 0x7F) << 7 | np.int64(data[U(at + 2)]), at + 3
                    if data[U(at + 2)] >= TAG_MORE:
                        break
            key, length, contents = number << 2 | lead >> 6, np.int64(data[U(behind)]), behind + 1
            if length >= LENGTH_MORE:
                length, contents = read_length(data, behind)
            if key < low or key > high or length < 0 or contents + length > end:
                break
            entry = np.int64(entries[U(first + key)])
            kind, target, is_group = entry & 7, entry >> 10, lead & CONSTRUCTED
            if kind == FIELD and is_group == 0:
                if last_row(target, counts, places) == row:
                    break
                keep(target, row, contents, length, counts, places)
                at = contents + length
                continue
            if depth + 1 == DEPTH_MAX or (is_group == 0) != (kind == ROW_FIELD) or length == 0:
                break
            below, table = row, entry >> KIND_BITS & TABLE_MASK
            if kind == GROUP:
                table = table << TABLE_BITS | levels[U(depth), U(TABLE)]
            elif kind in (ROW, RECORD, ROW_FIELD):
                below, state[DEPTH] = tables[U(table)] + 1, depth
                if below >= room:
                    break
                open_row(table, below, state, levels, tables, parents)
            else:
                break
            if kind == RECORD:
                open_record(below, at, target, table, state, parents, records)
            if kind == ROW_FIELD:
                keep(target, below, contents, length, counts, places)
                at = contents + length
                continue
            row = below
            depth += 1
            end, at = contents + length, contents
            first, low = nodes[U(target), U(FIRST)], nodes[U(target), U(LOW)]
            high = nodes[U(target), U(HIGH)]
            levels[U(depth), U(NODE)], levels[U(depth), U(END)] = target, end
            levels[U(depth), U(TABLE)], levels[U(depth), U(LEVEL_ROW)] = table, row
            levels[U(depth), U(IS_OPEN)] = 0
        state[AT], state[DEPTH] = at, depth
        why = take_one(data, grammar, walk, found)
    return why
