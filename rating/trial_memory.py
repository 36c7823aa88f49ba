"""Calls that share what they use: whose they are, and since when, for books that remember.

Calls of one ``account`` share what is an account's or a group's; those of one ``subscription``
within it (and one plan) what is their own. All have used nothing before the first call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.grant_kernels import Terms
from rating.memory import Owners, Past, State
from rating.rate import rate
from tariffs.compiler import CompiledBook
from tollbook import clock
from tollbook.columns import Table
from tollbook.stage import int_array, ints, with_columns
from tollbook.text import Problems

OWNED: Final = ("account", "subscription", "since")
_ALWAYS_DAY: Final = 0
_NEVER_DAY: Final = 2**30
_ANY_PLAN: Final = -1


def priced(
    batches: Sequence[pa.RecordBatch], calls: Table, compiled: CompiledBook, problems: Problems
) -> Iterator[pa.RecordBatch]:
    """All calls in the order of their starts, each batch as ``schemas.RATED``.

    Raises Refused where a cell is wrong.
    """
    since = _since(calls, problems)
    problems.refuse_if_any("nothing was priced")
    usage = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    plan = pa.array(ints(usage, "plan_index")).cast(pa.string())
    account = calls["account"].dictionary_encode()
    line = pc.binary_join_element_wise(
        calls["account"], calls["subscription"], plan, "\0"
    ).dictionary_encode()  # fmt: skip
    account_index = account.indices.to_numpy().astype(np.int32)
    line_index = line.indices.to_numpy().astype(np.int32)
    owners = Owners(
        account_index, line_index, account_index, account_index,
        _terms(account_index, line_index, since),
    )  # fmt: skip
    months = int_array(_months(usage))
    usage = with_columns(usage, usage.schema, {"bill_period": months})
    rated = rate(usage, compiled, Past(owners, State.empty())).batch
    low = 0
    for batch in batches:
        yield rated.slice(low, batch.num_rows)
        low += batch.num_rows


def _since(calls: Table, problems: Problems) -> np.ndarray:
    """The first day of each call's subscription, int32 since 1970."""
    column = calls["since"].dictionary_encode()
    days = [clock.parse_date(text) for text in column.dictionary.to_pylist()]
    found = np.array([
        day.toordinal() - clock.EPOCH_DAY if day else _ALWAYS_DAY for day in days
    ], np.int32)  # fmt: skip
    unread = np.array([not day and text != "" for day, text in zip(
        days, column.dictionary.to_pylist(), strict=True)], np.bool_)  # fmt: skip
    places = column.indices.to_numpy()
    calls.report(unread[places], lambda row: f"since is '{calls.cell('since', row)}'",
                 "the first day of the subscription, such as 2003-06-21; empty: always",
                 "write the day as YYYY-MM-DD", problems)  # fmt: skip
    since: np.ndarray = found[places]
    return since


def _months(usage: pa.RecordBatch) -> np.ndarray:
    """The local month of each call's start: that of its bill."""
    wall_s = ints(usage, "start_utc_s") + ints(usage, "utc_offset_s")
    month = wall_s.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    found: np.ndarray = (month + clock.month_index(1970, 1)).astype(np.int32)
    return found


def _terms(
    account: np.ndarray, line: np.ndarray, since: np.ndarray
) -> tuple[Terms, Terms, Terms]:
    """Subscriptions, accounts and groups in force from the earliest ``since`` of their calls on."""
    lines = int(line.max(initial=-1)) + 1
    from_day = np.full(lines, _NEVER_DAY, np.int32)
    np.minimum.at(from_day, line, since)
    account_of = np.zeros(lines, np.int32)
    account_of[line] = account
    order = np.argsort(account_of, kind="stable").astype(np.int32)
    shared = _of(np.searchsorted(account_of[order], np.arange(int(account.max(initial=-1)) + 2)),
                 order, from_day)  # fmt: skip
    return _of(np.arange(lines + 1), np.arange(lines, dtype=np.int32), from_day), shared, shared


def _of(first: np.ndarray, member: np.ndarray, from_day: np.ndarray) -> Terms:
    count = len(member)
    return Terms(
        first.astype(np.int64), np.full(count, _ANY_PLAN, np.int32), from_day[member],
        np.full(count, _NEVER_DAY, np.int32), member.astype(np.int32),
    )  # fmt: skip
