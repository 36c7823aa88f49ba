"""``tollbook run``: the night."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli import late_screen
from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    table,
    workspace_option,
)  # fmt: skip

if TYPE_CHECKING:
    from tollbook.run.nightly import Outcome
    from tollbook.run.rerate_late import Group
    from tollbook.run.session import Session


@click.command(name="run")
@workspace_option
@click.option("--as-of", help=AS_OF_HELP)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads; one a core by default.")
@click.option("--no-rerate", is_flag=True,
              help="Leave accounts with late records to `tollbook rerate --late`.")
@json_option
def command(
    folder: Path, as_of: str | None, threads: int | None, no_rerate: bool, as_json: bool
) -> None:
    """Rate what lies in the inbox: one night's batch.

    Reads every new file of every source, and commits rated records, suspense, settlement legs and
    control totals together, or nothing. Starting it again with nothing new changes nothing.
    Accounts with records that came late, of plans with `late: rerate`, are then rated again, in a
    run of its own for each month that is the first of some. Exit code 1 if a file was refused, or
    such a run: all others are rated all the same.
    """
    from tollbook.run import nightly, progress, session

    moment = parse_as_of(as_of)
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        work.threads = threads or work.threads
        outcome = nightly.run(work, moment)
        groups = () if no_rerate else _rerated(work, moment)
    left = late_screen.due_accounts(work)
    if as_json:
        print_json(as_dict(outcome) | late_screen.as_dict(groups, left))
    else:
        click.echo(screen(outcome))
        if groups:
            click.echo(late_screen.screen(groups))
        elif left:
            click.echo(late_screen.noted(left))
    sys.exit(1 if outcome.refused or any(one.done is None for one in groups) else 0)


def _rerated(work: Session, moment: int | None) -> tuple[Group, ...]:
    """What is due behind the night, rated again; a start with nothing due loads nothing for it."""
    if not work.catalogue.is_any_late():
        return ()
    from tollbook.run import rerate_late

    return rerate_late.run(work, moment)


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The outcome for programs: counts by disposition, money in micro."""
    from tollbook.cli.collection_screen import notice_json

    return {
        "run": outcome.run_number,
        "files": outcome.file_count,
        "records": outcome.rows,
        "released": outcome.released,
        "dispositions": dict(outcome.dispositions),
        "reasons": dict(outcome.reasons),
        "charge_micro": outcome.charge_micro,
        "legs": outcome.leg_count,
        "seconds": round(outcome.elapsed_ms / 1000, 3),
        "refused": [list(pair) for pair in outcome.refused],
        "unmatched": list(outcome.unmatched),
        "put_right": list(outcome.put_right),
        "warnings": list(outcome.warnings),
        "alarms": [notice_json(notice) for notice in outcome.alarms],
        "due_accounts": outcome.due_accounts,
        "high_usage": [one.__dict__ for one in outcome.high_usage],
    }


def screen(outcome: Outcome) -> str:
    """The outcome for people."""
    from tollbook.cli.collection_screen import notice_line
    from tollbook.cli.high_usage import line_of
    from tollbook.errors import printable
    from tollbook.money import format_micro

    lines = [f"warning: {text}" for text in outcome.warnings]
    lines += [f"refused {printable(name)}: {why}" for name, why in outcome.refused]
    lines += [f"passed over {printable(text)}" for text in outcome.unmatched]
    told = [notice_line(notice) for notice in outcome.alarms]
    told += [line_of(one) for one in outcome.high_usage]
    if outcome.run_number == 0:
        return "\n".join([*lines, "nothing to do: no new file in the inbox", *told])
    rate = outcome.rows / max(outcome.elapsed_ms / 1000, 0.001)
    lines.append(
        f"run {outcome.run_number}: {count(outcome.rows, 'record')} of "
        f"{count(outcome.file_count, 'file')} in {outcome.elapsed_ms / 1000:.1f} s "
        f"({rate:,.0f} records/s)"
    )
    rows = [(name, f"{rows:,}") for name, rows in outcome.dispositions.items() if rows]
    if outcome.released:
        lines.append(f"{count(outcome.released, 'partial record')} that waited taken up again")
    whole = outcome.rows + outcome.released
    lines.append(table(("fate", "records"), [*rows, ("all", f"{whole:,}")], right="1"))
    if outcome.reasons:
        reasons = [(name, f"{rows:,}") for name, rows in outcome.reasons.items()]
        lines.append(table(("reason", "records"), reasons, right="1"))
    lines.append(
        f"charged {format_micro(outcome.charge_micro)} {outcome.currency}; "
        f"{count(outcome.leg_count, 'settlement leg')}; the books close"
    )
    return "\n".join([*lines, *told])
