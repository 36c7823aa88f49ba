"""What a price remembers, as dataclasses: allowances, period tiers, counters, caps, discounts.

Each of them is an *item* of a plan version. Quantities are in base units (seconds, bytes, events),
money in micro. Semantics: docs/rating.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from tariffs.when import Position, When
from tollbook.money import ROUND_DOWN

OWNERS: Final = ("subscription", "account", "group")
MEASURES: Final = ("second", "byte", "event", "money")
KINDS: Final = ("allowance", "tiers", "counter", "cap")
SPANS: Final = ("month", "day", "days", "once")
MODES: Final = ("partial", "overrun", "threshold")
RESTS: Final = ("after", "start")
PRORATIONS: Final = ("none", "days", "half_month")
LATES: Final = ("arrival", "rerate")
SETTLES: Final = ("marginal", "whole")
EXECUTIONS: Final = (
    "exclusive", "joint", "semi_forced", "super_forced", "first", "differs", "best",
)  # fmt: skip
ITEMS_MAX: Final = 62  # of one version, and discounts of a book: one bit each


@dataclass(frozen=True)
class Span:
    """How long a slot holds: a word of SPANS; ``days``: so many, counted from the owner's first.

    valid_from, valid_to: local days, half-open, outside of which the item does not apply at all;
    a slot of ``once`` holds for all of them.
    """

    kind: str = "month"
    days: int = 0
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True)
class Prorate:
    """What a slot is granted where its owner is not valid for the whole span.

    by: a word of PRORATIONS. In units of ``unit_size`` base units, add_nano (of a unit) is added,
    then it is rounded by ``mode`` (tollbook.money).
    """

    by: str = "none"
    add_nano: int = 0
    mode: int = ROUND_DOWN
    unit_size: int = 1


@dataclass(frozen=True)
class Allowance:
    """Included usage or money.

    amount: base units or micro; -1: without end (what it draws on ends it). covers: components; ():
    all that may be discounted. increment: what it is used up by. price: a rate of the version for
    the covered part, "": free. draws_on: the allowance that is used up by the same quantity.
    per_member: granted once for each subscription of the owner. rollover_limit: how much of what is
    left goes on into the ``rollover_spans`` following spans; 0 spans: none.
    """

    name: str
    measure: str
    amount: int
    when: When
    at: Position
    covers: tuple[str, ...] = ()
    increment: int = 1
    owner: str = "subscription"
    span: Span = Span()
    priority: int = 0
    mode: str = "partial"
    rest: str = "after"
    price: str = ""
    draws_on: str = ""
    per_member: bool = False
    prorate: Prorate = Prorate()
    rollover_limit: int = 0
    rollover_spans: int = 0


@dataclass(frozen=True)
class Over:
    """Of a rate: its tiers are counted over a span of its owner, not within one usage."""

    owner: str = "subscription"
    span: Span = Span()
    settle: str = "marginal"


@dataclass(frozen=True)
class Counter:
    """Adds up the quantity or the money of the records for which ``when`` holds."""

    name: str
    measure: str
    when: When
    at: Position
    owner: str = "subscription"
    span: Span = Span()
    covers: tuple[str, ...] = ()  # of money: which components; () all


@dataclass(frozen=True)
class Cap:
    """The most that components cost in a span. beyond: a rate for what comes after; "": free."""

    name: str
    amount_micro: int
    when: When
    at: Position
    covers: tuple[str, ...] = ()
    owner: str = "subscription"
    span: Span = Span()
    priority: int = 0
    beyond: str = ""


@dataclass(frozen=True)
class Memory:
    """Everything of a version that remembers, besides the tiers of its rates.

    not_discountable: components that allowances and discounts leave alone. late: a word of LATES.
    """

    allowances: tuple[Allowance, ...] = ()
    counters: tuple[Counter, ...] = ()
    caps: tuple[Cap, ...] = ()
    not_discountable: tuple[str, ...] = ()
    late: str = "arrival"


@dataclass(frozen=True)
class Chosen:
    """Which subscriptions a discount is for: all that are given must hold; () or None: any.

    Of those that it is not for, one that is given is enough.

    numbers: (first, last) of E.164 digits as text, alike in length. opened: local days, half-open,
    of the subscription's first day.
    """

    numbers: tuple[tuple[str, str], ...] = ()
    subscriptions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    opened_from: date | None = None
    opened_to: date | None = None


@dataclass(frozen=True)
class Used:
    """A condition on a counter of the plan: its total before the record lies in [low, high).

    measure: a word of MEASURES, what low and high are written in.
    """

    counter: str
    low: int
    high: int
    measure: str = "second"


@dataclass(frozen=True)
class Action:
    """What a discount does to the charge of each component; exactly one kind.

    kind: percent (amount_nano: what is left to pay, 85 % -> 85 * 10**9), off, fixed, cap (micro),
    price (rate: a name in the version's rates), free (quantity: base units of ``unit``).
    """

    kind: str
    amount_nano: int = 0
    amount_micro: int = 0
    rate: str = ""
    quantity: int = 0
    unit: str = ""


@dataclass(frozen=True)
class Discount:
    """A discount on single records, of whichever plan.

    rounding: (digits, mode) of each step, one after the other. components: (): all that may be
    discounted. valid_from, valid_to: local days, half-open, of the record's start.
    """

    name: str
    chosen: Chosen
    action: Action
    when: When
    at: Position
    excluded: Chosen | None = None
    used: tuple[Used, ...] = ()
    components: tuple[str, ...] = ()
    execution: str = "joint"
    priority: int = 0
    rounding: tuple[tuple[int, int], ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    time_zone: str = ""


NO_MEMORY: Final = Memory()
