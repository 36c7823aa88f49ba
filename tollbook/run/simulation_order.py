"""A simulation of books that remember something: a month's records in the order of their owners.

The month is read in passes, each for some owners, so that memory does not grow with it. Within a
pass the records lie by pool, and each pool goes through night by night as it was rated: what came
late meets what was left then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import owners, selectors, simulate
from rating.guide_kernels import BUCKET_COUNT
from rating.hash_kernels import TextTable, find_texts
from rating.memory import Past
from rating.owners import OwnerTables
from rating.settled import Volumes
from rating.simulate import Candidate, Piece, Sums
from rating.tables import text_table, texts_of
from rating.trial import Context
from rating.trial_stated import batch_of
from tariffs.compile_memory import MemoryTables
from tariffs.item_kernels import MONTH
from tollbook.clock import ZoneTable
from tollbook.customers import Customers
from tollbook.run import lake, rewriting, stored_usage
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.run.simulation_balances import Balances, spans_of
from tollbook.run.simulation_question import Question
from tollbook.run.simulation_turns import Turns
from tollbook.run.simulation_uses import Reading
from tollbook.run.state import DATASET
from tollbook.run.state_reach import Reach, first_day_of
from tollbook.run.stored_usage import Corrections, Group

ROWS_AT_ONCE: Final = 8_000_000
PARTS: Final = 64  # of the buckets; one is rated by one thread
_BUCKETS_A_PART: Final = BUCKET_COUNT // PARTS
_START_BITS: Final = 40  # of a start in UTC seconds, behind the number of a subscription
_PAST: Final = -(1 << 39)  # no start is earlier

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Holder:
    """What finds the customers of stored records. account, subscription: by id; row: of
    ``Customers.lines``, ordered by subscription and validity, with ``key`` beside it."""

    customers: Customers
    tables: OwnerTables
    account: TextTable
    subscription: TextTable
    row: np.ndarray
    key: np.ndarray

    @classmethod
    def of(cls, customers: Customers, tables: OwnerTables) -> Holder:
        lines = customers.lines
        since = np.maximum(lines.valid_from_utc_s, _PAST) - _PAST
        key = tables.subscription_of_row[:-1].astype(np.int64) << _START_BITS
        key |= np.minimum(since, (1 << _START_BITS) - 1)
        row = np.argsort(key, kind="stable")
        return cls(customers, tables, text_table(tables.accounts),
                   text_table(tables.subscriptions), row, key[row])  # fmt: skip

    def rows_of(self, subscription: np.ndarray, start_utc_s: np.ndarray) -> np.ndarray:
        """The row of ``Customers.lines`` that was in force; int32, -1: none."""
        wanted = subscription.astype(np.int64) << _START_BITS | (start_utc_s - _PAST)
        place = np.searchsorted(self.key, wanted, "right") - 1
        row = self.row[np.maximum(place, 0)]
        is_same = (place >= 0) & (self.tables.subscription_of_row[row] == subscription)
        is_same &= subscription >= 0
        is_same &= start_utc_s < self.customers.lines.valid_to_utc_s[row]
        return np.where(is_same, row, -1).astype(np.int32)


def run(
    session: Session, candidates: Sequence[Candidate], question: Question, customers: Customers,
    groups: Sequence[Group], zone: ZoneTable,
) -> Sums:  # fmt: skip
    """Prices the month's records by every book, each owner's in order."""
    time_zone = session.workspace.operator.time_zone
    candidates = [_chosen(candidate, customers, time_zone) for candidate in candidates]
    memories = [candidate.context.compiled.memory for candidate in candidates]
    has_groups = any(memory is not None and memory.has_groups for memory in memories)
    plans = candidates[0].context.compiled.plan_ids
    holder = Holder.of(customers, owners.build(customers, has_groups, plans, time_zone))
    turns = Turns.of(session, question.period, customers, holder.tables)
    remembered = _remembered(session, candidates, question, holder, turns)
    reader = _Reader(session, groups, candidates[0].context, question, holder, turns,
                     Corrections.of(session, question.period))  # fmt: skip
    found = simulate.nothing(candidates)
    rows = sum(group.rows for group in groups)
    passes = max(1, -(-rows // ROWS_AT_ONCE))
    session.progress.start("simulate", rows * passes)
    for number in range(passes):
        parts = range(number * PARTS // passes, (number + 1) * PARTS // passes)
        laid = reader.read(parts)

        def work(part: int, laid: dict[int, list[tuple[int, Columns]]] = laid) -> Sums:
            return _simulate(part, laid.pop(part, []), candidates, remembered, holder, zone)

        for sums in in_order(session.threads, work, parts):
            found.add(sums)
    session.progress.stop()
    return found


def _chosen(candidate: Candidate, customers: Customers, time_zone: str) -> Candidate:
    """A candidate whose discounts know whom they are for."""
    context = candidate.context
    compiled = selectors.choose(context.compiled, context.book.discounts, customers, time_zone)
    return replace(candidate, context=replace(context, compiled=compiled))


def _remembered(
    session: Session, candidates: Sequence[Candidate], question: Question, holder: Holder,
    turns: Turns,
) -> list[Balances | None]:  # fmt: skip
    """By candidate its owners, on the plans that it moves them to, and what they had used."""
    memories = [candidate.context.compiled.memory for candidate in candidates]
    month = question.period, first_day_of(question.period)
    today, uses = None, None
    going_on = [memory for memory in memories if memory is not None and _goes_on(memory)]
    files = session.catalogue.lake_files(DATASET) if going_on else []
    if files:
        today = lake.read_all(session.root, files)
        uses = Reading(
            session, question.period, turns, holder.tables.accounts, _items(going_on)
        ).uses()
    customers = holder.customers
    moved = tuple(question.moves.get(plan, plan) for plan in customers.plan_ids)
    found: list[Balances | None] = []
    for candidate, memory in zip(candidates, memories, strict=True):
        if memory is None:
            found.append(None)
            continue
        tables = owners.build(
            replace(customers, plan_ids=moved), holder.tables.members is not None,
            candidate.context.compiled.plan_ids, session.workspace.operator.time_zone,
        )  # fmt: skip
        if today is None or uses is None or not _goes_on(memory):
            found.append(Balances(tables, memory, {}))
        else:
            found.append(Balances.of(tables, memory, today, uses, month, _BUCKETS_A_PART))
    return found


def _goes_on(memory: MemoryTables) -> bool:
    """Whether balances may be used by records of other months, too."""
    reach = Reach.of(memory.tables.entries, len(memory.item_names))
    return bool(reach.back or reach.is_once.any())


def _items(memories: Sequence[MemoryTables]) -> dict[str, bool]:
    """Items -> whether each bill month has a balance of its own, under all of these books."""
    found: dict[str, bool] = {}
    for memory in memories:
        for name, span in zip(memory.item_names, spans_of(memory).tolist(), strict=True):
            found[name] = found.get(name, True) and span == MONTH
    return found


@dataclass(frozen=True)
class _Reader:
    """Brings a month's records to their parts, each with the run in whose turn it was rated."""

    session: Session
    groups: Sequence[Group]
    context: Context
    question: Question
    holder: Holder
    turns: Turns
    corrections: Corrections

    def read(self, parts: range) -> dict[int, list[tuple[int, Columns]]]:
        """The records of some parts: part -> (run, columns)."""
        laid: dict[int, list[tuple[int, Columns]]] = {}

        def work(group: Group) -> list[tuple[int, Columns]]:
            return list(self._of_group(group, parts))

        done = in_order(self.session.threads, work, self.groups)
        for group, pieces in zip(self.groups, done, strict=True):
            for part, columns in pieces:
                laid.setdefault(part, []).extend(_by_run(columns))
            self.session.progress.advance(group.rows)
        return laid

    def _of_group(self, group: Group, parts: range) -> Iterator[tuple[int, Columns]]:
        holder, plans = self.holder, [plan.plan_id for plan in self.context.plans]
        table = stored_usage.read_group(self.session, group, stored_usage.OWNED)
        columns = stored_usage.columns_of(table, self.context.words, plans, stored_usage.OWNED)
        account, accounts = stored_usage.accounts_of(table)
        columns["account_index"] = _found(holder.account, accounts)[account]
        lines, ids = stored_usage.subscriptions_of(table)
        columns["subscription_index"] = holder.rows_of(
            _found(holder.subscription, ids)[lines], columns["start_utc_s"]
        )
        columns["charge_micro"] = self.corrections.charges_of(table)
        columns["bill_period"] = np.full(table.num_rows, self.question.period, np.int32)
        columns["run"] = self.turns.of_rows(
            columns["account_index"], rewriting.night_of(group.file)
        )
        yield from _split(columns, holder, parts, self.question, accounts, account)


