"""Plan versions and their rules as arrays: which version, which rule, which rate.

Conditions over small sets are one lookup in a dense table; only conditions on the other party's
zone and on the access code are checked one by one, in the order of the rules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.price_kernels import Clocks, Prices
from tollbook.jit import kernel

DIRECTIONS, ROAMINGS, YES_NO = 5, 4, 2  # sizes of the table's axes, after service: tollbook.codes
NO_RULE = -1  # in ``candidate``
FREE = -1  # in ``target`` and ``deck``
NO_RATE = -2  # in ``deck``
DECK = -2  # in ``target``: deck d is DECK - d


def _record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


# Half-open in time. zone: into Clocks; first_cell, first_rule: into Rules.
VERSION = _record(
    "from_utc_s", "to_utc_s", "zone", "charge_limit_micro", "first_cell", "first_rule"
)

# zone_set, code_set: rows of zone_member and code_member.
RULE = _record("zone_set", "code_set", "refuses")


class Versions(NamedTuple):
    """Plan p has the versions first[p] .. first[p + 1] - 1 (VERSION), ascending in time."""

    first: np.ndarray  # int32
    versions: np.ndarray


class Rules(NamedTuple):
    """Rules (RULE) of all versions, one after the other.

    cell: int32, a dense table for each version over (service, direction, roaming, relation + 1,
    special, on_net), holding the place in ``candidate`` (int32) where the rules begin that may
    hold; they end with one that always does, or with NO_RULE.
    zone_member, code_member: bool [set, index + 1]; set 0 is all true: any.
    target: int64 [rule, slot], a rate, FREE (also: the component is not charged), or a deck.
    deck: int64 [deck, zone + 1], a rate, FREE or NO_RATE.
    """

    relation_count: int
    cell: np.ndarray
    candidate: np.ndarray
    rules: np.ndarray
    zone_member: np.ndarray
    code_member: np.ndarray
    target: np.ndarray
    deck: np.ndarray


class Tables(NamedTuple):
    """A compiled book: all arrays that rating reads."""

    versions: Versions
    rules: Rules
    prices: Prices
    clocks: Clocks


@kernel
def find_version(first: np.ndarray, versions: np.ndarray, plan: int, utc_s: int) -> int:
    """The plan's version in force at an instant, or -1."""
    if plan < 0:
        return -1
    version = int(first[plan + 1]) - 1
    while version >= first[plan] and versions[version]["from_utc_s"] > utc_s:
        version -= 1
    if version < first[plan] or utc_s >= versions[version]["to_utc_s"]:
        return -1
    return version


@kernel
def first_that_holds(rules: Rules, place: int, zone: int, code: int) -> int:
    """The first candidate whose open conditions hold, or NO_RULE."""
    while True:
        rule = int(rules.candidate[place])
        if rule < 0 or (
            rules.zone_member[rules.rules[rule]["zone_set"], zone + 1]
            and rules.code_member[rules.rules[rule]["code_set"], code + 1]
        ):
            return rule
        place += 1
