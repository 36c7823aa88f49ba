"""The rows that ``rate_kernels`` leaves: wide sums, borders within a usage, general rates."""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Faults, Rated, Usage, asked_of, rule_of, target_of
from tariffs.price_kernels import (
    ENDLESS,
    EVENTS,
    GRID,
    SECONDS,
    TOO_LARGE,
    Reach,
    price_wide,
    quantities,
)
from tariffs.rest_kernels import price_rest
from tariffs.rule_kernels import DECK, NO_RATE, Tables
from tariffs.walk_kernels import (
    PARTS_MAX,
    RATE_OF,
    RESTART,
    UNTIL,
    Way,
    price_general,
)
from tollbook.jit import borrows, inlined, inner, kernel

CLOCK_TARIFF, CLOCK_HOME, CLOCK_VISITED, CLOCK_SWITCH = 0, 1, 2, 3  # tariffs.model.CLOCKS


@inner
@borrows
def way_of(
    tables: Tables, usage: Usage, row: int, zone: int, terms: np.void, part_count: int
) -> Way:
    """By whose clock a usage is priced. terms: a row of EXTRA; zone: the version's."""
    chosen, offset = zone, 0
    if terms["clock"] == CLOCK_SWITCH:
        chosen, offset = -1, int(usage.utc_offset_s[row])
    elif terms["clock"] != CLOCK_TARIFF:
        place = int(usage.home_zone_index[row])
        if terms["clock"] == CLOCK_VISITED:
            place = int(usage.served_zone_index[row])
        own = int(tables.clocks.place_zone[place + 1])
        chosen = own if own >= 0 else zone
    start, duration = int(usage.start_utc_s[row]), int(usage.duration_s[row])
    return Way(chosen, offset, start, duration, part_count)


@inner
@borrows
def part_of(
    counts: tuple[int, int], reach: Reach, way: Way, is_time: bool
) -> tuple[tuple[int, int], Reach, Way]:
    """What is priced of a usage: a part that is priced anew counts as a usage by itself."""
    if reach.anew == 0:
        return counts, reach, way
    first = max(min(counts[0], reach.stop) - reach.covered, 0)
    both = min(counts[0] + counts[1], reach.stop) - reach.covered
    duration = both if is_time else way.duration_s
    way = Way(way.zone, way.offset_s, way.start_utc_s, duration, way.part_count)
    return (first, both - first), Reach(0, both, reach.origin, 0), way


@inner
@borrows
def price_one(
    tables: Tables, usage: Usage, row: int, version: int, target: int, reach: Reach,
    parts: np.ndarray,
) -> int:
    """Charge of one component in micro under one version; or TOO_LARGE, or NO_RATE."""  # fmt: skip
    prices, rate = tables.prices, target
    if rate <= DECK:
        rate = target_of(asked_of(tables, usage), row, target)
    if rate < 0:
        return NO_RATE if rate == NO_RATE else 0
    counts = quantities(
        prices.rates[rate], usage.duration_s[row], usage.up_bytes[row], usage.down_bytes[row],
        usage.event_count[row],
    )  # fmt: skip
    if counts[0] + counts[1] <= prices.rates[rate]["short_call"]:
        return 0
    zone, start = int(tables.versions.versions[version]["zone"]), int(usage.start_utc_s[row])
    is_time, is_grid = prices.rates[rate]["unit"] == SECONDS, True
    way = Way(zone, 0, start, int(usage.duration_s[row]), 1)
    if prices.rates_rest[rate]["program"] != GRID:
        terms = prices.extras[prices.rates_rest[rate]["extra"]]
        way, is_grid = way_of(tables, usage, row, zone, terms, 1), False
    counts, reach, way = part_of(counts, reach, way, is_time)
    if is_grid and reach.stop >= ENDLESS:
        return price_wide(prices, tables.clocks, rate, zone, start, counts[0], counts[1])
    if is_grid:
        return price_rest(prices, tables.clocks, rate, (zone, start), counts, reach)
    parts[0, UNTIL], parts[0, RATE_OF] = ENDLESS, rate
    return price_general(prices, tables.clocks, way, parts, counts, reach, 0)