def _by_run(columns: Columns) -> Iterator[tuple[int, Columns]]:
    """The rows of each run in whose turn they are rated."""
    runs = columns.pop("run")
    for number in np.unique(runs).tolist():
        chosen = runs == number
        yield number, {name: column[chosen] for name, column in columns.items()}


def _found(table: TextTable, texts: pa.Array) -> np.ndarray:
    """Positions of texts in a table; int32, -1 where they are not in it."""
    found = np.empty(len(texts), np.int32)
    find_texts(table, texts_of(texts), found)
    return np.maximum(found, -1)


def _pools(holder: Holder, accounts: pa.Array) -> pa.Array:
    """The account that stands for the pool of each; one that nobody knows today is its own."""
    place = _found(holder.account, accounts)
    root = holder.tables.root_of_account[np.maximum(place, 0)]
    return pc.if_else(pa.array(place >= 0), holder.tables.accounts.take(pa.array(root)), accounts)


def _split(
    columns: Columns, holder: Holder, parts: range, question: Question, accounts: pa.Array,
    account: np.ndarray,
) -> Iterator[tuple[int, Columns]]:  # fmt: skip
    """The rows of each part. Accounts that nobody knows today share the first part."""
    buckets = np.append(holder.tables.bucket_of_account, np.int16(0))
    part = buckets[columns["account_index"]] // _BUCKETS_A_PART
    chosen = (part >= parts.start) & (part < parts.stop)
    if question.sample_ppm < stored_usage.WHOLE_PPM:  # accounts of a pool together, or not at all
        pools = _pools(holder, accounts)
        chosen &= stored_usage.sampled(pools, question.sample_ppm)[account]
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return
    rows = rows[np.argsort(part[rows], kind="stable")]
    found, starts = np.unique(part[rows], return_index=True)
    for number, low, high in zip(found.tolist(), starts, [*starts[1:], len(rows)], strict=True):
        yield number, {name: column[rows[low:high]] for name, column in columns.items()}


