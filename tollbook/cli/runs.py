"""``tollbook runs``: what was done; ``tollbook runs cancel``: give up a plan."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli.common import json_option, print_json, table, workspace_option


@click.group(name="runs", invoke_without_command=True)
@workspace_option
@json_option
@click.pass_context
def command(context: click.Context, folder: Path, as_json: bool) -> None:
    """List the runs: nights, retries, bills, settlements."""
    context.obj = folder
    if context.invoked_subcommand is not None:
        return
    from tollbook.clock import period_text, utc_text
    from tollbook.run.session import open_session

    work = open_session(folder)
    rows = []
    for run in work.catalogue.runs():
        totals = [total for _, total in work.catalogue.totals(run.run_number)]
        rows.append({
            "run": run.run_number, "kind": run.kind, "as_of": utc_text(run.as_of_utc_s),
            "period": period_text(run.period) if run.period else "", "state": run.state,
            "files": len(work.catalogue.files(run.run_number)),
            "records": sum(max(total.rows, 0) for total in totals),
            "seconds": round(run.elapsed_ms / 1000, 1), "snapshot": run.snapshot[:12],
        })  # fmt: skip
    if as_json:
        print_json(rows)
    elif rows:
        click.echo(table(list(rows[0]), [list(row.values()) for row in rows], right="0567"))
    else:
        click.echo("no runs yet; `tollbook run` makes the first")


@command.command()
@click.option("-C", "--workspace", "named", type=click.Path(file_okay=False, path_type=Path),
              help="The operator's folder, unless it was named before `cancel`.")
@click.argument("run_number", type=click.IntRange(1))
@click.pass_obj
def cancel(folder: Path, named: Path | None, run_number: int) -> None:
    """Give up the plan of a run that was interrupted; its files are new again."""
    from tollbook.errors import TollbookError
    from tollbook.run.session import open_session, put_right

    work = open_session(named or folder)
    with work.catalogue.writer():
        put_right(work)
        run = work.catalogue.run(run_number)
        if run.state != "planned":
            raise TollbookError(
                f"run {run_number} is {run.state}\n    allowed: runs that are planned only\n"
                "    do: nothing of a committed run can be cancelled"
            )
        with work.catalogue.transaction() as link:
            work.catalogue.cancel(link, run_number)
    click.echo(f"run {run_number} is cancelled; its files will be planned again")
