"""Small worlds for billing tests: customers, books, lines and rated rows from short texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from billing import bill
from tariffs.model import Book, Plan, Recurring, TaxRate, Version
from tollbook import clock, schemas
from tollbook.customers import STATUSES, Accounts, Customers, Subscriptions
from tollbook.money import NANO

ZONE = "Asia/Shanghai"
COMPONENTS = ("airtime", "toll", "message", "data")
OPEN_END = 2**61


def texts(values: Sequence[str]) -> pa.Array:
    return pa.array(list(values), pa.string())


def utc(text: str) -> int:
    """A local day, or a local time such as 2003-06-10T12:00, in UTC seconds; empty: no end."""
    if not text:
        return OPEN_END
    day, _, hour = text.partition("T")
    seconds = int(hour[:2]) * 3600 + int(hour[3:5]) * 60 if hour else 0
    return clock.date_utc_s(date.fromisoformat(day), ZONE) + seconds


def accounts(rows: Sequence[Sequence[str]]) -> Accounts:
    """Rows of account id, name, address, tax class; those at the end may be left out."""
    full = [[*row, *("", "", "standard")[len(row) - 1 :]] for row in rows]
    size = len(full)
    return Accounts(
        texts([row[0] for row in full]), texts([row[1] for row in full]),
        texts([row[2] for row in full]), texts([""] * size),
        np.array([row[3] == "exempt" for row in full], np.bool_),
        np.zeros(size, np.int64), np.full(size, OPEN_END),
    )  # fmt: skip


def customers(subscriptions: str) -> Customers:
    """Lines ``subscription account plan from [to [status]]``; ``-`` is an open end."""
    rows = [line.split() for line in subscriptions.strip().splitlines() if line.strip()]
    full = [[*row, *("-", "active")[len(row) - 4 :]] for row in rows]
    ids = sorted({row[1] for row in full})
    plans = tuple(sorted({row[2] for row in full}))
    size = len(full)
    return Customers(
        accounts([[name] for name in ids]),
        Subscriptions(
            texts([row[0] for row in full]),
            np.array([ids.index(row[1]) for row in full], np.int32),
            np.arange(size), np.zeros(size, np.int64),
            np.array([plans.index(row[2]) for row in full], np.int32),
            np.array([STATUSES.index(row[5]) for row in full], np.int8),
            np.array([utc(row[3]) for row in full], np.int64),
            np.array([utc("" if row[4] == "-" else row[4]) for row in full], np.int64),
        ),
        plans,
    )  # fmt: skip


def rent(
    price: int, in_advance: bool = False, prorate: str = "days_of_month", name: str = "rent"
) -> Recurring:
    """A recurring charge of so many whole currency units."""
    return Recurring(name, price * 10**6, in_advance, prorate)


def version(*recurring: Recurring, since: str = "2001-01-01", until: str = "") -> Version:
    return Version(
        date.fromisoformat(since), date.fromisoformat(until) if until else None, ZONE, (), (),
        COMPONENTS, recurring=recurring, tax_class=(("message", "reduced"),),
    )  # fmt: skip


def book(**plans: Version | Sequence[Version]) -> Book:
    found = [
        Plan(name, name, "CNY", (made,) if isinstance(made, Version) else tuple(made))
        for name, made in plans.items()
    ]
    return Book(tuple(found), COMPONENTS)


def period(text: str) -> int:
    found = clock.parse_period(text)
    assert found is not None
    return found


def tax(tax_class: str, percent: int, since: str = "2000-01-01", until: str = "") -> TaxRate:
    return TaxRate(tax_class, "VAT", percent * NANO, date.fromisoformat(since),
                   date.fromisoformat(until) if until else None)  # fmt: skip


def usage(*rows: Sequence[Any]) -> pa.Table:
    """Usage lines from (account, plan, component, tax class, charge in micro)."""
    return pa.Table.from_pylist(
        [
            dict(zip(schemas.USAGE_LINE.names, (*row[:4], 1, 60, 0, 0, row[4]), strict=True))
            for row in rows
        ],
        schema=schemas.USAGE_LINE,
    )


NO_USAGE = schemas.USAGE_LINE.empty_table()
NO_RENT = schemas.RECURRING_LINE.empty_table()


def rents(*rows: Sequence[Any]) -> pa.Table:
    """Recurring lines of June 2003 from (account, amount in micro)."""
    return pa.Table.from_pylist(
        [
            dict(zip(schemas.RECURRING_LINE.names, (
                account, f"S-{account}", "standard", "rent", "standard", period("2003-06"), 1, 30,
                amount,
            ), strict=True))
            for account, amount in rows
        ],
        schema=schemas.RECURRING_LINE,
    )  # fmt: skip


def june(*taxes: TaxRate, digits: int = 2) -> bill.Terms:
    return bill.Terms(period("2003-06"), "CNY", digits, taxes)


def rated(rows: Sequence[Mapping[str, Any]], dictionaries: bool = False) -> pa.RecordBatch:
    """Rated rows as the lake gives them back; columns that a row leaves out are zero."""
    names = ("account_id", "plan", "version", "service")
    figures = ("duration_s", "up_bytes", "down_bytes", "event_count", "charge_micro",
               *(f"charge_{component}_micro" for component in COMPONENTS))  # fmt: skip
    columns: dict[str, pa.Array] = {name: texts([row[name] for row in rows]) for name in names}
    if dictionaries:
        columns = {name: column.dictionary_encode() for name, column in columns.items()}
    columns |= {
        name: pa.array([row.get(name, 0) for row in rows], pa.int64()) for name in figures
    }
    return pa.RecordBatch.from_pydict(columns)


def shown(table: pa.Table, *names: str) -> list[str]:
    """Chosen columns of every row as one text, for comparison with what a person wrote."""
    return [" ".join(str(row[name]) for name in names) for row in table.to_pylist()]
