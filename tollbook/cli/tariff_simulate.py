"""``tollbook tariff simulate``: what other books would have made of a month."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tollbook.cli.common import count, json_option, print_json, table, workspace_option

if TYPE_CHECKING:
    from rating.simulated import Account, Bundle, Line, Movement, Simulation, Tried
    from rating.trial import Context
    from tollbook.cli.tariff_books import Opened

BOOK: Final = click.Path(exists=True, file_okay=False, path_type=Path)
BOOKS_MAX: Final = 5
WHOLE_PPM: Final = 10**6
ELASTICITY_DIGITS: Final = 6
SHOWN: Final = 12  # lines of a table; all of them are in the report and in the Parquet files


@click.command(name="simulate")
@workspace_option
@click.option("--book", "books", type=BOOK, multiple=True, required=True,
              help="A folder of plan files, or a workspace; up to five times.")
@click.option("--period", required=True, metavar="MONTH", help="Bill period, such as 2003-06.")
@click.option("--sample", metavar="SHARE", help="Of the accounts, such as 5%; always the same.")
@click.option("--move", "moves", metavar="PLAN=PLAN", multiple=True,
              help="Price the usage of one plan by another.")
@click.option("--elasticity", metavar="FILE.csv", type=click.Path(exists=True, path_type=Path),
              help="service, relation, elasticity: how usage follows prices, such as -0.4.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="A folder for the figures as Parquet; beside the report by default.")
@json_option
def command(
    folder: Path, books: tuple[Path, ...], period: str, sample: str | None,
    moves: tuple[str, ...], elasticity: Path | None, **results: Any,
) -> None:  # fmt: skip
    """Price a month's rated records by other books.

    Nothing is written into the lake. Tells revenue by plan, zone, service, band and hour, which
    customers would pay less or more, and by how much. The charges of today are those that were
    committed.
    """
    from tollbook.cli.bill import parse_period
    from tollbook.cli.tariff_books import open_book
    from tollbook.run import simulation, simulation_files, simulation_page
    from tollbook.run.progress import shown
    from tollbook.run.session import open_session
    from tollbook.run.simulation_question import Question
    from tollbook.text import Problems

    if len(books) > BOOKS_MAX:
        raise click.UsageError(f"{len(books)} books; at most {BOOKS_MAX} are compared at once")
    for place, path in enumerate(books):
        if path.resolve() in [before.resolve() for before in books[:place]]:
            raise click.UsageError(f"{path} is named twice; each book is tried once")
    share = _share(sample)
    session = open_session(folder)  # refuses a folder that is no workspace
    base = open_book(folder, Problems())
    opened = [open_book(path, Problems(), base) for path in books]
    contexts = _contexts(base, opened)
    assumed = _elasticity(elasticity, contexts[0].words.relations)
    question = Question(parse_period(period), share, assumed, _moves(moves, contexts))
    tried = list(zip(_names(books), contexts, strict=True))
    with shown(quiet=results["as_json"]) as progress:
        session.progress = progress
        found = simulation.run(session, tried, question)
    operator = session.workspace.operator
    title = simulation_page.Title(
        operator.name, operator.currency, operator.currency_digits, period, sample or ""
    )
    html, out = results["html"], results["out"]
    written: list[Path] = []
    if html is not None:
        written.append(simulation_page.write(html, found, title))
    if html is not None or out is not None:
        written += simulation_files.write(out or html.with_suffix(""), found)
    if results["as_json"]:
        print_json(_document(found, title.period))
        return
    click.echo(screen(found, title.currency))
    for path in written:
        click.echo(f"written: {path}")


def _contexts(base: Opened, opened: Sequence[Opened]) -> list[Context]:
    """Every book compiled for the same words and plans; raises Refused where one cannot be."""
    from rating import trial
    from rating.compare import refuse_currencies

    plans = {plan.plan_id: plan for one in (*opened, base) for plan in reversed(one.book.plans)}
    words = trial.joined(base.words, *(one.words for one in opened))
    contexts = []
    for one in opened:
        refuse_currencies(base.book, one.book)
        ordered = [plans[plan_id] for plan_id in sorted(plans)]
        contexts.append(trial.prepare(
            one.book, words, "", base.maxima, ordered, base.guiding
        ))  # fmt: skip
    return contexts


def _names(books: Sequence[Path]) -> list[str]:
    """What the candidates are called: the last parts of their paths that tell them apart."""
    whole = [path.resolve().parts for path in books]
    depth = 1
    while depth < max(map(len, whole)) and len({one[-depth:] for one in whole}) < len(whole):
        depth += 1
    return [str(Path(*one[-depth:])) for one in whole]


def _share(text: str | None) -> int:
    """``5%`` in millionths."""
    from tollbook.money import parse_decimal

    if text is None:
        return WHOLE_PPM
    found = parse_decimal(text.removesuffix("%"), 4)
    if found is None or not text.endswith("%") or not 0 < found <= WHOLE_PPM:
        raise click.BadParameter(f"'{text}' is no share of the accounts; write 5%",
                                 param_hint="--sample")  # fmt: skip
    return found


def _moves(texts: Sequence[str], contexts: Sequence[Context]) -> dict[str, str]:
    known = [plan.plan_id for plan in contexts[0].plans]
    found = {}
    for text in texts:
        old, equals, new = text.partition("=")
        missing = [plan for plan in (old, new) if plan not in known]
        if not equals or missing:
            raise click.BadParameter(
                f"'{text}' does not name two plans; the books have {', '.join(known)}",
                param_hint="--move",
            )
        found[old] = new
    return found


def _elasticity(
    path: Path | None, relations: Sequence[str]
) -> dict[tuple[str, str], Fraction]:
    """The user's assumptions; raises Refused with everything that is wrong in the file."""
    from rating.simulated import NONE
    from tollbook.codes import SERVICES
    from tollbook.columns import load_table
    from tollbook.money import parse_decimal
    from tollbook.text import Problems, did_you_mean

    if path is None:
        return {}
    problems = Problems()
    read = load_table(path, ("service", "elasticity"), ("relation",), problems, path.name)
    found: dict[tuple[str, str], Fraction] = {}
    for row in range(len(read)):
        service, relation, said = (read.cell(n, row) for n in ("service", "relation", "elasticity"))
        value = parse_decimal(said, ELASTICITY_DIGITS)
        key = (service or "*", relation or "*")
        for kind, word, known in zip(("service", "relation"), key, (SERVICES, (NONE, *relations)),
                                     strict=True):  # fmt: skip
            if word not in ("*", *known):
                problems.add(read.at(row), f"there is no {kind} '{word}'",
                             ", ".join((*known, "*")), did_you_mean(word, known, "correct it"))
        if value is None or key in found:
            problems.add(read.at(row), f"'{service},{relation},{said}'",
                         "a service, a relation or *, and a number such as -0.4; each pair once",
                         "correct the line")
        else:
            found[key] = Fraction(value, 10**ELASTICITY_DIGITS)
    problems.refuse_if_any("nothing was simulated")
    return found


