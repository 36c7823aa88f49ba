"""Stored records rated again, file by file of the lake: what is another is found, and written.

Each file is one task: its records go from ``normalise`` to ``settle`` with the reference data of
the run, row group by row group, and are compared with what is stored. Nothing is held but the row
group, so memory does not grow with the month.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook import clock, codes, schemas
from tollbook.run import (
    differences,
    lake,
    lake_columns,
    rerate_closed,
    rerate_sides,
    rewriting,
    row_changes,
    suspended,
)
from tollbook.run.catalogue import LakeFile
from tollbook.run.parts import Part, write_part
from tollbook.run.rerate_found import FIXED, Found, count
from tollbook.run.rerate_sides import only
from tollbook.run.rerate_work import Rerating
from tollbook.run.rewriting import is_among
from tollbook.stage import ints

_EXTRAS: Final = ("legs", "ratings")


def task(work: Rerating, item: tuple[int, LakeFile]) -> Found:
    """One file, and its number among those of the run."""
    number, file = item
    if file.period < work.run.open_period:
        return rerate_closed.compare(work, number, file)
    return _Open(work, number, file).done()


class _Open:
    """A file of an open month: rows that are others now are written anew, the rest stays."""

    def __init__(self, work: Rerating, number: int, file: LakeFile) -> None:
        self._work, self._file = work, file
        assert work.sides is not None
        self._sides = work.sides
        origin = rewriting.origin(file)
        self._origin = origin
        self._stored = {name: self._sides.stored(name, origin) for name in _EXTRAS}
        stem = rewriting.night_stem(file)
        self._part = Part(work.flow.target, number, work.flow.tally, stem)
        self._number, self._made = number, work.made_of(number)
        self._uses = rerate_closed.Uses(work.remembered, file)
        self._gone = [np.zeros(0, np.int64)]
        self._found = Found()

    def done(self) -> Found:
        for rows in self._work.groups(self._file, self._made):
            self._group(rows)
        if self._work.writes:
            self._found.files += self._uses.write(self._work, self._number)
        found, gone = self._found, np.sort(np.concatenate(self._gone))
        found.gone = len(gone)
        if not self._work.writes or not len(gone):
            return found
        written = self._part.close()
        found.files += written.files
        found.component_micro, found.ratings_micro = written.component_micro, written.ratings_micro
        found.come = sum(
            one.rows for one in written.files if one.dataset in ("rated", "suspense", "uncharged")
        )
        root, number = self._work.session.root, self._work.run.run_number
        for file in (self._file, *self._sides.files(self._origin)):
            if rewriting.holds_any(root, file, gone):
                staying = rewriting.without(
                    root, self._work.session.lake_prefix, number, file,
                    lambda table: is_among(table.column("record_id").to_numpy(), gone),
                )  # fmt: skip
                found.files += [staying] if staying else []
                found.superseded.append(file.path)
        return found

    def _group(self, rows: pa.Table) -> None:
        work, figures = self._work, self._found.figures
        batch, extra = work.rated_again(rows, self._made)
        old, new = lake.amounts_to_micro(rows), work.as_stored(batch)
        ids, reason = ints(batch, "record_id"), ints(batch, "reason")
        unrated = reason != 0
        extra = {name: self._free(name, made) for name, made in extra.items()}
        other = row_changes.changed(old, new, FIXED) | unrated | self._beside(extra, ids)
        uses = self._uses.find(old, new)
        other |= is_among(ids, np.unique(uses.column("record_id").to_numpy()))
        held = unrated & self._sides.is_settled(ids)
        other &= ~held
        count(figures, reason, held)
        figures.records += len(ids)
        figures.changed += int(np.count_nonzero(other))
        self._uses.stay(_of(uses, ids[~other]))
        self._uses.go(ids[other])
        work.flow.progress.advance(len(ids))
        if not other.any():
            return
        gone = np.sort(ids[other])
        chosen = pa.array(other)
        left = old.filter(chosen)
        figures.add(differences.find(left, new.filter(chosen), work.classes))
        figures.legs_kept += int(np.count_nonzero(self._sides.is_settled(gone)))
        self._gone.append(gone)
        if work.writes:
            work.before.add(_fates(left))
            beside = {
                name: only(made, is_among(ints(made, "record_id"), gone))
                for name, made in extra.items()
            }
            write_part(self._part, only(batch, other), beside, np.zeros(len(gone), np.int64))

    def _free(self, dataset: str, made: pa.RecordBatch) -> pa.RecordBatch:
        """What was made beside the records, but for legs that a settled month already has."""
        if dataset != "legs" or not made.num_rows:
            return made
        settled = self._sides.is_settled(ints(made, "record_id"), ints(made, "direction"))
        return only(made, ~settled)

    def _beside(self, extra: Mapping[str, pa.RecordBatch], ids: np.ndarray) -> np.ndarray:
        """Records (bool) whose legs or further ratings are not those that are stored."""
        found = np.zeros(len(ids), np.bool_)
        for name in _EXTRAS:
            stored, made = self._stored[name], extra.get(name, _NOTHING[name])
            if stored is not None or made.num_rows:
                table = lake.amounts_to_micro(self._table(name, made))
                found |= is_among(ids, rerate_sides.others(name, stored, table, ids))
        return found

    def _table(self, dataset: str, made: pa.RecordBatch) -> pa.Table:
        target = self._work.flow.target
        if dataset == "legs":
            return lake_columns.legs_table(made, target.names, target.own_carrier)
        return lake_columns.ratings_table(made, target.names)


def _of(uses: pa.Table, record_ids: np.ndarray) -> pa.Table:
    """The uses of some records."""
    among = is_among(uses.column("record_id").to_numpy(), np.sort(record_ids))
    return uses.filter(pa.array(among))


def _fates(rows: pa.Table) -> pa.RecordBatch:
    """Rows of ``rated`` (amounts in micro) as control totals count them."""
    month = rows.column("usage_period").combine_chunks().dictionary_encode()
    months = [clock.parse_period(text) or 0 for text in month.dictionary.to_pylist()]
    service = suspended.codes_of(rows, "service", codes.SERVICES)
    return pa.RecordBatch.from_pydict({
        "record_id": pa.concat_arrays(rows.column("record_id").chunks),
        "usage_period": pa.array(np.array(months, np.int32)[month.indices.to_numpy()]),
        "reason": pa.array(np.zeros(rows.num_rows, np.int16)),
        "service": service.cast(pa.int8()),
        "charge_micro": pa.concat_arrays(rows.column("charge_micro").chunks),
    })  # fmt: skip


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], one.type) for one in schema], schema=schema)


_NOTHING: Final = {"legs": _empty(schemas.LEG), "ratings": _empty(schemas.RATING)}
