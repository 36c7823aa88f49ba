"""Kernels, trace and naive twin agree exactly on made-up books: charges, reasons, versions, rules.

The normal run takes some dozen books. The whole, 2,000 books with 100 usages each, takes minutes:
TOLLBOOK_TARIFFS=2000 python -m pytest tests/test_property.py -k whole
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import made_tariffs
import pytest
import reference_rating
from conftest import JIT_IS_OFF
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from rating_helpers import Row, always_wide, batch_of, rate_facts, rows_of, shuffled, usage_columns

from rating import trace
from rating.rate import rate
from rating.trace import Facts
from tariffs.model import DAY_S, Book
from tollbook import schemas
from tollbook.errors import Refused

LONG_S = 2 * DAY_S + 5  # a usage of several days
WHOLE = int(os.environ.get("TOLLBOOK_TARIFFS", "2"))


def told(book: Book, facts: Facts) -> tuple[str, str, int, dict[str, int]]:
    """What the naive twin says of a usage: reason, version, rule and charges."""
    naive = reference_rating.rate(book, "p", facts, made_tariffs.MAXIMA)
    version = "" if naive.version is None else naive.version.isoformat()
    charges = dict.fromkeys(book.components, 0) | (naive.charges if not naive.reason else {})
    return naive.reason, version, naive.rule_index, charges


def traced(book: Book, facts: Facts) -> tuple[str, str, int, dict[str, int]]:
    steps = trace.price(book, "p", facts, made_tariffs.MAXIMA)
    version = "" if steps.version is None else steps.version.valid_from.isoformat()
    charges = dict.fromkeys(book.components, 0)
    if not steps.reason:
        charges |= {part.component: part.charge_micro for part in steps.components}
    assert steps.charge_micro == sum(charges.values())
    return steps.reason, version, steps.rule_index, charges


def priced(row: Row) -> tuple[str, str, int, dict[str, int]]:
    return row.reason, row.version, row.rule_index, row.charges


@dataclass(frozen=True)
class Made:
    """A made-up book; its text would fill pages, so a failure shows what matters by itself."""

    book: Book

    def __repr__(self) -> str:
        return f"<a book of {sum(len(plan.versions) for plan in self.book.plans)} versions>"


def made_books() -> st.SearchStrategy[Made]:
    return made_tariffs.books().map(Made)


def rates_of(book: Book, facts: Facts) -> str:
    """A usage and the rates that priced it, for a failure to show."""
    steps = trace.price(book, "p", facts, made_tariffs.MAXIMA)
    return f"{facts}\n" + "\n".join(str(part.rate) for part in steps.components)


def agree(book: Book, facts: list[Facts], with_wide: bool = True) -> None:
    """All ways to price these usages come to the same."""
    wanted = [told(book, fact) for fact in facts]
    for fact, found in zip(facts, wanted, strict=True):
        assert traced(book, fact) == found, rates_of(book, fact)
    try:
        compiled = made_tariffs.compiled_of(book)
    except Refused as refused:
        if "could cost" not in str(refused):
            raise
        reject()  # its sums do not fit two words
    plans = [0] * len(facts)
    rows = rate_facts(facts, plans, compiled)
    for fact, row, found in zip(facts, rows, wanted, strict=True):
        assert priced(row) == found, rates_of(book, fact)
    if with_wide:
        assert rate_facts(facts, plans, always_wide(compiled)) == rows


# A book is too large to be worth shrinking, and most of a failure is told by the usage.
QUICK = settings(
    max_examples=2 if JIT_IS_OFF else 40, phases=[Phase.generate], print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@QUICK
@given(made_books(), st.integers(0, 2**32))
def test_kernels_trace_and_twin_agree(made: Made, seed: int) -> None:
    agree(made.book, made_tariffs.usages(seed, 40))


@settings(QUICK, max_examples=1 if JIT_IS_OFF else 3)
@given(made_books(), st.integers(0, 2**32))
def test_usages_of_several_days(made: Made, seed: int) -> None:
    agree(made.book, [
        replace(fact, duration_s=LONG_S) for fact in made_tariffs.usages(seed, 2)
    ])


@settings(QUICK, max_examples=1 if JIT_IS_OFF else 5)
@given(made_books(), st.integers(0, 2**32))
def test_order_and_cuts_of_a_batch_change_nothing(made: Made, seed: int) -> None:
    facts = made_tariffs.usages(seed, 40)
    try:
        compiled = made_tariffs.compiled_of(made.book)
    except Refused:
        reject()
    columns = usage_columns(facts, compiled) | {"plan_index": [0] * len(facts)}
    whole = batch_of(schemas.USAGE, len(facts), columns)
    rows = rows_of(rate(whole, compiled).batch, compiled)
    mixed, order = shuffled(whole, seed)
    cut = seed % len(facts)
    pieces = [rate(piece, compiled).batch for piece in (mixed.slice(0, cut), mixed.slice(cut))]
    found = [row for piece in pieces for row in rows_of(piece, compiled)]
    assert found == [rows[place] for place in order.tolist()]


@pytest.mark.slow
@settings(QUICK, max_examples=WHOLE)
@given(made_books(), st.integers(0, 2**32))
def test_the_whole(made: Made, seed: int) -> None:
    agree(made.book, made_tariffs.usages(seed, 100, LONG_S), with_wide=False)
