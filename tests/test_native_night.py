"""A night of native files: the same calls as native files and as text are the same in the lake."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import calls
import native_files
import pytest
from calls import ANN, BOB, FRIEND, Lake, audited
from suspense_workspace import refused, retry, said, told

from cdr.native import FORMATS
from tollbook.cli.explain_screen import screen as screen_of
from tollbook.run import watch
from tollbook.run.explaining import Explainer
from tollbook.run.records import parse_record
from tollbook.run.session import open_session

SOURCES = """
  - {name: msc, layout: ts32298, files: "*", time_zone: UTC}
  - {name: partners, layout: tap, files: "*", time_zone: UTC}
  - {name: fraud, layout: nrtrde, files: "*", time_zone: UTC}

"""
TYPES = FORMATS["ts32298"].types
CELL = "1234-5678,010\n"
HEADER = ("service,direction,served,other,third,start,duration,events,up_bytes,down_bytes,network,"
          "location,trunk_in,trunk_out,call_ref")  # fmt: skip
# What the three files below hold, by hand. Ann's first call is a minute and a second, at home;
# the second goes on to Bob while she forwards; in Hong Kong she calls and is called, by TAP and
# NRTRDE; the gateway counts bytes. The last leg belongs to other networks.
TEXT = f"""{HEADER}
voice,out,{ANN},{FRIEND},,2003-06-10T10:00:00+08:00,61,0,,,,1234-5678,,GR-BJ-1,00AA
sms,out,{ANN},{FRIEND},,2003-06-10T11:00:00+08:00,0,1,,,,,,,07
data,out,{ANN},,,2003-06-10T12:00:00+08:00,3600,0,1500,70000000,,,,,4711
voice,forward,{ANN},{BOB},{FRIEND},2003-06-10T13:00:00+08:00,30,0,,,,,,,00AB
voice,transit,{FRIEND},{BOB},,2003-06-10T13:30:00+08:00,30,0,,,,,GR-BJ-1,,00AC
voice,out,{ANN},{BOB},,2003-06-10T14:00:00+08:00,125,0,,,HKGQ1,7-9,,,0A0B
voice,in,{ANN},{FRIEND},,2003-06-10T15:00:00+08:00,10,0,,,HKGQ1,7-9,,,17
"""


def stamp(clock: str) -> str:
    return f"2003-06-10 {clock} +08:00"


def address(number: str) -> str:
    return f"91 {number.removeprefix('+')}"


def of_switch() -> list[bytes]:
    """The records of the first five lines, in their order."""
    place = {"locationAreaCode": b"\x12\x34", "cellId": b"\x56\x78"}
    call = {"servedMSISDN": address(ANN), "callDuration": 61, "answerTime": stamp("10:00:00")}
    records: list[dict[str, Any]] = [
        {"moCallRecord": call | {
            "recordType": 0, "calledNumber": "a1 13530000007", "callReference": b"\0\xaa",
            "basicService": {"teleservice": b"\x11"},
            "mscOutgoingTKGP": {"tkgpName": "GR-BJ-1"},
            "location": place}},
        {"moSMSRecord": {
            "recordType": 6, "servedMSISDN": address(ANN), "originationTime": stamp("11:00:00"),
            "messageReference": b"\x07",
            # An address of TS 23.040: 11 digits, national.
            "destinationNumber": b"\x0b\xa1" + native_files.swapped("13530000007")}},
        {"pGWRecord": {
            "recordType": 85, "servedIMSI": "460971234567890", "servedMSISDN": address(ANN),
            "recordOpeningTime": stamp("12:00:00"), "duration": 3600, "chargingID": 4711,
            "servingNodePLMNIdentifier": b"\x64\xf0\x79",
            "listOfServiceData": [
                {"ratingGroup": 1, "datavolumeFBCUplink": 500, "datavolumeFBCDownlink": 69_000_000},
                {"ratingGroup": 2, "datavolumeFBCUplink": 1000,
                 "datavolumeFBCDownlink": 1_000_000}]}},
        {"roamingRecord": call | {
            "recordType": 2, "roamingNumber": address(BOB), "callingNumber": address(FRIEND),
            "callDuration": 30, "answerTime": stamp("13:00:00"), "callReference": b"\0\xab"}},
        {"transitRecord": {
            "recordType": 5, "callingNumber": address(FRIEND), "calledNumber": address(BOB),
            "answerTimestamp": stamp("13:30:00"), "callDuration": 30,
            "mscIncomingTKGP": {"tkgpName": "GR-BJ-1"}, "callReference": b"\0\xac"}},
    ]  # fmt: skip
    return [native_files.encode(TYPES, "CallDataRecord", one) for one in records]


def of_partner(form: str, *whose: dict[str, str]) -> bytes:
    """What Ann did in Hong Kong: the call that she made by TAP, the one that came by NRTRDE.

    whose: for each call of the TAP file what tells who made it; nothing: Ann's number.
    """
    if form == "nrtrde":
        event = {"msisdn": ANN[1:], "callingNumber": FRIEND[1:], "callEventDuration": 10,
                 "callEventStartTimeStamp": "20030610150000", "utcTimeOffset": "+0800",
                 "serviceCode": {"teleServiceCode": "11"}, "callReference": 17, "locationArea": 7,
                 "cellId": 9}  # fmt: skip
        return native_files.build("nrtrde", {"sender": "HKGQ1", "callEvents": [{"mtc": event}]})
    made = [{"mobileOriginatedCall": call_of(one)} for one in whose or ({"msisdn": ANN[1:]},)]
    return native_files.build("tap", {"transferBatch": {
        "batchControlInfo": {"sender": "HKGQ1"}, "accountingInfo": {"tapDecimalPlaces": 3},
        "networkInfo": {"utcTimeOffsetInfo": [{"utcTimeOffsetCode": 0, "utcTimeOffset": "+0800"}]},
        "callEventDetails": made}})  # fmt: skip


def call_of(who: dict[str, str]) -> dict[str, Any]:
    """A call from Hong Kong, as TAP has it."""
    return {
        "basicCallInformation": {
            "chargeableSubscriber": {"simChargeableSubscriber": who},
            "destination": {"calledNumber": BOB[1:]}, "totalCallEventDuration": 125,
            "callEventStartTimeStamp": {"localTimeStamp": "20030610140000",
                                        "utcTimeOffsetCode": 0}},
        "locationInformation": {"networkLocation": {"callReference": b"\x0a\x0b",
                                                    "locationArea": 7, "cellId": 9}},
        "basicServiceUsedList": [
            {"basicService": {"serviceCode": {"teleServiceCode": "11"}},
             "chargeInformationList": [{"chargeDetailList": [{"chargeType": "00",
                                                              "charge": 5000}]}]}],
    }  # fmt: skip


def made(root: Path) -> Path:
    """The workspace with the three sources and the cell of Ann's call."""
    calls.make(root)
    operator = root / "operator.yaml"
    operator.write_text(operator.read_text().replace("\n\nduplicates:", SOURCES + "duplicates:"))
    with (root / "network" / "locations.csv").open("a") as locations:
        locations.write(CELL)
    return root


