"""Legs: who owes what for a record, against hand-checked cases and the naive twin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import reference
from hypothesis import given, reject
from hypothesis import strategies as st
from rating_helpers import batch_of
from reference import Call, Leg

from rating.legs import CompiledAgreements, compile_agreements, settle
from rating.trace import Facts
from tariffs.agreements import Agreement
from tariffs.when import Position
from tollbook import clock, codes, money, network, reasons, schemas
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.errors import Refused
from tollbook.stage import StageResult

ZONE = "Europe/Berlin"
CARRIERS = ("us", "east", "west")
GROUPS = ("city", "country")
TRUNKS = {"own-1": "us", "e-1": "east", "w-1": "west", "w-2": "west"}
OPEN_PERIOD = clock.month_index(2003, 3)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def small_network() -> network.Network:
    """Three zones: two with a settlement group, the last one without."""

    def ints(*values: int) -> np.ndarray:
        return np.array(values, np.int32)

    nothing = np.zeros(0, np.int64)
    names, none = ("a", "b", "c"), ints(-1, -1, -1)
    carrier = ints(*(CARRIERS.index(name) for name in TRUNKS.values()))
    always = np.full(len(TRUNKS), OPEN_FROM), np.full(len(TRUNKS), OPEN_TO)
    return network.Network(
        zones=network.Zones(names, names, (), none, (), none, GROUPS, ints(0, 1, -1), names,
                            ints(0, 1, 2), ("", "", "")),
        ranges=network.NumberRanges(nothing, nothing, nothing, nothing, nothing, nothing),
        special_numbers=network.SpecialNumbers((), nothing, ()),
        relations=(),
        relation_matrix=np.zeros((3, 3), np.int16),
        locations=network.Locations(pa.array([], pa.string()), nothing, nothing, nothing),
        visited=network.VisitedNetworks((), nothing, ()),
        carriers=network.Carriers(CARRIERS, CARRIERS, 0),
        trunks=network.Trunks(tuple(TRUNKS), tuple(TRUNKS), carrier, *always),
        holidays=(),
    )


def agreement(
    carrier: str, direction: str, group: str, price_nano: int, **more: object
) -> Agreement:
    values: dict[str, object] = {
        "agreement": f"{carrier}-{direction}-{group}", "carrier": carrier, "direction": direction,
        "service": "voice", "group": group, "unit": "second", "price_nano": price_nano, "per": 60,
        "first_increment": 0, "increment": 60, "digits": 6, "mode": money.ROUND_HALF_EVEN,
        "clock": "start", "valid_from_utc_s": OPEN_FROM, "valid_to_utc_s": OPEN_TO,
        "at": Position("network/agreements.csv", 2),
    }  # fmt: skip
    return Agreement(**(values | more))  # type: ignore[arg-type]


JULY, CENT = at("2003-07-01T00:00:00+02:00"), 10**7
AGREEMENTS = (
    agreement("east", "out", "city", 2 * CENT, valid_to_utc_s=JULY),
    agreement("east", "out", "city", 3 * CENT, valid_from_utc_s=JULY),
    agreement("east", "out", "*", 5 * CENT, first_increment=60, increment=6),
    agreement("east", "in", "city", CENT, clock="end", digits=2, mode=money.ROUND_UP, increment=1),
    agreement("west", "in", "country", 4 * CENT, valid_from_utc_s=JULY, clock="end"),
    agreement("west", "out", "city", CENT, service="sms", unit="event", per=1, increment=1),
)


def run(
    calls: Sequence[Call], agreements: Sequence[Agreement], charge_micro: int = 0
) -> tuple[StageResult, CompiledAgreements]:
    """Settle calls through the stage; every call came rated with ``charge_micro``."""
    zone_of = {"": 2, "city": 0, "country": 1}
    names = {name: index for index, name in enumerate(TRUNKS)}
    facts = [call.facts for call in calls]
    batch = batch_of(schemas.RATED, len(calls), {
        "record_id": list(range(100, 100 + len(calls))),
        "service": [codes.SERVICE_CODE[fact.service] for fact in facts],
        "direction": [codes.DIRECTION_CODE[fact.direction] for fact in facts],
        **{name: [getattr(fact, name) for fact in facts] for name in (
            "start_utc_s", "duration_s", "up_bytes", "down_bytes", "event_count")},
        "trunk_in": [call.trunk_in for call in calls],
        "trunk_out": [call.trunk_out for call in calls],
        "trunk_in_index": [names.get(call.trunk_in, -1) for call in calls],
        "trunk_out_index": [names.get(call.trunk_out, -1) for call in calls],
        "served_zone_index": [zone_of[call.served_group] for call in calls],
        "other_zone_index": [zone_of[call.other_group] for call in calls],
        "subscription_index": [0 if call.has_subscription else -1 for call in calls],
        "charge_0_micro": [charge_micro] * len(calls),
        "charge_micro": [charge_micro] * len(calls),
    })  # fmt: skip
    compiled = compile_agreements(agreements, small_network(), ZONE, OPEN_PERIOD)
    return settle(batch, compiled), compiled


def legs_of(result: StageResult, count: int) -> list[tuple[str, list[Leg]]]:
    """Reason and legs of each row, in words."""
    batch, legs = result.batch, result.extra["legs"]
    schemas.check(legs, schemas.LEG, "test")
    found = []
    for row in range(count):
        reason = batch.column("reason")[row].as_py()
        own = [leg for leg in legs.to_pylist() if leg["record_id"] == 100 + row]
        found.append(("" if not reason else reasons.name_of(reason), [
            Leg(leg["agreement_index"], CARRIERS[leg["carrier_index"]],
                codes.DIRECTIONS[leg["direction"]],
                GROUPS[leg["group_index"]] if leg["group_index"] >= 0 else "",
                clock.period_text(leg["settle_period"]), leg["quantity"], leg["billed_quantity"],
                leg["charge_micro"]) for leg in own
        ]))  # fmt: skip
    return found


def voice(direction: str, start: str, duration_s: int) -> Facts:
    return Facts("voice", direction, at(start), duration_s=duration_s)


NOON, LATE = "2003-06-10T12:00:00+02:00", "2003-06-30T23:59:30+02:00"
TEXT_IN, TEXT_OUT = (schemas.CDR.get_field_index(name) for name in ("trunk_in", "trunk_out"))
CASES = {
    "out to the city, 61 s = 2 min x 0.02": (
        Call(voice("out", NOON, 61), trunk_out="e-1", other_group="city"),
        "", [Leg(0, "east", "out", "city", "2003-06", 61, 120, 40_000)]),
    "the next price holds from July, by the start": (
        Call(voice("out", "2003-07-01T00:00:00+02:00", 61), trunk_out="e-1", other_group="city"),
        "", [Leg(1, "east", "out", "city", "2003-07", 61, 120, 60_000)]),
    "a call that began in June keeps its price and month": (
        Call(voice("out", LATE, 61), trunk_out="e-1", other_group="city"),
        "", [Leg(0, "east", "out", "city", "2003-06", 61, 120, 40_000)]),
    "elsewhere 60/6: 66 s at 0.05 = 0.055": (
        Call(voice("forward", NOON, 61), trunk_out="e-1", other_group="country"),
        "", [Leg(2, "east", "out", "country", "2003-06", 61, 66, 55_000)]),
    "a zone without a group": (
        Call(voice("out", NOON, 1), trunk_out="e-1"),
        "", [Leg(2, "east", "out", "", "2003-06", 1, 60, 50_000)]),
    "in, by the end's month, 45 s = 0.0075 rounded up": (
        Call(voice("in", LATE, 45), trunk_in="e-1", served_group="city", other_group="country"),
        "", [Leg(3, "east", "in", "city", "2003-07", 45, 45, 10_000)]),
    "a closed month goes to the open one": (
        Call(voice("out", "2003-01-10T12:00:00+01:00", 60), trunk_out="e-1", other_group="city"),
        "", [Leg(0, "east", "out", "city", "2003-03", 60, 60, 20_000)]),
    "the end decides validity too": (
        Call(voice("in", LATE, 31), trunk_in="w-2", served_group="country"),
        "", [Leg(4, "west", "in", "country", "2003-07", 31, 60, 40_000)]),
    "ended before the agreement": (
        Call(voice("in", LATE, 29), trunk_in="w-2", served_group="country"),
        "settlement_rate_missing", []),
    "an event": (
        Call(Facts("sms", "out", at(NOON), event_count=3), trunk_out="w-1", other_group="city"),
        "", [Leg(5, "west", "out", "city", "2003-06", 3, 3, 30_000)]),
    "nothing used": (
        Call(voice("out", NOON, 0), trunk_out="e-1", other_group="city"),
        "", [Leg(0, "east", "out", "city", "2003-06", 0, 0, 0)]),
    "our own trunk": (
        Call(voice("out", NOON, 61), trunk_out="own-1", other_group="city"), "", []),
    "no trunk; the other side's does not matter": (
        Call(voice("out", NOON, 61), trunk_in="?", other_group="city"), "", []),
    "an unknown trunk": (
        Call(voice("out", NOON, 61), trunk_out="?", other_group="city"), "trunk_unknown", []),
    "no price for what goes to west": (
        Call(voice("out", NOON, 61), trunk_out="w-1", other_group="city"),
        "settlement_rate_missing", []),
    "transit from east to east": (
        Call(voice("transit", NOON, 61), "e-1", "e-1", "country", "city", False),
        "carried_for_others", [Leg(0, "east", "out", "city", "2003-06", 61, 120, 40_000),
                               Leg(3, "east", "in", "city", "2003-06", 61, 61, 20_000)]),
    "transit whose second leg has no price makes none": (
        Call(voice("transit", NOON, 61), "w-1", "e-1", "country", "city", False),
        "settlement_rate_missing", []),
    "transit of a subscription": (
        Call(voice("transit", NOON, 61), "own-1", "e-1", "country", "city", True),
        "", [Leg(0, "east", "out", "city", "2003-06", 61, 120, 40_000)]),
}  # fmt: skip


def test_hand_checked_cases() -> None:
    calls = [call for call, _, _ in CASES.values()]
    result, _ = run(calls, AGREEMENTS)
    found = legs_of(result, len(calls))
    for name, one, (call, reason, legs) in zip(CASES, found, CASES.values(), strict=True):
        assert (name, *one) == (name, reason, legs)
        if "closed" not in name:
            assert one == reference.settle(call, AGREEMENTS, TRUNKS, "us", ZONE)
    assert result.totals["legs"] == sum(len(legs) for _, _, legs in CASES.values())
    field = result.batch.column("reason_field").to_pylist()[list(CASES).index("an unknown trunk")]
    assert field == TEXT_OUT


def test_charges_of_suspended_rows_are_taken_back() -> None:
    calls = [call for call, _, _ in CASES.values()]
    result, _ = run(calls, AGREEMENTS, charge_micro=7)
    held = [reason not in ("", "carried_for_others") for _, reason, _ in CASES.values()]
    kept = [0 if one else 7 for one in held]
    assert result.batch.column("charge_micro").to_pylist() == kept
    assert result.batch.column("charge_0_micro").to_pylist() == kept
    assert result.totals["taken_back_micro"] == 7 * sum(held)


def test_rows_with_a_reason_are_passed_by() -> None:
    calls = [call for call, _, _ in CASES.values()]
    result, compiled = run(calls, AGREEMENTS)
    again = settle(result.batch, compiled)
    done = [reason for reason, _ in legs_of(result, len(calls))]
    found = legs_of(again, len(calls))
    assert [reason for reason, _ in found] == done
    assert all(not legs for reason, legs in found if reason)


PRICES = st.integers(0, 10**9)
LENGTHS = st.sampled_from([1, 6, 7, 60, 61, 2**33 - 9])


@st.composite
def random_agreements(draw: st.DrawFn) -> list[Agreement]:
    """For some of the keys two prices, the second from July on."""
    found = []
    for carrier in CARRIERS[1:]:
        for way in ("out", "in"):
            for group in draw(st.sets(st.sampled_from([*GROUPS, "*"]))):
                for low, high in ((OPEN_FROM, JULY), (JULY, OPEN_TO)):
                    found.append(agreement(
                        carrier, way, group, draw(PRICES), per=draw(LENGTHS),
                        first_increment=draw(st.sampled_from([0, 30])), increment=draw(LENGTHS),
                        digits=draw(st.integers(0, 6)), mode=draw(st.integers(0, 4)),
                        clock=draw(st.sampled_from(["start", "end"])),
                        valid_from_utc_s=low, valid_to_utc_s=high,
                    ))  # fmt: skip
    return found


CALLS = st.builds(
    Call,
    st.builds(Facts, st.just("voice"), st.sampled_from(codes.DIRECTIONS[1:]),
              st.integers(JULY - 300, JULY + 300), duration_s=st.integers(0, 600)),
    st.sampled_from(["", "?", *TRUNKS]), st.sampled_from(["", "?", *TRUNKS]),
    st.sampled_from(["", *GROUPS]), st.sampled_from(["", *GROUPS]), st.booleans(),
)  # fmt: skip


@given(random_agreements(), st.lists(CALLS, min_size=1, max_size=8))
def test_kernel_and_twin_agree(agreements: list[Agreement], calls: list[Call]) -> None:
    try:
        result, _ = run(calls, agreements)
    except Refused:
        reject()
    wanted = [reference.settle(call, agreements, TRUNKS, "us", ZONE) for call in calls]
    assert legs_of(result, len(calls)) == wanted
