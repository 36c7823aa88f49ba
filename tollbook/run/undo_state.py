"""What withdrawn records had used of balances, given back to their slots.

Of a slot that is used no more nothing is left: it is granted anew when it is used again. What
others paid because a withdrawn record had used a balance up stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook.clock import month_index, parse_period
from tollbook.run import lake, state
from tollbook.run.audit_state import OWNER_COLUMNS, taken_by
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.session import Session
from tollbook.run.totals import not_closed

_SLOT: Final = ("owner_kind", "owner", "item", "since")
USED_BY: Final = (*OWNER_COLUMNS.values(), "start_utc_s", "utc_offset_s", "usage_period",
                  "bill_period", "used")  # fmt: skip
_DAY_S: Final = 86_400


def used_by(rows: pa.Table) -> pa.Table:
    """What is needed of withdrawn rated rows: no row where their book remembers nothing."""
    if "used" not in rows.column_names:
        return pa.table({})
    found = rows.select([name for name in USED_BY if name in rows.column_names])
    return found.filter(pc.greater(pc.list_value_length(found.column("used")), 0))


@dataclass(frozen=True)
class GivenBack:
    """One row for each slot, with ``taken`` and, of that, ``carried``: by records of later spans.

    months: of the state that hold these slots.
    """

    slots: pa.Table
    months: frozenset[int]

    @classmethod
    def of(
        cls, session: Session, used: Iterable[pa.Table], more: Sequence[pa.Table] = ()
    ) -> GivenBack | None:
        """What these rows (``used_by``) had used; None if nothing. Raises NotClosed if the state
        does not know of it. more: further uses (as ``uses_of``)."""
        tables = [table for table in used if table.num_rows]
        if not tables and not more:
            return None
        stored = [
            plain(lake.read(session.root, file, (*_SLOT, "until", "carried_used")))
            .append_column("month", pa.array(np.full(file.rows, file.period, np.int64)))
            for file in session.catalogue.lake_files(state.DATASET)
        ]
        names = ("item", "owner_kind")
        items = (one.select(names).group_by(names).aggregate([]).to_pylist() for one in stored)
        kinds = {row["item"]: row["owner_kind"] for rows in items for row in rows}
        taken = [_taken(table, kinds) for table in tables]
        whole = summed_by_day([*taken, *more])
        return cls.of_taken(stored, whole.filter(pc.not_equal(whole.column("taken"), 0)))

    @classmethod
    def of_taken(cls, stored: Sequence[pa.Table], taken: pa.Table) -> GivenBack | None:
        """What was taken (``summed_by_day``) of slots of the state (with ``month``)."""
        if not taken.num_rows:
            return None  # what they have of discounts is nobody's balance
        if not stored:
            raise not_closed(["records had used balances, and the lake holds no state"])
        known = pa.concat_tables(stored)
        both = taken.join(known, list(_SLOT), join_type="inner", use_threads=False)
        if both.num_rows != taken.num_rows:
            raise not_closed([f"{taken.num_rows - both.num_rows} uses of balances are of slots "
                              "that the state does not hold"])  # fmt: skip
        is_later = pc.greater_equal(both["day"], both["until"].cast(pa.int32()))
        carried = pc.if_else(is_later, both["taken"], pa.scalar(0, pa.int64()))
        found = both.append_column("carried", carried).group_by(
            list(_SLOT), use_threads=False
        ).aggregate([("taken", "sum"), ("carried", "sum")])  # fmt: skip
        months = frozenset(pc.unique(both["month"]).to_pylist())
        return cls(found.rename_columns([*_SLOT, "taken", "carried"]), months)

    def less(self, table: pa.Table) -> pa.Table:
        """Rows of ``state`` without what is given back; those that are used no more are left out.
        """
        names = table.column_names
        both = plain(table).join(self.slots, list(_SLOT), join_type="left outer",
                                  use_threads=False)  # fmt: skip
        taken, carried = (pc.fill_null(both[name], 0) for name in ("taken", "carried"))
        used = pc.subtract(both["used"], taken)
        left = pc.max_element_wise(
            pc.subtract(both["carried_used"], pc.min_element_wise(carried, both["carried_used"])),
            pa.scalar(0, pa.int64()),
        )
        new = {"used": used, "carried_used": left}
        whole = pa.table({name: new.get(name, both[name]) for name in names})
        gone = pc.and_(pc.greater(taken, 0), pc.less_equal(used, 0))
        return whole.filter(pc.invert(gone))


def _taken(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """What rows had taken, summed up by slot and day."""
    return summed_by_day([uses_of(table, kinds)])


def summed_by_day(uses: Sequence[pa.Table]) -> pa.Table:
    """Uses (``uses_of``), summed up by slot and day."""
    names = [*_SLOT, "day", "taken"]
    summed = pa.concat_tables([one.select(names) for one in uses]).group_by(
        [*_SLOT, "day"], use_threads=False
    ).aggregate([("taken", "sum")])  # fmt: skip
    return summed.rename_columns(names)


def uses_of(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """A row for each use of a slot by rows of ``rated``: slot, ``taken``, ``row``, and ``day``.

    kinds: item -> a word of OWNERS. day: int32, of the record, as its bill month counts it.
    """
    texts = table["bill_period"].cast(pa.string()).combine_chunks().dictionary_encode()
    months = [parse_period(text) or 0 for text in texts.dictionary.to_pylist()]
    first = (np.array(months, np.int64) - month_index(1970, 1)).astype("datetime64[M]")
    first = first.astype("datetime64[D]").astype(np.int64)[texts.indices.to_numpy()]
    local = table["start_utc_s"].to_numpy() + table["utc_offset_s"].to_numpy()
    is_late = pc.not_equal(texts, table["usage_period"].cast(pa.string()).combine_chunks())
    day = np.where(is_late.to_numpy(False), first, local // _DAY_S)
    found = taken_by(table, kinds)
    rows = found.column("row").to_numpy()
    return found.append_column("day", pa.array(day[rows].astype(np.int32)))


def plain(table: pa.Table) -> pa.Table:
    """Words as texts, which can be joined."""
    for name in ("owner_kind", "owner", "item"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table


def rewrite(
    session: Session, planned: Run, given: GivenBack | None
) -> tuple[list[LakeFile], tuple[str, ...]]:
    """The months concerned, written anew; and the paths of the files that held them."""
    if given is None:
        return [], ()
    files = [one for one in session.catalogue.lake_files(state.DATASET)
             if one.period in given.months]  # fmt: skip
    written = []
    for month in sorted(given.months):
        of_month = [one for one in files if one.period == month]
        rows = given.less(lake.read_all(session.root, of_month))
        if rows.num_rows:
            written.append(state.write_rows(
                session.root, session.lake_prefix, planned.run_number, month, rows
            ))  # fmt: skip
    return written, tuple(one.path for one in files)
