"""``tollbook suspense``: what waits, why, and another try."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from tollbook.run.suspended import Choice


@click.group(name="suspense")
def command() -> None:
    """Records that could not be rated: list, show and retry them."""


def _choose(reason: str | None, file: str | None, records: tuple[str, ...]) -> Choice:
    from tollbook import reasons
    from tollbook.run.records import parse_file, parse_record
    from tollbook.run.suspended import Choice

    if reason and reason not in reasons.CODE:
        raise click.BadParameter(
            f"'{reason}' is no reason; one of {', '.join(sorted(reasons.CODE))}",
            param_hint="--reason",
        )
    return Choice(reason or "", parse_file(file) if file else 0,
                  tuple(parse_record(record) for record in records))  # fmt: skip


@command.command(name="list")
@workspace_option
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Count what waits, by reason, with what would cure it."""
    from tollbook import reasons
    from tollbook.run import suspended
    from tollbook.run.session import open_session

    work = open_session(folder)
    found: dict[str, dict[str, Any]] = {}
    columns = ["record_id", "reason", "tries", "suspended_utc_s", "start_utc_s"]
    for _, rows in suspended.tables(work, columns):
        for row in rows.select(["reason", "suspended_utc_s"]).group_by("reason").aggregate(
            [("suspended_utc_s", "count"), ("suspended_utc_s", "min")]
        ).to_pylist():  # fmt: skip
            entry = found.setdefault(row["reason"], {"records": 0, "oldest_utc_s": 2**62})
            entry["records"] += row["suspended_utc_s_count"]
            entry["oldest_utc_s"] = min(entry["oldest_utc_s"], row["suspended_utc_s_min"])
    for name, entry in found.items():
        reason = reasons.BY_CODE[reasons.CODE[name]]
        entry |= {"retryable": reason.retryable, "do": reason.advice}
    if as_json:
        print_json(dict(sorted(found.items())))
        return
    if not found:
        click.echo("suspense is empty")
        return
    from tollbook.clock import utc_text

    lines = [
        (name, f"{entry['records']:,}", utc_text(entry["oldest_utc_s"])[:10],
         "yes" if entry["retryable"] else "no", entry["do"])
        for name, entry in sorted(found.items(), key=lambda item: -item[1]["records"])
    ]  # fmt: skip
    click.echo(table(("reason", "records", "since", "retry", "what would cure it"), lines, "1"))


@command.command()
@workspace_option
@json_option
@click.option("--reason", help="Only records with this reason.")
@click.option("--file", help="Only records of this file, such as F12.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.argument("records", nargs=-1)
def show(
    folder: Path, as_json: bool, reason: str | None, file: str | None, limit: int,
    records: tuple[str, ...],
) -> None:  # fmt: skip
    """Show suspended records: where they stand, the field at fault, what would cure it."""
    from tollbook.run import records as record_ids
    from tollbook.run import suspended
    from tollbook.run.session import open_session

    work = open_session(folder)
    choice = _choose(reason, file, records)
    shown: list[dict[str, Any]] = []
    for _, rows in suspended.tables(work):
        chosen = rows.filter(choice.mask(rows)).slice(0, limit - len(shown))
        shown += chosen.to_pylist()
    if as_json:
        print_json([
            {"record": record_ids.record_text(row["record_id"])} | _plain(row) for row in shown
        ])
        return
    for row in shown:
        click.echo(_screen(row, record_ids.record_text(row["record_id"]), work.catalogue))
    if not shown:
        click.echo("no such record in suspense")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for key, value in row.items()
    }


def _screen(row: dict[str, Any], record: str, catalogue: Any) -> str:
    from tollbook import reasons
    from tollbook.clock import utc_text
    from tollbook.numbering import masked

    row = _plain(row)
    reason = reasons.BY_CODE[reasons.CODE[row["reason"]]]
    file = catalogue.file(row["record_id"] >> 32)
    # 0: the row was rejected before its time was read, or because of it.
    start = utc_text(row["start_utc_s"]) if row["start_utc_s"] else "time unknown"
    lines = [
        f"{record}  {row['reason']}" + (f" in {row['field']}" if row["field"] else ""),
        f"  where   {file.source}/{file.name}, line {row['record_id'] & 0xFFFFFFFF}, "
        f"byte {row['byte_offset']:,} (+{row['byte_length']})",
        f"  what    {row['service']} {row['direction']}, {masked(row['served_raw']) or '?'} -> "
        f"{masked(row['other_raw']) or '?'}, {start}, {row['duration_s']} s",
    ]
    if row["raw_value"]:
        lines.append(f"  found   {row['raw_value']!r}")
    if row["raw_record"]:
        lines.append(f"  row     {row['raw_record'][:300]!r}")
    lines.append(f"  tries   {row['tries']}" + ("" if reason.retryable else " (no retry helps)"))
    lines.append(f"  do      {reason.advice}")
    return "\n".join(lines)


@command.command()
@workspace_option
@json_option
@click.option("--reason", help="Only records with this reason.")
@click.option("--file", help="Only records of this file, such as F12.")
@click.option("--as-of", help=AS_OF_HELP)
@click.argument("records", nargs=-1)
def retry(
    folder: Path, as_json: bool, reason: str | None, file: str | None, as_of: str | None,
    records: tuple[str, ...],
) -> None:  # fmt: skip
    """Rate suspended records again, with today's network, customers and tariffs.

    Takes exactly the chosen records whose reason such a change can cure; what fails once more
    stays in suspense, counted.
    """
    from tollbook.cli.run import as_dict, screen
    from tollbook.run import progress, session
    from tollbook.run import retry as retries

    choice = _choose(reason, file, records)
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        outcome = retries.run(work, choice, parse_as_of(as_of))
    if as_json:
        print_json(as_dict(outcome))
    elif outcome.run_number == 0:
        click.echo("nothing to retry: no suspended record fits")
    else:
        click.echo(screen(outcome))
        left = outcome.dispositions["suspended"]
        click.echo(f"{count(outcome.rows, 'record')} tried again, {left:,} still in suspense")
