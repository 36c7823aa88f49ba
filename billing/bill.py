"""Bills: usage, recurring, settled and correction lines of a period -> one bill an account.

Every line is rounded half_up to the currency's digits; the bill is the sum of its lines. What
rounding took away from the rated charges (or added) stands on the bill as ``rounding_micro`` and is
posted to the ledger, so that for each bill, exactly:

    usage + settled + corrections + rounding = rated charges, settled volumes, differences
    recurring + usage + settled + corrections + tax = total
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing.amounts import round_half_up, sum_by
from billing.tax import TaxLines, check_classes, rates_on, tax_lines
from tariffs.model import TaxRate
from tollbook import clock, schemas
from tollbook.customers import Accounts
from tollbook.errors import NotClosed, NotFound
from tollbook.money import exact_sum

RECURRING: Final = "recurring"
USAGE: Final = "usage"
SETTLED: Final = "settled"
CORRECTION: Final = "correction"
TAX: Final = "tax"
KINDS: Final = (RECURRING, USAGE, SETTLED, CORRECTION, TAX)  # the order of the lines on a bill
_SHOWN: Final = 3


@dataclass(frozen=True)
class Terms:
    """What holds for a whole bill run. ``period``: the billed month (``clock.month_index``)."""

    period: int
    currency: str
    digits: int  # decimals of the currency's smallest coin
    taxes: tuple[TaxRate, ...] = ()

    @property
    def tax_day(self) -> date:
        """The day whose tax rates hold: the last of the billed month."""
        after = self.period + 1
        return date(after // 12, after % 12 + 1, 1) - timedelta(days=1)


@dataclass(frozen=True)
class Bills:
    """A bill run's outcome. ``bills``: schemas.BILL, by account. ``lines``: schemas.BILL_LINE, in
    the order of the bills: the lines of bill i follow on those of the bills before it."""

    bills: pa.Table
    lines: pa.Table


def make(
    usage: pa.Table, recurring: pa.Table, accounts: Accounts, terms: Terms,
    corrections: pa.Table | None = None, settled: pa.Table | None = None,
) -> Bills:  # fmt: skip
    """The bills of all accounts that have a line.

    usage: schemas.USAGE_LINE, sorted as ``accumulate`` leaves it. recurring:
    schemas.RECURRING_LINE, sorted as ``recurring_lines`` leaves it. corrections:
    schemas.CORRECTION_LINE, and settled: schemas.SETTLED_LINE, both sorted by account; None: there
    are none.
    Raises NotFound for an account without customer data, Refused for a tax class without a rate,
    AmountTooLarge for a sum that does not fit.
    """
    if corrections is None:
        corrections = schemas.CORRECTION_LINE.empty_table()
    if settled is None:
        settled = schemas.SETTLED_LINE.empty_table()
    tables = (recurring, usage, settled, corrections)
    ids, exempt, index = _paying_accounts(tables, accounts)
    stops = np.cumsum([table.num_rows for table in tables])
    charges = pa.concat_tables([
        _recurring_part(recurring, index[: stops[0]]),
        _usage_part(usage, index[stops[0] : stops[1]], terms.digits),
        _settled_part(settled, index[stops[1] : stops[2]], terms.digits),
        _correction_part(corrections, index[stops[2] :], terms.digits),
    ])  # fmt: skip
    taxes = _taxes(charges, exempt, terms)
    lines = pa.concat_tables([charges, _tax_part(taxes)])
    kind = np.repeat(
        np.arange(len(KINDS)), [*(table.num_rows for table in tables), len(taxes.bill_index)]
    )
    bill_index = _int64(lines, _BILL_INDEX)
    order = np.argsort(bill_index * len(KINDS) + kind, kind="stable")
    numbers = _bill_numbers(ids, terms.period)
    bills = _bill_table(ids, numbers, lines, kind, terms)
    done = Bills(bills, _line_table(lines.take(pa.array(order)), ids, numbers, terms))
    check_closed(done)
    return done


def check_closed(made: Bills) -> None:
    """Raises NotClosed unless lines, bills and rated charges agree to the last micro."""
    lines, bills = made.lines, made.bills
    amounts = _int64(lines, "amount_micro")
    parts = {
        kind: exact_sum(amounts[pc.equal(lines.column("kind"), kind).to_numpy()])
        for kind in KINDS
    }
    rated = exact_sum(_int64(lines, "rated_micro"))
    of_bills = {name: exact_sum(_int64(bills, f"{name}_micro")) for name in (*KINDS, *_TOTALS)}
    agree = (
        all(parts[kind] == of_bills[kind] for kind in KINDS)
        and exact_sum(amounts) == of_bills["total"]
        and rated == of_bills["rated"]
        and rated == sum(of_bills[name] for name in (USAGE, SETTLED, CORRECTION, "rounding"))
        and int(_int64(bills, "line_count").sum()) == lines.num_rows
    )
    if not agree:
        raise NotClosed(
            f"bill run: lines {parts} with {rated} rated, bills {of_bills}: in micro, not equal\n"
            "    allowed: equal sums\n    do: report this, it is a fault of the program"
        )


_TOTALS: Final = ("total", "rated", "rounding")
_BILL_INDEX: Final = "bill_index"
_KEYS: Final = ("bill_period", "bill_number", "account_id", "line_number")


def _paying_accounts(
    tables: Sequence[pa.Table], accounts: Accounts
) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Sorted ids of the accounts that get a bill, which of them are exempt of tax, and for each
    row of the tables, one after the other, the position of its account in the ids."""
    runs = [_runs(table) for table in tables]
    encoded = pa.concat_arrays([heads for heads, _ in runs]).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    index = np.repeat(
        rank[encoded.indices.to_numpy()], np.concatenate([lengths for _, lengths in runs])
    )
    ids = encoded.dictionary.take(pa.array(order))
    row = pc.index_in(ids, value_set=accounts.account_id)
    if row.null_count:
        missing = ids.filter(pc.is_null(row))
        shown = ", ".join(missing.slice(0, _SHOWN).to_pylist())
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise NotFound(
            f"customers/accounts.csv: accounts with charges are missing: {shown}{more}\n"
            "    allowed: every account that was charged\n    do: add the accounts, then bill again"
        )
    return ids, accounts.exempt[row.to_numpy()], index


