"""Business cases in text: calls files whose every charge was worked out by hand.

A case is a folder ``book`` of plan files, or a workspace, with ``calls*.csv`` beside it (or a file
``book.txt`` that says where the workspace is). Columns and words are those of ``tollbook tariff
price --calls``; beside ``expect`` stands the arithmetic. Kernel, kernel in two halves, trace and
naive twin must all come to it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
import reference_discounts
import reference_rating
from rating_helpers import Row, always_wide, rows_of

from rating import trace, trace_discounts, trial
from rating.rate import rate
from rating.trace import Facts, Trace
from tariffs.compile_rates import Maxima
from tollbook.cli.tariff_books import Opened, open_book
from tollbook.text import Problems

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "tests" / "business", ROOT / "examples")
FILES = tuple(sorted(path for folder in FOLDERS for path in folder.rglob("calls*.csv")))


@dataclass(frozen=True)
class Priced:
    """One call of a file in all its forms."""

    cells: Mapping[str, str]
    plan: str
    facts: Facts
    kernel: Row
    wide: Row
    trace: Trace
    naive: reference_rating.Rated

    @property
    def name(self) -> str:
        return self.cells["name"]


def book_of(path: Path) -> Path:
    """The book that prices a calls file."""
    named, beside = path.parent / "book.txt", path.parent / "book"
    if named.exists():
        return ROOT / named.read_text("utf-8").strip()
    return beside if beside.exists() else path.parent


@cache
def opened(book: Path) -> Opened:
    problems = Problems()
    found = open_book(book, problems)
    problems.refuse_if_any()
    return found


@cache
def priced(path: Path) -> tuple[Priced, ...]:
    """Every call of a file, priced in every way that there is."""
    problems = Problems()
    known = opened(book_of(path))
    calls = trial.read(path, path.name, problems)
    words = known.words if known.workspace else trial.extended(known.words, calls, problems)
    context = trial.prepare(known.book, words, "", known.maxima, guiding=known.guiding)
    batches = trial.usages(calls, context, problems)
    problems.refuse_if_any()
    assert len(batches) == 1
    compiled = context.compiled
    rows = rows_of(rate(batches[0], compiled).batch, compiled)
    wide = rows_of(rate(batches[0], always_wide(compiled)).batch, compiled)
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    maxima = known.maxima or Maxima()
    for place, cells in enumerate(lines):
        plan, facts = trial.facts_of(batches[0], place, context)
        steps = trace.price(known.book, plan, facts, maxima)
        found.append(Priced(
            cells, plan, facts, rows[place], wide[place],
            trace_discounts.of_plan(known.book, plan, steps, facts, maxima),
            reference_discounts.rate_of_plan(known.book, plan, facts, maxima),
        ))  # fmt: skip
    assert len(found) == len(rows)
    return tuple(found)


def expected(text: str) -> tuple[str, dict[str, Fraction], int]:
    """Reason, charges that are not zero, and the rule (from 1; 0: not said)."""
    reason, charges, rule = "", {}, 0
    for word in text.split():
        name, is_pair, value = word.partition("=")
        if name == "rule":
            rule = int(value)
        elif is_pair:
            charges[name] = Fraction(value)
        else:
            reason = "" if word == "free" else word
    return reason, charges, rule


def in_micro(charges: Mapping[str, int]) -> dict[str, Fraction]:
    return {name: Fraction(value, 10**6) for name, value in charges.items() if value}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_calls_come_to_what_was_worked_out_by_hand(path: Path) -> None:
    wrong = []
    for one in priced(path):
        reason, charges, rule = expected(one.cells["expect"])
        if "total" in charges:
            continue
        of_trace = one.trace.charges
        found = {
            "trace": (one.trace.reason, in_micro({} if one.trace.reason else of_trace),
                      one.trace.rule_index),
            "twin": (one.naive.reason, in_micro(one.naive.charges), one.naive.rule_index),
        }  # fmt: skip
        for way, row in (("kernel", one.kernel), ("wide", one.wide)):
            found[way] = (row.reason, in_micro(row.charges), row.rule_index)
        for way, (reason_found, charges_found, index) in found.items():
            rule_found = index + 1 if rule else 0
            if (reason_found, charges_found, rule_found) != (reason, charges, rule):
                shown = " ".join(f"{n}={float(c)}" for n, c in charges_found.items())
                wrong.append(f"{one.name}: {way} {reason_found or shown or 'free'} rule "
                             f"{index + 1}, expected {one.cells['expect']}")  # fmt: skip
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_case_shows_its_arithmetic(path: Path) -> None:
    """A sum that ends in `= x` ends in the charge."""
    names = [one.name for one in priced(path)]
    assert len(set(names)) == len(names)
    for one in priced(path):
        sums, (_, charges, _) = one.cells["arithmetic"], expected(one.cells["expect"])
        assert sums, one.name
        last = re.search(r"= ([0-9.]+)$", sums)
        if last and len(charges) == 1:
            assert Fraction(last[1]) == next(iter(charges.values())), one.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_steps_of_every_case_add_up(path: Path) -> None:
    """What the trace shows is enough to do the sums again."""
    for one in priced(path):
        for part in one.trace.components:
            steps = sum((s.amount_nano + s.fee_nano for s in part.segments), Fraction())
            staged = sum(stage.sum_nano for stage in part.staged)
            assert part.sum_nano == (staged if part.staged else steps + part.connect_nano), one.name
            assert part.exact_nano == part.sum_nano or part.bound, one.name
            billed = sum(s.count * s.increment for s in part.segments)
            assert billed >= part.priced_quantity - part.free_quantity or len(one.trace.parts) > 1
