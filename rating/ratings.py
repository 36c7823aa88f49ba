"""Further ratings of a record: what a reseller pays, what carriers charge and owe (ADR 0012)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from rating.find_kernels import Usage
from rating.rate import ALL_DIRECTIONS, FAULTS, charges
from tariffs.compiler import CompiledBook
from tollbook import codes, money, reasons, schemas
from tollbook.customers import Accounts
from tollbook.network import Network
from tollbook.stage import StageResult, int_array, ints

RESELLER, BUY, SELL = (codes.RATING_KINDS.index(word) for word in ("reseller", "buy", "sell"))
TRUNK_OF: Final = {BUY: "trunk_out_index", SELL: "trunk_in_index"}
CARRIED: Final = reasons.CODE["carried_for_others"]
_COPIED: Final = ("record_id", "start_utc_s", "usage_period")


@dataclass(frozen=True)
class Assignment:
    """Which plan makes which further rating; plan indices are those of the compiled book.

    account_plan: int32 by account, the plan that its reseller is on, -1: none.
    carrier_of_trunk: int32 by row of network/trunks.csv. rows: kind, carrier, plan and validity,
    those of network/ratings.csv.
    """

    account_plan: np.ndarray
    carrier_of_trunk: np.ndarray
    rows: tuple[tuple[int, int, int, int, int], ...]

    @property
    def is_empty(self) -> bool:
        """Whether no record has a further rating."""
        return not self.rows and not len(self.account_plan)


def plan_ids(accounts: Accounts, network: Network, customers: Sequence[str]) -> tuple[str, ...]:
    """The plans of subscriptions, and behind them those that only further ratings name."""
    more = (*accounts.reseller_plans, *network.ratings.plans)
    return (*customers, *dict.fromkeys(plan for plan in more if plan not in customers))


def assign(accounts: Accounts, network: Network, compiled: CompiledBook) -> Assignment:
    """The further ratings of an operator's accounts and carriers."""
    place = {plan: index for index, plan in enumerate(compiled.plan_ids)}
    by_reseller = np.array([*(place[plan] for plan in accounts.reseller_plans), -1], np.int32)
    found, plans = network.ratings, network.ratings.plans
    rows = zip(
        found.kind.tolist(), found.carrier_index.tolist(),
        (place[plans[plan]] for plan in found.plan_index.tolist()),
        found.valid_from_utc_s.tolist(), found.valid_to_utc_s.tolist(), strict=True,
    )  # fmt: skip
    named = accounts.reseller_plans
    return Assignment(
        by_reseller[accounts.reseller_plan] if named else np.zeros(0, np.int32),
        np.append(network.trunks.carrier_index, np.int32(-1)), tuple(rows),
    )


def rate_more(
    batch: pa.RecordBatch, compiled: CompiledBook, assignment: Assignment
) -> StageResult:
    """Rows of ``schemas.RATED`` -> the same rows, and ``schemas.RATING`` as extra ``ratings``.

    Rated rows get each rating that the assignment has for them, transit those of its carriers. A
    rating without a price has its reason and no charge; the row itself stays as it is.
    totals: ratings, ratings_missing (those with a reason), ratings_micro.
    """
    schemas.check(batch, schemas.RATED, "ratings")
    found = [_rating(batch, compiled, assignment, kind) for kind in (RESELLER, BUY, SELL)]
    table = pa.Table.from_batches(found, schema=schemas.RATING).combine_chunks()
    pieces = table.to_batches()
    made = pieces[0] if pieces else found[0]
    order = pa.array(np.argsort(ints(made, "record_id"), kind="stable"))
    made = made.take(order)
    return StageResult(batch, extra={"ratings": made}, totals={
        "ratings": made.num_rows,
        "ratings_missing": int(np.count_nonzero(ints(made, "reason"))),
        "ratings_micro": money.exact_sum(ints(made, "charge_micro")),
    })  # fmt: skip


def plans_of(batch: pa.RecordBatch, assignment: Assignment, kind: int) -> np.ndarray:
    """The plan that makes a rating of each row; int32, -1: the row has no such rating."""
    reason = ints(batch, "reason")
    plan = np.full(batch.num_rows, -1, np.int32)
    if kind == RESELLER:
        if len(assignment.account_plan):
            account = ints(batch, "account_index")
            plan = np.where(account >= 0, assignment.account_plan[account], plan)
        return np.where(reason == 0, plan, np.int32(-1))
    carrier = assignment.carrier_of_trunk[ints(batch, TRUNK_OF[kind])]
    start = ints(batch, "start_utc_s")
    for its_kind, its_carrier, its_plan, since, until in assignment.rows:
        if its_kind == kind:
            holds = (carrier == its_carrier) & (since <= start) & (start < until)
            plan[holds] = its_plan
    return np.where((reason == 0) | (reason == CARRIED), plan, np.int32(-1))


def _rating(
    batch: pa.RecordBatch, compiled: CompiledBook, assignment: Assignment, kind: int
) -> pa.RecordBatch:
    """The ratings of one kind."""
    plan = plans_of(batch, assignment, kind)
    rows = np.flatnonzero(plan >= 0)
    columns = {name: ints(batch, name)[rows] for name in Usage._fields}
    columns["plan_index"] = plan[rows]
    for column in columns.values():
        column.setflags(write=False)
    out = charges(
        compiled, Usage(**columns), np.zeros(len(rows), np.int16),
        FAULTS._replace(passed_by=ALL_DIRECTIONS),
    )  # fmt: skip
    new = {
        "rating_kind": np.full(len(rows), kind, np.int8),
        "plan_index": columns["plan_index"],
        "version_index": out.version_index,
        "rule_index": out.rule_index,
        "reason": out.reason,
        "charge_micro": out.total_micro,
        **{name: ints(batch, name)[rows] for name in _COPIED},
        **{name: np.zeros(len(rows), np.int64) for name in schemas.CHARGE_COLUMNS},
        **dict(zip(schemas.CHARGE_COLUMNS, out.charge_micro, strict=False)),
    }
    return pa.RecordBatch.from_arrays(
        [int_array(np.ascontiguousarray(new[field.name])) for field in schemas.RATING],
        schema=schemas.RATING,
    )
