"""Suspense as CSV and back: only changed cells count, and no file that comes back can do harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import nights
import pytest
from calls import CAT, audited
from hypothesis import given
from hypothesis import strategies as st
from suspense_workspace import (
    AS_OF,
    CUT,
    WAITING,
    call,
    correct,
    make,
    padded,
    refused,
    retry,
    row,
    told,
    waiting,
)

from tollbook.outputs import bare, protected
from tollbook.run.correctable import FIELDS, escaped, unescaped

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def after_the_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("suspense") / "harbour")


@pytest.fixture
def root(after_the_night: Path, tmp_path: Path) -> Path:
    return nights.copy(after_the_night, tmp_path)


def exported(root: Path, *words: str) -> Rows:
    path = root / "repair.csv"
    path.unlink(missing_ok=True)
    told(root, "export", str(path), *words)
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def write(root: Path, rows: Rows) -> str:
    """The file as it comes back from a spreadsheet."""
    path = root / "back.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as target:  # as Excel writes UTF-8
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def at(rows: Rows, line: int) -> dict[str, str]:
    return next(one for one in rows if one["record"] == f"F1-{line}")


def test_a_file_that_nobody_changed_changes_nothing(root: Path) -> None:
    rows = exported(root)
    assert {one["record"] for one in rows} == {f"F1-{line}" for line in WAITING}
    before = nights.tree(root), nights.books(root)
    assert told(root, "import", write(root, rows))["run"] == 0
    for one in rows:  # the spreadsheet took the apostrophes off, and the order is another
        one |= {name: bare(cell) for name, cell in one.items()}
    assert told(root, "import", write(root, rows[::-1]))["run"] == 0
    assert (nights.tree(root), nights.books(root)) == before
    assert call(root, "export", str(root / "repair.csv")).exit_code == 1  # never written over
    assert len(exported(root, "--reason", "columns_too_few")) == 1


def test_no_cell_is_a_formula(root: Path) -> None:
    cells = [cell for one in exported(root) for cell in one.values()]
    assert "'-1+1" in cells
    assert f"'{CUT}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_changed_cells_are_corrections(root: Path) -> None:
    rows = exported(root)
    at(rows, 8)["served_raw"] = CAT
    at(rows, 5).update({"duration_s": "121", "note": "the switch's log says 121"})
    whole = padded(f"{CUT}:00+08:00,59,voice,out")
    at(rows, 9)["raw_record"] = f"'{whole}"
    words = ("--note", "list of June", "--by", "ann", "--as-of", AS_OF)
    done = told(root, "import", write(root, rows), *words)
    assert done == {"run": 2, "records": 3, "fields": 3}
    audited(root)
    assert retry(root, "F1-5", "F1-8", "F1-9")["dispositions"]["rated"] == 3
    for line, field, old, new, note in (
        (5, "duration_s", "long", "121", "the switch's log says 121"),
        (8, "served_raw", "12", CAT, "list of June"),
        (9, "raw_record", CUT, whole, "list of June"),
    ):
        entry = told(root, "history", f"F1-{line}")["entries"][0]
        assert [entry[name] for name in ("who", "field", "old", "new", "note")] == [
            "ann", field, old, new, note]  # fmt: skip
    audited(root)


def test_one_value_for_all_records_of_a_file(root: Path) -> None:
    """A column filled down, and no other column but the two that are needed."""
    lines = (3, 6, 7, 8)
    rows = [
        {"record": one["record"], "check": one["check"], "served_raw": CAT}
        for one in exported(root, "--file", "F1") if one["record"] in {f"F1-{n}" for n in lines}
    ]  # fmt: skip
    done = told(root, "import", write(root, rows), "--note", "one switch", "--as-of", AS_OF)
    assert done == {"run": 2, "records": len(lines), "fields": len(lines)}
    for line in WAITING:
        served = row(root, "suspense", line, "served_raw")[0]
        assert (served == CAT) == (line in lines)
    audited(root)


def test_what_somebody_else_did_since_is_not_undone(root: Path) -> None:
    rows = exported(root)
    correct(root, 8, f"served_raw={CAT}")
    at(rows, 8)["duration_s"] = "62"
    says = refused(root, "import", write(root, rows), "--note", "x")
    assert "F1-8 is not as it was exported" in says
    assert row(root, "suspense", 8, "served_raw, duration_s") == (CAT, 61)


def test_all_problems_are_told_at_once(root: Path) -> None:
    before = nights.tree(root), nights.books(root)
    rows = exported(root)
    at(rows, 8)["served_raw"] = "'=1+1<"
    at(rows, 5)["duration_s"] = "1.2E+02"
    at(rows, 5)["other_raw"] = "8.61301E+12"
    at(rows, 6)["reason"] = "no_rate"
    at(rows, 3)["other_raw"] = "13"  # and no note
    at(rows, 10)["duration_s"] = "60"
    rows += [at(rows, 4), at(rows, 4) | {"record": "F1-2"}, at(rows, 4) | {"record": "12"}]
    says = refused(root, "import", write(root, rows))
    for words in (
        "F1-8: served_raw '=1+1<'", "F1-5: duration_s '1.2E+02'", "F1-5: other_raw '8.61301E+12'",
        "F1-6: 'reason' is changed to 'no_rate'", "F1-3: the note is ''",
        "F1-10: it still is time_malformed in start_utc_s: 'noon'",
        "F1-4 stands on line", "F1-2 is not in suspense", "'12' is no record",
    ):  # fmt: skip
        assert words in says
    assert "back.csv:11: " in says
    assert (nights.tree(root), nights.books(root)) == before


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no header": lambda data: data.split(b"\n", 1)[1],
    "another delimiter": lambda data: data.replace(b",", b";"),
    "not UTF-8": lambda data: data.replace(b",12,", b",\xff\xfe,"),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "open quote": lambda data: data + b'F1-8,"',
    "a cell on two lines": lambda data: data.replace(b",12,", b',"1\n2",'),
    "cells missing": lambda data: data + b"F1-8,v1\n",
    "lines without end": lambda data: data + b"x\n" * 100_000,
    "a huge cell": lambda data: data + b"F1-8," + b"x" * 200_000 + b"\n",
    "unknown column": lambda data: data.replace(b"record,check", b"record,check,rate", 1),
    "a column twice": lambda data: data.replace(b"served_raw,other_raw", b"imsi,other_raw", 1),
    "no check": lambda data: data.replace(b"record,check", b"record,note", 1),
    "a terminal's orders": lambda data: data.replace(b",12,", b",\x1b[2J,"),
    "a column of orders": lambda data: data.replace(b"record,check", b"record,check,\x1b[2J", 1),
    "a path": lambda data: data.replace(b"F1-8", b"../../etc/passwd"),
    "a file beyond all": lambda data: data.replace(b"F1-8", b"F999999999-4294967295"),
    "a line beyond all": lambda data: data.replace(b"F1-8", b"F0-4294967304"),  # F1-8, wrapped
    "check of another": lambda data: data.replace(b"F1-8,v", b"F1-8,w").replace(b",12,", b",13,"),
}


def test_hostile_files_are_refused_and_change_nothing(root: Path) -> None:
    exported(root)
    data = (root / "repair.csv").read_bytes()
    before = nights.tree(root), nights.books(root)
    for name, harm in HOSTILE.items():
        (root / "back.csv").write_bytes(harm(data))
        says = refused(root, "import", str(root / "back.csv"), "--note", name)
        assert "allowed: " in says, name
        assert "nothing was changed" in says, name
        assert all(one.isprintable() for one in says.replace("\n", "")), name  # or it acts
    assert (nights.tree(root), nights.books(root)) == before
    assert sorted(waiting(root)) == sorted(WAITING)


@given(st.binary(max_size=40))
def test_every_value_survives_the_way_out_and_back(data: bytes) -> None:
    text = escaped(data)
    assert text == text.strip()
    assert "".join(text.split()) == text.replace(" ", "")
    assert unescaped(text) == data
    assert bare(protected(text)) == text
    out = io.StringIO()
    csv.writer(out).writerow([protected(text)])
    assert [cell for cells in csv.reader([out.getvalue()]) for cell in cells] in (
        [protected(text)], [])  # fmt: skip


def test_every_field_reads_what_it_shows() -> None:
    record = {
        "service": "voice", "direction": "in", "served_raw": "\\+86", "other_raw": "",
        "third_raw": "tel:1", "routing_raw": "", "forward": "busy", "imsi": 460_970_000_000_001,
        "imei": 0, "start_utc_s": 1_055_199_590, "utc_offset_s": -12_600, "duration_s": 0,
        "up_bytes": 10**18 - 1, "down_bytes": 3, "event_count": 1, "trunk_in": " a ", "trunk_out":
        "'b", "network": "CHNHM", "location": "=1", "call_ref": "\\", "sequence": 2, "cause": 16,
        "upstream_charge_micro": 1_250_000, "raw_record": b"\x00\xff\\ ,",
    }  # fmt: skip
    record["served_raw"] = "+86 (10) 6554-1234"
    for name, field in FIELDS.items():
        values = field.read(field.show(record))
        assert values, name
        assert {column: record[column] for column in values} == values, name


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolon"), ("\t", "tab")])
def test_another_separator_is_named(root: Path, separator: str, name: str) -> None:
    path = root.parent / "fixed.csv"
    told(root, "export", str(path))
    path.write_text(path.read_text().replace(",", separator))
    says = refused(root, "import", str(path), "--note", "x")
    assert f"fixed.csv:1: the separator is a {name}" in says
    assert "1 error" in says


def test_records_are_shown_and_exported_in_their_order(root: Path) -> None:
    """Though a correction has put line 8 into a file of its own."""
    correct(root, 8, f"served_raw={CAT}")
    lines = [f"F1-{line}" for line in sorted(WAITING)]
    assert [one["record"] for one in told(root, "show")] == lines
    assert [one["record"] for one in told(root, "show", "--limit", "3")] == lines[:3]
    path = root.parent / "all.csv"
    told(root, "export", str(path))
    with path.open(newline="") as handle:
        assert [row["record"] for row in csv.DictReader(handle)] == lines
