"""A bill run without rendering: charge rows -> lines, rents, taxes, bills, ledger entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from bench import book, data
from bench.measure import Figure, in_turns, speed
from bench.options import Options
from billing import accumulate, bill, ledger, recurring
from tollbook import schemas
from tollbook.money import exact_sum
from tollbook.run import data as run_data

ROWS_A_BATCH: Final = 131_072
ROWS_AN_ACCOUNT: Final = 10
LINES_OF_ACCOUNTS: Final = 8  # so many lines make five accounts of the sample operator
OF_ACCOUNTS: Final = 5
PERIOD: Final = 2003 * 12 + 5  # June 2003
MIX: Final = (  # of ten records: service, components that charge
    *(("voice", (0, 1, 2)),) * 6, *(("sms", (3,)),) * 2, *(("data", (4,)),) * 2,
)  # fmt: skip


def figures(options: Options) -> list[Figure]:
    """Ten charge rows an account, as a month's lake gives them."""
    rows = options.data.records
    accounts = max(100, rows // ROWS_AN_ACCOUNT)
    lines = accounts * LINES_OF_ACCOUNTS // OF_ACCOUNTS
    found = run_data.load(_workspace(options.workdir, lines))
    batches = list(rated(found, rows))
    made = make(found, batches)
    check(batches, made)
    (seconds,) = in_turns((lambda: make(found, batches),), options.repeat)
    return [
        Figure("bills", "bill run, as many charge rows, without rendering", seconds, "s", 30, 10,
               lower=True, note=f"{made.bills.num_rows:,} bills, {made.lines.num_rows:,} lines, "
               f"{rows:,} charge rows; {speed(rows, seconds, 1)}"),
    ]  # fmt: skip


def _workspace(workdir: Path, lines: int) -> Path:
    """An operator with so many lines; its night is not used."""
    return data.prepare(workdir, 1000, lines).root


def rated(found: run_data.Data, rows: int) -> Iterator[pa.RecordBatch]:
    """Rows of the lake's ``rated``, in the order of accounts as a night writes them."""
    rng = np.random.Generator(np.random.PCG64(10))
    people, components = found.customers, found.book.components
    prices = book.prices_nano(book.COMPONENTS[0]).ravel()
    for low in range(0, rows, ROWS_A_BATCH):
        count = min(ROWS_A_BATCH, rows - low)
        line = np.sort(rng.integers(0, len(people.subscriptions.number), count))
        kind = rng.integers(0, len(MIX), count)
        charges = {}
        for slot, name in enumerate(components):
            paid = np.array([slot in slots for _, slots in MIX])[kind]
            charges[f"charge_{name}_micro"] = paid * prices[rng.integers(0, len(prices), count)]
        duration = np.where(kind < 6, rng.integers(1, 900, count), 0)
        volume = np.where(kind >= 8, rng.integers(1, 1 << 20, count), 0)
        account = people.subscriptions.account_index[line]
        yield pa.RecordBatch.from_pydict({
            "account_id": people.accounts.account_id.take(pa.array(account)).dictionary_encode(),
            "plan": pa.array(people.plan_ids).take(
                pa.array(people.subscriptions.plan_index[line])).dictionary_encode(),
            "version": pa.array([_version(found)] * count).dictionary_encode(),
            "service": pa.array([word for word, _ in MIX]).take(
                pa.array(kind)).dictionary_encode(),
            "duration_s": duration, "up_bytes": volume, "down_bytes": volume,
            "event_count": ((kind >= 6) & (kind < 8)).astype(np.int64),
            **charges, "charge_micro": sum(charges.values()),
        })  # fmt: skip


def _version(found: run_data.Data) -> str:
    first: date = found.book.plans[0].versions[0].valid_from
    return first.isoformat()


def make(found: run_data.Data, batches: list[pa.RecordBatch]) -> bill.Bills:
    """What ``tollbook bill`` does between reading the lake and writing the bills."""
    operator = found.workspace.operator
    usage = accumulate.accumulate(batches, found.book)
    rents = recurring.recurring_lines(
        found.customers, found.book, PERIOD, operator.time_zone, operator.currency_digits,
        schemas.BILL_LINE.empty_table(),
    )  # fmt: skip
    terms = bill.Terms(PERIOD, operator.currency, operator.currency_digits, found.book.taxes)
    made = bill.make(usage, rents, found.customers.accounts, terms)
    bill.check_closed(made)
    assert ledger.entries_of(made).num_rows > made.bills.num_rows
    return made


def check(batches: list[pa.RecordBatch], made: bill.Bills) -> None:
    """What was rated is billed, to the last micro; raises AssertionError otherwise."""
    rated_micro = sum(exact_sum(batch.column("charge_micro").to_numpy()) for batch in batches)
    billed = sum(
        exact_sum(chunk.to_numpy()) for chunk in made.bills.column("rated_micro").chunks
    )
    assert rated_micro == billed, f"{rated_micro} micro rated, {billed} billed"