def put(root: Path, source: str, name: str, data: bytes) -> None:
    folder = root / "inbox" / source
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


SAME = ("start_utc_s, service, direction, served_e164, other_e164, third_e164, duration_s, "
        "up_bytes, down_bytes, event_count, network, location, call_ref, relation, roaming, charge")


@pytest.mark.parametrize("how", ["framed", "one after the other", "in one outer list"])
def test_native_files_are_rated_as_their_text_is(tmp_path: Path, how: str) -> None:
    as_text, native = made(tmp_path / "text"), made(tmp_path / "native")
    put(as_text, "msc-east", calls.name(1), TEXT.encode())
    records = of_switch()
    filled = b"\0\0" + b"\xff\xff\xff".join(records) + bytes(64)
    data = {"framed": native_files.framed(records), "one after the other": filled,
            "in one outer list": native_files.data_file(records)}[how]  # fmt: skip
    put(native, "msc", "night", gzip.compress(data) if how == "framed" else data)
    put(native, "partners", "CDHKGQ1CHNHM00001", of_partner("tap"))
    put(native, "fraud", "NRHKGQ1CHNHM0000001", of_partner("nrtrde"))
    calls.run(as_text)
    done = calls.run(native)
    assert (done.rows, done.refused) == (7, ())
    assert done.dispositions["rated"] == 6
    assert done.dispositions["settled_only"] == 1
    rows = {where: sorted(Lake(where).rows("rated", SAME)) for where in (as_text, native)}
    assert rows[native] == rows[as_text]
    charges = sorted(str(row[-1]) for row in rows[native])
    assert len(charges) == 6
    assert charges[0] > "0"
    legs = [sorted(Lake(where).rows("legs", "carrier, direction, quantity, charge"))
            for where in (as_text, native)]
    assert legs[0] == legs[1]
    assert len(legs[0]) >= 2
    audited(native)


