"""The delimited decoder, row by row: broken rows one by one, and the naive twin."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import reference_decode
from conftest import JIT_IS_OFF
from delimited_samples import (
    COMMON,
    GOOD,
    GOOD_ROWS,
    LAYOUT_SIGNS,
    TIMES,
    TOLLBOOK,
    ZONES,
    blocks_of,
    decoded,
    every_layout,
    files_of,
    head_of,
)  # fmt: skip
from hypothesis import given

from cdr import delimited, delimited_header
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    return every_layout(tmp_path_factory.mktemp("layouts"))


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
    ("quote that never closes",
     GOOD.encode().replace(b"c1", b'"c1') + b"\n" + GOOD.encode() + b"\n",
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
    """Berlin 2003: 02:30 never came on 30 March, and twice (00:30, 01:30 UTC) on 26 October."""
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