def _bill_numbers(ids: pa.Array, period: int) -> pa.Array:
    prefix = pa.scalar(clock.period_text(period), pa.string())
    return pc.binary_join_element_wise(prefix, ids, "-")


def _runs(table: pa.Table) -> tuple[pa.Array, np.ndarray]:
    """The account of each run of rows with one account, and the length of the run.

    The tables are sorted, so there are far fewer runs than rows to look up.
    """
    column = table.column("account_id").combine_chunks()
    begins = np.ones(len(column), np.bool_)
    if len(column):
        begins[1:] = pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    at = np.flatnonzero(begins)
    return column.take(pa.array(at)), np.diff(np.append(at, len(column)))


def _part(count: int, **columns: pa.Array | pa.ChunkedArray | np.ndarray | str) -> pa.Table:
    """Rows of ``_PART``; columns not named are empty text or 0."""
    arrays = []
    for field in _PART:
        value = columns.get(field.name, "" if field.type == pa.string() else 0)
        arrays.append(
            pa.repeat(pa.scalar(value, field.type), count)
            if isinstance(value, str | int)
            else value
        )
    return pa.table(arrays, schema=_PART)


_PART: Final = pa.schema([
    pa.field(_BILL_INDEX, pa.int64()),
    *(field for field in schemas.BILL_LINE if field.name not in _KEYS),
])  # fmt: skip


def _recurring_part(recurring: pa.Table, bill_index: np.ndarray) -> pa.Table:
    same = ("plan", "tax_class", "subscription_id", "service_period", "first_day", "last_day",
            "amount_micro")  # fmt: skip
    return _part(
        recurring.num_rows, bill_index=bill_index, kind=RECURRING,
        item=recurring.column("charge"), **{name: recurring.column(name) for name in same},
    )  # fmt: skip


def _usage_part(usage: pa.Table, bill_index: np.ndarray, digits: int) -> pa.Table:
    same = ("plan", "tax_class", "usage_count", "duration_s", "volume_bytes", "event_count")
    rated = _int64(usage, "charge_micro")
    return _part(
        usage.num_rows, bill_index=bill_index, kind=USAGE,
        item=usage.column("component"), rated_micro=rated,
        amount_micro=round_half_up(rated, digits), **{name: usage.column(name) for name in same},
    )  # fmt: skip


