"""The order of records within each account: by pool, bill month, start, hash and record id."""

from __future__ import annotations

import numpy as np

from tollbook.jit import inner, kernel

DIGIT_BITS = 11  # of the radix sort: the counters of a digit fit the first-level cache
DIGIT_MASK = (1 << DIGIT_BITS) - 1


@inner
def comes_first(hashes: np.ndarray, ids: np.ndarray, one: int, other: int) -> bool:
    """Whether a row goes before another one of the same pool and start."""
    if hashes[one] != hashes[other]:
        return bool(hashes[one] < hashes[other])
    return bool(ids[one] < ids[other])


@kernel
def sort_rows(
    keys: np.ndarray, rows: np.ndarray, more_keys: np.ndarray, more_rows: np.ndarray,
    hashes: np.ndarray, ids: np.ndarray,
) -> None:
    """Sort rows by their keys (never negative), and equal ones by hash and record id.

    keys, rows: int64, changed in place; more_keys, more_rows: as large, room to work in. hashes,
    ids: by row.
    """  # fmt: skip
    count, most = len(keys), 0
    for place in range(count):
        most |= keys[place]
    starts = np.zeros(DIGIT_MASK + 2, np.int64)
    shift, is_moved = 0, False
    while most >> shift != 0:
        starts[:] = 0
        for place in range(count):
            starts[((keys[place] >> shift) & DIGIT_MASK) + 1] += 1
        for digit in range(DIGIT_MASK + 1):
            starts[digit + 1] += starts[digit]
        for place in range(count):
            digit = (keys[place] >> shift) & DIGIT_MASK
            at = starts[digit]
            starts[digit] = at + 1
            more_keys[at], more_rows[at] = keys[place], rows[place]
        keys, more_keys, rows, more_rows = more_keys, keys, more_rows, rows
        shift, is_moved = shift + DIGIT_BITS, not is_moved
    if is_moved:
        more_keys[:], more_rows[:] = keys, rows
        keys, rows = more_keys, more_rows
    for place in range(1, count):
        row, at = rows[place], place
        while at > 0 and keys[at - 1] == keys[place] and comes_first(
            hashes, ids, row, rows[at - 1]
        ):  # fmt: skip
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = row


@kernel
def list_used(
    order: np.ndarray, work: np.ndarray, takes: np.ndarray, reason: np.ndarray,
    offsets: np.ndarray,
) -> None:
    """offsets (int32, zeroed, rows + 1): how many slots the rows before each one have used.

    order: the rows of ``work``.
    """  # fmt: skip
    for place in range(len(order)):
        first, count = work[place]["first"], 0
        if reason[order[place]] == 0:
            for at in range(first, first + work[place]["count"]):
                count += takes[at]["taken"] > 0
        offsets[order[place] + 1] = count
    for row in range(len(reason)):
        offsets[row + 1] += offsets[row]


@kernel
def fill_used(
    order: np.ndarray, work: np.ndarray, takes: np.ndarray, slots: np.ndarray,
    offsets: np.ndarray, columns: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """The used slots of all rows: item, since_day (int32), before and taken (int64)."""
    item, since_day, before, taken = columns
    for this in range(len(order)):
        place, first = offsets[order[this]], work[this]["first"]
        if offsets[order[this] + 1] == place:
            continue
        for at in range(first, first + work[this]["count"]):
            if takes[at]["taken"] > 0:
                slot = slots[takes[at]["slot"]]
                item[place], since_day[place] = slot["item"], slot["since_day"]
                before[place], taken[place] = takes[at]["before"], takes[at]["taken"]
                place += 1
