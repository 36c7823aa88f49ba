"""Events of TAP 3.12 as columns, and the file around them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa

from bench.native_draws import Draws, local_times
from cdr.asn_grammar import Schema
from cdr.ber_draft import Draft
from cdr.native import FORMATS

TABLE: Final = "CallEventDetail"
# Events of 100, in the order of the types.
SHARES: Final = {
    "mobileOriginatedCall": 40, "mobileTerminatedCall": 25, "gprsCall": 15, "messagingEvent": 10,
    "mobileSession": 10,
}  # fmt: skip
# Where each kind has what all of them have.
SUBSCRIBER: Final = {
    "mobileOriginatedCall": "basicCallInformation.chargeableSubscriber.simChargeableSubscriber",
    "mobileTerminatedCall": "basicCallInformation.chargeableSubscriber.simChargeableSubscriber",
    "gprsCall": "gprsBasicCallInformation.gprsChargeableSubscriber.chargeableSubscriber"
                ".simChargeableSubscriber",
    "messagingEvent": "chargedParty", "mobileSession": "chargedParty",
}  # fmt: skip
START: Final = {
    "mobileOriginatedCall": "basicCallInformation.callEventStartTimeStamp",
    "mobileTerminatedCall": "basicCallInformation.callEventStartTimeStamp",
    "gprsCall": "gprsBasicCallInformation.callEventStartTimeStamp",
    "messagingEvent": "serviceStartTimestamp", "mobileSession": "serviceStartTimestamp",
}  # fmt: skip
DURATION: Final = {
    "mobileOriginatedCall": "basicCallInformation.totalCallEventDuration",
    "mobileTerminatedCall": "basicCallInformation.totalCallEventDuration",
    "gprsCall": "gprsBasicCallInformation.totalCallEventDuration",
    "mobileSession": "totalCallEventDuration",
}  # fmt: skip
OTHER: Final = {
    "mobileOriginatedCall": "basicCallInformation.destination.calledNumber",
    "mobileTerminatedCall": "basicCallInformation.callOriginator.callingNumber",
    "messagingEvent": "nonChargedParty.nonChargedPartyNumber",
    "mobileSession": "nonChargedParty.nonChargedPartyNumber",
}  # fmt: skip
PLACE: Final = {
    "mobileOriginatedCall": "locationInformation.networkLocation",
    "mobileTerminatedCall": "locationInformation.networkLocation",
    "gprsCall": "gprsLocationInformation.gprsNetworkLocation",
    "messagingEvent": "", "mobileSession": "",
}  # fmt: skip


def only(values: np.ndarray | pa.Array, is_there: np.ndarray) -> pa.Array:
    """A column with nulls where something is not there."""
    if isinstance(values, np.ndarray):
        return pa.array(values, mask=~is_there)
    return pa.compute.if_else(pa.array(is_there), values, pa.scalar(None, values.type))


def draw(form: Schema, draws: Draws) -> tuple[bytes, Counter[str]]:
    """A block of events, and what they add up to."""
    draft = Draft(form, 4 * draws.count + 16)
    draft.rows(TABLE, np.zeros(draws.count, np.int64))
    drawn = draws.rng.choice(len(SHARES), draws.count, p=np.array(list(SHARES.values())) / 100)
    kinds = {name: drawn == number for number, name in enumerate(SHARES)}
    truth = Counter({name: int(chosen.sum()) for name, chosen in kinds.items()})
    duration_s = draws.long_tailed(90, 86_000)
    columns = {
        "imsi": draws.number("46001", 10, 10), "msisdn": draws.number("86130", 8, 8),
        "start": local_times(draws.starts_s()), "offset": draws.integers(0, 2),
        "other": draws.number("86", 6, 11), "area": draws.integers(1, 65_535),
        "cell": draws.integers(1, 65_535), "has_msisdn": draws.share(0.9),
    }  # fmt: skip
    for name, chosen in kinds.items():
        draft.there(TABLE, name, chosen)
        _put_common(draft, name, chosen, columns)
        if name in DURATION:
            draft.put(TABLE, f"{name}.{DURATION[name]}", only(duration_s, chosen))
            truth["duration_s"] += int(duration_s[chosen].sum())
    _put_own(draft, draws, kinds, truth)
    _put_charges(draft, draws, kinds, duration_s, truth)
    return draft.encode(), truth


def _put_common(
    draft: Draft, name: str, chosen: np.ndarray, columns: dict[str, pa.Array | np.ndarray]
) -> None:
    def put(path: str, what: str, is_there: np.ndarray) -> None:
        draft.put(TABLE, f"{name}.{path}", only(columns[what], is_there))

    put(f"{SUBSCRIBER[name]}.imsi", "imsi", chosen)
    put(f"{SUBSCRIBER[name]}.msisdn", "msisdn", chosen & columns["has_msisdn"])
    put(f"{START[name]}.localTimeStamp", "start", chosen)
    put(f"{START[name]}.utcTimeOffsetCode", "offset", chosen)
    if name in OTHER:
        put(OTHER[name], "other", chosen)
    inside = f"{PLACE[name]}." if PLACE[name] else ""
    put(f"{inside}locationArea", "area", chosen)
    put(f"{inside}cellId", "cell", chosen)


def _put_own(
    draft: Draft, draws: Draws, kinds: dict[str, np.ndarray], truth: Counter[str]
) -> None:
    """What one kind has and the others have not."""
    entity = draws.integers(0, 5)
    for name in ("mobileOriginatedCall", "mobileTerminatedCall"):
        draft.put(TABLE, f"{name}.{PLACE[name]}.recEntityCode", only(entity, kinds[name]))
        cause = only(draws.integers(0, 4), kinds[name] & draws.share(0.7))
        draft.put(TABLE, f"{name}.basicCallInformation.causeForTerm", cause)
    data = kinds["gprsCall"]
    gateways = draft.rows("RecEntityCode", np.repeat(np.flatnonzero(data), 2), TABLE,
                          f"gprsCall.{PLACE['gprsCall']}.recEntity")  # fmt: skip
    draft.put("RecEntityCode", "value", pa.array(gateways % 5))
    names = draws.one_of(("cmnet", "cmwap", "internet", "ims", "iot.example"))
    draft.put(TABLE, "gprsCall.gprsBasicCallInformation.gprsDestination.accessPointNameNI",
              only(names, data))  # fmt: skip
    for direction, typical in (("Incoming", 4_000_000), ("Outgoing", 300_000)):
        volume = draws.long_tailed(typical, 2**40)
        path = f"gprsCall.gprsServiceUsed.dataVolume{direction}"
        draft.put(TABLE, path, only(volume, data))
        truth["volume_bytes"] += int(volume[data].sum())
    service = draws.integers(0, 3)
    for name in ("messagingEvent", "mobileSession"):
        draft.put(TABLE, f"{name}.{name}Service", only(service, kinds[name]))
    messages, charge = kinds["messagingEvent"], draws.integers(0, 900)
    draft.put(TABLE, "messagingEvent.charge", only(charge, messages))
    draft.put(TABLE, "messagingEvent.exchangeRateCode", only(draws.integers(0, 2), messages))
    truth["charge"] += int(charge[messages].sum())


def _put_charges(
    draft: Draft, draws: Draws, kinds: dict[str, np.ndarray], duration_s: np.ndarray,
    truth: Counter[str],
) -> None:  # fmt: skip
    """Charge information of calls, data and sessions: one to three details each, some taxed."""
    calls = []
    for name in ("mobileOriginatedCall", "mobileTerminatedCall"):
        calls.append(np.flatnonzero(kinds[name]))
        draft.rows("BasicServiceUsed", calls[-1], TABLE, f"{name}.basicServiceUsedList")
    used = np.concatenate(calls)
    service = "basicService.serviceCode.teleServiceCode"
    draft.put("BasicServiceUsed", service, pa.array(["11"] * len(used)))
    data, sessions = np.flatnonzero(kinds["gprsCall"]), np.flatnonzero(kinds["mobileSession"])
    draft.rows("ChargeInformation", np.arange(len(used)), "BasicServiceUsed",
               "chargeInformationList")  # fmt: skip
    draft.rows("ChargeInformation", data, TABLE, "gprsCall.gprsServiceUsed.chargeInformationList")
    draft.rows("SessionChargeInformation", sessions, TABLE, "mobileSession.sessionChargeInfoList")
    owners = {"ChargeInformation": np.concatenate([used, data]),
              "SessionChargeInformation": sessions}  # fmt: skip
    charges, taxes = [], []
    for table, owner in owners.items():
        of_row = Draws(draws.rng, len(owner))
        draft.put(table, "chargedItem", of_row.one_of(("D", "D", "E", "X")))
        draft.put(table, "exchangeRateCode", pa.array(of_row.integers(0, 2)))
        for level in (1, 2, 3):
            code = pa.array(of_row.integers(0, 9))
            draft.put(table, f"callTypeGroup.callTypeLevel{level}", code)
        details = np.repeat(np.arange(len(owner)), of_row.integers(1, 3))
        draft.rows("ChargeDetail", details, table, "chargeDetailList")
        charges.append(np.stack([duration_s[owner[details]],
                                 np.diff(details, prepend=-1) > 0]))  # fmt: skip
        taxed = np.flatnonzero(of_row.share(0.4))
        path = "taxInformation" if table == "ChargeInformation" else "taxInformationList"
        taxes.append(draft.rows("TaxInformation", taxed, table, path))
    _put_details(draft, draws, np.concatenate(charges, axis=1), truth)
    discounted = Draws(draws.rng, len(owners["ChargeInformation"])).share(0.2)
    code = only(np.ones(len(discounted), np.int64), discounted)
    draft.put("ChargeInformation", "discountInformation.discountCode", code)
    tax = Draws(draws.rng, sum(map(len, taxes))).long_tailed(60, 10**6)
    draft.put("TaxInformation", "taxCode", pa.array(np.ones(len(tax), np.int64)))
    draft.put("TaxInformation", "taxValue", pa.array(tax))
    truth["tax"] += int(tax.sum())


def _put_details(
    draft: Draft, draws: Draws, details: np.ndarray, truth: Counter[str]
) -> None:
    """details: int64 [2, row], seconds, and whether it is the first: the total, of type 00."""
    seconds, is_total = details[0], details[1] == 1
    charge = seconds * Draws(draws.rng, len(seconds)).integers(3, 40)
    kind = np.where(is_total, "00", "01").astype("U2")
    draft.put("ChargeDetail", "chargeType", pa.array(kind.tolist()))
    draft.put("ChargeDetail", "charge", pa.array(charge))
    draft.put("ChargeDetail", "chargeableUnits", pa.array(seconds))
    draft.put("ChargeDetail", "chargedUnits", pa.array((seconds + 59) // 60 * 60))
    truth["charge"] += int(charge[is_total].sum())
    truth["details"] += len(charge)


def around(body: bytes, truth: Counter[str]) -> bytes:
    """The file of a batch of encoded events, with its audit."""
    draft = Draft(FORMATS["tap"].schema, 16)
    control, accounting = "transferBatch.batchControlInfo", "transferBatch.accountingInfo"
    texts = {
        f"{control}.sender": "AAA01", f"{control}.recipient": "BBB02",
        f"{control}.fileSequenceNumber": "00017", f"{accounting}.localCurrency": "CNY",
    }  # fmt: skip
    numbers = {
        f"{control}.specificationVersionNumber": 3, f"{control}.releaseVersionNumber": 12,
        f"{accounting}.tapDecimalPlaces": 5,
        "transferBatch.auditControlInfo.totalCharge": truth["charge"],
        "transferBatch.auditControlInfo.totalTaxValue": truth["tax"],
        "transferBatch.auditControlInfo.callEventDetailsCount": truth["records"],
    }  # fmt: skip
    for time in ("fileCreationTimeStamp", "transferCutOffTimeStamp", "fileAvailableTimeStamp"):
        texts |= {f"{control}.{time}.localTimeStamp": "20261201031500",
                  f"{control}.{time}.utcTimeOffset": "+0800"}  # fmt: skip
    for path, text in texts.items():
        draft.put("file", path, pa.array([text]))
    for path, number in numbers.items():
        draft.put("file", path, pa.array([number]))
    offsets = draft.rows("UtcTimeOffsetInfo", np.zeros(3, np.int64), "file",
                         "transferBatch.networkInfo.utcTimeOffsetInfo")  # fmt: skip
    draft.put("UtcTimeOffsetInfo", "utcTimeOffsetCode", pa.array(offsets))
    draft.put("UtcTimeOffsetInfo", "utcTimeOffset", pa.array(["+0800", "+0100", "-0330"]))
    entities = draft.rows("RecEntityInformation", np.zeros(6, np.int64), "file",
                          "transferBatch.networkInfo.recEntityInfo")  # fmt: skip
    draft.put("RecEntityInformation", "recEntityCode", pa.array(entities))
    draft.put("RecEntityInformation", "recEntityType", pa.array([1, 1, 1, 3, 4, 3]))
    rates = draft.rows("CurrencyConversion", np.zeros(3, np.int64), "file",
                       f"{accounting}.currencyConversionInfo")  # fmt: skip
    draft.put("CurrencyConversion", "exchangeRateCode", pa.array(rates))
    draft.put("CurrencyConversion", "numberOfDecimalPlaces", pa.array([4, 4, 4]))
    draft.put("CurrencyConversion", "exchangeRate", pa.array([96_215, 96_301, 96_187]))
    draft.inside("file", "transferBatch.callEventDetails", pa.array([body]))
    return draft.encode()
