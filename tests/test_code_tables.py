"""Codes of TAP files stand beside what the file's own tables say that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import native_files
import tap_events

from cdr import convert
from cdr.native import FORMATS

DATA = Path(__file__).parent / "data" / "native"


def tables(value: bytes) -> dict[str, dict[str, list[Any]]]:
    found = convert.tables(value, FORMATS["tap"], "file")
    return {name: table.to_pydict() for name, table in found.items()}


def test_codes_without_a_definition_have_nothing_beside_them() -> None:
    """Of the five events' network elements only 0 is defined."""
    events = tables((DATA / "tap_3_11_five_events.ber").read_bytes())["CallEventDetail"]
    place = "locationInformation.networkLocation"
    assert events[f"mobileOriginatedCall.{place}.recEntityCode"] == [0, None, 2, None, None]
    assert events[f"mobileOriginatedCall.{place}.recEntityId"] == ["491718888888", *[None] * 4]
    assert events[f"mobileTerminatedCall.{place}.recEntityCode"] == [None, 1, None, 2, 3]
    assert events[f"mobileTerminatedCall.{place}.recEntityId"] == [None] * 5


def test_offsets_rates_taxes_and_discounts_stand_beside_their_codes() -> None:
    """Tax code 1 is defined twice: the first definition holds, as in the night."""
    value = tap_events.batch(tap_events.events())
    value["transferBatch"]["accountingInfo"]["taxation"].append({"taxCode": 1, "taxRate": "9"})
    found = tables(native_files.build("tap", value))
    assert found["TaxInformation"]["taxRate"] == ["0800000", "0800000"]
    assert found["TaxInformation"]["taxType"] == ["01", "01"]
    charges = found["ChargeInformation"]
    assert charges["exchangeRate"] == [111418] * len(charges["row"])
    assert charges["discountInformation.discountApplied.fixedDiscountValue"][0] == 150
    start = "mobileOriginatedCall.basicCallInformation.callEventStartTimeStamp"
    assert found["CallEventDetail"][f"{start}.utcTimeOffset"][:2] == ["+0800", None]
    assert found["RecEntityCode"]["recEntityId"] == ["85290", "85290"]
