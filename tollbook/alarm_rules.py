"""Alarm rules: from when on a delivery that is late, short, long, faulty or repeated is told.

``alarms`` of operator.yaml says what holds for every source; ``alarms`` of a source what differs
there. ``off`` turns one kind of alarm off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tollbook.text import Reader

PPM: Final = 1_000_000  # shares are whole parts in a million
OFF: Final = "off"
_SPAN_S_MAX: Final = 366 * 86_400


@dataclass(frozen=True)
class AlarmRules:
    """Thresholds of one source; None turns an alarm off.

    silence_times: how many expected intervals may pass without a file.
    gap_s: how long a sequence number may be missing.
    low_ppm, high_ppm: records of an hour against the mean of the same hour of the past ``weeks``
        weeks, where that is at least ``least`` records.
    errors_warning_ppm, errors_critical_ppm: suspended records of a file.
    hold_ppm: suspended records of a file from which on the file is held back whole.
    skew_s: how far in the future a record may start.
    duplicates_ppm: records of a file that were there before.
    backlog_s: how long a file may wait in the inbox.
    disk_minor_ppm, disk_critical_ppm: free space where the lake lies.
    suppress_s: how long the same alarm is not told again.
    """

    silence_times: int | None = 3
    gap_s: int | None = 1800
    low_ppm: int | None = 500_000
    high_ppm: int | None = 2_000_000
    weeks: int = 4
    least: int = 100
    errors_warning_ppm: int | None = 1_000
    errors_critical_ppm: int | None = 10_000
    hold_ppm: int | None = None
    skew_s: int | None = 3600
    duplicates_ppm: int | None = 10_000
    backlog_s: int | None = 3600
    disk_minor_ppm: int | None = 200_000
    disk_critical_ppm: int | None = 100_000
    suppress_s: int = 900


# key of operator.yaml -> (field of AlarmRules, how it is written)
_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "silence": ("silence_times", "times"),
    "gap": ("gap_s", "span"),
    "low": ("low_ppm", "share"),
    "high": ("high_ppm", "share"),
    "weeks": ("weeks", "count"),
    "least": ("least", "count"),
    "errors_warning": ("errors_warning_ppm", "share"),
    "errors_critical": ("errors_critical_ppm", "share"),
    "hold": ("hold_ppm", "share"),
    "skew": ("skew_s", "span"),
    "duplicates": ("duplicates_ppm", "share"),
    "backlog": ("backlog_s", "span"),
    "disk_minor": ("disk_minor_ppm", "share"),
    "disk_critical": ("disk_critical_ppm", "share"),
    "suppress": ("suppress_s", "whole_span"),
}
KEYS: Final = tuple(_KEYS)
# A disk has no source, and how often an alarm is told is one decision for all of them.
SOURCE_KEYS: Final = tuple(
    key for key in _KEYS if key not in ("disk_minor", "disk_critical", "suppress")
)
_COUNTS: Final = {"weeks": (1, 52), "least": (0, 10**9)}
# Pairs in which the first may not be above the second: key, key.
_ORDERED: Final = (
    ("low", "high"), ("errors_warning", "errors_critical"), ("disk_critical", "disk_minor"),
)  # fmt: skip


def read(
    keys: Reader, allowed: Sequence[str] = KEYS, common: AlarmRules | None = None
) -> AlarmRules:
    """The rules of one mapping; what it leaves out is as in ``common``, or as it ships."""
    common = common or AlarmRules()
    written = [key for key in allowed if key in keys]
    found: dict[str, Any] = {}
    for key in written:
        field, kind = _KEYS[key]
        found[field] = _value(keys, key, kind, getattr(common, field))
    rules = replace(common, **found)
    for low, high in _ORDERED:
        below, above = (getattr(rules, _KEYS[key][0]) for key in (low, high))
        at = high if high in written else low
        if at in written and below is not None and above is not None and below > above:
            keys.wrong(at, f"'{low}' is {share_text(below)} and '{high}' is {share_text(above)}",
                       f"{low} not above {high}", "correct one of the two")
    return rules


def _value(keys: Reader, key: str, kind: str, default: int | None) -> int | None:
    if kind == "count":
        return keys.integer(key, *_COUNTS[key], default)
    if kind == "whole_span":
        return _span(keys, key, default or 0)
    written = keys.node_of(key).value
    if written == OFF:
        return None
    if kind == "times":
        return keys.integer(key, 1, 1000, default or 1)
    return _span(keys, key, default or 0) if kind == "span" else _share(keys, key, default)


def _span(keys: Reader, key: str, default: int) -> int:
    found = keys.duration_s(key, default)
    if found > _SPAN_S_MAX:
        keys.wrong(key, f"'{key}' is {found // 86_400}d", "at most 366d", "correct the span")
    return found


def _share(keys: Reader, key: str, default: int | None) -> int | None:
    """``0.1%`` in parts of a million."""
    found = keys.text(key, "", "a share such as 0.1%")
    match = re.fullmatch(r"(\d{1,5})(?:\.(\d{1,4}))?%", found)
    if match is None:
        keys.wrong(key, f"'{key}' is '{found}'", f"a share such as 0.1% or 50%, or {OFF}",
                   "write the number, with a point and at most 4 decimals, and %")
        return default
    return int(match[1]) * (PPM // 100) + int((match[2] or "").ljust(4, "0"))


def share_text(ppm: int) -> str:
    """``1000`` -> ``"0.1 %"``."""
    whole, rest = divmod(ppm, PPM // 100)
    decimals = f"{rest:04d}".rstrip("0")
    return f"{whole}.{decimals} %" if decimals else f"{whole} %"
