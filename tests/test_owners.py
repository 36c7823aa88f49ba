"""Owners of what is used: subscriptions, accounts, groups, and whom groups join in one pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from rating_helpers import batch_of

from rating import owners
from rating.tables import account_buckets
from tollbook import schemas
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.customers import Accounts, Customers, Subscriptions
from tollbook.customers_members import Groups

# Lines: (subscription, account, number). S-1 has had two numbers; A-3 took over A-2's old number.
LINES = (("S-1", 0, 11), ("S-1", 0, 12), ("S-2", 1, 22), ("S-3", 2, 22), ("S-4", 3, 44))


def customers_of(
    ids: list[str], lines: list[tuple[str, int, int]],
    members: list[tuple[str, int, int, int]] = (),
) -> Customers:  # fmt: skip
    """members: (group, number, from, to)."""
    count = len(lines)
    names = tuple(sorted({group for group, *_ in members}))
    texts, nothing = pa.array(ids, pa.string()), np.zeros(count, np.int64)
    return Customers(
        Accounts(texts, texts, texts, texts, np.zeros(len(ids), bool),
                 np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)),
        Subscriptions(
            pa.array([line[0] for line in lines], pa.string()),
            np.array([line[1] for line in lines], np.int32),
            np.array([line[2] for line in lines], np.int64),
            nothing, nothing.astype(np.int32), nothing.astype(np.int8), nothing, nothing,
        ),
        (),
        groups=Groups(
            names, np.array([names.index(one[0]) for one in members], np.int32),
            *(np.array([one[place] for one in members], np.int64) for place in (1, 2, 3)),
        ),
    )  # fmt: skip


def built(people: Customers, with_groups: bool = True) -> owners.OwnerTables:
    return owners.build(people, with_groups, ("easy", "gold"), "Asia/Shanghai")


def test_numbers_in_a_group_join_their_accounts() -> None:
    members = [("shop", 12, OPEN_FROM, OPEN_TO), ("shop", 22, 100, 200), ("club", 22, 150, OPEN_TO),
               ("away", 99, OPEN_FROM, OPEN_TO)]  # fmt: skip
    people = customers_of(["D", "C", "B", "A"], list(LINES), members)
    found = built(people)
    # Number 22 has been C's and B's: with D they are one pool. B, the first by id, stands for it.
    assert found.root_of_account.tolist() == [2, 2, 2, 3]
    bucket = account_buckets(people.accounts.account_id).tolist()
    assert found.bucket_of_account.tolist() == [bucket[2]] * 3 + [bucket[3]]
    assert (found.groups, found.root_of_group.tolist()) == (("away", "club", "shop"), [-1, 2, 2])
    batch = batch_of(schemas.USAGE, 6, {
        "subscription_index": [1, 2, 2, 3, 4, -1], "account_index": [0, 1, 1, 2, 3, -1],
        "served_e164": [12, 22, 22, 22, 44, 12], "start_utc_s": [5, 99, 100, 200, 5, 5],
    })  # fmt: skip
    rows = owners.of_rows(batch, found)
    assert rows.subscription.tolist() == [0, 1, 1, 2, 3, -1]
    assert rows.pool.tolist() == [2, 2, 2, 2, 3, -1]
    # At 99 number 22 is in no group, at 100 in shop, at 200 only in club; who is no customer: none.
    assert rows.group.tolist() == [2, -1, 2, 1, -1, -1]
    kinds, index = np.array([0, 1, 2, 2, 0]), np.array([2, 3, 1, 0, 7])
    assert found.bucket_of(kinds, index).tolist() == [bucket[2], bucket[3], bucket[2], -1, -1]


def test_without_items_of_groups_every_account_stays_where_it_was() -> None:
    members = [("shop", 12, 0, 9), ("shop", 44, 0, 9)]
    people = customers_of(["D", "C", "B", "A"], list(LINES), members)
    found = built(people, with_groups=False)
    assert found.root_of_account.tolist() == [0, 1, 2, 3]
    assert (found.bucket_of_account == account_buckets(people.accounts.account_id)).all()
    assert found.members is None


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), max_size=12),
       st.permutations(range(8)))  # fmt: skip
def test_pools_are_the_connected_accounts(
    joins: list[tuple[int, int]], shuffled: list[int]
) -> None:
    """By a naive twin; and the order of accounts.csv does not matter."""
    lines = [(f"S-{number}", number % 8, number) for number in range(10)]
    members = [(f"g{group}", number, OPEN_FROM, OPEN_TO) for group, number in joins]
    pools = [{account} for account in range(8)]
    for group, _ in joins:
        together = {number % 8 for other, number in joins if other == group}
        touched = [pool for pool in pools if pool & together]
        pools = [pool for pool in pools if pool not in touched] + [set().union(*touched)]
    ids = [f"A-{account}" for account in range(8)]
    found = built(customers_of(ids, lines, members))
    expected = {account: min(pool) for pool in pools for account in pool}
    assert dict(enumerate(found.root_of_account.tolist())) == expected
    place = {account: row for row, account in enumerate(shuffled)}
    moved = built(customers_of(
        [ids[account] for account in shuffled],
        [(name, place[account], number) for name, account, number in lines], members,
    ))
    for account in range(8):
        assert shuffled[moved.root_of_account[place[account]]] == expected[account]
        assert moved.bucket_of_account[place[account]] == found.bucket_of_account[account]


def test_a_group_without_lines_of_ours_is_nobodys_pool() -> None:
    people = replace(customers_of([], []), groups=customers_of([], [], [("away", 9, 0, 9)]).groups)
    found = built(people)
    assert found.root_of_group.tolist() == [-1]
    assert found.bucket_of(np.array([2]), np.array([0])).tolist() == [-1]
