"""Guiding of one usage looked up again, for ``tollbook explain``: plain Python, no arrays.

Says what the stage guide found, and which row of which table decided. Reads the tables as they were
loaded, not the arrays of ``rating.reference``, and finds the same words (tests/test_explain.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rating import place_trace
from rating.place_trace import NOWHERE, Ends, Place, by_prefix, place_of
from tollbook import codes
from tollbook.customers import STATUSES, Customers, Subscriptions
from tollbook.network import Network
from tollbook.workspace import Workspace

HOME, NATIONAL, INTERNATIONAL, VISITOR = codes.ROAMINGS
# Flags that guiding finds; the others come from earlier stages.
GUIDED_FLAGS: Final = (
    codes.FLAG_ON_NET | codes.FLAG_FRIEND | codes.FLAG_GROUP | codes.FLAG_SAME_PLACE
    | codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER | codes.FLAG_ROUTED | codes.FLAG_PORTED
)  # fmt: skip

__all__ = ["Ends", "Guidance", "Place", "Subscription", "look_up"]


@dataclass(frozen=True)
class Subscription:
    """A row of customers/subscriptions.csv: one span of validity, half-open.

    imsi_prefix, zone: of a row of customers/visitors.csv; "" of all others. line: in
    ``Customers.lines``.
    """

    subscription_id: str
    account_id: str
    plan: str
    status: str
    valid_from_utc_s: int  # columns.OPEN_FROM: since ever
    valid_to_utc_s: int  # columns.OPEN_TO: no end
    imsi_prefix: str = ""
    zone: str = ""
    line: int = -1


@dataclass(frozen=True)
class Guidance:
    """What guiding finds for a usage; "" and None for what there is not.

    real: the true place of the served party, where it counts as being elsewhere. called: the place
    that the relation was made with, where it is not that of the other number. carrier_by: what says
    who holds the other number, "range" or "portability". flags: bits of GUIDED_FLAGS. served_e164:
    the record's, or where it has an IMSI only that of the subscription.
    """

    subscription: Subscription | None
    home: Place
    served: Place
    other: Place
    carrier: str
    relation: str
    roaming: str
    real: Place = NOWHERE
    called: Place = NOWHERE
    home_relation: str = ""
    carrier_by: str = ""
    flags: int = 0
    served_e164: int = 0


def look_up(
    workspace: Workspace, network: Network, customers: Customers, ends: Ends
) -> Guidance:
    """Who pays for a usage, where its two ends are, and how they relate."""
    if ends.imsi and not ends.served_e164:
        ends = replace(ends, served_e164=number_of_imsi(customers, ends.imsi, ends.start_utc_s))
    paying = subscription_of(customers, ends.served_e164, ends.start_utc_s)
    home, _ = by_prefix(network, ends.served_e164, ends.start_utc_s)
    if paying is None and ends.network in workspace.operator.networks:
        paying = visitor_of(customers, ends)
        home = NOWHERE if paying else home
    true_place, roaming = _served(workspace, network, ends, home)
    if paying and paying.imsi_prefix:
        roaming = VISITOR
        if not ends.location and paying.zone:
            zone = network.zones.ids.index(paying.zone)
            true_place = place_of(network, zone, "visitors.csv", paying.imsi_prefix)
    served, flags = place_trace.counted(workspace, network, ends, home, true_place)
    if served.zone != true_place.zone:
        roaming = NATIONAL if _is_away(workspace, network, served, home) else HOME
    other, carrier, carrier_by = _other(network, ends)
    found = Guidance(
        subscription=paying, home=home, served=served, other=other, carrier=carrier, relation="",
        roaming=roaming,
        real=true_place if served.zone != true_place.zone else NOWHERE, carrier_by=carrier_by,
        served_e164=ends.served_e164,
    )  # fmt: skip
    real = found.real if flags & codes.FLAG_BOUNDARY else NOWHERE
    is_near = roaming == HOME or (
        roaming == NATIONAL and place_trace.in_one_region(network, served.zone, home.zone)
    )
    called, more = place_trace.called(workspace, network, ends, (served, real, other), is_near)
    start = home if ends.direction == "forward" and home.zone else served
    flags |= more | _number_flags(network, customers, ends, found)
    return replace(
        found,
        called=called if called.zone != other.zone else NOWHERE,
        relation=relation_of(network, start.zone, called.zone),
        home_relation=relation_of(network, home.zone, served.zone),
        flags=flags,
    )


def _other(network: Network, ends: Ends) -> tuple[Place, str, str]:
    """Where the other number belongs, which carrier holds it, and what says so."""
    special = network.special_numbers
    if ends.special_number in special.numbers:
        zone = int(special.zone_index[special.numbers.index(ends.special_number)])
        return place_of(network, zone, "special number", ends.special_number), "", ""
    if not ends.other_e164:
        return NOWHERE, "", ""
    other, carrier = by_prefix(network, ends.other_e164, ends.start_utc_s)
    row = place_trace.ported_row(network, ends.other_e164, ends.start_utc_s)
    if row < 0:
        return other, carrier, "range" if carrier else ""
    ported = network.portability
    if ported.zone_index[row] >= 0:
        other = place_of(network, int(ported.zone_index[row]), "portability", "")
    return other, network.carriers.ids[ported.carrier_index[row]], "portability"


def _number_flags(
    network: Network, customers: Customers, ends: Ends, found: Guidance
) -> int:
    """What is known of the two numbers: on-net, ported, friends, one group."""
    own = network.carriers.ids[network.carriers.own_index]
    flags = codes.FLAG_ON_NET * bool(ends.other_e164 and found.carrier == own)
    flags |= codes.FLAG_PORTED * (found.carrier_by == "portability")
    if found.subscription and _is_friend(customers, ends, found.subscription):
        flags |= codes.FLAG_FRIEND
    shared = _groups_of(customers, ends.served_e164, ends.start_utc_s)
    if ends.other_e164 and shared & _groups_of(customers, ends.other_e164, ends.start_utc_s):
        flags |= codes.FLAG_GROUP
    return flags


def _is_friend(customers: Customers, ends: Ends, paying: Subscription) -> bool:
    friends, at = customers.friends, ends.start_utc_s
    in_force = (friends.valid_from_utc_s <= at) & (at < friends.valid_to_utc_s)
    rows = np.flatnonzero((friends.number == ends.other_e164) & in_force)
    lines = customers.subscriptions.subscription_id
    return any(
        lines[int(friends.subscription_row[row])].as_py() == paying.subscription_id for row in rows
    )


def _groups_of(customers: Customers, number: int, utc_s: int) -> set[str]:
    """The closed user groups that a number belongs to."""
    groups = customers.groups
    in_force = (groups.valid_from_utc_s <= utc_s) & (utc_s < groups.valid_to_utc_s)
    rows = np.flatnonzero((groups.number == number) & in_force)
    return {groups.groups[groups.group_index[row]] for row in rows}


def subscription_of(customers: Customers, number: int, utc_s: int) -> Subscription | None:
    """The row that holds for a number at an instant."""
    rows = customers.subscriptions
    in_force = (rows.valid_from_utc_s <= utc_s) & (utc_s < rows.valid_to_utc_s)
    found = np.flatnonzero((rows.number == number) & in_force)
    if number == 0 or len(found) == 0:
        return None
    return _subscription(customers, rows, int(found[0]))


def visitor_of(customers: Customers, ends: Ends) -> Subscription | None:
    """The row of visitors.csv with the longest beginning of an IMSI that holds at an instant."""
    rows, imsi, at = customers.visitors, str(ends.imsi), ends.start_utc_s
    if not ends.imsi or ends.direction == codes.DIRECTIONS[codes.TRANSIT]:
        return None
    in_force = np.flatnonzero((rows.valid_from_utc_s <= at) & (at < rows.valid_to_utc_s))
    fits = [row for row in in_force.tolist() if imsi.startswith(str(rows.prefix[row]))]
    if not fits:
        return None
    row = max(fits, key=lambda one: int(rows.prefix_length[one]))
    line = len(customers.subscriptions.number) + row
    return replace(_subscription(customers, customers.lines, line),
                   imsi_prefix=str(rows.prefix[row]), zone=rows.zone[row].as_py())  # fmt: skip


def _subscription(customers: Customers, rows: Subscriptions, row: int) -> Subscription:
    return Subscription(
        rows.subscription_id[row].as_py(),
        customers.accounts.account_id[int(rows.account_index[row])].as_py(),
        customers.plan_ids[int(rows.plan_index[row])],
        STATUSES[int(rows.status[row])],
        int(rows.valid_from_utc_s[row]),
        int(rows.valid_to_utc_s[row]),
        line=row,
    )


def number_of_imsi(customers: Customers, imsi: int, utc_s: int) -> int:
    """The number of the subscription that has the IMSI at an instant; 0: none has it."""
    rows = customers.subscriptions
    in_force = (rows.valid_from_utc_s <= utc_s) & (utc_s < rows.valid_to_utc_s)
    found = np.flatnonzero((rows.imsi == imsi) & in_force)
    return int(rows.number[found[0]]) if len(found) else 0


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
    if ends.network not in workspace.operator.networks:
        visited = network.visited
        if ends.network not in visited.tadigs:
            return NOWHERE, HOME
        zone = int(visited.zone_index[visited.tadigs.index(ends.network)])
        return place_of(network, zone, "network", ends.network), INTERNATIONAL
    served = home
    if ends.location:
        known = network.locations
        row = place_trace.location_row(
            known.names, ends.location, place_trace.in_force(known, ends.start_utc_s)
        )
        if row < 0:
            return NOWHERE, HOME
        key = known.names[row].as_py()
        served = place_of(network, int(known.zone_index[row]), "location", key)
    return served, NATIONAL if _is_away(workspace, network, served, home) else HOME


def _is_away(workspace: Workspace, network: Network, served: Place, home: Place) -> bool:
    """Whether being in one zone and at home in another is roaming inside the country."""
    if workspace.national_roaming == "never" or not (served.zone and home.zone):
        return False
    zones = network.zones
    area = zones.area_index if workspace.national_roaming == "zone" else zones.region_index
    return bool(area[zones.ids.index(served.zone)] != area[zones.ids.index(home.zone)])
