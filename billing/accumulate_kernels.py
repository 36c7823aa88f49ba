"""The loops behind ``billing.accumulate``: two hash tables with open addressing.

The glue makes room for the worst case before each call, so no kernel ever runs out of room. After
growth ``slots`` come empty, and ``fill_*`` enters what is stored once more.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from tollbook.jit import inner, kernel

EMPTY: Final = -1
LANE: Final = 0x7FFFFFFF  # hashes work on 31 bits, so that no product leaves int64

# Bits of a group's key, from the right: tax class, component, plan; the account has the rest.
CLASS_BITS: Final = 7
COMPONENT_BITS: Final = 4
PLAN_BITS: Final = 16

LIMIT: Final = 10**18  # of each sum: two values below it add up without leaving int64
OK: Final = 0
VERSION_UNKNOWN: Final = 1
QUANTITY_OUT_OF_RANGE: Final = 2
CHARGE_OUT_OF_RANGE: Final = 3
COMPONENTS_DIFFER: Final = 4


class TextTable(NamedTuple):
    """Texts and their codes 0..count-1: text c is ``data[offsets[c]:offsets[c + 1]]``."""

    slots: np.ndarray  # int32, a power of two long: EMPTY or a code
    offsets: np.ndarray  # int64, room + 1
    data: np.ndarray  # uint8


class RatedRows(NamedTuple):
    """Columns of rated records; same index = same row."""

    account: np.ndarray  # int32 codes
    plan: np.ndarray  # int32
    version: np.ndarray  # int32
    duration_s: np.ndarray  # int64, 0 where the service does not count seconds
    up_bytes: np.ndarray  # int64, likewise
    down_bytes: np.ndarray
    event_count: np.ndarray
    charge_micro: np.ndarray  # int64, the sum that the record states
    charges_micro: np.ndarray  # int64, components x rows


class Groups(NamedTuple):
    """Sums by key; ``slots`` find the row of a key. The figures of a group lie side by side, so
    that adding to one costs one visit to memory."""

    slots: np.ndarray  # int32, a power of two long: EMPTY or a row of ``figures``
    figures: np.ndarray  # int64, room x FIGURES: columns as named below


KEY: Final = 0
USAGE_COUNT: Final = 1
DURATION_S: Final = 2
VOLUME_BYTES: Final = 3
EVENT_COUNT: Final = 4
CHARGE_MICRO: Final = 5
FIGURES: Final = 6


@inner
def hash_text(data: np.ndarray, start: int, stop: int) -> int:
    """A 31-bit hash of some bytes."""
    mixed = np.int64(stop - start) & LANE
    for at in range(start, stop):
        mixed = ((mixed ^ data[at]) * 16777619) & LANE
    return int(mixed ^ (mixed >> 15))


@inner
def hash_key(key: int) -> int:
    """A hash of a group's key, never negative."""
    mixed = ((key & LANE) * 1103515245) ^ ((key >> 31) * 1220703125)
    return mixed ^ (mixed >> 17) ^ (mixed >> 33)


@kernel
def fill_texts(table: TextTable, count: int) -> None:
    """Enters the texts that are stored into empty slots."""
    mask = len(table.slots) - 1
    for code in range(count):
        slot = hash_text(table.data, table.offsets[code], table.offsets[code + 1]) & mask
        while table.slots[slot] != EMPTY:
            slot = (slot + 1) & mask
        table.slots[slot] = code


@kernel
def fill_groups(groups: Groups, count: int) -> None:
    """Enters the keys that are stored into empty slots."""
    mask = len(groups.slots) - 1
    for group in range(count):
        slot = hash_key(groups.figures[group, KEY]) & mask
        while groups.slots[slot] != EMPTY:
            slot = (slot + 1) & mask
        groups.slots[slot] = group


