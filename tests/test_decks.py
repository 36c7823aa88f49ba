"""Prefix decks: the longest prefix at a time, against a dict and against the naive twin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
import reference_rating
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rating_helpers import rate_facts

from rating import trace
from rating.trace import Facts
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import (
    DAY_S,
    Band,
    Book,
    Charge,
    Plan,
    PrefixDeck,
    PrefixRows,
    Rate,
    Rule,
    Tier,
    Version,
)
from tariffs.when import When
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.errors import Refused

COUNT: Final = 300_000
CALLS: Final = 500 if os.environ.get("NUMBA_DISABLE_JIT") else 10_000
JUNE: Final = 12_204 * DAY_S  # 2003-06-01T00:00 on the wall
START: Final = JUNE - 2 * 3600  # the same in Berlin, as UTC
EVENING: Final = Band(255, 72_000, DAY_S, (Tier(0, 0, 60, 6, percent_nano=60 * 10**9),))
WHOLESALE: Final = Rate("wholesale", "second", (Tier(0, 0, 60, 60),), (EVENING,), 30, 10**8,
                        digits=4, is_template=True)  # fmt: skip
FIXED: Final = Rate("fixed", "second", (Tier(0, 50_000_000, 60, 60),))


def deck_of(rows: Sequence[tuple[Any, ...]], rate_names: tuple[str, ...] = ()) -> PrefixDeck:
    """Rows (prefix, price or -1, rate, first increment, increment, connect, minimum, from, to)."""
    table = [*zip(*rows, strict=True)] or [()] * 9
    texts = [str(prefix) for prefix in table[0]]
    numbers = [np.array(column, np.int64) for column in table[1:]]
    return PrefixDeck("az.csv", PrefixRows(
        np.array([int(text) for text in texts], np.int64),
        np.array([len(text) for text in texts], np.int8), pa.array(texts, pa.string()),
        numbers[0], numbers[1].astype(np.int32), *numbers[2:8],
        np.arange(2, len(rows) + 2, dtype=np.int64),
    ), rate_names)  # fmt: skip


def row(prefix: str, price: int = -1, rate: int = -1, since: int = OPEN_FROM,
        until: int = OPEN_TO) -> tuple[Any, ...]:  # fmt: skip
    return prefix, price, rate, 0, 0, -1, -1, since, until


def book_of(deck: PrefixDeck, like: str = "", versions: int = 1) -> Book:
    rule = Rule(When(), (Charge("toll", by_prefix=deck.name, like=like),))
    plans = tuple(
        Plan(f"p{number}", "", "EUR", (Version(
            date(2003, 1, 1), None, "Europe/Berlin", (WHOLESALE, FIXED), (rule,), ("toll",),
            prefix_decks=(deck,),
        ),)) for number in range(versions)
    )  # fmt: skip
    return Book(plans, ("toll",))


def compiled_of(book: Book) -> CompiledBook:
    return compile_book(book, (), (), (), [plan.plan_id for plan in book.plans])


def call(number: int, utc_s: int = START, seconds: int = 60) -> Facts:
    return Facts("voice", "out", utc_s, duration_s=seconds, other_e164=number)


def longest(prices: dict[int, int], number: int) -> int | None:
    """The price of the longest prefix, digit by digit."""
    while number and number not in prices:
        number //= 10
    return prices.get(number)


def test_three_hundred_thousand_prefixes() -> None:
    """Nested prefixes of 1 to 12 digits; numbers that are, begin with or just miss a prefix."""
    rng = np.random.default_rng(3)
    size = rng.integers(1, 13, COUNT)
    prefix = np.unique(rng.integers(1, 10**6, COUNT) * 10 ** np.maximum(size - 6, 0)
                       + rng.integers(0, 10**6, COUNT) % 10 ** np.maximum(size - 6, 0))
    more = np.unique(rng.integers(10**8, 10**12, COUNT))
    prefix = rng.permutation(np.unique(np.concatenate([prefix, more]))[:COUNT])
    assert len(prefix) == COUNT
    price = rng.integers(1, 40, COUNT) * 1_000_000
    size = np.char.str_len(prefix.astype(str)).astype(np.int8)
    nothing, minus = np.zeros(COUNT, np.int64), np.full(COUNT, -1)
    rows = PrefixRows(prefix, size, pa.nulls(COUNT, pa.string()), price, minus.astype(np.int32),
                      nothing, nothing, minus, minus, np.full(COUNT, OPEN_FROM),
                      np.full(COUNT, OPEN_TO), np.arange(2, COUNT + 2))
    compiled = compiled_of(book_of(PrefixDeck("az.csv", rows)))
    some = prefix[rng.integers(0, COUNT, CALLS // 5)]
    digits = rng.integers(0, 1000, CALLS // 5)
    numbers = [0, 10**15, 10**15 - 1, *some, *(some * 1000 + digits), *(some // 10), *(some - 1),
               *rng.integers(10**9, 10**15, CALLS // 5)]  # fmt: skip
    prices = dict(zip(prefix.tolist(), price.tolist(), strict=True))
    numbers = [int(number) for number in numbers]
    found = rate_facts([call(number) for number in numbers], [0] * len(numbers), compiled)
    for number, one in zip(numbers, found, strict=True):
        nano = longest(prices, number) if number < 10**15 else None
        assert (one.reason, one.total) == (("no_rate", 0) if nano is None else ("", nano // 1000))


@pytest.mark.parametrize(("number", "day", "micro"), [
    (8613, -1, 10_000),  # the row of 86, at all times
    (8613, 0, 20_000),  # 8613 from June on
    (8613, 30, 10_000),  # until July, the first moment without it
    (86_130_000, 0, 30_000),  # 861300 is always there
    (86_130, 0, 20_000),  # shorter than 861300, whose digits continue with zeros only
    (861_309, 0, 20_000),
    (86, 0, 10_000),
    (8, 0, None),
    (0, 0, None),
])  # fmt: skip
def test_which_row_holds(number: int, day: int, micro: int | None) -> None:
    """Prices 0.01, 0.02 and 0.03 a minute; days from the first of June on."""
    deck = deck_of([
        row("8613", 20_000_000, since=JUNE, until=JUNE + 30 * DAY_S),
        row("86", 10_000_000), row("861300", 30_000_000),
    ])  # fmt: skip
    compiled = compiled_of(book_of(deck))
    [found] = rate_facts([call(number, START + day * DAY_S)], [0], compiled)
    assert (found.reason, found.total) == (("no_rate", 0) if micro is None else ("", micro))


PREFIXES = st.text("18", min_size=1, max_size=3) | st.sampled_from(["80", "800", "10", "1000"])
AT = st.sampled_from([OPEN_FROM, JUNE - 1, JUNE, JUNE + 1, OPEN_TO]) | st.integers(
    JUNE - 2 * DAY_S, JUNE + 2 * DAY_S
)
PRICES = st.integers(0, 10**9) | st.just(-1)
ROWS = st.lists(
    st.tuples(PREFIXES, PRICES.map(lambda nano: nano * 10 if nano > 0 else nano),
              st.integers(0, 1), st.sampled_from([0, 30, 60]), st.sampled_from([1, 6]),
              st.sampled_from([-1, 0, 10**8]), st.sampled_from([-1, 0, 10**9]), AT, AT),
    max_size=8,
)  # fmt: skip
CALLED = st.text("018", min_size=1, max_size=6).map(int)


@settings(max_examples=60)
@given(ROWS, st.sampled_from(["", "wholesale"]), st.booleans(),
       st.lists(st.tuples(CALLED, CALLED, st.integers(-2 * DAY_S, 2 * DAY_S)), min_size=1,
                max_size=12))  # fmt: skip
@example([], "", False, [(86, 86, 0)])
def test_decks_as_the_naive_twin(
    rows: list[tuple[Any, ...]], like: str, is_routed: bool,
    calls: list[tuple[int, int, int]],
) -> None:  # fmt: skip
    """Rows with prices, or rates by name; the same prefix at several times, by any validity."""
    spans: dict[str, int] = {}
    kept = []
    for one in rows:  # rows of one prefix follow one another in time, as ``check`` demands
        if spans.get(one[0], OPEN_FROM) <= one[7] < one[8]:
            spans[one[0]] = one[8]
            own = one if one[3] else (*one[:4], 0, *one[5:])  # no increments, or both
            kept.append(own if one[1] < 0 else (*own[:2], -1, *own[3:]))
    deck = deck_of(kept, ("fixed", "free"))
    book = book_of(deck, like)
    facts = [
        Facts("voice", "out", START + after, duration_s=61, other_e164=number,
              routing_e164=routing, is_routed=is_routed)
        for number, routing, after in calls
    ]  # fmt: skip
    for fact, found in zip(facts, rate_facts(facts, [0] * len(facts), compiled_of(book)),
                           strict=True):  # fmt: skip
        naive = reference_rating.rate(book, "p0", fact, Maxima())
        steps = trace.price(book, "p0", fact)
        assert (found.reason, found.total) == (naive.reason, naive.total)
        assert (steps.reason, steps.charge_micro) == (naive.reason, naive.total)


def test_wall_times_that_come_twice_or_never() -> None:
    """2003-10-26 02:30 in Berlin comes twice: a row begins with the first of the two. On
    2003-03-30 there is no 02:30: it counts on from 02:00, to 03:30."""
    autumn, spring = 12_351 * DAY_S + 9000, 12_141 * DAY_S + 9000
    deck = deck_of([row("1", 10_000_000, since=autumn), row("2", 10_000_000, since=spring)])
    compiled = compiled_of(book_of(deck))
    begins = {1: autumn - 7200, 2: spring - 3600}
    calls = [call(number, at + more) for number, at in begins.items()
             for more in (-1, 0, 3599, 3600)]  # fmt: skip
    found = rate_facts(calls, [0] * len(calls), compiled)
    assert [one.total for one in found] == [0, *[10_000] * 3] * 2
    steps = [trace.price(book_of(deck), "p0", one).charge_micro for one in calls]
    assert steps == [one.total for one in found]


@pytest.mark.parametrize("like", ["", "wholesale"])
def test_many_prices_at_once(like: str) -> None:
    """Hundreds of prices make their rates in one step, as each would by itself: nothing, a nano,
    and so dear that a call of ten years leaves 62 bits; by day and in the evening."""
    rng = np.random.default_rng(5)
    prices = [0, 5, 10**9, *(rng.integers(1, 10**9, 197) * 5).tolist(), 10**14]
    deck = deck_of([row(f"{100 + at}", price) for at, price in enumerate(prices)])
    book = book_of(deck, like)
    compiled = compiled_of(book)
    assert len(compiled.tables.prices.rates) == 1 + len(prices)
    facts = [
        call(100 + at, START + int(rng.integers(0, DAY_S)), seconds)
        for at in [*range(5), *range(5, 201, 12), 200]
        for seconds in (1, 31, int(rng.integers(1, 20_000)), 3660 * DAY_S)
    ]
    rows = rate_facts(facts, [0] * len(facts), compiled)
    for fact, found in zip(facts, rows, strict=True):
        steps = trace.price(book, "p0", fact)
        assert (found.reason, found.total) == (steps.reason, steps.charge_micro)


def test_a_deck_is_compiled_once() -> None:
    """However many plans name it, and equal rows of it are one rate."""
    rows = [row(str(prefix), 10_000_000 * (prefix % 3)) for prefix in range(100, 200)]
    once, often = compiled_of(book_of(deck_of(rows))), compiled_of(book_of(deck_of(rows), "", 5))
    assert len(often.tables.prefixes.start) == len(once.tables.prefixes.start)
    assert len(often.tables.prices.rates) == 5 + 3  # ``fixed`` of each plan, three prices


def test_what_is_refused() -> None:
    """A percentage that makes no whole nano, and words that nothing defines."""
    with pytest.raises(Refused, match="no whole nano"):
        compiled_of(book_of(deck_of([row("1", 1)]), "wholesale"))
    with pytest.raises(Refused, match="rate 'gone' is not defined"):
        compiled_of(book_of(deck_of([row("1", -1, 0)], ("gone",))))
    with pytest.raises(Refused, match="rate 'gone' is not defined"):
        compiled_of(book_of(deck_of([row("1", 1)]), "gone"))
