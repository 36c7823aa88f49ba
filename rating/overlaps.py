"""Duplicates that are not equal: records that overlap in time, and runs of ultra-short calls.

Both are looked for within groups: one served number, and the fields that the operator wants equal.
A group's records are sorted by start, together with those of the history; where none of them comes
near the next, which is so for nearly all, there is nothing more to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from rating import overlap_kernels
from rating.duplicate_kernels import DIGIT_COUNT, SHORT, WHOLE, sort_by_hash
from rating.overlap_kernels import Spans
from tollbook.codes import SERVICE_CODE, SERVICES
from tollbook.duplicate_rules import DuplicateRules
from tollbook.stage import ints

COLUMN_OF: Final = {"other": "other_key", "service": "service"}
GROUP_SHIFT: Final = 33  # a place in time: the group above, seconds since the first start below
_NEVER: Final = np.iinfo(np.int64).max
_ODD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True)
class Search:
    """What is looked for, of one kind.

    services: bool by code. same: columns of ``schemas.DUPLICATE_KEY`` that are equal within a
    group, besides the served number. start_min_utc_s: no record before takes part. duration_max_s:
    no longer one does. gap_s: from the end of one to the start of the next, at most. reach_s: how
    far apart the starts of two records can be that are near each other.
    """

    services: np.ndarray
    same: tuple[str, ...]
    start_min_utc_s: int
    duration_max_s: int
    gap_s: int = 0

    @property
    def reach_s(self) -> int:
        return self.duration_max_s + self.gap_s


@dataclass(frozen=True)
class Searches:
    """The kinds that are looked for besides equal records; None: not at all."""

    overlapping: Search | None = None
    ultra_short: Search | None = None

    @property
    def reach_s(self) -> int:
        """How much of the history is needed on either side of a start."""
        return max((one.reach_s for one in self._all), default=0)

    @property
    def start_min_utc_s(self) -> int:
        """Of records that start before, only equal ones are looked for."""
        return min((one.start_min_utc_s for one in self._all), default=0)

    @property
    def _all(self) -> list[Search]:
        return [one for one in (self.overlapping, self.ultra_short) if one is not None]


def searches(rules: DuplicateRules, as_of_utc_s: int, duration_max_s: int) -> Searches:
    """The configured kinds as of a run. duration_max_s: longer records wait in suspense."""
    overlapping = ultra_short = None
    if (long := rules.overlapping) is not None:
        overlapping = Search(
            _services(long.services), _columns(long.same), as_of_utc_s - long.window_s,
            duration_max_s,
        )  # fmt: skip
    if (short := rules.ultra_short) is not None:
        ultra_short = Search(
            _services(short.services), _columns(short.same), as_of_utc_s - short.window_s,
            short.duration_s, short.gap_s,
        )  # fmt: skip
    return Searches(overlapping, ultra_short)


def _services(words: Sequence[str]) -> np.ndarray:
    found = np.zeros(len(SERVICES), np.bool_)
    found[[SERVICE_CODE[word] for word in words]] = True
    return found


def _columns(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(COLUMN_OF[word] for word in words)


@dataclass(frozen=True)
class Candidates:
    """Records that take part, in groups and by start; the same index is the same record.

    row: of the new ones their row, -1: of the history. place: the group and the time, as
    GROUP_SHIFT says; ascending. All int64.
    """

    row: np.ndarray
    record_id: np.ndarray
    duration_s: np.ndarray
    standing: np.ndarray
    place: np.ndarray

    def take(self, rows: np.ndarray) -> Candidates:
        return Candidates(
            self.row[rows], self.record_id[rows], self.duration_s[rows], self.standing[rows],
            self.place[rows],
        )  # fmt: skip

    def near_new(self, gap_s: int) -> Candidates:
        """Without those of the history that no new one starts, or ends, less than ``gap_s`` off."""
        is_new = self.row >= 0
        if is_new.all() or not is_new.any():
            return self.take(np.flatnonzero(is_new))
        ends, fresh = self.place + self.duration_s, self.place[is_new]
        following = np.append(fresh, _NEVER)[np.searchsorted(fresh, self.place)]
        latest = np.maximum.accumulate(np.where(is_new, ends, 0))
        near = is_new | (following < ends + gap_s) | (self.place < latest + gap_s)
        return self.take(np.flatnonzero(near))

    def clusters(self, gap_s: int) -> tuple[Candidates, np.ndarray]:
        """Those that come near another one, and the bounds of each cluster of them (int64).

        A record belongs to the cluster before it if it starts less than ``gap_s`` after the latest
        end in it; nothing comes near a record of another group.
        """
        latest = np.maximum.accumulate(self.place + self.duration_s)
        near = np.zeros(len(self.place) + 1, np.bool_)
        near[1:-1] = self.place[1:] < latest[:-1] + gap_s
        kept = np.flatnonzero(near[:-1] | near[1:])
        begins = np.flatnonzero(~near[kept])
        return self.take(kept), np.append(begins, len(kept))


def find_overlapping(
    new: pa.RecordBatch, rows: np.ndarray, history: pa.RecordBatch, search: Search
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the ``rows`` of ``new`` repeat a part of another record, and the id of that one.

    Both batches are ``schemas.DUPLICATE_KEY``. Records are taken one by one, first those of the
    history, then the longest, of equally long ones that with the lowest id: each stays unless it
    overlaps one that stays already. What only touches does not overlap.
    """
    found = _candidates(new, rows, history, search, (WHOLE,))
    near, bounds = found.clusters(0)
    if not len(near.row):
        return near.row, near.record_id
    end, is_old = near.place + near.duration_s, near.row < 0
    cluster = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    first_id = np.empty(len(end), np.int64)
    overlap_kernels.choose(
        Spans(near.place, end, near.record_id, is_old, np.searchsorted(near.place, end)), bounds,
        np.lexsort((near.record_id, -near.duration_s, ~is_old, cluster)),
        np.empty(len(end), np.int64), first_id,
    )  # fmt: skip
    repeats = first_id != overlap_kernels.STAYS
    return near.row[repeats], first_id[repeats]


