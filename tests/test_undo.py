"""Undo: what a file or a night has left is withdrawn, as if it had never come.

The lake is compared with that of a workspace to which the file did not come, then with one to which
it came later.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import calls
import nights
import pytest
import undo_workspace as undoing
from calls import ANN, BOB, CAT, FRIEND, NOBODY, Call, Lake, audited
from memory_workspace import remember
from suspense_workspace import said
from undo_workspace import cli, contents, refused, release, undo

from cdr.synth_faults import Rates
from tollbook.run import session

FIRST, SECOND, THIRD = (f"2003-06-{day}T02:00:00" for day in (11, 12, 13))
PARTS = "partials: {key: [served, call_ref], gap: 5s, hold: 24h, going_on: [1]}\n"
KINDS = "  overlapping: {services: [voice], same: [other]}\n  ultra_short: {}\n"
LONG = Call(CAT, duration=61)  # standard


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return calls.make(tmp_path / "harbour")


def without(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The lake without the moment since which records wait: they wait since the undo."""
    found = contents(root)
    found["suspense"] = [row[:6] + row[7:] for row in found["suspense"]]
    return found


def test_a_file_is_as_if_it_had_not_come(root: Path, tmp_path: Path) -> None:
    """Ann's minute is charged once: by F1, then by the first of its copies in F3."""
    other = calls.make(tmp_path / "other")
    minute, stranger = Call(), Call(NOBODY)
    first, second = (minute, LONG, stranger, minute), (Call(CAT),)
    third = (minute, minute, stranger)
    calls.deliver(root, 1, *first)
    for one in (root, other):
        calls.deliver(one, 2, *second)
        calls.run(one, FIRST)
        calls.deliver(one, 3, *third)
        calls.run(one, SECOND)
    assert Lake(root).fates[calls.name(3), 2] == "record_duplicate"
    shown = undo(root, "F1", "--dry-run")
    assert shown["run"] == 0
    assert (shown["records"], shown["again"]) == (
        {"duplicate": 1, "rated": 2, "suspended": 1}, {"duplicates": 3, "parts": 0})  # fmt: skip
    done = undo(root, "F1")
    assert done["run"] == 3
    assert done["fates"] == {"rated": 1, "duplicate": 1, "suspended": 1}
    assert {name: done[name] for name in ("records", "charge", "legs")} == {
        name: shown[name] for name in ("records", "charge", "legs")}  # fmt: skip
    assert without(root) == without(other)
    audited(root)
    assert cli(root, "explain", "F3-2").output.startswith("F3-2  rated by run 3 (undo")
    assert cli(root, "explain", "F2-2").output.startswith("F2-2  rated by run 1 (night")
    assert "was withdrawn by run 3: wrong file" in cli(root, "explain", "F1-2").output
    # It lies in the inbox, and is read again only when somebody says so.
    assert calls.run(root, THIRD).run_number == 0
    release(root, 1)
    calls.deliver(other, 1, *first)
    for one in (root, other):
        found = calls.run(one, THIRD)
        assert {name: rows for name, rows in found.dispositions.items() if rows} == {
            "rated": 1, "duplicate": 3}  # fmt: skip
    assert without(root) == without(other)
    audited(root)


def test_nothing_is_undone_twice(root: Path) -> None:
    calls.deliver(root, 1, Call())
    calls.deliver(root, 2, LONG).write_bytes(b"no header")
    calls.run(root, FIRST)
    for words, why in (
        (("F2",), "was refused: nothing of it was used"), (("F9",), "has read no such file"),
        (("nine",), "is no file"), (("run", "9"), "allowed: runs up to 1"),
        (("run",), "'run' names no run\n    allowed: a night such as run 12"),
    ):  # fmt: skip
        assert why in refused(root, *words)
    assert undo(root, "run", "1")["records"] == {"rated": 1}
    assert "was withdrawn by run 2" in refused(root, "F1")
    assert "its files were withdrawn by run 2" in refused(root, "run", "1")
    for run, charged in (("1", "0.60"), ("2", "-0.60")):
        told = cli(root, "report", "--run", run).output
        assert charged in told
        assert "NOT CLOSED" not in told
    assert "run 2 is of the kind undo" in refused(root, "run", "2")
    assert [one["kind"] for one in runs(root)] == ["night", "undo"]
    wrong = cli(root, "undo", "F1")
    assert (wrong.exit_code, "--note" in wrong.output) == (2, True)
    # A file with other bytes takes its place by itself.
    calls.deliver(root, 1, LONG)
    assert calls.run(root, SECOND).dispositions["rated"] == 1
    audited(root)


def runs(root: Path) -> Any:
    return json.loads(cli(root, "runs", "--json").stdout)


