"""The ``tollbook`` command: one table of commands, each imported only when it is asked for.

Exit codes: 0 done; 1 refused input, or data that needs a person; 2 wrong use of the command line;
130 interrupted.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from contextlib import suppress
from importlib import metadata
from typing import Any, Final

import click

from tollbook.cli.lazy import LazyGroup
from tollbook.errors import TollbookError, printable

# name -> module that holds it as ``command``, and its line in ``tollbook --help``.
COMMANDS: Final = {
    "demo": ("tollbook.cli.demo", "Show everything, end to end."),
    "init": ("tollbook.cli.init", "Make a new workspace."),
    "synth": ("tollbook.cli.synth", "Make CDR files of any size."),
    "run": ("tollbook.cli.run", "Rate what lies in the inbox: one night's batch."),
    "bill": ("tollbook.cli.bill", "Close a month and make one bill for each account."),
    "settle": ("tollbook.cli.settle", "Close a month of settlement legs into a statement."),
    "rerate": ("tollbook.cli.rerate", "Rate the records of a month again."),
    "explain": ("tollbook.cli.explain", "Show how a record got its charge, step by step."),
    "balance": ("tollbook.cli.balance", "Show what an account has left of its allowances."),
    "suspense": ("tollbook.cli.suspense", "Records that could not be rated."),
    "tariff": ("tollbook.cli.tariff", "Check and try out a tariff book."),
    "cdr": ("tollbook.cli.cdr", "Look into files of call-detail records."),
    "collection": ("tollbook.cli.collection", "What the network delivered, and what is amiss."),
    "high-usage": ("tollbook.cli.high_usage", "Who used unusually much, and what was done."),
    "undo": ("tollbook.cli.undo", "Withdraw all that a file or a night has done."),
    "runs": ("tollbook.cli.runs", "List the runs: nights, retries, bills, settlements."),
    "audit": ("tollbook.cli.audit", "Check that every record has one fate."),
    "report": ("tollbook.cli.report", "Write the report of a month, or show that of a run."),
}
REFUSED: Final = 1
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
# When Python looks for garbage in cycles: imports and the compiler of kernels make millions of
# small objects that stay, and looking through them all the time was an eighth of a first start.
SELDOM: Final = (100_000, 20, 20)
# How long a thread that computes in Python may keep others, which only need a moment of it between
# two kernels or two pieces of a file, waiting. Python's own 5 ms made them wait most of the time.
SWITCH_S: Final = 0.0005


class Commands(LazyGroup):
    """All commands of tollbook."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what needs a person becomes a message. Click handles wrong use (2) itself,
        and a reader that went away (``tollbook runs | head``)."""
        gc.set_threshold(*SELDOM)
        sys.setswitchinterval(SWITCH_S)
        try:
            return super().invoke(ctx)
        except TollbookError as error:
            click.echo(str(error), err=True)
            ctx.exit(REFUSED)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader that went away
                raise
            click.echo(_unreachable(error), err=True)
            ctx.exit(REFUSED)
        except KeyboardInterrupt:
            with suppress(OSError):  # the reader was interrupted, too (`2>&1 | tee`)
                click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _unreachable(error: OSError) -> str:
    """A file or folder that the system refuses, in the words of every other message."""
    where = error.filename if error.filename is not None else error
    why = f" ({os.strerror(error.errno)})" if error.errno else ""
    return (f"{printable(str(where))}: it cannot be read or written{why}\n"
            "    allowed: a path that exists, or a new file in a folder that does\n"
            "    do: correct the path, or the rights and the room on the disk")  # fmt: skip


def _version() -> str:
    """The installed version; a checkout that is not installed has none."""
    try:
        return metadata.version("tollbook")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.group(cls=Commands, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), message="%(prog)s %(version)s")
def cli() -> None:
    """Turn a night's call-detail records into exact bills and settlement statements.

    A workspace is an operator's folder: operator.yaml, tariffs/, network/, customers/, inbox/.
    Start with `tollbook demo`, or with `tollbook init --sample`.
    """


def main() -> None:
    """The whole of a process that is the command."""
    # Its memory goes back to the system at once: to look for cycles in it took a third of a second.
    atexit.register(gc.freeze)
    try:
        cli(prog_name="tollbook")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            # At once: Python would wait for threads that compile or decode, for a quarter of a
            # minute. What they leave is what a killed process leaves; the next run removes it.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(INTERRUPTED)
        raise
