"""Guiding: who pays for a usage, where its two ends are, and how they relate.

Every kernel of a row gets only the tables that it reads, so that little travels with each call.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.duplicate_kernels import KeyFields, extra_key, key_hash, party_key
from rating.hash_kernels import SEED, Texts, TextTable, find_text, mix, number_slot
from tollbook.jit import kernel

E164_DIGITS = 15
SECOND_LEVEL = 1000  # slots of a dense node of the range index: three more digits
DATED = -2  # a zone in RangeTable or in a subscription's row: look at the dated entries
OWN_NETWORK = -2  # a zone in PlaceTables: the operator's own network
BLOCK_ROWS = 1024
BUCKET_COUNT = 256
TRANSIT = 4  # tollbook.codes
HOME, NATIONAL, INTERNATIONAL = 0, 1, 2  # tollbook.codes


class RangeTable(NamedTuple):
    """Number ranges as disjoint intervals over E.164 padded with zeros to 15 digits.

    start: int64, ascending from 0; interval i ends where i + 1 starts. zone, carrier: int32, -1
    where no prefix fits; zone DATED: the first of entries entry_first[i] .. entry_first[i + 1] that
    is valid decides (longest prefix first).
    first_level: int32 [10001], the interval in which each group of four leading digits begins.
    second_level: int32, for groups with many intervals the same for three more digits, at
    dense_at (int32 [10000], -1: the group has few).
    """

    power: np.ndarray
    start: np.ndarray
    zone: np.ndarray
    carrier: np.ndarray
    first_level: np.ndarray
    dense_at: np.ndarray
    second_level: np.ndarray
    entry_first: np.ndarray
    entry_from_utc_s: np.ndarray
    entry_to_utc_s: np.ndarray
    entry_zone: np.ndarray
    entry_carrier: np.ndarray


class SubscriptionTable(NamedTuple):
    """slots: int32 hash table from a number to its first row; rows: tables.SUBSCRIPTION_ROW."""

    slots: np.ndarray
    rows: np.ndarray


class TrunkTable(NamedTuple):
    """Dated trunks: name i has rows first[i] .. first[i + 1] of the other arrays."""

    names: TextTable
    first: np.ndarray  # int32
    row: np.ndarray  # int32, row of network/trunks.csv
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


class PlaceTables(NamedTuple):
    """Where the served party was. zone_area: int32, zones with different areas mean roaming."""

    locations: TextTable
    location_zone: np.ndarray  # int32
    networks: TextTable
    network_zone: np.ndarray  # int32, OWN_NETWORK for the operator's own code
    zone_area: np.ndarray
    roams: int  # 1: another area is national roaming; 0: it never is


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


class GuideTables(NamedTuple):
    """Everything that guiding looks up (read-only)."""

    subscriptions: SubscriptionTable
    ranges: RangeTable
    places: PlaceTables
    trunks: TrunkTable
    special_zone: np.ndarray  # int32
    relations: np.ndarray  # int16 [served zone, other zone]
    month_start_utc_s: np.ndarray  # int64, first instants of the operator's local months
    first_month: int  # the month of month_start_utc_s[0]
    open_period: int
    own_carrier: int
    flag_on_net: int
    takes_part: np.ndarray  # int8 by reason: 1, the record is in the duplicate index
    key_fields: KeyFields
    faults: Faults


class GuideColumns(NamedTuple):
    """Columns of ``schemas.NORMALISED`` (read-only)."""

    served_raw: Texts
    other_raw: Texts
    served_e164: np.ndarray  # int64
    other_e164: np.ndarray  # int64
    special_index: np.ndarray  # int32
    start_utc_s: np.ndarray  # int64
    duration_s: np.ndarray  # int64
    direction: np.ndarray  # int8
    service: np.ndarray  # int8
    trunk_in: Texts
    trunk_out: Texts
    network: Texts
    location: Texts
    call_ref: Texts
    sequence: np.ndarray  # int32
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


class GuideResults(NamedTuple):
    """Columns that guiding adds or replaces, all written for every row."""

    subscription_index: np.ndarray  # int32
    account_index: np.ndarray  # int32
    plan_index: np.ndarray  # int32
    bucket: np.ndarray  # int16
    served_zone_index: np.ndarray  # int32
    other_zone_index: np.ndarray  # int32
    carrier_index: np.ndarray  # int32
    relation_index: np.ndarray  # int16
    roaming: np.ndarray  # int8
    trunk_in_index: np.ndarray  # int32
    trunk_out_index: np.ndarray  # int32
    dedupe_hash: np.ndarray  # int64
    usage_period: np.ndarray  # int32
    bill_period: np.ndarray  # int32
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


@kernel
def find_range(ranges: RangeTable, e164: int, utc_s: int) -> tuple[int, int]:
    """Zone and carrier of a number at an instant; zone -1: no prefix fits."""
    digits = E164_DIGITS
    while digits > 1 and e164 < ranges.power[digits - 1]:
        digits -= 1
    padded = e164 * ranges.power[E164_DIGITS - digits]
    group = padded // 100_000_000_000
    dense = ranges.dense_at[group]
    if dense >= 0:
        place = dense + padded // 100_000_000 - group * SECOND_LEVEL
        low, high = ranges.second_level[place], ranges.second_level[place + 1]
    else:
        low, high = ranges.first_level[group], ranges.first_level[group + 1]
    while low < high:
        middle = (low + high + 1) >> 1
        if ranges.start[middle] <= padded:
            low = middle
        else:
            high = middle - 1
    if ranges.zone[low] != DATED:
        return np.int64(ranges.zone[low]), np.int64(ranges.carrier[low])
    for entry in range(ranges.entry_first[low], ranges.entry_first[low + 1]):
        if ranges.entry_from_utc_s[entry] <= utc_s < ranges.entry_to_utc_s[entry]:
            return np.int64(ranges.entry_zone[entry]), np.int64(ranges.entry_carrier[entry])
    return -1, -1


@kernel
def find_trunk(trunks: TrunkTable, texts: Texts, row: int, utc_s: int) -> int:
    """Row of network/trunks.csv that holds at an instant; -1: none or unknown."""
    first, last = texts.offsets[row], texts.offsets[row + 1]
    if first == last:
        return -1
    name = find_text(trunks.names, texts.data, first, last)
    if name >= 0:
        for place in range(trunks.first[name], trunks.first[name + 1]):
            if trunks.valid_from_utc_s[place] <= utc_s < trunks.valid_to_utc_s[place]:
                return np.int64(trunks.row[place])
    return -1


@kernel
def find_subscriptions(
    table: SubscriptionTable, columns: GuideColumns, low: int, high: int, found: np.ndarray
) -> None:
    """``found[row]`` for rows low .. high: place in ``table.rows`` in force at the start, or -1.

    A loop of its own: the cache misses of neighbouring rows then overlap.
    """
    mask = len(table.slots) - 1
    for row in range(low, high):
        found[row] = -1
        number = columns.served_e164[row]
        if columns.reason[row] != 0 or columns.direction[row] == TRANSIT or number == 0:
            continue
        slot = number_slot(number, mask)
        while table.slots[slot] >= 0 and table.rows[table.slots[slot]]["number"] != number:
            slot = (slot + 1) & mask
        place = table.slots[slot]
        start = columns.start_utc_s[row]
        while 0 <= place < len(table.rows) and table.rows[place]["number"] == number:
            if table.rows[place]["valid_from_utc_s"] <= start < table.rows[place]["valid_to_utc_s"]:
                found[row] = place
                break
            place += 1


@kernel
def find_month(month_start_utc_s: np.ndarray, utc_s: int) -> int:
    """Position of the month that an instant lies in (the first or last one, beyond the ends)."""
    last = len(month_start_utc_s) - 1
    month = (utc_s - month_start_utc_s[0]) // 2_629_746  # the mean length of a month
    month = min(max(month, 0), last)
    while month > 0 and utc_s < month_start_utc_s[month]:
        month -= 1
    while month < last and utc_s >= month_start_utc_s[month + 1]:
        month += 1
    return month


@kernel
def served_place(
    places: PlaceTables, network: Texts, location: Texts, row: int, home: int, faults: Faults
) -> tuple[int, int, int, int]:
    """Zone of the served party, roaming, reason and field at fault.

    A visited network decides before a location: its cells are not in the operator's table.
    """
    first, last = network.offsets[row], network.offsets[row + 1]
    if first < last:
        found = find_text(places.networks, network.data, first, last)
        if found < 0:
            return -1, HOME, faults.network_missing, faults.network_field
        if places.network_zone[found] != OWN_NETWORK:
            return np.int64(places.network_zone[found]), INTERNATIONAL, 0, -1
    first, last = location.offsets[row], location.offsets[row + 1]
    zone = home
    if first < last:
        found = find_text(places.locations, location.data, first, last)
        if found < 0:
            return -1, HOME, faults.location_missing, faults.location_field
        zone = np.int64(places.location_zone[found])
    if home < 0 and (zone < 0 or places.roams == 1):
        return zone, HOME, faults.number_range_missing, faults.served_field
    roams = places.roams == 1 and places.zone_area[zone] != places.zone_area[home]
    return zone, NATIONAL if roams else HOME, 0, -1


@kernel
def guide_ends(
    tables: GuideTables, columns: GuideColumns, results: GuideResults, row: int, home: int
) -> tuple[int, int]:
    """Writes where both ends are and how they relate; reason and field at fault."""
    faults = tables.faults
    start = columns.start_utc_s[row]
    transit = columns.direction[row] == TRANSIT
    if home == DATED:
        home = find_range(tables.ranges, columns.served_e164[row], start)[0]
    served, roaming = home, HOME
    if not transit:
        served, roaming, reason, field = served_place(
            tables.places, columns.network, columns.location, row, home, faults
        )
        if reason != 0:
            return reason, field
    results.served_zone_index[row] = served
    results.roaming[row] = roaming
    other, special = np.int64(-1), columns.special_index[row]
    if special >= 0:
        other = np.int64(tables.special_zone[special])
    elif columns.other_e164[row] > 0:
        other, carrier = find_range(tables.ranges, columns.other_e164[row], start)
        if other < 0:
            return faults.number_range_missing, faults.other_field
        results.carrier_index[row] = carrier
        if carrier == tables.own_carrier:
            results.flags[row] |= tables.flag_on_net
    results.other_zone_index[row] = other
    if other >= 0 and served >= 0:
        relation = tables.relations[served, other]
        results.relation_index[row] = relation
        if relation < 0 and not transit:
            return faults.relation_missing, faults.other_field
    return 0, -1


@kernel
def write_defaults(columns: GuideColumns, results: GuideResults, row: int) -> None:
    """A row about which nothing is known yet."""
    results.account_index[row] = -1
    results.plan_index[row] = -1
    results.served_zone_index[row] = -1
    results.other_zone_index[row] = -1
    results.carrier_index[row] = -1
    results.relation_index[row] = -1
    results.roaming[row] = HOME
    results.trunk_in_index[row] = -1
    results.trunk_out_index[row] = -1
    results.usage_period[row] = 0
    results.bill_period[row] = 0
    results.flags[row] = columns.flags[row]
    results.reason[row] = columns.reason[row]
    results.reason_field[row] = columns.reason_field[row]


@kernel
def write_identity(
    fields: KeyFields, takes_part: np.ndarray, columns: GuideColumns, results: GuideResults,
    row: int,
) -> None:  # fmt: skip
    """The duplicate hash (0: takes no part), and the bucket as long as no account is known."""
    served = party_key(columns.served_e164[row], columns.served_raw, row)
    results.bucket[row] = mix(SEED, served) & (BUCKET_COUNT - 1)
    results.dedupe_hash[row] = 0
    if takes_part[columns.reason[row]] == 1:
        other = np.int64(0)
        if fields.other == 1:
            other = party_key(columns.other_e164[row], columns.other_raw, row)
        extra = extra_key(fields, columns.call_ref, columns.sequence[row], row)
        kind = np.int64(columns.direction[row]) << 8 | columns.service[row]
        results.dedupe_hash[row] = key_hash(
            fields, served, other, columns.start_utc_s[row], columns.duration_s[row], kind, extra
        )


@kernel
def guide_row(
    tables: GuideTables, columns: GuideColumns, results: GuideResults, row: int
) -> tuple[int, int]:
    """Guides one row that has no reason yet; reason and field at fault."""
    faults = tables.faults
    start = columns.start_utc_s[row]
    month = tables.first_month + find_month(tables.month_start_utc_s, start)
    results.usage_period[row] = month
    results.bill_period[row] = max(month, tables.open_period)
    results.trunk_in_index[row] = find_trunk(tables.trunks, columns.trunk_in, row, start)
    results.trunk_out_index[row] = find_trunk(tables.trunks, columns.trunk_out, row, start)
    if columns.direction[row] == TRANSIT:
        home = DATED if columns.served_e164[row] > 0 else -1
        return guide_ends(tables, columns, results, row, home)
    place = results.subscription_index[row]
    if place < 0:
        return faults.subscription_missing, faults.served_field
    found = tables.subscriptions.rows[place]
    results.subscription_index[row] = found["row"]
    results.account_index[row] = found["account_index"]
    results.plan_index[row] = found["plan_index"]
    results.bucket[row] = found["bucket"]
    if found["inactive"] != 0:
        return faults.subscription_inactive, faults.served_field
    return guide_ends(tables, columns, results, row, np.int64(found["home_zone_index"]))


@kernel
def guide(tables: GuideTables, columns: GuideColumns, results: GuideResults) -> None:
    """Guides every row whose reason is 0; the others keep their reason and get defaults."""
    row_count = len(columns.reason)
    for low in range(0, row_count, BLOCK_ROWS):
        high = min(low + BLOCK_ROWS, row_count)
        find_subscriptions(
            tables.subscriptions, columns, low, high, results.subscription_index
        )
        for row in range(low, high):
            write_defaults(columns, results, row)
            write_identity(tables.key_fields, tables.takes_part, columns, results, row)
            if columns.reason[row] == 0:
                reason, field = guide_row(tables, columns, results, row)
                if reason != 0:
                    results.reason[row] = reason
                    results.reason_field[row] = field
