"""Every kind of record that the shipped layouts ts32298 and nrtrde read, value by value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import native_files
import pytest
import tap_events
from test_native_reader import call, made, rows_of, session, switch, utc

from cdr import layout, native_reader
from cdr.ber_layout import BerLayout
from tollbook import reasons
from tollbook.text import Problems

STAMP, NOON = "2026-11-22 12:00:00 +08:00", utc("2026-11-22T12:00:00+08:00")
OWN, OTHER = "91 8613800000001", "91 85291234567"
START = {"start_utc_s": NOON, "utc_offset_s": 28800}
# What the records of calls have in common, and what becomes of it.
GIVEN = {"answerTime": STAMP, "callDuration": 90, "callReference": b"\x01\x02", "causeForTerm": 1,
         "sequenceNumber": 2, "mscIncomingTKGP": {"tkgpNumber": 7},
         "mscOutgoingTKGP": {"tkgpName": "OUT-1"}}  # fmt: skip
READ = {**START, "duration_s": 90, "call_ref": "0102", "cause": 1, "sequence": 2, "trunk_in": "7",
        "trunk_out": "OUT-1"}  # fmt: skip
ENDS = {"callingNumber": OTHER, "calledNumber": OWN}
BETWEEN = {"service": 1, "direction": 4, "served_raw": "+85291234567",
           "other_raw": "+8613800000001"}  # fmt: skip
WHO = {"servedIMSI": "460001234567890", "servedIMEI": "35123400000000"}
KNOWN = {"imsi": 460001234567890, "imei": 35123400000000, "served_raw": "+8613800000001"}
VIDEO = {"basicService": {"bearerService": b"\x37"}}
PLACE = {"location": {"locationAreaCode": b"\x00\x0a", "cellId": b"\x00\x0b"}}
CONTAINERS = [{"dataVolumeGPRSUplink": 10, "dataVolumeGPRSDownlink": 1000},
              {"dataVolumeGPRSUplink": 5}]  # fmt: skip
SESSION = {"recordOpeningTime": STAMP, "duration": 60, "chargingID": 9, "recordSequenceNumber": 3,
           "causeForRecClosing": 16, "listOfTrafficVolumes": CONTAINERS, "servedMSISDN": OWN}
BYTES = {**START, **KNOWN, "service": 5, "direction": 1, "duration_s": 60, "up_bytes": 15,
         "down_bytes": 1000, "call_ref": "9", "sequence": 3, "cause": 16}  # fmt: skip

SWITCH: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("moCallRecord", {**GIVEN, **WHO, **VIDEO, **PLACE, "servedMSISDN": OWN, "calledNumber": OTHER},
     {**READ, **KNOWN, "service": 2, "direction": 1, "other_raw": "+85291234567",
      "location": "000A-000B"}),
    ("mtCallRecord", {**GIVEN, **WHO, **PLACE, "servedMSISDN": OWN, "callingNumber": OTHER},
     {**READ, **KNOWN, "service": 1, "direction": 2, "other_raw": "+85291234567",
      "location": "000A-000B"}),
    ("roamingRecord", {**GIVEN, "servedIMSI": "460001234567890", "servedMSISDN": OWN,
                       "callingNumber": OTHER, "roamingNumber": "91 85290001111"},
     {**READ, "imsi": KNOWN["imsi"], "served_raw": "+8613800000001", "service": 1, "direction": 3,
      "other_raw": "+85290001111", "third_raw": "+85291234567", "routing_raw": "+85290001111"}),
    ("incGatewayRecord", {**GIVEN, **ENDS}, {**READ, **BETWEEN}),
    ("outGatewayRecord", {**GIVEN, **ENDS}, {**READ, **BETWEEN}),
    ("transitRecord", {**{name: GIVEN[name] for name in GIVEN if name != "answerTime"}, **ENDS,
                       "answerTimestamp": STAMP}, {**READ, **BETWEEN}),
    ("moSMSRecord", {**WHO, **PLACE, "servedMSISDN": OWN, "originationTime": STAMP,
                     "messageReference": b"\x2a",
                     "destinationNumber": b"\x0b\x91" + native_files.swapped("85291234567")},
     {**START, **KNOWN, "service": 3, "direction": 1, "other_raw": "+85291234567",
      "event_count": 1, "location": "000A-000B", "call_ref": "2A"}),
    ("mtSMSRecord", {**WHO, **PLACE, "servedMSISDN": OWN, "deliveryTime": STAMP},
     {**START, **KNOWN, "service": 3, "direction": 2, "event_count": 1,
      "location": "000A-000B"}),
    ("sGWRecord", {**SESSION, **WHO, "servingNodePLMNIdentifier": b"\x54\xf4\x00"},
     {**BYTES, "network": "45400"}),
    ("pGWRecord", {**SESSION, **WHO}, BYTES),
]  # fmt: skip


def test_every_kind_of_record_of_a_switch(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(switch(*({kind: values} for kind, values, _ in SWITCH)))
    rows, _ = rows_of(path, "ts32298")
    for row, (kind, _, wanted) in zip(rows, SWITCH, strict=True):
        found = {name: value for name, value in row.items() if not name.startswith("byte_")}
        assert found == wanted, kind


COMMON = {"imsi": "460001234567890", "imei": "35123400000000", "msisdn": "8613800000001",
          "callEventStartTimeStamp": "20261122120000", "utcTimeOffset": "+0800",
          "callEventDuration": 61, "causeForTermination": 2, "locationArea": 5, "cellId": 6}
SHARED = {**START, **KNOWN, "duration_s": 61, "cause": 2, "network": "HKGSP", "location": "5-6"}


@pytest.mark.parametrize(("event", "wanted"), [
    ({"moc": {"connectedNumber": "8613900000002", "dialledDigits": "013900000002",
              "serviceCode": {"teleServiceCode": "11"}, "callReference": 3}},
     {"service": 1, "direction": 1, "other_raw": "+8613900000002", "call_ref": "3"}),
    ({"moc": {"dialledDigits": "1", "serviceCode": {"bearerServiceCode": "37"}}},
     {"service": 2, "direction": 1, "other_raw": "1"}),
    ({"moc": {"dialledDigits": "*100#", "serviceCode": {"teleServiceCode": "22"}}},
     {"service": 3, "direction": 1, "other_raw": "*100#", "event_count": 1}),
    ({"moc": {"connectedNumber": "8613900000002", "supplementaryServiceCode": "2B",
              "thirdPartyNumber": "85291234567", "serviceCode": {"teleServiceCode": "11"}}},
     {"service": 1, "direction": 3, "other_raw": "+8613900000002", "third_raw": "+85291234567",
      "forward_reason": 4}),
    ({"mtc": {"callingNumber": "85291234567", "serviceCode": {"teleServiceCode": "21"}}},
     {"service": 3, "direction": 2, "other_raw": "+85291234567", "event_count": 1}),
    ({"mtc": {"serviceCode": {"bearerServiceCode": "26"}}}, {"service": 1, "direction": 2}),
    ({"gprs": {"dataVolumeIncoming": 2**33, "dataVolumeOutgoing": 1, "chargingId": 8}},
     {"service": 5, "direction": 1, "down_bytes": 2**33, "up_bytes": 1, "call_ref": "8"}),
])  # fmt: skip
def test_every_kind_of_event_of_nrtrde(
    tmp_path: Path, event: dict[str, Any], wanted: dict[str, Any]
) -> None:
    [(kind, values)] = event.items()
    rows = made(tmp_path, "nrtrde", {"sender": "HKGSP", "callEvents": [{kind: COMMON | values}]})
    assert rows == [SHARED | wanted]


def test_a_forwarded_leg_of_a_switch_has_who_called(tmp_path: Path) -> None:
    """The calling number of any other call is the customer's own: no third party."""
    path = tmp_path / "file"
    calling = {"callingNumber": "91 85291234567"}
    path.write_bytes(switch(
        call(**calling),
        call(**calling, supplServicesUsed=[{"ssCode": b"\x12"}]),
        call(**calling, supplServicesUsed=[{"ssCode": b"\x29", "ssTime": STAMP}]),
        call(**calling, supplServicesUsed=[{"ssCode": b"\x11"}, {"ssTime": STAMP},
                                           {"ssCode": b"\x2a"}, {"ssCode": b"\x12"}]),
        call(supplServicesUsed=[{"ssCode": b"\x11"}, {"ssCode": b"\x12"}]),
        call(**calling, supplServicesUsed=[{"ssCode": b"\x28"}, {"ssCode": b"\x21"}]),
    ))  # fmt: skip
    rows, _ = rows_of(path, "ts32298")
    found = [(row["direction"], row.get("third_raw"), row.get("forward_reason")) for row in rows]
    who = "+85291234567"
    assert found == [(1, None, None), (1, None, None), (3, who, 2), (3, who, 3), (1, None, None),
                     (3, who, 1)]  # fmt: skip


