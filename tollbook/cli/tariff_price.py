"""``tollbook tariff price``: price calls by a book before it goes live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tollbook.cli import tariff_priced
from tollbook.cli.common import json_option, print_json, refused_as_json
from tollbook.cli.tariff_priced import EXPLAINED, SHOWN, Choices

if TYPE_CHECKING:
    from rating.trial import Context
    from tollbook.cli.tariff_books import Opened
    from tollbook.columns import Table
    from tollbook.text import Problems

_LIMIT_HELP: Final = f"Calls to show, or to explain ({SHOWN} and {EXPLAINED} by default)."


@click.command(name="price")
@click.argument("book", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--calls", metavar="FILE.csv", help="A file of calls; `-` for standard input.")
@click.option("--plan", help="The plan of calls that name none.")
@click.option("-o", "--output", metavar="FILE.csv", help="Write every call with its price there.")
@click.option("--explain", is_flag=True, help="Show how each call came to its price.")
@click.option("--check", is_flag=True, help="Compare with the column `expect`; 1 if any differs.")
@click.option("--compare", metavar="BOOK",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Price the file by this book too, and show which calls differ.")
@click.option("--limit", type=click.IntRange(min=0), help=_LIMIT_HELP)
@click.option("--service", help="Of a single call: voice, sms, data ...")
@click.option("--direction", help="Of a single call: out, in or forward.")
@click.option("--start", help="Of a single call: '2003-06-10 10:00:00', local time of the plan.")
@click.option("--used", help="Of a single call: 61s, '3 events', 1MiB, 100+200 (up and down).")
@click.option("--set", "facts", multiple=True, metavar="NAME=VALUE",
              help="Another fact of a single call, such as relation=toll.")
@click.option("--discount", "discounts", multiple=True, metavar="NAME",
              help="A discount of calls that name none; may be repeated. `none`: no discount.")
@json_option
@click.pass_context
@refused_as_json
def command(ctx: click.Context, /, book: Path, as_json: bool, **options: Any) -> None:
    """Price calls by a book, exactly as a run would.

    BOOK is a workspace or a folder of plan files. Without --calls the options describe one call,
    and its steps are shown.
    """
    from rating import trial, trial_discounts, trial_kinds, trial_result
    from tollbook.cli.tariff_books import open_book
    from tollbook.text import Problems

    choices = Choices(as_json=as_json, **options)
    _check_usage(choices)
    problems = Problems()
    opened = open_book(book, problems)
    if choices.plan is not None:
        from tollbook.cli.tariff_books import plan_of

        plan_of(opened.book, choices.plan)
    if choices.compare is not None:
        _compare(opened, choices.compare, choices)
        return
    problems.found.clear()  # warnings of the book are `tariff check`'s
    calls = _calls(choices, problems)
    context = _context(opened, calls, choices, problems)
    batches = [] if problems.errors else trial.usages(calls, context, problems)
    problems.refuse_if_any("nothing was priced")
    given = trial_discounts.chosen(calls, batches, context, choices.discounts, problems)
    rated = list(trial.priced(given.batches, given.context, calls, problems))
    kinds = trial_kinds.price(calls, batches, rated, context, problems)
    problems.refuse_if_any("nothing was priced")
    differences = None
    if choices.check:
        _refuse_unchecked(calls, problems)
        differences = trial_result.check(calls, rated, context, problems)
        if kinds is not None:
            margins = trial_kinds.check(calls, kinds, problems)
            differences += [trial_result.Difference(*one) for one in margins]
        problems.refuse_if_any("nothing was compared")
    for problem in sorted(problems.found):
        click.echo(str(problem), err=True)
    done = tariff_priced.Pricing(calls, rated, given.context, choices, kinds)
    if choices.output:
        tariff_priced.write(choices.output, done)
    tariff_priced.show(done, differences)
    if differences:
        ctx.exit(1)


def _compare(opened: Opened, other: Path, choices: Choices) -> None:
    """The calls by two books; differences with the roundings that lead to them."""
    from tollbook.cli import tariff_diff
    from tollbook.cli.tariff_books import open_book
    from tollbook.text import Problems

    books = opened, open_book(other, Problems())
    limit = SHOWN if choices.limit is None else choices.limit
    found, drifts = tariff_diff.compare_calls(
        books, choices.calls or "", choices.plan or "", limit, choices.explain
    )
    if choices.as_json:
        print_json(tariff_diff.comparison_document(found) | ({"drifts": drifts} if drifts else {}))
    else:
        tariff_diff.show_comparison(found, drifts, books[1].book.plans[0].currency)


def _check_usage(choices: Choices) -> None:
    single = (choices.service, choices.direction, choices.start, choices.used, *choices.facts)
    if not choices.is_single and any(one is not None for one in single):
        raise click.UsageError("--calls names a file of calls; --service, --direction, --start, "
                               "--used and --set describe a single one")
    if choices.is_single and choices.start is None:
        raise click.UsageError("nothing to price: name a file with --calls, or describe one call "
                               "with --start '2003-06-10 10:00:00' --used 61s --set relation=toll")
    if choices.is_single and (choices.check or choices.compare):
        option = "--check" if choices.check else "--compare"
        raise click.UsageError(f"{option} is about the calls of a file: name it with --calls")
    if choices.compare and (choices.check or choices.output or choices.discounts):
        raise click.UsageError("--compare shows differences; --check, -o and --discount price by "
                               "one book")


def _refuse_unchecked(calls: Table, problems: Problems) -> None:
    """A check that compares nothing would pass whatever the prices are."""
    from rating.trial_cells import is_blank

    if all(is_blank(calls[name]) for name in ("expect", "margin")):
        problems.add((calls.shown, 1), "no call says what it must come to",
                     "a cell in the column 'expect' or 'margin': airtime=0.80, free, no_rate",
                     "fill in the column 'expect', or leave --check out")  # fmt: skip
    problems.refuse_if_any("nothing was compared")


def _calls(choices: Choices, problems: Problems) -> Table:
    """The file, or a table of the one call that the options describe."""
    from tollbook.cli.tariff_books import read_calls

    if choices.calls is None:
        return _single(choices)
    return read_calls(choices.calls, problems)


def _single(choices: Choices) -> Table:
    import numpy as np
    import pyarrow as pa

    from rating.trial import ALIASES, COLUMNS
    from tollbook.columns import Table
    from tollbook.text import did_you_mean

    cells = dict.fromkeys(COLUMNS, "")
    for name in ("service", "direction", "start", "used"):
        cells[name] = getattr(choices, name) or ""
    for fact in choices.facts:
        given, is_pair, value = fact.partition("=")
        name = ALIASES.get(given, given)
        if not is_pair or name not in cells:
            listed = ", ".join(COLUMNS)
            raise click.BadParameter(
                f"'{fact}' sets nothing; write name=value with one of {listed}; "
                f"{did_you_mean(given, COLUMNS, 'for example relation=toll')}", param_hint="--set",
            )  # fmt: skip
        cells[name] = value
    columns = {name: pa.array([text], pa.string()) for name, text in cells.items()}
    return Table("command line", columns, np.zeros(1, np.int64))


def _context(opened: Opened, calls: Table, choices: Choices, problems: Problems) -> Context:
    """The compiled book. Without an operator, zones and relations are what calls and book say."""
    from rating import trial

    is_bare = opened.workspace is None
    words = trial.extended(opened.words, calls, problems) if is_bare else opened.words
    return trial.prepare(
        opened.book, words, choices.plan or "", opened.maxima, guiding=opened.guiding
    )
