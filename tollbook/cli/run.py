"""``tollbook run``: the night."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tollbook.cli.rerate import as_dict as rerate_dict
from tollbook.cli.rerate import screen as rerate_screen

if TYPE_CHECKING:
    from tollbook.run.nightly import Outcome
    from tollbook.run.rerate import Rerated
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
    Exit code 1 if a file was refused; the others are rated all the same. Accounts with records that
    came late, of plans with `late: rerate`, are then rated again in a run of its own.
    """
    from tollbook.run import nightly, progress, session

    moment = parse_as_of(as_of)
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        work.threads = threads or work.threads
        outcome = nightly.run(work, moment)
        is_due = not no_rerate and work.catalogue.is_any_late()
        again, why_not = _rerated(work, moment) if is_due else (None, "")
    if as_json:
        rerated = None if again is None else rerate_dict(again)
        print_json(as_dict(outcome) | {"rerated": rerated, "not_rerated": why_not})
    else:
        click.echo(screen(outcome))
        if again is not None or why_not:
            click.echo(why_not if again is None else rerate_screen(again, dry_run=False))
    sys.exit(1 if outcome.refused or why_not else 0)


def _rerated(work: Session, moment: int | None) -> tuple[Rerated | None, str]:
    """The re-rating of what is due behind the night, or why it could not be: the night stands."""
    from tollbook.errors import TollbookError
    from tollbook.run import rerate

    try:
        return rerate.run_late(work, moment), ""
    except TollbookError as error:
        return None, f"the night stands, but late records were not rated in order:\n{error}"


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
    if outcome.due_accounts:
        lines.append(
            f"late records of plans with `late: rerate`: {count(outcome.due_accounts, 'account')} "
            "noted, which `tollbook rerate --late` rates in order"
        )
    return "\n".join([*lines, *told])
