"""``tollbook cdr convert``: every table of a file, joined by the parents of its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from cdr import ber, convert
from cdr.native import FORMATS
from tollbook.cli.main import cli

DATA = Path(__file__).parent / "data" / "native"
TAP = DATA / "tap_3_11_five_events.ber"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["cdr", "convert", *map(str, arguments)])


def test_charges_are_joined_to_their_events(tmp_path: Path) -> None:
    """Of the five events the charges are 17838, 0, 2064, 0 and 0, in all 19902."""
    done = run(TAP, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "CallEventDetail.parquet: 5 rows" in done.output
    events, charges, file = (
        pa.parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        for name in ("CallEventDetail", "ChargeDetail", "file")
    )
    assert [(event["row"], event["at"], event["fault"]) for event in events] == [
        (0, 234, None), (1, 502, None), (2, 727, None), (3, 991, None), (4, 1219, None),
    ]  # fmt: skip
    found = {events[one["record"]]["at"]: one["charge"] for one in charges}
    assert found == {234: 17838, 502: 0, 727: 2064, 991: 0, 1219: 0}
    assert {one["parent"] for one in charges} == {"ChargeInformation"}
    assert [one["transferBatch.auditControlInfo.totalCharge"] for one in file] == [19902]


def test_text_has_the_same_rows(tmp_path: Path) -> None:
    framed = DATA / "ts32297_mo_and_pgw.cdr"
    for kind in ("csv", "jsonl"):
        assert run(framed, "--out", tmp_path / kind, "--format", kind).exit_code == 0
    text = (tmp_path / "jsonl" / "CallDataRecord.jsonl").read_text("utf-8")
    call, session = map(json.loads, text.splitlines())
    assert (call["kind"], call["moCallRecord.callDuration"]) == ("moCallRecord", 120)
    assert call["moCallRecord.callReference"] == "00010203"
    services = pa.csv.read_csv(tmp_path / "csv" / "ChangeOfServiceCondition.csv").to_pylist()
    assert [one["record"] for one in services] == [session["row"]] == [1]
    assert services[0]["datavolumeFBCDownlink"] == 98765432


def test_small_blocks_number_rows_through_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    data, tap = TAP.read_bytes(), FORMATS["tap"]
    whole = convert.tables(data, tap, "file")
    blocks = ber.blocks
    monkeypatch.setattr(ber, "blocks", lambda *one: blocks(*one, rows=16))
    parts = convert.tables(data, tap, "file")
    assert {name: table.to_pylist() for name, table in whole.items()} == {
        name: table.select(whole[name].schema.names).to_pylist() for name, table in parts.items()
    }


def test_what_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("service,direction\n")
    done = run(tmp_path / "text.csv", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "not one of the native formats" in done.output
    done = run(TAP, "--out", tmp_path)
    assert done.exit_code == 2
    assert "is not empty" in done.output
