"""The audit of balances: what the rated records in force have taken = what the state says is used.

Both are summed up by slot: owner, item and first day of the span. The owner of what a record took
is the one that the item belongs to: its subscription, its account, or the group of its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tariffs.memory_model import OWNERS
from tollbook.columns import index_in
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.item_owners import CORRECTED, ItemOwners
from tollbook.run.session import Session
from tollbook.run.state import DATASET

SHOWN_MAX: Final = 20
OWNER_COLUMNS: Final = {  # of the lake's rated: whose it is, by a word of OWNERS
    "subscription": "subscription_id", "account": "account_id", "group": "owner_group",
}  # fmt: skip
DISCOUNT: Final = "*/"  # how the items of the book as a whole begin: discounts, without balances
_SLOT: Final = ("owner_kind", "owner", "item", "since")
_Key = tuple[str, str, str, date]


def findings(session: Session) -> Iterator[str]:
    """Slots of which the two sums differ; nothing where the lake holds no state."""
    files = session.catalogue.lake_files(DATASET)
    rated = session.catalogue.lake_files("rated")
    if not files and not any(remembers(session, one) for one in rated):
        return
    state = _state(session, files)
    wrong = _unequal(state, _taken(session, rated))
    for place, ((kind, owner, item, since), used, taken) in enumerate(wrong):
        if place == SHOWN_MAX:
            yield f"balances: and more than {SHOWN_MAX} others"
            return
        yield (f"balance of {kind} {owner}, {item} from {since}: {used} used by the state, "
               f"{taken} by its records")  # fmt: skip


def remembers(session: Session, file: LakeFile) -> bool:
    """Whether the book that rated the records of a file has items."""
    path = session.root / file.path
    return path.exists() and "used" in pq.read_schema(path).names


def _state(session: Session, files: list[LakeFile]) -> pa.Table:
    empty = pa.table({name: pa.array([], pa.string()) for name in _SLOT[:3]}
                     | {"since": pa.array([], pa.date32()), "used": pa.array([], pa.int64())})
    tables = [lake.read(session.root, one, (*_SLOT, "used")) for one in files]
    return pa.concat_tables([empty, *tables], promote_options="permissive")


def _taken(session: Session, files: list[LakeFile]) -> pa.Table:
    """What rated records took, summed up by slot."""
    kinds = ItemOwners(session)
    sums = [
        _summed(taken_of(session, one, kinds.of(one))) for one in files if remembers(session, one)
    ]
    sums += [_summed(lake.read(session.root, one, (*_SLOT, "taken")))
             for one in session.catalogue.lake_files(CORRECTED)]
    whole = pa.concat_tables(sums, promote_options="permissive") if sums else None
    return _summed(whole) if whole else _summed(_state(session, []), "used")


def taken_of(session: Session, file: LakeFile, kinds: Mapping[str, str]) -> pa.Table:
    """One row for each thing that a record of a file took: its slot and ``taken``.

    kinds: item -> a word of OWNERS; what is of an item that is not among them has no owner.
    """
    present = pq.read_schema(session.root / file.path).names
    owners = [name for name in OWNER_COLUMNS.values() if name in present]
    return taken_by(lake.read(session.root, file, (*owners, "used")), kinds).drop_columns("row")


def taken_by(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """The same of rows of ``rated``, with ``row``: which of them it was that took it."""
    owners = {kind: name for kind, name in OWNER_COLUMNS.items() if name in table.column_names}
    table = table.combine_chunks()
    lists = pa.concat_arrays(table["used"].chunks) if table.num_rows else table["used"].chunk(0)
    inside = dict(zip(("item", "since", "before", "taken"), lists.flatten().flatten(), strict=True))
    rows = pc.list_parent_indices(lists)
    kept = pc.invert(pc.starts_with(inside["item"].cast(pa.string()), DISCOUNT))
    inside = {name: column.filter(kept) for name, column in inside.items()}
    rows, names = rows.filter(kept), sorted(set(kinds))
    of_item = np.array([*(OWNERS.index(kinds[name]) for name in names), -1], np.int32)
    kind = of_item[index_in(inside["item"].cast(pa.string()), names)]
    owner = pa.nulls(len(kind), pa.string()).fill_null("")
    for word, column in owners.items():
        ids = pa.concat_arrays(table[column].cast(pa.string()).chunks).take(rows)
        owner = pc.if_else(pa.array(kind == OWNERS.index(word)), ids, owner)
    words = pa.array([*OWNERS, ""], pa.string())
    return pa.table({
        "owner_kind": words.take(pa.array(np.where(kind < 0, len(OWNERS), kind))), "owner": owner,
        "item": inside["item"].cast(pa.string()), "since": inside["since"],
        "taken": inside["taken"], "row": rows,
    })  # fmt: skip


def _summed(table: pa.Table, name: str = "taken") -> pa.Table:
    found = table.group_by(list(_SLOT), use_threads=False).aggregate([(name, "sum")])
    return found.rename_columns([*_SLOT, "taken"])


def _unequal(state: pa.Table, taken: pa.Table) -> Iterator[tuple[_Key, int, int]]:
    """Slots with their two sums, where these differ, in the order of owners."""
    both = state.join(taken, list(_SLOT), join_type="full outer", use_threads=False)
    used, from_records = (pc.fill_null(both[name], 0) for name in ("used", "taken"))
    wrong = both.filter(pc.not_equal(used, from_records))
    order = [(name, "ascending") for name in _SLOT]
    for row in wrong.sort_by(order).to_pylist():
        key = row["owner_kind"], row["owner"], row["item"], row["since"]
        yield key, row["used"] or 0, row["taken"] or 0
