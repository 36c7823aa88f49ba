"""What ``tollbook tariff show`` prints: a plan in words, prices joined where they are equal."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from tariffs import book as books
from tariffs import show, words
from tariffs.known import Known
from tariffs.model import Book, PrefixDeck
from tollbook.cli import main
from tollbook.text import Problems

CASES = Path(__file__).parent / "cases"
TRIAL = """\
standard  Standard  (EUR)
  in force: from 2003-01-01 on, Europe/Berlin
  written in: plan.yaml

rules: the first that holds is applied
  1  special numbers               free                       book/plan.yaml:17
  2  voice, relation toll, to 020  airtime local, toll toll   book/plan.yaml:18
  3  voice, relation local         airtime local              book/plan.yaml:19
  4  sms                           message sms                book/plan.yaml:20
  5  data                          data bytes                 book/plan.yaml:21
  6  everything else               refused                    book/plan.yaml:22

airtime
  rate   for         price        terms
  local  rules 2, 3  0.40 / 60 s         book/plan.yaml:9

toll
  rate  for     other times  night 00:00-07:00  terms
  toll  rule 2  0.07 / 6 s   0.04 / 6 s                book/plan.yaml:10

message
  rate  for     price         terms
  sms   rule 4  0.10 / event         book/plan.yaml:14

data
  rate   for     price         terms
  bytes  rule 5  0.03 / 1 KiB  volumes up and down apart  book/plan.yaml:15
"""


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen is as wide wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "120")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main.cli, ["tariff", "show", *arguments])
    return done.exit_code, done.output


def squeezed(text: str) -> list[str]:
    """Lines with single blanks: how wide columns are is rich's affair."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture(scope="module")
def rich_book() -> Book:
    problems = Problems()
    known = Known(currency="EUR", time_zone="Europe/Berlin")
    book = books.load(CASES / "written", problems, known)
    problems.refuse_if_any()
    assert book is not None
    return book


def test_a_plan_is_shown_in_words() -> None:
    code, output = run(str(CASES / "trial" / "book"))
    assert code == 0
    assert squeezed(output) == squeezed(TRIAL)


def test_the_plans_of_a_book_are_listed() -> None:
    code, output = run(str(CASES / "written"))
    assert (code, [line.split()[0] for line in output.splitlines()]) == (
        0, ["plan", "other", "plain", "rich"])  # fmt: skip
    code, output = run(str(CASES / "written"), "rihc")
    assert code == 2
    assert "the book has no plan 'rihc'; it has other, plain, rich; did you mean 'rich'?" in output


def test_a_day_without_a_version_is_told() -> None:
    code, output = run(str(CASES / "written"), "rich", "--on", "2005-01-01")
    assert code == 2
    said = "plan 'rich' has no version on 2005-01-01; it has 2003-01-01 to 2004-02-29"
    assert said in " ".join(output.split())


def test_every_word_of_a_rich_plan_is_said(rich_book: Book) -> None:
    plan = rich_book.plan("rich")
    found = show.sheet(plan, plan.versions[0], date(2003, 7, 1))
    assert dict(found.head)["without a price"] == "plan plain, then other is asked"
    assert [rule.when for rule in found.rules][3] == (
        "voice, from 020, boundary none, on net, not both in one place, friends, "
        "not within a group"
    )
    toll = next(table for table in found.tables if table.component == "toll")
    rows = {(row.rate, row.of[-1]): row for group in toll.groups for row in group.rows}
    banded = next(row for (rate, _), row in rows.items() if rate == "banded")
    assert banded.prices == {
        "other times": "0.07 / 6 s",
        "night 22:00-07:00": "0.04 / 6 s",
        "feast 2003-02-01..2003-02-07, 2003-05-01": "0.02 / 6 s, connection 0.00",
        "christmas weekdays, weekends 12-24..01-02, 12-06": "0.01 / 6 s",
        "first days 1, last of months 1, 7 of years 2014": "0.01 / 6 s",
        "sunday 12:00:30-24:00":
            "0.03 / 6 s up to 60 s, then 0.30 / 60 s in steps of 10 s, 1.00 on entering it",
    }  # fmt: skip
    assert banded.terms == "weights feast 10, christmas 5, first -7, sunday 20"
    fixed = rows["az.csv", "44 United Kingdom, fixed"]
    assert (fixed.prices, fixed.at.line) == (
        {"other times": "0.013 / 60 s in steps of 6 s",
         "cheap 20:00-24:00": "0.007865 / 60 s in steps of 6 s"}, 4)  # fmt: skip
    assert rows["az.csv", "447 UK mobile"].terms == (
        "connection fee 0.01; at least 0.02")
    rate = plan.versions[0].rate("staged")
    assert words.terms_text(rate) == (
        "rounded half_up to 4 decimals, before that by increment: up to 5")


def test_a_number_finds_its_rows(rich_book: Book) -> None:
    deck: PrefixDeck = rich_book.plan("rich").versions[0].prefix_decks[0]
    day_s = 86_400 * (date(2003, 7, 1) - date(1970, 1, 1)).days

    def lines(prefix: str, wall_s: int) -> list[int]:
        return [int(deck.rows.lines[row]) for row in show.prefix_rows(deck, wall_s, prefix)]

    assert lines("4477", day_s) == [5]
    assert lines("44", day_s) == [4, 5]
    assert lines("4", day_s) == [4, 5]
    assert lines("4420", day_s) == [4]
    assert lines("4420", day_s - 100 * 86_400) == [3]
    assert lines("49", day_s) == []


def test_json_says_the_same() -> None:
    code, output = run(str(CASES / "trial" / "book"), "--json")
    assert code == 0
    found = json.loads(output)
    assert found["rules"][1] == {
        "number": 2, "when": "voice, relation toll, to 020", "charge": "airtime local, toll toll",
        "at": {"file": "book/plan.yaml", "line": 18},
    }  # fmt: skip
    assert found["tables"][1]["groups"][0]["rows"][0]["prices"] == {
        "other times": "0.07 / 6 s", "night 00:00-07:00": "0.04 / 6 s"}  # fmt: skip


def test_numbers_and_names_are_short() -> None:
    assert show.numbers_text([1, 2, 4, 5, 6, 9]) == "1, 2, 4-6, 9"
    assert show.names_text([*"abcdefgh"]) == "a, b, c, d, e, f and 2 more"


def test_a_plan_of_the_present_folder_can_be_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES.parents[1] / "examples" / "mvno")
    [plan, *_] = json.loads(CliRunner().invoke(main.cli, ["tariff", "show", "--json"]).output)
    alone, whole = (
        CliRunner().invoke(main.cli, ["tariff", "show", *words, plan["plan"]])
        for words in ((), (".",))
    )
    assert alone.exit_code == 0
    assert alone.output == whole.output
    other = CliRunner().invoke(main.cli, ["tariff", "show", "nothing"])
    assert other.exit_code == 2
    assert "nothing" in other.output
