"""Suspense: what waits is listed, shown and tried again; what was cured is charged, once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import calls
import nights
import pytest
from calls import BOB, NOBODY, Call, Lake, audited
from click.testing import CliRunner, Result

from tollbook.cli import main
from tollbook.cli.explain_screen import screen
from tollbook.run import bills, retry, session, suspended
from tollbook.run.explaining import Explainer
from tollbook.run.records import parse_record
from tollbook.run.standing import TRIES_MAX

STRANGER = "+8613010000098"  # another own number that no customer has
SATELLITE = "+881612345678"  # a prefix that number_ranges.csv lacks
MISSING, UNREACHED = "subscription_missing", "number_range_missing"
RETRY_AT = "2003-06-12T09:00:00+08:00"


@pytest.fixture(scope="module")
def after_the_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, of whose nine records six wait: five that may be cured, one that may not."""
    root = calls.make(tmp_path_factory.mktemp("suspense") / "harbour")
    lost = Call(served=NOBODY)
    calls.deliver(
        root, 1,
        Call(), lost, replace(lost, start="2003-06-10T11:00:00+08:00", duration=61),
        Call(served=STRANGER), Call(served=BOB, other=SATELLITE),
    )  # fmt: skip
    calls.deliver(
        root, 2,
        replace(lost, service="sms", duration=0, events=1), Call(duration="long"), Call(served=BOB),
        replace(lost, call_ref="again"),
    )  # fmt: skip
    outcome = calls.run(root)
    assert outcome.reasons == {
        MISSING: 4, UNREACHED: 1, "integer_malformed": 1, "record_duplicate": 1}  # fmt: skip
    return root


@pytest.fixture
def root(after_the_night: Path, tmp_path: Path) -> Path:
    return nights.copy(after_the_night, tmp_path)


def test_a_rule_of_today_is_asked_in_a_retry(root: Path) -> None:
    path = root / "operator.yaml"
    rule = f"{{name: desk, when: {{served: ['{NOBODY}']}}}}"
    path.write_text(path.read_text() + f"\nmediation: {{discard: [{rule}]}}\n")
    done = tried(root, "--reason", MISSING)
    assert done["reasons"] == {"discarded_by_rule": 3, MISSING: 1}
    assert Lake(root).rows("uncharged", "mediation_rule", where="mediation_rule <> ''") == \
        [("desk",)] * 3
    audited(root)


def suspense(root: Path, *words: str) -> Result:
    found = CliRunner().invoke(main.cli, ["suspense", words[0], "-C", str(root), *words[1:]])
    assert found.exit_code == 0, found.output
    return found


def tried(root: Path, *words: str) -> Any:
    """A retry's figures."""
    return json.loads(suspense(root, "retry", "--json", "--as-of", RETRY_AT, *words).stdout)


def waiting(root: Path) -> dict[str, tuple[str, int]]:
    """Record -> (reason, tries) of what the lake's readers find in suspense."""
    rows = Lake(root).rows("suspense", "record_id, reason, tries")
    return {f"F{record >> 32}-{record & 0xFFFFFFFF}": (why, tries) for record, why, tries in rows}


def add_customer(root: Path) -> None:
    calls.add_subscription(root, f"S-9,A-3,{NOBODY},,easy,active,2003-01-01,")


def add_range(root: Path) -> None:
    path = root / "network" / "number_ranges.csv"
    path.write_text(path.read_text() + "881,US,globelink,,\n")


AT_FIRST = {
    "F1-3": (MISSING, 0), "F1-4": (MISSING, 0), "F1-5": (MISSING, 0), "F1-6": (UNREACHED, 0),
    "F2-2": (MISSING, 0), "F2-3": ("integer_malformed", 0),
}  # fmt: skip


