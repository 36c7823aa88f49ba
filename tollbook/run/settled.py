"""Whole volumes of a month: what rates with ``settle: whole`` come to, beyond what was rated.

Read from the rated records in force, twice: first the volumes of all owners, then the records of
those that have reached a tier beyond the first. Of a closed month that was rated again counts what
its records take and cost since: ``due`` compares that with what bills have settled of it. Nothing
is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billing import bill
from billing.amounts import sum_by
from rating.settled import Settler
from rating.trial import Vocabulary
from tariffs.compile_rates import Maxima
from tariffs.compile_targets import Names
from tariffs.settled import Whole
from tollbook import clock, codes, schemas
from tollbook.columns import index_in
from tollbook.run import differences, lake, stored_usage, use_differences
from tollbook.run.data import Data
from tollbook.run.session import Session
from tollbook.run.stored_usage import Group

DATASET: Final = "rated"
_OWNERS: Final = {"subscription": ("account_id", "subscription_id"), "account": ("account_id",),
                  "group": ("owner_group",), "version": ("plan", "version")}  # fmt: skip
_BETWEEN: Final = "\0"  # ids of one owner
_IDS: Final = ("account_id", "subscription_id", "owner_group")
_LINE: Final = ("account_id", "service_period", "plan", "subscription_id", "rate", "component",
                "tax_class")  # fmt: skip
_SUMS: Final = ("usage_count", "duration_s", "volume_bytes", "event_count", "charge_micro")
_MEASURE: Final = np.array(
    [codes.QUANTITY_UNIT.get(code, -1) for code in range(len(codes.SERVICES))], np.int64
)


def of_month(
    session: Session, period: int, found: Data, accounts: Sequence[str] = ()
) -> pa.Table:
    """What a bill month settles as its records stand now, by the book of ``found``: rows of
    ``schemas.SETTLED_LINE``, sorted by account.

    accounts: only their volumes and lines; (): all. What a group shares is read whole.
    """
    settler = _settler(found)
    if settler is None:
        return schemas.SETTLED_LINE.empty_table()
    files = session.catalogue.lake_files(DATASET, periods=[period])
    groups = stored_usage.groups_of(session, files)
    wanted = pa.array(sorted(accounts), pa.string()) if accounts else None
    month = _Read(session, settler, None if "group" in settler.owners else wanted,
                  use_differences.Booked.since(session, period).rows,
                  differences.booked(session, [period]).rows)  # fmt: skip
    volumes = _volumes(month, groups)
    pieces = [piece for group in groups for piece in _of_group(month, group, found, volumes)]
    lines = _lines(pieces, period)
    if wanted is not None:
        lines = lines.filter(pc.is_in(lines.column("account_id"), value_set=wanted))
    return lines


def due(session: Session, period: int, found: Data) -> pa.Table:
    """What the bill of a month settles: its own volume, and what closed months that were rated
    again come to now, less what earlier bills have settled of them (``schemas.SETTLED_LINE``)."""
    lines = [of_month(session, period, found)]
    closed = session.catalogue.closed_periods("bill")
    again = {month for name in (differences.DATASET, use_differences.DATASET)
             for month in _concerned(session, name)} & set(closed)  # fmt: skip
    for month in sorted(again if _settler(found) is not None else ()):
        now = of_month(session, month, found)
        lines.append(_less(now, _billed(session, month)))
    whole = pa.concat_tables(lines)
    return whole.sort_by([(name, "ascending") for name in _LINE])


def _concerned(session: Session, dataset: str) -> set[int]:
    """Closed months of which a dataset has differences."""
    found: set[int] = set()
    for file in session.catalogue.lake_files(dataset):
        months = lake.read(session.root, file, ["rated_period"]).column(0).cast(pa.string())
        periods = (clock.parse_period(text) for text in pc.unique(months).to_pylist())
        found |= {period for period in periods if period is not None}
    return found


def _billed(session: Session, month: int) -> pa.Table:
    """What bills have settled of a month (``schemas.SETTLED_LINE``)."""
    tables = [schemas.SETTLED_LINE.empty_table()]
    for file in session.catalogue.lake_files("bill_lines"):
        table = lake.read(session.root, file).cast(schemas.BILL_LINE)
        is_it = pc.and_(pc.equal(table.column("kind"), bill.SETTLED),
                        pc.equal(table.column("service_period"), month))  # fmt: skip
        rows = table.filter(is_it)
        item = pc.split_pattern(rows.column("item"), "/", max_splits=1)
        more = {"component": pc.list_element(item, 0), "rate": pc.list_element(item, 1),
                "charge_micro": rows.column("rated_micro")}  # fmt: skip
        tables.append(pa.table([
            more[name] if name in more else rows.column(name)
            for name in schemas.SETTLED_LINE.names
        ], schema=schemas.SETTLED_LINE))  # fmt: skip
    return pa.concat_tables(tables)


def _less(now: pa.Table, before: pa.Table) -> pa.Table:
    """Lines less others, figure by figure; none where the amount is the same."""
    taken = before
    for name in _SUMS:
        place = taken.column_names.index(name)
        taken = taken.set_column(place, now.schema.field(name), pc.negate(taken.column(name)))
    return _summed(pa.concat_tables([now, taken]))


def _settler(found: Data) -> Settler | None:
    net, space = found.network, found.workspace
    names = Names(
        net.zones.ids, net.relations, space.numbering.access_codes, found.book.components,
        net.carriers.ids, net.zones.time_zones,
    )  # fmt: skip
    return Settler.of(found.book, names, Maxima(space.limits.duration_s, space.limits.volume_bytes))


_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Read:
    """What is read of a month. accounts: of which; None: all. uses, differences: what its records
    take and cost otherwise since it was billed."""

    session: Session
    settler: Settler
    accounts: pa.Array | None
    uses_since: pa.Table
    differences: pa.Table

    def table(self, group: Group, names: Sequence[str]) -> pa.Table | None:
        """Columns of a row group; None where its file is of a time before anything was used."""
        path = str(self.session.root / group.file.path)
        with pq.ParquetFile(path, memory_map=True) as source:
            present = [name for name in names if name in source.schema_arrow.names]
            if "used" not in present:
                return None
            return source.read_row_group(group.number, present, use_threads=False)

    def uses(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What was used under rates that are settled: the row, the place of the item, how much."""
        used = table.column("used").combine_chunks()
        if isinstance(used, pa.ChunkedArray):
            used = used.chunk(0)
        flat = used.flatten()
        row = np.repeat(np.arange(len(used)), np.diff(used.offsets.to_numpy()))
        item = index_in(flat.field("item").cast(pa.string()), self.settler.items)
        taken = flat.field("taken").to_numpy()
        if self.uses_since.num_rows:
            more = self.uses_since
            place = index_in(more.column("item").combine_chunks().cast(pa.string()),
                             self.settler.items)  # fmt: skip
            at = _rows_of(table, more)
            row, item, taken = (np.concatenate(pair) for pair in (
                (row, at), (item, np.where(at >= 0, place, -1)),
                (taken, more.column("taken").to_numpy()),
            ))  # fmt: skip
        is_chosen = item >= 0
        if self.accounts is not None:
            own = pc.is_in(table.column("account_id").cast(pa.string()), value_set=self.accounts)
            is_chosen &= own.to_numpy()[row]
        chosen = np.flatnonzero(is_chosen)
        if not self.uses_since.num_rows:
            return row[chosen], item[chosen], taken[chosen]
        cells, cell = np.unique(np.stack([row[chosen], item[chosen]]), axis=1, return_inverse=True)
        sums = sum_by(cell.reshape(-1), taken[chosen], cells.shape[1], "what a record takes")
        takes = sums != 0  # what a record takes no more is settled no more
        return cells[0, takes], cells[1, takes], sums[takes]

    def since(self, table: pa.Table, component: str) -> np.ndarray:
        """What rows cost more for a component than they were billed at; int64."""
        found = np.zeros(table.num_rows, np.int64)
        if self.differences.num_rows:
            is_it = pc.equal(self.differences.column("component"), component)
            rows = self.differences.filter(is_it)
            at = _rows_of(table, rows)
            np.add.at(found, at[at >= 0], rows.column("delta_micro").to_numpy()[at >= 0])
        return found


