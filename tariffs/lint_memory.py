"""Checks of what remembers: names that do not exist, usage that cannot be counted, dead items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tariffs.book_decks import DeckFiles
from tariffs.book_rules import ANY_CODE, NO_CODE, RULED_SERVICES
from tariffs.check_rules import check_when, is_weaker, listed, rates_of, where
from tariffs.known import Edition, Known
from tariffs.memory_model import ITEMS_MAX, OWNERS, Allowance, Cap, Counter
from tariffs.model import FREE, Book, Charge, Rate, Rule, Version
from tariffs.settled import WHOLE
from tariffs.units import fits, quantity_text
from tariffs.when import When
from tollbook.text import Problems, did_you_mean

Item = Allowance | Counter | Cap
_LISTS: Final = (
    "service", "direction", "roaming", "relation", "to_zone", "from_zone", "home_zone",
    "home_relation", "carrier", "forward", "boundary",
)  # fmt: skip
_FLAGS: Final = ("on_net", "special", "same_place", "friend", "group")


def lint_memory(edition: Edition, decks: DeckFiles, known: Known, problems: Problems) -> None:
    """All checks of one edition's allowances, counters, caps and tiers of a period."""
    memory = edition.version.memory
    items = items_of(edition.version)
    for item in items:
        check_when(item.when, item.at, known, problems)
    _check_count(edition, problems)
    _check_components(edition, problems)
    _check_rates(edition, problems)
    for allowance in memory.allowances:
        _check_source(allowance, edition, problems)
        _check_rollover(allowance, problems)
    _check_hidden(memory.allowances, problems)
    for item in items:
        _check_units(item, edition, problems)
        _check_reach(item, edition, decks, problems)
    for allowance in memory.allowances:
        _check_increment(allowance, edition, decks, problems)


def kind_of(item: Item) -> str:
    """``allowance``, ``counter`` or ``cap``."""
    return type(item).__name__.lower()


def items_of(version: Version) -> tuple[Item, ...]:
    """All allowances, counters and caps."""
    return *version.memory.allowances, *version.memory.counters, *version.memory.caps


def has_pools(book: Book) -> bool:
    """Whether groups own anything: allowances, counters, caps, or tiers of a period."""
    versions = [version for plan in book.plans for version in plan.versions]
    owners = [item.owner for version in versions for item in items_of(version)]
    owners += [rate.over.owner for version in versions for rate in version.rates if rate.over]
    return "group" in owners


def check_tier_periods(
    editions: Sequence[Edition], decks: DeckFiles, problems: Problems
) -> None:
    """Tiers of a period in plans that others fall back on; whole settlements of several components.

    Usage is counted for the plan of its subscription: it has no count under another plan's rate.
    """
    fallers = {plan: edition for edition in editions for plan in edition.version.fallback}
    for edition in editions:
        for rate in (rate for rate in edition.version.rates if rate.over):
            if edition.plan_id in fallers and rate.at.file == edition.at.file:
                one = fallers[edition.plan_id]
                problems.add(where(rate.at), f"rate '{rate.name}' has 'tiers_over', and plan "
                             f"'{one.plan_id}' ({one.at.file}) falls back on its plan",
                             "fallbacks on plans whose tiers count within one usage: what is used "
                             "is counted for the customer's own plan",
                             f"write the rules into '{one.plan_id}', or remove 'tiers_over'")
            _check_settlement(rate, edition, decks, problems)


