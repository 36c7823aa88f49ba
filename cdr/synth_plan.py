"""What files are to be made: nights, names by the sources' patterns, records of each file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from cdr.synth_shapes import DAY_WEIGHT, day_shape
from tollbook import clock
from tollbook.clock import DAY_S
from tollbook.errors import NotFound
from tollbook.sources import Source

SATURDAY: Final = 5
_FIELD: Final = re.compile(r"\{sequence(?::0(\d+)d)?\}|\{date:([^}]*)\}|\*")


@dataclass(frozen=True)
class Day:
    """A day of the operator's clock. ``shape``: see ``synth_shapes.day_shape``."""

    date: date
    start_utc_s: int
    end_utc_s: int  # first second of the next day
    shape: np.ndarray
    hole: tuple[int, int]  # seconds of the day whose local time comes a second time


def day_of(day: date, operator_zone: str, source_zone: str) -> Day:
    """The day as a source sees it; nothing starts in an hour that its clock repeats."""
    start = clock.date_utc_s(day, operator_zone)
    length = clock.date_utc_s(day + timedelta(days=1), operator_zone) - start
    hole = _repeated(source_zone, start, length)
    minute = np.arange(length // 60, dtype=np.int64) * 60
    table = clock.zone_table(operator_zone)
    offset = table.offset_s[np.searchsorted(table.since_utc_s, start + minute, side="right") - 1]
    hour = (start + minute + offset) % DAY_S // 3600
    hour[(minute >= hole[0]) & (minute < hole[1])] = -1
    return Day(day, start, start + length, day_shape(hour, day.weekday() >= SATURDAY), hole)


def _repeated(zone: str, start: int, length: int) -> tuple[int, int]:
    table = clock.zone_table(zone)
    for row in np.flatnonzero((table.since_utc_s >= start) & (table.since_utc_s < start + length)):
        back = int(table.offset_s[row - 1] - table.offset_s[row])
        if back > 0:
            at = int(table.since_utc_s[row]) - start
            return at, at + back
    return 0, 0


def share_out(total: int, weights: list[int]) -> list[int]:
    """``total`` in whole parts after ``weights``; the parts add up to it."""
    edges = np.cumsum([0, *weights], dtype=np.int64)
    cuts = [total * int(edge) // int(edges[-1]) for edge in edges]
    return [high - low for low, high in pairwise(cuts)]


def night_weights(days: list[date]) -> list[int]:
    """How many records a day has against the others."""
    return [DAY_WEIGHT[day.weekday()] for day in days]


def file_name(source: Source, day: Day, file: int, files: int, compressed: bool) -> str:
    """A name that the source's pattern takes, later files later in order.

    ``{sequence}`` counts on from day to day, so files made for the next days continue it;
    ``{date}`` is the moment at which the file was closed, on the source's clock.
    """
    number = (day.date.toordinal() - clock.EPOCH_DAY) * files + file
    closed = int(np.searchsorted(day.shape, (file + 1) / files)) * 60
    moment = datetime.fromtimestamp(day.start_utc_s + closed, UTC).astimezone(
        ZoneInfo(source.time_zone)
    )
    named = "{sequence" in source.files

    def fill(found: re.Match[str]) -> str:
        nonlocal named
        if found[0].startswith("{sequence"):
            width = int(found[1] or 6)
            return f"{number % 10**width:0{width}d}"
        if found[2] is not None:
            return moment.strftime(found[2])
        if named:
            return ""
        named = True
        return f"{number:08d}"

    name = _FIELD.sub(fill, source.files)
    if compressed and source.match(name + ".gz"):
        return name + ".gz"
    if not source.match(name):
        raise NotFound(f"operator.yaml: no file name could be made for source '{source.name}'\n"
                       f"    its pattern is {source.files}, '{name}' does not fit it\n"
                       "    do: use {sequence:06d}, {date:%Y%m%d%H%M} and * in the pattern")
    return name
