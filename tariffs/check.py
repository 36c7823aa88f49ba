"""Checks of the tariff book that need more than one line of it: what refers to what, what can hold.

Everything is noted at once, with the line at fault; ``book.load`` refuses afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from tariffs.book_plan import STANDARD
from tariffs.book_rules import ANY_ZONE, RULED_DIRECTIONS, RULED_SERVICES, DeckRow
from tariffs.check_rates import check_bands
from tariffs.known import Edition, Known
from tariffs.model import FREE, Position, Rate, Rule, TaxRate, When
from tariffs.units import fits
from tollbook import schemas
from tollbook.codes import ROAMINGS
from tollbook.text import Problems, did_you_mean

_LISTED: Final = 12  # names that a message lists at most
Decks = Mapping[str, tuple[DeckRow, ...] | None]


def check(
    editions: Sequence[Edition],
    taxes: Sequence[TaxRate],
    decks: Decks,
    known: Known,
    problems: Problems,
) -> None:
    """All checks over what was read without a problem of its own."""
    for edition in editions:
        for rate in edition.version.rates:
            check_bands(rate, problems)
        _check_conditions(edition, known, problems)
        _check_charges(edition, decks, problems)
        _check_units(edition, decks, problems)
        _check_reach(edition, problems)
        _check_unused(edition, decks, problems)
        _check_tax_classes(edition, taxes, problems)
        _check_currency(edition, known, problems)
    _check_deck_zones(decks, known, problems)
    _check_versions(editions, problems)
    _check_component_count(editions, problems)
    _check_taxes(taxes, problems)


def _where(at: Position) -> tuple[str, int]:
    return at.file, at.line


def _list(names: Iterable[str]) -> str:
    """Names for the ``allowed`` line: a few of them, or how many there are."""
    names = tuple(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "none is defined"


def _advice(word: str, options: Iterable[str], otherwise: str) -> str:
    """The nearest allowed word; area codes are all near each other, so not for digits."""
    return otherwise if word.isdigit() else did_you_mean(word, options, otherwise)


def _check_conditions(edition: Edition, known: Known, problems: Problems) -> None:
    """Relations, zones and access codes that do not exist."""
    for rule in edition.version.rules:
        for key, words, defined, table in (
            ("relation", rule.when.relation, known.relations, "network/relations.csv"),
            ("to", rule.when.to_zone, known.zones, "network/zones.csv"),
            ("access_code", rule.when.access_code, known.access_codes, "operator.yaml"),
        ):
            for word in words:
                if defined is not None and word not in defined:
                    problems.add(_where(rule.at), f"when: '{key}' names '{word}', which is not in "
                                 f"{table}", _list(defined),
                                 _advice(word, defined, f"add it to {table}, or remove it"))


def _check_charges(edition: Edition, decks: Decks, problems: Problems) -> None:
    """Components and rates that do not exist, in rules and in the decks that they name."""
    version = edition.version
    rates = {rate.name for rate in version.rates} | edition.unread_rates | {FREE}
    for rule in version.rules:
        for charge in rule.charges:
            if charge.component not in version.components:
                problems.add(_where(charge.at), f"component '{charge.component}' is not declared",
                             _list(version.components), did_you_mean(
                                 charge.component, version.components, "add it to `components`"))
            if not charge.by_zone and charge.rate not in rates:
                problems.add(_where(charge.at), f"rate '{charge.rate}' is not defined",
                             _list(sorted(rates)), did_you_mean(
                                 charge.rate, rates, "add it to `rates` of this file"))
    for name in _deck_names(version.rules):
        for row in decks.get(name) or ():
            if row.rate not in rates:
                problems.add(_where(row.at), f"rate '{row.rate}' is not defined in "
                             f"{edition.at.file}", _list(sorted(rates)),
                             did_you_mean(row.rate, rates, "add it to `rates` of the plan"))


def _deck_names(rules: Iterable[Rule]) -> dict[str, None]:
    return dict.fromkeys(c.by_zone for rule in rules for c in rule.charges if c.by_zone)


def _check_deck_zones(decks: Decks, known: Known, problems: Problems) -> None:
    if known.zones is None:
        return
    defined = {ANY_ZONE, *known.zones}
    for row in (row for rows in decks.values() for row in rows or ()):
        if row.zone not in defined:
            problems.add(_where(row.at), f"zone '{row.zone}' is not in network/zones.csv",
                         _list(known.zones),
                         _advice(row.zone, known.zones, "add it, or remove the line"))


def _check_units(edition: Edition, decks: Decks, problems: Problems) -> None:
    """Rates whose unit is not what is counted for a service that can reach their rule."""
    version = edition.version
    rates = {rate.name: rate for rate in version.rates}
    for index, rule in enumerate(version.rules):
        reached = [
            service for service in rule.when.service or RULED_SERVICES
            if not _hidden_by(replace(rule.when, service=(service,)), version.rules[:index])
        ]  # fmt: skip
        for charge in rule.charges:
            names = [charge.rate] if not charge.by_zone else [
                row.rate for row in decks.get(charge.by_zone) or ()]  # fmt: skip
            for rate in (rates[name] for name in dict.fromkeys(names) if name in rates):
                _note_unit(rate, charge.at, reached, problems)


def _note_unit(rate: Rate, at: Position, services: Sequence[str], problems: Problems) -> None:
    misfits = [service for service in services if not fits(rate.unit, service)]
    if misfits:
        allowed = [service for service in RULED_SERVICES if fits(rate.unit, service)]
        problems.add(_where(at), f"rate '{rate.name}' is per {rate.unit}, but its rule also holds "
                     f"for {', '.join(misfits)}", f"{', '.join(allowed)} for such a rate",
                     f"limit the rule to `service: [{', '.join(allowed)}]`, or use a rate that "
                     "counts what the service counts")


def _check_reach(edition: Edition, problems: Problems) -> None:
    """Rules that never hold because an earlier one always does first; no last rule for all."""
    rules = edition.version.rules
    for index, rule in enumerate(rules):
        earlier = _hidden_by(rule.when, rules[:index])
        if earlier is not None:
            problems.add(_where(rule.at), f"this rule is never reached: the rule in line "
                         f"{earlier.at.line} holds whenever it does",
                         "rules from the special to the general; the first that holds is applied",
                         f"move it before line {earlier.at.line}, or remove it")
    if edition.rules_are_whole and _hidden_by(When(), rules) is None:
        at = rules[-1].at if rules else edition.at
        problems.warn(_where(at), f"plan '{edition.plan_id}' has no last rule for everything else",
                      "usage that fits no rule goes to suspense as `no_rate`",
                      "add `- {otherwise: refuse}` to say so")


def _hidden_by(when: When, earlier: Sequence[Rule]) -> Rule | None:
    """The first of the earlier rules that holds wherever ``when`` does."""
    return next((rule for rule in earlier if _is_weaker(rule.when, when)), None)


def _is_weaker(one: When, other: When) -> bool:
    """Whether ``one`` holds wherever ``other`` does, condition by condition."""
    lists = (
        (one.service, other.service, RULED_SERVICES),
        (one.direction, other.direction, RULED_DIRECTIONS),
        (one.roaming, other.roaming, ROAMINGS),
        (one.relation, other.relation, ()),
        (one.to_zone, other.to_zone, ()),
        (one.access_code, other.access_code, ()),
    )
    for mine, theirs, everything in lists:
        wanted = set(theirs or everything)
        if mine and not (wanted and wanted <= set(mine)):
            return False
    return all(
        mine is None or mine == theirs
        for mine, theirs in ((one.on_net, other.on_net), (one.special, other.special))
    )


def _check_unused(edition: Edition, decks: Decks, problems: Problems) -> None:
    version = edition.version
    if not edition.rules_are_whole:
        return
    used = {charge.rate for rule in version.rules for charge in rule.charges}
    for name in _deck_names(version.rules):
        rows = decks.get(name)
        if rows is None:
            return
        used |= {row.rate for row in rows}
    for rate in version.rates:
        if rate.name not in used:
            problems.warn(_where(rate.at), f"rate '{rate.name}' is used by no rule and no deck",
                          "rates that rules name", did_you_mean(
                              rate.name, used, "remove it, or name it in a rule"))


def _check_tax_classes(
    edition: Edition, taxes: Sequence[TaxRate], problems: Problems
) -> None:
    """Classes without a tax. A book without any tax may leave everything at ``standard``."""
    version = edition.version
    classes = {tax.tax_class for tax in taxes}
    named = dict(version.tax_class)
    for component in named:
        if component not in version.components:
            problems.add(_where(edition.at), f"tax_classes names '{component}', which is no "
                         "component of the plan", _list(version.components),
                         did_you_mean(component, version.components, "remove it"))
    users = [(named.get(name, STANDARD), f"component '{name}'", edition.at)
             for name in version.components]  # fmt: skip
    users += [(r.tax_class, f"recurring charge '{r.name}'", r.at) for r in version.recurring]
    for tax_class, user, at in users:
        if tax_class not in classes and (classes or tax_class != STANDARD):
            problems.add(_where(at), f"{user} is of tax class '{tax_class}', which has no tax",
                         _list(sorted(classes)), did_you_mean(
                             tax_class, classes, "add the class to `taxes`, with percent: 0 if "
                             "it is not taxed"))


def _check_taxes(taxes: Sequence[TaxRate], problems: Problems) -> None:
    order = sorted(taxes, key=lambda tax: (tax.tax_class, tax.name, tax.valid_from, tax.at.line))
    for one, other in pairwise(order):
        same = (one.tax_class, one.name) == (other.tax_class, other.name)
        if same and (one.valid_to is None or one.valid_to > other.valid_from):
            problems.add(_where(other.at), f"tax '{other.name}' of class '{other.tax_class}' is "
                         f"already in force from {one.valid_from} (line {one.at.line})",
                         "one percentage a day; `to` is the first day without it",
                         f"end the earlier one with `to: {other.valid_from}`")


def _check_currency(edition: Edition, known: Known, problems: Problems) -> None:
    if known.currency and edition.currency not in ("", known.currency):
        problems.add(_where(edition.at), f"plan '{edition.plan_id}' is in {edition.currency}, the "
                     f"operator's currency is {known.currency}", known.currency,
                     "remove `currency`, or correct operator.yaml")


def _check_versions(editions: Sequence[Edition], problems: Problems) -> None:
    """Versions of one plan: no overlap, no change of currency; a gap is worth a warning."""
    order = sorted(editions, key=lambda e: (e.plan_id, e.version.valid_from, e.at.file))
    for one, other in pairwise(order):
        if one.plan_id != other.plan_id:
            continue
        end, start = one.version.valid_to, other.version.valid_from
        at, plan = _where(other.version.at), f"plan '{one.plan_id}'"
        if end is None or end > start:
            problems.add(at, f"{plan} has two versions in force on {start}; the other is "
                         f"{one.version.at.file}:{one.version.at.line}", "one version a day; `to` "
                         "is the first day on which it no longer holds",
                         f"end the earlier version with `to: {start}`")
        elif end < start:
            problems.warn(at, f"{plan} has no version from {end} to {start}",
                          "usage of those days goes to suspense as `plan_missing`",
                          f"begin this version on {end}, if that is not meant")
        if one.currency != other.currency:
            problems.add(_where(other.at), f"{plan} is in {other.currency} here and in "
                         f"{one.currency} in {one.at.file}", "one currency a plan",
                         "give the plan in the other currency another id")


def _check_component_count(editions: Sequence[Edition], problems: Problems) -> None:
    seen: dict[str, None] = {}
    for edition in editions:
        for name in edition.version.components:
            seen[name] = None
            if len(seen) == schemas.COMPONENTS_MAX + 1:
                problems.add(_where(edition.at), f"'{name}' is component number {len(seen)} of the "
                             f"book, after {', '.join([*seen][:-1])}",
                             f"at most {schemas.COMPONENTS_MAX} components in all plans together",
                             "use the same components in all plans, or merge two")
                return
