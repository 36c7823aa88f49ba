"""Rating: every row of a batch gets its version, its rule and the charge of each component."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.price_kernels import (
    DAY_S,
    NOT_PLAIN,
    TOO_LARGE,
    Local,
    day_type_of,
    price_plain,
    price_wide,
    quantities,
    zone_entry,
)
from tariffs.rule_kernels import (
    DECK,
    DIRECTIONS,
    NO_RATE,
    ROAMINGS,
    YES_NO,
    Tables,
    find_version,
    first_that_holds,
)
from tollbook.jit import kernel

TRANSIT = 4  # tollbook.codes
FLAGS_MASK = 3  # FLAG_SPECIAL and FLAG_ON_NET of tollbook.codes: the table's last axes


class Usage(NamedTuple):
    """Columns of ``schemas.USAGE`` that rating reads (read-only); same index = same row."""

    service: np.ndarray
    direction: np.ndarray
    roaming: np.ndarray
    relation_index: np.ndarray
    flags: np.ndarray
    access_code_index: np.ndarray
    other_zone_index: np.ndarray
    plan_index: np.ndarray
    start_utc_s: np.ndarray
    duration_s: np.ndarray
    up_bytes: np.ndarray
    down_bytes: np.ndarray
    event_count: np.ndarray


class Rated(NamedTuple):
    """Columns that rating writes. charge_micro: int64 [slot, row], zeroed; total_micro: zeroed."""

    reason: np.ndarray  # int16; rows with a reason are passed by
    version_index: np.ndarray  # int32
    rule_index: np.ndarray  # int32
    charge_micro: np.ndarray
    total_micro: np.ndarray  # int64


class Faults(NamedTuple):
    """Codes of tollbook.reasons."""

    plan_missing: int
    no_rate: int
    charge_too_large: int


@kernel
def find_rules(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """Version and rule of every row without a reason, but for transit: nobody subscribes to it."""
    rules = tables.rules
    first, versions = tables.versions
    relations = int(rules.relation_count + 1)
    for row in range(len(out.reason)):
        out.version_index[row] = -1
        out.rule_index[row] = -1
        if out.reason[row] != 0 or usage.direction[row] == TRANSIT:
            continue
        plan, start = usage.plan_index[row], usage.start_utc_s[row]
        version = find_version(first, versions, plan, start)
        if version < 0:
            out.reason[row] = faults.plan_missing
            continue
        out.version_index[row] = version
        cell = int(usage.service[row]) * DIRECTIONS + int(usage.direction[row])
        cell = cell * ROAMINGS + int(usage.roaming[row])
        cell = cell * relations + int(usage.relation_index[row]) + 1
        cell = cell * YES_NO * YES_NO + int(usage.flags[row] & FLAGS_MASK)
        place = rules.cell[versions[version]["first_cell"] + cell]
        zone, code = usage.other_zone_index[row], usage.access_code_index[row]
        rule = first_that_holds(rules, place, zone, code)
        if rule >= 0:
            out.rule_index[row] = rule - versions[version]["first_rule"]
        if rule < 0 or rules.rules[rule]["refuses"]:
            out.reason[row] = faults.no_rate


@kernel
def price_rows(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """The charges of every row to which ``find_rules`` gave a rule, and their total."""
    rules, prices, clocks = tables.rules, tables.prices, tables.clocks
    versions = tables.versions.versions
    zone, low, high, offset = -1, 0, 0, 0
    for row in range(len(out.reason)):
        if out.reason[row] != 0 or out.rule_index[row] < 0:
            continue
        start, version = usage.start_utc_s[row], out.version_index[row]
        if zone != versions[version]["zone"] or start < low or start >= high:
            zone = versions[version]["zone"]
            entry = zone_entry(clocks, zone, start)
            low = clocks.entries[entry]["since_utc_s"]
            high = clocks.entries[entry + 1]["since_utc_s"]
            offset = clocks.entries[entry]["offset_s"]
        day = (start + offset) // DAY_S
        local = Local(day_type_of(clocks.day_type, day), start + offset - day * DAY_S, high)
        rule = versions[version]["first_rule"] + out.rule_index[row]
        total, reason = 0, 0
        for slot in range(rules.target.shape[1]):
            rate = rules.target[rule, slot]
            if rate <= DECK:
                rate = rules.deck[DECK - rate, usage.other_zone_index[row] + 1]
                if rate == NO_RATE:
                    reason = faults.no_rate
            if rate < 0:
                continue
            quantity, apart = quantities(
                prices.rates, rate, usage.duration_s[row], usage.up_bytes[row],
                usage.down_bytes[row], usage.event_count[row],
            )  # fmt: skip
            charge = price_plain(prices, rate, start, quantity, apart, local)
            if charge == NOT_PLAIN:
                charge = price_wide(prices, clocks, rate, zone, start, quantity, apart)
            elif charge == TOO_LARGE:
                charge = 0
                if reason == 0:
                    reason = faults.charge_too_large
            out.charge_micro[slot, row] = charge
            total += charge
        if reason == 0 and total > versions[version]["charge_limit_micro"]:
            reason = faults.charge_too_large
        if reason != 0:
            out.reason[row] = reason
            out.charge_micro[:, row] = 0
            total = 0
        out.total_micro[row] = total
