"""``tollbook tariff import ratesheet`` and ``export ratesheet``: carriers' sheets of prices."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from tollbook.cli.common import count, json_option, print_json

if TYPE_CHECKING:
    from tariffs.ratesheet_deck import DeckRow
    from tariffs.ratesheet_guess import Guess
    from tariffs.ratesheet_import import Imported
    from tariffs.ratesheet_mapping import SheetMapping
    from tariffs.ratesheet_notes import Findings
    from tariffs.ratesheet_rows import Sheet

FILE: Final = click.Path(dir_okay=False, path_type=Path)
SHEETS: Final = (".csv", ".xlsx")  # kinds of files that an export writes
READ: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def day(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """A day as ISO text."""
    from tollbook.clock import parse_date

    if text is not None and parse_date(text) is None:
        raise click.BadParameter(f"'{text}' is no day; write 2026-12-01")
    return text


def sheet_file(ctx: click.Context, option: click.Parameter, path: Path) -> Path:
    """The name of a sheet to write, which says of what kind it is."""
    if path.suffix.lower() not in SHEETS:
        raise click.BadParameter(f"'{path.name}' is neither {' nor '.join(SHEETS)}; write for "
                                 f"example {path.with_suffix('.xlsx').name}")
    return path


def currency_code(ctx: click.Context, option: click.Parameter, text: str) -> str:
    """A currency of ISO 4217."""
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise click.BadParameter(f"'{text}' is no currency; write three capital letters, such as "
                                 "EUR")
    return text


class Choices(NamedTuple):
    """The options of one import."""

    mapping: Path | None
    write_mapping: Path | None
    yes: bool
    into: Path | None
    out: Path | None
    kind: str | None
    effective: str | None
    as_of: str | None
    not_before: str | None
    accept_warnings: bool
    changes: Path | None
    as_json: bool


@click.command(name="ratesheet")
@click.argument("file", type=READ)
@click.option("--write-mapping", type=FILE, metavar="FILE.yaml",
              help="Write the guessed mapping there, to be reviewed, and stop.")
@click.option("--mapping", type=READ, metavar="FILE.yaml", help="Read the sheet by this mapping.")
@click.option("--yes", is_flag=True, help="Read the sheet by the guessed mapping.")
@click.option("--into", type=READ, metavar="DECK.csv",
              help="The deck that the sheet changes; its history is kept.")
@click.option("--out", type=FILE, metavar="DECK.csv",
              help="Where to write the deck; the deck of --into by default.")
@click.option("--kind", type=click.Choice(["full", "amendment"]),
              help="Whether the sheet replaces the deck or changes what it names.")
@click.option("--effective", callback=day, metavar="DAY",
              help="The day of the sheet: of rows without one, and of codes that a full one lacks.")
@click.option("--as-of", callback=day, metavar="DAY",
              help="The day of import, from which notice counts; today by default.")
@click.option("--not-before", callback=day, metavar="DAY",
              help="Effective dates before this day count as this day.")
@click.option("--accept-warnings", is_flag=True, help="Write the deck in spite of warnings.")
@click.option("--changes", type=FILE, metavar="FILE.csv", help="Write every change there.")
@json_option
@click.pass_context
def ratesheet_import(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Read a carrier's rate sheet (CSV or XLSX) into a prefix deck.

    First with --write-mapping: the columns are guessed, and the guess is written for review. Then
    with --mapping, and --into or --out to write the deck; without these it is a trial. Nothing is
    written after an error, nor after a warning unless --accept-warnings is given.
    """
    from tariffs.ratesheet_notes import Findings
    from tariffs.ratesheet_read import read

    choices = Choices(**options)
    _check_usage(choices)
    findings = Findings(str(file))
    with _no_collection():
        sheets = read(file, findings)
    guess = None if findings.errors or choices.mapping else _guess(sheets, findings)
    if guess is not None and not choices.as_json:
        _show_guess(guess)
    imported, written = None, ""
    confirmed = choices.mapping is not None or choices.yes
    if guess is not None and choices.write_mapping is not None:
        _write_mapping(guess, choices.write_mapping, choices.as_json)
    elif not findings.errors and confirmed:
        with _no_collection():
            imported = _import(sheets, guess, choices, findings)
        written = _write(imported, choices, findings)
    findings.close()
    _show(findings, guess, imported, written, choices)
    stopped = findings.errors or (findings.flags and not choices.accept_warnings)
    if stopped or not (confirmed or choices.write_mapping):
        ctx.exit(1)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for cycles: there are none in the rows, and it would take a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _check_usage(choices: Choices) -> None:
    if sum(map(bool, (choices.mapping, choices.yes, choices.write_mapping))) > 1:
        raise click.UsageError("one of --write-mapping (write the guess for review), --mapping "
                               "(read by what was reviewed) and --yes (read by the guess)")
    if choices.write_mapping and choices.write_mapping.exists():
        raise click.UsageError(f"{choices.write_mapping} exists; write the mapping to another file")
    if choices.out and choices.out.exists() and choices.out != choices.into:
        raise click.UsageError(f"{choices.out} exists; --into {choices.out} changes that deck and "
                               "keeps its history")


def _guess(sheets: tuple[Sheet, ...], findings: Findings) -> Guess | None:
    from tariffs.ratesheet_guess import guess
    from tariffs.ratesheet_notes import Fault

    found = guess(sheets)
    if found is None:
        findings.error(0, Fault(
            "headings", "no row looks like the headings of a rate sheet", "a row that names at "
            "least the codes and the prices", "write a mapping with the places of the columns: "
            "docs/ratesheets.md"))
    return found


