"""Many rates at once that differ in their price alone: the rows of a prefix deck.

Every amount of such a rate is its price times a constant, so one rate, the dearest, is compiled and
proven like any other, and the weights of all others are one multiplication of columns.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from typing import Final

import numpy as np

from tariffs.compile_proof import Grid
from tariffs.compile_rates import RateTables, check_rate, is_grid
from tariffs.exact_kernels import HALF_BITS
from tariffs.model import Rate, Tier
from tollbook.text import Problems

_FEW: Final = 4  # fewer rates than this are not worth a block
_LIMIT: Final = 1 << HALF_BITS


def add_rates(
    tables: RateTables, prices: np.ndarray, rate_of: Callable[[int], Rate], problems: Problems
) -> np.ndarray:
    """Add the rates of some prices; returns their indices.

    prices: int64, distinct, ascending. rate_of: the rate of the price at a position; all its
    prices are that price times a constant.
    """
    before = problems.errors
    dearest = rate_of(len(prices) - 1)
    check_rate(dearest, tables.days, problems)
    if problems.errors > before:
        return np.zeros(len(prices), np.int64)
    begins = int(prices[0] == 0)  # without a price bands may be equal that are not with one
    scaled = None
    is_plain = is_grid(dearest) and dearest.stage == "component" and tables.link is None
    if len(prices) >= _FEW and is_plain:
        scaled = _Scaled.of(dearest, int(prices[-1]))
    if scaled is None:
        return np.array([tables.add(rate_of(row), problems) for row in range(len(prices))])
    for row in np.flatnonzero(prices % scaled.divisor):
        rate_of(int(row))  # notes what is wrong with it
    if problems.errors > before:
        return np.zeros(len(prices), np.int64)
    found = [tables.add(rate_of(0), problems)] * begins
    first = scaled.add(tables, prices[begins:], problems)
    return np.concatenate([found, first + np.arange(len(prices) - begins)]).astype(np.int64)


class _Scaled:
    """A rate, and what a nano of its price weighs in each of its tiers."""

    def __init__(self, dearest: Rate, price_nano: int) -> None:
        self.price_nano = price_nano
        self.grid = grid = Grid(dearest)
        tiers = [tier for some, _ in grid.schedules for tier in some]
        self.divisor = lcm(*(self._ratio(tier).denominator for tier in tiers))
        lengths = [(tier, tier.increment) for tier in tiers]
        lengths += [(tier, dearest.first_increment) for tier in tiers]
        grid.denominator = lcm(grid.denominator, *(
            Fraction(length, tier.per * grid.unit_nano).denominator for tier, length in lengths
        ))

    @classmethod
    def of(cls, dearest: Rate, price_nano: int) -> _Scaled | None:
        """None where a weight would not fit."""
        scaled = cls(dearest, price_nano)
        grid = scaled.grid
        fits = (
            grid.denominator < _LIMIT // 2
            and price_nano < _LIMIT
            and grid.largest_sum(0) < _LIMIT
            and (not dearest.maximum_nano or grid.bound(dearest.maximum_nano) < _LIMIT)
        )
        return scaled if fits else None

    def _ratio(self, tier: Tier) -> Fraction:
        return Fraction(tier.price_nano, self.price_nano)

    def _weights(self, prices: np.ndarray, tier: Tier, length: int) -> np.ndarray:
        """What an increment weighs at each price; no product exceeds that of the dearest."""
        nano = self._ratio(tier) * self.divisor * length * self.grid.denominator
        factor = nano / (tier.per * self.grid.unit_nano)
        return (prices // self.divisor) * int(factor)

    def add(self, tables: RateTables, prices: np.ndarray, problems: Problems) -> int:
        """Append the rates of all prices; returns the index of the first."""
        grid, count = self.grid, len(prices)
        model = RateTables(tables.maxima, tables.days)
        model.shapes = tables.shapes
        model.add_grid(grid, problems)
        schedules = np.tile(model.schedules.array(), (count, 1))
        one = model.tiers.array()  # schedules of equal tiers share them
        lines = [
            (tier, one[int(first) + place])
            for (some, _), first in zip(grid.schedules, schedules["first_tier"][0], strict=True)
            for place, tier in enumerate(some)
        ]
        tiers = np.tile(np.array([line for _, line in lines], one.dtype), (count, 1))
        for column, (tier, _) in enumerate(lines):
            tiers["weight_low"][:, column] = self._weights(prices, tier, tier.increment)
        first_tier = tables.tiers.extend(tiers.reshape(-1))
        place = 0
        for column, (some, _) in enumerate(grid.schedules):
            schedules["weight_low"][:, column] = tiers["weight_low"][:, place]
            if grid.rate.first_increment:
                first = self._weights(prices, some[0], grid.rate.first_increment)
                schedules["first_weight_low"][:, column] = first
            schedules["first_tier"][:, column] = (
                first_tier + place + np.arange(count) * len(lines)
            )
            place += len(some)
        first_schedule = tables.schedules.extend(schedules.reshape(-1))
        tables.schedules_rest.extend(np.tile(model.schedules_rest.array(), count))
        rates = np.repeat(model.rates.array(), count)
        rates["first_schedule"] = first_schedule + np.arange(count) * len(grid.schedules)
        tables.rates_rest.extend(np.repeat(model.rates_rest.array(), count))
        return tables.rates.extend(rates)
