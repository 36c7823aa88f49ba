"""Guiding: hand-made cases with the reason beside, then equality with the naive twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import reference_guiding as naive
from guiding_world import (
    CARRIERS,
    CHINA,
    DAY_S,
    LOCATIONS,
    REFERENCE,
    START,
    SUBSCRIPTIONS,
    TRUNKS,
    ZONES,
    guided,
    imsi_of,
    records,
    world,
)
from hypothesis import example, given

from rating import guide, normalise
from rating.reference import build
from rating.tables import account_buckets, text_hashes, texts_of
from tollbook import clock, codes, schemas
from tollbook.network import Locations
from tollbook.stage import ints

ZONE = {name: index for index, (name, _, _) in enumerate(ZONES)}


def test_a_plain_call() -> None:
    # 139 0000 0001 lies in 861390 (zone 020, own), the other number too: home zone 020, local.
    (row,) = guided({"trunk_in": "T1", "trunk_out": "T2"})
    assert (row["account"], row["plan"], row["subscription_index"]) == ("A-1", "gold", 0)
    assert (row["served_zone"], row["other_zone"], row["relation"]) == ("020", "020", "local")
    assert (row["carrier"], row["flags"], row["roaming"]) == ("own", codes.FLAG_ON_NET, codes.HOME)
    assert (row["trunk_in_index"], row["trunk_out_index"]) == (1, 2)  # T1's second row
    assert clock.period_text(row["usage_period"]) == clock.period_text(row["bill_period"])
    assert (row["reason"], row["field"]) == ("ok", "")


@pytest.mark.parametrize(
    ("number", "start", "account"),
    [
        ("13900000002", START - 1, "A-2"),
        ("13900000002", START, "A-3"),  # [from, to): the new owner's from its first second
        ("13900000002", START + DAY_S - 1, "A-3"),
        ("13900000002", START + DAY_S, ""),
        ("13900000001", START + 10**9, "A-1"),
    ],
)
def test_a_number_changes_hands(number: str, start: int, account: str) -> None:
    (row,) = guided({"served_raw": number, "start_utc_s": start})
    assert row["account"] == account
    assert row["reason"] == ("ok" if account else "subscription_missing")
    assert row["field"] == ("" if account else "served_raw")


def test_a_suspended_subscription_is_known_but_does_not_pay() -> None:
    (row,) = guided({"served_raw": "13900000003", "location": "MSC1"})
    assert (row["reason"], row["field"]) == ("subscription_inactive", "served_raw")
    assert (row["account"], row["served_zone"], row["relation"]) == ("A-1", "", "")


@pytest.mark.parametrize(
    ("number", "start", "zone", "carrier"),
    [
        ("+861012345678", START, "010", "rival"),
        ("13912345678", START, "010", "own"),  # 86139
        ("13901234567", START, "020", "own"),  # 861390 is longer
        ("13905000000", START - 1, "020", "own"),  # 8613905 does not hold yet
        ("13905000000", START, "0311", "own"),
        ("13905999999", START + DAY_S - 1, "0311", "own"),
        ("13905000000", START + DAY_S, "020", "own"),
        ("13904999999", START, "020", "own"),  # its neighbours are not meant
        ("13906000000", START, "020", "own"),
        ("13666000001", START - 1, "010", "own"),
        ("13666000001", START, "020", "own"),
        ("+19999999999", START, "us", "abroad"),
    ],
)
def test_the_longest_prefix_that_is_valid_decides(
    number: str, start: int, zone: str, carrier: str
) -> None:
    (row,) = guided({"other_raw": number, "start_utc_s": start})
    assert (row["other_zone"], row["carrier"], row["reason"]) == (zone, carrier, "ok")
    assert row["flags"] == (codes.FLAG_ON_NET if carrier == "own" else 0)


def test_a_home_zone_that_depends_on_the_time() -> None:
    before, after = guided(*(
        {"served_raw": "13666000005", "start_utc_s": start} for start in (START - 1, START)
    ))  # fmt: skip
    assert (before["served_zone"], after["served_zone"]) == ("010", "020")


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({"other_raw": "+4412345678"}, "number_range_missing", "other_raw"),
        ({"location": "MSC9"}, "location_missing", "location"),
        ({"network": "XXXXX"}, "network_missing", "network"),
        ({"network": "USAXX", "location": "cell-1"}, "ok", ""),  # a cell of the visited network
        ({"network": "CHNHM"}, "ok", ""),
        ({"served_raw": "15550000006"}, "subscription_missing", "served_raw"),
        ({"served_raw": "+8655500000006"}, "number_range_missing", "served_raw"),
        # Served in 0311 an emergency call has no relation in the matrix.
        ({"location": "MSC3", "other_raw": "110"}, "relation_missing", "other_raw"),
        ({"location": "MSC1", "other_raw": "110"}, "ok", ""),
        ({"direction": codes.IN, "other_raw": "", "location": "MSC1"}, "ok", ""),
        ({"service": codes.DATA, "other_raw": "cmnet"}, "ok", ""),
        ({"served_raw": "12"}, "served_number_malformed", "served_raw"),
    ],
)
def test_what_is_missing(row: dict[str, Any], reason: str, field: str) -> None:
    (found,) = guided(row)
    assert (found["reason"], found["field"]) == (reason, field)


def test_an_unknown_home_zone_is_no_obstacle_where_nothing_needs_it() -> None:
    row = {"served_raw": "+8655500000006", "location": "MSC2"}
    (found,) = guided(row, made=world(national_roaming="never"))
    assert (found["served_zone"], found["relation"], found["reason"]) == ("020", "local", "ok")
    (found,) = guided(row)  # without a home zone nobody can say whether this is roaming
    assert (found["reason"], found["field"]) == ("number_range_missing", "served_raw")


@pytest.mark.parametrize(
    ("national_roaming", "location", "network", "roaming"),
    [
        ("never", "MSC1", "", codes.HOME),
        ("zone", "MSC2", "", codes.HOME),  # 020 is the home zone
        ("zone", "MSC1", "", codes.NATIONAL),
        ("region", "MSC1", "", codes.NATIONAL),  # north, home is south
        ("region", "", "", codes.HOME),
        ("never", "", "USAXX", codes.INTERNATIONAL),
        ("zone", "", "CHNHM", codes.HOME),
    ],
)
def test_roaming(national_roaming: str, location: str, network: str, roaming: int) -> None:
    made = world(national_roaming=national_roaming)
    (row,) = guided({"location": location, "network": network}, made=made)
    assert row["roaming"] == roaming


def test_a_transit_record_needs_no_customer_and_no_relation() -> None:
    row = {"direction": codes.TRANSIT, "served_raw": "+19999999999", "other_raw": "+18888888888"}
    (found,) = guided(row)
    assert (found["served_zone"], found["other_zone"]) == ("us", "us")
    assert (found["relation"], found["account"], found["reason"]) == ("", "", "ok")
    (found,) = guided({"direction": codes.TRANSIT, "served_raw": "hidden"})
    assert (found["served_zone"], found["other_zone"], found["reason"]) == ("", "020", "ok")


@pytest.mark.parametrize(
    ("name", "start", "wanted"),
    [("T1", START - 1, 0), ("T1", START, 1), ("T2", START, 2), ("T", START, -1), ("", START, -1)],
)
def test_trunks_are_dated(name: str, start: int, wanted: int) -> None:
    (row,) = guided({"trunk_out": name, "start_utc_s": start})
    assert (row["trunk_out_index"], row["trunk_in_index"], row["reason"]) == (wanted, -1, "ok")


@pytest.mark.parametrize(
    ("zone", "local", "period"),
    [
        # Berlin goes from +1 to +2 on 2003-03-30: March has 743 hours and ends at 22:00 UTC.
        ("Europe/Berlin", "2003-03-31T21:59:59", "2003-03"),
        ("Europe/Berlin", "2003-03-31T22:00:00", "2003-04"),
        # Paraguay's clocks went forward at midnight on 2017-10-01: the month begins at 01:00.
        ("America/Asuncion", "2017-10-01T03:59:59", "2017-09"),
        ("America/Asuncion", "2017-10-01T04:00:00", "2017-10"),
        ("Asia/Shanghai", "2003-06-30T15:59:59", "2003-06"),
        ("Asia/Shanghai", "2003-06-30T16:00:00", "2003-07"),
    ],
)
def test_months_are_those_of_the_operator(zone: str, local: str, period: str) -> None:
    start = int(np.datetime64(local, "s").astype(np.int64))
    made = world(time_zone=zone, open_period=clock.month_index(2003, 4))
    (row,) = guided({"start_utc_s": start}, made=made)
    assert clock.period_text(row["usage_period"]) == period
    # A month that is closed is billed in the first open one.
    assert clock.period_text(row["bill_period"]) == max(period, "2003-04")


def test_rejected_rows_keep_their_reason() -> None:
    decode, served = guided({"reason": 5, "reason_field": 6, "trunk_in": "T1"}, {"served_raw": "1"})
    assert (decode["reason"], decode["reason_field"], decode["dedupe_hash"]) == (
        "quote_unclosed", 6, 0,
    )  # fmt: skip
    assert served["reason"] == "served_number_malformed"
    assert served["dedupe_hash"] > 0  # it is suspended, and may come again
    for row in (decode, served):
        assert 0 <= row["bucket"] < 256
        assert (row["account"], row["trunk_in_index"], row["usage_period"]) == ("", -1, 0)


def test_buckets_belong_to_accounts_whatever_the_table_looks_like() -> None:
    newcomer = ("8618800000000", "A-0", "x", "active", None, None)
    other = world(subscriptions=(*SUBSCRIPTIONS[::-1], newcomer))
    rows = [{"served_raw": "13900000001"}, {"served_raw": "13900000002"}]
    found, again = guided(*rows), guided(*rows, made=other)
    assert [row["bucket"] for row in found] == [row["bucket"] for row in again]
    assert [row["account"] for row in found] == [row["account"] for row in again]
    assert [row["subscription_index"] for row in found] != [
        row["subscription_index"] for row in again
    ]


def test_hashes_are_stable_for_ever() -> None:
    """They are stored in duplicate indexes and order the lake: these figures never change."""
    texts = ["", "a", "A-1007", "号码", "0123456789abcdef"]
    hashes = text_hashes(texts_of(pa.array(texts)))
    assert hashes.tolist() == [naive.text_hash(text.encode()) for text in texts]
    assert hashes.tolist() == [
        3774048827233333847, 2040208546572882747, 1406812392704496535, 3022404205075083793,
        3948405515268750419,
    ]  # fmt: skip
    assert account_buckets(pa.array(["A-1007", "A-1008"])).tolist() == [151, 211]
    (row,) = guided({})
    assert row["dedupe_hash"] == 892055846883219503


def test_plans_follow_the_book() -> None:
    built = build(CHINA.workspace, CHINA.network, CHINA.customers, START, 0, ("x", "basic"))
    batch = normalise.normalise(records({}, {"served_raw": "13666000005"}), built).batch
    # gold is not in the book: -1, and the stage rate says so.
    assert guide.guide(batch, built).batch["plan_index"].to_pylist() == [-1, 1]


NUMBERS = st.one_of(
    st.sampled_from([row[0] for row in SUBSCRIPTIONS]).map(int),
    st.sampled_from((0, 8613905000000, 8613904999999, 8613906000000, 8613666123456, 19999999999,
                     8600000, 8610000, 8610000000000, 999999999999999)),
    st.integers(10**6, 10**15 - 1),  # no E.164 number has fewer digits
)  # fmt: skip
ROWS = st.fixed_dictionaries({
    "service": st.integers(1, len(codes.SERVICES) - 1),
    "direction": st.integers(1, len(codes.DIRECTIONS) - 1),
    "served_raw": st.sampled_from(("", "1", "13900000001", "x")),
    "imsi": st.sampled_from([0, 1, *(imsi_of(row[0]) for row in SUBSCRIPTIONS)]),
    "other_raw": st.sampled_from(("", "110", "12345678901")),
    "call_ref": st.text(max_size=9),
    "sequence": st.integers(0, 2**31 - 1),
    "start_utc_s": st.one_of(
        st.sampled_from([START + d for d in (-1, 0, 1, DAY_S - 1, DAY_S)]),
        st.integers(0, 4_000_000_000),
    ),
    "duration_s": st.integers(0, 2**40),
    "trunk_in": st.sampled_from(["", "T", "T11", *(row[0] for row in TRUNKS)]),
    "trunk_out": st.sampled_from(["", *(row[0] for row in TRUNKS)]),
    "network": st.sampled_from(("", "", "CHNHM", "USAXX", "?")),
    "location": st.sampled_from(["", "MSC9", *(row[0] for row in LOCATIONS)]),
    "flags": st.just(0),
    "reason": st.just(0),
    "served_e164": NUMBERS,
    "other_e164": NUMBERS,
    "special_index": st.sampled_from((-1, -1, 0, 1)),
})  # fmt: skip
KEYS = (
    ("served", "start", "duration", "other", "direction"),
    ("served", "start", "service", "call_ref", "sequence"),
    ("start", "other", "sequence"),
)


@given(
    st.lists(ROWS, min_size=1, max_size=20),
    st.sampled_from(("never", "zone", "region")),
    st.sampled_from(KEYS),
)
def test_as_the_naive_guide_has_it(rows: list[dict[str, Any]], roams: str, key: Any) -> None:
    made = world(national_roaming=roams, key=key)
    reference = made.reference()
    batch = records(*rows, schema=schemas.NORMALISED)
    found = guide.guide(batch, reference)
    for given_row, row in zip(batch.to_pylist(), found.batch.to_pylist(), strict=True):
        wanted = naive.guide(given_row, made)
        assert {name: row[name] for name in wanted} == wanted
        assert row["dedupe_hash"] == naive.dedupe_hash(given_row, key)
        if row["account_index"] >= 0:
            account = reference.names.account_id[row["account_index"]].as_py()
            assert row["bucket"] == naive.text_hash(account.encode()) & 255
        else:
            served = naive.served_key(given_row)
            assert row["bucket"] == naive.mix(naive.SEED, served) & 255
    assert found.totals["rejected"] == np.count_nonzero(ints(found.batch, "reason"))


DIGITS = st.integers(1, 9_999).map(str)
TIMES = st.sampled_from((None, START - 5, START, START + 5))


@st.composite
def dated_ranges(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Nested prefixes, each with one or two spans of validity that do not overlap."""
    ranges = []
    for prefix in draw(st.lists(DIGITS, min_size=1, max_size=12, unique=True)):
        cut, open_end = draw(TIMES), draw(st.booleans())
        spans = [(None, cut)] + ([(cut, None)] if cut is not None and open_end else [])
        for since, until in spans:
            zone, carrier = draw(st.sampled_from(ZONES))[0], draw(st.sampled_from(CARRIERS))
            ranges.append((prefix, zone, carrier, since, until))
    return ranges


