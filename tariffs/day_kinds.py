"""Kinds of day: which of a rate's bands may hold on a day, by its type and its date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from tariffs.model import DAY_TYPES, Dates

FIRST_DAY: Final = date(1970, 1, 1)
_LAST_DAY: Final = date(2101, 1, 1)
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_BITS: Final = 40  # of truth beside a number of days, in one int64
HOLIDAY: Final = len(DAY_TYPES) - 1


class DayKind(NamedTuple):
    """Days that are alike: ``holds`` says of each of the ``dates`` whether they are among them."""

    day_type: int  # place in DAY_TYPES
    holds: tuple[bool, ...]
    example: date


class _Calendar(NamedTuple):
    """Every day from 1970 to 2100; int64 columns."""

    number: np.ndarray
    year: np.ndarray
    month: np.ndarray
    day: np.ndarray
    days_left: np.ndarray  # of its month, 0 on the last one


@lru_cache(maxsize=1)
def _calendar() -> _Calendar:
    number = np.arange((_LAST_DAY - FIRST_DAY).days, dtype=np.int64)
    days = number.astype("M8[D]")
    months = days.astype("M8[M]")
    day = (days - months).astype(np.int64) + 1
    length = ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    index = months.astype(np.int64)
    return _Calendar(number, index // 12 + 1970, index % 12 + 1, day, length - day)


def days_of(dates: Dates) -> np.ndarray:
    """Whether each day since FIRST_DAY is one of the dates; bool."""
    calendar = _calendar()
    good = np.ones(len(calendar.number), np.bool_)
    if dates.spans:
        inside = np.zeros_like(good)
        for low, high in dates.spans:
            first = (low - FIRST_DAY).days
            inside[max(first, 0) : max((high - FIRST_DAY).days, 0)] = True
        good &= inside
    if dates.yearly:
        inside = np.zeros_like(good)
        place = calendar.month * 100 + calendar.day
        for begin, end in dates.yearly:
            after, before = place >= begin, place <= end
            inside |= (after & before) if begin <= end else (after | before)
        good &= inside
    if dates.months:
        good &= np.isin(calendar.month, dates.months)
    if dates.years:
        good &= np.isin(calendar.year, dates.years)
    if dates.month_days:
        is_last = (calendar.days_left == 0) & (-1 in dates.month_days)
        good &= np.isin(calendar.day, dates.month_days) | is_last
    return good


@lru_cache(maxsize=256)
def day_kinds(dates: Sequence[Dates]) -> tuple[DayKind, ...]:
    """Every kind of day that these conditions tell apart, with its first day from 1970 on.

    Any day may be a holiday, so each combination of dates is also one of that type.
    """
    distinct = list(dict.fromkeys(dates))
    if distinct == [Dates()]:
        alike = tuple([True] * len(dates))
        return tuple(
            DayKind(kind, alike, FIRST_DAY + timedelta((kind - _FIRST_WEEKDAY) % 7))
            for kind in range(len(DAY_TYPES))
        )
    truth = np.stack([days_of(one) for one in distinct])
    weekday = (_calendar().number + _FIRST_WEEKDAY) % 7
    code = weekday
    for low in range(0, len(truth), _BITS):
        for one in truth[low : low + _BITS]:
            code = code << 1 | one
        _, first, code = np.unique(code, return_index=True, return_inverse=True)
    kinds: dict[tuple[int, tuple[bool, ...]], date] = {}
    places = [distinct.index(one) for one in dates]
    for at in sorted(first.tolist()):
        held = truth[:, at].tolist()
        holds = tuple(held[place] for place in places)
        for kind in (int(weekday[at]), HOLIDAY):
            kinds.setdefault((kind, holds), FIRST_DAY + timedelta(at))
    return tuple(DayKind(kind, holds, day) for (kind, holds), day in kinds.items())
