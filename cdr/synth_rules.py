"""The workspace's rules of mediation, asked of synthesised records: which one takes a record.

Only what a drawn record tells is asked; a rule that needs more (the zone that somebody roams in) is
refused, since the truth could not be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from cdr.synth_faults import apart, pick
from cdr.synth_kernels import DIGITS_MASK, NUMBER_SHIFT
from cdr.synth_population import FIRST_SPECIAL, Population
from tollbook import codes
from tollbook.errors import NotFound
from tollbook.mediation import DISCARD, Patterns, Rule
from tollbook.numbering import Numbering, to_e164
from tollbook.reasons import CODE
from tollbook.workspace import Workspace

Rows = dict[str, np.ndarray]
NAMED_MAX: Final = 20  # numbers of one rule that records are made for
_PARTIES: Final = ("served", "other")
# What reaches mediation: decode and validate stop the others before.
_ASKED: Final = (
    0, CODE["subscription_missing"], CODE["subscription_inactive"], CODE["carried_for_others"],
)  # fmt: skip


def numbers_of(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Numbers that records can be given so that a rule takes them, each once."""
    found: dict[str, None] = {}
    for rule in rules:
        for party in _PARTIES:
            found |= dict.fromkeys(_examples(getattr(rule.when, party)))
    return tuple(found)


def _examples(patterns: Patterns | None) -> list[str]:
    if patterns is None:
        return []
    begun = [f"{text}{'0' * max(0, 13 - len(text))}" if text.lstrip('+').isdigit() and
             len(text) > 6 else f"{text}1" for text in patterns.beginnings]  # fmt: skip
    return [*patterns.whole, *begun][:NAMED_MAX]


