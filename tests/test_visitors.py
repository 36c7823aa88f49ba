"""Visitors of other networks: whose record it is, as the kernels, the twin and explain have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import reference_guiding as naive
from guiding_world import DAY_S, LOCATIONS, START, World, guided, imsi_of, records, world
from hypothesis import given

from rating import guide, guide_trace
from rating.place_trace import Ends
from tollbook import codes, schemas
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.customers_visitors import Visitors

Row = tuple[str, str, str, int | None, int | None, str]  # prefix, account, plan, from, to, zone
HERE: Final = LOCATIONS[0][0]
VISITORS: Final[tuple[Row, ...]] = (
    ("310410", "A-1", "gold", None, None, ""),
    ("31041", "A-2", "basic", None, None, ""),
    ("262", "A-4", "basic", None, START, "020"),
    ("262", "A-5", "basic", START, START + DAY_S, "020"),
    ("262011234567890", "A-6", "gold", None, None, "020"),
)


def visited(made: World, rows: Sequence[Row]) -> World:
    """A world with visitors of these beginnings of IMSIs."""
    people = made.customers
    accounts = people.accounts.account_id.to_pylist()
    table = Visitors(
        pa.array([f"V-{row}" for row in range(len(rows))], pa.string()),
        np.array([accounts.index(row[1]) for row in rows], np.int32),
        np.array([int(row[0]) for row in rows], np.int64),
        np.array([len(row[0]) for row in rows], np.int8),
        np.array([people.plan_ids.index(row[2]) for row in rows], np.int32),
        pa.array([row[5] for row in rows], pa.string()),
        np.array([OPEN_FROM if row[3] is None else row[3] for row in rows], np.int64),
        np.array([OPEN_TO if row[4] is None else row[4] for row in rows], np.int64),
        np.arange(2, len(rows) + 2),
    )
    return replace(made, customers=replace(people, visitors=table))


def country(**changes: Any) -> World:
    """The country, whose operator's sessions have its code of country and network, too."""
    made = world(**changes)
    operator = replace(made.workspace.operator, plmn=("46097",))
    return replace(made, workspace=replace(made.workspace, operator=operator))


ABROAD: Final = visited(country(), VISITORS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ("ok", "", "A-1", "gold")),
        ({"served_raw": ""}, ("ok", "", "A-1", "gold")),  # an IMSI alone is enough
        ({"imsi": 310419999999999}, ("ok", "", "A-2", "basic")),  # the shorter beginning
        ({"imsi": 310420000000001}, ("subscription_missing", "served_raw", "", "")),
        ({"imsi": 31041}, ("ok", "", "A-2", "basic")),
        ({"imsi": 3104}, ("subscription_missing", "served_raw", "", "")),
        ({"imsi": 262011234567890}, ("ok", "", "A-6", "gold")),
        ({"imsi": 26201123456789}, ("ok", "", "A-5", "basic")),
        ({"imsi": 262011234567891, "start_utc_s": START - 1}, ("ok", "", "A-4", "basic")),
        ({"imsi": 262011234567891, "start_utc_s": START + DAY_S},
         ("subscription_missing", "served_raw", "", "")),
        ({"imsi": 0}, ("subscription_missing", "served_raw", "", "")),
        # The number of a customer goes before any IMSI, and so does a customer's own IMSI.
        ({"served_raw": "13900000001"}, ("ok", "", "A-1", "gold")),
        ({"served_raw": "13900000003"}, ("subscription_inactive", "served_raw", "A-1", "basic")),
        ({"network": "CHNHM"}, ("ok", "", "A-1", "gold")),  # our own network
        ({"network": "46097"}, ("ok", "", "A-1", "gold")),
        ({"network": "USAXX"}, ("subscription_missing", "served_raw", "", "")),
        ({"network": "?"}, ("subscription_missing", "served_raw", "", "")),
        ({"location": ""}, ("location_missing", "location", "A-1", "gold")),
        ({"location": "MSC9"}, ("location_missing", "location", "A-1", "gold")),
        # A row with a zone tells where its visitors are who name no location.
        ({"imsi": 262011234567890, "location": ""}, ("ok", "", "A-6", "gold")),
        ({"imsi": 262011234567890, "location": "MSC9"},
         ("location_missing", "location", "A-6", "gold")),
    ],
)  # fmt: skip
def test_whose_record_it_is(change: dict[str, Any], found: tuple[str, ...]) -> None:
    row = {"served_raw": "+19995550001", "imsi": 310410000000001, "location": HERE,
           "start_utc_s": START} | change  # fmt: skip
    (row,) = guided(row, made=ABROAD)
    assert (row["reason"], row["field"], row["account"], row["plan"]) == found
    if row["reason"] == "ok" and row["served_raw"] != "13900000001":
        zone = LOCATIONS[0][1] if row["location"] else "020"
        assert (row["served_zone"], row["roaming"]) == (zone, codes.VISITOR)
        assert (row["home_zone_index"], row["home_relation_index"]) == (-1, -1)
        assert row["relation"]


