"""Naive twin of rating: versions, rules, tables and fallbacks, in words alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from reference_price import FOREVER, charge_micro, instant, is_cut, lead_of, quantities

from rating.trace_steps import Facts
from tariffs.compile_rates import Maxima
from tariffs.model import Band, Book, Charge, Plan, PrefixDeck, Rate, Rule, Tier, Version
from tariffs.when import When

PARTS_MAX = 8
Named = dict[str, Rate | None]  # by component; None: free


@dataclass(frozen=True)
class Rated:
    """reason: "" or a name. charges: micro by component, only what a rule names.

    plan_id, version: the plan that priced it, and when its version begins.
    """

    reason: str
    version: date | None
    rule_index: int
    charges: dict[str, int]
    plan_id: str = ""

    @property
    def total(self) -> int:
        return sum(self.charges.values())


@dataclass(frozen=True)
class Found:
    """A version, the rule that holds under it, and the rates that it names (None: none)."""

    version: Version
    rule_index: int
    rule: Rule | None
    named: Named | None


def rate(book: Book, plan_id: str, facts: Facts, maxima: Maxima) -> Rated:
    """What the stage rate must find for one usage."""
    plans = {plan.plan_id: plan for plan in book.plans}
    own = find(plans.get(plan_id), facts.start_utc_s, facts)
    if own is None:
        return Rated("plan_missing", None, -1, {}, plan_id)
    version = own.version.valid_from
    nothing = Rated("no_rate", version, own.rule_index, {}, plan_id)
    if own.named is not None:
        return price(book, plans[plan_id], own, facts, maxima)
    if own.rule is not None and own.rule.refuse:
        return nothing
    for other_id in own.version.fallback:
        other = find(plans.get(other_id), facts.start_utc_s, facts)
        if other is None:
            continue
        if other.rule is not None and other.rule.refuse:
            return nothing
        if other.named is not None:
            made = price(book, plans[other_id], other, facts, maxima)
            return made if made.reason != "no_rate" else nothing
    return nothing


def find(plan: Plan | None, utc_s: int, facts: Facts) -> Found | None:
    """The version in force at an instant, and what it says about the usage."""
    for version in plan.versions[::-1] if plan else ():
        if begin(version) <= utc_s < end(version):
            holding = [i for i, r in enumerate(version.rules) if all(conditions(r.when, facts))]
            if not holding:
                return Found(version, -1, None, None)
            rule = version.rules[holding[0]]
            return Found(version, holding[0], rule, rates_of(version, rule, facts))
    return None


def begin(version: Version) -> int:
    return instant(version.valid_from, version.valid_from_s, version.time_zone)


def end(version: Version) -> int:
    if version.valid_to is None:
        return FOREVER
    return instant(version.valid_to, version.valid_to_s, version.time_zone)


def price(book: Book, plan: Plan, first: Found, facts: Facts, maxima: Maxima) -> Rated:
    """The charges of a usage that has rates at its start."""
    version = first.version

    def told(reason: str, charges: dict[str, int]) -> Rated:
        return Rated(reason, version.valid_from, first.rule_index, charges, plan.plan_id)

    parts = crossed(plan, first, facts)
    if any(part.named is None for part in parts):
        return told("no_rate", {})
    lines = {}
    for component in dict.fromkeys(name for part in parts for name in part.named or {}):
        spans = [(end(part.version), (part.named or {}).get(component)) for part in parts]
        spans[-1] = (FOREVER, spans[-1][1])
        lines[component] = spans
        lead = lead_of(spans)
        units = {rate.unit for _, rate in spans if rate is not None}
        if lead is not None and is_cut(lead) and len(units) > 1:
            return told("no_rate", {})
    charges = {}
    for component, spans in lines.items():
        lead = lead_of(spans)
        lead = lead if lead is None or is_cut(lead) else spans[0][1]
        if lead is not None and sum(quantities(lead, facts)) > maxima.of(lead.unit):
            return told("charge_too_large", {})
        charges[component] = charge_micro(book, version.time_zone, spans, facts)
    if sum(charges.values()) > version.charge_limit_micro:
        return told("charge_too_large", {})
    return told("", charges)


def crossed(plan: Plan, first: Found, facts: Facts) -> list[Found]:
    """The versions that a usage crosses, if the first one says that it may."""
    parts = [first]
    until = facts.start_utc_s + facts.duration_s
    while first.version.version_change == "split" and len(parts) < PARTS_MAX:
        border = end(parts[-1].version)
        following = find(plan, border, facts) if border < until else None
        if following is None or begin(following.version) != border:
            break
        parts.append(following)
    return parts


def conditions(when: When, facts: Facts) -> Iterator[bool]:
    yield facts.service in when.service or not when.service
    yield facts.direction in when.direction or not when.direction
    yield facts.roaming in when.roaming or not when.roaming
    yield facts.relation in when.relation or not when.relation
    yield facts.other_zone in when.to_zone or not when.to_zone
    yield facts.served_zone in when.from_zone or not when.from_zone
    yield facts.home_zone in when.home_zone or not when.home_zone
    yield facts.home_relation in when.home_relation or not when.home_relation
    yield facts.carrier in when.carrier or not when.carrier
    yield facts.forward in when.forward or not when.forward
    yield facts.boundary in when.boundary or not when.boundary
    yield when.on_net is None or when.on_net == facts.on_net
    yield when.special is None or when.special == facts.special
    yield when.same_place is None or when.same_place == facts.same_place
    yield when.friend is None or when.friend == facts.friend
    yield when.group is None or when.group == facts.group
    if when.access_code:
        any_code = "*" in when.access_code and facts.access_code != ""
        no_code = "none" in when.access_code and facts.access_code == ""
        yield any_code or no_code or facts.access_code in when.access_code


def rates_of(version: Version, rule: Rule, facts: Facts) -> Named | None:
    """By component, the rate that a rule names; None if it refuses or a table has none."""
    named: Named = {}
    for charge in rule.charges:
        if charge.by_prefix:
            row = longest(version, charge, facts)
            if row is None:
                return None
            named[charge.component] = by_row(version, charge, *row)
            continue
        name = name_of(version, charge, facts)
        if name is None:
            return None
        named[charge.component] = None if name == "free" else version.rate(name)
    return None if rule.refuse else named


def name_of(version: Version, charge: Charge, facts: Facts) -> str | None:
    if charge.by_zone:
        table, word = {d.name: dict(d.rates) for d in version.decks}[charge.by_zone], (
            facts.other_zone)  # fmt: skip
    elif charge.by_relation:
        table, word = dict(charge.by_relation), facts.relation
    elif charge.by_home_relation:
        table, word = dict(charge.by_home_relation), facts.home_relation
    else:
        return charge.rate
    if word == "":
        return None
    return table[word] if word in table else table.get("*")


def longest(version: Version, charge: Charge, facts: Facts) -> tuple[PrefixDeck, int] | None:
    """The row of a prefix deck that fits the number called."""
    number = facts.other_e164
    if facts.is_routed and facts.routing_e164:
        number = facts.routing_e164

    def at(wall_s: int) -> int:
        is_open = abs(wall_s) >= 2**62
        return wall_s if is_open else instant(date(1970, 1, 1), wall_s, version.time_zone)

    deck = next(deck for deck in version.prefix_decks if deck.name == charge.by_prefix)
    rows = deck.rows
    fitting = [
        (int(rows.size[row]), row) for row in range(len(rows.prefix))
        if str(number).startswith(str(rows.prefix[row])) and number > 0
        and at(int(rows.valid_from_wall_s[row])) <= facts.start_utc_s
        and facts.start_utc_s < at(int(rows.valid_to_wall_s[row]))
    ]  # fmt: skip
    return (deck, max(fitting)[1]) if fitting else None


def by_row(version: Version, charge: Charge, deck: PrefixDeck, row: int) -> Rate | None:
    """The rate that a row makes, with what ``like`` gives."""
    rows = deck.rows
    if rows.price_nano[row] == -1:
        name = deck.rate_names[rows.rate[row]]
        return None if name == "free" else version.rate(name)
    made = Rate("row", "second", (Tier(0, 1, 60, 60),))
    if charge.like:
        made = version.rate(charge.like)
    price_nano, increment = int(rows.price_nano[row]), int(rows.increment[row])

    def tier_of(tier: Tier) -> Tier:
        percent = Fraction(tier.percent_nano or 100 * 10**9, 100 * 10**9)
        return replace(tier, price_nano=int(price_nano * percent), percent_nano=0,
                       increment=increment or tier.increment)  # fmt: skip

    def band_of(band: Band) -> Band:
        return replace(band, tiers=tuple(tier_of(tier) for tier in band.tiers))

    made = replace(made, tiers=tuple(tier_of(tier) for tier in made.tiers),
                   bands=tuple(band_of(band) for band in made.bands))  # fmt: skip
    if increment:
        made = replace(made, first_increment=int(rows.first_increment[row]))
    if rows.connect_nano[row] >= 0:
        made = replace(made, connect_nano=int(rows.connect_nano[row]))
    if rows.minimum_nano[row] >= 0:
        made = replace(made, minimum_nano=int(rows.minimum_nano[row]))
    return made
