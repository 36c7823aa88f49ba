"""The stored usage of a month through other books: reads the lake, writes nothing into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from rating import simulate, simulated
from rating.settled import Settler
from rating.simulate import Candidate, Piece
from rating.simulated import Simulation
from rating.trial import Context
from tollbook import clock, workspace
from tollbook.customers import Customers
from tollbook.errors import NotFound
from tollbook.run import simulation_order, stored_usage
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.run.simulation_question import Question
from tollbook.run.stored_usage import Corrections, Group


def run(
    session: Session, books: Sequence[tuple[str, Context]], question: Question
) -> Simulation:
    """Prices the month's rated records by every book. Raises NotFound where there are none."""
    files = stored_usage.files_of(session, question.period)
    candidates = [
        Candidate(name, context, _moves(context, question.moves),
                  Settler.of(context.book, context.compiled.names, context.maxima))
        for name, context in books
    ]
    zone = clock.zone_table(session.workspace.operator.time_zone)
    groups = stored_usage.groups_of(session, files)
    if any(candidate.context.compiled.items for candidate in candidates):
        found = simulation_order.run(
            session, candidates, question, _customers(session), groups, zone
        )
        return _concluded(found, candidates, question)
    session.progress.start("simulate", sum(group.rows for group in groups))
    corrections = Corrections.of(session, question.period)

    def work(group: Group) -> tuple[int, simulate.Sums]:
        table = stored_usage.read_group(session, group)
        charge_micro = corrections.charges_of(table)
        piece = _piece(table, charge_micro, candidates[0].context, question.sample_ppm)
        return group.rows, simulate.simulate(piece, candidates, zone)[0]

    found = simulate.nothing(candidates)
    for rows, sums in in_order(session.threads, work, groups):
        found.add(sums)
        session.progress.advance(rows)
    session.progress.stop()
    return _concluded(found, candidates, question)


def _concluded(
    found: simulate.Sums, candidates: Sequence[Candidate], question: Question
) -> Simulation:
    if not found.cubes["service"][:, 0].any():  # every record is of a service
        raise NotFound(f"{clock.period_text(question.period)}: the sample has no account with a "
                       "rated record\n    allowed: a share that holds some\n"
                       "    do: take a larger --sample")  # fmt: skip
    return simulated.conclude(found, candidates, question.elasticity)


def _customers(session: Session) -> Customers:
    """Today's customers: who owns what records use."""
    return workspace.load_all(session.root)[2]


def _moves(context: Context, moves: Mapping[str, str]) -> np.ndarray:
    """By plan index the plan that prices it; the last entry is for -1."""
    place = {plan.plan_id: index for index, plan in enumerate(context.plans)}
    found = [place[moves.get(plan.plan_id, plan.plan_id)] for plan in context.plans]
    return np.array([*found, -1], np.int32)


def _piece(
    table: pa.Table, charge_micro: np.ndarray, context: Context, sample_ppm: int
) -> Piece:
    plans = [plan.plan_id for plan in context.plans]
    columns = stored_usage.columns_of(table, context.words, plans)
    account, accounts = stored_usage.accounts_of(table)
    if sample_ppm < stored_usage.WHOLE_PPM:
        rows = np.flatnonzero(stored_usage.sampled(accounts, sample_ppm)[account])
        columns = {name: column[rows] for name, column in columns.items()}
        account, charge_micro = account[rows], charge_micro[rows]
    return Piece(columns, charge_micro, account, accounts)
