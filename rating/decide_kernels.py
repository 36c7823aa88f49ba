"""Guiding, the decision: where both ends of a usage are, and how they relate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.guide_kernels import INACTIVE, NO_SUBSCRIPTION, TRANSIT, find_month
from rating.hash_kernels import UNKNOWN_TEXT
from tollbook.jit import kernel

OWN_NETWORK = -2  # a network's zone: the operator's own network
HOME, NATIONAL, INTERNATIONAL = 0, 1, 2  # tollbook.codes


class Decisions(NamedTuple):
    """What ``decide`` needs besides the batch and what was looked up (read-only)."""

    location_zone: np.ndarray  # int32
    network_zone: np.ndarray  # int32, OWN_NETWORK for the operator's own code
    zone_area: np.ndarray  # int32, different areas of served party and home mean roaming
    special_zone: np.ndarray  # int32
    relations: np.ndarray  # int16 [served zone, other zone]
    own_relation: np.ndarray  # int16, of each zone with itself
    month_start_utc_s: np.ndarray  # int64, first instants of the operator's local months
    roams: int  # 1: another area is national roaming; 0: it never is
    first_month: int  # the month of month_start_utc_s[0]
    open_period: int
    own_carrier: int
    flag_on_net: int


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
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


class Found(NamedTuple):
    """What was looked up for every row."""

    standing: np.ndarray  # int8, of Payers
    home_zone: np.ndarray  # int32, of the served number, -1: none
    network: np.ndarray  # int32, place in network_zone, NO_TEXT or UNKNOWN_TEXT
    location: np.ndarray  # int32, place in location_zone, NO_TEXT or UNKNOWN_TEXT
    number_zone: np.ndarray  # int32, of the other number, -1: none
    number_carrier: np.ndarray  # int32


class Results(NamedTuple):
    """Columns that ``decide`` writes for every row."""

    served_zone_index: np.ndarray  # int32
    other_zone_index: np.ndarray  # int32
    carrier_index: np.ndarray  # int32
    relation_index: np.ndarray  # int16
    home_relation_index: np.ndarray  # int16
    roaming: np.ndarray  # int8
    usage_period: np.ndarray  # int32
    bill_period: np.ndarray  # int32
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


@kernel
def decide(
    known: Decisions, faults: Faults, given: Given, found: Found, results: Results
) -> None:
    """Where both ends of a usage are and how they relate; the first thing missing is the reason.

    A row that came with a reason keeps it. A visited network decides before a location: its cells
    are not in the operator's table. A transit record needs no subscription and no relation.
    """
    location_zone, network_zone, area, special_zone, relations, own_relation, months = known[:7]
    other_e164, special_index, start_utc_s, direction, flags, given_reason, given_field = given
    standing, home_zone, network, location, number_zone, number_carrier = found
    (
        served_zone, other_zone, carrier_index, relation_index, home_relation, roaming,
        usage_period, bill_period, new_flags, reason, reason_field,
    ) = results  # fmt: skip
    for row in range(len(reason)):
        fault, field, flag = given_reason[row], given_field[row], flags[row]
        transit, home = direction[row] == TRANSIT, home_zone[row]
        served, other, carrier, relation, roams, period, bill = -1, -1, -1, -1, HOME, 0, 0
        if fault == 0:
            period = known.first_month + find_month(months, start_utc_s[row])
            bill = max(period, known.open_period)
            if not transit and standing[row] == NO_SUBSCRIPTION:
                fault, field = faults.subscription_missing, faults.served_field
            elif standing[row] == INACTIVE:
                fault, field = faults.subscription_inactive, faults.served_field
            elif transit:
                served = home
            elif network[row] == UNKNOWN_TEXT:
                fault, field = faults.network_missing, faults.network_field
            elif network[row] >= 0 and network_zone[network[row]] != OWN_NETWORK:
                served, roams = network_zone[network[row]], INTERNATIONAL
            elif location[row] == UNKNOWN_TEXT:
                fault, field = faults.location_missing, faults.location_field
            elif home < 0 and (location[row] < 0 or known.roams == 1):
                fault, field = faults.number_range_missing, faults.served_field
            else:
                served = location_zone[location[row]] if location[row] >= 0 else home
                if known.roams == 1 and area[served] != area[home]:
                    roams = NATIONAL
        if fault == 0:
            if special_index[row] >= 0:
                other = special_zone[special_index[row]]
            elif other_e164[row] > 0:
                other, carrier = number_zone[row], number_carrier[row]
                if other < 0:
                    fault, field = faults.number_range_missing, faults.other_field
                elif carrier == known.own_carrier:
                    flag |= known.flag_on_net
            if other >= 0 and served >= 0:
                relation = relations[served, other]
            if other >= 0 and relation < 0 and not transit:
                fault, field = faults.relation_missing, faults.other_field
        served_zone[row], other_zone[row], carrier_index[row] = served, other, carrier
        relation_index[row], roaming[row], home_relation[row] = relation, roams, -1
        if served >= 0 and home >= 0:
            same = served == home  # nearly always, and the diagonal lies close together
            home_relation[row] = own_relation[home] if same else relations[home, served]
        usage_period[row], bill_period[row] = period, bill
        new_flags[row], reason[row], reason_field[row] = flag, fault, field
