"""Walks BER (ITU-T X.690 clause 8) over a grammar: where each field lies, never what it means.

One pass over the bytes. For every field that the grammar knows, the place and length of its
contents are noted behind those of the rows before; repeated groups open rows in child tables that
point to their parent. Values are read later, a block at a time (``value_kernels``).

Nothing is read outside ``data``: a header takes at most eleven bytes, ``data`` has PAD_BYTES behind
``size``, and no length is followed before it was found to end inside its container.
"""

from __future__ import annotations

import numpy as np

from cdr import ber_header_kernels as h
from cdr.ber_state_kernels import (
    AT,
    BEYOND_CONTAINER,
    BROKEN,
    CLOSE,
    DEPTH,
    DEPTH_MAX,
    DONE,
    END,
    END_MISSING,
    FAULT,
    FAULT_AT,
    FIELD,
    FILL,
    FILLER_HIGH,
    FIRST,
    FULL,
    GO_ON,
    GROUP,
    HIGH,
    IS_OPEN,
    KEEP,
    KIND_BITS,
    LENGTH_TOO_LONG,
    LEVEL_ROW,
    LOW,
    MOST_ROWS,
    NODE,
    OF_RECORD,
    OPAQUE,
    OPEN,
    OPEN_RECORD,
    PARENT_ROW,
    PARENT_TABLE,
    PASS,
    PLACE_BEGIN,
    PLACE_ROW,
    PLACE_SUM,
    RECORD,
    RECORD_AT,
    RECORD_DEPTH,
    RECORD_FAULT,
    RECORD_FAULT_AT,
    RECORD_NODE,
    RECORD_SIZE,
    REGION,
    ROW,
    ROW_FIELD,
    ROW_OPAQUE,
    SLOTS,
    SPARE_PLACES,
    TABLE,
    TABLE_BITS,
    TABLE_MASK,
    TAG_TOO_LONG,
    TOO_DEEP,
    TOO_MANY,
    TWICE,
    UNKNOWN,
    WRONG_FORM,
    Found,
    Grammar,
    Walk,
)
from cdr.spec_kernels import Int
from tollbook.jit import inlined, inner, kernel

U = np.uint64  # positions known not to be below zero: numba need not look whether they are


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


# What is inlined takes arrays and has no branches, or the other way round: with both numba would
# count references to the arrays, which takes longer than the steps themselves.
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
def node_of(node: Int, nodes: np.ndarray) -> tuple[Int, Int, Int]:
    """FIRST, LOW and HIGH of a node."""
    return nodes[U(node), U(FIRST)], nodes[U(node), U(LOW)], nodes[U(node), U(HIGH)]


@inlined
def keep(
    cell: Int, row: Int, contents: Int, length: Int, last: np.ndarray, places: np.ndarray
) -> None:
    """Notes the contents of a cell behind those of the rows before."""
    place = last[U(cell)]
    last[U(cell)] = place + 1
    upto = places[U(place), U(PLACE_SUM)] + length
    places[U(place + 1), U(PLACE_ROW)] = row
    places[U(place + 1), U(PLACE_BEGIN)] = contents
    places[U(place + 1), U(PLACE_SUM)] = upto


@inner
def keep_one(
    cell: Int, row: Int, contents: Int, length: Int, walk: Walk, found: Found
) -> bool:
    """Notes contents of any cell; False where the row has some already.

    Rows of a table come one after the other, as no list is inside of itself: the last place tells.
    """
    places = found.places
    if walk.last[cell] == 0:
        place = 1 + walk.state[SLOTS] * (found.parents.shape[2] + SPARE_PLACES)
        walk.state[SLOTS] += 1
        walk.first[cell] = walk.last[cell] = place
        places[place, PLACE_ROW], places[place, PLACE_SUM] = -1, 0
    if places[walk.last[cell], PLACE_ROW] == row:
        return False
    keep(cell, row, contents, length, walk.last, places)
    return True


@inner
def drop_record(record: Int, grammar: Grammar, walk: Walk, found: Found) -> None:
    """Takes back the rows of a record and what was noted of them."""
    tables, last = walk.tables, walk.last
    for table in range(1, len(tables)):
        while tables[table] >= 0 and found.parents[OF_RECORD, table, tables[table]] == record:
            tables[table] -= 1
    for cell in range(len(last)):
        while found.places[last[cell], PLACE_ROW] > tables[grammar.owner[cell]]:
            last[cell] -= 1


