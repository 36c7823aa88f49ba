"""Rating: kernel, trace and naive twin agree with hand-checked cases, and with each other."""

from __future__ import annotations

import csv
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import reference_rating
from hypothesis import given, reject
from hypothesis import strategies as st
from rating_helpers import Row, always_wide, batch_of, rate_facts, rows_of, shuffled, usage_columns

from rating import trace
from rating.rate import rate
from rating.trace import Facts
from tariffs import book as books
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import ALL_DAYS, DAY_S, Band, Book, Charge, Plan, Rate, Rule, Tier, Version
from tariffs.when import When
from tollbook import money, schemas
from tollbook.errors import Refused
from tollbook.text import Problems

CASES = Path(__file__).parent / "cases" / "rating"
ZONES = ("emergency", "010", "020", "0900")
RELATIONS = ("local", "toll", "leisure", "owl", "opening", "carrier", "capped", "swallow", "deck")
ACCESS_CODES = ("17910", "17911")
HOLIDAYS = frozenset({date(2003, 10, 3), date(2003, 12, 25)})
MAXIMA = Maxima(duration_s=10 * DAY_S, volume_bytes=2**40, event_count=10**6)


def compiled_of(book: Book, maxima: Maxima = MAXIMA) -> CompiledBook:
    plan_ids = [plan.plan_id for plan in book.plans]
    return compile_book(book, ZONES, RELATIONS, ACCESS_CODES, plan_ids, maxima)


@pytest.fixture(scope="module")
def book() -> Book:
    problems = Problems()
    known = books.Known(
        ZONES, RELATIONS, ACCESS_CODES, holidays=HOLIDAYS, currency="EUR",
        time_zone="Europe/Berlin",
    )  # fmt: skip
    found = books.load(CASES, problems, known)
    problems.refuse_if_any()
    assert found is not None
    return found


