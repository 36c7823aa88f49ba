"""Guiding of records that tell the IMSI of who was served, and no number."""

from __future__ import annotations

import pytest
from guiding_world import CHINA, DAY_S, START, SUBSCRIPTIONS, guided, imsi_of, world

from tollbook import codes


@pytest.mark.parametrize(
    ("number", "start", "found"),
    [
        ("13900000001", START, ("ok", "", "A-1", "gold", "020")),
        # The card changes hands together with its number.
        ("13900000002", START - 1, ("ok", "", "A-2", "gold", "020")),
        ("13900000002", START, ("ok", "", "A-3", "basic", "020")),
        ("13900000002", START + DAY_S, ("subscription_missing", "imsi", "", "", "")),
        ("13900000003", START, ("subscription_inactive", "imsi", "A-1", "basic", "")),
        ("13666000005", START - 1, ("ok", "", "A-5", "basic", "010")),  # a dated home zone
        ("15500000006", START, ("number_range_missing", "imsi", "A-6", "basic", "")),
        ("13999999999", START, ("subscription_missing", "imsi", "", "", "")),
    ],
)
def test_a_record_with_an_imsi_only(number: str, start: int, found: tuple[str, ...]) -> None:
    row = {"served_raw": "", "imsi": imsi_of(number), "start_utc_s": start}
    number = {"15500000006": "55500000006"}.get(number, number)
    plain, row = guided({"start_utc_s": start}, row)
    names = ("reason", "field", "account", "plan", "served_zone")
    assert tuple(row[name] for name in names) == found
    assert row["served_e164"] == (int("86" + number) if row["account"] else 0)
    assert (row["other_zone"], row["flags"]) == (plain["other_zone"], plain["flags"]) or not row[
        "served_zone"
    ]


def test_a_number_goes_before_an_imsi() -> None:
    """The card of another customer: whoever has the number pays. A number that is wrong is."""
    other = imsi_of("13666000005")
    (row,) = guided({"imsi": other})
    assert (row["account"], row["served_e164"]) == ("A-1", 8613900000001)
    (row,) = guided({"imsi": other, "served_raw": "12"})
    assert (row["reason"], row["field"]) == ("served_number_malformed", "served_raw")
    (row,) = guided({"imsi": other, "served_raw": "", "direction": codes.TRANSIT})
    assert (row["reason"], row["account"], row["served_e164"]) == ("ok", "", 0)


def test_duplicates_of_an_imsi_are_those_of_the_imsi_whatever_number_it_has() -> None:
    row = {"served_raw": "", "imsi": imsi_of("13900000001")}
    moved = world(subscriptions=(("8618900000001", *SUBSCRIPTIONS[0][1:]),))
    moved.customers.subscriptions.imsi[:] = row["imsi"]
    one, two, nobody = (
        guided(row, made=made)[0] for made in (CHINA, moved, world(subscriptions=()))
    )
    assert (one["served_e164"], two["served_e164"]) == (8613900000001, 8618900000001)
    assert one["dedupe_hash"] == two["dedupe_hash"] == nobody["dedupe_hash"]
    assert one["dedupe_hash"] != guided({})[0]["dedupe_hash"]
