"""When owners were in force, and on which plan: what the grants of their slots depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from rating.grant_kernels import Terms
from rating.tables import fixed
from tollbook.clock import DAY_S, zone_table
from tollbook.customers import CLOSED, Customers

LAST_DAY: Final = 2_932_897  # 10000-01-01: stands for "without end"


def terms_of(
    customers: Customers, subscription_of_row: np.ndarray, plan_ids: Sequence[str], zone: str
) -> tuple[Terms, Terms, Terms]:
    """The terms of subscriptions, accounts and groups; days are local days of ``zone``.

    subscription_of_row: int32 by row of ``Customers.lines``. plan_ids: those of the compiled book.
    A day that is in force in part counts whole. Rows whose status is closed are not in force; the
    terms of a group are those of its members' lines while they are in it. Visitors own nothing.
    """
    lines, groups = customers.subscriptions, customers.groups
    place = {plan: index for index, plan in enumerate(plan_ids)}
    of_plan = np.array([place.get(plan, -2) for plan in customers.plan_ids] or [-2], np.int32)
    rows = np.flatnonzero(lines.status != CLOSED)
    since, until = lines.valid_from_utc_s[rows], lines.valid_to_utc_s[rows]
    plan, member = of_plan[lines.plan_index[rows]], subscription_of_row[rows]
    count = int(subscription_of_row.max(initial=-1)) + 1
    entry, row = joined(groups.number, lines.number[rows])
    begins = np.maximum(groups.valid_from_utc_s[entry], since[row])
    ends = np.minimum(groups.valid_to_utc_s[entry], until[row])
    inside = begins < ends
    entry, row = entry[inside], row[inside]
    accounts = len(customers.accounts.account_id)
    return (
        _terms(member, count, (plan, member), (since, until), zone),
        _terms(lines.account_index[rows], accounts, (plan, member), (since, until), zone),
        _terms(groups.group_index[entry], len(groups.groups), (plan[row], member[row]),
               (begins[inside], ends[inside]), zone),
    )  # fmt: skip


def joined(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of places of equal numbers in two columns; int64."""
    order = np.argsort(right, kind="stable")
    numbers = right[order]
    first = np.searchsorted(numbers, left, side="left")
    count = np.searchsorted(numbers, left, side="right") - first
    ends = np.cumsum(count)
    place = np.arange(int(count.sum())) + np.repeat(first - (ends - count), count)
    return np.repeat(np.arange(len(left)), count), order[place]


def _terms(
    owner: np.ndarray, owners: int, of_row: tuple[np.ndarray, np.ndarray],
    span: tuple[np.ndarray, np.ndarray], zone: str,
) -> Terms:  # fmt: skip
    """of_row: plan and member. span: UTC seconds, half-open."""
    plan, member = of_row
    since, until = _days(span[0], zone), _days(span[1] - 1, zone) + 1
    order = np.lexsort((since, member, owner))
    first = np.searchsorted(owner[order], np.arange(owners + 1))
    return Terms(
        fixed(first, np.int64),
        *(fixed(column[order], np.int32) for column in (plan, since, until, member)),
    )


def _days(utc_s: np.ndarray, zone: str) -> np.ndarray:
    """Local days, in days since 1970; what lies before or behind all times is cut off."""
    table = zone_table(zone)
    utc_s = np.clip(utc_s, 0, LAST_DAY * DAY_S - 1)
    at = np.searchsorted(table.since_utc_s, utc_s, side="right") - 1
    days: np.ndarray = (utc_s + table.offset_s[at]) // DAY_S
    return days
