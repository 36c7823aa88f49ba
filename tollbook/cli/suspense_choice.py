"""Options that the commands on suspense share: which records, who asks, and how it is shown."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from tollbook.run.suspended import Choice

F = TypeVar("F", bound=Callable[..., Any])
NOTE_HELP: Final = "Why, in a few words; it stays with the record for ever."


def choice_options(function: F) -> F:
    """``--reason``, ``--file`` and the records themselves, as the one argument ``choice``: records
    that fit all that is named. Stands next to the function."""

    @wraps(function)
    def chosen(
        *, reason: str | None, file: str | None, records: tuple[str, ...], **others: Any
    ) -> Any:
        return function(choice=choose(reason, file, records), **others)

    decorated: Any = chosen
    for option in (
        click.option("--reason", help="Only records with this reason."),
        click.option("--file", help="Only records of this file, such as F12."),
        click.argument("records", nargs=-1),
    ):
        decorated = option(decorated)
    result: F = decorated
    return result


def who_option(function: F) -> F:
    """``--by``: who asks; the account of the system by default."""
    decorated: F = click.option(
        "--by", "who", default=_account, metavar="NAME",
        help="Who asks for it; your account on this machine by default.",
    )(function)  # fmt: skip
    return decorated


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a list of accounts
        return f"uid {os.getuid()}"


def choose(reason: str | None, file: str | None, records: tuple[str, ...]) -> Choice:
    """The records that a command line names; raises BadParameter or TollbookError."""
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
