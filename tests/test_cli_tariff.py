"""``tollbook tariff price`` on the command line: one call, files, JSON, checks, wrong use."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tollbook.cli import main, tariff, tariff_import

TRIAL = Path(__file__).parent / "cases" / "trial"
BOOK, CALLS = str(TRIAL / "book"), str(TRIAL / "calls.csv")
ONE = ("--start", "2003-06-10 06:59:50", "--used", "61s", "--set", "relation=toll", "--set",
       "zone=020")  # fmt: skip


def run(*arguments: str, given: str | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(main.cli, ["tariff", "price", BOOK, *arguments], input=given)
    return done.exit_code, done.stdout, done.stderr


def test_one_call_is_shown_step_by_step() -> None:
    code, output, errors = run(*ONE)
    assert (code, errors) == (0, "")
    assert output == """\
the call  priced
  what       voice out, 61 s
  when       Tue 2003-06-10 06:59:50 Europe/Berlin
  facts      relation toll, to 020
  plan       standard (Standard), version 2003-01-01, book/plan.yaml:6
  rule       2 of 6, book/plan.yaml:18, is the first that holds: service is voice, \
relation is toll, to is 020
  airtime    local       2 x 60 s at 0.40                        0.80
  toll       toll night  2 x 6 s at 0.04   06:59:50 .. 07:00:02  0.08
             toll        9 x 6 s at 0.07   07:00:02 .. 07:00:56  0.63
             together                                            0.71
  total                                                          1.51  EUR

"""


def test_a_call_without_a_price_says_what_to_do() -> None:
    code, output, _ = run("--start", "2003-06-10 10:00:00", "--used", "1", "--service", "mms")
    assert code == 0
    assert output.splitlines()[0] == "the call  no_rate"
    assert output.splitlines()[-2].startswith("  do         ")


UNDATED = """\
plan: x
currency: CNY
time_zone: Asia/Shanghai
components: [airtime, toll]
round: {digits: 2, mode: half_up}
rates: {local: {per: 60s, price: 0.60}}
rules:
  - when: {service: voice}
    charge: {airtime: local, toll: {by_relation: {near: local, far: free}}}
  - {otherwise: refuse}
allowances:
  - {name: a, amount: 2min, when: {relation: home}, covers: airtime, increment: 60s}
