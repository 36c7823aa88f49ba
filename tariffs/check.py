"""Checks of the tariff book that need more than one line of it: versions, taxes, components.

Everything is noted at once, with the line at fault; ``book.load`` refuses afterwards. What refers
to what is in ``check_rules``, hours and prices in ``check_rates``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tariffs.book_decks import DeckFiles
from tariffs.book_plan import STANDARD
from tariffs.check_rates import check_bands
from tariffs.check_rules import (
    check_deck_zones,
    check_fallback_reach,
    check_fallbacks,
    check_rules,
    listed,
    where,
)
from tariffs.day_kinds import HOLIDAY, day_kinds
from tariffs.known import Edition, Known
from tariffs.lint_memory import check_tier_periods, lint_memory
from tariffs.lint_prefixes import lint_prefixes
from tariffs.lint_prices import lint_prices
from tariffs.model import DAY_CLASSES_MAX, Dates, Rate, TaxRate
from tariffs.rate_limits import faults
from tariffs.units import moment_text
from tollbook import schemas
from tollbook.text import Problems, did_you_mean


def check(
    editions: Sequence[Edition],
    taxes: Sequence[TaxRate],
    decks: DeckFiles,
    known: Known,
    problems: Problems,
) -> None:
    """All checks over what was read without a problem of its own."""
    for edition in editions:
        for rate in edition.version.rates:
            _check_faults(rate, problems)
            check_bands(rate, problems)
        check_rules(edition, decks, known, problems)
        check_fallback_reach(edition, decks, problems)
        lint_prices(edition, known, problems)
        lint_memory(edition, decks, known, problems)
        _check_tax_classes(edition, taxes, problems)
        _check_currency(edition, known, problems)
    lint_prefixes(editions, problems)
    _check_day_kinds(editions, problems)
    check_fallbacks(editions, problems)
    check_tier_periods(editions, decks, problems)
    check_deck_zones(decks, known, problems)
    _check_versions(editions, problems)
    _check_component_count(editions, problems)
    _check_taxes(taxes, problems)


def _check_faults(rate: Rate, problems: Problems) -> None:
    """Combinations that have no meaning; the compiler asks the same question."""
    for fault in faults(rate):
        problems.add(where(rate.at), f"rate '{rate.name}': {fault.found}", fault.allowed,
                     fault.advice)


def _check_day_kinds(editions: Sequence[Edition], problems: Problems) -> None:
    """How many kinds of day the dates of all bands tell apart."""
    bands = [band for edition in editions for rate in edition.version.rates
             for band in rate.bands if band.dates != Dates()]  # fmt: skip
    dates = tuple(dict.fromkeys(band.dates for band in bands))
    kinds = day_kinds(dates) if dates else ()
    count = sum(kind.day_type != HOLIDAY for kind in kinds)
    if count > DAY_CLASSES_MAX:
        last = next(band for band in reversed(bands) if band.dates == dates[-1])
        problems.add(where(last.at), f"with this band the dates of the book make {count} kinds of "
                     f"day", f"at most {DAY_CLASSES_MAX}: days that all bands of the book treat "
                     "alike are one kind", "use fewer different dates, or declare the days as "
                     "holidays")


def _check_tax_classes(
    edition: Edition, taxes: Sequence[TaxRate], problems: Problems
) -> None:
    """Classes without a tax. A book without any tax may leave everything at ``standard``."""
    version = edition.version
    classes = {tax.tax_class for tax in taxes}
    named = dict(version.tax_class)
    for component in named:
        if component not in version.components:
            problems.add(where(edition.at), f"tax_classes names '{component}', which is no "
                         "component of the plan", listed(version.components),
                         did_you_mean(component, version.components, "remove it"))
    users = [(named.get(name, STANDARD), f"component '{name}'", edition.at)
             for name in version.components]  # fmt: skip
    users += [(r.tax_class, f"recurring charge '{r.name}'", r.at) for r in version.recurring]
    for tax_class, user, at in users:
        if tax_class not in classes and (classes or tax_class != STANDARD):
            problems.add(where(at), f"{user} is of tax class '{tax_class}', which has no tax",
                         listed(sorted(classes)), did_you_mean(
                             tax_class, classes, "add the class to `taxes`, with percent: 0 if "
                             "it is not taxed"))


def _check_taxes(taxes: Sequence[TaxRate], problems: Problems) -> None:
    order = sorted(taxes, key=lambda tax: (tax.tax_class, tax.name, tax.valid_from, tax.at.line))
    for one, other in pairwise(order):
        same = (one.tax_class, one.name) == (other.tax_class, other.name)
        if same and (one.valid_to is None or one.valid_to > other.valid_from):
            problems.add(where(other.at), f"tax '{other.name}' of class '{other.tax_class}' is "
                         f"already in force from {one.valid_from} (line {one.at.line})",
                         "one percentage a day; `to` is the first day without it",
                         f"end the earlier one with `to: {other.valid_from}`")


def _check_currency(edition: Edition, known: Known, problems: Problems) -> None:
    if known.currency and edition.currency not in ("", known.currency):
        problems.add(where(edition.at), f"plan '{edition.plan_id}' is in {edition.currency}, the "
                     f"operator's currency is {known.currency}", known.currency,
                     "remove `currency`, or correct operator.yaml")


def _check_versions(editions: Sequence[Edition], problems: Problems) -> None:
    """Versions of one plan: no overlap, no change of currency; a gap is worth a warning."""
    order = sorted(editions, key=lambda e: (e.plan_id, e.begins, e.at.file))
    for one, other in pairwise(order):
        if one.plan_id != other.plan_id:
            continue
        end, start = one.ends, other.begins
        at, plan = where(other.version.at), f"plan '{one.plan_id}'"
        if end is None or end > start:
            problems.add(at, f"{plan} has two versions in force on {moment_text(start)}; the other "
                         f"is {one.version.at.file}:{one.version.at.line}", "one version a day; "
                         "`to` is the first day on which it no longer holds",
                         f"end the earlier version with `to: {moment_text(start)}`")
        elif end < start:
            problems.warn(at, f"{plan} has no version from {moment_text(end)} to "
                          f"{moment_text(start)}",
                          "usage of those days goes to suspense as `plan_missing`",
                          f"begin this version on {moment_text(end)}, if that is not meant")
        if one.currency != other.currency:
            problems.add(where(other.at), f"{plan} is in {other.currency} here and in "
                         f"{one.currency} in {one.at.file}", "one currency a plan",
                         "give the plan in the other currency another id")


def _check_component_count(editions: Sequence[Edition], problems: Problems) -> None:
    seen: dict[str, None] = {}
    for edition in editions:
        for name in edition.version.components:
            seen[name] = None
            if len(seen) == schemas.COMPONENTS_MAX + 1:
                problems.add(where(edition.at), f"'{name}' is component number {len(seen)} of the "
                             f"book, after {', '.join([*seen][:-1])}",
                             f"at most {schemas.COMPONENTS_MAX} components in all plans together",
                             "use the same components in all plans, or merge two")
                return
