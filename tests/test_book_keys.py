"""What the keys of rates, rules, decks and versions mean that a short book does without."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tariff_books import KNOWN, REFUSE_ALL, load

from tariffs import book
from tariffs.book_decks import read_prefixes
from tariffs.day_kinds import day_kinds, days_of
from tariffs.model import Charge, Dates, PriceRange, Rate, Tier, Version
from tariffs.when import Position, When
from tollbook import money
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.text import Problems

PERCENT = 10**9  # a percentage is stored times this


def versions(folder: Path, files: dict[str, str], plan: str = "p") -> tuple[Version, ...]:
    """The versions of a plan, of a book with these files."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return load(folder).plan(plan).versions


def rate(folder: Path, text: str) -> Rate:
    [version] = versions(folder, {"p.yaml": f"plan: p\nrates:\n  x: {text}\n{REFUSE_ALL}"})
    return version.rate("x")


# What is written beside `per: 60s, price: 1` -> what is not default.
KEYS = [
    ("border: unit", {"border": "unit"}),
    ("border: cheapest, clock: home", {"border": "cheapest", "clock": "home"}),
    ("free: 10s, minimum_duration: 1min", {"free_quantity": 10, "minimum_quantity": 60}),
    ("round: none", {}),
    ("round: {mode: none}", {}),
    ("round: {digits: 4, mode: up, stage: increment, stage_digits: 5, stage_mode: half_up}",
     {"digits": 4, "mode": money.ROUND_UP, "stage": "increment", "stage_digits": 5,
      "stage_mode": money.ROUND_HALF_UP}),
    ("round: {digits: 4, mode: up, stage: cgrates}",
     {"digits": 4, "mode": money.ROUND_UP, "stage": "cgrates"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rest"), KEYS)
def test_keys_of_a_rate(tmp_path: Path, text: str, rest: dict[str, object]) -> None:
    found = rate(tmp_path, f"{{per: 60s, price: 1, {text}}}")
    plain = Rate("x", "second", (Tier(0, 10**9, 60, 60),), at=found.at)
    assert found == replace(plain, **rest)  # type: ignore[arg-type]


def test_volumes_split_and_fees_of_tiers(tmp_path: Path) -> None:
    found = rate(tmp_path, "{per: 1KiB, border: split, minimum_volume: 10KiB, tiers: "
                           "[{up_to: 1MiB, price: 0.03, fee: 0.5}, {price: 0.02}]}")  # fmt: skip
    assert (found.border, found.border_mode, found.minimum_quantity) == ("unit", "unit", 10_240)
    assert found.tiers == (Tier(0, 30_000_000, 1024, 1024, 500_000_000),
                           Tier(2**20, 20_000_000, 1024, 1024))  # fmt: skip
    assert replace(found, border="").border_mode == "start"


DATES = [
    ("[2003-02-01..2003-02-07, 2003-03-01]",
     Dates(spans=((date(2003, 2, 1), date(2003, 2, 8)), (date(2003, 3, 1), date(2003, 3, 2))))),
    ("[12-24..01-02, 02-29]", Dates(yearly=((1224, 102), (229, 229)))),
    ("{months: [1, 7], days: [1, last], years: 2014}",
     Dates(months=(1, 7), month_days=(1, -1), years=(2014,))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "dates"), DATES)
def test_dates_weight_and_connection_fee_of_a_band(
    tmp_path: Path, text: str, dates: Dates
) -> None:
    band_text = f"{{dates: {text}, price: 0, weight: -3, connect: 0.5}}"
    found = rate(tmp_path, f"{{per: 60s, price: 1, connect: 1, bands: [{band_text}]}}")
    [band] = found.bands
    assert (band.dates, band.weight, band.connect_nano) == (dates, -3, 500_000_000)
    assert (band.days, band.from_s, band.to_s) == (255, 0, 86_400)


DAYS = st.dates(date(1970, 1, 1), date(2100, 12, 31))
PARTS = st.builds(
    Dates,
    spans=st.lists(st.tuples(DAYS, DAYS), max_size=2).map(tuple),
    yearly=st.lists(st.tuples(*[st.sampled_from([101, 228, 229, 301, 1224, 1231])] * 2),
                    max_size=2).map(tuple),
    months=st.lists(st.integers(1, 12), max_size=3).map(tuple),
    month_days=st.lists(st.sampled_from([-1, 1, 28, 29, 30, 31]), max_size=3).map(tuple),
    years=st.lists(st.integers(1999, 2004), max_size=3).map(tuple),
)  # fmt: skip


def holds(dates: Dates, day: date) -> bool:
    """Whether a day is one of the dates, part by part."""
    place = day.month * 100 + day.day
    last = (day + timedelta(days=1)).day == 1
    return all((
        not dates.spans or any(low <= day < high for low, high in dates.spans),
        not dates.yearly or any(low <= place <= high if low <= high else
                                place >= low or place <= high for low, high in dates.yearly),
        not dates.months or day.month in dates.months,
        not dates.month_days or day.day in dates.month_days or (last and -1 in dates.month_days),
        not dates.years or day.year in dates.years,
    ))  # fmt: skip


NEAR = st.dates(date(1999, 12, 20), date(2004, 3, 5))


@settings(max_examples=50)
@given(PARTS, st.lists(st.one_of(DAYS, NEAR), min_size=20))
def test_days_of_dates_against_the_calendar(dates: Dates, days: list[date]) -> None:
    found = days_of(dates)
    for day in days:
        assert found[(day - date(1970, 1, 1)).days] == holds(dates, day)
    assert {kind.holds for kind in day_kinds((dates,))} == {(bool(one),) for one in set(found)}


def test_template_of_a_deck(tmp_path: Path) -> None:
    found = rate(tmp_path, "{per: 60s, increments: 60/6, price: deck, "
                           "bands: [{to: '07:00', percent: 33.5}]}")  # fmt: skip
    assert found.is_template
    assert found.tiers == (Tier(0, 0, 60, 6, percent_nano=100 * PERCENT),)
    assert found.bands[0].tiers[0].percent_nano == 33_500_000_000


def test_conditions_and_targets(tmp_path: Path) -> None:
    [version] = versions(tmp_path, {
        "az.csv": "prefix,price\n44,0.1\n",
        "p.yaml": """\
plan: p
rates: {x: {per: 60s, price: 1}, like: {per: 60s, price: deck}}
rules:
  - when: {service: voice, direction: forward, forward: [busy, no_answer], boundary: none,
           same_place: no, friend: yes, group: no, from: "020", home: ["010", "020"],
           home_relation: toll, carrier: CMCC, access_code: "*"}
    charge: {a: {by_relation: {local: free, "*": x}}, b: {by_home_relation: {toll: x}},
             c: {by_prefix: az.csv, like: like}}
  - {otherwise: refuse}
""",
    })  # fmt: skip
    rule, at = version.rules[0], Position("tariffs/p.yaml", 7)
    assert rule.when == When(
        service=("voice",), direction=("forward",), forward=("busy", "no_answer"),
        boundary=("none",), same_place=False, friend=True, group=False, from_zone=("020",),
        home_zone=("010", "020"), home_relation=("toll",), carrier=("CMCC",), access_code=("*",),
    )  # fmt: skip
    assert rule.charges == (
        Charge("a", by_relation=(("local", "free"), ("*", "x")), at=at),
        Charge("b", by_home_relation=(("toll", "x"),), at=at),
        Charge("c", by_prefix="az.csv", like="like", at=replace(at, line=8)),
    )
    assert [deck.name for deck in version.prefix_decks] == ["az.csv"]


def test_rows_of_a_prefix_deck(tmp_path: Path) -> None:
    path = tmp_path / "az.csv"
    path.write_text(
        "prefix,destination,price,rate,increments,connect,minimum,valid_from,valid_to\n"
        "44,UK,0.0123,,60/6,,,,\n# mobiles\n447,UK mobile,1000000000,,1,0.1,0.25,2003-01-01,"
        "2003-02-01T12:00:00\n1,\"US, Canada\",,free,,,,,\n"
    )
    problems = Problems()
    deck = read_prefixes(path, problems, "az.csv")
    assert not problems.found
    rows = deck.rows
    columns = (rows.prefix, rows.size, rows.price_nano, rows.rate, rows.first_increment,
               rows.increment, rows.connect_nano, rows.minimum_nano, rows.valid_from_wall_s,
               rows.valid_to_wall_s, rows.lines)  # fmt: skip
    day = 86_400 * date(2003, 1, 1).toordinal() - 86_400 * date(1970, 1, 1).toordinal()
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (44, 2, 12_300_000, -1, 60, 6, -1, -1, OPEN_FROM, OPEN_TO, 2),
        (447, 3, 10**18, -1, 1, 1, 10**8, 25 * 10**7, day, day + 31 * 86_400 + 43_200, 4),
        (1, 1, -1, 0, 0, 0, -1, -1, OPEN_FROM, OPEN_TO, 5),
    ]
    assert rows.destination.to_pylist() == ["UK", "UK mobile", "US, Canada"]
    assert deck.rate_names == ("free",)
    assert rows.prefix.dtype == rows.price_nano.dtype == np.int64


def test_a_version_that_extends_another(tmp_path: Path) -> None:
    """Rates and rents by name, everything else as a whole; places stay where the text stands."""
    old, new = versions(tmp_path, {
        "common.yaml": "rates:\n  sms: {per: event, price: 0.10}\n  gone: {per: 60s, price: 9}\n",
        "old.yaml": """\
plan: p
valid: {to: "2003-06-01T14:00"}
use: common.yaml
version_change: split
fallback: [q]
round: {digits: 2, mode: up}
price_range: [{per: 60s, min: 0.01, max: 20}]
charge_limit: 500
recurring: [{charge: rent, price: 50}, {charge: card, price: 1}]
rates:
  gone: {per: 60s, price: 0.40}
  toll: {per: 60s, price: 0.40, round: {digits: 4, mode: down}}
  local: {per: 60s, price: 0.40}
rules: [{when: {service: voice}, charge: {airtime: local, toll: toll}}, {otherwise: refuse}]
""",
        "new.yaml": """\
plan: p
extends: old.yaml
valid: {from: "2003-06-01T14:00"}
round: {digits: 3, mode: down}
recurring: [{charge: rent, price: 30}]
rates:
  gone: drop
  local: {per: 60s, price: 0.30}
rules_first: [{when: {service: sms, direction: out}, charge: {message: sms}}]
""",
        "q.yaml": "plan: q\n" + REFUSE_ALL,
    })  # fmt: skip
    assert (old.valid_to, old.valid_to_s) == (new.valid_from, new.valid_from_s)
    assert (new.valid_from, new.valid_from_s, new.valid_to) == (date(2003, 6, 1), 50_400, None)
    assert [one.name for one in old.rates] == ["sms", "gone", "toll", "local"]
    assert [(one.name, one.tiers[0].price_nano, one.digits, one.at.file, one.at.line)
            for one in new.rates] == [
        ("sms", 10**8, 3, "tariffs/common.yaml", 2), ("toll", 4 * 10**8, 4, "tariffs/old.yaml", 12),
        ("local", 3 * 10**8, 3, "tariffs/new.yaml", 8)]  # fmt: skip
    assert (old.rate("local").digits, old.rate("local").mode) == (2, money.ROUND_UP)
    assert [rule.at.file for rule in new.rules] == [
        "tariffs/new.yaml", "tariffs/old.yaml", "tariffs/old.yaml"]  # fmt: skip
    assert new.components == ("message", "airtime", "toll")
    assert [(one.name, one.price_micro) for one in new.recurring] == [
        ("rent", 30 * money.MICRO), ("card", money.MICRO)]  # fmt: skip
    assert (new.version_change, new.fallback, new.time_zone) == ("split", ("q",), "Asia/Shanghai")
    assert new.price_range == (PriceRange("second", 60, 10**7, 20 * 10**9),)
    assert new.charge_limit_micro == 500 * money.MICRO
    assert new.files == ("new.yaml", "old.yaml", "common.yaml")


def test_a_deck_without_like_is_rounded_as_the_plan_says(tmp_path: Path) -> None:
    [version] = versions(tmp_path, {
        "az.csv": "prefix,price\n44,0.1\n",
        "p.yaml": "plan: p\nround: {digits: 2, mode: up}\nrules: [{when: {service: voice}, "
                  "charge: {a: {by_prefix: az.csv}}}, {otherwise: refuse}]\n",
    })  # fmt: skip
    like = version.rate(version.rules[0].charges[0].like)
    assert (like.digits, like.mode, like.is_template) == (2, money.ROUND_UP, True)
    assert like.tiers == (Tier(0, 0, 60, 60, percent_nano=100 * PERCENT),)


def test_a_chain_of_files_is_short(tmp_path: Path) -> None:
    files = {"v0.yaml": f"plan: p\nvalid: {{to: 2001-01-01}}\n{REFUSE_ALL}"}
    for number in range(1, 5):
        valid = f"{{from: 200{number}-01-01, to: 200{number + 1}-01-01}}"
        files[f"v{number}.yaml"] = f"plan: p\nextends: v{number - 1}.yaml\nvalid: {valid}\n"
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    problems = Problems()
    assert book.load(tmp_path, problems, KNOWN) is None
    assert [(p.file, p.found) for p in problems.found] == [
        ("tariffs/v1.yaml", "extends: 'v4.yaml' is made of more than 4 files")]  # fmt: skip
