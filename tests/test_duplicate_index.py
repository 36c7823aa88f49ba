"""The duplicate index: what is read of it is enough, however the work is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from guiding_world import DAY_S, world
from test_overlaps import RULES, TEN, keys, reference

from rating import duplicates
from tollbook.duplicate_rules import DuplicateRules
from tollbook.run import disk, index, lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.index import Index, Reach
from tollbook.stage import ints

PARTITIONS = 64
GROUPS = {"one": [(0, 64)], "some": [(0, 9), (9, 10), (10, 41), (41, 64)],
          "each": [(at, at + 1) for at in range(64)]}  # fmt: skip
ALL_KINDS = replace(RULES, overlapping=replace(RULES.overlapping, window_s=3 * DAY_S))


def made(rng: np.random.Generator, count: int, first_id: int) -> list[dict[str, Any]]:
    """Records of forty numbers over nine days, many of them close to each other."""
    day = rng.integers(-8, 1, count) * DAY_S
    start = rng.choice((0, 5, 100, 400, 3_000, 30_000, 50_000), count) + rng.integers(0, 9, count)
    columns = {
        "start_utc_s": day + start, "served_key": 8_613_900_000_000 + rng.integers(0, 40, count),
        "duration_s": rng.choice((1, 2, 60, 3_600, 36_000), count),
        "other_key": rng.integers(1, 4, count), "record_id": np.arange(count) + first_id,
    }  # fmt: skip
    return [dict(zip(columns, row, strict=True)) for row in zip(
        *(column.tolist() for column in columns.values()), strict=True)]  # fmt: skip


def written(root: Path, run_number: int, kept: pa.RecordBatch) -> list[LakeFile]:
    """Two files of keys a day, as two threads would write them, shown under their names."""
    target: Any = SimpleNamespace(root=root, prefix="lake", run_number=run_number, disk=disk)
    half = ints(kept, "dedupe_hash") < 2**62
    files = []
    for number, mask in enumerate((half, ~half), start=1):
        writer = index.Writer(target, number)
        writer.write(kept.filter(pa.array(mask)))
        files += writer.close()
    for file in files:
        lake.pending_path(root / file.path).rename(root / file.path)
    return files


def decided(new: pa.RecordBatch, known: Index, rules: DuplicateRules, groups: Any) -> Any:
    """What is found, and what joins the index, group by group of partitions."""
    partition = duplicates.partition_of(ints(new, "dedupe_hash"))
    repeats, kept = [], []
    for low, high in groups:
        part = new.filter(pa.array((partition >= low) & (partition < high)))
        found = duplicates.decide(
            part, known.read(part, (low, high), PARTITIONS), reference(rules)
        )
        repeats.append(found.repeats)
        kept += found.kept.to_pylist()
    one = duplicates.join(repeats)
    facts = zip(one.ids.tolist(), one.first_ids.tolist(), one.reasons.tolist(), strict=True)
    return list(facts), sorted(kept, key=lambda row: row["record_id"])


@pytest.mark.parametrize("rules", [ALL_KINDS, replace(ALL_KINDS, overlapping=None),
                                   replace(ALL_KINDS, overlapping=None, ultra_short=None)],
                         ids=["all", "ultra-short", "exact"])  # fmt: skip
def test_what_is_near_is_enough_however_the_work_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: DuplicateRules
) -> None:
    monkeypatch.setattr(index, "_ROWS_A_GROUP", 16)
    rng = np.random.Generator(np.random.PCG64(4))
    records = [made(rng, 300, first) for first in (0, 1_000, 2_000)]
    records[2] += [row | {"record_id": row["record_id"] + 3_000} for row in records[0][:40]]
    nights = [keys(rows) for rows in records]
    files: list[LakeFile] = []
    whole = nights[0].slice(0, 0)
    for number, night in enumerate(nights[:2], start=1):
        joins = duplicates.decide(night, whole, reference(rules)).kept
        files += written(tmp_path, number, joins)
        both = pa.concat_batches([whole, joins])
        order = np.argsort(ints(both, "dedupe_hash"), kind="stable")
        whole = both.take(pa.array(order))
    new = nights[2].filter(pa.array(ints(nights[2], "start_utc_s") > TEN - 5 * DAY_S))
    wanted = duplicates.decide(new, whole, reference(rules))
    searches = reference(rules).searches
    reach = Reach(searches.reach_s, searches.start_min_utc_s)
    days = reach.days(np.unique(ints(new, "start_day")).tolist())
    near = [file for file in files if file.period in days]
    assert len(near) < len(files)
    for file in set(files) - set(near):
        (tmp_path / file.path).unlink()  # what is not near is never opened
    results = {name: decided(new, Index.of(tmp_path, near, reach), rules, groups)
               for name, groups in GROUPS.items()}  # fmt: skip
    facts, kept = results["one"]
    assert results["some"] == results["each"] == results["one"]
    one = wanted.repeats
    assert facts == list(zip(one.ids.tolist(), one.first_ids.tolist(), one.reasons.tolist(),
                             strict=True))  # fmt: skip
    assert kept == sorted(wanted.kept.to_pylist(), key=lambda row: row["record_id"])
    assert len(set(one.reasons.tolist())) == 1 + bool(rules.overlapping) + bool(rules.ultra_short)
    assert any(first < 2_000 for _, first, _ in facts)


def test_only_rows_of_numbers_and_hours_that_are_near_are_kept(tmp_path: Path) -> None:
    """Memory holds what may matter, not the days that are read."""
    rng = np.random.Generator(np.random.PCG64(5))
    old = made(rng, 500, 0)
    files = written(tmp_path, 1, duplicates.decide(keys(old), None, reference()).kept)
    new = keys([{**old[0], "record_id": 9_000}])
    for reach_s in (0, 7_000):
        found = Index.of(tmp_path, files, Reach(reach_s)).read(new, (0, 64), PARTITIONS)
        assert found is not None
        start = int(ints(new, "start_utc_s")[0])
        assert (ints(found, "served_key") == ints(new, "served_key")[0]).all()
        hours = ints(found, "start_utc_s") // 3600
        assert hours.min() >= (start - reach_s) // 3600
        assert hours.max() <= (start + reach_s) // 3600
        assert 0 in ints(found, "record_id")
    assert Index.of(tmp_path, [], Reach()).read(new, (0, 64), PARTITIONS) is None


def test_the_days_that_are_read() -> None:
    assert Reach().days([5, 9]) == [5, 9]
    assert Reach(36_000).days([5, 9]) == [4, 5, 6, 8, 9, 10]
    assert Reach(36_000, start_min_utc_s=9 * DAY_S).days([5, 9]) == [5, 8, 9, 10]
    searches = world().reference().searches
    assert (searches.reach_s, searches.start_min_utc_s) == (0, 0)