def _show_guess(guess: Guess) -> None:
    from tollbook.cli.ratesheet_screen import guess_screen

    click.echo(guess_screen(guess) + "\n")


def _write_mapping(guess: Guess, path: Path, as_json: bool) -> None:
    from tariffs.ratesheet_mapping import mapping_text

    path.write_text(mapping_text(guess.mapping, guess.why), encoding="utf-8")
    if not as_json:
        click.echo(f"wrote {path}: review it, then import with --mapping {path}")


def _import(
    sheets: tuple[Sheet, ...], guess: Guess | None, choices: Choices, findings: Findings
) -> Imported | None:
    """The import by the mapping that was confirmed; a mapping or deck with an error is refused."""
    from tariffs.ratesheet_deck import read_deck
    from tariffs.ratesheet_import import import_sheet
    from tariffs.ratesheet_mapping import load
    from tollbook.text import Problems

    problems = Problems()
    mapping: SheetMapping | None = guess.mapping if guess else None
    if choices.mapping is not None:
        mapping = load(choices.mapping, problems)
    deck: list[DeckRow] = read_deck(choices.into, problems) if choices.into else []
    problems.refuse_if_any("nothing was written")
    assert mapping is not None  # a file without problems gives one
    mapping = mapping.overlaid(choices.kind, choices.effective)
    as_of = choices.as_of or date.today().isoformat()
    return import_sheet(sheets, mapping, deck, as_of, choices.not_before or "", findings)


def _write(imported: Imported | None, choices: Choices, findings: Findings) -> str:
    """Writes the report of changes, and the deck if nothing stands against it; returns its name."""
    from tariffs.ratesheet_checks import REPORT_AMOUNTS, REPORT_COLUMNS, report_rows
    from tariffs.ratesheet_deck import write_deck
    from tollbook.outputs import write_csv

    if imported is None or findings.errors:
        return ""
    if choices.changes is not None:
        write_csv(choices.changes, REPORT_COLUMNS, report_rows(imported.merged.changes),
                  REPORT_AMOUNTS)
    path = choices.out or choices.into
    if path is None or (findings.flags and not choices.accept_warnings):
        return ""
    if imported.merged.changes or path != choices.into:  # else not a byte of it is touched
        write_deck(path, imported.merged.rows)
    return str(path)


def _show(
    findings: Findings, guess: Guess | None, imported: Imported | None, written: str,
    choices: Choices,
) -> None:  # fmt: skip
    from tollbook.cli.ratesheet_screen import as_dict, findings_screen, result_screen

    if choices.as_json:
        print_json(as_dict(findings, guess, imported, written))
        return
    if text := findings_screen(findings):
        click.echo(text + "\n")
    if imported is not None:
        click.echo(result_screen(imported) + "\n")
    if findings.problems.found:
        found = f"{count(findings.errors, 'error')}, {count(findings.flags, 'warning')}"
        click.echo("\n".join(map(str, sorted(findings.problems.found))))
        click.echo(f"{found}; {_outcome(findings, written, choices)}")
    elif imported is not None:
        click.echo(_outcome(findings, written, choices))
    elif not choices.write_mapping:
        click.echo("nothing was imported: confirm the mapping with --yes, or write it for review "
                   "with --write-mapping FILE.yaml")


def _outcome(findings: Findings, written: str, choices: Choices) -> str:
    if written:
        return f"the deck is {written}"
    if findings.errors:
        return "nothing was written"
    if findings.flags and not choices.accept_warnings:
        return "nothing was written; --accept-warnings writes the deck all the same"
    return "nothing was written: this was a trial without --into or --out"


@click.command(name="ratesheet")
@click.argument("deck", type=READ)
@click.option("--out", type=FILE, required=True, callback=sheet_file, metavar="FILE",
              help="The sheet: a workbook if the name ends in .xlsx, CSV if in .csv.")
@click.option("--kind", type=click.Choice(["full", "amendment"]), default="full",
              show_default=True, help="All prices, or what begins or ends from --from on.")
@click.option("--from", "since", callback=day, metavar="DAY",
              help="Prices in force on this day or later; an amendment needs it.")
@click.option("--until", callback=day, metavar="DAY", help="Only what begins before this day.")
@click.option("--group", is_flag=True, help="All codes of one destination and price in one row.")
@click.option("--currency", required=True, callback=currency_code, metavar="CODE",
              help="Currency of the deck's prices, which the heading of the sheet names.")
@click.option("--per", type=click.Choice(["60s", "event"]), default="60s", show_default=True,
              help="What a price of the deck is for.")
def ratesheet_export(
    deck: Path, out: Path, kind: str, since: str | None, until: str | None, group: bool,
    currency: str, per: str,
) -> None:  # fmt: skip
    """Write a prefix deck as a rate sheet for a partner.

    Codes in a workbook are text cells, which spreadsheets leave alone; those of a CSV are not safe
    from them.
    """
    from tariffs.ratesheet_deck import read_deck
    from tariffs.ratesheet_export import grouped, lines, write_sheet
    from tollbook.text import Problems

    if kind == "amendment" and since is None:
        raise click.UsageError("an amendment needs --from, the first day of its changes")
    problems = Problems()
    rows = read_deck(deck, problems)
    problems.refuse_if_any("nothing was written")
    found = lines(rows, kind, since or "", until or "")
    found = grouped(found) if group else found
    write_sheet(out, found, currency, per)
    click.echo(f"wrote {out}: {count(len(found), 'row')}")
