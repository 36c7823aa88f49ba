"""``tollbook cdr`` on files of text: as a layout reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from tollbook.cli.main import cli

DATA = Path(__file__).parent / "data"
TAP = DATA / "native" / "tap_3_11_five_events.ber"
LAYOUT = """layout: objects
kind: json
columns:
  - {path: a.from, to: served_number}
  - {path: at, to: start, format: epoch_s, zone: source}
  - {path: length, to: duration, type: decimal, unit: s}
constants: {service: voice, direction: out}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["cdr", *map(str, arguments)])


def test_layouts_that_fit_are_named(tmp_path: Path) -> None:
    """Of the samples each is read by its own layout alone; of kamailio's four rows one is bad."""
    packed = tmp_path / "night"
    packed.write_bytes(gzip.compress((DATA / "asterisk_master.csv").read_bytes()))
    names = ("cucm_cdr.txt", "freeswitch_master.csv", "kamailio_acc_cdrs.csv", "ribbon_gsx.cdr",
             "cucm_sample_cdr.txt", "README.md")  # fmt: skip
    found = json.loads(call("identify", "--json", packed, *(DATA / one for one in names)).output)
    assert [[(fit["layout"], fit["records"], fit["bad"]) for fit in one["layouts"]]
            for one in found] == [
        [("asterisk", 3, 0)], [("cucm", 3, 0)], [("freeswitch", 4, 0)], [("kamailio", 4, 1)],
        [("ribbon", 3, 0)], [], [],
    ]  # fmt: skip
    shown = call("identify", DATA / "kamailio_acc_cdrs.csv", TAP).output
    assert "    layout kamailio reads 3 of 4 records\n" in shown
    assert shown.count("layout") == 1


def test_records_are_shown_with_their_reasons() -> None:
    """The length of line 5 has 60 seconds in a minute; line 2 is 2 minutes 10.5 seconds."""
    done = call("dump", DATA / "emi.txt", "--layout", "emi", "--time-zone", "America/New_York")
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.output.splitlines()]
    at = lines.index("      176  record 2: ok")
    assert lines[at + 1 : at + 8] == [
        "             service = voice", "             direction = out",
        "             served_raw = 2025550101", "             other_raw = 3125550199",
        "             duration_s = 131", "             upstream_charge_micro = 1500000",
        "             start = 2003-06-10T06:59:50-04:00",
    ]  # fmt: skip
    assert "      704  record 5: time_malformed, duration_s" in lines
    assert "             found: 0001600" in lines


def test_the_layout_that_fits_need_not_be_named(tmp_path: Path) -> None:
    done = call("dump", "--json", DATA / "kamailio_acc_cdrs.csv", "--limit", 3)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["reason"] for row in rows] == ["ok", "not_answered", "ok"]
    assert rows[0]["values"]["start"] == "2003-06-10T06:59:50+00:00"
    assert "--limit 3 records are shown" in done.stderr
    (tmp_path / "objects.yaml").write_text(LAYOUT)
    (tmp_path / "file").write_text('{"a": {"from": "1\\u001b2"}, "at": 1055199590}\n')
    done = call("dump", tmp_path / "file", "--layout", tmp_path / "objects.yaml")
    assert "record 1: number_malformed, served_raw" in done.output
    assert "\x1b" not in done.output


def test_records_as_tables(tmp_path: Path) -> None:
    """Codes are words; the table of rejected records has their bytes."""
    (tmp_path / "objects.yaml").write_text(LAYOUT)
    file = tmp_path / "file"
    file.write_text('{"a": {"from": "12"}, "at": 1055199590, "length": 1.2}\n{"at": 1}]\n')
    for kind in ("parquet", "csv", "jsonl"):
        done = call("convert", file, "--out", tmp_path / kind, "--format", kind, "--layout",
                    tmp_path / "objects.yaml", "--time-zone", "Asia/Shanghai")  # fmt: skip
        assert done.output == f"cdr.{kind}: 2 rows\nrejected.{kind}: 1 row\n"
    rows = pa.parquet.read_table(tmp_path / "parquet" / "cdr.parquet").to_pylist()
    assert [(row["record"], row["service"], row["reason"]) for row in rows] == [
        (1, "voice", "ok"), (2, "voice", "record_unreadable")]  # fmt: skip
    assert (rows[0]["start_utc_s"], rows[0]["utc_offset_s"], rows[0]["duration_s"]) == (
        1055199590, 28800, 2)  # fmt: skip
    (bad,) = pa.parquet.read_table(tmp_path / "parquet" / "rejected.parquet").to_pylist()
    assert bad == {"record": 2, "raw_value": b"", "raw_record": b'{"at": 1}]'}
    assert json.loads((tmp_path / "jsonl" / "cdr.jsonl").read_text().splitlines()[0]) == rows[0]
    (line,) = (tmp_path / "csv" / "rejected.csv").read_text().splitlines()[1:]
    assert line == '2,"","7b226174223a20317d5d"'


def test_native_files_as_a_layout_reads_them() -> None:
    done = call("dump", "--json", TAP, "--layout", "tap")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["at"], row["size"]) for row in rows][:2] == [(234, 268), (502, 225)]
    assert rows[0]["values"]["start"] == "2005-07-07T18:37:20+02:00"


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["dump", DATA / "README.md"], "no layout that ships reads it alone", 1),
        (["convert", DATA / "README.md", "--out", "x"], "tollbook cdr identify says", 1),
        (["dump", TAP, "--layout", "tapp"], "did you mean 'tap'", 1),
        (["dump", TAP, "--layout", "no/such.yaml"], "the file cannot be read", 1),
        (["dump", TAP, "--layout", "tap", "--format", "tap"], "exclude each other", 2),
        (["dump", DATA / "emi.txt", "--time-zone", "Mars"], "'Mars' is no time zone", 2),
    ],
)
def test_refusals(arguments: list[object], words: str, code: int) -> None:
    done = call(*arguments)
    assert (done.exit_code, words in done.output) == (code, True), done.output
    assert "Traceback" not in done.output
