"""Rules of plan versions -> dense decision tables and open conditions, for ``rule_kernels``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tariffs.compile_rates import frozen
from tariffs.compile_targets import Edition, Names, Targets, unknown
from tariffs.model import Rule
from tariffs.rule_kernels import (
    BOUNDARY,
    CARRIER,
    DECKS,
    FORWARD,
    FREE,
    FROM_ZONE,
    HOME_RELATION,
    HOME_ZONE,
    MORE,
    NO_RULE,
    OPEN,
    RULE,
    Rules,
)
from tariffs.when import Position, When
from tollbook import codes
from tollbook.codes import DIRECTIONS, ROAMINGS, SERVICES
from tollbook.text import Problems

_ANY_CODE: Final = "*"  # whichever access code
_NO_CODE: Final = "none"
# Boundaries that one test of flags tells from the others: words -> mask, value.
_BOUNDARY_FLAGS: Final = {
    frozenset({"none"}): (codes.FLAG_BOUNDARY, 0),
    frozenset({"inner", "inter"}): (codes.FLAG_BOUNDARY, codes.FLAG_BOUNDARY),
    frozenset({"inner"}): (
        codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER, codes.FLAG_BOUNDARY,
    ),
    frozenset({"inter"}): (codes.FLAG_BOUNDARY_INTER, codes.FLAG_BOUNDARY_INTER),
    frozenset({"none", "inner"}): (codes.FLAG_BOUNDARY_INTER, 0),
    frozenset(codes.BOUNDARIES): (0, 0),
}  # fmt: skip
_Row = tuple[int, ...]  # RULE
_Set = tuple[str, ...]


@dataclass
class RuleTables:
    """Decision tables, candidates and targets of all versions, as they are gathered."""

    names: Names
    problems: Problems
    targets: Targets
    cell: list[np.ndarray] = field(default_factory=list)
    cell_count: int = 0
    first_cells: dict[Any, int] = field(default_factory=dict)
    candidate: list[int] = field(default_factory=list)
    rules: list[_Row] = field(default_factory=list)
    refuses: list[bool] = field(default_factory=list)
    zone_sets: dict[_Set, int] = field(default_factory=lambda: {(): 0})
    code_sets: dict[_Set, int] = field(default_factory=lambda: {(): 0})
    more: list[tuple[int, int]] = field(default_factory=list)
    more_sets: dict[tuple[int, _Set], int] = field(default_factory=dict)
    more_member: list[bool] = field(default_factory=list)
    target: list[list[int]] = field(default_factory=list)

    def add(self, edition: Edition) -> tuple[int, int]:
        """Add a version's rules; returns its first cell and its first rule."""
        first_rule = len(self.rules)
        is_open = []
        self.targets.add_decks(edition)
        for rule in edition.version.rules:
            self._check_when(rule.when, rule.at)
            row = self._row(rule.when)
            is_open.append(any(row))
            self.rules.append(row)
            self.refuses.append(rule.refuse)
            self.target.append(self.targets.of(rule, edition))
        return self._cells(edition.version.rules, is_open), first_rule

    def add_conditions(self, when: When, at: Position) -> int:
        """Add conditions that are no rule's; returns where their open ones are, or -1: none."""
        self._check_when(when, at)
        row = self._row(when)
        if not any(row):
            return -1
        self.rules.append(row)
        self.refuses.append(False)
        return len(self.rules) - 1

    def _row(self, when: When) -> _Row:
        """The open conditions of a rule; nothing but zeros where it has none."""
        mask, value = _flags(when)
        first = len(self.more)
        for axis, words, names in (
            (FROM_ZONE, when.from_zone, self.names.zones),
            (HOME_ZONE, when.home_zone, self.names.zones),
            (HOME_RELATION, when.home_relation, self.names.relations),
            (CARRIER, when.carrier, self.names.carriers),
            (FORWARD, when.forward, codes.FORWARDS),
            (BOUNDARY, () if _is_flag(when.boundary) else when.boundary, codes.BOUNDARIES),
        ):
            if words:
                self.more.append((axis, self._more_set(axis, words, names)))
        count = len(self.more) - first
        return (
            mask, value,
            self.zone_sets.setdefault(when.to_zone, len(self.zone_sets)),
            self.code_sets.setdefault(when.access_code, len(self.code_sets)),
            first if count else 0, count,
        )  # fmt: skip

    def _more_set(self, axis: int, words: _Set, names: Sequence[str]) -> int:
        if (axis, words) not in self.more_sets:
            self.more_sets[axis, words] = len(self.more_member)
            self.more_member += [False, *(name in words for name in names)]
        return self.more_sets[axis, words]

    def _check_when(self, when: When, at: Position) -> None:
        names = self.names
        for kind, words, allowed in (
            ("service", when.service, SERVICES),
            ("direction", when.direction, DIRECTIONS),
            ("roaming", when.roaming, ROAMINGS),
            ("relation", when.relation + when.home_relation, names.relations),
            ("zone", when.to_zone + when.from_zone + when.home_zone, names.zones),
            ("access code", when.access_code, (*names.access_codes, _ANY_CODE, _NO_CODE)),
            ("carrier", when.carrier, names.carriers),
            ("reason of forwarding", when.forward, codes.FORWARDS),
            ("boundary", when.boundary, codes.BOUNDARIES),
        ):
            for word in words:
                if word not in allowed:
                    unknown(self.problems, at, (kind, word), allowed)

    def _cells(self, rules: Sequence[Rule], is_open: Sequence[bool]) -> int:
        """The first cell of the table of these rules; one that is the same is used again."""
        key = tuple(
            (w.service, w.direction, w.roaming, w.relation, w.special, w.on_net, free)
            for w, free in zip((rule.when for rule in rules), is_open, strict=True)
        )
        if key not in self.first_cells:
            self.first_cells[key] = self.cell_count
            self._add_cells(rules, is_open)
        return self.first_cells[key]

    def _add_cells(self, rules: Sequence[Rule], is_open: Sequence[bool]) -> None:
        """Every cell gets its rule or its list of candidates; cells with the same share one."""
        shape = (len(SERVICES), len(DIRECTIONS), len(ROAMINGS), len(self.names.relations) + 1, 2, 2)
        holds = np.empty((len(rules) + 1, *shape), bool)
        for row, rule in enumerate(rules):
            holds[row] = dense(rule.when, self.names.relations)
        holds[len(rules)] = True  # after all rules: none
        packed = np.packbits(holds.reshape(len(holds), -1), axis=0).T.copy()
        whole, which = np.unique(  # as one value each: much faster than by axis
            packed.view(np.dtype((np.void, packed.shape[1]))), return_inverse=True
        )
        patterns = whole.view(np.uint8).reshape(-1, packed.shape[1])
        starts = np.empty(len(patterns), np.int32)
        for number, pattern in enumerate(np.unpackbits(patterns, axis=1)):
            found = []
            for row in np.flatnonzero(pattern).tolist():
                found.append(NO_RULE if row == len(rules) else row)
                if row == len(rules) or not is_open[row]:
                    break
            starts[number] = found[0] if len(found) == 1 else OPEN - len(self.candidate)
            self.candidate += found if len(found) > 1 else []
        self.cell.append(starts[which.reshape(-1)])
        self.cell_count += len(self.cell[-1])

    def arrays(self) -> Rules:
        """Everything gathered, as read-only arrays."""
        slots = len(self.names.components)
        target = np.array(self.target, np.int64).reshape(-1, slots)
        return Rules(
            relation_count=len(self.names.relations),
            cell=frozen(np.concatenate(self.cell) if self.cell else [], np.int32),
            candidate=frozen(self.candidate, np.int32),
            rules=frozen(self.rules, RULE),
            refuses=frozen(self.refuses, np.bool_),
            zone_member=_members(self.zone_sets, self.names.zones),
            code_member=_code_members(self.code_sets, self.names.access_codes),
            more=frozen(self.more, MORE),
            more_member=frozen(self.more_member, np.bool_),
            target=frozen(target if len(target) else np.full((1, slots), FREE), np.int64),
            decks=frozen(self.targets.decks, DECKS),
            deck=frozen(self.targets.flat(), np.int64),
        )


