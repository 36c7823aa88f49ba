"""Stored records rated again, file by file of the lake: what is another is found, and written.

Each file is one task: its records go from ``normalise`` to ``settle`` with the reference data of
the run, row group by row group, and are compared with what is stored. Nothing is held but the row
group, so memory does not grow with the month.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from rating import ratings
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
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.differences import Booked, TaxClasses
from tollbook.run.flow import Flow
from tollbook.run.parts import Part, write_part
from tollbook.run.pipeline import BY_NAME
from tollbook.run.rerate_found import FIXED, Found, count
from tollbook.run.rerate_memory import OfFile, Remembered
from tollbook.run.rerate_scope import Scope as Scope
from tollbook.run.rerate_sides import Sides, only
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session
from tollbook.run.totals import Tally
from tollbook.stage import int_array, ints, with_columns

_EXTRAS: Final = ("legs", "ratings")


@dataclass
class Rerating:
    """What all tasks of a run share.

    released: ascending ids for ``Scope.mask``. before: the fates that changed records leave.
    sides: None if all files are of closed months. booked: None if none is. writes: False to only
    look. remembered: the records concerned, rated in order; None: the book remembers nothing.
    last_period: the last month of which a record was rated again.
    """

    session: Session
    run: Run
    flow: Flow
    scope: Scope
    released: np.ndarray
    classes: TaxClasses
    sides: Sides | None
    booked: Booked | None
    writes: bool
    remembered: Remembered | None = None
    last_period: int = 0
    before: Tally = field(default_factory=Tally)

    def task(self, item: tuple[int, LakeFile]) -> Found:
        """One file, and its number among those of the run."""
        number, file = item
        if file.period < self.run.open_period:
            return rerate_closed.compare(self, number, file)
        return _Open(self, number, file).done()

    def made_of(self, number: int) -> OfFile | None:
        """What the records of a file are now; None: they are to be rated as they are read."""
        return None if self.remembered is None else self.remembered.of_file(number)

    def rated_again(
        self, rows: pa.Table, made: OfFile | None, with_legs: bool = True
    ) -> tuple[pa.RecordBatch, dict[str, pa.RecordBatch]]:
        """Rows of ``rated`` through the stages (schemas.RATED), and what they make beside them.

        They stay rated records: validation, mediation and the search for duplicates are not asked
        again, and the legs of a forwarded call stay the pair that they were found to be.
        """
        if made is not None:
            return made.of(rows.column("record_id").to_numpy())
        batch = suspended.cdr_batch(rows, self.flow.reference.names.sources)
        for name in ("normalise", "guide"):
            batch = BY_NAME[name](batch, self.flow.reference, None).batch
        kept = {
            "dedupe_hash": rows.column("dedupe_hash").to_numpy(),
            "bill_period": np.full(rows.num_rows, self.run.period, np.int32),
        }
        batch = with_columns(batch, schemas.USAGE, {
            name: int_array(np.ascontiguousarray(values)) for name, values in kept.items()
        })  # fmt: skip
        batch = BY_NAME["rate"](batch, self.flow.tariffs.book, None).batch
        if not with_legs:
            return batch, {}
        settled = BY_NAME["settle"](batch, self.flow.tariffs.agreements, None)
        extra = dict(settled.extra)
        if self.flow.tariffs.assignment is not None:
            extra |= ratings.rate_more(
                settled.batch, self.flow.tariffs.book, self.flow.tariffs.assignment
            ).extra
        schemas.check(settled.batch, schemas.RATED, "settle")
        return settled.batch, extra

    def groups(self, file: LakeFile, made: OfFile | None) -> Iterator[pa.Table]:
        """The rows in scope of each row group of a file that has any."""
        if made is not None and not len(made.ids):
            return
        for table in rewriting.groups(self.session.root, file):
            if made is not None:
                chosen = is_among(table.column("record_id").to_numpy(), made.ids)
            else:
                chosen = self.scope.mask(table, self.released)
            if chosen.any():
                yield (table if chosen.all() else table.filter(pa.array(chosen))).combine_chunks()

    def as_stored(self, batch: pa.RecordBatch) -> pa.Table:
        """Rated rows as ``rated`` has them, amounts in micro."""
        return lake.amounts_to_micro(lake_columns.rated_table(batch, self.flow.target.names))


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
