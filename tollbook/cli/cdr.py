"""``tollbook cdr``: the table of its commands; each is imported only when it is asked for."""

from __future__ import annotations

from typing import Final

import click

from tollbook.cli.lazy import LazyGroup

COMMANDS: Final = {
    "identify": ("tollbook.cli.cdr_identify", "Say what files are, by their bytes."),
    "dump": ("tollbook.cli.cdr_dump", "Print a file of records readably, element by element."),
    "check": ("tollbook.cli.cdr_check", "Check a file against its own totals and code tables."),
    "convert": ("tollbook.cli.cdr_convert", "Write the tables of a file for other programs."),
}


@click.group(name="cdr", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Look into files of call-detail records."""
