"""The tariff book: a folder of YAML and CSV text -> ``model.Book``, or every problem at once.

Each ``*.yaml`` of the folder is one version of one plan (it has the key ``plan``), or a list of
taxes (``taxes``); several files with the same ``plan`` and different ``valid`` are its versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tariffs.book_plan import read_plan, read_taxes
from tariffs.book_rules import DeckFiles
from tariffs.check import check
from tariffs.known import Edition, Known
from tariffs.model import Book, Plan, TaxRate
from tollbook.text import Node, Problems, load_yaml

__all__ = ["Known", "load"]


def load(
    folder: Path, problems: Problems, known: Known | None = None, shown: str = "tariffs"
) -> Book | None:
    """The book of a folder; None after its problems were noted.

    known: what the plans may refer to (zones, relations ...); without it names are not checked.
    shown: how messages call the folder. Warnings alone do not keep the book from being returned.
    """
    known = known or Known()
    before = problems.errors
    editions: list[Edition] = []
    taxes: list[TaxRate] = []
    decks = DeckFiles(folder, shown, problems)
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not paths:
        problems.add((shown, 0), "there is no tariff book (no *.yaml file)",
                     "a folder with one file for each plan version", "write one: docs/tariffs.md")
    for path in sorted(folder.glob("*.yml")):
        problems.warn((f"{shown}/{path.name}", 0), "files that end in .yml are not read",
                      "files that end in .yaml", "rename the file")
    for path in paths:
        node = load_yaml(path, problems, f"{shown}/{path.name}")
        if node is not None:
            _read_file(node, editions, taxes, decks, known, problems)
    check(editions, taxes, decks.read, known, problems)
    if problems.errors > before:
        return None
    _warn_of_unread_decks(folder, decks, problems)
    files = tuple(path.name for path in paths) + tuple(sorted(decks.read))
    return _make_book(editions, taxes, known, files)


def _read_file(
    node: Node,
    editions: list[Edition],
    taxes: list[TaxRate],
    decks: DeckFiles,
    known: Known,
    problems: Problems,
) -> None:
    if isinstance(node.value, dict) and "taxes" in node.value and "plan" not in node.value:
        taxes += read_taxes(node, problems)
    elif isinstance(node.value, dict) and "plan" not in node.value:
        problems.add((node.file, node.line), "the file has neither 'plan' nor 'taxes'",
                     "one plan version, or the taxes, in each file", "add `plan: name` at the top")
    elif isinstance(node.value, dict):
        editions.append(read_plan(node, decks, known, problems))
    else:
        problems.add(node, f"the file is {node.kind}", "a mapping that begins with `plan: name`",
                     "compare it with docs/tariffs.md")


def _warn_of_unread_decks(folder: Path, decks: DeckFiles, problems: Problems) -> None:
    for path in sorted(folder.glob("*.csv")):
        if path.name not in decks.read:
            problems.warn((f"{decks.shown}/{path.name}", 0), "no rule names this deck",
                          "decks that a charge names with `by_zone`", "name it, or remove the file")


def _make_book(
    editions: Sequence[Edition], taxes: Sequence[TaxRate], known: Known, files: tuple[str, ...]
) -> Book:
    """Plans by id, their versions by date; a plan is called what its latest version calls it."""
    plans = []
    for plan_id in sorted({edition.plan_id for edition in editions}):
        own = sorted((e for e in editions if e.plan_id == plan_id),
                     key=lambda edition: edition.version.valid_from)  # fmt: skip
        versions = tuple(edition.version for edition in own)
        plans.append(Plan(plan_id, own[-1].name, own[-1].currency, versions))
    components = dict.fromkeys(
        name for plan in plans for version in plan.versions for name in version.components
    )
    return Book(tuple(plans), tuple(components), known.holidays, tuple(taxes), files)
