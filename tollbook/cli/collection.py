"""``tollbook collection``: what the network delivered, alarms, requests for files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from tollbook.errors import printable

if TYPE_CHECKING:
    from tollbook.run.session import Session
    from tollbook.run.watch import Asked

STATUSES: Final = ("planned", "read", "refused", "recollected")


@click.group(name="collection")
def command() -> None:
    """What the network delivered, and what is amiss: files, alarms, requests."""


def _now(as_of: str | None) -> int:
    moment = parse_as_of(as_of)
    return int(time.time()) if moment is None else moment


def _user() -> str:
    """Whoever gives the command, as the machine calls him."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"


def _known_source(work: Session, name: str) -> str:
    names = [source.name for source in work.workspace.sources]
    if name not in names:
        raise click.BadParameter(f"'{name}' is no source; one of {', '.join(names)}")
    return name


@command.command()
@workspace_option
@click.option("--source", help="Files of one source.")
@click.option("--day", metavar="YYYY-MM-DD", help="Files made on a day, on the operator's clock.")
@click.option("--run", "run_number", type=click.IntRange(1), help="Files of one run.")
@click.option("--status", type=click.Choice(STATUSES), help="Files that ended so.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True,
              help="How many are shown; the sums are of all (and --json has all).")
@json_option
def log(
    folder: Path, source: str | None, day: str | None, run_number: int | None, status: str | None,
    last: int, as_json: bool,
) -> None:  # fmt: skip
    """List the files that came: records, first and last start, seconds, checksum."""
    from tollbook.cli import collection_screen as screen
    from tollbook.clock import parse_date
    from tollbook.run import collection, session

    made = None if day is None else parse_date(day)
    if day is not None and made is None:
        raise click.BadParameter(f"'{day}' is no day; write 2003-06-10", param_hint="--day")
    work = session.open_session(folder)
    choice = collection.Choice(
        None if source is None else _known_source(work, source), made, run_number, status
    )
    entries = collection.log(work.catalogue, choice, work.workspace.operator.time_zone)
    sums = collection.sums(entries)
    if as_json:
        print_json({
            "files": [screen.entry_json(one) for one in entries], "sums": sums.__dict__,
        })  # fmt: skip
    elif not entries:
        click.echo("no such file has come")
    else:
        rows = [screen.entry_row(one) for one in entries[-last:]]
        click.echo(table(screen.ENTRY_HEADER, rows, right=screen.ENTRY_RIGHT))
        if len(entries) > last:
            click.echo(f"the last {last} of {count(len(entries), 'file')} are shown")
        for line in screen.sums_lines(sums):
            click.echo(line)
        for one in entries[-last:]:
            if one.file.refused:
                why = one.file.refused.splitlines()[0]
                click.echo(f"refused {one.file.source}/{printable(one.file.name)}: {why}")


@command.command()
@workspace_option
@click.option("--source", help="Alarms of one source.")
@click.option("--all", "with_cleared", is_flag=True, help="Those that are cleared, too.")
@click.option("--look", is_flag=True,
              help="Look at the inbox, the clock and the disk first, without running the night.")