def test_the_list_counts_what_waits_and_says_what_cures_it(root: Path) -> None:
    listed = json.loads(suspense(root, "list", "--json").stdout)
    assert {reason: (row["records"], row["retryable"]) for reason, row in listed.items()} == {
        MISSING: (4, True), UNREACHED: (1, True), "integer_malformed": (1, False)}  # fmt: skip
    lines = suspense(root, "list").stdout.splitlines()
    assert [line.split()[:4] for line in lines[1:-1]] == [
        [MISSING, "4", "0", "2003-06-10"], ["integer_malformed", "1", "0", "2003-06-10"],
        [UNREACHED, "1", "0", "2003-06-10"],
    ]  # fmt: skip
    assert "customers/subscriptions.csv" in lines[1]
    assert "6 records waiting, 0 ready for a retry, 5 unchanged since the last try" in lines[-1]
    add_customer(root)
    assert "6 records waiting, 5 ready for a retry, 0 unchanged" in suspense(root, "list").stdout
    empty = calls.make(root.parent / "new")
    assert suspense(empty, "list").stdout == "suspense is empty\n"


def test_records_are_shown_with_their_place_and_fault(root: Path) -> None:
    shown = suspense(root, "show", "F2-3").stdout
    data = (root / "inbox" / "msc-east" / calls.name(2)).read_bytes()
    place = sum(len(line) + 1 for line in data.split(b"\n")[:2])
    for words in (
        "F2-3  integer_malformed in duration_s", f"msc-east/{calls.name(2)}, line 3",
        f"byte {place}", "found   'long'", "+86130****0001 -> +86135****0007",
        "tries   0\n", "do      the field is not a whole number: `tollbook suspense correct F2-3 "
        "--set duration_s=VALUE --note WHY`",
    ):  # fmt: skip
        assert words in shown
    assert len(json.loads(suspense(root, "show", "--json").stdout)) == 6
    assert len(json.loads(suspense(root, "show", "--json", "--limit", "2").stdout)) == 2
    one = json.loads(suspense(root, "show", "--json", "--reason", UNREACHED).stdout)
    assert [(row["record_id"], row["field"]) for row in one] == [((1 << 32) + 6, "other_raw")]
    assert len(json.loads(suspense(root, "show", "--json", "--file", "F2").stdout)) == 2
    assert suspense(root, "show", "F1-2").stdout == "no such record in suspense\n"
    for wrong in (["--reason", "weather"], ["--file", "2"], ["F1"]):
        found = CliRunner().invoke(main.cli, ["suspense", "show", "-C", str(root), *wrong])
        assert found.exit_code in (1, 2), found.output


def test_a_new_customer_cures_exactly_the_records_of_that_number(root: Path) -> None:
    assert waiting(root) == AT_FIRST
    before = Lake(root).charges
    add_customer(root)
    done = tried(root)
    assert (done["records"], done["dispositions"]["rated"], done["dispositions"]["suspended"]) == (
        5, 3, 2)  # fmt: skip
    assert done["reasons"] == {MISSING: 1, UNREACHED: 1}
    # 60 s: 1 minute of 0.60; 61 s: 2 minutes; a message: 0.15
    assert done["charge_micro"] == 600_000 + 1_200_000 + 150_000
    assert waiting(root) == {
        "F1-5": (MISSING, 1), "F1-6": (UNREACHED, 1), "F2-3": ("integer_malformed", 0)}  # fmt: skip
    assert Lake(root).charges == before | {
        (1 << 32) + 3: "0.600000", (1 << 32) + 4: "1.200000", (2 << 32) + 2: "0.150000",
    }
    payer = Lake(root).rows(
        "rated", "account_id, subscription_id, bill_period", where=f"served_e164 = {NOBODY}")
    assert payer == [("A-3", "S-9", "2003-06")] * 3
    assert Lake(root).fates[calls.name(2), 5] == "record_duplicate"
    audited(root)
    work = session.open_session(root)
    for record in (*Lake(root).charges, (1 << 32) + 5):
        assert Explainer(work).explain(record).differences == ()
    work.catalogue.engine.dispose()


