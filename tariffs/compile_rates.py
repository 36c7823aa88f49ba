"""Rates -> arrays for ``price_kernels``, with the proof that no amount can overflow.

Everything that one rate adds up is brought to one denominator: an increment of a tier weighs
``price * increment / per``, counted in units of the rate's last digit. What is proven here, for
every quantity up to the declared maximum:

* up to ``narrow_quantity`` every sum stays below 2**62, so one int64 holds it;
* beyond that the sum stays below 2**123, in two halves;
* the charge stays within ``money.CHARGE_LIMIT_MICRO``.

A rate for which this cannot be shown is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise, zip_longest
from math import lcm
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

from tariffs.exact_kernels import HALF_BITS, HALF_MASK, WIDE_BITS
from tariffs.model import DAY_S, DAY_TYPES, UNITS, Band, Rate, Tier
from tariffs.price_kernels import BAND, BYTES, EVENTS, RATE, SECONDS, TIER, Prices
from tariffs.rate_limits import faults, not_yet
from tariffs.units import QUANTITY_LIMIT
from tollbook import money
from tollbook.text import Problems

ENDLESS: Final = 1 << HALF_BITS  # stands for "no end" of a tier
UNIT_CODE: Final = dict(zip(UNITS, (SECONDS, BYTES, EVENTS), strict=True))
_NARROW: Final = 1 << HALF_BITS
_NO_MAXIMUM: Final = (1 << WIDE_BITS) - 1


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


@dataclass
class RateTables:
    """Rates and schedules as they are gathered, one list a column."""

    maxima: Maxima
    rates: list[dict[str, int]] = field(default_factory=list)
    first_band: list[int] = field(default_factory=list)
    bands: list[tuple[int, ...]] = field(default_factory=list)
    tiers: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, rate: Rate, problems: Problems) -> int:
        """Add one rate; returns its index. What is wrong with it is noted."""
        before = problems.errors
        _check_rate(rate, problems)
        index = len(self.rates)
        if problems.errors == before:
            scaled = _Scaled(rate)
            row = _proven(scaled, self.maxima.of(rate.unit), problems)
            row["only_band"] = self._add_bands(scaled)
            self.rates.append(row)
        return index

    def _add_bands(self, scaled: _Scaled) -> int:
        """Bands of the eight day types; returns the band of a rate that has only one price."""
        places: dict[tuple[Tier, ...], int] = {}
        for day in range(len(DAY_TYPES)):
            self.first_band.append(len(self.bands))
            for to_s, tiers in day_bands(scaled.rate, day):
                if tiers not in places:
                    places[tiers] = self._add_tiers(scaled, tiers)
                first = scaled.weight(tiers[0], scaled.rate.first_increment)
                self.bands.append((to_s, places[tiers], first >> HALF_BITS, first & HALF_MASK))
        return len(self.bands) - 1 if len(places) == 1 else -1

    def _add_tiers(self, scaled: _Scaled, tiers: tuple[Tier, ...]) -> int:
        place = len(self.tiers)
        for number, tier in enumerate(tiers, 1):
            end = tiers[number].from_quantity if number < len(tiers) else ENDLESS
            weight = scaled.weight(tier, tier.increment)
            self.tiers.append((end, tier.increment, weight >> HALF_BITS, weight & HALF_MASK))
        return place

    def arrays(self) -> Prices:
        """Everything gathered, as read-only arrays."""
        names = RATE.names or ()
        return Prices(
            frozen([tuple(row[name] for name in names) for row in self.rates], RATE),
            frozen(self.first_band, np.int32),
            frozen(self.bands, BAND),
            frozen(self.tiers, TIER),
        )


def frozen(values: Sequence[Any] | np.ndarray, kind: DTypeLike) -> np.ndarray:
    """A read-only array; never empty, so that no kernel sees an array without a first element."""
    array = np.array(values, kind) if len(values) else np.zeros(1, kind)
    array.setflags(write=False)
    return array


def day_bands(rate: Rate, day: int) -> list[tuple[int, tuple[Tier, ...]]]:
    """The day's bands as (second of their end, tiers), ascending up to the end of the day.

    Neighbours with the same tiers are one; hours without a price have tiers ().
    """
    spans: list[tuple[int, tuple[Tier, ...]]] = []
    end = 0
    bands = [band for band in rate.bands if band.days >> day & 1]
    for band in sorted(bands, key=lambda band: band.from_s):
        if band.from_s > end:
            spans.append((band.from_s, rate.tiers))
        spans.append((band.to_s, band.tiers))
        end = band.to_s
    if end < DAY_S:
        spans.append((DAY_S, rate.tiers))
    return [
        span for span, after in zip_longest(spans, spans[1:])
        if after is None or span[1] != after[1]
    ]  # fmt: skip


class _Scaled:
    """One rate's amounts as integers over one denominator, in units of its last digit."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.unit_nano = 10 ** (money.NANO_DIGITS - rate.digits)
        self.schedules = [tiers for tiers in (rate.tiers, *(b.tiers for b in rate.bands)) if tiers]
        bounds = [rate.connect_nano, rate.minimum_nano, rate.maximum_nano]
        amounts = [Fraction(nano, self.unit_nano) for nano in bounds] + [
            self._amount(tier, length)
            for tiers in self.schedules
            for tier in tiers
            for length in (tier.increment, rate.first_increment)
        ]
        self.denominator = lcm(*(amount.denominator for amount in amounts))
        self._weights: dict[tuple[Tier, int], int] = {}

    def _amount(self, tier: Tier, length: int) -> Fraction:
        return Fraction(tier.price_nano * length, tier.per * self.unit_nano)

    def weight(self, tier: Tier, length: int) -> int:
        """What one increment of this length adds to the sum."""
        key = tier, length
        if key not in self._weights:  # the eight day types ask for the same ones
            self._weights[key] = int(self._amount(tier, length) * self.denominator)
        return self._weights[key]

    def bound(self, nano: int) -> int:
        """An amount in nano, in the sum's terms."""
        return int(Fraction(nano * self.denominator, self.unit_nano))

    def largest_sum(self, quantity: int) -> int:
        """Nothing that the kernel adds up for this quantity, or less, exceeds this."""
        slope, extra = self._slope()
        return (
            int((quantity + extra) * slope) + 1
            + self.bound(self.rate.connect_nano) + self.bound(self.rate.minimum_nano)
        )  # fmt: skip

    def largest_quantity(self, limit: int) -> int:
        """The largest quantity for which the sum is proven to stay below a limit; -1: none."""
        slope, extra = self._slope()
        fixed = self.largest_sum(0) - int(extra * slope)
        if slope == 0:
            return ENDLESS - 1 if fixed < limit else -1
        return max(-1, min(ENDLESS - 1, int((limit - 1 - fixed) / slope) - extra))

    def _slope(self) -> tuple[Fraction, int]:
        """The dearest base unit, and how many more units than there are may be billed at most."""
        rate = self.rate
        tiers = [tier for tiers in self.schedules for tier in tiers]
        dearest = max(Fraction(tier.price_nano, tier.per) for tier in tiers)
        extra = max(rate.first_increment, *(tier.increment for tier in tiers))
        slope = dearest * self.denominator / self.unit_nano
        return slope, extra * (2 if rate.apart else 1)


