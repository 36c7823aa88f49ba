"""The settlement run: a month of legs is closed into one statement for each carrier."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection

from settlement import statement
from settlement.statement import Statement
from tollbook import clock
from tollbook.errors import NotClosed
from tollbook.money import exact_sum
from tollbook.run import bills, commit, data, lake, snapshots
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.data import Data
from tollbook.run.session import OUT, Session, commit_plan, writing

# The period's stages; their names are the labels of progress and reports.
STAGES: Final = (
    ("close", commit.commit),
    ("statement", statement.make),
    ("file", statement.write),
)
LEG_COLUMNS: Final = (
    "carrier", "direction", "service", "settlement_group", "agreement", "price", "quantity",
    "billed_quantity", "charge_micro",
)  # fmt: skip


@dataclass(frozen=True)
class Settled:
    """What a settlement run has made. ``again``: the month had been settled before."""

    run_number: int
    period: int
    statements: tuple[Statement, ...]
    leg_count: int
    leg_micro: int
    folder: Path
    again: bool = False
    elapsed_ms: int = 0


def run(session: Session, period: int, as_of_utc_s: int | None = None) -> Settled:
    """Close a month of legs; a month that is closed is reported as it was settled."""
    with writing(session):
        closed = session.catalogue.closed_periods("settle")
        if period in closed:
            return summary(session, session.catalogue.run(closed[period]), again=True)
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        bills.check_order(session, period, now, "settle", "legs")
        snapshot = snapshots.take_checked(
            session.root, session.lake, lambda taken: data.load(taken.folder)
        )
        return execute(session, commit_plan(session, "settle", snapshot, now, period))


def execute(session: Session, planned: Run) -> Settled:
    """Follow a settlement run's plan."""
    began = time.monotonic()
    found = data.load(snapshots.folder_of(session.lake, planned.snapshot))
    made = _make(session, planned, found)
    _check_money(session, planned, made)
    written = _write(session, planned, made)

    def record(link: Connection) -> None:
        session.catalogue.close_period(link, "settle", planned.period, planned.run_number)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(session.catalogue, session.root, planned.run_number, written, (), record,
                  elapsed_ms)  # fmt: skip
    return summary(session, session.catalogue.run(planned.run_number))


def _make(session: Session, planned: Run, found: Data) -> tuple[Statement, ...]:
    operator, carriers = found.workspace.operator, found.network.carriers
    terms = statement.Terms(
        operator.name, planned.period, operator.currency, operator.currency_digits,
        dict(zip(carriers.ids, carriers.names, strict=True)),
    )  # fmt: skip
    return statement.make(_legs(session, planned.period), terms)


def _legs(session: Session, period: int) -> Iterator[pa.RecordBatch]:
    files = session.catalogue.lake_files("legs", periods=[period])
    session.progress.start("statement", sum(file.rows for file in files))
    for batch in lake.batches(session.root, files, LEG_COLUMNS):
        session.progress.advance(batch.num_rows)
        yield batch


def _check_money(session: Session, planned: Run, made: tuple[Statement, ...]) -> None:
    """The statements hold every leg of the month, to the last micro."""
    count, charge = leg_sums(session, planned.period)
    stated = sum(line.charge_micro for one in made for line in one.lines)
    calls = sum(line.call_count for one in made for line in one.lines)
    if (count, charge) != (calls, stated):
        raise NotClosed(
            f"{clock.period_text(planned.period)}: {count} legs of {charge} micro, "
            f"{calls} legs of {stated} micro in the statements\n"
            "    allowed: the same\n    do: `tollbook audit`; nothing was committed"
        )


def leg_sums(session: Session, period: int) -> tuple[int, int]:
    """Number of legs of a month in the lake, and their charge in micro."""
    count = charge = 0
    for file in session.catalogue.lake_files("legs", periods=[period]):
        column = lake.read(session.root, file, ["charge_micro"]).column("charge_micro")
        count += len(column)
        charge += sum(exact_sum(chunk.to_numpy()) for chunk in column.chunks)
    return count, charge


def _write(session: Session, planned: Run, made: tuple[Statement, ...]) -> list[LakeFile]:
    number, month = planned.run_number, planned.period
    period = clock.period_text(month)
    path = lake.relative_path("statements", period, number, "part-0001")
    writer = lake.Writer(
        session.root, f"{session.lake_prefix}/{path}", number, "statements", month
    )
    writer.write(lake.micro_to_amounts(statement.lines_table(made)))
    written = [writer.close()]
    with tempfile.TemporaryDirectory() as folder:
        for source in statement.write(Path(folder), made):
            name = f"{OUT}/settlement/{period}/{source.name}"
            written.append(lake.write_output(session.root, name, number, month, _copy(source)))
    return written


def _copy(source: Path) -> Callable[[Path], object]:
    return lambda target: shutil.copyfile(source, target)


def summary(session: Session, done: Run, again: bool = False) -> Settled:
    """A settlement's figures, from the legs that it has closed."""
    found = data.load(snapshots.folder_of(session.lake, done.snapshot))
    count, charge = leg_sums(session, done.period)
    folder = session.root / OUT / "settlement" / clock.period_text(done.period)
    return Settled(done.run_number, done.period, _make(session, done, found), count, charge,
                   folder, again, done.elapsed_ms)  # fmt: skip
