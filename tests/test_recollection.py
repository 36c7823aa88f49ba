"""Files that come again because somebody asked for them, and files that are held back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import calls
import duckdb
import nights
import pytest
from calls import ANN, BOB, NOBODY, Call, Lake, audited
from click.testing import CliRunner
from collection_workspace import SOURCE, cli, configure, deliver, shown, told

from tollbook import codes
from tollbook.cli import main
from tollbook.run import retry, session, suspended


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calls.make(tmp_path_factory.mktemp("fresh") / "harbour")


@pytest.fixture
def root(fresh: Path, tmp_path: Path) -> Path:
    return nights.copy(fresh, tmp_path)


# ---- files that come again


def marked(root: Path) -> list[tuple[int, bool]]:
    """Of each rated record the number of its file, and whether it is marked as recollected."""
    bit = f"flags & {codes.FLAG_RECOLLECTED} > 0"
    rated = f"read_parquet('{root}/lake/rated/**/*.parquet')"
    with duckdb.connect() as link:
        query = f"select record_id >> 32, {bit} from {rated} order by record_id"
        return link.sql(query).fetchall()


def test_a_file_that_was_asked_for_again(root: Path) -> None:
    """A cut file is sent whole: what was there is a duplicate, what was cut off is new."""
    configure(root)
    kept = [Call(), Call(served=BOB)]
    lost = [Call(served=ANN, duration=61), Call(served=NOBODY, duration=62)]
    path = calls.deliver(root, 1, *kept)
    calls.run(root)
    calls.deliver(root, 1, *kept, *lost)
    assert calls.run(root, "2003-06-11T03:00:00").refused == (
        (f"{SOURCE}/{path.name}", "its content changed after it was processed as F1"),
    )
    asked = shown(root, "request", SOURCE, "--file", path.name, "--note", "cut off", "--by", "kim")
    assert [(one["state"], one["asked_by"]) for one in asked] == [("open", "kim")]
    letter = json.loads((root / "out" / "requests" / f"{SOURCE}-1.json").read_text())
    assert (letter["file"], letter["note"]) == (path.name, "cut off")
    # It lies there as it was refused, but now it has been asked for.
    outcome = calls.run(root, "2003-06-11T04:00:00")
    assert (outcome.refused, outcome.rows) == ((), 4)
    assert outcome.dispositions["duplicate"] == 2
    assert [one.alarm.kind for one in outcome.alarms if one.what == "raised"] == ["errors_many"]
    sums = shown(root, "log")["sums"]
    assert (sums["recollected"], sums["recollected_new"], sums["recollected_duplicates"]) == (
        4, 2, 2)  # fmt: skip
    assert "recollected 4 = 2 new + 2 duplicates" in cli(root, "log").output
    assert [one["state"] for one in shown(root, "request")] == ["filled"]
    audited(root)
    calls.add_subscription(root, f"S-9,A-1,{NOBODY},,easy,active,2002-01-01,")
    work = session.open_session(root)
    assert retry.run(work, suspended.Choice(), calls.moment("2003-06-11T05:00:00")).rows == 1
    work.catalogue.engine.dispose()
    # One of the two new ones came by way of suspense.
    assert marked(root) == [(1, False), (1, False), (2, True), (2, True)]
    explained = CliRunner().invoke(main.cli, ["explain", "F2-4", "-C", str(root)])
    assert "of a file that was asked for again (request 1)" in explained.output
    # Without a request a file that changes is refused, as ever.
    calls.deliver(root, 1, Call(duration=99))
    assert len(calls.run(root, "2003-06-11T06:00:00").refused) == 1


def test_a_gap_is_asked_for_and_filled(root: Path) -> None:
    configure(root, "sequence_wrap: 1000")
    for number in (997, 2):
        deliver(root, number, "2003-06-10 10:00")
    assert told(root, "2003-06-10T12:00:00") == ["raised sequence_gap 998-999 0-1"]
    [asked] = shown(root, "request", SOURCE, "--gap", "all")
    assert asked["sequences"] == [[998, 999], [0, 1]]
    assert "do: see" in cli(root, "request", SOURCE, "--gap", "all").output  # it is asked already
    for number in (998, 0, 1):
        deliver(root, number, "2003-06-10 10:00")
    same = deliver(root, 2, "2003-06-10 10:00")
    os.utime(same, ns=(1, 1))
    calls.run(root, "2003-06-10T13:00:00")
    assert [(one["missing"], one["state"]) for one in shown(root, "request")] == [("999", "open")]
    assert shown(root, "log")["sums"]["recollected"] == 3
    assert shown(root, "request", "--close", "1", "--by", "kim")[0]["ended_by"] == "kim"
    refused = cli(root, "request", "--close", "1")
    assert (refused.exit_code, "request 1 is closed" in refused.output) == (1, True)
    again = shown(root, "request", SOURCE, "--from", "999", "--to", "999")
    assert [one["request"] for one in again] == [2]
    deliver(root, 999, "2003-06-10 10:00")
    assert told(root, "2003-06-10T14:00:00") == ["cleared sequence_gap 998-999 0-1"]
    assert [one["state"] for one in shown(root, "request")] == ["closed", "filled"]


def test_a_file_that_comes_unchanged_answers_its_request(root: Path) -> None:
    path = deliver(root, 1, "2003-06-10 10:00")
    calls.run(root, "2003-06-10T12:00:00")
    shown(root, "request", SOURCE, "--from", "1")
    os.utime(path, ns=(1, 1))
    [(_, why)] = calls.run(root, "2003-06-10T13:00:00").refused
    assert why == "it was asked for again, and is what was processed as F1"
    assert [one["state"] for one in shown(root, "request")] == ["filled"]
    assert calls.run(root, "2003-06-10T14:00:00").refused == ()


def test_a_copy_of_another_file_answers_no_request(root: Path) -> None:
    """The bytes of file 1 under the name of file 2 are a copy, and file 2 has still not come."""
    configure(root, "sequence_wrap: 1000")
    path = deliver(root, 1, "2003-06-10 10:00")
    deliver(root, 3, "2003-06-10 10:00")
    calls.run(root, "2003-06-10T12:00:00")
    shown(root, "request", SOURCE, "--gap", "all")
    deliver(root, 2, "2003-06-10 10:00").write_bytes(path.read_bytes())
    [(_, why)] = calls.run(root, "2003-06-10T13:00:00").refused
    assert why == (f"the same bytes were already processed as F1 ({SOURCE}/{path.name}); "
                   "request 1 still waits for its own")  # fmt: skip
    assert [(one["missing"], one["state"]) for one in shown(root, "request")] == [("2", "open")]


def test_a_copy_answers_no_request_by_name_where_files_have_no_numbers(root: Path) -> None:
    path = root / "operator.yaml"
    path.write_text(path.read_text().replace("MSCE_{sequence:06d}_", "MSCE_*_"))
    first = deliver(root, 1, "2003-06-10 10:00")
    calls.run(root, "2003-06-10T12:00:00")
    asked = calls.name(2)
    shown(root, "request", SOURCE, "--file", asked)
    (first.parent / asked).write_bytes(first.read_bytes())
    [(_, why)] = calls.run(root, "2003-06-10T13:00:00").refused
    assert why.endswith("; request 1 still waits for its own")
    assert [one["state"] for one in shown(root, "request")] == ["open"]


def test_gaps_are_asked_for_without_the_numbers_that_are_awaited(root: Path) -> None:
    configure(root)
    for number in (10, 14, 16):
        deliver(root, number, "2003-06-10 10:00")
    calls.run(root, "2003-06-10T12:00:00")
    shown(root, "request", SOURCE, "--from", "12", "--to", "12")
    told_of = cli(root, "request", SOURCE, "--gap", "all").output
    assert "left out: sequence 12, which open requests wait for" in told_of
    assert [one["missing"] for one in shown(root, "request")] == ["12", "11 13", "15"]
    assert "there is no such gap" in cli(root, "request", SOURCE, "--gap", "all").output


def test_a_source_is_expected_to_count_on_below_its_wrap(root: Path) -> None:
    configure(root, "sequence_wrap: 1000")
    refused = cli(root, "expect", SOURCE, "1000")
    assert (refused.exit_code, "below 1000" in refused.output) == (1, True)
    deliver(root, 1, "2003-06-10 10:00")
    calls.run(root, "2003-06-10T12:00:00")
    for number in ("400", "2"):  # the later one counts
        assert cli(root, "expect", SOURCE, number).exit_code == 0
    deliver(root, 2, "2003-06-10 11:00")
    assert told(root, "2003-06-10T13:00:00") == []
    # A file that came in between has made a gap, which a person ends.
    assert cli(root, "expect", SOURCE, "900").exit_code == 0
    deliver(root, 3, "2003-06-10 12:00")
    assert told(root, "2003-06-10T14:00:00") == ["raised sequence_gap 900-999 0-2"]
    assert cli(root, "ack", "1", "--never").exit_code == 0
    assert cli(root, "expect", SOURCE, "4").exit_code == 0
    deliver(root, 4, "2003-06-10 13:00")
    assert told(root, "2003-06-10T15:00:00") == []
    assert shown(root, "alarms")["alarms"] == []


def test_files_of_a_span_of_time_are_asked_for_until_a_person_has_enough(root: Path) -> None:
    shown(root, "request", SOURCE, "--since", "2003-06-10T10:00:00+08:00",
          "--until", "2003-06-10T11:00:00+08:00")  # fmt: skip
    for number, made in ((1, "09:59"), (2, "10:00"), (3, "10:59"), (4, "11:00")):
        deliver(root, number, f"2003-06-10 {made}")
    calls.run(root, "2003-06-10T12:00:00")
    log = shown(root, "log", "--status", "recollected")["files"]
    assert [one["sequence"] for one in log] == [2, 3]
    assert [one["state"] for one in shown(root, "request")] == ["open"]


WRONG = [
    ((SOURCE,), 1, "0 ways to say which files"),
    ((SOURCE, "--from", "1", "--gap", "all"), 1, "2 ways"),
    ((SOURCE, "--since", "2003-06-10"), 1, "a span of time"),
    ((SOURCE, "--from", "1000000"), 1, "below 1000000"),
    ((SOURCE, "--from", "5", "--to", "3"), 1, "for at most 500000 numbers"),
    ((SOURCE, "--file", "../../x"), 1, "no file of this source is named '../../x'"),
    ((SOURCE, "--gap", "7"), 1, "there is no such gap"),
    (("moon", "--gap", "7"), 2, "one of msc-east"),
    (("--gap", "7"), 2, "name the source"),
    (("--close", "7"), 1, "request 7: there is none"),
]  # fmt: skip


def test_requests_that_say_nothing_clear_are_refused(root: Path) -> None:
    for words, code, text in WRONG:
        result = cli(root, "request", *words)
        assert (result.exit_code, text in result.output) == (code, True), result.output
    assert shown(root, "request") == []


def test_files_without_numbers_are_not_asked_for_by_number(root: Path) -> None:
    path = root / "operator.yaml"
    path.write_text(path.read_text().replace("{sequence:06d}", "*"))
    for words in (("request", SOURCE, "--from", "1"), ("expect", SOURCE, "1")):
        refused = cli(root, *words)
        assert (refused.exit_code, "its files are not numbered" in refused.output) == (1, True)


# ---- files with too many errors


@dataclass(frozen=True)
class Held:
    """Of 200 records so many are of nobody, with `hold: 1%`."""

    errors: int
    is_held: bool


@pytest.mark.parametrize("case", [Held(2, False), Held(3, True)])
def test_a_file_with_too_many_errors_is_held_back(root: Path, case: Held) -> None:
    configure(root, "alarms: {hold: 1%}")
    rows = [Call(duration=second, served=NOBODY if second <= case.errors else ANN)
            for second in range(1, 201)]  # fmt: skip
    calls.deliver(root, 1, *rows)
    calls.deliver(root, 2, Call(served=BOB))
    outcome = calls.run(root)
    assert outcome.rows == (1 if case.is_held else 201)
    [notice] = outcome.alarms
    assert notice.alarm.level == ("critical" if case.is_held else "warning")
    if not case.is_held:
        return
    [(name, why)] = outcome.refused
    assert name == f"{SOURCE}/{calls.name(1)}"
    assert why.startswith("held back: 3 of 200 records would go into suspense")
    assert Lake(root).fates == {(calls.name(2), 2): "rated"}
    assert calls.run(root, "2003-06-11T03:00:00").run_number == 0  # it waits for a person
    assert cli(root, "release", "F2").exit_code == 1
    assert cli(root, "release", "F1", "--by", "kim", "--note", "new numbers").exit_code == 0
    outcome = calls.run(root, "2003-06-11T04:00:00")
    assert (outcome.rows, outcome.dispositions["suspended"]) == (200, 3)
    held, _, released = shown(root, "log")["files"]
    assert (held["status"], held["released"]) == ("refused", "kim: new numbers")
    assert (released["status"], released["records"]) == ("read", 200)
    said = CliRunner().invoke(main.cli, ["suspense", "history", "-C", str(root), "F1-11"])
    assert said.exit_code == 1
    assert "and read as F3 once it was released" in said.stderr
    assert "do: name F3-11" in said.stderr
    assert calls.run(root, "2003-06-11T05:00:00").run_number == 0
    audited(root)