@inner
def give_up(
    data: np.ndarray, fault: Int, at: Int, grammar: Grammar, walk: Walk, found: Found
) -> Int:
    """After a fault: DONE where the walk can go on behind the record at hand, else why not."""
    state, levels, records = walk.state, walk.levels, found.records
    record, depth = state[OPEN_RECORD], state[RECORD_DEPTH]
    if fault == TOO_MANY and record > 0:  # in a block of its own it may fit
        drop_record(record, grammar, walk, found)
        state[AT], state[DEPTH] = records[RECORD_AT, record], depth - 1
        state[OPEN_RECORD], state[RECORD_DEPTH] = -1, -1
        return FULL
    behind = np.int64(-1)
    if record >= 0:
        behind = levels[depth, END]
        if levels[depth, IS_OPEN] != 0:
            behind = h.behind_element(data, records[RECORD_AT, record], levels[depth - 1, END])
    if behind < 0:
        state[FAULT], state[FAULT_AT] = fault, at
        return BROKEN
    records[RECORD_FAULT, record], records[RECORD_FAULT_AT, record] = fault, at
    levels[depth, END], levels[depth, IS_OPEN], state[DEPTH] = behind, 0, depth
    return DONE


@inner
def take_stranger(
    data: np.ndarray, at: Int, grammar: Grammar, walk: Walk, found: Found
) -> Int:
    """A group of an unknown tag where records stand, as a record that cannot be read; BROKEN where
    it has no end. A SEQUENCE or a SET would be a list of records: it is none of them."""
    state, levels, records, table = walk.state, walk.levels, found.records, grammar.record_table
    key, _ = h.read_tag(data, at)
    behind = h.behind_element(data, at, levels[state[DEPTH], END])
    if behind < 0 or data[at] & h.CONSTRUCTED == 0 or key in (16 << 2, 17 << 2):
        state[FAULT], state[FAULT_AT] = WRONG_FORM, at
        return BROKEN
    row = walk.tables[table] + 1
    open_row(table, row, state, levels, walk.tables, found.parents)
    open_record(row, at, len(grammar.nodes) - 1, table, state, found.parents, records)
    records[RECORD_FAULT, row], records[RECORD_FAULT_AT, row] = WRONG_FORM, at
    close_record(behind, state, records)
    state[AT] = behind
    return FULL if 2 * state[MOST_ROWS] > found.parents.shape[2] else GO_ON


@inner
def take_one(data: np.ndarray, grammar: Grammar, walk: Walk, found: Found) -> Int:
    """Any one element, or the end of a level, at ``state`` AT; GO_ON, or why the walk ends."""
    nodes, entries, cells, _, _, is_filled, _ = grammar
    state, regions, levels, tables = walk.state, walk.regions, walk.levels, walk.tables
    parents, records = found.parents, found.records
    at, depth, room = state[AT], state[DEPTH], parents.shape[2]
    node, end, row = levels[depth, NODE], levels[depth, END], levels[depth, LEVEL_ROW]
    action, entry = CLOSE, np.int64(len(nodes) - 1) << 10
    contents, length, target, stop = at, np.int64(0), np.int64(0), at
    if at < end:
        key, behind = h.read_tag(data, at)
        length, contents = h.read_length(data, behind)
        is_group, slot = data[at] & h.CONSTRUCTED != 0, np.int64(0)
        if key >= nodes[node, LOW] and key <= nodes[node, HIGH]:
            slot = nodes[node, FIRST] + key
            entry = np.int64(entries[slot])
        kind, target, stop = entry & 7, entry >> 10, contents + length
        is_filler = depth == 0 and is_filled != 0 and data[at] in (0, FILLER_HIGH)
        is_open, is_beyond = levels[depth, IS_OPEN] != 0, max(stop, contents) > end
        action = judge(kind, key, length, is_beyond, is_group, is_open, depth, is_filler)
        if is_group and kind == UNKNOWN and node == grammar.record_node and action in (OPEN, PASS):
            action = -WRONG_FORM
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
        if action == KEEP and not keep_one(target, row, contents, length, walk, found):
            action = -TWICE
        if action == OPEN and kind != UNKNOWN and cells[slot] >= 0:
            # One of indefinite length is empty where its end follows at once.
            is_empty = length < 0 and data[contents] | data[contents + 1] == 0
            if length == 0 or is_empty:  # no field will tell that it was there
                keep_one(cells[slot], row, contents, 0, walk, found)
        if action == OPEN:
            step_down(target, table, row, contents, length, state, levels)
    elif levels[depth, IS_OPEN] != 0:
        action = -END_MISSING
    if action == -WRONG_FORM and entry & 7 == UNKNOWN and node == grammar.record_node:
        return take_stranger(data, at, grammar, walk, found)
    why = give_up(data, -action, at, grammar, walk, found) if action < 0 else DONE
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


