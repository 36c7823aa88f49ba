"""In whose turn the records of a month were rated: what a simulation of it has to repeat.

A record is rated with the night that it came with. A re-rating rates all records of a pool anew:
night by night as they had come, or, where some came late under ``late: rerate``, in the order of
the records. What comes later is rated behind it, and in its own turn again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import owners
from rating.owners import OwnerTables
from tollbook.columns import index_in
from tollbook.customers import Customers
from tollbook.run import differences, item_owners, lake, late, rerate, rewriting, use_differences
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.session import Session


@dataclass(frozen=True)
class Turns:
    """By account, the last entry for those that nobody knows today.

    again: int64, the last re-rating that has changed records of the month in the account's pool;
    0: none. since: int32, the bill month from which on it rated records again. in_order: bool,
    whether it took all that had come by then in the order of the records.
    """

    again: np.ndarray
    since: np.ndarray
    in_order: np.ndarray

    @classmethod
    def of(
        cls, session: Session, period: int, customers: Customers, tables: OwnerTables
    ) -> Turns:
        """The turns of a month's records. tables: of these customers."""
        count = len(tables.accounts)
        found = cls(np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int32),
                    np.zeros(count + 1, np.bool_))  # fmt: skip
        for number, accounts in sorted(_rated_again(session, period).items()):
            run = session.catalogue.run(number)
            root = _roots(session, run, customers, tables)
            rows = np.flatnonzero(_pools_of(root, index_in(accounts, tables.accounts)))
            noted = pa.array(sorted(late.noted(session.catalogue, run.period, number)), pa.string())
            is_noted = _pools_of(root, index_in(noted, tables.accounts))
            found.again[rows], found.since[rows] = number, run.period
            found.in_order[rows] = is_noted[rows]
        return found

    def of_rows(self, account: np.ndarray, night: int) -> np.ndarray:
        """The run (int64) in whose turn rows that came with a night were rated."""
        is_moved = self.in_order[account] & (self.again[account] > night)
        return np.where(is_moved, self.again[account], night)


def _roots(
    session: Session, run: Run, customers: Customers, tables: OwnerTables
) -> np.ndarray:
    """By account, the one that stands for its pool under the book of a run."""
    has_groups = "group" in item_owners.of_run(session, run.run_number).values()
    if has_groups == (tables.members is not None):
        return tables.root_of_account
    time_zone = session.workspace.operator.time_zone
    return owners.build(customers, has_groups, customers.plan_ids, time_zone).root_of_account


def _pools_of(root: np.ndarray, account: np.ndarray) -> np.ndarray:
    """Which accounts (bool) are in a pool with any of these (-1: nobody knows it)."""
    is_wanted = np.zeros(len(root), np.bool_)
    is_wanted[root[account[account >= 0]]] = True
    found: np.ndarray = is_wanted[root]
    return found


def _rated_again(session: Session, period: int) -> dict[int, pa.Array]:
    """Re-rating -> the accounts (utf8, each once) of records of a bill month that it has changed:
    in an open month it wrote their rows, in a closed one what differs."""
    found: dict[int, list[pa.Array]] = {}
    for number, accounts in (*_rewritten(session, period), *_corrected(session, period)):
        found.setdefault(number, []).append(accounts)
    runs = {run.run_number for run in session.catalogue.runs(kind=rerate.KIND)}
    return {number: pc.unique(pa.chunked_array(found[number], pa.string()))
            for number in found.keys() & runs}  # fmt: skip


def _rewritten(session: Session, period: int) -> Iterator[tuple[int, pa.Array]]:
    for file in session.catalogue.lake_files("rated", periods=[period]):
        number = rewriting.origin_of(file)
        if number != rewriting.night_of(file):
            yield number, _accounts(session, file)


def _corrected(session: Session, period: int) -> Iterator[tuple[int, pa.Array]]:
    booked = differences.booked(session, [period]).rows
    numbers = booked.column("run_number")
    for number in pc.unique(numbers).to_pylist():
        yield number, pc.unique(booked.column("account_id").filter(pc.equal(numbers, number)))
    for file in session.catalogue.lake_files(use_differences.DATASET, periods=[period]):
        ids = np.unique(lake.read(session.root, file, ["record_id"]).column(0).to_numpy())
        for rated in session.catalogue.lake_files("rated", periods=[period]):
            yield file.run_number, _accounts(session, rated, ids)


def _accounts(
    session: Session, file: LakeFile, record_ids: np.ndarray | None = None
) -> pa.Array:
    """The accounts of a file's rows. record_ids: ascending, of these rows alone."""
    rows = lake.read(session.root, file, ["record_id", "account_id"])
    if record_ids is not None:
        rows = rows.filter(pa.array(
            rewriting.is_among(rows.column("record_id").to_numpy(), record_ids)))  # fmt: skip
    return pc.unique(rows.column("account_id").cast(pa.string()))
