"""Prices of one rate: all ways of cutting, choosing and rounding; kernels against a naive twin."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import reference_rating
from hypothesis import given, reject
from hypothesis import strategies as st
from rating_helpers import always_wide, rate_facts

from rating.trace import Facts
from tariffs import walk_kernels
from tariffs.compile_rates import Maxima
from tariffs.compiler import compile_book
from tariffs.model import (
    BORDERS,
    CLOCKS,
    PARTS_MAX,
    STAGES,
    Band,
    Book,
    Charge,
    Dates,
    Plan,
    Rate,
    Rule,
    Tier,
    Version,
)
from tariffs.when import When
from tollbook.errors import Refused

ZONE = "Europe/Berlin"
HOLIDAYS = frozenset({date(2003, 12, 25), date(2004, 1, 1)})
MAXIMA = Maxima(duration_s=5 * 86_400, volume_bytes=10**6, event_count=10**4)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


# Midnight, the holiday, both moves of the clock, leap day, and the edges of the bands below.
MOMENTS = [at(text) for text in (
    "2003-06-10T06:59:50+02:00", "2003-06-10T23:59:30+02:00", "2003-12-24T23:00:00+01:00",
    "2003-12-31T23:59:59+01:00", "2004-02-28T23:59:00+01:00", "2004-03-28T01:59:00+01:00",
    "2003-10-26T02:30:00+02:00", "2003-10-26T02:30:00+01:00",
)]  # fmt: skip
LENGTHS = st.sampled_from([1, 6, 7, 30, 60, 61, 100, 3600])
NANO = st.sampled_from([0, 0, 10**8, 123_456_789]) | st.integers(0, 10**9)
DATES = st.sampled_from([
    Dates(), Dates(), Dates(spans=((date(2003, 12, 20), date(2004, 1, 2)),)),
    Dates(yearly=((1224, 102),)), Dates(months=(2, 6, 10), month_days=(-1, 10, 26)),
    Dates(years=(2003,)), Dates(yearly=((229, 229),), years=(2004,)),
])  # fmt: skip
EDGES = (0, 7200, 9000, 10_800, 25_200, 64_800, 82_800, 86_400)


@st.composite
def tiers(draw: st.DrawFn, has_fees: bool) -> tuple[Tier, ...]:
    starts = [0, *sorted(draw(st.sets(st.sampled_from([6, 30, 60, 100, 600]), max_size=2)))]
    return tuple(
        Tier(start, draw(NANO), draw(LENGTHS), draw(LENGTHS), draw(NANO) if has_fees else 0)
        for start in starts
    )


@st.composite
def rates(draw: st.DrawFn, unit: str) -> Rate:
    border = draw(st.sampled_from(BORDERS)) if unit != "event" else "start"
    apart = unit == "byte" and draw(st.booleans())
    has_fees = not apart and draw(st.booleans())
    bands = []
    for weight in range(draw(st.integers(0, 3))):
        low, high = sorted(draw(st.sets(st.sampled_from(EDGES), min_size=2, max_size=2)))
        days = draw(st.sampled_from([255, 255, 31, 96, 128]))
        connect = draw(st.sampled_from([-1, -1, 0, 10**7]))
        bands.append(Band(days, low, high, draw(tiers(has_fees)), f"band {weight}",
                          dates=draw(DATES), weight=weight, connect_nano=connect))  # fmt: skip
    stages = STAGES if border == "unit" else STAGES[:-1]
    digits = draw(st.integers(0, 6))
    extra = st.sampled_from([0, 0, 5, 10, 45])
    return Rate(
        "made", unit, draw(tiers(has_fees)), tuple(bands),
        first_increment=draw(st.sampled_from([0, 0, 6, 60])), connect_nano=draw(NANO),
        minimum_nano=draw(NANO), maximum_nano=draw(st.sampled_from([0, 0, 10**9])),
        short_call=draw(st.sampled_from([0, 0, 3])), apart=apart, digits=digits,
        mode=draw(st.integers(0, 4)), border=border,
        free_quantity=0 if apart else draw(extra), minimum_quantity=0 if apart else draw(extra),
        clock=draw(st.sampled_from(["tariff", *CLOCKS])),
        stage=draw(st.sampled_from(stages)), stage_digits=draw(st.integers(digits, 9)),
        stage_mode=draw(st.integers(0, 4)),
    )  # fmt: skip


# Zones of the network and the time zone of each.
PLACES = {"here": "", "tokyo": "Asia/Tokyo", "york": "America/New_York"}
SECONDS = st.integers(0, 700) | st.sampled_from([3600, 90_000])
SERVICE = {"second": "voice", "byte": "data", "event": "sms"}


@st.composite
def usages(draw: st.DrawFn, unit: str) -> Facts:
    volume = st.integers(0, 700) | st.sampled_from([0, 5000, 23_456])
    home, served = draw(st.tuples(*[st.sampled_from(["", *PLACES])] * 2))
    return Facts(
        SERVICE[unit], "out", draw(st.sampled_from(MOMENTS)) + draw(st.integers(-90, 90)),
        duration_s=draw(SECONDS), up_bytes=draw(volume), down_bytes=draw(volume),
        event_count=draw(st.integers(0, 100)),
        utc_offset_s=draw(st.sampled_from([0, 7200, -34_200])), home_zone=home,
        served_zone=served, home_time_zone=PLACES.get(home, ""),
        served_time_zone=PLACES.get(served, ""),
    )  # fmt: skip


def book_of(*versions: Version) -> Book:
    return Book((Plan("p", "P", "EUR", versions),), versions[0].components, HOLIDAYS)


def version_of(*rates: Rate, **more: Any) -> Version:
    values: dict[str, Any] = {"valid_from": date(2003, 1, 1), "valid_to": None}
    charges = (Charge("airtime", rates[0].name if rates else "free"),)
    rules = (Rule(When(), charges),)
    return Version(time_zone=ZONE, rates=rates, rules=rules, components=("airtime",),
                   **(values | more))  # fmt: skip


def check(book: Book, facts: list[Facts]) -> None:
    """Kernels, narrow and wide, charge what the naive twin charges."""
    try:
        compiled = compile_book(book, tuple(PLACES), (), (), ("p",), MAXIMA,
                                zone_time_zones=tuple(PLACES.values()))  # fmt: skip
    except Refused:  # a price that could overflow: tests/test_compiler.py
        reject()
    plans = [0] * len(facts)
    wanted = [reference_rating.rate(book, "p", fact, MAXIMA) for fact in facts]
    for one in (compiled, always_wide(compiled)):
        found = rate_facts(facts, plans, one)
        for fact, row, naive in zip(facts, found, wanted, strict=True):
            assert (row.reason, row.total, fact) == (naive.reason, naive.total, fact)


@given(st.data())
def test_kernels_and_naive_twin_agree(data: Any) -> None:
    unit = data.draw(st.sampled_from(["second", "second", "byte", "event"]))
    rate = data.draw(rates(unit))
    check(book_of(version_of(rate)), data.draw(st.lists(usages(unit), min_size=1, max_size=6)))


@given(st.data())
def test_usages_that_cross_versions(data: Any) -> None:
    """The versions end at the borders that MOMENTS lie at; one of them may have no price at all,
    one may be free, and one may be missing."""
    unit = data.draw(st.sampled_from(["second", "second", "byte"]))
    cuts = [date(2003, 6, 11), date(2003, 10, 26), date(2003, 12, 25), date(2004, 1, 1)]
    begins = [date(2003, 1, 1), *cuts]
    versions = []
    for begin, end in zip(begins, [*cuts, None], strict=True):
        made = data.draw(st.none() | rates(unit) | rates(unit))
        refuses = data.draw(st.sampled_from([False] * 6 + [True]))
        version = version_of(
            *([made] if made else []), valid_from=begin, valid_to=end,
            version_change=data.draw(st.sampled_from(["split", "split", "start"])),
        )  # fmt: skip
        rules = (replace(version.rules[0], refuse=True, charges=()),)
        versions.append(replace(version, rules=rules) if refuses else version)
    if data.draw(st.integers(0, 3)) == 0:
        del versions[data.draw(st.integers(1, 3))]
    check(book_of(*versions), data.draw(st.lists(usages(unit), min_size=1, max_size=6)))


def test_codes_of_the_walk_are_those_of_the_model() -> None:
    words = [name.upper() for name in BORDERS]
    assert [getattr(walk_kernels, word) for word in words] == list(range(len(BORDERS)))
    words = [name.upper() for name in STAGES]
    assert [getattr(walk_kernels, word) for word in words] == list(range(len(STAGES)))
    assert CLOCKS == ("tariff", "home", "visited", "switch")
    assert walk_kernels.PARTS_MAX == PARTS_MAX
