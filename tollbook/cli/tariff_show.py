"""``tollbook tariff show``: a plan in words and tables."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tollbook.cli.common import json_option, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from tariffs.model import Book, Version
    from tariffs.show import PriceTable, Sheet

WIDTH: Final = 120  # where the output is no terminal
COLUMNS: Final = 4  # of times; more of them stand below each other


@click.command(name="show")
@click.argument("book", default=".", type=click.Path(path_type=Path))
@click.argument("plan", required=False)
@click.option("--on", "day", metavar="DAY", help="The version of that day; the newest by default.")
@click.option("--prefix", default="", metavar="DIGITS",
              help="Of prefix decks, only what a number that begins so would pay.")
@json_option
def command(book: Path, plan: str | None, day: str | None, prefix: str, as_json: bool) -> None:
    """Print a plan as a person wants to read it.

    BOOK is a workspace or a folder of plan files, by default the present folder: there, a plan can
    be named alone. Without PLAN the plans are listed, unless the book has only one.
    """
    from tariffs.show import sheet
    from tollbook.cli.tariff_books import open_book, plan_of, version_on
    from tollbook.text import Problems

    digits = prefix.removeprefix("+").removeprefix("00")
    if prefix and not (digits.isascii() and digits.isdigit()):
        raise click.BadParameter(f"'{prefix}' is no number; write digits from the country code on",
                                 param_hint="--prefix")
    if plan is None and not book.is_dir():
        book, plan = Path(), str(book)
    if not book.is_dir():
        raise click.BadParameter(f"'{book}' is no folder", param_hint="BOOK")
    opened = open_book(book, Problems())
    if plan is None and len(opened.book.plans) > 1:
        _show_plans(opened.book, as_json)
        return
    chosen = plan_of(opened.book, plan)
    version = version_on(chosen, day)
    found = sheet(chosen, version, _day_of(version, day), digits, opened.book.discounts)
    if as_json:
        print_json(_document(found))
    else:
        click.echo(screen(found, chosen.currency), nl=False)


def _day_of(version: Version, day: str | None) -> date:
    """The day whose prices are shown: today, but never outside the version."""
    if day is not None:
        return date.fromisoformat(day)
    last = version.valid_to - timedelta(days=1) if version.valid_to else date.max
    return max(version.valid_from, min(date.today(), last))


def _show_plans(book: Book, as_json: bool) -> None:
    """The plans of the book, with the spans of their versions."""
    from tariffs.words import begin_text, moments
    from tollbook.cli.common import table

    spans = {one.plan_id: [moments(version) for version in one.versions] for one in book.plans}
    if as_json:
        print_json([{"plan": one.plan_id, "name": one.name, "currency": one.currency,
                     "versions": [{"from": since, "to": until or None}
                                  for since, until in spans[one.plan_id]]}
                    for one in book.plans])  # fmt: skip
        return
    rows = [[one.plan_id, one.name, one.currency, len(one.versions),
             begin_text(spans[one.plan_id][0][0]), spans[one.plan_id][-1][1] or "open"]
            for one in book.plans]  # fmt: skip
    click.echo(table(["plan", "name", "currency", "versions", "from", "until"], rows, [3]))


def _document(found: Sheet) -> dict[str, Any]:
    return asdict(found) | {"head": dict(found.head)}


def screen(found: Sheet, currency: str, width: int | None = None) -> str:
    """The sheet for people, as wide as the terminal."""
    from rich.console import Console
    from rich.padding import Padding

    target = StringIO()
    columns = width or shutil.get_terminal_size((WIDTH, 24)).columns
    console = Console(file=target, width=columns, highlight=False, markup=False)
    name = f"  {found.name}" if found.name != found.plan else ""
    console.print(f"{found.plan}{name}  ({currency})")
    for what, text in found.head:
        console.print(f"  {what}: {text}")
    console.print("\nrules: the first that holds is applied")
    rules = _plain_table()
    for one in found.rules:
        rules.add_row(str(one.number), one.when, one.charge, _at(one.at.file, one.at.line))
    console.print(Padding(rules, (0, 0, 0, 2)))
    for prices in found.tables:
        _print_prices(console, prices)
    if found.items:
        console.print("\nwhat is counted")
        items = _plain_table()
        for item in found.items:
            items.add_row(item.name, item.terms, _at(item.at.file, item.at.line))
        console.print(Padding(items, (0, 0, 0, 2)))
    lines = target.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _print_prices(console: Any, prices: PriceTable) -> None:
    from rich.padding import Padding

    console.print(f"\n{prices.component}")
    if not prices.groups:
        console.print("  no rule charges it")
    for group in prices.groups:
        shown = _plain_table()
        is_wide = len(group.times) > COLUMNS
        times = ("price",) if is_wide else group.times
        for heading in ("rate", "for", *times, "terms"):
            shown.add_column(heading)
        shown.add_column("", no_wrap=True)
        shown.show_header = True
        for row in group.rows:
            cells = [row.prices[time] for time in group.times]
            if is_wide:
                cells = ["\n".join(f"{time}: {price}" for time, price in row.prices.items())]
            at = _at(row.at.file, row.at.line)
            shown.add_row(row.rate, _of(row.of), *cells, row.terms, at)
        console.print(Padding(shown, (0, 0, 0, 2)))
    if prices.more:
        console.print(f"  ... {prices.more}")


def _of(named: list[str]) -> str:
    from tariffs.show import LISTED

    more = f"; and {len(named) - LISTED:,} more" if len(named) > LISTED else ""
    return "; ".join(named[:LISTED]) + more


def _plain_table() -> Table:
    from rich.table import Table

    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _at(file: str, line: int) -> str:
    return f"{file}:{line}" if line else ""
