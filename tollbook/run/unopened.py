"""Balances that no record has asked for yet, with what the first one would find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from rating import grants
from rating.owners import OwnerTables
from rating.slot_kernels import SLOT
from tariffs.compiler import CompiledBook
from tariffs.item_kernels import ALLOWANCE, CAP, WITHOUT_END
from tariffs.memory_model import MEASURES, OWNERS, SPANS
from tollbook import clock
from tollbook.columns import index_in
from tollbook.run.balance import Balance

_EPOCH: Final = date(1970, 1, 1)
_LAST: Final = (date.max - _EPOCH).days  # dates end there


def balances(
    book: CompiledBook, owners: OwnerTables, chosen: Mapping[str, Sequence[str]], day: int
) -> Iterator[Balance]:
    """The allowances and caps of these owners in the spans that hold on a day (since 1970), as if
    none was opened. chosen: ids by kind of owner."""
    memory = book.memory
    assert memory is not None
    rows = list(_rows(book, owners, chosen, day))
    slots = np.zeros(len(rows), SLOT)
    for slot, (kind, owner, _, place, (since, until)) in zip(slots, rows, strict=True):
        slot["owner_kind"], slot["owner"], slot["entry"] = kind, owner, place
        slot["item"] = memory.tables.entries[place]["item"]
        slot["since_day"], slot["until_day"] = since, until
    grants.grant(memory, slots, 0, len(slots), owners.terms)
    for slot, (kind, _, name, _, _) in zip(slots, rows, strict=True):
        item, granted = int(slot["item"]), int(slot["granted"])
        yield Balance(
            OWNERS[kind], name, memory.item_names[item], MEASURES[memory.item_measures[item]],
            _date(int(slot["since_day"])), _date(int(slot["until_day"])),
            None if granted == WITHOUT_END else granted, 0, 0, False,
        )  # fmt: skip


def _rows(
    book: CompiledBook, owners: OwnerTables, chosen: Mapping[str, Sequence[str]], day: int
) -> Iterator[tuple[int, int, str, int, tuple[int, int]]]:
    """Kind, index and id of each owner, the version's item, and the span in days since 1970."""
    assert book.memory is not None
    items = book.memory.tables
    ids = (owners.subscriptions, owners.accounts, list(owners.groups))
    for kind, names in enumerate(ids):
        wanted = list(chosen[OWNERS[kind]])
        places = index_in(pa.array(wanted, pa.string()), names).tolist()
        for owner, name in zip(places, wanted, strict=True):
            for plan, first_day in _plans(owners, kind, owner, day):
                version = _version_at(book, plan, day)
                for place in range(*items.first[version : version + 2]) if version >= 0 else ():
                    entry = items.entries[place]
                    holds = entry["first_day"] <= day < entry["last_day"]
                    if entry["owner"] == kind and entry["kind"] in (ALLOWANCE, CAP) and holds:
                        yield kind, owner, name, place, _span(entry, day, first_day)


def _plans(owners: OwnerTables, kind: int, owner: int, day: int) -> list[tuple[int, int]]:
    """The plans that an owner's lines are on that day, each with the owner's first day on it."""
    terms = owners.terms[kind]
    low, high = int(terms.first[owner]), int(terms.first[owner + 1])
    found: dict[int, int] = {}
    for plan in np.unique(terms.plan_index[low:high]).tolist():
        rows = low + np.flatnonzero(terms.plan_index[low:high] == plan)
        if ((terms.from_day[rows] <= day) & (day < terms.until_day[rows])).any():
            found[plan] = int(terms.from_day[rows].min())
    return [(plan, first) for plan, first in found.items() if plan >= 0]


def _version_at(book: CompiledBook, plan: int, day: int) -> int:
    """The version of a plan in force at the end of a day; -1: none."""
    versions = book.tables.versions
    at_utc_s = (day + 1) * clock.DAY_S - 1
    for version in range(int(versions.first[plan]), int(versions.first[plan + 1])):
        row = versions.versions[version]
        if row["from_utc_s"] <= at_utc_s < row["to_utc_s"]:
            return version
    return -1


def _span(entry: np.void, day: int, first_day: int) -> tuple[int, int]:
    """The span of an item that holds on a day."""
    kind = SPANS[entry["span"]]
    if kind == "day":
        return day, day + 1
    if kind == "days":
        length = int(entry["days"])
        since = first_day + (day - first_day) // length * length
        return since, since + length
    if kind == "once":
        return int(entry["first_day"]), int(entry["last_day"])
    month = (_EPOCH + timedelta(day)).replace(day=1)
    following = (month + timedelta(31)).replace(day=1)
    return (month - _EPOCH).days, (following - _EPOCH).days


def _date(day: int) -> date:
    return _EPOCH + timedelta(min(day, _LAST))
