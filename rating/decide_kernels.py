"""Guiding, the decisions: where the served party was, and how that place and the other relate.

Two passes, so that rules which only some operators have (``rating.place_kernels``) can work on what
the first has found, before the second makes the relation of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.guide_kernels import INACTIVE, NO_SUBSCRIPTION, TRANSIT, VISITING, find_month
from rating.hash_kernels import UNKNOWN_TEXT
from tollbook.jit import inner, kernel

OWN_NETWORK = -2  # a network's zone: the operator's own network
FORWARD = 3  # tollbook.codes
HOME, NATIONAL, INTERNATIONAL, VISITOR = 0, 1, 2, 3  # tollbook.codes


class Faults(NamedTuple):
    """Codes of tollbook.reasons, and positions of the fields at fault in schemas.CDR."""

    subscription_missing: int
    subscription_inactive: int
    number_range_missing: int
    relation_missing: int
    location_missing: int
    network_missing: int
    served_field: int
    other_field: int
    network_field: int
    location_field: int


class Given(NamedTuple):
    """Columns of ``schemas.NORMALISED`` (read-only)."""

    other_e164: np.ndarray  # int64
    special_index: np.ndarray  # int32
    start_utc_s: np.ndarray  # int64
    direction: np.ndarray  # int8
    forward_reason: np.ndarray  # int8


class Found(NamedTuple):
    """What was looked up for every row."""

    standing: np.ndarray  # int8, of Payers
    home_zone: np.ndarray  # int32, of the served number, -1: none
    network: np.ndarray  # int32, place in network_zone, NO_TEXT or UNKNOWN_TEXT
    location: np.ndarray  # int32, row of locations.csv, NO_TEXT or UNKNOWN_TEXT
    number_zone: np.ndarray  # int32, of the other number, -1: none
    number_carrier: np.ndarray  # int32
    visited_zone: np.ndarray  # int32, of visitors without a location, -1: none; empty: no visitors


class Places(NamedTuple):
    """What ``place_served`` needs besides the batch and what was looked up (read-only)."""

    location_zone: np.ndarray  # int32, by row of locations.csv
    network_zone: np.ndarray  # int32, OWN_NETWORK for the operator's own code
    zone_area: np.ndarray  # int32, different areas of served party and home mean roaming
    month_start_utc_s: np.ndarray  # int64, first instants of the operator's local months
    roams: int  # 1: another area is national roaming; 0: it never is
    first_month: int  # the month of month_start_utc_s[0]
    open_period: int


class Served(NamedTuple):
    """Columns about the served party; reason and reason_field come filled from the batch."""

    served_zone_index: np.ndarray  # int32
    roaming: np.ndarray  # int8
    usage_period: np.ndarray  # int32
    bill_period: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


class Relations(NamedTuple):
    """What ``relate`` needs besides (read-only)."""

    special_zone: np.ndarray  # int32
    relations: np.ndarray  # int16 [served zone, other zone]
    own_relation: np.ndarray  # int16, of each zone with itself
    own_carrier: int
    flag_on_net: int


class Related(NamedTuple):
    """Columns about the other party; flags and called_zone_index come filled, and may change."""

    other_zone_index: np.ndarray  # int32
    called_zone_index: np.ndarray  # int32, -1: the other party's zone
    carrier_index: np.ndarray  # int32
    relation_index: np.ndarray  # int16
    home_relation_index: np.ndarray  # int16
    flags: np.ndarray  # int32


@kernel
def place_served(
    known: Places, faults: Faults, given: Given, found: Found, served: Served
) -> None:
    """Where the served party was, and the month; the first thing that is missing is the reason.

    A row that came with a reason keeps it. A visited network decides before a location: its cells
    are not in the operator's table. A transit record needs no subscription. A visitor has no home
    here: his place is that of his location, or where he has none what visitors.csv says.
    """
    location_zone, network_zone, area, months = known[:4]
    _, _, start_utc_s, direction, _ = given
    standing, home_zone, network, location, _, _, visited_zone = found
    served_zone, roaming, usage_period, bill_period, reason, reason_field = served
    for row in range(len(reason)):
        fault, field, home = reason[row], reason_field[row], home_zone[row]
        zone, roams, period, bill = -1, HOME, 0, 0
        if fault == 0:
            period = known.first_month + find_month(months, start_utc_s[row])
            bill = max(period, known.open_period)
            transit = direction[row] == TRANSIT
            if not transit and standing[row] == NO_SUBSCRIPTION:
                fault, field = faults.subscription_missing, faults.served_field
            elif standing[row] == INACTIVE:
                fault, field = faults.subscription_inactive, faults.served_field
            elif transit:
                zone = home
            elif network[row] == UNKNOWN_TEXT:
                fault, field = faults.network_missing, faults.network_field
            elif network[row] >= 0 and network_zone[network[row]] != OWN_NETWORK:
                zone, roams = network_zone[network[row]], INTERNATIONAL
            elif location[row] == UNKNOWN_TEXT:
                fault, field = faults.location_missing, faults.location_field
            elif standing[row] == VISITING:
                zone = location_zone[location[row]] if location[row] >= 0 else visited_zone[row]
                roams = VISITOR
                if zone < 0:
                    fault, field, roams = faults.location_missing, faults.location_field, HOME
            elif home < 0 and (location[row] < 0 or known.roams == 1):
                fault, field = faults.number_range_missing, faults.served_field
            else:
                zone = location_zone[location[row]] if location[row] >= 0 else home
                if known.roams == 1 and area[zone] != area[home]:
                    roams = NATIONAL
        served_zone[row], roaming[row] = zone, roams
        usage_period[row], bill_period[row] = period, bill
        reason[row], reason_field[row] = fault, field


@inner
def other_place(
    special_zone: np.ndarray, special_index: int, other_e164: int, number_zone: int
) -> int:
    """Zone of the other party: that of the special number dialled, else of its number; -1: none."""
    if special_index >= 0:
        return int(special_zone[special_index])
    return number_zone if other_e164 > 0 else -1


@kernel
def relate(
    known: Relations, faults: Faults, given: Given, found: Found, served: Served, related: Related
) -> None:
    """How the place of the served party and that of the other relate.

    A forwarded call goes on from home, wherever the served party is. A transit record needs no
    relation.
    """
    special_zone, relations, own_relation = known[:3]
    other_e164, special_index, _, direction, _ = given
    _, home_zone, _, _, number_zone, number_carrier, _ = found
    served_zone, _, _, _, reason, reason_field = served
    other_zone, called_zone, carrier_index, relation_index, home_relation, flags = related
    for row in range(len(reason)):
        home, zone = home_zone[row], served_zone[row]
        other, carrier, relation = -1, -1, -1
        if reason[row] == 0:
            special, number = special_index[row], other_e164[row]
            other = other_place(special_zone, special, number, number_zone[row])
            if special < 0 and number > 0:
                carrier = number_carrier[row]
                if other < 0:
                    reason[row] = faults.number_range_missing
                    reason_field[row] = faults.other_field
                elif carrier == known.own_carrier:
                    flags[row] |= known.flag_on_net
        if reason[row] == 0:
            called = called_zone[row] if called_zone[row] >= 0 else other
            start = home if direction[row] == FORWARD and home >= 0 else zone
            if called >= 0 and start >= 0:
                relation = relations[start, called]
            if called >= 0 and relation < 0 and direction[row] != TRANSIT:
                reason[row], reason_field[row] = faults.relation_missing, faults.other_field
        other_zone[row], carrier_index[row], relation_index[row] = other, carrier, relation
        home_relation[row] = -1
        if zone >= 0 and home >= 0:
            same = zone == home  # nearly always, and the diagonal lies close together
            home_relation[row] = own_relation[home] if same else relations[home, zone]
