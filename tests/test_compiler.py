"""The compiler: decision tables, the proof against overflow, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import reference_rating
from hypothesis import example, given, reject
from hypothesis import strategies as st
from rating_helpers import rate_facts

from rating import find_kernels, leg_kernels, trace
from rating.trace import Facts
from tariffs import exact_kernels, price_kernels, rule_kernels
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import DAY_S, Band, Book, Charge, Deck, Plan, Rate, Rule, Tier, Version
from tariffs.when import When
from tollbook import codes, money
from tollbook.errors import Refused

ZONES, RELATIONS, ACCESS_CODES = ("010", "020", "030"), ("local", "toll"), ("17910", "17911")
START = 1_055_000_000
LOCAL = Rate("local", "second", (Tier(0, 400_000_000, 60, 60),))


def book_of(*versions: Version) -> Book:
    components = tuple(dict.fromkeys(name for one in versions for name in one.components))
    return Book((Plan("p", "P", "EUR", versions),), components)


def version_of(rules: tuple[Rule, ...], *rates: Rate, **more: Any) -> Version:
    names = {"valid_from": date(2003, 1, 1), "valid_to": None, "time_zone": "UTC"}
    return Version(rates=rates, rules=rules, components=("airtime",), **(names | more))


def compiled_of(book: Book, maxima: Maxima | None = None) -> CompiledBook:
    return compile_book(book, ZONES, RELATIONS, ACCESS_CODES, ("p",), maxima)


def test_rows_that_rating_passes_by() -> None:
    """Transit has no plan; a plan that the book does not hold has no version."""
    book = book_of(version_of((Rule(When(), (Charge("airtime", "local"),)),), LOCAL))
    compiled = compile_book(book, ZONES, RELATIONS, ACCESS_CODES, ("gone", "p"))
    facts = Facts("voice", "out", START, duration_s=61)
    rows = rate_facts([facts, facts, facts, replace(facts, direction="transit")],
                      [0, 1, -1, -1], compiled)  # fmt: skip
    assert [row.reason for row in rows] == ["plan_missing", "", "plan_missing", ""]
    assert [row.total for row in rows] == [0, 800_000, 0, 0]
    assert [row.rule_index for row in rows] == [-1, 0, -1, -1]


def test_the_limit_of_one_charge() -> None:
    rules = (Rule(When(), (Charge("airtime", "local"),)),)
    compiled = compiled_of(book_of(version_of(rules, LOCAL, charge_limit_micro=800_000)))
    facts = [Facts("voice", "out", START, duration_s=used) for used in (120, 121)]
    rows = rate_facts(facts, [0, 0], compiled)
    assert [(row.reason, row.total) for row in rows] == [("", 800_000), ("charge_too_large", 0)]


# The proof against overflow: increments so long that the naive twin can count them.

BIG = st.sampled_from([2**28, 2**30 - 1, 2**33, 2**39 - 7, 2**40])


@st.composite
def big_rates(draw: st.DrawFn) -> Rate:
    prices = st.integers(0, 10**9) | st.integers(0, 10**18)
    starts = [0, *draw(st.sets(st.integers(1, 2**39), max_size=1))]
    tiers = tuple(Tier(at, draw(prices), draw(BIG), draw(BIG)) for at in starts)
    return Rate(
        "big", "byte", tiers, connect_nano=draw(prices), apart=draw(st.booleans()),
        maximum_nano=draw(st.sampled_from([0, 10**9, 10**18])), digits=draw(st.integers(0, 6)),
        mode=draw(st.integers(0, 4)),
    )  # fmt: skip


def sum_of(rate: Rate, fact: Facts) -> Fraction:
    """All increments and the connection fee, in units of the rate's last digit."""
    segments = trace.price_rate(replace(rate, maximum_nano=0), fact, "UTC").segments
    nano = rate.connect_nano + sum((one.amount_nano for one in segments), Fraction(0))
    return nano / 10 ** (money.NANO_DIGITS - rate.digits)


