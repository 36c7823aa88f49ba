"""Validation: values that were read but cannot be right, or that are never charged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import kernel

SECONDS, BYTES, EVENTS = 1, 2, 3  # tollbook.codes
PART_MAX = 2**31 - 1  # number of a partial record


class Checks(NamedTuple):
    """Limits, then the reason that each check gives, then positions of fields in schemas.CDR."""

    unit: np.ndarray  # int8 by service: SECONDS, BYTES, EVENTS; 0: nothing is counted
    parts_are_merged: int  # 1: a part of a call may be empty, the call is checked as a whole
    start_max_utc_s: int
    start_min_utc_s: int
    duration_max_s: int
    volume_max_bytes: int
    start_in_future: int
    start_too_old: int
    duration_too_long: int
    duration_zero: int
    volume_too_large: int
    volume_zero: int
    events_zero: int
    start_field: int
    duration_field: int
    up_field: int
    events_field: int


class CheckedColumns(NamedTuple):
    """Columns of ``schemas.CDR`` (read-only)."""

    service: np.ndarray  # int8
    start_utc_s: np.ndarray  # int64
    duration_s: np.ndarray  # int64
    up_bytes: np.ndarray  # int64
    down_bytes: np.ndarray  # int64
    event_count: np.ndarray  # int64
    sequence: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


@kernel
def validate(
    checks: Checks, columns: CheckedColumns, reason: np.ndarray, reason_field: np.ndarray
) -> int:
    """Writes reason and field of every row (int16); returns how many rows were newly rejected."""
    service, start_utc_s, duration_s, up_bytes, down_bytes, event_count, sequence = columns[:7]
    old, old_field = columns[7:]
    units, volume_max = checks.unit, checks.volume_max_bytes
    part_min = 1 if checks.parts_are_merged == 1 else PART_MAX + 1
    rejected = 0
    for row in range(len(reason)):
        reason[row], reason_field[row] = old[row], old_field[row]
        if old[row] != 0:
            continue
        unit = units[service[row]]
        found, field = 0, -1
        if start_utc_s[row] > checks.start_max_utc_s:
            found, field = checks.start_in_future, checks.start_field
        elif start_utc_s[row] < checks.start_min_utc_s:
            found, field = checks.start_too_old, checks.start_field
        elif unit == SECONDS:
            if duration_s[row] <= 0 and sequence[row] < part_min:
                found, field = checks.duration_zero, checks.duration_field
            elif duration_s[row] > checks.duration_max_s:
                found, field = checks.duration_too_long, checks.duration_field
        elif unit == BYTES:
            up, down = up_bytes[row], down_bytes[row]
            if up <= 0 and down <= 0 and sequence[row] < part_min:
                found, field = checks.volume_zero, checks.up_field
            # Each is compared before their sum: a sum of two large values would wrap.
            elif up > volume_max or down > volume_max or up + down > volume_max:
                found, field = checks.volume_too_large, checks.up_field
        elif unit == EVENTS and event_count[row] <= 0:
            found, field = checks.events_zero, checks.events_field
        if found != 0:
            reason[row], reason_field[row] = found, field
            rejected += 1
    return rejected