def test_a_new_range_cures_what_could_not_be_reached(root: Path) -> None:
    add_range(root)
    done = tried(root, "--reason", UNREACHED)
    assert (done["records"], done["dispositions"]["rated"]) == (1, 1)
    assert waiting(root) == {key: value for key, value in AT_FIRST.items() if key != "F1-6"}
    [row] = Lake(root).rows("rated", "other_zone, carrier", where=f"record_id = {(1 << 32) + 6}")
    assert row == ("US", "globelink")
    audited(root)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["F1-3"], {"F1-3"}), (["--file", "F2"], {"F2-2"}),
        (["F1-4", "F2-3", "F2-2"], {"F1-4", "F2-2"}),
        (["--reason", MISSING, "--file", "F1"], {"F1-3", "F1-4"}),
    ],
)  # fmt: skip
def test_only_what_is_chosen_is_tried(root: Path, words: list[str], gone: set[str]) -> None:
    add_customer(root)
    tried(root, *words)
    assert AT_FIRST.keys() - waiting(root).keys() == gone
    untouched = {key for key, (_, tries) in waiting(root).items() if tries == 0}
    assert untouched == AT_FIRST.keys() - gone - ({"F1-5"} if "--reason" in words else set())
    audited(root)


def change_something(root: Path, count: int) -> None:
    """Other data that decide nothing about these records."""
    path = root / "network" / "holidays.csv"
    path.write_text(f"date,name\n2004-01-{count:02},a day\n")


def explained(root: Path, record: str) -> Any:
    work = session.open_session(root)
    found = Explainer(work).explain(parse_record(record))
    work.catalogue.engine.dispose()
    return found


def test_without_a_change_no_try_is_used_up(root: Path) -> None:
    assert suspense(root, "retry").stdout == (
        "nothing to retry: 5 records for which nothing that decides has changed since the last "
        "try, 1 record that only a correction can cure\n"
    )
    assert waiting(root) == AT_FIRST
    change_something(root, 1)
    assert tried(root, "F1-3", "F2-2")["records"] == 2
    # Those are not tried again; the others are, though their file was written anew.
    assert "nothing that decides has changed" in suspense(root, "show", "F1-3").stdout
    done = tried(root)
    assert (done["records"], done["left_out"]) == (
        3, {"unchanged": 2, "tried_out": 0, "needs_correction": 1})  # fmt: skip
    assert tried(root)["records"] == 0
    assert {tries for _, tries in waiting(root).values()} == {0, 1}
    audited(root)


def test_a_person_gives_a_record_nine_more_tries(root: Path) -> None:
    for count in range(1, TRIES_MAX + 1):
        change_something(root, count)
        tried(root, "F1-3", "F1-4")
    add_customer(root)
    assert tried(root, "F1-3", "F1-4")["records"] == 0
    words = ("F1-3", "--note", "the customer is entered", "--by", "ann", "--as-of", RETRY_AT)
    assert suspense(root, "correct", *words).stdout == (
        "run 11: F1-3 may be tried nine more times; `tollbook suspense retry F1-3` tries it\n")
    assert waiting(root)["F1-3"] == (MISSING, 0)
    assert waiting(root)["F1-4"] == (MISSING, TRIES_MAX)
    audited(root)
    assert tried(root, "F1-3", "F1-4")["dispositions"]["rated"] == 1
    lines = suspense(root, "history", "F1-3").stdout.splitlines()
    assert lines[-2].endswith("corrected by ann, tries '9' -> '0': the customer is entered")
    found = CliRunner().invoke(
        main.cli, ["suspense", "correct", "-C", str(root), "F2-3", "--note", "again"])
    assert found.exit_code == 1
    assert "F2-3 is integer_malformed: no number of tries cures it" in found.stderr
    audited(root)


