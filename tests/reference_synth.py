"""Plain twins for the synthesiser: the writing kernel, and a judge of what becomes of a line."""

from __future__ import annotations

import csv
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from cdr import synth_kernels as kernels
from cdr.synth_kernels import TextRows


def lines_of(rows: TextRows, order: list[int], delimiter: str) -> bytes:
    """Twin of ``synth_kernels.write_rows``."""
    pool = [
        bytes(rows.pool_data[first:last]).decode("latin-1")
        for first, last in zip(rows.pool_offsets, rows.pool_offsets[1:], strict=False)
    ]
    written = []
    for row in order:
        fields = []
        for column in range(len(rows.quoted)):
            field = _field(rows, pool, column, row)
            damage = int(rows.damage[row])
            hit = damage >= 0 and rows.damage_columns[damage] == column
            if hit and rows.damage_kinds[damage] == kernels.REPLACE:
                field = pool[rows.damage_texts[damage]]
            fields.append(f'"{field}"' if rows.quoted[column] else field)
            if hit and rows.damage_kinds[damage] == kernels.CUT:
                break
        if damage >= 0 and rows.damage_kinds[damage] == kernels.APPEND:
            fields.append(pool[rows.damage_texts[damage]])
        written.append(delimiter.join(fields) + "\n")
    return "".join(written).encode("latin-1")


def _field(rows: TextRows, pool: list[str], column: int, row: int) -> str:
    value, argument = int(rows.values[column, row]), int(rows.arguments[column])
    kind = int(rows.kinds[column])
    if value < 0:
        return ""
    if kind == kernels.TEXT:
        return pool[argument + value]
    if kind == kernels.INTEGER:
        return f"{value:0{argument}d}"
    if kind == kernels.NUMBER:
        digits = value & kernels.DIGITS_MASK
        return pool[argument + (value >> kernels.NUMBER_SHIFT)] + (str(digits) if digits else "")
    if kind == kernels.CLOCK:
        return datetime.fromtimestamp(value, UTC).strftime(f"%Y-%m-%d{chr(argument)}%H:%M:%S")
    more = int(rows.values[argument, row])
    if kind == kernels.CLOCK_OFFSET:
        zone = timezone(timedelta(seconds=more))
        return datetime.fromtimestamp(value - more, zone).isoformat()
    return str(uuid.UUID(int=value << 64 | more))


@dataclass(frozen=True)
class Call:
    """A line as a reader sees it; times in seconds since 1970 UTC."""

    service: str
    direction: str
    served: str
    other: str
    start_utc_s: int
    duration_s: int
    volume_bytes: int
    events: int
    answered: bool = True


class BadLineError(Exception):
    """A line that cannot be read; its only argument is the reason."""


WIDTHS = {"msc": 14, "pbx": 15, "gw": 10}
DELIMITERS = {"msc": ",", "pbx": ",", "gw": ";"}


def read_line(source: str, line: bytes) -> Call:
    """A line of one of the test operator's sources; raises BadLineError."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLineError("text_not_utf8") from None
    cells = next(csv.reader([text], delimiter=DELIMITERS[source]))
    if len(cells) != WIDTHS[source]:
        raise BadLineError("columns_too_few" if len(cells) < WIDTHS[source] else "columns_too_many")
    return {"msc": _msc, "pbx": _pbx, "gw": _gateway}[source](cells)


def _msc(cells: list[str]) -> Call:
    service, direction, served, other, start, duration, up, down, events = cells[:9]
    if service not in ("voice", "sms", "data"):
        raise BadLineError("service_unknown")
    if direction not in ("out", "in", "forward", "transit"):
        raise BadLineError("direction_unknown")
    moment = _when(start, "%Y-%m-%dT%H:%M:%S%z")
    return Call(service, direction, _number(served), other, int(moment.timestamp()),
                _integer(duration), _integer(up) + _integer(down), _integer(events))  # fmt: skip


def _pbx(cells: list[str]) -> Call:
    if not cells[5]:
        return Call("voice", "out", cells[1], cells[2], 0, 0, 0, 0, answered=False)
    moment = _when(cells[5], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone(timedelta(hours=8)))
    assert (_when(cells[6], "%Y-%m-%d %H:%M:%S").replace(tzinfo=moment.tzinfo) - moment
            ).seconds == int(cells[8]) % 86400 if cells[8].isdigit() else True  # fmt: skip
    return Call("voice", "out", _number(cells[1]), cells[2], int(moment.timestamp()),
                _integer(cells[8]), 0, 0)  # fmt: skip


def _gateway(cells: list[str]) -> Call:
    if cells[1] and not re.fullmatch(r"\d{6,15}", cells[1]):
        raise BadLineError("imsi_malformed")
    if not cells[3].isdigit():
        raise BadLineError("time_malformed")
    return Call("data", "out", _number(cells[2]), "", int(cells[3]), _integer(cells[4]),
                _integer(cells[5]) + _integer(cells[6]), 0)  # fmt: skip


def _number(text: str) -> str:
    if not text:
        raise BadLineError("field_missing")
    if not re.fullmatch(r"\+?\d+", text):
        raise BadLineError("number_malformed")
    return text.removeprefix("+")


def _integer(text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise BadLineError("integer_malformed")
    if int(text) >= 2**63:
        raise BadLineError("integer_out_of_range")
    return int(text)


def _when(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        raise BadLineError("time_malformed") from None
