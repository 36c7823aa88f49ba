"""The delimited decoder: broken rows one by one, the naive twin, cuts at any place, broken files."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import reference_decode
from conftest import JIT_IS_OFF
from hypothesis import given
from hypothesis import strategies as st

from cdr import delimited, delimited_header, files, formats, layout, layout_time
from cdr import spec_kernels as k
from cdr.delimited_header import Header
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas
from tollbook.errors import BrokenFile
from tollbook.text import Problems

ZONE = "Europe/Berlin"
ZONES = {"source": ZONE, "operator": "Asia/Shanghai"}
TOLLBOOK = ("service", "direction", "served", "other", "imsi", "imei", "start", "duration",
            "up_bytes", "location", "sequence")  # fmt: skip

# Layouts that together use every key; each with a row that is good.
TEXTS = {
    "semicolon": """
        layout: semicolon
        kind: delimited
        delimiter: ";"
        quote: "'"
        escape: backslash
        encoding: latin-1
        comment: "//"
        null: [NULL, "-"]
        columns_per_row: 8-10
        columns:
          - {at: 1, to: service, map: {V: voice, a service with a long name: sms,
                                       a service with a long tail: mms}}
          - {at: 2, to: served_number, required: yes, max_length: 12}
          - {at: 3, to: start, format: "%d.%m.%Y %H:%M", zone: source}
          - {at: 4, to: duration, unit: ms, round: nearest}
          - {at: 5, to: up_volume, type: decimal, unit: KiB, round: down}
          - {at: 6, to: charge}
          - {at: 7, to: network, null: ["0"]}
          - {at: 8, to: billable, equals: [yes, a condition with a long name]}
          - {at: 10, to: cause, optional: yes}
        constants: {direction: in, events: 2, location: "here"}
        keep: billable
        limits: {row_bytes: 120}
    """,
    "tabs": """
        layout: tabs
        kind: delimited
        delimiter: tab
        quote: '"'
        encoding: ascii
        trim: yes
        columns:
          - {at: 1, to: direction}
          - {at: 2, to: other_number}
          - {at: 3, to: start_date, format: "%m/%d/%Y", zone: America/New_York}
          - {at: 4, to: start_clock, format: "%H:%M:%S.%f"}
          - {at: 5, to: duration, type: decimal, unit: min, round: up}
          - {at: 6, to: call_ref, max_length: 9}
          - {at: 7, to: answered, unless: ["", "never"]}
        constants: {service: voice}
        keep: [answered]
        limits: {row_bytes: 90}
    """,
    "epoch": """
        layout: epoch
        kind: delimited
        quote: "'"
        columns:
          - {at: 1, to: start, format: epoch_ms, zone: operator}
          - {at: 2, to: third_number}
          - {at: 3, to: trunk_in}
          - {at: 4, to: events}
          - {at: 5, to: duration, unit: 10ms, round: up, required: yes}
        constants: {service: sms, direction: out}
        limits: {row_bytes: 60}
    """,
    "offset": """
        layout: offset
        kind: delimited
        quote: '"'
        trim: yes
        columns:
          - {at: 1, to: start, format: "%Y-%m-%dT%H:%M:%S%z"}
          - {at: 2, to: charge, unit: "0.01", type: integer}
          - {at: 2, to: down_volume, unit: MB}
        constants: {service: data, direction: out}
    """,
    "local": """
        layout: local
        kind: delimited
        quote: '"'
        columns:
          - {at: 1, to: start, format: "%Y-%m-%d %H:%M:%S", zone: source}
          - {at: 2, to: location}
        constants: {service: data, direction: out}
    """,
}


def load(folder: Path, name: str) -> Layout:
    path = folder / f"{name}.yaml"
    path.write_text(TEXTS[name])
    problems = Problems()
    found = layout.load(path, problems)
    problems.refuse_if_any()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    folder = tmp_path_factory.mktemp("layouts")
    shipped = {name: layout.shipped(name) for name in ("tollbook", "asterisk", "freeswitch")}
    return {name: load(folder, name) for name in TEXTS} | shipped


def head_of(name: str) -> Header:
    return Header(name, TOLLBOOK if name == "tollbook" else (), 0, 1)


def context_of(found: Layout) -> delimited.DecodeContext:
    return delimited.prepare(found, head_of(found.name), ZONE, "Asia/Shanghai", 0, 1)


def decoded(data: bytes, found: Layout) -> tuple[list[dict[str, Any]], list[Any], dict[str, int]]:
    result = delimited.decode(delimited.block_of(data, found), context_of(found))
    schemas.check(result.batch, schemas.CDR, "decode")
    result.batch.validate(full=True)
    return result.batch.to_pylist(), rejected_of([result.rejected]), dict(result.totals)


def rejected_of(batches: list[pa.RecordBatch | None]) -> list[tuple[int, bytes, bytes]]:
    rows = [row for batch in batches if batch is not None for row in batch.to_pylist()]
    return [(row["record_id"], row["raw_value"], row["raw_record"]) for row in rows]


# --- rows that are broken, one by one -----------------------------------------------------------

GOOD = "voice,out,4917012345,030123,,,2003-06-10T06:59:50+02:00,30,0,c1,0"
# name, bytes, then for every row: line, reason, field, raw value (None: not rejected)
BROKEN: list[tuple[str, bytes, list[tuple[int, str, str, bytes | None]]]] = [
    ("too few columns", b"voice,out,1\n", [(1, "columns_too_few", "", b"")]),
    ("too many columns", GOOD.encode() + b",1\n", [(1, "columns_too_many", "", b"")]),
    ("no last line end", GOOD.encode(), [(1, "ok", "", None)]),
    ("CRLF, no last line end", GOOD.encode() + b"\r\n" + GOOD.encode() + b"\r",
     [(1, "ok", "", None), (2, "ok", "", None)]),
    ("blank lines count", b"\n\r\n" + GOOD.encode() + b"\n\n", [(3, "ok", "", None)]),
    ("unknown service", GOOD.replace("voice", "fax").encode(),
     [(1, "service_unknown", "service", b"fax")]),
    ("unknown direction", GOOD.replace("out", "o").encode(),
     [(1, "direction_unknown", "direction", b"o")]),
    ("first fault counts", GOOD.replace("voice,out", "fax,o").encode(),
     [(1, "service_unknown", "service", b"fax")]),
    ("served missing", GOOD.replace("4917012345", "").encode(),
     [(1, "field_missing", "served_raw", b"")]),
    ("number with a blank", GOOD.replace("030123", "030 123").encode(),
     [(1, "number_malformed", "other_raw", b"030 123")]),
    ("number with plus, star", GOOD.replace("030123", "+*21#030@sip").encode(),
     [(1, "ok", "", None)]),
    ("short IMSI", GOOD.replace(",,,", ",12345,,").encode(),
     [(1, "imsi_malformed", "imsi", b"12345")]),
    ("IMEI with a letter", GOOD.replace(",,,", ",,35a9561234567890,").encode(),
     [(1, "imei_malformed", "imei", b"35a9561234567890")]),
    ("30th of February", GOOD.replace("06-10", "02-30").encode(),
     [(1, "time_malformed", "start_utc_s", b"2003-02-30T06:59:50+02:00")]),
    ("hour 24", GOOD.replace("T06", "T24").encode(),
     [(1, "time_malformed", "start_utc_s", b"2003-06-10T24:59:50+02:00")]),
    ("no offset", GOOD.replace("+02:00", "").encode(),
     [(1, "time_malformed", "start_utc_s", b"2003-06-10T06:59:50")]),
    ("start missing", GOOD.replace("2003-06-10T06:59:50+02:00", "").encode(),
     [(1, "field_missing", "start_utc_s", b"")]),
    ("duration in words", GOOD.replace(",30,", ",thirty,").encode(),
     [(1, "integer_malformed", "duration_s", b"thirty")]),
    ("duration negative", GOOD.replace(",30,", ",-30,").encode(),
     [(1, "integer_out_of_range", "duration_s", b"-30")]),
    ("duration of 19 digits", GOOD.replace(",30,", "," + "9" * 19 + ",").encode(),
     [(1, "integer_out_of_range", "duration_s", b"9" * 19)]),
    ("sequence beyond int32", GOOD.removesuffix("0").encode() + b"2147483648\n",
     [(1, "integer_out_of_range", "sequence", b"2147483648")]),
    ("location too long", GOOD.replace("c1", "c" * 256).encode(),
     [(1, "field_too_long", "location", b"c" * 256)]),
    ("location not UTF-8", GOOD.encode().replace(b"c1", b"c\xff"),
     [(1, "text_not_utf8", "location", b"c\xff")]),
    ("surrogate in UTF-8", GOOD.encode().replace(b"c1", b"\xed\xa0\x80"),
     [(1, "text_not_utf8", "location", b"\xed\xa0\x80")]),
    ("NUL in location", GOOD.encode().replace(b"c1", b"c\0"),
     [(1, "text_control_character", "location", b"c\0")]),
    ("NUL in a number", GOOD.encode().replace(b"030123", b"030\0"),
     [(1, "number_malformed", "other_raw", b"030\0")]),
    ("quoted delimiter, quote, line end",
     GOOD.encode().replace(b"c1", b'"a,""b""\nc"') + b"\n" + GOOD.encode(),
     [(1, "ok", "", None), (3, "ok", "", None)]),
    ("quote that never closes", GOOD.encode().replace(b"c1", b'"c1') + b"\n" + GOOD.encode() + b"\n",
     [(1, "quote_unclosed", "", b""), (2, "ok", "", None)]),
    ("quote unclosed before quoted rows",
     GOOD.encode().replace(b"c1", b'"c1') + b"\n" + GOOD.encode().replace(b"c1", b'"c2"'),
     [(1, "quote_unclosed", "", b""), (2, "ok", "", None)]),
    ("text behind a quote", GOOD.encode().replace(b"c1", b'"c"1') + b"\n" + GOOD.encode(),
     [(1, "quote_unclosed", "", b""), (2, "ok", "", None)]),
    ("quote inside a bare field", GOOD.encode().replace(b"c1", b'5" pipe'), [(1, "ok", "", None)]),
    ("row too long", GOOD.encode().replace(b"c1", b"c" * 70_000) + b"\n" + GOOD.encode(),
     [(1, "row_too_long", "", b""), (2, "ok", "", None)]),
    ("row of delimiters", b"," * 200_000 + b"\n" + GOOD.encode(),
     [(1, "row_too_long", "", b""), (2, "ok", "", None)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_broken_rows(data: bytes, expected: list[Any], layouts: dict[str, Layout]) -> None:
    rows, rejected, totals = decoded(data, layouts["tollbook"])
    raw = {record_id: value for record_id, value, _ in rejected}
    found = [
        (row["record_id"] & 0xFFFFFFFF, reasons.name_of(row["reason"]),
         schemas.CDR.names[row["reason_field"]] if row["reason_field"] >= 0 else "",
         raw.get(row["record_id"]))
        for row in rows
    ]  # fmt: skip
    assert found == expected
    assert totals["rows"] == len(rows)


def test_a_bad_row_keeps_what_could_be_read(layouts: dict[str, Layout]) -> None:
    data = b"\n" + GOOD.replace(",30,", ",x,").encode() + b"\r\n"
    rows, rejected, totals = decoded(data, layouts["tollbook"])
    (row,) = rows
    assert (row["record_id"], row["byte_offset"], row["byte_length"]) == ((1 << 32) + 2, 1, 64)
    assert (row["served_raw"], row["start_utc_s"], row["utc_offset_s"]) == (
        "4917012345", 1055221190, 7200)  # fmt: skip
    assert (row["duration_s"], row["location"]) == (0, "c1")
    assert rejected == [((1 << 32) + 2, b"x", data[1:-2])]
    assert totals == {"rows": 1, "blank_lines": 1, "comment_lines": 0}


def test_local_time_that_comes_twice_or_never(layouts: dict[str, Layout]) -> None:
    """Berlin 2003: 02:30 on 30 March was skipped; 02:30 on 26 October came at 00:30 and 01:30 UTC."""
    data = (b"2003-03-30 01:59:59,a\n2003-03-30 02:30:00,b\n2003-03-30 03:00:00,c\n"
            b"2003-10-26 02:30:00,d\n2003-10-26 03:00:00,e\n")  # fmt: skip
    rows, _, _ = decoded(data, layouts["local"])
    assert [(row["start_utc_s"], row["utc_offset_s"], row["flags"]) for row in rows] == [
        (1048985999, 3600, 0),  # 00:59:59 UTC
        (0, 0, 0),
        (1048986000, 7200, 0),  # 01:00:00 UTC, one second after the first
        (1067128200, 7200, codes.FLAG_AMBIGUOUS_CLOCK),  # 00:30:00 UTC
        (1067133600, 3600, 0),  # 02:00:00 UTC
    ]
    assert [reasons.name_of(row["reason"]) for row in rows] == [
        "ok", "time_not_on_clock", "ok", "ok", "ok"]  # fmt: skip


# --- the naive twin -----------------------------------------------------------------------------

COMMON = ["", "0", "-", "NULL", "7", "42", "12345678", "123456789", "999999999999999999",
          "1000000000000000000", "00000000000000000001", "-3", "+4", "4.5", "0.125", "2.5000", ".5",
          "5.", "1.0000000001", "9.999999", "4294967296", "2147483647", "abc", "a b", " pad ",
          "caf\xe9", "\x01", "a\0", "x" * 13, "y" * 300, "+49171", "*21#", "//", "'", '"', "\\",
          "\\;", "1,5", "voice", "sms", "out", "in", "yes", "never", "ANSWERED", "V",
          "a service with a long name", "a service with a long tail", "a service with a long tale",
          "a condition with a long name", "262011234567890", "35209900176148", "1000", "86399999",
          ]  # fmt: skip
TIMES = ["2003-06-10T06:59:50+02:00", "2003-06-10 06:59:50Z", "2003-06-10T06:59:50.123-0330",
         "2003-06-10T06:59:50", "2003-06-10 06:59:50", "2003-03-30 02:30:00", "2003-10-26 02:30:00",
         "1970-01-01 00:30:00", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+01:00",
         "2100-12-31T23:59:59Z", "2100-12-31T23:59:59-01:00", "2101-01-01T00:00:00Z",
         "1999-02-29 00:00:00", "2000-02-29 23:59:59", "2003-06-10T06:59:50+24:00", "10.06.2003 6:59",
         "10.06.2003 06:59", "30.03.2003 02:00", "06/10/2003", "06/31/2003", "04/06/2003",
         "02:30:00.5", "06:59:50.", "06:59:50.123456789", "23:59:60.0", "1055221190000", "0", "999",
         "4133980800000", "4133980799999", "2003-06-10T06:59:50+02", "2003-06-10T06:59:50+2:00",
         ]  # fmt: skip
GOOD_ROWS = {
    "tollbook": GOOD.split(","),
    "semicolon": ["V", "49171", "10.06.2003 06:59", "1500", "2.5", "0.125", "DEUD1", "yes", "", "7"],
    "tabs": ["out", "49171", "06/10/2003", "06:59:50.5", "1.25", "r-1", "yes"],
    "epoch": ["1055221190000", "49171", "T1", "3", "306"],
    "offset": ["2003-06-10T06:59:50+0200", "42"],
    "local": ["2003-06-10 06:59:50", "c1"],
    "asterisk": ["", "8016", "8017", "i", "x", "s", "d", "Dial", "a,b", "2003-06-10 06:59:40",
                 "2003-06-10 06:59:50", "2003-06-10 07:00:50", "70", "60", "ANSWERED", "D", "1.5"],
    "freeswitch": ["9007", "9007", "0034", "p", "2003-06-10 06:59:40", "2003-06-10 06:59:50",
                   "2003-06-10 07:00:50", "70", "60", "N", "u-1", "", "", "", ""],
}  # fmt: skip
NOISE = [b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\\", b"\0", b"\xff", b"\xc3", b" ",
         b"//", b"0", b"x" * 70]  # fmt: skip


@st.composite
def files_of(draw: st.DrawFn) -> tuple[str, bytes]:
    """A layout's name and a file for it: mostly good rows, nasty fields, quotes, stray bytes."""
    name = draw(st.sampled_from(sorted(GOOD_ROWS)))
    found = LAYOUT_SIGNS[name]
    field = st.one_of(st.sampled_from(COMMON), st.sampled_from(TIMES))
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        row = list(GOOD_ROWS[name])
        for _ in range(draw(st.integers(0, 3))):
            row[draw(st.integers(0, len(row) - 1))] = draw(field)
        row = row[: draw(st.sampled_from([len(row)] * 6 + [0, 1, len(row) - 1]))]
        quote = found[1] if draw(st.booleans()) else ""
        rows.append(found[0].join(quote + cell + quote for cell in row))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    data = (end.join(rows) + draw(st.sampled_from([end, ""]))).encode(
        draw(st.sampled_from(["utf-8", "latin-1"])))  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(NOISE)) + data[at + draw(st.integers(0, 2)) :]
    return name, data