def _settled_part(settled: pa.Table, bill_index: np.ndarray, digits: int) -> pa.Table:
    same = ("plan", "tax_class", "subscription_id", "service_period", "usage_count", "duration_s",
            "volume_bytes", "event_count")  # fmt: skip
    delta = _int64(settled, "charge_micro")
    item = pc.binary_join_element_wise(settled.column("component"), settled.column("rate"), "/")
    return _part(
        settled.num_rows, bill_index=bill_index, kind=SETTLED, item=item, rated_micro=delta,
        amount_micro=round_half_up(delta, digits),
        **{name: settled.column(name) for name in same},
    )  # fmt: skip


def _correction_part(
    corrections: pa.Table, bill_index: np.ndarray, digits: int
) -> pa.Table:
    same = ("plan", "tax_class", "usage_count")
    delta = _int64(corrections, "charge_micro")
    return _part(
        corrections.num_rows, bill_index=bill_index, kind=CORRECTION,
        item=corrections.column("component"), rated_micro=delta,
        amount_micro=round_half_up(delta, digits),
        **{name: corrections.column(name) for name in same},
    )  # fmt: skip


def _tax_part(taxes: TaxLines) -> pa.Table:
    def of_tax(values: Sequence[str] | Sequence[int], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(taxes.tax_index))

    return _part(
        len(taxes.bill_index), bill_index=taxes.bill_index, kind=TAX,
        item=of_tax([tax.name for tax in taxes.taxes], pa.string()),
        tax_class=of_tax([tax.tax_class for tax in taxes.taxes], pa.string()),
        percent_nano=of_tax([tax.percent_nano for tax in taxes.taxes], pa.int64()),
        base_micro=taxes.base_micro, amount_micro=taxes.amount_micro,
    )  # fmt: skip


def _taxes(charges: pa.Table, exempt: np.ndarray, terms: Terms) -> TaxLines:
    tax_class = charges.column("tax_class").combine_chunks().dictionary_encode()
    classes = tax_class.dictionary.to_pylist()
    amounts = _int64(charges, "amount_micro")
    class_index = tax_class.indices.to_numpy()
    check_classes(
        [name for code, name in enumerate(classes) if amounts[class_index == code].any()],
        terms.taxes, terms.tax_day,
    )  # fmt: skip
    return tax_lines(
        _int64(charges, _BILL_INDEX), class_index, amounts, classes, exempt,
        rates_on(terms.taxes, terms.tax_day), terms.digits,
    )  # fmt: skip


def _bill_table(
    ids: pa.Array, numbers: pa.Array, lines: pa.Table, kind: np.ndarray, terms: Terms
) -> pa.Table:
    size = len(ids)
    bill_index, amounts = _int64(lines, _BILL_INDEX), _int64(lines, "amount_micro")
    recurring, usage, settled, correction, tax = (
        sum_by(bill_index[kind == code], amounts[kind == code], size, f"{name} of a bill")
        for code, name in enumerate(KINDS)
    )
    rated = sum_by(bill_index, _int64(lines, "rated_micro"), size, "rated charges of a bill")
    return pa.table([
        pa.array(np.full(size, terms.period, np.int32)),
        numbers,
        ids,
        pa.repeat(pa.scalar(terms.currency), size),
        pa.array(np.bincount(bill_index, minlength=size).astype(np.int32)),
        pa.array(recurring),
        pa.array(usage),
        pa.array(settled),
        pa.array(correction),
        pa.array(tax),
        pa.array(sum_by(bill_index, amounts, size, "total of a bill")),
        pa.array(rated),
        pa.array(rated - usage - settled - correction),
    ], schema=schemas.BILL)  # fmt: skip


def _line_table(lines: pa.Table, ids: pa.Array, numbers: pa.Array, terms: Terms) -> pa.Table:
    """The sorted lines with the keys of their bills in front."""
    bill_index = _int64(lines, _BILL_INDEX)
    begins = np.searchsorted(bill_index, np.arange(len(ids)))
    keys = [
        pa.array(np.full(len(bill_index), terms.period, np.int32)),
        numbers.take(pa.array(bill_index)),
        ids.take(pa.array(bill_index)),
        pa.array((np.arange(len(bill_index)) - begins[bill_index] + 1).astype(np.int32)),
    ]
    rest = [lines.column(name) for name in schemas.BILL_LINE.names if name not in _KEYS]
    return pa.table([*keys, *rest], schema=schemas.BILL_LINE)


def _int64(table: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = table.column(name).to_numpy()
    return values
