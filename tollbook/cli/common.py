"""What the commands share: the workspace option, JSON output, tables, times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from tollbook.errors import Problem, Refused

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
F = TypeVar("F", bound=Callable[..., Any])
AS_OF_HELP: Final = "The run's only now (ISO 8601; UTC without an offset); this moment by default."


def workspace_option(function: F) -> F:
    """``-C/--workspace``: the operator's folder; the present one by default."""
    decorated: F = click.option(
        "-C", "--workspace", "folder", default=".", show_default=True,
        type=click.Path(file_okay=False, path_type=Path), help="The operator's folder.",
    )(function)  # fmt: skip
    return decorated


def json_option(function: F) -> F:
    """``--json``: the figures as one JSON document, for programs."""
    decorated: F = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
    return decorated


def refused_as_json(function: F) -> F:
    """Under ``--json`` files that are refused make a JSON document too, with all their problems.

    The exit code is 1, as without it.
    """

    @wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Refused as refused:
            if not options["as_json"]:
                raise
            print_json(problems_dict(refused.problems))
            click.get_current_context().exit(1)

    return cast(F, wrapped)


def problems_dict(problems: Iterable[Problem]) -> dict[str, Any]:
    """Problems of files for programs, and how many there are."""
    found = sorted(problems)
    errors = sum(problem.severity == "error" for problem in found)
    return {
        "errors": errors,
        "warnings": len(found) - errors,
        "problems": [
            {"file": p.file, "line": p.line, "severity": p.severity, "found": p.found,
             "allowed": p.allowed, "do": p.do}
            for p in found
        ],
    }  # fmt: skip


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], right: Iterable[int | str] = ""
) -> str:
    """Columns aligned with blanks; ``right`` names the numbers of columns that align right."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    to_right = {int(mark) for mark in right}
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def parse_as_of(text: str | None) -> int | None:
    """``2003-06-11`` or ``2003-06-11T02:00:00+08:00`` as UTC seconds (no offset: UTC)."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"'{text}' is no time; write 2003-06-11T02:00:00+08:00", param_hint="--as-of"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    latest = datetime.now(UTC) + timedelta(days=1)
    if not EARLIEST <= moment <= latest:
        # A slip of the year would send a whole night to suspense as too old or in the future.
        raise click.BadParameter(
            f"'{text}' is not from {EARLIEST:%Y-%m-%d} to tomorrow; write the time of the run",
            param_hint="--as-of",
        )
    return int(moment.timestamp())


def count(value: int, noun: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"
