"""``tollbook suspense list``: what waits, counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.common import (
    count,
    json_option,
    parse_as_of,
    print_json,
    table,
    workspace_option,
)

if TYPE_CHECKING:
    from tollbook.run.suspense_summary import Group


@click.command(name="list")
@workspace_option
@click.option("--by", default="reason", show_default=True,
              type=click.Choice(["reason", "file", "source", "day"]),
              help="What to count by; `day` is the day on which the calls began.")  # fmt: skip
@click.option("--as-of", help="Ages are told as of this time (ISO 8601); this moment by default.")
@json_option
def list_(folder: Path, by: str, as_of: str | None, as_json: bool) -> None:
    """Count what waits, with its age, what it may be worth, and what would cure it.

    The worth is an estimate: quantities, each up to its limit of operator.yaml, at the mean charge
    per second, byte or event of rated records of the same service and direction.
    """
    from tollbook import reasons
    from tollbook.run import suspense_summary
    from tollbook.run.session import open_session

    work = open_session(folder)
    moment = parse_as_of(as_of)
    now = int(time.time()) if moment is None else moment
    groups, rated = suspense_summary.summary(work, now, by)
    if as_json:
        found: dict[str, Any] = suspense_summary.as_dict(groups, now)
        if by == "reason":
            for name, entry in found.items():
                reason = reasons.BY_CODE[reasons.CODE[name]]
                entry |= {"retryable": reason.retryable, "do": reason.advice}
        print_json(dict(sorted(found.items())))
    elif groups:
        click.echo(_screen(groups, by, rated, now, work.workspace.operator.currency))
    else:
        click.echo("suspense is empty")


def _screen(groups: list[Group], by: str, rated: int, now: int, currency: str) -> str:
    from tollbook import reasons
    from tollbook.clock import utc_text
    from tollbook.errors import printable
    from tollbook.money import format_micro, round_micro
    from tollbook.run.standing import READY, TRIED_OUT, UNCHANGED
    from tollbook.run.suspense_summary import age_days

    header = [by, "records", "ready", "since", "days", f"about {currency}"]
    rows = []
    for one in groups:
        worth = format_micro(round_micro(one.estimate_micro, 2, 4)) if one.estimated else "?"
        row = [printable(one.name), f"{one.records:,}", f"{one.standings[READY]:,}",
               utc_text(one.oldest_utc_s)[:10], f"{age_days(one, now):,}", worth]  # fmt: skip
        if by == "reason":
            row.append(reasons.BY_CODE[reasons.CODE[one.name]].advice)
        rows.append(row)
    if by == "reason":
        header.append("what would cure it")
    records, estimated = sum(one.records for one in groups), sum(one.estimated for one in groups)
    total = format_micro(round_micro(sum(one.estimate_micro for one in groups), 2, 4))
    standings = [sum(of) for of in zip(*(one.standings for one in groups), strict=True)]
    return (f"{table(header, rows, '1245')}\n"
            f"{count(records, 'record')} waiting, {standings[READY]:,} ready for a retry, "
            f"{standings[UNCHANGED]:,} unchanged since the last try, {standings[TRIED_OUT]:,} "
            f"tried too often; {estimated:,} worth about {total} {currency}, estimated from "
            f"{count(rated, 'rated record')}")  # fmt: skip
