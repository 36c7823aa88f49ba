"""``tollbook high-usage``: who used more than the rules of operator.yaml have for normal."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from tollbook.run.high_usage import Report

HEADER: Final = ("no", "rule", "span", "level", "subscription", "imsi", "account", "used",
                 "threshold", "decided")  # fmt: skip
FILE_HEADER: Final = (
    "report", "rule", "span", "level", "imsi", "subscription", "account", "plan", "first_start",
    "last_start", "duration", "bytes", "records", "fee", "measure", "amount", "threshold",
    "found", "action", "days", "by", "note",
)  # fmt: skip
# The words of run.high_usage.ACTIONS and of high_usage.MEASURES, which --help must not load.
MONEY, SDR, SECONDS = "money", "sdr", "seconds"
ACTIONS: Final = ("notify", "force_off", "force_open", "ignore")


@click.group(name="high-usage")
def command() -> None:
    """Who used unusually much, and what was done about it: levels of `high_usage`."""


@command.command(name="list")
@workspace_option
@click.option("--open", "is_open", is_flag=True, help="Those that nobody has decided.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report file (CSV) with all fields.")
@json_option
def list_command(folder: Path, is_open: bool, out: Path | None, as_json: bool) -> None:
    """List the reports; every night looks for new ones when it ends."""
    from tollbook import outputs
    from tollbook.run import high_usage, session

    work = session.open_session(folder)
    found, zone = high_usage.read(work, is_open), work.workspace.operator.time_zone
    if out is not None:
        rows = [_file_row(one, zone) for one in found]
        outputs.write_csv(out, FILE_HEADER, rows, ("fee", "amount", "threshold"))
    if as_json:
        print_json([asdict(one) for one in found])
    elif found:
        click.echo(table(HEADER, [row_of(one) for one in found], right="0378"))
    else:
        click.echo("no level was reached")


@command.command()
@workspace_option
@click.argument("numbers", type=click.IntRange(1), nargs=-1, required=True)
@click.option("--action", type=click.Choice(ACTIONS), required=True, help="What is done about it.")
@click.option("--days", type=click.IntRange(1, 365), help="With force_open: for how many days.")
@click.option("--note", required=True, help="Why.")
@click.option("--by", help="Who decides; the user of this machine by default.")
@click.option("--as-of", help=AS_OF_HELP)
@json_option
def dispose(
    folder: Path, numbers: tuple[int, ...], as_of: str | None, as_json: bool, **given: Any
) -> None:
    """Write down what is done about reports. tollbook itself switches nobody off."""
    import getpass

    from tollbook.run import high_usage, session

    moment = parse_as_of(as_of)
    done = high_usage.Disposition(
        given["action"], given["days"] or 0, given["by"] or getpass.getuser(), given["note"],
        int(time.time()) if moment is None else moment,
    )  # fmt: skip
    work = session.open_session(folder)
    with work.catalogue.writer():
        changed = high_usage.dispose(work, numbers, done)
    if as_json:
        print_json([asdict(one) for one in changed])
    else:
        click.echo(f"{count(len(changed), 'report')} decided by {done.by}: {done.action}")


def line_of(one: Report) -> str:
    """A new report, as a night tells it."""
    imsi = f" (IMSI {_imsi(one)})" if one.imsi else ""
    return (f"high usage {one.report_number}: {one.rule}, level {one.level}: subscription "
            f"{one.subscription_id}{imsi}, {one.span}, {_amount(one, one.amount)}")  # fmt: skip


def row_of(one: Report) -> tuple[object, ...]:
    """A line of the list."""
    decided = f"{one.action}{f' {one.days} days' if one.days else ''} by {one.disposed_by}"
    return (one.report_number, one.rule, one.span, one.level, one.subscription_id,
            _imsi(one), one.account_id, _amount(one, one.amount), _amount(one, one.threshold),
            decided if one.disposed_utc_s else "")  # fmt: skip


def _file_row(one: Report, zone: str) -> list[str | int]:
    from tollbook.clock import local_stamp
    from tollbook.money import format_micro

    duration = f"{one.seconds // 3600:02d}:{one.seconds // 60 % 60:02d}:{one.seconds % 60:02d}"
    is_amount = one.measure in (MONEY, SDR)
    amounts = [format_micro(value) if is_amount else str(value)
               for value in (one.amount, one.threshold)]  # fmt: skip
    return [
        one.report_number, one.rule, one.span, one.level, str(one.imsi or ""), one.subscription_id,
        one.account_id, one.plan, local_stamp(one.first_start_utc_s, zone),
        local_stamp(one.last_start_utc_s, zone), duration, one.volume_bytes, one.records,
        format_micro(one.charge_micro), one.measure, *amounts, local_stamp(one.found_utc_s, zone),
        one.action, one.days, one.disposed_by, one.note,
    ]  # fmt: skip


def _imsi(one: Report) -> str:
    """As screens show it: whole it stands in the file."""
    from tollbook.numbering import masked

    return masked(one.imsi) if one.imsi else ""


def _amount(one: Report, value: int) -> str:
    from tollbook.money import format_micro

    if one.measure in (MONEY, SDR):
        return format_micro(value) + (" SDR" if one.measure == SDR else "")
    return f"{value:,} {'s' if one.measure == SECONDS else 'bytes'}"