def test_partners_may_tell_the_imsi_only(tmp_path: Path) -> None:
    """The first call has Ann's IMSI, the second one that no subscription has until Bob gets it.

    When the calls come again, in another file, Ann has another number: they are still the same.
    """
    root, of_ann, of_bob = made(tmp_path / "harbour"), "460971234567890", "460970000000009"
    customers = root / "customers" / "subscriptions.csv"
    customers.write_text(customers.read_text().replace(f"{ANN},,", f"{ANN},{of_ann},"))
    data = of_partner("tap", {"imsi": of_ann}, {"imsi": of_bob})
    put(root, "partners", "a", data)
    calls.run(root)
    assert Lake(root).fates == {("a", 1): "rated", ("a", 2): "subscription_missing"}
    [waits] = told(root, "show")
    assert waits["field"] == "imsi"
    assert f"give IMSI {of_bob} a row in customers/subscriptions.csv" in waits["cure"]
    as_numbered = made(tmp_path / "numbered")
    put(as_numbered, "partners", "a", of_partner("tap"))
    calls.run(as_numbered)
    assert Lake(root).rows("rated", SAME) == Lake(as_numbered).rows("rated", SAME)
    text = customers.read_text().replace(f"{BOB},,", f"{BOB},{of_bob},")
    customers.write_text(text.replace(ANN, "+8613910000001"))
    assert retry(root, "F1-2")["dispositions"]["rated"] == 1
    put(root, "partners", "b", of_partner("tap", {"imsi": of_bob}, {"imsi": of_ann}))
    assert calls.run(root, "2003-06-13T02:00:00").dispositions["duplicate"] == 2
    explainer = Explainer(open_session(root))
    for record, number, imsi in (("F1-1", ANN, of_ann), ("F1-2", BOB, of_bob)):
        explained = explainer.explain(parse_record(record))
        assert explained.differences == ()
        assert f"{number[1:]} (IMSI {imsi}): subscription S-" in screen_of(explained)
    audited(root)


def test_records_behind_an_outer_list_are_not_passed_over(tmp_path: Path) -> None:
    """Two lists in a file, records behind a list; what is neither refuses the file."""
    root, records = made(tmp_path / "harbour"), of_switch()
    whole = native_files.data_file(records[:3])
    for name, data in (("a", whole + native_files.data_file(records[3:])),
                       ("b", whole + records[3]), ("c", whole + b"GARBAGE")):  # fmt: skip
        put(root, "msc", name, data)
    done = calls.run(root)
    assert (done.rows, [name for name, _ in done.refused]) == (5 + 4, ["msc/c"])
    assert "an element that ends behind what holds it" in done.refused[0][1]


