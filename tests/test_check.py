"""``tollbook cdr check``: what files say of themselves, and what is so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import native_files
import pytest
import tap_events
from click.testing import CliRunner, Result

from tollbook.cli.main import cli

DATA = Path(__file__).parent / "data" / "native"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["cdr", "check", *map(str, arguments)])


def found(file: Path) -> dict[str, Any]:
    done = call(file, "--json")
    answer: dict[str, Any] = json.loads(done.output)
    assert done.exit_code == (0 if answer["clean"] else 1), done.output
    return answer


def wrong_totals(answer: dict[str, Any]) -> dict[str, tuple[int | None, int]]:
    return {one["name"]: (one["stated"], one["found"])
            for one in answer["totals"] if not one["right"]}


def written(tmp_path: Path, form: str, value: dict[str, Any]) -> Path:
    path = tmp_path / "file"
    path.write_bytes(native_files.build(form, value))
    return path


def test_the_five_events_agree_with_their_totals_and_lack_four_definitions() -> None:
    answer = found(DATA / "tap_3_11_five_events.ber")
    assert answer["records"] == 5
    assert answer["kinds"] == {"mobileOriginatedCall": 2, "mobileTerminatedCall": 3}
    assert answer["rows"] == {"ok": 5}
    totals = {one["name"]: (one["stated"], one["found"]) for one in answer["totals"]}
    assert totals["totalCharge"] == (19902, 19902)  # 17838 + 0 + 2064 + 0 + 0
    assert totals["callEventDetailsCount"] == (5, 5)
    assert wrong_totals(answer) == {}
    assert answer["undefined_references"] == 4
    assert [(one["code"], one["value"], one["record"]) for one in answer["references"]] == [
        ("RecEntityCode", 1, 2), ("RecEntityCode", 2, 3), ("RecEntityCode", 2, 4),
        ("RecEntityCode", 3, 5),
    ]  # fmt: skip
    shown = call(DATA / "tap_3_11_five_events.ber").output
    assert "totalCharge                                19,902   found               19,902" in shown
    assert "references without a definition: 4\n  RecEntityCode 1 of record 2, at byte 586" in shown


def test_totals_that_a_batch_must_state_are_missed() -> None:
    answer = found(DATA / "tap_3_10_no_audit.ber")
    assert wrong_totals(answer) == {
        "callEventDetailsCount": (None, 5), "totalCharge": (None, 0), "totalTaxValue": (None, 0),
        "totalDiscountValue": (None, 0),
    }  # fmt: skip
    assert answer["rows"] == {"field_missing": 5}


@pytest.mark.parametrize(("name", "records"), [
    ("tap_3_11_notification.ber", 0), ("rap_1_5_ack.rap", 0), ("rap_1_5_severe.rap", 1),
    ("rap_1_5_fatal_missing.rap", 2), ("ts32297_mo_and_pgw.cdr", 2),
])  # fmt: skip
def test_samples_in_which_nothing_is_wrong(name: str, records: int) -> None:
    answer = found(DATA / name)
    assert (answer["records"], answer["clean"]) == (records, True)


def test_the_value_of_a_return_is_that_of_its_records() -> None:
    totals = found(DATA / "rap_1_5_severe.rap")["totals"]
    assert [(one["name"], one["stated"], one["found"]) for one in totals] == [
        ("returnDetailsCount", 1, 1), ("totalSevereReturnValue", 2064, 2064),
        ("totalSevereReturnTax", None, 0),
    ]  # fmt: skip


def test_frames_that_are_not_ber_are_listed() -> None:
    answer = found(DATA / "ts32297_header66.cdr")
    assert answer["about"] == {"sequence": "65", "closure": "time", "lost_records": "4"}
    assert [(one["record"], one["at"], one["size"]) for one in answer["unreadable_records"]] == [
        (1, 71, 3), (2, 79, 6), (3, 90, 2),
    ]  # fmt: skip


def test_all_kinds_of_event_count_and_refunds_are_apart(tmp_path: Path) -> None:
    answer = found(written(tmp_path, "tap", tap_events.batch(tap_events.events())))
    assert answer["totals"][:7] == [
        {"name": name, "stated": tap_events.TOTALS.get(name), "found": value, "right": True}
        for name, value in [
            ("callEventDetailsCount", 9), ("totalCharge", 87700), ("totalChargeRefund", 7000),
            ("totalTaxValue", 960), ("totalTaxRefund", 70), ("totalDiscountValue", 150),
            ("totalDiscountRefund", 0),
        ]
    ]  # fmt: skip
    assert answer["clean"]
    assert answer["kinds"] == dict.fromkeys(sorted(next(iter(one)) for one in tap_events.events()),
                                            1)


def test_every_table_of_codes_is_looked_up(tmp_path: Path) -> None:
    """The nine events again without any definitions, and one code that is defined twice."""
    value = tap_events.batch(tap_events.events(), totalCharge=1)
    value["transferBatch"]["networkInfo"] = {}
    value["transferBatch"]["accountingInfo"] = {
        "tapDecimalPlaces": 4,
        "taxation": [{"taxCode": 5, "taxType": "01"}, {"taxCode": 5, "taxType": "02"}],
    }
    answer = found(written(tmp_path, "tap", value))
    assert wrong_totals(answer) == {"totalCharge": (1, 87700)}
    used = {(one["code"], one["value"]) for one in answer["references"]}
    assert used == {("UtcTimeOffsetCode", 1), ("RecEntityCode", 1), ("RecEntityCode", 2),
                    ("ExchangeRateCode", 0), ("TaxCode", 1), ("DiscountCode", 1)}  # fmt: skip
    # MO, MT and the supplementary service have a place with entity 1; the session names 1 and 2.
    entities = [one["value"] for one in answer["references"] if one["code"] == "RecEntityCode"]
    assert sorted(entities) == [1, 1, 1, 1, 2]
    assert answer["undefined_references"] == len(answer["references"])
    assert answer["defined_twice"] == [{"code": "TaxCode", "value": 5}]
    assert answer["rows"] == {"time_malformed": 9}  # no clock of the file is known


def test_values_that_a_night_could_not_take_are_named(tmp_path: Path) -> None:
    """A thirteenth month in the last of the nine events; all totals are right."""
    path = written(tmp_path, "tap", tap_events.batch(tap_events.events()))
    data = path.read_bytes()
    at = data.rindex(b"20261122120000")
    path.write_bytes(data[: at + 4] + b"13" + data[at + 6 :])
    answer = found(path)
    assert (answer["rows"], answer["malformed"]) == ({"ok": 8, "time_malformed": 1}, 1)
    [one] = answer["malformed_values"]
    assert (one["record"], one["field"], one["found"]) == (9, "start_utc_s", "20261322120000")
    assert data[: one["at"]].count(b"20261122120000") == 10  # the eleventh is its own
    assert f"of record 9 at byte {one['at']}: '20261322120000'" in call(path).output


def test_the_first_and_the_last_start_are_compared(tmp_path: Path) -> None:
    """All nine events start at noon in Hong Kong; what is no time is not compared."""
    value = tap_events.batch(tap_events.events())
    audit = value["transferBatch"]["auditControlInfo"]
    audit["earliestCallTimeStamp"] = {"localTimeStamp": "20261122060000", "utcTimeOffset": "+0200"}
    audit["latestCallTimeStamp"] = {"localTimeStamp": "20261122120000", "utcTimeOffset": "+0800"}
    noon = 1795320000  # 2026-11-22T04:00:00Z
    assert found(written(tmp_path, "tap", value))["totals"][7:] == [
        {"name": name, "stated": noon, "found": noon, "right": True}
        for name in ("earliestCallTimeStamp", "latestCallTimeStamp")
    ]  # fmt: skip
    audit["earliestCallTimeStamp"]["localTimeStamp"] = "20261122060001"
    audit["latestCallTimeStamp"]["localTimeStamp"] = "noon"
    answer = found(written(tmp_path, "tap", value))
    assert wrong_totals(answer) == {"earliestCallTimeStamp": (noon + 1, noon)}
    assert answer["totals"][8]["stated"] is None


def test_events_of_nrtrde_are_counted(tmp_path: Path) -> None:
    moc = {"moc": {"imsi": "460001234567890"}}
    answer = found(written(tmp_path, "nrtrde", {"callEvents": [moc, moc], "callEventsCount": 3}))
    assert wrong_totals(answer) == {"callEventsCount": (3, 2)}


def test_a_file_that_is_text_or_cut_off_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "calls.csv"
    text.write_text("service,direction\n")
    assert "not one of the native formats" in call(text).output
    half = tmp_path / "half"
    half.write_bytes((DATA / "tap_3_11_five_events.ber").read_bytes()[:900])
    assert "an element that ends behind what holds it" in call(half).output
