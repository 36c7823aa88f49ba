"""A layout and one file's header -> the arrays that the kernels read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr import layout_time
from cdr import spec_kernels as k
from cdr.layout_fields import (
    CLOCK,
    CONDITION,
    CONDITION_REASON,
    DECIMAL,
    FIELDS,
    IMEI,
    IMSI,
    INT64_MAX,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    WORD,
)  # fmt: skip
from cdr.layout_types import ROW_BYTES_MAX, Column, Layout
from cdr.layout_words import Words
from tollbook import clock, reasons, schemas

ENCODING_CODE: Final = {"utf-8": k.UTF8, "latin-1": k.LATIN1, "ascii": k.ASCII}
ROUNDING_CODE: Final = {"up": k.ROUND_UP, "nearest": k.ROUND_NEAREST, "down": k.ROUND_DOWN}
NUMBER_SIGNS: Final = b"+*#._-@:"  # beside digits and ASCII letters
_POSITION: Final = schemas.positions(schemas.CDR)
_KIND: Final = {
    TEXT: k.KIND_TEXT, NUMBER: k.KIND_NUMBER, INTEGER: k.KIND_QUANTITY, DECIMAL: k.KIND_DECIMAL,
    IMSI: k.KIND_QUANTITY, IMEI: k.KIND_QUANTITY, WORD: k.KIND_WORD, CONDITION: k.KIND_WORD,
    CLOCK: k.KIND_CLOCK,
}  # fmt: skip
# The rows of Output.numbers and Output.codes that hold columns of schemas.CDR.
NUMBER_SLOT: Final = {
    "imsi": k.IMSI, "imei": k.IMEI,
    "start_utc_s": k.START, "duration_s": k.DURATION, "up_bytes": k.UP_BYTES,
    "down_bytes": k.DOWN_BYTES, "event_count": k.EVENTS, "sequence": k.SEQUENCE,
    "cause": k.CAUSE, "upstream_charge_micro": k.CHARGE,
}  # fmt: skip
CODE_SLOT: Final = {
    "service": k.SERVICE, "direction": k.DIRECTION, "forward_reason": k.FORWARD,
}  # fmt: skip
_DIGITS: Final = {IMSI: (6, 15, "imsi_malformed"), IMEI: (14, 16, "imei_malformed")}
_UNKNOWN: Final = {
    "service": "service_unknown", "direction": "direction_unknown",
    "forward_reason": "forward_reason_unknown",
}  # fmt: skip


@dataclass(frozen=True)
class Resolved:
    """A column of the layout with its 0-based place in one file."""

    column: Column
    position: int


@dataclass(frozen=True)
class Compiled:
    """A layout as the kernels read it, and which columns of ``schemas.CDR`` they then fill.

    texts: the utf8 columns, in the order of ``Output.texts``; columns: the others; width: the most
    columns that a row may have.
    """

    spec: k.Spec
    texts: tuple[str, ...]
    columns: frozenset[str]
    width: int


def settings_of(layout: Layout, width_min: int, width_max: int) -> np.ndarray:
    """``Spec.settings``."""
    found = np.zeros(k.SETTINGS_COUNT, np.int64)
    found[k.DELIMITER], found[k.QUOTE] = layout.delimiter, layout.quote
    found[k.BACKSLASH], found[k.TRIM] = layout.backslash, layout.trim
    found[k.ENCODING] = ENCODING_CODE[layout.encoding]
    found[k.WIDTH_MIN], found[k.WIDTH_MAX] = width_min, width_max
    found[k.ROW_BYTES] = layout.row_bytes_max
    return found


def compile_layout(
    layout: Layout, resolved: tuple[Resolved, ...], widths: tuple[int, int], zones: dict[str, str]
) -> Compiled:
    """All arrays of a layout. ``zones``: the time zones that `source` and `operator` stand for."""
    builder = _Builder(zones)
    for item in sorted(resolved, key=_order):
        builder.add(item)
    return Compiled(builder.spec(layout, widths), tuple(builder.texts), frozenset(builder.columns),
                    widths[1])


def record_spec(layout: Layout) -> k.Spec:
    """What is needed to find the ends of records, whatever their columns are."""
    return _Builder({}).spec(layout, (0, 0))


def _kind(column: Column) -> int:
    if column.type != TIME:
        return _KIND[column.type]
    is_fixed = layout_time.fixed(column.time_format) is not None
    return k.KIND_TIME_FIXED if is_fixed else k.KIND_TIME


def _order(item: Resolved) -> tuple[int, int]:
    """Conditions first (what is no charge has no other fault), a day before its clock."""
    first = {CONDITION: 0, TIME: 1}.get(item.column.type, 2)
    return first, item.column.field in ("start_clock", "expected")


class _Builder:
    """Collects zones and formats while ops are added."""

    def __init__(self, zones: dict[str, str]) -> None:
        self.zones = zones
        self.ops: list[list[int]] = []
        self.words = Words()
        self.items: list[tuple[int, int]] = []
        self.since: list[np.ndarray] = []
        self.offsets: list[np.ndarray] = []
        self.day_zone = ""
        self.texts: list[str] = []
        self.columns: set[str] = set()

    def add(self, item: Resolved) -> None:
        column = item.column
        target = FIELDS[column.field].column
        op = [0] * k.OP_SIZE
        op[k.OP_KIND], op[k.OP_COLUMN] = _kind(column), item.position
        op[k.OP_FIELD] = _POSITION.get(target, -1)
        op[k.OP_REQUIRED], op[k.OP_MAX_BYTES] = int(column.required), column.max_bytes
        op[k.OP_NULLS] = self.words.add([(null, 0) for null in column.nulls])
        if column.type in (TEXT, NUMBER):
            op[k.OP_SLOT] = len(self.texts)
            self.texts.append(target)
        elif column.type == WORD:
            op[k.OP_SLOT] = CODE_SLOT[target]
            self.columns.add(target)
        elif column.type != CONDITION:
            op[k.OP_SLOT] = NUMBER_SLOT[target]
            self.columns.add(target)
        if column.type == CONDITION:  # what decides about a row is compared, however long it is
            op[k.OP_MAX_BYTES] = ROW_BYTES_MAX
        op[k.OP_A :] = self._parameters(column)
        self.ops.append(op)

    def _parameters(self, column: Column) -> list[int]:
        """OP_A .. OP_G."""
        if column.type in (INTEGER, DECIMAL):
            rounding = k.ROUND_NEVER if column.field == "charge" else ROUNDING_CODE[column.rounding]
            reason = k.DECIMAL_MALFORMED if column.type == DECIMAL else k.INTEGER_MALFORMED
            largest = FIELDS[column.field].maximum
            return [column.times, column.per, rounding, largest, 1, column.max_bytes, reason]
        if column.type in _DIGITS:
            low, high, name = _DIGITS[column.type]
            return [1, 1, k.ROUND_NEVER, INT64_MAX, low, high, reasons.CODE[name]]
        if column.type == TIME:
            return self._time(column)
        if column.type == CLOCK:
            first, items = len(self.items), layout_time.parse_clock(column.time_format)
            self.items.extend(items)
            return [1, first, ROUNDING_CODE[column.rounding], FIELDS[column.field].maximum,
                    len(items), column.max_bytes, k.TIME_MALFORMED]
        group = self.words.add(list(column.words))
        if column.type == WORD:
            return [group, 0, reasons.CODE[_UNKNOWN[column.field]], k.RULE_CODE, 0, 0, 0]
        if column.type == CONDITION:
            rule = k.RULE_UNLESS if column.unless else k.RULE_EQUALS
            return [group, 0, reasons.CODE[CONDITION_REASON[column.field]], rule, 0, 0, 0]
        return [0] * 7

    def _time(self, column: Column) -> list[int]:
        zone = column.zone
        if column.field == "start_date":
            self.day_zone = zone
        elif column.field == "start_clock":
            zone = self.day_zone
        table = clock.zone_table(self.zones.get(zone, zone))
        first = sum(len(part) for part in self.since)
        self.since.append(table.since_utc_s)
        self.offsets.append(table.offset_s)
        part = {"start_date": k.PART_DAY, "start_clock": k.PART_CLOCK}.get(
            column.field, k.PART_WHOLE)
        form, start, count = self._format(column.time_format)
        return [form, start, count, first, len(table.since_utc_s), part, 0]

    def _format(self, text: str) -> tuple[int, int, int]:
        """Fixed format, its separator and 0; or 0, the first of the format's items, their count."""
        fixed = layout_time.fixed(text)
        if fixed is not None:
            has_offset, separator = fixed
            if text == "iso8601":
                return k.FORMAT_ISO, -1, 0
            return (k.FORMAT_OFFSET if has_offset else k.FORMAT_LOCAL), separator, 0
        first = len(self.items)
        self.items.extend(layout_time.parse(text))
        return 0, first, len(self.items) - first

    def spec(self, layout: Layout, widths: tuple[int, int]) -> k.Spec:
        numbers = np.zeros(256, np.uint8)
        numbers[list(NUMBER_SIGNS)] = 1
        numbers[[c for c in range(128) if chr(c).isalnum()]] = 1
        return k.Spec(
            settings=settings_of(layout, *widths),
            ops=np.array(self.ops, np.int64).reshape(-1, k.OP_SIZE),
            comment=np.frombuffer(layout.comment, np.uint8).copy(),
            groups=np.array(self.words.groups, np.uint64).reshape(-1, 3),
            slots=np.array(self.words.slots, np.int32),
            words=np.array(self.words.rows, np.int64).reshape(-1, 4),
            heads=np.array(self.words.heads, np.uint64),
            pool=np.frombuffer(self.words.pool + bytes(8), np.uint8).copy(),
            zone_since=np.concatenate([np.zeros(0, np.int64), *self.since]),
            zone_offset=np.concatenate([np.zeros(0, np.int64), *self.offsets]),
            items=np.array(self.items, np.int64).reshape(-1, 2),
            number_bytes=numbers,
        )
