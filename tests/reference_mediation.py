"""The stage mediate once more, one record at a time, from the words of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tollbook import codes
from tollbook.mediation import Patterns, Rule, When


def number_fits(asked: Patterns, e164: int, raw: str) -> bool:
    """A pattern with a plus sign is E.164 digits; one without is also what was dialled."""
    digits = str(e164) if e164 else "-"
    for text in asked.whole:
        if text.removeprefix("+") == digits or text == raw:
            return True
    return any(
        digits.startswith(text.removeprefix("+")) or (text[0] != "+" and raw.startswith(text))
        for text in asked.beginnings
    )


def text_fits(asked: Patterns, text: str) -> bool:
    return text in asked.whole or any(text.startswith(begin) for begin in asked.beginnings)


def fits(when: When, row: Mapping[str, Any], names: Any) -> bool:
    """Whether every condition that is asked holds for a row of schemas.USAGE."""

    def word(known: Sequence[str], column: str) -> str:
        return known[row[column]] if row[column] >= 0 else ""

    words = (
        (when.source, word(names.sources, "source_index")),
        (when.service, codes.SERVICES[row["service"]]),
        (when.direction, codes.DIRECTIONS[row["direction"]]),
        (when.roaming, codes.ROAMINGS[row["roaming"]]),
        (when.plan, word(names.plans, "plan_index")),
        (when.special_number, word(names.special_numbers, "special_index")),
        (when.cause, row["cause"]),
    )
    if any(asked and found not in asked for asked, found in words):
        return False
    if when.duration_max_s is not None and row["duration_s"] > when.duration_max_s:
        return False
    for party in ("served", "other"):
        numbers = getattr(when, party)
        if numbers and not number_fits(numbers, row[f"{party}_e164"], row[f"{party}_raw"]):
            return False
    if when.location and not text_fits(when.location, row["location"]):
        return False
    return not when.trunk or any(
        text_fits(when.trunk, row[name]) for name in ("trunk_in", "trunk_out")
    )


def first_rule(rules: Sequence[Rule], row: Mapping[str, Any], names: Any) -> int:
    """The rule that takes a row; -1: none."""
    for index, rule in enumerate(rules):
        if fits(rule.when, row, names):
            return index
    return -1
