"""The steps of a price for programs, as ``explain --json`` and ``tariff price --json`` give them.

Amounts are ``_micro``, prices ``_nano``; an ``exact_micro`` is text: a whole number, or a fraction
such as 29/2 where the amount is not a whole number of millionths before it is rounded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from rating.trace import Component, Segment, Staged
from rating.trace_steps import Discounted
from tariffs.model import Rate
from tollbook import money

_ROUNDING: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_NANO_A_MICRO: Final = 1000


def component_dict(component: Component) -> dict[str, Any]:
    """How a component came about; keys that do not apply to its rate are left out."""
    rate = component.rate
    found: dict[str, Any] = {"component": component.component, "rate": rate.name if rate else ""}
    if rate is not None:
        found |= _rated(component, rate)
    if component.covered != (0, 0):
        found |= dict(zip(("covered_quantity", "free_at_the_end"), component.covered, strict=True))
    if component.tiers_from:
        found["tiers_from"] = component.tiers_from
    if component.added_micro or component.off_micro:
        found |= {"left_micro": component.charge_micro, "added_micro": component.added_micro,
                  "off_micro": component.off_micro}  # fmt: skip
    return found | {"charge_micro": component.final_micro}


def discount_dict(one: Discounted) -> dict[str, Any]:
    """What a discount left of each component, or why it did not act."""
    discount = one.discount
    found: dict[str, Any] = {
        "discount": discount.name, "at": f"{discount.at.file}:{discount.at.line}",
        "execution": discount.execution,
    }  # fmt: skip
    if one.why_not:
        return found | {"why_not": one.why_not}
    return found | {"taken_micro": one.taken_micro, "components": [
        {
            "component": part.component, "before_micro": part.before_micro,
            "exact_micro": str(part.exact_micro), "rounded_micro": list(part.rounded_micro),
            "after_micro": part.after_micro,
        } for part in one.effects
    ]}  # fmt: skip


def _rated(component: Component, rate: Rate) -> dict[str, Any]:
    found = {
        "rate_at": f"{rate.at.file}:{rate.at.line}",
        "deck": component.deck,
        "unit": rate.unit,
        "quantity": component.quantity,
        "is_short_call": component.is_short,
        "segments": [_segment(segment, rate) for segment in component.segments],
        "connect_nano": component.connect_nano,
        "bound": component.bound,
        "exact_micro": _exact(component.exact_nano),
        "rounding": {"digits": rate.digits, "mode": _ROUNDING[rate.mode]},
    }
    if component.priced_quantity > component.quantity:
        found["priced_quantity"] = component.priced_quantity
    if component.free_quantity:
        found["free_quantity"] = component.free_quantity
    if component.priced_at_utc_s is not None and rate.bands:
        found["priced_at_utc_s"] = component.priced_at_utc_s
    if component.staged:
        found["staged"] = [_staged(one) for one in component.staged]
    if component.deck_line:
        found["deck_line"] = component.deck_line
    return found


def _segment(segment: Segment, rate: Rate) -> dict[str, Any]:
    found = {
        "band": segment.band, "tier": segment.tier, "count": segment.count,
        "increment": segment.increment, "price_nano": segment.price_nano, "per": segment.per,
        "exact_micro": _exact(segment.amount_nano),
    }  # fmt: skip
    if rate.unit == "second":
        found |= {"from_utc_s": segment.from_utc_s, "to_utc_s": segment.to_utc_s}
    if segment.fee_nano:
        found["fee_nano"] = segment.fee_nano
    if segment.is_cut:
        found["is_cut"] = True
    if segment.part:
        found["version_part"] = segment.part
    return found


def _staged(one: Staged) -> dict[str, Any]:
    return {
        "what": one.what, "count": one.count, "exact_micro": _exact(one.exact_nano),
        "each_nano": one.each_nano, "sum_nano": one.sum_nano,
    }  # fmt: skip


def _exact(amount_nano: Fraction) -> str:
    return str(amount_nano / _NANO_A_MICRO)
