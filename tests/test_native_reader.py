"""Native files as rows of the night: the samples value by value, and what is wrong with records."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path
from typing import Any

import native_files
import pytest
import tap_events
from reference_ber import Maker
from test_ber import mutated

from cdr import ber, layout, native, native_reader
from cdr.ber_layout import BerLayout
from cdr.native import FORMATS
from tollbook import reasons, schemas
from tollbook.errors import BrokenFile

DATA = Path(__file__).parent / "data" / "native"
FILES_EACH = 100


def shipped(name: str) -> BerLayout:
    found = layout.shipped(name)
    assert isinstance(found, BerLayout)
    return found


def rows_of(file: Path, name: str, rows: int = 4096) -> tuple[list[dict[str, Any]], dict[int, Any]]:
    """Every value that is not 0 or empty, reasons and fields by name; and the rejected bytes."""
    form = shipped(name)
    context = native_reader.prepare(form, native_reader.identify(file, form), "UTC", "UTC", 3, 7)
    found, rejected = [], {}
    for block in native_reader.blocks(file, form, rows):
        result = native_reader.decode(block, context)
        schemas.check(result.batch, schemas.CDR, "decode")
        for row in result.batch.to_pylist():
            assert (row.pop("record_id") >> 32, row.pop("source_index")) == (7, 3)
            field, reason = row.pop("reason_field"), reasons.name_of(row.pop("reason"))
            shown = {key: value for key, value in row.items() if value not in (0, "")}
            if reason != "ok":
                shown["reason"] = (reason, schemas.CDR.names[field] if field >= 0 else "")
            found.append(shown)
        if result.rejected is not None:
            for row in result.rejected.to_pylist():
                rejected[row["record_id"] & 0xFFFFFFFF] = (row["raw_value"], row["raw_record"])
    return found, rejected


def utc(text: str) -> int:
    """Seconds since 1970 of ``2005-07-07T18:37:20+02:00``."""
    return round(datetime.fromisoformat(text).timestamp())


def test_five_events_of_tap_3_11() -> None:
    """Charges have four decimals: 17838 is 1.7838. An IMEI that is none does no harm: the first
    has ten digits. The second has no calling number."""
    rows, rejected = rows_of(DATA / "tap_3_11_five_events.ber", "tap")
    of_file = {"utc_offset_s": 7200, "network": "TAP311"}
    message = of_file | {"event_count": 1}
    assert rows == [
        of_file | {
            "byte_offset": 234, "byte_length": 268, "service": 1, "direction": 1,
            "served_raw": "+491718888888", "other_raw": "+494094363940", "imsi": 1234567890,
            "start_utc_s": utc("2005-07-07T18:37:20+02:00"), "duration_s": 216,
            "location": "3015-40441", "call_ref": "000A7494", "upstream_charge_micro": 1_783_800,
        },
        of_file | {
            "byte_offset": 502, "byte_length": 225, "service": 1, "direction": 2,
            "served_raw": "+491724444444", "imsi": 55555555555,
            "start_utc_s": utc("2005-07-07T18:32:05+02:00"), "duration_s": 342,
            "location": "2013-49180", "call_ref": "003D87A8",
        },
        message | {
            "byte_offset": 727, "byte_length": 264, "service": 3, "direction": 1,
            "served_raw": "+491717777777", "other_raw": "+491716666666", "imsi": 11111111111,
            "imei": 2121212121212121, "start_utc_s": utc("2005-07-07T18:42:03+02:00"),
            "location": "2014-4662", "call_ref": "00D77910", "upstream_charge_micro": 206_400,
        },
        message | {
            "byte_offset": 991, "byte_length": 228, "service": 3, "direction": 2,
            "served_raw": "+491777777777", "other_raw": "+491723333333", "imsi": 6623232587459,
            "start_utc_s": utc("2005-07-07T18:38:53+02:00"), "location": "2014-4662",
            "call_ref": "00D73140",
        },
        message | {
            "byte_offset": 1219, "byte_length": 230, "service": 3, "direction": 2,
            "served_raw": "+491729999999", "other_raw": "+494094363940", "imsi": 77777777777,
            "imei": 77777777777777, "start_utc_s": utc("2005-07-07T18:45:12+02:00"),
            "location": "4012-48810", "call_ref": "0069BA43",
        },
    ]  # fmt: skip
    assert rejected == {}
    assert rows_of(DATA / "tap_3_11_five_events.ber", "tap", rows=2)[0] == rows


def test_calls_without_their_basic_information() -> None:
    """The groups are there and empty: each row says what it lacks, and its bytes are kept."""
    rows, rejected = rows_of(DATA / "tap_3_10_no_audit.ber", "tap")
    call = {"direction": 2, "network": "WERFD",
            "reason": ("field_missing", "service")}
    session = {"service": 5, "direction": 1, "network": "WERFD", "byte_length": 2,
               "reason": ("field_missing", "start_utc_s")}
    assert rows == [
        call | {"byte_offset": 235, "byte_length": 36, "location": "3505-7182",
                "call_ref": "4A7794"},
        call | {"byte_offset": 271, "byte_length": 36, "location": "3510-9341",
                "call_ref": "4AAFA0"},
        session | {"byte_offset": 307}, session | {"byte_offset": 309},
        session | {"byte_offset": 311},
    ]  # fmt: skip
    data = (DATA / "tap_3_10_no_audit.ber").read_bytes()
    assert rejected == {
        1: (b"", data[235:271]), 2: (b"", data[271:307]), 3: (b"", b"n\0"), 4: (b"", b"n\0"),
        5: (b"", b"n\0"),
    }  # fmt: skip


def test_a_file_without_traffic_has_no_rows() -> None:
    assert rows_of(DATA / "tap_3_11_notification.ber", "tap") == ([], {})


def test_framed_records_of_a_switch_and_a_gateway() -> None:
    """The IMEI of the call is 16 digits long, the filler of its last byte is none; the called
    number is national, the served one international (0x91). The session's network is 46000, that
    of its IMSI: at home."""
    rows, rejected = rows_of(DATA / "ts32297_mo_and_pgw.cdr", "ts32298")
    assert rows == [
        {
            "byte_offset": 59, "byte_length": 138, "service": 1, "direction": 1,
            "served_raw": "+8613800000001", "other_raw": "13900000002", "imsi": 460001234567890,
            "imei": 3512340000000012, "start_utc_s": utc("2026-11-22T04:00:05+08:00"),
            "utc_offset_s": 28800, "duration_s": 120, "trunk_in": "11",
            "trunk_out": "12", "location": "1234-5678", "call_ref": "00010203", "sequence": 1,
        },
        {
            "byte_offset": 202, "byte_length": 197, "service": 5, "direction": 1,
            "served_raw": "+8613800000001", "imsi": 460001234567890,
            "start_utc_s": utc("2026-11-22T04:00:00+08:00"), "utc_offset_s": 28800,
            "duration_s": 3600, "up_bytes": 1_234_567, "down_bytes": 98_765_432,
            "call_ref": "12345",
        },
    ]  # fmt: skip
    assert rejected == {}


@pytest.mark.parametrize(("name", "places"), [
    ("ts32297_header63.cdr", {68: b"abc"}),
    ("ts32297_header66.cdr", {71: b"abc", 79: b"ghjklm", 90: b"cv"}),
])  # fmt: skip
def test_frames_that_are_not_ber_are_rows(name: str, places: dict[int, bytes]) -> None:
    rows, rejected = rows_of(DATA / name, "ts32298")
    assert rows == [
        {"byte_offset": at, "byte_length": len(data), "reason": ("encoding_unknown", "")}
        for at, data in places.items()
    ]
    assert rejected == {n: (b"", data) for n, data in enumerate(places.values(), start=1)}


@pytest.mark.parametrize(("name", "other"), [
    ("rap_1_5_severe.rap", "tap"), ("tap_3_11_five_events.ber", "nrtrde"),
    ("tap_3_11_five_events.ber", "ts32298"), ("ts32297_mo_and_pgw.cdr", "tap"),
    ("README.md", "tap"),
])  # fmt: skip
def test_a_file_of_another_format_is_refused(name: str, other: str) -> None:
    form = shipped(other)
    with pytest.raises(BrokenFile, match=f"as layout '{other}' says"):
        native_reader.identify(DATA / name, form)
    with pytest.raises(BrokenFile, match=f"as layout '{other}' says"):
        list(native_reader.blocks(DATA / name, form))


def made(tmp_path: Path, form: str, value: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a hand-made file, without their places."""
    path = tmp_path / "file"
    path.write_bytes(native_files.build(form, value))
    rows, _ = rows_of(path, form, rows=64)
    for row in rows:
        del row["byte_offset"], row["byte_length"]
    return rows


