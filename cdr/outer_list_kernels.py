"""Finds the lists of records in outer SEQUENCEs, one of them or more (see ``outer_list``)."""

from __future__ import annotations

import numpy as np

from cdr import ber_header_kernels as h
from cdr.ber_state_kernels import FILLER_HIGH
from cdr.spec_kernels import Int
from tollbook.jit import inner, kernel

SEQUENCE, SET = 16 << 2, 17 << 2
HEADER, LIST, TRAILER = 0 << 2 | 2, 1 << 2 | 2, 2 << 2 | 2
TYPE, TYPE_BYTES = 0 << 2 | 2, 1  # the number that says what kind of record it is
END_BYTES = 2  # that end a group of indefinite length
# Places in the state: where to go on, the end of the outer group that this is in (-1: in none),
# and whether a list was found in it.
AT, INSIDE, HAS_LIST = range(3)
STATE_COUNT = 3


@inner
def is_outer(data: np.ndarray, at: Int) -> bool:
    """Whether a SEQUENCE or SET begins here, and in it a group of a context tag."""
    key, behind = h.read_tag(data, at)
    if key not in (SEQUENCE, SET) or data[at] & h.CONSTRUCTED == 0:
        return False
    _, contents = h.read_length(data, behind)
    inside, _ = h.read_tag(data, contents)
    return bool(inside >= 0 and inside & 3 == 2 and data[contents] & h.CONSTRUCTED != 0)


@inner
def is_header(data: np.ndarray, at: Int, end: Int) -> bool:
    """Whether the first group inside is a header and no record: a record has its type in it, mostly
    as the first of its members."""
    key, behind = h.read_tag(data, at)
    length, member = h.read_length(data, behind)
    stop = member + length if length >= 0 else end
    is_record = key != HEADER
    while not is_record and 0 <= member < stop:
        key, behind = h.read_tag(data, member)
        length, _ = h.read_length(data, behind)
        is_record = key == TYPE and length == TYPE_BYTES
        member = -1 if key == 0 and length == 0 else h.behind_element(data, member, stop)
    return not is_record


@kernel
def find_lists(data: np.ndarray, end: Int, state: np.ndarray, regions: np.ndarray) -> Int:
    """Begin and end of the next parts that hold records, as many as there is room for (int64
    [part, 2]); how many there are, or -1 where no list can be found at state AT.

    What is in no outer group is one part, up to the end. ``data`` has PAD_BYTES behind ``end``.
    """
    count = 0
    while count < len(regions):
        at, is_inside = state[AT], state[INSIDE] >= 0
        stop = state[INSIDE] if is_inside else end
        while at < stop and data[at] in (0, FILLER_HIGH):
            at += 1
        state[AT] = at
        if at >= stop:
            if is_inside and state[HAS_LIST] == 0:
                return -1
            if not is_inside:
                break
            state[INSIDE] = -1
            continue
        if not is_inside and not is_outer(data, at):
            regions[count, 0], regions[count, 1], state[AT] = at, end, end
            count += 1
            continue
        key, behind = h.read_tag(data, at)
        length, begin = h.read_length(data, behind)
        behind = h.behind_element(data, at, stop)
        if behind < 0 or (is_inside and key not in (LIST, TRAILER)):
            return -1
        inside = behind - (END_BYTES if length < 0 else 0)
        if not is_inside and is_header(data, begin, inside):
            state[INSIDE], state[HAS_LIST] = inside, 0
            state[AT] = h.behind_element(data, begin, inside)
            if state[AT] < 0:
                state[AT] = begin
                return -1
            continue
        state[AT] = behind
        if key != TRAILER or not is_inside:
            regions[count, 0], regions[count, 1] = begin, inside
            state[HAS_LIST] = 1
            count += 1
    return count
