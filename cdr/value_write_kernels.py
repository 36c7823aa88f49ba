"""Values as contents of BER fields, one column at a time: integers and packed digits.

size: int32, ABSENT on the way in for rows without a value, their length on the way out. Both
return the place behind the last byte written; ``out`` has room for eight bytes a row, and for
digits for one byte a row more than for the text.
"""

from __future__ import annotations

import numpy as np

from cdr.spec_kernels import Int
from cdr.value_kernels import DIGIT_ZERO, FILLER, INTEGER_BYTES_MAX
from tollbook.jit import kernel

# Besides digits (TS 29.002, TBCD-STRING): * # a b c.
OTHERS = np.frombuffer(b"*#abc", np.uint8)
FIRST_OTHER = 10


@kernel
def write_integers(values: np.ndarray, size: np.ndarray, begin: np.ndarray, out: np.ndarray) -> Int:
    """Two's complement in as few bytes as hold it (X.690 clause 8.3)."""
    at = np.int64(0)
    for row in range(len(values)):
        begin[row] = at
        if size[row] < 0:
            continue
        value, count = values[row], 1
        while count < INTEGER_BYTES_MAX and (value >> (8 * count - 1)) not in (0, -1):
            count += 1
        for i in range(count):
            out[at + i] = value >> 8 * (count - 1 - i) & 0xFF
        size[row] = count
        at += count
    return at


@kernel
def pack_digits(
    text: np.ndarray, offsets: np.ndarray, lead: int, is_swapped: bool, size: np.ndarray,
    begin: np.ndarray, out: np.ndarray,
) -> Int:  # fmt: skip
    """Two signs a byte, the first in the high half, or (is_swapped) the low one; then filler.

    lead: a byte before the digits, -1: none. What is neither a digit nor one of OTHERS ends them.
    """
    at = np.int64(0)
    for row in range(len(size)):
        begin[row] = at
        if size[row] < 0:
            continue
        if lead >= 0:
            out[at] = lead
            at += 1
        half, count = np.int64(0), 0
        for i in range(offsets[row], offsets[row + 1]):
            digit = np.int64(text[i]) - DIGIT_ZERO
            if digit < 0 or digit > 9:
                digit = np.int64(FILLER)
                for j in range(len(OTHERS)):
                    if text[i] == OTHERS[j]:
                        digit = np.int64(FIRST_OTHER + j)
            if digit == FILLER:
                break
            if count % 2 == 0:
                half = digit
            else:
                out[at] = digit << 4 | half if is_swapped else half << 4 | digit
                at += 1
            count += 1
        if count % 2 == 1:
            out[at] = FILLER << 4 | half if is_swapped else half << 4 | FILLER
            at += 1
        size[row] = at - begin[row]
    return at
