"""Recurring charges of a period: subscriptions x plans -> lines, prorated by days, exact.

What is billed
* A charge ``in: arrears`` is billed for the billed month. A charge ``in: advance`` is billed for
  the month after it, and for the billed month as far as that was not billed before (a line that
  began in it, or the operator's first bill run).
* A line says which days of which month it is for. What a subscription owes for a month is worked
  out anew from the customer data at hand, and compared with what earlier bills already charged:
  days that are charged already make no line; days that changed since (a line that ended, a change
  of plan) are taken back with exactly the amount that was charged, and charged anew.

Days
* ``days_of_month``: price x days in force / days of that month, the first and the last day counted,
  rounded half_up to the currency's digits, once per line. ``none``: the whole price, once for a
  subscription, plan and month, if any day is in force; the price is that of the first such day.
* A day on which a plan changes belongs to the plan in force at its end. Rows of one subscription,
  account and plan that follow on each other (a new number, a suspension) count as one.
* Suspended subscriptions pay like active ones (the number stays reserved); closed ones do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing.amounts import AmountTooLarge, share_half_up
from tariffs.model import Book, Plan, Recurring, Version
from tollbook import clock, schemas
from tollbook.customers import CLOSED, Customers
from tollbook.errors import NotFound

BY_DAYS: Final = "days_of_month"
_PRICE_LIMIT_MICRO: Final = 10**16  # times 31 days it stays below the limit of a charge
_KEY: Final = (
    "account_id", "subscription_id", "plan", "charge", "service_period", "first_day", "last_day",
)  # fmt: skip


@dataclass(frozen=True)
class Spans:
    """Days on which subscriptions are on a plan; same index = same row.

    ``first`` and ``end`` are int64 days since 1970 in the operator's zone, half-open.
    """

    subscription_id: pa.Array
    subscription_code: np.ndarray  # int32, below ``code_count``
    account_id: pa.Array
    plan_index: np.ndarray
    first: np.ndarray
    end: np.ndarray
    plan_ids: tuple[str, ...]
    code_count: int


@dataclass(frozen=True)
class _Rent:
    """A recurring charge of a plan over days of one month, half-open, since 1970."""

    plan_id: str
    charge: Recurring
    month: int
    first: int
    end: int


def recurring_lines(
    customers: Customers,
    book: Book,
    period: int,
    time_zone: str,
    digits: int,
    billed_before: pa.Table | None = None,
) -> pa.Table:
    """Lines of ``schemas.RECURRING_LINE``, sorted by account, subscription, month, days, plan.

    period: the billed month (``clock.month_index``). time_zone: the operator's.
    billed_before: recurring lines of all earlier bills (``schemas.RECURRING_LINE`` or the lines of
    kind ``recurring`` of ``schemas.BILL_LINE``); only those for ``period`` and later matter.
    Raises NotFound for a plan that the book lacks, AmountTooLarge for a price that does not fit.
    """
    spans = day_spans(customers, period, time_zone)
    known = {plan.plan_id for plan in book.plans}
    missing = [spans.plan_ids[i] for i in np.unique(spans.plan_index) if
               spans.plan_ids[i] not in known]  # fmt: skip
    if missing:
        raise NotFound(
            f"customers/subscriptions.csv: plans without a tariff: {', '.join(missing)}\n"
            f"    allowed: {', '.join(sorted(known))}\n"
            "    do: add the plans to tariffs/, or put the subscriptions on another plan"
        )
    wanted = [line for plan in book.plans for line in _lines_of(spans, plan, period, digits)]
    lines = pa.concat_tables([schemas.RECURRING_LINE.empty_table(), *wanted])
    if billed_before is not None and billed_before.num_rows:
        lines = _difference(lines, _as_recurring(billed_before), period)
    return lines.sort_by([(name, "ascending") for name in (
        "account_id", "subscription_id", "service_period", "first_day", "plan", "charge",
        "last_day", "amount_micro")])  # fmt: skip


def day_spans(customers: Customers, period: int, time_zone: str) -> Spans:
    """Days of the subscriptions that are not closed, cut to the billed month and the next."""
    rows = customers.subscriptions
    start, stop = (
        clock.period_bounds_utc_s(period, time_zone)[0],
        clock.period_bounds_utc_s(period + 1, time_zone)[1],
    )
    first = _local_days(np.clip(rows.valid_from_utc_s, start, stop), time_zone)
    end = _local_days(np.clip(rows.valid_to_utc_s, start, stop) - 1, time_zone) + 1
    encoded = rows.subscription_id.dictionary_encode()
    code = encoded.indices.to_numpy()
    order = np.lexsort((rows.valid_from_utc_s, code))
    code, first, end = code[order], first[order], end[order]
    follows = code[1:] == code[:-1]
    end[:-1] = np.where(follows, np.minimum(end[:-1], first[1:]), end[:-1])
    keep = np.flatnonzero((end > first) & (rows.status[order] != CLOSED))
    order, code, first, end = order[keep], code[keep], first[keep], end[keep]
    plan, account = rows.plan_index[order], rows.account_index[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (
        (code[1:] != code[:-1]) | (plan[1:] != plan[:-1]) | (account[1:] != account[:-1])
        | (first[1:] != end[:-1])
    )  # fmt: skip
    at = np.flatnonzero(begins)
    last = np.append(at[1:], len(order))[: len(at)] - 1
    return Spans(
        rows.subscription_id.take(pa.array(order[at])), code[at],
        customers.accounts.account_id.take(pa.array(account[at])), plan[at],
        first[at], end[last], customers.plan_ids, len(encoded.dictionary),
    )  # fmt: skip


def _local_days(utc_s: np.ndarray, time_zone: str) -> np.ndarray:
    table = clock.zone_table(time_zone)
    offset = table.offset_s[np.searchsorted(table.since_utc_s, utc_s, side="right") - 1]
    days: np.ndarray = (utc_s + offset) // clock.DAY_S
    return days


def _month_days(month: int) -> tuple[int, int]:
    """First day of a month and of the next, since 1970."""
    first, end = (
        date(index // 12, index % 12 + 1, 1).toordinal() - clock.EPOCH_DAY
        for index in (month, month + 1)
    )
    return first, end


def _rents(plan: Plan, period: int) -> list[_Rent]:
    """The plan's charges in the months that are billed; an edition that keeps a charge as it was
    does not cut it in two."""
    found: list[_Rent] = []
    for version in plan.versions:
        for charge in version.recurring:
            for month in (period, period + 1) if charge.in_advance else (period,):
                rent = _rent(plan.plan_id, version, charge, month)
                if rent is None:
                    continue
                before = next((
                    r for r in found
                    if r.month == month and r.end == rent.first and _same(r.charge, charge)
                ), None)  # fmt: skip
                if before is not None:
                    found.remove(before)
                    rent = _Rent(plan.plan_id, charge, month, before.first, rent.end)
                found.append(rent)
    return found


def _rent(plan_id: str, version: Version, charge: Recurring, month: int) -> _Rent | None:
    first, end = _month_days(month)
    first = max(first, version.valid_from.toordinal() - clock.EPOCH_DAY)
    if version.valid_to is not None:
        end = min(end, version.valid_to.toordinal() - clock.EPOCH_DAY)
    return _Rent(plan_id, charge, month, first, end) if first < end else None


def _same(one: Recurring, other: Recurring) -> bool:
    def terms(charge: Recurring) -> tuple[str, int, bool, str, str]:
        return (charge.name, charge.price_micro, charge.in_advance, charge.prorate,
                charge.tax_class)  # fmt: skip

    return terms(one) == terms(other)


def _lines_of(spans: Spans, plan: Plan, period: int, digits: int) -> list[pa.Table]:
    """The lines of one plan: one for each span and recurring charge that share days."""
    if plan.plan_id not in spans.plan_ids:
        return []
    on_plan = np.flatnonzero(spans.plan_index == spans.plan_ids.index(plan.plan_id))
    charged_whole: dict[tuple[str, int], np.ndarray] = {}
    found = []
    for rent in sorted(_rents(plan, period), key=lambda rent: rent.first):
        first = np.maximum(spans.first[on_plan], rent.first)
        end = np.minimum(spans.end[on_plan], rent.end)
        use = end > first
        if rent.charge.prorate != BY_DAYS:
            charged = charged_whole.setdefault(
                (rent.charge.name, rent.month), np.zeros(spans.code_count, np.bool_)
            )
            code = spans.subscription_code[on_plan]
            use &= ~charged[code]
            touched = np.flatnonzero(use)
            earliest = touched[np.unique(code[touched], return_index=True)[1]]
            use = np.zeros(len(use), np.bool_)
            use[earliest] = True
            charged[code[earliest]] = True
        found.append(_rent_lines(spans, rent, on_plan[use], first[use], end[use], digits))
    return found


def _rent_lines(
    spans: Spans, rent: _Rent, rows: np.ndarray, first: np.ndarray, end: np.ndarray, digits: int
) -> pa.Table:
    """One line for each of the spans ``rows``, in force from ``first`` to ``end``."""
    month_first, month_end = _month_days(rent.month)
    charge, count = rent.charge, len(rows)
    if charge.price_micro > _PRICE_LIMIT_MICRO:
        raise AmountTooLarge(f"recurring charge '{charge.name}' of plan '{rent.plan_id}'")
    by_days = charge.prorate == BY_DAYS
    days = end - first if by_days else np.ones(count, np.int64)
    amounts = share_half_up(
        days * charge.price_micro, 1, month_end - month_first if by_days else 1, digits, charge.name
    )

    def same(value: str | int, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count)

    return pa.table([
        spans.account_id.take(pa.array(rows)),
        spans.subscription_id.take(pa.array(rows)),
        same(rent.plan_id, pa.string()),
        same(charge.name, pa.string()),
        same(charge.tax_class, pa.string()),
        same(rent.month, pa.int32()),
        pa.array((first - month_first + 1).astype(np.int32)),
        pa.array((end - month_first).astype(np.int32)),
        pa.array(amounts),
    ], schema=schemas.RECURRING_LINE)  # fmt: skip


def _as_recurring(lines: pa.Table) -> pa.Table:
    """Recurring lines out of bill lines, if that is what they are."""
    if "kind" in lines.schema.names:
        lines = lines.filter(pc.equal(lines.column("kind"), "recurring"))
        lines = lines.rename_columns(
            ["charge" if name == "item" else name for name in lines.schema.names]
        )
    return lines.select(schemas.RECURRING_LINE.names).cast(schemas.RECURRING_LINE)


def _difference(wanted: pa.Table, before: pa.Table, period: int) -> pa.Table:
    """Lines that bring what was billed to what is wanted, days by days."""
    before = before.filter(pc.greater_equal(before.column("service_period"), period))
    key = [*_KEY, "tax_class"]
    net = before.group_by(key).aggregate([("amount_micro", "sum")])
    net = net.rename_columns({"amount_micro_sum": "before_micro"})
    both = wanted.join(net, key, join_type="full outer")
    now = pc.fill_null(both.column("amount_micro"), 0).to_numpy()
    then = pc.fill_null(both.column("before_micro"), 0).to_numpy()
    same = now == then
    new = both.filter(pa.array(~same & (now != 0)))
    gone = both.filter(pa.array(~same & (then != 0)))
    gone = gone.set_column(
        gone.schema.get_field_index("amount_micro"),
        "amount_micro", pc.negate(gone.column("before_micro")),
    )  # fmt: skip
    return pa.concat_tables([
        part.select(schemas.RECURRING_LINE.names).cast(schemas.RECURRING_LINE)
        for part in (new, gone)
    ])  # fmt: skip