@kernel
def intern_texts(
    offsets: np.ndarray, data: np.ndarray, table: TextTable, count: int, codes: np.ndarray
) -> int:
    """Writes the code of every text; a new text gets the next code. Returns the new count."""
    mask = len(table.slots) - 1
    for row in range(len(codes)):
        start, size = offsets[row], offsets[row + 1] - offsets[row]
        slot = hash_text(data, start, start + size) & mask
        while table.slots[slot] != EMPTY:
            first = table.offsets[table.slots[slot]]
            same = table.offsets[table.slots[slot] + 1] - first == size
            at = 0
            while same and at < size:
                same = table.data[first + at] == data[start + at]
                at += 1
            if same:
                break
            slot = (slot + 1) & mask
        if table.slots[slot] == EMPTY:
            table.slots[slot] = count
            first = table.offsets[count]
            for at in range(size):
                table.data[first + at] = data[start + at]
            count += 1
            table.offsets[count] = first + size
        codes[row] = table.slots[slot]
    return count


@inner
def fault_of(rows: RatedRows, row: int) -> int:
    """OK, or what is wrong with the figures of a row."""
    volume = max(abs(rows.up_bytes[row]), abs(rows.down_bytes[row]))
    least = min(rows.duration_s[row], rows.up_bytes[row], rows.down_bytes[row],
                rows.event_count[row])  # fmt: skip
    most = max(rows.duration_s[row], volume, rows.event_count[row])
    if least < 0 or most >= LIMIT // 2:
        return QUANTITY_OUT_OF_RANGE
    rest = rows.charge_micro[row]
    if not -LIMIT < rest < LIMIT:
        return CHARGE_OUT_OF_RANGE
    for component in range(len(rows.charges_micro)):
        charge = rows.charges_micro[component, row]
        if not -LIMIT < charge < LIMIT:
            return CHARGE_OUT_OF_RANGE
        rest -= charge
    return OK if rest == 0 else COMPONENTS_DIFFER


@inner
def add_to_group(groups: Groups, group: int, rows: RatedRows, row: int, charge: int) -> int:
    """Adds one charge and the quantities of its row to a group; OK, or which sum is too large."""
    sums = groups.figures[group]
    sums[USAGE_COUNT] += 1
    sums[DURATION_S] += rows.duration_s[row]
    sums[VOLUME_BYTES] += rows.up_bytes[row] + rows.down_bytes[row]
    sums[EVENT_COUNT] += rows.event_count[row]
    sums[CHARGE_MICRO] += charge
    if not -LIMIT < sums[CHARGE_MICRO] < LIMIT:
        return CHARGE_OUT_OF_RANGE
    most = max(sums[DURATION_S], sums[VOLUME_BYTES], sums[EVENT_COUNT])
    return OK if most < LIMIT else QUANTITY_OUT_OF_RANGE


@kernel
def add_rows(
    rows: RatedRows, class_of: np.ndarray, groups: Groups, count: int, status: np.ndarray
) -> int:
    """Adds every row to the group of each component that it charges. Returns the new group count.

    class_of: int16, plan x version x (components + 1) -> tax class; EMPTY where the book has no
    such version. A row without any charge goes to the last component.
    status: int64[2], code and row of the first row at fault, where adding stops.
    """
    mask = len(groups.slots) - 1
    components = len(rows.charges_micro)
    for row in range(len(rows.account)):
        plan, version = rows.plan[row], rows.version[row]
        fault = fault_of(rows, row)
        if class_of[plan, version, components] == EMPTY:
            fault = VERSION_UNKNOWN
        charged = False
        for component in range(components + 1):
            if fault != OK:
                status[0], status[1] = fault, row
                return count
            charge = rows.charges_micro[component, row] if component < components else 0
            if charge == 0 and (component < components or charged):
                continue
            charged = True
            key = np.int64(rows.account[row])
            key = (key << PLAN_BITS) | plan
            key = (key << COMPONENT_BITS) | component
            key = (key << CLASS_BITS) | class_of[plan, version, component]
            slot = hash_key(key) & mask
            while groups.slots[slot] != EMPTY and groups.figures[groups.slots[slot], KEY] != key:
                slot = (slot + 1) & mask
            if groups.slots[slot] == EMPTY:
                groups.slots[slot] = count
                groups.figures[count, KEY] = key
                count += 1
            fault = add_to_group(groups, groups.slots[slot], rows, row, charge)
        if fault != OK:  # the last component's sum
            status[0], status[1] = fault, row
            return count
    return count
