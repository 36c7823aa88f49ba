"""The price of what allowances have left of usages, and of covered parts with a price of their own.

Whole usages were priced before (``rate_kernels``, ``slow_kernels``); here are the few of which a
part is covered.
"""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Rated, Usage
from rating.slow_kernels import price_length, price_one, price_split
from rating.take_kernels import COVERED, ORIGIN, STOP, Left
from tariffs.item_kernels import ALLOWANCE
from tariffs.price_kernels import Reach
from tariffs.rule_kernels import Tables
from tollbook.jit import kernel

UNPRICED = 10**18 + 1  # micro: more than any limit of a charge


@kernel
def price_parts(
    tables: Tables, usage: Usage, out: Rated, order: np.ndarray, left: Left, parts: np.ndarray
) -> None:
    """The charge of each component of which a part is left. order: the row of each place. parts:
    int64 [PARTS_MAX, 2]."""
    versions = tables.versions.versions
    for number in range(left.counts[0]):
        row, bits, anew = int(order[left.rows[number]]), int(left.bits[number, 0]), (
            int(left.bits[number, 1]))  # fmt: skip
        version = int(out.version_index[row])
        rule = int(versions[version]["first_rule"]) + int(out.rule_index[row])
        until = usage.start_utc_s[row] + usage.duration_s[row]
        splits = versions[version]["splits_change"] and until > versions[version]["to_utc_s"]
        for slot in range(tables.rules.target.shape[1]):
            if (bits >> slot) & 1 == 0:
                continue
            reach = Reach(
                int(left.reach[number, slot, COVERED]), int(left.reach[number, slot, STOP]),
                int(left.reach[number, slot, ORIGIN]), anew,
            )  # fmt: skip
            if splits:
                charge = price_split(tables, usage, row, version, slot, reach, parts)
            else:
                target = int(tables.rules.target[rule, slot])
                charge = price_one(tables, usage, row, version, target, reach, parts)
            out.charge_micro[slot, row] = charge if charge >= 0 else UNPRICED


@kernel
def price_takes(
    tables: Tables, usage: Usage, own_version: np.ndarray, order: np.ndarray, left: Left,
    takes: np.ndarray, entries: np.ndarray, parts: np.ndarray,
) -> None:
    """The price of each covered part that has one, and of what comes beyond caps."""
    for place in range(left.counts[1]):
        one, row = takes[left.priced[place, 0]], int(order[left.priced[place, 1]])
        rate = int(entries[one["entry"]]["price"])
        charge = price_length(
            tables, usage, row, int(own_version[row]), rate, int(one["length"]), parts
        )
        one["micro"] = charge if charge >= 0 else UNPRICED


@kernel
def put_together(
    chosen: np.ndarray, order: np.ndarray, out: Rated, left: Left, takes: np.ndarray,
    entries: np.ndarray,
) -> None:
    """Components that are wholly covered cost nothing; covered parts add their own price to the
    first component that their allowance covers. chosen: places in ``order``."""  # fmt: skip
    for place in chosen:
        if left.free[place] == 0:
            continue
        for slot in range(out.charge_micro.shape[0]):
            if (left.free[place] >> slot) & 1:
                out.charge_micro[slot, order[place]] = 0
    for place in range(left.counts[1]):
        one, row = takes[left.priced[place, 0]], order[left.priced[place, 1]]
        if entries[one["entry"]]["kind"] != ALLOWANCE:
            continue
        for slot in range(out.charge_micro.shape[0]):
            if (one["slots"] >> slot) & 1:
                out.charge_micro[slot, row] += one["micro"]
                break


@kernel
def add_up(
    chosen: np.ndarray, order: np.ndarray, out: Rated, limit_micro: np.ndarray,
    is_over: np.ndarray,
) -> bool:
    """Totals of rows; is_over (by place in ``order``) says which exceed the limit of their version
    (limit_micro); returns whether any does. chosen: places."""  # fmt: skip
    # All rows as they lie, which is quick; their places are asked if there is anything to be found.
    limit, found = UNPRICED, False
    for version in range(len(limit_micro)):
        limit = min(limit, limit_micro[version])
    for row in range(len(out.total_micro)):
        total = 0
        for slot in range(out.charge_micro.shape[0]):
            total += min(out.charge_micro[slot, row], UNPRICED)
        out.total_micro[row] = total
        found |= total > limit
    if not found:
        return False
    found = False
    for place in chosen:
        row = order[place]
        is_over[place] = out.total_micro[row] > limit_micro[out.version_index[row]]
        found |= bool(is_over[place])
    return found
