"""Contents of BER fields as columns: integers, packed digits and bytes, one column at a time.

begin, size: int32, where the contents of each row lie (``ber_kernels.Found``); size below zero: the
row has no such field. No value is written for such a row but zero or an empty text.
"""

from __future__ import annotations

import numpy as np

from tollbook.jit import kernel

INTEGER_BYTES_MAX = 8
LOW_NIBBLE, DIGIT_ZERO = 0x0F, 48
# Nibbles of packed digits: ten digits, then what TS 29.002 (TBCD-STRING) names, then the filler.
DIGITS = np.frombuffer(b"0123456789*#abc\0", np.uint8)
FILLER = 15


@kernel
def read_integers(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, values: np.ndarray, is_good: np.ndarray
) -> None:
    """Two's complement, most significant byte first. is_good bool: 1 to 8 bytes were there."""
    for row in range(len(values)):
        value, count, at = np.int64(0), size[row], begin[row]
        if 0 < count <= INTEGER_BYTES_MAX:
            value = np.int64(data[at])
            if value >= 128:
                value -= 256
            for i in range(at + 1, at + count):
                value = value << 8 | np.int64(data[i])
        values[row] = value
        is_good[row] = 0 < count <= INTEGER_BYTES_MAX


@kernel
def unpack_digits(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, skip: int, is_swapped: bool,
    offsets: np.ndarray, text: np.ndarray,
) -> None:  # fmt: skip
    """Two digits a byte up to the filler; the first in the high half, or (is_swapped) the low one.

    skip: bytes before the digits (the kind of number). offsets: int32, rows + 1; text has room for
    two bytes for each byte of contents.
    """
    to = 0
    offsets[0] = 0
    for row in range(len(offsets) - 1):
        at, end = begin[row] + skip, begin[row] + size[row]
        while at < end:
            pair = np.int64(data[at])
            first, second = pair >> 4, pair & LOW_NIBBLE
            if is_swapped:
                first, second = second, first
            if first == FILLER:
                break
            text[to] = DIGITS[first]
            to += 1
            if second == FILLER:
                break
            text[to] = DIGITS[second]
            to += 1
            at += 1
        offsets[row + 1] = to


@kernel
def copy_bytes(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, offsets: np.ndarray, text: np.ndarray
) -> None:
    """Contents as they are. offsets: int32, rows + 1; text has room for all of them."""
    to = 0
    offsets[0] = 0
    for row in range(len(offsets) - 1):
        at = begin[row]
        for i in range(size[row]):
            text[to + i] = data[at + i]
        to += max(size[row], 0)
        offsets[row + 1] = to
