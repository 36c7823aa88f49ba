"""What changed between two books: in words, and in the charges of calls and of stored records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nights
import pytest
from click.testing import CliRunner

from tariffs import book as books
from tariffs.diff import changes
from tariffs.diff_decks import percent_text
from tariffs.known import Known
from tariffs.model import Book
from tollbook.cli import main
from tollbook.run import session
from tollbook.text import Problems

CASES = Path(__file__).parent / "cases"
TRIAL, RICH = CASES / "trial" / "book", CASES / "written"


def load(folder: Path) -> Book:
    problems = Problems()
    book = books.load(folder, problems, Known(currency="EUR", time_zone="Europe/Berlin"), shown="b")
    problems.refuse_if_any()
    assert book is not None
    return book


def edited(folder: Path, target: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of a book in which texts of its files are exchanged."""
    shutil.copytree(folder, target)
    for name, old, new in edits:
        text = (target / name).read_text("utf-8")
        assert text.count(old) == 1, (name, old)
        (target / name).write_text(text.replace(old, new), "utf-8")
    return target


def said(folder: Path, target: Path, *edits: tuple[str, str, str]) -> list[str]:
    """What ``diff`` says of edits, without the file."""
    found = changes(load(folder), load(edited(folder, target, *edits)))
    return [str(one).partition(": ")[2] if one.at.line else str(one) for one in found]


def test_a_book_is_the_same_as_itself() -> None:
    assert changes(load(RICH), load(RICH)) == ()


RULE = "  - {when: {service: voice, relation: local}, charge: {airtime: local}}\n"
EDITS = (
    ("price: 0.04}", "price: 0.05}",
     "rate toll, night 00:00-07:00: 0.04 / 6 s -> 0.05 / 6 s (+25.0 %)"),
    ("{per: 60s, price: 0.40}", "{per: 60s, price: 0.40, connect: 0.02}",
     "rate local, connection fee: none -> 0.02"),
    ("{per: 60s, price: 0.40}", "{per: 60s, increments: 60/1, price: 0.40}",
     "rate local: 0.40 / 60 s -> 0.40 / 60 s in steps of 1 s"),
    ('[{name: night, from: "00:00", to: "07:00", price: 0.04}]', "[]",
     "rate toll, night 00:00-07:00: gone: 0.04 / 6 s"),
    ("  sms: {", "  mms: {per: event, price: 0.30}\n  sms: {",
     "rate mms: new: 0.30 / event"),
    ("relation: local}, charge: {airtime: local}", "relation: local}, charge: free",
     "rule 3 (voice, relation local): airtime local -> free"),
    (RULE, RULE + "  - {when: {service: voice}, charge: {airtime: local}}\n",
     "rule 4 (voice): new: airtime local"),
    (RULE, "", "rule 3 (voice, relation local): gone: airtime local"),
    ("{otherwise: refuse}", "{otherwise: free}", "rule 6 (everything else): refused -> free"),
    ("valid: {from: 2003-01-01}", "valid: {from: 2003-01-01, to: 2004-01-01}",
     "in force: from 2003-01-01 on -> from 2003-01-01 until 2004-01-01"),
    ("name: Standard", "name: Basic", "name: Standard -> Basic"),
    ("components:", "charge_limit: 50\ncomponents:",
     "limit of one charge: 1000000.00 -> 50.00"),
    ("components:", "recurring: [{charge: rent, price: 5}]\ncomponents:",
     "rent, price a month: none -> 5.00"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "found"), EDITS)
def test_each_change_is_said_in_words(old: str, new: str, found: str, tmp_path: Path) -> None:
    lines = said(TRIAL, tmp_path / "new", ("plan.yaml", old, new))
    assert found in lines
    others = {"rate local, first step: none -> 60 s", "rent, billed: none -> in advance",
              "rent, prorated: none -> days_of_month", "rent, tax class: none -> standard",
              "rate toll, other times: gone: 0.07 / 6 s", "rate toll: new: 0.07 / 6 s"}  # fmt: skip
    assert set(lines) <= {found} | others


