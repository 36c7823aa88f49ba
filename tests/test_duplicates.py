"""Duplicates: who stays, what the history decides, and that a hash alone decides nothing."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import reference_guiding as naive
from guiding_world import DAY_S, START, records, world
from hypothesis import given

from rating import duplicates, guide, normalise
from tollbook import codes, reasons, schemas
from tollbook.stage import ints

REFERENCE = world().reference()
FIELDS = ("served", "start", "duration", "other", "direction", "service", "call_ref", "sequence")
ALL_FIELDS = world(key=FIELDS).reference()
DAY = START // DAY_S


def usage(*rows: dict[str, Any], key: Any = None) -> pa.RecordBatch:
    reference = world(key=key).reference() if key else REFERENCE
    return guide.guide(normalise.normalise(records(*rows), reference).batch, reference).batch


def keys(*rows: dict[str, Any]) -> pa.RecordBatch:
    """Rows of the index; what a row does not name is one and the same key."""
    blank = {"dedupe_hash": 77, "start_day": DAY, "served_key": 1, "start_utc_s": START}
    return pa.RecordBatch.from_pylist([dict.fromkeys(schemas.DUPLICATE_KEY.names, 0) | blank | row
                                       for row in rows], schemas.DUPLICATE_KEY)  # fmt: skip


def decided(
    new: pa.RecordBatch, history: pa.RecordBatch | None = None, reference: Any = ALL_FIELDS
) -> tuple[Any, list[int]]:
    """Duplicates with the record that came first, and the ids that join the index."""
    found = duplicates.decide(new, history, reference)
    schemas.check(found.kept, schemas.DUPLICATE_KEY, "test")
    repeats = found.repeats
    assert (np.diff(repeats.ids) > 0).all()
    assert set(repeats.reasons.tolist()) <= {reasons.CODE["record_duplicate"]}
    first = dict(zip(repeats.ids.tolist(), repeats.first_ids.tolist(), strict=True))
    return first, found.kept["record_id"].to_pylist()


def test_the_lowest_id_stays_whatever_the_order() -> None:
    new = keys({"record_id": 9}, {"record_id": 3}, {"record_id": 5})
    assert decided(new) == ({5: 3, 9: 3}, [3])


def test_the_history_decides_before_the_new_records_do() -> None:
    history = keys({"record_id": 40}, {"record_id": 50})
    assert decided(keys({"record_id": 3}, {"record_id": 90}), history) == ({3: 40, 90: 40}, [])


def test_a_record_tried_again_is_not_its_own_duplicate() -> None:
    # 40 was suspended in an earlier run and comes again, with a copy of it from another file.
    history = keys({"record_id": 40})
    assert decided(keys({"record_id": 40}, {"record_id": 3}), history) == ({3: 40}, [])


@pytest.mark.parametrize(
    "field", ["served_key", "other_key", "start_utc_s", "duration_s", "direction", "service",
              "extra_key"],
)  # fmt: skip
def test_equal_hashes_of_different_records(field: str) -> None:
    first, other, copy = {"record_id": 1}, {"record_id": 2, field: 5}, {"record_id": 3, field: 5}
    assert decided(keys(first, other, copy)) == ({3: 2}, [1, 2])
    assert decided(keys(other, copy), keys(first)) == ({3: 2}, [2])
    assert decided(keys(other, copy), keys(first, {"record_id": 0, field: 5})) == ({2: 0, 3: 0}, [])


def test_what_joins_the_index_is_sorted_by_day_and_hash() -> None:
    new = keys(
        {"record_id": 1, "dedupe_hash": 9, "start_day": DAY},
        {"record_id": 2, "dedupe_hash": 5, "start_day": DAY + 1},
        {"record_id": 3, "dedupe_hash": 2**63 - 1, "start_day": DAY - 1},
        {"record_id": 4, "dedupe_hash": 4, "start_day": DAY},
        {"record_id": 5, "dedupe_hash": 4, "start_day": DAY, "served_key": 2},
    )
    assert decided(new) == ({}, [3, 4, 5, 1, 2])
    assert decided(new.slice(0, 0)) == ({}, [])


def test_keys_of_usage() -> None:
    batch = usage(
        {},
        {"reason": 5},  # rejected by decode: takes no part
        {"served_raw": "12"},  # suspended: takes part, by its text
        {"served_raw": "13900000099", "other_raw": "110"},  # no subscription: takes part
    )
    found = duplicates.keys_of(batch, REFERENCE).to_pylist()
    schemas.check(duplicates.keys_of(batch, REFERENCE), schemas.DUPLICATE_KEY, "test")
    assert [row["record_id"] & 255 for row in found] == [1, 3, 4]
    plain, suspended, emergency = found
    assert (plain["served_key"], plain["other_key"]) == (8613900000001, 8613900000009)
    assert (plain["start_day"], plain["start_utc_s"], plain["duration_s"]) == (DAY, START, 60)
    # call_ref and sequence are not in the key
    assert (plain["direction"], plain["service"], plain["extra_key"]) == (codes.OUT, codes.VOICE, 0)
    assert plain["standing"] == 0
    assert suspended["served_key"] == naive.party_key(0, "12") < 0
    assert emergency["other_key"] == naive.party_key(0, "110") < 0
    assert [row["dedupe_hash"] for row in found] == [
        row["dedupe_hash"] for row in batch.to_pylist() if row["dedupe_hash"]
    ]


def test_only_the_configured_fields_are_compared() -> None:
    rows = [
        {"call_ref": "a", "sequence": 1, "duration_s": 5},
        {"call_ref": "a", "sequence": 1, "duration_s": 6, "other_raw": "13900000008"},
        {"call_ref": "a", "sequence": 2},
        {"call_ref": "b", "sequence": 1},
        {"call_ref": "a", "sequence": 1, "service": codes.VIDEO},
    ]
    key = ("served", "start", "service", "call_ref", "sequence")
    reference = world(key=key).reference()
    found = duplicates.keys_of(usage(*rows, key=key), reference)
    first, kept = decided(found, reference=reference)
    assert {one & 255: other & 255 for one, other in first.items()} == {2: 1}
    assert sorted(one & 255 for one in kept) == [1, 3, 4, 5]
    assert ints(found, "standing").tolist() == [1] * 5  # they are parts


def test_the_same_call_written_in_two_ways_is_one() -> None:
    batch = usage({"other_raw": "13900000009"}, {"other_raw": "+86 139 0000 0009"})
    first, kept = decided(duplicates.keys_of(batch, REFERENCE), reference=REFERENCE)
    assert (len(first), len(kept)) == (1, 1)


def partitions(*rows: dict[str, Any]) -> np.ndarray:
    """How many records each partition has."""
    found = duplicates.partition_of(ints(usage(*rows), "dedupe_hash"))
    return np.bincount(found, minlength=duplicates.PARTITIONS)


def test_partitions_are_even_and_keep_the_records_of_a_number_together() -> None:
    spread = partitions(*({"served_raw": f"13900{line:06d}"} for line in range(640)))
    assert len(spread) == duplicates.PARTITIONS
    assert spread.max() < 30  # ten are expected
    at_all_times = [{"start_utc_s": START + second} for second in range(640)]
    assert partitions(*at_all_times).max() == 640
    of_nobody = ({**row, "served_raw": "", "direction": codes.TRANSIT} for row in at_all_times)
    assert partitions(*of_nobody).max() < 30
    assert duplicates.partition_of(np.array([1, 2**63 - 1])).tolist() == [0, 63]


def test_marking() -> None:
    batch = usage({}, {"served_raw": "12"}, {"reason": reasons.CODE["duration_zero"]}, {})
    ids = ints(batch, "record_id")
    code = np.array([reasons.CODE[name] for name in
                     ("record_overlaps", "record_duplicate", "record_ultra_short")], np.int16)
    marked = duplicates.mark(batch, duplicates.Repeats(ids[:3], ids[:3], code))
    assert [reasons.name_of(code) for code in marked["reason"].to_pylist()] == [
        "record_overlaps",
        "record_duplicate",  # it takes the place of a suspense reason
        "duration_zero",  # but not of one for which the record is discarded
        "ok",
    ]
    assert marked["reason_field"].to_pylist()[:2] == [-1, -1]
    assert marked.drop_columns(["reason", "reason_field"]).equals(
        batch.drop_columns(["reason", "reason_field"])
    )
    for none in (np.zeros(0, np.int64), ids[-1:] + 1, ids[:1] - 1):
        assert duplicates.mark(batch, duplicates.Repeats(none, none, code[: len(none)])) is batch


# Few values a field, so that equal records, equal hashes and retried records all come up.
KEYS = st.fixed_dictionaries({
    "record_id": st.integers(0, 40),
    "dedupe_hash": st.sampled_from((1, 2, 2**62 + 1, 2**63 - 1)),
    "start_day": st.sampled_from((DAY, DAY + 1)),
    "served_key": st.integers(-1, 1),
    "other_key": st.integers(0, 1),
    "extra_key": st.sampled_from((0, 2**61)),
})  # fmt: skip
LISTS = st.lists(KEYS, max_size=25, unique_by=lambda row: row["record_id"])


@given(LISTS, LISTS)
def test_as_the_naive_search_has_it(new: list[Any], history: list[Any]) -> None:
    known = keys(*sorted(history, key=lambda row: row["dedupe_hash"]))
    first, kept = decided(keys(*new), known)
    wanted, wanted_kept = naive.decide(keys(*new).to_pylist(), known.to_pylist(), FIELDS)
    assert first == wanted
    assert kept == [row["record_id"] for row in wanted_kept]


@given(LISTS, st.integers(0, 40))
def test_one_night_or_two(rows: list[Any], cut: int) -> None:
    """Records that come in two nights, in the order of their ids, have the same duplicates."""
    first, kept = decided(keys(*rows))
    early = duplicates.decide(
        keys(*(row for row in rows if row["record_id"] < cut)), None, ALL_FIELDS)
    order = np.argsort(ints(early.kept, "dedupe_hash"), kind="stable")
    late = duplicates.decide(
        keys(*(row for row in rows if row["record_id"] >= cut)), early.kept.take(pa.array(order)),
        ALL_FIELDS,
    )
    assert [*early.repeats.ids.tolist(), *late.repeats.ids.tolist()] == list(first)
    joined = [*early.kept["record_id"].to_pylist(), *late.kept["record_id"].to_pylist()]
    assert sorted(joined) == sorted(kept)


@given(st.lists(st.integers(0, 2**63 - 1), max_size=60))
def test_hashes_of_all_sizes_are_sorted(hashes: list[int]) -> None:
    rows = [{"record_id": at, "dedupe_hash": value} for at, value in enumerate(hashes)]
    kept = duplicates.decide(keys(*rows), None, ALL_FIELDS).kept
    assert ints(kept, "dedupe_hash").tolist() == sorted(set(hashes))
