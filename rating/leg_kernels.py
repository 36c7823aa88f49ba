"""Interconnect legs: what other carriers are owed for a record, and what they owe.

A call that leaves through another carrier's trunk makes an outgoing leg, one that arrives through
one an incoming leg, transit both. The price depends on where the call ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.guide_kernels import find_month
from tariffs.price_kernels import (
    TOO_LARGE,
    Clocks,
    Prices,
    finish_narrow,
    price_wide,
    quantities,
    sum_narrow,
)
from tollbook.jit import borrows, inner, kernel

OUT, IN, TRANSIT = 1, 2, 4  # tollbook.codes
SERVICES = 7
OUTGOING, INCOMING, WAYS = 0, 1, 2
BY_END = 1  # of an agreement's clock
NO_ENTRY = -1

# One entry a row of agreements.csv; half-open in time. zone: of the operator, in Clocks.
AGREEMENT = np.dtype([
    (name, np.int64) for name in ("clock", "valid_from_utc_s", "valid_to_utc_s", "zone")
])  # fmt: skip


class Agreements(NamedTuple):
    """Compiled agreements and the network that they speak of.

    place: int32 [((carrier * 2 + way) * 7 + service) * (groups + 1) + group + 1], where in
    ``candidate`` (int64) the agreements begin that may hold; they end with NO_ENTRY.
    prices: rate i is that of agreement i; all have one schedule and one tier.
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
    served_zone_index: np.ndarray
    other_zone_index: np.ndarray
    subscription_index: np.ndarray


class Trunks(NamedTuple):
    """The trunk column of one way; a text that is not empty with trunk -1 is unknown."""

    trunk: np.ndarray  # int32
    offsets: np.ndarray  # int32, rows + 1: of the text


class Found(NamedTuple):
    """What was found for each row: int32 [way, row], -1 where the row makes no leg that way."""

    agreement: np.ndarray
    group: np.ndarray  # -1: the destination has none


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
    trunk_out_field: int
    trunk_in_field: int


@inner
@borrows
def find_agreement(
    candidate: np.ndarray, agreements: np.ndarray, place: int, start_utc_s: int, end_utc_s: int
) -> int:
    """The first candidate in force by its own clock, or NO_ENTRY."""
    while True:
        entry = candidate[place]
        if entry == NO_ENTRY:
            return NO_ENTRY
        moment = end_utc_s if agreements[entry]["clock"] == BY_END else start_utc_s
        valid_from = agreements[entry]["valid_from_utc_s"]
        if valid_from <= moment < agreements[entry]["valid_to_utc_s"]:
            return int(entry)
        place += 1


@kernel
@borrows
def find_legs(
    tables: Agreements, rows: Rows, trunks: Trunks, way: int, faults: Faults,
    reason: np.ndarray, reason_field: np.ndarray, found: Found,
) -> None:
    """Agreement and destination group of all legs of one way, for rows without a reason.

    way: OUTGOING or INCOMING. reason, reason_field: int16, updated where no leg can be made.
    """  # fmt: skip
    agreement, group_of = found.agreement[way], found.group[way]
    for row in range(len(reason)):
        agreement[row] = NO_ENTRY
        direction = rows.direction[row]
        if reason[row] != 0 or (direction != TRANSIT and (direction == IN) != (way == INCOMING)):
            continue
        trunk = trunks.trunk[row]
        if trunk < 0:
            if trunks.offsets[row + 1] > trunks.offsets[row]:
                reason[row] = faults.trunk_unknown
                reason_field[row] = faults.trunk_out_field
                if way == INCOMING:
                    reason_field[row] = faults.trunk_in_field
            continue
        carrier = int(tables.trunk_carrier[trunk])
        if carrier == tables.own_carrier:
            continue
        zone = rows.other_zone_index[row]
        if direction == IN:
            zone = rows.served_zone_index[row]
        group = int(tables.zone_group[zone]) if zone >= 0 else -1
        at = (carrier * WAYS + way) * SERVICES + int(rows.service[row])
        place = tables.place[at * (tables.group_count + 1) + group + 1]
        start = rows.start_utc_s[row]
        end = start + rows.duration_s[row]
        entry = find_agreement(tables.candidate, tables.agreements, place, start, end)
        if entry == NO_ENTRY:
            reason[row] = faults.settlement_rate_missing
        agreement[row] = entry
        group_of[row] = group


@inner
@borrows
def billed_quantity(prices: Prices, rate: int, quantity: int) -> int:
    """The quantity rounded up to the rate's increments."""
    if quantity <= 0:
        return 0
    schedule = prices.rates[rate]["first_schedule"]
    increment = prices.schedules[schedule]["increment"]
    first = prices.schedules[schedule]["first"]
    if quantity <= first:
        return int(first)
    return int(first + (quantity - first + increment - 1) // increment * increment)


@inner
@borrows
def price_leg(
    prices: Prices, clocks: Clocks, rate: int, zone: int, start_utc_s: int, quantity: int,
    apart: int,
) -> int:
    """Charge of a leg in micro, or TOO_LARGE."""  # fmt: skip
    if quantity <= 0:
        return 0
    if quantity > prices.rates[rate]["narrow_quantity"]:
        return price_wide(prices, clocks, rate, zone, start_utc_s, quantity, apart)
    schedule = prices.rates[rate]["first_schedule"]
    total = sum_narrow(prices.schedules[schedule], prices.tiers, quantity)
    return finish_narrow(prices.rates[rate], total)


@kernel
@borrows
def write_legs(
    tables: Agreements, rows: Rows, trunk_index: tuple[np.ndarray, np.ndarray], found: Found,
    faults: Faults, reason: np.ndarray, legs: Legs,
) -> int:
    """Price and write the legs of all rows without a reason; returns how many there are.

    A row of which one leg cannot be made makes none. trunk_index: by way.
    """  # fmt: skip
    prices, agreements, count = tables.prices, tables.agreements, 0
    for row in range(len(reason)):
        if reason[row] != 0:
            continue
        place, start = count, rows.start_utc_s[row]
        for way in range(WAYS):
            entry = int(found.agreement[way, row])
            if entry == NO_ENTRY:
                continue
            quantity, apart = quantities(
                prices.rates[entry], rows.duration_s[row], rows.up_bytes[row],
                rows.down_bytes[row], rows.event_count[row],
            )  # fmt: skip
            zone = agreements[entry]["zone"]
            charge = price_leg(prices, tables.clocks, entry, zone, start, quantity, apart)
            if charge == TOO_LARGE:
                reason[row] = faults.charge_too_large
                break
            moment = start
            if agreements[entry]["clock"] == BY_END:
                moment += rows.duration_s[row]
            month = tables.first_month + find_month(tables.month_start_utc_s, moment)
            trunk = trunk_index[way][row]
            legs.record_id[place] = rows.record_id[row]
            legs.agreement_index[place] = entry
            legs.carrier_index[place] = tables.trunk_carrier[trunk]
            legs.direction[place] = IN if way == INCOMING else OUT
            legs.service[place] = rows.service[row]
            legs.trunk_index[place] = trunk
            legs.group_index[place] = found.group[way, row]
            legs.start_utc_s[place] = start
            legs.settle_period[place] = max(month, tables.open_period)
            legs.quantity[place] = quantity
            legs.billed_quantity[place] = billed_quantity(prices, entry, quantity)
            legs.charge_micro[place] = charge
            place += 1
        if reason[row] == 0:
            count = place
            if rows.direction[row] == TRANSIT and rows.subscription_index[row] < 0:
                reason[row] = faults.carried_for_others
    return count
