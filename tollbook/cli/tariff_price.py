"""``tollbook tariff price``: price calls by a book before it goes live."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from tollbook.cli.common import count, json_option, print_json, refused_as_json, table
from tollbook.errors import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from rating.trial import Context
    from rating.trial_kinds import Kinds
    from rating.trial_result import Difference, Sums
    from tollbook.cli.tariff_books import Opened
    from tollbook.columns import Table
    from tollbook.text import Problems

SHOWN: Final = 20  # calls on the screen without --limit
EXPLAINED: Final = 1000  # calls that --explain takes without --limit
_LIMIT_HELP: Final = f"Calls to show, or to explain ({SHOWN} and {EXPLAINED} by default)."
_STANDARD_OUTPUT: Final = "-"


class Choices(NamedTuple):
    """The options of one pricing."""

    calls: str | None
    plan: str | None
    output: str | None
    explain: bool
    check: bool
    compare: Path | None
    limit: int | None
    as_json: bool
    service: str | None
    direction: str | None
    start: str | None
    used: str | None
    facts: tuple[str, ...]
    discounts: tuple[str, ...]

    @property
    def is_single(self) -> bool:
        return self.calls is None


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
    done = Pricing(calls, rated, given.context, choices, kinds)
    if choices.output:
        _write(choices.output, done)
    _show(done, differences)
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


class Pricing(NamedTuple):
    """Calls that were priced."""

    calls: Table
    rated: list[pa.RecordBatch]
    context: Context
    choices: Choices
    kinds: Kinds | None = None

    def table(self) -> pa.Table:
        """The calls with their prices, in words."""
        from rating.trial_kinds import with_kinds
        from rating.trial_result import table_of

        found = table_of(self.calls, self.rated, self.context)
        return found if self.kinds is None else with_kinds(found, self.kinds)


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


def _write(output: str, done: Pricing) -> None:
    import pyarrow.csv

    is_standard = output == _STANDARD_OUTPUT
    target = sys.stdout.buffer if is_standard else output
    pyarrow.csv.write_csv(done.table(), target)


# ---- what is shown


def _show(done: Pricing, differences: list[Difference] | None) -> None:
    from rating.trial_result import sums_of

    choices, sums = done.choices, sums_of(done.rated, done.context)
    if choices.as_json:
        print_json(_document(done, sums, differences))
        return
    if choices.output == _STANDARD_OUTPUT:
        return
    if choices.explain or choices.is_single:
        limit = EXPLAINED if choices.limit is None else choices.limit
        for batch, row, name in _rows(done, limit):
            click.echo(_explained(done.context, batch, row, name) + "\n")
    elif differences is None and not choices.output:
        click.echo(_screen(done, SHOWN if choices.limit is None else choices.limit))
    if differences is not None:
        click.echo(_compared(done, differences))
    if not choices.is_single:
        click.echo(_summary(done.context, sums))
        if done.kinds is not None:
            click.echo(_margin(done.kinds))


def _rows(done: Pricing, limit: int) -> list[tuple[pa.RecordBatch, int, str]]:
    """The first calls: their batch, their place in it, and their name."""
    found, low = [], 0
    for batch in done.rated:
        for row in range(min(batch.num_rows, limit - low)):
            found.append((batch, row, printable(done.calls.cell("name", low + row))))
        low += batch.num_rows
        if low >= limit:
            break
    return found


def _screen(done: Pricing, limit: int) -> str:
    from tariffs.words import begin_text
    from tollbook.money import format_micro

    def money(value: Any) -> str:
        return format_micro(int(value.scaleb(6)))

    first = done.table().slice(0, limit)
    names = done.context.compiled.components
    kinds = [] if done.kinds is None else [*done.kinds.charge_micro]
    used = [name for name in names if any(one.as_py() for one in first[f"charge_{name}"])]
    rows = [
        [row["line"], printable(row["name"]), row["reason"] or "priced", row["plan"],
         begin_text(row["version"]), row["rule"] or "",
         *(money(row[f"charge_{name}"]) for name in used),
         f"{money(row['charge'])} {row['currency']}",
         *(row[f"reason_{kind}"] or money(row[f"charge_{kind}"]) for kind in kinds),
         *([money(row["margin"])] if kinds else [])]
        for row in first.to_pylist()
    ]  # fmt: skip
    header = ["line", "name", "result", "plan", "version", "rule", *used, "charge", *kinds,
              *(["margin"] if kinds else [])]  # fmt: skip
    shown = table(header, rows, [0, 5, *range(6, len(header))])
    more = len(done.calls) - len(rows)
    return shown + (f"\n... and {count(more, 'call')} more: -o FILE.csv writes all\n" if more > 0
                    else "\n")  # fmt: skip


def _explained(context: Context, batch: pa.RecordBatch, row: int, name: str) -> str:
    """One call, step by step; the total is what the compiled book charged."""
    from rating import trial_discounts
    from rating.trial import facts_of
    from tollbook import reasons
    from tollbook.cli import steps_screen as steps
    from tollbook.cli.used_screen import price_lines
    from tollbook.stage import ints

    line = int(ints(batch, "record_id")[row])
    reason = int(ints(batch, "reason")[row])
    _, facts = facts_of(batch, row, context)
    found = trial_discounts.explained(context, batch, row)
    title = " ".join(filter(None, (f"line {line}" if line else "", name)))
    result = reasons.name_of(reason) if reason else "priced"
    lines = [f"{title or 'the call'}  {result}"]
    lines += [steps.line(*each) for each in steps.facts_lines(found, facts)]
    if not reason or reasons.BY_CODE[reason].stage == "rate":
        lines += [steps.line(*each) for each in steps.rule_lines(found, facts)]
    if reason:
        advice = "add the row to the table, then retry" if found.missing else ""
        return "\n".join([*lines, steps.line("do", advice or reasons.BY_CODE[reason].advice)])
    return "\n".join([*lines, *price_lines(found, batch, row, context.compiled)])


def _compared(done: Pricing, differences: list[Difference]) -> str:
    import pyarrow.compute as pc

    says = pc.or_(*(pc.not_equal(done.calls[name], "") for name in ("expect", "margin")))
    checked = pc.sum(says).as_py()
    lines = [f"{done.calls.shown}:{one.line}: {printable(one.name) or 'call'}\n"
             f"    expected: {one.expected}\n    found:    {one.found}"
             for one in differences]  # fmt: skip
    lines.append(f"{count(checked, 'call')} compared, {len(differences):,} "
                 f"differ{'s' * (len(differences) == 1)}")  # fmt: skip
    return "\n".join(lines)


def _summary(context: Context, sums: Sums) -> str:
    from tollbook.money import format_micro

    currencies = {plan.currency for plan in context.book.plans}
    currency = currencies.pop() if len(currencies) == 1 else "(several currencies)"
    parts = ", ".join(f"{name} {format_micro(value)}" for name, value in sums.components if value)
    total = f"{format_micro(sums.charge_micro)} {currency}" + f" ({parts})" * bool(parts)
    lines = [f"{count(sums.calls, 'call')}, {sums.priced:,} priced: {total}"]
    lines += [f"{number:,} without a price: {reason}" for reason, number in sums.reasons]
    return "\n".join(lines)


def _margin(kinds: Kinds) -> str:
    """What all calls together were sold and bought for."""
    from tollbook.money import exact_sum, format_micro

    parts = [f"{kind} {format_micro(exact_sum(charge))}"
             for kind, charge in kinds.charge_micro.items()]  # fmt: skip
    missing = int((~kinds.is_known).sum())
    said = f"{', '.join(parts)}; margin {format_micro(exact_sum(kinds.margin_micro))}"
    return said + (f" without {count(missing, 'call')} that lack a price" if missing else "")


def _document(
    done: Pricing, sums: Sums, differences: list[Difference] | None
) -> dict[str, Any]:
    """Everything for programs; amounts are decimals in texts."""
    from tollbook.money import format_micro

    choices = done.choices
    few = EXPLAINED if choices.explain or choices.is_single else len(done.calls)
    limit = few if choices.limit is None else choices.limit
    rows = done.table().slice(0, limit).to_pylist()
    for row in rows:
        for name in [name for name in row if name.startswith(("charge", "margin"))]:
            row[name] = format_micro(int(row[name].scaleb(6)))
    if choices.explain or choices.is_single:
        for row, (batch, place, _) in zip(rows, _rows(done, limit), strict=True):
            row["steps"] = _steps(done.context, batch, place)
    found: dict[str, Any] = {
        "calls": rows,
        "sums": {
            "calls": sums.calls, "priced": sums.priced, "charge": format_micro(sums.charge_micro),
            "components": {name: format_micro(value) for name, value in sums.components},
            "reasons": dict(sums.reasons),
        },
    }  # fmt: skip
    if differences is not None:
        found["differences"] = [asdict(one) for one in differences]
    return found


def _steps(context: Context, batch: pa.RecordBatch, row: int) -> list[dict[str, Any]]:
    from rating import trial_discounts
    from tollbook.cli.steps_json import component_dict, discount_dict

    found = trial_discounts.explained(context, batch, row)
    return [*map(component_dict, found.components), *map(discount_dict, found.discounts)]
