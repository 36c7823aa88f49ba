"""Columns of local days and times, as people write them, turned into UTC seconds at once."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.clock import DAY_S, zone_table
from tollbook.stage import text_of

_ZERO: Final = ord("0")


def local_seconds(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of the wall clock since 1970-01-01T00:00:00 (int64), and which texts are times."""
    text = text_of(texts)
    size = np.diff(text.offsets)
    seconds, good = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    for width in (10, 19):
        rows = np.flatnonzero(size == width)
        letters = text.data[text.offsets[rows].astype(np.int64)[:, None] + np.arange(width)]
        seconds[rows], good[rows] = _fixed_times(letters)
    return seconds, good


def _fixed_times(letters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of one width: rows of 10 (a day) or 19 (a day, T, a time) bytes."""
    width = letters.shape[1]
    marks = {4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":"}
    good = np.ones(len(letters), np.bool_)
    for at in range(width):
        column = letters[:, at]
        good &= column == marks[at][0] if at in marks else column - np.uint8(_ZERO) <= 9
    digits = np.where(good[:, None], letters, np.uint8(_ZERO)).astype(np.int64) - _ZERO

    def number(low: int, high: int) -> np.ndarray:
        value: np.ndarray = digits[:, low:high] @ 10 ** np.arange(high - low)[::-1]
        return value

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    good &= (year >= 1970) & (year <= 2100) & (month >= 1) & (month <= 12)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    after = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    good &= (day >= 1) & (day <= after - first)
    seconds = (first + day - 1) * DAY_S
    if width == 19:
        hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
        good &= (hour < 24) & (minute < 60) & (second < 60)
        seconds += hour * 3600 + minute * 60 + second
    return seconds, good


def local_to_utc_s(local_s: np.ndarray, zone: str) -> np.ndarray:
    """UTC seconds of wall-clock seconds; int64.

    A time that came twice is the first of the two; one that was skipped counts on from the offset
    before the gap, so a day whose midnight was skipped begins at the end of the gap.
    """
    table = zone_table(zone)

    def offset_at(utc_s: np.ndarray) -> np.ndarray:
        found: np.ndarray = table.offset_s[
            np.searchsorted(table.since_utc_s, utc_s, side="right") - 1
        ]
        return found

    early, late = offset_at(local_s - DAY_S), offset_at(local_s + DAY_S)
    by_early, by_late = local_s - early, local_s - late
    use_late = (offset_at(by_early) != early) & (offset_at(by_late) == late)
    utc: np.ndarray = np.where(use_late, by_late, by_early)
    return utc
