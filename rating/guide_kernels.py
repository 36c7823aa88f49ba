"""Guiding, the lookups: who pays for a usage, zones and carriers of numbers, trunks, months.

Each has a kernel of its own: a loop that does nothing but look up lets the cache misses of
neighbouring rows overlap. ``rating.decide_kernels`` puts together what was found. Kernels take
arrays out of their tuples before they loop: inside a loop numba would count references, which costs
more than the work itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.duplicate_kernels import (
    KeyFields,
    extra_key,
    key_hash,
    key_state,
    party_key,
    served_key,
)
from rating.hash_kernels import (
    LANE,
    POSITION_BITS,
    POSITION_MASK,
    SEED,
    Texts,
    TextTable,
    mix,
    number_slot,
)
from rating.number_kernels import POWER
from tariffs.prefix_kernels import E164_DIGITS, SIZE_BITS
from tollbook.jit import borrows, inner, kernel

BLOCK_ROWS = 256  # numbers that are looked for at once
NODE = 1000  # pieces of a dense group of the range index: three more digits
DATED = -2  # a zone in RangeTable or in a subscription's row: look at the dated entries
BUCKET_COUNT = 256
MONTH_MEAN_S = 2_629_746
TRANSIT = 4  # tollbook.codes
ACTIVE, INACTIVE, NO_SUBSCRIPTION, VISITING = 0, 1, 2, 3


class RangeTable(NamedTuple):
    """Number ranges as the intervals of ``tariffs.prefix_kernels``: E.164 filled up with zeros to
    15 digits, and behind them how many digits there were.

    start: int64, ascending from 0; interval i ends where i + 1 starts. zone, carrier: int32, -1
    where no prefix fits; zone DATED: the first of the entries from entry_first[i] on that is valid
    decides (longest prefix first, at the end one that always is).
    first_level: int32 [10001], the interval in which each group of four leading digits begins.
    second_level: int32, for groups with many intervals the same for three more digits, from
    dense_at on (int32 [10001], -1: the group has few). third_level: the same once more, for pieces
    of the second level, from denser_at on.
    """

    start: np.ndarray
    zone: np.ndarray
    carrier: np.ndarray
    first_level: np.ndarray
    dense_at: np.ndarray
    second_level: np.ndarray
    denser_at: np.ndarray
    third_level: np.ndarray
    entry_first: np.ndarray
    entry_from_utc_s: np.ndarray
    entry_to_utc_s: np.ndarray
    entry_zone: np.ndarray
    entry_carrier: np.ndarray


class SubscriptionTable(NamedTuple):
    """slots: int64 hash table from a number (or an IMSI) to its first row; rows:
    tables.SUBSCRIPTION_ROW."""

    slots: np.ndarray
    rows: np.ndarray


class TrunkTable(NamedTuple):
    """Dated trunks: name i has rows first[i] .. first[i + 1] of the other arrays."""

    names: TextTable
    first: np.ndarray  # int32
    row: np.ndarray  # int32, row of network/trunks.csv
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


class Identity(NamedTuple):
    """Columns of ``schemas.NORMALISED`` that tell records apart (read-only)."""

    served_e164: np.ndarray  # int64
    other_e164: np.ndarray  # int64
    served_raw: Texts
    other_raw: Texts
    start_utc_s: np.ndarray  # int64
    duration_s: np.ndarray  # int64
    direction: np.ndarray  # int8
    service: np.ndarray  # int8
    call_ref: Texts
    sequence: np.ndarray  # int32
    reason: np.ndarray  # int16
    imsi: np.ndarray  # int64


class Payers(NamedTuple):
    """The subscription in force for every row; all written, -1 where there is none."""

    subscription_index: np.ndarray  # int32
    account_index: np.ndarray  # int32
    plan_index: np.ndarray  # int32
    bucket: np.ndarray  # int16, comes filled by ``identify``; kept where there is no subscription
    home_zone: np.ndarray  # int32, DATED: it has still to be looked up
    standing: np.ndarray  # int8: ACTIVE, INACTIVE, NO_SUBSCRIPTION; rating.visitors sets VISITING


@kernel
@borrows
def identify(
    fields: KeyFields, takes_part: np.ndarray, identity: Identity, dedupe_hash: np.ndarray,
    bucket: np.ndarray,
) -> None:  # fmt: skip
    """The duplicate hash of every row, and the bucket of its served number.

    takes_part: int8 by reason; a row that takes no part in the search for duplicates has hash 0.
    """
    served_e164, other_e164, served_raw, other_raw, start_utc_s, duration_s = identity[:6]
    direction, service, call_ref, sequence, reason, imsi = identity[6:]
    served_offsets, served_data = served_raw
    other_offsets, other_data = other_raw
    ref_offsets, ref_data = call_ref
    for row in range(len(dedupe_hash)):
        served = served_key(served_e164[row], served_offsets, served_data, imsi[row], row)
        state = mix(SEED, served)
        bucket[row] = state & (BUCKET_COUNT - 1)
        dedupe_hash[row] = 0
        if takes_part[reason[row]] == 1:
            other = party_key(other_e164[row], other_offsets, other_data, row)
            extra = extra_key(fields, ref_offsets, ref_data, sequence[row], row)
            key = key_state(
                fields, state, other, start_utc_s[row], duration_s[row], direction[row],
                service[row], extra,
            )  # fmt: skip
            # Records of nobody are not kept together: they could be most of a night.
            dedupe_hash[row] = key_hash(state if served != 0 else key, key)


@inner
@borrows
def find_numbers(
    table: SubscriptionTable, numbers: np.ndarray, low: int, places: np.ndarray
) -> None:
    """``places[i]`` (int64): first place in ``table.rows`` of number ``low + i``; -1: none.

    The first loop guesses no branch, so the processor fetches the slots of many numbers at once,
    and the second loop their rows: fetching is what takes the time.
    """
    slots, rows = table
    mask = len(slots) - 1
    for row in range(len(places)):
        places[row] = slots[number_slot(numbers[low + row], mask)]
    for row in range(len(places)):
        number, entry = numbers[low + row], places[row]
        slot = number_slot(number, mask)
        # The tag passes most other numbers by without a look at their rows.
        while entry >= 0 and (
            entry >> POSITION_BITS != number & LANE
            or rows[entry & POSITION_MASK]["number"] != number
        ):
            slot = (slot + 1) & mask
            entry = slots[slot]
        places[row] = entry & POSITION_MASK if entry >= 0 else -1


@kernel
@borrows
def find_payers(
    table: SubscriptionTable, numbers: np.ndarray, utc_s: np.ndarray, direction: np.ndarray,
    reason: np.ndarray, payers: Payers, scratch: np.ndarray,
) -> None:  # fmt: skip
    """The subscription in force for each number at its time. scratch: int64, room for a block.

    Transit records and rows with a reason have none; a transit record's home zone is DATED.
    """
    rows = table.rows
    subscription_index, account_index, plan_index, bucket, home_zone, standing = payers
    for row in range(len(standing)):
        block_row = row % len(scratch)
        if block_row == 0:
            find_numbers(table, numbers, row, scratch[: min(len(scratch), len(standing) - row)])
        subscription_index[row], account_index[row], plan_index[row] = -1, -1, -1
        home_zone[row], standing[row] = -1, NO_SUBSCRIPTION
        number, time, place = numbers[row], utc_s[row], scratch[block_row]
        if number == 0 or reason[row] != 0:
            continue
        if direction[row] == TRANSIT:
            home_zone[row] = DATED
            continue
        while 0 <= place < len(rows) and rows[place]["number"] == number:
            if rows[place]["valid_from_utc_s"] <= time < rows[place]["valid_to_utc_s"]:
                subscription_index[row] = rows[place]["row"]
                account_index[row] = rows[place]["account_index"]
                plan_index[row] = rows[place]["plan_index"]
                bucket[row] = rows[place]["bucket"]
                home_zone[row] = rows[place]["home_zone_index"]
                standing[row] = rows[place]["standing"]
                break
            place += 1


@kernel
@borrows
def find_zones(
    ranges: RangeTable, numbers: np.ndarray, utc_s: np.ndarray, zone: np.ndarray,
    carrier: np.ndarray,
) -> None:  # fmt: skip
    """Where ``zone`` is DATED: zone and carrier of the number at its time, -1 without any."""
    edges, zones, carriers, first_level, dense_at, second_level, denser_at, third_level = ranges[:8]
    entry_first, entry_from, entry_to, entry_zone, entry_carrier = ranges[8:]
    for row in range(len(zone)):
        if zone[row] != DATED:
            continue
        number, digits = numbers[row], E164_DIGITS
        while digits > 1 and number < POWER[digits - 1]:
            digits -= 1
        padded = number * POWER[E164_DIGITS - digits]
        group = padded // 100_000_000_000
        first, last = first_level[group], first_level[group + 1]
        if dense_at[group] >= 0:
            piece = padded // 100_000_000
            place = dense_at[group] + piece - group * NODE
            first, last = second_level[place], second_level[place + 1]
            if denser_at[place] >= 0:
                place = denser_at[place] + padded // 100_000 - piece * NODE
                first, last = third_level[place], third_level[place + 1]
        key, size = (padded << SIZE_BITS) + digits, last - first + 1
        while size > 1:
            half = size >> 1
            if edges[first + half] <= key:
                first += half
            size -= half
        zone[row], carrier[row] = zones[first], carriers[first]
        if zones[first] == DATED:
            entry = int(entry_first[first])
            while not entry_from[entry] <= utc_s[row] < entry_to[entry]:
                entry += 1
            zone[row], carrier[row] = entry_zone[entry], entry_carrier[entry]


@kernel
@borrows
def find_trunks(
    trunks: TrunkTable, names: np.ndarray, utc_s: np.ndarray, reason: np.ndarray,
    found: np.ndarray,
) -> None:  # fmt: skip
    """``found``: row of network/trunks.csv that is valid, by place of the name (-1: none)."""
    first, trunk_row, valid_from, valid_to = trunks[1:]
    for row in range(len(found)):
        found[row] = -1
        if names[row] >= 0 and reason[row] == 0:
            for place in range(first[names[row]], first[names[row] + 1]):
                if valid_from[place] <= utc_s[row] < valid_to[place]:
                    found[row] = trunk_row[place]
                    break


@inner
def find_month(months: np.ndarray, utc_s: int) -> int:
    """Position of the month that an instant lies in (the first or last one, beyond the ends)."""
    last = len(months) - 1
    month = min(max((utc_s - months[0]) // MONTH_MEAN_S, 0), last)
    while month > 0 and utc_s < months[month]:
        month -= 1
    while month < last and utc_s >= months[month + 1]:
        month += 1
    return int(month)
