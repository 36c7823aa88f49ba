"""Plan files joined with the files that they extend and the libraries that they use.

A file may extend one other (``extends``), which may extend another in turn: what the later file
says replaces what the earlier one said, rate by rate and key by key; nothing is merged deeper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from tariffs.book_decks import DeckFiles, make_deck
from tariffs.book_memory_join import joined_memory
from tariffs.book_plan import CHARGE_LIMIT_DEFAULT_MICRO, PlanText
from tariffs.book_rates import Rates, Rounding, rounded
from tariffs.book_tiers import PERCENT_WHOLE_NANO
from tariffs.known import Edition, Known
from tariffs.model import VERSION_CHANGES, Deck, PrefixDeck, Rate, Recurring, Rule, Tier, Version
from tariffs.when import Position
from tollbook.text import Problems, did_you_mean

CHAIN_MAX: Final = 4  # files that a version may be made of by `extends`
LIKE_NOTHING: Final = "per_60s"  # the rate of decks without `like`, where the plan says `round`


class Sources(NamedTuple):
    """The files of a book by their names: plans, and libraries of rates."""

    plans: Mapping[str, PlanText]
    libraries: Mapping[str, Rates]
    decks: DeckFiles
    known: Known


class _Rates(NamedTuple):
    """The rates of a version as they are gathered, oldest text first."""

    read: dict[str, Rate]
    unread: set[str]
    own_rounding: set[str]
    replaced: list[tuple[Rate, Rate]]


def edition_of(name: str, sources: Sources, problems: Problems) -> Edition:
    """The edition that a plan file makes, with all that it takes over."""
    chain = _chain(name, sources, problems)
    text = chain[-1]
    rounding = _last(chain, lambda one: one.rounding)
    found = _rates(chain, sources, problems)
    rates = [
        rate if rounding is None or rate.name in found.own_rounding else rounded(rate, rounding)
        for rate in found.read.values()
    ]
    rules = _rules(chain)
    decks = _decks(rules, sources)
    prefix_decks = _prefix_decks(rules, sources.decks)
    if rounding is not None:
        rules, rates = _like_nothing(rules, rates, prefix_decks, rounding)
    components = _last(chain, lambda one: one.components)
    if components is None:
        components = tuple(dict.fromkeys(c.component for rule in rules for c in rule.charges))
    span, known = text.span, sources.known
    joined = joined_memory([one.memory for one in chain], problems)
    version = Version(
        valid_from=span.first,
        valid_to=span.to,
        time_zone=_last(chain, lambda one: one.time_zone or None) or known.time_zone or "UTC",
        rates=tuple(rates),
        rules=rules,
        components=components,
        decks=decks,
        recurring=_recurring(chain),
        tax_class=_last(chain, lambda one: one.tax_class) or (),
        charge_limit_micro=_last(chain, lambda one: one.charge_limit_micro)
        or CHARGE_LIMIT_DEFAULT_MICRO,
        at=span.at,
        prefix_decks=prefix_decks,
        fallback=_last(chain, lambda one: one.fallback) or (),
        version_change=_last(chain, lambda one: one.version_change) or VERSION_CHANGES[0],
        valid_from_s=span.first_s,
        valid_to_s=span.to_s,
        price_range=_last(chain, lambda one: one.price_range) or (),
        files=_files(chain, name),
        memory=joined.memory,
    )
    currency = _last(chain, lambda one: one.currency or None) or known.currency
    whole = all(one.rules_are_whole for one in chain) and not chain[0].extends
    unrounded = () if rounding else found.read.keys() - found.own_rounding
    return Edition(text.plan_id, text.name, currency, version, text.at, frozenset(found.unread),
                   whole, tuple(found.replaced), frozenset(unrounded),
                   unread_items=joined.unread, stepped_items=joined.stepped)  # fmt: skip


def _chain(name: str, sources: Sources, problems: Problems) -> list[PlanText]:
    """The texts that a version is made of, oldest first; broken off where a file is not there."""
    names = [name]
    while extends := sources.plans[names[0]].extends:
        at = sources.plans[names[0]].at
        if extends in names:
            problems.add((at.file, at.line), "the file extends itself: "
                         f"{' -> '.join([*reversed(names), extends])}", "files that extend earlier "
                         "ones, without a circle", "remove one `extends`")
            break
        if extends not in sources.plans:
            problems.add((at.file, at.line), f"extends: there is no plan file '{extends}'",
                         "a .yaml file of the same folder with the key `plan`",
                         did_you_mean(extends, sources.plans, "write it, or correct its name"))
            break
        if len(names) == CHAIN_MAX:
            problems.add((at.file, at.line), f"extends: '{names[-1]}' is made of more than "
                         f"{CHAIN_MAX} files", f"a chain of at most {CHAIN_MAX} files",
                         "write one of the files out in full")
            break
        names.insert(0, extends)
    return [sources.plans[one] for one in names]


def _last(chain: Sequence[PlanText], key: Callable[[PlanText], Any]) -> Any:
    """What the latest file of the chain says; None if none of them says it."""
    return next((key(one) for one in reversed(chain) if key(one) is not None), None)


def _files(chain: Sequence[PlanText], name: str) -> tuple[str, ...]:
    used = [file for text in reversed(chain) for file in text.use]
    own = [text.at.file.rpartition("/")[2] for text in reversed(chain)]
    return tuple(dict.fromkeys([name, *own, *used]))


def _rates(chain: Sequence[PlanText], sources: Sources, problems: Problems) -> _Rates:
    """Rates by name: those of libraries, then those of the chain; a later one replaces."""
    found = _Rates({}, set(), set(), [])
    for text in chain:
        for name in text.use:
            if name not in sources.libraries:
                problems.add((text.at.file, text.at.line), f"use: there is no library '{name}'",
                             "a .yaml file of the same folder with `rates` and without `plan`",
                             did_you_mean(name, sources.libraries, "write it, or correct its name"))
            else:
                _take(found, sources.libraries[name])
    for text in chain:
        for name, at in (text.rates.dropped or {}).items():
            if name not in found.read and name not in found.unread:
                problems.add((at.file, at.line), f"rate '{name}' is dropped, but not there",
                             ", ".join(sorted(found.read)) or "rates of the file that is extended",
                             did_you_mean(name, found.read, "remove the line"))
            found.read.pop(name, None)
        _take(found, text.rates)
    return found


def _take(found: _Rates, rates: Rates) -> None:
    for name, rate in rates.read.items():
        if name in found.read:
            found.replaced.append((rate, found.read[name]))
        found.read[name] = rate
    taken = rates.read.keys() | rates.unread
    found.unread.difference_update(rates.read)
    found.unread.update(rates.unread)
    found.own_rounding.difference_update(taken)
    found.own_rounding.update(rates.rounded)


def _rules(chain: Sequence[PlanText]) -> tuple[Rule, ...]:
    rules: tuple[Rule, ...] = ()
    for text in chain:
        rules = text.rules_first + (rules if text.rules is None else text.rules)
    return rules


def _recurring(chain: Sequence[PlanText]) -> tuple[Recurring, ...]:
    return tuple({one.name: one for text in chain for one in text.recurring}.values())


def _decks(rules: Sequence[Rule], sources: Sources) -> tuple[Deck, ...]:
    named = [(c.by_zone, c.at) for rule in rules for c in rule.charges if c.by_zone]
    read = {name: sources.decks.rows(name, at) for name, at in named}
    return tuple(make_deck(name, rows, sources.known.zones) for name, rows in read.items() if rows)


def _prefix_decks(rules: Sequence[Rule], decks: DeckFiles) -> tuple[PrefixDeck, ...]:
    named = [(c.by_prefix, c.at) for rule in rules for c in rule.charges if c.by_prefix]
    read = {name: decks.prefix_deck(name, at) for name, at in named}
    return tuple(deck for deck in read.values() if deck is not None)


def _like_nothing(
    rules: tuple[Rule, ...],
    rates: list[Rate],
    decks: Sequence[PrefixDeck],
    rounding: Rounding,
) -> tuple[tuple[Rule, ...], list[Rate]]:
    """Decks without ``like`` are rounded as the plan says: their rate is written out for them."""
    priced = {deck.name for deck in decks if (deck.rows.price_nano >= 0).any()}
    at = next((c.at for rule in rules for c in rule.charges if c.by_prefix in priced
               and not c.like), Position())  # fmt: skip
    if at == Position():
        return rules, rates
    taken, name = {rate.name for rate in rates}, LIKE_NOTHING
    while name in taken:
        name += "_"
    tier = Tier(0, 0, 60, 60, percent_nano=PERCENT_WHOLE_NANO)
    own = rounded(Rate(name, "second", (tier,), at=at, is_template=True), rounding)
    named = tuple(
        replace(rule, charges=tuple(
            replace(c, like=name) if c.by_prefix in priced and not c.like else c
            for c in rule.charges
        )) for rule in rules
    )  # fmt: skip
    return named, [*rates, own]
