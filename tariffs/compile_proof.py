"""Amounts of one rate as integers over one denominator, with the proof that none can overflow.

What is proven, for every quantity up to the declared maximum:

* up to ``narrow_quantity`` every sum stays below 2**62, so one int64 holds it;
* beyond that the sum stays below 2**123, in two halves;
* the charge stays within ``money.CHARGE_LIMIT_MICRO``.

Rates of the *grid* (``Grid``): an increment weighs ``price * increment / per``, counted in units of
the rate's last digit. All others (``General``): one base unit weighs ``price / per``, counted in
nano, so that increments of any length, and those of several versions, add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Final

import numpy as np

from tariffs.exact_kernels import HALF_BITS, WIDE_BITS
from tariffs.model import DAY_S, PARTS_MAX, Rate, Tier, Version
from tariffs.rate_limits import schedules, stage_digits, stage_mode
from tollbook import money
from tollbook.text import Problems

NARROW: Final = 1 << HALF_BITS
NO_MAXIMUM: Final = (1 << WIDE_BITS) - 1
ENDLESS: Final = 1 << HALF_BITS  # stands for "no end" of a tier
_PER_S: Final = 60  # of a deck's row without a rate that it is like
_HUNDRED_NANO: Final = 100 * 10**9  # percent
_CLOCK_MOVES_A_YEAR: Final = 12  # more than any zone has known


@dataclass(frozen=True)
class Maxima:
    """The largest quantities that a record may have; larger ones are refused as they are rated."""

    duration_s: int = 3660 * DAY_S
    volume_bytes: int = 2**40
    event_count: int = 10**6

    def of(self, unit: str) -> int:
        """The maximum for a rate that counts this unit."""
        return {
            "second": self.duration_s, "byte": self.volume_bytes, "event": self.event_count,
        }[unit]  # fmt: skip


class Grid:
    """Increments form one grid from the start of the usage: a weight for each length of a tier."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.unit_nano = 10 ** (money.NANO_DIGITS - rate.digits)
        self.schedules = schedules(rate)
        bounds = [rate.minimum_nano, rate.maximum_nano]
        amounts = [Fraction(nano, self.unit_nano) for nano in bounds]
        amounts += [self._staged(Fraction(connect)) for _, connect in self.schedules]
        amounts += [self._amount(tier, length) for tier, length in self._lengths()]
        self.denominator = lcm(*(amount.denominator for amount in amounts))
        self._weights: dict[tuple[Tier, int], int] = {}

    def _lengths(self) -> Iterable[tuple[Tier, int]]:
        for tiers, _ in self.schedules:
            for tier in tiers:
                yield tier, tier.increment
                if self.rate.first_increment:
                    yield tier, self.rate.first_increment

    def _staged(self, nano: Fraction) -> Fraction:
        """An amount in units of the last digit; rounded, where every increment is."""
        if self.rate.stage == "increment":
            step = 10 ** (money.NANO_DIGITS - stage_digits(self.rate))
            exact = nano / step
            units = money.round_div(exact.numerator, exact.denominator, stage_mode(self.rate))
            nano = Fraction(units * step)
        return Fraction(nano, self.unit_nano)

    def _amount(self, tier: Tier, length: int) -> Fraction:
        return self._staged(Fraction(tier.price_nano * length, tier.per))

    def weight(self, tier: Tier, length: int) -> int:
        """What one increment of this length adds to the sum."""
        key = tier, length
        if key not in self._weights:
            self._weights[key] = int(self._amount(tier, length) * self.denominator)
        return self._weights[key]

    def connect(self, nano: int) -> int:
        """What a connection fee adds to the sum."""
        return int(self._staged(Fraction(nano)) * self.denominator)

    def bound(self, nano: int) -> int:
        """A minimum or maximum in the sum's terms."""
        return int(Fraction(nano * self.denominator, self.unit_nano))

    def largest_sum(self, quantity: int) -> int:
        """Nothing that the kernel adds up for this quantity, or less, exceeds this."""
        slope, extra = self._slope
        connect = max(self.connect(nano) for _, nano in self.schedules)
        return int((quantity + extra) * slope) + 1 + connect + self.bound(self.rate.minimum_nano)

    def largest_quantity(self, limit: int) -> int:
        """The largest quantity for which the sum is proven to stay below a limit; -1: none."""
        slope, extra = self._slope
        fixed = self.largest_sum(0) - int(extra * slope)
        if slope == 0:
            return ENDLESS - 1 if fixed < limit else -1
        return max(-1, min(ENDLESS - 1, int((limit - 1 - fixed) / slope) - extra))

    @cached_property
    def _slope(self) -> tuple[Fraction, int]:
        """The dearest base unit, and how many more units than there are may be billed at most."""
        slope = max(Fraction(self.weight(tier, length), length) for tier, length in self._lengths())
        extra = max(length for _, length in self._lengths())
        return slope, extra * (2 if self.rate.apart else 1)


