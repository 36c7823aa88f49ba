"""The rule of every row, and the rate that a rule's target comes to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.prefix_kernels import Prefixes, find_prefix
from tariffs.rule_kernels import (
    BY_HOME_RELATION,
    BY_RELATION,
    BY_ZONE,
    CARRIER,
    DECK,
    DIRECTIONS,
    FORWARD,
    FROM_ZONE,
    HOME_RELATION,
    HOME_ZONE,
    NO_RATE,
    OPEN,
    ROAMINGS,
    YES_NO,
    Rules,
    Tables,
)
from tollbook.jit import borrows, inlined, inner, kernel, pasted

FLAGS_MASK = 3  # FLAG_SPECIAL and FLAG_ON_NET of tollbook.codes: the table's last axes
BOUNDARY_FLAG, INTER_FLAG, ROUTED_FLAG = 128, 256, 512  # tollbook.codes


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
    """Codes of tollbook.reasons. passed_by: the direction that is not rated, or -1."""

    plan_missing: int
    no_rate: int
    charge_too_large: int
    passed_by: int


@inlined
@borrows
def index_of(usage: Usage, row: int, axis: int) -> int:
    """What a row has on an axis of MORE."""
    if axis == FROM_ZONE:
        return int(usage.served_zone_index[row])
    if axis == HOME_ZONE:
        return int(usage.home_zone_index[row])
    if axis == HOME_RELATION:
        return int(usage.home_relation_index[row])
    if axis == CARRIER:
        return int(usage.carrier_index[row])
    if axis == FORWARD:
        return int(usage.forward_reason[row])
    if usage.flags[row] & BOUNDARY_FLAG == 0:
        return 0
    return 2 if usage.flags[row] & INTER_FLAG else 1


@inlined
@borrows
def holds_open(rules: Rules, usage: Usage, row: int, rule: int) -> bool:
    """Whether the open conditions of a rule (its place among all) hold for a row."""
    if usage.flags[row] & rules.rules[rule]["flags_mask"] != rules.rules[rule]["flags_value"]:
        return False
    one = rules.rules[rule]["zone_set"]
    if one > 0 and not rules.zone_member[one, usage.other_zone_index[row] + 1]:
        return False
    one = rules.rules[rule]["code_set"]
    if one > 0 and not rules.code_member[one, usage.access_code_index[row] + 1]:
        return False
    first = rules.rules[rule]["more_first"]
    for more in range(first, first + rules.rules[rule]["more_count"]):
        index = index_of(usage, row, rules.more[more]["axis"])
        if not rules.more_member[rules.more[more]["offset"] + index + 1]:
            return False
    return True


@inner
@borrows
def rule_of(tables: Tables, usage: Usage, row: int, version: int) -> int:
    """The first rule of a version that holds for a row, counted from the version's first; or -1."""
    rules, versions = tables.rules, tables.versions.versions
    cell = int(usage.service[row]) * DIRECTIONS + int(usage.direction[row])
    cell = cell * ROAMINGS + int(usage.roaming[row])
    cell = cell * int(rules.relation_count + 1) + int(usage.relation_index[row]) + 1
    cell = cell * YES_NO * YES_NO + int(usage.flags[row] & FLAGS_MASK)
    rule = int(rules.cell[versions[version]["first_cell"] + cell])
    if rule > OPEN:
        return rule
    first, place = int(versions[version]["first_rule"]), OPEN - rule
    rule = int(rules.candidate[place])
    while rule >= 0 and not holds_open(rules, usage, row, first + rule):
        place += 1
        rule = int(rules.candidate[place])
    return rule


class Asked(NamedTuple):
    """What finds the rate of a deck, gathered once for all rows.

    A call hands on seven values for every array, which costs more than the search: so these are
    few, and not all tables and columns.
    """

    decks: np.ndarray
    deck: np.ndarray
    prefixes: Prefixes
    flags: np.ndarray
    other_zone_index: np.ndarray
    relation_index: np.ndarray
    home_relation_index: np.ndarray
    other_e164: np.ndarray
    routing_e164: np.ndarray
    start_utc_s: np.ndarray


