"""The balances of one candidate in a simulation, as its month's records found them.

They begin as they were before the month's first run. Between the runs of the month they change by
what records of other months took from them then, or gave back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from rating import grants
from rating.memory import State
from rating.owners import OwnerTables
from rating.slot_kernels import SLOT
from tariffs.compile_memory import MemoryTables
from tariffs.item_kernels import DAYS, MONTH, ONCE
from tariffs.memory_model import OWNERS
from tollbook.columns import index_in
from tollbook.run.simulation_uses import OWN, begins_within
from tollbook.run.state import StateNames, batch_of
from tollbook.run.state_reach import month_of_day
from tollbook.stage import ints

_KEY: Final = ("owner_kind", "owner", "item", "since_day")
_NEVER: Final = 2 * OWN  # a turn behind all others


class Uses(NamedTuple):
    """Uses of balances by their indices, ordered by part and turn; int64, taken back: negative.

    part: of the buckets. turn: twice the run in whose turn it was; 1 more: behind the records of
    the month that is simulated.
    """

    owner_kind: np.ndarray
    owner: np.ndarray
    item: np.ndarray
    since_day: np.ndarray
    taken: np.ndarray
    carried: np.ndarray
    part: np.ndarray
    turn: np.ndarray

    def of(self, rows: np.ndarray | slice) -> Uses:
        """Some of them."""
        return Uses(*(column[rows] for column in self))


@dataclass(frozen=True)
class Balances:
    """before: by part, what was used as the month began, as if by nobody yet. uses: in between;
    None: there are none."""

    tables: OwnerTables
    memory: MemoryTables
    before: Mapping[int, State]
    uses: Uses | None = None

    @classmethod
    def of(
        cls, tables: OwnerTables, memory: MemoryTables, today: pa.Table, uses: pa.Table,
        month: tuple[int, int], buckets_a_part: int,
    ) -> Balances:  # fmt: skip
        """today: rows of ``state``. uses: of ``simulation_uses``. month: which it is, and its first
        day since 1970."""
        names = StateNames.of(memory.item_names, tables)
        held, kinds = batch_of(today, names)[0], spans_of(memory)
        is_old = ~begins_within(
            kinds[ints(held, "item_index")] == MONTH, ints(held, "since_day"), month[1]
        )
        state = State.of(held.filter(pa.array(is_old)))
        found = _known(uses, names, kinds, memory, month[0], buckets_a_part)
        new = begins_within(kinds[found.item] == MONTH, found.since_day, month[1])
        back = found.of(~new)
        back = back._replace(taken=-back.taken, carried=-back.carried)
        start = changed(state, back, memory, tables)
        start = replace(start, last_start_utc_s=np.zeros(len(start), np.int64))
        part = tables.bucket_of(start.owner_kind, start.owner_index) // buckets_a_part
        before = {int(one): _rows(start, np.flatnonzero(part == one)) for one in np.unique(part)}
        return cls(tables, memory, before, found.of(found.turn < _NEVER))

    def state_of(self, part: int) -> State:
        """A part's balances as the month began."""
        return self.before.get(part, State.empty())

    def until(self, state: State, part: int, runs: tuple[int, int]) -> State:
        """A part's balances behind the month's records of the first run, as those of the second one
        find them."""
        if self.uses is None or not len(self.uses.taken):
            return state
        low, high = np.searchsorted(self.uses.part, (part, part + 1))
        first, last = low + np.searchsorted(
            self.uses.turn[low:high], (2 * runs[0], 2 * runs[1]), "right"
        )
        between = self.uses.of(slice(int(first), int(last)))
        return changed(state, between, self.memory, self.tables) if first < last else state


def spans_of(memory: MemoryTables) -> np.ndarray:
    """By item the span that it has a balance for: one of ``memory_model.SPANS``, int64."""
    entries, found = memory.tables.entries, np.zeros(len(memory.item_names), np.int64)
    found[entries["item"]] = entries["span"]
    return found