def test_what_fails_again_is_counted_and_at_last_left_alone(root: Path) -> None:
    at_first = Lake(root).rows("suspense", "* exclude (tries)")
    before = {key: value for key, value in nights.tree(root).items() if "/rated/" in key}
    for count in range(1, TRIES_MAX + 1):
        change_something(root, count)
        done = tried(root)
        assert (done["records"], done["dispositions"]["rated"], done["charge_micro"]) == (5, 0, 0)
        assert {tries for why, tries in waiting(root).values() if why != "integer_malformed"} == {
            count}  # fmt: skip
    assert Lake(root).rows("suspense", "* exclude (tries)") == at_first  # since the first night
    runs = nights.books(root)["runs"]
    assert [run["kind"] for run in runs] == ["night"] + ["retry"] * TRIES_MAX
    add_customer(root)
    assert "do      give +8613010000099 a row" in suspense(root, "show", "F1-3", "--numbers").stdout
    for said in (suspense(root, "show", "F1-3").stdout, screen(explained(root, "F1-3"))):
        assert "`tollbook suspense correct F1-3 --note WHY`: it was tried 9 times" in said
    assert "0 ready for a retry, 0 unchanged since the last try, 5 tried too often" in suspense(
        root, "list").stdout  # fmt: skip
    assert suspense(root, "retry").stdout == (
        "nothing to retry: 5 records tried too often (`tollbook suspense correct RECORD --note "
        "WHY` gives nine more), 1 record that only a correction can cure\n"
    )
    assert nights.books(root)["runs"] == runs
    assert before == {key: value for key, value in nights.tree(root).items() if "/rated/" in key}
    assert [total for total in nights.books(root)["totals"] if total["run_number"] > 1] == []
    audited(root)


@pytest.mark.parametrize("words", [["F1-2"], ["F2-5"], ["--reason", "no_rate"]])
def test_a_retry_of_nothing_is_no_run(root: Path, words: list[str]) -> None:
    """A rated record, a duplicate, a reason that nobody has."""
    before = nights.tree(root), nights.books(root)
    assert suspense(root, "retry", *words).stdout == "nothing to retry: no suspended record fits\n"
    assert (nights.tree(root), nights.books(root)) == before


def test_the_screen_of_a_retry_says_what_became_of_the_records(root: Path) -> None:
    add_customer(root)
    said = suspense(root, "retry", "--as-of", RETRY_AT).stdout
    assert "run 2: 5 records of 2 files" in said
    assert "charged 1.95 CNY" in said
    assert "5 records tried again, 2 still in suspense" in said


def test_a_retry_in_a_later_month_is_billed_in_the_open_one(root: Path) -> None:
    work = session.open_session(root)
    bills.run(work, 2003 * 12 + 5, calls.moment("2003-07-02T00:00:00"))
    work.catalogue.engine.dispose()
    add_customer(root)
    tried(root, "F1-3")
    assert Lake(root).rows("rated", "usage_period, bill_period", where="record_id % 8 = 3") == [
        ("2003-06", "2003-07")]  # fmt: skip
    audited(root)


# ---- killed on the way

POINTS = ("plan_committed", "before_transaction", "after_transaction", "superseded_hidden",
          "first_file_shown")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_retry_that_is_killed_ends_as_if_it_had_not_been(
    root: Path, tmp_path: Path, point: str
) -> None:
    add_customer(root)
    other = nights.copy(root, tmp_path / "undisturbed")
    moment = calls.moment("2003-06-12T09:00:00")
    work = session.open_session(other)
    assert retry.run(work, suspended.Choice(), moment).dispositions["rated"] == 3
    work.catalogue.engine.dispose()
    code = f"""
from tollbook.run import retry, session, suspended
retry.run(session.open_session(Path({str(root)!r})), suspended.Choice(), {moment})
"""
    assert nights.apart(code, TOLLBOOK_KILL_AT=point) == -9
    seen = Lake(root).fates  # a reader in between finds no record twice
    assert set(seen) <= set(Lake(other).fates)
    assert calls.run(root).run_number == 0  # the next start of whatever kind puts it right
    assert nights.tree(root) == nights.tree(other)
    assert nights.books(root) == nights.books(other)
    audited(root)
