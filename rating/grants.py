"""What slots are granted when they are opened: whole, in part, or for each member."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from rating import grant_kernels
from rating.grant_kernels import Terms
from tariffs.compile_memory import MemoryTables
from tariffs.item_kernels import WITHOUT_END
from tollbook import money

NONE, BY_DAYS, HALF_MONTH = 0, 1, 2  # tariffs.memory_model.PRORATIONS
_MOST: Final = 1 << 62  # that a slot can be granted
HALF_AFTER_DAY: Final = 15  # of the month, the last on which a month is granted whole


def grant(
    memory: MemoryTables, slots: np.ndarray, first: int, count: int,
    terms: tuple[Terms, Terms, Terms],
) -> None:
    """Fill in what the slots first .. count - 1 are granted.

    Grants that depend on the same facts are worked out once, in Python's integers.
    """  # fmt: skip
    if first == count:
        return
    tables = memory.tables
    grant_kernels.choose_entries(
        slots, (first, count), tables.opens_first, tables.opens_day, tables.opening
    )
    plans = memory.tables.entries["plan"]
    by = np.array([grant[0] for grant in memory.grants], np.int64)
    per_member = np.array([grant[4] for grant in memory.grants], np.int64)
    room = grant_kernels.Shares(*(np.empty(count - first, np.int64) for _ in range(3)))
    found = grant_kernels.find_shares(
        slots, (first, count), plans, by, per_member, terms, room
    )
    if found > count - first:
        room = grant_kernels.Shares(*(np.empty(found, np.int64) for _ in range(3)))
        grant_kernels.find_shares(slots, (first, count), plans, by, per_member, terms, room)
    index = room.slot[:found]
    entry, days = slots["entry"][index], room.days[:found]
    span = slots["until_day"][index].astype(np.int64) - slots["since_day"][index]
    amounts = np.array([grant[5] for grant in memory.grants], np.int64)
    shares = np.where(days > 0, amounts[entry], 0)
    part = np.flatnonzero((by[entry] != NONE) & (days > 0) & (days < span))
    if len(part):
        facts = np.stack([entry[part], days[part], room.first[:found][part], span[part]])
        kinds, which = np.unique(facts, axis=1, return_inverse=True)
        known = np.array([granted(memory, *kind) for kind in kinds.T.tolist()], np.int64)
        shares[part] = known[which.reshape(-1)]
    members = np.bincount(index - first, minlength=count - first)
    shares = np.minimum(shares, _MOST // max(int(members.max()), 1))
    total = np.zeros(count - first, np.int64)
    np.add.at(total, index - first, shares)
    is_endless = np.array([grant[5] == WITHOUT_END for grant in memory.grants])
    total[is_endless[slots["entry"][first:count]] & (total < 0)] = WITHOUT_END
    slots["granted"][first:count] = total


def granted(memory: MemoryTables, entry: int, days: int, first: int, span: int) -> int:
    """A grant for ``days`` of a span, of which ``first`` (from 0) is the first in force."""
    by, add_nano, mode, unit_size, _, amount = memory.grants[entry]
    if days == 0 or amount == WITHOUT_END:
        return amount if days else 0
    part = Fraction(days, span)
    if by == HALF_MONTH:
        part = Fraction(1, 2) if first >= HALF_AFTER_DAY else Fraction(1)
    if part == 1:
        return amount
    exact = Fraction(amount, unit_size) * part + Fraction(add_nano, money.NANO)
    units = money.round_div(exact.numerator, exact.denominator, mode)
    return min(units * unit_size, amount)
