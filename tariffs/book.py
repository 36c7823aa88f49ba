"""The tariff book: a folder of YAML and CSV text -> ``model.Book``, or every problem at once.

Each ``*.yaml`` of the folder is one version of one plan (it has the key ``plan``), a list of taxes
(``taxes``), of discounts (``discounts``), or a library of rates that plans take over (``rates``
alone); several files with the same ``plan`` and different ``valid`` are its versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tariffs.book_decks import DeckFiles
from tariffs.book_discounts import ListFiles, read_discounts
from tariffs.book_extends import Sources, edition_of
from tariffs.book_plan import PlanText, read_plan
from tariffs.book_rates import Rates, parse_rates
from tariffs.book_taxes import read_taxes
from tariffs.check import check
from tariffs.grammar import KEYS
from tariffs.known import Edition, Known
from tariffs.lint_discounts import lint_discounts
from tariffs.memory_model import Discount
from tariffs.model import Book, Plan, TaxRate
from tollbook.text import Node, Problems, Reader, load_yaml

__all__ = ["Known", "load"]


def load(
    folder: Path, problems: Problems, known: Known | None = None, shown: str = "tariffs"
) -> Book | None:
    """The book of a folder; None after its problems were noted.

    known: what the plans may refer to (zones, relations ...); without it names are not checked.
    shown: how messages call the folder; empty (the name of `.`): by its path. Warnings alone do
    not keep the book from being returned.
    """
    known = known or Known()
    shown = shown or str(folder.resolve())
    before, first = problems.errors, len(problems.found)
    plans: dict[str, PlanText] = {}
    libraries: dict[str, Rates] = {}
    taxes: list[TaxRate] = []
    discounts: list[Discount] = []
    lists = ListFiles(folder, shown, problems)
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not paths:
        problems.add((shown, 0), "there is no tariff book (no *.yaml file)",
                     "a folder with one file for each plan version", "write one: docs/tariffs.md")
    for path in sorted(folder.glob("*.yml")):
        problems.warn((f"{shown}/{path.name}", 0), "files that end in .yml are not read",
                      "files that end in .yaml", "rename the file")
    for path in paths:
        node = load_yaml(path, problems, f"{shown}/{path.name}")
        if node is None or not _is_book_file(node, problems):
            continue
        if "plan" in node.key_lines:
            plans[path.name] = read_plan(node, known, problems)
        elif "taxes" in node.key_lines:
            taxes += read_taxes(node, problems)
        elif "discounts" in node.key_lines:
            discounts += read_discounts(node, lists, problems)
        else:
            library = Reader(node, problems, "the library", KEYS["library"])
            libraries[path.name] = parse_rates(library.keys["rates"], problems)
    sources = Sources(plans, libraries, DeckFiles(folder, shown, problems), known)
    priced = frozenset(one.action.rate for one in discounts)
    editions = [replace(edition_of(name, sources, problems), named_elsewhere=priced)
                for name in plans]  # fmt: skip
    check(editions, taxes, sources.decks, known, problems)
    lint_discounts(discounts, editions, known, problems)
    _once(problems, first)
    if problems.errors > before:
        return None
    beside = tuple(sorted({*sources.decks.names, *lists.names}))
    _warn_of_unread_files(folder, sources, beside, problems)
    files = tuple(path.name for path in paths) + beside
    return replace(_make_book(editions, taxes, known, files), discounts=tuple(discounts))


def _is_book_file(node: Node, problems: Problems) -> bool:
    """Whether a file is one of those that a book is made of; if not, that is noted."""
    if not isinstance(node.value, dict):
        problems.add(node, f"the file is {node.kind}", "a mapping that begins with `plan: name`",
                     "compare it with docs/tariffs.md")
        return False
    if {"plan", "taxes", "discounts", "rates"} & node.value.keys():
        return True
    problems.add((node.file, node.line),
                 "the file has none of 'plan', 'taxes', 'discounts' and 'rates'",
                 "one plan version, taxes, discounts, or a library of rates, in each file",
                 "add `plan: name` at the top")
    return False


def _once(problems: Problems, first: int) -> None:
    """Leaves out what was found again: text that several versions take over is checked in each."""
    kept = {(p.file, p.line, p.severity, p.found): p for p in reversed(problems.found[first:])}
    problems.found[first:] = reversed(kept.values())


def _warn_of_unread_files(
    folder: Path, sources: Sources, beside: Sequence[str], problems: Problems
) -> None:
    """Files that nothing names. beside: those that something does."""
    decks = sources.decks
    for path in sorted(folder.glob("*.csv")):
        if path.name not in beside:
            problems.warn((f"{decks.shown}/{path.name}", 0), "no rule names this deck",
                          "decks that a charge names with `by_zone` or `by_prefix`",
                          "name it, or remove the file")
    used = {name for text in sources.plans.values() for name in text.use}
    for name in sources.libraries:
        if name not in used:
            problems.warn((f"{decks.shown}/{name}", 1), "no plan uses this library of rates",
                          f"libraries that a plan names, as `use: [{name}]`",
                          "name it in a plan, or add `plan: name` if it is one")


def _make_book(
    editions: Sequence[Edition], taxes: Sequence[TaxRate], known: Known, files: tuple[str, ...]
) -> Book:
    """Plans by id, their versions by date; a plan is called what its latest version calls it."""
    plans = []
    for plan_id in sorted({edition.plan_id for edition in editions}):
        own = sorted((e for e in editions if e.plan_id == plan_id),
                     key=lambda edition: edition.begins)  # fmt: skip
        versions = tuple(edition.version for edition in own)
        plans.append(Plan(plan_id, own[-1].name, own[-1].currency, versions))
    components = dict.fromkeys(
        name for plan in plans for version in plan.versions for name in version.components
    )
    return Book(tuple(plans), tuple(components), known.holidays, tuple(taxes), files)