@dataclass(frozen=True)
class Link:
    """What rates share whose amounts may meet in one sum: those of one rate, or of the versions
    that one usage may cross.

    denominator: of a nano. dearest_nano: of one base unit. longest, shortest: increments.
    """

    denominator: int
    dearest_nano: Fraction
    fee_nano: int
    longest: int
    shortest: int
    tiers: int
    spans: int  # schedules, which is more than a day has borders between them, but for repeats

    @classmethod
    def of(cls, rates: Sequence[Rate]) -> Link:
        """The link of rates; deck rows count as rates of their own."""
        tiers = [t for rate in rates for some, _ in schedules(rate) for t in some]
        lengths = [t.increment for t in tiers] + [r.first_increment for r in rates]
        units = {Fraction(tier.price_nano, tier.per) for tier in tiers}
        return cls(
            denominator=lcm(*(unit.denominator for unit in units)),
            dearest_nano=max(units),
            fee_nano=max(tier.fee_nano for tier in tiers),
            longest=max(lengths),
            shortest=min(length for length in lengths if length > 0),
            tiers=max(len(some) for rate in rates for some, _ in schedules(rate)),
            spans=max(2 * len(rate.bands) + 2 for rate in rates),
        )


def link_of(versions: Sequence[Version]) -> Link | None:
    """The link of a plan's versions, if a usage may cross from one into another.

    Templates and the rows of prefix decks are bounded by the dearest row.
    """
    if not any(version.version_change == "split" for version in versions):
        return None
    rates = [rate for version in versions for rate in version.rates]
    rows = [deck.rows for version in versions for deck in version.prefix_decks]
    dearest = max((int(one.price_nano.max(initial=0)) for one in rows), default=0)
    steps = [int(each) for one in rows for column in (one.increment, one.first_increment)
             for each in np.unique(column) if each > 0]  # fmt: skip
    tiers = [t for rate in rates for some, _ in schedules(rate) for t in some]
    pers = [tier.per for tier in tiers] + [_PER_S] * bool(rows)
    percent = max([_HUNDRED_NANO, *(tier.percent_nano for tier in tiers)])
    units = [Fraction(tier.price_nano, tier.per) for tier in tiers]
    units.append(Fraction(dearest * percent, _HUNDRED_NANO * min(pers, default=1)))
    lengths = [t.increment for t in tiers] + [r.first_increment for r in rates] + steps + [_PER_S]
    return Link(
        denominator=lcm(*pers),
        dearest_nano=max(units),
        fee_nano=max((tier.fee_nano for tier in tiers), default=0),
        longest=max(lengths),
        shortest=min(length for length in lengths if length > 0),
        tiers=max((len(some) for rate in rates for some, _ in schedules(rate)), default=1),
        spans=max((2 * len(rate.bands) + 2 for rate in rates), default=2),
    )


class General:
    """Any way of cutting a usage: a weight for each base unit, in nano over a denominator."""

    def __init__(self, rate: Rate, link: Link | None = None) -> None:
        self.rate = rate
        self.link = link or Link.of([rate])
        self.schedules = schedules(rate)
        self.nano = self.link.denominator
        self.denominator = self.nano * 10 ** (money.NANO_DIGITS - rate.digits)
        self.stage = self.nano * 10 ** (money.NANO_DIGITS - stage_digits(rate))

    def weight(self, tier: Tier) -> int:
        """What one base unit adds to the sum."""
        return tier.price_nano * self.nano // tier.per

    def bound(self, nano: int) -> int:
        """An amount in nano, in the sum's terms."""
        return nano * self.nano

    def largest_sum(self, maxima: Maxima) -> int:
        """Nothing that the kernel adds up exceeds this."""
        rate, link = self.rate, self.link
        quantity = max(maxima.of(rate.unit), rate.minimum_quantity)
        days = maxima.duration_s // DAY_S + rate.minimum_quantity * (rate.unit == "second") // DAY_S
        entries = (days + 2) * (link.spans + 1) + (days // 365 + 2) * _CLOCK_MOVES_A_YEAR
        entries = 2 * (entries + (link.tiers + 2) * PARTS_MAX)  # twice: volumes apart
        billed = quantity + (entries + 2) * link.longest
        connect = max(nano for _, nano in self.schedules)
        largest = int(billed * link.dearest_nano * self.nano) + 1
        largest += self.bound(entries * link.fee_nano + connect + rate.minimum_nano)
        if rate.stage != "component":
            pieces = entries * 2 + 2
            if rate.stage != "segment":
                pieces += billed // link.shortest + 1
            largest += pieces * self.stage
        return largest


def note_overflow(
    rate: Rate, quantity: int, charge_micro: int, bits: int, problems: Problems
) -> None:
    """Note a rate whose largest charge is not proven to fit."""
    if bits >= WIDE_BITS or charge_micro > money.CHARGE_LIMIT_MICRO:
        problems.add(
            (rate.at.file, rate.at.line),
            f"rate '{rate.name}': a usage of {quantity} {rate.unit}s could cost "
            f"{money.format_micro(charge_micro)}, worked out with {bits} bits",
            f"charges up to {money.format_micro(money.CHARGE_LIMIT_MICRO)}, worked out with at "
            f"most {WIDE_BITS - 1} bits",
            "correct the price, give the rate a `maximum`, use quantities (`per`) that divide "
            "each other, or lower `limits` in operator.yaml",
        )
