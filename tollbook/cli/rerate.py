"""``tollbook rerate``: a month's records again, with the tariffs and data of today."""

from __future__ import annotations

import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from tollbook.cli.bill import parse_period
from tollbook.cli.common import (
    AS_OF_HELP,
    F,
    json_option,
    parse_as_of,
    print_json,
    workspace_option,
)  # fmt: skip

if TYPE_CHECKING:
    from tollbook.run.rerate_scope import Scope
    from tollbook.run.session import Session


def scope_options(function: F) -> F:
    """Options that narrow the month; the command gets them as one ``scope``."""

    @wraps(function)
    def wrapped(**values: Any) -> None:
        from tollbook import reasons
        from tollbook.run.rerate_scope import Scope

        reason = values.pop("reason")
        if reason and reason not in reasons.CODE:
            raise click.BadParameter(f"'{reason}' is no reason; see `tollbook suspense list`",
                                     param_hint="--reason")  # fmt: skip
        accounts, plans, sources = (
            values.pop(name) for name in ("accounts", "plans", "sources")
        )
        function(scope=Scope(accounts, plans, sources, reason), **values)

    for option in (
        click.option("--reason", default="",
                     help="Only records that waited in suspense for this reason."),
        click.option("--source", "sources", multiple=True, help="Only records of this source."),
        click.option("--plan", "plans", multiple=True,
                     help="Only records of subscriptions on this plan."),
        click.option("--account", "accounts", multiple=True, help="Only records of this account."),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return cast("F", wrapped)


@click.command(name="rerate")
@workspace_option
@click.option("--period", help="The bill month whose records are rated again.")
@click.option("--late", is_flag=True,
              help="Instead: accounts with records that came late, of plans with `late: rerate`.")
@scope_options
@click.option("--dry-run", is_flag=True, help="Only say what would change; nothing is written.")
@click.option("--as-of", help=AS_OF_HELP)
@json_option
def command(
    folder: Path, period: str | None, late: bool, scope: Scope, dry_run: bool, as_of: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Rate the records of a month again.

    The tariffs, network and customers of today decide. Records of an open month are put right where
    they stand. Those of a closed month stay as they were billed; the next `tollbook bill` bills the
    differences as corrections. Where nothing is another than before, nothing is written.
    """
    from tollbook.cli import rerate_screen
    from tollbook.run import progress, rerate, session

    if late == (period is not None) or (late and scope.is_narrow):
        raise click.UsageError("name either --period, and what narrows it, or --late alone")
    month = None if period is None else parse_period(period)
    moment = parse_as_of(as_of)
    if month is None:
        _late(session.open_session(folder), moment, dry_run, as_json)
        return
    with progress.shown(quiet=as_json) as shown:
        done = rerate.run(session.open_session(folder, shown), month, scope, moment, dry_run)
    if as_json:
        print_json({"dry_run": dry_run} | rerate_screen.as_dict(done))
    else:
        click.echo(rerate_screen.screen(done, dry_run))


def _late(work: Session, moment: int | None, dry_run: bool, as_json: bool) -> None:
    """Rate all accounts again that are due; leaves with 1 if some were refused."""
    from tollbook.cli import late_screen
    from tollbook.run import progress, rerate_late

    with progress.shown(quiet=as_json) as shown:
        work.progress = shown
        groups = rerate_late.run(work, moment, dry_run)
    if as_json:
        found = late_screen.as_dict(groups, late_screen.due_accounts(work))
        print_json({"dry_run": dry_run} | found)
    elif groups:
        click.echo(late_screen.screen(groups, dry_run))
    else:
        click.echo("nothing to do: no account has records that came late under `late: rerate`")
    sys.exit(1 if any(one.done is None for one in groups) else 0)