@given(big_rates(), st.data())
def test_sums_are_exact_up_to_the_declared_maximum(rate: Rate, data: Any) -> None:
    maxima = Maxima(volume_bytes=data.draw(st.integers(2**28, 2**40)))
    book = book_of(version_of((Rule(When(), (Charge("airtime", "big"),)),), rate,
                              charge_limit_micro=money.CHARGE_LIMIT_MICRO))  # fmt: skip
    try:
        compiled = compiled_of(book, maxima)
    except Refused:
        reject()
    rates = compiled.tables.prices.rates
    narrow = int(rates["narrow_quantity"][0])
    edges = [narrow - 1, narrow, narrow + 1, maxima.volume_bytes, maxima.volume_bytes + 1]
    chosen = [edge for edge in edges if 0 <= edge <= maxima.volume_bytes + 1]
    facts = [
        Facts("data", "out", START, up_bytes=edge - edge // part, down_bytes=edge // part)
        for edge in chosen for part in (2, 2**50)
    ]  # fmt: skip
    for fact, row in zip(facts, rate_facts(facts, [0] * len(facts), compiled), strict=True):
        naive = reference_rating.rate(book, "p", fact, maxima)
        assert (row.reason, row.total) == (naive.reason, naive.total)
        if fact.up_bytes + fact.down_bytes <= narrow:
            assert sum_of(rate, fact) * int(rates["denominator_low"][0]) < 2**62


WIDE = st.integers(0, 2**123 - 1) | st.integers(0, 2**64) | st.integers(0, 10)


@given(st.integers(0, 2**62 - 1), WIDE, WIDE.map(lambda n: n + 1), st.integers(0, 4))
@example(1, 2**123 - 1, 2**61, 2)
@example(0, 15, 10, 4)
@example(0, 25, 10, 4)
def test_wide_numbers(count: int, value: int, divisor: int, mode: int) -> None:
    def split(number: int) -> tuple[Any, Any]:
        return np.int64(number >> 62), np.int64(number & (2**62 - 1))

    if divisor < 2**123 and value // divisor < 2**62 - 1:
        found = exact_kernels.divide_wide(*split(value), *split(divisor), mode)
        assert found == money.round_div(value, divisor, mode)
    if divisor < 2**61 and value < 2**62:
        found = exact_kernels.divide(np.int64(value), np.int64(divisor), mode)
        assert found == money.round_div(value, divisor, mode)
    total = value + count * divisor
    if total < 2**124:
        high, low = exact_kernels.add_product(*split(value), np.int64(count), *split(divisor))
        assert (int(high) << 62) + int(low) == total


TIER = Tier(0, 1, 60, 60)
FAULTY = {
    "could cost": replace(LOCAL, tiers=(Tier(0, 10**18, 1, 1),)),
    "with 129 bits": replace(LOCAL, tiers=(Tier(0, 1, 2**40 - 1, 1), Tier(9, 1, 2**39 - 7, 1),
                                           Tier(99, 1, 2**40 - 87, 1))),
    "counts 'minute'": replace(LOCAL, unit="minute"),
    "has no price": replace(LOCAL, tiers=()),
    "do not ascend": replace(LOCAL, tiers=(TIER, replace(TIER, from_quantity=0))),
    "hours without a price": replace(LOCAL, tiers=(), bands=(Band(255, 0, 3600, (TIER,)),)),
    "bands that overlap": replace(LOCAL, bands=(Band(1, 0, 9, (TIER,)), Band(3, 8, 10, (TIER,)))),
    "an increment or `per`": replace(LOCAL, tiers=(replace(TIER, increment=0),)),
    "a negative amount": replace(LOCAL, tiers=(replace(TIER, price_nano=-1),)),
    "rounded to 7 digits": replace(LOCAL, digits=7),
    "rounding mode 5": replace(LOCAL, mode=5),
}  # fmt: skip


@pytest.mark.parametrize(("message", "rate"), FAULTY.items())
def test_rates_that_are_refused(message: str, rate: Rate) -> None:
    rules = (Rule(When(), (Charge("airtime", "local"),)),)
    with pytest.raises(Refused, match="local") as refused:
        compiled_of(book_of(version_of(rules, rate)))
    assert message in str(refused.value)


def test_all_unknown_names_at_once() -> None:
    rules = (
        Rule(When(relation=("tol",), to_zone=("040",), access_code=("1",)),
             (Charge("airtime", "lokal"), Charge("air", "local"), Charge("airtime", "", "decks"))),
    )  # fmt: skip
    deck = Deck("deck", (("050", "local"), ("010", "other")))
    version = version_of(rules, LOCAL, decks=(deck,), charge_limit_micro=10**18 + 1)
    with pytest.raises(Refused) as refused:
        compiled_of(book_of(version))
    text = str(refused.value)
    for name in ("relation 'tol'", "zone '040'", "access code '1'", "rate 'lokal'",
                 "component 'air'", "deck 'decks'", "zone '050'", "rate 'other'",
                 "the limit of one charge"):  # fmt: skip
        assert name in text
    assert "did you mean 'toll'?" in text
    assert len(refused.value.problems) == 9


def test_codes_of_the_kernels_are_those_of_tollbook() -> None:
    assert len(codes.DIRECTIONS) == rule_kernels.DIRECTIONS
    assert len(codes.ROAMINGS) == rule_kernels.ROAMINGS
    assert find_kernels.FLAGS_MASK == codes.FLAG_ON_NET | codes.FLAG_SPECIAL == 3
    assert leg_kernels.TRANSIT == codes.TRANSIT
    assert leg_kernels.OUT == codes.OUT
    assert leg_kernels.IN == codes.IN
    assert len(codes.SERVICES) == leg_kernels.SERVICES
    units = (price_kernels.SECONDS, price_kernels.BYTES, price_kernels.EVENTS)
    assert units == (codes.SECONDS, codes.BYTES, codes.EVENTS)
    assert price_kernels.DAY_S == DAY_S
    assert price_kernels.HOUR_S * price_kernels.HOURS == DAY_S
