"""A TAP 3.12 batch with all nine kinds of event, hand-made, for tests of readers and checks.

Four decimals; UTC offset code 1 is +08:00. What is charged: 1.2000 for the forwarded call, 0.5000
for the call that came, 2.5000 + 0.0300 for the session (two charges), 0.1000 for the service,
0.0500 for the message centre, 3.0000 for content and 0.7000 given back, 0.2000 for the location,
0.0800 for the message, 1.1000 for the session over IMS, 0.0100 for invoking CAMEL.
"""

from __future__ import annotations

from typing import Any

NOON = {"localTimeStamp": "20261122120000", "utcTimeOffsetCode": 1}
SIM = {"simChargeableSubscriber": {"imsi": "460001234567890", "msisdn": "8613800000001"}}
PLACE = {"networkLocation": {"recEntityCode": 1, "callReference": b"\x0a\x0b", "locationArea": 7,
                             "cellId": 9}}  # fmt: skip
TOTALS = {
    "totalCharge": 12000 + 5000 + 25000 + 300 + 1000 + 500 + 30000 + 2000 + 800 + 11000 + 100,
    "totalChargeRefund": 7000, "totalTaxValue": 960, "totalTaxRefund": 70,
    "totalDiscountValue": 150, "callEventDetailsCount": 9,
}  # fmt: skip


def charge(amount: int, **more: Any) -> dict[str, Any]:
    """Charge information with its sum (type 00) and a part of it that must not count twice."""
    details = [{"chargeType": "00", "charge": amount}, {"chargeType": "01", "charge": amount}]
    return {"chargedItem": "D", "exchangeRateCode": 0, "chargeDetailList": details, **more}


def used(service: str, amount: int, **more: Any) -> list[dict[str, Any]]:
    """One basic service with one charge."""
    return [{"basicService": {"serviceCode": {"teleServiceCode": service}},
             "chargingTimeStamp": NOON, "chargeInformationList": [charge(amount, **more)]}]


def events() -> list[dict[str, Any]]:
    """The nine events, in the order of their tags."""
    moc = {
        "basicCallInformation": {
            "chargeableSubscriber": SIM, "destination": {"calledNumber": "8613900000002"},
            "callEventStartTimeStamp": NOON, "totalCallEventDuration": 61, "causeForTerm": 4,
        },
        "locationInformation": PLACE, "equipmentIdentifier": {"imei": "35123400000000"},
        "basicServiceUsedList": used(
            "11", 12000, taxInformation=[{"taxCode": 1, "taxValue": 960}],
            discountInformation={"discountCode": 1, "discount": 150}),
        "supplServiceCode": "2A", "thirdPartyInformation": {"thirdPartyNumber": "85291234567"},
        "camelServiceUsed": {"camelInvocationFee": 100},
    }  # fmt: skip
    mtc = {
        "basicCallInformation": {
            "chargeableSubscriber": {"minChargeableSubscriber": {"min": "1", "mdn": "16175550100"}},
            "callOriginator": {"sMSOriginator": "INFO"}, "callEventStartTimeStamp": NOON,
            "totalCallEventDuration": 0,
        },
        "locationInformation": PLACE, "basicServiceUsedList": used("21", 5000),
    }  # fmt: skip
    gprs = {
        "gprsBasicCallInformation": {
            "gprsChargeableSubscriber": {"chargeableSubscriber": SIM},
            "callEventStartTimeStamp": NOON, "totalCallEventDuration": 3600, "chargingId": 77,
        },
        "gprsLocationInformation": {"gprsNetworkLocation": {"recEntity": [1, 2], "locationArea": 7,
                                                            "cellId": 9}},
        "gprsServiceUsed": {"dataVolumeIncoming": 5_000_000_000, "dataVolumeOutgoing": 4096,
                            "chargeInformationList": [charge(25000), charge(300)]},
    }  # fmt: skip
    return [
        {"mobileOriginatedCall": moc},
        {"mobileTerminatedCall": mtc},
        *events_with_one_charge()[:2],
        {"gprsCall": gprs},
        *events_with_one_charge()[2:],
    ]  # fmt: skip