@inner
@borrows
def price_length(
    tables: Tables, usage: Usage, row: int, version: int, rate: int, length: int, parts: np.ndarray
) -> int:
    """Charge in micro of so many base units under a rate, as a usage from the row's start."""
    prices, clocks, start = tables.prices, tables.clocks, int(usage.start_utc_s[row])
    if length <= prices.rates[rate]["short_call"]:
        return 0
    zone = int(tables.versions.versions[version]["zone"])
    if prices.rates_rest[rate]["program"] == GRID:
        return price_wide(prices, clocks, rate, zone, start, length, 0)
    way = way_of(tables, usage, row, zone, prices.extras[prices.rates_rest[rate]["extra"]], 1)
    duration = length if prices.rates[rate]["unit"] == SECONDS else way.duration_s
    way = Way(way.zone, way.offset_s, way.start_utc_s, duration, 1)
    parts[0, UNTIL], parts[0, RATE_OF] = ENDLESS, rate
    whole = Reach(0, ENDLESS, 0, 0)
    return price_general(prices, clocks, way, parts, (length, 0), whole, 0)


@inner
@borrows
def find_parts(
    tables: Tables, usage: Usage, row: int, version: int, slot: int, parts: np.ndarray
) -> int:
    """Which rate holds until when, for a usage that outlasts its version; returns how many parts,
    or NO_RATE where one of the versions has none."""
    rules, versions = tables.rules, tables.versions.versions
    until, count = usage.start_utc_s[row] + usage.duration_s[row], 0
    while version >= 0 and count < PARTS_MAX:
        rule = rule_of(tables, usage, row, version)
        place = int(versions[version]["first_rule"]) + rule
        if rule < 0 or rules.refuses[place]:
            return NO_RATE
        rate = int(rules.target[place, slot])
        if rate <= DECK:
            rate = target_of(asked_of(tables, usage), row, rate)
            if rate == NO_RATE:
                return NO_RATE
        parts[count, UNTIL] = versions[version]["to_utc_s"]
        parts[count, RATE_OF] = rate if rate < 0 else tables.prices.rates_rest[rate]["linked"]
        count += 1
        ends = versions[version]["to_utc_s"]
        version = int(versions[version]["next_version"]) if ends < until else -1
    return count


@inner
@borrows
def price_split(
    tables: Tables, usage: Usage, row: int, version: int, slot: int, reach: Reach,
    parts: np.ndarray,
) -> int:
    """Charge of one component in micro of a usage that crosses into another version of its plan;
    or TOO_LARGE, or NO_RATE.

    The first rate that is not free says how the usage is counted, cut and rounded.
    """  # fmt: skip
    prices, versions = tables.prices, tables.versions.versions
    count = find_parts(tables, usage, row, version, slot, parts)
    if count == NO_RATE:
        return NO_RATE
    lead = 0
    while lead < count and parts[lead, RATE_OF] < 0:
        lead += 1
    if lead == count:
        return 0
    rate = int(parts[lead, RATE_OF])
    terms = prices.extras[prices.rates_rest[rate]["extra"]]
    is_cut = terms["border"] <= RESTART and prices.rates[rate]["unit"] != EVENTS
    for part in range(lead, count if is_cut else lead):
        other = parts[part, RATE_OF]
        if other >= 0 and prices.rates[other]["unit"] != prices.rates[rate]["unit"]:
            return NO_RATE
    if not is_cut:
        if lead > 0:
            return 0
        count = 1
    counts = quantities(
        prices.rates[rate], usage.duration_s[row], usage.up_bytes[row], usage.down_bytes[row],
        usage.event_count[row],
    )  # fmt: skip
    if counts[0] + counts[1] <= prices.rates[rate]["short_call"]:
        return 0
    zone = int(versions[version]["zone"])
    way = way_of(tables, usage, row, zone, terms, count)
    is_time = prices.rates[rate]["unit"] == SECONDS
    counts, reach, way = part_of(counts, reach, way, is_time)
    return price_general(prices, tables.clocks, way, parts, counts, reach, lead)


