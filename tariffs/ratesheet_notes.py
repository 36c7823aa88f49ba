"""What an import has to say about a rate sheet: faults, flags, repairs and rows passed over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tollbook.errors import Problem
from tollbook.text import Problems

LISTED_MAX: Final = 50  # problems of one kind that are listed one by one
_SHOWN: Final = 60  # characters of a cell that a message repeats


class Fault(NamedTuple):
    """What is wrong with one cell or row. ``kind`` only groups faults of one sort."""

    kind: str
    found: str
    allowed: str
    do: str


class Repair(NamedTuple):
    """A cell that was read otherwise than it is written."""

    line: int
    kind: str
    found: str
    became: str


class PassedOver(NamedTuple):
    """A row that is no rate: a note, a total, a heading."""

    line: int
    kind: str
    text: str


@dataclass
class Findings:
    """Everything found in one sheet. A kind of fault is listed LISTED_MAX times, then counted."""

    file: str
    problems: Problems = field(default_factory=Problems)
    repairs: list[Repair] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _severities: Counter[str] = field(default_factory=Counter)
    _beyond: dict[tuple[str, str], tuple[int, Fault]] = field(default_factory=dict)

    def error(self, line: int, fault: Fault) -> None:
        """Notes what keeps the sheet from being imported."""
        self._note(line, fault, "error")

    def flag(self, line: int, fault: Fault) -> None:
        """Notes what a person has to look at before the sheet is imported."""
        self._note(line, fault, "warning")

    def _note(self, line: int, fault: Fault, severity: str) -> None:
        key = severity, fault.kind
        self._counts[key] += 1
        self._severities[severity] += 1
        if self._counts[key] <= LISTED_MAX:
            self._list(line, fault, fault.found, severity)
        else:
            self._beyond.setdefault(key, (line, fault))

    def _list(self, line: int, fault: Fault, found: str, severity: str) -> None:
        self.problems.found.append(
            Problem(self.file, line, found, fault.allowed, fault.do, severity)
        )

    def close(self) -> None:
        """Adds a line for each kind of which more was found than is listed."""
        for (severity, kind), (line, fault) in self._beyond.items():
            more = self._counts[severity, kind] - LISTED_MAX
            self._list(line, fault, f"and {more} more of this kind from here on", severity)
        self._beyond.clear()

    @property
    def errors(self) -> int:
        """How many errors were found, listed or not."""
        return self._severities["error"]

    @property
    def flags(self) -> int:
        """How many flags were found, listed or not."""
        return self._severities["warning"]


def shown(text: str) -> str:
    """A cell for a message: printable, on one line, cut where it is very long."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return "".join(one if one.isprintable() else " " for one in cut)
