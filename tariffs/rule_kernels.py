"""Plan versions and their rules as arrays: which version, which rule, which rate.

Conditions over small sets are one lookup in a dense table; only what is not in it ("open"
conditions: flags, zones, codes and the like) is checked rule by rule, in the order of the rules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.prefix_kernels import Prefixes
from tariffs.price_kernels import Clocks, Prices

DIRECTIONS, ROAMINGS, YES_NO = 5, 4, 2  # sizes of the table's axes, after service: tollbook.codes
NO_RULE = -1  # in ``cell`` and ``candidate``
OPEN = -2  # in ``cell``: the candidates from OPEN - cell on have open conditions
FREE = -1  # in ``target`` and ``deck``
NO_RATE = -2  # in ``deck``
DECK = -2  # in ``target``: deck d is DECK - d

# What an open condition is about (MORE).
FROM_ZONE, HOME_ZONE, HOME_RELATION, CARRIER, FORWARD, BOUNDARY = 0, 1, 2, 3, 4, 5
# What a deck is asked with (DECKS).
BY_ZONE, BY_RELATION, BY_HOME_RELATION, BY_PREFIX = 0, 1, 2, 3


def _record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


# Half-open in time. zone: into Clocks; first_cell, first_rule: into Rules. next_version: the
# plan's version that begins where this one ends, or -1; splits_change: usages that last until then
# are cut there.
VERSION = _record(
    "from_utc_s", "to_utc_s", "zone", "charge_limit_micro", "first_cell", "first_rule",
    "splits_change", "next_version",
)  # fmt: skip

# The open conditions of a rule: the flags under flags_mask are flags_value; zone_set, code_set are
# rows of zone_member and code_member; more_count conditions (MORE) begin at more_first.
RULE = _record(
    "flags_mask", "flags_value", "zone_set", "code_set", "more_first", "more_count"
)

# An index i of the axis is allowed if more_member[offset + i + 1].
MORE = _record("axis", "offset")

# The rate of index i is deck[first + i + 1]; of BY_PREFIX ``first`` is the deck in Prefixes.
DECKS = _record("axis", "first")


class Versions(NamedTuple):
    """Plan p has the versions first[p] .. first[p + 1] - 1 (VERSION), ascending in time."""

    first: np.ndarray  # int32
    versions: np.ndarray


class Rules(NamedTuple):
    """Rules (RULE) of all versions, one after the other; a rule's number counts from the first of
    its version, so versions whose rules have the same conditions share a table.

    cell: int32, dense tables over (service, direction, roaming, relation + 1, special, on_net):
    the rule that holds, NO_RULE, or OPEN and beyond: where in ``candidate`` (int32) the rules begin
    that may hold; they end with one that always does, or with NO_RULE.
    refuses: bool by rule, apart, since every usage asks it.
    zone_member, code_member: bool [set, index + 1]; set 0 is all true: any. more_member: bool.
    target: int64 [rule, slot], a rate, FREE (also: the component is not charged), or a deck.
    deck: int64, a rate, FREE or NO_RATE.
    """

    relation_count: int
    cell: np.ndarray
    candidate: np.ndarray
    rules: np.ndarray
    refuses: np.ndarray
    zone_member: np.ndarray
    code_member: np.ndarray
    more: np.ndarray
    more_member: np.ndarray
    target: np.ndarray
    decks: np.ndarray
    deck: np.ndarray


class Tables(NamedTuple):
    """A compiled book: all arrays that rating reads."""

    versions: Versions
    rules: Rules
    prices: Prices
    clocks: Clocks
    prefixes: Prefixes
