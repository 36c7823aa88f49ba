"""Arithmetic on whole columns of money: int64 in, int64 out, exact, never wrapping unnoticed.

The scalar twin of the rounding here is ``tollbook.money.round_micro`` with ``ROUND_HALF_UP``.
"""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np

from tollbook.errors import TollbookError
from tollbook.money import CHARGE_LIMIT_MICRO, MICRO_DIGITS, ROUND_HALF_UP, round_div

_SAFE: Final = 2**62
_LOW_BITS: Final = 32
_LOW_MASK: Final = (1 << _LOW_BITS) - 1


class AmountTooLarge(TollbookError):
    """A sum or product of money outside ``|amount| < 10**18`` micro: nothing was billed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the amount does not fit\n"
            f"    allowed: less than {CHARGE_LIMIT_MICRO // 10**MICRO_DIGITS} currency units\n"
            "    do: look for a wrong price or charge"
        )


def round_half_up(amounts_micro: np.ndarray, digits: int) -> np.ndarray:
    """int64 micro rounded half_up (away from zero at the half) to ``digits`` decimals, in micro."""
    step = 10 ** (MICRO_DIGITS - digits)
    size = np.abs(amounts_micro)
    rounded = (size + step // 2) // step * step
    signed: np.ndarray = np.where(amounts_micro < 0, -rounded, rounded)
    return signed


def share_half_up(
    amounts_micro: np.ndarray, numerator: int, denominator: int, digits: int, what: str
) -> np.ndarray:
    """``amount * numerator / denominator``, exact, rounded once, half_up to ``digits`` decimals.

    numerator >= 0, denominator > 0. ``what`` names the figure if it does not fit.
    """
    step = 10 ** (MICRO_DIGITS - digits)
    common = gcd(numerator, denominator * step)
    top, bottom = numerator // common, denominator * step // common
    largest = int(np.abs(amounts_micro).max(initial=0))
    if largest * top + bottom < _SAFE:  # the product and the half that is added both fit
        size = np.abs(amounts_micro) * top
        steps = size // bottom + (2 * (size % bottom) >= bottom)
        if int(steps.max(initial=0)) * step < CHARGE_LIMIT_MICRO:
            shares: np.ndarray = np.where(amounts_micro < 0, -steps, steps) * step
            return shares
    exact = [round_div(int(a) * top, bottom, ROUND_HALF_UP) * step for a in amounts_micro]
    if any(abs(amount) >= CHARGE_LIMIT_MICRO for amount in exact):
        raise AmountTooLarge(what)
    return np.array(exact, np.int64)


def sum_by(index: np.ndarray, amounts_micro: np.ndarray, size: int, what: str) -> np.ndarray:
    """int64 sums of ``amounts_micro`` by ``index`` (0..size-1); refuses a sum that does not fit.

    The upper and lower halves of the amounts are summed apart, so nothing can wrap on the way.
    """
    high, low = np.zeros(size, np.int64), np.zeros(size, np.int64)
    np.add.at(high, index, amounts_micro >> _LOW_BITS)
    np.add.at(low, index, amounts_micro & _LOW_MASK)
    high += low >> _LOW_BITS
    if int(np.abs(high).max(initial=0)) > CHARGE_LIMIT_MICRO >> _LOW_BITS:
        raise AmountTooLarge(what)
    sums: np.ndarray = (high << _LOW_BITS) + (low & _LOW_MASK)
    return sums
