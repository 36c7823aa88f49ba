"""``tollbook suspense export`` and ``import``: many records repaired in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    workspace_option,
)
from tollbook.cli.suspense_choice import choice_options, who_option

if TYPE_CHECKING:
    from tollbook.run.suspended import Choice


@click.command(name="export")
@workspace_option
@json_option
@click.argument("path", metavar="FILE.csv", type=click.Path(dir_okay=False, path_type=Path))
@choice_options
def exporting(folder: Path, as_json: bool, path: Path, choice: Choice) -> None:
    """Write suspended records into a CSV file, one row each, to repair many at once.

    An apostrophe in front of a cell keeps spreadsheets from running or rewriting it; whether it is
    still there does not matter. The file holds whole telephone numbers.
    """
    from tollbook.run import suspense_csv
    from tollbook.run.session import open_session

    rows = suspense_csv.write(open_session(folder), choice, path)
    if as_json:
        print_json({"file": str(path), "records": rows})
    else:
        click.echo(f"{count(rows, 'record')} in {path}; change cells, then "
                   f"`tollbook suspense import {path}`")


@click.command(name="import")
@workspace_option
@json_option
@click.option("--as-of", help=AS_OF_HELP)
@who_option
@click.option("--note", default="", help="Why, for rows whose column `note` is empty.")
@click.argument("path", metavar="FILE.csv",
                type=click.Path(exists=True, dir_okay=False, path_type=Path))
def importing(
    folder: Path, as_json: bool, as_of: str | None, who: str, note: str, path: Path
) -> None:
    """Correct suspended records as cells of an exported file were changed; then retry them.

    Only changed cells count. Anything wrong, and nothing is corrected; all problems are told.
    """
    from tollbook.run import corrections, suspense_csv
    from tollbook.run.session import open_session

    work = open_session(folder)
    done = corrections.run(
        work, lambda problems: suspense_csv.read(work, path, note, problems), who,
        parse_as_of(as_of),
    )  # fmt: skip
    if as_json:
        print_json({"run": done.run_number, "records": done.records, "fields": done.fields})
    elif done.run_number == 0:
        click.echo("nothing to correct: no cell was changed")
    else:
        click.echo(f"run {done.run_number}: {count(done.fields, 'field')} of "
                   f"{count(done.records, 'record')} corrected; `tollbook suspense retry` rates "
                   "them")
