"""The report of a simulation: one HTML page that can be sent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from rating.simulated import Bundle, Line, Movement, Simulation, Tried
from tariffs.diff_decks import percent_text
from tollbook.money import MICRO, format_micro
from tollbook.run import report_parts as parts
from tollbook.run.report import month_name
from tollbook.run.report_compare_svg import Change, Group, changes, grouped
from tollbook.run.report_svg import Bar, columns, swatch

LINES_MAX: Final = 24  # of a table; all are in the Parquet files
GROUPS_MAX: Final = 12  # of a picture
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
    body = [_header(found, title), _tiles(found, title), _totals(found, title)]
    for name in ("plan", "service", "hour", "zone", "relation"):
        body.append(_dimension(name, found.tables[name], found, title))
    body += [_bands(one, title) for one in found.tried]
    body += [_bundles(one, title) for one in found.tried if one.bundles]
    body.append(_deciles(found, title))
    body += [_movement(one, title) for one in found.tried]
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


def _percent(new_micro: int, old_micro: int) -> str:
    if not old_micro or new_micro == old_micro:
        return ""
    return percent_text(new_micro - old_micro, old_micro)


def _shade(place: int) -> str:
    """Today is neutral, the books have the page's colours."""
    return "c0" if place < 0 else f"c{1 + place % 5}"


def _legend(found: Simulation) -> str:
    names = [(TODAY, -1), *((one.name, place) for place, one in enumerate(found.tried))]
    cells = "".join(f"<span>{swatch(_shade(place))}{escape(name)}</span>" for name, place in names)
    return f'<div class="legend">{cells}</div>'


def _header(found: Simulation, title: Title) -> str:
    books = ", ".join(escape(one.name) for one in found.tried)
    share = f", {escape(title.sample)} of the accounts" if title.sample else ""
    return (
        f"<header><h1>{escape(title.operator)}: {month_name(title.period)} by other books</h1>"
        f"<p>{books} against the committed charges{share}; amounts in {escape(title.currency)}"
        "</p></header>"
    )


def _tiles(found: Simulation, title: Title) -> str:
    shown = [
        (f"{found.records:,}", "records priced again"),
        (f"{found.accounts.num_rows:,}", "accounts"),
        (_money(title, found.old_micro), f"{title.currency} charged"),
    ]
    shown += [(_signed(title, one.new_micro - found.old_micro), f"{title.currency} by {one.name}")
              for one in found.tried]  # fmt: skip
    return parts.tiles(shown)


def _totals(found: Simulation, title: Title) -> str:
    header = ("book", "would be", "difference", "", "no price", "they cost now", "pay less",
              "pay more", "unchanged")  # fmt: skip
    lines = [
        (one.name, _money(title, one.new_micro), _signed(title, one.new_micro - found.old_micro),
         _percent(one.new_micro, found.old_micro),
         f"{sum(rows for rows, _ in one.unpriced.values()):,}",
         _money(title, sum(old for _, old in one.unpriced.values())),
         f"{one.movement.winners:,}", f"{one.movement.losers:,}", f"{one.movement.unchanged:,}")
        for one in found.tried
    ]  # fmt: skip
    reasons = [f"{escape(one.name)}: {escape(reason)} {rows:,} records"
               for one in found.tried for reason, (rows, _) in one.unpriced.items()]  # fmt: skip
    about = "Records without a price count as nothing under a book"
    about += f" ({'; '.join(reasons)})." if reasons else "; there are none."
    about += "".join(
        f" {escape(one.name)}: {_signed(title, one.settled_micro)} of settled volume when the "
        "month is billed, beside these charges." for one in found.tried if one.settled_micro
    )
    return parts.section("In all", about, _wide(parts.table(header, lines, (), 1)))


def _wide(inner: str) -> str:
    return f'<div class="wide">{inner}</div>'


def _dimension(name: str, lines: Sequence[Line], found: Simulation, title: Title) -> str:
    """A picture of the largest groups, and a table of more."""
    names = [one.name for one in found.tried]
    ordered = list(lines)
    if name != "hour":
        ordered.sort(key=lambda line: (-line.old_micro, line.label))
    shown = ordered if name == "hour" else ordered[:GROUPS_MAX]
    picture = grouped([_group(line, names, title) for line in shown], MICRO, TITLES[name])
    table = _table(name, ordered[:LINES_MAX], names, title)
    more = len(ordered) - LINES_MAX
    about = f"Charges in {escape(title.currency)}"
    about += f", the {LINES_MAX} largest of {len(ordered)}" * (more > 0)
    return parts.section(TITLES[name], about, picture + _legend(found) + table, "long")


def _group(line: Line, names: Sequence[str], title: Title) -> Group:
    bars = [(line.old_micro, _shade(-1),
             f"{line.label}, {TODAY}: {_money(title, line.old_micro)}")]  # fmt: skip
    bars += [(new, _shade(place), f"{line.label}, {name}: {_money(title, new)} "
              f"{_percent(new, line.old_micro)}")
             for place, (name, new) in enumerate(
                 zip(names, line.new_micro, strict=True))]  # fmt: skip
    return Group(line.label, bars)