def _flags(when: When) -> tuple[int, int]:
    """The flags that a rule asks for: mask, value."""
    mask, value = _BOUNDARY_FLAGS[frozenset(when.boundary or codes.BOUNDARIES)] if (
        _is_flag(when.boundary)
    ) else (0, 0)
    for flag, wanted in (
        (codes.FLAG_SAME_PLACE, when.same_place),
        (codes.FLAG_FRIEND, when.friend),
        (codes.FLAG_GROUP, when.group),
    ):
        mask |= flag if wanted is not None else 0
        value |= flag if wanted else 0
    return mask, value


def _is_flag(boundary: _Set) -> bool:
    return not boundary or frozenset(boundary) in _BOUNDARY_FLAGS


def _members(sets: dict[_Set, int], names: Sequence[str]) -> np.ndarray:
    """bool [set, index + 1]; set 0 holds everything, also what has no name (index -1)."""
    member = np.zeros((len(sets), len(names) + 1), bool)
    for words, row in sets.items():
        member[row, 1:] = [name in words for name in names] if words else True
    member[0, 0] = True
    member.setflags(write=False)
    return member


def _code_members(sets: dict[_Set, int], names: Sequence[str]) -> np.ndarray:
    """The same for access codes, where one word is any of them, and one is that there is none."""
    member = _members(sets, names).copy()
    for words, row in sets.items():
        member[row, 0] |= _NO_CODE in words
        member[row, 1:] |= _ANY_CODE in words
    member.setflags(write=False)
    return member


def dense(when: When, relations: Sequence[str]) -> np.ndarray:
    """Where the conditions over small sets hold: bool over the table's axes."""
    axes = (
        [not when.service or word in when.service for word in SERVICES],
        [not when.direction or word in when.direction for word in DIRECTIONS],
        [not when.roaming or word in when.roaming for word in ROAMINGS],
        [not when.relation, *(not when.relation or word in when.relation for word in relations)],
        [when.special in (None, value) for value in (False, True)],
        [when.on_net in (None, value) for value in (False, True)],
    )
    holds = np.ones((1,) * len(axes), bool)
    for axis, allowed in enumerate(axes):
        shape = [1] * len(axes)
        shape[axis] = len(allowed)
        holds = holds & np.array(allowed).reshape(shape)
    return holds
