"""Interconnect legs: what other carriers are owed for a record, and what they owe.

A call that leaves through another carrier's trunk makes an outgoing leg, one that arrives through
one an incoming leg, transit both. The price depends on where the call ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.guide_kernels import find_month
from tariffs.price_kernels import (
    Clocks,
    Prices,
    finish_narrow,
    price_wide,
    quantities,
    sum_narrow,
)
from tollbook.jit import kernel

OUT, IN, TRANSIT = 1, 2, 4  # tollbook.codes
SERVICES = 7
WAYS = 2  # outgoing and incoming
BY_END = 1  # of an agreement's clock
NO_LEG, UNPRICED, UNKNOWN_TRUNK = -1, -2, -3
NO_ENTRY = -1

# One entry a row of agreements.csv; half-open in time. zone: of the operator, in Clocks.
AGREEMENT = np.dtype([
    (name, np.int64) for name in ("clock", "valid_from_utc_s", "valid_to_utc_s", "zone")
])  # fmt: skip


class Agreements(NamedTuple):
    """Compiled agreements and the network that they speak of.

    place: int32 [((carrier * 2 + way) * 7 + service) * (groups + 1) + group + 1], where in
    ``candidate`` (int64) the agreements begin that may hold; they end with NO_ENTRY.
    prices: rate i is that of agreement i; all have one band and one tier.
    """

    place: np.ndarray
    candidate: np.ndarray
    agreements: np.ndarray  # AGREEMENT
    prices: Prices
    clocks: Clocks
    trunk_carrier: np.ndarray  # int32
    zone_group: np.ndarray  # int32, -1: none
    group_count: int
    own_carrier: int
    month_start_utc_s: np.ndarray  # int64, first instants of the operator's local months
    first_month: int  # the month of month_start_utc_s[0]
    open_period: int  # legs of earlier months go here


class Rows(NamedTuple):
    """Columns of ``schemas.RATED`` that settling reads (read-only); same index = same row."""

    record_id: np.ndarray
    service: np.ndarray
    direction: np.ndarray
    start_utc_s: np.ndarray
    duration_s: np.ndarray
    up_bytes: np.ndarray
    down_bytes: np.ndarray
    event_count: np.ndarray
    trunk_in_index: np.ndarray
    trunk_out_index: np.ndarray
    served_zone_index: np.ndarray
    other_zone_index: np.ndarray
    subscription_index: np.ndarray
    trunk_in_offsets: np.ndarray  # int32, rows + 1: where the text of the trunk is empty
    trunk_out_offsets: np.ndarray


class Legs(NamedTuple):
    """Columns of ``schemas.LEG``, with room for two legs a row."""

    record_id: np.ndarray
    agreement_index: np.ndarray
    carrier_index: np.ndarray
    direction: np.ndarray
    service: np.ndarray
    trunk_index: np.ndarray
    group_index: np.ndarray
    start_utc_s: np.ndarray
    settle_period: np.ndarray
    quantity: np.ndarray
    billed_quantity: np.ndarray
    charge_micro: np.ndarray


class Faults(NamedTuple):
    """Codes of tollbook.reasons, and positions of fields in schemas.CDR."""

    settlement_rate_missing: int
    trunk_unknown: int
    charge_too_large: int
    carried_for_others: int
    trunk_in_field: int
    trunk_out_field: int


@kernel
def find_agreement(tables: Agreements, at: int, start_utc_s: int, end_utc_s: int) -> int:
    """The agreement in force by its own clock, or NO_ENTRY."""
    place = tables.place[at]
    while True:
        entry = tables.candidate[place]
        if entry == NO_ENTRY:
            return NO_ENTRY
        agreement = tables.agreements[entry]
        moment = end_utc_s if agreement["clock"] == BY_END else start_utc_s
        if agreement["valid_from_utc_s"] <= moment < agreement["valid_to_utc_s"]:
            return int(entry)
        place += 1


@kernel
def billed_quantity(prices: Prices, rate: int, quantity: int) -> int:
    """The quantity rounded up to the rate's increments."""
    if quantity <= 0:
        return 0
    band = prices.rates[rate]["only_band"]
    increment = prices.tiers[prices.bands[band]["first_tier"]]["increment"]
    first = prices.rates[rate]["first_increment"]
    if quantity <= first:
        return int(first)
    return int(first + (quantity - first + increment - 1) // increment * increment)


@kernel
def find_leg(tables: Agreements, rows: Rows, row: int, way: int) -> tuple[int, int, int]:
    """Agreement of a row's outgoing (0) or incoming (1) leg, trunk and destination group.

    Instead of an agreement: NO_LEG, UNPRICED or UNKNOWN_TRUNK.
    """
    index = rows.trunk_in_index if way else rows.trunk_out_index
    offsets = rows.trunk_in_offsets if way else rows.trunk_out_offsets
    trunk = int(index[row])
    if trunk < 0:
        return (UNKNOWN_TRUNK if offsets[row + 1] > offsets[row] else NO_LEG), -1, -1
    carrier = int(tables.trunk_carrier[trunk])
    if carrier == tables.own_carrier:
        return NO_LEG, -1, -1
    zone = rows.other_zone_index[row]
    if rows.direction[row] == IN:
        zone = rows.served_zone_index[row]
    group = int(tables.zone_group[zone]) if zone >= 0 else -1
    at = (carrier * WAYS + way) * SERVICES + int(rows.service[row])
    at = at * (tables.group_count + 1) + group + 1
    start = rows.start_utc_s[row]
    entry = find_agreement(tables, at, start, start + rows.duration_s[row])
    return (UNPRICED if entry < 0 else entry), trunk, group


@kernel
def write_leg(
    tables: Agreements, rows: Rows, row: int, place: int, found: tuple[int, int, int], legs: Legs
) -> bool:
    """Write one leg, all but its way; False if its charge is beyond what is allowed."""
    prices = tables.prices
    entry, trunk, group = found
    start = rows.start_utc_s[row]
    quantity, apart = quantities(
        prices.rates, entry, rows.duration_s[row], rows.up_bytes[row], rows.down_bytes[row],
        rows.event_count[row],
    )  # fmt: skip
    rate = prices.rates[entry]
    if quantity > rate["quantity_limit"]:
        return False
    if quantity <= 0:
        charge = 0
    elif quantity <= rate["narrow_quantity"]:
        total = sum_narrow(prices, rate["only_band"], rate["first_increment"], quantity)
        charge = finish_narrow(prices, entry, total)
    else:
        zone = tables.agreements[entry]["zone"]
        charge = price_wide(prices, tables.clocks, entry, zone, start, quantity, apart)
    moment = start
    if tables.agreements[entry]["clock"] == BY_END:
        moment += rows.duration_s[row]
    period = tables.first_month + find_month(tables.month_start_utc_s, moment)
    legs.record_id[place] = rows.record_id[row]
    legs.agreement_index[place] = entry
    legs.carrier_index[place] = tables.trunk_carrier[trunk]
    legs.service[place] = rows.service[row]
    legs.trunk_index[place] = trunk
    legs.group_index[place] = group
    legs.start_utc_s[place] = start
    legs.settle_period[place] = max(period, tables.open_period)
    legs.quantity[place] = quantity
    legs.billed_quantity[place] = billed_quantity(prices, entry, quantity)
    legs.charge_micro[place] = charge
    return True


@kernel
def settle_rows(
    tables: Agreements, rows: Rows, faults: Faults, reason: np.ndarray, reason_field: np.ndarray,
    legs: Legs,
) -> int:
    """Make the legs of all rows without a reason; returns how many there are.

    reason, reason_field: int16, updated. A row for which any leg cannot be made makes none.
    """  # fmt: skip
    count = 0
    for row in range(len(reason)):
        if reason[row] != 0:
            continue
        direction = rows.direction[row]
        first_way = 1 if direction == IN else 0
        last_way = 1 if direction in (IN, TRANSIT) else 0
        made = 0
        for way in range(first_way, last_way + 1):
            found = find_leg(tables, rows, row, way)
            if found[0] >= 0:
                place = count + made
                legs.direction[place] = IN if way else OUT
                if write_leg(tables, rows, row, place, found, legs):
                    made += 1
                else:
                    reason[row] = faults.charge_too_large
            elif found[0] == UNPRICED:
                reason[row] = faults.settlement_rate_missing
            elif found[0] == UNKNOWN_TRUNK and reason[row] == 0:
                reason[row] = faults.trunk_unknown
                reason_field[row] = faults.trunk_in_field if way else faults.trunk_out_field
        if reason[row] == 0:
            count += made
            if direction == TRANSIT and rows.subscription_index[row] < 0:
                reason[row] = faults.carried_for_others
    return count
