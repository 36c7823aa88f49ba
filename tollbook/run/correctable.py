"""Which fields of a suspended record a person may correct, and how their values are written.

A value is written as it is shown: numbers and texts as the record has them, times with their offset
from UTC, amounts with a point. Backslashes, control characters, bytes that are no text, and blanks
at either end are written as ``\\\\`` and ``\\x1f``, so that every value fits on a line and none is
lost on the way out and back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

from tollbook import codes, money

RAW_RECORD: Final = "raw_record"
TEXT_BYTES_MAX: Final = 255  # of a field, as in layouts
RAW_BYTES_MAX: Final = 65_536
INT32_MAX: Final = 2**31 - 1
QUANTITY_MAX: Final = 10**18 - 1
YEARS: Final = range(1980, 2100)  # of a start; limits of operator.yaml judge it further
_ESCAPE: Final = re.compile(r"\\(\\|x[0-9a-fA-F]{2}|.|$)", re.DOTALL)
# What a spreadsheet makes of a long number, 8.61301E+12, is none any more.
_NUMBER: Final = re.compile(r"(?!-?\d+([.,]\d+)?[Ee][+-]\d+$)[0-9A-Za-z+*#@.:;=_() -]*")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One correctable field.

    read: what a person writes -> the columns of suspense that it gives; None: it is no such value.
    show: the row of suspense -> its value as it is written. allowed: for messages.
    """

    read: Callable[[str], Values | None]
    show: Callable[[Values], str]
    allowed: str


def name_of(field: str) -> str:
    """The name under which a field at fault is corrected."""
    return _NAMED.get(field, field)


def escaped(data: bytes) -> str:
    """Bytes as one line of text; ``unescaped`` gives them back."""
    parts = []
    for one in data.decode("utf-8", "surrogateescape").replace("\\", "\\\\"):
        if one.isprintable() and not "\udc80" <= one <= "\udcff":
            parts.append(one)
        else:
            raw = one.encode("utf-8", "surrogateescape")
            parts.append("".join(f"\\x{byte:02x}" for byte in raw))
    text = "".join(parts)
    inner = text.strip(" ")
    head, tail = text[: len(text) - len(text.lstrip(" "))], text[len(text.rstrip(" ")) :]
    return "\\x20" * len(head) + inner + "\\x20" * (len(tail) if inner else 0)


def unescaped(text: str) -> bytes | None:
    """What ``escaped`` was made of; None for a backslash that means nothing."""
    wrong = False

    def plain(match: re.Match[str]) -> str:
        nonlocal wrong
        code = match[1]
        if code == "\\":
            return "\\"
        if len(code) == 3:
            byte = int(code[1:], 16)
            return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
        wrong = True
        return ""

    try:
        found = _ESCAPE.sub(plain, text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return None if wrong else found


def _read_text(column: str, pattern: re.Pattern[str] | None, text: str) -> Values | None:
    data = unescaped(text)
    if data is None or len(data) > TEXT_BYTES_MAX:
        return None
    try:
        value = data.decode()
    except UnicodeDecodeError:
        return None
    is_clean = all(one.isprintable() for one in value)
    fits = pattern is None or pattern.fullmatch(value) is not None
    return {column: value} if is_clean and fits else None


def _text(column: str, allowed: str, pattern: re.Pattern[str] | None = None) -> Field:
    return Field(partial(_read_text, column, pattern),
                 lambda row: escaped(str(row[column]).encode()), allowed)  # fmt: skip


def _word(column: str, words: tuple[str, ...]) -> Field:
    return Field(lambda text: {column: text} if text in words else None,
                 lambda row: str(row[column]), " | ".join(words))  # fmt: skip


def _integer(column: str, most: int, unit: str) -> Field:
    def read(text: str) -> Values | None:
        is_good = re.fullmatch(r"[0-9]{1,18}", text) is not None and int(text) <= most
        return {column: int(text)} if is_good else None

    what = f"whole {unit}" if unit else "a whole number"
    return Field(read, lambda row: str(row[column]), f"{what} from 0 to {most}")


def _identity(column: str, least: int, most: int) -> Field:
    """IMSI and IMEI: digits; empty: absent."""

    def read(text: str) -> Values | None:
        if not re.fullmatch(rf"([0-9]{{{least},{most}}})?", text):
            return None
        return {column: int(text or 0)}

    return Field(read, lambda row: str(row[column] or ""), f"{least} to {most} digits, or empty")


def _read_time(text: str) -> Values | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)", text, re.ASCII):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = moment.utcoffset()
    if offset is None or moment.year not in YEARS:
        return None
    return {"start_utc_s": int(moment.timestamp()), "utc_offset_s": int(offset.total_seconds())}


