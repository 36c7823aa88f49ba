"""Records of TS 32.298 as columns: calls of an MSC, sessions of a PGW."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa

from bench.native_draws import Draws, random_bits, random_bytes, time_stamps
from bench.native_tap import only
from cdr.asn_grammar import Schema
from cdr.ber_draft import Draft

TABLE: Final = "CallDataRecord"
CALL, SESSION = "moCallRecord", "pGWRecord"
ADDRESS: Final = "iPBinaryAddress.iPBinV4Address"
CALLS_SHARE: Final = 0.5
PGW_RECORD: Final = 85  # recordType


def draw(form: Schema, draws: Draws) -> tuple[bytes, Counter[str]]:
    """A block of records, and what they add up to."""
    draft = Draft(form, 3 * draws.count + 16)
    draft.rows(TABLE, np.zeros(draws.count, np.int64))
    is_call = draws.share(CALLS_SHARE)
    truth = Counter({CALL: int(is_call.sum()), SESSION: int((~is_call).sum())})
    draft.there(TABLE, CALL, is_call)
    draft.there(TABLE, SESSION, ~is_call)
    start_s, imsi = draws.starts_s(), draws.number("46000", 10, 10)
    _calls(draft, draws, is_call, start_s, imsi, truth)
    _sessions(draft, draws, ~is_call, start_s, imsi, truth)
    return draft.encode(), truth


def _calls(
    draft: Draft, draws: Draws, chosen: np.ndarray, start_s: np.ndarray, imsi: pa.Array,
    truth: Counter[str],
) -> None:  # fmt: skip
    ring_s, duration_s = draws.integers(1, 40), draws.long_tailed(90, 40_000)
    is_answered = draws.share(0.85)
    served = draws.number("86138", 8, 8)
    columns: dict[str, np.ndarray | pa.Array] = {
        "recordType": np.zeros(draws.count, np.int64), "servedIMSI": imsi,
        "servedIMEI": draws.number("35", 14, 14), "servedMSISDN": served, "callingNumber": served,
        "calledNumber": draws.number("861", 6, 11),
        "recordingEntity": draws.one_of(("8613440000", "8613440001", "8613440770")),
        "mscIncomingTKGP.tkgpNumber": draws.integers(1, 400),
        "mscOutgoingTKGP.tkgpNumber": draws.integers(1, 400),
        "location.locationAreaCode": random_bytes(draws, 2),
        "location.cellId": random_bytes(draws, 2),
        "basicService.teleservice": pa.array([b"\x11"] * draws.count),
        "seizureTime": time_stamps(start_s), "callDuration": np.where(is_answered, duration_s, 0),
        "releaseTime": time_stamps(start_s + ring_s + np.where(is_answered, duration_s, 0)),
        "causeForTerm": draws.integers(0, 4), "callReference": random_bytes(draws, 5),
    }  # fmt: skip
    for path, values in columns.items():
        draft.put(TABLE, f"{CALL}.{path}", only(values, chosen))
    answered = only(time_stamps(start_s + ring_s), chosen & is_answered)
    draft.put(TABLE, f"{CALL}.answerTime", answered)
    partial = only(draws.integers(1, 9), chosen & draws.share(0.05))
    draft.put(TABLE, f"{CALL}.sequenceNumber", partial)
    truth["duration_s"] += int(duration_s[chosen & is_answered].sum())


def _sessions(
    draft: Draft, draws: Draws, chosen: np.ndarray, start_s: np.ndarray, imsi: pa.Array,
    truth: Counter[str],
) -> None:  # fmt: skip
    duration_s = draws.long_tailed(1200, 86_400)
    address = random_bytes(draws, 4)
    columns: dict[str, np.ndarray | pa.Array] = {
        "recordType": np.full(draws.count, PGW_RECORD), "servedIMSI": imsi,
        f"p-GWAddress.{ADDRESS}": address, "chargingID": draws.integers(1, 2**31 - 1),
        "accessPointNameNI": draws.one_of(("cmnet", "ims", "internet", "iot.example")),
        "pdpPDNType": pa.array([b"\xf1\x21"] * draws.count),
        f"servedPDPPDNAddress.iPAddress.{ADDRESS}": random_bytes(draws, 4),
        "recordOpeningTime": time_stamps(start_s), "duration": duration_s,
        "causeForRecClosing": draws.integers(0, 4),
        "nodeID": draws.one_of(("PGW01", "PGW02", "PGW-EAST-3")),
        "localSequenceNumber": draws.integers(1, 2**31 - 1),
        "servedMSISDN": draws.number("86139", 8, 8),
        "chargingCharacteristics": pa.array([b"\x08\x00"] * draws.count),
        "servingNodePLMNIdentifier": pa.array([b"\x64\xf0\x00"] * draws.count),
        "rATType": draws.integers(1, 6), "userLocationInformation": random_bytes(draws, 13),
    }  # fmt: skip
    for path, values in columns.items():
        draft.put(TABLE, f"{SESSION}.{path}", only(values, chosen))
    sessions = np.flatnonzero(chosen)
    nodes = draft.rows("GSNAddress", sessions, TABLE, f"{SESSION}.servingNodeAddress")
    draft.put("GSNAddress", ADDRESS, random_bytes(Draws(draws.rng, len(nodes)), 4))
    types = draft.rows("ServingNodeType", sessions, TABLE, f"{SESSION}.servingNodeType")
    draft.put("ServingNodeType", "value", pa.array(np.full(len(types), 2)))
    owner = np.repeat(sessions, Draws(draws.rng, len(sessions)).integers(1, 3))
    draft.rows("ChangeOfServiceCondition", owner, TABLE, f"{SESSION}.listOfServiceData")
    _services(draft, Draws(draws.rng, len(owner)), start_s[owner], duration_s[owner], truth)
    truth["duration_s"] += int(duration_s[chosen].sum())


def _services(
    draft: Draft, draws: Draws, start_s: np.ndarray, duration_s: np.ndarray, truth: Counter[str]
) -> None:
    up, down = draws.long_tailed(200_000, 2**40), draws.long_tailed(5_000_000, 2**40)
    columns: dict[str, np.ndarray | pa.Array] = {
        "ratingGroup": draws.integers(1, 400), "localSequenceNumber": draws.integers(1, 9),
        "timeOfFirstUsage": time_stamps(start_s + 1),
        "timeOfLastUsage": time_stamps(start_s + duration_s), "timeUsage": duration_s,
        "serviceConditionChange": random_bits(draws, 6), "datavolumeFBCUplink": up,
        "datavolumeFBCDownlink": down, "timeOfReport": time_stamps(start_s + duration_s),
    }  # fmt: skip
    everywhere = np.ones(draws.count, np.bool_)
    for path, values in columns.items():
        draft.put("ChangeOfServiceCondition", path, only(values, everywhere))
    truth["volume_bytes"] += int(up.sum()) + int(down.sum())
    truth["services"] += draws.count
