"""``tollbook tariff check``: the message that each broken book gets, and the command itself."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tariff_books import BROKEN, KNOWN, ROOT

from tariffs import book, units
from tariffs.lints import LINTS
from tollbook.cli import main
from tollbook.text import Problems

PROVEN = "overflow"  # found by the compiler, which ``book.load`` does not call
RATINGS = "rating_plan_missing"  # found in another folder than the book


def broken_cases() -> dict[str, list[tuple[str, int, str, str]]]:
    """expected.csv by case: the file, line, severity and words of every problem."""
    cases: dict[str, list[tuple[str, int, str, str]]] = {}
    with (BROKEN / "expected.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            problem = (f"tariffs/{row['file']}", int(row["line"]), row["severity"], row["found"])
            cases.setdefault(row["case"], []).append(problem)
    return cases


@pytest.mark.parametrize("case", sorted(broken_cases().keys() - {PROVEN, RATINGS}))
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


@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.word)
def test_every_lint_has_a_broken_book(lint: tuple[str, str, str]) -> None:
    word, severity, _ = lint
    assert severity in {found for _, _, found, _ in broken_cases()[word]}


def test_the_table_of_the_guide_is_that_of_the_lints() -> None:
    text = (ROOT / "docs" / "tariffs.md").read_text()
    rows = [f"| `{word}` | {severity} | {sentence} |" for word, severity, sentence in LINTS]
    assert "\n".join(rows) in text


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
    huge = "local: {per: 1s, price: 1000000000}"
    plan.write_text(plan.read_text().replace("local: {per: 60s, price: 0.60}", huge))
    code, output = run_check(sample)
    assert code == 1
    assert "tariffs/easy.yaml:10: rate 'local'" in output


def test_check_passes_over_warnings(sample: Path) -> None:
    (sample / "tariffs" / "spare.csv").write_text("zone,rate\n")
    code, output = run_check(sample)
    assert code == 0
    assert "0 errors, 1 warning in 1 file; the book can be used: 3 plans" in output


def test_check_tells_a_charge_that_could_overflow_by_the_words_of_the_table(sample: Path) -> None:
    for path in (sample / "tariffs").glob("*.yaml"):
        path.unlink()
    shutil.copy(BROKEN / "overflow.yaml", sample / "tariffs")
    code, output = run_check(sample, "--json")
    [(file, line, severity, words)] = broken_cases()[PROVEN]
    [found] = [p for p in json.loads(output)["problems"] if p["severity"] == severity]
    assert (code, found["file"], found["line"]) == (1, file, line)
    assert found["found"].startswith(words)


def test_check_tells_a_further_rating_by_a_plan_that_is_not_there(sample: Path) -> None:
    ratings = (BROKEN / RATINGS / "ratings.csv").read_text()
    carrier = (sample / "network" / "carriers.csv").read_text().splitlines()[-1].split(",")[0]
    (sample / "network" / "ratings.csv").write_text(ratings.replace("CARRIER", carrier))
    code, output = run_check(sample)
    [(file, line, _, words)] = broken_cases()[RATINGS]
    assert code == 1
    assert f"{file.removeprefix('tariffs/../')}:{line}: {words}\n" in output


def test_strict_check_fails_on_warnings(sample: Path) -> None:
    (sample / "tariffs" / "spare.csv").write_text("zone,rate\n")
    assert run_check(sample, "--strict")[0] == 1
    (sample / "tariffs" / "spare.csv").unlink()
    assert run_check(sample, "--strict")[0] == 0


def test_check_of_a_folder_of_plan_files_alone() -> None:
    found = CliRunner().invoke(main.cli, ["tariff", "check", str(BROKEN / "prefix_twice")])
    assert found.exit_code == 1
    assert "prefix_twice/standard.yaml:1: plan 'standard': 'currency' is missing" in found.output
    found = CliRunner().invoke(main.cli, ["tariff", "check", str(ROOT / "examples/china/tariffs")])
    assert (found.exit_code, found.output.count("\n")) == (0, 1)


ADVICE = [
    ("60000000000", "are these nanoseconds? write 60s"),
    ("60000000000s", "are these nanoseconds? write 60s"),
    ("60", "write the unit behind the number, such as 60s"),
    ("12345678901", "write the unit behind the number, such as 60s"),
    ("12345678901s", "write a smaller number"),
    ("9999999TiB", "write a smaller number"),
    ("1kib", "did you mean '1KiB'?"),
    ("0s", "write a number above 0"),
]


@pytest.mark.parametrize(("written", "advice"), ADVICE)
def test_advice_about_a_quantity(written: str, advice: str) -> None:
    assert units.parse_quantity(written) is None
    assert units.quantity_advice(written) == advice
