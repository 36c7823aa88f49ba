"""Quantities as people write them (``60s``, ``1KiB``, ``event``, ``60/6``), times of day, days."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from tariffs.model import ALL_DAYS, DAY_S, DAY_TYPES, UNITS
from tollbook import clock
from tollbook.codes import BYTES, EVENTS, QUANTITY_UNIT, SECONDS, SERVICE_CODE
from tollbook.text import did_you_mean

QUANTITY_LIMIT: Final = 2**40  # base units: 1 TiB, or 34,000 years of seconds
PER_ALLOWED: Final = ("a quantity with its unit: 60s, 1min, 1h, event, 1KiB (1024), 1KB (1000), "
                      "1MiB; at most 999999999 s or events, or 1TiB")  # fmt: skip
INCREMENTS_ALLOWED: Final = ("one quantity (6s), or first/following (60/6), each at least 1 and at "
                             "most 1 TiB or 2**40")  # fmt: skip
TIME_ALLOWED: Final = "a time from 00:00 to 24:00, as HH:MM or HH:MM:SS"
DAYS_ALLOWED: Final = "mon, tue, wed, thu, fri, sat, sun, holiday, weekday, weekend"

_BYTES: Final = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_DAY_BITS: Final = {name: 1 << bit for bit, name in enumerate(DAY_TYPES)}
_DAY_WORDS: Final = {**_DAY_BITS, "weekday": 0b11111, "weekend": 0b1100000}
_UNIT_CODE: Final = dict(zip(UNITS, (SECONDS, BYTES, EVENTS), strict=True))


def parse_quantity(text: str, limit: int = QUANTITY_LIMIT) -> tuple[str, int] | None:
    """``"60s"`` -> ``("second", 60)``, ``"1KiB"`` -> ``("byte", 1024)``; None without a unit.

    Refuses zero and more than ``limit`` base units.
    """
    events = re.fullmatch(r"(?:(\d{1,9}) )?events?", text)
    volume = re.fullmatch(r"(\d{1,12})([KMGT]?i?B)", text)
    if events:
        unit, found = "event", int(events[1] or 1)
    elif volume and volume[2] in _BYTES:
        unit, found = "byte", int(volume[1]) * _BYTES[volume[2]]
    else:
        unit, found = "second", clock.parse_duration_s(text) or 0
    return (unit, found) if 0 < found <= limit else None


def quantity_advice(text: str) -> str:
    """What to do about a quantity that ``parse_quantity`` refused."""
    nano = re.fullmatch(r"([0-9]+)0{9}s?", text)
    if nano and int(nano[1]):
        return f"are these nanoseconds? write {int(nano[1])}s"
    if text.isdigit():
        return f"write the unit behind the number, such as {text if len(text) <= 9 else 60}s"
    if re.match(r"0+[A-Za-z]", text):
        return "write a number above 0"
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]+)", text)
    if match and match[2].lower() in (by_case := {name.lower(): name for name in _BYTES}):
        meant = f"{match[1]}{by_case[match[2].lower()]}"
        return f"did you mean '{meant}'?" if parse_quantity(meant) else "write a smaller number"
    if re.fullmatch(r"\d+(s|m|min|h|d| events?)", text):
        return "write a smaller number"
    return did_you_mean(text, ["event", "60s", "1KiB"], "write a number and its unit, such as 60s")


def parse_increments(text: str, unit: str) -> tuple[int, int] | None:
    """``"60/6"`` -> ``(60, 6)``, ``"6s"`` -> ``(6, 6)`` in base units; None if it is neither.

    Numbers without a unit count base units of the rate; a unit must be the rate's own.
    """
    found = []
    for part in text.split("/"):
        if re.fullmatch(r"\d{1,13}", part):
            quantity = int(part)
        else:
            parsed = parse_quantity(part)
            quantity = parsed[1] if parsed and parsed[0] == unit else 0
        found.append(quantity)
    if len(found) > 2 or not all(0 < quantity <= QUANTITY_LIMIT for quantity in found):
        return None
    return found[0], found[-1]


def parse_time_s(text: str) -> int | None:
    """``"07:00"`` -> 25200, ``"24:00"`` -> 86400: seconds of the wall clock; None otherwise."""
    match = re.fullmatch(r"(\d{2}):([0-5]\d)(?::([0-5]\d))?", text)
    if match is None:
        return None
    found = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
    return found if found <= DAY_S else None


def time_text(second: int) -> str:
    """``25200`` -> ``"07:00"``; seconds only where there are any."""
    text = f"{second // 3600:02d}:{second // 60 % 60:02d}"
    return f"{text}:{second % 60:02d}" if second % 60 else text


def parse_day(text: str) -> int | None:
    """One word of ``days`` as a bit mask over DAY_TYPES; None for an unknown word."""
    return _DAY_WORDS.get(text)


def days_text(days: int) -> str:
    """A bit mask over DAY_TYPES in words: ``"every day"``, ``"sat, sun"``, ``"holidays"``."""
    if days == ALL_DAYS:
        return "every day"
    words = []
    for word in ("weekday", "weekend"):
        if days & _DAY_WORDS[word] == _DAY_WORDS[word]:
            words.append(f"{word}s")
            days &= ~_DAY_WORDS[word]
    words += [name for name in DAY_TYPES[:-1] if days & _DAY_BITS[name]]
    return ", ".join(words + ["holidays"] * bool(days & _DAY_BITS["holiday"]))


def fits(unit: str, service: str) -> bool:
    """Whether a price per ``unit`` can be applied to what is counted for ``service``."""
    return QUANTITY_UNIT[SERVICE_CODE[service]] == _UNIT_CODE[unit]


def moment_text(moment: tuple[date, int]) -> str:
    """A day and its second as a book writes them: ``"2008-03-01"``, ``"2008-03-01T14:00"``."""
    day, second = moment
    return f"{day}T{time_text(second)}" if second else str(day)


def seconds_text(seconds: int) -> str:
    """``90`` -> ``"90s"``, ``7200`` -> ``"2h"``: hours where they are whole and more than one."""
    return f"{seconds // 3600}h" if seconds >= 7200 and not seconds % 3600 else f"{seconds}s"


def quantity_text(quantity: int, unit: str) -> str:
    """Base units as a book writes them: ``"60s"``, ``"10KiB"``, ``"event"``, ``"3 events"``."""
    if unit == "second":
        return seconds_text(quantity)
    if unit == "event":
        return "event" if quantity == 1 else f"{quantity} events"
    for name, size in sorted(_BYTES.items(), key=lambda pair: -pair[1]):
        if quantity and not quantity % size:
            return f"{quantity // size}{name}"
    return f"{quantity}B"
