"""Why a plan that rounds its increments charges something else than one that is exact.

Reads two traces of the same usage (``rating.trace``): the exact one, and one of a rate with a stage
of rounding before the last, such as the stage ``cgrates`` that imported plans may have.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from rating.trace import Component, Staged, Trace
from tollbook import money

_SHOWN_DIGITS: Final = 7  # of an amount that has no end
_UNIT_WORD: Final = {"second": "s", "byte": "bytes", "event": "events"}
_MODE_WORD: Final = {code: word for word, code in money.ROUNDING_MODES.items() if word != "none"}


def explain(exact: Trace, compat: Trace) -> str:
    """One sentence for each component that differs; "" where the charges are the same."""
    parts = {part.component: part for part in exact.components}
    return "; ".join(
        f"{part.component}: {explain_component(parts[part.component], part)}"
        for part in compat.components
        if part.component in parts and parts[part.component].charge_micro != part.charge_micro
    )


def explain_component(exact: Component, compat: Component) -> str:
    """How the roundings of ``compat`` lead away from the exact charge.

    ``180 x 1 s at 0.10 per 60 s: 0.30 / 180 = 0.0016666..., rounded 0.001667, x 180 = 0.30006;
    rounded half_up to 4 digits 0.3001; exact 0.3000; difference +0.0001``
    """
    steps = [_step(compat, one) for one in compat.staged if one.exact_nano or one.each_nano]
    if len(steps) > 1:
        steps.append(f"together {_amount(compat.sum_nano)}")
    if compat.bound:
        steps.append(f"its {compat.bound} {_amount(compat.exact_nano)}")
    rate = compat.rate
    digits = money.MICRO_DIGITS if rate is None else rate.digits
    if rate is not None:
        steps.append(f"rounded {_MODE_WORD[rate.mode]} to {digits} digits "
                     f"{money.format_micro(compat.charge_micro, digits)}")  # fmt: skip
    change = compat.charge_micro - exact.charge_micro
    steps.append(f"exact {money.format_micro(exact.charge_micro, digits)}")
    steps.append(f"difference {'+' * (change > 0)}{money.format_micro(change, digits)}")
    return "; ".join(steps)


def _step(part: Component, one: Staged) -> str:
    """One rounding before the last."""
    each, total = _amount(one.each_nano), _amount(one.sum_nano)
    if one.what != "increments":
        return f"{one.what} {_amount(one.exact_nano)}, rounded {each}"
    segments = part.segments[one.first_segment : one.first_segment + one.segments]
    unit = _UNIT_WORD[part.rate.unit] if part.rate else ""
    said = " and ".join(
        f"{segment.count} x {segment.increment} {unit} at {_amount(segment.price_nano)} per "
        f"{segment.per} {unit}" for segment in segments
    )  # fmt: skip
    whole = one.exact_nano
    if one.count == 1:
        return f"{said}: {_amount(whole)}, rounded {each}"
    shared = "" if one.once_nano is None or one.once_nano == whole else (
        f", rounded {_amount(one.once_nano)}")  # fmt: skip
    divided = Fraction(whole if one.once_nano is None else one.once_nano, one.count)
    return (f"{said}: {_amount(whole)}{shared} / {one.count} = {_amount(divided)}, rounded {each}, "
            f"x {one.count} = {total}")  # fmt: skip


def _amount(nano: Fraction | int) -> str:
    """A decimal; with dots where it has no end within nine digits."""
    exact = Fraction(nano)
    if exact.denominator == 1:
        return money.format_nano(int(exact))
    cut = exact.numerator * 10**_SHOWN_DIGITS // (exact.denominator * money.NANO)
    whole, rest = divmod(cut, 10**_SHOWN_DIGITS)
    return f"{whole}.{rest:0{_SHOWN_DIGITS}d}..."