@click.option("--as-of", help=f"With --look: {AS_OF_HELP[0].lower()}{AS_OF_HELP[1:]}")
@json_option
def alarms(
    folder: Path, source: str | None, with_cleared: bool, look: bool, as_of: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List the alarms that stand.

    Every night looks for them when it ends; --look does so in between, and leaves with exit code 1
    if there is anything new to tell.
    """
    from tollbook.cli import collection_screen as screen
    from tollbook.run import alarms as run_alarms
    from tollbook.run import session, watch

    if as_of and not look:
        raise click.UsageError("--as-of goes with --look")
    work = session.open_session(folder)
    if source is not None:
        _known_source(work, source)
    notices = watch.look(work, _now(as_of)) if look else ()
    found = [
        one for one in run_alarms.read(work.catalogue, is_open=not with_cleared)
        if source in (None, one.source)
    ]  # fmt: skip
    if as_json:
        print_json({
            "told": [screen.notice_json(one) for one in notices],
            "alarms": [screen.alarm_json(one) for one in found],
        })  # fmt: skip
    else:
        for notice in notices:
            click.echo(screen.notice_line(notice))
        rows = [screen.alarm_row(one) for one in found]
        listed = table(screen.ALARM_HEADER, rows, right=screen.ALARM_RIGHT)
        click.echo(listed if rows else "no alarm stands")
    if any(one.what != run_alarms.CLEARED for one in notices):
        click.get_current_context().exit(1)


@command.command()
@workspace_option
@click.argument("numbers", type=click.IntRange(1), nargs=-1, required=True)
@click.option("--note", default="", help="What is being done about it.")
@click.option("--by", help="Who takes note; the user of this machine by default.")
@click.option("--never", is_flag=True,
              help="Of a sequence_gap: its numbers will never come; the alarm is cleared.")
@click.option("--as-of", help=AS_OF_HELP)
@json_option
def ack(
    folder: Path, numbers: tuple[int, ...], note: str, by: str | None, never: bool,
    as_of: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Take note of alarms: they stand until their condition ends, and are told no more."""
    from tollbook.cli import collection_screen as screen
    from tollbook.run import alarms as run_alarms
    from tollbook.run import session

    work = session.open_session(folder)
    note_of = run_alarms.Note(by or _user(), note, _now(as_of))
    with work.catalogue.writer(), work.catalogue.transaction() as link:
        done = [run_alarms.acknowledge(link, number, note_of, never) for number in numbers]
    if as_json:
        print_json([screen.alarm_json(one) for one in done])
    else:
        click.echo(f"{count(len(done), 'alarm')} acknowledged by {note_of.by}")


@command.command()
@workspace_option
@click.argument("source", required=False)
@click.option("--from", "first", type=click.IntRange(0), help="First sequence number.")
@click.option("--to", "last", type=click.IntRange(0), help="Last sequence number.")
@click.option("--gap", help="A gap by the numbers of its alarm (17-19), or all open ones: all.")
@click.option("--file", "name", help="One file by its name, that is to be sent again changed.")
@click.option("--since", help="Files made from then on (ISO 8601; UTC without an offset) ...")
@click.option("--until", help="... and before then.")
@click.option("--note", default="", help="What the source should know.")
@click.option("--by", help="Who asks; the user of this machine by default.")
@click.option("--close", "closed", type=click.IntRange(1), help="Wait no longer for a request.")
@click.option("--as-of", help=AS_OF_HELP)
@json_option
def request(
    folder: Path, as_of: str | None, as_json: bool, **given: str | int | None
) -> None:
    """Ask a source for files again, or list what was asked for.

    Writes out/requests/SOURCE-NUMBER.json to be sent to the source. Files that arrive for a request
    are read even if one of the same name was; duplicates decide which of their records are new.
    """
    from tollbook.cli import collection_screen as screen
    from tollbook.run import requests, session, watch

    work = session.open_session(folder)
    by, now = str(given["by"] or _user()), _now(as_of)
    if given["closed"] is not None:
        with work.catalogue.writer(), work.catalogue.transaction() as link:
            requests.close(link, int(given["closed"]), by, now)
    elif given["source"] is not None:
        source = _known_source(work, str(given["source"]))
        wanted = watch.Wanted(
            source, _whole(given["first"]), _whole(given["last"]), _word(given["gap"]),
            _word(given["name"]), parse_as_of(_word(given["since"])),
            parse_as_of(_word(given["until"])),
        )  # fmt: skip
        asked = watch.ask(work, wanted, by, str(given["note"]), now)
        _show_asked(asked, work, as_json)
        return
    elif any(given[key] is not None for key in ("first", "last", "gap", "name", "since", "until")):
        raise click.UsageError("name the source that is asked")
    found = requests.read(work.catalogue)
    if as_json:
        print_json([screen.request_json(one) for one in found])
    elif found:
        click.echo(table(screen.REQUEST_HEADER, [screen.request_row(one) for one in found],
                         right="0"))  # fmt: skip
    else:
        click.echo("nothing was asked for")


def _whole(value: str | int | None) -> int | None:
    return None if value is None else int(value)


def _word(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _show_asked(asked: Asked, work: Session, as_json: bool) -> None:
    from tollbook.cli import collection_screen as screen
    from tollbook.run import requests

    if as_json:
        print_json([screen.request_json(one) for one in asked.made])
        return
    for one in asked.made:
        path = requests.path_of(work.workspace.out, one)
        click.echo(f"request {one.request_number}: {one.source}: {printable(one.wanted)}; "
                   f"send {path.relative_to(work.root)}")  # fmt: skip
    if asked.left_out:
        click.echo(f"left out: sequence {asked.left_out}, which open requests wait for")


@command.command()
@workspace_option
@click.argument("file")
@click.option("--note", default="", help="Why it is read in spite of its errors.")
@click.option("--by", help="Who decides; the user of this machine by default.")
def release(folder: Path, file: str, note: str, by: str | None) -> None:
    """Have FILE (such as F12), which was held back, read by the next night all the same."""
    from tollbook.run import session, watch
    from tollbook.run.records import parse_file

    number = parse_file(file)
    released = watch.release(session.open_session(folder), number, by or _user(), note)
    click.echo(f"{file}: {released.source}/{printable(released.name)} is read by the next night")


@command.command()
@workspace_option
@click.argument("source")
@click.argument("number", type=click.IntRange(0))
def expect(folder: Path, source: str, number: int) -> None:
    """Say which sequence number SOURCE counts on from, after it began anew."""
    from tollbook.run import session, watch

    work = session.open_session(folder)
    watch.expect(work, _known_source(work, source), number)
    click.echo(f"{source}: the next file is expected to be {number}")
