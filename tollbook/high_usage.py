"""The mapping ``high_usage`` of operator.yaml: from which use of a day or month on people are told.

A rule adds up the rated records of a subscription that its conditions hold for, and has levels:
the least amounts of level 1, 2 and so on. A segment (plans, beginnings of the IMSI) may have a
threshold of its own instead of that of level 1; its other levels grow in the same proportion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from tollbook import clock, money
from tollbook.codes import DIRECTIONS, ROAMINGS, SERVICES
from tollbook.text import Node, Problems, Reader, did_you_mean

SECTION: Final = "high_usage"
MONEY, SDR, SECONDS, BYTES = MEASURES = ("money", "sdr", "seconds", "bytes")
DAY, MONTH = SPANS = ("day", "month")
LEVELS_MAX: Final = 20
_AMOUNT_MAX: Final = 10**18
_UNITS: Final = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_KEYS: Final = ("name", "when", "measure", "per", "levels", "segments", "mean_of", "least")
MEAN_MAX: Final = 12
_MULTIPLE: Final = "multiple"  # of a mean: what its levels are written in
_WORDS: Final = {"service": SERVICES[1:], "direction": DIRECTIONS[1:], "roaming": ROAMINGS}
_WRITTEN: Final = {
    MONEY: "an amount above 0, such as 200 or 0.50",
    SDR: "an amount above 0 in SDR, such as 50",
    _MULTIPLE: "a multiple of the mean above 0, such as 5 or 2.5",
    SECONDS: "a span above 0 with its unit, such as 300min or 10h",
    BYTES: "a volume above 0 with its unit, such as 50MiB or 2GiB",
}


@dataclass(frozen=True)
class Segment:
    """Subscriptions with a threshold of their own. plans, imsi: () where it is not asked."""

    plans: tuple[str, ...]
    imsi: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class Rule:
    """levels, threshold: micro of money or SDR, seconds, or bytes; millionths where they are
    multiples of a mean. when: field -> its words. mean_of: so many months before are the measure;
    0: none. least: what is never reported below, in the unit of ``measure``.
    """

    name: str
    measure: str
    per: str
    levels: tuple[int, ...]
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    segments: tuple[Segment, ...] = ()
    mean_of: int = 0
    least: int = 0


@dataclass(frozen=True)
class HighUsage:
    """The whole mapping. sdr: first day and price of an SDR in micro; the first holds before it,
    too."""

    rules: tuple[Rule, ...] = ()
    sdr: tuple[tuple[date, int], ...] = ()


def read(keys: Reader) -> HighUsage:
    """The section of operator.yaml, checked; without rules where it is not there."""
    if SECTION not in keys:
        return HighUsage()
    part = Reader(keys.node_of(SECTION), keys.problems, SECTION, ("rules", "sdr"))
    rules: list[Rule] = []
    for node in part.sequence("rules"):
        rule = _rule(node, keys.problems)
        if rule.name in {other.name for other in rules}:
            keys.problems.add(node, f"rule '{rule.name}' stands twice", "every name once",
                              "rename one of the two")
        rules.append(rule)
    if not rules:
        part.missing("rules", "a list of rules")
    sdr = _prices(part)
    if not sdr and any(rule.measure == SDR for rule in rules):
        part.missing("sdr", "what an SDR costs, such as [{from: 2003-01-01, price: 10.50}]")
    return HighUsage(tuple(rules), sdr)


def _rule(node: Node, problems: Problems) -> Rule:
    keys = Reader(node, problems, "rule", _KEYS)
    name = keys.text("name")
    keys.name = f"rule '{name}'"
    measure = keys.choice("measure", MEASURES)
    per = keys.choice("per", SPANS)
    mean_of, least = _mean(keys, measure, per)
    written = _MULTIPLE if mean_of else measure
    levels = tuple(_amount(keys, "levels", text, written) for text in keys.texts("levels"))
    if not 1 <= len(levels) <= LEVELS_MAX:
        keys.wrong("levels", f"{len(levels)} levels", f"1 to {LEVELS_MAX}",
                   "write the least amount of each level, such as [50, 100, 200]")
    if any(low >= high for low, high in pairwise(levels)):
        keys.wrong("levels", "the levels do not rise", "each more than the one before",
                   "put them in order")
    return Rule(
        name, measure, per, levels or (1,), _conditions(keys),
        tuple(_segment(one, written, problems, name) for one in keys.sequence("segments")),
        mean_of, least,
    )  # fmt: skip


def _mean(keys: Reader, measure: str, per: str) -> tuple[int, int]:
    """How many months before a rule compares with (0: none), and what it leaves alone."""
    if "mean_of" not in keys:
        if "least" in keys:
            keys.wrong("least", "'least' without 'mean_of'", "'least' of a rule with 'mean_of'",
                       "remove it: the first of `levels` is the least")
        return 0, 0
    text = keys.text("mean_of")
    months = int(text) if re.fullmatch(r"\d{1,2}", text) else 0
    if not 1 <= months <= MEAN_MAX:
        keys.wrong("mean_of", f"'mean_of' is '{text}'", f"1 to {MEAN_MAX} months before",
                   "write how many, such as 3")
    if per != MONTH or measure == SDR:
        keys.wrong("mean_of", f"'mean_of' with {measure} by {per}",
                   "money, seconds or bytes by month", "correct 'per' or 'measure'")
    least = _amount(keys, "least", keys.text("least"), measure) if "least" in keys else 0
    return max(months, 1), least


def _conditions(keys: Reader) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if "when" not in keys:
        return ()
    when = Reader(keys.node_of("when"), keys.problems, f"{keys.name}: when", _WORDS)
    found = []
    for field, allowed in _WORDS.items():
        if field not in when:
            continue
        words = when.texts(field)
        for word in words:
            if word not in allowed:
                when.wrong(field, f"'{field}' names '{word}'", ", ".join(allowed),
                           did_you_mean(word, allowed, "use these words"))
        if not words:
            when.wrong(field, f"'{field}' is empty", ", ".join(allowed), "name one, or remove it")
        found.append((field, words))
    return tuple(found)


def _segment(node: Node, measure: str, problems: Problems, rule: str) -> Segment:
    keys = Reader(node, problems, f"rule '{rule}': segment", ("plan", "imsi", "threshold"))
    plans, imsi = keys.texts("plan"), keys.texts("imsi")
    if not plans and not imsi:
        keys.missing("plan", "plan, imsi or both")
    for prefix in imsi:
        if not re.fullmatch(r"[0-9]{1,15}", prefix):
            keys.wrong("imsi", f"'imsi' names '{prefix}'", "the first digits of an IMSI",
                       "write 1 to 15 digits")
    return Segment(plans, imsi, _amount(keys, "threshold", keys.text("threshold"), measure))


def _amount(keys: Reader, key: str, text: str, measure: str) -> int:
    """A text of the measure in its base unit; 1 where it is none."""
    value: int | None
    if measure in (MONEY, SDR, _MULTIPLE):
        value = money.parse_decimal(text, money.MICRO_DIGITS)
    elif measure == SECONDS:
        value = clock.parse_duration_s(text)
    else:
        match = re.fullmatch(r"(\d{1,12})(|B|KiB|MiB|GiB|TiB)", text)
        value = int(match[1]) * _UNITS[match[2]] if match else None
    if value is None or not 0 < value < _AMOUNT_MAX:
        if text:
            keys.wrong(key, f"'{key}' has '{text}'", _WRITTEN[measure], "correct the amount")
        return 1
    return value


def _prices(part: Reader) -> tuple[tuple[date, int], ...]:
    found: list[tuple[date, int]] = []
    for node in part.sequence("sdr"):
        keys = Reader(node, part.problems, f"{SECTION}: sdr", ("from", "price"))
        day, price = keys.date("from"), keys.amount_micro("price")
        if day is None:
            keys.missing("from", "the first day of the price")
        elif price <= 0 and "price" in keys:
            keys.wrong("price", "the price is not above 0", "what one SDR costs", "correct it")
        elif day in [other for other, _ in found]:
            keys.wrong("from", f"{day} stands twice", "every day once", "remove one")
        else:
            found.append((day, max(price, 1)))
    return tuple(sorted(found))


def words_of(rule: Rule, field: str) -> Sequence[str]:
    """The words of a condition; (): it is not asked."""
    return dict(rule.when).get(field, ())
