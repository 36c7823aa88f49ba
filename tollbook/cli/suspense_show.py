"""``tollbook suspense show`` and ``history``: single records, closely."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tollbook.cli.common import json_option, print_json, workspace_option
from tollbook.cli.suspense_choice import choice_options

if TYPE_CHECKING:
    from tollbook.run.catalogue import Catalogue
    from tollbook.run.cures import Cures
    from tollbook.run.suspended import Choice
    from tollbook.run.suspense_log import History

_NUMBERS: Final = ("served_raw", "other_raw", "third_raw", "routing_raw", "imsi", "imei")
_LONG_DIGITS: Final = re.compile(r"\d{6,}")
_CLOCK: Final = re.compile(r"(19|20)\d{12}")  # YYYYMMDDhhmmss, though there be no such time
_HEADED: Final = ("service", "direction", "served_raw", "other_raw", "start_utc_s", "duration_s")
_STANDS: Final = {
    "ready": "", "needs_correction": "",
    "unchanged": " (nothing that decides has changed since, so no retry takes it)",
    "tried_out": " (tried too often, so no retry takes it)",
}  # fmt: skip
_masking = click.option(
    "--masked/--numbers", "is_masked", default=None,
    help="Hide the middle of telephone numbers, or show them whole; on a screen they are hidden "
    "unless asked for, with --json they are whole.",
)  # fmt: skip


@click.command()
@workspace_option
@json_option
@_masking
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@choice_options
def show(
    folder: Path, as_json: bool, is_masked: bool | None, limit: int, choice: Choice
) -> None:
    """Show suspended records: where they stand, their fields, the fault, what would cure it."""
    from tollbook.run import suspended
    from tollbook.run.cures import Cures
    from tollbook.run.session import open_session
    from tollbook.run.standing import Today

    work = open_session(folder)
    is_hidden = not as_json if is_masked is None else is_masked
    number = _number_of(is_hidden)
    cures = Cures(work, number)
    today = Today(work, int(time.time()))
    rows = suspended.in_order(work, choice, today).slice(0, limit).to_pylist()
    if as_json:
        print_json([_plain(row, cures, number, is_hidden) for row in rows])
        return
    for row in rows:
        click.echo("\n".join(_screen(row, cures, number, work.catalogue, is_hidden)))
    if not rows:
        click.echo("no such record in suspense")


def _number_of(is_masked: bool) -> Callable[[Any], Any]:
    from tollbook.numbering import masked

    return masked if is_masked else lambda value: value


def _hidden(text: str, number: Callable[[Any], Any], with_clocks: bool) -> str:
    """A text with every long run of digits shown as a number is; but with_clocks, times."""
    def shown(match: re.Match[str]) -> str:
        is_clock = with_clocks and _CLOCK.fullmatch(match[0]) is not None
        return match[0] if is_clock else str(number(match[0]))

    return _LONG_DIGITS.sub(shown, text)


def _bytes(
    row: Mapping[str, Any], column: str, cures: Cures, number: Callable[[Any], Any],
    is_masked: bool,
) -> str:  # fmt: skip
    """A column of bytes as text. Masked, packed numbers of native records are not shown at all."""
    from tollbook.run.correctable import RAW_RECORD, escaped

    value: bytes = row[column]
    text = escaped(value)
    if is_masked and value and cures.is_native(row):
        if column == RAW_RECORD or row["field"] in _NUMBERS:
            return f"({len(value)} bytes, masked)"
        if "\\x" in text:
            return f"0x{value.hex()}"
    is_time = row["field"] == "start_utc_s" and column != RAW_RECORD
    return _hidden(text, number, with_clocks=is_time)


def _plain(
    row: Mapping[str, Any], cures: Cures, number: Callable[[Any], Any], is_masked: bool
) -> dict[str, Any]:
    from tollbook.run.records import record_text

    found: dict[str, Any] = {"record": record_text(row["record_id"])}
    for name, value in row.items():
        if isinstance(value, bytes):
            found[name] = _bytes(row, name, cures, number, is_masked)
        else:
            found[name] = number(value) if name in _NUMBERS and value else value
    return found | {"cure": cures.of(row)}


def _screen(
    row: Mapping[str, Any], cures: Cures, number: Callable[[Any], Any], catalogue: Catalogue,
    is_masked: bool,
) -> Iterator[str]:  # fmt: skip
    from tollbook.clock import utc_text
    from tollbook.errors import printable
    from tollbook.run.correctable import FIELDS, RAW_RECORD
    from tollbook.run.records import record_text

    file, record = catalogue.file(row["record_id"] >> 32), record_text(row["record_id"])
    # 0: the row was rejected before its time was read, or because of it.
    start = utc_text(row["start_utc_s"]) if row["start_utc_s"] else "time unknown"
    yield f"{record}  {row['reason']}" + (f" in {row['field']}" if row["field"] else "")
    unit = "record" if cures.is_native(row) else "line"
    yield (f"  where   {printable(f'{file.source}/{file.name}')}, {unit} "
           f"{row['record_id'] & 0xFFFFFFFF}, byte {row['byte_offset']:,} "
           f"(+{row['byte_length']})")  # fmt: skip
    yield (f"  what    {row['service']} {row['direction']}, {number(row['served_raw']) or '?'} -> "
           f"{number(row['other_raw']) or '?'}, {start}, {row['duration_s']} s")  # fmt: skip
    values = {name: one.show(row) for name, one in FIELDS.items()
              if name not in _HEADED and name != RAW_RECORD}  # fmt: skip
    shown = [f"{name} {number(value) if name in _NUMBERS else value}"
             for name, value in values.items() if value not in ("", "0", "0.00", "none")]
    if shown:
        yield f"  more    {', '.join(shown)}"
    if row["raw_value"]:
        yield f"  found   '{_bytes(row, 'raw_value', cures, number, is_masked)}'"
    if row[RAW_RECORD]:
        yield f"  row     '{_bytes(row, RAW_RECORD, cures, number, is_masked)[:300]}'"
    yield f"  tries   {row['tries']}{_STANDS[row['retry']]}"
    yield f"  do      {cures.of(row)}"


@click.command()
@workspace_option
@json_option
@click.argument("record")
def history(folder: Path, as_json: bool, record: str) -> None:
    """Tell what became of a record that was suspended: every try, correction and discard."""
    from tollbook.run.records import parse_record
    from tollbook.run.session import open_session
    from tollbook.run.suspense_log import history as history_of

    work = open_session(folder)
    found = history_of(work, parse_record(record))
    if as_json:
        print_json(_history_dict(found))
    else:
        click.echo("\n".join(_history_lines(found, work.catalogue)))


def _history_dict(found: History) -> dict[str, Any]:
    from tollbook.run.correctable import escaped
    from tollbook.run.records import record_text

    entries = [dict(row) | {"raw_record": escaped(row["raw_record"])} for row in found.entries]
    for row in entries:
        del row["record_id"]
    return {
        "record": record_text(found.record_id), "fate": found.fate, "run": found.now.run_number,
        "first_reason": found.first_reason, "entries": entries,
    }  # fmt: skip


def _history_lines(found: History, catalogue: Catalogue) -> Iterator[str]:
    from tollbook.clock import utc_text
    from tollbook.run.records import record_text

    now = catalogue.run(found.now.run_number)
    yield f"{record_text(found.record_id)}  {found.fate}, by run {now.run_number} ({now.kind})"
    if not found.first_reason:
        yield "  it never was in suspense"
        return
    came = catalogue.run(catalogue.file(found.record_id >> 32).run_number)
    yield f"  {utc_text(came.as_of_utc_s)}  run {came.run_number}: suspended, {found.first_reason}"
    for row in found.entries:
        what = f"run {row['run_number']}: {row['action']}"
        who = f" by {row['who']}" if row["who"] else ""
        change = f", {row['field']} '{row['old']}' -> '{row['new']}'" if row["field"] else ""
        waited = f", waited for {row['reason']}" if row["action"] == "retried" else ""
        note = f": {row['note']}" if row["note"] else ""
        yield f"  {utc_text(row['at_utc_s'])}  {what}{who}{waited}{change}{note}"
