"""Naive twins of rating and of legs: one increment at a time, fractions, and datetime's clock.

Written for being obviously right; nothing of the product's arithmetic or clocks is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from rating.trace import Facts
from tariffs.agreements import Agreement
from tariffs.compile_rates import Maxima
from tariffs.model import Book, Rate, Tier, Version, When

NANO_A_MICRO = 1000


@dataclass(frozen=True)
class Rated:
    """reason: "" or a name. charges: micro by component, only what the rule names."""

    reason: str
    version: date | None
    rule_index: int
    charges: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.charges.values())


def rate(book: Book, plan_id: str, facts: Facts, maxima: Maxima) -> Rated:
    """What the stage rate must find for one usage."""
    for version in book.plan(plan_id).versions:
        day = local(facts.start_utc_s, version.time_zone).date()
        if version.valid_from <= day and (version.valid_to is None or day < version.valid_to):
            return rate_by(book, version, facts, maxima)
    return Rated("plan_missing", None, -1, {})


def rate_by(book: Book, version: Version, facts: Facts, maxima: Maxima) -> Rated:
    holding = [i for i, rule in enumerate(version.rules) if all(conditions(rule.when, facts))]
    if not holding:
        return Rated("no_rate", version.valid_from, -1, {})
    index, rule = holding[0], version.rules[holding[0]]
    decks = {deck.name: dict(deck.rates) for deck in version.decks}
    names = {
        charge.component: decks[charge.by_zone].get(facts.other_zone) if charge.by_zone
        else charge.rate for charge in rule.charges
    }  # fmt: skip
    if rule.refuse or None in names.values():
        return Rated("no_rate", version.valid_from, index, {})
    charges = {}
    for component, name in names.items():
        charges[component] = 0
        if name != "free":
            chosen = version.rate(str(name))
            if sum(quantities(chosen, facts)) > maxima.of(chosen.unit):
                return Rated("charge_too_large", version.valid_from, index, {})
            charges[component] = charge_micro(book, version.time_zone, chosen, facts)
    if sum(charges.values()) > version.charge_limit_micro:
        return Rated("charge_too_large", version.valid_from, index, {})
    return Rated("", version.valid_from, index, charges)


def conditions(when: When, facts: Facts) -> Iterator[bool]:
    yield facts.service in when.service or not when.service
    yield facts.direction in when.direction or not when.direction
    yield facts.roaming in when.roaming or not when.roaming
    yield facts.relation in when.relation or not when.relation
    yield facts.other_zone in when.to_zone or not when.to_zone
    yield facts.access_code in when.access_code or not when.access_code
    yield when.on_net is None or when.on_net == facts.on_net
    yield when.special is None or when.special == facts.special


def local(utc_s: int, zone: str) -> datetime:
    return datetime.fromtimestamp(utc_s, ZoneInfo(zone))


def quantities(chosen: Rate, facts: Facts) -> list[int]:
    up, down = facts.up_bytes, facts.down_bytes
    volumes = [up, down] if chosen.apart else [up + down]
    return {"second": [facts.duration_s], "event": [facts.event_count], "byte": volumes}[
        chosen.unit
    ]


def charge_micro(book: Book, zone: str, chosen: Rate, facts: Facts) -> int:
    counted = quantities(chosen, facts)
    if sum(counted) <= chosen.short_call:
        return 0
    used: Counter[tuple[Tier, int]] = Counter()
    for quantity in counted:
        position = 0
        while position < quantity:
            second = position if chosen.unit == "second" else 0
            tiers = tiers_at(book, zone, chosen, facts.start_utc_s + second)
            tier = [tier for tier in tiers if tier.from_quantity <= position][-1]
            is_first = position == 0 and chosen.first_increment > 0
            length = chosen.first_increment if is_first else tier.increment
            used[tier, length] += 1
            position += length
    nano = Fraction(chosen.connect_nano)
    for (tier, length), count in used.items():
        nano += Fraction(count * length * tier.price_nano, tier.per)
    nano = max(nano, Fraction(chosen.minimum_nano))
    if chosen.maximum_nano:
        nano = min(nano, Fraction(chosen.maximum_nano))
    return rounded(nano, chosen.digits, chosen.mode)


def tiers_at(book: Book, zone: str, chosen: Rate, utc_s: int) -> tuple[Tier, ...]:
    moment = local(utc_s, zone)
    day_type = 7 if moment.date() in book.holidays else moment.weekday()
    second = moment.hour * 3600 + moment.minute * 60 + moment.second
    for band in chosen.bands:
        if band.days & 2**day_type and second in range(band.from_s, band.to_s):
            return band.tiers
    return chosen.tiers


def rounded(nano: Fraction, digits: int, mode: int) -> int:
    """Rounded to digits of the currency unit, in micro."""
    unit = 10 ** (9 - digits)
    below = int(nano // unit) * unit
    rest, above = nano - below, below + unit
    nearer = below if rest < unit - rest else above
    if rest == 0:
        found = below
    elif mode in (0, 1):
        found = (below, above)[mode]
    elif 2 * rest != unit:
        found = nearer
    else:
        even = below if below // unit % 2 == 0 else above
        found = {2: above, 3: below, 4: even}[mode]
    return found // NANO_A_MICRO


@dataclass(frozen=True)
class Call:
    """A record as settling sees it; "" where there is no name, an unknown trunk is "?"."""

    facts: Facts
    trunk_in: str = ""
    trunk_out: str = ""
    served_group: str = ""
    other_group: str = ""
    has_subscription: bool = True


@dataclass(frozen=True)
class Leg:
    agreement: int
    carrier: str
    direction: str
    group: str
    month: str
    quantity: int
    billed_quantity: int
    charge_micro: int


def settle(
    call: Call, agreements: Sequence[Agreement], carrier_of: dict[str, str], own: str, zone: str
) -> tuple[str, list[Leg]]:
    """The reason ("" if none) and the legs of one record. carrier_of: by name of trunk."""
    direction = call.facts.direction
    trunks = {"out": call.trunk_out, "in": call.trunk_in}
    wanted = {"transit": ["out", "in"], "in": ["in"]}.get(direction, ["out"])
    group = call.served_group if direction == "in" else call.other_group
    legs = []
    for way in wanted:
        trunk = trunks[way]
        if trunk and trunk not in carrier_of:
            return "trunk_unknown", []
        if trunk and carrier_of[trunk] != own:
            leg = make_leg(call, agreements, carrier_of[trunk], way, group, zone)
            if leg is None:
                return "settlement_rate_missing", []
            legs.append(leg)
    is_carried = direction == "transit" and not call.has_subscription
    return "carried_for_others" if is_carried else "", legs


def make_leg(
    call: Call, agreements: Sequence[Agreement], carrier: str, way: str, group: str, zone: str
) -> Leg | None:
    facts = call.facts
    for wanted in (group, "*"):
        for index, one in enumerate(agreements):
            if one.key != (carrier, way, facts.service, wanted):
                continue
            moment = facts.start_utc_s + (facts.duration_s if one.clock == "end" else 0)
            if one.valid_from_utc_s <= moment < one.valid_to_utc_s:
                quantity = {"second": facts.duration_s, "event": facts.event_count,
                            "byte": facts.up_bytes + facts.down_bytes}[one.unit]  # fmt: skip
                billed = 0
                while billed < quantity:
                    billed += one.first_increment if billed == 0 and one.first_increment else (
                        one.increment)  # fmt: skip
                nano = Fraction(billed * one.price_nano, one.per)
                month = local(moment, zone).strftime("%Y-%m")
                return Leg(index, carrier, way, group, month, quantity, billed,
                           rounded(nano, one.digits, one.mode))  # fmt: skip
    return None
