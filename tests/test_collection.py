"""Collection over several nights: alarms rise, are told, answered and cleared; files come again."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import calls
import duckdb
import nights
import pytest
from calls import ANN, BOB, NOBODY, Call, Lake, audited
from click.testing import CliRunner, Result

from cdr import delimited
from tollbook import codes
from tollbook.cli import main
from tollbook.run import retry, session, suspended

SOURCE = "msc-east"
PATTERN = "    files: MSCE_{sequence:06d}_{date:%Y%m%d%H%M}.csv*\n"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calls.make(tmp_path_factory.mktemp("fresh") / "harbour")


@pytest.fixture
def root(fresh: Path, tmp_path: Path) -> Path:
    return nights.copy(fresh, tmp_path)


def configure(root: Path, of_source: str = "", of_all: str = "") -> None:
    """More keys of msc-east, and of operator.yaml. The disk of the machine is nobody's concern."""
    path = root / "operator.yaml"
    text = path.read_text()
    assert text.count(PATTERN) == 1
    if of_source:
        text = text.replace(PATTERN, f"{PATTERN}    {of_source}\n")
    path.write_text(f"{text}alarms: {{disk_minor: off, disk_critical: off{of_all}}}\n")


def deliver(root: Path, number: int, made: str, *rows: Call) -> Path:
    """File ``number``, made at a local time; by default with one record of its own."""
    moment = made.replace("-", "").replace(":", "").replace("T", "").replace(" ", "")
    one = Call(start=f"{made[:10]}T{made[11:16]}:00+08:00", duration=60 + number)
    return calls.deliver(root, f"MSCE_{number:06d}_{moment}.csv", *(rows or (one,)))


def cli(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["collection", words[0], "-C", str(root), *words[1:]])


def shown(root: Path, *words: str) -> Any:
    """What a command prints as JSON."""
    result = cli(root, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def told(root: Path, as_of: str) -> list[str]:
    """What a night tells of alarms, shortened to what, kind and subject."""
    return [
        " ".join(filter(None, (one.what, one.alarm.kind, one.alarm.subject)))
        for one in calls.run(root, as_of).alarms
    ]


def standing(root: Path) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["state"], one["repeats"]) for one in shown(root, "alarms")["alarms"]]


# ---- time lines


def test_the_life_of_a_gap(root: Path) -> None:
    configure(root)
    day = "2003-06-10"
    for number, made in ((1, "10:00"), (2, "10:15"), (5, "11:00")):
        deliver(root, number, f"{day} {made}")
    assert told(root, f"{day}T11:30:00") == []  # missing for 30 minutes by then, and no longer
    assert told(root, f"{day}T11:31:00") == ["raised sequence_gap 3-4"]
    assert told(root, f"{day}T11:45:59") == []  # suppressed for 15 minutes
    assert standing(root) == [("sequence_gap", "raised", 1)]
    assert told(root, f"{day}T11:46:00") == ["still there sequence_gap 3-4"]
    [done] = shown(root, "ack", "1", "--by", "kim", "--note", "called them",
                   "--as-of", "2003-06-10T12:00:00+08:00")  # fmt: skip
    assert (done["acknowledged_by"], done["note"]) == ("kim", "called them")
    assert done["acknowledged"] == "2003-06-10T04:00:00Z"
    assert told(root, f"{day}T14:00:00") == []
    assert standing(root) == [("sequence_gap", "acknowledged", 3)]
    deliver(root, 4, f"{day} 10:45")
    assert told(root, f"{day}T14:10:00") == []  # it came late, not again; 3 is missing still
    [alarm] = shown(root, "alarms")["alarms"]
    assert alarm["detail"] == "1 file missing since 2003-06-10T03:00:00Z: sequence 3 of 3-4"
    deliver(root, 3, f"{day} 10:30")
    deliver(root, 7, f"{day} 14:15")
    assert told(root, f"{day}T14:20:00") == ["cleared sequence_gap 3-4"]
    [alarm] = shown(root, "alarms", "--all")["alarms"]
    assert (alarm["state"], alarm["raised"], alarm["cleared"]) == (
        "cleared", "2003-06-10T03:31:00Z", "2003-06-10T06:20:00Z")  # fmt: skip
    # A new gap is a new alarm; nobody waits for numbers that will never come.
    assert told(root, f"{day}T15:00:00") == ["raised sequence_gap 6"]
    assert cli(root, "ack", "2", "--never", "--note", "test file").exit_code == 0
    assert standing(root) == []
    assert told(root, f"{day}T16:00:00") == []
    log = {one["sequence"]: one["expected"] for one in shown(root, "log")["files"]}
    assert log == {1: None, 2: None, 5: 3, 4: 6, 3: 6, 7: 6}


