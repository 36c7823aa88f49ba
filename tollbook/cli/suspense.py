"""``tollbook suspense``: the table of its commands; each is imported only when it is asked for."""

from __future__ import annotations

from typing import Final

import click

from tollbook.cli.lazy import LazyGroup

COMMANDS: Final = {
    "list": ("tollbook.cli.suspense_list:list_", "Count what waits, with its age and worth."),
    "show": ("tollbook.cli.suspense_show:show", "Show records, and what would cure them."),
    "retry": ("tollbook.cli.suspense_act:retry", "Rate suspended records again."),
    "correct": ("tollbook.cli.suspense_act:correct", "Give fields of a record other values."),
    "discard": ("tollbook.cli.suspense_act:discard", "Give records up; they are never charged."),
    "export": ("tollbook.cli.suspense_csv:exporting", "Write records as CSV, to repair many."),
    "import": ("tollbook.cli.suspense_csv:importing", "Correct what was changed in such a file."),
    "history": ("tollbook.cli.suspense_show:history", "Tell what became of a record, and by whom."),
}


@click.group(name="suspense", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Records that could not be rated: look into them, cure them, give them up."""
