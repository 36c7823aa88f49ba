"""What records that stay as they were billed would have taken of balances, had they been rated so.

The rows of a closed month keep their ``used``; the state says what is right today. The dataset
``use_differences`` has what lies between: for each slot, ``used`` of the state is the sum of what
the rated records in force took and of these differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import clock, schemas
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.item_owners import CORRECTED
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session
from tollbook.run.undo_state import uses_of

DATASET: Final = CORRECTED
_SLOT: Final = ("owner_kind", "owner", "item", "since")
_KEYS: Final = ("record_id", *_SLOT, "day")
USES: Final = pa.schema([
    ("record_id", pa.int64()), *((name, pa.string()) for name in _SLOT[:3]),
    ("since", pa.date32()), ("day", pa.int32()), ("taken", pa.int64()),
])  # fmt: skip
NOTHING: Final = USES.empty_table()


@dataclass(frozen=True)
class Booked:
    """Use differences of earlier runs: rows of ``USES`` by record."""

    record_ids: np.ndarray  # int64, ascending, once for each row
    rows: pa.Table

    @classmethod
    def since(cls, session: Session, period: int) -> Booked:
        """Those of records of a bill month and later ones."""
        tables = [NOTHING]
        for file in session.catalogue.lake_files(DATASET):
            if file.period >= period:
                table = lake.read(session.root, file, USES.names)
                day = table.column("day").cast(pa.int32())
                place = table.schema.get_field_index("day")
                tables.append(table.set_column(place, "day", day).select(USES.names).cast(USES))
        whole = pa.concat_tables(tables)
        order = np.argsort(whole.column("record_id").to_numpy(), kind="stable")
        whole = whole.take(pa.array(order)).combine_chunks()
        return cls(whole.column("record_id").to_numpy(), whole)

    def of(self, record_ids: np.ndarray) -> pa.Table:
        """The rows of some records (int64)."""
        if not len(self.record_ids):
            return NOTHING
        return self.rows.filter(pa.array(is_among(self.record_ids, np.sort(record_ids))))


def of_rated(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """What rows of ``rated`` took (``USES``). kinds: item -> a word of OWNERS."""
    if "used" not in table.column_names or not table.num_rows:
        return NOTHING
    table = table.combine_chunks()
    found = uses_of(table, kinds)
    ids = table.column("record_id").to_numpy()[found.column("row").to_numpy()]
    return found.append_column("record_id", pa.array(ids)).select(USES.names).cast(USES)


def find(before: Sequence[pa.Table], after: pa.Table) -> pa.Table:
    """What records take more, or less, than they did before (all ``USES``)."""
    sums = _summed([after, *(negative(one) for one in before)])
    return sums.filter(pc.not_equal(sums.column("taken"), 0))


def negative(uses: pa.Table) -> pa.Table:
    """The same uses, given back."""
    place = uses.schema.get_field_index("taken")
    return uses.set_column(place, "taken", pc.negate(uses.column("taken")))


def _summed(uses: Sequence[pa.Table]) -> pa.Table:
    found = pa.concat_tables(uses).group_by(list(_KEYS), use_threads=False).aggregate(
        [("taken", "sum")])  # fmt: skip
    return found.rename_columns([*_KEYS, "taken"]).select(USES.names).cast(USES)


def write(
    session: Session, run: Run, period: int, number: int, pieces: Sequence[pa.Table]
) -> LakeFile:  # fmt: skip
    """Differences of records of a bill month as a lake file of the run (pending)."""
    month = clock.period_text(period)
    path = lake.relative_path(DATASET, month, run.run_number, f"part-{number:04d}")
    writer = lake.Writer(
        session.root, f"{session.lake_prefix}/{path}", run.run_number, DATASET, period
    )
    order = [(name, "ascending") for name in _KEYS]
    rows = pa.concat_tables(pieces).sort_by(order)
    more = {
        "day": rows.column("day").cast(pa.date32()),
        "rated_period": pa.repeat(pa.scalar(month), rows.num_rows),
        "run_number": pa.repeat(pa.scalar(run.run_number, pa.int32()), rows.num_rows),
    }
    writer.write(pa.table([
        more[name] if name in more else rows.column(name) for name in schemas.USE_DIFFERENCE.names
    ], schema=schemas.USE_DIFFERENCE).combine_chunks())  # fmt: skip
    return writer.close()
