"""The tariff book as frozen dataclasses: what the text means, before it becomes arrays.

Quantities are in base units: seconds, bytes or events. Prices are nano, amounts micro
(``tollbook.money``). Semantics: docs/rating.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from tariffs.memory_model import NO_MEMORY, Discount, Memory, Over
from tariffs.when import NOWHERE, Position, When
from tollbook.money import MICRO_DIGITS, ROUND_HALF_EVEN

UNITS: Final = ("second", "byte", "event")
FREE: Final = "free"
DAY_TYPES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
ALL_DAYS: Final = (1 << len(DAY_TYPES)) - 1
DAY_S: Final = 86_400
BORDERS: Final = ("unit", "restart", "start", "end", "middle", "cheapest")
STAGES: Final = ("component", "increment", "segment", "cgrates")  # what is rounded before the last
CLOCKS: Final = ("tariff", "home", "visited", "switch")
VERSION_CHANGES: Final = ("start", "split")
SCHEDULES_MAX: Final = 62  # distinct schedules of one rate
DAY_CLASSES_MAX: Final = 512  # kinds of day that the dates of a book may make
FALLBACKS_MAX: Final = 8  # plans of a chain
PARTS_MAX: Final = 8  # versions that one usage may cross


@dataclass(frozen=True)
class Tier:
    """A span of one usage, counted from its start, with its own price.

    from_quantity: first base unit of the tier (0 for the first tier), free ones counted.
    price_nano per ``per`` base units; quantities in the tier round up to ``increment``.
    fee_nano: once, each time an increment begins here after one of another schedule or tier.
    percent_nano: in a template, the price as a percentage of the deck row's, scaled by 10**9.
    """

    from_quantity: int
    price_nano: int
    per: int
    increment: int
    fee_nano: int = 0
    percent_nano: int = 0


@dataclass(frozen=True)
class Dates:
    """Days on which a band holds, besides its kinds of day; every part that is given must hold."""

    spans: tuple[tuple[date, date], ...] = ()  # half-open
    yearly: tuple[tuple[int, int], ...] = ()  # month * 100 + day, both ends included; may wrap
    months: tuple[int, ...] = ()  # 1..12
    month_days: tuple[int, ...] = ()  # 1..31; -1: the last day of the month
    years: tuple[int, ...] = ()


@dataclass(frozen=True)
class Band:
    """A span of local time with its own tiers.

    days: bit mask over DAY_TYPES; a holiday is only ``holiday``, whatever its weekday.
    from_s, to_s: seconds of the local wall clock, half-open, 0 <= from_s < to_s <= 86400
    (a band over midnight is stored as two). Where two bands hold, the higher ``weight`` counts.
    connect_nano: the connection fee of usages that begin in the band; -1: the rate's.
    """

    days: int
    from_s: int
    to_s: int
    tiers: tuple[Tier, ...]
    name: str = ""
    at: Position = NOWHERE
    dates: Dates = Dates()
    weight: int = 0
    connect_nano: int = -1


@dataclass(frozen=True)
class Rate:
    """The price schedule of one component: bands x tiers, and what happens at their borders.

    ``first_increment`` (0: none) is the length of the very first increment where it differs
    (60/6). Zero quantity costs zero.
    tiers: what holds where no band does. Quantities of at most ``short_call`` base units cost zero.
    digits, mode: the one rounding of the component's exact amount.
    apart: bytes up and down round apart. connect_nano: once, with a quantity above zero.
    border: one of BORDERS; "": ``unit`` for seconds, ``start`` for bytes and events.
    free_quantity: the first base units, which cost nothing. minimum_quantity: shorter usages are
    priced as this long. clock: one of CLOCKS, whose local time the bands mean.
    stage: one of STAGES, with stage_digits and stage_mode (-1: those of the last rounding).
    is_template: prices are percentages of a deck row's; only decks may name it. over: tiers are
    counted over a span of time; None: within one usage.
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
    at: Position = NOWHERE
    border: str = ""
    free_quantity: int = 0
    minimum_quantity: int = 0
    clock: str = "tariff"
    stage: str = "component"
    stage_digits: int = -1
    stage_mode: int = -1
    is_template: bool = False
    over: Over | None = None

    @property
    def border_mode(self) -> str:
        """``border`` with the default of the rate's unit."""
        return self.border or ("unit" if self.unit == "second" else "start")


