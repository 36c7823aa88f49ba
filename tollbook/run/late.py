"""Late records of plans that say `late: rerate`: which accounts are due to be rated again.

A record is late where one of its owners has used a balance for a record that starts after it. What
it found was what had been left then. The run that rates it notes its account; `tollbook rerate`
works the account out again in the order of its records, and strikes it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, insert, select, update

from rating.memory import Owners
from tariffs.memory_model import OWNERS
from tariffs.model import Book
from tollbook.run.catalogue import Catalogue
from tollbook.run.tables import LATE
from tollbook.stage import ints

NO_RUN: Final = 2**31 - 1  # behind all runs


@dataclass(frozen=True)
class Due:
    """An account that is to be rated again from a time on, in a bill period."""

    run_number: int
    account_id: str
    period: int
    since_utc_s: int


def rerates(book: Book, version_plans: Iterable[int], plan_ids: tuple[str, ...]) -> np.ndarray:
    """Whether late records are rated again; bool by version_index of the compiled book."""
    plans = {plan.plan_id: plan for plan in book.plans}
    seen: dict[int, int] = {}
    found = []
    for plan in version_plans:
        place = seen.get(plan, 0)
        seen[plan] = place + 1
        versions = sorted(
            plans[plan_ids[plan]].versions, key=lambda one: (one.valid_from, one.valid_from_s)
        )
        found.append(versions[place].memory.late == "rerate")
    return np.array(found, bool)


@dataclass
class Late:
    """What a run has found, filled by several threads. is_on: bool by version_index."""

    is_on: np.ndarray
    found: dict[tuple[int, int], int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def look(self, before: pa.RecordBatch, owners: Owners, rated: pa.RecordBatch) -> None:
        """Note the late ones of a span. before: its slots as they were (schemas.STATE)."""
        if not self.is_on.any() or before.num_rows == 0:
            return
        version, start = ints(rated, "version_index"), ints(rated, "start_utc_s")
        is_late = np.zeros(len(start), bool)
        kind, index = ints(before, "owner_kind"), ints(before, "owner_index")
        last = ints(before, "last_start_utc_s")
        for number, word in enumerate(OWNERS):
            of_kind = kind == number
            if not of_kind.any():
                continue
            newest = np.full(int(index[of_kind].max()) + 2, -(2**62), np.int64)
            np.maximum.at(newest, index[of_kind], last[of_kind])
            owner = getattr(owners, word)
            is_late |= newest[np.where(owner < len(newest) - 1, owner, -1)] >= start
        is_late &= (version >= 0) & self.is_on[version] & (ints(rated, "reason") == 0)
        account, period = ints(rated, "account_index"), ints(rated, "bill_period")
        with self._lock:
            for row in np.flatnonzero(is_late).tolist():
                key = int(account[row]), int(period[row])
                self.found[key] = min(self.found.get(key, 2**62), int(start[row]))


def note(
    link: Connection, run_number: int, found: Mapping[tuple[int, int], int], accounts: pa.Array
) -> None:
    """Write down what a run has found, in its own transaction. accounts: ids by index."""
    rows = [
        {"run_number": run_number, "account_id": accounts[account].as_py(), "period": period,
         "since_utc_s": since, "rerated_by": 0}
        for (account, period), since in sorted(found.items())
    ]  # fmt: skip
    if rows:
        link.execute(insert(LATE), rows)


def due(catalogue: Catalogue) -> list[Due]:
    """The accounts that are to be rated again, in a fixed order."""
    query = select(LATE).where(LATE.c.rerated_by == 0).order_by(*LATE.primary_key.columns)
    with catalogue.engine.connect() as link:
        return [
            Due(row.run_number, row.account_id, row.period, row.since_utc_s)
            for row in link.execute(query)
        ]


def noted(catalogue: Catalogue, period: int, before: int = NO_RUN) -> set[str]:
    """The accounts with late records in a bill period or later ones, rated again since or not.

    before: only what was noted before a run.
    """
    query = select(LATE.c.account_id).where(LATE.c.period >= period, LATE.c.run_number < before)
    with catalogue.engine.connect() as link:
        return {row.account_id for row in link.execute(query)}


def strike_off(link: Connection, done: Iterable[Due], run_number: int) -> None:
    """Note, in its own transaction, that a run has rated accounts again."""
    for one in done:
        key = (LATE.c.run_number == one.run_number) & (LATE.c.account_id == one.account_id)
        key &= LATE.c.period == one.period
        link.execute(update(LATE).where(key).values(rerated_by=run_number))


def settle(link: Connection, done: Iterable[Due]) -> None:
    """Note that accounts were rated again, and nothing of theirs is another than before: they are
    struck off by the run that noted them."""
    for one in done:
        strike_off(link, [one], one.run_number)
