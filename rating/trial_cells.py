"""Cells of a calls file as columns of numbers: words, quantities and times, a column at a time.

What cannot be read is noted with its line and becomes 0, or -1 for an index, so that reading goes
on and everything is found at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tariffs.units import parse_quantity
from tollbook.clock import zone_table
from tollbook.columns import Table, digits_value, is_digits
from tollbook.stage import text_of
from tollbook.text import Problems, did_you_mean
from tollbook.wall_clock import local_seconds, local_to_utc_s

YES_NO: Final = {"yes": 1, "no": 0}
QUANTITY_ALLOWED: Final = "a number in the service's own unit, or with one: 61, 61s, 2min, 3 events"
VOLUME_ALLOWED: Final = "bytes, or a volume with its unit: 1048576, 1MiB; in `used` also 100+200"
TIME_ALLOWED: Final = ("YYYY-MM-DD HH:MM:SS (local time of the plan) with or without an offset "
                       "such as +08:00, years 1970 to 2100")  # fmt: skip
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")
_OFFSET_LIMIT_S: Final = 86_400
_TIME_SIZE: Final = 19
_LISTED: Final = 12


def is_blank(column: pa.Array) -> bool:
    """Whether all cells of a column are empty."""
    offsets = text_of(column).offsets
    return bool(offsets[0] == offsets[-1])


def mapped(
    table: Table, name: str, read: Callable[[str], int | None], default: int,
    words: Callable[[str], tuple[str, str]], problems: Problems,
) -> np.ndarray:  # fmt: skip
    """Each cell through ``read``, once for each distinct text; int64.

    An empty cell is ``default``; where ``read`` answers None, the cell is noted with what
    ``words`` says of the first such text: what is allowed and what to do.
    """
    column = table[name]
    if is_blank(column):
        return np.full(len(column), default, np.int64)
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    found = [read(text) if text else default for text in texts]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    if None in found:
        bad = np.array([value is None for value in found])
        allowed, do = words(texts[int(np.argmax(bad))])
        table.report(bad[codes], lambda row: f"{name} is '{table.cell(name, row)}'",
                     allowed, do, problems)  # fmt: skip
    values = np.array([default if value is None else value for value in found], np.int64)
    of_rows: np.ndarray = values[codes]
    return of_rows


def coded(
    table: Table, name: str, words: Sequence[str], default: int, problems: Problems, base: int = 0
) -> np.ndarray:
    """``base`` + position of each cell among ``words``; int64, ``default`` for an empty cell."""
    places = {word: place for place, word in enumerate(words, base)}
    listed = ", ".join(words[:_LISTED]) or "none is defined"
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    advice = "use one of these words, or leave the cell empty"
    return mapped(table, name, places.get, default,
                  lambda word: (listed + more, did_you_mean(word, words, advice)), problems)


def _say(allowed: str, do: str) -> Callable[[str], tuple[str, str]]:
    return lambda _: (allowed, do)


def yes_or_no(table: Table, name: str, problems: Problems) -> np.ndarray:
    """1 where the cell says yes; 0 for no and for an empty cell."""
    return mapped(table, name, YES_NO.get, 0, _say("yes or no", "write yes or no"), problems)


def quantities(table: Table, name: str, unit: str, problems: Problems) -> np.ndarray:
    """Quantities in base units of ``unit`` ("second", "byte", "event"); int64, empty is 0."""
    column = table[name]
    if is_blank(column):
        return np.zeros(len(column), np.int64)
    plain = is_digits(column)
    values = digits_value(column, plain)
    if plain.all():
        return values
    rest = Table(table.shown, {name: pc.if_else(pa.array(plain), "", column)}, table.lines)
    allowed = VOLUME_ALLOWED if unit == "byte" else QUANTITY_ALLOWED
    others = mapped(rest, name, lambda text: quantity(text, unit), 0,
                    _say(allowed, f"write it in {unit}s, or name the service that "
                                  "counts so"), problems)  # fmt: skip
    return np.where(plain, values, others)


def quantity(text: str, unit: str) -> int | None:
    """``61s`` as base units of ``unit``; None if it is no such quantity."""
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    if re.fullmatch(r"0+(s|m|min|h|B|[KMGT]i?B| events?)", text):
        return 0
    parsed = parse_quantity(text)
    return parsed[1] if parsed is not None and parsed[0] == unit else None


def numbers(table: Table, name: str, problems: Problems) -> np.ndarray:
    """Telephone numbers as digits with country code; int64, empty is 0."""
    column = table[name]
    if is_blank(column):
        return np.zeros(len(column), np.int64)
    bare = pc.utf8_ltrim(column, "+")
    good = is_digits(bare)
    table.report(~good & np.asarray(pc.greater(pc.binary_length(column), 0)),
                 lambda row: f"{name} is '{table.cell(name, row)}'",
                 "digits from the country code on, such as 8613800000000",
                 "write the whole number without blanks", problems)  # fmt: skip
    return digits_value(bare, good)


def offset_s(text: str) -> int | None:
    """``+08:00`` or ``Z`` as seconds; None if it is neither."""
    if text == "Z":
        return 0
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    found = -seconds if match[1] == "-" else seconds
    return found if abs(found) < _OFFSET_LIMIT_S else None


def clock_offset_s(text: str) -> int | None:
    """The same, or plain seconds."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,5}", text) else offset_s(text)


