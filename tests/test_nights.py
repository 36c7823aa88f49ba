"""Nights from end to end: what is read, what is refused, what is counted, in files on disk."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import calls
import nights
import numpy as np
import pytest
import zstandard
from calls import ANN, BOB, CAT, FRIEND, NOBODY, Call, Lake
from click.testing import CliRunner

from cdr import delimited
from tollbook.cli import main
from tollbook.errors import NotClosed, TollbookError
from tollbook.run import audit, bills, flow, session, settlements, work
from tollbook.stage import StageResult, with_columns

JUNE = 2003 * 12 + 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return calls.make(tmp_path / "harbour")


def audited(root: Path) -> None:
    """The books of a workspace close."""
    work = session.open_session(root)
    found = audit.audit(work)
    work.catalogue.engine.dispose()
    assert found.findings == ()


def small_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Files are decoded in pieces of about so many bytes."""
    monkeypatch.setattr(delimited, "blocks", partial(delimited.blocks, block_bytes=size))


# ---- which files are read


def test_a_file_is_read_once_whatever_its_name_and_source(root: Path) -> None:
    first = calls.deliver(root, 1, Call(), Call(served=BOB))
    assert calls.run(root).rows == 2
    before = nights.tree(root)
    calls.deliver(root, 2, Call(), Call(served=BOB))
    calls.deliver(root, "IMSW_200306110000_1.csv", Call(), Call(served=BOB), source="ims-west")
    os.utime(first, ns=(1, 1))  # read again it is the same file, copied with another time
    outcome = calls.run(root)
    why = f"the same bytes were already processed as F1 (msc-east/{calls.name(1)})"
    assert outcome.refused == (
        ("ims-west/IMSW_200306110000_1.csv", why), (f"msc-east/{calls.name(2)}", why))  # fmt: skip
    assert (outcome.run_number, outcome.rows) == (0, 0)
    assert calls.run(root).refused == ()  # told once
    assert nights.tree(root) == before
    audited(root)


def test_of_two_copies_in_one_night_the_first_is_read(root: Path) -> None:
    for number in (8, 7):
        calls.deliver(root, number, Call())
    outcome = calls.run(root)
    assert (outcome.file_count, outcome.rows) == (1, 1)
    [(name, why)] = outcome.refused
    assert name == f"msc-east/{calls.name(8)}"
    assert f"as F1 (msc-east/{calls.name(7)})" in why


def test_a_file_that_changed_after_it_was_read_is_reported_and_not_read(root: Path) -> None:
    calls.deliver(root, 1, Call())
    calls.run(root)
    before = nights.tree(root)
    calls.deliver(root, 1, Call(), Call(served=BOB))
    outcome = calls.run(root)
    assert outcome.refused == (
        (f"msc-east/{calls.name(1)}", "its content changed after it was processed as F1"),
    )
    assert calls.run(root).refused == ()
    calls.deliver(root, 1, Call())  # put back as it was
    assert calls.run(root).refused == ()
    assert nights.tree(root) == before


def test_a_file_that_is_still_written_waits_and_a_strange_name_is_told(root: Path) -> None:
    inbox = root / "inbox" / "msc-east"
    ends = (".part", ".tmp", "~")
    waiting = [calls.deliver(root, f"{calls.name(1)}{end}", Call()) for end in ends]
    calls.deliver(root, f".{calls.name(1)}", Call())
    (inbox / "MSCE_000009_200306110000.csv").mkdir()
    calls.deliver(root, "readme.txt", Call())
    outcome = calls.run(root)
    assert (outcome.run_number, outcome.refused) == (0, ())
    assert outcome.unmatched == (
        "msc-east/readme.txt: does not fit the pattern MSCE_{sequence:06d}_{date:%Y%m%d%H%M}.csv*",
    )
    waiting[0].rename(inbox / calls.name(1))
    assert calls.run(root).rows == 1
    assert calls.run(root).unmatched == outcome.unmatched  # as long as it lies there


# ---- what is in them


def _gzip_cut(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)[:-12]


