"""``tollbook explain``: how a record got its charge."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tollbook.cli.common import json_option, print_json, workspace_option


@click.command(name="explain")
@workspace_option
@click.option("--masked", "is_masked", is_flag=True, help="Hide the middle of persons' numbers.")
@click.option("--rules", "with_rules", is_flag=True, help="Say why earlier rules did not hold.")
@json_option
@click.argument("record")
def command(
    folder: Path, is_masked: bool, with_rules: bool, as_json: bool, record: str
) -> None:
    """Show how a record got its charge, step by step.

    RECORD is an id such as F12-417. It is guided and priced again from the data that its run used,
    whatever has changed since. Exit code 1 if anything is not as the run stored it.
    """
    from tollbook.run.explaining import Explainer
    from tollbook.run.records import parse_record
    from tollbook.run.session import open_session

    found = Explainer(open_session(folder)).explain(parse_record(record))
    if as_json:
        from tollbook.cli.explain_json import document

        print_json(document(found, is_masked))
    else:
        from tollbook.cli.explain_screen import screen

        click.echo(screen(found, is_masked, with_rules))
    sys.exit(1 if found.differences else 0)
