"""A plan as a person wants to read it: its rules in words, and a table of prices per component.

A row of a table is a rate and all that it is charged for, joined where prices are equal; a column
is a time of day or a kind of day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import numpy as np

from tariffs import compile_decks, words, words_discounts, words_memory
from tariffs.memory_model import NO_MEMORY, Discount
from tariffs.model import DAY_S, FREE, Charge, Plan, PrefixDeck, Rate, Version
from tariffs.when import Position
from tollbook import money
from tollbook.clock import EPOCH_DAY
from tollbook.text import Problems

LISTED: Final = 6  # zones or destinations of one row that are named
ROWS: Final = 12  # rows of one prefix deck that are shown without --prefix
ALL_RULES: Final = 3  # consecutive rules from this many on are written 3-5


@dataclass(frozen=True)
class RuleLine:
    """One rule in words."""

    number: int
    when: str
    charge: str
    at: Position


@dataclass(frozen=True)
class ItemLine:
    """One allowance, counter or cap in words."""

    name: str
    terms: str
    at: Position


@dataclass
class PriceRow:
    """One rate of a component. of: what it is charged for, in words. prices: by time."""

    rate: str
    of: list[str]
    prices: dict[str, str]
    terms: str
    at: Position


@dataclass(frozen=True)
class PriceGroup:
    """Rates whose prices change at the same times, which are the columns."""

    times: tuple[str, ...]
    rows: tuple[PriceRow, ...]


@dataclass(frozen=True)
class PriceTable:
    """All prices of one component. more: what is not shown."""

    component: str
    groups: tuple[PriceGroup, ...]
    more: str = ""


@dataclass(frozen=True)
class Sheet:
    """A version of a plan. head: what is said of the whole plan, as (what, text)."""

    plan: str
    name: str
    head: tuple[tuple[str, str], ...]
    rules: tuple[RuleLine, ...]
    tables: tuple[PriceTable, ...]
    items: tuple[ItemLine, ...] = ()


@dataclass(frozen=True)
class _About:
    """What is to be shown: a version, on a day, and of prefix decks only one number."""

    version: Version
    wall_s: int
    prefix: str


def sheet(
    plan: Plan, version: Version, day: date, prefix: str = "",
    discounts: Sequence[Discount] = (),
) -> Sheet:  # fmt: skip
    """A version in words and tables.

    day: rows of prefix decks are those in force then. prefix: only those that a number would take
    that begins so, and longer ones.
    """
    about = _About(version, (day.toordinal() - EPOCH_DAY) * DAY_S, prefix)
    count = len(version.rules)
    rules = tuple(
        RuleLine(number, words.when_text(rule.when, number == count), words.charge_text(rule),
                 rule.at)
        for number, rule in enumerate(version.rules, 1)
    )  # fmt: skip
    tables = (_table(component, about) for component in version.components)
    head = tuple(_head(plan, version))
    return Sheet(plan.plan_id, plan.name, head, rules, tuple(tables),
                 (*_items(version), *_discounts(discounts, plan.plan_id)))


def _head(plan: Plan, version: Version) -> Iterator[tuple[str, str]]:
    yield "in force", f"{words.span_text(version)}, {version.time_zone}"
    if len(plan.versions) > 1:
        others = (words.span_text(one) for one in plan.versions if one is not version)
        yield "other versions", "; ".join(others)
    if version.version_change != "start":
        yield "usage over its end", "is split: each part at the prices of its version"
    if version.fallback:
        yield "without a price", f"plan {', then '.join(version.fallback)} is asked"
    if version.files:
        yield "written in", ", ".join(version.files)
    for one in version.recurring:
        when = "in advance" if one.in_advance else "in arrears"
        days = "by the days in force" if one.prorate != "none" else "whole"
        yield one.name, f"{money.format_micro(one.price_micro)} a month, {when}, {days}"
    if version.memory.not_discountable:
        yield "not discountable", ", ".join(version.memory.not_discountable)
    if version.memory.late != NO_MEMORY.late:
        yield "late records", "their owners are rated again"


def _discounts(discounts: Sequence[Discount], plan_id: str) -> Iterator[ItemLine]:
    """The discounts that subscriptions of a plan may have."""
    for one in discounts:
        if plan_id in (one.chosen.plans or (plan_id,)):
            yield ItemLine(f"discount {one.name}", words_discounts.whole_text(one), one.at)


def _items(version: Version) -> Iterator[ItemLine]:
    for name, item in words_memory.items_of(version.memory):
        when = words.when_text(item.when) if words_memory.is_conditioned(item) else ""
        yield ItemLine(name, words_memory.item_text(item, when), item.at)


# ---- prices


@dataclass
class _Rows:
    """Rows of one component as they are gathered, by rate (or by price, of a deck's row)."""

    found: dict[object, PriceRow] = field(default_factory=dict)
    more: list[str] = field(default_factory=list)

    def add(self, key: object, rate: Rate | None, of: str) -> None:
        if key not in self.found:
            at = rate.at if rate else Position()
            prices = words.prices(rate) if rate else {words.ALWAYS: FREE}
            terms = words.terms_text(rate) if rate else ""
            self.found[key] = PriceRow(rate.name if rate else FREE, [], prices, terms, at)
        if of not in self.found[key].of:
            self.found[key].of.append(of)


def _table(component: str, about: _About) -> PriceTable:
    rows, version = _Rows(), about.version
    by_name: dict[tuple[str, str], list[int]] = {}
    for number, rule in enumerate(version.rules, 1):
        for charge in rule.charges:
            if charge.component == component:
                key = charge.rate, "" if charge.rate else words.target_text(charge)
                by_name.setdefault(key, []).append(number)
    for (name, target), numbers in by_name.items():
        rules = f"rule{'s' * (len(numbers) > 1)} {numbers_text(numbers)}"
        if name:
            rate = None if name == FREE else version.rate(name)
            rows.add(name, rate, rules)
            continue
        charge = next(
            one for one in version.rules[numbers[0] - 1].charges
            if one.component == component and words.target_text(one) == target
        )  # fmt: skip
        _add_lookup(rows, charge, rules, about)
    by_times: dict[tuple[str, ...], list[PriceRow]] = {}
    for row in rows.found.values():
        by_times.setdefault(tuple(row.prices), []).append(row)
    groups = tuple(PriceGroup(times, tuple(found)) for times, found in by_times.items())
    return PriceTable(component, groups, "; ".join(rows.more))


def _add_lookup(rows: _Rows, charge: Charge, rules: str, about: _About) -> None:
    """The rates that a deck or a relation chooses from."""
    version = about.version
    if charge.by_prefix:
        _add_prefixes(rows, charge, rules, about)
        return
    pairs: Sequence[tuple[str, str]] = charge.by_relation or charge.by_home_relation
    label = "home relation" if charge.by_home_relation else "relation"
    if charge.by_zone:
        pairs = next(one for one in version.decks if one.name == charge.by_zone).rates
        label = charge.by_zone
    by_rate: dict[str, list[str]] = {}
    for word, name in pairs:
        by_rate.setdefault(name, []).append("all others" if word == "*" else word)
    for name, named in by_rate.items():
        rate = None if name == FREE else version.rate(name)
        rows.add(name, rate, f"{rules}, {label}: {names_text(named)}")


def _add_prefixes(rows: _Rows, charge: Charge, rules: str, about: _About) -> None:
    """The rows of a prefix deck that are in force, destinations of one price joined."""
    deck = next(one for one in about.version.prefix_decks if one.name == charge.by_prefix)
    chosen = prefix_rows(deck, about.wall_s, about.prefix)
    shown = chosen[: len(chosen) if about.prefix else ROWS].tolist()
    for row in shown:
        rate = _row_rate(deck, row, charge, about.version)
        said = words.prices(rate) if rate else {words.ALWAYS: FREE}
        terms = words.terms_text(rate) if rate else ""
        code = f"{deck.rows.prefix[row]} {deck.rows.destination[row].as_py()}".strip()
        key = (deck.name, tuple(said.items()), terms)
        if key not in rows.found:
            at = Position(deck.at.file, int(deck.rows.lines[row]))
            rows.found[key] = PriceRow(deck.name, [rules], said, terms, at)
        rows.found[key].of.append(code)
    if len(shown) < len(chosen):
        rows.more.append(f"{deck.name}: {len(chosen) - len(shown):,} more rows; "
                         "`--prefix 44` shows those of a number")  # fmt: skip


def prefix_rows(deck: PrefixDeck, wall_s: int, prefix: str) -> np.ndarray:
    """Rows in force at a moment; of ``prefix`` those that begin with it, and the longest that it
    begins with."""
    rows = deck.rows
    holds = (rows.valid_from_wall_s <= wall_s) & (wall_s < rows.valid_to_wall_s)
    if not prefix:
        return np.flatnonzero(holds)
    digits, size = int(prefix), len(prefix)
    power = 10 ** np.abs(rows.size.astype(np.int64) - size)
    longer = rows.size >= size
    under = holds & longer & (rows.prefix // power == digits)
    above = holds & ~longer & (digits // power == rows.prefix)
    best = int(rows.size[above].max(initial=0))
    return np.flatnonzero(under | (above & (rows.size == best)))


def _row_rate(deck: PrefixDeck, row: int, charge: Charge, version: Version) -> Rate | None:
    """What a row costs, as a rate: one of the version, or its price in the terms of ``like``."""
    if deck.rows.rate[row] >= 0:
        name = deck.rate_names[deck.rows.rate[row]]
        return None if name == FREE else version.rate(name)
    form = version.rate(charge.like) if charge.like else None
    # A price that the compiler refuses has been refused before: a book is shown once it is read.
    rate = compile_decks.row_rate(deck, form, Problems(), np.array([row]), 0)
    following = (rate.tiers or rate.bands[0].tiers)[0].increment
    return replace(rate, first_increment=0) if rate.first_increment == following else rate


# ---- lists


def names_text(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def numbers_text(numbers: Iterable[int]) -> str:
    """``3, 5-8, 10``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(
        f"{low}-{high}" if high - low + 1 >= ALL_RULES
        else ", ".join(str(number) for number in range(low, high + 1))
        for low, high in spans
    )  # fmt: skip