def _show_time(row: Values) -> str:
    """Local time of the record with its offset; empty where it could not be read."""
    seconds, offset_s = row["start_utc_s"], row["utc_offset_s"]
    if not seconds or abs(offset_s) >= 86_400 or offset_s % 60:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
    zone = timezone(timedelta(seconds=offset_s))
    return datetime.fromtimestamp(seconds, zone).isoformat()


def _read_amount(text: str) -> Values | None:
    micro = money.parse_decimal(text, money.MICRO_DIGITS)
    if micro is None or not 0 <= micro <= QUANTITY_MAX:
        return None
    return {"upstream_charge_micro": micro}


def _read_raw(text: str) -> Values | None:
    data = unescaped(text)
    return {RAW_RECORD: data} if data and len(data) <= RAW_BYTES_MAX else None


# The field at fault, as suspense tells it -> what is corrected, where the two have other names.
_NAMED: Final = {"forward_reason": "forward", "upstream_charge_micro": "upstream_charge"}
_NUMBER_RULE: Final = (
    "a telephone number as the source dials it: digits, + * #, a SIP address; not 8.61301E+12, as "
    "a spreadsheet writes it (format the column as text)"
)
_TEXT_RULE: Final = f"text of at most {TEXT_BYTES_MAX} bytes without control characters"
# Name (the lake's column) -> how it is written, in the order of exports.
FIELDS: Final = {
    "service": _word("service", codes.SERVICES[1:]),
    "direction": _word("direction", codes.DIRECTIONS[1:]),
    "served_raw": _text("served_raw", _NUMBER_RULE, _NUMBER),
    "other_raw": _text("other_raw", _NUMBER_RULE, _NUMBER),
    "third_raw": _text("third_raw", _NUMBER_RULE, _NUMBER),
    "routing_raw": _text("routing_raw", _NUMBER_RULE, _NUMBER),
    "forward": _word("forward", codes.FORWARDS),
    "imsi": _identity("imsi", 6, 15),
    "imei": _identity("imei", 14, 16),
    "start_utc_s": Field(_read_time, _show_time, "a time with its offset from UTC, such as "
                         "2003-06-10T06:59:50+08:00"),
    "duration_s": _integer("duration_s", QUANTITY_MAX, "seconds"),
    "up_bytes": _integer("up_bytes", QUANTITY_MAX, "bytes"),
    "down_bytes": _integer("down_bytes", QUANTITY_MAX, "bytes"),
    "event_count": _integer("event_count", QUANTITY_MAX, ""),
    "trunk_in": _text("trunk_in", _TEXT_RULE),
    "trunk_out": _text("trunk_out", _TEXT_RULE),
    "network": _text("network", _TEXT_RULE),
    "location": _text("location", _TEXT_RULE),
    "call_ref": _text("call_ref", _TEXT_RULE),
    "sequence": _integer("sequence", INT32_MAX, ""),
    "cause": _integer("cause", INT32_MAX, ""),
    "upstream_charge": Field(
        _read_amount, lambda row: money.format_micro(row["upstream_charge_micro"]),
        "an amount such as 1.25",
    ),
    RAW_RECORD: Field(
        _read_raw, lambda row: escaped(row[RAW_RECORD]),
        "the whole record as the source should have written it, without its line end; a backslash "
        "doubled, other bytes as \\x1f",
    ),
}  # fmt: skip
