"""Every exception that tollbook raises on purpose, under one base class.

Bad data is not an exception: it is a row with a reason (see ``tollbook.reasons``). An exception
means that a person has to act before anything can go on, so every message says where, what was
found, what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SHOWN_CHARACTERS: Final = 400  # of what a file from the network says of itself


def printable(text: str) -> str:
    """Text from outside for a screen or a log: no control characters, which a terminal would obey,
    and cut off after SHOWN_CHARACTERS."""
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut
    )


class TollbookError(Exception):
    """Base class. The command line prints the message and leaves with exit code 1."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file that people write."""

    file: str
    line: int  # 1-based; 0 when the problem has no line (a file that is missing)
    found: str
    allowed: str
    do: str
    severity: str = "error"  # error | warning

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        kind = "" if self.severity == "error" else f"{self.severity}: "
        return f"{where}: {kind}{self.found}\n    allowed: {self.allowed}\n    do: {self.do}"


class Refused(TollbookError):
    """Files that people write were refused, with all problems at once."""

    def __init__(self, problems: Sequence[Problem], what: str = "nothing was changed") -> None:
        self.problems = tuple(sorted(problems))
        errors = sum(p.severity == "error" for p in self.problems)
        warnings = len(self.problems) - errors
        files = len({p.file for p in self.problems})
        counts = f"{errors} error{'s' * (errors != 1)}"
        if warnings:
            counts += f", {warnings} warning{'s' * (warnings != 1)}"
        tail = f"{counts} in {files} file{'s' * (files != 1)}; {what}"
        super().__init__("\n".join([*map(str, self.problems), tail]))


class BrokenFile(TollbookError):
    """A file from the network that cannot be read as what its source declares: refused whole."""

    def __init__(self, path: str, found: str, allowed: str, do: str, byte_offset: int = 0) -> None:
        path, found = printable(path), printable(found)
        self.path, self.found, self.byte_offset = path, found, byte_offset
        super().__init__(
            f"{path}: at byte {byte_offset}: {found}\n    allowed: {allowed}\n    do: {do}"
        )


class HeldFile(TollbookError):
    """A file that was read, and of which too many records are in error, or that says itself that it
    holds more or fewer: a person has to look."""


class NotClosed(TollbookError):
    """Control totals that do not close: nothing of the run was committed."""


class Locked(TollbookError):
    """Another process is writing to the same workspace."""


class NotFound(TollbookError):
    """A record, run, account or period that the workspace does not hold."""
