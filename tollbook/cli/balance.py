"""``tollbook balance``: what an account has left, and how it came about."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli.common import json_option, print_json, workspace_option


@click.command(name="balance")
@workspace_option
@click.option("--period", default="", help="A month such as 2003-06 (default: the last run's).")
@click.option("--records", default=5, show_default=True, type=click.IntRange(0),
              help="How many of the last records of each balance to show.")
@click.option("--masked", "is_masked", is_flag=True, help="Hide the middle of persons' numbers.")
@json_option
@click.argument("account")
def command(
    folder: Path, period: str, records: int, is_masked: bool, as_json: bool, account: str
) -> None:
    """Show what an account has left of its allowances.

    Of its period tiers, counters and caps, too. ACCOUNT is an id of customers/accounts.csv. Its own
    balances are shown, those of its subscriptions and those of the groups that their numbers are
    in: what was granted, carried over and used, by day and by record. What no record has asked for
    yet is shown as it would be granted.
    """
    from tollbook.cli import balance_screen
    from tollbook.cli.bill import parse_period
    from tollbook.run.balances import of_account
    from tollbook.run.session import open_session

    found = of_account(open_session(folder), account, parse_period(period) if period else 0)
    if as_json:
        print_json(balance_screen.document(found, is_masked))
    else:
        click.echo(balance_screen.screen(found, records, is_masked))
