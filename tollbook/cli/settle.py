"""``tollbook settle``: close a month between carriers."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli.bill import parse_period
from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    table,
    workspace_option,
)


@click.command(name="settle")
@workspace_option
@click.option("--period", required=True, help="The month to settle, such as 2003-06.")
@click.option("--as-of", help=AS_OF_HELP)
@json_option
def command(folder: Path, period: str, as_of: str | None, as_json: bool) -> None:
    """Close a month of settlement legs into a statement for each carrier.

    Writes out/settlement/PERIOD/: one CSV a carrier and summary.csv. The totals equal the legs of
    the nights; a month that is settled stays as it is.
    """
    from tollbook.money import format_micro
    from tollbook.run import progress, session, settlements

    month = parse_period(period)
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        done = settlements.run(work, month, parse_as_of(as_of))
    if as_json:
        print_json({
            "run": done.run_number, "period": period, "again": done.again,
            "legs": done.leg_count, "leg_micro": done.leg_micro, "folder": str(done.folder),
            "statements": [
                {"statement": one.statement_id, "carrier": one.carrier,
                 "out_micro": one.total("out").payable_micro,
                 "in_micro": one.total("in").payable_micro, "net_micro": one.net_micro}
                for one in done.statements
            ],
        })  # fmt: skip
        return
    if done.again:
        click.echo(f"{period} was settled by run {done.run_number}; nothing changed")
    currency = work.workspace.operator.currency
    rows = [
        (one.carrier_name, f"{one.total('out').call_count + one.total('in').call_count:,}",
         format_micro(one.total("out").payable_micro), format_micro(one.total("in").payable_micro),
         format_micro(one.net_micro))
        for one in done.statements
    ]  # fmt: skip
    header = ("carrier", "legs", f"we pay ({currency})", "they pay", "net to us")
    click.echo(table(header, rows, right="1234"))
    click.echo(f"{count(done.leg_count, 'leg')}; in {done.folder}: one CSV a carrier, summary.csv")
