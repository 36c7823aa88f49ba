"""Guiding, what is known of single numbers: ported ones, friends, closed user groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.hash_kernels import LANE, POSITION_BITS, POSITION_MASK, number_slot
from tollbook.jit import inner, kernel


class NumberTable(NamedTuple):
    """Dated rows of a table by E.164 number; rows of one number lie together.

    slots: int64 hash table from a number to its first row. value: int32, what the table says.
    """

    slots: np.ndarray
    number: np.ndarray  # int64
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64
    value: np.ndarray


class PortedTable(NamedTuple):
    """Ported numbers with their carrier, and by row their zone (int32, -1: that of the range)."""

    numbers: NumberTable
    zone: np.ndarray


class FriendTable(NamedTuple):
    """Friends of subscription s: entries first[s] .. first[s + 1] of the other arrays.

    line: int32, the subscription by row of customers/subscriptions.csv (several rows may be one).
    """

    line: np.ndarray
    first: np.ndarray  # int32
    number: np.ndarray  # int64
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@inner
def first_of(slots: np.ndarray, numbers: np.ndarray, number: int) -> int:
    """First row of a number in a NumberTable; -1: none."""
    mask = len(slots) - 1
    slot = number_slot(number, mask)
    while slots[slot] >= 0:
        place = slots[slot] & POSITION_MASK
        if slots[slot] >> POSITION_BITS == number & LANE and numbers[place] == number:
            return int(place)
        slot = (slot + 1) & mask
    return -1


@kernel
def find_ported(
    table: PortedTable, other_e164: np.ndarray, utc_s: np.ndarray, reason: np.ndarray,
    zone: np.ndarray, carrier: np.ndarray, flags: np.ndarray, flag: int,
) -> None:  # fmt: skip
    """Carrier, and zone where the table names one, of other numbers that are ported then."""
    (slots, numbers, valid_from, valid_to, carriers), zones = table
    for row in range(len(other_e164)):
        number = other_e164[row]
        place = first_of(slots, numbers, number) if number > 0 and reason[row] == 0 else -1
        while 0 <= place < len(numbers) and numbers[place] == number:
            if valid_from[place] <= utc_s[row] < valid_to[place]:
                carrier[row] = carriers[place]
                zone[row] = zones[place] if zones[place] >= 0 else zone[row]
                flags[row] |= flag
                break
            place += 1


@kernel
def flag_friends(
    table: FriendTable, subscription: np.ndarray, other_e164: np.ndarray, utc_s: np.ndarray,
    reason: np.ndarray, flags: np.ndarray, flag: int,
) -> None:  # fmt: skip
    """Sets ``flag`` where the other number is on the subscription's list at that time."""
    line, first, numbers, valid_from, valid_to = table
    for row in range(len(flags)):
        number = other_e164[row]
        if subscription[row] < 0 or number == 0 or reason[row] != 0:
            continue
        of = line[subscription[row]]
        for entry in range(first[of], first[of + 1]):
            is_valid = valid_from[entry] <= utc_s[row] < valid_to[entry]
            if numbers[entry] == number and is_valid:
                flags[row] |= flag
                break


@inner
def is_member(table: NumberTable, number: int, group: int, utc_s: int) -> bool:
    """Whether a number is in a group at a time."""
    slots, numbers, valid_from, valid_to, groups = table
    place = first_of(slots, numbers, number)
    while 0 <= place < len(numbers) and numbers[place] == number:
        if groups[place] == group and valid_from[place] <= utc_s < valid_to[place]:
            return True
        place += 1
    return False


@kernel
def flag_groups(
    table: NumberTable, served_e164: np.ndarray, other_e164: np.ndarray, utc_s: np.ndarray,
    reason: np.ndarray, flags: np.ndarray, flag: int,
) -> None:  # fmt: skip
    """Sets ``flag`` where both numbers are in one group at that time."""
    slots, numbers, valid_from, valid_to, groups = table
    for row in range(len(flags)):
        number, other = served_e164[row], other_e164[row]
        is_asked = number > 0 and other > 0 and reason[row] == 0
        place = first_of(slots, numbers, number) if is_asked else -1
        while 0 <= place < len(numbers) and numbers[place] == number:
            is_valid = valid_from[place] <= utc_s[row] < valid_to[place]
            if is_valid and is_member(table, other, groups[place], utc_s[row]):
                flags[row] |= flag
                break
            place += 1
