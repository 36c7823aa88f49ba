"""The bill run: a month is closed, and every account that owes anything gets its bill.

The stages are pure functions of ``billing``; this module feeds them from the lake and commits what
they give, together with the closing of the month. Usage that arrives later goes to the next month.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from billing import accumulate, bill, ledger, recurring, render
from tollbook import clock, schemas
from tollbook.errors import NotClosed, NotFound, TollbookError
from tollbook.money import exact_sum
from tollbook.run import commit, data, differences, lake, settled, snapshots
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.data import Data
from tollbook.run.session import OUT, Session, commit_plan, writing

# The period's stages; their names are the labels of progress and reports.
STAGES: Final = (
    ("close", commit.commit),
    ("accumulate", accumulate.accumulate),
    ("recurring", recurring.recurring_lines),
    ("tax", bill.make),  # taxes are lines of the bill: both are made in one pass
    ("bill", bill.check_closed),
    ("post", ledger.entries_of),
    ("render", render.write_jsonl),
)
RATED_COLUMNS: Final = (
    "account_id", "plan", "version", "service", "duration_s", "up_bytes", "down_bytes",
    "event_count", "charge_micro",
)  # fmt: skip


@dataclass(frozen=True)
class Billed:
    """What a bill run has made. ``again``: the month had been billed before; nothing was done."""

    run_number: int
    period: int
    bills: int
    lines: int
    total_micro: int
    rated_micro: int
    rounding_micro: int
    tax_micro: int
    recurring_micro: int
    settled_micro: int
    correction_micro: int
    currency: str
    folder: Path
    again: bool = False
    elapsed_ms: int = 0


def run(session: Session, period: int, as_of_utc_s: int | None = None) -> Billed:
    """Close a month and bill it; a month that is closed is reported as it was billed."""
    with writing(session):
        catalogue = session.catalogue
        closed = catalogue.closed_periods("bill")
        if period in closed:
            return summary(session, closed[period], again=True)
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        check_order(session, period, now, "bill", "rated", differences.DATASET)
        snapshot = snapshots.take_checked(
            session.root, session.lake, lambda taken: data.load(taken.folder)
        )
        planned = commit_plan(session, "bill", snapshot, now, period)
        return execute(session, planned)


def check_order(session: Session, period: int, now: int, kind: str, *datasets: str) -> None:
    """A month can be closed when it is over, and after all months before it that have rows in the
    datasets."""
    zone = session.workspace.operator.time_zone
    end = clock.period_bounds_utc_s(period, zone)[1]
    text = clock.period_text(period)
    if now < end:
        raise TollbookError(
            f"{text} is not over: it ends at {clock.utc_text(end)}, now is {clock.utc_text(now)}\n"
            f"    allowed: months that are over\n    do: wait, or name another month"
        )
    closed = session.catalogue.closed_periods(kind)
    if closed and period < max(closed):
        raise TollbookError(
            f"{text} was passed over when {clock.period_text(max(closed))} was closed\n"
            "    allowed: months after the last closed one\n    do: nothing; its late records are "
            "part of later months"
        )
    earlier = sorted({
        file.period for name in datasets for file in session.catalogue.lake_files(name)
        if file.period < period and file.period not in closed
    })  # fmt: skip
    if earlier:
        raise TollbookError(
            f"{clock.period_text(earlier[0])} has records and is still open\n"
            f"    allowed: months are closed in their order\n"
            f"    do: `tollbook {kind} --period {clock.period_text(earlier[0])}` first"
        )


def execute(session: Session, planned: Run) -> Billed:
    """Follow a bill run's plan."""
    began = time.monotonic()
    found = data.load(snapshots.folder_of(session.lake, planned.snapshot))
    operator = found.workspace.operator
    files = session.catalogue.lake_files("rated", periods=[planned.period])
    session.progress.start("accumulate", sum(file.rows for file in files))
    usage = accumulate.accumulate(_rated(session, files, found), found.book)
    rents = recurring.recurring_lines(
        found.customers, found.book, planned.period, operator.time_zone,
        operator.currency_digits, _billed_before(session),
    )  # fmt: skip
    terms = bill.Terms(
        planned.period, operator.currency, operator.currency_digits, found.book.taxes
    )
    due = differences.correction_lines(session, planned.period)
    volumes = settled.due(session, planned.period, found)
    made = bill.make(usage, rents, found.customers.accounts, terms, due, volumes)
    bill.check_closed(made)
    _check_money(session, planned.period, made, _sum(volumes, "charge_micro"))
    entries = ledger.entries_of(made)
    written = _write(session, planned, found, made, entries)

    def record(link: Connection) -> None:
        session.catalogue.close_period(link, "bill", planned.period, planned.run_number)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(session.catalogue, session.root, planned.run_number, written, (), record,
                  elapsed_ms)  # fmt: skip
    return summary(session, planned.run_number)


