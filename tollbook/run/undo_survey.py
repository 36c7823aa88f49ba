"""What an undo would take out of the lake, and what comes back because of it. Nothing is written.

A record that is withdrawn may have decided about records of other files:

* its duplicates were not charged because of it: they go through the stages again;
* it may be a part of a call together with parts of other files: the call is broken up, and those
  go through the stages again, to wait for the missing part as they would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tollbook.money import exact_sum
from tollbook.run import index, lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.run.withdrawn import Withdrawn

DATASETS: Final = ("rated", "legs", "ratings", "suspense", "pending", "uncharged")
DUPLICATES: Final = ("record_duplicate", "record_overlaps", "record_ultra_short")
_SHORT: Final = DUPLICATES[-1]
_LINKS: Final = ("record_id", "reason", "first_record_id")
_PAID: Final = ("rated", "legs")
_USED: Final = "used"


@dataclass(frozen=True)
class Again:
    """Records of other files that go through the stages again; int64 ids, ascending.

    duplicates: what stood in their place goes. shorts: those of them that are in the duplicate
    index although they are not charged. parts: of calls that are broken up, as they are stored.
    firsts: first parts of such calls, whose rows hold the sums of all parts.
    """

    duplicates: np.ndarray
    shorts: np.ndarray
    parts: np.ndarray
    firsts: np.ndarray

    @property
    def stored(self) -> np.ndarray:
        """Those whose rows are what the stages need."""
        return np.union1d(self.duplicates, self.parts)


@dataclass(frozen=True)
class Touched:
    """A lake file with the number of its rows that go. micro: the charges of these, by what they
    are called (``charge``; of legs ``in`` and ``out``). has_used: whether one used a balance."""

    file: LakeFile
    rows: int
    micro: dict[str, int] = field(default_factory=dict)
    has_used: bool = False


@dataclass(frozen=True)
class Survey:
    """gone: the records whose rows go; unknown: those whose keys of duplicates go."""

    again: Again
    gone: Withdrawn
    unknown: Withdrawn
    touched: tuple[Touched, ...]

    def of(self, *datasets: str) -> list[Touched]:
        return [one for one in self.touched if one.file.dataset in datasets]

    @property
    def first_used(self) -> int:
        """The first bill month of records that go and used a balance; 0 if none did."""
        return min((one.file.period for one in self.of("rated") if one.has_used), default=0)

    def micro(self, dataset: str) -> dict[tuple[int, str], int]:
        """Charges that go, by month and what they are called."""
        found: Counter[tuple[int, str]] = Counter()
        for one in self.of(dataset):
            for name, micro in one.micro.items():
                found[one.file.period, name] += micro
        return dict(sorted(found.items()))


def survey(session: Session, numbers: Sequence[int]) -> Survey:
    """Go through the lake for what the files of these numbers have left there."""
    wanted = np.array(sorted(numbers), np.int64)
    first_run = min(session.catalogue.file(number).run_number for number in numbers)
    files = [
        file for name in (*DATASETS, index.DATASET) for file in session.catalogue.lake_files(name)
        if file.run_number >= first_run
    ]  # fmt: skip
    again = _again(session, wanted, [file for file in files if file.dataset == "uncharged"])
    gone = Withdrawn(wanted, np.union1d(again.stored, again.firsts))
    unknown = Withdrawn(wanted, again.shorts)
    session.progress.start("survey", len(files))

    def look(file: LakeFile) -> Touched | None:
        return _look(session, file, unknown if file.dataset == index.DATASET else gone)

    touched = []
    for one in in_order(session.threads, look, files):
        session.progress.advance(1)
        if one is not None:
            touched.append(one)
    return Survey(again, gone, unknown, tuple(touched))


def _look(session: Session, file: LakeFile, gone: Withdrawn) -> Touched | None:
    """What of a lake file goes; None: nothing."""
    held = pq.read_metadata(str(session.root / file.path))
    if not gone.may_hold(held):
        return None
    columns = ["record_id"]
    if file.dataset in _PAID:
        columns += ["charge_micro", "direction"]
    if file.dataset == "rated" and _USED in held.schema.to_arrow_schema().names:
        columns.append(_USED)
    table = lake.read(session.root, file, columns)
    mask = gone.mask(table.column("record_id").to_numpy())
    if not mask.any():
        return None
    rows = table.filter(pa.array(mask))
    has_used = _USED in columns and bool(pc.any(pc.greater(pc.list_value_length(
        rows.column(_USED)), 0)).as_py())  # fmt: skip
    return Touched(file, rows.num_rows, _charges(file.dataset, rows), has_used)


def _charges(dataset: str, rows: pa.Table) -> dict[str, int]:
    if dataset not in _PAID:
        return {}
    if dataset == "rated":
        return {"charge": exact_sum(rows.column("charge_micro").to_numpy())}
    charge, direction = rows.column("charge_micro").to_numpy(), rows.column("direction")
    return {
        way: exact_sum(charge[pc.equal(direction, way).to_numpy()])
        for way in pc.unique(direction).to_pylist()
    }


def _again(session: Session, wanted: np.ndarray, files: Iterable[LakeFile]) -> Again:
    """Records of other files that were not charged because of one that goes, or together with it.
    """
    tables = [
        lake.read(session.root, file, _LINKS, filters=[("first_record_id", "!=", 0)])
        for file in files
    ]
    nothing = np.zeros(0, np.int64)
    if not any(table.num_rows for table in tables):
        return Again(nothing, nothing, nothing, nothing)
    links = pa.concat_tables(tables)
    ids, firsts = (links.column(name).to_numpy() for name in ("record_id", "first_record_id"))
    reason = links.column("reason")
    is_part = pc.equal(reason, "part_merged").to_numpy()
    is_short = pc.equal(reason, _SHORT).to_numpy()
    is_gone, is_first_gone = np.isin(ids >> 32, wanted), np.isin(firsts >> 32, wanted)
    twins = _duplicates((ids, firsts), ~is_part, is_short, (is_gone, is_first_gone))
    broken = np.unique(firsts[is_part & (is_gone | is_first_gone)])
    parts = is_part & ~is_gone & np.isin(firsts, broken)
    return Again(
        np.sort(ids[twins]), np.sort(ids[twins & is_short]), np.sort(ids[parts]),
        broken[~np.isin(broken >> 32, wanted)],
    )  # fmt: skip


def _duplicates(
    links: tuple[np.ndarray, np.ndarray], is_twin: np.ndarray, is_short: np.ndarray,
    gone: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Which duplicates are to be decided about again: those of a record that goes, and those of
    runs of ultra-short calls that lose one, which may have joined them; bool."""
    (ids, firsts), (is_gone, is_first_gone) = links, gone
    runs = firsts[is_short & is_gone]
    stays = is_twin & ~is_gone
    found: np.ndarray = stays & (is_first_gone | (is_short & np.isin(firsts, runs)))
    while True:  # a call of a run may name one that is not charged either
        more = stays & ~found & np.isin(firsts, ids[found])
        if not more.any():
            return found
        found |= more
