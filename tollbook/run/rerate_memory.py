"""Re-rating under a book that remembers: open months, whole, each owner's records in order.

All records from the month on give back what they had used; then they are rated as they came, night
by night, so that what came late meets what was left then. Pools with late records of plans that
say `late: rerate` are rated as if these had come in time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from rating import legs, ratings
from tollbook import codes, schemas
from tollbook.errors import TollbookError
from tollbook.run import lake, late, remembering, rewriting, state, suspended, suspense_log
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.flow import BUCKETS, ROWS_A_TASK, Flow
from tollbook.run.pipeline import BY_NAME
from tollbook.run.pool import in_order
from tollbook.run.rewriting import is_among
from tollbook.run.session import Session
from tollbook.run.undo_state import GivenBack, used_by
from tollbook.stage import int_array, ints, with_columns

_ORDER: Final = ("owner_kind", "owner", "item", "since")
Made = tuple[pa.RecordBatch, dict[str, pa.RecordBatch]]


@dataclass
class Remembered:
    """All records from a month on, rated again; and the state that comes out of it."""

    batch: pa.RecordBatch
    extra: dict[str, pa.RecordBatch]
    files: list[LakeFile] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    months: int = 0  # of the state that differ
    due: tuple[late.Due, ...] = ()
    _order: np.ndarray = field(init=False)
    _ids: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        ids = ints(self.batch, "record_id")
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]

    def of(self, record_ids: np.ndarray) -> Made:
        """What these records are now (schemas.RATED), in their order, and what lies beside them."""
        rows = self._order[np.searchsorted(self._ids, record_ids)]
        wanted = np.sort(record_ids)
        beside = {
            name: one.filter(pa.array(is_among(ints(one, "record_id"), wanted)))
            for name, one in self.extra.items()
        }
        return self.batch.take(pa.array(rows)), beside


def rate(session: Session, run: Run, flow: Flow, writes: bool) -> Remembered:
    """Rate all records of a month and later ones again; the state's months that differ are written.
    """
    files = [one for one in session.catalogue.lake_files("rated") if one.period >= run.period]
    assert flow.slots is not None
    flow.given_back = GivenBack.of(
        session, (used_by(lake.read(session.root, one)) for one in files)
    )
    came = _scatter(session, flow, files)
    remembering.read(session, flow)
    spans = flow.usage.tasks(ROWS_A_TASK)
    spans[-1] = (spans[-1][0], BUCKETS)
    due = tuple(one for one in late.due(session.catalogue) if one.period >= run.period)
    in_turn = _Nights(flow, *came, _noted(session, flow, run.period))
    pieces = list(in_order(flow.threads, in_turn.rate, spans))
    found = Remembered(
        pa.concat_batches([batch for made, _ in pieces for batch, _ in made]),
        {name: pa.concat_batches([more[name] for made, _ in pieces for _, more in made])
         for name in pieces[0][0][0][1]}, due=due,
    )  # fmt: skip
    _compare(session, run, flow, [after for _, after in pieces], found, writes)
    return found


def _scatter(
    session: Session, flow: Flow, files: list[LakeFile]
) -> tuple[np.ndarray, np.ndarray]:
    """Brings the guided records to their buckets; their ids, ascending, and the runs they came by.
    """
    kinds = {run.run_number: run.kind for run in session.catalogue.runs()}
    of_file = {file.file_number: file.run_number for file in session.catalogue.files()}
    ids, runs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, file in enumerate(files):
        origin = rewriting.origin_of(file)
        for group, rows in enumerate(rewriting.groups(session.root, file)):
            record = rows.column("record_id").to_numpy()
            came = np.full(len(record), origin, np.int64)
            if kinds[origin] == "rerate":
                came = np.array([of_file[one] for one in (record >> 32).tolist()], np.int64)
            ids.append(record)
            runs.append(came)
            batch = suspended.cdr_batch(rows, flow.reference.names.sources)
            for name in ("normalise", "guide"):
                batch = BY_NAME[name](batch, flow.reference, None).batch
            kept = {
                "dedupe_hash": rows.column("dedupe_hash").to_numpy(),
                "bill_period": np.full(rows.num_rows, file.period, np.int32),
            }
            batch = with_columns(batch, schemas.USAGE, {
                name: int_array(np.ascontiguousarray(values)) for name, values in kept.items()
            })  # fmt: skip
            bucket = np.clip(ints(batch, "bucket"), 0, BUCKETS - 1).astype(np.int16)
            flow.usage.add((number, group), batch, bucket)
    whole = np.concatenate(ids)
    order = np.argsort(whole, kind="stable")
    return whole[order], np.concatenate(runs)[order]


_UNTOLD: Final = (
    "records of an earlier re-rating were in suspense or put together of parts: in which night\n"
    "they came, and so what was left for them, is not known any more\n"
    "    allowed: such months once, where the tariff book has balances\n"
    "    do: nothing was changed; charge what is due otherwise by hand"
)  # fmt: skip


def check(session: Session, period: int) -> None:
    """Raises TollbookError where it cannot be told any more in which night a record came."""
    reratings = {run.run_number for run in session.catalogue.runs(kind="rerate")}
    touched = None
    for file in session.catalogue.lake_files("rated"):
        if file.period >= period and rewriting.origin_of(file) in reratings:
            touched = _touched(session) if touched is None else touched
            rows = lake.read(session.root, file, ["record_id", "flags"])
            is_merged = rows.column("flags").to_numpy() & codes.FLAG_MERGED != 0
            if (is_among(rows.column("record_id").to_numpy(), touched) | is_merged).any():
                raise TollbookError(_UNTOLD)


def _touched(session: Session) -> np.ndarray:
    parts = [np.zeros(0, np.int64)]
    for file in session.catalogue.lake_files(suspense_log.DATASET):
        parts.append(lake.read(session.root, file, ["record_id"]).column("record_id").to_numpy())
    return np.unique(np.concatenate(parts))


def _noted(session: Session, flow: Flow, period: int) -> np.ndarray:
    """Accounts (bool by pool) of which late records are rated in order."""
    assert flow.slots is not None
    tables = flow.slots.names.owners
    found = np.zeros(len(tables.accounts) + 1, np.bool_)
    ids = late.noted(session.catalogue, period)
    for place, account in enumerate(tables.accounts.to_pylist()):
        if account in ids:
            found[tables.root_of_account[place]] = True
    return found


@dataclass
class _Nights:
    """ids, runs: of all records, ascending. noted: bool by pool; the last is for no pool."""

    flow: Flow
    ids: np.ndarray
    runs: np.ndarray
    noted: np.ndarray

    def rate(self, span: tuple[int, int]) -> tuple[list[Made], pa.RecordBatch]:
        """A range of buckets, night by night; and its slots as they are then (schemas.STATE)."""
        flow = self.flow
        slots = flow.slots
        assert slots is not None
        batch, held = flow.usage.collect(*span), slots.of_span(span)
        came = self.runs[np.searchsorted(self.ids, ints(batch, "record_id"))]
        came[self.noted[slots.past(held, batch).owners.pool]] = 0
        made = []
        for night in np.unique(came).tolist() or [0]:
            rows = batch.filter(pa.array(came == night))
            first = legs.settle_first(rows, flow.tariffs.agreements)
            past = slots.past(held, first.batch)
            rated = BY_NAME["rate"](first.batch, flow.tariffs.book, past)
            after = rated.state.batch()
            slots.check(held, after, rated.batch)
            settled, held = legs.without(first, rated.batch), state.sort(after)
            extra = dict(settled.extra)
            if flow.tariffs.assignment is not None:
                extra |= ratings.rate_more(
                    settled.batch, flow.tariffs.book, flow.tariffs.assignment
                ).extra
            schemas.check(settled.batch, schemas.RATED, "settle")
            made.append((settled.batch, extra))
        return made, held


def _compare(
    session: Session, run: Run, flow: Flow, after: list[pa.RecordBatch], found: Remembered,
    writes: bool,
) -> None:  # fmt: skip
    """Months of the state that are others than those in the lake."""
    slots = flow.slots
    assert slots is not None
    whole, read = pa.concat_batches(after), {one.period for one in slots.files}
    month = slots.reach.month_of(ints(whole, "item_index"), ints(whole, "since_day"))
    for period in sorted(read | set(np.unique(month).tolist())):
        new = _sorted(state.table_of(whole.filter(pa.array(month == period)), slots.names))
        if period in slots.unknown:
            new = _sorted(pa.concat_tables([new, _sorted(slots.unknown[period])]))
        files = [one for one in slots.files if one.period == period]
        old = _sorted(lake.read_all(session.root, files)) if files else new.slice(0, 0)
        if new.equals(old):
            continue
        found.months += 1
        found.superseded += [one.path for one in files]
        if writes and new.num_rows:
            found.files.append(state.write_rows(
                session.root, session.lake_prefix, run.run_number, period, new
            ))  # fmt: skip


def _sorted(table: pa.Table) -> pa.Table:
    whole = table.select(state.STORED.names).cast(state.STORED)
    return whole.sort_by([(name, "ascending") for name in _ORDER]).combine_chunks()
