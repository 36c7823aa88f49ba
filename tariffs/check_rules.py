"""Checks of rules: names that do not exist, rules that are never reached, units that do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from tariffs.book_decks import DeckFiles
from tariffs.book_rules import (
    ANY_CODE,
    ANY_RELATION,
    ANY_ZONE,
    NO_CODE,
    RULED_DIRECTIONS,
    RULED_SERVICES,
)
from tariffs.known import Edition, Known
from tariffs.model import FREE, Charge, Rate, Rule
from tariffs.units import fits
from tariffs.when import Position, When
from tollbook.codes import BOUNDARIES, FORWARDS, ROAMINGS
from tollbook.text import Problems, did_you_mean

_LISTED: Final = 12  # names that a message lists at most
_ANY: Final = {"access_code": (ANY_CODE, NO_CODE)}  # words that are no names


def check_rules(edition: Edition, decks: DeckFiles, known: Known, problems: Problems) -> None:
    """All checks of one edition's rules."""
    _check_conditions(edition, known, problems)
    _check_charges(edition, decks, known, problems)
    _check_units(edition, decks, problems)
    _check_reach(edition, problems)
    _check_possible(edition, known, problems)
    _check_unused(edition, decks, problems)


def where(at: Position) -> tuple[str, int]:
    return at.file, at.line


