"""What a rule charges, as numbers: a rate, nothing, or a deck that is asked for the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tariffs.book_rules import ANY_ZONE
from tariffs.compile_decks import PrefixTables
from tariffs.model import FREE as FREE_WORD
from tariffs.model import Charge, Rule, Version
from tariffs.rule_kernels import (
    BY_HOME_RELATION,
    BY_PREFIX,
    BY_RELATION,
    BY_ZONE,
    DECK,
    FREE,
    NO_RATE,
)
from tariffs.when import Position
from tollbook.text import Problems, did_you_mean

_LISTED: Final = 12  # allowed words that a message names


@dataclass(frozen=True)
class Names:
    """What the ``_index`` columns point into, in the order of the run's reference data.

    zone_time_zones: by zone of the network the time zone of its own, "" where it has none.
    """

    zones: Sequence[str]
    relations: Sequence[str]
    access_codes: Sequence[str]
    components: Sequence[str]
    carriers: Sequence[str] = ()
    zone_time_zones: Sequence[str] = ()


@dataclass(frozen=True)
class Edition:
    """A plan version, and where its rates and its decks by zone are."""

    version: Version
    rates: Mapping[str, int]
    decks: dict[str, int] = field(default_factory=dict)


@dataclass
class Targets:
    """Decks of all versions, as they are gathered; equal ones are kept once."""

    names: Names
    problems: Problems
    prefixes: PrefixTables
    decks: list[tuple[int, int]] = field(default_factory=list)  # DECKS
    known: dict[tuple[int, bytes], int] = field(default_factory=dict)
    columns: list[np.ndarray] = field(default_factory=list)
    size: int = 0

    def add_decks(self, edition: Edition) -> None:
        """Add the decks by zone of a version."""
        for deck in edition.version.decks:
            row = self._row(("zone", self.names.zones), deck.rates, deck.at, edition)
            edition.decks[deck.name] = self._deck(BY_ZONE, row)

    def of(self, rule: Rule, edition: Edition) -> list[int]:
        """The target of every component under a rule."""
        targets = [FREE] * len(self.names.components)
        for charge in rule.charges:
            if charge.component not in self.names.components:
                self._unknown(charge.at, "component", charge.component, self.names.components)
                continue
            slot = list(self.names.components).index(charge.component)
            targets[slot] = self._target(charge, edition)
        return targets

    def _target(self, charge: Charge, edition: Edition) -> int:
        relations = self.names.relations
        if charge.by_zone:
            if charge.by_zone in edition.decks:
                return edition.decks[charge.by_zone]
            return self._unknown(charge.at, "deck", charge.by_zone, tuple(edition.decks))
        if charge.by_relation:
            row = self._row(("relation", relations), charge.by_relation, charge.at, edition)
            return self._deck(BY_RELATION, row)
        if charge.by_home_relation:
            row = self._row(("relation", relations), charge.by_home_relation, charge.at, edition)
            return self._deck(BY_HOME_RELATION, row)
        if charge.by_prefix:
            return self._by_prefix(charge, edition)
        return self._rate(charge.rate, charge.at, edition)

    def _by_prefix(self, charge: Charge, edition: Edition) -> int:
        decks = {deck.name: deck for deck in edition.version.prefix_decks}
        if charge.by_prefix not in decks:
            return self._unknown(charge.at, "deck", charge.by_prefix, tuple(decks))
        if charge.like and charge.like not in {rate.name for rate in edition.version.rates}:
            return self._unknown(charge.at, "rate", charge.like, tuple(edition.rates))
        deck = decks[charge.by_prefix]
        named = [self._rate(name, deck.at, edition) for name in deck.rate_names]
        number = self.prefixes.add(deck, edition.version, charge.like, named)
        return self._number(BY_PREFIX, np.array([number]), number)

    def _rate(self, name: str, at: Position, edition: Edition) -> int:
        if name == FREE_WORD:
            return FREE
        if name not in edition.rates:
            return self._unknown(at, "rate", name, tuple(edition.rates))
        return edition.rates[name]

    def _row(
        self,
        axis: tuple[str, Sequence[str]],
        rates: Sequence[tuple[str, str]],
        at: Position,
        edition: Edition,
    ) -> np.ndarray:
        """int64 [index + 1]: the rate of every zone or relation; index -1 has none."""
        kind, names = axis
        row = np.full(len(names) + 1, NO_RATE, np.int64)
        place = {name: index for index, name in enumerate(names, 1)}
        for word, rate in sorted(rates, key=lambda pair: pair[0] != ANY_ZONE):
            if word == ANY_ZONE:
                row[1:] = self._rate(rate, at, edition)
            elif word in place:
                row[place[word]] = self._rate(rate, at, edition)
            else:
                self._unknown(at, kind, word, names)
        return row

    def _deck(self, axis: int, row: np.ndarray) -> int:
        before = len(self.decks)
        target = self._number(axis, row, self.size)
        if len(self.decks) > before:
            self.columns.append(row)
            self.size += len(row)
        return target

    def _number(self, axis: int, row: np.ndarray, first: int) -> int:
        """The target that stands for a deck; the same for the same."""
        key = axis, row.tobytes()
        if key not in self.known:
            self.known[key] = len(self.decks)
            self.decks.append((axis, first))
        return DECK - self.known[key]

    def flat(self) -> np.ndarray:
        """All decks by zone or relation, one after the other."""
        return np.concatenate([np.zeros(0, np.int64), *self.columns])

    def _unknown(self, at: Position, kind: str, name: str, allowed: Sequence[str]) -> int:
        unknown(self.problems, at, (kind, name), allowed)
        return FREE


def unknown(
    problems: Problems, at: Position, found: tuple[str, str], allowed: Sequence[str]
) -> None:
    """Note a name that nothing defines. found: what kind of name, and the name."""
    kind, name = found
    listed = ", ".join(allowed[:_LISTED]) or "none is defined"
    problems.add((at.file, at.line), f"{kind} '{name}' is not defined", listed,
                 did_you_mean(name, allowed, f"define it, or name another {kind}"))
