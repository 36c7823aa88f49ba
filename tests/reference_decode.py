"""The delimited decoder once more, naively: one byte, one row, one field after the other.

Written from docs/layouts.md with Python's own integers, fractions, ``datetime`` and ``zoneinfo``;
it shares no code with the kernels, so that the two can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

from cdr.delimited_spec import Resolved
from cdr.layout_fields import FIELDS
from cdr.layout_types import Column, Layout
from tollbook import codes, reasons, schemas

TEXTS = [f.name for f in schemas.CDR if str(f.type) == "string"]
POSITION = schemas.positions(schemas.CDR)
CR, LF, ESCAPE = 13, 10, 92
LAST = datetime(2101, 1, 1, tzinfo=UTC)


class Fault(Exception):
    """A field is bad, with the name of its reason."""


@dataclass
class Record:
    begin: int
    end: int
    line: int
    reason: str = ""
    fields: list[bytes] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)


def decode(
    data: bytes, layout: Layout, resolved: tuple[Resolved, ...], widths: tuple[int, int],
    zones: dict[str, str],
) -> tuple[list[dict[str, Any]], list[tuple[int, bytes, bytes]], dict[str, int]]:  # fmt: skip
    """Rows by column of ``schemas.CDR``, rejected rows, totals; of file 1 and source 0."""
    rows, rejected = [], []
    totals = {"rows": 0, "blank_lines": 0, "comment_lines": 0}
    for kind, record in records(data, layout):
        totals[kind] += 1
        if kind != "rows":
            continue
        row, raw = read_row(data, record, layout, resolved, widths, zones)
        rows.append(row)
        reason = row["reason"]
        if reason and reasons.BY_CODE[reason].disposition == codes.SUSPENDED:
            whole = data[record.begin : record.begin + row["byte_length"]]
            rejected.append((row["record_id"], raw, whole))
    return rows, rejected, totals


def records(data: bytes, layout: Layout) -> Iterator[tuple[str, Record]]:
    at, line = 0, 1
    while at < len(data):
        if layout.comment and data.startswith(layout.comment, at):
            kind, record = "comment_lines", Record(at, line_end(data, at), line)
        else:
            record = walk(data, at, line, layout)
            kind = "rows" if record.end > record.begin else "blank_lines"
        feed = data.find(b"\n", record.end)
        behind = len(data) if feed < 0 else feed + 1
        yield kind, record
        line += data.count(b"\n", at, behind)
        at = behind


def line_end(data: bytes, at: int) -> int:
    """The end of the line without its CR."""
    feed = data.find(b"\n", at)
    end = len(data) if feed < 0 else feed
    return end - 1 if end > at and data[end - 1] == CR else end


def walk(data: bytes, start: int, line: int, layout: Layout) -> Record:
    found, at = Record(start, start, line), start
    while True:
        opening = at
        while layout.trim and data[opening : opening + 1] in blanks(layout):
            opening += 1
        if layout.quote >= 0 and data[opening : opening + 1] == bytes([layout.quote]):
            closed = quoted(data, opening, start + layout.row_bytes_max, layout)
            if closed is None:
                found.end, found.reason = line_end_from(data, opening, start), "quote_unclosed"
                return found
            text, behind = closed
        else:
            text, behind = bare(data, opening, layout)
        found.fields.append(text)
        found.spans.append((at, behind))
        if behind >= len(data) or data[behind] != layout.delimiter:
            found.end = behind
            return found
        if behind - start >= layout.row_bytes_max:
            found.end, found.reason = line_end_from(data, behind, start), "row_too_long"
            return found
        at = behind + 1


def blanks(layout: Layout) -> tuple[bytes, ...]:
    return (b" ",) if layout.delimiter == ord("\t") else (b" ", b"\t")


def line_end_from(data: bytes, at: int, start: int) -> int:
    feed = data.find(b"\n", at)
    end = len(data) if feed < 0 else feed
    return end - 1 if end > start and data[end - 1] == CR else end


def quoted(data: bytes, at: int, last: int, layout: Layout) -> tuple[bytes, int] | None:
    text, twice = bytearray(), bytes([layout.quote, layout.quote])
    at += 1
    while at < len(data) and at <= last:
        byte = data[at]
        if layout.backslash and byte == ESCAPE and at + 1 < len(data):
            at += 1
            text.append(data[at])
        elif not layout.backslash and data[at : at + 2] == twice:
            at += 1
            text.append(byte)
        elif byte == layout.quote:
            behind = at + 1
            while layout.trim and behind < last + 2 and data[behind : behind + 1] in blanks(layout):
                behind += 1
            rest = data[behind : behind + 2]
            is_end = rest in (b"", b"\r", b"\r\n") or rest[:1] == b"\n"
            return (bytes(text), behind) if is_end or rest[0] == layout.delimiter else None
        else:
            text.append(byte)
        at += 1
    return None


def bare(data: bytes, at: int, layout: Layout) -> tuple[bytes, int]:
    text = bytearray()
    while at < len(data) and data[at] not in (layout.delimiter, LF):
        if data[at] == CR and data[at + 1 : at + 2] in (b"", b"\n"):
            break
        if layout.backslash and data[at] == ESCAPE and data[at + 1 : at + 2] not in (b"", b"\n"):
            at += 1
        text.append(data[at])
        at += 1
    return (bytes(text).rstrip(b" \t") if layout.trim else bytes(text)), at


def read_row(
    data: bytes, record: Record, layout: Layout, resolved: tuple[Resolved, ...],
    widths: tuple[int, int], zones: dict[str, str],
) -> tuple[dict[str, Any], bytes]:  # fmt: skip
    row: dict[str, Any] = {name: "" if name in TEXTS else 0 for name in schemas.CDR.names}
    row |= {FIELDS[name].column: value for name, value in layout.constants}
    length, width, raw = record.end - record.begin, len(record.fields), b""
    reason = record.reason
    if length > layout.row_bytes_max:
        length, reason = layout.row_bytes_max, "row_too_long"
    elif not reason and not widths[0] <= width <= widths[1]:
        reason = "columns_too_few" if width < widths[0] else "columns_too_many"
    row |= {"record_id": (1 << 32) + record.line, "byte_offset": record.begin,
            "byte_length": length, "reason": reasons.CODE.get(reason, 0), "reason_field": -1}
    parts: dict[str, Any] = {}
    for item in sorted(resolved, key=order):
        column, there = item.column, not reason and item.position < width
        text = record.fields[item.position] if there else b""
        try:
            read_field(row, parts, column, text, layout, zones)
        except Fault as fault:
            if not row["reason"]:
                row["reason"] = reasons.CODE[str(fault)]
                row["reason_field"] = POSITION.get(FIELDS[column.field].column, -1)
                raw = data[slice(*record.spans[item.position])] if there else b""
    return row, raw


def order(item: Resolved) -> tuple[int, int]:
    kind = {"condition": 0, "time": 1}.get(item.column.type, 2)
    return kind, item.column.field in ("start_clock", "expected")


def read_field(
    row: dict[str, Any], parts: dict[str, Any], column: Column, text: bytes, layout: Layout,
    zones: dict[str, str],
) -> None:  # fmt: skip
    if column.type == "condition":
        text = b"" if text in column.nulls else text
        if (text in dict(column.words)) == column.unless:
            name = {"answered": "not_answered", "billable": "not_billable",
                    "expected": "record_unreadable"}[column.field]  # fmt: skip
            raise Fault(name)
        return
    if column.type == "time":
        parts.pop(column.field, None)
    if len(text) > column.max_bytes:
        raise Fault("field_too_long")
    if not text or text in column.nulls:
        if column.required:
            raise Fault("field_missing")
        return
    if column.type == "time":
        read_time(row, parts, column, text, zones)
    else:
        row[FIELDS[column.field].column] = value_of(column, text, layout)


def value_of(column: Column, text: bytes, layout: Layout) -> Any:
    if column.type == "word":
        if text not in dict(column.words):
            raise Fault(column.field + "_unknown")
        return dict(column.words)[text]
    if column.type in ("imsi", "imei"):
        low, high = (6, 15) if column.type == "imsi" else (14, 16)
        if not re.fullmatch(rb"\d{%d,%d}" % (low, high), text):
            raise Fault(column.type + "_malformed")
        return int(text)
    if column.type == "number":
        if not re.fullmatch(rb"[0-9A-Za-z+*#._@:-]+", text):
            raise Fault("number_malformed")
        return text.decode()
    if column.type == "text":
        return text_of(text, layout.encoding)
    if column.type == "clock":
        return clock(column, text)
    return quantity(column, text)


def clock(column: Column, text: bytes) -> int:
    """``h:mm:ss`` and the like: a letter for each digit, one alone for any number of them."""
    pattern, runs = "", re.findall(r"h+|m+|s+|f+|.", column.time_format)
    for place, run in enumerate(runs):
        letter, behind = run[0], runs[place + 1 : place + 2]
        if letter not in "hmsf":
            pattern += re.escape(run)
        elif len(run) == 1 and (not behind or behind[0][0] not in "hmsf"):
            pattern += rf"(?P<{letter}>[0-9]{{1,{9 if letter == 'f' else 6}}})"
        else:
            pattern += rf"(?P<{letter}>[0-9]{{{len(run)}}})"
    match = re.fullmatch(pattern, text.decode("latin-1"))
    if match is None:
        raise Fault("time_malformed")
    found = match.groupdict()
    if any(int(found[name]) > 59 for name in list(found)[1:] if name != "f"):
        raise Fault("time_malformed")
    hours, minutes, seconds = (int(found.get(name, 0)) for name in "hms")
    part = Fraction(int(found.get("f", 0)), 10 ** len(found.get("f", "")))
    exact = hours * 3600 + minutes * 60 + seconds + part
    nearest = floor(exact + Fraction(1, 2))
    return {"up": ceil(exact), "down": floor(exact), "nearest": nearest}[column.rounding]


def text_of(text: bytes, encoding: str) -> str:
    for at in range(len(text)):
        if text[at] < 32 and text[at] not in (9, 10, 13):
            try:  # the first fault in the text counts
                text[:at].decode(encoding)
            except UnicodeDecodeError:
                break
            raise Fault("text_control_character")
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        raise Fault("text_not_utf8") from error


def quantity(column: Column, text: bytes) -> int:
    largest = FIELDS[column.field].maximum
    is_decimal = column.type == "decimal"
    whole, point, decimals = text.partition(b".") if is_decimal else (text, b"", b"")
    if re.fullmatch(rb"-\d+", whole) or re.fullmatch(rb"\d{19,}", whole):
        raise Fault("integer_out_of_range")
    decimals = decimals[:1] + decimals[1:].rstrip(b"0")
    if not re.fullmatch(rb"\d+", whole) or (point and not re.fullmatch(rb"\d{1,9}", decimals)):
        raise Fault(f"{'decimal' if is_decimal else 'integer'}_malformed")
    times = column.times
    if int(whole) > largest // times or (point and int(whole) == largest // times):
        raise Fault("integer_out_of_range")
    exact = (int(whole) + Fraction(int(decimals or 0), 10 ** len(decimals))) * times / column.per
    if column.field == "charge":
        if exact.denominator != 1:
            raise Fault("decimal_malformed")
        return int(exact)
    nearest = floor(exact + Fraction(1, 2))
    return {"up": ceil(exact), "down": floor(exact), "nearest": nearest}[column.rounding]


ISO = (
    r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)[T ](?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
    r"(?:[.,]\d+)?(?P<z>Z|[+-]\d\d(?::?\d\d)?)"
)
DIRECTIVE = {"Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d\d)", "f": r"\d+",
             "z": r"(?P<z>Z|[+-]\d\d(?::?\d\d)?)", "%": "%"}  # fmt: skip


def read_time(
    row: dict[str, Any], parts: dict[str, Any], column: Column, text: bytes, zones: dict[str, str]
) -> None:
    zone = ZoneInfo(zones.get(column.zone, column.zone))
    if column.time_format in ("epoch_s", "epoch_ms"):
        if not re.fullmatch(rb"\d{1,18}", text):
            raise Fault("time_malformed")
        second = int(text) // (1000 if column.time_format == "epoch_ms" else 1)
        if second >= LAST.timestamp():
            raise Fault("time_malformed")
        place(row, datetime.fromtimestamp(second, UTC).astimezone(zone))
        return
    found, offset = by_directives(column.time_format, text)
    if column.field == "start_date":
        moment(found | {"H": 0, "M": 0})
        parts["start_date"] = (found, zone)
        return
    if column.field == "start_clock":
        moment({"Y": 2000, "m": 1, "d": 1} | found)
        if "start_date" not in parts:
            return
        found, zone = found | parts["start_date"][0], parts["start_date"][1]
    place_local(row, moment(found), offset, zone)


def place_local(row: dict[str, Any], local: datetime, offset: bytes, zone: ZoneInfo) -> None:
    if offset:
        place(row, local.replace(tzinfo=UTC) - offset_of(offset), offset_of(offset))
        return
    if local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise Fault("time_not_on_clock")
    early, late = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    place(row, early)
    if early.utcoffset() != late.utcoffset():
        row["flags"] = codes.FLAG_AMBIGUOUS_CLOCK


def by_directives(form: str, text: bytes) -> tuple[dict[str, int], bytes]:
    pattern = ISO
    if form != "iso8601":
        pattern = "".join(
            re.escape(part) if i % 2 == 0 else DIRECTIVE.get(part, rf"(?P<{part}>\d\d)")
            for i, part in enumerate(re.split(r"%(.)", form))
        )
    match = re.fullmatch(pattern, text.decode("latin-1"), re.ASCII)
    if match is None:
        raise Fault("time_malformed")
    found = match.groupdict()
    offset = found.pop("z", None)
    numbers = {name: int(value) for name, value in found.items()}
    if "y" in numbers:
        year = numbers.pop("y")
        numbers["Y"] = year + (2000 if year < 70 else 1900)
    return numbers, (offset or "").encode()


def moment(found: dict[str, int]) -> datetime:
    try:
        if not 1970 <= found["Y"] <= 2100:
            raise ValueError
        return datetime(*(found.get(name, 0) for name in "YmdHMS"))  # type: ignore[arg-type]
    except ValueError as error:
        raise Fault("time_malformed") from error


def offset_of(text: bytes) -> timedelta:
    if text == b"Z":
        return timedelta(0)
    digits = text[1:].replace(b":", b"").ljust(4, b"0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise Fault("time_malformed")
    return timedelta(hours=hours, minutes=minutes) * (-1 if text[:1] == b"-" else 1)


def place(row: dict[str, Any], when: datetime, offset: timedelta | None = None) -> None:
    second = int(when.timestamp())
    if not 0 <= second < LAST.timestamp():
        raise Fault("time_malformed")
    local = when.utcoffset() if offset is None else offset
    assert local is not None
    row["start_utc_s"], row["utc_offset_s"] = second, int(local.total_seconds())