@inlined
@borrows
def put_row(
    out: Rated, row: int, total: int, reason: int, limit_micro: int, too_large: int
) -> None:
    """Close a row whose charges stand in ``out``: its total, or the reason why it has none."""
    if reason == 0 and total > limit_micro:
        reason = too_large
    if reason != 0:
        out.reason[row] = reason
        out.charge_micro[:, row] = 0
        total = 0
    out.total_micro[row] = total


@kernel
@borrows
def price_crossing(
    tables: Tables, usage: Usage, faults: Faults, out: Rated, rows: np.ndarray
) -> int:
    """The charges of those rows that cross borders, or have wide sums, under rates of the grid.

    The others move to the front of ``rows``, for ``price_left``; returns how many. A kernel by
    itself, since the rates of those others, which few books have, take longest to compile.
    """
    rules, prices, versions = tables.rules, tables.prices, tables.versions.versions
    asked, other_count = asked_of(tables, usage), 0
    for place in range(len(rows)):
        row = rows[place]
        version, start = versions[out.version_index[row]], int(usage.start_utc_s[row])
        rule = int(version["first_rule"]) + int(out.rule_index[row])
        is_grid = version["splits_change"] == 0 or (
            start + usage.duration_s[row] <= version["to_utc_s"]
        )
        total, reason = 0, 0
        for slot in range(rules.target.shape[1]):
            rate, charge = int(rules.target[rule, slot]), 0
            if rate <= DECK:
                rate = target_of(asked, row, rate)
                if rate == NO_RATE:
                    reason = faults.no_rate
            if rate >= 0:
                is_grid = is_grid and prices.rates_rest[rate]["program"] == GRID
                if not is_grid:
                    break
                quantity, apart = quantities(
                    prices.rates[rate], usage.duration_s[row], usage.up_bytes[row],
                    usage.down_bytes[row], usage.event_count[row],
                )  # fmt: skip
                if quantity + apart > prices.rates[rate]["short_call"]:
                    zone = int(version["zone"])
                    charge = price_wide(
                        prices, tables.clocks, rate, zone, start, quantity, apart
                    )
                if charge == TOO_LARGE:
                    charge, reason = 0, reason or faults.charge_too_large
            out.charge_micro[slot, row] = charge
            total += charge
        if is_grid:
            limit_micro = version["charge_limit_micro"]
            put_row(out, row, total, reason, limit_micro, faults.charge_too_large)
        else:
            rows[other_count], other_count = row, other_count + 1
    return other_count


@kernel
@borrows
def price_left(
    tables: Tables, usage: Usage, faults: Faults, out: Rated, rows: np.ndarray, parts: np.ndarray
) -> None:
    """The charges and totals of the rows that ``price_crossing`` left.

    parts: int64 [PARTS_MAX, 2], room to work in.
    """
    rules, versions = tables.rules, tables.versions.versions
    whole = Reach(0, ENDLESS, 0, 0)
    for place in range(len(rows)):
        row = rows[place]
        version = int(out.version_index[row])
        rule = int(versions[version]["first_rule"]) + int(out.rule_index[row])
        until = usage.start_utc_s[row] + usage.duration_s[row]
        splits = versions[version]["splits_change"] and until > versions[version]["to_utc_s"]
        total, reason = 0, 0
        for slot in range(rules.target.shape[1]):
            if splits:
                charge = price_split(tables, usage, row, version, slot, whole, parts)
            else:
                target = int(rules.target[rule, slot])
                charge = price_one(tables, usage, row, version, target, whole, parts)
            if charge == NO_RATE:
                charge, reason = 0, faults.no_rate
            elif charge == TOO_LARGE:
                charge, reason = 0, reason or faults.charge_too_large
            out.charge_micro[slot, row] = charge
            total += charge
        limit_micro = versions[version]["charge_limit_micro"]
        put_row(out, row, total, reason, limit_micro, faults.charge_too_large)
