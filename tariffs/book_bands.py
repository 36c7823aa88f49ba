"""The ``bands:`` of a rate: hours, kinds of day and dates with prices of their own."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from tariffs import units
from tariffs.book_tiers import PRICE_KEYS, Scope, inner_scope, is_mapping, read_price, read_prices
from tariffs.grammar import KEYS
from tariffs.model import ALL_DAYS, DAY_S, Band, Dates
from tariffs.when import Position
from tollbook import clock
from tollbook.text import Node, Reader, did_you_mean

WEIGHT_LIMIT: Final = 1000
LAST: Final = "last"  # the last day of a month

_DATES_ALLOWED: Final = ("days such as 2003-02-01 or 12-25, spans such as 2003-02-01..2003-02-07 "
                         "or 12-24..01-02, or {months: ..., days: ..., years: ...}")  # fmt: skip
_LEAP_YEAR: Final = 2000  # 02-29 is a day of every year that has it


def read_band(outer: Reader, node: Node, scope: Scope) -> tuple[Band, ...]:
    """One band, or two where it runs over midnight: both are the same local day's hours."""
    reader = Reader(node, outer.problems, f"{outer.name}, band", KEYS["band"])
    if not is_mapping(reader):
        return ()
    from_s, to_s = _time(reader, "from", 0), _time(reader, "to", DAY_S)
    days, dates = _days(reader), _dates(reader)
    tiers = read_prices(reader, inner_scope(reader, scope))
    if not tiers and not PRICE_KEYS & reader.keys.keys():
        reader.missing("price", "a price or tiers of its own")
    span = f"{units.time_text(from_s)}-{units.time_text(to_s)}"
    name = span if days == ALL_DAYS else f"{units.days_text(days)} {span}"
    name = reader.text("name", name if dates == Dates() else f"{name} on dates")
    at = Position(node.file, node.line)
    weight = reader.integer("weight", -WEIGHT_LIMIT, WEIGHT_LIMIT, 0)
    connect = read_price(reader, "connect") if "connect" in reader else -1
    if from_s == to_s:
        reader.wrong("to", f"the band begins and ends at {units.time_text(from_s)}",
                     "an end after the beginning", "write from: 00:00 and to: 24:00 for all day")
        return ()
    spans = [(from_s, to_s)] if from_s < to_s else [(0, to_s), (from_s, DAY_S)]
    return tuple(
        Band(days, low, high, tiers, name, at, dates, weight, connect)
        for low, high in spans if low < high
    )  # fmt: skip


def _time(reader: Reader, key: str, default: int) -> int:
    written = reader.text(key, units.time_text(default), units.TIME_ALLOWED)
    found = units.parse_time_s(written)
    if found is None:
        reader.wrong(key, f"'{key}' is '{written}'", units.TIME_ALLOWED,
                     "write the time with two digits for the hour, such as 07:00")
        return default
    return found


def _days(reader: Reader) -> int:
    if "days" not in reader:
        return ALL_DAYS
    mask = 0
    for word in reader.texts("days"):
        found = units.parse_day(word)
        if found is None:
            reader.wrong("days", f"'days' names '{word}'", units.DAYS_ALLOWED,
                         did_you_mean(word, units.DAYS_ALLOWED.split(", "), "use these words"))
        mask |= found or 0
    if not reader.texts("days"):
        reader.wrong("days", "'days' names no day", units.DAYS_ALLOWED,
                     "leave 'days' out where the band holds every day")
    return mask or ALL_DAYS


def _dates(reader: Reader) -> Dates:
    """``dates`` as a list of days and spans, or as a mapping of their parts."""
    if "dates" not in reader:
        return Dates()
    if isinstance(reader.keys["dates"].value, dict):
        return _date_parts(reader)
    spans, yearly = [], []
    words = reader.texts("dates")
    for word in words:
        first, _, last = word.partition("..")
        last = last or first
        absolute, every_year = _span(first, last), _yearly(first, last)
        if absolute is not None:
            spans.append(absolute)
        elif every_year is not None:
            yearly.append(every_year)
        else:
            reader.wrong("dates", f"'dates' names '{word}'", _DATES_ALLOWED,
                         "write YYYY-MM-DD, or MM-DD for a day of every year, and the earlier "
                         "day first")
    if not words:
        reader.wrong("dates", "'dates' names no day", _DATES_ALLOWED,
                     "leave 'dates' out where the band holds on every date")
    if spans and yearly:
        reader.wrong("dates", "'dates' names days of certain years and days of every year",
                     "one kind in one band", "write two bands")
    return Dates(spans=tuple(spans), yearly=tuple(yearly))


def _span(first: str, last: str) -> tuple[date, date] | None:
    """Two days as written, the last one included -> half-open."""
    low, high = clock.parse_date(first), clock.parse_date(last)
    if low is None or high is None or high < low:
        return None
    return low, high + timedelta(days=1)


def _yearly(first: str, last: str) -> tuple[int, int] | None:
    """``"12-24"`` and ``"01-02"`` -> ``(1224, 102)``."""
    low, high = _month_day(first), _month_day(last)
    return None if low is None or high is None else (low, high)


def _month_day(text: str) -> int | None:
    match = re.fullmatch(r"(\d\d)-(\d\d)", text)
    if match is None or not 1 <= int(match[1]) <= 12:
        return None
    month, day = int(match[1]), int(match[2])
    return month * 100 + day if 1 <= day <= monthrange(_LEAP_YEAR, month)[1] else None


def _date_parts(outer: Reader) -> Dates:
    node = outer.keys["dates"]
    reader = Reader(node, outer.problems, f"{outer.name}, dates", KEYS["dates"])
    if not node.value:
        outer.wrong("dates", "'dates' is empty", _DATES_ALLOWED, "name months, days or years")
    return Dates(
        months=_numbers(reader, "months", "1 to 12", lambda found: 1 <= found <= 12),
        month_days=_numbers(reader, "days", f"1 to 31, or {LAST}",
                            lambda found: 1 <= found <= 31 or found == -1),
        years=_numbers(reader, "years", "1970 to 2100", lambda found: 1970 <= found <= 2100),
    )  # fmt: skip


def _numbers(
    reader: Reader, key: str, allowed: str, holds: Callable[[int], bool]
) -> tuple[int, ...]:
    if key not in reader:
        return ()
    words: Sequence[str] = reader.texts(key)
    found = []
    for word in words:
        is_last = key == "days" and word == LAST
        number = -1 if is_last else int(word) if re.fullmatch(r"\d{1,4}", word) else 0
        if not holds(number):
            reader.wrong(key, f"'{key}' names '{word}'", allowed, "correct the number")
        found.append(number)
    if not words:
        reader.wrong(key, f"'{key}' names nothing", allowed, f"leave '{key}' out")
    return tuple(dict.fromkeys(found))
