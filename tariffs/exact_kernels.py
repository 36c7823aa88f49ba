"""Exact arithmetic of kernels: one rounding division, and numbers of 124 bits as two int64.

A wide number is ``high * 2**62 + low`` with 0 <= low < 2**62 and 0 <= high < 2**62: halves of 62
bits leave room for a carry, so nothing ever leaves int64, with or without the JIT. Everything is
zero or positive (prices are), hence rounding needs no sign. The compiler proves the bounds.
"""

from __future__ import annotations

import numpy as np

from tollbook.jit import borrows, inlined, inner, kernel

HALF_BITS = 62
HALF_MASK = (1 << HALF_BITS) - 1
WIDE_BITS = 2 * HALF_BITS
NARROW_DIVISOR = 1 << (HALF_BITS - 1)

DOWN, UP, HALF_UP, HALF_DOWN, HALF_EVEN = range(5)  # tollbook.money


@inlined
@borrows
def ratio(numerator: int, denominator: int) -> int:
    """Quotient of numbers that are not negative, rounded down.

    As unsigned numbers, which need no steps for signs.
    """
    return np.int64(np.uint64(numerator) // np.uint64(denominator))  # type: ignore[return-value]


@kernel
@borrows
def divide(numerator: int, denominator: int, mode: int) -> int:
    """Rounded quotient; 0 <= numerator < 2**62, 0 < denominator < 2**61.

    What rounds up is added before dividing: to look at the rest afterwards would be a branch that
    goes either way by chance. An exact half is met only where the sum divides evenly.
    """
    if denominator <= 1:
        return numerator
    added = (denominator - (mode == HALF_DOWN)) >> 1
    if mode < HALF_UP:
        added = denominator - 1 if mode == UP else 0
    quotient = ratio(numerator + added, denominator)
    if mode == HALF_EVEN and denominator & 1 == 0 and quotient * denominator == numerator + added:
        return quotient - (quotient & 1)
    return quotient


@inner
@borrows
def add(high: int, low: int, more_high: int, more_low: int) -> tuple[int, int]:
    """Sum of two wide numbers; it must be below 2**124."""
    low += more_low
    return high + more_high + (low >> HALF_BITS), low & HALF_MASK


@kernel
@borrows
def add_product(
    high: int, low: int, count: int, weight_high: int, weight_low: int
) -> tuple[int, int]:
    """Wide sum plus count times wide weight, by doubling; the result must be below 2**124."""
    while count > 0:
        if count & 1:
            high, low = add(high, low, weight_high, weight_low)
        count >>= 1
        if count > 0:
            weight_high, weight_low = add(weight_high, weight_low, weight_high, weight_low)
    return high, low


@inner
@borrows
def is_less(high: int, low: int, other_high: int, other_low: int) -> bool:
    """Order of two wide numbers."""
    return high < other_high or (high == other_high and low < other_low)


@kernel
@borrows
def divide_wide(high: int, low: int, by_high: int, by_low: int, mode: int) -> int:
    """Rounded quotient of wide numbers, bit by bit; divisor below 2**123, quotient below 2**62."""
    if high == 0 and by_high == 0 and by_low < NARROW_DIVISOR:
        return divide(low, by_low, mode)
    quotient = 0
    rest_high, rest_low = 0, 0
    for position in range(WIDE_BITS - 1, -1, -1):
        half, shift = (high, position - HALF_BITS) if position >= HALF_BITS else (low, position)
        bit = (half >> shift) & 1
        rest_low = (rest_low << 1) | bit
        rest_high = (rest_high << 1) + (rest_low >> HALF_BITS)
        rest_low &= HALF_MASK
        quotient <<= 1
        if not is_less(rest_high, rest_low, by_high, by_low):
            quotient |= 1
            rest_high -= by_high
            rest_low -= by_low
            if rest_low < 0:
                rest_low += HALF_MASK + 1
                rest_high -= 1
    if rest_high == 0 and rest_low == 0:
        return quotient
    double_high, double_low = add(rest_high, rest_low, rest_high, rest_low)
    is_below = is_less(double_high, double_low, by_high, by_low)
    is_above = is_less(by_high, by_low, double_high, double_low)
    goes_up = mode == UP or (mode != DOWN and is_above)
    if not (is_below or is_above):
        goes_up = mode in (UP, HALF_UP) or (mode == HALF_EVEN and quotient & 1 == 1)
    return quotient + (1 if goes_up else 0)