BROKEN: list[tuple[Callable[[bytes], bytes], str]] = [
    (_gzip_cut, "gzip"),
    (lambda data: gzip.compress(data)[:5], "gzip"),
    (lambda data: zstandard.compress(data)[:-5], "zstd"),
    (lambda data: gzip.compress(data + b"x" * 20 * 2**20), "expand"),
    (lambda data: data.replace(b"served", b"caller"), "served"),
    (lambda data: data.replace(b"start", b"duration"), "duration"),
    (lambda data: data[:20], "head"),
    (lambda data: b"", "head"),
]


@pytest.mark.parametrize(("spoil", "words"), BROKEN)
def test_a_broken_file_is_refused_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes], words: str
) -> None:
    """What was decoded before the fault showed is forgotten; the corrected file is read later."""
    small_blocks(monkeypatch, 512)
    many = [Call(start=f"2003-06-10T{hour:02d}:{minute:02d}:00+08:00", served=served)
            for hour in range(24) for minute in range(0, 60, 5) for served in (ANN, BOB, NOBODY)]
    path = calls.deliver(root, 1, *many)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    calls.deliver(root, 2, many[0], many[1], many[2], replace(many[0], served=""))
    outcome = calls.run(root)
    [(name, why)] = outcome.refused
    assert name == f"msc-east/{calls.name(1)}"
    assert words in why
    assert "do:" in why
    assert (outcome.file_count, outcome.rows) == (1, 4)
    lake = Lake(root)
    assert lake.fates == {
        (calls.name(2), 2): "rated", (calls.name(2), 3): "rated",
        (calls.name(2), 4): "subscription_missing", (calls.name(2), 5): "field_missing",
    }  # fmt: skip
    audited(root)
    assert calls.run(root).run_number == 0  # told and remembered
    path.write_bytes(whole)
    again = calls.run(root)
    assert (again.refused, again.rows) == ((), len(many))
    assert again.dispositions["duplicate"] == 3  # those that the good file had, too
    assert again.dispositions["rated"] == len(many) * 2 // 3 - 2
    audited(root)


def test_a_file_of_types_without_names_is_refused(root: Path) -> None:
    """Cisco's second line came first: the names of the columns are lost."""
    operator = root / "operator.yaml"
    operator.write_text(operator.read_text().replace("\nduplicates:", """
  - {name: pbx, layout: cucm, files: "cdr_*"}
duplicates:""", 1))  # fmt: skip
    path = root / "inbox" / "pbx" / "cdr_1"
    path.parent.mkdir()
    path.write_text("INTEGER,VARCHAR(50),VARCHAR(50)\n1,2,3\n")
    [(name, why)] = calls.run(root).refused
    assert name == "pbx/cdr_1"
    assert "ask the source for the file with its line of names" in why


def test_files_without_a_record_are_read_and_change_nothing(root: Path) -> None:
    calls.deliver(root, 1)
    (root / "inbox" / "ggsn" / "GGSN00000001.dat").write_bytes(b"")
    outcome = calls.run(root)
    assert (outcome.file_count, outcome.rows, outcome.refused) == (2, 0, ())
    assert Lake(root).fates == {}
    calls.deliver(root, 2)  # a quiet hour again: the same bytes, and nothing to tell
    outcome = calls.run(root)
    assert (outcome.file_count, outcome.refused) == (1, ())
    audited(root)


def test_a_file_of_bad_rows_only_goes_to_suspense(root: Path) -> None:
    path = root / "inbox" / "msc-east" / calls.name(1)
    path.write_bytes(calls.text() + b"\xff\xfe,,\n" + b"voice,out\n" + b'"voice,out,\n' + b"\n")
    outcome = calls.run(root)
    assert outcome.dispositions["suspended"] == outcome.rows == 3
    assert outcome.charge_micro == 0
    assert sorted(place for _, place in Lake(root).fates) == [2, 3, 4]
    raw = Lake(root).rows("suspense", "raw_record, byte_offset, byte_length")
    data = path.read_bytes()
    assert all(data[at : at + size] == kept for kept, at, size in raw)
    audited(root)


