"""Hashes and hash tables for kernels: whole numbers and utf8 bytes, the same without the JIT.

A hash is made of two lanes of 31 bits, so that no product leaves int64 (plain numpy would warn of
an overflow): every step multiplies a lane and folds the upper half of the product onto the lower.
Hashes are stable for ever: they are stored in the duplicate index and choose an account's bucket.
Tables of texts, which live no longer than a run, look at eight bytes at a time instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cdr.bytes_kernels import ALL_ONES, NO_BITS, S1, S5, S8, U, load8
from cdr.spec_kernels import Word
from tollbook.jit import borrows, inlined, inner, kernel

LANE = (1 << 31) - 1
SEED = 0x1B87_3593_4CF5_AD43 & ((1 << 62) - 1)
NO_TEXT, UNKNOWN_TEXT = -1, -2
POSITION_BITS = 32
POSITION_MASK = (1 << POSITION_BITS) - 1
ROTATED = U(59)  # 64 less the 5 bits by which a state turns to the left for each word
FACTOR_A, FACTOR_B, FACTOR_C = 0x5BD1E995, 0x61C88647, 0x4C957F2D


class Texts(NamedTuple):
    """A utf8 column: row i is ``data[offsets[i]:offsets[i + 1]]``; int32 and uint8, read-only."""

    offsets: np.ndarray
    data: np.ndarray


class TextTable(NamedTuple):
    """An open-addressing hash table from a text to its position in ``texts``.

    slots: int32, a power of two, -1 where free.
    """

    slots: np.ndarray
    texts: Texts


@inner
def mix_word(state: int, word: int) -> int:
    """A state of 62 bits (two lanes) with the lower 31 bits of an int64 mixed in."""
    low = ((state & LANE) ^ (word & LANE)) * FACTOR_A
    high = ((state >> 31) ^ (word & LANE)) * FACTOR_C
    return ((high ^ (high >> 31)) & LANE) << 31 | ((low ^ (low >> 31)) & LANE)


@inner
def mix(state: int, value: int) -> int:
    """A state of 62 bits with an int64 mixed in; never negative."""
    return mix_word(mix_word(state, value), value >> 31)


@inner
@borrows
def span(offsets: np.ndarray, row: int) -> tuple[int, int]:
    """Where text ``row`` begins and ends, as int64: kernels then compile for one type only."""
    return int(np.int64(offsets[row])), int(np.int64(offsets[row + 1]))


@inner
@borrows
def byte(data: np.ndarray, at: int) -> int:
    """One byte of a text as a signed integer: unsigned ones do not mix with int64."""
    return int(np.int64(data[at]))


@inner
@borrows
def text_hash(data: np.ndarray, first: int, last: int) -> int:
    """Hash of the bytes ``data[first:last]`` and their count: 62 bits, never negative."""
    state = mix_word(SEED, last - first)
    position = first
    while position + 3 <= last:
        word = byte(data, position) | byte(data, position + 1) << 8
        state = mix_word(state, word | byte(data, position + 2) << 16)
        position += 3
    word = 0
    while position < last:
        word = word << 8 | byte(data, position)
        position += 1
    return mix_word(state, word)


@inner
def number_slot(number: int, mask: int) -> int:
    """First slot to look at for a whole number in a table of ``mask + 1`` slots."""
    product = ((number >> 31) & LANE) * FACTOR_A
    product = ((product ^ (product >> 31) ^ number) & LANE) * FACTOR_B
    return (product ^ (product >> 31)) & mask


@inlined
@borrows
def word_at(data: np.ndarray, at: int, last: int) -> Word:
    """Up to eight bytes of a text that ends at ``last``, zeros behind them."""
    if at + 8 <= len(data):
        word = load8(data, at)
        return word if last - at >= 8 else word & (ALL_ONES >> U(8 * (at + 8 - last)))
    word = NO_BITS
    for place in range(last - 1, at - 1, -1):
        word = word << S8 | U(data[place])
    return word


@inlined
@borrows
def text_slot(data: np.ndarray, first: int, last: int, mask: int) -> int:
    """First slot to look at for a text in a table of ``mask + 1`` slots."""
    state = U(last - first)
    for at in range(first, last, 8):
        state = (state << S5 | state >> ROTATED) ^ word_at(data, at, last)
    return number_slot(int(state >> S1), mask)


@inlined
@borrows
def is_same(known: np.ndarray, start: int, data: np.ndarray, first: int, size: int) -> bool:
    """Whether two pieces of ``size`` bytes are equal."""
    for at in range(0, size, 8):
        if word_at(known, start + at, start + size) != word_at(data, first + at, first + size):
            return False
    return True


@kernel
@borrows
def find_texts(table: TextTable, texts: Texts, found: np.ndarray) -> None:
    """``found[i]`` (int32): position in the table of text i, NO_TEXT or UNKNOWN_TEXT."""
    # Arrays are taken out of their tuples once: inside the loop numba would count references.
    slots, (known_offsets, known) = table
    offsets, data = texts
    mask = len(slots) - 1
    for row in range(len(found)):
        first, last = span(offsets, row)
        if first == last:
            found[row] = NO_TEXT
            continue
        found[row] = UNKNOWN_TEXT
        slot = text_slot(data, first, last, mask)
        while slots[slot] >= 0:
            start, end = span(known_offsets, slots[slot])
            if end - start == last - first and is_same(known, start, data, first, last - first):
                found[row] = slots[slot]
                break
            slot = (slot + 1) & mask


@kernel
@borrows
def hash_texts(texts: Texts, hashes: np.ndarray) -> None:
    """``hashes[i]`` (int64) becomes the hash of text i."""
    offsets, data = texts
    for row in range(len(hashes)):
        first, last = span(offsets, row)
        hashes[row] = text_hash(data, first, last)


@kernel
def fill_text_slots(texts: Texts, slots: np.ndarray) -> None:
    """Enters the positions 0.. of distinct texts; ``slots`` starts out as -1."""
    offsets, data = texts
    mask = len(slots) - 1
    for row in range(len(offsets) - 1):
        first, last = span(offsets, row)
        slot = text_slot(data, first, last, mask)
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = row


@kernel
def fill_number_slots(numbers: np.ndarray, slots: np.ndarray) -> None:
    """Enters every number's first position; equal ones lie together; ``slots`` starts as -1.

    A slot holds the lower 31 bits of its number above the position: most searches then need not
    look at the number itself to pass a slot by.
    """
    mask = len(slots) - 1
    for row in range(len(numbers)):
        if row > 0 and numbers[row] == numbers[row - 1]:
            continue
        slot = number_slot(numbers[row], mask)
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = (numbers[row] & LANE) << POSITION_BITS | row
