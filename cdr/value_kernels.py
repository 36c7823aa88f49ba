"""Contents of BER fields as columns: integers, packed digits, text, bytes; a block's all at once.

A column has a bit for each row that has a value, then eight bytes a row (integers) or offsets and
text; all columns of a call lie in one piece of memory. Rows without a value have zero or an empty
text.

``data`` has PAD_BYTES behind the last contents, and so has each column's text: a few bytes too many
are moved at once, rather than one after the other as many as there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cdr import bytes_kernels as b
from cdr.ber_state_kernels import PLACE_BEGIN, PLACE_ROW, PLACE_SUM
from cdr.spec_kernels import Int, Word
from tollbook.jit import inlined, inner, kernel

U = np.uint64
INTEGER_BYTES_MAX = 8
COPIED_BYTES = 16  # of each text at once
DIGIT_ZERO = 48
# Nibbles of packed digits: ten digits, then what TS 29.002 (TBCD-STRING) names, then the filler.
DIGITS = np.frombuffer(b"0123456789*#abc\0", np.uint8)
FILLER = 15
CHUNK_BYTES, CHUNK_DIGITS = 4, 8
HALVES = U(0x0F0F0F0F)
ABOVE_NINE = U(0x1010101010101010)

# What a column is made of, as ``asn_values.Form``.
INTEGER, TEXT, DIGITS_HIGH, DIGITS_LOW, ADDRESS, BYTES = range(6)
# What is known of a column: its first and last place, its form and rows; where its bits (in bytes),
# its values or offsets (in units of their own) and its text (in bytes) begin.
FIRST, LAST, FORM, ROWS, BITS_AT, VALUES_AT, TEXT_AT = range(7)


class Columns(NamedTuple):
    """Columns and their memory. about: int64 [column, FIRST .. TEXT_AT]. nulls: int64, by column,
    how many rows have no value. out, offsets, integers: the same memory as uint8, int32, int64."""

    about: np.ndarray
    nulls: np.ndarray
    out: np.ndarray
    offsets: np.ndarray
    integers: np.ndarray


@kernel
def read_columns(data: np.ndarray, places: np.ndarray, columns: Columns) -> None:
    """All ``columns``. places: see ``ber_kernels.Found``."""
    out, nulls = columns.out, columns.nulls
    for number in range(len(columns.about)):
        about = columns.about[number]
        form, rows, begin = about[FORM], about[ROWS], about[BITS_AT]
        own = places[about[FIRST] : about[LAST] + 1]
        nulls[number] = rows + 1 - len(own)
        out[begin : begin + (rows + 7 >> 3)] = 0xFF if nulls[number] == 0 else 0
        if form == INTEGER:
            nulls[number] += read_integers(data, own, about, columns.integers, out)
        elif form in (TEXT, BYTES):
            end = copy_texts(data, own, about, columns.offsets, out)
            if form == TEXT and has_high(out, about[TEXT_AT], end):
                nulls[number] += copy_ascii(data, own, about, columns.offsets, out)
        else:
            unpack_all(data, own, about, columns.offsets, out)


@inner
def mark(out: np.ndarray, begin: Int, row: Int) -> None:
    """Sets the bit of a row."""
    out[U(begin + (row >> 3))] |= np.uint8(1 << (row & 7))


@inner
def unmark(out: np.ndarray, begin: Int, row: Int) -> None:
    """Clears the bit of a row."""
    out[begin + (row >> 3)] &= np.uint8(0xFF ^ 1 << (row & 7))


@inner
def fill_offsets(offsets: np.ndarray, begin: Int, rows: Int) -> None:
    """Rows without a text end where the text before them ends; their offsets are zero before."""
    upto = np.int32(0)
    for row in range(begin, begin + rows + 1):
        upto = max(upto, offsets[U(row)])
        offsets[U(row)] = upto


@inner
def read_integers(
    data: np.ndarray, own: np.ndarray, about: np.ndarray, integers: np.ndarray, out: np.ndarray
) -> Int:
    """Two's complement, most significant byte first; how many are not of 1 to 8 bytes."""
    bad, rows, bits, begin = np.int64(0), about[ROWS], about[BITS_AT], about[VALUES_AT]
    is_sparse = len(own) <= rows
    if is_sparse:
        integers[begin : begin + rows] = 0
    upto = np.int64(0)
    for place in range(1, len(own)):
        row, at = np.int64(own[U(place), U(PLACE_ROW)]), own[U(place), U(PLACE_BEGIN)]
        count, upto = own[U(place), U(PLACE_SUM)] - upto, np.int64(own[U(place), U(PLACE_SUM)])
        if is_sparse:
            mark(out, bits, row)
        value = np.int64(np.int8(data[U(at)]))
        for i in range(1, INTEGER_BYTES_MAX):
            value = value << 8 | np.int64(data[U(at + i)])
        if count < 1 or count > INTEGER_BYTES_MAX:
            value, count, bad = np.int64(0), np.int64(INTEGER_BYTES_MAX), bad + 1
            unmark(out, bits, row)
        integers[U(begin + row)] = value >> 8 * (INTEGER_BYTES_MAX - count)
    return bad


