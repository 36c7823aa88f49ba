"""Ledger entries of a bill run: double entry, deterministic ids, posting that may be repeated.

A bill debits ``receivable`` with its total and credits what it is made of:

    recurring:<charge>   recurring lines as billed
    revenue:<component>  usage as rated, exact to the micro
    correction:<component>  differences of closed months, exact to the micro
    tax:<class>:<name>   taxes owed to the state
    rounding             the difference between what is billed and what is exact

A negative sum stands on the other side. Sums that are zero make no entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing.amounts import sum_by
from billing.bill import CORRECTION, RECURRING, SETTLED, TAX, USAGE, Bills
from tollbook import schemas
from tollbook.errors import NotClosed
from tollbook.money import exact_sum

RECEIVABLE: Final = "receivable"
ROUNDING: Final = "rounding"
CREATED: Final = "created"
EXISTS: Final = "exists"
DIFFERENT: Final = "exists_with_different_"
_BLOCK_BILLS: Final = 1 << 16
_EXISTS_AT: Final = 1  # position of EXISTS among the answers; fields that differ follow
_PREFIX: Final = {
    RECURRING: "recurring", USAGE: "revenue", SETTLED: "settled", CORRECTION: "correction",
    TAX: "tax",
}  # fmt: skip
_EXACT: Final = pa.array([USAGE, SETTLED, CORRECTION])


@dataclass(frozen=True)
class Posting:
    """What posting would do: rows to append, and an answer for each proposed entry, in order.

    An answer is ``created``, ``exists`` or ``exists_with_different_<field>`` (the first field
    that differs); only entries that are created are in ``to_append``.
    """

    to_append: pa.Table
    answers: pa.Array


def entries_of(made: Bills) -> pa.Table:
    """Entries (schemas.ENTRY) of bills, sorted by bill; within a bill receivable comes first.

    Raises NotClosed unless debits equal credits, for every bill.
    """
    bills, lines = made.bills, made.lines
    ledger_account, names = _ledger_accounts(lines)
    credit_micro = np.where(
        pc.is_in(lines.column("kind"), value_set=_EXACT).to_numpy(),
        lines.column("rated_micro").to_numpy(), lines.column("amount_micro").to_numpy(),
    )  # fmt: skip
    stops = np.append(0, np.cumsum(bills.column("line_count").to_numpy(), dtype=np.int64))
    tables = [schemas.ENTRY.empty_table()]
    for start in range(0, bills.num_rows, _BLOCK_BILLS):
        block = bills.slice(start, _BLOCK_BILLS)
        counts = block.column("line_count").to_numpy()
        rows = slice(stops[start], stops[start + block.num_rows])
        signed = _balances(
            block, np.repeat(np.arange(block.num_rows), counts), ledger_account[rows],
            credit_micro[rows], len(names),
        )  # fmt: skip
        tables.append(_entry_table(block, [RECEIVABLE, *names, ROUNDING], signed))
    return pa.concat_tables(tables)


def post(existing: pa.Table, new: pa.Table) -> Posting:
    """Compare proposed entries with those that exist; posting the same twice changes nothing.

    Both tables: schemas.ENTRY, no id twice in one table (``entries_of`` makes none). ``existing``
    need only hold the entries of the bills that ``new`` is about.
    """
    ids = new.column("entry_id")
    if ids.equals(existing.column("entry_id")):  # the usual repeat: the same run once more
        found, there = pa.array(np.ones(new.num_rows, np.bool_)), existing
    else:
        row = pc.index_in(ids, value_set=existing.column("entry_id"))
        found, there = pc.is_valid(row), existing.take(row)  # null where there is none
    answer = np.where(found.to_numpy(zero_copy_only=False), _EXISTS_AT, 0)
    for at in range(len(schemas.ENTRY) - 1, -1, -1):  # so that the first field prevails
        differs = pc.not_equal(there.column(at), new.column(at))
        answer[pc.fill_null(differs, False).to_numpy()] = _EXISTS_AT + 1 + at
    words = [CREATED, EXISTS, *(DIFFERENT + name for name in schemas.ENTRY.names)]
    return Posting(
        new.filter(pc.invert(found)), pa.array(words, pa.string()).take(pa.array(answer))
    )


def _ledger_accounts(lines: pa.Table) -> tuple[np.ndarray, list[str]]:
    """The ledger account that each line credits, as a code into sorted names."""
    columns = [
        lines.column(name).combine_chunks().dictionary_encode()
        for name in ("kind", "item", "tax_class")
    ]
    words = [column.dictionary.to_pylist() for column in columns]
    shape = [max(len(found), 1) for found in words]
    code = np.ravel_multi_index([column.indices.to_numpy() for column in columns], shape)
    seen = np.zeros(int(np.prod(shape)), np.bool_)
    seen[code] = True
    texts = {}
    for at in np.flatnonzero(seen):
        kind, item, tax_class = (
            found[index] for found, index in zip(words, np.unravel_index(at, shape), strict=True)
        )
        middle = f"{tax_class}:" if kind == TAX else ""
        texts[int(at)] = f"{_PREFIX[kind]}:{middle}{item}"
    names = sorted(set(texts.values()))
    account = np.zeros(len(seen), np.int64)
    for cell, text in texts.items():
        account[cell] = names.index(text)
    return account[code], names


def _balances(
    bills: pa.Table,
    bill_index: np.ndarray,
    ledger_account: np.ndarray,
    credit_micro: np.ndarray,
    account_count: int,
) -> np.ndarray:
    """int64 bills x (receivable, accounts, rounding): debits above zero, credits below."""
    size = bills.num_rows
    cell = bill_index * account_count + ledger_account
    credits = sum_by(cell, credit_micro, size * account_count, "entries of a bill")
    signed = np.zeros((size, account_count + 2), np.int64)
    signed[:, 0] = bills.column("total_micro").to_numpy()
    signed[:, 1:-1] = -credits.reshape(size, account_count)
    signed[:, -1] = bills.column("rounding_micro").to_numpy()
    wrong = int(np.count_nonzero(signed.sum(axis=1)))
    if wrong or exact_sum(signed):
        raise NotClosed(
            f"ledger: debits and credits differ for {wrong} bills\n    allowed: none\n"
            "    do: report this, it is a fault of the program"
        )
    return signed


def _entry_table(bills: pa.Table, names: list[str], signed_micro: np.ndarray) -> pa.Table:
    """An entry for each balance that is not zero."""
    bill, account = np.nonzero(signed_micro)
    amounts = signed_micro[bill, account]
    header = bills.take(pa.array(bill))
    accounts = pa.array(names, pa.string()).take(pa.array(account))
    return pa.table([
        pc.binary_join_element_wise(header.column("bill_number"), accounts, ":"),
        header.column("bill_period"),
        header.column("bill_number"),
        header.column("account_id"),
        accounts,
        header.column("currency"),
        pa.array(np.maximum(amounts, 0)),
        pa.array(np.maximum(-amounts, 0)),
    ], schema=schemas.ENTRY)  # fmt: skip
