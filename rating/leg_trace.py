"""The legs of one record in exact steps, for ``tollbook explain``: plain Python, no arrays.

Reads agreements as they were loaded and lands on what the stage settle stores, to the last digit
(tests/test_explain.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rating.trace import Component, Facts, price_rate
from tariffs.agreements import ANY_GROUP, Agreement
from tollbook import codes
from tollbook.network import Network

OUT, IN, TRANSIT = (codes.DIRECTIONS[code] for code in (codes.OUT, codes.IN, codes.TRANSIT))
BY_END = "end"  # of an agreement's clock


@dataclass(frozen=True)
class LegTrace:
    """One settlement leg. agreement: None where no row of agreements.csv is in force.

    direction: "out" (the operator pays) or "in" (the carrier pays). component: how the price came
    about, None without an agreement.
    """

    direction: str
    trunk: str
    carrier: str
    group: str
    agreement: Agreement | None = None
    component: Component | None = None

    @property
    def billed_quantity(self) -> int:
        """The quantity rounded up to the agreement's increments."""
        segments = self.component.segments if self.component else ()
        return sum(segment.count * segment.increment for segment in segments)


def legs_of(
    network: Network,
    agreements: Sequence[Agreement],
    facts: Facts,
    trunks: tuple[str, str],
    group: str,
) -> tuple[LegTrace, ...]:
    """The legs of a record. trunks: incoming and outgoing. group: settlement group of the other
    party for a record that goes out or passes through, of the served party for one that comes in.
    """
    incoming, outgoing = trunks
    ways = {IN: [IN], TRANSIT: [OUT, IN]}.get(facts.direction, [OUT])
    found = []
    for direction in ways:
        trunk = incoming if direction == IN else outgoing
        carrier = carrier_of(network, trunk, facts.start_utc_s)
        if carrier and carrier != network.carriers.ids[network.carriers.own_index]:
            found.append(_leg(LegTrace(direction, trunk, carrier, group), agreements, facts))
    return tuple(found)


def carrier_of(network: Network, trunk: str, utc_s: int) -> str:
    """The carrier at the other end of a trunk at an instant; "" if there is none."""
    rows = network.trunks
    in_force = (rows.valid_from_utc_s <= utc_s) & (utc_s < rows.valid_to_utc_s)
    for row in np.flatnonzero(in_force).tolist():
        if rows.trunks[row] == trunk:
            return network.carriers.ids[int(rows.carrier_index[row])]
    return ""


def group_of(network: Network, zone: str) -> str:
    """The settlement group of a zone; "" if it has none."""
    if zone not in network.zones.ids:
        return ""
    index = int(network.zones.group_index[network.zones.ids.index(zone)])
    return network.zones.groups[index] if index >= 0 else ""


def _leg(leg: LegTrace, agreements: Sequence[Agreement], facts: Facts) -> LegTrace:
    """The leg with its price: a row for the group goes before one for any group."""
    for group in (leg.group, ANY_GROUP):
        for agreement in agreements:
            moment = facts.start_utc_s + facts.duration_s * (agreement.clock == BY_END)
            is_meant = agreement.key == (leg.carrier, leg.direction, facts.service, group)
            if is_meant and agreement.valid_from_utc_s <= moment < agreement.valid_to_utc_s:
                # A price without bands does not depend on any clock.
                priced = price_rate(agreement.as_rate(), facts, "UTC")
                return LegTrace(leg.direction, leg.trunk, leg.carrier, leg.group, agreement, priced)
    return leg
