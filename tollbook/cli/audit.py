"""``tollbook audit``: draw up the balances again from what is stored."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tollbook.cli.common import count, json_option, print_json, table, workspace_option


@click.command(name="audit")
@workspace_option
@click.option("--quick", is_flag=True, help="Leave out the checksums of the lake's files.")
@json_option
def command(folder: Path, quick: bool, as_json: bool) -> None:
    """Check that every record has one fate and every amount is stored once.

    Compares the catalogue with the lake: records by file, rows and checksums of every lake file,
    money. Exit code 1 if anything is not in order.
    """
    from tollbook.money import format_micro
    from tollbook.run import audit, progress, session

    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        found = audit.audit(work, checksums=not quick)
    if as_json:
        print_json(found.__dict__ | {"findings": list(found.findings)})
    else:
        rows = [(name, f"{rows:,}") for name, rows in found.dispositions.items()]
        click.echo(table(("fate", "records"), [*rows, ("all", f"{found.records:,}")], right="1"))
        currency = work.workspace.operator.currency
        click.echo(
            f"{count(found.files, 'input file')}, {count(found.lake_files, 'lake file')}, charged "
            f"{format_micro(found.charge_micro)} {currency}"
        )
        for finding in found.findings:
            click.echo(f"not in order: {finding}", err=True)
        if not found.findings:
            click.echo("everything is in order")
    sys.exit(1 if found.findings else 0)