def test_a_rule_that_moves_is_one_change(tmp_path: Path) -> None:
    lines = said(
        TRIAL, tmp_path / "new", ("plan.yaml", "  - {when: {special: yes}, charge: free}\n", ""),
        ("plan.yaml", RULE, RULE + "  - {when: {special: yes}, charge: free}\n"),
    )  # fmt: skip
    assert lines == ["rule 3 (special numbers), place: rule 1 -> rule 3"]


def test_decks_are_summed_up(tmp_path: Path) -> None:
    lines = said(
        RICH, tmp_path / "new",
        ("az.csv", ",0.0123,60/6,", ",0.0246,60/6,"),
        ("az.csv", "fixed\",0.0130,", "fixed\",0.0117,"),
        ("az.csv", "447,UK mobile,0.05,1,", "447,UK cellular,0.05,6,"),
        ("named.csv", "7,Russia,,0.5\n", "7,Russia,,0.5\n81,Japan,swallow,\n"),
        ("zones.csv", "020,banded", "020,free"),
        ("taxes.yaml", "percent: 7.25", "percent: 7.5"),
    )  # fmt: skip
    assert lines == [
        "deck zones.csv, 020: banded -> free",
        "deck az.csv: 3 rows -> 3 rows: 1 prices up (+100.0 % in the mean), "
        "1 prices down (-10.0 % in the mean), 1 rows otherwise changed, 1 destinations renamed",
        "deck named.csv: 3 rows -> 4 rows: 1 rows new",
        "tax Reduced VAT of class reduced from 1970-01-01: 7.25 % -> 7.5 %",
    ]


def test_plans_come_and_go_and_a_new_version_is_told_beside_the_one_before(tmp_path: Path) -> None:
    valid = "valid: {from: 2003-01-01}", "valid: {from: 2003-01-01, to: 2004-01-01}"
    new = edited(TRIAL, tmp_path / "new", ("plan.yaml", *valid))
    text = (TRIAL / "plan.yaml").read_text("utf-8")
    later = text.replace("{from: 2003-01-01}", "{from: 2004-01-01}").replace("0.40}", "0.36}")
    (new / "later.yaml").write_text(later, "utf-8")
    (new / "other.yaml").write_text(text.replace("plan: standard", "plan: other"), "utf-8")
    found = changes(load(TRIAL), load(new))
    assert [(one.plan, one.version, one.what, one.about, one.new) for one in found] == [
        ("standard", "2003-01-01", "changed", "in force", "from 2003-01-01 until 2004-01-01"),
        ("standard", "2004-01-01", "new", "the version",
         "from 2004-01-01 on, beside that from 2003-01-01"),
        ("standard", "2004-01-01", "changed", "rate local", "0.36 / 60 s (-10.0 %)"),
        ("other", "", "new", "the plan", "Standard, 1 version"),
    ]
    assert [(one.plan, one.what, one.about) for one in changes(load(new), load(TRIAL))] == [
        ("other", "gone", "the plan"), ("standard", "changed", "in force"),
        ("standard", "gone", "the version"),
    ]  # fmt: skip


def test_shares_round_half_up() -> None:
    found = [percent_text(one, of) for one, of in (
        (1, 7), (-1, 8), (1, 2000), (0, 5), (1, 9000), (-1, 9000))]  # fmt: skip
    assert found == ["+14.3 %", "-12.5 %", "+0.1 %", "0.0 %", "+0.0 %", "-0.0 %"]


def diff(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main.cli, ["tariff", "diff", *map(str, arguments)])
    return done.exit_code, done.output


