"""Fixed-width and JSON-lines layouts: against their naive twins, cut at any place, by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import reference_layouts
from delimited_samples import ZONES, load_text, rejected_of
from fixed_json_samples import BLOCK, LINE, TEXTS, TREE
from hypothesis import given
from hypothesis import strategies as st

from cdr import fixed, formats, json_lines
from cdr.delimited import block_of
from cdr.delimited_header import Header
from cdr.layout_types import Layout
from tollbook import reasons, schemas
from tollbook.errors import BrokenFile

Outcome = tuple[list[dict[str, Any]], list[tuple[int, bytes, bytes]], dict[str, int]]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    folder = tmp_path_factory.mktemp("layouts")
    return {name: load_text(folder, name, text) for name, text in TEXTS.items()}


def reader_of(found: Layout) -> ModuleType:
    return formats.reader(found.kind)


def decoded(data: bytes, found: Layout) -> Outcome:
    reader = reader_of(found)
    context = reader.prepare(found, Header("x", (), 0, 1), *ZONES.values(), 0, 1)
    result = reader.decode(block_of(data, found), context)
    schemas.check(result.batch, schemas.CDR, "decode")
    result.batch.validate(full=True)
    return result.batch.to_pylist(), rejected_of([result.rejected]), dict(result.totals)


def by_blocks(path: Path, found: Layout, block_bytes: int) -> Outcome:
    reader = reader_of(found)
    context = reader.prepare(found, reader.identify(path, found), *ZONES.values(), 0, 1)
    rows, rejected, totals = [], [], {"rows": 0, "blank_lines": 0, "comment_lines": 0}
    for block in reader.blocks(path, found, block_bytes):
        result = reader.decode(block, context)
        rows += result.batch.to_pylist()
        rejected += rejected_of([result.rejected])
        totals = {name: totals[name] + count for name, count in result.totals.items()}
    return rows, rejected, totals


CELLS = ["01", "02", "  ", "99", "X", "030610065950", "039910065950", "0001305", "0001605",
         " 13900000001", "\t", "caf\xe9", "000000", "-", "9" * 14, "\0", "2003-06-10 06:59:50",
         "2003-03-30 02:30:00", " 0:01:05", "12:00:60", "11:59:59", "\r", "\n", "\r\n", "x" * 70]


@st.composite
def fixed_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A layout's name and a file of it: good records with strange pieces laid over them."""
    name = draw(st.sampled_from(["lines", "blocks"]))
    good, end = (LINE, "\n") if name == "lines" else (BLOCK, "")
    parts = []
    for _ in range(draw(st.integers(0, 5))):
        record = good
        for _ in range(draw(st.integers(0, 2))):
            cell, at = draw(st.sampled_from(CELLS)), draw(st.integers(0, len(record)))
            record = record[:at] + cell + record[at + len(cell) :]
        parts.append(record[: draw(st.sampled_from([100, 100, 100, 39, 44, 5]))] + end)
    text = "".join(parts) + draw(st.sampled_from(["", "\r\n", "\x1a", good[:20]]))
    return name, text.encode(draw(st.sampled_from(["utf-8", "latin-1"])))


