"""What a traced price is made of: the facts of a usage, and the steps from them to its charge.

Amounts on the way are fractions of a nano; the rules that the steps follow are in docs/rating.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from tariffs.memory_model import Allowance, Cap, Discount
from tariffs.model import Plan, Rate, Rule, Version


@dataclass(frozen=True)
class Facts:
    """What rating needs to know about a usage, in the words of the book; "" where there is none.

    home_time_zone, served_time_zone: of the home zone and of the place of the served party, for
    rates by their clocks; "": the network gives none, the tariff's counts. is_routed: the number
    routed to decides where the call goes, and so which row of a prefix deck prices it.
    """

    service: str
    direction: str
    start_utc_s: int
    roaming: str = "home"
    relation: str = ""
    other_zone: str = ""
    access_code: str = ""
    on_net: bool = False
    special: bool = False
    duration_s: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    event_count: int = 0
    served_zone: str = ""
    home_zone: str = ""
    home_relation: str = ""
    carrier: str = ""
    forward: str = "none"
    boundary: str = "none"
    same_place: bool = False
    friend: bool = False
    group: bool = False
    other_e164: int = 0
    routing_e164: int = 0
    is_routed: bool = False
    utc_offset_s: int = 0
    home_time_zone: str = ""
    served_time_zone: str = ""


@dataclass(frozen=True)
class Segment:
    """Increments of one length and price, one after the other.

    band: its name, "" for the price that holds where no band does. tier: from 1. For prices by
    the second the segment lasts from_utc_s to to_utc_s (the last increment counted whole).
    amount_nano: the increments alone. fee_nano: for entering this tier, or tier of this band, with
    the first of them. position: base units of the usage before it. part: the version in force, a
    place in Trace.parts. is_cut: a border cut the last increment, which was charged whole
    (`border: restart`). run: segments of one run are rounded together by the stages ``segment``
    and ``cgrates``.
    """

    band: str
    tier: int
    count: int
    increment: int
    price_nano: int
    per: int
    amount_nano: Fraction
    from_utc_s: int
    to_utc_s: int
    fee_nano: int = 0
    position: int = 0
    part: int = 0
    is_cut: bool = False
    run: int = 0


@dataclass(frozen=True)
class Staged:
    """One rounding before the last: ``count`` equal amounts.

    what: "connect", "fee", or "increments". first_segment, segments: which of the component's
    segments it is about (0 segments for the connection fee). exact_nano: all of it before.
    once_nano: with the stage ``cgrates``, the run as it is rounded before it is shared out among
    its increments. each_nano: what each of the ``count`` comes to, rounded.
    """

    what: str
    count: int
    exact_nano: Fraction
    each_nano: int
    first_segment: int = 0
    segments: int = 0
    once_nano: int | None = None

    @property
    def sum_nano(self) -> int:
        """What goes into the component's sum."""
        return self.count * self.each_nano


@dataclass(frozen=True)
class Component:
    """How one component came about.

    rate: None where the component is free; of a usage over several versions, the first that has a
    price. deck: the deck that named the rate, "" if a rule did; deck_line: the line of its row.
    quantity: what is counted, in the rate's unit. priced_quantity: at least the minimum quantity.
    free_quantity: how much of it costs nothing. is_short: free as a short call.
    priced_at_utc_s: the one moment whose price holds for all of it (border start, end, middle,
    cheapest), None where borders cut.
    connect_nano: the connection fee. staged: the roundings before the last, if the rate has any.
    sum_nano: segments, their fees and the connection fee, or what the stages made of them.
    exact_nano: that sum within minimum and maximum, before the last rounding.
    bound: "minimum" or "maximum" where one of them decided.
    covered: how much of the quantity allowances have paid for, from the start and at the end.
    tiers_from: what was used before in the span that its tiers are counted over. added_micro: of
    covered parts that have a price of their own. off_micro: what money allowances and caps took
    off, after discounts; less than 0 where a price beyond a cap came instead.
    """

    component: str
    rate: Rate | None
    deck: str = ""
    quantity: int = 0
    is_short: bool = False
    segments: tuple[Segment, ...] = ()
    bound: str = ""
    exact_nano: Fraction = Fraction(0)
    charge_micro: int = 0
    deck_line: int = 0
    priced_quantity: int = 0
    free_quantity: int = 0
    priced_at_utc_s: int | None = None
    connect_nano: int = 0
    staged: tuple[Staged, ...] = ()
    sum_nano: Fraction = Fraction(0)
    covered: tuple[int, int] = (0, 0)
    tiers_from: int = 0
    added_micro: int = 0
    off_micro: int = 0

    @property
    def listed_micro(self) -> int:
        """What discounts find: the price of what allowances of quantities have left."""
        return self.charge_micro + self.added_micro

    @property
    def final_micro(self) -> int:
        """What allowances and caps leave to pay, where no discount comes before those of money."""
        return self.listed_micro - self.off_micro