LAYOUT_SIGNS = {
    "tollbook": (",", '"'), "semicolon": (";", "'"), "tabs": ("\t", '"'), "epoch": (",", "'"),
    "offset": (",", '"'), "local": (",", '"'), "asterisk": (",", '"'), "freeswitch": (",", '"'),
}  # fmt: skip


@given(made=files_of())
def test_kernel_is_its_naive_twin(made: tuple[str, bytes], layouts: dict[str, Layout]) -> None:
    name, data = made
    found = layouts[name]
    resolved, widths = delimited_header.resolve(found, head_of(name))
    expected = reference_decode.decode(data, found, resolved, widths, ZONES)
    assert decoded(data, found) == expected


@pytest.mark.parametrize("name", sorted(GOOD_ROWS))
@pytest.mark.parametrize("is_quoted", [False, True])
def test_many_rows(
    name: str, is_quoted: bool, layouts: dict[str, Layout], tmp_path: Path
) -> None:
    """More rows than a window has, more bytes than are marked at a time; cut in three ways."""
    delimiter, quote = LAYOUT_SIGNS[name]
    found, choose, rows = layouts[name], random.Random(7), []
    for number in range(30 if JIT_IS_OFF else 3000):
        row = list(GOOD_ROWS[name])
        if choose.random() < 0.3:
            row[choose.randrange(len(row))] = choose.choice([*COMMON, *TIMES])
        if choose.random() < 0.05:
            row = choose.choice([row[:2], [*row, "x"], [""], ["z" * 900], [""] * 70, ["//c"]])
        if is_quoted:
            row = [quote + cell + quote if choose.random() < 0.3 else cell for cell in row]
        rows.append(delimiter.join(row) + choose.choice(["\n", "\n", "\r\n"]))
        if not is_quoted:
            rows[number] = rows[number].replace(quote, "").replace("\\", "")
    data = "".join(rows).encode()
    block = delimited.block_of(data, found)
    assert is_quoted or not block.is_quoted
    resolved, widths = delimited_header.resolve(found, head_of(name))
    expected = reference_decode.decode(data, found, resolved, widths, ZONES)
    assert decoded(data, found) == expected
    head = (",".join(TOLLBOOK) + "\n").encode() if name == "tollbook" else b""
    path = tmp_path / "many.csv"
    path.write_bytes(head + data)
    for block_bytes in (1000, 20_000, 100_000):
        cut_rows, cut_rejected = blocks_of(path, found, block_bytes)
        assert [row["reason"] for row in cut_rows] == [row["reason"] for row in expected[0]]
        assert [row["byte_offset"] - len(head) for row in cut_rows] == [
            row["byte_offset"] for row in expected[0]]
        assert [raw[1:] for raw in cut_rejected] == [raw[1:] for raw in expected[1]]


