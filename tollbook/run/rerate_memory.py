"""Re-rating under a book that remembers: each owner's records in order, span by span of buckets.

The records concerned, from the month on, give back what they had used; then they are rated as they
came, night by night, so that what came late meets what was left then. Pools with late records of
plans that say `late: rerate` are rated as if these had come in time. What comes out waits on disk
by the file of the lake whose rows it is compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from rating import legs, ratings
from tariffs.memory_model import OWNERS
from tollbook import schemas
from tollbook.run import late, state
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.flow import BUCKETS, ROWS_A_TASK, Flow
from tollbook.run.item_owners import ItemOwners
from tollbook.run.pipeline import BY_NAME
from tollbook.run.pool import in_order
from tollbook.run.rerate_pools import Gathered, gather
from tollbook.run.rerate_scope import Scope
from tollbook.run.rerate_slots import Balances
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session
from tollbook.run.use_differences import Booked
from tollbook.stage import ints

Made = tuple[pa.RecordBatch, dict[str, pa.RecordBatch]]
_RATED = "rated"
_SCHEMAS = {_RATED: schemas.RATED, "legs": schemas.LEG, "ratings": schemas.RATING}


@dataclass(frozen=True)
class OfFile:
    """The records of one file of the lake, rated again (schemas.RATED), and what lies beside."""

    batch: pa.RecordBatch
    extra: Mapping[str, pa.RecordBatch]
    _order: np.ndarray = field(init=False)
    ids: np.ndarray = field(init=False)  # int64, ascending

    def __post_init__(self) -> None:
        ids = ints(self.batch, "record_id")
        order = np.argsort(ids, kind="stable")
        object.__setattr__(self, "_order", order)
        object.__setattr__(self, "ids", ids[order])

    def of(self, record_ids: np.ndarray) -> Made:
        """What some of them are now, in their order."""
        rows = self._order[np.searchsorted(self.ids, record_ids)]
        wanted = np.sort(record_ids)
        beside = {
            name: one.filter(pa.array(is_among(ints(one, "record_id"), wanted)))
            for name, one in self.extra.items()
        }
        return self.batch.take(pa.array(rows)), beside


class _Pieces:
    """Batches of one schema on disk, by file of the lake; a span writes all of its own at once."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._schema = folder, name, _SCHEMAS[name]
        self._found: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, span: int, batch: pa.RecordBatch, place: np.ndarray) -> None:
        """Rows of a span. place: of each, its file (numbers from 1 on)."""
        how = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(str(self._path(span)), self._schema, options=how) as sink:
            for number, file in enumerate(np.unique(place).tolist()):
                sink.write_batch(batch.filter(pa.array(place == file)))
                self._found[file].append((span, number))

    def of_file(self, file: int) -> pa.RecordBatch:
        found = [pa.RecordBatch.from_pylist([], self._schema)]
        for span, number in sorted(self._found.get(file, ())):
            with pa.OSFile(str(self._path(span))) as source:
                found.append(pa.ipc.open_file(source).get_batch(number))
        return pa.concat_batches(found)

    def _path(self, span: int) -> Path:
        return self._folder / f"{self._name}-{span}.arrow"


@dataclass(frozen=True)
class Remembered:
    """The records concerned, rated again; and the state that comes out of it.

    was, now: whose balances items were, and are today. booked: use differences of earlier runs.
    months: how many of the state differ. due: late accounts that are rated in order now.
    """

    was: ItemOwners
    now: Mapping[str, str]
    booked: Booked
    pieces: Mapping[str, _Pieces]
    files: list[LakeFile]
    superseded: list[str]
    months: int
    due: tuple[late.Due, ...]

    def of_file(self, number: int) -> OfFile:
        """Of a file: its place among those of the run, from 1 on."""
        extra = {name: one.of_file(number) for name, one in self.pieces.items() if name != _RATED}
        return OfFile(self.pieces[_RATED].of_file(number), extra)


def rate(
    session: Session, run: Run, flow: Flow, scope: Scope, released: np.ndarray, writes: bool
) -> Remembered:
    """Rate the records that a scope concerns again; the state's months that differ are written."""
    assert flow.slots is not None
    files = files_of(session, run)
    gathered = gather(session, flow, files, run.period, scope, released)
    try:
        balances = Balances.read(session, flow.slots, gathered)
        spans = gathered.rows.tasks(ROWS_A_TASK)
        spans[-1] = (spans[-1][0], BUCKETS)
        pieces = {name: _Pieces(flow.spill_folder, name) for name in _names(flow)}
        noted = _pools_of(gathered, late.noted(session.catalogue, run.period))
        in_turn = _Nights(flow, gathered, balances, noted, pieces)
        session.progress.start("rate", len(spans))
        for _ in in_order(flow.threads, in_turn.rate, enumerate(spans)):
            session.progress.advance(1)
    finally:
        gathered.close()
    written, superseded = balances.write(session, run) if writes else ([], [])
    return Remembered(
        gathered.kinds, gathered.kinds.stored | _kinds_of(flow), gathered.booked, pieces, written,
        superseded, len(balances.months), _due(session, run, scope, gathered),
    )  # fmt: skip


