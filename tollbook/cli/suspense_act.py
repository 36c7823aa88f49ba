"""``tollbook suspense retry``, ``correct`` and ``discard``: each is a run, and leaves a trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    workspace_option,
)
from tollbook.cli.suspense_choice import NOTE_HELP, choice_options, who_option

if TYPE_CHECKING:
    from tollbook.run.suspended import Choice


@click.command()
@workspace_option
@json_option
@click.option("--as-of", help=AS_OF_HELP)
@who_option
@choice_options
def retry(folder: Path, as_json: bool, as_of: str | None, who: str, choice: Choice) -> None:
    """Rate suspended records again, with today's limits, network, customers and tariffs.

    Takes those of the chosen records that were corrected, or whose reason may have gone away since
    they were tried last; what fails once more stays in suspense, counted. After nine tries `correct
    RECORD --note WHY` gives a record nine more.
    """
    from tollbook.cli import late_screen
    from tollbook.cli.run import as_dict, screen
    from tollbook.run import progress, session
    from tollbook.run import retry as retries

    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        moment = parse_as_of(as_of)
        standings = retries.standings(work, choice, moment)
        outcome = retries.run(work, choice, moment, who)
    left_out = {name: rows for name, rows in standings.items() if name != "ready"}
    if as_json:
        print_json(as_dict(outcome) | {"left_out": left_out})
    elif outcome.run_number == 0:
        click.echo(f"nothing to retry: {_left_out(left_out) or 'no suspended record fits'}")
    else:
        click.echo(screen(outcome))
        left = outcome.dispositions["suspended"]
        click.echo(f"{count(outcome.rows, 'record')} tried again, {left:,} still in suspense")
        if any(left_out.values()):
            click.echo(f"not tried: {_left_out(left_out)}")
        if outcome.due_accounts:
            click.echo(late_screen.noted(outcome.due_accounts))


_WHY: Final = {
    "unchanged": "for which nothing that decides has changed since the last try",
    "tried_out": "tried too often (`tollbook suspense correct RECORD --note WHY` gives nine more)",
    "needs_correction": "that only a correction can cure",
}


def _left_out(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count(rows, 'record')} {_WHY[name]}" for name, rows in left_out.items()
                     if rows)  # fmt: skip


@click.command()
@workspace_option
@json_option
@click.option("--as-of", help=AS_OF_HELP)
@who_option
@click.option("--set", "values", multiple=True, metavar="FIELD=VALUE",
              help="A field and its new value; may be given several times. Without it the record "
              "stays as it is and may be tried nine more times.")  # fmt: skip
@click.option("--note", required=True, help=NOTE_HELP)
@click.argument("record")
def correct(
    folder: Path, as_json: bool, as_of: str | None, who: str, values: tuple[str, ...], note: str,
    record: str,
) -> None:  # fmt: skip
    """Give fields of a suspended record other values; then retry it.

    Fields are named as `show` names them: served_raw, start_utc_s, duration_s, ... A record that
    could not be decoded is decoded again without the field at fault; raw_record stands for the
    whole record. What was there before stays in the record's history.
    """
    from tollbook.run import corrections, session
    from tollbook.run.records import parse_record

    change = corrections.Change(parse_record(record), _pairs(values), note)
    work = session.open_session(folder)
    done = corrections.run(work, lambda _: [change], who, parse_as_of(as_of))
    if as_json:
        print_json({"run": done.run_number, "records": done.records, "fields": done.fields})
    elif done.run_number == 0:
        click.echo("nothing to correct: every field has that value already")
    elif not values:
        click.echo(f"run {done.run_number}: {record} may be tried nine more times; "
                   f"`tollbook suspense retry {record}` tries it")
    else:
        click.echo(f"run {done.run_number}: {count(done.fields, 'field')} of {record} corrected; "
                   f"`tollbook suspense retry {record}` rates it")


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in values:
        name, sign, value = one.partition("=")
        if not sign or name in found:
            why = "is no FIELD=VALUE" if not sign else f"names '{name}' twice"
            raise click.BadParameter(f"'{one}' {why}", param_hint="--set")
        found[name] = value
    return found


@click.command()
@workspace_option
@json_option
@click.option("--as-of", help=AS_OF_HELP)
@who_option
@click.option("--note", required=True, help=NOTE_HELP)
@click.option("--all", "everything", is_flag=True, help="All that waits, whatever its reason.")
@choice_options
def discard(
    folder: Path, as_json: bool, as_of: str | None, who: str, note: str, everything: bool,
    choice: Choice,
) -> None:  # fmt: skip
    """Give suspended records up: they are discarded by hand, and never charged.

    They move to the lake's `uncharged`, and the note says why. There is no way back.
    """
    from tollbook.run import discards, session, suspense_log

    if everything != choice.is_all:
        raise click.UsageError("name the records: a reason, a file, their ids, or --all")
    if not suspense_log.is_note(note):
        raise click.BadParameter(f"write {suspense_log.NOTE_RULE}", param_hint="--note")
    work = session.open_session(folder)
    done = discards.run(work, choice, note, who, parse_as_of(as_of))
    if as_json:
        print_json({"run": done.run_number, "records": done.records, "files": done.files})
    elif done.run_number == 0:
        click.echo("nothing to discard: no suspended record fits")
    else:
        click.echo(f"run {done.run_number}: {count(done.records, 'record')} of "
                   f"{count(done.files, 'file')} discarded")
