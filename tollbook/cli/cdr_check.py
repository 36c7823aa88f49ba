"""``tollbook cdr check``: a native file against itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.cdr_text import FORMATS
from tollbook.cli.common import count, json_option, print_json

if TYPE_CHECKING:
    from cdr.check import Report

SHOWN = 20  # findings of a kind on a screen; --json has more


@click.command(name="check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "name", type=click.Choice(FORMATS),
              help="Check it as this format, whatever its first bytes say.")
@json_option
def command(file: Path, name: str | None, as_json: bool) -> None:
    """Check a native file against itself.

    The totals that it states are compared with what its records add up to, codes with the tables
    that define them, and records and values that cannot be read are listed. Amounts are in the
    file's own decimals. Exit code 1: something was found.
    """
    from cdr import check, native
    from tollbook.errors import BrokenFile, printable

    data = native.read(file)
    head = native.head_in(data)
    form = native.FORMATS[name] if name else head.format
    if form is None:
        shown = "" if head.kind == "not known" else f"{head.kind}, "
        raise BrokenFile(
            str(file), f"{shown}not one of the native formats", f"a file of {', '.join(FORMATS)}",
            "look at it with tollbook cdr identify, or name its format with --format",
        )  # fmt: skip
    report = check.check(data, form, str(file))
    if as_json:
        print_json(_as_json(report, printable(str(file))))
    else:
        _show(report, printable(str(file)))
    if not report.is_clean:
        raise SystemExit(1)


def _as_json(report: Report, file: str) -> dict[str, Any]:
    return {
        "file": file, "format": report.format.name, "about": report.about,
        "records": report.records, "kinds": dict(report.kinds), "rows": dict(report.reasons),
        "totals": [
            {"name": one.name, "stated": one.stated, "found": one.found, "right": one.is_right}
            for one in report.totals
        ],
        "unreadable": report.unreadable_count,
        "unreadable_records": [one.__dict__ for one in report.unreadable],
        "malformed": report.malformed_count,
        "malformed_values": [one.__dict__ | {"do": one.allowed} for one in report.malformed],
        "undefined_references": report.reference_count,
        "references": [one.__dict__ for one in report.references],
        "defined_twice": [{"code": code, "value": value} for code, value in report.twice],
        "clean": report.is_clean,
    }  # fmt: skip


def _show(report: Report, file: str) -> None:
    from tollbook.clock import utc_text

    click.echo(f"{file}: {report.format.title} ({report.format.source})")
    for name, value in report.about.items():
        click.echo(f"  {name:<28} {value}")
    kinds = ", ".join(f"{times:,} {kind}" for kind, times in report.kinds.items())
    click.echo(f"{count(report.records, 'record')}{': ' + kinds if kinds else ''}")
    if report.reasons:
        rows = ", ".join(f"{times:,} {reason}" for reason, times in report.reasons.items())
        click.echo(f"as rows of a night: {rows}")
    for one in report.totals:
        if one.stated is None and one.is_right:
            continue
        shown = utc_text if one.is_time else _amount
        stated = "not stated" if one.stated is None else shown(one.stated)
        verdict = "agrees" if one.is_right else "DIFFERS" if one.stated is not None else "MISSING"
        click.echo(f"  {one.name:<28} {stated:>20}   found {shown(one.found):>20}   {verdict}")
    _show_found("records that cannot be read", report.unreadable_count, [
        f"record {one.record} at byte {one.at} ({count(one.size, 'byte')}): {one.fault}"
        for one in report.unreadable
    ])  # fmt: skip
    _show_found("values that cannot be taken", report.malformed_count, [
        f"{one.field or 'record'} of record {one.record} at byte {one.at}: "
        f"{f'{one.found!r}' if one.found else 'nothing'}, {one.reason}: {one.allowed}"
        for one in report.malformed
    ])  # fmt: skip
    _show_found("references without a definition", report.reference_count, [
        f"{one.code} {one.value} of record {one.record}, at byte {one.at}"
        for one in report.references
    ])  # fmt: skip
    _show_found("codes that are defined twice", len(report.twice), [
        f"{code} {value}" for code, value in report.twice
    ])  # fmt: skip
    click.echo("nothing is wrong" if report.is_clean else "see above for what is wrong")


def _amount(value: int) -> str:
    return f"{value:,}"


def _show_found(title: str, number: int, lines: list[str]) -> None:
    if number == 0:
        return
    click.echo(f"{title}: {number:,}")
    for line in lines[:SHOWN]:
        click.echo(f"  {line}")
    if number > min(SHOWN, len(lines)):
        click.echo("  ... and more; --json lists them")
