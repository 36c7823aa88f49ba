"""The tariff book as frozen dataclasses: what the text means, before it becomes arrays.

Quantities are in base units: seconds, bytes or events. Prices are nano, amounts micro
(``tollbook.money``). Semantics: docs/rating.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from tollbook.money import MICRO_DIGITS, ROUND_HALF_EVEN

UNITS: Final = ("second", "byte", "event")
FREE: Final = "free"
DAY_TYPES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
ALL_DAYS: Final = (1 << len(DAY_TYPES)) - 1
DAY_S: Final = 86_400


@dataclass(frozen=True)
class Position:
    """Where something stands in the text, for messages and explanations."""

    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Tier:
    """A span of one usage, counted from its start, with its own price.

    from_quantity: first base unit of the tier (0 for the first tier).
    price_nano per ``per`` base units; quantities in the tier round up to ``increment``.
    """

    from_quantity: int
    price_nano: int
    per: int
    increment: int


@dataclass(frozen=True)
class Band:
    """A span of local time with its own tiers.

    days: bit mask over DAY_TYPES; a holiday is only ``holiday``, whatever its weekday.
    from_s, to_s: seconds of the local wall clock, half-open, 0 <= from_s < to_s <= 86400
    (a band over midnight is stored as two).
    """

    days: int
    from_s: int
    to_s: int
    tiers: tuple[Tier, ...]
    name: str = ""
    at: Position = Position()


@dataclass(frozen=True)
class Rate:
    """The price schedule of one component: bands x tiers, border mode ``unit``.

    Increments form one grid from the start; an increment takes the price of the band and tier
    in force at its first unit, and no unit is billed twice. ``first_increment`` (0: none) is the
    length of the very first increment where it differs (60/6). Zero quantity costs zero.
    tiers: what holds where no band does. Quantities of at most ``short_call`` base units cost zero.
    digits, mode: the one rounding of the component's exact amount.
    apart: bytes up and down round apart. connect_nano: once, with a quantity above zero.
    """

    name: str
    unit: str
    tiers: tuple[Tier, ...]
    bands: tuple[Band, ...] = ()
    first_increment: int = 0
    connect_nano: int = 0
    minimum_nano: int = 0
    maximum_nano: int = 0  # 0: none
    short_call: int = 0
    apart: bool = False
    digits: int = MICRO_DIGITS
    mode: int = ROUND_HALF_EVEN
    at: Position = Position()


@dataclass(frozen=True)
class When:
    """Conditions of a rule; an empty tuple means any.

    Words of ``tollbook.codes`` for service, direction and roaming; relations and zones are names of
    the network's tables; on_net and special: None means any.
    """

    service: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    roaming: tuple[str, ...] = ()
    relation: tuple[str, ...] = ()
    to_zone: tuple[str, ...] = ()  # the only open-ended condition of book v1
    on_net: bool | None = None
    special: bool | None = None
    access_code: tuple[str, ...] = ()


@dataclass(frozen=True)
class Charge:
    """What one component costs under a rule: a rate, free, or a rate looked up by zone.

    rate: a name in the version's rates, FREE, or "" where ``by_zone`` names a deck.
    """

    component: str
    rate: str = ""
    by_zone: str = ""
    at: Position = Position()


@dataclass(frozen=True)
class Rule:
    """The first rule whose conditions hold names the rate of each component.

    refuse: the record goes to suspense as ``no_rate``. No charges and not refuse: all free.
    """

    when: When
    charges: tuple[Charge, ...] = ()
    refuse: bool = False
    at: Position = Position()


@dataclass(frozen=True)
class Deck:
    """Other party's zone -> name of a rate of the same version, or FREE (a CSV beside the book).

    A zone that the deck does not name has no rate: the usage is refused as ``no_rate``.
    """

    name: str
    rates: tuple[tuple[str, str], ...]  # (zone, rate), zones unique
    at: Position = Position()


@dataclass(frozen=True)
class Recurring:
    """A charge per period: rent.

    in_advance: billed at the start of its period, else at the end. prorate: "days_of_month"
    (days in force / days of that month, both ends counted) or "none".
    """

    name: str
    price_micro: int
    in_advance: bool = True
    prorate: str = "days_of_month"
    tax_class: str = "standard"
    at: Position = Position()


@dataclass(frozen=True)
class Version:
    """A plan's edition: in force for usages that start in [valid_from, valid_to) on its clock."""

    valid_from: date
    valid_to: date | None
    time_zone: str
    rates: tuple[Rate, ...]
    rules: tuple[Rule, ...]
    components: tuple[str, ...]  # also the order on the bill
    decks: tuple[Deck, ...] = ()
    recurring: tuple[Recurring, ...] = ()
    tax_class: tuple[tuple[str, str], ...] = ()  # component -> tax class, where not "standard"
    charge_limit_micro: int = 10**12  # a larger charge of one record goes to suspense
    at: Position = Position()

    def rate(self, name: str) -> Rate:
        """The rate of that name; KeyError if the version has none."""
        for rate in self.rates:
            if rate.name == name:
                return rate
        raise KeyError(name)


@dataclass(frozen=True)
class Plan:
    """What a subscription is on; versions ascend by ``valid_from`` and never overlap."""

    plan_id: str
    name: str
    currency: str
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class TaxRate:
    """A dated tax of a class: ``percent_nano`` is the percentage scaled by 10**9 (6 % -> 6e9)."""

    tax_class: str
    name: str
    percent_nano: int
    valid_from: date
    valid_to: date | None
    at: Position = Position()


@dataclass(frozen=True)
class Book:
    """The whole tariff book.

    components: the union over all versions, in order of first appearance; a component's slot in
    the charge columns is its position here (at most ``schemas.COMPONENTS_MAX``).
    holidays: local days whose day type is ``holiday``.
    """

    plans: tuple[Plan, ...]
    components: tuple[str, ...]
    holidays: frozenset[date] = frozenset()
    taxes: tuple[TaxRate, ...] = ()
    files: tuple[str, ...] = field(default=())

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id; KeyError if the book has none."""
        for plan in self.plans:
            if plan.plan_id == plan_id:
                return plan
        raise KeyError(plan_id)
