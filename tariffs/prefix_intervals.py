"""Longest-prefix match as disjoint intervals, built from columns without a loop over rows.

The intervals of ``prefix_kernels``: each knows its row, or where the rows depend on the time, all
that may hold, the longest prefix first, up to one that always does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from tariffs.prefix_kernels import E164_DIGITS, GROUP, GROUPS, SIZE_BITS
from tollbook.columns import OPEN_FROM, OPEN_TO

_POWER: Final = 10 ** np.arange(E164_DIGITS + 1, dtype=np.int64)


class Prefixed(NamedTuple):
    """Rows of one deck; same index = same row. int64; size: digits of the prefix, 1 to 15."""

    prefix: np.ndarray
    size: np.ndarray
    valid_from_utc_s: np.ndarray  # OPEN_FROM: since ever
    valid_to_utc_s: np.ndarray  # OPEN_TO: no end


class Intervals(NamedTuple):
    """start: int64 keys, ascending from 0. row: int64, the row of each interval; -1: none; -2 - i:
    it depends on the time, and the rows that may hold begin at entry[i] (-1 there: none) and end
    with one that always holds."""

    start: np.ndarray
    row: np.ndarray
    entry: np.ndarray


def intervals(rows: Prefixed) -> Intervals:
    """The intervals of a deck; rows of one prefix are asked in the order in which they come."""
    count = len(rows.prefix)
    none = np.zeros(1, np.int64)  # the empty prefix: every number has it, at all times
    size = np.append(rows.size.astype(np.int64), none)
    unit = _POWER[E164_DIGITS - size]
    padded = np.append(rows.prefix, none) * unit
    # A number of fewer digits can only be in the way of a prefix that goes on with zeros.
    digits = np.where(np.append(rows.prefix, none) % 10 == 0, size, 0)
    begin, end = (padded << SIZE_BITS) + digits, (padded + unit) << SIZE_BITS
    order = np.argsort(begin, kind="stable")
    new = np.ones(count + 1, np.bool_)
    new[1:] = begin[order][1:] != begin[order][:-1]
    first = np.flatnonzero(new)
    row_count = np.diff(np.append(first, count + 1))
    leading = order[first]
    is_open = np.append(
        (rows.valid_from_utc_s <= OPEN_FROM) & (rows.valid_to_utc_s >= OPEN_TO), True
    )
    always = (row_count == 1) & is_open[leading]
    start = np.unique(np.concatenate([begin[leading], end[leading]]))
    start = start[start < _POWER[E164_DIGITS] << SIZE_BITS]
    interval, prefix = _around(start, begin[leading], end[leading], size[leading], always)
    deepest = np.searchsorted(interval, np.arange(len(start)))
    found = prefix[deepest]
    row = np.where(leading[found] == count, -1, leading[found])
    dated = ~always[found]
    # The rows of a prefix lie together in ``order``; those of all prefixes around follow.
    chosen = dated[interval]
    pairs, counts = prefix[chosen], row_count[prefix[chosen]]
    ends = np.cumsum(counts)
    place = np.arange(int(counts.sum())) + np.repeat(first[pairs] - (ends - counts), counts)
    entry = np.where(order[place] == count, -1, order[place])
    per_interval = np.bincount(interval[chosen], minlength=len(start))
    pair_first = np.concatenate([[0], np.cumsum(per_interval)])[:-1]
    row[dated] = -2 - np.concatenate([[0], ends])[pair_first[dated]]
    keep = np.ones(len(start), np.bool_)
    keep[1:] = row[1:] != row[:-1]
    return Intervals(start[keep], row[keep], entry)


def _around(
    start: np.ndarray, begin: np.ndarray, end: np.ndarray, size: np.ndarray, always: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For every interval the prefixes around it, longest first, up to one that always holds.

    begin: ascending. Returns pairs: the interval (ascending) and the place of its prefix.
    """
    undecided = np.arange(len(start))
    intervals, prefixes = [], []
    for digits in range(E164_DIGITS, -1, -1):
        group = np.flatnonzero(size == digits)
        if not len(group) or not len(undecided):
            continue
        place = np.searchsorted(begin[group], start[undecided], side="right") - 1
        inside = (place >= 0) & (start[undecided] < end[group][place])
        found = group[place[inside]]
        intervals.append(undecided[inside])
        prefixes.append(found)
        decided = np.zeros(len(undecided), np.bool_)
        decided[np.flatnonzero(inside)[always[found]]] = True
        undecided = undecided[~decided]
    interval = np.concatenate(intervals)
    order = np.argsort(interval, kind="stable")
    return interval[order], np.concatenate(prefixes)[order]


def first_level(start: np.ndarray) -> np.ndarray:
    """The interval in which each group of four leading digits begins; int64."""
    groups = np.arange(GROUPS, dtype=np.int64) * GROUP << SIZE_BITS
    return np.searchsorted(start, groups, side="right") - 1