def _table(what: str, lines: Sequence[Line], names: Sequence[str], title: Title) -> str:
    header = [what, "records", "minutes", "MiB", "events", TODAY]
    header += [cell for name in names for cell in (name, "")]
    rows = [
        [line.label, f"{line.records:,}", f"{line.duration_s // 60:,}",
         f"{line.volume_bytes >> 20:,}", f"{line.event_count:,}", _money(title, line.old_micro),
         *(cell for new in line.new_micro
           for cell in (_money(title, new), _percent(new, line.old_micro)))]
        for line in lines
    ]  # fmt: skip
    return _wide(parts.table(header, rows, (), 1))


def _bands(one: Tried, title: Title) -> str:
    lines = sorted(one.bands, key=lambda line: (-line.new_micro[0], line.label))
    table = _table("band", lines[:LINES_MAX], [one.name], title)
    about = "The band of its first charged component in which a record begins, by the book's clock"
    return parts.section(f"Bands of {escape(one.name)}", about, table, "long")


def _bundles(one: Tried, title: Title) -> str:
    """Allowances and all else that a book remembers, and its discounts."""
    def said(bundle: Bundle, amount: int | None) -> str:
        if amount is None:
            return ""
        if bundle.measure == "money":
            return _money(title, amount)
        return f"{amount // 60:,} min" if bundle.measure == "second" else (
            f"{amount >> 20:,} MiB" if bundle.measure == "byte" else f"{amount:,}")

    def count(number: int | None) -> str:
        return "" if number is None else f"{number:,}"

    header = ("item", "records", "taken", "owners", "balances", "granted", "used", "used up")
    rows = [
        (bundle.item, count(bundle.records), said(bundle, bundle.taken), count(bundle.owners),
         count(bundle.balances), said(bundle, bundle.granted), said(bundle, bundle.used),
         count(bundle.used_up))
        for bundle in one.bundles
    ]  # fmt: skip
    about = ("Allowances, caps, counters, tiers and discounts that records have used: how many "
             "owners have a balance that was used, one for each span, and how many of these "
             "balances have nothing left")
    return parts.section(f"What is used of {escape(one.name)}", about,
                         _wide(parts.table(header, rows, (), 1)))  # fmt: skip


def _deciles(found: Simulation, title: Title) -> str:
    names = [one.name for one in found.tried]
    picture = grouped([_group(line, names, title) for line in found.deciles], MICRO, "Deciles")
    header = ["tenth", "records", TODAY, *(cell for name in names for cell in (name, ""))]
    rows = [
        [line.label, f"{line.records:,}", _money(title, line.old_micro),
         *(cell for new in line.new_micro
           for cell in (_money(title, new), _percent(new, line.old_micro)))]
        for line in found.deciles
    ]  # fmt: skip
    about = "Accounts in tenths by what they pay today; the first pay least"
    return parts.section("Customers by what they pay", about,
                         picture + _legend(found) + _wide(parts.table(header, rows, (), 1)))


def _movement(one: Tried, title: Title) -> str:
    moved = one.movement
    about = (f"{moved.winners:,} accounts would pay {_money(title, moved.won_micro)} less in all, "
             f"{moved.losers:,} would pay {_money(title, moved.lost_micro)} more, "
             f"{moved.unchanged:,} the same")  # fmt: skip
    about += f"; {moved.from_nothing:,} of them paid nothing before" * bool(moved.from_nothing)
    bars = [Bar(_class(low, high), [(accounts, "c3" if (high or 1) <= 0 else "c1")],
                f"{_class(low, high)}: {accounts:,} accounts")
            for low, high, accounts in moved.classes]  # fmt: skip
    picture = columns(bars, 1, "Accounts by their change", 150)
    inner = picture + _extremes(moved, title) if moved.winners or moved.losers else ""
    return parts.section(f"Who wins and who loses by {escape(one.name)}", about, inner)


def _class(low: int | None, high: int | None) -> str:
    """``-20..-10 %`` from per mille."""
    def said(mille: int) -> str:
        return f"{'−' if mille < 0 else ''}{abs(mille) // 10}"

    if low is None:
        return f"< {said(high or 0)} %"
    return f"≥ {said(low)} %" if high is None else f"{said(low)}..{said(high)} %"


def _extremes(moved: Movement, title: Title) -> str:
    greatest = [*moved.greatest_winners, *reversed(moved.greatest_losers)]
    lines = [
        Change(one.account, one.new_micro - one.old_micro,
               f"{_money(title, one.old_micro)} → {_money(title, one.new_micro)}",
               f"{one.account}: {_signed(title, one.new_micro - one.old_micro)}")
        for one in greatest
    ]  # fmt: skip
    return changes(lines, "Accounts with the greatest changes") if lines else ""


def _responses(one: Tried, title: Title) -> str:
    rows = [
        [f"{r.service}, {r.relation}", format_micro(round(r.elasticity * MICRO), 1),
         f"{r.usage_ppm // 10_000}.{r.usage_ppm // 1_000 % 10} %", _money(title, r.old_micro),
         _money(title, r.new_micro), _money(title, r.responded_micro)]
        for r in sorted(one.responses, key=lambda r: -r.old_micro)[:LINES_MAX]
    ]  # fmt: skip
    foot = ["all", "", "", "", _money(title, one.new_micro), _money(title, one.responded_micro)]
    header = ["service, relation", "elasticity", "usage then", TODAY, one.name, "if they respond"]
    about = ("What customers do about other prices, as assumed: usage changes by the elasticity "
             "times the mean change of price of its group.")  # fmt: skip
    return parts.section(f"If customers respond to {escape(one.name)}", about,
                         _wide(parts.table(header, rows, foot, 1)))  # fmt: skip