@dataclass(frozen=True)
class Used:
    """What a record took from a balance, as it is stored.

    item: plan/kind/name. before, taken: base units or micro. granted: None: without end, or the
    item only counts, or it is not known any more.
    """

    item: str
    since: date
    before: int
    taken: int
    granted: int | None = None


@dataclass(frozen=True)
class Settled:
    """What an allowance of money or a cap made of what there was to pay.

    used: what it took or counted; None: nothing was left of it. left: (component, before, after)
    in micro, of those that it changed. beyond: the rate after a cap, and the length that it
    prices in its unit.
    """

    item: Allowance | Cap
    used: Used | None
    left: tuple[tuple[str, int, int], ...]
    beyond: tuple[Rate, int] | None = None


@dataclass(frozen=True)
class Part:
    """A span of the usage under one version: [from_utc_s, to_utc_s), and the rule found there."""

    version: Version
    rule_index: int
    rule: Rule | None
    from_utc_s: int
    to_utc_s: int


@dataclass(frozen=True)
class Effect:
    """What a discount left of one component. exact_micro: before its roundings; rounded_micro:
    after each of them."""

    component: str
    before_micro: int
    exact_micro: Fraction
    rounded_micro: tuple[int, ...]
    after_micro: int


@dataclass(frozen=True)
class Discounted:
    """A discount that acted on a record, or one that held and was passed over (no effects)."""

    discount: Discount
    effects: tuple[Effect, ...] = ()
    why_not: str = ""

    @property
    def taken_micro(self) -> int:
        """What it took off; below zero: what it added."""
        return sum(one.before_micro - one.after_micro for one in self.effects)


@dataclass(frozen=True)
class Trace:
    """How a usage was rated. reason: "" or the name in tollbook.reasons; then nothing is charged.

    plan, version, rule_index, rule: those that priced it, or failed to; rule_index: position of
    the rule in its version, -1: none held. parts: one, or one for each version that the usage
    crosses where the first says `version_change: split`.
    asked: the plans that were asked before this one and had no price for the usage; the
    subscription's own plan first. Empty unless a fallback priced it.
    discounts: those that held, in their order; charge_micro is what they left. used: what it took
    from balances, in the order in which they were asked. settled: what allowances of money and
    caps then made of what there was to pay. empty: allowances that were asked and had nothing left.
    missing: components whose rates are in a table that has none for the usage; then no_rate.
    """

    plan: Plan | None
    version: Version | None = None
    rule_index: int = -1
    rule: Rule | None = None
    components: tuple[Component, ...] = ()
    charge_micro: int = 0
    reason: str = ""
    parts: tuple[Part, ...] = ()
    asked: tuple[Trace, ...] = ()
    discounts: tuple[Discounted, ...] = ()
    used: tuple[Used, ...] = ()
    settled: tuple[Settled, ...] = ()
    empty: tuple[Allowance, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def charges(self) -> dict[str, int]:
        """What each component costs in the end, in micro."""
        found = {one.component: one.listed_micro for one in self.components}
        for discounted in self.discounts:
            found |= {one.component: one.after_micro for one in discounted.effects}
        for one in self.components:
            found[one.component] -= one.off_micro
        return found
