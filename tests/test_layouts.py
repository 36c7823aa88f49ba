"""Layouts: what those that ship make of real files, the guide's snippets, broken layouts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cdr import delimited, formats, layout
from cdr.layout_fields import FIELDS
from tollbook import reasons
from tollbook.errors import BrokenFile, NotFound, Refused
from tollbook.text import Problems

HERE = Path(__file__).parent
DATA, BROKEN = HERE / "data", HERE / "broken" / "layouts"
GUIDE = HERE.parent / "docs" / "layouts.md"


def rows_of(name: str, file: Path, zone: str) -> list[dict[str, Any]]:
    """The rows of a file: every value that is not 0 or empty, and the reason by name."""
    found = layout.shipped(name)
    reader = formats.reader(found.kind)
    context = reader.prepare(found, reader.identify(file, found), zone, "UTC", 0, 1)
    rows = []
    for block in reader.blocks(file, found):
        for row in reader.decode(block, context).batch.to_pylist():
            row["reason"] = reasons.name_of(row["reason"])
            row["line"] = row.pop("record_id") & 0xFFFFFFFF
            dull = ("byte_offset", "byte_length", "source_index", "reason_field")
            rows.append({k: v for k, v in row.items() if v not in (0, "") and k not in dull})
    return rows


CALL = {"service": 1, "direction": 1}


def test_asterisk() -> None:
    """Starts are the answers; in UTC rows 1 and 2 agree with the seconds of their unique ids."""
    rows = rows_of("asterisk", DATA / "asterisk_master.csv", "UTC")
    assert rows[:2] == [
        {**CALL, "line": 1, "served_raw": "8016", "other_raw": "+380630000001",
         "start_utc_s": 1530369902 + 12, "duration_s": 83, "call_ref": "1530369902.8942",
         "reason": "ok"},
        {**CALL, "line": 2, "served_raw": "3035", "other_raw": "2",
         "start_utc_s": 1783469596, "duration_s": 82, "call_ref": "1783469596.2321",
         "reason": "ok"},
    ]  # fmt: skip


def test_asterisk_in_the_zone_of_its_source() -> None:
    """Row 3 was written by a machine in UTC+2: its id is the second of 11:02:16 there."""
    rows = rows_of("asterisk", DATA / "asterisk_master.csv", "Etc/GMT-2")
    assert rows[2] == {
        **CALL, "line": 3, "served_raw": "8001", "other_raw": "8002", "duration_s": 5,
        "start_utc_s": 1598518936 + 4, "utc_offset_s": 7200, "call_ref": "1598518936.86",
        "reason": "ok",
    }  # fmt: skip


def test_freeswitch() -> None:
    rows = rows_of("freeswitch", DATA / "freeswitch_master.csv", "UTC")
    assert [row["reason"] for row in rows] == ["not_answered"] * 3 + ["ok"]
    assert [row["served_raw"] for row in rows] == ["9007", "9008", "9008", "9010"]
    assert rows[3] == {
        **CALL, "line": 4, "served_raw": "9010", "other_raw": "34600000002", "duration_s": 65,
        "start_utc_s": 1401383407,  # 2014-05-29 17:10:07
        "call_ref": "0b1d2c3e-e754-11e3-8c10-65b6c3cdac7d", "reason": "ok",
    }  # fmt: skip


def test_freeswitch_blank_before_quotes(tmp_path: Path) -> None:
    text = (DATA / "freeswitch_master.csv").read_text()
    (tmp_path / "blanks.csv").write_text(text.replace(',"', ', "'))
    expected = rows_of("freeswitch", DATA / "freeswitch_master.csv", "UTC")
    assert rows_of("freeswitch", tmp_path / "blanks.csv", "UTC") == expected


def test_cucm() -> None:
    """Lines 1 and 2 name the columns and their types; two attempts were never connected."""
    rows = rows_of("cucm", DATA / "cucm_cdr.txt", "America/Los_Angeles")
    assert [(row["line"], row["reason"]) for row in rows] == [
        (3, "not_answered"), (4, "not_answered"), (5, "ok")]  # fmt: skip
    assert rows[2] == {
        **CALL, "line": 5, "served_raw": "5033466594", "other_raw": "5033466593",
        "start_utc_s": 1744993930, "utc_offset_s": -25200, "duration_s": 11,
        "call_ref": "ed56fecd-bd2d-48d4-ae03-7ee3766d6048", "reason": "ok",
    }  # fmt: skip


def test_cucm_without_names_is_refused() -> None:
    with pytest.raises(BrokenFile) as caught:
        rows_of("cucm", DATA / "cucm_sample_cdr.txt", "UTC")
    message = str(caught.value)
    assert "the line of column names is missing: the first line holds types (INTEGER" in message
    assert "do: ask the source for the file with its line of names" in message


def test_ribbon() -> None:
    """Only the STOP is a call: no A number, 306 ticks of 10 ms are 3.06 s, so 4 s rounded up."""
    rows = rows_of("ribbon", DATA / "ribbon_gsx.cdr", "America/Los_Angeles")
    assert [row["reason"] for row in rows] == ["not_billable", "ok", "not_billable"]
    assert rows[1] == {
        **CALL, "line": 2, "other_raw": "5307520014", "duration_s": 4, "cause": 16,
        "start_utc_s": 1361581332,  # 2013-02-22 17:02:12 -08:00
        "utc_offset_s": -28800, "call_ref": "0x0001042B00000012", "reason": "ok",
    }  # fmt: skip


def test_kamailio() -> None:
    """125.004 s are 126 begun ones; 06:59:50 in Shanghai is 1055199590, 23:59:59 is 61,209 later.

    The caller must be known; a call that failed has no duration.
    """
    assert rows_of("kamailio", DATA / "kamailio_acc_cdrs.csv", "Asia/Shanghai") == [
        {**CALL, "line": 2, "served_raw": "13900000001", "other_raw": "02087654321",
         "start_utc_s": 1055199590, "utc_offset_s": 28800, "duration_s": 126,
         "call_ref": "f81d4fae@10.0.0.1", "reason": "ok"},
        {**CALL, "line": 3, "served_raw": "13900000002", "other_raw": "110",
         "start_utc_s": 1055199600, "utc_offset_s": 28800,
         "call_ref": "a84b4c76@10.0.0.1", "reason": "not_answered"},
        {**CALL, "line": 4, "served_raw": "13900000003", "other_raw": "+8613800000003",
         "start_utc_s": 1055260799, "utc_offset_s": 28800, "duration_s": 60, "reason": "ok"},
        {**CALL, "line": 5, "other_raw": "02087654321", "start_utc_s": 1055203200,
         "utc_offset_s": 28800, "duration_s": 11, "call_ref": "c0ffee@10.0.0.1",
         "reason": "field_missing"},
    ]


def test_emi() -> None:
    """2 minutes 10.5 s are 131 s, 12 minutes 720 s; 1,500 mills are 1.5; New York is at -4 hours.

    1055199590 is 06:59:50 at +8 hours: 12 hours later it is at -4.
    """
    start, shift = 1055199590 + 12 * 3600, {"direction": 1, "utc_offset_s": -14400}
    noon = start + 5 * 3600 + 10
    assert rows_of("emi", DATA / "emi.txt", "America/New_York") == [
        {**shift, "service": 1, "line": 2, "served_raw": "2025550101", "other_raw": "3125550199",
         "start_utc_s": start, "duration_s": 131, "upstream_charge_micro": 1_500_000,
         "reason": "ok"},
        {**shift, "service": 1, "line": 3, "served_raw": "2025550102", "other_raw": "4165550123",
         "start_utc_s": start + 17 * 3600 + 9, "duration_s": 720, "reason": "ok"},
        {**shift, "service": 1, "line": 4, "served_raw": "2025550103", "other_raw": "0114420794",
         "start_utc_s": noon, "duration_s": 60, "reason": "record_unreadable"},
        {**shift, "service": 1, "line": 5, "served_raw": "2025550104", "other_raw": "3125550198",
         "start_utc_s": noon, "reason": "time_malformed"},
        {**shift, "line": 6, "served_raw": "2025550105", "other_raw": "3125550198",
         "start_utc_s": noon, "upstream_charge_micro": 25_000_000, "reason": "service_unknown"},
        {"direction": 1, "service": 1, "line": 7, "served_raw": "2025550106",
         "reason": "columns_too_few"},
    ]


@pytest.mark.parametrize("name", layout.SHIPPED)
def test_shipped_layouts_are_whole(name: str) -> None:
    found = layout.shipped(name)
    assert found.name == name
    assert {path.stem for path in layout.shipped_path(name).parent.iterdir()} == set(layout.SHIPPED)


def test_unknown_layout_is_refused_with_advice() -> None:
    with pytest.raises(NotFound, match="did you mean 'asterisk'"):
        layout.shipped("asterix")


# --- broken layouts -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(BROKEN.iterdir()), ids=lambda path: path.stem)
def test_broken_layouts(path: Path) -> None:
    """``#! line: words|words`` in a file is one or more of its problems; there are no others."""
    problems = Problems()
    assert layout.load(path, problems, path.name) is None
    lines = [str(problem) for problem in problems.found]
    expected = re.findall(r"^#! (\d+): (.*)$", path.read_text(), re.MULTILINE)
    assert expected
    met = set()
    for line, words in expected:
        for word in words.split("|"):
            hits = {m for m in lines if m.startswith(f"{path.name}:{line}: ") and word.strip() in m}
            assert hits, f"line {line}: {word!r} is not in\n" + "\n".join(lines)
            met |= hits
    assert met == set(lines)