def _rows_of(table: pa.Table, rows: pa.Table) -> np.ndarray:
    """Where the records of ``rows`` stand in a table; -1: elsewhere."""
    at = pc.index_in(rows.column("record_id").combine_chunks(),
                     value_set=table.column("record_id").combine_chunks())  # fmt: skip
    found: np.ndarray = at.fill_null(-1).to_numpy()
    return found


def _volumes(month: _Read, groups: Sequence[Group]) -> dict[_Key, int]:
    """What each owner has used under each rate, by item and ids."""
    found: dict[_Key, int] = {}
    settler = month.settler
    for group in groups:
        table = month.table(group, ("record_id", *_IDS, "used"))
        if table is None:
            continue
        row, item, taken = month.uses(table)
        for place, name in enumerate(settler.items):
            of_item = item == place
            key, owners = _owned(table, row[of_item], settler.owners[place])
            sums = sum_by(key, taken[of_item], len(owners), "the volume of an owner")
            for owner, quantity in zip(owners, sums.tolist(), strict=True):
                found[name, owner] = found.get((name, owner), 0) + quantity
    return found


def _owned(
    table: pa.Table, rows: np.ndarray, kind: str
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Whose rows are: a number by row, and the ids of each number."""
    whose = table.take(pa.array(rows)).select(list(_OWNERS[kind]))
    texts = [column.cast(pa.string()) for column in whose.columns]
    coded = pc.binary_join_element_wise(*texts, _BETWEEN).combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.unify_dictionaries().chunk(0)
    owners = [tuple(text.split(_BETWEEN)) for text in coded.dictionary.to_pylist()]
    return coded.indices.to_numpy().astype(np.int64), owners


def _of_group(
    month: _Read, group: Group, found: Data, volumes: dict[_Key, int]
) -> Iterator[pa.Table]:
    """The records of a row group whose owners reached a later tier, with what they are settled
    at: the columns of ``_LINE`` and ``_SUMS``."""
    names = ("record_id", "plan", "version", *_IDS, "used")
    settler = month.settler
    table = month.table(group, names)
    if table is None:
        return
    row, item, _ = month.uses(table)
    if not len(row):
        return
    label, labels = _owned(table, np.arange(table.num_rows), "version")
    rows, places, which = [], [], dict[str, tuple[Whole, int, int]]()
    for number, name in enumerate(settler.items):
        of_item = row[item == number]
        key, owners = _owned(table, of_item, settler.owners[number])
        cells, first = np.unique(label[of_item] * len(owners) + key, return_inverse=True)
        place = np.full(len(cells), -1, np.int64)
        for at, cell in enumerate(cells.tolist()):
            one = settler.wholes.get((*labels[cell // len(owners)], name))
            reached = one.reached(volumes[name, owners[cell % len(owners)]]) if one else 0
            if one is not None and reached:
                said = one.plan_at(reached)
                place[at] = which.setdefault(said, (one, reached, len(which)))[2]
        rows.append(of_item[place[first] >= 0])
        places.append(place[first][place[first] >= 0])
    if which:
        kept = _Kept(np.concatenate(rows), np.concatenate(places),
                     [(one, reached) for one, reached, _ in which.values()])  # fmt: skip
        yield _priced(month, group, found, kept)


@dataclass(frozen=True)
class _Kept:
    """Records to be settled: their rows, and by row a place in ``which``, the rates and tiers."""

    rows: np.ndarray
    place: np.ndarray
    which: list[tuple[Whole, int]]

    def said(self, words: Sequence[str]) -> pa.Array:
        """A word of each rate, by row."""
        return pa.array(words, pa.string()).take(pa.array(self.place))


def _priced(month: _Read, group: Group, found: Data, kept: _Kept) -> pa.Table:
    net, space, settler = found.network, found.workspace, month.settler
    words = Vocabulary(tuple(net.zones.ids), tuple(net.relations),
                       tuple(space.numbering.access_codes), tuple(net.carriers.ids))  # fmt: skip
    ones = [one for one, _ in kept.which]
    components = sorted({one.component for one in ones})
    table = stored_usage.read_group(
        month.session, group, [f"charge_{name}" for name in components]
    ).take(pa.array(kept.rows))
    columns = stored_usage.columns_of(table, words, ())
    due = settler.due_micro(columns, kept.which, kept.place)
    slot = np.array([components.index(one.component) for one in ones])[kept.place]
    rated = np.stack([
        table.column(f"charge_{name}_micro").to_numpy() + month.since(table, name)
        for name in components
    ])
    measure = _MEASURE[columns["service"]]
    volume = columns["up_bytes"] + columns["down_bytes"]
    is_own = np.array([settler.owner_of(one) == "subscription" for one in ones])[kept.place]
    line = table.column("subscription_id").cast(pa.string())
    return pa.table({
        "account_id": table.column("account_id").cast(pa.string()),
        "plan": table.column("plan").cast(pa.string()),
        "subscription_id": pc.if_else(pa.array(is_own), line, ""),
        "rate": kept.said([one.rate.name for one in ones]),
        "component": kept.said([one.component for one in ones]),
        "tax_class": kept.said([one.tax_class for one in ones]),
        "usage_count": np.ones(len(due), np.int64),
        "duration_s": columns["duration_s"] * (measure == codes.SECONDS),
        "volume_bytes": volume * (measure == codes.BYTES),
        "event_count": columns["event_count"] * (measure == codes.EVENTS),
        "charge_micro": due - rated[slot, np.arange(len(due))],
    })  # fmt: skip


def _lines(pieces: Sequence[pa.Table], period: int) -> pa.Table:
    """``schemas.SETTLED_LINE``: sums by account, plan, line, rate and class; none of nothing."""
    if not pieces:
        return schemas.SETTLED_LINE.empty_table()
    whole = pa.concat_tables(pieces).combine_chunks()
    months = pa.array(np.full(whole.num_rows, period, np.int32))
    return _summed(whole.append_column("service_period", months))


def _summed(whole: pa.Table) -> pa.Table:
    keys = whole.select(list(_LINE)).group_by(list(_LINE), use_threads=False).aggregate([])
    keys = keys.sort_by([(name, "ascending") for name in _LINE])
    texts = [
        pc.binary_join_element_wise(*(table.column(name).cast(pa.string()) for name in _LINE),
                                    _BETWEEN) for table in (whole, keys)
    ]  # fmt: skip
    at = pc.index_in(texts[0], value_set=texts[1]).to_numpy()
    sums = [sum_by(at, whole.column(name).to_numpy(), keys.num_rows, "a settled line")
            for name in _SUMS]  # fmt: skip
    found = dict(zip(_SUMS, map(pa.array, sums), strict=True))
    table = pa.table([found[name] if name in found else keys.column(name)
                      for name in schemas.SETTLED_LINE.names],
                     schema=schemas.SETTLED_LINE)  # fmt: skip
    return table.filter(pc.not_equal(table.column("charge_micro"), 0))
