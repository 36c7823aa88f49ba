"""The report of a simulation: one HTML page that can be sent on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from rating.simulated import Bundle, Line, Simulation, Tried
from tollbook.money import MICRO, format_micro
from tollbook.run import report_heat as heat
from tollbook.run import report_parts as parts
from tollbook.run import simulation_accounts
from tollbook.run.report import month_name
from tollbook.run.report_heat import Cell, Column

LINES_MAX: Final = 24  # of a table; all are in the Parquet files
BOOKS_WITH_ROOM: Final = 2  # up to so many, tables tell what was used, too
CARDS: Final = {1: 2, 2: 3, 3: 4, 4: 5, 5: 3}  # in a row, by how many books there are
WHOLE: Final = 1000  # per mille
TODAY: Final = "today"
TITLES: Final = {
    "plan": "Plans", "zone": "Zones called", "service": "Services", "hour": "Hours of the day",
    "relation": "Services and relations",
}  # fmt: skip


@dataclass(frozen=True)
class Title:
    """What the page is about. sample: the share of the accounts, "": all."""

    operator: str
    currency: str
    currency_digits: int
    period: str  # YYYY-MM
    sample: str = ""


def write(path: Path, found: Simulation, title: Title) -> Path:
    """Writes the page; the file appears whole, or not at all."""
    return parts.write(path, page(found, title))


def page(found: Simulation, title: Title) -> str:
    """The whole page as text."""
    body = [_header(found, title), _cards(found, title), *_without_price(found, title)]
    body += [_dimension(name, found, title) for name in ("plan", "service")]
    body += [_hours(found, title), *simulation_accounts.sections(found, title.currency_digits)]
    body += [_dimension(name, found, title) for name in ("zone", "relation")]
    body += _bands(found, title)
    body += _bundles(found, title)
    body += [_responses(one, title) for one in found.tried if one.responses]
    return parts.document(
        f"{title.operator}: {month_name(title.period)} by other books", body,
        "Made by tollbook: every stored usage of the month priced by each book, to the last digit. "
        "Today's charges are those that were committed; nothing was changed.",
    )  # fmt: skip


def _money(title: Title, amount_micro: int) -> str:
    return parts.amount(amount_micro, title.currency_digits)


def _signed(title: Title, amount_micro: int) -> str:
    return f"{'+' if amount_micro > 0 else ''}{_money(title, amount_micro)}"


def _header(found: Simulation, title: Title) -> str:
    share = f" of {escape(title.sample)} of the accounts" if title.sample else ""
    books = "one book" if len(found.tried) == 1 else f"{len(found.tried)} books"
    return (
        f"<header><h1>{escape(title.operator)}: {month_name(title.period)} by other books</h1>"
        f"<p>The usage{share} that was rated in {month_name(title.period)}, priced by {books}; "
        f"amounts in {escape(title.currency)}, without rents and tax</p></header>"
    )


def _cards(found: Simulation, title: Title) -> str:
    """What the month was, and what it would be by each book."""
    cards = [
        f"<h3>charged {TODAY}</h3><b>{_figure(_money(title, found.old_micro))}</b>"
        f"<p>{found.records:,} records of {found.accounts.num_rows:,} accounts</p>"
    ]
    for one in found.tried:
        moved, change = one.movement, one.new_micro - found.old_micro
        kind = "more" if change > 0 else "less"
        share = heat.percent(one.new_micro, found.old_micro)
        cards.append(
            f"<h3>{escape(one.name)}</h3><div><b>{_figure(_signed(title, change))}</b>"
            f'<em class="{kind}">{share}</em></div>'
            f"<p>{_money(title, one.new_micro)}{_beside(one, title)}</p>"
            + heat.split([(moved.winners, "d5", "pay less"), (moved.unchanged, "c0", "the same"),
                          (moved.losers, "u5", "pay more")])
            + f"<p>{moved.winners:,} pay less, {moved.losers:,} more, {moved.unchanged:,} the same"
            "</p>"
        )
    inner = "".join(f'<div class="card">{one}</div>' for one in cards)
    return f'<div class="cards" style="--n:{CARDS.get(len(found.tried), 3)}">{inner}</div>'


def _figure(text: str) -> str:
    whole, point, fraction = text.partition(".")
    return f"{whole}<small>{point}{fraction}</small>"


def _beside(one: Tried, title: Title) -> str:
    if not one.settled_micro:
        return ""
    return (f", and {_signed(title, one.settled_micro)} of settled volume when the month is "
            "billed")  # fmt: skip


def _without_price(found: Simulation, title: Title) -> Iterator[str]:
    rows = [[Cell(one.name), Cell(reason), Cell(f"{rows:,}"), Cell(_money(title, old))]
            for one in found.tried for reason, (rows, old) in one.unpriced.items()]  # fmt: skip
    if rows:
        yield parts.section(
            "Without a price", "These records count as nothing under the book",
            heat.table(("book", "reason", "records", f"they cost {TODAY}"), rows),
        )


def _dimension(name: str, found: Simulation, title: Title) -> str:
    """The largest groups, and what each book makes of them."""
    names = [one.name for one in found.tried]
    lines = sorted(found.tables[name], key=lambda line: (-line.old_micro, line.label))
    about = "What is charged today, and what each book would charge more or less"
    about += f"; the {LINES_MAX} largest of {len(lines)}" * (len(lines) > LINES_MAX)
    return parts.section(TITLES[name], about, _table(name, lines, names, title), "long")


def _table(what: str, lines: Sequence[Line], names: Sequence[str], title: Title) -> str:
    shown = lines[:LINES_MAX]
    most = max((line.old_micro for line in shown), default=0)
    is_alone = len(names) == 1
    used = _used(shown) if len(names) <= BOOKS_WITH_ROOM else {}
    header = [what, "records", *used, TODAY]
    header += [names[0], "difference"] if is_alone else names
    rows = []
    for place, line in enumerate(shown):
        share = WHOLE * line.old_micro // most if most else 0
        today = Cell(_money(title, line.old_micro), share=max(share, 0))
        cells = [Cell(line.label), Cell(f"{line.records:,}")]
        cells += [Cell(column[place]) for column in used.values()]
        for name, new in zip(names, line.new_micro, strict=True):
            change = _change(title, new, line.old_micro, f"{line.label} by {name}")
            cells += [today] if name == names[0] else []
            cells += [Cell(_money(title, new)), change] if is_alone else [change]
        rows.append(cells)
    return heat.table(header, rows, alike=len(names) * (not is_alone))


def _used(lines: Sequence[Line]) -> dict[str, list[str]]:
    """Minutes, volume and events, those of which there are any."""
    found = {
        "minutes": [line.duration_s // 60 for line in lines],
        "MiB": [line.volume_bytes >> 20 for line in lines],
        "events": [line.event_count for line in lines],
    }
    return {name: [f"{one:,}" if one else "" for one in amounts]
            for name, amounts in found.items() if any(amounts)}  # fmt: skip


def _change(title: Title, new: int, old: int, what: str) -> Cell:
    if new == old:
        return Cell("0", kind="same", title=f"{what}: {_money(title, new)}, the same")
    return Cell(_signed(title, new - old), heat.percent(new, old), heat.shade(new, old),
                f"{what}: {_money(title, old)} → {_money(title, new)}")  # fmt: skip


def _hours(found: Simulation, title: Title) -> str:
    by_hour = {line.label: line for line in found.tables["hour"]}
    lines = [by_hour.get(f"{hour:02d}", Line(f"{hour:02d}", 0, 0, 0, 0, 0, (0,) * len(found.tried)))
             for hour in range(24)]  # fmt: skip
    most = max(max(line.old_micro for line in lines), 1)
    columns = [Column(line.label, max(WHOLE * line.old_micro // most, 0),
                      f"{line.label}:00, {line.records:,} records: {_money(title, line.old_micro)}")
               for line in lines]  # fmt: skip
    rows = [(one.name, [_short(title, line, place, f"{line.label}:00 by {one.name}")
                        for line in lines]) for place, one in enumerate(found.tried)]  # fmt: skip
    about = ("Charges of today by the local hour in which a record begins, and by how many per "
             "cent each book would change them")  # fmt: skip
    return parts.section(TITLES["hour"], about, heat.matrix(TODAY, columns, rows))


def _short(title: Title, line: Line, place: int, what: str) -> Cell:
    new, old = line.new_micro[place], line.old_micro
    return Cell(heat.percent_short(new, old) or "·" * (new == old), kind=heat.shade(new, old) or
                "same", title=f"{what}: {_money(title, old)} → {_money(title, new)}")  # fmt: skip


def _bands(found: Simulation, title: Title) -> Iterator[str]:
    """One table for all books that have the same bands."""
    alike: dict[tuple[tuple[str, int, int], ...], list[Tried]] = {}
    for one in found.tried:
        lines = sorted(one.bands, key=lambda line: (-line.old_micro, line.label))
        key = tuple((line.label, line.records, line.old_micro) for line in lines)
        alike.setdefault(key, []).append(one)
    about = "The band of its first charged component in which a record begins, by the book's clock"
    for key, tried in alike.items():
        place = {label: at for at, (label, _, _) in enumerate(key)}
        several = [sorted(one.bands, key=lambda line: place[line.label]) for one in tried]
        lines = [
            Line(first.label, first.records, first.duration_s, first.volume_bytes,
                 first.event_count, first.old_micro, tuple(line.new_micro[0] for line in each))
            for each in zip(*several, strict=True) for first in each[:1]
        ]  # fmt: skip
        names = [one.name for one in tried]
        whose = "" if len(alike) == 1 else f" of {escape(', '.join(names))}"
        yield parts.section(f"Bands{whose}", about, _table("band", lines, names, title), "long")


def _bundles(found: Simulation, title: Title) -> Iterator[str]:
    """Allowances and all else that books remember, and their discounts."""
    users = [one for one in found.tried if one.bundles]
    inner = "".join(
        (f"<h3>{escape(one.name)}</h3>" if len(found.tried) > 1 else "")
        + heat.table(("item", "records", "taken", "owners", "balances", "granted", "used",
                      "used up"), [_bundle(bundle, title) for bundle in one.bundles])
        for one in users
    )  # fmt: skip
    if inner:
        about = ("Allowances, caps, counters, tiers and discounts that records have used: how many "
                 "owners have a balance that was used, one for each span, and how many of these "
                 "balances have nothing left")
        yield parts.section("What is used of balances", about, inner, "long")


def _bundle(bundle: Bundle, title: Title) -> list[Cell]:
    def said(amount: int | None) -> str:
        if amount is None:
            return ""
        if bundle.measure == "money":
            return _money(title, amount)
        return f"{amount // 60:,} min" if bundle.measure == "second" else (
            f"{amount >> 20:,} MiB" if bundle.measure == "byte" else f"{amount:,}")

    def count(number: int | None) -> str:
        return "" if number is None else f"{number:,}"

    of_granted, of_balances = -1, -1
    if bundle.granted and bundle.used is not None:
        of_granted = min(WHOLE * bundle.used // bundle.granted, WHOLE)
    if bundle.balances and bundle.used_up is not None:
        of_balances = WHOLE * bundle.used_up // bundle.balances
    return [
        Cell(bundle.item), Cell(count(bundle.records)), Cell(said(bundle.taken)),
        Cell(count(bundle.owners)), Cell(count(bundle.balances)), Cell(said(bundle.granted)),
        Cell(said(bundle.used), share=of_granted), Cell(count(bundle.used_up), share=of_balances),
    ]  # fmt: skip


def _responses(one: Tried, title: Title) -> str:
    rows = [
        [Cell(f"{r.service}, {r.relation}"), Cell(format_micro(round(r.elasticity * MICRO), 1)),
         Cell(f"{r.usage_ppm // 10_000}.{r.usage_ppm // 1_000 % 10} %"),
         Cell(_money(title, r.old_micro)), Cell(_money(title, r.new_micro)),
         _change(title, r.responded_micro, r.new_micro, f"{r.service}, {r.relation}"),
         Cell(_money(title, r.responded_micro))]
        for r in sorted(one.responses, key=lambda r: -r.old_micro)[:LINES_MAX]
    ]  # fmt: skip
    foot = [Cell("all"), Cell(""), Cell(""), Cell(""), Cell(_money(title, one.new_micro)), Cell(""),
            Cell(_money(title, one.responded_micro))]  # fmt: skip
    header = ["service, relation", "elasticity", "usage then", TODAY, one.name, "by the response",
              "if they respond"]  # fmt: skip
    about = ("What customers do about other prices, as assumed: usage changes by the elasticity "
             "times the mean change of price of its group")  # fmt: skip
    return parts.section(f"If customers respond to {escape(one.name)}", about,
                         heat.table(header, rows, foot))  # fmt: skip