def test_all_nine_kinds_of_event(tmp_path: Path) -> None:
    """``tap_events`` tells the story: each is a row, in the order of the file."""
    rows = made(tmp_path, "tap", tap_events.batch(tap_events.events()))
    of_all = {"start_utc_s": utc("2026-11-22T12:00:00+08:00"), "utc_offset_s": 28800,
              "network": "HKGSP", "served_raw": "+8613800000001"}
    known, placed = {"imsi": 460001234567890}, {"location": "7-9"}
    voice, sms, data, event = ({"service": code} for code in (1, 3, 5, 6))
    out, into, forward = ({"direction": code} for code in (1, 2, 3))
    assert rows == [
        {**of_all, **voice, **forward, **known, **placed, "other_raw": "+8613900000002",
         "third_raw": "+85291234567", "forward_reason": 3, "imei": 35123400000000,
         "duration_s": 61, "call_ref": "0A0B", "cause": 4,
         "upstream_charge_micro": 1_200_000},
        {**of_all, **sms, **into, **placed, "served_raw": "+16175550100", "other_raw": "INFO",
         "event_count": 1, "call_ref": "0A0B", "upstream_charge_micro": 500_000},
        {**of_all, **event, **out, **known, **placed, "event_count": 1, "call_ref": "0A0B",
         "upstream_charge_micro": 100_000},
        {**of_all, **sms, **out, **known, "other_raw": "+8613900000002", "event_count": 1,
         "upstream_charge_micro": 50_000},
        {**of_all, **data, **out, **known, **placed, "duration_s": 3600, "up_bytes": 4096,
         "down_bytes": 5_000_000_000, "call_ref": "77",
         "upstream_charge_micro": 2_530_000},
        {**of_all, **event, **out, "served_raw": "8613800000001", "duration_s": 5, "up_bytes": 1,
         "down_bytes": 30, "event_count": 1, "call_ref": "T1",
         "upstream_charge_micro": 3_000_000},
        {**of_all, **event, **out, "served_raw": "8613800000001", "event_count": 1,
         "call_ref": "0C", "upstream_charge_micro": 200_000},
        {**of_all, **sms, **out, **known, "other_raw": "+8613900000002", "event_count": 1,
         "call_ref": "M1", "upstream_charge_micro": 80_000},
        {**of_all, **voice, **out, **known, "other_raw": "+8613900000002", "duration_s": 59,
         "call_ref": "S1", "upstream_charge_micro": 1_100_000},
    ]  # fmt: skip