SCALARS = st.sampled_from([
    None, True, False, 0, -1, 7, 10**18, 10**30, 1.5, 1e30, 0.1234567, "", "-", "null", "x" * 300,
    "+8613900000001", "caf\xe9 \U0001f600", "\ud800", "\0", "2003-06-10 06:59:50Z", "12.5", [], {},
])  # fmt: skip
NOISE = [b"", b"{", b"}", b"[1]", b"NaN", b'"', b"\\u00", b"\xff", b"\r", b"\n", b"1e5", b"-0.50",
         b"  ", b"[" * 250, b"Infinity", b"\x01"]


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    lines = []
    for _ in range(draw(st.integers(0, 5))):
        tree = json.loads(json.dumps(TREE))
        for _ in range(draw(st.integers(0, 3))):
            inner = draw(st.sampled_from([tree, tree, tree["variables"], tree["legs"][1]]))
            key = draw(st.sampled_from([*inner, "other"]))
            if not isinstance(inner.get(key), dict | list):
                inner[key] = draw(SCALARS)
        text = json.dumps(tree, ensure_ascii=draw(st.booleans()))
        line = text.encode("utf-8", "surrogatepass")
        if draw(st.integers(0, 3)) == 0:
            at = draw(st.integers(0, len(line)))
            line = line[:at] + draw(st.sampled_from(NOISE)) + line[at + draw(st.integers(0, 9)) :]
        lines.append(line + draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\n \n", b"\n\n"])))
    return b"".join(lines)


@given(made=fixed_files(), block_bytes=st.integers(1, 150))
def test_fixed_is_its_naive_twin(
    made: tuple[str, bytes], block_bytes: int, layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    name, data = made
    expected = reference_layouts.fixed(data, layouts[name], ZONES)
    assert decoded(data, layouts[name]) == expected
    path = tmp_path_factory.getbasetemp() / f"fixed-{os.getpid()}"
    path.write_bytes(data)
    assert by_blocks(path, layouts[name], block_bytes) == expected


@given(data=json_files(), block_bytes=st.integers(1, 400))
def test_json_is_its_naive_twin(
    data: bytes, block_bytes: int, layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    expected = reference_layouts.json_lines(data, layouts["objects"], ZONES)
    assert decoded(data, layouts["objects"]) == expected
    path = tmp_path_factory.getbasetemp() / f"json-{os.getpid()}"
    path.write_bytes(b"{}\n" + data)
    cut = by_blocks(path, layouts["objects"], block_bytes)
    assert [row["reason"] for row in cut[0][1:]] == [row["reason"] for row in expected[0]]
    assert [raw[1:] for raw in cut[1]] == [raw[1:] for raw in expected[1]]


def test_fixed_by_hand(layouts: dict[str, Layout]) -> None:
    """130.5 s up is 131; 06:59:50 in Berlin in summer is 04:59:50 UTC."""
    data = (LINE + "\r\n99trailer\n\n" + LINE[:39] + "X\n" + LINE[:36]).encode()
    rows, rejected, totals = decoded(data.replace(b"0001305", b"0002105"), layouts["lines"])
    names = [reasons.name_of(row["reason"]) for row in rows]
    assert names == ["ok", "not_billable", "columns_too_few"]
    assert [row["record_id"] & 0xFF for row in rows] == [1, 4, 5]
    first = rows[0]
    assert (first["served_raw"], first["start_utc_s"], first["duration_s"]) == (
        "13900000001", 1055221190, 131)  # fmt: skip
    assert (first["upstream_charge_micro"], first["call_ref"]) == (1_500_000, "call-1")
    assert first["byte_length"] == len(LINE)
    assert rejected == [((1 << 32) + 5, b"", data.replace(b"0001305", b"0002105")[-36:])]
    assert totals == {"rows": 3, "blank_lines": 1, "comment_lines": 1}


def test_json_by_hand(layouts: dict[str, Layout]) -> None:
    """12.9 s down is 12, 7 KiB are 7168 bytes, 0.25 is 250,000 micro."""
    bad = json.dumps(TREE | {"price": "1,5"})
    rows, rejected, _ = decoded((json.dumps(TREE) + "\n" + bad).encode(), layouts["objects"])
    first, second = rows
    assert (first["reason"], first["served_raw"], first["location"]) == (0, "13900000001", "b")
    assert (first["duration_s"], first["up_bytes"]) == (12, 7168)
    assert first["upstream_charge_micro"] == 250_000
    assert reasons.name_of(second["reason"]) == "decimal_malformed"
    assert rejected == [((1 << 32) + 2, b"1,5", bad.encode())]


@pytest.mark.parametrize("text", ["[1,\n2]", "{\n}", " [{}]"])
def test_json_of_another_form_is_refused(
    tmp_path: Path, text: str, layouts: dict[str, Layout]
) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BrokenFile, match="one object a line"):
        by_blocks(tmp_path / "x.json", layouts["objects"], 100)


def test_depth_is_no_danger(layouts: dict[str, Layout], monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b'{"from": ' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    assert json_lines._values(deep, (("from",),)) == reasons.CODE["record_unreadable"]


def test_blocks_hold_few_records(layouts: dict[str, Layout], tmp_path: Path) -> None:
    """Places of all fields are in memory at once: narrow records make short blocks."""
    path = tmp_path / "many"
    path.write_bytes(BLOCK.encode() * 10)
    sizes = [block.byte_count for block in fixed.blocks(path, layouts["blocks"], 90)]
    assert sizes == [80] * 5
