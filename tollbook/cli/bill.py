"""``tollbook bill``: close a month and bill it."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    table,
    workspace_option,
)  # fmt: skip


def parse_period(text: str) -> int:
    """``2003-06`` as a month; a usage error for anything else."""
    from tollbook import clock

    period = clock.parse_period(text)
    if period is None:
        raise click.BadParameter(f"'{text}' is no month; write 2003-06", param_hint="--period")
    return period


@click.command(name="bill")
@workspace_option
@click.option("--period", required=True, help="The month to bill, such as 2003-06.")
@click.option("--as-of", help=AS_OF_HELP)
@click.option("--pdf", "accounts", multiple=True, help="Print this account's PDF bill (or `all`).")
@json_option
def command(
    folder: Path, period: str, as_of: str | None, accounts: tuple[str, ...], as_json: bool
) -> None:
    """Close a month and make one bill for each account.

    Writes out/bills/PERIOD/bills.jsonl and register.csv, and the bills, their lines and the ledger
    entries into the lake. A month that is billed stays as it is: asking again changes nothing, and
    --pdf prints more of its bills.
    """
    from tollbook.clock import period_text
    from tollbook.money import format_micro
    from tollbook.run import bills, progress, session

    month = parse_period(period)
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        done = bills.run(work, month, parse_as_of(as_of))
        printed = bills.print_pdfs(work, month, accounts) if accounts else None
    if as_json:
        figures = {key: value for key, value in done.__dict__.items() if key != "folder"}
        files = [str(path) for path in printed.files] if printed else []
        print_json(figures | {"period": period, "folder": str(done.folder), "pdf": files})
        return
    if done.again:
        click.echo(f"{period_text(month)} was billed by run {done.run_number}; nothing changed")
    rows = [
        ("recurring charges", done.recurring_micro),
        ("usage, as rated", done.rated_micro - done.settled_micro - done.correction_micro),
        ("settled volume", done.settled_micro),
        ("corrections of closed months", done.correction_micro),
        ("rounding of usage lines", -done.rounding_micro),
        ("tax", done.tax_micro),
        ("total due", done.total_micro),
    ]
    rows = [row for place, row in enumerate(rows) if place not in (2, 3) or row[1]]
    click.echo(f"{count(done.bills, 'bill')} with {count(done.lines, 'line')} for {period}")
    click.echo(table(
        ("", done.currency), [(name, format_micro(amount)) for name, amount in rows], right="1"
    ))  # fmt: skip
    click.echo(f"in {done.folder}: bills.jsonl, register.csv")
    if printed:
        click.echo(f"{count(len(printed.files), 'PDF bill')} in {done.folder / 'pdf'}")
        for bill in printed.without_font:
            click.echo(f"warning: {bill}: a name needs a font that is not there", err=True)
