"""High usage against the months before: what subscriptions have used then, and in how many.

A month counts for a subscription that was there on all of its days, and not before the first month
of which the lake has any record: so a new customer, or a new operator, has no mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import clock, workspace
from tollbook.customers import Customers
from tollbook.run.session import Session
from tollbook.run.work import Compiled

_EPOCH_MONTH: Final = clock.month_index(1970, 1)
_THOUSAND: Final = 1000


@dataclass(frozen=True)
class Before:
    """What subscriptions used in the months before, by id. months: how many of them count."""

    ids: pa.Array
    used: np.ndarray  # int64, the sum over the months that count
    months: np.ndarray  # int64

    def mean(self, subscription_id: str) -> Fraction | None:
        """The mean of the months that count; None: there are none."""
        row = pc.index(self.ids, subscription_id).as_py()
        if row < 0 or not self.months[row]:
            return None
        return Fraction(int(self.used[row]), int(self.months[row]))

    def may_exceed(self, ids: pa.Array, amounts: np.ndarray, multiple: int) -> np.ndarray:
        """Which amounts may be above a multiple (millionths) of the mean: all that are (bool)."""
        row = pc.index_in(ids, value_set=self.ids).fill_null(-1).to_numpy()
        months = np.where(row >= 0, self.months[row], 0)
        least = self.used[row] // np.maximum(months * _THOUSAND, 1) * (multiple // _THOUSAND)
        found: np.ndarray = (months > 0) & (amounts >= least)
        return found


def before(
    session: Session, period: int, count: int, sums: Callable[[int], pa.Table]
) -> Before:
    """What was used in ``count`` months before a period.

    sums: of a bill month the columns ``subscription_id`` (once each) and ``used``.
    """
    known = {file.period for file in session.catalogue.lake_files("rated")}
    months = range(max(period - count, min(known)), period)
    ids, first = _first_months(_customers(session), session.workspace.operator.time_zone)
    used, counted = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    for month in months:
        counts = first <= month
        counted += counts
        table = sums(month)
        row = pc.index_in(table.column("subscription_id").combine_chunks(), value_set=ids)
        row = row.fill_null(-1).to_numpy()
        is_known = row >= 0
        is_known &= counts[row]
        np.add.at(used, row[is_known], table.column("used").to_numpy()[is_known])
    return Before(ids, used, counted)


def _customers(session: Session) -> Customers:
    if isinstance(session.kept, Compiled):
        return session.kept.data.customers
    return workspace.load_all(session.root)[2]


def _first_months(people: Customers, zone: str) -> tuple[pa.Array, np.ndarray]:
    """Subscription ids, and the first month on all days of which each was there."""
    rows = people.subscriptions
    coded = rows.subscription_id.dictionary_encode()
    began = np.full(len(coded.dictionary), np.iinfo(np.int64).max)
    np.minimum.at(began, coded.indices.to_numpy(), rows.valid_from_utc_s)
    return coded.dictionary, months_from(began, clock.zone_table(zone))


def months_from(utc_s: np.ndarray, zone: clock.ZoneTable) -> np.ndarray:
    """The first month that begins at or after each instant, on a local clock; int64."""
    earliest = np.maximum(utc_s, 0)
    offset = zone.offset_s[np.searchsorted(zone.since_utc_s, earliest, side="right") - 1]
    wall = (earliest + offset).astype("datetime64[s]")
    month = wall.astype("datetime64[M]")
    whole: np.ndarray = month.astype(np.int64) + (wall > month) + _EPOCH_MONTH
    return whole