def _check_settlement(
    rate: Rate, edition: Edition, decks: DeckFiles, problems: Problems
) -> None:
    """What is settled whole: a month, one component, and nothing else that changes its price."""
    if rate.over is None or rate.over.settle != WHOLE:
        return
    at, named, memory = where(rate.at), f"rate '{rate.name}'", edition.version.memory
    users = dict.fromkeys(
        charge.component for rule in edition.version.rules for charge in rule.charges
        if rate.name in rates_of(charge, edition, decks)
    )  # fmt: skip
    if rate.over.span.kind != "month":
        problems.add(at, f"{named} settles the whole volume of something else than a month",
                     "`period: month`: it is settled with the bill of the month",
                     "remove `period`, or write `settle: marginal`")
    if len(users) > 1:
        problems.add(at, f"{named} settles the whole volume and is charged for {listed(users)}",
                     "`settle: whole` on a rate of one component: the settlement is one line of "
                     "the bill", "write a rate for each component, or `settle: marginal`")
    for name in users:
        if name not in memory.not_discountable:
            problems.add(at, f"{named} settles the whole volume of '{name}', which may be "
                         "discounted", "components of `not_discountable`: no allowance or "
                         "discount comes between a record's price and its settlement",
                         f"write `not_discountable: [{name}]`, or `settle: marginal`")
        for cap in memory.caps:
            if name in cap.covers:
                problems.add(where(cap.at), f"cap '{cap.name}' covers '{name}', which {named} "
                             "settles whole", "caps on other components",
                             "remove it from `covers`, or write `settle: marginal`")


def _check_count(edition: Edition, problems: Problems) -> None:
    version = edition.version
    rates = sum(rate.over is not None for rate in version.rates)
    items = items_of(version)
    if len(items) + rates > ITEMS_MAX:
        problems.add(where(items[-1].at if items else edition.at), f"plan '{edition.plan_id}' has "
                     f"{len(items) + rates} allowances, counters, caps and rates with "
                     "'tiers_over'", f"at most {ITEMS_MAX}", "merge some of them")
    if rates and version.version_change == "split":
        problems.add(where(version.at), f"plan '{edition.plan_id}' splits usage at the change of "
                     "the version, and has rates with 'tiers_over'",
                     "`version_change: start`: a usage begins at one place of the tiers",
                     "remove `version_change`")


def _check_components(edition: Edition, problems: Problems) -> None:
    """Components that do not exist, or that no allowance may cover."""
    version = edition.version
    withheld = version.memory.not_discountable
    for name in withheld:
        if name not in version.components:
            problems.add(where(edition.at), f"not_discountable names '{name}', which is no "
                         "component of the plan", listed(version.components),
                         did_you_mean(name, version.components, "remove it"))
    for item in items_of(version):
        called = f"{kind_of(item)} '{item.name}'"
        for name in item.covers:
            if name not in version.components:
                problems.add(where(item.at), f"{called} covers '{name}', which is no component of "
                             "the plan", listed(version.components),
                             did_you_mean(name, version.components, "remove it"))
            elif name in withheld and isinstance(item, Allowance):
                problems.add(where(item.at), f"{called} covers '{name}', which is not discountable",
                             "components that `not_discountable` does not name",
                             "remove it here, or from `not_discountable`")


def _check_rates(edition: Edition, problems: Problems) -> None:
    """Rates of what is covered, and of what comes after a cap."""
    rates = {rate.name: rate for rate in edition.version.rates}
    memory = edition.version.memory
    named: list[tuple[Item, str, str]] = [(one, "price", one.price) for one in memory.allowances]
    named += [(one, "beyond", one.beyond) for one in memory.caps]
    for item, key, name in named:
        called, rate = f"{kind_of(item)} '{item.name}'", rates.get(name)
        if not name or name in edition.unread_rates:
            continue
        if rate is None:
            problems.add(where(item.at), f"{called}: rate '{name}' of '{key}' is not defined in "
                         f"{edition.at.file}", listed(sorted(rates)),
                         f"leave '{key}' out: it is free then" if name == FREE
                         else did_you_mean(name, rates, "add it to `rates`"))
        elif rate.is_template or rate.over:
            what = "has the prices of a deck" if rate.is_template else "has 'tiers_over'"
            problems.add(where(item.at), f"{called}: rate '{name}' of '{key}' {what}",
                         "a rate with prices of its own, whose tiers count within one usage",
                         "name another rate")
        elif isinstance(item, Allowance) and item.measure not in ("", rate.unit):
            problems.add(where(item.at), f"{called} is of {item.measure}s, and rate '{name}' of "
                         f"'price' is per {rate.unit}", f"a rate per {item.measure}",
                         "name a rate that counts what the allowance counts")