def files_of(session: Session, run: Run) -> list[LakeFile]:
    """The rated records of the run's month and of later ones."""
    rated = session.catalogue.lake_files("rated")
    return [file for file in rated if file.period >= run.period]


def _names(flow: Flow) -> list[str]:
    return [name for name in _SCHEMAS if name != "ratings" or flow.tariffs.assignment is not None]


def _kinds_of(flow: Flow) -> dict[str, str]:
    """Whose the items of today's book are."""
    memory = flow.tariffs.book.memory
    pairs = zip(memory.item_names, memory.item_owners, strict=True)
    return {item: OWNERS[owner] for item, owner in pairs}


def _pools_of(gathered: Gathered, accounts: set[str]) -> np.ndarray:
    """The pools (bool) of accounts."""
    found = np.zeros(gathered.pools.count, np.bool_)
    if accounts:
        ids = pa.array(sorted(accounts), pa.string())
        found[gathered.pools.of_owners(OWNERS.index("account"), ids)] = True
        found[-1] = False
    return found


def _due(
    session: Session, run: Run, scope: Scope, gathered: Gathered
) -> tuple[late.Due, ...]:  # fmt: skip
    """Accounts that are to be rated again, and are so by this run; and those that it names and that
    have no record in its month any more."""
    named = set(scope.accounts) if scope.is_of_accounts else set()
    return tuple(
        one for one in late.due(session.catalogue) if one.period >= run.period
        and ((one.period == run.period and one.account_id in named)
             or bool((_pools_of(gathered, {one.account_id}) & gathered.concerned).any()))
    )  # fmt: skip


@dataclass(frozen=True)
class _Nights:
    """noted: bool by pool, whether its records are rated in order, whenever they came."""

    flow: Flow
    gathered: Gathered
    balances: Balances
    noted: np.ndarray
    pieces: Mapping[str, _Pieces]

    def rate(self, item: tuple[int, tuple[int, int]]) -> None:
        """A range of buckets, night by night, and its slots."""
        number, span = item
        before, held, others = self.balances.before(span)
        batch = self.gathered.rows.collect(*span)
        made: dict[str, list[pa.RecordBatch]] = {name: [] for name in self.pieces}
        night = self._nights(batch, held)
        for one in np.unique(night).tolist():
            held, found = self._night(batch.filter(pa.array(night == one)), held)
            for name, rows in found.items():
                made[name].append(rows)
        self.balances.keep(before, held, others)
        if not batch.num_rows:
            return
        ids = ints(batch, "record_id")
        order = np.argsort(ids, kind="stable")
        place = ints(batch, "place")[order]
        for name, pieces in made.items():
            rows = pa.concat_batches(pieces)
            at = np.searchsorted(ids[order], ints(rows, "record_id"))
            self.pieces[name].add(number, rows, place[at])

    def _nights(self, batch: pa.RecordBatch, held: pa.RecordBatch) -> np.ndarray:
        assert self.flow.slots is not None
        night = ints(batch, "night").copy()
        if self.noted.any():
            pool = self.flow.slots.past(held, batch.select(schemas.USAGE.names)).owners.pool
            night[self.noted[pool]] = 0
        return night

    def _night(
        self, batch: pa.RecordBatch, held: pa.RecordBatch
    ) -> tuple[pa.RecordBatch, dict[str, pa.RecordBatch]]:
        """The records of a night: the slots as they are then, and what was made."""
        flow, slots = self.flow, self.flow.slots
        assert slots is not None
        first = legs.settle_first(batch.select(schemas.USAGE.names), flow.tariffs.agreements)
        past = slots.past(held, first.batch)
        rated = BY_NAME["rate"](first.batch, flow.tariffs.book, past)
        after = rated.state.batch()
        slots.check(held, after, rated.batch)
        settled = legs.without(first, rated.batch)
        found = {_RATED: settled.batch, **settled.extra}
        if flow.tariffs.assignment is not None:
            found |= ratings.rate_more(
                settled.batch, flow.tariffs.book, flow.tariffs.assignment
            ).extra
        schemas.check(settled.batch, schemas.RATED, "settle")
        return state.sort(after), found
