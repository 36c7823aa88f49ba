"""What re-rating found, in figures: money by plan and component, accounts that pay more or less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

_SIDES: Final = ("old_micro", "new_micro")
_HALVES: Final = ("high", "low")
_LOW_BITS: Final = 32
_BY_PLAN: Final = ("plan", "component")
_BY_ACCOUNT: Final = ("account_id",)


@dataclass(frozen=True)
class PlanLine:
    """A component of a plan: how many records differ there, and what they were and are charged."""

    plan: str
    component: str
    records: int
    old_micro: int
    new_micro: int


@dataclass(frozen=True)
class Movement:
    """Accounts that pay less, or more: how many, how much in all, and which of them the most."""

    accounts: int = 0
    delta_micro: int = 0
    most_account: str = ""
    most_micro: int = 0


NOBODY: Final = Movement()


@dataclass
class Figures:
    """The figures of one file, or of all.

    records: that were rated again. changed: of which anything is another than before. unrated: that
    have no price any more, by reason. held: those of them that stay as they were, because they are
    billed or settled. legs_kept: legs of settled months that stay beside a changed record.
    """

    records: int = 0
    changed: int = 0
    held: int = 0
    legs_kept: int = 0
    unrated: Counter[str] = field(default_factory=Counter)
    by_plan: list[pa.Table] = field(default_factory=list)
    by_account: list[pa.Table] = field(default_factory=list)

    def add(self, found: pa.Table) -> None:
        """Take in differences (columns of ``schemas.DIFFERENCE``)."""
        if found.num_rows:
            halves = _halves(found)
            self.by_plan.append(_summed(halves, _BY_PLAN))
            self.by_account.append(_summed(halves, _BY_ACCOUNT))

    def join(self, other: Figures) -> None:
        """Take in the figures of another file."""
        for name in ("records", "changed", "held", "legs_kept"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unrated += other.unrated
        self.by_plan += other.by_plan
        self.by_account += other.by_account

    def plans(self) -> tuple[PlanLine, ...]:
        """The differences by plan and component, in the order of their names."""
        if not self.by_plan:
            return ()
        rows = _summed(pa.concat_tables(self.by_plan), _BY_PLAN).to_pylist()
        return tuple(sorted(
            (PlanLine(row["plan"], row["component"], row["rows"],
                      *((row[f"{side}_high"] << _LOW_BITS) + row[f"{side}_low"]
                        for side in _SIDES)) for row in rows),
            key=lambda line: (line.plan, line.component),
        ))  # fmt: skip

    def movements(self) -> tuple[Movement, Movement]:
        """Accounts that pay less, and those that pay more."""
        if not self.by_account:
            return NOBODY, NOBODY
        table = _summed(pa.concat_tables(self.by_account), _BY_ACCOUNT).sort_by("account_id")
        old, new = (
            (table.column(f"{side}_high").to_numpy() << _LOW_BITS)
            + table.column(f"{side}_low").to_numpy() for side in _SIDES
        )  # fmt: skip
        return _movement(table, new - old, -1), _movement(table, new - old, 1)


def _movement(table: pa.Table, delta_micro: np.ndarray, sign: int) -> Movement:
    rows = np.flatnonzero(np.sign(delta_micro) == sign)
    if not len(rows):
        return NOBODY
    most = int(rows[np.argmax(np.abs(delta_micro[rows]))])
    return Movement(
        len(rows), sum(delta_micro[rows].tolist()), table.column("account_id")[most].as_py(),
        int(delta_micro[most]),
    )  # fmt: skip


def _halves(found: pa.Table) -> pa.Table:
    """Amounts as upper and lower halves, whose sums cannot wrap."""
    columns = {name: found.column(name) for name in (*_BY_PLAN, *_BY_ACCOUNT)}
    for side in _SIDES:
        amounts = found.column(side).to_numpy()
        columns[f"{side}_high"] = pa.array(amounts >> _LOW_BITS)
        columns[f"{side}_low"] = pa.array(amounts & (1 << _LOW_BITS) - 1)
    columns["rows"] = pa.array(np.ones(found.num_rows, np.int64))
    return pa.table(columns)


def _summed(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    names = ["rows", *(f"{side}_{half}" for side in _SIDES for half in _HALVES)]
    sums = table.group_by(list(keys), use_threads=False).aggregate([(n, "sum") for n in names])
    return pa.table({
        **{key: sums.column(key) for key in keys},
        **{name: sums.column(f"{name}_sum") for name in names},
    })  # fmt: skip