def _check_source(one: Allowance, edition: Edition, problems: Problems) -> None:
    """What an allowance draws on."""
    named = {other.name: other for other in edition.version.memory.allowances}
    called = f"allowance '{one.name}'"
    if not one.draws_on or one.draws_on in edition.unread_items:
        return
    source = named.get(one.draws_on)
    if source is None:
        problems.add(where(one.at), f"{called} draws on '{one.draws_on}', which is no allowance "
                     "of the plan", listed(named), did_you_mean(
                         one.draws_on, named, "add it to `allowances`, or remove 'draws_on'"))
        return
    path = [one.name]
    while source is not None and source.name not in path:
        path.append(source.name)
        source = named.get(source.draws_on)
    if source is not None:
        if source.name == one.name and one.name == min(path):  # each circle is told once
            problems.add(where(one.at), f"{called} draws on itself: "
                         f"{' -> '.join([*path, source.name])}",
                         "allowances that draw on larger ones, without a circle",
                         "remove one `draws_on`")
        return
    source = named[one.draws_on]
    draws = f"{called} draws on '{source.name}', which is of"
    if one.measure != source.measure and one.measure and source.measure:
        problems.add(where(one.at), f"{draws} {source.measure}s", f"an allowance of {one.measure}s",
                     "correct one of the two")
    if OWNERS.index(source.owner) < OWNERS.index(one.owner):
        problems.add(where(one.at), f"{draws} a {source.owner}, and is itself of "
                     f"{'an' if one.owner == 'account' else 'a'} {one.owner}",
                     "one of the same owner, or of one that it belongs to: subscription, account, "
                     "group", "correct one of the two")


def _check_rollover(one: Allowance, problems: Problems) -> None:
    most = one.amount * one.rollover_spans
    if one.rollover_limit > most and not one.per_member:
        problems.warn(where(one.at), f"allowance '{one.name}': no more than {one.rollover_spans} "
                      f"times its amount can be left over, and the limit of 'rollover' is more",
                      "a limit of at most the amount times `periods`",
                      "leave the limit out, or correct it")


def _charges(item: Item, version: Version) -> Iterator[tuple[Rule, Charge]]:
    """What rules charge that an item may cover."""
    for rule in version.rules:
        if can_meet(item.when, rule.when):
            for charge in rule.charges:
                withheld = charge.component in version.memory.not_discountable
                if charge.component in item.covers or not (item.covers or withheld):
                    yield rule, charge


def _check_units(item: Item, edition: Edition, problems: Problems) -> None:
    """Services that an item lets in and cannot count."""
    rates = {rate.name: rate for rate in edition.version.rates}
    beyond = rates.get(item.beyond) if isinstance(item, Cap) else None
    measure = (beyond.unit if beyond else "money") if isinstance(item, Cap) else item.measure
    if measure in ("", "money"):
        return
    charged = {
        service for rule, charge in _charges(item, edition.version)
        for service in rule.when.service or RULED_SERVICES if charge.rate != FREE
    }  # fmt: skip
    if isinstance(item, Counter):
        charged = set(RULED_SERVICES)
    let_in = item.when.service or [one for one in RULED_SERVICES if one in charged]
    misfits = [service for service in let_in if not fits(measure, service)]
    if misfits:
        fitting = [service for service in RULED_SERVICES if fits(measure, service)]
        what = f", after which rate '{beyond.name}' is per {measure}," if beyond else (
            f" is of {measure}s,")  # fmt: skip
        problems.add(where(item.at), f"{kind_of(item)} '{item.name}'{what} but also holds for "
                     f"{', '.join(misfits)}", listed(fitting),
                     f"limit it with `when: {{service: [{', '.join(fitting)}]}}`")