# Sound elements of known tags are taken here; whatever is unusual is left to ``take_one``.
@kernel
def walk_on(data: np.ndarray, grammar: Grammar, walk: Walk, found: Found) -> Int:
    """Goes on until the data ends (DONE), room for rows runs out between two records (FULL), or
    the bytes make no sense outside of a record (BROKEN: state FAULT and FAULT_AT).

    A fault inside a record whose end can be found costs that record alone. The caller sets the
    last rows to -1 (0 for the first table) and ``first``, ``last`` and SLOTS to 0 before each call.
    """
    nodes, entries, last = grammar.nodes, grammar.entry, walk.last
    state, levels, tables = walk.state, walk.levels, walk.tables
    places, parents, records = found
    room, why, state[MOST_ROWS] = parents.shape[2], GO_ON, 0
    while why == GO_ON:
        at, depth = state[AT], state[DEPTH]
        end, row = levels[depth, END], levels[depth, LEVEL_ROW]
        first, low, high = node_of(levels[depth, NODE], nodes)
        while True:
            if at >= end:
                if at > end or depth == 0 or levels[U(depth), U(IS_OPEN)] != 0:
                    break
                depth -= 1
                if depth + 1 == state[RECORD_DEPTH]:
                    close_record(at, state, records)
                    state[AT], state[DEPTH] = at, depth
                    if 2 * state[MOST_ROWS] > room:
                        return FULL
                end, row = levels[U(depth), U(END)], levels[U(depth), U(LEVEL_ROW)]
                first, low, high = node_of(levels[U(depth), U(NODE)], nodes)
                continue
            lead, two, three = np.int64(data[U(at)]), data[U(at + 1)], data[U(at + 2)]
            key, size = h.short_tag(lead, np.int64(two), np.int64(three))
            length, contents = np.int64(data[U(at + size)]), at + size + 1
            if length >= h.LENGTH_MORE:
                length, contents = h.read_length(data, at + size)
            if key < low or key > high or length < 0 or contents + length > end:
                break
            entry, is_group = np.int64(entries[U(first + key)]), lead & h.CONSTRUCTED != 0
            kind, target = entry & 7, entry >> 10
            if kind == FIELD and not is_group:
                place = last[U(target)]
                if place == 0 or places[U(place), U(PLACE_ROW)] == row:
                    break
                keep(target, row, contents, length, last, places)
                at = contents + length
                continue
            if depth + 1 == DEPTH_MAX or is_group == (kind == ROW_FIELD) or length == 0:
                break
            below, table = row, entry >> KIND_BITS & TABLE_MASK
            if kind == GROUP:
                table = table << TABLE_BITS | levels[U(depth), U(TABLE)]
            elif kind in (ROW, RECORD, ROW_FIELD):
                below, state[DEPTH] = tables[U(table)] + 1, depth
                if below >= room or (kind == ROW_FIELD and last[U(target)] == 0):
                    break
                open_row(table, below, state, levels, tables, parents)
            else:
                break
            if kind == RECORD:
                open_record(below, at, target, table, state, parents, records)
            if kind == ROW_FIELD:
                keep(target, below, contents, length, last, places)
                at = contents + length
                continue
            depth, row, end, at = depth + 1, below, contents + length, contents
            first, low, high = node_of(target, nodes)
            levels[U(depth), U(NODE)], levels[U(depth), U(END)] = target, end
            levels[U(depth), U(TABLE)], levels[U(depth), U(LEVEL_ROW)] = table, row
            levels[U(depth), U(IS_OPEN)] = 0
        state[AT], state[DEPTH] = at, depth
        why = take_one(data, grammar, walk, found)
    return why