def read_cases() -> list[dict[str, str]]:
    with (CASES / "usages.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def facts_of(case: dict[str, str]) -> Facts:
    up, _, down = case["used"].partition("+")
    more = dict(part.partition("=")[::2] for part in case["more"].split())
    counted = {"voice": "duration_s", "data": "up_bytes"}.get(case["service"], "event_count")
    return Facts(
        service=case["service"],
        direction="out",
        start_utc_s=int(datetime.fromisoformat(case["start"]).timestamp()),
        relation=case["relation"],
        other_zone=case["zone"],
        access_code=more.get("code", ""),
        on_net="on_net" in more,
        special="special" in more,
        down_bytes=int(down or 0),
        **{counted: int(up)},  # type: ignore[arg-type]
    )


def expected_of(case: dict[str, str]) -> tuple[str, dict[str, int]]:
    """Reason, and charges in micro."""
    if "=" not in case["expected"]:
        return case["expected"].replace("free", ""), {}
    pairs = [part.split("=") for part in case["expected"].split()]
    return "", {name: int(Fraction(amount) * money.MICRO) for name, amount in pairs}


def test_hand_checked_cases(book: Book) -> None:
    cases = read_cases()
    facts = [facts_of(case) for case in cases]
    compiled = compiled_of(book)
    rows = rate_facts(facts, [0] * len(facts), compiled)
    for case, fact, row in zip(cases, facts, rows, strict=True):
        reason, charges = expected_of(case)
        assert (case["name"], row.reason) == (case["name"], reason)
        assert (case["name"], {n: c for n, c in row.charges.items() if c}) == (
            case["name"], charges)  # fmt: skip
        assert_same(book, "standard", fact, row)
    assert rate_facts(facts, [0] * len(facts), always_wide(compiled)) == rows


def assert_same(book: Book, plan_id: str, fact: Facts, row: Row) -> None:
    """Kernel row, trace and naive twin tell the same."""
    naive = reference_rating.rate(book, plan_id, fact, MAXIMA)
    charges = dict.fromkeys(book.components, 0) | (naive.charges if not naive.reason else {})
    version = "" if naive.version is None else naive.version.isoformat()
    wanted = (naive.reason, version, naive.rule_index, charges, sum(charges.values()))
    assert (row.reason, row.version, row.rule_index, row.charges, row.total) == wanted
    steps = trace.price(book, plan_id, fact, MAXIMA)
    found = {part.component: part.charge_micro for part in steps.components if not steps.reason}
    assert (steps.reason, steps.rule_index, steps.charge_micro) == (wanted[0], wanted[2], wanted[4])
    assert dict.fromkeys(book.components, 0) | found == charges
    for part in steps.components:
        if part.rate is not None and part.segments and not part.bound:
            amounts = sum((s.amount_nano for s in part.segments), Fraction(part.rate.connect_nano))
            assert amounts == part.exact_nano
            billed = sum(segment.count * segment.increment for segment in part.segments)
            assert billed >= part.quantity


def test_trace_of_a_call_over_a_border(book: Book) -> None:
    start = int(datetime.fromisoformat("2003-06-10T06:59:45+02:00").timestamp())
    fact = Facts("voice", "out", start, relation="toll", duration_s=33)
    toll = trace.price(book, "standard", fact).components[1]
    assert toll.rate is not None
    assert toll.rate.at.file.endswith("standard-2003.yaml")
    assert [(s.band, s.count, s.increment, s.price_nano, s.amount_nano) for s in toll.segments] == [
        ("night", 3, 6, 40_000_000, 120_000_000), ("", 3, 6, 70_000_000, 210_000_000),
    ]  # fmt: skip
    assert [s.to_utc_s - fact.start_utc_s for s in toll.segments] == [18, 36]


# Random books: a rate for each of three components, and usages near the moments that matter.

PRICES = st.integers(0, 3 * 10**9) | st.sampled_from([0, 1, 333_333_333, 10**12])
LENGTHS = st.sampled_from([1, 6, 7, 20, 30, 60, 61, 180, 3600])
CUTS = (0, 3600, 7200, 9000, 10_800, 25_200, 64_800, DAY_S - 1, DAY_S)
TURNS = [  # UTC: both changes of the clock in Berlin, midnights, a holiday, the end of a version
    int(datetime.fromisoformat(text).timestamp()) for text in (
        "2003-03-30T02:00:00+01:00", "2003-10-26T03:00:00+02:00", "2003-10-03T00:00:00+02:00",
        "2003-10-04T00:00:00+02:00", "2003-12-31T23:59:59+01:00", "2003-06-15T00:00:00+02:00",
    )
]  # fmt: skip


@st.composite
def tiers(draw: st.DrawFn, lengths: st.SearchStrategy[int], span: int) -> tuple[Tier, ...]:
    starts = [0, *sorted(draw(st.sets(st.integers(1, span), max_size=2)))]
    return tuple(Tier(at, draw(PRICES), draw(lengths), draw(lengths)) for at in starts)


@st.composite
def bands(draw: st.DrawFn, lengths: st.SearchStrategy[int], span: int) -> tuple[Band, ...]:
    found = []
    days = draw(st.integers(0, ALL_DAYS))
    for mask in (days, ALL_DAYS & ~days):
        cuts = sorted(draw(st.sets(st.sampled_from(CUTS), max_size=4)))
        for low, high in list(pairwise(cuts))[:: draw(st.integers(1, 2))]:
            if mask:
                found.append(Band(mask, low, high, draw(tiers(lengths, span)), f"b{len(found)}"))
    return tuple(found)


@st.composite
def rates(draw: st.DrawFn, name: str, unit: str) -> Rate:
    lengths, span = LENGTHS, 300
    if unit == "byte":  # pers that have no common divisor: sums that need more than one int64
        lengths = st.sampled_from([1000, 1024, 2**20, 1_000_003, 2**39 - 7])
        span = 10**7
    lowest = draw(st.sampled_from([0, 0, 10**8, 10**10]))
    highest = draw(st.sampled_from([0, 0, lowest + 1, 10**11]))
    return Rate(
        name=name,
        unit=unit,
        tiers=draw(tiers(lengths, span)),
        bands=draw(st.just(()) | bands(lengths, span)),
        first_increment=draw(st.sampled_from([0, 0, 1, 30, 60])),
        connect_nano=draw(st.sampled_from([0, 0, 1, 10**9 // 7])),
        minimum_nano=lowest,
        maximum_nano=highest,
        short_call=draw(st.sampled_from([0, 0, 3])),
        apart=unit == "byte" and draw(st.booleans()),
        digits=draw(st.integers(0, 6)),
        mode=draw(st.sampled_from(sorted(money.ROUNDING_MODES.values()))),
    )


COMPONENTS = ("time", "second-time", "bytes")


@st.composite
def random_books(draw: st.DrawFn) -> Book:
    units = ("second", "second", "byte")
    made = tuple(draw(rates(name, unit)) for name, unit in zip(COMPONENTS, units, strict=True))
    charges = tuple(Charge(name, name) for name in COMPONENTS)
    zone = draw(st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/New_York", "UTC"]))
    rules = (Rule(When(direction=("in",), to_zone=("020",)), refuse=True), Rule(When(), charges))
    version = Version(date(2003, 1, 1), date(2004, 1, 1), zone, made, rules, COMPONENTS,
                      charge_limit_micro=draw(st.sampled_from([10**18, 10**9])))  # fmt: skip
    plan = Plan("p", "P", "EUR", (version,))
    return Book((plan,), COMPONENTS, HOLIDAYS)


@st.composite
def usages(draw: st.DrawFn) -> Facts:
    return Facts(
        "voice", draw(st.sampled_from(["out", "in"])),
        draw(st.sampled_from(TURNS)) + draw(st.integers(-4000, 4000)),
        other_zone=draw(st.sampled_from(["", "020"])),
        duration_s=draw(st.integers(0, 400) | st.integers(0, 8000) | st.just(90_000)),
        up_bytes=draw(st.integers(0, 2**20)), down_bytes=draw(st.integers(0, 2**20)),
    )  # fmt: skip


@given(made=random_books(), facts=st.lists(usages(), min_size=1, max_size=6))
def test_kernel_trace_and_twin_agree(made: Book, facts: list[Facts]) -> None:
    try:
        compiled = compiled_of(made)
    except Refused:
        reject()
    plans = [0] * len(facts)
    rows = rate_facts(facts, plans, compiled)
    for fact, row in zip(facts, rows, strict=True):
        assert_same(made, "p", fact, row)
    assert rate_facts(facts, plans, always_wide(compiled)) == rows


@given(st.integers(0, 2**32))
def test_order_and_cuts_of_a_batch_change_nothing(book: Book, seed: int) -> None:
    facts = [facts_of(case) for case in read_cases()]
    compiled = compiled_of(book)
    whole = batch_of(schemas.USAGE, len(facts), usage_columns(facts, compiled))
    rows = rows_of(rate(whole, compiled).batch, compiled)
    mixed, order = shuffled(whole, seed)
    cut = seed % len(facts)
    pieces = [mixed.slice(0, cut), mixed.slice(cut)]
    results = [rate(piece, compiled) for piece in pieces]
    found = [row for result in results for row in rows_of(result.batch, compiled)]
    assert found == [rows[place] for place in order.tolist()]
    assert sum(result.totals["charge_micro"] for result in results) == sum(r.total for r in rows)
    assert sum(result.totals["rated"] for result in results) == sum(not r.reason for r in rows)