def _proven(scaled: _Scaled, maximum_quantity: int, problems: Problems) -> dict[str, int]:
    """The rate's columns; a rate whose largest charge is not proven to fit is noted."""
    rate, denominator = scaled.rate, scaled.denominator
    largest = scaled.largest_sum(maximum_quantity)
    scale = 10 ** (money.MICRO_DIGITS - rate.digits)
    cap = min(scaled.bound(rate.maximum_nano), _NO_MAXIMUM) if rate.maximum_nano else _NO_MAXIMUM
    charge_micro = (min(largest, cap) // denominator + 1) * scale
    bits = max(largest, denominator).bit_length()
    if bits >= WIDE_BITS or charge_micro > money.CHARGE_LIMIT_MICRO:
        problems.add(
            (rate.at.file, rate.at.line),
            f"rate '{rate.name}': a usage of {maximum_quantity} {rate.unit}s could cost "
            f"{money.format_micro(charge_micro)}, worked out with {bits} bits",
            f"charges up to {money.format_micro(money.CHARGE_LIMIT_MICRO)}, worked out with at "
            f"most {WIDE_BITS - 1} bits",
            "correct the price, give the rate a `maximum`, use quantities (`per`) that divide "
            "each other, or lower `limits` in operator.yaml",
        )
    is_narrow = denominator < _NARROW // 2 and (not rate.maximum_nano or cap < _NARROW)
    row = {
        "unit": UNIT_CODE[rate.unit],
        "apart": int(rate.apart),
        "short_call": rate.short_call,
        "quantity_limit": maximum_quantity,
        "narrow_quantity": scaled.largest_quantity(_NARROW) if is_narrow else -1,
        "first_increment": rate.first_increment,
        "mode": rate.mode,
        "scale": scale,
    }
    for name, value in (
        ("connect", scaled.bound(rate.connect_nano)),
        ("minimum", scaled.bound(rate.minimum_nano)),
        ("maximum", cap),
        ("denominator", denominator),
    ):
        row[f"{name}_high"], row[f"{name}_low"] = value >> HALF_BITS, value & HALF_MASK
    return row


def _check_rate(rate: Rate, problems: Problems) -> None:
    """What the kernels rely on; ``check`` has said it more helpfully for books that were text."""
    where = rate.at.file, rate.at.line
    for found, allowed, advice in faults(rate):
        problems.add(where, f"rate '{rate.name}': {found}", allowed, advice)
    for word in not_yet(rate):
        problems.add(where, f"rate '{rate.name}' has `{word}`, which is not yet priced",
                     "rates without it", "leave it out")
    schedules = [band.tiers for band in rate.bands] + [rate.tiers] * bool(rate.tiers)
    tiers = [tier for tiers in schedules for tier in tiers]
    wrong = {
        f"counts '{rate.unit}'": rate.unit not in UNITS,
        "has no price": not tiers or not all(schedules),
        "has tiers that do not ascend from 0": not all(map(_ascends, schedules)),
        "has hours without a price": not rate.tiers and not _is_covered(rate),
        "has bands that overlap": _has_overlap(rate.bands),
        f"has an increment or `per` outside 1 to {QUANTITY_LIMIT}": any(
            not 1 <= length <= QUANTITY_LIMIT for t in tiers for length in (t.per, t.increment)),
        "has a negative amount": min(
            [rate.connect_nano, rate.minimum_nano, rate.maximum_nano, rate.first_increment,
             rate.short_call, *(tier.price_nano for tier in tiers)]) < 0,
        f"is rounded to {rate.digits} digits": not 0 <= rate.digits <= money.MICRO_DIGITS,
        f"has rounding mode {rate.mode}": rate.mode not in money.ROUNDING_MODES.values(),
    }  # fmt: skip
    for fault, is_so in wrong.items():
        if is_so:
            problems.add(where, f"rate '{rate.name}' {fault}",
                         "schedules as `tollbook tariff check` accepts them", "correct the rate")


def _ascends(tiers: Sequence[Tier]) -> bool:
    starts = [tier.from_quantity for tier in tiers]
    return starts[:1] in ([], [0]) and all(a < b for a, b in pairwise(starts))


def _is_covered(rate: Rate) -> bool:
    return all(tiers for day in range(len(DAY_TYPES)) for _, tiers in day_bands(rate, day))


def _has_overlap(bands: Sequence[Band]) -> bool:
    for day in range(len(DAY_TYPES)):
        spans = sorted((b.from_s, b.to_s) for b in bands if b.days >> day & 1)
        if any(one[1] > other[0] for one, other in pairwise(spans)):
            return True
    return False
