"""``tollbook tariff``: the table of its commands; each is imported only when it is asked for."""

from __future__ import annotations

from typing import Final

import click

from tollbook.cli.lazy import LazyGroup

COMMANDS: Final = {
    "check": ("tollbook.cli.tariff_check", "Report everything that is wrong with the book."),
    "show": ("tollbook.cli.tariff_show", "Print a plan as a person wants to read it."),
    "price": ("tollbook.cli.tariff_price", "Price calls by a book, exactly as a run would."),
    "diff": ("tollbook.cli.tariff_diff", "Say in words what changed between two books."),
    "simulate": ("tollbook.cli.tariff_simulate",
                 "Price a month's rated records by other books."),
    "import": ("tollbook.cli.tariff_import:importing",
               "Bring in prices of another engine or of a carrier."),
    "export": ("tollbook.cli.tariff_import:exporting", "Write prices for others."),
}  # fmt: skip


@click.group(name="tariff", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Check and try out a tariff book."""