@pytest.mark.parametrize("name", sorted(GOOD_ROWS))
def test_good_rows_are_good(name: str, layouts: dict[str, Layout]) -> None:
    """The rows that the properties start from have no fault, quoted or not."""
    delimiter, quote = LAYOUT_SIGNS[name]
    line = delimiter.join(GOOD_ROWS[name])
    if name != "asterisk":  # one of its fields holds a comma
        assert [row["reason"] for row in decoded(line.encode(), layouts[name])[0]] == [0]
    quoted = delimiter.join(quote + cell + quote for cell in GOOD_ROWS[name])
    (row,) = decoded(quoted.encode(), layouts[name])[0]
    assert row["reason"] == 0
    assert row["start_utc_s"] > 10**9


# --- cutting ------------------------------------------------------------------------------------


def blocks_of(path: Path, found: Layout, block_bytes: int) -> tuple[list[Any], list[Any]]:
    context = delimited.prepare(found, delimited.identify(path, found), ZONE, "UTC", 0, 1)
    batches, rejected = [], []
    for block in delimited.blocks(path, found, block_bytes):
        result = delimited.decode(block, context)
        batches.extend(result.batch.to_pylist())
        rejected.append(result.rejected)
    return batches, rejected_of(rejected)


@given(made=files_of(), block_bytes=st.integers(1, 150))
def test_cutting_changes_nothing(
    made: tuple[str, bytes], block_bytes: int, layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    name, data = made
    path = tmp_path_factory.getbasetemp() / f"cut-{os.getpid()}.csv"
    head = (",".join(TOLLBOOK) + "\n").encode() if name == "tollbook" else b""
    path.write_bytes(head + data)
    whole = blocks_of(path, layouts[name], 2**20)
    assert blocks_of(path, layouts[name], block_bytes) == whole
    assert [row["record_id"] for row in whole[0]] == [
        row["record_id"] + (1 if head else 0) for row in decoded(data, layouts[name])[0]]


def test_row_longer_than_blocks_and_limit(tmp_path: Path, layouts: dict[str, Layout]) -> None:
    """A line of a megabyte is one bad row, whatever the block size; the next line is itself."""
    long = 20_000 if JIT_IS_OFF else 10**6
    path = tmp_path / "long.csv"
    path.write_bytes(b"2003-06-10 06:59:50,a\n" + b"z" * long + b"\n2003-06-10 06:59:50,b\n")
    found = layout.load(write(tmp_path, "short", extended("short", "limits: {row_bytes: 5000}")),
                        Problems())  # fmt: skip
    assert found is not None
    whole = blocks_of(path, found, 2**24)
    names = [(row["record_id"] & 0xFFFF, reasons.name_of(row["reason"])) for row in whole[0]]
    assert names == [(1, "ok"), (2, "row_too_long"), (3, "ok")]
    assert whole[1] == [((1 << 32) + 2, b"", b"z" * 5000)]
    for block_bytes in (64, 1000, 5001, 6000, 70_000):
        assert blocks_of(path, found, block_bytes) == whole


def extended(name: str, line: str) -> str:
    """The layout `local` under another name, with one more key."""
    return TEXTS["local"].replace("local", name).rstrip() + f"\n        {line}\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_byte_order_mark_and_skipped_lines(tmp_path: Path) -> None:
    found = layout.load(write(tmp_path, "skip", extended("skip", "skip_lines: 2")), Problems())
    assert found is not None
    path = tmp_path / "skip.csv"
    path.write_bytes(b"\xef\xbb\xbfexported by X\r\n\n2003-06-10 06:59:50,a\n")
    rows, _ = blocks_of(path, found, 8)
    assert [(row["record_id"] & 0xFF, row["byte_offset"], row["reason"]) for row in rows] == [
        (3, 19, 0)]  # fmt: skip


# --- files that are broken as files -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compressed_files(tmp_path: Path, kind: str, layouts: dict[str, Layout]) -> None:
    data = b"2003-06-10 06:59:50,a\n" * 50
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(data)
    packed.write_bytes(pa.compress(data, codec=kind, asbytes=True) if kind == "zstd"
                       else gzip.compress(data[:500]) + gzip.compress(data[500:]))  # fmt: skip
    assert files.compression_of(packed) == kind
    assert blocks_of(packed, layouts["local"], 100) == blocks_of(plain, layouts["local"], 2**20)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(BrokenFile, match=f"{kind} data is broken"):
        blocks_of(packed, layouts["local"], 100)


def test_a_bomb_is_refused(tmp_path: Path, layouts: dict[str, Layout]) -> None:
    """40 MiB of line ends in 41 kB: refused once 16 MiB have come at more than 250 to 1."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * (40 * 2**20), 9))
    with files.open_stored(path) as stream, pytest.raises(BrokenFile, match="expand to") as caught:
        stream.read_into(np.empty(64 * 2**20, np.uint8))
    assert 16 * 2**20 <= caught.value.byte_offset <= 18 * 2**20
    small = files.Limits(expanded_bytes=1000)
    with files.open_stored(path, small) as stream, pytest.raises(BrokenFile, match="at most 250"):
        stream.read_into(np.empty(2**20, np.uint8))


HEADERS = [
    ("service,direction,served,start,duration\n", "the header lacks 'other'"),
    ("service,direction,served,other,start,duration,served\n", "names 'served' twice"),
    ("service,direction", "it ends, or runs on, in its head of 1 lines"),
    ("", "it ends, or runs on, in its head of 1 lines"),
    ("INTEGER,VARCHAR(50),INTEGER\n1,2,3\n", "the line of column names is missing"),
]


@pytest.mark.parametrize(("text", "found"), HEADERS)
def test_broken_headers(
    tmp_path: Path, text: str, found: str, layouts: dict[str, Layout]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(BrokenFile) as caught:
        blocks_of(path, layouts["tollbook"], 100)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n    do: " in str(caught.value)


def test_names_and_types(tmp_path: Path) -> None:
    path = tmp_path / "cucm.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BrokenFile, match="does not hold the types"):
        delimited.identify(path, layout.shipped("cucm"))


# --- tables that must agree ---------------------------------------------------------------------


def test_kernels_use_the_codes_of_the_tables() -> None:
    names = ("COLUMNS_TOO_FEW", "COLUMNS_TOO_MANY", "FIELD_TOO_LONG", "TEXT_NOT_UTF8",
             "QUOTE_UNCLOSED", "NUMBER_MALFORMED", "INTEGER_MALFORMED", "DECIMAL_MALFORMED",
             "TIME_MALFORMED", "TIME_NOT_ON_CLOCK", "FIELD_MISSING", "INTEGER_OUT_OF_RANGE",
             "ROW_TOO_LONG", "TEXT_CONTROL_CHARACTER")  # fmt: skip
    for name in names:
        assert getattr(k, name) == reasons.CODE[name.lower()]
    assert k.FLAG_AMBIGUOUS_CLOCK == codes.FLAG_AMBIGUOUS_CLOCK
    for name in ("LITERAL", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "FRACTION",
                 "OFFSET", "EPOCH_S", "EPOCH_MS"):  # fmt: skip
        assert getattr(k, "ITEM_" + name) == getattr(layout_time, name)


def test_every_reader_has_the_verbs() -> None:
    for kind in formats.READERS:
        reader = formats.reader(kind)
        for verb in ("identify", "prepare", "blocks", "decode"):
            assert callable(getattr(reader, verb))
