"""Who owns what a record uses: its subscription, its account, its group, and the root of its pool.

Made only for tariff books that remember something. Accounts whose lines are in one group share a
pool if the book has items of groups: then they lie in one bucket, and their records in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.grant_kernels import Terms
from rating.memory import Owners
from rating.owner_terms import joined, terms_of
from rating.tables import account_buckets, fixed
from tollbook.customers import Customers, Subscriptions
from tollbook.customers_members import Groups
from tollbook.stage import ints


@dataclass(frozen=True)
class OwnerTables:
    """Owners of a run's reference data, by their indices.

    subscription_of_row: int32 by row of ``Customers.lines``, and -1 behind the last: the same
    subscription is one number. subscriptions: their ids, utf8. account_of_subscription: int32.
    accounts: utf8. root_of_account: int32, the account that stands for its pool.
    bucket_of_account: int16. terms: of subscriptions, accounts and groups, when they were in force.
    groups: their names. root_of_group: int32, -1: no line of ours is in it. members: who is in
    which group; None: the book has no items of groups.
    """

    subscription_of_row: np.ndarray
    subscriptions: pa.Array
    account_of_subscription: np.ndarray
    accounts: pa.Array
    root_of_account: np.ndarray
    bucket_of_account: np.ndarray
    terms: tuple[Terms, Terms, Terms]
    groups: tuple[str, ...] = ()
    root_of_group: np.ndarray | None = None
    members: Members | None = None

    def bucket_of(self, owner_kind: np.ndarray, owner_index: np.ndarray) -> np.ndarray:
        """Where the records of an owner lie; int16, -1: nowhere. Kinds: memory_model.OWNERS."""
        found = np.append(self.bucket_of_account, np.int16(-1))
        buckets: np.ndarray = found[self.root_of(owner_kind, owner_index)]
        return buckets

    def root_of(self, owner_kind: np.ndarray, owner_index: np.ndarray) -> np.ndarray:
        """The account that stands for an owner's pool; int32, -1: none."""
        of_subscription = self.root_of_account[self.account_of_subscription]
        of_group = np.full(0, -1, np.int32) if self.root_of_group is None else self.root_of_group
        root = np.full(len(owner_index), -1, np.int32)
        for kind, table in enumerate((of_subscription, self.root_of_account, of_group)):
            chosen = (owner_kind == kind) & (owner_index >= 0) & (owner_index < len(table))
            root[chosen] = table[owner_index[chosen]]
        return root


@dataclass(frozen=True)
class Members:
    """Rows of groups.csv by number, and those of a number by the name of the group."""

    number: np.ndarray  # int64, ascending
    group_index: np.ndarray  # int32
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64

    def group_at(self, number: np.ndarray, at_utc_s: np.ndarray) -> np.ndarray:
        """The first group, by name, that a number is in at a time; int32, -1: none."""
        place = np.searchsorted(self.number, number)
        found = np.full(len(number), -1, np.int32)
        rows = np.flatnonzero(place < len(self.number))
        while len(rows):
            at = place[rows]
            same = self.number[at] == number[rows]
            rows, at = rows[same], at[same]
            holds = self.valid_from_utc_s[at] <= at_utc_s[rows]
            holds &= at_utc_s[rows] < self.valid_to_utc_s[at]
            found[rows[holds]] = self.group_index[at[holds]]
            rows = rows[~holds]
            place[rows] += 1
            rows = rows[place[rows] < len(self.number)]
        return found


def build(
    customers: Customers, with_groups: bool, plan_ids: Sequence[str], zone: str
) -> OwnerTables:
    """The owners of a run.

    with_groups: whether the book has items that groups own. plan_ids: of the compiled book; zone:
    in whose days customers come and go.
    """
    lines = customers.lines.subscription_id.dictionary_encode()
    of_row = np.append(lines.indices.to_numpy(), np.int32(-1)).astype(np.int32)
    account = np.zeros(len(lines.dictionary), np.int32)
    account[of_row[:-1]] = customers.lines.account_index  # a subscription has one account
    terms = terms_of(customers, of_row[:-1], plan_ids, zone)
    ids, groups = customers.accounts.account_id, customers.groups
    bucket, root = account_buckets(ids), np.arange(len(ids), dtype=np.int32)
    if not with_groups:
        return OwnerTables(fixed(of_row), lines.dictionary, fixed(account), ids, fixed(root),
                           fixed(bucket), terms)  # fmt: skip
    which, joined = _accounts_in(groups, customers.subscriptions)
    root = _roots(ids, which, joined)
    of_group = np.full(len(groups.groups), -1, np.int32)
    of_group[which] = root[joined]
    order = np.lexsort((groups.valid_from_utc_s, groups.group_index, groups.number))
    return OwnerTables(
        fixed(of_row), lines.dictionary, fixed(account), ids, fixed(root), fixed(bucket[root]),
        terms, groups.groups, fixed(of_group),
        Members(*(fixed(column[order]) for column in (
            groups.number, groups.group_index, groups.valid_from_utc_s, groups.valid_to_utc_s,
        ))),
    )  # fmt: skip


def of_rows(batch: pa.RecordBatch, tables: OwnerTables) -> Owners:
    """The owners of rows of schemas.USAGE."""
    account = ints(batch, "account_index")
    if tables.members is None:
        group = np.full(batch.num_rows, -1, np.int32)
    else:
        group = tables.members.group_at(ints(batch, "served_e164"), ints(batch, "start_utc_s"))
        group[account < 0] = -1
    return Owners(
        np.append(tables.root_of_account, np.int32(-1))[account],
        tables.subscription_of_row[ints(batch, "subscription_index")], account, group,
        tables.terms,
    )  # fmt: skip


def _accounts_in(groups: Groups, lines: Subscriptions) -> tuple[np.ndarray, np.ndarray]:
    """Which accounts have, or had at any time, a number of a group: pairs (group, account)."""
    entry, row = joined(groups.number, lines.number)
    return groups.group_index[entry], lines.account_index[row]


def _roots(ids: pa.Array, group: np.ndarray, account: np.ndarray) -> np.ndarray:
    """For each account the one with the lowest id of all that groups join it with; int32.

    By id, not by row: the order of the file must not decide where an account's records lie.
    """
    by_id = pc.sort_indices(ids).to_numpy().astype(np.int64)
    rank = np.empty(len(ids), np.int64)
    rank[by_id] = np.arange(len(ids))
    label = np.arange(len(ids))
    member = rank[account]
    while True:
        low = np.full(int(group.max(initial=-1)) + 1, len(ids), np.int64)
        np.minimum.at(low, group, label[member])
        joined = label.copy()
        np.minimum.at(joined, member, low[group])
        joined = joined[joined]
        if np.array_equal(joined, label):
            roots: np.ndarray = by_id[label[rank]].astype(np.int32)
            return roots
        label = joined
