"""The stage assemble against a naive twin, and what only shows in its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating import assemble
from rating.assemble import Rules
from tollbook import codes, reasons, schemas
from tollbook.partials import Partials

NOW, DAY_S = 1_000_000, 86_400
LIMIT_S, LIMIT_BYTES = 36_000, 2**40
AWAITED, MERGED = (reasons.CODE[f"part_{word}"] for word in ("awaited", "merged"))
VOICE_OUT = {"service": codes.VOICE, "direction": codes.OUT, "sequence": 1, "cause": 1,
             "served_e164": 8613010000001, "start_utc_s": NOW, "duration_s": 60}  # fmt: skip


def usage(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of schemas.USAGE: zeros and empty texts but for what is said."""
    rows = [{"record_id": place + 1, "reason_field": -1, **VOICE_OUT, **row}
            for place, row in enumerate(rows)]  # fmt: skip
    return pa.RecordBatch.from_arrays(
        [pa.array([row.get(one.name, "" if one.type == pa.string() else 0) for row in rows],
                  one.type) for one in schemas.USAGE],
        schema=schemas.USAGE,
    )  # fmt: skip


def rules(as_of_utc_s: int = NOW, **partials: Any) -> Rules:
    going_on = partials.pop("going_on", (1,))
    return Rules(Partials(**partials), (going_on, (), (2,)), as_of_utc_s, LIMIT_S, LIMIT_BYTES)


def done(rows: Sequence[dict[str, Any]], how: Rules) -> list[dict[str, Any]]:
    result = assemble.assemble(usage(rows), how)
    found = result.batch.to_pylist()
    for row, call, due in zip(found, result.state.call_ids, result.state.due_utc_s, strict=True):
        row |= {"call": int(call), "due": int(due)}
    return found


@dataclass
class Twin:
    """A part in the naive twin."""

    row: dict[str, Any]
    follower: Twin | None = None
    follows: bool = False

    @property
    def end(self) -> int:
        return int(self.row["start_utc_s"] + self.row["duration_s"])


def naive(rows: Sequence[dict[str, Any]], how: Rules) -> list[tuple[int, int, int, int, int]]:
    """(reason, flags, duration, call, due) of each row, by plain loops."""
    parts = [Twin(row) for row in usage(rows).to_pylist()]
    slots: dict[Any, tuple[list[Twin], list[Twin]]] = {}
    for one in parts:
        row = one.row
        key = (row["service"], row["direction"], *(
            (row["served_e164"] or row["served_raw"]) if name == "served" else row[name]
            for name in how.partials.key
        ))  # fmt: skip
        slots.setdefault((key, row["sequence"]), ([], []))[1].append(one)
        slots.setdefault((key, row["sequence"] + 1), ([], []))[0].append(one)
    for ended, began in slots.values():
        began.sort(key=lambda part: (part.row["start_utc_s"], *tie(part)))
        for one in sorted(ended, key=lambda part: (part.end, *tie(part))):
            near = [other for other in began if not other.follows
                    and abs(other.row["start_utc_s"] - one.end) <= how.partials.gap_s]  # fmt: skip
            if near:
                one.follower, near[0].follows = near[0], True
    found = {}
    for first in (part for part in parts if not part.follows):
        chain = [first]
        while chain[-1].follower is not None:
            chain.append(chain[-1].follower)
        found |= outcome(chain, how)
    return [found[one.row["record_id"]] for one in parts]


def tie(part: Twin) -> tuple[int, int]:
    return part.row["dedupe_hash"], part.row["record_id"]


def outcome(chain: list[Twin], how: Rules) -> dict[int, tuple[int, int, int, int, int]]:
    first, last, call = chain[0].row, chain[-1].row, chain[0].row["record_id"]
    going_on = how.going_on[last["source_index"]]
    lacks = first["sequence"] != 1 or last["cause"] in going_on
    due = chain[-1].end + how.partials.hold_s
    if (lacks or not going_on) and due >= how.as_of_utc_s:
        return {one.row["record_id"]: (AWAITED, 0, one.row["duration_s"], call, due)
                for one in chain}  # fmt: skip
    sum_s = sum(one.row["duration_s"] for one in chain)
    flags = codes.FLAG_MERGED * (len(chain) > 1) | codes.FLAG_PARTIAL * lacks
    reason = reasons.CODE["duration_too_long"] if sum_s > LIMIT_S else 0
    rest = {one.row["record_id"]: (MERGED, 0, one.row["duration_s"], call, 0) for one in chain[1:]}
    return {call: (reason, flags, sum_s, 0, 0), **rest}


PART = st.fixed_dictionaries({
    "sequence": st.integers(1, 4),
    "start_utc_s": st.integers(NOW, NOW + 12).map(lambda at: NOW + (at - NOW) * 5),
    "duration_s": st.sampled_from((5, 10, 11, 30_000)),
    "cause": st.sampled_from((1, 1, 16)),
    "source_index": st.sampled_from((0, 0, 1, 2)),
    "served_e164": st.sampled_from((0, 8613010000001)),
    "served_raw": st.sampled_from(("", "a")),
    "call_ref": st.sampled_from(("", "x")),
    "dedupe_hash": st.integers(1, 2),
})  # fmt: skip


