"""``tollbook demo``: everything, end to end, on a made sample operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tollbook.cli.common import count, json_option, print_json, table

if TYPE_CHECKING:
    from tollbook.run.demo import Demo


@click.command(name="demo")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="tollbook-demo")
@click.option("--records", default=200_000, show_default=True, type=click.IntRange(100, 10**8))
@click.option("--subscribers", default=5_000, show_default=True, type=click.IntRange(50, 10**6))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@json_option
def command(folder: Path, records: int, subscribers: int, seed: int, as_json: bool) -> None:
    """Show everything, end to end, in FOLDER (a new one; by default tollbook-demo).

    Makes a sample operator and a month of its call records from three sources, runs thirty nights,
    bills and settles the month, checks that the books close, and writes a report.
    """
    from tollbook.errors import TollbookError
    from tollbook.run import progress

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TollbookError(
            f"{folder}: there is something in it already\n    allowed: a new or an empty folder\n"
            f"    do: remove it, or name another: tollbook demo {folder}-2"
        )
    with progress.shown(quiet=as_json) as shown:
        from tollbook.run import demo

        done = demo.run(folder.resolve(), shown, records, subscribers, seed)
    if as_json:
        print_json({
            "folder": str(done.root), "records": done.records, "seconds": done.elapsed_s,
            "dispositions": done.dispositions, "charge_micro": done.charge_micro,
            "bills": done.billed.bills, "total_due_micro": done.billed.total_micro,
            "statements": len(done.settled.statements), "report": str(done.report),
        })  # fmt: skip
    else:
        click.echo(screen(done))


def screen(done: Demo) -> str:
    """The closing screen: control totals, and where everything lies."""
    from tollbook.money import format_micro

    currency = done.billed.currency
    fates = [(name, f"{rows:,}") for name, rows in done.dispositions.items() if rows]
    money = [
        ("rated by 30 nights", format_micro(done.charge_micro)),
        ("recurring charges", format_micro(done.billed.recurring_micro)),
        ("rounding, posted", format_micro(-done.billed.rounding_micro)),
        ("tax", format_micro(done.billed.tax_micro)),
        ("total of the bills", format_micro(done.billed.total_micro)),
    ]
    to_us = sum(one.net_micro for one in done.settled.statements)
    where = [
        ("report", done.report),
        ("bills", done.billed.folder),
        ("printed", done.printed[0].parent if done.printed else Path()),
        ("statements", done.settled.folder),
        ("rated data", done.root / "lake" / "rated"),
        ("what was made", done.truth),
    ]
    here = Path.cwd()
    where = [
        (name, path.relative_to(here) if path.is_relative_to(here) else path)
        for name, path in where
    ]
    lines = [
        "",
        f"One month of Harbour Mobile: {count(done.records, 'record')} in "
        f"{count(len(done.nights), 'night')}, {count(done.billed.bills, 'bill')}, "
        f"{count(len(done.settled.statements), 'statement')}, in {done.elapsed_s} s",
        "",
        table(("records", ""), [*fates, ("all", f"{done.records:,}")], right="1"),
        "",
        table(("money", currency), money, right="1"),
        "",
        f"carriers: {count(done.settled.leg_count, 'leg')}, net to us "
        f"{format_micro(to_us)} {currency}",
        "The books close: every record has one fate, as it was made; bills and statements add up.",
        "",
        table(("where", ""), where),
        "",
        "try:  tollbook explain -C " + str(where[1][1]).split("/out/")[0] + " F1-2",
    ]
    return "\n".join(lines)