def test_silence_backlog_and_looks_between_the_nights(root: Path) -> None:
    configure(root, "every: 15m")
    deliver(root, 1, "2003-06-10 10:00")
    assert told(root, "2003-06-10T10:45:00") == []
    look = cli(root, "alarms", "--look", "--as-of", "2003-06-10T10:45:01+08:00")
    assert look.exit_code == 1  # there is something new
    assert "raised: major: source_silent of msc-east: no file since" in look.output
    look = cli(root, "alarms", "--look", "--as-of", "2003-06-10T10:46:00+08:00")
    assert look.exit_code == 0
    growing = deliver(root, 2, "2003-06-10 10:50")
    waiting = growing.rename(f"{growing}.part")
    since = calls.moment("2003-06-10T10:51:00")
    os.utime(waiting, (since, since))
    assert told(root, "2003-06-10T11:51:00") == ["still there source_silent"]
    assert told(root, "2003-06-10T11:51:01") == ["raised backlog_old"]
    waiting.rename(growing)
    look = shown(root, "alarms")
    assert [one["kind"] for one in look["alarms"]] == ["source_silent", "backlog_old"]
    # Whole now, and still unread: the look in between does not read it.
    assert cli(root, "alarms", "--look", "--as-of", "2003-06-10T11:52:00+08:00").exit_code == 0
    assert [one[0] for one in standing(root)] == ["source_silent", "backlog_old"]
    assert told(root, "2003-06-10T11:30:00") == ["cleared source_silent", "cleared backlog_old"]


def test_an_hour_of_few_calls_after_four_weeks(root: Path) -> None:
    configure(root, "alarms: {least: 4}")
    many = [Call(served=served, duration=60 + minute) for served in (ANN, BOB)
            for minute in range(5)]  # fmt: skip
    for week, day in enumerate(("05-13", "05-20", "05-27", "06-03"), start=1):
        rows = [replace(one, start=f"2003-{day}T10:05:00+08:00") for one in many]
        deliver(root, week, f"2003-{day} 10:30", *rows)
        assert told(root, f"2003-{day}T10:45:00") == []
    few = [replace(one, start="2003-06-10T10:05:00+08:00") for one in many[:4]]
    deliver(root, 5, "2003-06-10 10:30", *few)
    assert told(root, "2003-06-10T10:45:00") == []  # the hour is not over
    deliver(root, 6, "2003-06-10 11:30")
    [notice] = calls.run(root, "2003-06-10T11:45:00").alarms
    assert (notice.alarm.kind, notice.alarm.level) == ("volume_unusual", "minor")
    assert notice.alarm.detail == "2003-06-10 10:00: 4 records, 40 % of the mean of 4 weeks"
    rows = [replace(one, start="2003-06-17T10:05:00+08:00") for one in many]
    deliver(root, 7, "2003-06-17 10:30", *rows)
    assert told(root, "2003-06-17T12:00:00") == ["cleared volume_unusual"]


def test_errors_duplicates_and_clocks_of_files(root: Path) -> None:
    configure(root)
    calls.deliver(root, 1, Call(), Call(), Call(served=NOBODY))
    calls.deliver(root, 2, Call(start="2003-06-11T03:01:00+08:00", served=BOB))
    assert told(root, "2003-06-11T02:00:00") == [
        "raised errors_many", "raised duplicates_many", "raised clock_ahead"]  # fmt: skip
    levels = {one["kind"]: one["level"] for one in shown(root, "alarms")["alarms"]}
    assert levels == {
        "errors_many": "critical", "duplicates_many": "major", "clock_ahead": "major"
    }
    assert told(root, "2003-06-11T04:00:00") == []  # no new file: nothing is known to have ended
    assert len(standing(root)) == 3
    calls.deliver(root, 3, Call(served=BOB, duration=10))
    assert [one.split()[0] for one in told(root, "2003-06-11T05:00:00")] == ["cleared"] * 3
    # The same bytes once more, and a sequence number once more.
    calls.deliver(root, 4, Call(served=BOB, duration=10))
    deliver(root, 3, "2003-06-11 05:00")
    [notice] = calls.run(root, "2003-06-11T06:00:00").alarms
    assert notice.alarm.kind == "file_repeated"
    again, copy = notice.alarm.detail.split("; ")
    assert again.endswith("(MSCE_000003_200306110500.csv): sequence 3 again")
    assert copy.startswith(f"{calls.name(4)}: the same bytes were already processed as F3")
    log = shown(root, "log", "--status", "refused")
    assert [(one["name"], one["file"]) for one in log["files"]] == [(calls.name(4), 0)]


