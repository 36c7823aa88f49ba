"""Of records whose times overlap: which stay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import inner, kernel

STAYS = -1  # verdict besides the record id of the one that stays in a record's place


class Spans(NamedTuple):
    """Records of several clusters, which lie one after the other; ascending by start in each."""

    start: np.ndarray  # int64
    end: np.ndarray  # int64, the first second that is not theirs
    record_id: np.ndarray  # int64
    is_old: np.ndarray  # bool: the history has it
    started: np.ndarray  # int64: the row before which all those lie that start before its end


@inner
def ends_later(spans: Spans, row: int, other: int) -> bool:
    """Whether a record ends after the other (-1: none), or with it and has the lower id."""
    return bool(
        other < 0
        or spans.end[row] > spans.end[other]
        or (spans.end[row] == spans.end[other] and spans.record_id[row] < spans.record_id[other])
    )


@kernel
def choose(
    spans: Spans, bounds: np.ndarray, order: np.ndarray, latest: np.ndarray, first_id: np.ndarray
) -> None:
    """Takes the records one by one: each stays unless it overlaps one that stays already.

    bounds: int64, cluster i is rows bounds[i] .. bounds[i + 1]. order: int64, the rows of each
    cluster in the order in which they are taken. latest: int64 [rows], is written over. first_id
    (int64) becomes STAYS, or the id of the record that stays in a row's place: of those that
    overlap it the one that ends last.

    ``latest`` is a binary indexed tree: of the records that stay and that start before a given
    time, it tells the one that ends last in a logarithm of steps, so that no number of calls at a
    time makes this slow.
    """
    for cluster in range(len(bounds) - 1):
        low, size = bounds[cluster], bounds[cluster + 1] - bounds[cluster]
        for place in range(low, low + size):
            latest[place] = -1
        for place in range(low, low + size):
            row = order[place]
            found, node = -1, spans.started[row] - low
            while node > 0 and not spans.is_old[row]:
                other = latest[low + node - 1]
                if other >= 0 and ends_later(spans, other, found):
                    found = other
                node -= node & -node
            if found >= 0 and spans.end[found] > spans.start[row]:
                first_id[row] = spans.record_id[found]
                continue
            first_id[row] = STAYS
            node = row - low + 1
            while node <= size:
                if ends_later(spans, row, latest[low + node - 1]):
                    latest[low + node - 1] = row
                node += node & -node
