"""Naive twin of legs; that of rating is in ``reference_rating`` and ``reference_price``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from reference_price import local, rounded

from rating.trace import Facts
from tariffs.agreements import Agreement


@dataclass(frozen=True)
class Call:
    """A record as settling sees it; "" where there is no name, an unknown trunk is "?"."""

    facts: Facts
    trunk_in: str = ""
    trunk_out: str = ""
    served_group: str = ""
    other_group: str = ""
    has_subscription: bool = True


@dataclass(frozen=True)
class Leg:
    agreement: int
    carrier: str
    direction: str
    group: str
    month: str
    quantity: int
    billed_quantity: int
    charge_micro: int


def settle(
    call: Call, agreements: Sequence[Agreement], carrier_of: dict[str, str], own: str, zone: str
) -> tuple[str, list[Leg]]:
    """The reason ("" if none) and the legs of one record. carrier_of: by name of trunk."""
    direction = call.facts.direction
    trunks = {"out": call.trunk_out, "in": call.trunk_in}
    wanted = {"transit": ["out", "in"], "in": ["in"]}.get(direction, ["out"])
    group = call.served_group if direction == "in" else call.other_group
    legs = []
    for way in wanted:
        trunk = trunks[way]
        if trunk and trunk not in carrier_of:
            return "trunk_unknown", []
        if trunk and carrier_of[trunk] != own:
            leg = make_leg(call, agreements, carrier_of[trunk], way, group, zone)
            if leg is None:
                return "settlement_rate_missing", []
            legs.append(leg)
    is_carried = direction == "transit" and not call.has_subscription
    return "carried_for_others" if is_carried else "", legs


def make_leg(
    call: Call, agreements: Sequence[Agreement], carrier: str, way: str, group: str, zone: str
) -> Leg | None:
    facts = call.facts
    for wanted in (group, "*"):
        for index, one in enumerate(agreements):
            if one.key != (carrier, way, facts.service, wanted):
                continue
            moment = facts.start_utc_s + (facts.duration_s if one.clock == "end" else 0)
            if one.valid_from_utc_s <= moment < one.valid_to_utc_s:
                quantity = {"second": facts.duration_s, "event": facts.event_count,
                            "byte": facts.up_bytes + facts.down_bytes}[one.unit]  # fmt: skip
                billed = 0
                while billed < quantity:
                    billed += one.first_increment if billed == 0 and one.first_increment else (
                        one.increment)  # fmt: skip
                nano = Fraction(billed * one.price_nano, one.per)
                month = local(moment, zone).strftime("%Y-%m")
                return Leg(index, carrier, way, group, month, quantity, billed,
                           rounded(nano, one.digits, one.mode))  # fmt: skip
    return None