# ---- what is shown


def screen(found: Simulation, currency: str) -> str:
    """Totals, the dimensions that matter most, and who wins and who loses."""
    lines = [f"{count(found.records, 'record')} of {count(found.accounts.num_rows, 'account')}, "
             f"charged {_money(found.old_micro)} {currency}"]  # fmt: skip
    header = ["book", "would be", "difference", "", "no price", "pay less", "pay more", "unchanged"]
    rows = [[one.name, _money(one.new_micro), _signed(one.new_micro - found.old_micro),
             _percent(one.new_micro, found.old_micro),
             f"{sum(rows for rows, _ in one.unpriced.values()):,}", f"{one.movement.winners:,}",
             f"{one.movement.losers:,}", f"{one.movement.unchanged:,}"]
            for one in found.tried]  # fmt: skip
    lines += ["", table(header, rows, [1, 2, 3, 4, 5, 6, 7])]
    for one in found.tried:
        lines += [f"{one.name}: {reason}: {count(rows, 'record')} that cost {_money(old)} now"
                  for reason, (rows, old) in one.unpriced.items()]  # fmt: skip
        if one.settled_micro:
            lines.append(f"{one.name}: {_signed(one.settled_micro)} {currency} of settled volume "
                         "when the month is billed, beside these charges")  # fmt: skip
        if one.responses:
            lines.append(f"{one.name}: {_money(one.responded_micro)} {currency} if usage responds "
                         "as assumed")  # fmt: skip
    names = [one.name for one in found.tried]
    for dimension in ("plan", "service", "zone"):
        lines += ["", _table_of(dimension, found.tables[dimension], names)]
    for one in found.tried:
        lines += ["", _table_of(f"band of {one.name}", one.bands, [one.name])]
    for one in found.tried:
        if one.bundles:
            lines += ["", _bundles(one)]
    lines += ["", _table_of("decile of accounts", found.deciles, names, by_size=False)]
    for one in found.tried:
        if extremes := _extremes(one.name, one.movement):
            lines += ["", *extremes]
    return "\n".join(lines)