@dataclass(frozen=True)
class Charge:
    """What one component costs under a rule: a rate, free, or a rate that is looked up.

    rate: a name in the version's rates, FREE, or "" where another field says how to find it:
    by_zone, by_prefix (names of decks) or by_relation, by_home_relation ((relation or "*", rate)).
    like: with by_prefix, the rate that gives all that the deck's row does not.
    """

    component: str
    rate: str = ""
    by_zone: str = ""
    at: Position = NOWHERE
    by_prefix: str = ""
    like: str = ""
    by_relation: tuple[tuple[str, str], ...] = ()
    by_home_relation: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rule:
    """The first rule whose conditions hold names the rate of each component.

    refuse: the record goes to suspense as ``no_rate``. No charges and not refuse: all free.
    """

    when: When
    charges: tuple[Charge, ...] = ()
    refuse: bool = False
    at: Position = NOWHERE


@dataclass(frozen=True)
class Deck:
    """Other party's zone -> name of a rate of the same version, or FREE (a CSV beside the book).

    A zone that the deck does not name has no rate: the usage is refused as ``no_rate``.
    """

    name: str
    rates: tuple[tuple[str, str], ...]  # (zone, rate), zones unique
    at: Position = NOWHERE


@dataclass(frozen=True, eq=False)
class PrefixRows:
    """Rows of a prefix deck as columns in the file's order; same index = same row.

    price_nano (per 60 s, or per the ``per`` of the rate that ``like`` names) or, where it is -1,
    ``rate``, a place in ``rate_names`` (FREE may be one). Increments 0, connect and minimum -1:
    those of ``like``. valid_from, valid_to: local wall seconds since 1970, half-open.
    """

    prefix: np.ndarray  # int64, E.164 digits
    size: np.ndarray  # int8, how many
    destination: pa.Array  # utf8
    price_nano: np.ndarray  # int64
    rate: np.ndarray  # int32
    first_increment: np.ndarray  # int64
    increment: np.ndarray  # int64
    connect_nano: np.ndarray  # int64
    minimum_nano: np.ndarray  # int64
    valid_from_wall_s: np.ndarray  # int64
    valid_to_wall_s: np.ndarray  # int64
    lines: np.ndarray  # int64, of the file


@dataclass(frozen=True)
class PrefixDeck:
    """Prefix of the number called -> price (a CSV beside the book).

    The longest prefix among the rows valid at the start counts; a number that fits no row has no
    rate.
    """

    name: str
    rows: PrefixRows
    rate_names: tuple[str, ...] = ()
    at: Position = NOWHERE


@dataclass(frozen=True)
class PriceRange:
    """Prices that an author expects of a unit, per so many base units; 0 as a maximum: none."""

    unit: str
    per: int
    min_nano: int = 0
    max_nano: int = 0


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
    at: Position = NOWHERE


@dataclass(frozen=True)
class Version:
    """A plan's edition: in force for usages that start in [valid_from, valid_to) on its clock.

    valid_from_s, valid_to_s: wall second of those days. version_change: one of VERSION_CHANGES,
    what a usage does that lasts beyond the version. fallback: plans that are asked in this order
    where no rule holds or a deck has no row. files: where the text stands, its own file first.
    """

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
    at: Position = NOWHERE
    prefix_decks: tuple[PrefixDeck, ...] = ()
    fallback: tuple[str, ...] = ()
    version_change: str = "start"
    valid_from_s: int = 0
    valid_to_s: int = 0
    price_range: tuple[PriceRange, ...] = ()
    files: tuple[str, ...] = ()
    memory: Memory = NO_MEMORY

    @property
    def label(self) -> str:
        """What a version is called: its first day, and the time where it begins within the day."""
        minutes, second = divmod(self.valid_from_s, 60)
        time = f"T{minutes // 60:02d}:{minutes % 60:02d}" if self.valid_from_s else ""
        return f"{self.valid_from}{time}" + (f":{second:02d}" if second else "")

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
    at: Position = NOWHERE


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
    discounts: tuple[Discount, ...] = ()

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id; KeyError if the book has none."""
        for plan in self.plans:
            if plan.plan_id == plan_id:
                return plan
        raise KeyError(plan_id)
