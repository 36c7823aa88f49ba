"""How long owners were in force on a plan within a span of days: what their grants depend on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import inner, kernel

CHUNK_DAYS = 62  # of a span that are looked at together, one bit each


class Terms(NamedTuple):
    """When the owners of one kind were in force, and on which plan.

    Owner o has the rows first[o] .. first[o + 1] - 1, ordered by (member, from_day): one for each
    span of days, half-open, in which a member (a subscription) was on a plan; plan -1 stands for
    any. first: int64; the others int32. A subscription is its own only member.
    """

    first: np.ndarray
    plan_index: np.ndarray
    from_day: np.ndarray
    until_day: np.ndarray
    member: np.ndarray


class Shares(NamedTuple):
    """What grants are worked out from: one row a slot, or one a member; int64.

    days: how many of the span it is in force; first: its first of them, from 0.
    """

    slot: np.ndarray
    days: np.ndarray
    first: np.ndarray


@inner
def in_force(terms: Terms, rows: tuple[int, int], plan: int, since: int, until: int
             ) -> tuple[int, int]:
    """Days of a span on which any of these rows holds, and the first of them from its start."""
    days, first = 0, -1
    begin = since
    while begin < until:
        end, bits = min(begin + CHUNK_DAYS, until), 0
        for row in range(rows[0], rows[1]):
            if terms.plan_index[row] != plan and terms.plan_index[row] >= 0:
                continue
            low, high = max(int(terms.from_day[row]), begin), min(int(terms.until_day[row]), end)
            if low < high:
                bits |= ((1 << (high - low)) - 1) << (low - begin)
        place = 0
        while bits != 0:
            if bits & 1:
                days += 1
                if first < 0:
                    first = begin - since + place
            bits >>= 1
            place += 1
        begin = end
    return days, first


@inner
def touches(terms: Terms, rows: tuple[int, int], plan: int, since: int, until: int) -> int:
    """1 where any of these rows holds on a day of a span, else 0."""
    for row in range(rows[0], rows[1]):
        is_on = terms.plan_index[row] == plan or terms.plan_index[row] < 0
        low, high = max(int(terms.from_day[row]), since), min(int(terms.until_day[row]), until)
        if is_on and low < high:
            return 1
    return 0


@kernel
def choose_entries(
    slots: np.ndarray, range_of: tuple[int, int], opens_first: np.ndarray, opens_day: np.ndarray,
    opening: np.ndarray,
) -> None:
    """The entry that says what each new slot is granted: that of the version in force as its span
    begins, whichever record opens it. The last three are those of ``item_kernels.Items``.
    """  # fmt: skip
    for index in range(range_of[0], range_of[1]):
        item = slots[index]["item"]
        place = int(opens_first[item])
        while place + 1 < opens_first[item + 1] and (
            opens_day[place + 1] <= slots[index]["since_day"]
        ):
            place += 1
        slots[index]["entry"] = opening[place]


@kernel
def find_shares(
    slots: np.ndarray, range_of: tuple[int, int], entry_plan: np.ndarray, prorates: np.ndarray,
    per_member: np.ndarray, terms: tuple[Terms, Terms, Terms], shares: Shares,
) -> int:
    """The shares of new slots; returns how many there are, also of those without room.

    entry_plan, prorates, per_member: by entry. Without proration ``days`` is 1, or 0: not in force
    on any day.
    """  # fmt: skip
    count = 0
    for index in range(range_of[0], range_of[1]):
        slot = slots[index]
        own, entry = terms[slot["owner_kind"]], int(slot["entry"])
        low, end = int(own.first[slot["owner"]]), int(own.first[slot["owner"] + 1])
        since, until = int(slot["since_day"]), int(slot["until_day"])
        while low < end:
            high = end
            if per_member[entry]:
                high = low + 1
                while high < end and own.member[high] == own.member[low]:
                    high += 1
            days, first = 0, 0
            if prorates[entry]:
                days, first = in_force(own, (low, high), entry_plan[entry], since, until)
            else:
                days = touches(own, (low, high), entry_plan[entry], since, until)
            if count < len(shares.slot):
                shares.slot[count], shares.days[count] = index, days
                shares.first[count] = first
            count += 1
            low = high
    return count