# --- the guide ----------------------------------------------------------------------------------

SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
EXAMPLE = re.search(  # a file, its layout, and what becomes of it
    r"^```csv\n(.*?)^```.*?^```yaml\n(.*?)^```.*?^```\n(.*?)^```", GUIDE.read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)  # fmt: skip


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets_of_the_guide_are_layouts(snippet: str, tmp_path: Path) -> None:
    """A snippet that is not a whole layout is columns of one."""
    if not snippet.startswith("layout:"):
        head = "layout: part\nkind: delimited\nheader: names\n"
        known = {"service: voice": "to: service", "direction: out": "to: direction"}
        given = [text for text, fed in known.items() if fed not in snippet]
        rest = f"constants: {{{', '.join(given)}}}\n" if "constants:" not in snippet else ""
        if "to: start" not in snippet:
            snippet += "  - {name: start, to: start, format: iso8601}\n"
        keep = [name for name in ("answered", "billable") if f"to: {name}" in snippet]
        rest += f"keep: [{', '.join(keep)}]\n" if keep and "keep:" not in snippet else ""
        snippet = head + "columns:\n" * ("columns:" not in snippet) + snippet + rest
    name = snippet.split("\n", 1)[0].removeprefix("layout: ")
    path = tmp_path / f"{name}.yaml"
    path.write_text(snippet)
    problems = Problems()
    assert layout.load(path, problems) is not None, Refused(problems.found)


