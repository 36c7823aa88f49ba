"""Ledger entries of a bill run: double entry, deterministic ids, posting that may be repeated.

A bill debits ``receivable`` with its total and credits what it is made of:

    recurring:<charge>   recurring lines as billed
    revenue:<component>  usage as rated, exact to the micro
    tax:<class>:<name>   taxes owed to the state
    rounding             the difference between usage as billed and as rated

A negative sum stands on the other side. Sums that are zero make no entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing.amounts import sum_by
from billing.bill import RECURRING, TAX, USAGE, Bills
from tollbook import schemas
from tollbook.errors import NotClosed
from tollbook.money import exact_sum

RECEIVABLE: Final = "receivable"
ROUNDING: Final = "rounding"
CREATED: Final = "created"
EXISTS: Final = "exists"
DIFFERENT: Final = "exists_with_different_"
_PREFIX: Final = {RECURRING: "recurring", USAGE: "revenue", TAX: "tax"}


@dataclass(frozen=True)
class Posting:
    """What posting would do: rows to append, and an answer for each proposed entry, in order.

    An answer is ``created``, ``exists`` or ``exists_with_different_<field>`` (the first field
    that differs); only entries that are created are in ``to_append``.
    """

    to_append: pa.Table
    answers: pa.Array

    @property
    def conflicts(self) -> int:
        """How many proposed entries exist with another content."""
        return int(pc.sum(pc.starts_with(self.answers, DIFFERENT)).as_py() or 0)


def entries_of(made: Bills) -> pa.Table:
    """Entries (schemas.ENTRY) of bills, sorted by bill; within a bill receivable comes first.

    Raises NotClosed unless debits equal credits, for every bill.
    """
    bills, lines = made.bills, made.lines
    size = bills.num_rows
    counts = bills.column("line_count").to_numpy()
    bill_of_line = np.repeat(np.arange(size), counts)
    code, names = _ledger_accounts(lines)
    credit = np.where(
        pc.equal(lines.column("kind"), USAGE).to_numpy(zero_copy_only=False),
        lines.column("rated_micro").to_numpy(), lines.column("amount_micro").to_numpy(),
    )  # fmt: skip
    keys, group = np.unique(bill_of_line * len(names) + code, return_inverse=True)
    sums = sum_by(group, credit, len(keys), "entries of a bill")
    every = np.arange(size)
    bill = np.concatenate([every, keys // max(len(names), 1), every])
    names = [*names, RECEIVABLE, ROUNDING]
    account = np.concatenate([
        np.full(size, len(names) - 2), keys % max(len(names) - 2, 1), np.full(size, len(names) - 1)
    ])  # fmt: skip
    signed = np.concatenate([
        bills.column("total_micro").to_numpy(), -sums, bills.column("rounding_micro").to_numpy()
    ])  # fmt: skip
    _check_balanced(bill, signed, size)
    order = np.argsort(bill, kind="stable")
    order = order[signed[order] != 0]
    return _entry_table(bills, names, bill[order], account[order], signed[order])


def post(existing: pa.Table, new: pa.Table) -> Posting:
    """Compare proposed entries with those that exist; posting the same twice changes nothing.

    Both tables: schemas.ENTRY, no id twice in one table (``entries_of`` makes none). ``existing``
    need only hold the entries of the bills that ``new`` is about.
    """
    ids = new.column("entry_id")
    if ids.equals(existing.column("entry_id")):  # the usual repeat: the same run once more
        row = pa.array(np.arange(new.num_rows))
    else:
        row = pc.index_in(ids, value_set=existing.column("entry_id"))
    found = pc.is_valid(row)
    answers = pc.if_else(found, EXISTS, CREATED)
    there = existing.take(row)  # rows that do not exist become null
    for name in reversed(schemas.ENTRY.names):
        differs = pc.fill_null(pc.not_equal(there.column(name), new.column(name)), False)
        answers = pc.if_else(differs, DIFFERENT + name, answers)
    answers = pa.chunked_array(answers.chunks if hasattr(answers, "chunks") else [answers])
    return Posting(new.filter(pc.invert(found)), answers.combine_chunks())


def _ledger_accounts(lines: pa.Table) -> tuple[np.ndarray, list[str]]:
    """The ledger account that each line credits, as a code into sorted names."""
    columns = [
        lines.column(name).combine_chunks().dictionary_encode()
        for name in ("kind", "item", "tax_class")
    ]
    code = np.zeros(lines.num_rows, np.int64)
    for column in columns:
        code = code * max(len(column.dictionary), 1) + column.indices.to_numpy()
    values, first, dense = np.unique(code, return_index=True, return_inverse=True)
    texts = []
    for row in first:
        kind, item, tax_class = (column[int(row)].as_py() for column in columns)
        texts.append(f"{_PREFIX[kind]}:{tax_class}:{item}" if kind == TAX
                     else f"{_PREFIX[kind]}:{item}")  # fmt: skip
    names = sorted(set(texts))
    to_name = np.array([names.index(text) for text in texts], np.int64)
    return (to_name[dense] if len(values) else code), names


def _check_balanced(bill: np.ndarray, signed_micro: np.ndarray, size: int) -> None:
    rest = sum_by(bill, signed_micro, size, "entries of a bill")
    wrong = int(np.count_nonzero(rest))
    if wrong or exact_sum(signed_micro):
        raise NotClosed(
            f"ledger: debits and credits differ for {wrong} bills\n    allowed: none\n"
            "    do: report this, it is a fault of the program"
        )


def _entry_table(
    bills: pa.Table,
    names: list[str],
    bill: np.ndarray,
    account: np.ndarray,
    signed_micro: np.ndarray,
) -> pa.Table:
    header = bills.take(pa.array(bill))
    accounts = pa.array(names, pa.string()).take(pa.array(account))
    return pa.table([
        pc.binary_join_element_wise(header.column("bill_number"), accounts, ":"),
        header.column("bill_period"),
        header.column("bill_number"),
        header.column("account_id"),
        accounts,
        header.column("currency"),
        pa.array(np.maximum(signed_micro, 0)),
        pa.array(np.maximum(-signed_micro, 0)),
    ], schema=schemas.ENTRY)  # fmt: skip