def _known(
    uses: pa.Table, names: StateNames, kinds: np.ndarray, memory: MemoryTables, period: int,
    buckets_a_part: int,
) -> Uses:  # fmt: skip
    """The uses of owners and items that a candidate knows."""
    whole = uses.combine_chunks()
    columns = {name: pa.concat_arrays(whole.column(name).chunks or [pa.array([], one.type)])
               for name, one in zip(whole.column_names, whole.schema, strict=True)}  # fmt: skip
    kind = index_in(columns["owner_kind"], OWNERS)
    owner = np.full(len(kind), -1, np.int32)
    for number in range(len(OWNERS)):
        rows = np.flatnonzero(kind == number)
        ids = columns["owner"].take(pa.array(rows))
        owner[rows] = index_in(ids, names.of_kind(number))
    item = index_in(columns["item"], names.items)
    bucket = names.owners.bucket_of(kind, owner)
    is_known = (bucket >= 0) & (item >= 0)
    since, day, month, run, taken = (
        columns[name].cast(pa.int32() if name == "since" else columns[name].type).to_numpy()
        for name in ("since", "day", "period", "run", "taken")
    )
    until = _until(memory, kinds, np.maximum(item, 0), since)
    is_monthly = kinds[np.maximum(item, 0)] == MONTH
    is_later = np.where(is_monthly, month > month_of_day(since), day >= until)
    turn = np.where(run == OWN, _NEVER, 2 * run.astype(np.int64) + (month > period))
    found = Uses(kind, owner, item, since, taken, np.where(is_later, taken, 0),
                 bucket // buckets_a_part, turn)  # fmt: skip
    found = found.of(is_known)
    return found.of(np.lexsort((found.turn, found.part)))


def _until(
    memory: MemoryTables, kinds: np.ndarray, item: np.ndarray, since: np.ndarray
) -> np.ndarray:
    """When the spans of items end that begin on these days (since 1970)."""
    entries = memory.tables.entries
    days, last = np.ones(len(kinds), np.int64), np.zeros(len(kinds), np.int64)
    is_days, is_once = entries["span"] == DAYS, entries["span"] == ONCE
    days[entries["item"][is_days]] = entries["days"][is_days]
    np.maximum.at(last, entries["item"][is_once], entries["last_day"][is_once])
    month = since.astype("datetime64[D]").astype("datetime64[M]") + 1
    found = np.where(kinds[item] == ONCE, last[item], since + days[item])
    next_month = month.astype("datetime64[D]").astype(np.int64)
    until: np.ndarray = np.where(kinds[item] == MONTH, next_month, found)
    return until


def changed(state: State, uses: Uses, memory: MemoryTables, tables: OwnerTables) -> State:
    """Balances with what was used of them, or given back. What is used no more is no balance; one
    that was used by nobody so far is opened."""
    known = len(state)
    columns = [np.concatenate([ours.astype(np.int64), theirs.astype(np.int64)])
               for ours, theirs in zip(
                   (state.owner_kind, state.owner_index, state.item_index, state.since_day),
                   uses[: len(_KEY)], strict=True)]  # fmt: skip
    order = np.lexsort(columns[::-1])  # stable: what is there comes first
    ordered = np.stack([column[order] for column in columns])
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    starts = np.flatnonzero(is_new)
    if not len(starts):
        return state
    slots = np.zeros(len(starts), SLOT)
    first = order[starts]
    for name, column in zip(_KEY, ordered, strict=True):
        slots[name] = column[starts]
    was = first < known
    for name in ("until_day", "granted"):
        slots[name][was] = getattr(state, name)[first[was]]
    for name, own, more in (("used", state.used, uses.taken),
                            ("carried_used", state.carried_used, uses.carried)):  # fmt: skip
        amounts = np.concatenate([own, more])[order]
        slots[name] = np.maximum(np.add.reduceat(amounts, starts), 0)
    slots["last_start_utc_s"][was] = state.last_start_utc_s[first[was]]
    _open(slots, np.flatnonzero(~was), memory, tables)
    return _state_of(slots[slots["used"] > 0])


def _open(
    slots: np.ndarray, rows: np.ndarray, memory: MemoryTables, tables: OwnerTables
) -> None:
    """Fill in what new slots are granted, and until when."""
    new = slots[rows]
    new["until_day"] = _until(memory, spans_of(memory), new["item"], new["since_day"])
    grants.grant(memory, new, 0, len(new), tables.terms)
    slots[rows] = new


def _state_of(slots: np.ndarray) -> State:
    names = (*_KEY, "until_day", "granted", "used", "carried_used", "last_start_utc_s")
    columns = (slots[name] for name in names)
    found = State(*(np.ascontiguousarray(column) for column in columns))
    return State(found.owner_kind.astype(np.int8), *list(vars(found).values())[1:])


def _rows(state: State, rows: np.ndarray) -> State:
    return State(*(column[rows] for column in vars(state).values()))
