"""What re-rating changes in money, record by record and component by component.

For an open month these are figures only. A closed month's records stay as they were billed: there
the differences are stored (``schemas.DIFFERENCE``), and billed as corrections by the open month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing.accumulate import STANDARD
from billing.amounts import sum_by
from tariffs.model import Book
from tollbook import clock, schemas
from tollbook.money import exact_sum
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session

DATASET: Final = "differences"
_PREFIX, _MICRO, _TOTAL = "charge_", "_micro", "charge_micro"
_OWNER: Final = ("account_id", "subscription_id", "plan")
_KEYS: Final = ("record_id", *_OWNER, "component")
_POSITION: Final = pa.schema([
    *((name, pa.int64() if name == "record_id" else pa.string()) for name in _KEYS),
    ("tax_class", pa.string()), ("usage_period", pa.string()),
    ("old_micro", pa.int64()), ("new_micro", pa.int64()),
])  # fmt: skip


@dataclass(frozen=True)
class Booked:
    """Differences that earlier runs have stored for a bill month, by record."""

    record_ids: np.ndarray  # int64, ascending, once for each row
    rows: pa.Table

    def of(self, record_ids: np.ndarray) -> pa.Table:
        """The rows of some records (int64)."""
        wanted = np.sort(record_ids)
        return self.rows.filter(pa.array(is_among(self.record_ids, wanted)))

    def is_in(self, record_ids: np.ndarray) -> np.ndarray:
        """Which records have any (bool)."""
        return is_among(record_ids, self.record_ids)


def booked(session: Session, rated_periods: Sequence[int]) -> Booked:
    """All that is stored for bill months, whichever month bills it."""
    wanted = pa.array([clock.period_text(period) for period in rated_periods], pa.string())
    tables = []
    for file in session.catalogue.lake_files(DATASET):
        table = lake.read(session.root, file).cast(schemas.DIFFERENCE)
        tables.append(table.filter(pc.is_in(table.column("rated_period"), value_set=wanted)))
    whole = pa.concat_tables(tables) if tables else schemas.DIFFERENCE.empty_table()
    order = np.argsort(whole.column("record_id").to_numpy(), kind="stable")
    whole = whole.take(pa.array(order)).combine_chunks()
    return Booked(whole.column("record_id").to_numpy(), whole)


class TaxClasses:
    """The tax class of each component, by plan and version of the book of today."""

    def __init__(self, book: Book) -> None:
        self._known: Mapping[tuple[str, str], Mapping[str, str]] = {
            (plan.plan_id, version.label): dict(version.tax_class)
            for plan in book.plans for version in plan.versions
        }  # fmt: skip

    def of(self, table: pa.Table, component: str) -> pa.Array:
        """Of each row with columns ``rating_plan``, ``plan`` and ``version``."""
        own, other = _words(table, "plan"), _words(table, "rating_plan")
        plan = pc.if_else(pc.equal(other, ""), own, other).dictionary_encode()
        version = _words(table, "version").dictionary_encode()
        classes = [
            self._known.get((a, b), {}).get(component, STANDARD)
            for a in plan.dictionary.to_pylist() for b in version.dictionary.to_pylist()
        ]  # fmt: skip
        cell = plan.indices.to_numpy() * len(version.dictionary) + version.indices.to_numpy()
        return pa.array(classes, pa.string()).take(pa.array(cell))


def find(
    old: pa.Table, new: pa.Table, classes: TaxClasses, earlier: pa.Table | None = None
) -> pa.Table:
    """The differences between rows of ``rated`` and the same rows rated again.

    old, new: the same records in the same order; a row of ``new`` that has no price any more is
    without charges. earlier: differences that were booked for these records: they count as old.
    Gives rows of ``_POSITION`` whose ``old_micro`` and ``new_micro`` are not equal.
    """
    same_owner = np.ones(old.num_rows, np.bool_)
    for name in _OWNER:
        same_owner &= pc.equal(_words(old, name), _words(new, name)).to_numpy(
            zero_copy_only=False)  # fmt: skip
    if earlier is not None and earlier.num_rows:
        same_owner &= ~is_among(
            old.column("record_id").to_numpy(), earlier.column("record_id").to_numpy()
        )
    names = dict.fromkeys(name for table in (old, new) for name in charges_of(table))
    found = [_EMPTY]
    for name in names:
        before, after = (_amounts(table, name) for table in (old, new))
        rows = np.flatnonzero(same_owner & (before != after))
        found.append(_positions(new, rows, name, classes, (before, after)))
    moved = np.flatnonzero(~same_owner)
    if len(moved):
        found.append(_of_moved(old.take(pa.array(moved)), new.take(pa.array(moved)), names,
                               classes, earlier))  # fmt: skip
    return pa.concat_tables(found)


def _of_moved(
    old: pa.Table, new: pa.Table, names: Iterable[str], classes: TaxClasses,
    earlier: pa.Table | None,
) -> pa.Table:  # fmt: skip
    """Of records that another pays now, or of which something was booked before: what each owner
    had is compared with what it has to pay."""
    pieces = [_EMPTY]
    for name in names:
        for table, is_new in ((old, False), (new, True)):
            amounts = _amounts(table, name)
            nothing = np.zeros(len(amounts), np.int64)
            both = (nothing, amounts) if is_new else (amounts, nothing)
            pieces.append(_positions(table, np.flatnonzero(amounts), name, classes, both))
    if earlier is not None:
        rows = earlier.filter(pc.is_in(earlier.column("record_id"), old.column("record_id")))
        nothing = pa.array(np.zeros(rows.num_rows, np.int64))
        pieces.append(pa.table([
            *(rows.column(name) for name in _POSITION.names[:-2]), rows.column("delta_micro"),
            nothing,
        ], schema=_POSITION))  # fmt: skip
    sums = pa.concat_tables(pieces).group_by([*_KEYS], use_threads=False).aggregate([
        ("tax_class", "last"), ("usage_period", "last"), ("old_micro", "sum"),
        ("new_micro", "sum"),
    ])  # fmt: skip
    table = pa.table([
        sums.column(name if name in _KEYS else f"{name}_{how}")
        for name, how in zip(
            _POSITION.names, (*[""] * len(_KEYS), "last", "last", "sum", "sum"), strict=True)
    ], schema=_POSITION)  # fmt: skip
    return table.filter(pc.not_equal(table.column("old_micro"), table.column("new_micro")))


def _positions(
    table: pa.Table, rows: np.ndarray, name: str, classes: TaxClasses,
    amounts: tuple[np.ndarray, np.ndarray],
) -> pa.Table:  # fmt: skip
    if not len(rows):
        return _EMPTY
    chosen = table.take(pa.array(rows))
    component = name.removeprefix(_PREFIX).removesuffix(_MICRO)
    old, new = (pa.array(column[rows]) for column in amounts)
    return pa.table([
        chosen.column("record_id"), *(_words(chosen, owner) for owner in _OWNER),
        pa.repeat(pa.scalar(component), len(rows)), classes.of(chosen, component),
        _words(chosen, "usage_period"), old, new,
    ], schema=_POSITION)  # fmt: skip


def charges_of(table: pa.Table) -> list[str]:
    """The columns of components."""
    return [
        name for name in table.column_names
        if name.startswith(_PREFIX) and name.endswith(_MICRO) and name != _TOTAL
    ]  # fmt: skip


def _amounts(table: pa.Table, name: str) -> np.ndarray:
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.int64)
    column: np.ndarray = table.column(name).to_numpy()
    return column


def _words(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).cast(pa.string())
    return pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def correction_lines(session: Session, period: int) -> pa.Table:
    """What a month bills of closed ones (``schemas.CORRECTION_LINE``), sorted."""
    keys = ["account_id", "plan", "component", "tax_class"]
    tables = [schemas.DIFFERENCE.empty_table(), *_billed_by(session, period)]
    whole = pa.concat_tables(tables).select([*keys, "record_id", "delta_micro"]).sort_by(
        [(key, "ascending") for key in (*keys, "record_id")])  # fmt: skip
    if not whole.num_rows:
        return schemas.CORRECTION_LINE.empty_table()
    begins = _changes(whole, keys)
    line = np.cumsum(begins) - 1
    lines = whole.filter(pa.array(begins))
    sums = sum_by(
        line, whole.column("delta_micro").to_numpy(), lines.num_rows, "a correction line"
    )
    is_first = begins | _changes(whole, ["record_id"])  # a record may have been corrected twice
    count = np.bincount(line[is_first], minlength=lines.num_rows).astype(np.int64)
    return pa.table(
        [*(lines.column(key) for key in keys), pa.array(count), pa.array(sums)],
        schema=schemas.CORRECTION_LINE,
    )


def _changes(table: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """Rows (bool) whose keys are not those of the row before."""
    found = np.zeros(table.num_rows, np.bool_)
    found[0] = True
    for key in keys:
        column = table.column(key).combine_chunks()
        found[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return found


def delta_micro(session: Session, period: int) -> int:
    """The sum of all differences that a month bills."""
    return sum(
        exact_sum(chunk.to_numpy())
        for table in _billed_by(session, period) for chunk in table.column("delta_micro").chunks
    )  # fmt: skip


def _billed_by(session: Session, period: int) -> Iterator[pa.Table]:
    for file in session.catalogue.lake_files(DATASET, periods=[period]):
        yield lake.read(session.root, file).cast(schemas.DIFFERENCE)


def write(
    session: Session, run: Run, rated_period: int, number: int, pieces: Sequence[pa.Table]
) -> LakeFile:  # fmt: skip
    """Differences of a bill month's records as a lake file of the run (pending): part ``number``.
    """
    month = run.open_period
    path = lake.relative_path(
        DATASET, clock.period_text(month), run.run_number, f"part-{number:04d}"
    )
    writer = lake.Writer(
        session.root, f"{session.lake_prefix}/{path}", run.run_number, DATASET, month
    )
    for piece in pieces:
        writer.write(lake.micro_to_amounts(_stored(piece, run, rated_period)))
    return writer.close()


def _stored(found: pa.Table, run: Run, rated_period: int) -> pa.Table:
    """Rows of ``schemas.DIFFERENCE``."""
    rows = found.num_rows
    delta = found.column("new_micro").to_numpy() - found.column("old_micro").to_numpy()
    more = {
        "delta_micro": pa.array(delta),
        "rated_period": pa.repeat(pa.scalar(clock.period_text(rated_period)), rows),
        "bill_period": pa.repeat(pa.scalar(clock.period_text(run.open_period)), rows),
        "run_number": pa.repeat(pa.scalar(run.run_number, pa.int32()), rows),
    }
    return pa.table([
        more[name] if name in more else found.column(name) for name in schemas.DIFFERENCE.names
    ], schema=schemas.DIFFERENCE)  # fmt: skip


_EMPTY: Final = _POSITION.empty_table()