def find_ultra_short(
    new: pa.RecordBatch, rows: np.ndarray, history: pa.RecordBatch, search: Search
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the ``rows`` of ``new`` belong to a run of very short calls, and the id of the one
    that stays: of the history if there is one, else that with the lowest id.

    Of the history only calls next to a new one count, so that it is no matter how much of it was
    read; of several one that was charged is named before those that were not.
    """
    found = _candidates(new, rows, history, search, (WHOLE, SHORT)).near_new(search.gap_s + 1)
    near, bounds = found.clusters(search.gap_s + 1)
    if not len(near.row):
        return near.row, near.record_id
    cluster = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    order = np.lexsort((near.record_id, near.standing, near.row >= 0, cluster))
    stays = order[bounds[:-1]]
    repeats = near.row >= 0
    repeats[stays] = False
    return near.row[repeats], near.record_id[stays][cluster[repeats]]


def _candidates(
    new: pa.RecordBatch, rows: np.ndarray, history: pa.RecordBatch, search: Search,
    standings: tuple[int, ...],
) -> Candidates:  # fmt: skip
    """The chosen rows that take part and those of the history, whose standing is one of these.

    A record that comes again as another (somebody corrected it) is not compared with itself.
    """
    mine = rows[_takes_part(new, search, (WHOLE,))[rows]]
    theirs = np.flatnonzero(_takes_part(history, search, standings))
    ids, old_ids = ints(new, "record_id")[mine], ints(history, "record_id")[theirs]
    if len(ids) and len(old_ids) and ids.min() <= old_ids.max():
        fresh = ~np.isin(old_ids, ids)
        theirs, old_ids = theirs[fresh], old_ids[fresh]

    def both(name: str) -> np.ndarray:
        found = np.concatenate((ints(new, name)[mine], ints(history, name)[theirs]))
        return found.astype(np.int64, copy=False)

    # Two records of one call have one direction: an incoming leg never repeats a forwarded one.
    start, equal = both("start_utc_s"), ("served_key", "direction", *search.same)
    groups = [both(name) for name in equal]
    order, group = _in_groups(groups, start)
    place = start[order]
    place += (group << GROUP_SHIFT) - (start.min() if len(start) else 0)
    row = np.concatenate((mine, np.full(len(theirs), -1)))
    ids = np.concatenate((ids, old_ids))
    return Candidates(row[order], ids[order], both("duration_s")[order], both("standing")[order],
                      place)  # fmt: skip


def _takes_part(batch: pa.RecordBatch, search: Search, standings: tuple[int, ...]) -> np.ndarray:
    duration = ints(batch, "duration_s")
    found: np.ndarray = (
        search.services[ints(batch, "service")]
        & np.isin(ints(batch, "standing"), standings)
        & (duration > 0) & (duration <= search.duration_max_s)
        & (ints(batch, "start_utc_s") >= search.start_min_utc_s)
        & (ints(batch, "served_key") != 0)
    )  # fmt: skip
    return found


def _in_groups(groups: list[np.ndarray], start_utc_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of (group, start), and in it the number of each record's group; int64.

    groups: the columns of which equal values make a group. They are sorted by a hash of 31 bits;
    where two groups happen to have the same one, they are told apart afterwards.
    """
    order = np.arange(len(start_utc_s), dtype=np.int32)
    if not len(order):
        return order, order.astype(np.int64)
    hashes = group_hashes(groups) << 32 | (start_utc_s - start_utc_s.min())
    sort_by_hash(
        hashes, order, np.empty_like(hashes), np.empty_like(order), np.empty(DIGIT_COUNT, np.int64)
    )
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = np.diff(hashes >> 32) != 0
    changes = _changes(groups, order)
    mixed = changes & ~is_first
    if mixed.any():
        bunch = np.cumsum(is_first)
        rows = np.flatnonzero(np.isin(bunch, bunch[mixed]))
        apart = order[rows]
        apart = apart[np.lexsort((start_utc_s[apart], *(c[apart] for c in groups), bunch[rows]))]
        order[rows] = apart
        changes = _changes(groups, order)
    return order, np.cumsum(changes | is_first)


def _changes(groups: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    """Where a record is of another group than the one before it."""
    found = np.ones(len(order), np.bool_)
    found[1:] = False
    for column in groups:
        found[1:] |= np.diff(column[order]) != 0
    return found


def group_hashes(groups: list[np.ndarray]) -> np.ndarray:
    """31 bits for the values of several int64 columns; int64."""
    state = np.zeros(len(groups[0]), np.uint64)
    for column in groups:
        state = (state ^ (state >> np.uint64(29)) ^ column.view(np.uint64)) * _ODD
    found: np.ndarray = (state >> np.uint64(33)).astype(np.int64)
    return found