def starts(
    table: Table, zones: Sequence[str], zone_of_row: Callable[[np.ndarray], np.ndarray],
    problems: Problems,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """UTC seconds of the column ``start``, and the offset of each record's own clock; int64.

    zone_of_row: from the wall seconds of all rows to the place of each row's time zone in
    ``zones``. An offset in the cell decides what the cell means; the column ``offset`` is the
    record's own clock, and tells which of two equal local times is meant.
    """
    column = pc.replace_substring(table["start"], " ", "T", max_replacements=1)
    tail = pc.utf8_slice_codeunits(column, _TIME_SIZE, 64)
    wall_s, good = local_seconds(pc.utf8_slice_codeunits(column, 0, _TIME_SIZE))
    tails = Table(table.shown, {"offset": tail}, table.lines)
    unread = Problems()
    stated_s = mapped(tails, "offset", offset_s, _OFFSET_LIMIT_S, _say("", ""), unread)
    if unread.errors:
        readable = np.array([not text or offset_s(text) is not None for text in tail.to_pylist()])
        good &= readable
    table.report(~good, lambda row: f"start is '{table.cell('start', row)}'", TIME_ALLOWED,
                 "write for example 2003-06-10 10:00:00", problems)  # fmt: skip
    clock_s = mapped(table, "offset", clock_offset_s, _OFFSET_LIMIT_S,
                     _say("+08:00, -05:00, Z, or seconds", "write the offset so"),
                     problems)  # fmt: skip
    place = zone_of_row(wall_s)
    utc_s = np.zeros(len(wall_s), np.int64)
    own_s = np.zeros(len(wall_s), np.int64)
    for number, zone in enumerate(zones):
        rows = np.flatnonzero(place == number)
        if len(rows):
            utc_s[rows] = _utc_s(wall_s[rows], clock_s[rows], zone)
            own_s[rows] = _offsets_at(utc_s[rows], zone)
    is_stated = stated_s != _OFFSET_LIMIT_S
    _refuse_skipped(table, (utc_s + own_s - wall_s) * (good & ~is_stated), wall_s, problems)
    utc_s = np.where(is_stated, wall_s - stated_s, utc_s)
    own_s = np.where(is_stated, stated_s, own_s)
    return utc_s, np.where(clock_s != _OFFSET_LIMIT_S, clock_s, own_s)


def _refuse_skipped(
    table: Table, moved_s: np.ndarray, wall_s: np.ndarray, problems: Problems
) -> None:
    """Local times that clocks went past. moved_s: how far the clock was put forward, else 0."""

    def clock(second: int) -> str:
        return f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}"

    for moved in np.unique(moved_s[moved_s > 0]).tolist():
        rows = moved_s == moved
        first = int(wall_s[np.argmax(rows)])
        table.report(rows, lambda row: f"start is '{table.cell('start', row)}': "
                     f"{clock(int(wall_s[row]))} does not exist on that day",
                     "a time that the local clock shows, or one with its offset",
                     f"write {clock(first + moved)} or an offset", problems)  # fmt: skip


def _utc_s(wall_s: np.ndarray, clock_s: np.ndarray, zone: str) -> np.ndarray:
    """The first of two equal local times, unless the record's clock says the other."""
    found = local_to_utc_s(wall_s, zone)
    other = wall_s - clock_s
    is_other = (clock_s != _OFFSET_LIMIT_S) & (_offsets_at(other, zone) == clock_s)
    utc_s: np.ndarray = np.where(is_other, other, found)
    return utc_s


def _offsets_at(utc_s: np.ndarray, zone: str) -> np.ndarray:
    table = zone_table(zone)
    found: np.ndarray = table.offset_s[np.searchsorted(table.since_utc_s, utc_s, side="right") - 1]
    return found