def test_bearer_services_of_partners_are_calls(tmp_path: Path) -> None:
    """Services of TAP that have no teleservice: 37 is a video call, 26 counts as voice."""
    moc, mtc = tap_events.events()[:2]
    for [event], code in ((moc.values(), "37"), (mtc.values(), "26")):
        service = event["basicServiceUsedList"][0]["basicService"]
        service["serviceCode"] = {"bearerServiceCode": code}
    rows = made(tmp_path, "tap", tap_events.batch([moc, mtc]))
    assert [(row["service"], row["direction"], "reason" in row) for row in rows] == [
        (2, 3, False), (1, 2, False)]  # fmt: skip


def test_the_layout_of_the_guide_is_one(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[1] / "docs" / "native-formats.md").read_text("utf-8")
    [text] = re.findall(r"^```yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    path = tmp_path / "switch.yaml"
    path.write_text(text)
    problems = Problems()
    form = layout.load(path, problems)
    assert isinstance(form, BerLayout), problems.found
    file = tmp_path / "file"
    file.write_bytes(switch(call(connectedNumber="91 85291234567", calledNumber="a1 0"),
                            session((1, 2), (3, 4)), {"mtCallRecord": {}}))
    context = native_reader.prepare(form, native_reader.identify(file, form), "UTC", "UTC", 0, 1)
    rows = [row for block in native_reader.blocks(file, form)
            for row in native_reader.decode(block, context).batch.to_pylist()]
    assert [reasons.name_of(row["reason"]) for row in rows] == ["ok", "ok", "not_billable"]
    assert rows[0]["other_raw"] == "+85291234567"
    assert (rows[1]["up_bytes"], rows[1]["down_bytes"]) == (4, 6)
