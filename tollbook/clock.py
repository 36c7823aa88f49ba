"""Clocks: time zones as arrays that kernels can search, dates, and billing periods.

A period is ``YYYY-MM`` in the operator's time zone, half-open; columns hold it as
``year * 12 + month - 1`` so that the next period is the next integer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

DAY_S: Final = 86_400
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ZoneTable:
    """Offsets of a time zone: from ``since_utc_s[i]`` on, local = UTC + ``offset_s[i]``.

    ``since_utc_s``: int64, ascending, the first entry lies before every time that is accepted.
    ``offset_s``: int64, the same length. Covers 1970 to 2100.
    """

    name: str
    since_utc_s: np.ndarray
    offset_s: np.ndarray

    def offset_at(self, utc_s: int) -> int:
        """Local time minus UTC at an instant, in seconds."""
        return int(self.offset_s[np.searchsorted(self.since_utc_s, utc_s, side="right") - 1])


@lru_cache(maxsize=64)
def zone_table(name: str) -> ZoneTable:
    """The table of a zone of the IANA database; raises KeyError for an unknown name."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise KeyError(name) from error

    def offset(moment: datetime) -> int:
        found = moment.astimezone(zone).utcoffset()
        assert found is not None  # ZoneInfo is always aware
        return int(found.total_seconds())

    since, offsets = [-(2**62)], [offset(_FIRST)]
    step = timedelta(days=7)
    low = _FIRST
    while low < _LAST:
        high = low + step
        if offset(high) != offset(low):
            left, right = int(low.timestamp()), int(high.timestamp())
            while right - left > 1:
                middle = (left + right) // 2
                same = offset(datetime.fromtimestamp(middle, UTC)) == offset(low)
                left, right = (middle, right) if same else (left, middle)
            since.append(right)
            offsets.append(offset(high))
        low = high
    return ZoneTable(name, np.array(since, np.int64), np.array(offsets, np.int64))


def month_index(year: int, month: int) -> int:
    """Year and month as the integer that period columns hold."""
    return year * 12 + month - 1


def period_text(index: int) -> str:
    """``24041`` -> ``"2003-06"``."""
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def month_length(index: int) -> int:
    """Days of a month index."""
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return (following - date(index // 12, index % 12 + 1, 1)).days


def month_day(index: int, day: int) -> str:
    """Month index and day of the month as ``YYYY-MM-DD``."""
    return f"{period_text(index)}-{day:02d}"


def parse_period(text: str) -> int | None:
    """``"2003-06"`` -> its month index; None if it is no month."""
    match = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if match is None or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 2100:
        return None
    return month_index(int(match[1]), int(match[2]))


def period_bounds_utc_s(index: int, zone: str) -> tuple[int, int]:
    """First second of the period and of the next one, in UTC, for a zone's local months."""
    return local_midnight_utc_s(index // 12, index % 12 + 1, 1, zone), local_midnight_utc_s(
        (index + 1) // 12, (index + 1) % 12 + 1, 1, zone
    )


def local_midnight_utc_s(year: int, month: int, day: int, zone: str) -> int:
    """The first instant of a local day, in UTC seconds."""
    return int(datetime(year, month, day, tzinfo=ZoneInfo(zone)).timestamp())


def date_utc_s(day: date, zone: str) -> int:
    """The first instant of a local day, in UTC seconds."""
    return local_midnight_utc_s(day.year, day.month, day.day, zone)


def wall_utc_s(day: date, second: int, zone: str) -> int:
    """UTC seconds of a second of a local day (0: its first instant) as its wall clock shows it.

    A time that came twice is the first of the two; one that was skipped counts on from the offset
    before the gap.
    """
    wall = datetime(day.year, day.month, day.day) + timedelta(seconds=second)
    return int(wall.replace(tzinfo=ZoneInfo(zone)).timestamp())


def parse_date(text: str) -> date | None:
    """``"2003-06-10"`` as a date of 1970..2100; None if it is no such day."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2100 else None


def parse_duration_s(text: str) -> int | None:
    """``"60s"``, ``"15m"``, ``"10h"``, ``"60d"`` in seconds; None without a unit."""
    match = re.fullmatch(r"(\d{1,9})(s|m|min|h|d)", text)
    if match is None:
        return None
    return int(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600, "d": DAY_S}[match[2]]


def utc_text(utc_s: int) -> str:
    """``2003-06-10T02:00:00Z``."""
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_text(utc_s: int, zone: str) -> str:
    """``Tue 2003-06-10 06:59:50`` on the zone's clock."""
    return datetime.fromtimestamp(utc_s, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M:%S")


def local_stamp(utc_s: int, zone: str) -> str:
    """``2003-06-10 06:59:50``: the same for programs."""
    return local_text(utc_s, zone)[4:]
