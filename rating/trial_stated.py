"""What a call says of itself, whoever finds out the rest: plan, service, start, quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import trial_cells as cells
from tariffs.model import UNITS, Plan
from tollbook import codes, schemas
from tollbook.clock import DAY_S, EPOCH_DAY
from tollbook.columns import Table, is_empty
from tollbook.stage import int_array
from tollbook.text import Problems

_UNIT: Final = np.array([0, *(codes.QUANTITY_UNIT[code] for code in range(1, 7))], np.int8)


def stated(
    table: Table, plans: Sequence[Plan], plan_id: str, problems: Problems
) -> dict[str, np.ndarray]:
    """Columns of usage that calls state themselves; plan_id: of those that name none, or ""."""
    default = next((i for i, one in enumerate(plans) if one.plan_id == plan_id), -1)
    plan = cells.coded(table, "plan", [one.plan_id for one in plans], default, problems)
    table.report((plan < 0) & is_empty(table["plan"]),
                 lambda row: "the call names no plan, and the book has several",
                 ", ".join(one.plan_id for one in plans),
                 "fill in the column 'plan', or choose one for all with --plan",
                 problems)  # fmt: skip
    service = cells.coded(table, "service", codes.SERVICES[1:], codes.VOICE, problems, 1)
    found = {
        "record_id": table.lines.astype(np.int64),
        "plan_index": plan,
        "service": service,
        "direction": cells.coded(
            table, "direction", codes.DIRECTIONS[1:4], codes.OUT, problems, 1),
        "forward_reason": cells.coded(table, "forward", codes.FORWARDS, 0, problems),
        "reason_field": np.full(len(table), -1, np.int64),
        **_used(table, service, problems),
    }  # fmt: skip
    zones = tuple(dict.fromkeys(v.time_zone for one in plans for v in one.versions)) or ("UTC",)
    found["start_utc_s"], found["utc_offset_s"] = cells.starts(
        table, zones, lambda wall_s: _zones_of(wall_s, plan, plans, zones), problems
    )
    return found


def _zones_of(
    wall_s: np.ndarray, plan: np.ndarray, plans: Sequence[Plan], zones: Sequence[str]
) -> np.ndarray:
    """The time zone of each row: that of its plan's version in force, else of the plan's first."""
    place = np.zeros(len(wall_s), np.int64)
    if len(zones) == 1:
        return place
    for index, one in enumerate(plans):
        rows = np.flatnonzero(plan == index)
        for number, version in enumerate(one.versions):
            since = version.valid_from.toordinal() - EPOCH_DAY if number else 0
            place[rows[wall_s[rows] >= since * DAY_S]] = zones.index(version.time_zone)
    return place


def _used(table: Table, service: np.ndarray, problems: Problems) -> dict[str, np.ndarray]:
    """Seconds, bytes and events of each call: from ``used``, or from columns of their own."""
    unit = _UNIT[service]
    found = {
        "duration_s": cells.quantities(table, "duration", "second", problems),
        "up_bytes": cells.quantities(table, "up", "byte", problems),
        "down_bytes": cells.quantities(table, "down", "byte", problems),
        "event_count": cells.quantities(table, "events", "event", problems),
    }
    used = table["used"]
    is_given = np.asarray(pc.greater(pc.binary_length(used), 0))
    own = {codes.SECONDS: "duration_s", codes.BYTES: "up_bytes", codes.EVENTS: "event_count"}
    for code, column in own.items():
        rows = np.flatnonzero((unit == code) & is_given)
        if len(rows):
            name = UNITS[code - 1]
            table.report(
                rows[found[column][rows] != 0],
                lambda row: f"used is '{table.cell('used', row)}', and its own column is given too",
                "one of the two", "leave `used` empty", problems,
            )  # fmt: skip
            part = Table(table.shown, {"used": used.take(pa.array(rows))}, table.lines[rows])
            own_columns = ("up_bytes", "down_bytes") if code == codes.BYTES else (column,)
            values = (_volumes(part, problems) if code == codes.BYTES
                      else (cells.quantities(part, "used", name, problems),))  # fmt: skip
            for one, value in zip(own_columns, values, strict=True):
                found[one] = found[one].copy()
                found[one][rows] = value
    is_event = (unit == codes.EVENTS) & ~is_given & is_empty(table["events"])
    found["event_count"] = np.where(is_event, 1, found["event_count"])
    total = (unit == codes.SECONDS) & is_empty(table["duration"])
    total |= (unit == codes.BYTES) & is_empty(table["up"]) & is_empty(table["down"])
    table.report(total & ~is_given, lambda row: "used is empty",
                 "how much was used: seconds of a call, bytes of a session; 0 if it was nothing",
                 "fill in the column 'used'", problems)  # fmt: skip
    return found


def _volumes(table: Table, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """``100+200`` as bytes up and down; one number alone is bytes up."""
    column = table["used"]
    if not pc.any(pc.match_substring(column, "+")).as_py():
        return cells.quantities(table, "used", "byte", problems), np.zeros(len(table), np.int64)
    ends = pc.extract_regex(column, r"^(?P<up>[^+]+)\+?(?P<down>[^+]*)$")
    up = pc.fill_null(pc.struct_field(ends, "up"), "?")  # noted below as what it is
    down = pc.fill_null(pc.struct_field(ends, "down"), "")
    read = [cells.quantities(Table(table.shown, {"used": part}, table.lines), "used", "byte",
                             problems) for part in (up, down)]  # fmt: skip
    return read[0], read[1]


def batch_of(
    columns: Mapping[str, np.ndarray | pa.Array], count: int, schema: pa.Schema = schemas.USAGE
) -> pa.RecordBatch:
    """A batch of a schema: the columns given, zeros and empty texts for the others."""
    arrays = []
    zeros = pa.py_buffer(np.zeros(count + 1, np.int64))
    for field in schema:
        column = columns.get(field.name)
        if isinstance(column, np.ndarray):
            values = column.astype(field.type.to_pandas_dtype(), copy=False)
            arrays.append(int_array(np.ascontiguousarray(values)))
        elif column is not None:
            arrays.append(column)
        elif pa.types.is_string(field.type):
            arrays.append(pa.Array.from_buffers(field.type, count, [None, zeros, zeros]))
        else:
            arrays.append(pa.Array.from_buffers(field.type, count, [None, zeros]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
