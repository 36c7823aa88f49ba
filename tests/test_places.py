"""Rules of place: the table of cases in tests/cases/places, then equality with the naive twin."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import reference_guiding as naive
from guiding_world import World, records
from hypothesis import given

from rating import guide, guide_trace, normalise
from rating.place_trace import Ends
from tollbook import clock, codes, reasons, schemas, workspace

FOLDER = Path(__file__).parent / "cases" / "places"
SPACE, NETWORK, CUSTOMERS = workspace.load_all(FOLDER)
ZONE = "Asia/Shanghai"
FLAG = {
    "special": codes.FLAG_SPECIAL, "friend": codes.FLAG_FRIEND, "group": codes.FLAG_GROUP,
    "same_place": codes.FLAG_SAME_PLACE, "boundary": codes.FLAG_BOUNDARY,
    "inter": codes.FLAG_BOUNDARY_INTER, "routed": codes.FLAG_ROUTED, "ported": codes.FLAG_PORTED,
}  # fmt: skip
EXPECTED = ("served_zone", "real_zone", "other_zone", "called_zone", "relation", "home_relation")


def world(**places: Any) -> World:
    space = replace(SPACE, places=replace(SPACE.places, **places))
    return World(space, NETWORK, CUSTOMERS, as_of_utc_s=2**31, open_period=0)


def cases() -> Iterator[Any]:
    with (FOLDER / "cases.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            assert None not in row
            assert None not in row.values(), row["case"]
            yield pytest.param(row, id=row["case"])


def utc_s(text: str) -> int:
    local = clock.parse_date(text[:10])
    assert local is not None
    hours, minutes, seconds = map(int, text[11:].split(":"))
    return clock.date_utc_s(local, ZONE) + hours * 3600 + minutes * 60 + seconds


def record_of(case: dict[str, str]) -> dict[str, Any]:
    return {
        "served_raw": case["served"] or "13000000001",
        "direction": codes.DIRECTION_CODE[case["direction"] or "out"],
        "other_raw": (case["other"] or "13000000009").removeprefix("-"),
        "location": case["location"], "network": case["network"], "routing_raw": case["routing"],
        "forward_reason": codes.FORWARD_CODE[case["forward"] or "none"],
        "start_utc_s": utc_s(case["start"] or "2003-06-10T10:00:00"),
    }  # fmt: skip


def guided(made: World, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Records through normalise and guide, with words beside the indexes."""
    reference = made.reference()
    batch = guide.guide(normalise.normalise(records(*rows), reference).batch, reference).batch
    schemas.check(batch, schemas.USAGE, "test")
    found = batch.to_pylist()
    names = {"zone": reference.names.zones, "relation": reference.names.relations}
    for row in found:
        for name in (*EXPECTED, "home_zone"):
            index = row[f"{name}_index"]
            row[name] = names[name.split("_")[-1]][index] if index >= 0 else ""
    return found


def traced(made: World, row: dict[str, Any]) -> dict[str, Any]:
    """What explain finds for a guided row."""
    special, names = row["special_index"], made.network.special_numbers.numbers
    ends = Ends(
        row["start_utc_s"], row["served_e164"], row["other_e164"],
        names[special] if special >= 0 else "", row["network"], row["location"],
        codes.DIRECTIONS[row["direction"]], codes.FORWARDS[row["forward_reason"]],
        row["routing_e164"],
    )  # fmt: skip
    found = guide_trace.look_up(made.workspace, made.network, made.customers, ends)
    return {
        "served_zone": found.served.zone, "real_zone": found.real.zone,
        "other_zone": found.other.zone, "called_zone": found.called.zone,
        "home_zone": found.home.zone, "relation": found.relation,
        "home_relation": found.home_relation, "roaming": codes.ROAMINGS.index(found.roaming),
        "flags": found.flags,
    }  # fmt: skip


@pytest.mark.parametrize("case", list(cases()))
def test_the_table_of_cases(case: dict[str, str]) -> None:
    changes = dict(change.split("=") for change in case["places"].split())
    made = world(**changes)
    (row,) = guided(made, record_of(case))
    assert {name: row[name] for name in EXPECTED} == {name: case[name] for name in EXPECTED}
    assert codes.ROAMINGS[row["roaming"]] == case["roaming"]
    flags = row["flags"] & ~codes.FLAG_ON_NET
    assert {word for word, bit in FLAG.items() if flags & bit} == set(case["flags"].split())
    assert reasons.name_of(row["reason"]) == (case["reason"] or "ok")
    if not row["reason"]:
        found = traced(made, row)
        row["flags"] &= guide_trace.GUIDED_FLAGS
        assert found == {name: row[name] for name in found}


