"""Commands of the documents, run in this process."""

from __future__ import annotations

import shlex

from click.testing import CliRunner

from tollbook.cli import main


def run(line: str, exit_code: int = 0) -> list[str]:
    """What a line that begins with ``tollbook`` prints."""
    done = CliRunner().invoke(main.cli, shlex.split(line)[1:])
    assert done.exit_code == exit_code, done.output
    return [part.rstrip() for part in done.output.rstrip().splitlines()]