def _bundles(one: Tried) -> str:
    """What was used of allowances and the like; in seconds, bytes, events or money."""
    def said(bundle: Bundle) -> list[str]:
        is_money = bundle.measure == "money"
        amounts = [bundle.taken, bundle.granted, bundle.used]
        taken, granted, used = (_money(one) if is_money and one is not None else _count(one)
                                for one in amounts)  # fmt: skip
        return [_count(bundle.records), taken, _count(bundle.owners), _count(bundle.balances),
                granted, used, _count(bundle.used_up)]  # fmt: skip

    header = [f"item of {one.name}", "measure", "records", "taken", "owners", "balances",
              "granted", "used", "used up"]  # fmt: skip
    rows = [[bundle.item, bundle.measure, *said(bundle)] for bundle in one.bundles]
    return table(header, rows, range(2, len(header)))


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _table_of(
    what: str, lines: Sequence[Line], names: Sequence[str], by_size: bool = True
) -> str:
    """The largest lines; what the others come to is one line more."""
    ordered = sorted(lines, key=lambda line: (-line.old_micro, line.label)) if by_size else lines
    rows = [[line.label, f"{line.records:,}", _money(line.old_micro),
             *(cell for new in line.new_micro
               for cell in (_money(new), _percent(new, line.old_micro)))]
            for line in ordered[:SHOWN]]  # fmt: skip
    header = [what, "records", "charged", *(cell for name in names for cell in (name, ""))]
    text = table(header, rows, range(1, len(header)))
    more = len(lines) - len(rows)
    return text + f"\n... and {more:,} more" * (more > 0)


def _extremes(name: str, moved: Movement) -> list[str]:
    found = []
    for title, accounts in (
        ("largest saving", moved.greatest_winners), ("largest rise", moved.greatest_losers),
    ):  # fmt: skip
        if accounts:
            one = accounts[0]
            found.append(f"{name}: {title}: account {one.account}, {_money(one.old_micro)} -> "
                         f"{_money(one.new_micro)}")  # fmt: skip
    return found


def _money(amount_micro: int) -> str:
    from tollbook.money import format_micro

    return format_micro(amount_micro)


def _signed(amount_micro: int) -> str:
    return f"{'+' if amount_micro > 0 else ''}{_money(amount_micro)}"


def _percent(new_micro: int, old_micro: int) -> str:
    from tariffs.diff_decks import percent_text

    if not old_micro or new_micro == old_micro:
        return ""
    return percent_text(new_micro - old_micro, old_micro)


def _document(found: Simulation, period: str) -> dict[str, Any]:
    """The simulation for programs; amounts are decimals in texts."""
    names = [one.name for one in found.tried]

    def lines(several: Sequence[Line], tried: Sequence[str] = names) -> list[dict[str, Any]]:
        return [{"label": line.label, "records": line.records, "duration_s": line.duration_s,
                 "volume_bytes": line.volume_bytes, "event_count": line.event_count,
                 "charged": _money(line.old_micro),
                 "books": dict(zip(tried, map(_money, line.new_micro), strict=True))}
                for line in several]  # fmt: skip

    return {
        "period": period, "records": found.records, "accounts": found.accounts.num_rows,
        "charged": _money(found.old_micro),
        "books": [_tried(one, lines(one.bands, [one.name])) for one in found.tried],
        "by": {name: lines(several) for name, several in found.tables.items()},
        "deciles": lines(found.deciles),
    }  # fmt: skip


def _tried(one: Tried, bands: list[dict[str, Any]]) -> dict[str, Any]:
    moved = one.movement

    def named(accounts: Sequence[Account]) -> list[dict[str, str]]:
        return [{"account": one.account, "charged": _money(one.old_micro),
                 "would_be": _money(one.new_micro)} for one in accounts]  # fmt: skip

    return {
        "book": one.name, "would_be": _money(one.new_micro), "settled": _money(one.settled_micro),
        "unpriced": {reason: {"records": rows, "charged": _money(old)}
                     for reason, (rows, old) in one.unpriced.items()},
        "bands": bands,
        "winners": moved.winners, "losers": moved.losers, "unchanged": moved.unchanged,
        "won": _money(moved.won_micro), "lost": _money(moved.lost_micro),
        "classes_per_mille": [{"from": low, "to": high, "accounts": accounts}
                              for low, high, accounts in moved.classes],
        "from_nothing": moved.from_nothing,
        "greatest_winners": named(moved.greatest_winners),
        "greatest_losers": named(moved.greatest_losers),
        "items": [{"item": b.item, "measure": b.measure, "records": b.records, "taken": b.taken,
                   "owners": b.owners, "balances": b.balances, "granted": b.granted,
                   "used": b.used, "used_up": b.used_up} for b in one.bundles],
        "responses": [{"service": r.service, "relation": r.relation,
                       "elasticity": str(r.elasticity), "charged": _money(r.old_micro),
                       "would_be": _money(r.new_micro), "usage_ppm": r.usage_ppm,
                       "responded": _money(r.responded_micro)} for r in one.responses],
        "responded": _money(one.responded_micro) if one.responses else None,
    }  # fmt: skip