def test_a_visitor_is_charged_where_he_is_and_not_from_home() -> None:
    """A forwarded call goes on from the cell, as he has no home here."""
    row = {"served_raw": "+19995550001", "imsi": 310410000000001, "location": HERE}
    out, on = guided(row, row | {"direction": codes.FORWARD, "forward_reason": 3}, made=ABROAD)
    assert out["relation"] == on["relation"] != ""
    (transit,) = guided(row | {"direction": codes.TRANSIT}, made=ABROAD)
    assert (transit["account"], transit["roaming"], transit["reason"]) == ("", codes.HOME, "ok")


DIGITS: Final = st.sampled_from(("26", "31", "310", "3104", "31041", "310410", "310410000000001"))
TIMES: Final = st.sampled_from((None, START - 5, START, START + 5))


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Nested beginnings, each with one or two spans that follow each other."""
    rows: list[Row] = []
    for prefix in draw(st.lists(DIGITS, min_size=1, max_size=6, unique=True)):
        cut, has_next = draw(TIMES), draw(st.booleans())
        for since, until in [(None, cut), (cut, None)][: 1 + (has_next and cut is not None)]:
            rows.append((prefix, draw(st.sampled_from(("A-1", "A-2", "A-3"))),
                         draw(st.sampled_from(("gold", "basic"))), since, until,
                         draw(st.sampled_from(("", "020", "us")))))  # fmt: skip
    return draw(st.permutations(rows))


ROWS: Final = st.fixed_dictionaries({
    "direction": st.integers(1, len(codes.DIRECTIONS) - 1),
    "forward_reason": st.integers(0, len(codes.FORWARDS) - 1),
    "served_raw": st.just("x"),
    "served_e164": st.sampled_from((0, 8613900000001, 8613900000002, 8613999999999, 19995550001)),
    "other_e164": st.sampled_from((0, 8613905000000, 19999999999, 8600000)),
    "special_index": st.sampled_from((-1, -1, 0)),
    "imsi": st.sampled_from((0, 1, 31041, 310410000000001, 31041000000000, 310410000000002,
                             310419999999999, 262011234567890, 10**15, 10**17, 2621,
                             imsi_of("13900000001"))),
    "network": st.sampled_from(("", "", "CHNHM", "46097", "USAXX", "?")),
    "location": st.sampled_from(["", "MSC9", *(row[0] for row in LOCATIONS)]),
    "start_utc_s": st.sampled_from([START + shift for shift in (-6, -5, -1, 0, 1, 5)]),
    "reason": st.sampled_from((0, 0, 0, 5)),
})  # fmt: skip


@given(tables(), st.lists(ROWS, min_size=1, max_size=25),
       st.sampled_from(("never", "zone", "region")))  # fmt: skip
def test_as_the_naive_guide_and_explain_have_it(
    table: list[Row], rows: list[dict[str, Any]], roams: str
) -> None:
    made = visited(country(national_roaming=roams), table)
    reference = made.reference()
    batch = records(*rows, schema=schemas.NORMALISED)
    found = guide.guide(batch, reference).batch
    ids = made.customers.lines.subscription_id
    for asked, row in zip(batch.to_pylist(), found.to_pylist(), strict=True):
        if asked["reason"]:
            assert (row["subscription_index"], row["account_index"]) == (-1, -1)
            continue
        wanted = naive.guide(asked, made) | {"mediation_index": -1}
        assert {name: row[name] for name in wanted} == wanted
        if row["account_index"] >= 0:
            account = reference.names.account_id[row["account_index"]].as_py()
            assert row["bucket"] == naive.text_hash(account.encode()) & 255
            assert reference.names.subscription_id[row["subscription_index"]] == (
                ids[row["subscription_index"]]
            )
        if not row["reason"] and asked["direction"] != codes.TRANSIT:
            _explained(made, reference.names.zones, row)


def _explained(made: World, zones: Sequence[str], row: dict[str, Any]) -> None:
    special = made.network.special_numbers.numbers[row["special_index"]]
    found = guide_trace.look_up(made.workspace, made.network, made.customers, Ends(
        row["start_utc_s"], row["served_e164"], row["other_e164"],
        special if row["special_index"] >= 0 else "", row["network"], row["location"],
        codes.DIRECTIONS[row["direction"]], codes.FORWARDS[row["forward_reason"]], 0, row["imsi"],
    ))  # fmt: skip
    paying = found.subscription
    assert paying is not None
    assert paying.line == row["subscription_index"]
    assert bool(paying.imsi_prefix) == (row["roaming"] == codes.VISITOR)
    assert codes.ROAMINGS.index(found.roaming) == row["roaming"]
    named = {name: zones[row[f"{name}_zone_index"]] if row[f"{name}_zone_index"] >= 0 else ""
             for name in ("home", "served", "other")}  # fmt: skip
    assert named == {"home": found.home.zone, "served": found.served.zone,
                     "other": found.other.zone}  # fmt: skip