def test_compressed_files_are_the_same_records(tmp_path: Path) -> None:
    data = calls.text(Call(), Call(served=BOB), Call(served=NOBODY), Call(duration="x"))
    trees = []
    for end, pack in (("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress)):
        root = calls.make(tmp_path / f"harbour{end}")
        (root / "inbox" / "msc-east" / f"{calls.name(1)}{end}").write_bytes(pack(data))
        assert calls.run(root).rows == 4
        trees.append(nights.tree(root))
    assert trees[0] == trees[1] == trees[2]
    assert any(name.startswith("lake/rated/") for name in trees[0])


# ---- how the work is cut never shows


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights' files of the sample operator in one inbox."""
    root = tmp_path_factory.mktemp("cut") / "harbour"
    made = nights.make(root, records=2400, nights=2)
    for night in (0, 1):
        nights.deliver(root, made, night)
    return root


def _small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts, tasks and groups of keys although there are few records."""
    monkeypatch.setattr(flow, "ROWS_A_TASK", 200)
    monkeypatch.setattr(flow, "KEYS_A_GROUP", 150)


CUTS = [
    {"threads": 1}, {"threads": 4}, {"threads": 2, "memory_bytes": 0},
    {"threads": 4, "memory_bytes": 60_000}, {"threads": 3, "block_bytes": 3000},
    {"threads": 4, "block_bytes": 700, "memory_bytes": 0},
]  # fmt: skip


@pytest.fixture(scope="module")
def uncut(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = nights.copy(month, tmp_path_factory.mktemp("uncut"))
    with pytest.MonkeyPatch.context() as patch:
        _small_tasks(patch)
        outcome = calls.run(root, "2003-06-06T02:00:00", threads=2)
    assert outcome.dispositions["suspended"] > 0
    assert outcome.dispositions["duplicate"] > 0
    assert len(list((root / "lake" / "rated").rglob("*.parquet"))) > 2
    return root


@pytest.mark.parametrize("cut", CUTS)
def test_threads_memory_and_pieces_never_show(
    month: Path, uncut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: dict[str, int]
) -> None:
    _small_tasks(monkeypatch)
    if "memory_bytes" in cut:
        small = partial(flow.Flow, memory_bytes=cut["memory_bytes"])
        monkeypatch.setattr(work, "Flow", small)
    if "block_bytes" in cut:
        small_blocks(monkeypatch, cut["block_bytes"])
    root = nights.copy(month, tmp_path)
    calls.run(root, "2003-06-06T02:00:00", cut["threads"])
    found, wanted = nights.tree(root), nights.tree(uncut)
    if "block_bytes" in cut:  # part 0 has a row group for each piece: rows are compared below
        for cut_up in [name for name in wanted if name.endswith("part-0000.parquet")]:
            del found[cut_up], wanted[cut_up]
    assert found == wanted
    for dataset in ("suspense", "uncharged"):
        assert Lake(root).rows(dataset, "*") == Lake(uncut).rows(dataset, "*")


# ---- periods


def test_two_months_of_one_night_lie_in_two_folders(root: Path) -> None:
    calls.deliver(
        root, 1,
        Call(start="2003-05-31T23:59:59+08:00"), Call(start="2003-06-01T00:00:00+08:00"),
        Call(start="2003-05-31T15:59:58Z"), Call(start="2003-05-31T16:00:01Z"),
    )  # fmt: skip
    calls.run(root)
    places = {
        month: sorted(number & 0xFFFFFFFF for (number,) in Lake(root).rows(
            f"rated/{month}", "record_id", where=f"bill_period = '{month}'"))
        for month in ("2003-05", "2003-06")
    }  # fmt: skip
    assert places == {"2003-05": [2, 4], "2003-06": [3, 5]}
    assert sorted(path.name for path in (root / "lake" / "rated").iterdir()) == list(places)


def test_what_comes_after_a_month_is_closed_goes_to_the_next_one(root: Path) -> None:
    calls.deliver(root, 1, Call(trunk_out="GR-BJ-1"))
    calls.run(root)
    after = calls.moment("2003-07-02T00:00:00")
    work = session.open_session(root)
    june = bills.run(work, JUNE, after)
    settlements.run(work, JUNE, after)
    closed = nights.tree(root)
    calls.deliver(root, 2, Call(start="2003-06-30T23:00:00+08:00", trunk_out="GR-BJ-1"))
    calls.run(root, "2003-07-03T02:00:00")
    lake = Lake(root)
    columns = "record_id >> 32, usage_period, bill_period"
    assert lake.rows("rated", columns) == [(1, "2003-06", "2003-06"), (2, "2003-06", "2003-07")]
    assert [month for (month,) in lake.rows("legs", "settle_period")] == ["2003-06", "2003-07"]
    assert closed.items() <= nights.tree(root).items()
    again = bills.run(work, JUNE, after)
    assert (again.again, again.rated_micro, june.rated_micro) == (True, 600_000, 600_000)
    july = bills.run(work, JUNE + 1, calls.moment("2003-08-02T00:00:00"))
    assert july.rated_micro == 600_000
    work.catalogue.engine.dispose()
    audited(root)


# ---- duplicates, customers


def test_a_record_counts_once_in_a_file_a_night_and_for_ever(root: Path) -> None:
    first = Call()
    others = [
        replace(first, served=BOB), replace(first, other=CAT), replace(first, duration=61),
        replace(first, start="2003-06-10T10:00:01+08:00"), replace(first, direction="in"),
    ]  # fmt: skip
    calls.deliver(root, 1, first, replace(first, call_ref="again"), *others)
    calls.deliver(root, 2, replace(first, start="2003-06-10T02:00:00Z"))  # the same instant
    assert calls.run(root).dispositions["duplicate"] == 2
    calls.deliver(root, 3, replace(first, call_ref="third"), replace(others[0], call_ref="x"))
    assert calls.run(root).dispositions["duplicate"] == 2
    lake = Lake(root)
    twins = {key for key, fate in lake.fates.items() if fate == "record_duplicate"}
    names = [calls.name(number) for number in (1, 2, 3)]
    assert twins == {(names[0], 3), (names[1], 2), (names[2], 2), (names[2], 3)}
    said = lake.rows("uncharged", "record_id, first_record_id")
    assert {(record >> 32, record & 7): (known >> 32, known & 7) for record, known in said} == {
        (1, 3): (1, 2), (2, 2): (1, 2), (3, 2): (1, 2), (3, 3): (1, 4)}  # fmt: skip
    audited(root)


def test_a_duplicate_of_a_suspended_record_stays_one(root: Path) -> None:
    lost = Call(served=NOBODY)
    calls.deliver(root, 1, lost)
    assert calls.run(root).reasons == {"subscription_missing": 1}
    calls.deliver(root, 2, replace(lost, call_ref="b"))
    assert calls.run(root).reasons == {"record_duplicate": 1}
    calls.add_subscription(root, f"S-9,A-2,{NOBODY},,easy,active,2003-01-01,")
    result = CliRunner().invoke(main.cli, ["suspense", "retry", "-C", str(root)])
    assert result.exit_code == 0, result.output
    calls.deliver(root, 3, replace(lost, call_ref="c"))
    assert calls.run(root).reasons == {"record_duplicate": 1}
    lake = Lake(root)
    assert list(lake.fates.values()).count("rated") == 1
    assert lake.fates[calls.name(1), 2] == "rated"
    audited(root)


def test_a_number_that_changes_hands_is_charged_to_whom_it_belonged(root: Path) -> None:
    rows = (root / "customers" / "subscriptions.csv").read_text().splitlines()
    rows[1] = f"S-1,A-1,{ANN},,easy,active,2002-01-01,2003-06-10T12:00:00"
    rows += [f"S-9,A-3,{ANN},,easy,active,2003-06-10T12:00:00,2003-06-10T13:00:00",
             f"S-9,A-3,{ANN},,easy,suspended,2003-06-10T13:00:00,2003-06-10T14:00:00",
             f"S-9,A-3,{ANN},,standard,active,2003-06-10T14:00:00,"]  # fmt: skip
    (root / "customers" / "subscriptions.csv").write_text("\n".join(rows) + "\n")
    hours = ("11:59:59", "12:00:00", "12:59:59", "13:00:00", "13:59:59", "14:00:00")
    calls.deliver(root, 1, *(Call(start=f"2003-06-10T{hour}+08:00") for hour in hours))
    calls.run(root)
    lake = Lake(root)
    columns = "record_id & 7, account_id, subscription_id, plan"
    assert lake.rows("rated", columns) == [
        (2, "A-1", "S-1", "easy"), (3, "A-3", "S-9", "easy"), (4, "A-3", "S-9", "easy"),
        (7, "A-3", "S-9", "standard"),
    ]  # fmt: skip
    assert lake.rows("suspense", "record_id & 7, reason") == [
        (5, "subscription_inactive"), (6, "subscription_inactive")]  # fmt: skip


# ---- runs that do not close, runs that are given up


def _charge_more(batch: Any) -> Any:
    """One record costs a micro more than its components say."""
    charge = batch.column("charge_micro").to_numpy().copy()
    charge[0] += 1
    return with_columns(batch, batch.schema, {"charge_micro": charge})


def _charge_all_more(batch: Any) -> Any:
    """The same, in its component as well."""
    charge = batch.column("charge_0_micro").to_numpy() + np.int64(1)
    return with_columns(_charge_more(batch), batch.schema, {"charge_0_micro": charge})


def _lose_one(batch: Any) -> Any:
    return batch.slice(1)


def _have_one_twice(batch: Any) -> Any:
    return batch.take(np.append(np.arange(batch.num_rows), 0))


@pytest.mark.parametrize("wrong", [_charge_more, _charge_all_more, _lose_one, _have_one_twice])
def test_a_run_that_does_not_close_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any], Any]
) -> None:
    calls.deliver(root, 1, Call())
    calls.run(root)
    before, known = nights.tree(root), nights.books(root)
    calls.deliver(root, 2, Call(served=BOB), Call(served=CAT), Call(served=NOBODY))
    rate = flow.BY_NAME["rate"]

    def spoiled(batch: Any, book: Any, state: None) -> StageResult:
        done: StageResult = rate(batch, book, state)
        return replace(done, batch=wrong(done.batch))

    with monkeypatch.context() as patch:
        patch.setitem(flow.BY_NAME, "rate", spoiled)
        with pytest.raises(NotClosed, match="do not close; nothing was committed"):
            calls.run(root)
    readable = {name for name in nights.tree(root) if not name.endswith(".pending")}
    assert {name for name in readable if "snapshots" not in name} == {
        name for name in before if "snapshots" not in name}  # fmt: skip
    after = nights.books(root)
    assert [run["state"] for run in after["runs"]] == ["published", "planned"]
    assert (after["totals"], after["lake_files"]) == (known["totals"], known["lake_files"])
    done = calls.run(root)  # the sound program does what was planned
    assert done.put_right == (2,)
    assert len(Lake(root).fates) == 4
    audited(root)


def _plan_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies behind its plan."""
    with monkeypatch.context() as patch:
        patch.setattr(work, "prepared", None)
        with pytest.raises(TypeError):
            calls.run(root)


def _cancel(root: Path, number: int) -> Any:
    return CliRunner().invoke(main.cli, ["runs", "cancel", "-C", str(root), str(number)])


def test_a_plan_is_kept_until_it_is_cancelled(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = calls.deliver(root, 1, Call())
    twin = calls.deliver(root, 2, Call())
    _plan_only(root, monkeypatch)
    path.unlink()
    for _ in range(2):
        with pytest.raises(TollbookError, match=r"it is gone(.|\n)*`tollbook runs cancel 1`"):
            calls.run(root)
    path.write_bytes(calls.text(Call(), Call(served=BOB)))
    with pytest.raises(TollbookError, match="its content is another"):
        calls.run(root)
    path.unlink()
    assert _cancel(root, 2).exit_code == 1
    result = _cancel(root, 1)
    assert (result.exit_code, "run 1 is cancelled" in result.output) == (0, True)
    outcome = calls.run(root)  # the copy is no copy of anything now
    assert (outcome.rows, outcome.refused) == (1, ())
    assert Lake(root).fates == {(twin.name, 2): "rated"}
    result = _cancel(root, 1)
    assert result.exit_code == 1
    assert "run 1 is published" in result.output
    listed = CliRunner().invoke(main.cli, ["runs", "-C", str(root)])
    assert "published" in listed.output
    audited(root)


def test_files_that_arrive_after_the_plan_wait(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.deliver(root, 2, Call())
    _plan_only(root, monkeypatch)
    calls.deliver(root, 1, Call(served=BOB), Call(other=FRIEND))
    outcome = calls.run(root)
    assert outcome.put_right == (1,)
    assert (outcome.run_number, outcome.rows) == (2, 2)
    assert Lake(root).fates == {
        (calls.name(2), 2): "rated", (calls.name(1), 2): "rated",
        (calls.name(1), 3): "record_duplicate",
    }  # fmt: skip