def listed(names: Iterable[str]) -> str:
    """Names for the ``allowed`` line: a few of them, or how many there are."""
    names = tuple(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "none is defined"


def _advice(word: str, options: Iterable[str], otherwise: str) -> str:
    """The nearest allowed word; area codes are all near each other, so not for digits."""
    return otherwise if word.isdigit() else did_you_mean(word, options, otherwise)


def _check_conditions(edition: Edition, known: Known, problems: Problems) -> None:
    for rule in edition.version.rules:
        check_when(rule.when, rule.at, known, problems)


def check_when(when: When, at: Position, known: Known, problems: Problems) -> None:
    """Relations, zones, carriers and access codes that do not exist, in conditions of any kind."""
    zones, relations = "network/zones.csv", "network/relations.csv"
    for key, words, defined, table in (
        ("relation", when.relation, known.relations, relations),
        ("home_relation", when.home_relation, known.relations, relations),
        ("to", when.to_zone, known.zones, zones),
        ("from", when.from_zone, known.zones, zones),
        ("home", when.home_zone, known.zones, zones),
        ("carrier", when.carrier, known.carriers, "network/carriers.csv"),
        ("access_code", when.access_code, known.access_codes, "operator.yaml"),
    ):
        for word in words:
            if defined is not None and word not in (*defined, *_ANY.get(key, ())):
                problems.add(where(at), f"when: '{key}' names '{word}', which is not in {table}",
                             listed(defined),
                             _advice(word, defined, f"add it to {table}, or remove it"))


def _check_charges(
    edition: Edition, decks: DeckFiles, known: Known, problems: Problems
) -> None:
    """Components, rates and relations that do not exist, in rules and in what they name."""
    version = edition.version
    defined = {rate.name for rate in version.rates} | edition.unread_rates | {FREE}
    for rule in version.rules:
        for charge in rule.charges:
            if charge.component not in version.components:
                problems.add(where(charge.at), f"component '{charge.component}' is not declared",
                             listed(version.components), did_you_mean(
                                 charge.component, version.components, "add it to `components`"))
            for name in _rates_in_text(charge):
                if name not in defined:
                    inherits = charge.at.file != edition.at.file
                    problems.add(where(charge.at), f"rate '{name}' is not defined"
                                 + f" in {edition.at.file}, which takes over the rule" * inherits,
                                 listed(sorted(defined)), did_you_mean(
                                     name, defined, "add it to `rates` of this file"))
            _check_relations(charge, known, problems)
    for name in _zone_decks(version.rules):
        for row in decks.read.get(name) or ():
            _check_deck_rate(row.rate, row.at, defined, edition, problems)
    for deck in version.prefix_decks:
        for number, name in enumerate(deck.rate_names):
            line = int(deck.rows.lines[(deck.rows.rate == number).argmax()])
            at = Position(deck.at.file, line)
            _check_deck_rate(name, at, defined, edition, problems)


def _check_deck_rate(
    name: str, at: Position, defined: Iterable[str], edition: Edition, problems: Problems
) -> None:
    if name not in defined:
        problems.add(where(at), f"rate '{name}' is not defined in {edition.at.file}",
                     listed(sorted(defined)),
                     did_you_mean(name, defined, "add it to `rates` of the plan"))


def _check_relations(charge: Charge, known: Known, problems: Problems) -> None:
    for key, pairs in (("by_relation", charge.by_relation),
                       ("by_home_relation", charge.by_home_relation)):  # fmt: skip
        for word, _ in pairs:
            if known.relations is not None and word not in (*known.relations, ANY_RELATION):
                problems.add(where(charge.at), f"'{key}' names '{word}', which is not in "
                             "network/relations.csv", listed((*known.relations, ANY_RELATION)),
                             did_you_mean(word, known.relations, "add it, or remove it"))


def _rates_in_text(charge: Charge) -> Iterator[str]:
    """The rates that a charge names itself, without those of its deck."""
    if charge.like:
        yield charge.like
    yield from (name for _, name in (*charge.by_relation, *charge.by_home_relation))
    if not (charge.by_zone or charge.by_prefix or charge.by_relation or charge.by_home_relation):
        yield charge.rate


def rates_of(charge: Charge, edition: Edition, decks: DeckFiles) -> tuple[str, ...]:
    """Every rate that a charge can come to, by name; FREE may be one."""
    names = [*_rates_in_text(charge)]
    names += [row.rate for row in decks.read.get(charge.by_zone) or ()]
    for deck in edition.version.prefix_decks:
        if deck.name == charge.by_prefix:
            names += [*deck.rate_names, *[charge.like] * bool(charge.like)]
    return tuple(dict.fromkeys(names))


def _zone_decks(rules: Iterable[Rule]) -> dict[str, None]:
    return dict.fromkeys(c.by_zone for rule in rules for c in rule.charges if c.by_zone)


def check_deck_zones(decks: DeckFiles, known: Known, problems: Problems) -> None:
    """Zones of decks that do not exist."""
    if known.zones is None:
        return
    defined = {ANY_ZONE, *known.zones}
    for row in (row for rows in decks.read.values() for row in rows or ()):
        if row.zone not in defined:
            problems.add(where(row.at), f"zone '{row.zone}' is not in network/zones.csv",
                         listed(known.zones),
                         _advice(row.zone, known.zones, "add it, or remove the line"))


def check_fallbacks(editions: Sequence[Edition], problems: Problems) -> None:
    """Plans that a fallback names and the book does not have."""
    plans = {edition.plan_id for edition in editions}
    for edition in editions:
        for plan in edition.version.fallback:
            if plan not in plans:
                problems.add(where(edition.at), f"'fallback' names '{plan}', which is no plan of "
                             "the book", listed(sorted(plans)),
                             did_you_mean(plan, plans, "write that plan, or remove it"))


def _check_units(edition: Edition, decks: DeckFiles, problems: Problems) -> None:
    """Rates whose unit is not what is counted for a service that can reach their rule."""
    version = edition.version
    rates = {rate.name: rate for rate in version.rates}
    for index, rule in enumerate(version.rules):
        reached = [
            service for service in rule.when.service or RULED_SERVICES
            if not _hidden_by(replace(rule.when, service=(service,)), version.rules[:index])
        ]  # fmt: skip
        for charge in rule.charges:
            names = rates_of(charge, edition, decks)
            for rate in (rates[name] for name in names if name in rates):
                _note_unit(rate, charge.at, reached, problems)


def _note_unit(rate: Rate, at: Position, services: Sequence[str], problems: Problems) -> None:
    misfits = [service for service in services if not fits(rate.unit, service)]
    if misfits:
        allowed = [service for service in RULED_SERVICES if fits(rate.unit, service)]
        problems.add(where(at), f"rate '{rate.name}' is per {rate.unit}, but its rule also holds "
                     f"for {', '.join(misfits)}", f"{', '.join(allowed)} for such a rate",
                     f"limit the rule to `service: [{', '.join(allowed)}]`, or use a rate that "
                     "counts what the service counts")


def _check_reach(edition: Edition, problems: Problems) -> None:
    """Rules that never hold because an earlier one always does first; no last rule for all."""
    rules = edition.version.rules
    for index, rule in enumerate(rules):
        earlier = _hidden_by(rule.when, rules[:index])
        if earlier is not None:
            line = f"line {earlier.at.line}"
            if earlier.at.file != rule.at.file:
                line += f" of {earlier.at.file}"
            problems.add(where(rule.at), f"this rule is never reached: the rule in {line} holds "
                         "whenever it does",
                         "rules from the special to the general; the first that holds is applied",
                         f"move it before {line}, or remove it")
    falls_back = bool(edition.version.fallback)  # a last rule that refuses would forbid it
    if edition.rules_are_whole and not falls_back and _hidden_by(When(), rules) is None:
        at = rules[-1].at if rules else edition.at
        problems.warn(where(at), f"plan '{edition.plan_id}' has no last rule for everything else",
                      "usage that fits no rule goes to suspense as `no_rate`",
                      "add `- {otherwise: refuse}` to say so")


def _check_possible(edition: Edition, known: Known, problems: Problems) -> None:
    """Conditions that never hold together, or never in this operator's workspace."""
    for rule in edition.version.rules:
        when = rule.when
        forwarded = bool(when.forward) and "none" not in when.forward
        across = bool(when.boundary) and "none" not in when.boundary
        for found, holds, do in (
            ("forward: " + ", ".join(when.forward) + " with direction: "
             + ", ".join(when.direction),
             forwarded and when.direction and "forward" not in when.direction,
             "write direction: forward"),
            ("boundary: " + ", ".join(when.boundary) + " with roaming: " + ", ".join(when.roaming),
             across and when.roaming and not {"home", "national"} & set(when.roaming),
             "a cell across a border counts as at home: write roaming: home, or leave it out"),
        ):
            if holds:
                problems.add(where(rule.at), f"this rule never holds: {found}",
                             "conditions that can hold together", do)
        for key, asked, is_set in (("same_place", when.same_place, known.has_same_place),
                                   ("boundary", across, known.has_boundary)):
            if asked and is_set is False:
                problems.warn(where(rule.at), f"this rule never holds: `places: {key}` of "
                              "operator.yaml is never", f"a rule on '{key}' where that is set",
                              "set it there, or remove the rule")


def check_fallback_reach(edition: Edition, decks: DeckFiles, problems: Problems) -> None:
    """A fallback that is never asked: a rule holds for everything, and no deck can miss."""
    version = edition.version
    if not version.fallback or not edition.rules_are_whole:
        return
    last = _hidden_by(When(), version.rules)
    if last is not None and not any(_can_miss(c, decks) for r in version.rules for c in r.charges):
        problems.warn(where(last.at), f"plan '{edition.plan_id}': the fallback is never asked: "
                      "this rule holds for everything"
                      + (", and what is refused stays refused" if last.refuse else ""),
                      "a fallback where usage may fit no rule, or a number no row of a deck",
                      "remove this rule, or `fallback`")


def _can_miss(charge: Charge, decks: DeckFiles) -> bool:
    """Whether a charge may find no rate."""
    pairs = charge.by_relation or charge.by_home_relation
    if pairs:
        return ANY_RELATION not in dict(pairs)
    rows = decks.read.get(charge.by_zone) or ()
    return bool(charge.by_prefix) or (bool(rows) and all(row.zone != ANY_ZONE for row in rows))


def _hidden_by(when: When, earlier: Sequence[Rule]) -> Rule | None:
    """The first of the earlier rules that holds wherever ``when`` does."""
    return next((rule for rule in earlier if is_weaker(rule.when, when)), None)


def is_weaker(one: When, other: When) -> bool:
    """Whether ``one`` holds wherever ``other`` does, condition by condition."""
    lists = (
        (one.service, other.service, RULED_SERVICES),
        (one.direction, other.direction, RULED_DIRECTIONS),
        (one.roaming, other.roaming, ROAMINGS),
        (one.forward, other.forward, FORWARDS),
        (one.boundary, other.boundary, BOUNDARIES),
        (one.relation, other.relation, ()),
        (one.home_relation, other.home_relation, ()),
        (one.to_zone, other.to_zone, ()),
        (one.from_zone, other.from_zone, ()),
        (one.home_zone, other.home_zone, ()),
        (one.carrier, other.carrier, ()),
    )
    for mine, theirs, everything in lists:
        wanted = set(theirs or everything)
        if mine and not (wanted and wanted <= set(mine)):
            return False
    return _takes_codes(one.access_code, other.access_code) and all(
        mine is None or mine == theirs
        for mine, theirs in (
            (one.on_net, other.on_net), (one.special, other.special),
            (one.same_place, other.same_place), (one.friend, other.friend),
            (one.group, other.group),
        )
    )  # fmt: skip


def _takes_codes(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Whether a condition on access codes holds wherever the other does."""
    if not mine or mine == theirs:
        return True
    if mine == (ANY_CODE,):
        return bool(theirs) and theirs != (NO_CODE,)
    return bool(theirs) and set(theirs) <= set(mine)


def _check_unused(edition: Edition, decks: DeckFiles, problems: Problems) -> None:
    """Rates of the version's own file that nothing names."""
    version = edition.version
    if not edition.rules_are_whole:
        return
    if any(decks.read.get(name) is None for name in _zone_decks(version.rules)):
        return
    named = {charge.by_prefix for rule in version.rules for charge in rule.charges} - {""}
    if named - {deck.name for deck in version.prefix_decks}:
        return
    used = {name for rule in version.rules for c in rule.charges
            for name in rates_of(c, edition, decks)}  # fmt: skip
    used |= edition.named_elsewhere
    used.update(one.price for one in version.memory.allowances)
    used.update(one.beyond for one in version.memory.caps)
    for rate in version.rates:
        if rate.name not in used and rate.at.file == edition.at.file:
            problems.warn(where(rate.at), f"rate '{rate.name}' is used by no rule and no deck",
                          "rates that rules name", did_you_mean(
                              rate.name, used, "remove it, or name it in a rule"))
