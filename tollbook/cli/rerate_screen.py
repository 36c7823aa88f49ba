"""What a re-rating did, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook.cli.common import count, table

if TYPE_CHECKING:
    from tollbook.run.rerate import Rerated


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
