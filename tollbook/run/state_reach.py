"""Which months of the state a run needs, from the spans of the items that its book has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from tariffs.memory_model import SPANS
from tollbook.clock import month_index

_SHORTEST_MONTH: Final = 28  # days
_NO_MONTH: Final = 0  # the period of what is granted once
_EPOCH: Final = month_index(1970, 1)
_MONTH, _DAYS, _ONCE = (SPANS.index(word) for word in ("month", "days", "once"))


def month_of_day(day: np.ndarray) -> np.ndarray:
    """Months (clock.month_index) of days since 1970; int64."""
    months: np.ndarray = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months + _EPOCH


def first_day_of(month: int) -> int:
    """The first day of a month (clock.month_index), in days since 1970."""
    return date(month // 12, month % 12 + 1, 1).toordinal() - date(1970, 1, 1).toordinal()


def month_of(day: date) -> int:
    """Month (clock.month_index) of a day."""
    return month_index(day.year, day.month)


@dataclass(frozen=True)
class Reach:
    """is_once: bool by item, whether its slot has no month.

    rollovers, limits: by item, into how many more spans how much of it goes on. back: how many
    months before that of a record a slot may begin that still counts.
    """

    is_once: np.ndarray
    rollovers: np.ndarray
    limits: np.ndarray
    back: int

    @classmethod
    def of(cls, entries: np.ndarray, items: int) -> Reach:
        """entries: tariffs.item_kernels.ITEM. items: how many the book has."""
        is_once = np.zeros(items, bool)
        is_once[entries["item"][entries["span"] == _ONCE]] = True
        rollovers = np.zeros(items, np.int64)
        np.maximum.at(rollovers, entries["item"], entries["rollover_spans"])
        limits = np.zeros(items, np.int64)
        np.maximum.at(limits, entries["item"], entries["rollover_limit"])
        spans, days = 1 + entries["rollover_spans"], np.maximum(entries["days"], 1)
        is_days = entries["span"] == _DAYS
        back = -(-spans * np.where(is_days, days, 1) // _SHORTEST_MONTH)
        back = np.where(entries["span"] == _MONTH, spans - 1, back)
        back[entries["span"] == _ONCE] = 0
        return cls(is_once, rollovers, limits, int(back.max(initial=0)))

    def rollover(self, item: int) -> tuple[int, int]:
        """Into how many more spans how much of an item goes on."""
        return int(self.rollovers[item]), int(self.limits[item])

    def month_of(self, item: np.ndarray, since_day: np.ndarray) -> np.ndarray:
        """The month that slots are kept in; int64, 0: none."""
        months: np.ndarray = np.where(self.is_once[item], _NO_MONTH, month_of_day(since_day))
        return months

    def months(self, of_records: Sequence[int], stored: Sequence[int]) -> list[int]:
        """The months of the state, of those that are stored, that records of months reach.

        A plan may have a clock of its own: at the edge of a month its day is in the next one.
        """
        if not of_records:
            return []
        first, last = min(of_records) - self.back - 1, max(of_records) + 1
        return [month for month in stored if month == _NO_MONTH or first <= month <= last]