def test_a_file_with_another_count_than_its_header_says_waits_for_a_person(tmp_path: Path) -> None:
    """A record is missing: none is rated until the file is released, and then all that are there.
    """
    root, records = made(tmp_path / "harbour"), of_switch()
    whole = native_files.framed(records)
    put(root, "msc", "a", whole[:18] + (6).to_bytes(4) + whole[22:] + bytes(64))
    size = len(whole) + 64
    file = root / "inbox" / "msc" / "a"
    file.write_bytes(size.to_bytes(4) + file.read_bytes()[4:])
    done = calls.run(root)
    assert done.rows == 0
    [(name, why)] = done.refused
    assert name == "msc/a"
    assert why.startswith("held back: 5 records, but 6 in the header of the file")
    watch.release(open_session(root), 1, "kim", "the switch says that five is right")
    again = calls.run(root)
    assert (again.rows, again.refused) == (5, ())
    audited(root)


def test_bad_records_wait_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    """The second record ends beyond itself, the third frame is no BER, the fourth has no number."""
    root = made(tmp_path / "harbour")
    records = of_switch()[:2]
    bad = bytearray(records[0])
    bad[bad.index(b"\x83\x08") + 1] = 0x7E
    nameless = native_files.encode(TYPES, "CallDataRecord", {"mtCallRecord": {
        "recordType": 1, "answerTime": stamp("10:00:00"), "callDuration": 5}})
    put(root, "msc", "a", native_files.framed([records[0], bytes(bad), b"text", nameless]))
    put(root, "partners", "b", of_partner("tap")[:-9])
    put(root, "fraud", "c", of_partner("tap"))
    done = calls.run(root)
    assert done.rows == 4
    assert [name for name, _ in done.refused] == ["fraud/c", "partners/b"]
    assert Lake(root).fates == {
        ("a", 1): "rated", ("a", 2): "record_unreadable", ("a", 3): "record_unreadable",
        ("a", 4): "served_number_malformed",
    }  # fmt: skip
    kept = [raw for (raw,) in Lake(root).rows("suspense", "raw_record")]
    assert kept[:2] == [bytes(bad), b"text"]
    audited(root)


def test_what_is_shown_of_bad_records(tmp_path: Path) -> None:
    """Records 2 (empty) and 3 (no BER) of the switch cannot be corrected, only discarded; the first
    has an IMSI that is none. The partner's call has a code of an offset that its file lacks."""
    root = made(tmp_path / "harbour")
    call = {"recordType": 0, "servedMSISDN": address(ANN), "callDuration": 61,
            "servedIMSI": b"\x64\xa0\x10\x32", "answerTime": stamp("10:00:00")}  # fmt: skip
    bad = native_files.encode(TYPES, "CallDataRecord", {"moCallRecord": call})
    put(root, "msc", "a", native_files.framed([bad, b"", b"text"]))
    data = of_partner("tap")
    defined = data.index(bytes.fromhex("5f816801") + b"\0")  # the code where it is defined
    put(root, "partners", "b", data[: defined + 4] + b"\x05" + data[defined + 5 :])
    assert calls.run(root).dispositions["suspended"] == 4
    found = {one["record"]: one for one in told(root, "show", "--masked")}
    assert [found[name]["raw_record"] for name in ("F1-1", "F1-2", "F1-3")] == [
        f"({len(bad)} bytes, masked)", "", "(4 bytes, masked)"]  # fmt: skip
    assert found["F1-1"]["raw_value"] == "(4 bytes, masked)"
    assert "suspense correct F1-1 --set imsi=" in found["F1-1"]["cure"]
    for name in ("F1-2", "F1-3"):
        assert found[name]["cure"].endswith(f"or discard it: `tollbook suspense discard {name} "
                                            "--note WHY`")  # fmt: skip
    assert found["F2-1"]["raw_value"] == (
        "20030610140000 with utcTimeOffsetCode 0, which the file does not define")
    screen = said(root, "show", "--file", "F2")
    assert "found   '20030610140000 with utcTimeOffsetCode 0" in screen
    assert "partners/b, record 1, byte " in screen
    assert told(root, "show", "F1-1")[0]["raw_record"].startswith("\\xa0")
    for correction in ("raw_record=x", "duration_s=60"):
        says = refused(root, "correct", "F1-2", "--set", correction, "--note", "x")
        assert "nothing of it could be read" in says
    explained = Explainer(open_session(root)).explain(parse_record("F1-1"))
    assert "msc/a, record 1, byte " in screen_of(explained)
