"""Exact money: integers only, one rounding function, prices and amounts told apart by scale.

* a charge is int64 **micro**: millionths of the currency unit, |charge| < 10**18;
* a price is int64 **nano**: thousand-millionths of the currency unit.

Rounding is symmetric about zero: ``up`` is away from zero, ``down`` towards it. ``none`` means
half_even at a millionth, the finest amount that is stored (ADR 0002).
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

MICRO: Final = 10**6
NANO: Final = 10**9
MICRO_DIGITS: Final = 6
NANO_DIGITS: Final = 9
CHARGE_LIMIT_MICRO: Final = 10**18

ROUND_DOWN: Final = 0
ROUND_UP: Final = 1
ROUND_HALF_UP: Final = 2
ROUND_HALF_DOWN: Final = 3
ROUND_HALF_EVEN: Final = 4
ROUNDING_MODES: Final[dict[str, int]] = {
    "down": ROUND_DOWN,
    "up": ROUND_UP,
    "half_up": ROUND_HALF_UP,
    "half_down": ROUND_HALF_DOWN,
    "half_even": ROUND_HALF_EVEN,
}

_DECIMAL = re.compile(r"([+-]?)(\d{1,18})(?:\.(\d{1,18}))?")


def round_div(numerator: int, denominator: int, mode: int) -> int:
    """Quotient of two integers rounded once by ``mode``, symmetric about zero.

    ``denominator`` must be positive. Python integers of any size; kernels have a twin.
    """
    if denominator <= 0:
        raise ValueError(f"denominator must be positive, found {denominator}")
    quotient, rest = divmod(abs(numerator), denominator)
    double = 2 * rest
    if mode == ROUND_UP:
        bump = rest > 0
    elif mode == ROUND_HALF_UP:
        bump = double >= denominator
    elif mode == ROUND_HALF_DOWN:
        bump = double > denominator
    elif mode == ROUND_HALF_EVEN:
        bump = double > denominator or (double == denominator and quotient % 2 == 1)
    elif mode == ROUND_DOWN:
        bump = False
    else:
        raise ValueError(f"unknown rounding mode {mode}")
    rounded = quotient + 1 if bump else quotient
    return -rounded if numerator < 0 else rounded


def round_micro(amount_micro: int, digits: int, mode: int) -> int:
    """``amount_micro`` rounded to ``digits`` decimals of the currency unit, still in micro."""
    step: int = 10 ** (MICRO_DIGITS - digits)
    return round_div(amount_micro, step, mode) * step


def parse_decimal(text: str, digits: int) -> int | None:
    """``"0.40"`` -> the integer scaled by ``10**digits``; None if it is no such decimal.

    Refuses exponents, spaces, thousands separators and more decimals than ``digits``.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction.rstrip("0")) > digits:
        return None
    scaled: int = int(whole) * 10**digits + int(fraction[:digits].ljust(digits, "0") or "0")
    return -scaled if sign == "-" else scaled


def decimal_advice(text: str, what: str) -> str:
    """What to do about a text that ``parse_decimal`` refused."""
    if re.fullmatch(r"[+-]?\d{19,}(\.\d*)?", text):
        return "write a smaller number: at most 18 digits before the point"
    return f"write the {what} with a point"


def format_micro(amount_micro: int, digits: int = 2) -> str:
    """``1570000`` -> ``"1.57"``: at least ``digits`` decimals, never fewer than are exact."""
    return _format(amount_micro, MICRO_DIGITS, digits)


def format_nano(price_nano: int, digits: int = 2) -> str:
    """A price as text: at least ``digits`` decimals, never fewer than are exact."""
    return _format(price_nano, NANO_DIGITS, digits)


def _format(amount: int, scale: int, digits: int) -> str:
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**scale)
    fraction = f"{rest:0{scale}d}".rstrip("0").ljust(digits, "0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def exact_sum(amounts: np.ndarray) -> int:
    """Sum of an int64 array as a Python integer: nothing wraps.

    Where even the largest amount in all places could not, it is one sum; else halves are summed
    apart.
    """
    if not len(amounts):
        return 0
    largest = max(int(amounts.max()), -int(amounts.min()))
    if largest * len(amounts) < 1 << 63:
        return int(amounts.sum(dtype=np.int64))
    high = int((amounts >> 32).sum(dtype=np.int64))
    low = int((amounts & 0xFFFFFFFF).sum(dtype=np.int64))
    return (high << 32) + low
