"""The command line as a whole: help is complete and quick, failures leave with their exit codes.

What each command does is tested where its work is tested.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from tollbook.cli import main
from tollbook.errors import BrokenFile, NotFound

HEAVY = ("numpy", "numba", "pyarrow", "sqlalchemy", "yaml", "rich", "tollbook.run", "rating", "cdr")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, so that nothing is imported yet."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    done = python("-X", "importtime", "-m", "tollbook", "--help")
    assert done.returncode == 0
    width = max(map(len, main.COMMANDS))
    for name, (_, line) in main.COMMANDS.items():
        assert f"  {name.ljust(width)}  {line}\n" in done.stdout
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_a_command_is_what_the_table_says(name: str) -> None:
    module, line = main.COMMANDS[name]
    command = import_module(module).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").startswith(line.removesuffix("."))


def test_loading_the_commands_imports_nothing_heavy() -> None:
    modules = [module for module, _ in main.COMMANDS.values()]
    code = f"import sys, {', '.join(modules)}; print(set(sys.modules) & set({HEAVY!r}))"
    done = python("-c", code)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def run_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> tuple[int, str, str]:
    """Exit code, output and error output of a command that raises ``error``."""

    @click.command(name="runs")
    def failing() -> None:
        click.echo("before")
        raise error

    monkeypatch.setattr(main.Commands, "get_command", lambda *_: failing)
    done = CliRunner().invoke(main.cli, ["runs"])
    return done.exit_code, done.stdout, done.stderr


def test_an_error_that_needs_a_person_is_a_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = run_failing(monkeypatch, NotFound("run 7: the workspace has no such run"))
    assert found == (1, "before\n", "run 7: the workspace has no such run\n")


def test_an_interruption_leaves_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_failing(monkeypatch, KeyboardInterrupt()) == (130, "before\n", "interrupted\n")


BUSY = """
import time
from concurrent.futures import ThreadPoolExecutor
from tollbook.cli import main

def command(*asked):
    ThreadPoolExecutor(1).submit(time.sleep, 600)
    raise KeyboardInterrupt

main.Commands.get_command = command
main.main()
"""


def test_an_interruption_does_not_wait_for_threads() -> None:
    done = python("-c", BUSY, "runs")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_nor_for_a_reader_that_was_interrupted_too() -> None:
    """``tollbook run 2>&1 | tee log``: one Ctrl-C ends both."""
    with subprocess.Popen([sys.executable, "-c", "input();" + BUSY, "runs"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as started:  # fmt: skip
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdout.close()
        started.stdin.write(b"\n")
        started.stdin.close()
        assert started.wait(60) == 130


def test_a_reader_that_went_away_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, errors = run_failing(monkeypatch, BrokenPipeError(32, "Broken pipe"))
    assert (code, errors) == (1, "")


def test_wrong_use_leaves_with_2() -> None:
    for arguments in (["rate"], ["--colour"]):
        done = python("-m", "tollbook", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"No such {'command' if arguments == ['rate'] else 'option'}" in done.stderr


def test_what_a_file_says_of_itself_cannot_command_the_terminal() -> None:
    error = BrokenFile("inbox/a\x1b]0;x\x07.csv", "it names \x1b[2J" + "x" * 9999, "names", "look")
    shown = str(error)
    assert "a\\x1b]0;x\\x07.csv: at byte 0: it names \\x1b[2Jxxx" in shown
    assert len(shown) < 600
