"""``tollbook tariff diff``: what changed between two books, and what that does to charges."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tollbook.cli.common import count, json_option, print_json, refused_as_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from rating.compare import Comparison, Contexts, Outcome, Sum
    from tariffs.diff import Change
    from tollbook.cli.tariff_books import Opened
    from tollbook.text import Problems

BOOK: Final = click.Path(exists=True, file_okay=False, path_type=Path)
SHOWN: Final = 20


@click.command(name="diff")
@click.argument("old", type=BOOK)
@click.argument("new", type=BOOK)
@click.option("--calls", metavar="FILE.csv", help="Calls to price by both books.")
@click.option("--plan", help="The plan of calls that name none.")
@click.option("--period", metavar="MONTH", help="Price the rated records of OLD's bill period.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N",
              help="Of the period, at most about N records, evenly spread.")
@click.option("--limit", type=click.IntRange(min=0), default=SHOWN, show_default=True,
              help="Records to show, the greatest differences first.")
@click.option("--explain", is_flag=True,
              help="With --calls: how the roundings of NEW lead to another charge.")  # fmt: skip
@json_option
@refused_as_json
def command(
    old: Path, new: Path, calls: str | None, plan: str | None, period: str | None,
    sample: int | None, limit: int, **how: bool,
) -> None:  # fmt: skip
    """Say in words what changed between two books.

    OLD and NEW are workspaces or folders of plan files. With --calls or --period, also which
    records would be priced differently and by how much.
    """
    from tariffs.diff import changes
    from tollbook.cli.tariff_books import open_book
    from tollbook.text import Problems

    _check_usage(calls, plan, period, sample)
    if how["explain"] and calls is None:
        raise click.UsageError("--explain is about the records of --calls")
    books = open_book(old, Problems()), open_book(new, Problems())
    found = changes(books[0].book, books[1].book)
    priced: Comparison | None = None
    drifts: dict[str, str] = {}
    if calls is not None:
        priced, drifts = compare_calls(books, calls, plan or "", limit, how["explain"])
    elif period is not None:
        priced = _compare_period(books, period, sample or 0, limit)
    currency = books[1].book.plans[0].currency
    if how["as_json"]:
        document = _document(found, priced)
        print_json(document | {"drifts": drifts} if how["explain"] else document)
        return
    click.echo(changes_screen(found))
    if priced is not None:
        click.echo("\n" + comparison_screen(priced, currency))
    _show_drifts(drifts)


def show_comparison(found: Comparison, drifts: dict[str, str], currency: str) -> None:
    """What two books make of the same calls, and why roundings part."""
    click.echo(comparison_screen(found, currency))
    _show_drifts(drifts)


def _show_drifts(drifts: dict[str, str]) -> None:
    for record, text in drifts.items():
        click.echo(f"\n{record}: {text}")


def _check_usage(
    calls: str | None, plan: str | None, period: str | None, sample: int | None
) -> None:
    if calls is not None and period is not None:
        raise click.UsageError("--calls prices a file, --period stored records; name one of them")
    if sample is not None and period is None:
        raise click.UsageError("--sample is a part of --period")
    if plan is not None and calls is None:
        raise click.UsageError("--plan is the plan of --calls that name none")


def _contexts(
    books: tuple[Opened, Opened], words: Any, plan: str
) -> Contexts:
    from rating.compare import prepare_both

    return prepare_both(books[0].book, books[1].book, words, plan, books[1].maxima,
                        books[0].guiding)


def compare_calls(
    books: tuple[Opened, Opened], calls: str, plan: str, limit: int, explain: bool
) -> tuple[Comparison, dict[str, str]]:
    """The comparison, and for each record that it shows how its roundings differ, if asked."""
    from rating import trial
    from rating.compare import compare
    from rating.trial_cells import is_blank
    from tollbook.cli.tariff_books import read_calls
    from tollbook.text import Problems

    problems = Problems()
    read = read_calls(calls, problems)
    if not problems.errors and not is_blank(read["discounts"]):
        problems.add((read.shown, 1), "calls name discounts, which the other book may not have",
                     "calls without them: both books give the discounts for everybody",
                     "price by one book after the other: `tariff price --calls`")
    words = trial.joined(books[0].words, books[1].words)
    if any(one.workspace is None for one in books):
        words = trial.extended(words, read, problems)
    contexts = _contexts(books, words, plan)
    batches = [] if problems.errors else trial.usages(read, contexts.old, problems)
    problems.refuse_if_any("nothing was priced")
    _warn(problems)
    found = compare(batches, contexts, limit, read)
    return found, _drifts(found, batches, contexts) if explain else {}


def _drifts(
    found: Comparison, batches: Sequence[pa.RecordBatch], contexts: Contexts
) -> dict[str, str]:
    from rating import drift, trace, trial

    said = {}
    for pair in found.greatest:
        plan, facts = trial.facts_of(batches[pair.batch], pair.row, contexts.old)
        both = (trace.price(one.book, plan, facts) for one in (contexts.old, contexts.new))
        said[_record(pair.record_id)] = drift.explain(*both) or "no charge in one of the books"
    return said


def _warn(problems: Problems) -> None:
    for problem in sorted(problems.found):
        click.echo(str(problem), err=True)


def _compare_period(
    books: tuple[Opened, Opened], period: str, sample: int, limit: int
) -> Comparison:
    from rating import trial
    from rating.compare import compare
    from tollbook.cli.bill import parse_period
    from tollbook.run import stored_usage

    space = books[0].workspace
    if space is None:
        raise click.UsageError("--period reads the lake of OLD, which is no workspace; use --calls")
    words = trial.joined(books[0].words, books[1].words)
    contexts = _contexts(books, words, "")
    plans = [one.plan_id for one in contexts.old.plans]
    batches = stored_usage.read(space.root, parse_period(period), words, plans, sample)
    if contexts.old.compiled.memory or contexts.new.compiled.memory:
        click.echo("warning: each record is priced as if nothing had been used before it: "
                   "allowances, caps and tiers of a period are left out", err=True)  # fmt: skip
    return compare(batches, contexts, limit)


# ---- what is shown


def changes_screen(found: Sequence[Change]) -> str:
    """The changes, plan by plan and version by version."""
    from tariffs.words import begin_text

    lines: list[str] = []
    before = None
    for change in found:
        if (change.plan, change.version) != before:
            before = change.plan, change.version
            since = ", ".join(map(begin_text, change.version.split(", ")))
            version = f", version from {since}" if since else ""
            lines.append((f"plan {change.plan}" if change.plan else "taxes") + version)
        lines.append(f"  {change}")
    return "\n".join(lines) or "nothing changed"


def comparison_screen(found: Comparison, currency: str) -> str:
    """Sums, the rules that make the difference, and the records, the greatest first."""
    from rating.compare import ordered

    total = found.total
    lines = [f"{count(total.records, 'record')} compared, {found.priced:,} priced by both books, "
             + f"{found.priceless:,} without a price in both, " * bool(found.priceless)
             + f"{total.differ:,} differ",
             f"old {_money(total.old_micro)}, new {_money(total.new_micro)} {currency}, "
             f"difference {_signed(total.new_micro - total.old_micro)}{_share(total)}"]  # fmt: skip
    for (old, new), records in sorted(found.unpriced.items()):
        lines.append(f"{old} -> {new}: {count(records, 'record')}")
    groups = ordered(found.groups)
    if groups:
        rows = [[plan, old, new, f"{one.differ:,} of {one.records:,}", _money(one.old_micro),
                 _money(one.new_micro), _signed(one.new_micro - one.old_micro)]
                for (plan, old, new), one in groups]  # fmt: skip
        header = ["plan", "old rule", "new rule", "differ", "old", "new", "difference"]
        lines += ["", table(header, rows, [3, 4, 5, 6])]
    if found.greatest:
        rows = [[_record(pair.record_id), pair.plan, _outcome(pair.old), _outcome(pair.new),
                 _signed(pair.difference_micro)] for pair in found.greatest]  # fmt: skip
        lines += ["", table(["record", "plan", "old", "new", "difference"], rows, [4])]
        more = total.differ - len(found.greatest)
        lines += [f"... and {count(more, 'record')} more"] * (more > 0)
    return "\n".join(lines)


def _record(record_id: int) -> str:
    """``line 7`` of a calls file, ``F17-204`` of the lake."""
    file, line = record_id >> 32, record_id & 0xFFFFFFFF
    return f"F{file}-{line}" if file else f"line {line}"


def _outcome(one: Outcome) -> str:
    if one.reason:
        return one.reason
    parts = " ".join(f"{name} {_money(value)}" for name, value in one.charges if value)
    return parts or "free"


def _money(amount_micro: int) -> str:
    from tollbook.money import format_micro

    return format_micro(amount_micro)


def _signed(amount_micro: int) -> str:
    return f"{'+' if amount_micro > 0 else ''}{_money(amount_micro)}"


def _share(total: Sum) -> str:
    from tariffs.diff_decks import percent_text

    if not total.old_micro or total.old_micro == total.new_micro:
        return ""
    return f" ({percent_text(total.new_micro - total.old_micro, total.old_micro)})"


def _document(found: Sequence[Change], priced: Comparison | None) -> dict[str, Any]:
    document: dict[str, Any] = {"changes": [asdict(change) for change in found]}
    return document | (comparison_document(priced) if priced is not None else {})


def comparison_document(priced: Comparison) -> dict[str, Any]:
    """A comparison for programs; amounts are decimals in texts."""
    from rating.compare import ordered

    return {
        "records": _sums(priced.total) | {
            "priced_by_both": priced.priced, "without_a_price_in_both": priced.priceless},
        "unpriced": [
            {"old": old, "new": new, "records": records}
            for (old, new), records in sorted(priced.unpriced.items())
        ],
        "rules": [{"plan": plan, "old": old, "new": new} | _sums(one)
                  for (plan, old, new), one in ordered(priced.groups)],
        "greatest": [
            {"record": _record(pair.record_id), "plan": pair.plan,
             "old": _said(pair.old), "new": _said(pair.new),
             "difference": _money(pair.difference_micro)} for pair in priced.greatest
        ],
    }  # fmt: skip


def _sums(one: Sum) -> dict[str, Any]:
    return {"records": one.records, "differ": one.differ, "old": _money(one.old_micro),
            "new": _money(one.new_micro),
            "difference": _money(one.new_micro - one.old_micro)}  # fmt: skip


def _said(one: Outcome) -> dict[str, Any]:
    return {"reason": one.reason, "version": one.version, "rule": one.rule,
            "charges": {name: _money(value) for name, value in one.charges},
            "charge": _money(one.charge_micro)}  # fmt: skip
