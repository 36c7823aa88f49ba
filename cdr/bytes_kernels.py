"""Eight bytes at a time: loads, stores, digits and checks on text inside one machine word.

The eight single-byte accesses of ``load8`` and ``store8`` compile into one machine instruction.
Arithmetic is modulo 2**64 on purpose; without the JIT the glue tells numpy so.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr.spec_kernels import LATIN1, UTF8, Int, Word
from tollbook.jit import borrows, inlined, inner

U = np.uint64
S1, S2, S3, S4, S5, S6, S7, S8 = U(1), U(2), U(3), U(4), U(5), U(6), U(7), U(8)
S16, S24, S32, S40, S48, S56 = U(16), U(24), U(32), U(40), U(48), U(56)
BYTE: Final = U(0xFF)
ALL_ONES: Final = U(0xFFFFFFFFFFFFFFFF)
EACH: Final = U(0x0101010101010101)
LOW_SEVEN: Final = U(0x7F7F7F7F7F7F7F7F)
HIGH_BIT: Final = U(0x8080808080808080)
GATHER: Final = U(0x0102040810204080)  # moves the lowest bit of each byte into the top byte
ZEROS: Final = U(0x3030303030303030)
HIGH_NIBBLE: Final = U(0xF0F0F0F0F0F0F0F0)
SIXES: Final = U(0x0606060606060606)
BLANKS: Final = U(0x2020202020202020)
PLUSES: Final = U(0x2B2B2B2B2B2B2B2B)
ABOVE_NINE: Final = U(0x7676767676767676)  # its sum with more than nine has the high bit
LOW_NIBBLE: Final = U(0x0F0F0F0F0F0F0F0F)
PAIRS: Final = U(0x00FF00FF00FF00FF)
QUADS: Final = U(0x0000FFFF0000FFFF)
HALF: Final = U(0xFFFFFFFF)
TEN, HUNDRED, MYRIAD = U(10), U(100), U(10_000)
NO_BITS: Final = U(0)


@inner
@borrows
def load8(source: np.ndarray, at: Int) -> Word:
    """Bytes ``at`` .. ``at + 7`` as a uint64, the first byte lowest."""
    i = U(at)
    return (
        U(source[i]) | U(source[i + S1]) << S8 | U(source[i + S2]) << S16
        | U(source[i + S3]) << S24 | U(source[i + S4]) << S32 | U(source[i + S5]) << S40
        | U(source[i + S6]) << S48 | U(source[i + S7]) << S56
    )  # fmt: skip


@inner
def store8(target: np.ndarray, at: Int, word: Word) -> None:
    """The reverse of ``load8``."""
    i = U(at)
    target[i] = np.uint8(word & BYTE)
    target[i + S1] = np.uint8((word >> S8) & BYTE)
    target[i + S2] = np.uint8((word >> S16) & BYTE)
    target[i + S3] = np.uint8((word >> S24) & BYTE)
    target[i + S4] = np.uint8((word >> S32) & BYTE)
    target[i + S5] = np.uint8((word >> S40) & BYTE)
    target[i + S6] = np.uint8((word >> S48) & BYTE)
    target[i + S7] = np.uint8((word >> S56) & BYTE)


@inner
def copy(source: np.ndarray, at: Int, length: Int, target: np.ndarray, to: Int) -> None:
    """Copies ``length`` bytes, eight at a time: up to seven bytes more are read and written."""
    done = 0
    while done < length:
        store8(target, to + done, load8(source, at + done))
        done += 8


@inner
def not_digits(word: Word) -> Word:
    """Non-zero where a byte of the word is no ASCII digit."""
    return ((word & HIGH_NIBBLE) ^ ZEROS) | (((word + SIXES) & HIGH_NIBBLE) ^ ZEROS)


@inner
def digits8(word: Word) -> Int:
    """The number that eight digits spell, the first lowest; -1 if one is no digit."""
    if not_digits(word) != NO_BITS:
        return -1
    word &= LOW_NIBBLE
    word = (word * TEN + (word >> S8)) & PAIRS
    word = (word * HUNDRED + (word >> S16)) & QUADS
    return np.int64((word * MYRIAD + (word >> S32)) & HALF)


@inlined
@borrows
def digits(source: np.ndarray, at: Int, length: Int) -> Int:
    """The number that ``length`` (1..18) bytes spell; -1 if one is no digit."""
    done = ((length - 1) & 7) + 1
    # The first bytes, with zeros before them instead of what follows them in the file.
    word = load8(source, at) << (U(8 - done) << S3)
    value = digits8(word | ((ZEROS >> (U(done - 1) << S3)) >> S8))
    while done < length and value >= 0:
        more = digits8(load8(source, at + done))
        value = value * 100_000_000 + more if more >= 0 else -1
        done += 8
    return value


@inner
def is_digit(byte: Int) -> bool:
    """Whether a byte is an ASCII digit."""
    return bool((byte >= 48) & (byte <= 57))


@inner
def two_digits(source: np.ndarray, at: Int) -> Int:
    """Two digits as a number; -1 if they are none."""
    tens, ones = np.int64(source[at]) - 48, np.int64(source[at + 1]) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1
    return tens * 10 + ones


@inner
def utf8_length(source: np.ndarray, at: Int, end: Int) -> Int:
    """Bytes of the character at ``at`` (2..4 for a valid multi-byte one); 0 if it is not UTF-8."""
    lead = np.int64(source[at])
    if lead < 0xC2 or lead > 0xF4:
        return 0
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if at + size > end:
        return 0
    for k in range(1, size):
        if np.int64(source[at + k]) & 0xC0 != 0x80:
            return 0
    second = np.int64(source[at + 1])
    # Over-long forms, surrogates, and what lies beyond U+10FFFF.
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return 0
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return 0
    return size


@inner
def is_plain(text: np.ndarray, begin: Int, end: Int) -> bool:
    """Whether all bytes are printable ASCII; ``text`` has at least eight bytes behind ``end``."""
    unsafe, words = NO_BITS, (end - begin) >> 3
    for i in range(words):
        word = load8(text, begin + i * 8)
        unsafe |= word | ((word - BLANKS) & ~word)
    at = begin + words * 8
    if at < end:  # bytes behind the end are shifted out
        word = load8(text, at)
        unsafe |= (word | ((word - BLANKS) & ~word)) << (U(at + 8 - end) << S3)
    return bool(unsafe & HIGH_BIT == NO_BITS)


@inner
def not_dialled(word: Word) -> Word:
    """The high bit of each byte that is neither a digit nor a plus."""
    digit, plus = word ^ ZEROS, word ^ PLUSES
    return (((digit & LOW_SEVEN) + ABOVE_NINE) | digit) & ((plus & LOW_SEVEN) + LOW_SEVEN | plus)


@inner
def is_dialled(text: np.ndarray, begin: Int, end: Int) -> bool:
    """The same as ``is_plain``, of digits and pluses."""
    others, words = NO_BITS, (end - begin) >> 3
    for i in range(words):
        others |= not_dialled(load8(text, begin + i * 8))
    at = begin + words * 8
    if at < end:
        others |= not_dialled(load8(text, at)) << (U(at + 8 - end) << S3)
    return bool(others & HIGH_BIT == NO_BITS)


@inner
def copy_checked(
    source: np.ndarray, at: Int, length: Int, target: np.ndarray, to: Int, encoding: Int
) -> Int:
    """Copies text of an encoding (UTF8, LATIN1, ASCII) as UTF-8: the bytes written.

    -1: the bytes are not of that encoding; -2: there is a NUL or another control character, except
    tab, line feed and carriage return.
    """
    end, begin = at + length, to
    while at < end:
        byte = np.int64(source[at])
        if at + 8 <= end:
            word = load8(source, at)
            if (word | ((word - BLANKS) & ~word)) & HIGH_BIT == NO_BITS:
                store8(target, to, word)
                at += 8
                to += 8
                continue
        if byte < 32 and byte != 9 and byte != 10 and byte != 13:
            return -2
        if byte >= 128 and encoding == LATIN1:
            target[to] = np.uint8(0xC0 | (byte >> 6))
            target[to + 1] = np.uint8(0x80 | (byte & 0x3F))
            at += 1
            to += 2
            continue
        size = 1
        if byte >= 128:
            size = utf8_length(source, at, end) if encoding == UTF8 else 0
        if size == 0:
            return -1
        for i in range(size):
            target[to + i] = source[at + i]
        at += size
        to += size
    return to - begin
