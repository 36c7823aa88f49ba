"""Contents of BER fields as columns: integers, packed digits and bytes, one column at a time.

begin, size: int32, where the contents of each row lie (``ber_kernels.Found``); size below zero: the
row has no such field. No value is written for such a row but zero or an empty text. valid: uint8,
zero before, a bit for each row as Arrow has them: set where there is a value.

``data`` has PAD_BYTES behind the last contents, and so has the text that is written: a few bytes
too many are moved at once, rather than one after the other as many as there are.
"""

from __future__ import annotations

import numpy as np

from cdr.ber_kernels import PAD_BYTES
from tollbook.jit import kernel

INTEGER_BYTES_MAX = 8
LOW_NIBBLE, DIGIT_ZERO = 0x0F, 48
# Nibbles of packed digits: ten digits, then what TS 29.002 (TBCD-STRING) names, then the filler.
DIGITS = np.frombuffer(b"0123456789*#abc\0", np.uint8)
FILLER = 15


@kernel
def read_integers(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, values: np.ndarray, valid: np.ndarray
) -> None:
    """Two's complement, most significant byte first; valid where 1 to 8 bytes were there."""
    for row in range(len(values)):
        value, count = np.int64(0), np.int64(size[row])
        if 0 < count <= INTEGER_BYTES_MAX:
            at = begin[row]
            value = np.int64(np.int8(data[at]))
            for i in range(1, INTEGER_BYTES_MAX):
                value = value << 8 | np.int64(data[at + i])
            value >>= 8 * (INTEGER_BYTES_MAX - count)
            valid[row >> 3] |= 1 << (row & 7)
        values[row] = value


@kernel
def unpack_digits(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, skip: int, is_swapped: bool,
    offsets: np.ndarray, text: np.ndarray, valid: np.ndarray,
) -> None:  # fmt: skip
    """Two digits a byte up to the filler; the first in the high half, or (is_swapped) the low one.

    skip: bytes before the digits (the kind of number). offsets: int32, rows + 1; text has room for
    two bytes for each byte of contents.
    """
    to = np.int64(0)
    shift_first = 0 if is_swapped else 4
    offsets[0] = 0
    for row in range(len(size)):
        if size[row] >= 0:
            valid[row >> 3] |= 1 << (row & 7)
            for at in range(begin[row] + skip, begin[row] + size[row]):
                pair = np.int64(data[at])
                first = pair >> shift_first & LOW_NIBBLE
                second = pair >> (4 - shift_first) & LOW_NIBBLE
                text[to], text[to + 1] = DIGITS[first], DIGITS[second]
                if first == FILLER or second == FILLER:
                    to += first != FILLER
                    break
                to += 2
        offsets[row + 1] = to


@kernel
def copy_bytes(
    data: np.ndarray, begin: np.ndarray, size: np.ndarray, offsets: np.ndarray, text: np.ndarray,
    valid: np.ndarray,
) -> None:  # fmt: skip
    """Contents as they are. offsets: int32, rows + 1; text has room for all of them."""
    to = np.int64(0)
    offsets[0] = 0
    for row in range(len(size)):
        count, at = np.int64(size[row]), np.int64(begin[row])
        if count >= 0:
            valid[row >> 3] |= 1 << (row & 7)
            for i in range(PAD_BYTES):
                text[to + i] = data[at + i]
            for i in range(PAD_BYTES, count):
                text[to + i] = data[at + i]
            to += count
        offsets[row + 1] = to