def _simulate(
    part: int, pieces: list[tuple[int, Columns]], candidates: Sequence[Candidate],
    remembered: Sequence[Balances | None], holder: Holder, zone: ZoneTable,
) -> Sums:  # fmt: skip
    """One part's records, night by night."""
    found = simulate.nothing(candidates)
    states = [None if one is None else one.state_of(part) for one in remembered]
    volumes = [
        None if one.settler is None else Volumes(one.settler, one.context.compiled)
        for one in candidates
    ]
    runs = sorted({number for number, _ in pieces})
    for before, number in zip([0, *runs], runs, strict=False):
        of_run = [columns for run, columns in pieces if run == number]
        columns = {name: np.concatenate([one[name] for one in of_run]) for name in of_run[0]}
        piece = _piece(columns, holder)
        batch = batch_of(columns, len(piece.charge_micro))
        states = [
            None if one is None or state is None else one.until(state, part, (before, number))
            for one, state in zip(remembered, states, strict=True)
        ]
        past = [
            None if one is None or state is None
            else Past(owners.of_rows(batch, one.tables), state)
            for one, state in zip(remembered, states, strict=True)
        ]  # fmt: skip
        sums, after = simulate.simulate(piece, candidates, zone, past, volumes)
        states = [new or old for new, old in zip(after, states, strict=True)]
        found.add(sums)
    first_utc_s = [int(columns["start_utc_s"].min()) for _, columns in pieces]
    for place, state in enumerate(states):
        if state is not None and first_utc_s:
            simulate.count_slots(found.bundles[place], state, min(first_utc_s))
    found.settled = [one.settled_micro() if one else 0 for one in volumes]
    return found


def _piece(columns: Columns, holder: Holder) -> Piece:
    known, account = np.unique(columns["account_index"], return_inverse=True)
    ids = holder.tables.accounts.take(pa.array(known, mask=known < 0)).fill_null("")
    return Piece(columns, columns["charge_micro"], account.astype(np.int32), ids)
