"""Partial records: which part follows which, and the sums of the calls that they make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import inner, kernel

MOST = (1 << 63) - 1


class Order(NamedTuple):
    """Parts in the order of (slot, moment): as those that are followed, or those that follow.

    A part that may follow another has the same slot (its call's key and its number in the call).
    """

    row: np.ndarray  # int64
    slot: np.ndarray  # int64
    moment_utc_s: np.ndarray  # int64: end of a part that is followed, start of one that follows


class Quantities(NamedTuple):
    """What parts have and a call sums up (int64 each, by row)."""

    duration_s: np.ndarray
    up_bytes: np.ndarray
    down_bytes: np.ndarray
    event_count: np.ndarray
    upstream_charge_micro: np.ndarray


@inner
def bounded_sum(one: int, other: int) -> int:
    """The sum, or the nearest int64: a sum that leaves it exceeds every limit as well."""
    if other > 0 and one > MOST - other:
        return MOST
    if other < 0 and one < -MOST - other:
        return -MOST
    return one + other


@kernel
def link(
    ended: Order, began: Order, gap_s: int, follower: np.ndarray, is_first: np.ndarray
) -> None:
    """Pairs each end with a start of the same slot at most ``gap_s`` away, the earliest first.

    follower: int64 by row, of -1; becomes the row of the part that follows. is_first: bool by row,
    of True; becomes False where a part follows another.
    """
    end_row, end_slot, end_utc_s = ended
    start_row, start_slot, start_utc_s = began
    end, start = 0, 0
    while end < len(end_row) and start < len(start_row):
        if end_slot[end] < start_slot[start]:
            end += 1
        elif end_slot[end] > start_slot[start]:
            start += 1
        elif start_utc_s[start] > end_utc_s[end] + gap_s:
            end += 1
        elif start_utc_s[start] < end_utc_s[end] - gap_s:
            start += 1
        else:
            follower[end_row[end]] = start_row[start]
            is_first[start_row[start]] = False
            end += 1
            start += 1


@kernel
def sum_up(
    follower: np.ndarray, firsts: np.ndarray, quantities: Quantities, first: np.ndarray,
    last: np.ndarray,
) -> None:  # fmt: skip
    """Walks each call from its first part on; the quantities of first parts become the call's.

    follower, firsts, first: int64 rows; first: by row, becomes that of the call's first part.
    last: int64 beside firsts, becomes the row of the call's last part.
    """
    duration_s, up_bytes, down_bytes, event_count, upstream_micro = quantities
    for call in range(len(firsts)):
        head = firsts[call]
        first[head] = head
        row = head
        while follower[row] >= 0:
            row = follower[row]
            first[row] = head
            duration_s[head] = bounded_sum(duration_s[head], duration_s[row])
            up_bytes[head] = bounded_sum(up_bytes[head], up_bytes[row])
            down_bytes[head] = bounded_sum(down_bytes[head], down_bytes[row])
            event_count[head] = bounded_sum(event_count[head], event_count[row])
            upstream_micro[head] = bounded_sum(upstream_micro[head], upstream_micro[row])
        last[call] = row