def test_a_source_that_begins_to_count_anew(root: Path) -> None:
    configure(root)
    for number in (500, 501):
        deliver(root, number, "2003-06-10 10:00")
    assert told(root, "2003-06-10T12:00:00") == []
    assert cli(root, "expect", SOURCE, "1").exit_code == 0
    for number in (1, 2):
        deliver(root, number, "2003-06-10 11:00")
    assert told(root, "2003-06-10T13:00:00") == []
    assert standing(root) == []


def test_looking_twice_at_one_moment_changes_nothing(root: Path) -> None:
    configure(root, "every: 15m")
    for number in (1, 3):
        calls.deliver(root, number, Call(duration=number), Call(served=NOBODY))
    assert len(told(root, "2003-06-11T02:00:00")) == 4
    before = nights.books(root)
    assert told(root, "2003-06-11T02:00:00") == []
    assert nights.books(root) == before


# ---- the manifest


def test_the_manifest_of_a_file(root: Path) -> None:
    rows = [
        Call(start="2003-06-10T09:00:00+08:00", duration=30),
        Call(start="2003-06-10T08:00:00+08:00", duration=45, served=BOB),
        Call(start="2003-06-10T08:00:00+08:00", duration=45, served=BOB),  # a duplicate
        Call(start="2003-06-10T23:00:00+08:00", duration=5, served=NOBODY),  # waits, is readable
        Call(duration="x"), Call(start="2003-06-10T24:61:00+08:00"),  # are not
    ]  # fmt: skip
    path = calls.deliver(root, 1, *rows)
    calls.deliver(root, 2)
    broken = calls.deliver(root, 3, Call(duration=1))
    broken.write_bytes(broken.read_bytes().replace(b"served", b"caller"))
    calls.run(root)
    first, empty, refused = shown(root, "log")["files"]
    assert first | {"name": "", "why": ""} == {
        "file": 1, "source": SOURCE, "name": "", "status": "read", "why": "", "released": "",
        "run": 1, "at": "2003-06-10T18:00:00Z", "made": "2003-06-10T16:00:00Z", "sequence": 1,
        "expected": None, "request": None, "records": 6, "new": 5, "duplicates": 1, "errors": 3,
        "first_start": "2003-06-10T00:00:00Z", "last_start": "2003-06-10T15:00:00Z",
        "seconds": 30 + 45 + 45 + 5, "volume_bytes": 0, "size_bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert (empty["records"], empty["first_start"], empty["status"]) == (0, "", "read")
    assert (refused["records"], refused["status"]) == (0, "refused")
    assert "served" in refused["why"]
    for words, files in (
        (["--day", "2003-06-11"], 3), (["--day", "2003-06-10"], 0), (["--run", "1"], 3),
        (["--source", "ggsn"], 0), (["--status", "refused"], 1), (["--run", "2"], 0),
    ):  # fmt: skip
        assert len(shown(root, "log", *words)["files"]) == files, words
    screen = cli(root, "log", "--last", "1").output
    assert "the last 1 of 3 files are shown" in screen
    assert "3 files, 1 refused: 6 records, 3 errors, 1 duplicate, 125 seconds" in screen
    assert cli(root, "log", "--source", "moon").exit_code == 2


def test_the_figures_do_not_depend_on_how_a_file_is_cut(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "blocks", partial(delimited.blocks, block_bytes=300))
    rows = [Call(start=f"2003-06-10T{hour:02d}:00:00+08:00", duration=hour) for hour in range(24)]
    calls.deliver(root, 1, *rows)
    assert calls.run(root, threads=4).rows == 24
    [one] = shown(root, "log")["files"]
    assert (one["seconds"], one["first_start"], one["last_start"]) == (
        sum(range(24)), "2003-06-09T16:00:00Z", "2003-06-10T15:00:00Z")  # fmt: skip


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
    changed = calls.deliver(root, 1, *kept, *lost)
    assert calls.run(root, "2003-06-11T03:00:00").refused == (
        (f"{SOURCE}/{path.name}", "its content changed after it was processed as F1"),
    )
    asked = shown(root, "request", SOURCE, "--file", path.name, "--note", "cut off", "--by", "kim")
    assert [(one["state"], one["asked_by"]) for one in asked] == [("open", "kim")]
    letter = json.loads((root / "out" / "requests" / f"{SOURCE}-1.json").read_text())
    assert (letter["file"], letter["note"]) == (path.name, "cut off")
    os.utime(changed, ns=(1, 1))  # sent once more
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
    assert calls.run(root, "2003-06-11T05:00:00").run_number == 0
    audited(root)
