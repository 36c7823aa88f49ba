"""Nights from end to end: which files are read and refused, and that no cut of the work shows."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import calls
import nights
import pyarrow as pa
import pytest
from calls import ANN, BOB, NOBODY, Call, Lake, audited

from cdr import delimited
from cdr.synth_faults import Rates
from tollbook.run import assembling, flow, work


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return calls.make(tmp_path / "harbour")


zstd = partial(pa.compress, codec="zstd", asbytes=True)


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
    assert (outcome.file_count, outcome.rows, outcome.refused) == (1, 1, ())
    [passed_over] = outcome.unmatched
    assert passed_over.startswith(f"msc-east/{calls.name(8)}: the same bytes as msc-east/")
    [(name, why)] = calls.run(root).refused  # now that its twin has given a record
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
    (root / "inbox" / "msc-esat").mkdir()
    outcome = calls.run(root)
    assert (outcome.run_number, outcome.refused) == (0, ())
    stranger, *unmatched = outcome.unmatched
    assert stranger == (
        "msc-esat: not the folder of a source; sources are ggsn, ims-west, msc-east"
    )
    assert tuple(unmatched) == (
        "msc-east/readme.txt: does not fit the pattern MSCE_{sequence:06d}_{date:%Y%m%d%H%M}.csv*",
    )
    waiting[0].rename(inbox / calls.name(1))
    assert calls.run(root).rows == 1
    assert calls.run(root).unmatched == outcome.unmatched  # as long as they lie there


# ---- what is in them


BROKEN: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: gzip.compress(data)[:-12], "gzip"),
    (lambda data: gzip.compress(data)[:5], "gzip"),
    (lambda data: zstd(data)[:-5], "zstd"),
    (lambda data: gzip.compress(data + b"x" * 20 * 2**20), "expand"),
    (lambda data: data.replace(b"served", b"caller"), "served"),
    (lambda data: data.replace(b"start", b"duration"), "duration"),
    (lambda data: data[:20], "head"),
    (lambda data: b"", "it is empty"),
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
    for number in (1, 2):
        (root / "inbox" / "ggsn" / f"GGSN{number:08d}.dat").write_bytes(b"")
    outcome = calls.run(root)
    assert (outcome.file_count, outcome.rows, outcome.refused) == (3, 0, ())
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
    for end, pack in (("", bytes), (".gz", gzip.compress), (".zst", zstd)):
        root = calls.make(tmp_path / f"harbour{end}")
        (root / "inbox" / "msc-east" / f"{calls.name(1)}{end}").write_bytes(pack(data))
        assert calls.run(root).rows == 4
        trees.append(nights.tree(root))
    assert trees[0] == trees[1] == trees[2]
    assert any(name.startswith("lake/rated/") for name in trees[0])


# ---- how the work is cut never shows


KINDS = """  overlapping: {services: [voice], same: [other]}
  ultra_short: {duration: 2s, gap: 180s}
"""


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights' files of the sample operator in one inbox."""
    root = tmp_path_factory.mktemp("cut") / "harbour"
    rates = Rates(
        duplicates_ppm=10_000, overlapping_ppm=10_000, ultra_short_ppm=5_000, split_ppm=50_000
    )
    made = nights.make(
        root, records=1900, nights=2, rates=rates, duplicates=KINDS,
        sections="partials: {going_on: [1]}\n",
    )  # fmt: skip
    for night in (0, 1):
        nights.deliver(root, made, night)
    return root


def _small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts, tasks and groups of keys although there are few records."""
    monkeypatch.setattr(flow, "ROWS_A_TASK", 200)
    monkeypatch.setattr(assembling, "ROWS_A_TASK", 20)
    monkeypatch.setattr(flow, "KEYS_A_GROUP", 150)


# The bytes are the same for any number of threads and any memory; the size of a piece, which is no
# setting, changes the order of rows and no row.
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
    kinds = ("record_duplicate", "record_overlaps", "record_ultra_short")
    assert all(outcome.reasons[name] > 5 for name in (*kinds, "part_merged"))
    assert len(list((root / "lake" / "uncharged").rglob("assembled-*"))) > 1
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
    if "block_bytes" not in cut:
        assert nights.tree(root) == nights.tree(uncut)
    for dataset in ("rated", "legs", "suspense", "uncharged", "duplicates"):
        assert sorted(Lake(root).rows(dataset, "*"), key=repr) == sorted(
            Lake(uncut).rows(dataset, "*"), key=repr
        )
