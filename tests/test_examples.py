"""The example books load without a finding; their calls cost what is written beside them.

``test_business.py`` prices the same files by the kernels; here trace and naive twin work alone,
from facts that were read in plain Python.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import reference_rating
from click.testing import CliRunner
from rating_helpers import batch_of, usage_columns

from bench import make_az
from rating import ratings, trace, trial
from rating.rate import rate
from rating.trace import Facts
from tariffs.compile_rates import Maxima
from tariffs.units import parse_quantity
from tollbook import codes, money, schemas, workspace
from tollbook.cli import main
from tollbook.cli.tariff_books import Opened, open_book
from tollbook.text import Problems

EXAMPLES = Path(__file__).parents[1] / "examples"
ROWS = {"china": 60, "mvno": 40, "wholesale": 60}  # calls that each example has at least
WORKED = {
    "china": "E01 E02 E03 E05 E06 E08 E09 E10 E12 E14 E15 E18 E19 E20 E21 E23 E24 E26 E29 E30 E32"
    " E33 E35 E36 E38 E40 E42 E43 E45 E46",
}
REMEMBERED = {"china": "allowances.csv", "mvno": "bundle.csv"}  # calls that share what they have
MAXIMA = Maxima()
_COUNTED = {"voice": "duration_s", "video": "duration_s", "data": "up_bytes"}
_WORDS = {  # column of a calls file -> fact
    "relation": "relation", "zone": "other_zone", "from": "served_zone", "home": "home_zone",
    "home_relation": "home_relation", "roaming": "roaming", "access_code": "access_code",
    "forward": "forward", "boundary": "boundary", "carrier": "carrier",
}  # fmt: skip
_FLAGS = ("on_net", "special", "same_place", "friend", "group")


@cache
def opened(example: str) -> Opened:
    problems = Problems()
    found = open_book(EXAMPLES / example, problems)
    assert not problems.found, "\n".join(map(str, problems.found))
    return found


@cache
def calls(example: str, name: str = "calls.csv") -> tuple[dict[str, str], ...]:
    with (EXAMPLES / example / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(line for line in file if not line.startswith("#")))


def facts_of(cells: Mapping[str, str], time_zone: str) -> Facts:
    start = datetime.fromisoformat(cells["start"])
    if start.tzinfo is None:
        start = start.replace(tzinfo=ZoneInfo(time_zone))
    service = cells.get("service") or "voice"
    used, _, down = cells["used"].partition("+")
    return Facts(
        service,
        cells.get("direction") or "out",
        int(start.timestamp()),
        **{_COUNTED.get(service, "event_count"): quantity(used)},  # type: ignore[arg-type]
        **{fact: cells[column] for column, fact in _WORDS.items() if cells.get(column)},
        **{flag: cells.get(flag) == "yes" for flag in _FLAGS},
        down_bytes=quantity(down),
        other_e164=int(cells.get("number") or 0),
        routing_e164=int(cells.get("routing") or 0),
    )


def quantity(text: str) -> int:
    if text.isdigit() or not text:
        return int(text or 0)
    parsed = ("", 0) if text == "0s" else parse_quantity(text)
    assert parsed, text
    return parsed[1]


def expected(text: str) -> tuple[str, dict[str, Fraction]]:
    """Reason, and the charges that are not zero."""
    pairs = [word.split("=") for word in text.split() if "=" in word]
    charges = {name: Fraction(amount) for name, amount in pairs}
    return ("" if charges or text == "free" else text), charges


def shown(charges: Mapping[str, int]) -> dict[str, Fraction]:
    return {name: Fraction(micro, 10**6) for name, micro in charges.items() if micro}


def test_prices_of_2003_in_china() -> None:
    """The prices of the plan, as they were published."""
    version = opened("china").book.plan("standard").versions[1]
    prices = {
        rate.name: (money.format_nano(rate.tiers[0].price_nano), rate.tiers[0].per, rate.unit)
        for rate in version.rates
    }
    assert prices == {
        "local": ("0.40", 60, "second"), "roaming": ("0.60", 60, "second"),
        "toll": ("0.07", 6, "second"), "hkmt": ("0.20", 6, "second"),
        "intl": ("0.80", 6, "second"), "intl_night": ("0.80", 6, "second"),
        "ip": ("0.30", 60, "second"), "ip_hkmt": ("1.50", 60, "second"),
        "ip_america": ("2.40", 60, "second"), "ip_local": ("0.30", 60, "second"),
        "ip_card": ("0.30", 60, "second"),
        "sms": ("0.10", 1, "event"), "gprs": ("0.03", 1024, "byte"),
    }  # fmt: skip
    assert version.rate("toll").bands[0].tiers[0].price_nano == 40_000_000
    assert version.rate("intl_night").bands[0].tiers[0].price_nano == 480_000_000
    assert version.recurring[0].price_micro == 50 * money.MICRO


@pytest.mark.parametrize("example", ROWS)
def test_calls_cost_what_is_written_beside_them(example: str) -> None:
    book = opened(example).book
    wrong = []
    for cells in calls(example):
        zone = book.plan(cells["plan"]).versions[0].time_zone
        facts, wanted = facts_of(cells, zone), expected(cells["expect"])
        steps = trace.price(book, cells["plan"], facts, MAXIMA)
        naive = reference_rating.rate(book, cells["plan"], facts, MAXIMA)
        parts = {part.component: part.charge_micro for part in steps.components}
        for way, found in (("trace", (steps.reason, shown({} if steps.reason else parts))),
                           ("twin", (naive.reason, shown(naive.charges)))):  # fmt: skip
            if found != wanted:
                wrong.append(f"{cells['name']}: {way} {found}, not {cells['expect']}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("example", ROWS)
def test_every_sum_is_written_down(example: str) -> None:
    """Sums that end in `= x` end in the whole charge."""
    rows = calls(example)
    assert len(rows) >= ROWS[example]
    assert len({cells["name"] for cells in rows}) == len(rows)
    for cells in rows:
        _, is_sum, total = cells["arithmetic"].rpartition("= ")
        assert cells["arithmetic"]
        if is_sum:
            assert Fraction(total) == sum(expected(cells["expect"])[1].values()), cells["name"]


@pytest.mark.parametrize("example", WORKED)
def test_worked_examples_are_all_there(example: str) -> None:
    names = [cells["name"].split()[0] for cells in calls(example)]
    worked = [name for name in names if name[0] == "E" and name[1:].isdigit()]
    assert worked == WORKED[example].split()


@pytest.mark.parametrize("example", ROWS)
def test_every_plan_and_component_is_tried(example: str) -> None:
    book = opened(example).book
    files = ["calls.csv", *([REMEMBERED[example]] if example in REMEMBERED else [])]
    tried = {cells["plan"] for file in files for cells in calls(example, file)}
    assert tried == {plan.plan_id for plan in book.plans}
    named = {name for cells in calls(example) for name in expected(cells["expect"])[1]}
    assert named == set(book.components)


@pytest.mark.parametrize("example", ROWS)
def test_the_readme_does_sums_of_the_file(example: str) -> None:
    """Three calls at least, each with the arithmetic of its row."""
    readme = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    told = [cells for cells in calls(example)
            if f"| {cells['name']} | {cells['arithmetic']} |" in readme]  # fmt: skip
    assert len(told) >= 3


@pytest.mark.parametrize(("example", "file"), REMEMBERED.items())
def test_calls_use_up_what_is_included(example: str, file: str) -> None:
    """Calls of one account after the other, by the command; each sum ends in what is charged."""
    path = EXAMPLES / example / file
    command = ["tariff", "price", str(EXAMPLES / example), "--calls", str(path)]
    done = CliRunner().invoke(main.cli, [*command, "--check"])
    assert (done.exit_code, done.output.splitlines()[0]) == (
        0, f"{len(calls(example, file))} calls compared, 0 differ")  # fmt: skip
    for cells in calls(example, file):
        _, is_sum, total = cells["arithmetic"].rpartition("= ")
        if is_sum and ";" not in cells["arithmetic"]:
            assert Fraction(total) == sum(expected(cells["expect"])[1].values()), cells["name"]


def test_what_a_call_used_is_told_beside_its_steps() -> None:
    example = EXAMPLES / "china"
    done = CliRunner().invoke(main.cli, ["tariff", "price", str(example), "--calls",
                                         str(example / "allowances.csv"), "--explain"])  # fmt: skip
    told = next(part for part in done.output.split("\n\n") if "E47 one minute left" in part)
    assert [" ".join(line.split()) for line in told.splitlines()[-2:]] == [
        "total 0.80 CNY", "used allowance minutes: 60 s, after 10,140 s before",
    ]  # fmt: skip


def test_margins_of_the_wholesale_example() -> None:
    """Further ratings by the carriers of the trunks: sold to delta, bought from a vendor."""
    with (EXAMPLES / "wholesale" / "margins.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    _, net, customers = workspace.load_all(EXAMPLES / "wholesale")
    known = opened("wholesale")
    compiled = trial.prepare(known.book, known.words, "", known.maxima).compiled
    facts = [facts_of({**cells, "relation": "abroad", "zone": "world"}, "UTC") for cells in rows]
    trunk = {"delta": 2, "alpha": 0, "beta": 1}
    columns = usage_columns(facts, compiled) | {
        "plan_index": [compiled.plan_ids.index("sell")] * len(rows),
        "trunk_in_index": [trunk["delta"]] * len(rows),
        "trunk_out_index": [trunk[cells["buy"]] for cells in rows],
    }
    rated = rate(batch_of(schemas.USAGE, len(rows), columns), compiled).batch
    assignment = ratings.assign(customers.accounts, net, compiled)
    more = ratings.rate_more(rated, compiled, assignment).extra["ratings"].to_pylist()
    found = [Fraction(0)] * len(rows)
    for one in more:
        assert not one["reason"]
        sign = 1 if codes.RATING_KINDS[one["rating_kind"]] == "sell" else -1
        found[one["record_id"]] += Fraction(sign * one["charge_micro"], money.MICRO)
    assert found == [Fraction(cells["margin"]) for cells in rows]
    assert len(more) == 2 * len(rows)
    assert all(cells["arithmetic"].endswith(f"= {cells['margin']}") for cells in rows)
    assert min(found) < 0 < max(found)


def sheet(name: str) -> list[dict[str, str]]:
    path = EXAMPLES / "wholesale" / "tariffs" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_the_sheet_is_what_its_generator_makes() -> None:
    """At least 20,000 codes; every vendor's price follows from the sheet's, row by row."""
    az = {row["prefix"]: row for row in sheet("az") if not row["valid_from"]}
    assert len(az) >= 20_000
    for prefix in ("49", "44", "4420", "81", "813", "870"):
        row = az[prefix]
        kind = "satellite" if prefix == "870" else "country" if len(prefix) == 2 else "city"
        country = {"49": "Germany", "44": "United Kingdom", "81": "Japan", "87": "Inmarsat"}
        made = make_az.price_of(kind, country[prefix[:2]], row["destination"])
        assert row["price"] == make_az.amount(made)
    for vendor in ("alpha", "beta"):
        rows = sheet(vendor)
        assert rows[0]["prefix"] == "1"
        for row in rows[1:]:
            sold = int(az[row["prefix"]]["price"].replace(".", ""))
            asked = make_az.vendor_price(vendor, sold, az[row["prefix"]]["destination"])
            assert row["price"] == make_az.amount(asked)
    for name in make_az.US_CODES:
        made_rows = [line.split(",")[:3] for line in make_az.us_rows(name)]
        found = [[r["prefix"], r["destination"], r["price"]] for r in sheet(f"us-{name}")]
        assert made_rows == found


CALLS = ("china/calls.csv", "china/records.csv", "mvno/calls.csv", "wholesale/calls.csv")


@pytest.mark.parametrize("calls_file", CALLS)
def test_the_command_finds_no_difference(calls_file: str) -> None:
    """The kernels; and for records, the rules of place from what switches write to the charge."""
    path = EXAMPLES / calls_file
    done = CliRunner().invoke(
        main.cli, ["tariff", "price", str(path.parent), "--calls", str(path), "--check"]
    )
    assert done.exit_code == 0, done.output
    assert "0 differ" in done.output


def test_sums_of_records_end_in_the_charge() -> None:
    with (EXAMPLES / "china" / "records.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for cells in rows:
        _, is_sum, whole = cells["arithmetic"].rpartition("= ")
        charge = sum(expected(cells["expect"])[1].values())
        assert Fraction(whole) == charge if is_sum else charge == 0, cells["name"]


def test_the_sheet_comes_out_the_same_again() -> None:
    """Made anew from the tables that are installed; the same to the byte from the same tables."""
    import phonenumbers

    rows = list(make_az.sell_rows(make_az.codes()))
    assert len({row.partition(",")[0] for row in rows}) >= 20_000
    text = (EXAMPLES / "wholesale" / "tariffs" / "az.csv").read_text(encoding="utf-8")
    source, header, *stored = text.splitlines()
    assert header == make_az.HEADER
    is_same = f"phonenumbers {phonenumbers.__version__}," in source
    assert stored == rows if is_same else len(stored) >= 20_000
