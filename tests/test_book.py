"""The tariff book: what the text means, and the message that each broken book gets."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tariffs import book, units
from tariffs.model import ALL_DAYS, Band, Book, Rate, Tier
from tollbook import money
from tollbook.cli import main
from tollbook.text import Problems

ROOT = Path(__file__).parent.parent
BROKEN = Path(__file__).parent / "broken" / "tariffs"
KNOWN = book.Known(
    zones=("emergency", "010", "020", "0044"),
    relations=("local", "toll", "international"),
    access_codes=("17911",),
    holidays=frozenset({date(2003, 10, 1)}),
    currency="CNY",
    time_zone="Asia/Shanghai",
)
REFUSE_ALL = "rules: [{otherwise: refuse}]\n"


def load(folder: Path, known: book.Known = KNOWN) -> Book:
    """A book that must have no error."""
    problems = Problems()
    found = book.load(folder, problems, known)
    problems.refuse_if_any()
    assert found is not None
    return found


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


def broken_cases() -> dict[str, list[tuple[str, int, str, str]]]:
    """expected.csv by case: the file, line, severity and words of every problem."""
    cases: dict[str, list[tuple[str, int, str, str]]] = {}
    with (BROKEN / "expected.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            problem = (f"tariffs/{row['file']}", int(row["line"]), row["severity"], row["found"])
            cases.setdefault(row["case"], []).append(problem)
    return cases


@pytest.mark.parametrize("case", sorted(broken_cases()))
def test_broken_book_gets_all_its_messages_at_once(tmp_path: Path, case: str) -> None:
    folder = BROKEN / case
    if not folder.is_dir():
        folder = tmp_path
        shutil.copy(BROKEN / f"{case}.yaml", tmp_path)
    problems = Problems()
    found = book.load(folder, problems, KNOWN)
    wanted = broken_cases()[case]
    assert sorted((p.file, p.line, p.severity, p.found) for p in problems.found) == sorted(wanted)
    assert all(p.allowed and p.do for p in problems.found)
    assert (found is None) == any(severity == "error" for _, _, severity, _ in wanted)


def test_every_broken_book_is_in_the_table() -> None:
    cases = {path.stem for path in BROKEN.iterdir() if path.name != "expected.csv"}
    assert cases == set(broken_cases())


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


def doc_blocks(kind: str) -> list[str]:
    text = (ROOT / "docs" / "tariffs.md").read_text()
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


DOC_KNOWN = book.Known(
    zones=("emergency", "police", "010", "GB", "JP"),
    relations=("local", "toll", "hkmt", "international"),
    access_codes=("17911",), currency="CNY", time_zone="Asia/Shanghai",
)  # fmt: skip


@pytest.mark.parametrize("block", doc_blocks("yaml"))
def test_every_snippet_of_the_guide_is_read(tmp_path: Path, block: str) -> None:
    """A snippet of rates or rules stands for the rest of a plan; taxes need a plan beside them."""
    for deck in doc_blocks("csv"):
        (tmp_path / deck.splitlines()[0].removeprefix("# ")).write_text(deck)
    head = "" if block.startswith(("plan:", "taxes:")) else "plan: snippet\n"
    tail = "" if "rules:" in block or block.startswith("taxes:") else REFUSE_ALL
    (tmp_path / "snippet.yaml").write_text(head + block + tail)
    if block.startswith("taxes:"):
        (tmp_path / "plan.yaml").write_text("plan: p\n" + REFUSE_ALL)
    found = load(tmp_path, DOC_KNOWN)
    assert found.plans or found.taxes


def test_the_message_that_the_guide_shows(tmp_path: Path) -> None:
    shutil.copy(BROKEN / "band_gap.yaml", tmp_path)
    problems = Problems()
    book.load(tmp_path, problems, KNOWN)
    assert str(problems.found[0]) in doc_blocks("text")[0]


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


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample operator, as far as ``tariff check`` reads it."""
    shutil.copytree(ROOT / "tollbook" / "sample", tmp_path / "sample")
    return tmp_path / "sample"


def run_check(folder: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(main.cli, ["tariff", "check", "-C", str(folder), *options])
    return done.exit_code, done.output


def test_check_finds_the_sample_operator_in_order(sample: Path) -> None:
    code, output = run_check(sample)
    assert (code, output.count("\n")) == (0, 1)
    assert output.startswith("no error in 6 files; the book can be used: 3 plans in 4 versions")
    code, output = run_check(sample, "--json")
    assert code == 0
    assert json.loads(output)["book"]["plans"] == 3


def test_check_reports_book_and_agreements_together(sample: Path) -> None:
    plan = sample / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text().replace("price: 0.60}", "price: 0,60}", 1))
    with (sample / "network" / "agreements.csv").open("a") as file:
        file.write("x,nobody,out,voice,*,0.06,60s,,,,,,\n")
    code, output = run_check(sample)
    assert code == 1
    assert "tariffs/easy.yaml:10: " in output
    assert "'carrier' is 'nobody'" in output
    assert output.endswith("2 errors in 2 files; nothing was compiled\n")
    code, output = run_check(sample, "--json")
    found = json.loads(output)
    assert (code, found["errors"], found["warnings"], found["book"]) == (1, 2, 0, None)
    assert {(p["file"], p["severity"]) for p in found["problems"]} == {
        ("network/agreements.csv", "error"), ("tariffs/easy.yaml", "error")}  # fmt: skip


def test_check_compiles_the_book_to_prove_that_no_charge_overflows(sample: Path) -> None:
    plan = sample / "tariffs" / "easy.yaml"
    huge = "local: {per: 60s, price: 1000000000}"
    plan.write_text(plan.read_text().replace("local: {per: 60s, price: 0.60}", huge))
    code, output = run_check(sample)
    assert code == 1
    assert "tariffs/easy.yaml:10: rate 'local'" in output


def test_check_passes_over_warnings(sample: Path) -> None:
    (sample / "tariffs" / "spare.csv").write_text("zone,rate\n")
    code, output = run_check(sample)
    assert code == 0
    assert "0 errors, 1 warning in 1 file; the book can be used: 3 plans" in output