def test_a_corrected_file_that_was_refused_is_read_after_the_undo(root: Path) -> None:
    calls.deliver(root, 1, Call())
    calls.run(root, FIRST)
    calls.deliver(root, 1, LONG)
    [(_, why)] = calls.run(root, FIRST).refused
    assert "its content changed" in why
    undo(root, "F1")
    assert calls.run(root, SECOND).dispositions["rated"] == 1
    assert list(Lake(root).charges) == [(2 << 32) + 2]


def test_a_month_that_is_closed_stays_closed(root: Path) -> None:
    """May is billed and settled; the file has a call of May and one of June."""
    may = Call(start="2003-05-30T10:00:00+08:00", trunk_out="GR-BJ-1")
    calls.deliver(root, 1, may, Call())
    calls.deliver(root, 2, Call(BOB))
    calls.run(root, FIRST)
    before = contents(root)
    assert len(before["legs"]) == 1
    for kind, told in (("settle", "1 legs of 2003-05, settled by run 2"),
                       ("bill", "1 records of 2003-05, billed by run 3")):  # fmt: skip
        done = cli(root, kind, "--period", "2003-05", "--as-of", "2003-06-12")
        assert done.exit_code == 0, done.output
        assert told in refused(root, "F1")
    assert "`tollbook rerate`" in refused(root, "run", "1")
    assert "run 3 is of the kind bill" in refused(root, "run", "3")
    assert contents(root) == before
    done = undo(root, "F2")
    assert (done["charge"], done["rerate"]) == ({"2003-06": "0.60"}, "")  # no balances in the book
    audited(root)


def parted(root: Path, *files: tuple[Call, ...]) -> Path:
    """A night with calls in parts, a file for each group of them."""
    path = root / "operator.yaml"
    path.write_text(path.read_text() + PARTS)
    for number, rows in enumerate(files, start=1):
        calls.deliver(root, number, *rows)
    calls.run(root, FIRST)
    return root


BEGIN = Call(ANN, FRIEND, "2003-06-10T10:00:00+08:00", 1800, call_ref="c1", sequence=1, cause=1)
END = Call(ANN, FRIEND, "2003-06-10T10:30:00+08:00", 61, call_ref="c1", sequence=2, cause=16)


@pytest.mark.parametrize(("gone", "stays"), [("F1", 2), ("F2", 1)])
def test_a_call_of_parts_of_two_files_is_broken_up(root: Path, gone: str, stays: int) -> None:
    """1861 s are 32 minutes at 0.60; whichever part is left waits, and then the call is whole."""
    parted(root, (BEGIN,), (END,))
    assert list(Lake(root).charges.values()) == ["19.200000"]
    done = undo(root, gone, as_of="2003-06-11T03:00:00+08:00")
    assert (done["again"], done["fates"]) == ({"duplicates": 0, "parts": 1}, {"pending": 1})
    [(record, seconds, cause)] = Lake(root).rows("pending", "record_id, duration_s, cause")
    assert record == (stays << 32) + 2
    assert (seconds, cause) == {1: (1800, 1), 2: (61, 16)}[stays]
    assert Lake(root).charges == {}
    audited(root)
    release(root, int(gone[1:]))
    calls.run(root, "2003-06-11T04:00:00")
    assert list(Lake(root).charges.values()) == ["19.200000"]
    audited(root)


def test_a_first_part_that_cannot_be_read_again(root: Path) -> None:
    """Its file is gone: both are withdrawn, the one with the first part first."""
    parted(root, (BEGIN,), (END,))
    (root / "inbox" / "msc-east" / calls.name(1)).unlink()
    assert "is gone from the inbox" in refused(root, "F2")
    assert "do: put the file back, or `tollbook undo F1` first" in refused(root, "F2")
    undo(root, "F1", as_of="2003-06-11T03:00:00+08:00")
    undo(root, "F2", as_of="2003-06-11T03:00:00+08:00")
    assert all(not rows for rows in contents(root).values())
    audited(root)


def test_what_was_done_about_suspended_records_goes_with_them(root: Path) -> None:
    """One was retried and is rated, one was given up, one waits; another file's waits on."""
    calls.deliver(root, 1, Call(NOBODY), Call(NOBODY, duration=61), Call("+8613010000098"))
    calls.deliver(root, 2, Call("+8613010000097"))
    calls.run(root, FIRST)
    said(root, "discard", "F1-3", "--note", "a test call")
    calls.add_subscription(root, f"S-9,A-3,{NOBODY},,easy,active,2003-01-01,")
    said(root, "retry")
    assert undo(root, "F1")["records"] == {"discarded": 1, "rated": 1, "suspended": 1}
    assert list(Lake(root).fates) == [(calls.name(2), 2)]
    logged = Lake(root).rows("suspense_log", "record_id & 4294967295, action, note")
    assert (4, "withdrawn", "wrong file") in logged
    audited(root)
    said(root, "retry")  # what is left is an ordinary record of suspense
    audited(root)