@dataclass(frozen=True)
class SynthRules:
    """The rules with what they are asked with. source: name of the source that writes."""

    rules: tuple[Rule, ...]
    source: str
    people: Population
    numbering: Numbering
    plans: tuple[str, ...]

    def apply(self, rng: np.random.Generator, rows: Rows, ppm: int) -> None:
        """Gives some rows a number that a rule is about; every row that a rule takes, its fate."""
        if not self.rules:
            return
        for rule in self.rules if ppm else ():
            self._aim(rng, rows, rule, ppm)
        asked = np.flatnonzero(np.isin(rows["fate"], _ASKED))
        for rule in self.rules:
            hit = asked[self._fits(rule, {name: rows[name][asked] for name in rows})]
            reason = "discarded_by_rule" if rule.action == DISCARD else "filtered_by_rule"
            rows["fate"][hit] = CODE[reason]
            asked = asked[~np.isin(asked, hit)]

    def none_would_fit(self, rows: Rows, causes: set[int]) -> np.ndarray:
        """bool: rows that no rule takes, however short, and whichever of the causes ends them."""
        free = np.ones(len(rows["fate"]), np.bool_)
        for cause in sorted(causes) if self.rules else ():
            same = np.full(len(free), 1, np.int64)
            changed = rows | {"duration_s": same, "cause": same * cause}
            for rule in self.rules:
                free &= ~self._fits(rule, changed)
        return free

    def _aim(self, rng: np.random.Generator, rows: Rows, rule: Rule, ppm: int) -> None:
        """Rows for which the rest of the rule holds get its numbers."""
        asked = {party: _examples(getattr(rule.when, party)) for party in _PARTIES}
        if not any(asked.values()):
            return
        fits = self._fits(rule, rows, numbers=False) & (rows["fate"] == 0)
        if asked["other"]:
            fits &= rows["other"] >= 0
        chosen = apart(rows, pick(rng, fits, ppm))
        for party, texts in asked.items():
            if texts:
                entries = np.array([self.people.prefixes.index(text) for text in texts], np.int64)
                at = rng.integers(0, len(entries), len(chosen))
                rows[party][chosen] = entries[at] << NUMBER_SHIFT
        if asked["served"]:
            rows["imsi"][chosen] = rows["plan"][chosen] = -1
            # Nobody's numbers, if the rules should not take them: they must not be rated as others.
            rows["fate"][chosen] = CODE["subscription_missing"]

    def _fits(self, rule: Rule, rows: Rows, numbers: bool = True) -> np.ndarray:
        when = rule.when
        fits = np.full(len(rows["fate"]), not when.source or self.source in when.source, np.bool_)
        for asked, column, known in (
            (when.service, "service", codes.SERVICES),
            (when.direction, "direction", codes.DIRECTIONS),
            (when.plan, "plan", self.plans),
        ):
            if asked:
                fits &= _named(rows[column], asked, known)
        if when.special_number:
            fits &= self._special(rows["other"], when.special_number)
        fits &= self._placed(rule, rows)
        for party in _PARTIES if numbers else ():
            patterns = getattr(when, party)
            if patterns is not None:
                fits &= self._number_fits(rows[party], patterns, fits)
        return fits

    def _special(self, other: np.ndarray, asked: tuple[str, ...]) -> np.ndarray:
        index = np.where(other < 0, -1, (other >> NUMBER_SHIFT) - FIRST_SPECIAL)
        known = self.people.prefixes[FIRST_SPECIAL : FIRST_SPECIAL + self.people.special_count]
        return _named(np.maximum(index, -1), asked, known)

    def _placed(self, rule: Rule, rows: Rows) -> np.ndarray:
        """What a rule asks about where a call was, how long it was and how it ended."""
        when = rule.when
        fits = np.ones(len(rows["fate"]), np.bool_)
        if when.roaming and not {"home", "international"} <= set(when.roaming):
            fits &= (rows["network"] >= 0) == ("international" in when.roaming)
        if when.duration_max_s is not None:
            fits &= rows["duration_s"] <= when.duration_max_s
        if when.cause:
            fits &= np.isin(rows["cause"], when.cause)
        if when.location is not None:
            fits &= _matching(rows["location"], when.location, self.people.cells)
        if when.trunk is not None:
            trunks = (_matching(rows[f"trunk_{way}"], when.trunk, self.people.trunks)
                      for way in ("in", "out"))  # fmt: skip
            fits &= next(trunks) | next(trunks)
        return fits

    def _number_fits(
        self, values: np.ndarray, patterns: Patterns, worth: np.ndarray
    ) -> np.ndarray:
        """Numbers as they are written here, against patterns; only where it is ``worth`` it."""
        found = np.zeros(len(values), np.bool_)
        rows = np.flatnonzero(worth & (values >= 0))
        distinct, place = np.unique(values[rows], return_inverse=True)
        texts = [self._text(int(value)) for value in distinct]
        e164, _ = to_e164(pa.array(texts, pa.string()), self.numbering)
        hits = np.array([
            _number_fits(patterns, text, str(number) if number else "-")
            for text, number in zip(texts, e164.tolist(), strict=True)
        ], np.bool_)  # fmt: skip
        found[rows] = hits[place] if len(rows) else False
        return found

    def _text(self, value: int) -> str:
        digits = value & DIGITS_MASK
        return self.people.prefixes[value >> NUMBER_SHIFT] + (str(digits) if digits else "")


def _number_fits(patterns: Patterns, text: str, digits: str) -> bool:
    if any(one == text or one.removeprefix("+") == digits for one in patterns.whole):
        return True
    return any(text.startswith(one) or digits.startswith(one.removeprefix("+"))
               for one in patterns.beginnings)  # fmt: skip


def _named(index: np.ndarray, asked: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    """Which codes stand for one of the words; -1 and codes beyond the table for none."""
    table = np.array([False, *(word in asked for word in known), False], np.bool_)
    found: np.ndarray = table[np.minimum(index + 1, len(known) + 1)]
    return found


def _matching(index: np.ndarray, patterns: Patterns, names: tuple[str, ...]) -> np.ndarray:
    table = np.array([False, *(
        name in patterns.whole or name.startswith(patterns.beginnings) for name in names
    )], np.bool_)  # fmt: skip
    found: np.ndarray = table[index + 1]
    return found


def rules_for(
    workspace: Workspace, people: Population, source: str, plans: tuple[str, ...]
) -> SynthRules:
    """The rules of a workspace for the records of a source; raises NotFound where one asks more
    than records tell."""
    rules = workspace.mediation.rules
    for rule in rules:
        at_home = {word for word in rule.when.roaming if word != "international"}
        if rule.when.roaming and at_home not in (set(), {"home", "national"}):
            raise NotFound(
                f"operator.yaml:{rule.line}: it cannot be foretold which records the rule "
                f"'{rule.name}' takes: it asks about roaming inside the country\n"
                "    allowed: roaming: [international], or [home, national]\n"
                "    do: make records without this rule"
            )
    return SynthRules(rules, source, people, workspace.numbering, plans)
