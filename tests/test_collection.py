"""Collection over several nights: alarms rise, are told, answered and cleared; the manifest."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import calls
import nights
import pytest
from calls import ANN, BOB, NOBODY, Call
from click.testing import CliRunner
from collection_workspace import SOURCE, cli, configure, deliver, shown, standing, told

from cdr import delimited
from tollbook.cli import main


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calls.make(tmp_path_factory.mktemp("fresh") / "harbour")


@pytest.fixture
def root(fresh: Path, tmp_path: Path) -> Path:
    return nights.copy(fresh, tmp_path)


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
    night = ["run", "-C", str(root), "--as-of", "2003-06-11T02:00:00+08:00"]
    done = CliRunner().invoke(main.cli, [*night, "--json"])
    alarms = [(one["what"], one["alarm"], one["kind"]) for one in json.loads(done.output)["alarms"]]
    assert alarms == [("raised", 1, "errors_many"), ("raised", 2, "duplicates_many"),
                      ("raised", 3, "source_silent"), ("raised", 4, "sequence_gap")]  # fmt: skip
    before = nights.books(root)
    assert told(root, "2003-06-11T02:00:00") == []
    assert nights.books(root) == before
    screen = CliRunner().invoke(main.cli, [*night[:-1], "2003-06-11T02:15:00+08:00"]).output
    assert "alarm 4 still there: major: sequence_gap of msc-east: 1 file missing since" in screen


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


def test_values_beyond_the_limits_add_nothing_to_the_manifest(root: Path) -> None:
    """Ten hours of a call are within the limits; a single record of garbage is not."""
    huge = 2**62
    rows = [Call(duration=36_000), Call(duration=36_001), Call(duration=huge, served=BOB)]
    calls.deliver(root, 1, *rows)
    calls.run(root)
    [one] = shown(root, "log")["files"]
    assert (one["records"], one["errors"], one["seconds"]) == (3, 2, 36_000)


def test_an_empty_file_is_named_once_and_called_empty(root: Path) -> None:
    calls.deliver(root, 1).write_bytes(b"")
    [notice] = calls.run(root).alarms
    assert notice.alarm.detail == f"F1 ({calls.name(1)}): at byte 0: it is empty"


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
