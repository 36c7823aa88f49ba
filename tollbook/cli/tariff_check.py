"""``tollbook tariff check``: everything that is wrong with a tariff book, at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.common import count, json_option, print_json, workspace_option

if TYPE_CHECKING:
    from tariffs.model import Book
    from tollbook.errors import Problem
    from tollbook.network import Network
    from tollbook.text import Problems


@click.command(name="check")
@workspace_option
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@json_option
@click.pass_context
def command(ctx: click.Context, folder: Path, strict: bool, as_json: bool) -> None:
    """Report everything that is wrong with the book.

    Reads tariffs/ and the carriers' agreements, and operator.yaml and network/, to which they
    refer. The exit code is 1 if there is an error; warnings alone leave it at 0
    without --strict.
    """
    from tariffs import agreements, book
    from tariffs.known import names_of
    from tollbook import network, workspace
    from tollbook.text import Problems

    problems = Problems()
    space = workspace.load(folder, problems)
    zone = space.operator.time_zone
    net = network.load(space.network, zone, problems)
    found = book.load(space.tariffs, problems, names_of(space, net))
    agreements.load(
        space.network / "agreements.csv", problems, net.carriers.ids, net.zones.groups, zone
    )
    if found is not None and not problems.errors:
        _prove(found, net, space.numbering.access_codes, problems)
    if as_json:
        print_json(as_dict(problems.found, found))
    else:
        click.echo(screen(problems.found, found))
    if problems.errors or (strict and problems.found):
        ctx.exit(1)


def _prove(book: Book, net: Network, access_codes: tuple[str, ...], problems: Problems) -> None:
    """Compile the book as a run does: that is where prices are shown not to overflow."""
    from tariffs.compiler import compile_book
    from tollbook.errors import Refused

    plans = tuple(plan.plan_id for plan in book.plans)
    try:
        compile_book(book, net.zones.ids, net.relations, access_codes, plans,
                     carriers=net.carriers.ids)  # fmt: skip
    except Refused as refused:
        problems.found.extend(refused.problems)


def as_dict(problems: list[Problem], book: Book | None) -> dict[str, Any]:
    """The findings for programs."""
    errors = sum(problem.severity == "error" for problem in problems)
    return {
        "errors": errors,
        "warnings": len(problems) - errors,
        "problems": [
            {"file": p.file, "line": p.line, "severity": p.severity, "found": p.found,
             "allowed": p.allowed, "do": p.do}
            for p in sorted(problems)
        ],
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