def test_calls_are_priced_by_both_books(tmp_path: Path) -> None:
    new = edited(TRIAL, tmp_path / "new", ("plan.yaml", "price: 0.04}", "price: 0.05}"),
                 ("plan.yaml", "  - {when: {service: sms}, charge: {message: sms}}\n", ""))
    calls = CASES / "trial" / "calls.csv"
    code, output = diff(TRIAL, new, "--calls", calls)
    assert code == 0
    assert ("9 records compared, 6 priced by both books, 1 without a price in both, "
            "5 differ\n") in output
    assert "old 4.40, new 4.22 EUR, difference -0.18 (-4.1 %)\n" in output
    assert "priced -> no_rate: 2 records\n" in output
    greatest = output[output.index("record ") :].splitlines()[1:]
    assert [line.split()[1] for line in greatest] == ["6", "7", "10", "11", "4"]
    assert greatest[2].endswith("airtime 0.40 toll 0.40  airtime 0.40 toll 0.50       +0.10")
    code, output = diff(TRIAL, new, "--calls", calls, "--json", "--limit", 1)
    found = json.loads(output)
    assert found["records"] == {
        "records": 9, "differ": 5, "old": "4.40", "new": "4.22", "difference": "-0.18",
        "priced_by_both": 6, "without_a_price_in_both": 1}  # fmt: skip
    assert [(one["old"]["charge"], one["new"]["reason"]) for one in found["greatest"]] == [
        ("0.30", "no_rate")]  # fmt: skip
    assert {one["plan"] for one in found["rules"]} == {"standard"}


def test_stored_records_are_priced_by_both_books(tmp_path: Path) -> None:
    """By the book of the night itself they come to what the night stored."""
    import calls

    root = calls.make(tmp_path / "harbour")
    calls.deliver(root, 1, calls.Call(), calls.Call(served=calls.BOB))
    calls.run(root)
    code, output = diff(root, root, "--period", "2003-06")
    assert (code, output.splitlines()[0]) == (0, "nothing changed")
    stored = sum(
        one.rows for one in session.open_session(root).catalogue.lake_files("rated")
    )
    assert f"{stored} records compared, {stored} priced by both books, 0 differ" in output
    new = nights.copy(root, tmp_path / "new")
    for path in (new / "tariffs").glob("*.yaml"):
        path.write_text(path.read_text("utf-8").replace("price: 0.40", "price: 0.50"), "utf-8")
    code, output = diff(root, new, "--period", "2003-06", "--sample", 1)
    assert code == 0
    assert "1 record compared, 1 priced by both books" in output
    code, output = diff(root, new, "--period", "2001-01")
    assert (code, "allowed: 2003-06" in output) == (1, True)


def test_wrong_use_is_told() -> None:
    assert diff(TRIAL, TRIAL, "--period", "2003-06")[1].endswith(
        "--period reads the lake of OLD, which is no workspace; use --calls\n")
    assert diff(TRIAL, TRIAL, "--sample", 5)[0] == 2
    assert diff(TRIAL, TRIAL, "--calls", "x.csv", "--period", "2003-06")[0] == 2


def test_charges_of_two_currencies_are_not_compared(tmp_path: Path) -> None:
    new = edited(TRIAL, tmp_path / "new", ("plan.yaml", "currency: EUR", "currency: USD"))
    assert diff(TRIAL, new)[0] == 0
    code, output = diff(TRIAL, new, "--calls", CASES / "trial" / "calls.csv")
    assert (code, "are in USD, those of the old book in EUR" in output) == (1, True)


def test_what_an_item_leaves_out_is_said_where_it_changes(tmp_path: Path) -> None:
    whole = "name: minutes, amount: 100min, increment: 60s, rest: start, mode: overrun"
    items = "  - {otherwise: refuse}\nallowances:\n  - {%s}\n"
    old = edited(TRIAL, tmp_path / "old", ("plan.yaml", "  - {otherwise: refuse}\n", items % (
        f"{whole}, when: {{service: voice}}, covers: airtime, priority: 2")))  # fmt: skip
    lines = said(old, tmp_path / "new", ("plan.yaml", ", rest: start, mode: overrun", ""),
                 ("plan.yaml", ", priority: 2", ""))  # fmt: skip
    assert lines == [
        "allowance minutes, priority: 2 -> 0",
        "allowance minutes, mode: overrun -> partial",
        "allowance minutes, the rest: is priced from the start -> stays where it is in the usage",
    ]