"""


def test_a_table_without_the_row_is_named(tmp_path: Path) -> None:
    """The rule holds: that no rule fits would send people to the wrong place. A relation that only
    an allowance names is a word of the book, and a version without `valid` has no first day."""
    (tmp_path / "x.yaml").write_text(UNDATED)
    assert CliRunner().invoke(main.cli, ["tariff", "check", str(tmp_path)]).exit_code == 0
    words = ["tariff", "price", str(tmp_path), "--start", "2003-06-10 10:00:00", "--used", "61",
             "--set", "relation=home"]  # fmt: skip
    lines = CliRunner().invoke(main.cli, words).stdout.splitlines()
    assert lines[4] == "  plan       x (x), version from the beginning, " + (
        f"{tmp_path.name}/x.yaml:1")
    assert lines[6:8] == [
        "  no rate    toll by relation (near: local, far: free): nothing there fits",
        "  do         add the row to the table, then retry"]  # fmt: skip


def test_what_is_refused_is_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(UNDATED.replace("amount: 2min", "amount: 2"))
    for words in (["price", str(tmp_path), "--start", "2003-06-10 10:00:00", "--used", "61"],
                  ["diff", str(tmp_path), BOOK]):  # fmt: skip
        done = CliRunner().invoke(main.cli, ["tariff", *words, "--json"])
        found = json.loads(done.stdout)
        assert (done.exit_code, done.stderr, found["errors"], found["warnings"]) == (1, "", 1, 0)
        assert [(one["line"], one["found"]) for one in found["problems"]] == [
            (12, "allowance 'a': 'amount' is '2'")]  # fmt: skip
        assert CliRunner().invoke(main.cli, ["tariff", *words]).stdout == ""


def test_a_file_is_a_table_of_prices_and_a_sum() -> None:
    code, output, _ = run("--calls", CALLS, "--limit", "2")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert code == 0
    assert lines[0] == "line name result plan version rule airtime toll charge"
    assert lines[2] == "4 over seven priced standard 2003-01-01 2 0.80 0.71 1.51 EUR"
    assert lines[3] == "... and 7 calls more: -o FILE.csv writes all"
    assert lines[-2] == (
        "9 calls, 8 priced: 4.40 EUR (airtime 2.40, toll 1.51, message 0.40, data 0.09)")
    assert lines[-1] == "1 without a price: no_rate"


def test_every_call_is_written_with_exact_amounts(tmp_path: Path) -> None:
    target = tmp_path / "priced.csv"
    code, output, _ = run("--calls", CALLS, "-o", str(target))
    assert (code, output.splitlines()[0][:20]) == (0, "9 calls, 8 priced: 4")
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert rows[1] == {
        "line": "4", "name": "over seven", "reason": "", "plan": "standard",
        "version": "2003-01-01", "rule": "2", "charge_airtime": "0.800000",
        "charge_toll": "0.710000", "charge_message": "0.000000", "charge_data": "0.000000",
        "charge": "1.510000", "currency": "EUR",
    }  # fmt: skip
    assert rows[2]["reason"] == "no_rate"
    code, output, _ = run("--calls", "-", "-o", "-", given=Path(CALLS).read_text("utf-8"))
    assert (code, output) == (0, target.read_text("utf-8"))


def test_expectations_are_checked() -> None:
    code, output, _ = run("--calls", CALLS, "--check")
    assert (code, output.splitlines()[0]) == (0, "9 calls compared, 0 differ")
    wrong = Path(CALLS).read_text("utf-8").replace("toll=0.71", "toll=0.72")
    code, output, _ = run("--calls", "-", "--check", given=wrong)
    assert code == 1
    assert output.startswith(
        "standard input:4: over seven\n    expected: airtime=0.80 toll=0.72\n"
        "    found:    airtime=0.80 toll=0.71 rule=2\n9 calls compared, 1 differs\n")  # fmt: skip


def test_a_check_that_compares_nothing_fails() -> None:
    code, output, errors = run("--calls", "-", "--check",
                               given="start,used,relation\n2003-06-10 10:00:00,1,local\n")
    assert (code, output) == (1, "")
    assert "no call says what it must come to" in errors


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    for target in (tmp_path / "missing" / "o.csv", tmp_path):
        code, _, errors = run("--calls", CALLS, "-o", str(target))
        assert (code, str(target) in errors, "it cannot be read or written" in errors) == (
            1, True, True)  # fmt: skip


def test_json_has_the_steps(tmp_path: Path) -> None:
    code, output, _ = run(*ONE, "--json")
    found = json.loads(output)
    assert code == 0
    assert found["sums"]["components"]["toll"] == "0.71"
    toll = found["calls"][0]["steps"][1]
    assert [(one["band"], one["count"], one["price_nano"]) for one in toll["segments"]] == [
        ("night", 2, 40_000_000), ("", 9, 70_000_000)]  # fmt: skip
    code, output, _ = run("--calls", CALLS, "--json", "--check")
    found = json.loads(output)
    assert (len(found["calls"]), found["differences"]) == (9, [])
    assert found["sums"] == {
        "calls": 9, "priced": 8, "charge": "4.40", "reasons": {"no_rate": 1},
        "components": {"airtime": "2.40", "toll": "1.51", "message": "0.40", "data": "0.09"},
    }  # fmt: skip


def test_two_books_are_compared(tmp_path: Path) -> None:
    text = (TRIAL / "book" / "plan.yaml").read_text("utf-8")
    (tmp_path / "plan.yaml").write_text(text.replace("price: 0.04}", "price: 0.05}"), "utf-8")
    code, output, _ = run("--calls", CALLS, "--compare", str(tmp_path), "--explain")
    assert (code, output.splitlines()[0]) == (0, "9 records compared, 8 priced by both books, "
                                              "1 without a price in both, 3 differ")
    code, output, _ = run("--calls", CALLS, "--compare", str(tmp_path), "--json")
    assert json.loads(output)["records"]["difference"] == "0.22"


def test_margins_of_calls_that_are_sold_and_bought(tmp_path: Path) -> None:
    root = TRIAL.parents[2] / "examples" / "wholesale"
    arguments = ["tariff", "price", str(root), "--calls", str(root / "margins.csv")]
    done = CliRunner().invoke(main.cli, [*arguments, "--check"])
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "19 calls compared, 0 differ")
    done = CliRunner().invoke(main.cli, [*arguments, "--limit", "2"])
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert lines[0].endswith("charge sell buy margin")
    assert lines[2].endswith("0.1814 USD 0.1814 0.2643 -0.0829")
    text = (root / "margins.csv").read_text("utf-8").replace(",-0.0829,", ",0.0829,")
    (tmp_path / "wrong.csv").write_text(text.replace("442070", "009970", 1), "utf-8")
    done = CliRunner().invoke(main.cli, [*arguments[:-1], str(tmp_path / "wrong.csv"), "--check"])
    assert done.exit_code == 1
    assert "expected: margin=0.0829\n    found:    margin=-0.0829\n" in done.output
    assert "found:    no margin: a rating has no price\n" in done.output


WRONG = (
    ((), "nothing to price: name a file with --calls"),
    (("--calls", CALLS, "--used", "1"), "describe a single one"),
    ((*ONE, "--check"), "--check is about the calls of a file"),
    ((*ONE, "--plan", "standart"), "did you mean 'standard'?"),
    ((*ONE, "--set", "relatoin=toll"), "did you mean 'relation'?"),
    ((*ONE, "--set", "toll"), "'toll' sets nothing; write name=value"),
)


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_wrong_use_says_what_to_write(arguments: tuple[str, ...], said: str) -> None:
    code, _, errors = run(*arguments)
    assert code == 2
    assert said in " ".join(errors.split())


def test_nothing_is_priced_where_a_cell_is_wrong() -> None:
    code, output, errors = run("--calls", "-", given="start,used\n2003-06-10,1\n10.6.2003,1x\n")
    assert (code, output) == (1, "")
    assert "standard input:3: start is '10.6.2003'" in errors
    assert errors.endswith("2 errors in 1 file; nothing was priced\n")
    code, _, errors = run("--calls", "missing.csv")
    assert (code, "missing.csv: the file cannot be read" in errors) == (1, True)


def test_names_of_calls_cannot_command_the_terminal() -> None:
    calls = "name,start,used,relation\nred \x1b[31m,2003-06-10 10:00:00,1,local\n"
    for option in ("--limit=1", "--explain"):
        code, output, _ = run("--calls", "-", option, given=calls)
        assert (code, "\x1b" in output, "red \\x1b[31m" in output) == (0, False, True)


def test_every_command_is_what_its_table_says_and_help_is_quick() -> None:
    for group, table in ((tariff.command, tariff.COMMANDS),
                         (tariff_import.importing, tariff_import.IMPORTS),
                         (tariff_import.exporting, tariff_import.EXPORTS)):  # fmt: skip
        context = group.make_context(group.name or "", ["--help"], resilient_parsing=True)
        assert group.list_commands(context) == list(table)
        for name, (_, line) in table.items():
            found = group.get_command(context, name)
            assert found is not None
            assert (found.name, " ".join((found.help or "").split()).startswith(line)) == (
                name, True)  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "tollbook", "tariff", "price",
                           "--help"], capture_output=True, text=True, check=True)  # fmt: skip
    took_s = time.perf_counter() - began
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "Price calls by a book, exactly as a run would." in done.stdout
    assert imported.isdisjoint({"numpy", "pyarrow", "numba", "yaml", "rich", "rating", "tariffs"})
    assert took_s < 5  # 0.1 s on a machine with nothing else to do
