"""Naive twin of a CGRateS voice plan: one increment at a time, from the words of its rows.

It knows nothing of bands or tiers of the book; it asks at each increment which timing holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby


@dataclass(frozen=True)
class Timing:
    """Weekdays from 0 (Sunday) to 6, months and days of the month; nothing is any."""

    weekdays: tuple[int, ...]
    months: tuple[int, ...]
    month_days: tuple[int, ...]
    start_s: int

    def holds(self, moment: datetime) -> bool:
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        return (
            (not self.weekdays or moment.isoweekday() % 7 in self.weekdays)
            and (not self.months or moment.month in self.months)
            and (not self.month_days or moment.day in self.month_days)
            and second >= self.start_s
        )


@dataclass(frozen=True)
class Price:
    """A timing of a plan with its weight, connection fee and tiers (start, price, per, step)."""

    timing: Timing
    weight: Fraction
    connect: Fraction
    tiers: tuple[tuple[int, Fraction, int, int], ...]


def price_at(prices: Sequence[Price], moment: datetime) -> int:
    """The place of the price that holds; -1: none does."""
    holding = [
        (price.weight, price.timing.start_s, place)
        for place, price in enumerate(prices) if price.timing.holds(moment)
    ]  # fmt: skip
    return max(holding)[2] if holding else -1


def half_up(amount: Fraction, digits: int) -> Fraction:
    return Fraction((amount * 10**digits + Fraction(1, 2)).__floor__(), 10**digits)


def cost(
    prices: Sequence[Price], start: datetime, duration_s: int, digits: int, compat: int | None
) -> Fraction:
    """The charge of a call; ``compat``: the decimals of each increment."""
    if not duration_s:
        return Fraction(0)
    position = 0
    steps = []
    while position < duration_s:
        moment = start + timedelta(seconds=position)
        place = price_at(prices, moment)
        number = sum(tier[0] <= position for tier in prices[place].tiers) - 1
        _, price, per, step = prices[place].tiers[number]
        steps.append(((place, number, moment.date()), price * step / per))
        position += step
    fee = prices[price_at(prices, start)].connect
    if compat is None:
        return half_up(fee + sum(amount for _, amount in steps), digits)
    total = half_up(fee, compat)
    for _, span in groupby(steps, key=lambda step: step[0]):
        amounts = [amount for _, amount in span]
        each = half_up(half_up(sum(amounts, Fraction(0)), compat) / len(amounts), compat)
        total += each * len(amounts)
    return half_up(total, min(digits, compat))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