def _check_reach(item: Item, edition: Edition, decks: DeckFiles, problems: Problems) -> None:
    """Items that no usage of the version ever touches."""
    version, span = edition.version, item.span
    called = f"{kind_of(item)} '{item.name}'"
    is_past = span.valid_to is not None and span.valid_to <= version.valid_from
    is_future = (
        span.valid_from is not None and version.valid_to is not None
        and span.valid_from >= version.valid_to
    )  # fmt: skip
    if is_past or is_future:
        problems.warn(where(item.at), f"{called} is valid only {'before' if is_past else 'after'} "
                      "the version is", "days on which the version is in force",
                      "correct `valid`, or remove it")
        return
    unknown = set(item.covers) - {*version.components}
    if version.fallback or unknown or not edition.rules_are_whole:
        return
    found = [
        charge for _, charge in _charges(item, version)
        if rates_of(charge, edition, decks) != (FREE,)
    ]  # fmt: skip
    counts_usage = isinstance(item, Counter) and item.measure != "money"
    met = any(can_meet(item.when, rule.when) and not rule.refuse for rule in version.rules)
    if not (met if counts_usage else found):
        covers = f"charges {listed(item.covers)}" if item.covers else (
            "lets usage pass" if counts_usage else "charges anything")
        problems.warn(where(item.at), f"{called} is never used: no rule under its conditions "
                      f"{covers}", "conditions and components that some rule has too",
                      "correct `when` or `covers`, or remove it")


def _check_hidden(allowances: Sequence[Allowance], problems: Problems) -> None:
    """Allowances behind one that ends only with them: unlimited, drawing on them, asked first."""
    named = {one.name: one for one in allowances}
    for one in allowances:
        other = named.get(one.draws_on)
        if one.amount >= 0 or other is None:
            continue
        covers_all = not one.covers or (other.covers and set(other.covers) <= set(one.covers))
        is_asked_first = one.priority < other.priority and one.span == other.span
        if covers_all and is_asked_first and is_weaker(one.when, other.when):
            problems.warn(where(other.at), f"allowance '{other.name}' is never used by itself: "
                          f"'{one.name}' is asked first, and ends only with it",
                          "the smaller `priority` for the narrower conditions",
                          f"correct `priority` or `when` of '{one.name}'")


def _check_increment(
    one: Allowance, edition: Edition, decks: DeckFiles, problems: Problems
) -> None:
    """Minutes that are used up by the second though they are charged by the minute."""
    if one.name in edition.stepped_items or one.measure in ("", "money"):
        return
    rates = {rate.name: rate for rate in edition.version.rates}
    names = [name for _, charge in _charges(one, edition.version)
             for name in rates_of(charge, edition, decks)]  # fmt: skip
    for rate in (rates[name] for name in dict.fromkeys(names) if name in rates):
        schedules = [rate.tiers, *(band.tiers for band in rate.bands)]
        steps = [tier.increment for tiers in schedules for tier in tiers]
        if rate.unit == one.measure and steps and min(steps) > 1:
            step = quantity_text(min(steps), rate.unit)
            problems.warn(where(one.at), f"allowance '{one.name}' is used up by single "
                          f"{one.measure}s, and rate '{rate.name}' charges by {step}",
                          "an `increment`, whichever is meant", f"write `increment: {step}`, or "
                          f"`increment: {quantity_text(1, rate.unit)}`")
            return


def can_meet(one: When, other: When) -> bool:
    """Whether two conditions can hold for one usage, as far as their words tell."""
    for name in _LISTS:
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine and theirs and not set(mine) & set(theirs):
            return False
    for name in _FLAGS:
        if None not in (flags := (getattr(one, name), getattr(other, name))) and len({*flags}) > 1:
            return False
    mine, theirs = set(one.access_code), set(other.access_code)
    if not mine or not theirs or mine & theirs:
        return True
    return ANY_CODE in mine | theirs and NO_CODE not in mine | theirs
