"""Records that overlap and runs of ultra-short calls: who stays, against what, and when."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import reference_duplicates as naive
import reference_guiding
from conftest import JIT_IS_OFF
from guiding_world import DAY_S, START, world
from hypothesis import given

from rating import duplicates, overlaps
from rating.duplicate_kernels import PART, SHORT, WHOLE
from rating.reference import Reference
from tollbook import reasons, schemas
from tollbook.codes import FORWARD, IN
from tollbook.duplicate_rules import DuplicateRules, Overlapping, UltraShort
from tollbook.stage import ints

KEY = ("served", "start", "duration", "other", "direction")
LONG = Overlapping(("voice",), ("other",), 30 * DAY_S)
BRIEF = UltraShort(("voice",), (), 2 * DAY_S, 2, 180)
RULES = DuplicateRules(KEY, 60 * DAY_S, LONG, BRIEF)
LIMIT_S = 36_000
TEN = START + 3600 - START % 3600  # a full hour, called 10:00 below
BLANK = {
    **dict.fromkeys(schemas.DUPLICATE_KEY.names, 0),
    "served_key": 1, "other_key": 2, "duration_s": 60, "service": 1, "direction": 1,
}  # fmt: skip


def reference(rules: DuplicateRules = RULES) -> Reference:
    made = world()
    return replace(made, workspace=replace(made.workspace, duplicates=rules)).reference()


def hashed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its day and a hash as guiding makes it: owner above, key below."""
    owner = reference_guiding.mix(reference_guiding.SEED, row["served_key"])
    key = owner
    for name in ("start_utc_s", "duration_s", "other_key", "direction"):
        key = reference_guiding.mix(key, row[name])
    return row | {
        "start_day": row["start_utc_s"] // DAY_S,
        "dedupe_hash": (owner >> 31) << 32 | (key & reference_guiding.MASK) << 1 | 1,
    }


