"""An index of duplicates as months of earlier nights would have left it, made fast.

The records of earlier days are those of the night that is measured, moved: the same numbers, as
many a day, at about the same hours. None of them is near one of the night, but for the few that are
planted: copies, longer records around one of the night, and very short calls beside one. The days
that the night does not come near exist as files and are never opened, so they are links to one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rating.duplicate_kernels import OWNER_SHIFT, SHORT, WHOLE
from tollbook import schemas
from tollbook.clock import DAY_S
from tollbook.codes import VOICE
from tollbook.duplicate_rules import DuplicateRules
from tollbook.run import disk, index, lake
from tollbook.run.catalogue import LakeFile
from tollbook.stage import int_array

DAYS: Final = 60
FILES_A_DAY: Final = 5
GROUPS_A_FILE: Final = 8
PLANTED_OF: Final = 10_000  # of each kind one for so many records of the night ...
PLANTED_MIN: Final = 5  # ... but at least so many
RUN: Final = 0  # the number of the run that "wrote" it: before the first
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class History:
    """root: a folder whose ``lake/duplicates`` holds it. planted: how many by reason."""

    root: Path
    files: list[LakeFile]
    planted: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def make(root: Path, night: Path, records: int, rules: DuplicateRules, reach_s: int) -> History:
    """A history of ``records`` a day for a night whose own index lies in ``night``."""
    rng = np.random.Generator(np.random.PCG64(600))
    base = _read(night)
    planted = _planted(base, rules, rng, max(PLANTED_MIN, records // PLANTED_OF))
    last = int(base["start_day"].max())
    near = set(index.Reach(reach_s).days(np.unique(base["start_day"]).tolist()))
    near |= {int(day) for rows in planted.values() for day in rows["start_day"]}
    files: list[LakeFile] = []
    made: list[LakeFile] = []
    for day in range(last - DAYS + 1, last + 1):
        if made and day not in near:
            files += _linked(root, made, day)
            continue
        of_day = [_some(rows, rows["start_day"] == day) for rows in planted.values()]
        moved = _moved(base, day, rng, records - sum(len(rows["record_id"]) for rows in of_day))
        made = _written(root, {
            name: np.concatenate([rows[name] for rows in (moved, *of_day)]) for name in moved
        })  # fmt: skip
        files += made
    return History(root, files, {name: len(rows["record_id"]) for name, rows in planted.items()})


def _read(night: Path) -> Columns:
    """The night's own keys."""
    table = pq.read_table(night / "lake" / "duplicates", partitioning=None)
    return {name: table.column(name).to_numpy() for name in schemas.DUPLICATE_KEY.names}


def _some(rows: Columns, which: np.ndarray) -> Columns:
    return {name: column[which] for name, column in rows.items()}


def _hashes(rows: Columns, rng: np.random.Generator) -> np.ndarray:
    """The hash of the number, and any hash of a key."""
    owner = rows["dedupe_hash"] >> OWNER_SHIFT
    hashes: np.ndarray = owner << OWNER_SHIFT | rng.integers(0, 2**31, len(owner)) << 1 | 1
    return hashes


def _moved(base: Columns, day: int, rng: np.random.Generator, count: int) -> Columns:
    """Records of another day, near none of the night: no party of theirs is a party of its."""
    size = len(base["record_id"])
    rows = _some(base, rng.permutation(np.arange(count) % size))
    second = (rows["start_utc_s"] + rng.integers(0, 3600, count)) % DAY_S
    return rows | {
        "dedupe_hash": _hashes(rows, rng),
        "start_day": np.full(count, day, np.int32),
        "start_utc_s": day * DAY_S + second,
        "duration_s": np.where(rows["duration_s"] > 0, rows["duration_s"] + 60, 0),
        "other_key": -1 - rng.integers(0, 2**61, count),
        "standing": np.full(count, WHOLE, np.int8),
    }


def _planted(
    base: Columns, rules: DuplicateRules, rng: np.random.Generator, count: int
) -> dict[str, Columns]:
    """Records that make one of the night a duplicate each, by reason."""
    short = base["duration_s"] <= (rules.ultra_short.duration_s if rules.ultra_short else 0)
    calls = np.flatnonzero(base["service"] == VOICE)
    pairs = base["served_key"][calls] * 31 + base["other_key"][calls]
    chosen = calls[_alone(pairs)]
    chosen = rng.permutation(chosen[~short[chosen]])[: 2 * count]
    brief = calls[short[calls]]
    brief = brief[_alone(base["served_key"][brief])]
    brief = rng.permutation(brief[base["standing"][brief] != SHORT])[:count]
    copies, around = _some(base, chosen[:count]), _some(base, chosen[count:])
    beside = _some(base, brief)
    around["start_utc_s"] -= 30
    around["duration_s"] += 60
    beside["start_utc_s"] -= 60
    beside["duration_s"][:] = 1
    beside["other_key"][:] = -7
    for rows in (around, beside):
        rows["dedupe_hash"] = _hashes(rows, rng)
        rows["start_day"] = (rows["start_utc_s"] // DAY_S).astype(np.int32)
    return {"record_duplicate": copies, "record_overlaps": around, "record_ultra_short": beside}


def _alone(values: np.ndarray) -> np.ndarray:
    """Which values come up once."""
    _, first, count = np.unique(values, return_index=True, return_counts=True)
    return np.sort(first[count == 1])


def _written(root: Path, rows: Columns) -> list[LakeFile]:
    """A day of the index, as a night writes it: some files, in each some groups of partitions."""
    target: Any = SimpleNamespace(root=root, prefix="lake", run_number=RUN, disk=disk)
    rows["record_id"] = np.arange(len(rows["record_id"]))  # of file 0: before those of the night
    order = np.argsort(rows["dedupe_hash"], kind="stable")
    groups = np.array_split(order, FILES_A_DAY * GROUPS_A_FILE)
    files = []
    for number in range(FILES_A_DAY):
        writer = index.Writer(target, number + 1)
        for group in groups[number * GROUPS_A_FILE : (number + 1) * GROUPS_A_FILE]:
            columns = [
                int_array(rows[field.name][group].astype(field.type.to_pandas_dtype(), copy=False))
                for field in schemas.DUPLICATE_KEY
            ]  # fmt: skip
            writer.write(pa.RecordBatch.from_arrays(columns, schema=schemas.DUPLICATE_KEY))
        files += writer.close()
    for file in files:
        lake.pending_path(root / file.path).rename(root / file.path)
    return files


def _linked(root: Path, made: list[LakeFile], day: int) -> Iterator[LakeFile]:
    """The files of a day that nobody opens."""
    folder = lake.period_folder(index.DATASET, day)
    for file in made:
        name = Path(file.path).stem
        path = f"lake/{lake.relative_path(index.DATASET, folder, RUN, name)}"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(root / file.path, root / path)
        yield LakeFile(path, RUN, index.DATASET, day, file.rows, file.size_bytes, file.sha256)
