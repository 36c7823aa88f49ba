"""The tariff book: what the text means."""

from __future__ import annotations

import re
import shutil
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tariff_books import KNOWN, REFUSE_ALL, ROOT, load

from tariffs import book, units
from tariffs.model import ALL_DAYS, Band, Rate, Tier
from tollbook import money
from tollbook.text import Problems


def load_rate(folder: Path, text: str) -> Rate:
    """One rate named ``x``, written as the value of its key."""
    (folder / "plan.yaml").write_text(f"plan: p\nrates:\n  x: {text}\n{REFUSE_ALL}")
    return load(folder).plan("p").versions[0].rate("x")


# What is written -> the tiers (from, price in nano, per, increment) and what else is not default.
RATES = [
    ("{per: 60s, price: 0.40}", [(0, 400_000_000, 60, 60)], {}),
    ("{per: 1min, increments: 1, price: 0.000000001}", [(0, 1, 60, 1)], {}),
    ("{per: 60s, increments: 60/6, price: 0.0123}", [(0, 12_300_000, 60, 6)],
     {"first_increment": 60}),
    ("{per: 60s, increments: 6s/6s, price: 1}", [(0, 10**9, 60, 6)], {}),
    ("{per: event, price: 0.10}", [(0, 100_000_000, 1, 1)], {"unit": "event"}),
    ("{per: 1MB, increments: 10KiB, price: 1, volumes: apart}", [(0, 10**9, 10**6, 10_240)],
     {"unit": "byte", "apart": True}),
    ("{tiers: [{up_to: 180s, per: 180s, price: 0.20}, {per: 60s, price: 0.10}]}",
     [(0, 200_000_000, 180, 180), (180, 100_000_000, 60, 60)], {}),
    ("{per: 60s, increments: 60/6, tiers: [{up_to: 10min, price: 3}, {increments: 1, price: 2}]}",
     [(0, 3 * 10**9, 60, 6), (600, 2 * 10**9, 60, 1)], {"first_increment": 60}),
    ("{per: 60s, price: 0, connect: 0.001, minimum: 0.5, maximum: 30, "
     "short_call: {up_to: 3s, price: 0}, round: {digits: 2, mode: half_down}}",
     [(0, 0, 60, 60)],
     {"connect_nano": 1_000_000, "minimum_nano": 500_000_000, "maximum_nano": 30 * 10**9,
      "short_call": 3, "digits": 2, "mode": money.ROUND_HALF_DOWN}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tiers", "rest"), RATES)
def test_rate_means_what_is_written(
    tmp_path: Path, text: str, tiers: list[tuple[int, int, int, int]], rest: dict[str, object]
) -> None:
    found = load_rate(tmp_path, text)
    wanted = {"name": "x", "unit": "second", "tiers": tuple(Tier(*tier) for tier in tiers),
              "at": found.at, **rest}  # fmt: skip
    assert found == Rate(**wanted)  # type: ignore[arg-type]
    assert (found.at.file, found.at.line) == ("tariffs/plan.yaml", 3)


@given(st.integers(0, 10**18), st.integers(0, 9))
def test_prices_are_exact(price_nano: int, cut: int) -> None:
    price_nano -= price_nano % 10**cut
    assert money.parse_decimal(money.format_nano(price_nano), 9) == price_nano
    assert Fraction(money.format_nano(price_nano)) == Fraction(price_nano, 10**9)


# Days and hours as written -> day mask and spans in seconds.
BANDS = [
    ('from: "00:00", to: "07:00"', ALL_DAYS, [(0, 25_200)], "00:00-07:00"),
    ('from: 21:00, to: 07:00, days: [sat, holiday]', 0b10100000, [(0, 25_200), (75_600, 86_400)],
     "sat, holidays 21:00-07:00"),
    ('from: "22:30:15", to: "24:00", days: weekday', 0b11111, [(81_015, 86_400)],
     "weekdays 22:30:15-24:00"),
    ('from: "22:00", to: "00:00"', ALL_DAYS, [(79_200, 86_400)], "22:00-00:00"),
    ("name: day off, days: weekend", 0b1100000, [(0, 86_400)], "day off"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "days", "spans", "name"), BANDS)
def test_band_means_what_is_written(
    tmp_path: Path, text: str, days: int, spans: list[tuple[int, int]], name: str
) -> None:
    found = load_rate(tmp_path, f"{{per: 6s, price: 0.07, bands: [{{{text}, price: 0.04}}]}}")
    tiers = (Tier(0, 40_000_000, 6, 6),)
    at = found.bands[0].at
    assert found.bands == tuple(Band(days, low, high, tiers, name, at) for low, high in spans)


def test_band_may_have_its_own_pulse_and_tiers(tmp_path: Path) -> None:
    found = load_rate(tmp_path, "{per: 60s, increments: 60/30, price: 0.10, bands: ["
                      "{to: '07:00', per: 180s, price: 0.10}, {from: '20:00', tiers: "
                      "[{up_to: 60s, price: 0.09}, {price: 0.05, increments: 1}]}]}")  # fmt: skip
    assert found.bands[0].tiers == (Tier(0, 100_000_000, 180, 180),)
    assert found.bands[1].tiers == (Tier(0, 90_000_000, 60, 30), Tier(60, 50_000_000, 60, 1))
    assert found.first_increment == 60


def test_versions_components_and_taxes_of_a_book(tmp_path: Path) -> None:
    rules = ("rates: {x: {per: 60s, price: 1}}\nrules: [{when: {service: voice}, "
             "charge: {%s: x}}, {otherwise: free}]\n")  # fmt: skip
    (tmp_path / "b.yaml").write_text("plan: two\nname: New\nvalid: {from: 2004-01-01}\n"
                                     + rules % "toll")
    (tmp_path / "c.yaml").write_text("plan: two\nname: Old\nvalid: {to: 2004-01-01}\n"
                                     + rules % "airtime")
    (tmp_path / "a.yaml").write_text("plan: one\ntime_zone: Asia/Urumqi\n" + rules % "airtime")
    (tmp_path / "taxes.yaml").write_text(
        "taxes: [{class: standard, name: VAT, percent: 0.5, valid: {to: 2014-06-01}}]\n"
    )
    found = load(tmp_path)
    assert [plan.plan_id for plan in found.plans] == ["one", "two"]
    one, two = found.plans
    assert (one.name, two.name, two.currency) == ("one", "New", "CNY")
    assert [v.time_zone for v in (*one.versions, *two.versions)] == [
        "Asia/Urumqi", "Asia/Shanghai", "Asia/Shanghai"]  # fmt: skip
    assert [(v.valid_from, v.valid_to) for v in two.versions] == [
        (date(1970, 1, 1), date(2004, 1, 1)), (date(2004, 1, 1), None)]  # fmt: skip
    assert found.components == ("airtime", "toll")
    assert found.holidays == {date(2003, 10, 1)}
    assert found.taxes[0].percent_nano == 500_000_000
    assert found.taxes[0].valid_to == date(2014, 6, 1)
    assert found.files == ("a.yaml", "b.yaml", "c.yaml", "taxes.yaml")


def test_rules_and_decks(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("zone,rate\n0044,x\n*,free\n")
    (tmp_path / "p.yaml").write_text(
        "plan: p\nrates: {x: {per: 60s, price: 1}}\nrules:\n"
        "  - {when: {to: [emergency], special: no}, charge: free}\n"
        "  - {when: {service: voice, on_net: yes}, charge: {a: free, b: {by_zone: d.csv}}}\n"
        "  - {otherwise: refuse}\n"
    )
    version = load(tmp_path).plan("p").versions[0]
    first, second, last = version.rules
    assert (first.when.to_zone, first.when.special, first.charges) == (("emergency",), False, ())
    assert (second.when.on_net, second.when.service) == (True, ("voice",))
    assert [(c.component, c.rate, c.by_zone) for c in second.charges] == [
        ("a", "free", ""), ("b", "", "d.csv")]  # fmt: skip
    assert (last.refuse, last.at.line) == (True, 6)
    assert version.decks[0].rates == (
        ("0044", "x"), ("emergency", "free"), ("010", "free"), ("020", "free"))  # fmt: skip


def test_names_are_not_checked_without_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "plan: p\ncurrency: EUR\ntime_zone: Europe/Paris\nrules:\n"
        "  - {when: {relation: far, to: '99', access_code: '1'}, charge: free}\n"
        "  - {otherwise: refuse}\n"
    )
    assert load(tmp_path, book.Known()).plan("p").currency == "EUR"
    (tmp_path / "p.yaml").write_text("plan: p\n" + REFUSE_ALL)
    problems = Problems()
    assert book.load(tmp_path, problems) is None
    assert [p.found for p in problems.found] == [
        "plan 'p': 'currency' is missing", "plan 'p': 'time_zone' is missing"]  # fmt: skip


EXAMPLES = ROOT / "examples" / "china" / "tariffs"
EXAMPLE = (EXAMPLES / "standard-2001.yaml").read_text()


@given(
    st.integers(0, len(EXAMPLE)),
    st.integers(0, 40),
    st.sampled_from(["", "{}", "[]", ": ", "\n", "x", "-1", "price: 1", "\0", "&a ", "0" * 30]),
)
def test_damaged_text_is_refused_or_read_but_never_raises(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for beside in ("common.yaml", "ip.csv"):
        shutil.copy(EXAMPLES / beside, folder)
    (folder / "standard-2001.yaml").write_text(EXAMPLE[:at] + put + EXAMPLE[at + cut :])
    problems = Problems()
    found = book.load(folder, problems, book.Known())
    assert (found is None) == (problems.errors > 0)


def test_an_empty_folder_is_no_book(tmp_path: Path) -> None:
    problems = Problems()
    assert book.load(tmp_path, problems, KNOWN) is None
    assert "no tariff book" in problems.found[0].found


def test_rounding_modes_as_docs_rating_shows_them() -> None:
    text = (ROOT / "docs" / "rating.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    assert {row[0] for row in rows} == set(money.ROUNDING_MODES)
    for mode, *wanted in rows:
        found = [money.round_micro(amount, 2, money.ROUNDING_MODES[mode])
                 for amount in (125_000, 135_000, 125_100)]  # fmt: skip
        assert [money.format_micro(amount) for amount in found] == wanted


@given(st.integers(0, 86_400))
def test_time_of_day_is_read_as_it_is_written(second: int) -> None:
    assert units.parse_time_s(units.time_text(second)) == second