def keys(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of the index, by hash; times are seconds after 10:00."""
    whole = [hashed(BLANK | row | {"start_utc_s": TEN + row.get("start_utc_s", 0)}) for row in rows]
    return pa.RecordBatch.from_pylist(
        sorted(whole, key=lambda row: (row["dedupe_hash"], row["record_id"])),
        schemas.DUPLICATE_KEY,
    )


def decided(
    new: pa.RecordBatch, history: pa.RecordBatch | None = None, rules: DuplicateRules = RULES
) -> tuple[dict[int, tuple[str, int]], dict[int, int]]:
    """Record -> why it is not charged, and what stays; and the standing of what joins the index."""
    found = duplicates.decide(new, history, reference(rules))
    schemas.check(found.kept, schemas.DUPLICATE_KEY, "test")
    one = found.repeats
    assert (np.diff(one.ids) > 0).all()
    places = list(zip(*(ints(found.kept, name).tolist()
                        for name in ("start_day", "dedupe_hash", "record_id")), strict=True))
    assert places == sorted(places)
    kept = zip(ints(found.kept, "record_id").tolist(), ints(found.kept, "standing").tolist(),
               strict=True)  # fmt: skip
    return {
        record: (reasons.name_of(code), first) for record, first, code in zip(
            one.ids.tolist(), one.first_ids.tolist(), one.reasons.tolist(), strict=True)
    }, dict(kept)  # fmt: skip


def call(record_id: int, start: int, duration: int, **more: int) -> dict[str, Any]:
    return {"record_id": record_id, "start_utc_s": start, "duration_s": duration, **more}


def lost(*new: dict[str, Any], history: Sequence[dict[str, Any]] = (), **rules: Any) -> Any:
    """Which records are not charged, and what stays in their place."""
    return {
        record: first
        for record, (_, first) in decided(
            keys(new), keys(history), replace(RULES, **rules))[0].items()
    }  # fmt: skip


# ---- records that overlap


def test_the_longest_stays() -> None:
    # 10:00:00-10:01:00 and 10:00:30-10:00:50, in either order of their ids
    assert lost(call(1, 0, 60), call(2, 30, 20)) == {2: 1}
    assert lost(call(2, 0, 60), call(1, 30, 20)) == {1: 2}


def test_of_equally_long_ones_the_one_received_first_stays() -> None:
    assert lost(call(7, 0, 60), call(5, 30, 60)) == {7: 5}


def test_what_touches_does_not_overlap() -> None:
    assert lost(call(1, 0, 60), call(2, 60, 60)) == {}
    assert lost(call(1, 0, 60), call(2, 59, 60)) == {2: 1}
    # 2 joins the times of the two others, which only touch each other
    assert lost(call(1, 0, 100), call(2, 90, 20), call(3, 100, 100)) == {2: 3}


def test_what_overlaps_only_one_that_is_not_charged_is_charged() -> None:
    # 2 is the longest; 1 overlaps it; 3 lies within 1, before 2 begins
    new = call(1, 0, 100), call(2, 90, 200), call(3, 20, 30)
    assert lost(*new) == {1: 2}


def test_the_history_stays_however_short() -> None:
    assert lost(call(90, 0, 600), history=[call(40, 100, 5)]) == {90: 40}
    two = call(40, 100, 5), call(50, 300, 90)
    assert lost(call(90, 0, 600), history=two) == {90: 50}  # it ends last
    # Older records may overlap each other, from a time when nobody looked.
    old = call(40, 0, 60), call(50, 30, 300), call(45, 20, 310)
    assert lost(call(90, 5, 10), history=old) == {90: 40}
    assert lost(call(90, 40, 10), history=old) == {90: 45}  # of those that end last the first


def test_a_record_tried_again_stays_and_is_not_compared_with_itself() -> None:
    old = call(40, 0, 60)
    found, kept = decided(keys([old, call(41, 10, 20)]), keys([old]))
    assert (found, kept) == ({41: ("record_overlaps", 40)}, {})
    corrected = call(40, 0, 65)  # the index still has it as it was
    assert decided(keys([corrected]), keys([old])) == ({}, {40: WHOLE})


@pytest.mark.parametrize("other", [
    {"served_key": 9}, {"other_key": 9}, {"service": 5}, {"standing": PART}, {"duration_s": 0},
])  # fmt: skip
def test_who_takes_no_part(other: dict[str, int]) -> None:
    assert lost(call(1, 0, 60), call(2, 10, 20) | other) == {}
    assert lost(call(1, 0, 60), history=[call(2, 10, 20) | other]) == {}


def test_records_of_nobody_take_no_part() -> None:
    assert lost(call(1, 0, 60, served_key=0), call(2, 10, 20, served_key=0)) == {}


def test_the_fields_that_must_be_equal_are_those_of_the_rule() -> None:
    new = call(1, 0, 60), call(2, 30, 20, other_key=9), call(3, 40, 10, other_key=9, service=2)
    both = {**vars(LONG), "services": ("voice", "video")}
    assert lost(*new, overlapping=replace(LONG, **both)) == {3: 2}
    assert lost(*new, overlapping=replace(LONG, **both | {"same": ()})) == {2: 1, 3: 1}
    assert lost(*new, overlapping=replace(LONG, **both | {"same": ("other", "service")})) == {}


def test_the_legs_of_a_forwarded_call_are_no_duplicates_of_each_other() -> None:
    """The incoming leg covers the forwarded one, and both may be very short."""
    legs = call(1, 0, 60, direction=IN), call(2, 5, 55, direction=FORWARD)
    assert lost(*legs, overlapping=replace(LONG, same=())) == {}
    assert lost(legs[1], history=legs[:1], overlapping=replace(LONG, same=())) == {}
    assert lost(call(1, 0, 2, direction=IN), call(2, 5, 2, direction=FORWARD)) == {}


def test_groups_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlaps, "group_hashes", lambda groups: np.zeros_like(groups[0]))
    assert lost(call(1, 0, 60), call(2, 10, 20, served_key=9), call(3, 30, 10)) == {3: 1}


def test_a_window_ends_to_the_second() -> None:
    """A record takes part until it started ``window`` before the run's now."""
    as_of = world().as_of_utc_s
    window = as_of - TEN
    for window_s, found in ((window, {2: 1}), (window - 1, {})):
        assert lost(call(1, 0, 60), call(2, 30, 20),
                    overlapping=replace(LONG, window_s=window_s)) == found  # fmt: skip


# ---- runs of very short calls


def test_of_a_run_the_one_received_first_stays() -> None:
    # ends at 2, 183 begins 181 s later: beyond the gap of 180 s
    new = call(5, 0, 2), call(4, 182, 1), call(6, 363, 2), call(7, 546, 1)
    found, kept = decided(keys(new))
    assert found == {5: ("record_ultra_short", 4), 6: ("record_ultra_short", 4)}
    assert kept == {4: WHOLE, 5: SHORT, 6: SHORT, 7: WHOLE}


def test_a_call_that_is_longer_belongs_to_no_run_and_ends_none() -> None:
    assert lost(call(1, 0, 2), call(2, 10, 3), call(3, 100, 2)) == {3: 1}


def test_a_run_goes_on_another_night() -> None:
    _, first = decided(keys([call(1, 0, 1), call(2, 100, 1), call(3, 200, 1)]))
    assert first == {1: WHOLE, 2: SHORT, 3: SHORT}
    known = [call(4, 0, 1), call(2, 100, 1, standing=SHORT), call(3, 200, 1, standing=SHORT)]
    assert lost(call(9, 300, 1), history=known) == {9: 3}  # the call beside it
    assert lost(call(9, 101, 1), history=known) == {9: 4}  # beside all three: the charged one
    # A call that was not charged does not stand in the way of one that overlaps it.
    assert lost(call(9, 190, 60), history=known) == {}
    # A copy of it is a copy.
    assert decided(keys([call(9, 200, 1)]), keys(known))[0] == {9: ("record_duplicate", 3)}


def test_other_kinds_come_first() -> None:
    # 2 equals 1, 3 lies within 4; what is left is a run of 1 and 5
    new = call(1, 0, 2), call(2, 0, 2), call(4, 400, 60), call(3, 410, 2), call(5, 100, 2)
    assert decided(keys(new))[0] == {
        2: ("record_duplicate", 1), 3: ("record_overlaps", 4), 5: ("record_ultra_short", 1),
    }  # fmt: skip


# ---- against the naive twin

ROWS = st.fixed_dictionaries({
    "record_id": st.integers(0, 60),
    "start_utc_s": st.sampled_from((*range(0, 40, 3), 200, 380, 565, -DAY_S)),
    "duration_s": st.sampled_from((0, 1, 2, 3, 9, 30, 200)),
    "served_key": st.sampled_from((0, 1, -1, 8613900000001)),
    "other_key": st.sampled_from((2, -3)),
    "direction": st.sampled_from((1, 2)),
    "service": st.sampled_from((1, 1, 5)),
    "standing": st.sampled_from((WHOLE, WHOLE, WHOLE, PART)),
})  # fmt: skip
LISTS = st.lists(ROWS, max_size=30, unique_by=lambda row: row["record_id"])
SAMES = st.lists(st.sampled_from(("other", "service")), unique=True).map(tuple)
WINDOWS = st.sampled_from((DAY_S // 2, DAY_S + 80_000, 40 * DAY_S))
MADE_RULES = st.builds(
    DuplicateRules, st.just(KEY), st.just(60 * DAY_S),
    st.none() | st.builds(Overlapping, st.just(("voice", "data")), SAMES, WINDOWS),
    st.none() | st.builds(UltraShort, st.just(("voice",)), SAMES, WINDOWS, st.integers(1, 3),
                          st.sampled_from((1, 10, 180))),
)  # fmt: skip


def expected(
    new: pa.RecordBatch, history: pa.RecordBatch, rules: DuplicateRules
) -> dict[int, tuple[str, int]]:
    mine, old = new.to_pylist(), history.to_pylist()
    equal, kept = reference_guiding.decide(mine, old, KEY)
    found = {record: ("record_duplicate", first) for record, first in equal.items()}
    return found | naive.others(kept, old, rules, world().as_of_utc_s, LIMIT_S)


@given(LISTS, LISTS, MADE_RULES, st.booleans())
def test_as_the_naive_search_has_it(
    new: list[Any], old: list[Any], rules: DuplicateRules, hashes_meet: bool
) -> None:
    """Also where all groups have one hash: then only their fields tell them apart."""
    made, history = keys(new), keys([row | {"record_id": row["record_id"] + 30} for row in old])
    with pytest.MonkeyPatch.context() as patch:
        if hashes_meet:
            patch.setattr(overlaps, "group_hashes", lambda groups: np.zeros_like(groups[0]))
        found, kept = decided(made, history, rules)
    assert found == expected(made, history, rules)
    known = {row["record_id"] for row in history.to_pylist()}
    charged = {row["record_id"] for row in made.to_pylist()} - set(found)
    short = {record for record, (why, _) in found.items() if why == "record_ultra_short"}
    assert charged - known <= set(kept) - short <= charged
    assert short == {record for record, standing in kept.items() if standing == SHORT}


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_records_is_no_matter(rows: list[Any], random: Any) -> None:
    made = keys(rows)
    shuffled = list(range(made.num_rows))
    random.shuffle(shuffled)
    assert decided(made.take(pa.array(shuffled, pa.int64()))) == decided(made)


def test_many_calls_at_a_time_are_no_burden() -> None:
    """A switchboard whose calls overlap all day: a step looks at few others, not at all."""
    count = 1_000 if JIT_IS_OFF else 60_000
    start = (np.arange(count) * 7919 % 86_400).tolist()
    made = keys([call(at, begin, 40 + begin % 7) for at, begin in enumerate(start)])
    free: list[tuple[int, int]] = []  # who stays: start and end
    for at in sorted(range(count), key=lambda at: (-40 - start[at] % 7, at)):
        begin, stop = start[at], start[at] + 40 + start[at] % 7
        place = bisect(free, (begin, stop))
        if all(stop <= low or high <= begin for low, high in free[max(0, place - 1) : place + 1]):
            insort(free, (begin, stop))
    _, kept = decided(made, rules=replace(RULES, ultra_short=None))
    assert len(kept) == len(free) > 300