@pasted
def asked_of(tables: Tables, usage: Usage) -> Asked:
    """What ``target_of`` needs."""
    return Asked(
        tables.rules.decks, tables.rules.deck, tables.prefixes, usage.flags,
        usage.other_zone_index, usage.relation_index, usage.home_relation_index,
        usage.other_e164, usage.routing_e164, usage.start_utc_s,
    )  # fmt: skip


@inner
@borrows
def target_of(asked: Asked, row: int, target: int) -> int:
    """The rate of a target that is a deck (<= DECK): a rate, FREE or NO_RATE."""
    axis, first = asked.decks[DECK - target]["axis"], asked.decks[DECK - target]["first"]
    if axis == BY_ZONE:
        return int(asked.deck[first + asked.other_zone_index[row] + 1])
    if axis == BY_RELATION:
        return int(asked.deck[first + asked.relation_index[row] + 1])
    if axis == BY_HOME_RELATION:
        return int(asked.deck[first + asked.home_relation_index[row] + 1])
    number = int(asked.other_e164[row])
    if asked.flags[row] & ROUTED_FLAG and asked.routing_e164[row] > 0:
        number = int(asked.routing_e164[row])
    return find_prefix(asked.prefixes, first, number, asked.start_utc_s[row])


@kernel
@borrows
def find_rules(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """Version and rule of every row without a reason, but for a direction that is passed by.

    ``rule_of`` is written out: a call hands on all arrays, which costs more than the search.
    """
    (first, versions), all_rules = tables.versions, tables.rules
    cells, candidates, refuses = all_rules.cell, all_rules.candidate, all_rules.refuses
    relations = int(all_rules.relation_count + 1)
    for row in range(len(out.reason)):
        out.version_index[row] = -1
        out.rule_index[row] = -1
        if out.reason[row] != 0 or usage.direction[row] == faults.passed_by:
            continue
        plan, start = usage.plan_index[row], usage.start_utc_s[row]
        version = -1
        if plan >= 0:
            version, low = int(first[plan + 1]) - 1, int(first[plan])
            while version >= low and versions[version]["from_utc_s"] > start:
                version -= 1
            if version < low or start >= versions[version]["to_utc_s"]:
                version = -1
        if version < 0:
            out.reason[row] = faults.plan_missing
            continue
        out.version_index[row] = version
        cell = int(usage.service[row]) * DIRECTIONS + int(usage.direction[row])
        cell = cell * ROAMINGS + int(usage.roaming[row])
        cell = cell * relations + int(usage.relation_index[row]) + 1
        cell = cell * YES_NO * YES_NO + int(usage.flags[row] & FLAGS_MASK)
        rule = int(cells[versions[version]["first_cell"] + cell])
        first_rule = int(versions[version]["first_rule"])
        if rule <= OPEN:
            place = OPEN - rule
            rule = int(candidates[place])
            while rule >= 0 and not holds_open(all_rules, usage, row, first_rule + rule):
                place += 1
                rule = int(candidates[place])
        out.rule_index[row] = rule
        if rule < 0 or refuses[np.uint64(first_rule + rule)]:
            out.reason[row] = faults.no_rate


@kernel
@borrows
def find_missing(tables: Tables, usage: Usage, out: Rated, is_missing: np.ndarray) -> None:
    """Rows whose version has no rule for them, or whose rule names a deck without their rate.

    is_missing: bool, set for all rows with a version; rules that refuse do not count.
    """
    rules, versions = tables.rules, tables.versions.versions
    asked = asked_of(tables, usage)
    for row in range(len(is_missing)):
        version = out.version_index[row]
        is_missing[row] = version >= 0 and out.rule_index[row] < 0
        if version < 0 or out.rule_index[row] < 0:
            continue
        rule = versions[version]["first_rule"] + out.rule_index[row]
        if rules.refuses[rule]:
            continue
        for slot in range(rules.target.shape[1]):
            target = rules.target[rule, slot]
            if target <= DECK and target_of(asked, row, target) == NO_RATE:
                is_missing[row] = True
