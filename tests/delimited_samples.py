"""Layouts, rows and bytes that the tests of the delimited decoder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from cdr import delimited, layout
from cdr.delimited_header import Header
from cdr.layout_types import Layout
from tollbook import schemas
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
          - {at: 3, to: routing_number, optional: yes}
          - {at: 4, to: forward_reason, map: {CFU: unconditional, "0": none}, optional: yes}
        constants: {service: data, direction: out}
    """,
}


def every_layout(folder: Path) -> dict[str, Layout]:
    """The layouts above, and some of those that ship, by name."""
    shipped = {name: layout.shipped(name) for name in ("tollbook", "asterisk", "freeswitch")}
    return {name: load(folder, name) for name in TEXTS} | shipped


def load(folder: Path, name: str) -> Layout:
    return load_text(folder, name, TEXTS[name])


def load_text(folder: Path, name: str, text: str) -> Layout:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    problems = Problems()
    found = layout.load(path, problems)
    problems.refuse_if_any()
    assert found is not None
    return found


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


def blocks_of(path: Path, found: Layout, block_bytes: int) -> tuple[list[Any], list[Any]]:
    context = delimited.prepare(found, delimited.identify(path, found), ZONE, "UTC", 0, 1)
    batches, rejected = [], []
    for block in delimited.blocks(path, found, block_bytes):
        result = delimited.decode(block, context)
        batches.extend(result.batch.to_pylist())
        rejected.append(result.rejected)
    return batches, rejected_of(rejected)


GOOD = "voice,out,4917012345,030123,,,2003-06-10T06:59:50+02:00,30,0,c1,0"
COMMON = ["", "0", "-", "NULL", "7", "42", "12345678", "123456789", "999999999999999999",
          "1000000000000000000", "00000000000000000001", "-3", "+4", "4.5", "0.125", "2.5000", ".5",
          "5.", "1.0000000001", "9.999999", "4294967296", "2147483647", "abc", "a b", " pad ",
          "caf\xe9", "\x01", "a\0", "x" * 13, "y" * 300, "+49171", "*21#", "//", "'", '"', "\\",
          "\\;", "1,5", "voice", "sms", "out", "in", "yes", "never", "ANSWERED", "V",
          "a service with a long name", "a service with a long tail", "a service with a long tale",
          "a condition with a long name", "CFU", "262011234567890", "35209900176148", "1000",
          "86399999",
          ]  # fmt: skip
TIMES = ["2003-06-10T06:59:50+02:00", "2003-06-10 06:59:50Z", "2003-06-10T06:59:50.123-0330",
         "2003-06-10T06:59:50", "2003-06-10 06:59:50", "2003-03-30 02:30:00", "2003-10-26 02:30:00",
         "1970-01-01 00:30:00", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+01:00",
         "2100-12-31T23:59:59Z", "2100-12-31T23:59:59-01:00", "2101-01-01T00:00:00Z",
         "1999-02-29 00:00:00", "2000-02-29 23:59:59", "2003-06-10T06:59:50+24:00",
         "10.06.2003 6:59", "10.06.2003 06:59", "30.03.2003 02:00", "06/10/2003", "06/31/2003",
         "04/06/2003", "02:30:00.5", "06:59:50.", "06:59:50.123456789", "23:59:60.0",
         "1055221190000", "0", "999", "4133980800000", "4133980799999",
         "2003-06-10T06:59:50+02", "2003-06-10T06:59:50+2:00"]  # fmt: skip
GOOD_ROWS = {
    "tollbook": GOOD.split(","),
    "semicolon": ["V", "49171", "10.06.2003 06:59", "1500", "2.5", "0.125", "DEUD1", "yes", "",
                  "7"],
    "tabs": ["out", "49171", "06/10/2003", "06:59:50.5", "1.25", "r-1", "yes"],
    "epoch": ["1055221190000", "49171", "T1", "3", "306"],
    "offset": ["2003-06-10T06:59:50+0200", "42"],
    "local": ["2003-06-10 06:59:50", "c1", "8613900001234", "CFU"],
    "asterisk": ["", "8016", "8017", "i", "x", "s", "d", "Dial", "a,b", "2003-06-10 06:59:40",
                 "2003-06-10 06:59:50", "2003-06-10 07:00:50", "70", "60", "ANSWERED", "D", "1.5"],
    "freeswitch": ["9007", "9007", "0034", "p", "2003-06-10 06:59:40", "2003-06-10 06:59:50",
                   "2003-06-10 07:00:50", "70", "60", "N", "u-1", "", "", "", ""],
}  # fmt: skip
LAYOUT_SIGNS = {
    "tollbook": (",", '"'), "semicolon": (";", "'"), "tabs": ("\t", '"'), "epoch": (",", "'"),
    "offset": (",", '"'), "local": (",", '"'), "asterisk": (",", '"'), "freeswitch": (",", '"'),
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
