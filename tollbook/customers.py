"""The customers folder: accounts and subscriptions as columns, made for millions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.columns import (
    Table,
    digits_value,
    first_rows,
    index_in,
    is_digits,
    is_empty,
    lengths,
    load_table,
    validity,
)
from tollbook.customers_members import (
    NO_FRIENDS,
    NO_GROUPS,
    Friends,
    Groups,
    load_friends,
    load_groups,
)
from tollbook.customers_visitors import NO_VISITORS, Owned, Visitors, read_table, visitors_of
from tollbook.numbering import Numbering, masked, to_e164
from tollbook.table_checks import (
    check_files,
    check_filled,
    check_one_account,
    check_overlaps,
    check_shape,
    check_unique,
)
from tollbook.text import Problems, did_you_mean

STATUSES: Final = ("active", "suspended", "closed")
ACTIVE, SUSPENDED, CLOSED = range(3)
TAX_CLASSES: Final = ("standard", "exempt")
FILES: Final = ("accounts.csv", "subscriptions.csv", "friends.csv", "groups.csv", "visitors.csv")


@dataclass(frozen=True)
class Accounts:
    """accounts.csv in the order of the file; same index = same row."""

    account_id: pa.Array  # utf8, unique
    name: pa.Array  # utf8
    address: pa.Array  # utf8
    language: pa.Array  # utf8, "": the operator's
    exempt: np.ndarray  # bool: tax_class is `exempt`
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64
    reseller_plans: tuple[str, ...] = ()
    # int32 into reseller_plans, -1: none; without any entry where there are no such plans
    reseller_plan: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))


@dataclass(frozen=True)
class Subscriptions:
    """subscriptions.csv in the order of the file: one row a span of validity [from, to).

    No two rows of one number, one IMSI or one subscription overlap in time.
    """

    subscription_id: pa.Array  # utf8; several rows may carry one id
    account_index: np.ndarray  # int32 into Accounts
    number: np.ndarray  # int64, E.164 digits with country code
    imsi: np.ndarray  # int64, 0: none
    plan_index: np.ndarray  # int32 into Customers.plan_ids
    status: np.ndarray  # int8, STATUSES
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class Customers:
    """Accounts, subscriptions, the sorted ids of all plans that these and visitors name, and lists.

    plan_places: beside each plan id the first place that names it.
    """

    accounts: Accounts
    subscriptions: Subscriptions
    plan_ids: tuple[str, ...]
    friends: Friends = NO_FRIENDS
    groups: Groups = NO_GROUPS
    plan_places: tuple[tuple[str, int], ...] = ()
    visitors: Visitors = NO_VISITORS

    @cached_property
    def lines(self) -> Subscriptions:
        """All that a record can be charged to: the rows of subscriptions.csv, and behind them those
        of visitors.csv, which have neither number nor IMSI. An index of a subscription counts these
        rows."""
        own, more = self.subscriptions, self.visitors
        count = len(more.prefix)
        if not count:
            return own
        nothing = np.zeros(count, np.int64)
        return Subscriptions(
            pa.concat_arrays([own.subscription_id, more.subscription_id]),
            *(np.concatenate(pair) for pair in (
                (own.account_index, more.account_index),
                (own.number, nothing),
                (own.imsi, nothing),
                (own.plan_index, more.plan_index),
                (own.status, np.full(count, ACTIVE, np.int8)),
                (own.valid_from_utc_s, more.valid_from_utc_s),
                (own.valid_to_utc_s, more.valid_to_utc_s),
            )),
        )  # fmt: skip


def load(
    folder: Path, time_zone: str, numbering: Numbering, problems: Problems,
    shown: str = "customers",
) -> Customers:  # fmt: skip
    """All tables of the folder; days in them are local days of ``time_zone``.

    Whether the tariff book holds the plans is left to ``check_plans``. Problems are noted with
    ``shown`` before the file's name; what is wrong is 0 or -1 in the Customers that come back, so
    that checking can go on.
    """
    check_files(folder, FILES, problems, shown)
    accounts = _accounts(
        load_table(folder / "accounts.csv", ("account_id", "name", "address"),
                   ("language", "tax_class", "reseller_plan", "valid_from", "valid_to"), problems,
                   f"{shown}/accounts.csv"), time_zone, problems)
    table = load_table(
        folder / "subscriptions.csv",
        ("subscription_id", "account_id", "number", "imsi", "plan", "status", "valid_from",
         "valid_to"), (), problems, f"{shown}/subscriptions.csv")  # fmt: skip
    check_filled(table, "plan", problems)
    visiting = read_table(folder / "visitors.csv", problems, f"{shown}/visitors.csv")
    plan_ids, (of_lines, of_visitors), places = _plans((table, visiting))
    lines = _subscriptions(table, accounts, of_lines, time_zone, numbering, problems)
    owned = Owned(accounts.account_id, lines.subscription_id, lines.imsi)
    return Customers(
        accounts, lines, plan_ids,
        load_friends(folder / "friends.csv", table["subscription_id"], time_zone, numbering,
                     problems, f"{shown}/friends.csv"),
        load_groups(folder / "groups.csv", time_zone, numbering, problems, f"{shown}/groups.csv"),
        places,
        visitors_of(visiting, of_visitors, owned, time_zone, problems),
    )  # fmt: skip


def _plans(
    tables: Sequence[Table]
) -> tuple[tuple[str, ...], list[np.ndarray], tuple[tuple[str, int], ...]]:
    """The plans that tables name, sorted; the plan of each row, and where each is named first."""
    named = [table["plan"].dictionary_encode() for table in tables]
    plan_ids = tuple(sorted({plan for one in named for plan in one.dictionary.to_pylist()}))
    found: list[np.ndarray] = []
    places: dict[int, tuple[str, int]] = {}
    for table, one in zip(tables, named, strict=True):
        order = index_in(one.dictionary, plan_ids)
        index = order[one.indices.to_numpy(zero_copy_only=False)]
        first = np.full(len(plan_ids), -1, np.int64)
        first[index[::-1]] = np.arange(len(index) - 1, -1, -1)
        for plan in np.flatnonzero(first >= 0).tolist():
            places.setdefault(plan, table.at(int(first[plan])))
        found.append(index)
    return plan_ids, found, tuple(places[plan] for plan in range(len(plan_ids)))


def check_plans(people: Customers, plans: Sequence[str], problems: Problems) -> None:
    """Notes every plan that the tariff book (``plans``) lacks once, where it is named first."""
    for plan, place in zip(people.plan_ids, people.plan_places, strict=True):
        if plan and plan not in plans:
            problems.add(
                place, f"plan '{plan}' is not in the tariff book", ", ".join(plans),
                did_you_mean(plan, plans, "correct it, or write the plan in tariffs/"),
            )  # fmt: skip


def _accounts(table: Table, time_zone: str, problems: Problems) -> Accounts:
    check_filled(table, "account_id", problems)
    check_unique(table, "account_id", problems)
    check_shape(table, "tax_class", "|".join(("", *TAX_CLASSES)),
                f"{' | '.join(TAX_CLASSES)}, or empty for {TAX_CLASSES[0]}", problems)
    exempt = index_in(table["tax_class"], ["exempt"]) == 0
    since, until = validity(table, time_zone, problems)
    named = tuple(sorted({*table["reseller_plan"].unique().to_pylist()} - {""}))
    reseller = index_in(table["reseller_plan"], named) if named else np.zeros(0, np.int32)
    return Accounts(table["account_id"], table["name"], table["address"], table["language"],
                    exempt, since, until, named, reseller)


def _subscriptions(
    table: Table, accounts: Accounts, plan_index: np.ndarray, time_zone: str,
    numbering: Numbering, problems: Problems,
) -> Subscriptions:  # fmt: skip
    check_filled(table, "subscription_id", problems)
    account_index = index_in(table["account_id"], accounts.account_id)
    table.report((account_index < 0) & (len(accounts.account_id) > 0),
                 lambda row: f"account_id '{table.cell('account_id', row)}' is not in accounts.csv",
                 "an account_id of accounts.csv", "correct it, or add the account", problems)
    number, imsi = _numbers(table, numbering, problems), _imsi(table, problems)
    status = index_in(table["status"], STATUSES)
    table.report(status < 0, lambda row: f"status is '{table.cell('status', row)}'",
                 " | ".join(STATUSES), "use one of these words", problems)
    span = validity(table, time_zone, problems)
    subscription = first_rows(table["subscription_id"])
    check_one_account(
        table, account_index, subscription,
        "give the line a new subscription_id when it moves to another account", problems,
    )  # fmt: skip
    _overlaps(table, subscription, number, imsi, span, problems)
    return Subscriptions(table["subscription_id"], account_index, number, imsi, plan_index,
                         status.astype(np.int8), *span)


def _overlaps(
    table: Table, subscription: np.ndarray, number: np.ndarray, imsi: np.ndarray,
    span: tuple[np.ndarray, np.ndarray], problems: Problems,
) -> None:  # fmt: skip
    """At any instant a number, an IMSI and a subscription each stand in one row at most."""
    nobody = -1 - np.arange(len(table))  # keys that clash with none
    check_overlaps(table, "subscription_id", subscription, span, problems)
    check_overlaps(table, "number", np.where(number > 0, number, nobody), span, problems,
                   lambda row: masked(int(number[row])))
    check_overlaps(table, "imsi", np.where(imsi > 0, imsi, nobody), span, problems,
                   lambda row: masked(int(imsi[row])))


def _numbers(table: Table, numbering: Numbering, problems: Problems) -> np.ndarray:
    number, good = to_e164(table["number"], numbering)
    code, national = numbering.country_code, numbering.national_lengths
    table.report(
        ~good & bool(code),  # without one, operator.yaml has a problem of its own
        lambda row: f"number is '{table.cell('number', row)}'",
        f"+ and 7 to 15 digits, or a number of country {code} ({national} digits behind the code) "
        "as `numbering` in operator.yaml has it",
        f"write it with its country code, such as +{code}...", problems,
    )  # fmt: skip
    return number


def _imsi(table: Table, problems: Problems) -> np.ndarray:
    size, empty = lengths(table["imsi"]), is_empty(table["imsi"])
    good = is_digits(table["imsi"]) & (size >= 6) & (size <= 15)
    value = digits_value(table["imsi"], good)
    good &= value > 0
    table.report(~good & ~empty, lambda row: f"imsi is '{table.cell('imsi', row)}'",
                 "6 to 15 digits, or empty", "correct it", problems)
    return value