# ---- what is wrong with values


STAMP = "2026-11-22 04:00:05 +08:00"


def switch(*records: dict[str, Any]) -> bytes:
    """Records of TS 32.298, one after the other."""
    types = FORMATS["ts32298"].types
    return b"".join(native_files.encode(types, "CallDataRecord", one) for one in records)


def call(**values: Any) -> dict[str, Any]:
    """A mobile originated call that is in order, but for ``values`` (None: without it)."""
    whole = {"servedMSISDN": "91 8613800000001", "calledNumber": "a1 13900000002",
             "answerTime": STAMP, "callDuration": 10} | values  # fmt: skip
    return {"moCallRecord": {name: value for name, value in whole.items() if value is not None}}


def session(*volumes: tuple[int, int], **values: Any) -> dict[str, Any]:
    """A session of a gateway with so many bytes up and down in its containers."""
    containers = [{"datavolumeFBCUplink": up, "datavolumeFBCDownlink": down}
                  for up, down in volumes]
    whole = {"servedMSISDN": "91 8613800000001", "recordOpeningTime": STAMP,
             "listOfServiceData": containers} | values  # fmt: skip
    return {"pGWRecord": whole}


TRIED: dict[str, tuple[dict[str, Any], str]] = {
    "in order": (call(), "ok"),
    "unanswered": (call(answerTime=None, callDuration=0), "not_answered"),
    "an attempt that held its line": (call(answerTime=None, causeForTerm=3), "not_answered"),
    "an attempt with an IMSI of 30 bytes": (
        call(answerTime=None, causeForTerm=3, servedIMSI=b"\x64" * 30), "imsi_malformed imsi"),
    "a call without its answer": (call(answerTime=None), "field_missing start_utc_s"),
    "a call that was released, without its answer": (
        call(answerTime=None, seizureTime=STAMP, causeForTerm=0), "field_missing start_utc_s"),
    "no answer, nine bytes": (call(answerTime=None, callDuration=bytes(9)),
                              "field_missing start_utc_s"),
    "an IMSI that swallowed the answer": (
        call(servedIMSI=b"\x64" * 9, answerTime=None, callDuration=None), "imsi_malformed imsi"),
    "an IMEI that swallowed the answer": (
        call(servedIMEI=b"\x12" * 9, answerTime=None, callDuration=None), "imei_malformed imei"),
    "a number that swallowed the answer": (
        call(calledNumber=b"\x91" + b"\x11" * 41, answerTime=None, callDuration=None),
        "number_malformed other_raw"),
    "a number of 42 bytes": (call(calledNumber=b"\x91" + b"\x11" * 41),
                             "number_malformed other_raw"),
    "a number of 41 bytes": (call(calledNumber=b"\x91" + b"\x11" * 40), "ok"),
    "a message that failed, with an IMSI of nine bytes": ({"moSMSRecord": {
        "servedIMSI": bytes(9), "originationTime": STAMP, "smsResult": b""}},
        "imsi_malformed imsi"),
    "an attempt with other faults": (call(answerTime=None, callDuration=None), "not_answered"),
    "without a duration": (call(callDuration=None), "field_missing duration_s"),
    "a duration of no bytes": (call(callDuration=b""), "integer_malformed duration_s"),
    "a duration of nine bytes": (call(callDuration=bytes(9)), "integer_malformed duration_s"),
    "a duration below zero": (call(callDuration=-1), "integer_out_of_range duration_s"),
    "a month 13": (call(answerTime="2026-13-22 04:00:05 +08:00"), "time_malformed start_utc_s"),
    "the 29th of February": (call(answerTime="2028-02-29 04:00:05 +08:00"), "ok"),
    "no 29th of February": (call(answerTime="2027-02-29 04:00:05 +08:00"),
                            "time_malformed start_utc_s"),
    "hour 24": (call(answerTime="2026-11-22 24:00:00 +08:00"), "time_malformed start_utc_s"),
    "a letter in a time": (call(answerTime=bytes.fromhex("26112204000a2b0800")),
                           "time_malformed start_utc_s"),
    "no sign in a time": (call(answerTime=bytes.fromhex("2611220400052c0800")),
                          "time_malformed start_utc_s"),
    "half a time": (call(answerTime=b"\x26"), "time_malformed start_utc_s"),
    "an IMSI of five digits": (call(servedIMSI="46000"), "imsi_malformed imsi"),
    "a star in an IMSI": (call(servedIMSI=b"\x64\xa0\x10\x32"), "imsi_malformed imsi"),
    "an IMEI of nothing": (call(servedIMEI="1"), "ok"),
    "an unknown teleservice": (call(basicService={"teleservice": b"\x99"}),
                               "service_unknown service"),
    "a number of 300 bytes": (call(calledNumber=b"\x91" + b"\x11" * 299),
                              "field_too_long other_raw"),
    "a trunk with an escape": (call(mscIncomingTKGP={"tkgpName": "A\x1b[2J"}),
                               "text_control_character trunk_in"),
    "a trunk beyond ASCII": (call(mscIncomingTKGP={"tkgpName": b"\xc3\xa9"}),
                             "text_not_utf8 trunk_in"),
    "a cause beyond its column": (call(causeForTerm=2**40), "integer_out_of_range cause"),
    "a message that failed": ({"moSMSRecord": {
        "servedMSISDN": "91 8613800000001", "originationTime": STAMP, "smsResult": b""}},
        "not_billable"),
    "a kind that is not read": ({"ssActionRecord": b""}, "not_billable"),
    "a session": (session((1, 2), (3, 4)), "ok"),
    "a session in its IMSI": (session(servedIMSI=b"\x64\x00\x10\x32\xf4" + bytes(9)),
                              "imsi_malformed imsi"),
    "a session in its IMEI": (session(servedIMEI=b"\x53" * 7 + b"\xf1" + bytes(9)),
                              "imei_malformed imei"),
    "a volume below zero": (session((5, 2), (-3, 4)), "integer_out_of_range up_bytes"),
    "volumes beyond any": (session((2**62, 0), (2**62, 0)), "integer_out_of_range up_bytes"),
    "a volume of nine bytes": (session((1, 2), (3, bytes(9))),  # type: ignore[arg-type]
                               "integer_out_of_range down_bytes"),
}  # fmt: skip


