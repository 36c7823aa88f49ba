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
    count,
    json_option,
    parse_as_of,
    print_json,
    table,
    workspace_option,
)  # fmt: skip

if TYPE_CHECKING:
    from tollbook.run.rerate import Rerated
    from tollbook.run.rerating import Scope
    from tollbook.run.session import Session


def scope_options(function: F) -> F:
    """Options that narrow the month; the command gets them as one ``scope``."""

    @wraps(function)
    def wrapped(**values: Any) -> None:
        from tollbook import reasons
        from tollbook.run.rerating import Scope

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
        print_json({"dry_run": dry_run} | as_dict(done))
    else:
        click.echo(screen(done, dry_run))


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


def as_dict(done: Rerated) -> dict[str, Any]:
    """A re-rating's figures for programs."""
    from tollbook.clock import period_text

    values = {name: value for name, value in done.__dict__.items() if name != "late"}
    return values | {
        "period": period_text(done.period), "last_period": period_text(done.last_period),
        "bill_period": period_text(done.bill_period) if done.bill_period else "",
        "late_accounts": len({one.account_id for one in done.late}),
        "plans": [line.__dict__ for line in done.plans],
        "less": done.less.__dict__, "more": done.more.__dict__,
        "old_micro": done.old_micro, "new_micro": done.new_micro,
        "delta_micro": done.new_micro - done.old_micro,
    }  # fmt: skip


def screen(done: Rerated, dry_run: bool) -> str:
    """A re-rating's figures for people."""
    from tollbook.clock import period_text

    month = period_text(done.period)
    if done.last_period > done.period:
        month += f" to {period_text(done.last_period)}"
    again = f"{count(done.records, 'record')} of {month} rated again"
    if not done.records:
        return f"nothing to do: no rated record of {month} fits"
    if not done.changed and not done.balances:
        return "\n".join([f"nothing to do: {again}, all as before", *_unrated(done)])
    head = f"{again}, {done.changed:,} of them otherwise than before"
    lines = [f"{'would be' if dry_run else f'run {done.run_number}'}: {head}"]
    lines += _money(done) + _unrated(done)
    if done.legs_kept:
        lines.append(f"{count(done.legs_kept, 'record')} keep legs of settled months as they are")
    return "\n".join(lines + _next(done, dry_run))


def _money(done: Rerated) -> list[str]:
    from tollbook.money import format_micro

    if not done.plans:
        return ["no charge is another than before"]
    rows = [
        (line.plan, line.component, f"{line.records:,}", format_micro(line.old_micro),
         format_micro(line.new_micro), format_micro(line.new_micro - line.old_micro))
        for line in done.plans
    ]  # fmt: skip
    rows.append(("all", "", "", format_micro(done.old_micro), format_micro(done.new_micro),
                 format_micro(done.new_micro - done.old_micro)))  # fmt: skip
    header = ("plan", "component", "records", "old", "new", done.currency)
    lines = [table(header, rows, right="2345")]
    for who, words in ((done.less, "less"), (done.more, "more")):
        if who.accounts:
            lines.append(
                f"{count(who.accounts, 'account')} {words}: {format_micro(who.delta_micro)} in all,"
                f" the most {who.most_account} with {format_micro(who.most_micro)}"
            )
    return lines


def _unrated(done: Rerated) -> list[str]:
    """Records that have no price any more."""
    if not done.unrated:
        return []
    why = ", ".join(f"{rows:,} {reason}" for reason, rows in done.unrated.items())
    moved = sum(done.unrated.values()) - done.held
    lines = [f"no longer to be rated: {why}"]
    if moved:
        lines.append(f"  {count(moved, 'record')} to suspense")
    if done.held:
        where = "billed" if done.bill_period else "settled"
        lines.append(f"  {count(done.held, 'record')} left as before: what is {where} stays")
    return lines


def _next(done: Rerated, dry_run: bool) -> list[str]:
    from tollbook.clock import period_text

    if dry_run:
        return ["nothing was written; the same without --dry-run does it"]
    if done.bill_period and done.plans:
        month = period_text(done.bill_period)
        return [f"the month is billed: `tollbook bill --period {month}` bills the differences"]
    if sum(done.unrated.values()) > done.held:
        return ["see `tollbook suspense list` for what cures them"]
    if not done.plans:
        return []
    months = [period_text(one) for one in range(done.period, done.last_period + 1)]
    commands = ", then ".join(f"`tollbook bill --period {month}`" for month in months)
    return [f"{commands} bill{'s' if len(months) == 1 else ''} the new charges"]
