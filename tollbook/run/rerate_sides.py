"""What lies beside rated records: their legs and further ratings, as stored and as made again."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import codes
from tollbook.run import lake, rewriting, row_changes
from tollbook.run.catalogue import LakeFile
from tollbook.run.rewriting import Origin, is_among
from tollbook.run.session import Session

# Dataset -> the column that tells apart the rows of a record in it, and its words by code.
KIND_OF: Final = {
    "legs": ("direction", codes.DIRECTIONS), "ratings": ("rating_kind", codes.RATING_KINDS),
}  # fmt: skip


class Sides:
    """The files of legs and ratings that may be written again, and the legs that may not."""

    def __init__(self, session: Session, open_settle_period: int) -> None:
        """open_settle_period: legs of earlier months are settled, and stay."""
        self._root = session.root
        self._files: dict[tuple[str, Origin], list[LakeFile]] = defaultdict(list)
        settled: list[pa.Table] = []
        for dataset in KIND_OF:
            for file in session.catalogue.lake_files(dataset):
                if dataset == "legs" and file.period < open_settle_period:
                    settled.append(lake.read(session.root, file, ["record_id", "direction"]))
                else:
                    self._files[dataset, rewriting.origin(file)].append(file)
        self._settled = {
            code: np.sort(_of_kind(pa.concat_tables(settled), "legs", word))
            for code, word in enumerate(codes.DIRECTIONS) if settled
        }  # fmt: skip

    def files(self, origin: Origin) -> list[LakeFile]:
        """The files of one origin that may be written again."""
        return [file for dataset in KIND_OF for file in self._files.get((dataset, origin), ())]

    def stored(self, dataset: str, origin: Origin) -> pa.Table | None:
        """The rows of a dataset that lie beside the rated rows of an origin, amounts in micro."""
        files = self._files.get((dataset, origin), [])
        tables = [table for file in files for table in rewriting.groups(self._root, file)]
        if not tables:
            return None
        return lake.amounts_to_micro(pa.concat_tables(tables, promote_options="default"))

    def is_settled(
        self, record_ids: np.ndarray, directions: np.ndarray | None = None
    ) -> np.ndarray:
        """Which records have a leg in a settled month (bool); directions: of that direction."""
        found = np.zeros(len(record_ids), np.bool_)
        for code, ids in self._settled.items():
            there = is_among(record_ids, ids)
            found |= there if directions is None else there & (directions == code)
        return found


def others(
    dataset: str, old: pa.Table | None, new: pa.Table, record_ids: np.ndarray
) -> np.ndarray:
    """Of which records (int64) the rows beside them are not the same as before.

    old: as ``Sides.stored`` gives it. new: those made again, of ``record_ids`` only.
    """
    if old is None:
        return np.unique(new.column("record_id").to_numpy())
    among = is_among(old.column("record_id").to_numpy(), np.sort(record_ids))
    old = old.filter(pa.array(among))
    kind, words = KIND_OF[dataset]
    found = [np.zeros(0, np.int64)]
    for word in words:
        pair = [_sorted(table, kind, word) for table in (old, new)]
        before, after = (table.column("record_id").to_numpy() for table in pair)
        found.append(np.setxor1d(before, after, assume_unique=True))
        both, at, there = np.intersect1d(before, after, assume_unique=True, return_indices=True)
        if len(both):
            is_other = row_changes.changed(
                pair[0].take(pa.array(at)), pair[1].take(pa.array(there))
            )
            found.append(both[is_other])
    return np.unique(np.concatenate(found))


def _sorted(table: pa.Table, kind: str, word: str) -> pa.Table:
    chosen = table.filter(_is_word(table.column(kind), word))
    order = np.argsort(chosen.column("record_id").to_numpy(), kind="stable")
    return chosen.take(pa.array(order)).combine_chunks()


def _of_kind(table: pa.Table, dataset: str, word: str) -> np.ndarray:
    chosen = table.filter(_is_word(table.column(KIND_OF[dataset][0]), word))
    found: np.ndarray = chosen.column("record_id").to_numpy()
    return found


def _is_word(column: pa.ChunkedArray, word: str) -> pa.ChunkedArray:
    return pc.equal(column.cast(pa.string()), word)


def only(batch: pa.RecordBatch, chosen: np.ndarray) -> pa.RecordBatch:
    """Some rows of a batch (bool)."""
    return batch if chosen.all() else batch.filter(pa.array(chosen))