@given(
    parts=st.lists(PART, max_size=24), key=st.sampled_from((("served",), ("served", "call_ref"))),
    gap_s=st.integers(0, 6), going_on=st.sampled_from(((), (1,), (1, 16))),
    late_s=st.sampled_from((-DAY_S, DAY_S - 60, DAY_S + 15, 10 * DAY_S)),
)  # fmt: skip
def test_the_stage_does_what_its_naive_twin_does(
    parts: list[dict[str, Any]], key: tuple[str, ...], gap_s: int, going_on: tuple[int, ...],
    late_s: int,
) -> None:  # fmt: skip
    how = rules(NOW + late_s, key=key, gap_s=gap_s, going_on=going_on)
    found = [(row["reason"], row["flags"], row["duration_s"], row["call"], row["due"])
             for row in done(parts, how)]  # fmt: skip
    assert found == naive(parts, how)


def test_the_order_of_rows_changes_nothing() -> None:
    """But for a tie: equal starts are told apart by the hash of the record, then by its id."""
    number = count(1)
    rows = [{"record_id": next(number), "sequence": part, "call_ref": f"c{call}",
             "start_utc_s": NOW + 60 * part, "cause": 1 if part < 3 else 16}
            for call in range(40) for part in (1, 2, 3)]  # fmt: skip
    mixed = [rows[place] for place in np.random.default_rng(7).permutation(len(rows))]
    found = {row["record_id"]: row for row in done(mixed, rules())}
    assert [found[row["record_id"]] for row in rows] == done(rows, rules())
    assert sum(row["reason"] == MERGED for row in found.values()) == 80


def test_a_call_of_parts_has_all_that_its_parts_have() -> None:
    first, second = (
        {"service": codes.DATA, "sequence": part, "start_utc_s": NOW + 60 * part, "cause": cause,
         "up_bytes": 10**part, "down_bytes": 3, "event_count": part, "location": f"cell {part}",
         "upstream_charge_micro": -part, "flags": codes.FLAG_AMBIGUOUS_CLOCK}
        for part, cause in ((1, 1), (2, 17))
    )  # fmt: skip
    call, part = done([first, second], rules())
    before = usage([first, second]).to_pylist()
    assert call == before[0] | {
        "duration_s": 120, "up_bytes": 110, "down_bytes": 6, "event_count": 3, "cause": 17,
        "upstream_charge_micro": -3, "call": 0, "due": 0,
        "flags": codes.FLAG_AMBIGUOUS_CLOCK | codes.FLAG_MERGED,
    }  # fmt: skip
    assert part == before[1] | {"reason": MERGED, "call": 1, "due": 0}


@pytest.mark.parametrize(("up", "down", "reason"), [
    (LIMIT_BYTES // 2, 0, 0), (LIMIT_BYTES // 2, 1, "volume_too_large"),
    (0, LIMIT_BYTES // 2 + 1, "volume_too_large"), (2**62, 2**62, "volume_too_large"),
    (0, 0, "volume_zero"), (0, 1, 0),
])  # fmt: skip
def test_sums_keep_the_limits(up: int, down: int, reason: int | str) -> None:
    """Sums beyond int64 end at its edge: they exceed the limit, and never wrap below it."""
    rows = [{"service": codes.DATA, "sequence": part, "start_utc_s": NOW + 60 * part,
             "cause": 16, "up_bytes": up, "down_bytes": down} for part in (1, 2)]  # fmt: skip
    call = done(rows, rules())[0]
    assert call["reason"] == (reasons.CODE[reason] if isinstance(reason, str) else reason)
    assert call["up_bytes"] == min(2 * up, 2**63 - 1)
    assert call["reason_field"] == (schemas.CDR.names.index("up_bytes") if reason else -1)


def test_what_is_no_part_is_passed_by() -> None:
    others = [
        {"sequence": 0}, {"sequence": 1, "reason": 50}, {"service": codes.SMS},
        {"flags": codes.FLAG_MERGED}, {"flags": codes.FLAG_PARTIAL},
    ]  # fmt: skip
    batch = usage(others)
    assert not assemble.is_part(batch).any()
    assert assemble.assemble(batch, rules()).batch is batch
    assert (assemble.partition_of(batch) == 64).all()


@pytest.mark.parametrize("other", [
    {"direction": codes.IN}, {"service": codes.VIDEO}, {"imsi": 7}, {"trunk_in": "T1"},
    {"source_index": 2},
    {"location": "cell"}, {"other_raw": "1"}, {"other_e164": 8613}, {"call_ref": "r"},
    {"served_raw": "x", "served_e164": 0},
], ids=str)  # fmt: skip
def test_parts_of_one_call_are_equal_in_the_key(other: dict[str, Any]) -> None:
    key = ("served", "other", "call_ref", "imsi", "source", "location", "trunk_in")
    first, second = {}, {"sequence": 2, "start_utc_s": NOW + 60, "cause": 16}
    assert [row["reason"] for row in done([first, second], rules(key=key))] == [0, MERGED]
    apart = done([first, second | other], rules(key=key))
    assert [row["reason"] for row in apart] == [AWAITED, AWAITED]


def test_parts_of_one_number_share_a_partition() -> None:
    rows = [{"dedupe_hash": (5 << 57) + low} for low in (1, 2**56)]
    nobody = {"served_e164": 0, "dedupe_hash": 9 << 57}
    found = assemble.partition_of(usage([*rows, nobody, nobody | {"served_raw": "x"}]))
    assert found.tolist() == [5, 5, 0, 9]