def test_the_example_of_the_guide_decodes_as_shown(tmp_path: Path) -> None:
    assert EXAMPLE is not None
    file, text, shown = EXAMPLE.groups()
    name = text.split("\n", 1)[0].removeprefix("layout: ")
    (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "file.csv").write_text(file)
    found = layout.load(tmp_path / f"{name}.yaml", Problems())
    assert found is not None
    head = delimited.identify(tmp_path / "file.csv", found)
    context = delimited.prepare(found, head, "Asia/Shanghai", "Asia/Shanghai", 0, 1)
    made = []
    for block in delimited.blocks(tmp_path / "file.csv", found):
        for row in delimited.decode(block, context).batch.to_pylist():
            kept = {f: row[f] for f in ("served_raw", "other_raw", "start_utc_s", "duration_s")}
            line = row["record_id"] & 0xFFFFFFFF
            made.append(f"line {line}: {reasons.name_of(row['reason'])} "
                        + " ".join(str(value) for value in kept.values() if value))  # fmt: skip
    assert made == shown.splitlines()


def test_the_guide_names_every_field() -> None:
    text = GUIDE.read_text("utf-8")
    for name, field in FIELDS.items():
        assert re.search(rf"^\| `{name}` \|.*`{field.column}`" if field.column
                         else rf"^\| `{name}` \|", text, re.MULTILINE)  # fmt: skip