@inner
def copy_texts(
    data: np.ndarray, own: np.ndarray, about: np.ndarray, offsets: np.ndarray, out: np.ndarray
) -> Int:
    """Contents as they are; the place behind the last one."""
    rows, bits, first, begin = about[ROWS], about[BITS_AT], about[VALUES_AT], about[TEXT_AT]
    is_sparse = len(own) <= rows
    offsets[first : first + rows + 1] = 0
    upto = np.int64(0)
    for place in range(1, len(own)):
        row, at = np.int64(own[U(place), U(PLACE_ROW)]), np.int64(own[U(place), U(PLACE_BEGIN)])
        to, upto = begin + upto, np.int64(own[U(place), U(PLACE_SUM)])
        if is_sparse:
            mark(out, bits, row)
        offsets[U(first + row + 1)] = upto
        b.store8(out, to, b.load8(data, at))
        b.store8(out, to + 8, b.load8(data, at + 8))
        done = COPIED_BYTES
        while to + done < begin + upto:
            b.store8(out, to + done, b.load8(data, at + done))
            done += 8
    if is_sparse:
        fill_offsets(offsets, first, rows)
    return begin + upto


@inner
def has_high(out: np.ndarray, begin: Int, end: Int) -> bool:
    """Whether a byte is none of ISO 646."""
    found = b.NO_BITS
    at = begin
    while at + 8 <= end:
        found |= b.load8(out, at)
        at += 8
    for i in range(at, end):
        found |= U(out[i])
    return bool(found & b.HIGH_BIT != b.NO_BITS)


@inner
def copy_ascii(
    data: np.ndarray, own: np.ndarray, about: np.ndarray, offsets: np.ndarray, out: np.ndarray
) -> Int:
    """Copies texts again without those that are none of ISO 646; how many they are."""
    rows, bits, first, begin = about[ROWS], about[BITS_AT], about[VALUES_AT], about[TEXT_AT]
    bad, to, upto = np.int64(0), np.int64(0), np.int64(0)
    offsets[first : first + rows + 1] = 0
    for place in range(1, len(own)):
        row, at = np.int64(own[place, PLACE_ROW]), np.int64(own[place, PLACE_BEGIN])
        count, upto = own[place, PLACE_SUM] - upto, np.int64(own[place, PLACE_SUM])
        if has_high(data, at, at + count):
            bad += 1
            unmark(out, bits, row)
            continue
        for i in range(count):
            out[begin + to + i] = data[at + i]
        to += count
        offsets[first + row + 1] = to
    fill_offsets(offsets, first, rows)
    return bad


@inner
def unpack_all(
    data: np.ndarray, own: np.ndarray, about: np.ndarray, offsets: np.ndarray, out: np.ndarray
) -> None:
    """Two digits a byte up to the filler, eight digits at a time; of an address without its first
    byte."""
    rows, bits, first, begin = about[ROWS], about[BITS_AT], about[VALUES_AT], about[TEXT_AT]
    is_sparse, is_high = len(own) <= rows, about[FORM] == DIGITS_HIGH
    skip = np.int64(about[FORM] == ADDRESS)
    offsets[first : first + rows + 1] = 0
    to, upto = begin, np.int64(0)
    for place in range(1, len(own)):
        row, at = np.int64(own[U(place), U(PLACE_ROW)]), np.int64(own[U(place), U(PLACE_BEGIN)])
        end, upto = at + own[U(place), U(PLACE_SUM)] - upto, np.int64(own[U(place), U(PLACE_SUM)])
        at += skip
        if is_sparse:
            mark(out, bits, row)
        while at < end:
            word, count, is_odd = unpack(b.load8(data, at), end - at, is_high)
            if is_odd:
                to = unpack_signs(data, at, end, is_high, out, to)
                break
            b.store8(out, to, word)
            to += count
            at = at + CHUNK_BYTES if count == CHUNK_DIGITS else end
        offsets[U(first + row + 1)] = to - begin
    if is_sparse:
        fill_offsets(offsets, first, rows)


@inlined
def unpack(word: Word, left: Int, is_high: bool) -> tuple[Word, Int, bool]:
    """Up to eight digits of four bytes, of which ``left`` are there, as text; how many they are;
    and whether another sign than the filler ends them."""
    word &= b.HALF
    if is_high:
        word = (word & HALVES) << b.S4 | word >> b.S4 & HALVES
    word = (word | word << b.S16) & b.QUADS
    word = (word | word << b.S8) & b.PAIRS
    word = (word | word << b.S4) & b.LOW_NIBBLE
    others, count, is_odd = word + b.SIXES & ABOVE_NINE, np.int64(CHUNK_DIGITS), False
    if left < CHUNK_BYTES:  # what is behind them ends the number as the filler does
        others |= ABOVE_NINE & b.ALL_ONES << U(16 * left)
    if others != b.NO_BITS:
        lowest = (others & (b.NO_BITS - others)) >> b.S4
        count = np.int64((lowest - b.S1 & b.EACH) * b.EACH >> b.S56)
        sign = word >> U(8 * count) & U(FILLER)
        is_odd = count < 2 * left and sign != U(FILLER)
    return word | b.ZEROS, count, is_odd


@inner
def unpack_signs(
    data: np.ndarray, at: Int, end: Int, is_high: bool, out: np.ndarray, to: Int
) -> Int:
    """The same one by one, for signs that are no digits."""
    for here in range(at, end):
        pair = np.int64(data[here])
        one, two = (pair >> 4, pair & FILLER) if is_high else (pair & FILLER, pair >> 4)
        if one == FILLER:
            break
        out[to] = DIGITS[one]
        to += 1
        if two == FILLER:
            break
        out[to] = DIGITS[two]
        to += 1
    return to