def _rated(session: Session, files: list[LakeFile], found: Data) -> Iterator[pa.RecordBatch]:
    charges = [f"charge_{component}_micro" for component in found.book.components]
    for batch in lake.batches(session.root, files, [*RATED_COLUMNS, *charges]):
        session.progress.advance(batch.num_rows)
        yield batch


def _check_money(
    session: Session, period: int, made: bill.Bills, settled_micro: int
) -> None:
    """What is billed as usage, settled volume and corrections is what was rated for this month,
    what is settled of it, and the differences of closed ones, to the last micro."""
    rated = differences.delta_micro(session, period) + settled_micro
    for file in session.catalogue.lake_files("rated", periods=[period]):
        column = lake.read(session.root, file, ["charge_micro"]).column("charge_micro")
        rated += sum(exact_sum(chunk.to_numpy()) for chunk in column.chunks)
    billed = _sum(made.bills, "rated_micro")
    if rated != billed:
        raise NotClosed(
            f"{clock.period_text(period)}: {rated} micro were rated, {billed} micro are billed\n"
            "    allowed: the same amount\n    do: `tollbook audit`; nothing was committed"
        )


def _sum(table: pa.Table, name: str) -> int:
    return sum(exact_sum(chunk.to_numpy()) for chunk in table.column(name).chunks)


def _billed_before(session: Session) -> pa.Table:
    """Recurring lines of all earlier bills: what was charged in advance is not charged again."""
    found = [
        lake.read(session.root, file) for file in session.catalogue.lake_files("bill_lines")
    ]
    table = pa.concat_tables(found) if found else schemas.BILL_LINE.empty_table()
    return table.cast(schemas.BILL_LINE)


def _write(
    session: Session, planned: Run, found: Data, made: bill.Bills, entries: pa.Table
) -> list[LakeFile]:
    number, month = planned.run_number, planned.period
    period = clock.period_text(month)
    written = []
    for dataset, table in (("bills", made.bills), ("bill_lines", made.lines), ("ledger", entries)):
        path = lake.relative_path(dataset, period, number, "part-0001")
        writer = lake.Writer(
            session.root, f"{session.lake_prefix}/{path}", number, dataset, month
        )
        writer.write(lake.micro_to_amounts(table.combine_chunks()))
        written.append(writer.close())
    folder = f"{OUT}/bills/{period}"
    head, accounts = letterhead(found, planned), found.customers.accounts
    outputs: tuple[tuple[str, Callable[[Path], Any]], ...] = (
        (f"{folder}/bills.jsonl",
         lambda path: render.write_jsonl(path, made, accounts, head)),
        (f"{folder}/register.csv",
         lambda path: render.write_register(path, made, accounts, head)),
    )  # fmt: skip
    for name, write in outputs:
        written.append(lake.write_output(session.root, name, number, month, write))
    return written