NUMBERS = (
    0, 8613000000009, 8613001000002, 8613001900002, 8613002000002, 8613003000001, 85255550000,
    8613000000077, 8613000000078, 8613001000005, 8613001000008, 8613910100001, 8613990000001,
)  # fmt: skip
DAY = utc_s("2003-06-10T00:00:00")
TIMES = [utc_s(f"{day}T00:00:00") + shift
         for day in ("2003-06-01", "2003-06-09", "2003-06-10", "2003-06-11", "2003-07-01")
         for shift in (-1, 0)] + [DAY + 43_199, DAY + 43_200]  # fmt: skip
ROWS = st.fixed_dictionaries({
    "direction": st.integers(1, len(codes.DIRECTIONS) - 1),
    "forward_reason": st.integers(0, len(codes.FORWARDS) - 1),
    "start_utc_s": st.sampled_from(TIMES),
    "network": st.sampled_from(("", "", "", "CHNTP", "HKGQ1", "?")),
    "location": st.sampled_from(
        ("", "MSC-A", "MSC-B", "MSC-B-9", "MSC-B-7", "MSC-B*", "MSC-C", "MSC-C-8", "MSC-C-81",
         "MSC-C-9", "MSC-C-91", "MSC-C-95", "MSC-C-2", "MSC-C-21", "MSC-C-22", "MSC", "?")
    ),
    "served_e164": st.sampled_from((8613000000001, 8613000000001, 8613002000001, 8613000000003,
                                    8613001000005, 0)),
    "other_e164": st.sampled_from(NUMBERS),
    "routing_e164": st.sampled_from((0, *NUMBERS)),
    "special_index": st.sampled_from((-1, -1, -1, 0, 1, 2)),
    "flags": st.sampled_from((0, codes.FLAG_AMBIGUOUS_CLOCK)),
    "reason": st.sampled_from((0, 0, 0, 0, reasons.CODE["other_number_malformed"])),
})  # fmt: skip
PLACES = st.fixed_dictionaries({
    "same_place": st.sampled_from(workspace.SAME_PLACES),
    "called_by": st.sampled_from(workspace.CALLED_BY),
    "boundary": st.sampled_from(workspace.BOUNDARIES),
    "forward_home": st.sets(st.sampled_from(codes.FORWARDS[1:])).map(sorted),
})  # fmt: skip
ROAMS = st.sampled_from(workspace.NATIONAL_ROAMINGS)


@given(st.lists(ROWS, min_size=1, max_size=25), PLACES, ROAMS)
def test_as_the_naive_rules_have_it(
    rows: list[dict[str, Any]], places: dict[str, Any], roams: str
) -> None:
    made = world(**places)
    made = replace(made, workspace=replace(made.workspace, national_roaming=roams))
    reference = made.reference()
    batch = records(*rows, schema=schemas.NORMALISED)
    found = guide.guide(batch, reference).batch.to_pylist()
    for given_row, row in zip(batch.to_pylist(), found, strict=True):
        if given_row["reason"]:
            none = ("served_zone_index", "real_zone_index", "called_zone_index", "relation_index",
                    "home_relation_index", "other_zone_index")  # fmt: skip
            assert all(row[name] == -1 for name in none)
            assert row["flags"] == given_row["flags"]
            continue
        wanted = naive.guide(given_row, made)
        assert {name: row[name] for name in wanted} == wanted


@given(ROWS, PLACES, ROAMS)
def test_explain_finds_the_same(row: dict[str, Any], places: dict[str, Any], roams: str) -> None:
    made = world(**places)
    made = replace(made, workspace=replace(made.workspace, national_roaming=roams))
    batch = records(row, schema=schemas.NORMALISED)
    (found,) = guide.guide(batch, made.reference()).batch.to_pylist()
    if found["reason"] or found["direction"] == codes.TRANSIT:
        return
    if found["special_index"] >= 0:  # what is dialled is either
        return
    names = {"zone": made.network.zones.ids, "relation": made.network.relations}
    explained = traced(made, found)
    for name in (*EXPECTED, "home_zone"):
        index = found[f"{name}_index"]
        assert explained[name] == (names[name.split("_")[-1]][index] if index >= 0 else "")
    assert explained["roaming"] == found["roaming"]
    assert explained["flags"] == found["flags"] & guide_trace.GUIDED_FLAGS
