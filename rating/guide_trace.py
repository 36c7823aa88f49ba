"""Guiding of one usage looked up again, for ``tollbook explain``: plain Python, no arrays.

Says what the stage guide found, and which row of which table decided. Reads the tables as they were
loaded, not the arrays of ``rating.reference``, and finds the same words (tests/test_explain.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow.compute as pc

from tollbook import codes
from tollbook.customers import STATUSES, Customers
from tollbook.network import Network
from tollbook.numbering import E164_DIGITS_MAX
from tollbook.workspace import Workspace

HOME, NATIONAL, INTERNATIONAL = codes.ROAMINGS[:3]


@dataclass(frozen=True)
class Ends:
    """What a record says of its two ends; 0 and "" where it says nothing."""

    start_utc_s: int
    served_e164: int = 0
    other_e164: int = 0
    special_number: str = ""
    network: str = ""
    location: str = ""


@dataclass(frozen=True)
class Place:
    """A zone, and what decided it. by: "network", "location", "prefix", "special number" or "".

    key: the network's TADIG code, the location, the prefix or the special number.
    """

    zone: str = ""
    name: str = ""
    by: str = ""
    key: str = ""


@dataclass(frozen=True)
class Subscription:
    """A row of customers/subscriptions.csv: one span of validity, half-open."""

    subscription_id: str
    account_id: str
    plan: str
    status: str
    valid_from_utc_s: int  # columns.OPEN_FROM: since ever
    valid_to_utc_s: int  # columns.OPEN_TO: no end


@dataclass(frozen=True)
class Guidance:
    """What guiding finds for a usage; "" and None for what there is not."""

    subscription: Subscription | None
    home: Place
    served: Place
    other: Place
    carrier: str
    relation: str
    roaming: str


_NOWHERE: Final = Place()


def look_up(
    workspace: Workspace, network: Network, customers: Customers, ends: Ends
) -> Guidance:
    """Who pays for a usage, where its two ends are, and how they relate."""
    at = ends.start_utc_s
    home, _ = by_prefix(network, ends.served_e164, at)
    served, roaming = _served(workspace, network, ends, home)
    other, carrier = _NOWHERE, ""
    special = network.special_numbers
    if ends.special_number in special.numbers:
        zone = int(special.zone_index[special.numbers.index(ends.special_number)])
        other = _place(network, zone, "special number", ends.special_number)
    elif ends.other_e164:
        other, carrier = by_prefix(network, ends.other_e164, at)
    paying = subscription_of(customers, ends.served_e164, at)
    relation = relation_of(network, served.zone, other.zone)
    return Guidance(paying, home, served, other, carrier, relation, roaming)


def subscription_of(customers: Customers, number: int, utc_s: int) -> Subscription | None:
    """The row that holds for a number at an instant."""
    rows = customers.subscriptions
    in_force = (rows.valid_from_utc_s <= utc_s) & (utc_s < rows.valid_to_utc_s)
    found = np.flatnonzero((rows.number == number) & in_force)
    if number == 0 or len(found) == 0:
        return None
    row = int(found[0])
    return Subscription(
        rows.subscription_id[row].as_py(),
        customers.accounts.account_id[int(rows.account_index[row])].as_py(),
        customers.plan_ids[int(rows.plan_index[row])],
        STATUSES[int(rows.status[row])],
        int(rows.valid_from_utc_s[row]),
        int(rows.valid_to_utc_s[row]),
    )


def by_prefix(network: Network, number: int, utc_s: int) -> tuple[Place, str]:
    """Zone and carrier of an E.164 number: the longest prefix in force decides."""
    ranges, text = network.ranges, str(number)
    in_force = (ranges.valid_from_utc_s <= utc_s) & (utc_s < ranges.valid_to_utc_s)
    for size in range(min(len(text), E164_DIGITS_MAX), 0, -1):
        fits = (ranges.prefix == int(text[:size])) & (ranges.prefix_length == size)
        found = np.flatnonzero(fits & in_force)
        if len(found):
            row = int(found[0])
            carrier = int(ranges.carrier_index[row])
            place = _place(network, int(ranges.zone_index[row]), "prefix", text[:size])
            return place, network.carriers.ids[carrier] if carrier >= 0 else ""
    return _NOWHERE, ""


def relation_of(network: Network, served: str, other: str) -> str:
    """How two zones relate; "" where relations.csv has no row for them, or there is no zone."""
    ids = network.zones.ids
    if served not in ids or other not in ids:
        return ""
    index = int(network.relation_matrix[ids.index(served), ids.index(other)])
    return network.relations[index] if index >= 0 else ""


def _served(
    workspace: Workspace, network: Network, ends: Ends, home: Place
) -> tuple[Place, str]:
    """Where the served party was. A visited network decides before a location."""
    if ends.network and ends.network != workspace.operator.tadig:
        visited = network.visited
        if ends.network not in visited.tadigs:
            return _NOWHERE, HOME
        zone = int(visited.zone_index[visited.tadigs.index(ends.network)])
        return _place(network, zone, "network", ends.network), INTERNATIONAL
    served = home
    if ends.location:
        row = pc.index(network.locations.names, ends.location).as_py()
        if row < 0:
            return _NOWHERE, HOME
        zone = int(network.locations.zone_index[row])
        served = _place(network, zone, "location", ends.location)
    return served, NATIONAL if _is_away(workspace, network, served, home) else HOME


def _is_away(workspace: Workspace, network: Network, served: Place, home: Place) -> bool:
    """Whether being in one zone and at home in another is roaming inside the country."""
    if workspace.national_roaming == "never" or not (served.zone and home.zone):
        return False
    if workspace.national_roaming == "zone":
        return served.zone != home.zone
    ids, region = network.zones.ids, network.zones.region_index
    return bool(region[ids.index(served.zone)] != region[ids.index(home.zone)])


def _place(network: Network, zone: int, by: str, key: str) -> Place:
    return Place(network.zones.ids[zone], network.zones.names[zone], by, key)
