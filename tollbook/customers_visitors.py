"""visitors.csv: the accounts that the visitors of other networks are charged to, by their IMSI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.columns import Table, digits_value, first_rows, index_in, is_digits, lengths, validity
from tollbook.numbering import heads_of, masked
from tollbook.table_checks import check_filled, check_one_account, check_overlaps, load_optional
from tollbook.text import Problems

FILE: Final = "visitors.csv"
PREFIX_DIGITS_MIN: Final = 3  # the country
IMSI_DIGITS_MAX: Final = 15
_COLUMNS: Final = ("subscription_id", "account_id", "imsi_prefix", "plan")
_MORE: Final = ("zone", "valid_from", "valid_to")
_POWER: Final = 10 ** np.arange(IMSI_DIGITS_MAX + 1, dtype=np.int64)


@dataclass(frozen=True)
class Visitors:
    """visitors.csv in the order of the file: one row the beginning of IMSIs for a span [from, to).

    No two rows of one prefix or one subscription overlap in time.
    """

    subscription_id: pa.Array  # utf8; none of subscriptions.csv
    account_index: np.ndarray  # int32 into Accounts
    prefix: np.ndarray  # int64, its first digit is not 0
    prefix_length: np.ndarray  # int8, digits
    plan_index: np.ndarray  # int32 into Customers.plan_ids
    zone: pa.Array  # utf8, where they are whose records name no location; "": nobody knows
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64
    lines: np.ndarray  # int64, of the file


NO_VISITORS: Final = Visitors(
    pa.array([], pa.string()), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8),
    np.zeros(0, np.int32), pa.array([], pa.string()), *(np.zeros(0, np.int64) for _ in range(3)),
)  # fmt: skip


@dataclass(frozen=True)
class Owned:
    """What the rows of visitors.csv must agree with: ids of accounts and subscriptions (utf8), and
    the IMSIs of subscriptions (int64, 0: none)."""

    account_id: pa.Array
    subscription_id: pa.Array
    imsi: np.ndarray


def read_table(path: Path, problems: Problems, shown: str) -> Table:
    """The rows of visitors.csv as texts; none where there is no such file."""
    table = load_optional(path, _COLUMNS, _MORE, problems, shown)
    check_filled(table, "subscription_id", problems)
    check_filled(table, "plan", problems)
    return table


def visitors_of(
    table: Table, plan_index: np.ndarray, owned: Owned, time_zone: str, problems: Problems
) -> Visitors:
    """The rows, checked; plan_index: int32, the plan of each. What is wrong is 0 or -1."""
    if not len(table):
        return NO_VISITORS
    account_index = index_in(table["account_id"], owned.account_id)
    table.report((account_index < 0) & (len(owned.account_id) > 0),
                 lambda row: f"account_id '{table.cell('account_id', row)}' is not in accounts.csv",
                 "an account_id of accounts.csv", "correct it, or add the account", problems)
    known = index_in(table["subscription_id"], owned.subscription_id.unique()) >= 0
    table.report(
        known, lambda row: f"subscription_id '{table.cell('subscription_id', row)}' is one of "
                           "subscriptions.csv", "an id that no customer's line has",
        "name the visitors otherwise, for example by the TADIG code of their network", problems,
    )  # fmt: skip
    prefix, size = _prefixes(table, problems)
    span = validity(table, time_zone, problems)
    _check_once(table, account_index, prefix, span, problems)
    _check_own(table, prefix, size, owned.imsi, problems)
    return Visitors(table["subscription_id"], account_index, prefix, size.astype(np.int8),
                    plan_index, table["zone"], *span, table.lines)  # fmt: skip


def _prefixes(table: Table, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """The prefixes and their lengths; both 0 where one is malformed."""
    column, size = table["imsi_prefix"], lengths(table["imsi_prefix"])
    good = is_digits(column) & (size >= PREFIX_DIGITS_MIN) & (size <= IMSI_DIGITS_MAX)
    value = digits_value(column, good)
    good &= value >= _POWER[np.clip(size - 1, 0, IMSI_DIGITS_MAX)]
    table.report(
        ~good, lambda row: f"imsi_prefix is '{table.cell('imsi_prefix', row)}'",
        f"the first {PREFIX_DIGITS_MIN} to {IMSI_DIGITS_MAX} digits of an IMSI, the first not 0",
        "write the codes of country and network, such as 310410", problems,
    )  # fmt: skip
    return np.where(good, value, 0), np.where(good, size, 0)


def _check_once(
    table: Table, account_index: np.ndarray, prefix: np.ndarray,
    span: tuple[np.ndarray, np.ndarray], problems: Problems,
) -> None:  # fmt: skip
    """At any instant a prefix and an id stand in one row, and an id always has one account."""
    first = first_rows(table["subscription_id"])
    check_one_account(table, account_index, first, "give the row a subscription_id of its own",
                      problems)  # fmt: skip
    check_overlaps(table, "subscription_id", first, span, problems)
    nobody = -1 - np.arange(len(table))  # keys that clash with none
    check_overlaps(table, "imsi_prefix", np.where(prefix > 0, prefix, nobody), span, problems)


def _check_own(
    table: Table, prefix: np.ndarray, size: np.ndarray, imsi: np.ndarray, problems: Problems
) -> None:
    """No customer's IMSI begins like a visitor's: a number that he gave back would make him one."""
    first = np.zeros(len(table), np.int64)
    for length in np.unique(size[size > 0]).tolist():
        heads = heads_of(imsi, length)
        own = np.isin(prefix, heads) & (size == length)
        for row in np.flatnonzero(own).tolist():
            first[row] = imsi[heads == prefix[row]][0]
    table.report(
        first > 0,
        lambda row: f"imsi_prefix '{table.cell('imsi_prefix', row)}' fits {masked(int(first[row]))}"
                    ", the IMSI of a subscription",
        "the beginnings of other networks' IMSIs",
        "write more digits, so that no IMSI of subscriptions.csv begins so", problems,
    )  # fmt: skip
