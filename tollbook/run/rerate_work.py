"""What the tasks of a re-rating share: the run, its scope, and records through the stages again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from rating import ratings
from tollbook import schemas
from tollbook.run import lake, lake_columns, rewriting, suspended
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.differences import Booked, TaxClasses
from tollbook.run.flow import Flow
from tollbook.run.pipeline import BY_NAME
from tollbook.run.rerate_memory import OfFile, Remembered
from tollbook.run.rerate_scope import Scope
from tollbook.run.rerate_sides import Sides
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session
from tollbook.run.totals import Tally
from tollbook.stage import int_array, with_columns


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
