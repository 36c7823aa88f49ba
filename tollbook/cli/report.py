"""``tollbook report``: a month as a page, a run as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.bill import parse_period
from tollbook.cli.common import count, json_option, print_json, table, workspace_option

if TYPE_CHECKING:
    from tollbook.run.report import MonthFigures
    from tollbook.run.report_run import FileFigures, RunFigures


@click.command(name="report")
@workspace_option
@click.option("--period", help="The month to report, such as 2003-06.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the month's page goes; out/report-PERIOD.html by default.")
@click.option("--run", "run_number", type=int, help="The night or retry to show.")
@json_option
def command(
    folder: Path, period: str | None, out: Path | None, run_number: int | None, as_json: bool
) -> None:  # fmt: skip
    """Write the report of a month, or show that of a run.

    The month's report is one HTML page that needs nothing else. That of a run lists its files: the
    records of each, what became of them, and what they were charged. Exit code 1 if records of a
    run have no fate.
    """
    from tollbook.run.session import open_session

    if (period is None) == (run_number is None):
        raise click.UsageError("name a month with --period, or a run with --run")
    if run_number is not None:
        if out is not None:
            raise click.UsageError("--out goes with --period")
        from tollbook.run import report_run

        found = report_run.of_run(open_session(folder), run_number)
        if as_json:
            print_json(run_document(found))
        else:
            click.echo(run_screen(found))
        sys.exit(0 if found.is_closed else 1)
    _month(folder, period or "", out, as_json)


def _month(folder: Path, period: str, out: Path | None, as_json: bool) -> None:
    from tollbook.errors import NotFound
    from tollbook.run import report, report_figures
    from tollbook.run.session import OUT, open_session

    month = parse_period(period)
    work = open_session(folder)
    figures = report_figures.of_month(work, month)
    if not figures.nights and not figures.bill_count and not figures.settlements:
        raise NotFound(
            f"{period}: no run is of this month\n    allowed: a month with a night, bills or "
            "statements\n    do: see `tollbook runs`"
        )
    path = out or work.root / OUT / f"report-{period}.html"
    report.write(path, figures)
    if as_json:
        print_json(month_document(figures) | {"path": str(path)})
    else:
        records = sum(night.records for night in figures.nights)
        click.echo(f"{count(records, 'record')} in {count(len(figures.nights), 'run')}: {path}")


def month_document(figures: MonthFigures) -> dict[str, Any]:
    """The figures of a month's page, for programs."""
    nights = [
        {
            "day": night.day.isoformat(), "run": night.run_number, "records": night.records,
            "rows": [{"source": source, "fate": fate, "records": rows}
                     for (source, fate), rows in sorted(night.rows.items())],
            "charge_micro": dict(sorted(night.charge_micro.items())),
            "elapsed_ms": night.elapsed_ms,
        }
        for night in figures.nights
    ]  # fmt: skip
    return {
        "operator": figures.operator,
        "period": figures.period,
        "currency": figures.currency,
        "runs": nights,
        "suspense": dict(figures.suspense),
        "bills": {"count": figures.bill_count, "total_micro": figures.bill_total_micro},
        "settlements": [dict(one.__dict__) for one in figures.settlements],
    }


def run_document(found: RunFigures) -> dict[str, Any]:
    """A run's control report, for programs."""
    return {
        "run": found.run.run_number,
        "kind": found.run.kind,
        "as_of_utc_s": found.run.as_of_utc_s,
        "state": found.run.state,
        "elapsed_ms": found.run.elapsed_ms,
        "files": [
            {
                "file": f"F{one.file.file_number}", "source": one.file.source,
                "name": one.file.name, "refused": one.file.refused, "records": one.records,
                "fates": dict(one.fates), "unaccounted": one.unaccounted,
                "charge_micro": one.charge_micro,
            }
            for one in found.files
        ],
        "records": found.records,
        "reasons": dict(found.reasons),
        "currency": found.currency,
        "charge_micro": found.charge_micro,
        "closed": found.is_closed,
    }  # fmt: skip


def run_screen(found: RunFigures) -> str:
    """A run's control report, for people."""
    from tollbook.clock import utc_text
    from tollbook.codes import DISPOSITIONS
    from tollbook.money import format_micro

    run = found.run
    fates = [fate for fate in DISPOSITIONS if any(one.fates.get(fate) for one in found.files)]
    header = ("file", "source/name", "records", *fates, "unaccounted",
              f"charged ({found.currency})")  # fmt: skip
    rows = [_row(one, fates) for one in found.files]
    rows.append(["all", "", f"{found.records:,}", *(f"{found.of(fate):,}" for fate in fates),
                 f"{sum(one.unaccounted for one in found.files):,}",
                 format_micro(found.charge_micro)])  # fmt: skip
    lines = [
        f"run {run.run_number}: {run.kind}, as of {utc_text(run.as_of_utc_s)}, {run.state}, "
        f"{run.elapsed_ms // 1000}.{run.elapsed_ms % 1000:03d} s",
        table(header, rows, right=range(2, len(header))),
    ]
    lines += [f"refused {one.file.source}/{one.file.name}: {one.file.refused}"
              for one in found.files if one.file.refused]  # fmt: skip
    if found.reasons:
        why = [(name, f"{rows:,}") for name, rows in found.reasons.items()]
        lines.append(table(("reason", "records"), why, right="1"))
    lines.append("the books close: every record has one fate" if found.is_closed
                 else "NOT CLOSED: records have no fate; do: `tollbook audit`")  # fmt: skip
    return "\n".join(lines)


def _row(one: FileFigures, fates: list[str]) -> list[str]:
    from tollbook.money import format_micro

    return [
        f"F{one.file.file_number}", f"{one.file.source}/{one.file.name}", f"{one.records:,}",
        *(f"{one.fates.get(fate, 0):,}" for fate in fates), f"{one.unaccounted:,}",
        format_micro(one.charge_micro),
    ]  # fmt: skip