def test_each_fault_has_its_reason_and_costs_one_record(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(switch(*(record for record, _ in TRIED.values())))
    rows, rejected = rows_of(path, "ts32298", rows=256)
    found = [" ".join(row.get("reason", ("ok", ""))).strip() for row in rows]
    assert dict(zip(TRIED, found, strict=True)) == {name: why for name, (_, why) in TRIED.items()}
    data = path.read_bytes()
    for number, row in enumerate(rows, start=1):
        at = row.get("byte_offset", 0)
        place = data[at : at + row["byte_length"]]
        reason = row.get("reason", ("ok", ""))[0]
        if reason in ("ok", "not_answered", "not_billable"):
            assert number not in rejected
        else:
            assert rejected[number][1] == place
            assert rejected[number][0] in place
    names = list(TRIED)
    assert rejected[names.index("a letter in a time") + 1][0].hex() == "26112204000a2b0800"
    assert rows[names.index("a session")]["up_bytes"] == 4


def test_numbers_times_and_networks_of_a_switch(tmp_path: Path) -> None:
    """West of Greenwich, a calling number that is no telephone number's kind, an SMS address with
    and without the count of its digits; and networks at home, in another country, of three digits.
    """
    path = tmp_path / "file"
    sms = {"servedMSISDN": "91 8613800000001", "originationTime": STAMP}
    home = {"servedIMSI": "460001234567890", "servingNodePLMNIdentifier": b"\x64\xf0\x20"}
    path.write_bytes(switch(
        call(answerTime="2026-11-22 04:00:05 -03:30", calledNumber="81 110"),
        {"moSMSRecord": sms | {"destinationNumber": b"\x03\xa1\x01\xf1"}},
        {"moSMSRecord": sms | {"destinationNumber": b"\xa1\x01\xf1"}},
        session((1, 1), **home),
        session((1, 1), **home | {"servingNodePLMNIdentifier": b"\x02\xf8\x10"}),
        session((1, 1), **home | {"servingNodePLMNIdentifier": b"\x13\x00\x14"}),
        session((1, 1), **home | {"servingNodePLMNIdentifier": b"\x1f\x00\x14"}),
    ))  # fmt: skip
    rows, _ = rows_of(path, "ts32298")
    assert [row.get("other_raw") for row in rows[:3]] == ["110", "101", "101"]
    assert (rows[0]["start_utc_s"], rows[0]["utc_offset_s"]) == (
        utc("2026-11-22T04:00:05-03:30"), -12600)  # fmt: skip
    assert [row.get("network") for row in rows[3:6]] == [None, "20801", "310410"]
    assert rows[6]["reason"] == ("integer_malformed", "network")


@pytest.mark.parametrize("name", ["tap", "nrtrde", "ts32298"])
def test_whatever_the_bytes_are_there_are_rows_or_a_refusal(name: str) -> None:
    """Random records of every type, and the same with damage: as many rows as records."""
    form, one = shipped(name), FORMATS[name]
    rng = random.Random(20261122)
    ends = {"rows": 0, "refused": 0}
    for turn in range(FILES_EACH):
        maker = Maker(one.types, turn)
        data = b"".join(maker.make(one.root) for _ in range(6 if one.is_repeated else 1))
        data = mutated(data, rng) if turn % 2 and len(data) > 40 else data
        context = native_reader.prepare(form, one, "UTC", "UTC", 0, 1)
        try:
            walked = sum(block.rows(one.schema.record) for block in ber.blocks(
                data, one.schema, "file", [next(native.regions(data, one, "file"))[:2]], 64))
            rows = 0
            for block in native_reader.blocks_of(ber.padded(data, "file"), one, "file", 64):
                result = native_reader.decode(block, context)
                result.batch.validate(full=True)
                rows += result.batch.num_rows
            assert rows == walked
            ends["rows"] += 1
        except BrokenFile:
            ends["refused"] += 1
    assert min(ends.values()) > FILES_EACH // 20, ends