def test_balances_are_given_back(root: Path, tmp_path: Path) -> None:
    """F2 used what others left; one of its messages has a copy in F3, which is rated now."""
    other = calls.make(tmp_path / "other")
    message = Call(service="sms", duration=0, events=1, start="2003-06-10T08:00:00+08:00")
    long = Call(BOB, duration=240, start="2003-06-10T08:00:00+08:00")
    for one in (root, other):
        remember(one)
        calls.deliver(one, 1, Call(duration=130), Call(BOB, duration=650))
        if one is other:
            calls.run(one, FIRST)
        else:  # in a night of its own, after the first
            held = calls.deliver(one, 2, long, message).rename(one / "held")
            calls.run(one, FIRST)
            held.rename(one / "inbox" / "msc-east" / calls.name(2))
            calls.run(one, "2003-06-11T04:00:00")
        calls.deliver(one, 3, message)
        calls.run(one, SECOND)
    assert contents(root)["state"] != contents(other)["state"]
    done = undo(root, "F2")
    assert (done["records"], done["again"]["duplicates"]) == ({"rated": 2}, 1)
    assert done["rerate"] == "2003-06"
    assert contents(root) == contents(other)
    audited(root)
    audited(other)
    # Nothing is rated again: the months of the state are written by themselves.
    assert undo(root, "F1")["again"] == {"duplicates": 0, "parts": 0}
    audited(root)
    undo(root, "F3")
    audited(root)
    assert contents(root)["state"] == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Two nights not yet delivered, full of what joins records of several files."""
    root = tmp_path_factory.mktemp("made") / "operator"
    rates = Rates(duplicates_ppm=100_000, overlapping_ppm=60_000, ultra_short_ppm=60_000,
                  split_ppm=60_000)  # fmt: skip
    return root, nights.make(root, 1200, 2, 40, 1, rates, KINDS, PARTS)


def night(root: Path, report: Any, number: int, left_out: str = "") -> int:
    """A night without one of its files; gives its ``as_of``."""
    as_of = nights.deliver(root, report, number)
    for path in (root / "inbox").rglob(left_out or "nothing"):
        path.rename(root / left_out)
    nights.run(root, as_of)
    return as_of


def test_files_of_a_month_of_everything(made: tuple[Path, Any], tmp_path: Path) -> None:
    root, report = made
    whole, other = (Path(shutil.copytree(root, tmp_path / name)) for name in ("whole", "other"))
    night(whole, report, 0)
    night(whole, report, 1)
    work = session.open_session(whole)
    file = next(one for one in work.catalogue.files(1) if one.source == "msc-east")
    work.catalogue.engine.dispose()
    done = undo(whole, f"F{file.file_number}")
    assert min(done["again"].values()) > 0
    # A run of ultra-short calls is one still, though its window has passed long since.
    assert done["fates"]["duplicate"] > 0
    assert len(done["legs"]) == 2
    night(other, report, 0, file.name)
    as_of = night(other, report, 1, file.name)
    assert without(whole) == without(other)
    audited(whole)
    release(whole, file.file_number)
    (other / file.name).rename(other / "inbox" / file.source / file.name)
    for one in (whole, other):
        nights.run(one, as_of + 3600)
    assert without(whole) == without(other)
    audited(whole)


POINTS = ("plan_committed", "chunks_scattered", "files_written", "after_transaction",
          "superseded_hidden", "first_file_shown")  # fmt: skip


@pytest.mark.slow
def test_killed_at_named_points(made: tuple[Path, Any], tmp_path: Path) -> None:
    """Whatever comes next follows the plan of the undo, or finishes it."""
    root = Path(shutil.copytree(made[0], tmp_path / "before"))
    night(root, made[1], 0)
    as_of = night(root, made[1], 1)
    call = f"undo.run(session.open_session(Path({{!r}})), 'run 1', 'wrong', 'ann', {as_of})"
    code = "from tollbook.run import undo, session\n" + call
    calm = Path(shutil.copytree(root, tmp_path / "calm"))
    assert nights.apart(code.format(str(calm))) == 0
    audited(calm)
    for point in POINTS:
        killed = Path(shutil.copytree(root, tmp_path / point))
        assert nights.apart(code.format(str(killed)), TOLLBOOK_KILL_AT=point) == -9
        nights.run(killed, as_of)
        assert nights.tree(killed) == nights.tree(calm)
        assert undoing.contents(killed) == undoing.contents(calm)
        audited(killed)
