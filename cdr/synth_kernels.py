"""Kernel of the synthesiser: rows of integers written as delimited text."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from tollbook.jit import inner, kernel

# How the value of a column becomes text.
TEXT, INTEGER, NUMBER, CLOCK, CLOCK_OFFSET, UUID = range(6)

# What is done to a row that is damaged on purpose.
CUT, APPEND, REPLACE = range(3)

NUMBER_SHIFT: Final = 52  # a number as written: index of its prefix << 52 | digits after it
DIGITS_MASK: Final = (1 << NUMBER_SHIFT) - 1

_QUOTE: Final = 34
_DASH: Final = 45
_COLON: Final = 58
_PLUS: Final = 43
_ZERO: Final = 48
_T: Final = 84
_LINE_END: Final = 10


class TextRows(NamedTuple):
    """Rows to write: same last index = same row; a negative value is an empty field."""

    kinds: np.ndarray  # int8 (columns): TEXT ..
    arguments: np.ndarray  # int64 (columns): TEXT, NUMBER: first pool entry; CLOCK: byte between
    # day and time; CLOCK_OFFSET: column that holds the offset in s; UUID: column with more bits
    quoted: np.ndarray  # uint8 (columns)
    values: np.ndarray  # int64 (columns, rows); values that only serve as arguments come last
    damage: np.ndarray  # int16 (rows): index into the damage_* arrays, -1: none
    damage_kinds: np.ndarray  # int8
    damage_columns: np.ndarray  # int64
    damage_texts: np.ndarray  # int64, pool entries
    pool_offsets: np.ndarray  # int64: entry i is pool_data[offsets[i]:offsets[i + 1]]
    pool_data: np.ndarray  # uint8


@inner
def put_text(
    pool_offsets: np.ndarray, pool_data: np.ndarray, entry: int, out: np.ndarray, at: int
) -> int:
    """One entry of the pool; returns the position behind it."""
    for index in range(pool_offsets[entry], pool_offsets[entry + 1]):
        out[at] = pool_data[index]
        at += 1
    return at


@inner
def put_integer(value: int, width: int, out: np.ndarray, at: int) -> int:
    """Decimal digits with leading zeros up to ``width``; returns the position behind them."""
    if value < 0:
        out[at] = _DASH
        at += 1
        value = -value
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    digits = max(digits, width)
    for place in range(at + digits - 1, at - 1, -1):
        rest = value // 10
        out[place] = _ZERO + value - rest * 10
        value = rest
    return at + digits


@inner
def put_clock(local_s: int, between: int, out: np.ndarray, at: int) -> int:
    """``YYYY-MM-DD?HH:MM:SS`` of local seconds since 1970; returns the position behind it."""
    day = local_s // 86400
    second = local_s - day * 86400
    # Days are counted from 1 March 0000, so that a leap day is the last of its year.
    shifted = day + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    at = put_integer(year + era * 400 + (1 if month >= 10 else 0), 4, out, at)
    out[at] = _DASH
    at = put_integer(month + 3 if month < 10 else month - 9, 2, out, at + 1)
    out[at] = _DASH
    at = put_integer(of_year - (153 * month + 2) // 5 + 1, 2, out, at + 1)
    out[at] = between
    at = put_integer(second // 3600, 2, out, at + 1)
    out[at] = _COLON
    at = put_integer(second // 60 % 60, 2, out, at + 1)
    out[at] = _COLON
    return put_integer(second % 60, 2, out, at + 1)


@inner
def put_offset(offset_s: int, out: np.ndarray, at: int) -> int:
    """``+HH:MM``; returns the position behind it."""
    out[at] = _DASH if offset_s < 0 else _PLUS
    minutes = abs(offset_s) // 60
    at = put_integer(minutes // 60, 2, out, at + 1)
    out[at] = _COLON
    return put_integer(minutes % 60, 2, out, at + 1)


@inner
def put_uuid(high: int, low: int, out: np.ndarray, at: int) -> int:
    """32 hexadecimal digits in groups of 8-4-4-4-12; returns the position behind them."""
    for place in range(32):
        if place == 8 or place == 12 or place == 16 or place == 20:
            out[at] = _DASH
            at += 1
        word = high if place < 16 else low
        digit = (word >> (4 * (15 - place % 16))) & 15
        out[at] = _ZERO + digit if digit < 10 else 87 + digit
        at += 1
    return at


@kernel
def write_rows(rows: TextRows, order: np.ndarray, delimiter: int, out: np.ndarray) -> int:
    """Writes the rows in ``order`` (int64) as lines into ``out`` (uint8); returns their bytes.

    ``out`` must be large enough: ``len(order)`` times the longest row.
    """
    # Local names: reaching into the tuple for every field costs more than writing it.
    kinds, arguments, quoted = rows.kinds, rows.arguments, rows.quoted
    values, damages = rows.values, rows.damage
    how, where, what = rows.damage_kinds, rows.damage_columns, rows.damage_texts
    offsets, data = rows.pool_offsets, rows.pool_data
    columns = len(quoted)
    at = 0
    for row in order:
        damage = damages[row]
        damaged = where[damage] if damage >= 0 else -1
        for column in range(columns):
            if column > 0:
                out[at] = delimiter
                at += 1
            if quoted[column]:
                out[at] = _QUOTE
                at += 1
            value = values[column, row]
            kind = kinds[column]
            argument = arguments[column]
            if column == damaged and how[damage] == REPLACE:
                at = put_text(offsets, data, what[damage], out, at)
            elif value >= 0 and kind == TEXT:
                at = put_text(offsets, data, argument + value, out, at)
            elif value >= 0 and kind == INTEGER:
                at = put_integer(value, argument, out, at)
            elif value >= 0 and kind == NUMBER:
                at = put_text(offsets, data, argument + (value >> NUMBER_SHIFT), out, at)
                if value & DIGITS_MASK:
                    at = put_integer(value & DIGITS_MASK, 1, out, at)
            elif value >= 0 and kind == CLOCK:
                at = put_clock(value, argument, out, at)
            elif value >= 0 and kind == CLOCK_OFFSET:
                at = put_clock(value, _T, out, at)
                at = put_offset(values[argument, row], out, at)
            elif value >= 0:
                at = put_uuid(value, values[argument, row], out, at)
            if quoted[column]:
                out[at] = _QUOTE
                at += 1
            if column == damaged and how[damage] == CUT:
                break
        if damaged >= 0 and how[damage] == APPEND:
            out[at] = delimiter
            at = put_text(offsets, data, what[damage], out, at + 1)
        out[at] = _LINE_END
        at += 1
    return at
