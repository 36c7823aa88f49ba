"""What the tariff commands open: the book of a workspace, or a folder that holds nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from rating import trial
from rating.trial import Vocabulary, words_of
from rating.trial_guided import Guiding
from tariffs import book as books
from tariffs.compile_rates import Maxima
from tariffs.known import Known, names_of
from tariffs.model import Book, Plan, Version
from tollbook import network, workspace
from tollbook.columns import Table
from tollbook.network import Network
from tollbook.text import Problems, did_you_mean
from tollbook.workspace import FILE, Workspace

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True)
class Opened:
    """A book, the words that usage may have, and the operator's other files if there are any."""

    path: Path
    book: Book
    words: Vocabulary
    maxima: Maxima
    workspace: Workspace | None = None
    network: Network | None = None

    @property
    def guiding(self) -> Guiding | None:
        """What guides calls that say who was served; None without an operator."""
        if self.workspace is None or self.network is None:
            return None
        return Guiding(self.workspace, self.network)


def open_book(path: Path, problems: Problems, within: Opened | None = None) -> Opened:
    """The book of a workspace or of a folder of YAML files; raises Refused if it has an error.

    The folder ``tariffs`` of a workspace stands for the workspace. within: the workspace whose
    network and limits are meant by a folder that is no workspace.
    """
    root = path.parent if path.name == "tariffs" and (path.parent / FILE).is_file() else path
    if (root / FILE).is_file():
        space = workspace.load(root, problems)
        net = network.load(space.network, space.operator.time_zone, problems)
        found = books.load(space.tariffs, problems, names_of(space, net))
        problems.refuse_if_any("the book was not used")
        assert found is not None  # without an error there is a book
        words = Vocabulary(net.zones.ids, net.relations, space.numbering.access_codes,
                           net.carriers.ids)  # fmt: skip
        maxima = Maxima(space.limits.duration_s, space.limits.volume_bytes)
        return Opened(path, found, words, maxima, space, net)
    names = Known()
    if within is not None and within.workspace is not None and within.network is not None:
        names = names_of(within.workspace, within.network)
    found = books.load(path, problems, names, path.name)
    problems.refuse_if_any("the book was not used")
    assert found is not None
    if within is not None:
        return Opened(path, found, within.words, within.maxima, within.workspace, within.network)
    return Opened(path, found, words_of(found), Maxima())


def read_calls(name: str, problems: Problems) -> Table:
    """The calls of a file, or of the standard input where the name is `-`."""
    if name == STANDARD_INPUT:
        given = sys.stdin.buffer.read()
        return trial.read(given, "standard input", problems)
    return trial.read(Path(name), name, problems)


def plan_of(book: Book, plan_id: str | None) -> Plan:
    """The plan of that id; without one the book's only plan. Wrong use of the command otherwise."""
    ids = [plan.plan_id for plan in book.plans]
    if plan_id is None and len(ids) == 1:
        return book.plans[0]
    if plan_id is None:
        raise click.UsageError(f"the book has several plans; name one: {', '.join(ids)}")
    if plan_id not in ids:
        raise click.UsageError(f"the book has no plan '{plan_id}'; it has {', '.join(ids)}; "
                               f"{did_you_mean(plan_id, ids, 'name one of them')}")
    return book.plan(plan_id)


def version_on(plan: Plan, day: str | None) -> Version:
    """The version in force on a day; without one the newest."""
    from tollbook.clock import parse_date

    if day is None:
        return plan.versions[-1]
    found = parse_date(day)
    if found is None:
        raise click.BadParameter(f"'{day}' is no day; write 2003-06-10", param_hint="--on")
    for version in reversed(plan.versions):
        if version.valid_from <= found and (version.valid_to is None or found < version.valid_to):
            return version
    spans = ", ".join(f"{one.valid_from} to {one.valid_to or 'open'}" for one in plan.versions)
    raise click.BadParameter(f"plan '{plan.plan_id}' has no version on {day}; it has {spans}",
                             param_hint="--on")
