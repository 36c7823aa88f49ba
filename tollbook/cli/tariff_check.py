"""``tollbook tariff check``: everything that is wrong with a tariff book, at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.common import (
    count,
    json_option,
    print_json,
    problems_dict,
    workspace_option,
)

if TYPE_CHECKING:
    from rating.trial import Vocabulary
    from tariffs.compile_rates import Maxima
    from tariffs.model import Book
    from tollbook.errors import Problem
    from tollbook.network_ratings import CarrierRatings
    from tollbook.text import Problems


@click.command(name="check")
@click.argument("book", required=False,
                type=click.Path(exists=True, file_okay=False, path_type=Path))  # fmt: skip
@workspace_option
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, book: Path | None, folder: Path, strict: bool, as_json: bool
) -> None:
    """Report everything that is wrong with the book.

    Reads tariffs/ and the carriers' agreements, and operator.yaml and network/, to which they
    refer. BOOK may also be a folder of plan files alone: zones, relations and other names are then
    not checked. The exit code is 1 if there is an error; warnings alone leave it at 0 without
    --strict.
    """
    from tollbook.text import Problems
    from tollbook.workspace import FILE

    problems = Problems()
    root = book or folder
    if root.name == "tariffs" and (root.parent / FILE).is_file():
        root = root.parent
    alone = book is not None and not (root / FILE).is_file()
    found = _check_alone(root, problems) if alone else _check_workspace(root, problems)
    if as_json:
        print_json(as_dict(problems.found, found))
    else:
        click.echo(screen(problems.found, found))
    if problems.errors or (strict and problems.found):
        ctx.exit(1)


def _check_workspace(root: Path, problems: Problems) -> Book | None:
    from rating.trial import Vocabulary
    from tariffs import agreements, book
    from tariffs.compile_rates import Maxima
    from tariffs.known import names_of
    from tollbook import network, workspace

    space = workspace.load(root, problems)
    zone = space.operator.time_zone
    net = network.load(space.network, zone, problems)
    found = book.load(space.tariffs, problems, names_of(space, net))
    agreements.load(
        space.network / "agreements.csv", problems, net.carriers.ids, net.zones.groups, zone
    )
    if found is not None:
        _check_ratings(net.ratings, found, problems)
    words = Vocabulary(net.zones.ids, net.relations, space.numbering.access_codes,
                       net.carriers.ids)  # fmt: skip
    _prove(found, words, Maxima(space.limits.duration_s, space.limits.volume_bytes), problems)
    return found


def _check_ratings(ratings: CarrierRatings, book: Book, problems: Problems) -> None:
    """Plans that network/ratings.csv names and the book does not have."""
    from tollbook.text import did_you_mean

    plans = [plan.plan_id for plan in book.plans]
    for number, plan in enumerate(ratings.plans):
        if plan and plan not in plans:
            line = int(ratings.lines[(ratings.plan_index == number).argmax()])
            problems.add(("network/ratings.csv", line), f"plan '{plan}' is not in the tariff book",
                         ", ".join(plans), did_you_mean(plan, plans, "write that plan, or "
                                                        "correct the row"))


def _check_alone(folder: Path, problems: Problems) -> Book | None:
    from rating.trial import words_of
    from tariffs import book
    from tariffs.compile_rates import Maxima

    found = book.load(folder, problems, shown=folder.name)
    if found is not None:
        _prove(found, words_of(found), Maxima(), problems)
    return found


def _prove(
    book: Book | None, words: Vocabulary, maxima: Maxima, problems: Problems
) -> None:
    """Compile the book as a run does: that is where prices are shown not to overflow."""
    from tariffs.compiler import compile_book
    from tollbook.errors import Refused

    if book is None or problems.errors:
        return
    plans = tuple(plan.plan_id for plan in book.plans)
    try:
        compile_book(book, words.zones, words.relations, words.access_codes, plans, maxima,
                     carriers=words.carriers)  # fmt: skip
    except Refused as refused:
        problems.found.extend(refused.problems)


def as_dict(problems: list[Problem], book: Book | None) -> dict[str, Any]:
    """The findings for programs."""
    return problems_dict(problems) | {
        "book": None if book is None else {
            "plans": len(book.plans),
            "versions": sum(len(plan.versions) for plan in book.plans),
            "components": list(book.components),
            "files": list(book.files),
        },
    }  # fmt: skip


def screen(problems: list[Problem], book: Book | None) -> str:
    """The findings for people, and the line that counts them."""
    from tollbook.errors import Refused

    if any(problem.severity == "error" for problem in problems) or book is None:
        return str(Refused(problems, "nothing was compiled"))
    versions = sum(len(plan.versions) for plan in book.plans)
    size = (f"{count(len(book.plans), 'plan')} in {count(versions, 'version')}, "
            f"{count(len(book.components), 'component')}")  # fmt: skip
    if problems:
        return str(Refused(problems, f"the book can be used: {size}"))
    return f"no error in {count(len(book.files), 'file')}; the book can be used: {size}"
