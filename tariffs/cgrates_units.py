"""Quantities, weights, times and calendars as CGRateS writes them, in the units of this book.

A length without a unit counts nanoseconds: the trap that ``60`` is not ``60s``. Each function gives
None where a text has no exact meaning here, so that the caller can list its row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from tariffs.cgrates_files import Row
from tariffs.model import ALL_DAYS, Dates
from tollbook.clock import DAY_S

SECOND_NS: Final = 10**9
EVERY_DATE: Final = Dates()
_UNITS_NS: Final = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": SECOND_NS, "m": 60 * SECOND_NS, "h": 3600 * SECOND_NS,
}  # fmt: skip
_PART: Final = re.compile(r"(\d+)(ns|us|ms|s|m|h)")
_HOLIDAY_BIT: Final = 1 << 7
_CRON_FIELDS: Final = 5


def duration_ns(text: str) -> int | None:
    """Nanoseconds of ``60s``, ``1h30m`` or a bare number, which already counts nanoseconds."""
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(int(number) * _UNITS_NS[unit] for number, unit in parts)


def seconds(text: str) -> int | None:
    """Whole seconds of a duration; None if it is malformed or not a whole number of seconds."""
    found = duration_ns(text)
    return None if found is None or found % SECOND_NS else found // SECOND_NS


def plain(text: str) -> int | None:
    """Bytes or events of a bare number."""
    return int(text) if re.fullmatch(r"\d{1,15}", text) else None


def weight(text: str) -> Fraction | None:
    """A weight: a decimal number, 0 where the cell is empty."""
    if not re.fullmatch(r"-?\d{0,12}(\.\d{1,12})?", text):
        return None
    return Fraction(text) if text else Fraction(0)


def activation_wall_s(text: str) -> int | None:
    """Seconds since 1970 of ``2014-01-14T00:00:00Z``; times are UTC."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)Z?", text)
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}+00:00") if match else None
    except ValueError:
        return None
    return None if moment is None else int(moment.timestamp())


@dataclass(frozen=True)
class Span:
    """When a price may hold: kinds of day, dates, and seconds of the day [from_s, to_s)."""

    days: int = ALL_DAYS
    dates: Dates = EVERY_DATE
    from_s: int = 0
    to_s: int = DAY_S

    @property
    def is_always(self) -> bool:
        return self == Span()


def timing(row: Row) -> Span | None:
    """A row of Timings.csv: from its time to the end of the day, on its days.

    ``*any`` or nothing is every day; a weekday of 0 or 7 is Sunday. None: a special time such as
    ``*asap``, or a cell that is not a number in its range.
    """
    years = _numbers(row.listed("Years"), 1970, 9999)
    months = _numbers(row.listed("Months"), 1, 12)
    month_days = _numbers(row.listed("MonthDays"), -1, 31)
    weekdays = _numbers(row.listed("WeekDays"), 0, 7)
    start = _time(row["Time"])
    if None in (years, months, month_days, weekdays, start) or 0 in (month_days or ()):
        return None
    assert years is not None
    assert months is not None
    assert month_days is not None
    assert weekdays is not None
    assert start is not None
    return Span(days_of(weekdays), Dates((), (), months, month_days, years), start)


def days_of(weekdays: Sequence[int]) -> int:
    """The bit mask of weekdays (0 and 7: Sunday); all days, holidays too, where none is named."""
    bits = sum({1 << (day - 1) % 7 for day in weekdays})
    return ALL_DAYS if not bits or bits == ALL_DAYS & ~_HOLIDAY_BIT else bits


def _numbers(texts: Sequence[str], low: int, high: int) -> tuple[int, ...] | None:
    if not all(re.fullmatch(r"-?\d{1,4}", text) for text in texts):
        return None
    found = tuple(int(text) for text in texts)
    return found if all(low <= number <= high for number in found) else None


def _time(text: str) -> int | None:
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d))?", text)
    if match is None:
        return 0 if text in ("", "*any") else None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    return hour * 3600 + minute * 60 + second if max(minute, second) < 60 and hour < 24 else None


def cron(text: str) -> tuple[Span, ...] | None:
    """The spans of a cron expression whose minute and hour make whole stretches of the day.

    Fields: minute, hour, day of the month, month, weekday. None where single minutes of an hour
    would have to be told apart in more than one stretch, or days of the month with weekdays.
    """
    parts = text.split()
    if not parts:
        return (Span(),)
    if len(parts) != _CRON_FIELDS:
        return None
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    fields = [_cron_field(part, *limit) for part, limit in zip(parts, limits, strict=True)]
    if None in fields or (fields[2] and fields[4]):
        return None
    minutes, hours, month_days, months, weekdays = ((field or ()) for field in fields)
    stretches = _stretches(minutes or tuple(range(60)), hours or tuple(range(24)))
    if stretches is None:
        return None
    dates = Dates((), (), months, month_days)
    return tuple(Span(days_of(weekdays), dates, low, high) for low, high in stretches)


def _cron_field(text: str, low: int, high: int) -> tuple[int, ...] | None:
    """The numbers of a field, () for ``*``; None if it is malformed (steps are)."""
    if text == "*":
        return ()
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)
        if match is None or not low <= int(match[1]) <= int(match[2] or match[1]) <= high:
            return None
        found.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(set(found)))


def _stretches(
    minutes: Sequence[int], hours: Sequence[int]
) -> tuple[tuple[int, int], ...] | None:
    """Stretches of the day that the minutes of the hours make; None if there are very many."""
    marks = [hour * 60 + minute for hour in hours for minute in minutes]
    firsts = [mark for mark in marks if mark - 1 not in marks]
    lasts = [mark for mark in marks if mark + 1 not in marks]
    if len(firsts) > len(set(hours)):
        return None
    return tuple((low * 60, (high + 1) * 60) for low, high in zip(firsts, lasts, strict=True))
