"""What a column of a file can feed: one literal table of canonical fields, types and units.

A layout says ``to: served_number``; the table says which column of ``schemas.CDR`` that is, how its
text may be read and whether a row without it can be a record at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEXT, NUMBER, WORD, INTEGER, DECIMAL = "text", "number", "word", "integer", "decimal"
IMSI, IMEI, TIME, CONDITION, CLOCK = "imsi", "imei", "time", "condition", "clock"

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 10**18 - 1  # eighteen digits; products with a unit are checked against it


@dataclass(frozen=True)
class Field:
    """One canonical field.

    column: its name in ``schemas.CDR``; empty for a condition of ``keep``.
    types: how its text may be read; the first is the default.
    units: the table of units that its numbers may have, or None.
    required: whether a row without it is refused unless the layout says otherwise.
    maximum: the largest value that the column holds.
    """

    column: str
    types: tuple[str, ...]
    units: dict[str, Unit] | None = None
    required: bool = False
    maximum: int = INT64_MAX


@dataclass(frozen=True)
class Unit:
    """A unit of a file: one of it is ``times / per`` of the column's own unit."""

    times: int
    per: int = 1


TIME_UNITS: Final = {
    "s": Unit(1), "ms": Unit(1, 1000), "10ms": Unit(1, 100), "100ms": Unit(1, 10),
    "min": Unit(60), "h": Unit(3600),
}  # fmt: skip
SIZE_UNITS: Final = {
    "B": Unit(1), "KB": Unit(1000), "KiB": Unit(1024), "MB": Unit(10**6), "MiB": Unit(2**20),
    "GB": Unit(10**9), "GiB": Unit(2**30),
}  # fmt: skip
CHARGE_UNITS: Final = {"1": Unit(10**6), "0.01": Unit(10**4), "0.001": Unit(10**3)}

FIELDS: Final = {
    "service": Field("service", (WORD,), required=True),
    "direction": Field("direction", (WORD,), required=True),
    "served_number": Field("served_raw", (NUMBER,)),
    "other_number": Field("other_raw", (NUMBER,)),
    "third_number": Field("third_raw", (NUMBER,)),
    "routing_number": Field("routing_raw", (NUMBER,)),
    "forward_reason": Field("forward_reason", (WORD,)),
    "imsi": Field("imsi", (IMSI,)),
    "imei": Field("imei", (IMEI,)),
    "start": Field("start_utc_s", (TIME,), required=True),
    "start_date": Field("start_utc_s", (TIME,), required=True),
    "start_clock": Field("start_utc_s", (TIME,), required=True),
    "duration": Field("duration_s", (INTEGER, DECIMAL, CLOCK), TIME_UNITS),
    "up_volume": Field("up_bytes", (INTEGER, DECIMAL), SIZE_UNITS),
    "down_volume": Field("down_bytes", (INTEGER, DECIMAL), SIZE_UNITS),
    "events": Field("event_count", (INTEGER,)),
    "trunk_in": Field("trunk_in", (TEXT,)),
    "trunk_out": Field("trunk_out", (TEXT,)),
    "network": Field("network", (TEXT,)),
    "location": Field("location", (TEXT,)),
    "call_ref": Field("call_ref", (TEXT,)),
    "sequence": Field("sequence", (INTEGER,), maximum=INT32_MAX),
    "cause": Field("cause", (INTEGER,), maximum=INT32_MAX),
    "charge": Field("upstream_charge_micro", (DECIMAL, INTEGER), CHARGE_UNITS),
    "answered": Field("", (CONDITION,)),
    "billable": Field("", (CONDITION,)),
    "expected": Field("", (CONDITION,)),
}  # fmt: skip

# A condition that does not hold: the reason under which the row is discarded, or suspended.
CONDITION_REASON: Final = {
    "answered": "not_answered", "billable": "not_billable", "expected": "record_unreadable",
}  # fmt: skip
KEEP: Final = ("answered", "billable")  # what ``keep`` names

# Fields that a layout may give one value for all rows.
CONSTANT_FIELDS: Final = (
    "service", "direction", "events", "trunk_in", "trunk_out", "network", "location",
    "sequence", "cause",
)  # fmt: skip