def letterhead(found: Data, planned: Run) -> render.Letterhead:
    """What stands on every bill of the run: issued on the run's day, never on today's."""
    operator = found.workspace.operator
    issued = date.fromisoformat(clock.local_stamp(planned.as_of_utc_s, operator.time_zone)[:10])
    names = {plan.plan_id: plan.name for plan in found.book.plans}
    return render.Letterhead(
        operator.name, operator.country, operator.currency_digits, issued, plan_names=names
    )


def summary(session: Session, run_number: int, again: bool = False) -> Billed:
    """A bill run's figures, read from what it has committed."""
    done = session.catalogue.run(run_number)
    bills = _whole(pa.concat_tables([
        lake.read(session.root, file)
        for file in session.catalogue.lake_files("bills", run_number=run_number)
    ]), schemas.BILL)  # fmt: skip
    return Billed(
        run_number, done.period, bills.num_rows,
        int(bills.column("line_count").to_numpy().sum()),
        _sum(bills, "total_micro"), _sum(bills, "rated_micro"), _sum(bills, "rounding_micro"),
        _sum(bills, "tax_micro"), _sum(bills, "recurring_micro"), _settled(session, run_number),
        differences.delta_micro(session, done.period),
        session.workspace.operator.currency,
        session.root / OUT / "bills" / clock.period_text(done.period), again, done.elapsed_ms,
    )  # fmt: skip


def _settled(session: Session, run_number: int) -> int:
    """What a bill run has settled of whole volumes, exact."""
    found = 0
    for file in session.catalogue.lake_files("bill_lines", run_number=run_number):
        lines = lake.read(session.root, file, ["kind", "rated_micro"])
        is_settled = pc.equal(lines.column("kind").cast(pa.string()), bill.SETTLED)
        found += _sum(lines.filter(is_settled), "rated_micro")
    return found


def print_pdfs(session: Session, period: int, account_ids: Sequence[str]) -> render.Printed:
    """PDF bills of a closed month for the accounts asked for (``all``: every one).

    The workspace's own ``templates/bill.typ``, as it was when the month was billed, comes before
    the one that ships.
    """
    found, made, done = stored(session, period)
    if "all" in account_ids:
        account_ids = made.bills.column("account_id").to_pylist()
    own = found.workspace.root / "templates" / "bill.typ"
    folder = session.root / OUT / "bills" / clock.period_text(period) / "pdf"
    folder.mkdir(parents=True, exist_ok=True)
    return render.write_pdfs(
        folder, made, found.customers.accounts, letterhead(found, done), account_ids,
        own if own.is_file() else render.TEMPLATE,
    )  # fmt: skip


def stored(session: Session, period: int) -> tuple[Data, bill.Bills, Run]:
    """The bills of a closed month as they were committed, with the customers of that time."""
    closed = session.catalogue.closed_periods("bill")
    if period not in closed:
        raise NotFound(
            f"{clock.period_text(period)} is not billed\n    allowed: months that are billed\n"
            f"    do: `tollbook bill --period {clock.period_text(period)}`"
        )
    done = session.catalogue.run(closed[period])
    found = data.load(snapshots.folder_of(session.lake, done.snapshot))
    tables = {}
    for dataset, schema in (("bills", schemas.BILL), ("bill_lines", schemas.BILL_LINE)):
        files = session.catalogue.lake_files(dataset, run_number=done.run_number)
        table = pa.concat_tables([lake.read(session.root, file) for file in files])
        tables[dataset] = _whole(table, schema).cast(schema)
    return found, bill.Bills(tables["bills"], tables["bill_lines"]), done


def _whole(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with amounts of zero where it was written before there were such ones."""
    for place, name in enumerate(schema.names):
        if name not in table.column_names and name.endswith("_micro"):
            nothing = pa.repeat(pa.scalar(0, pa.int64()), table.num_rows)
            table = table.add_column(place, name, nothing)
    return table
