"""Cells of dates, prices, increments and statuses, read exactly or refused.

Prices end as whole nano of the currency; dates as ISO text, which sorts as the days do.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from tariffs import units
from tariffs.ratesheet_notes import Fault, shown
from tollbook import clock, money

DATE_ORDERS: Final = ("day_first", "month_first")
STATUSES: Final = ("new", "increase", "decrease", "change", "no_change", "deleted")
INCREMENTS_ALLOWED: Final = "first/following seconds, such as 60/6, or one number of seconds"
_PRICE_ALLOWED: Final = "a price of at most 9 decimals, such as 0.0123"
_DATE_ALLOWED: Final = "a day such as 2026-12-01 or 01-Dec-2026, years 1970 to 2100"
_SPREADSHEET_DIGITS: Final = 15  # no spreadsheet keeps more significant digits of a number
_SERIAL_ZERO: Final = date(1899, 12, 30)  # day 0 of spreadsheets
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov",
                  "dec")  # fmt: skip

_PRICE: Final = re.compile(
    r"(?P<before>[A-Za-z]{3}|[$€£¥])?\s*(?P<number>[+-]?[\d.,]+)\s*(?P<after>[A-Za-z]{3}|[$€£¥])?"
)
_CURRENCIES_OF: Final = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN"), "€": ("EUR",), "£": ("GBP",),
    "¥": ("CNY", "JPY"),
}  # fmt: skip
_EXPONENT: Final = re.compile(r"[\d.,]+[eE][+-]?\d+")
_TIME: Final = re.compile(
    r"(?P<day>.*\d{4})[T ]+(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.0+)?)?) ?(?:Z|UTC|GMT|[+-]00:?00)?"
    r"|(?P<iso>\d{4}-\d{2}-\d{2})[T ]+(?P<time2>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)"
    r" ?(?:Z|UTC|GMT|[+-]00:?00)?"
)
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})")
_NUMERIC: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_DAY_MONTH: Final = re.compile(r"(\d{1,2})[-/ .]*([A-Za-z]{3})[a-z]*[-/ .,]*(\d{4}|\d{2})")
_MONTH_DAY: Final = re.compile(r"([A-Za-z]{3})[a-z]*[-/ .]*(\d{1,2})[-/ ,]+(\d{4})")
_SERIAL: Final = re.compile(r"(\d{5})(?:\.0+)?")


class Value(NamedTuple):
    """One cell that was read: ``value`` holds unless there is a fault; ``repair`` says how."""

    value: int = 0
    repair: str = ""
    fault: Fault | None = None


class Day(NamedTuple):
    """A day as ISO text. ``ends``: the cell names the last second of the day, not its start."""

    day: str = ""
    repair: str = ""
    fault: Fault | None = None
    ends: bool = False


@lru_cache(maxsize=2**16)
def parse_price(text: str, decimal_comma: bool, currency: str) -> Value:
    """A price in nano. ``text`` may name the currency, which must then be ``currency``."""
    match = _PRICE.fullmatch(text)
    if match is None:
        if _EXPONENT.fullmatch(text):
            return Value(fault=_price_fault(text, "ask for the sheet with more decimals shown",
                                            ": a spreadsheet dropped its last digits"))
        return Value(fault=_price_fault(text, "write the price, or remove the row"))
    for mark in (match["before"], match["after"]):
        if mark and currency not in _CURRENCIES_OF.get(mark, (mark.upper(),)):
            allowed = f"prices in {currency}" if currency else "a currency that the mapping names"
            return Value(fault=Fault("currency", f"the price is '{shown(text)}'", allowed,
                                     "correct `currency` in the mapping, or ask the carrier"))
    number = match["number"]
    if "," in number:
        if not decimal_comma or "." in number or number.count(",") > 1:
            return Value(fault=_price_fault(text, "say in the mapping `decimal: comma` if the "
                                            "comma is meant so; remove thousands separators"))
        number = number.replace(",", ".")
    elif "." in number and decimal_comma:
        return Value(fault=_price_fault(text, "say in the mapping `decimal: point` if the point "
                                        "is meant so; remove thousands separators"))
    return _exact(number if number[:1] != "." else f"0{number}", text)


def _price_fault(text: str, do: str, what: str = "") -> Fault:
    return Fault("price", f"the price is '{shown(text)}'{what}", _PRICE_ALLOWED, do)


def _exact(number: str, text: str) -> Value:
    """The decimal in nano; what binary arithmetic left behind the 15th digit is taken off."""
    found = money.parse_decimal(number, money.NANO_DIGITS)
    if found is not None:
        return Value(found)
    whole, _, fraction = number.lstrip("+-").partition(".")
    if not re.fullmatch(r"\d+\.\d+", f"{whole}.{fraction}"):
        return Value(fault=_price_fault(text, "write the price with one point"))
    digits = (whole + fraction).lstrip("0")
    if len(digits) > _SPREADSHEET_DIGITS:
        scaled = int(whole + fraction)
        drop = len(digits) - _SPREADSHEET_DIGITS
        rounded = money.round_div(scaled, 10**drop, money.ROUND_HALF_EVEN) * 10**drop
        # Whole nano, or the digits are not an artefact but meant.
        nano, rest = divmod(rounded * 10**money.NANO_DIGITS, 10 ** len(fraction))
        if not rest:
            sign = -1 if number.startswith("-") else 1
            return Value(sign * nano, "digits beyond a spreadsheet's precision rounded")
    return Value(fault=_price_fault(text, "round it with the carrier: nothing is charged in finer "
                                    "steps", f" with {len(fraction)} decimals"))


@lru_cache(maxsize=2**16)
def parse_day(text: str, order: str) -> Day:
    """A day as ISO text; ``order`` (DATE_ORDERS, or ``""``) says how 01/02/2026 is meant."""
    day_text, time = _split_time(text)
    ends = time.startswith("23:59")
    if time and not ends and time.strip("0:.") != "":
        return Day(fault=_date_fault(text, "write the day alone: a deck changes at midnight",
                                     ": a time of day"))
    serial = _SERIAL.fullmatch(day_text)
    if serial:
        day = (_SERIAL_ZERO + timedelta(days=int(serial[1]))).isoformat()
        if clock.parse_date(day):
            return Day(day, "spreadsheet day number read as a date", ends=ends)
    parts = _parts(day_text, order)
    if parts is None:
        return Day(fault=_date_fault(text, "write it so"))
    if not parts:
        return Day(fault=Fault("date_order", f"the date is '{shown(text)}': day or month first?",
                               "`date_order: day_first` or `date_order: month_first` in the "
                               "mapping, or dates with the year first or the month in letters",
                               "ask the carrier, and say it in the mapping"))
    year, month, number = parts
    found = clock.parse_date(f"{year:04d}-{month:02d}-{number:02d}")
    if found is None:
        return Day(fault=_date_fault(text, "correct the date, or `date_order` in the mapping"))
    return Day(found.isoformat(), ends=ends)


def _split_time(text: str) -> tuple[str, str]:
    match = _TIME.fullmatch(text)
    if match is None:
        return text, ""
    return (match["day"] or match["iso"]).strip(), match["time"] or match["time2"]


def _date_fault(text: str, do: str, what: str = "") -> Fault:
    return Fault("date", f"the date is '{shown(text)}'{what}", _DATE_ALLOWED, do)


def _parts(text: str, order: str) -> tuple[int, int, int] | tuple[()] | None:
    """Year, month and day; () where day and month may be either; None if this is no date."""
    if match := _YEAR_FIRST.fullmatch(text):
        return int(match[1]), int(match[2]), int(match[3])
    if match := _DAY_MONTH.fullmatch(text):
        return _with_month(match[3], match[2], match[1])
    if match := _MONTH_DAY.fullmatch(text):
        return _with_month(match[3], match[1], match[2])
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return None
    first, second = int(match[1]), int(match[3])
    year = _year(match[4])
    if order == "month_first":
        return year, first, second
    if order == "day_first" or first == second:
        return year, second, first
    if first > 12 and len(match[4]) == 4:
        return year, second, first
    if second > 12 and len(match[4]) == 4:
        return year, first, second
    return ()


def _with_month(year: str, month: str, day: str) -> tuple[int, int, int] | None:
    if month.lower() not in _MONTHS:
        return None
    return _year(year), _MONTHS.index(month.lower()) + 1, int(day)


def _year(text: str) -> int:
    return int(text) + 2000 * (len(text) == 2)


@lru_cache(maxsize=2**12)
def parse_increments(text: str) -> tuple[str, Fault | None]:
    """``60/6``, ``60:6``, ``60 + 6`` or ``60`` as ``first/following`` seconds."""
    plain = re.sub(r"\s+", "", text).lower().removesuffix("seconds").removesuffix("sec")
    plain = re.sub(r"(?<=\d)(?:\.0+|s)(?=\D|$)", "", plain)
    parts = re.split(r"[/:+x-]", plain)
    found = units.parse_increments("/".join(parts), "second") if len(parts) <= 2 else None
    if found is None:
        made_date = re.fullmatch(r"\d{4}-\d{2}-\d{2}.*|\d{1,2}-[a-z]{3}.*", plain)
        do = "ask for the sheet with increments as text: a spreadsheet made a date of them" \
            if made_date else "correct it"  # fmt: skip
        return "", Fault("increments", f"the increments are '{shown(text)}'", INCREMENTS_ALLOWED,
                         do)
    return f"{found[0]}/{found[1]}", None


_STATUS_WORDS: Final = {
    "new": ("new", "added", "addition", "add", "new code", "new destination"),
    "increase": ("increase", "increased", "inc", "up", "pending increase", "rate increase"),
    "decrease": ("decrease", "decreased", "dec", "down", "pending decrease", "rate decrease"),
    "change": ("change", "changed", "modified", "update", "updated", "amended", "backdated",
               "backdated increase", "backdated decrease"),
    "no_change": ("no change", "unchanged", "current", "same", "nochange", "not changed", "nc",
                  "active", "-"),
    "deleted": ("deleted", "delete", "closed", "close", "discontinued", "removed", "remove",
                "ended", "end", "expired", "terminated", "withdrawn", "code removed",
                "code deleted", "deletion"),
}  # fmt: skip
_STATUS_OF: Final = {word: name for name, words in _STATUS_WORDS.items() for word in words}


@lru_cache(maxsize=2**10)
def parse_status(text: str) -> str | None:
    """One of STATUSES, ``""`` for an empty cell; None for a word that is not known."""
    word = re.sub(r"[\s_]+", " ", text).strip().lower()
    return "" if not word else _STATUS_OF.get(word)