def events_with_one_charge() -> list[dict[str, Any]]:
    """A supplementary service, a message centre, then content, a location, a message and a session
    over IMS."""
    return [
        {"supplServiceEvent": {
            "chargeableSubscriber": SIM, "locationInformation": PLACE,
            "supplServiceUsed": {"supplServiceCode": "21", "chargingTimeStamp": NOON,
                                 "chargeInformation": charge(1000)}}},
        {"serviceCentreUsage": {
            "basicInformation": {
                "chargeableSubscriber": {"gsmChargeableSubscriber": {
                    "imsi": "460001234567890", "msisdn": "8613800000001"}},
                "nonChargedNumber": "+8613900000002"},
            "chargeInformation": charge(500), "scuTimeStamps": {"completionTimeStamp": NOON}}},
        {"contentTransaction": {
            "contentTransactionBasicInfo": {"orderPlacedTimeStamp": NOON,
                                            "totalTransactionDuration": 5},
            "chargedPartyInformation": {"chargedPartyIdList": [
                {"chargedPartyIdType": 1, "chargedPartyIdentifier": "8613800000001"}]},
            "contentServiceUsed": [
                {"dataVolumeIncoming": 10, "dataVolumeOutgoing": 1, "transactionIdentifier": "T1",
                 "chargeInformationList": [charge(30000)]},
                {"dataVolumeIncoming": 20, "chargeRefundIndicator": 1, "transactionIdentifier":
                 "T2", "chargeInformationList": [
                     charge(7000, taxInformation=[{"taxCode": 1, "taxValue": 70}])]}]}},
        {"locationService": {
            "callReference": b"\x0c", "trackingCustomerInformation": {"trackingCustomerIdList": [
                {"customerIdType": 1, "customerIdentifier": "8613800000001"}]},
            "locationServiceUsage": {"chargingTimeStamp": NOON,
                                     "chargeInformationList": [charge(2000)]}}},
        {"messagingEvent": {
            "messagingEventService": 1, "chargedParty": {
                "imsi": "460001234567890", "msisdn": "8613800000001"},
            "eventReference": "M1", "serviceStartTimestamp": NOON,
            "nonChargedParty": {"nonChargedPartyNumber": "8613900000002"}, "charge": 800}},
        {"mobileSession": {
            "mobileSessionService": 1, "chargedParty": {
                "imsi": "460001234567890", "msisdn": "8613800000001"},
            "eventReference": "S1", "serviceStartTimestamp": NOON, "causeForTerm": 0,
            "totalCallEventDuration": 59,
            "requestedDestination": {"requestedNumber": "8613900000002"},
            "sessionChargeInfoList": [{"chargedItem": "D", "chargeDetailList": [
                {"chargeType": "00", "charge": 11000}]}]}},
    ]  # fmt: skip


def batch(of_events: list[dict[str, Any]], **totals: int) -> dict[str, Any]:
    """A whole file; ``totals`` take the place of those in TOTALS."""
    return {"transferBatch": {
        "batchControlInfo": {
            "sender": "HKGSP", "recipient": "CHNHM", "fileSequenceNumber": "00017",
            "specificationVersionNumber": 3, "releaseVersionNumber": 12},
        "accountingInfo": {
            "taxation": [{"taxCode": 1, "taxType": "01", "taxRate": "0800000"}],
            "discounting": [{"discountCode": 1, "discountApplied": {"fixedDiscountValue": 150}}],
            "localCurrency": "HKD", "tapDecimalPlaces": 4, "currencyConversionInfo": [
                {"exchangeRateCode": 0, "numberOfDecimalPlaces": 4, "exchangeRate": 111418}]},
        "networkInfo": {
            "utcTimeOffsetInfo": [{"utcTimeOffsetCode": 1, "utcTimeOffset": "+0800"}],
            "recEntityInfo": [{"recEntityCode": code, "recEntityType": 1, "recEntityId": "85290"}
                              for code in (1, 2)]},
        "callEventDetails": of_events, "auditControlInfo": TOTALS | totals,
    }}  # fmt: skip
