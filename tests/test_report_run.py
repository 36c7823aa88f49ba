"""The report command: the books of a run by file, and the page of a month."""

from __future__ import annotations

import json
from pathlib import Path

import explain_workspace
import nights
import pytest
from click.testing import CliRunner, Result
from explain_workspace import AS_OF_UTC_S, FILES

from tollbook.cli import main
from tollbook.cli.report import run_screen
from tollbook.run import report_run, retry, session, settlements
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.report_run import FileFigures, RunFigures
from tollbook.run.suspended import Choice


def run_report(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main.cli, ["report", "-C", str(root), *arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night, a retry that cures two records of four, and a settlement."""
    root = explain_workspace.write(tmp_path_factory.mktemp("report") / "op")
    nights.run(root, AS_OF_UTC_S)
    people = root / "customers" / "subscriptions.csv"
    people.write_text(FILES["customers/subscriptions.csv"]
                      + "S-3,A-1007,13900000003,,standard,active,2003-06-01,\n")  # fmt: skip
    work = session.open_session(root)
    retry.run(work, Choice(), AS_OF_UTC_S + 3600)
    settlements.run(work, explain_workspace.JUNE, AS_OF_UTC_S + 30 * 86_400)
    return root


def test_a_night_by_file(made: Path) -> None:
    done = run_report(made, "--run", "1")
    assert done.exit_code == 0
    # Charged: 0.69 + 0.40 + 0.8145 + 0.50 + 0.25 + 3.00 + 0.333333 + 1.20 + 0, and by rules of
    # place 0.80 + 1.20 + 1.57 + 1.20.
    assert done.output.split(", published, ")[0] == "run 1: night, as of 2003-06-10T18:00:00Z"
    assert done.output.split("\n", 1)[1] == """\
file  source/name         records  rated  settled_only  duplicate  discarded  suspended  \
unaccounted  charged (CNY)
F1    msc/CDR_000001.csv       20     13             1          1          1          4  \
          0      11.957833
all                            20     13             1          1          1          4  \
          0      11.957833
reason                records
carried_for_others          1
duration_zero               1
no_rate                     1
number_malformed            1
record_duplicate            1
subscription_missing        2
the books close: every record has one fate
"""


def test_a_retry_takes_out_of_suspense(made: Path) -> None:
    found = json.loads(run_report(made, "--run", "2", "--json").output)
    (file,) = found["files"]
    assert (file["file"], file["records"], file["unaccounted"]) == ("F1", 0, 0)
    assert file["fates"] == {"rated": 2, "suspended": -2}
    assert found["reasons"] == {"subscription_missing": -2}
    assert (found["closed"], found["kind"], found["charge_micro"]) == (True, "retry", 1_570_000)


def test_a_record_without_a_fate_is_not_closed() -> None:
    run = Run(7, "night", 0, 0, 0, "", {}, "published", 0, 1_500)
    whole = InputFile(1, 7, "msc", "a.csv", "", 0, 0, rows=3)
    broken = InputFile(2, 7, "msc", "b.csv", "", 0, 0, refused="it is no CSV")
    files = (FileFigures(whole, 3, {"rated": 2}, 10), FileFigures(broken, 0, {}, 0))
    found = RunFigures(run, "CHF", files, {})
    assert (found.is_closed, found.records, found.of("rated")) == (False, 3, 2)
    shown = run_screen(found)
    assert "run 7: night, as of 1970-01-01T00:00:00Z, published, 1.500 s\n" in shown
    assert "F1    msc/a.csv          3      2            1        0.00001\n" in shown
    assert "refused msc/b.csv: it is no CSV\n" in shown
    assert shown.endswith("NOT CLOSED: records have no fate; do: `tollbook audit`")


def test_totals_that_are_gone_are_found(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = session.open_session(made)
    all_but_one = work.catalogue.totals(1)[1:]
    monkeypatch.setattr("tollbook.run.catalogue.Catalogue.totals", lambda *_: all_but_one)
    assert not report_run.of_run(work, 1).is_closed
    assert run_report(made, "--run", "1").exit_code == 1


def test_the_page_of_a_month(made: Path, tmp_path: Path) -> None:
    done = run_report(made, "--period", "2003-06")
    path = made / "out" / "report-2003-06.html"
    assert (done.exit_code, done.output) == (0, f"20 records in 2 runs: {path}\n")
    page = path.read_text(encoding="utf-8")
    assert "<h1>Two Cities: June 2003</h1>" in page
    other = tmp_path / "june" / "page.html"
    done = run_report(made, "--period", "2003-06", "--out", str(other), "--json")
    assert other.read_text(encoding="utf-8") == page
    found = json.loads(done.output)
    assert found["path"] == str(other)
    assert [(one["run"], one["day"], one["records"]) for one in found["runs"]] == [
        (1, "2003-06-10", 20), (2, "2003-06-10", 0)]  # fmt: skip
    # 0.12 + 0.06 are owed to east; west owes 0.055 twice: each to the currency's two digits.
    assert found["settlements"] == [
        {"carrier": "East Telecom", "we_owe_micro": 180_000, "they_owe_micro": 0},
        {"carrier": "West Telecom", "we_owe_micro": 0, "they_owe_micro": 110_000},
    ]
    assert found["suspense"] == {"no_rate": 1, "number_malformed": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--run", "9"], 1, "run 9: the workspace has no such run"),
        (["--run", "3"], 1, "do: `tollbook settle --period 2003-06` shows its figures"),
        (["--period", "2003-09"], 1, "2003-09: no run is of this month"),
        (["--period", "June"], 2, "'June' is no month"),
        ([], 2, "name a month with --period, or a run with --run"),
        (["--run", "1", "--period", "2003-06"], 2, "name a month with --period, or a run"),
        (["--run", "1", "--out", "x.html"], 2, "--out goes with --period"),
    ],
)
def test_what_cannot_be_reported(made: Path, arguments: list[str], code: int, said: str) -> None:
    done = run_report(made, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