@given(dated_ranges(), st.lists(st.integers(1, 10**15 - 1), min_size=1, max_size=30))
@example([("1000", "010", "own", None, None)], [1, 10, 1000])
def test_longest_prefixes_of_any_table(ranges: list[Any], numbers: list[int]) -> None:
    made = replace(world(ranges=ranges), open_period=0)
    near = [int(row[0]) * 10**2 for row in ranges]
    near += [int(row[0].rstrip("0")) for row in ranges]  # shorter than a prefix in its way
    rows = [
        {"direction": codes.TRANSIT, "served_e164": number, "start_utc_s": START + shift}
        for number in [*numbers, *near, *(number - 1 for number in near)]
        for shift in (-6, 0)
    ]
    batch = guide.guide(records(*rows, schema=schemas.NORMALISED), made.reference()).batch
    wanted = [naive.longest_prefix(made, row["served_e164"], row["start_utc_s"])[0] for row in rows]
    assert batch["served_zone_index"].to_pylist() == wanted


def test_an_operator_without_tables() -> None:
    bare = replace(
        CHINA,
        network=replace(
            CHINA.network,
            locations=Locations(pa.array([], pa.string()), *[np.zeros(0, np.int64)] * 3),
        ),
    )  # fmt: skip
    assert guided({"location": "MSC1"}, made=bare)[0]["reason"] == "location_missing"
    assert guided({}, made=bare)[0]["reason"] == "ok"
    nobody = replace(CHINA, customers=world(subscriptions=()).customers)
    assert guided({}, made=nobody)[0]["reason"] == "subscription_missing"
    batch = normalise.normalise(records({}).slice(0, 0), REFERENCE).batch
    assert guide.guide(batch, REFERENCE).batch.num_rows == 0
