"""Discounts on single records: which hold for each row, and their effect on a batch of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.find_kernels import FLAGS_MASK, Rated, Usage, holds_open
from tariffs.discount_kernels import (
    BEFORE,
    NO_OTHER,
    TAKEN,
    Discounts,
    Selection,
    chosen_at,
    discount_row,
)
from tariffs.rule_kernels import DIRECTIONS, ROAMINGS, YES_NO, Tables
from tollbook.jit import kernel

EVENTS, BYTES, SECONDS = 3, 2, 1  # tollbook.codes


class Entries(NamedTuple):
    """What discounts took off, row by row: int64 columns, and where a row's entries end (int32)."""

    discount: np.ndarray
    before: np.ndarray
    taken: np.ndarray
    ends: np.ndarray


@kernel
def find_held(
    book: Discounts, selection: Selection, usage: Usage, subscription: np.ndarray, out: Rated,
    held: np.ndarray,
) -> int:  # fmt: skip
    """The discounts that hold for each row that has a rule and no reason, but for counters.

    subscription: int32, row of customers/subscriptions.csv. held: int64, masks. Returns how many
    bits were set.
    """
    relations, total = int(book.rules.relation_count + 1), 0
    for row in range(len(held)):
        held[row] = 0
        version = int(out.version_index[row])
        if out.reason[row] != 0 or version < 0 or out.rule_index[row] < 0:
            continue
        start = int(usage.start_utc_s[row])
        found = chosen_at(selection, int(subscription[row]), int(usage.plan_index[row]), start)
        found &= int(book.possible[version])
        if found == 0:
            continue
        cell = int(usage.service[row]) * DIRECTIONS + int(usage.direction[row])
        cell = cell * ROAMINGS + int(usage.roaming[row])
        cell = cell * relations + int(usage.relation_index[row]) + 1
        cell = cell * YES_NO * YES_NO + int(usage.flags[row] & FLAGS_MASK)
        found &= int(book.mask[cell])
        for place in range(len(book.discounts)):
            if found >> place & 1 == 0:
                continue
            since, until = book.since_utc_s[version, place], book.until_utc_s[version, place]
            rule = int(book.discounts[place]["rule"])
            if not since <= start < until or (
                rule >= 0 and not holds_open(book.rules, usage, row, rule)
            ):
                found &= ~(1 << place)
            else:
                total += 1
        held[row] = found
    return total


@kernel
def shorten(
    unit: int, free: int, duration_s: np.ndarray, up: np.ndarray, down: np.ndarray,
    events: np.ndarray,
) -> None:  # fmt: skip
    """Take the first ``free`` base units off usages; of bytes those received go first."""
    for row in range(len(duration_s)):
        if unit == SECONDS:
            duration_s[row] = max(duration_s[row] - free, 0)
        elif unit == EVENTS:
            events[row] = max(events[row] - free, 0)
        else:
            rest = max(free - down[row], 0)
            down[row] = max(down[row] - free, 0)
            up[row] = max(up[row] - rest, 0)


@kernel
def apply_rows(
    tables: Tables, book: Discounts, held: np.ndarray, out: Rated, other: np.ndarray,
    column: np.ndarray, work: np.ndarray, entries: Entries,
) -> int:  # fmt: skip
    """Apply the discounts that hold to the charges and totals of all rows.

    other, work: as in ``discount_row``; column: int32 by row, its column of ``other``. entries have
    room for all bits of ``held``; returns how many were written: those that changed something.
    """
    versions, count = tables.versions.versions, 0
    for row in range(len(held)):
        if held[row] != 0:
            version = int(out.version_index[row])
            rule = int(versions[version]["first_rule"]) + int(out.rule_index[row])
            acted = discount_row(
                book, int(held[row]), rule, out.charge_micro, row, other, int(column[row]), work,
            )  # fmt: skip
            for place in range(len(book.discounts)):
                if acted >> place & 1 and work[TAKEN, place] != 0:
                    entries.discount[count] = place
                    entries.before[count] = work[BEFORE, place]
                    entries.taken[count] = work[TAKEN, place]
                    out.total_micro[row] -= work[TAKEN, place]
                    count += 1
        entries.ends[row] = count
    return count


@kernel
def keep_others(out: Rated, rows: np.ndarray, other: np.ndarray, place: int) -> None:
    """Copy charges at another price into ``other``; rows that have none get NO_OTHER."""
    for column in range(len(rows)):
        for slot in range(other.shape[1]):
            charge = out.charge_micro[slot, column]
            fails = out.reason[column] != 0
            other[place, slot, rows[column]] = NO_OTHER if fails else charge
