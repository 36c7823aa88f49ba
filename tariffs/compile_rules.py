"""Rules of one plan version -> a dense decision table, for ``rule_kernels``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tariffs.book_rules import ANY_ZONE
from tariffs.compile_rates import frozen
from tariffs.model import FREE as FREE_WORD
from tariffs.model import Charge, Position, Rule, Version, When
from tariffs.rule_kernels import DECK, FREE, NO_RATE, NO_RULE, RULE, Rules
from tollbook.codes import DIRECTIONS, ROAMINGS, SERVICES
from tollbook.text import Problems, did_you_mean


@dataclass(frozen=True)
class Names:
    """What the ``_index`` columns point into, in the order of the run's reference data."""

    zones: Sequence[str]
    relations: Sequence[str]
    access_codes: Sequence[str]
    components: Sequence[str]


@dataclass
class RuleTables:
    """Decision tables, candidates and targets of all versions, as they are gathered."""

    names: Names
    problems: Problems
    cell: list[np.ndarray] = field(default_factory=list)
    cell_count: int = 0
    candidate: list[int] = field(default_factory=list)
    rules: list[tuple[int, int, bool]] = field(default_factory=list)
    zone_sets: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})
    code_sets: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})
    target: list[list[int]] = field(default_factory=list)
    deck: list[np.ndarray] = field(default_factory=list)

    def add(self, version: Version, rate_of: Callable[[str], int]) -> tuple[int, int]:
        """Add a version's rules; returns its first cell and its first rule."""
        first_cell, first_rule = self.cell_count, len(self.target)
        decks = {deck.name: self._add_deck(deck.rates, deck.at, rate_of) for deck in version.decks}
        for rule in version.rules:
            self._check_when(rule)
            self._check_known(rule)
            zones, codes = rule.when.to_zone, rule.when.access_code
            self.rules.append((
                self.zone_sets.setdefault(zones, len(self.zone_sets)),
                self.code_sets.setdefault(codes, len(self.code_sets)),
                rule.refuse,
            ))  # fmt: skip
            self.target.append(self._targets(rule, decks, rate_of))
        self._add_cells(version.rules, first_rule)
        return first_cell, first_rule

    def _targets(
        self, rule: Rule, decks: dict[str, int], rate_of: Callable[[str], int]
    ) -> list[int]:
        targets = [FREE] * len(self.names.components)
        for charge in rule.charges:
            if charge.component not in self.names.components:
                self._unknown(charge.at, "component", charge.component, self.names.components)
                continue
            slot = list(self.names.components).index(charge.component)
            targets[slot] = self._target(charge, decks, rate_of)
        return targets

    def _target(
        self, charge: Charge, decks: dict[str, int], rate_of: Callable[[str], int]
    ) -> int:
        if charge.by_zone:
            if charge.by_zone not in decks:
                self._unknown(charge.at, "deck", charge.by_zone, tuple(decks))
            return DECK - decks.get(charge.by_zone, 0)
        return FREE if charge.rate == FREE_WORD else self._rate(charge.rate, charge.at, rate_of)

    def _rate(self, name: str, at: Position, rate_of: Callable[[str], int]) -> int:
        try:
            return rate_of(name)
        except KeyError:
            self._unknown(at, "rate", name, ())
            return FREE

    def _add_deck(
        self,
        rates: Sequence[tuple[str, str]],
        at: Position,
        rate_of: Callable[[str], int],
    ) -> int:
        row = np.full(len(self.names.zones) + 1, NO_RATE, np.int64)
        place = {zone: index for index, zone in enumerate(self.names.zones, 1)}
        for zone, rate in sorted(rates, key=lambda pair: pair[0] != ANY_ZONE):
            if zone == ANY_ZONE:
                row[1:] = FREE if rate == FREE_WORD else self._rate(rate, at, rate_of)
            elif zone in place:
                row[place[zone]] = FREE if rate == FREE_WORD else self._rate(rate, at, rate_of)
            else:
                self._unknown(at, "zone", zone, self.names.zones)
        self.deck.append(row)
        return len(self.deck) - 1

    def _check_when(self, rule: Rule) -> None:
        when = rule.when
        for kind, words, allowed in (
            ("service", when.service, SERVICES),
            ("direction", when.direction, DIRECTIONS),
            ("roaming", when.roaming, ROAMINGS),
            ("relation", when.relation, self.names.relations),
            ("zone", when.to_zone, self.names.zones),
            ("access code", when.access_code, self.names.access_codes),
        ):
            for word in words:
                if word not in allowed:
                    self._unknown(rule.at, kind, word, allowed)

    def _check_known(self, rule: Rule) -> None:
        """Refuse what the tables cannot say yet: it would be priced as if it were not there."""
        when = rule.when
        fields = ("from_zone", "home_zone", "home_relation", "carrier", "forward", "boundary")
        given = [name for name in fields if getattr(when, name)]
        given += [name for name in ("same_place", "friend", "group")
                  if getattr(when, name) is not None]
        given += [name for charge in rule.charges
                  for name in ("by_prefix", "by_relation", "by_home_relation")
                  if getattr(charge, name)]  # fmt: skip
        for name in given:
            self.problems.add((rule.at.file, rule.at.line), f"`{name}` in a rule",
                              "conditions and charges that rating knows",
                              "leave it out: it is not yet priced")  # fmt: skip

    def _unknown(self, at: Position, kind: str, name: str, allowed: Sequence[str]) -> None:
        listed = ", ".join(allowed[:12]) or "none is defined"
        self.problems.add((at.file, at.line), f"{kind} '{name}' is not defined", listed,
                          did_you_mean(name, allowed, f"define it, or name another {kind}"))

    def _add_cells(self, rules: Sequence[Rule], first_rule: int) -> None:
        """Every cell gets its list of candidates; cells with the same rules share one."""
        shape = (len(SERVICES), len(DIRECTIONS), len(ROAMINGS), len(self.names.relations) + 1, 2, 2)
        holds = np.empty((len(rules) + 1, *shape), bool)
        for row, rule in enumerate(rules):
            holds[row] = _dense(rule.when, self.names.relations)
        holds[len(rules)] = True  # after all rules: none
        is_open = [bool(rule.when.to_zone or rule.when.access_code) for rule in rules]
        packed = np.packbits(holds.reshape(len(holds), -1), axis=0).T.copy()
        patterns, which = np.unique(packed, axis=0, return_inverse=True)
        starts = np.empty(len(patterns), np.int32)
        for number, pattern in enumerate(np.unpackbits(patterns, axis=1)):
            starts[number] = len(self.candidate)
            for row in np.flatnonzero(pattern).tolist():
                self.candidate.append(NO_RULE if row == len(rules) else first_rule + row)
                if row == len(rules) or not is_open[row]:
                    break
        self.cell.append(starts[which.reshape(-1)])
        self.cell_count += len(self.cell[-1])

    def arrays(self) -> Rules:
        """Everything gathered, as read-only arrays."""
        zones, slots = self.names.zones, len(self.names.components)
        return Rules(
            relation_count=len(self.names.relations),
            cell=frozen(np.concatenate(self.cell) if self.cell else [], np.int32),
            candidate=frozen(self.candidate, np.int32),
            rules=frozen(self.rules, RULE),
            zone_member=_members(self.zone_sets, zones),
            code_member=_members(self.code_sets, self.names.access_codes),
            target=_matrix(self.target, slots),
            deck=_matrix(self.deck, len(zones) + 1),
        )


def _matrix(rows: Sequence[Sequence[int]] | Sequence[np.ndarray], width: int) -> np.ndarray:
    flat = np.array(rows, np.int64) if rows else np.full((1, width), FREE, np.int64)
    flat.setflags(write=False)
    return flat


def _members(sets: dict[tuple[str, ...], int], names: Sequence[str]) -> np.ndarray:
    """bool [set, index + 1]; set 0 holds everything, also what has no name (index -1)."""
    member = np.zeros((len(sets), len(names) + 1), bool)
    for words, row in sets.items():
        member[row, 1:] = [name in words for name in names] if words else True
    member[0, 0] = True
    member.setflags(write=False)
    return member


def _dense(when: When, relations: Sequence[str]) -> np.ndarray:
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
