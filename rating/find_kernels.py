"""The rule of every row, and the rate that a rule's target comes to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.rule_kernels import (
    DECK,
    DIRECTIONS,
    ROAMINGS,
    YES_NO,
    Tables,
    find_version,
    first_that_holds,
)
from tollbook.jit import inner, kernel

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
    served_zone_index: np.ndarray
    home_zone_index: np.ndarray
    home_relation_index: np.ndarray
    carrier_index: np.ndarray
    forward_reason: np.ndarray
    other_e164: np.ndarray
    routing_e164: np.ndarray
    utc_offset_s: np.ndarray


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


@inner
def rule_of(tables: Tables, usage: Usage, row: int, version: int) -> int:
    """The first rule of a version that holds for a row, counted from the version's first; or -1."""
    rules, versions = tables.rules, tables.versions.versions
    cell = int(usage.service[row]) * DIRECTIONS + int(usage.direction[row])
    cell = cell * ROAMINGS + int(usage.roaming[row])
    cell = cell * int(rules.relation_count + 1) + int(usage.relation_index[row]) + 1
    cell = cell * YES_NO * YES_NO + int(usage.flags[row] & FLAGS_MASK)
    place = rules.cell[versions[version]["first_cell"] + cell]
    zone, code = usage.other_zone_index[row], usage.access_code_index[row]
    rule = first_that_holds(rules, place, zone, code)
    return rule if rule < 0 else rule - int(versions[version]["first_rule"])


@inner
def target_of(tables: Tables, usage: Usage, row: int, target: int) -> int:
    """The rate of a target that is a deck (<= DECK): a rate, FREE or NO_RATE."""
    return int(tables.rules.deck[DECK - target, usage.other_zone_index[row] + 1])


@kernel
def find_rules(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """Version and rule of every row without a reason, but for transit: nobody subscribes to it."""
    first, versions = tables.versions
    rules = tables.rules.rules
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
        rule = rule_of(tables, usage, row, version)
        out.rule_index[row] = rule
        if rule < 0 or rules[versions[version]["first_rule"] + rule]["refuses"]:
            out.reason[row] = faults.no_rate
