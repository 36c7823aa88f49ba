"""What every element of BER begins with: a tag and a length (ITU-T X.690 clauses 8.1.2, 8.1.3).

They take at most eleven bytes; ``data`` has so many behind every place that is read.
"""

from __future__ import annotations

import numpy as np

from cdr.spec_kernels import Int
from tollbook.jit import inlined, inner

U = np.uint64  # positions known not to be below zero: numba need not look whether they are
TAG_BYTES_MAX, LENGTH_BYTES_MAX = 5, 4
CONSTRUCTED, LONG_TAG, TAG_MORE, LENGTH_MORE = 0x20, 0x1F, 0x80, 0x80


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


@inlined
def short_tag(one: Int, two: Int, three: Int) -> tuple[Int, Int]:
    """Tag number * 4 + class, and how many of three bytes they are; below zero: of more than three.

    Without an array, so that numba counts no references to it.
    """
    number, size = one & LONG_TAG, np.int64(1)
    if number == LONG_TAG:
        number, size = two, np.int64(2)
        if two >= TAG_MORE:
            number, size = (two & 0x7F) << 7 | three, np.int64(3)
            if three >= TAG_MORE:
                number = np.int64(-1)
    return number << 2 | one >> 6, size


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
def behind_element(data: np.ndarray, at: Int, end: Int) -> Int:
    """The place behind an element, at most ``end``; -1: it cannot be told.

    Of what an element holds only as much is looked at as is needed to find an end that no length
    tells.
    """
    depth = np.int64(0)
    while at < end:
        key, behind = read_tag(data, at)
        length, contents = read_length(data, behind)
        if key < 0 or length == -2 or (length < 0 and data[at] & CONSTRUCTED == 0):
            return -1
        if key == 0 and length == 0 and depth > 0:
            depth -= 1
        elif length < 0:
            depth += 1
        at = contents + max(length, 0)
        if depth == 0:
            return at if at <= end else -1
    return -1
