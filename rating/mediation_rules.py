"""The rules of operator.yaml, ``mediation``, as tables that whole columns are asked with.

``compile_rules`` makes them once a run from the words of the rules and the names of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from rating.tables import Names
from tollbook import codes, reasons
from tollbook.mediation import DISCARD, Mediation, Patterns, When

HEAD_BYTES: Final = 4  # of a text that are looked at first
_E164_DIGITS_MAX: Final = 18  # what int64 holds; longer digits can only be compared as dialled


@dataclass(frozen=True)
class Allowed:
    """Which values of a column of small codes fit; ``table``: bool by code + 1 (-1: none)."""

    column: str
    table: np.ndarray


@dataclass(frozen=True)
class Texts:
    """Which texts fit: these, and those that begin as one of ``beginnings`` (by their length).

    heads: int64, the first ``head_size`` bytes of each as one number, each once: most texts are
    told apart by them alone.
    """

    whole: pa.Array
    beginnings: tuple[tuple[int, pa.Array], ...]
    heads: np.ndarray
    head_size: int


@dataclass(frozen=True)
class Numbers:
    """Which numbers fit: E.164 digits as a whole or by their beginnings, or as dialled."""

    whole: pa.Array  # int64
    beginnings: tuple[tuple[int, pa.Array], ...]  # count of digits, int64
    dialled: Texts


@dataclass(frozen=True)
class CompiledRule:
    """One rule; a condition that is not asked is None, or not there."""

    reason: int
    allowed: tuple[Allowed, ...]
    duration_max_s: int | None
    cause: pa.Array | None
    texts: tuple[tuple[tuple[str, ...], Texts], ...]  # columns of which one must fit
    numbers: tuple[tuple[str, Numbers], ...]  # party: served, other


@dataclass(frozen=True)
class CompiledMediation:
    """All rules in their order. examined: bool by reason, the records that rules are asked of."""

    rules: tuple[CompiledRule, ...]
    examined: np.ndarray


def compile_rules(mediation: Mediation, names: Names) -> CompiledMediation | None:
    """The rules for the names of a run; None if there are none.

    Asked are sound records, and those that guiding or normalising suspended: a test line need not
    be anybody's. Of others the fields cannot be trusted, or something was decided already.
    """
    if not mediation.rules:
        return None
    examined = np.zeros(max(reasons.BY_CODE) + 1, np.bool_)
    examined[0] = True
    for reason in reasons.REASONS:
        examined[reason.code] = reason.stage in ("normalise", "guide")
    code = {True: reasons.CODE["discarded_by_rule"], False: reasons.CODE["filtered_by_rule"]}
    return CompiledMediation(
        tuple(_rule(code[rule.action == DISCARD], rule.when, names) for rule in mediation.rules),
        examined,
    )


def _rule(reason: int, when: When, names: Names) -> CompiledRule:
    words: tuple[tuple[str, tuple[str, ...], Sequence[str]], ...] = (
        ("source_index", when.source, names.sources),
        ("service", when.service, codes.SERVICES),
        ("direction", when.direction, codes.DIRECTIONS),
        ("roaming", when.roaming, codes.ROAMINGS),
        ("plan_index", when.plan, names.plans),
        ("special_index", when.special_number, names.special_numbers),
    )
    texts = ((("location",), when.location), (("trunk_in", "trunk_out"), when.trunk))
    numbers = (("served", when.served), ("other", when.other))
    return CompiledRule(
        reason=reason,
        allowed=tuple(_allowed(column, asked, known) for column, asked, known in words if asked),
        duration_max_s=when.duration_max_s,
        cause=pa.array(when.cause, pa.int32()) if when.cause else None,
        texts=tuple((columns, _texts(asked)) for columns, asked in texts
                    if asked is not None),
        numbers=tuple((party, _numbers(asked)) for party, asked in numbers
                      if asked is not None),
    )  # fmt: skip


def _allowed(column: str, asked: Sequence[str], known: Sequence[str]) -> Allowed:
    return Allowed(column, np.array([False, *(word in asked for word in known)], np.bool_))


def _texts(patterns: Patterns) -> Texts:
    every = [text.encode() for text in (*patterns.whole, *patterns.beginnings)]
    size = min((len(text) for text in every), default=0)
    size = min(size, HEAD_BYTES)
    heads = {int.from_bytes(text[:size], "big") for text in every}
    return Texts(
        pa.array(sorted(set(patterns.whole)), pa.string()),
        tuple((size, pa.array(texts, pa.string())) for size, texts in _by_size(patterns)),
        np.array(sorted(heads), np.int64), size,
    )  # fmt: skip


def _numbers(patterns: Patterns) -> Numbers:
    """A number with a plus sign is E.164 and nothing else; one without may be either."""
    digits = Patterns(
        tuple(filter(_is_number, (text.removeprefix("+") for text in patterns.whole))),
        tuple(filter(_is_number, (text.removeprefix("+") for text in patterns.beginnings))),
    )
    dialled = Patterns(
        tuple(text for text in patterns.whole if not text.startswith("+")),
        tuple(text for text in patterns.beginnings if not text.startswith("+")),
    )
    return Numbers(
        pa.array(sorted({int(text) for text in digits.whole}), pa.int64()),
        tuple((size, pa.array([int(text) for text in texts], pa.int64()))
              for size, texts in _by_size(digits)),
        _texts(dialled),
    )  # fmt: skip


def _is_number(text: str) -> bool:
    """Whether digits can be the beginning of an E.164 number."""
    return text.isdigit() and text[0] != "0" and len(text) <= _E164_DIGITS_MAX


def _by_size(patterns: Patterns) -> list[tuple[int, list[str]]]:
    sizes = sorted({len(text) for text in patterns.beginnings})
    return [
        (size, sorted({text for text in patterns.beginnings if len(text) == size}))
        for size in sizes
    ]
