"""Distributions of the synthesiser: hours of the day, activity of lines, durations, volumes.

A distribution is a table of quantiles that integers interpolate: drawing costs one random word a
value, and a seed gives the same records on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

QUANTILE_BITS: Final = 12  # 4,096 pieces of equal probability
FRACTION_BITS: Final = 20
LINE_SKEW: Final = 0.8  # a line of rank r is as active as (r + r0) ** -0.8
LINE_FLAT: Final = 1 / 200  # r0 as a share of all lines: the busiest has about 20 times the mean

# Share of the day's records that start in each hour, local time, in thousandths.
WORKDAY: Final = (9, 5, 3, 2, 3, 7, 18, 36, 55, 67, 71, 66,
                  58, 55, 58, 61, 63, 66, 68, 69, 63, 49, 31, 17)  # fmt: skip
WEEKEND: Final = (16, 11, 7, 4, 3, 4, 8, 17, 33, 51, 62, 65,
                  62, 57, 56, 57, 60, 65, 70, 74, 73, 63, 48, 34)  # fmt: skip
DAY_WEIGHT: Final = (100, 99, 99, 101, 107, 84, 74)  # records of a day, Monday first, in percent


@dataclass(frozen=True)
class Quantiles:
    """A distribution as int64 values at 4,097 evenly spaced probabilities."""

    points: np.ndarray

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """int64 values, linear between the points; the last point is reached by flat ends only."""
        bits = rng.integers(0, 1 << 32, count, dtype=np.uint32).astype(np.int64)
        piece = bits >> FRACTION_BITS
        low = self.points[piece]
        step = self.points[piece + 1] - low
        drawn: np.ndarray = low + (step * (bits & ((1 << FRACTION_BITS) - 1)) >> FRACTION_BITS)
        return drawn


@dataclass(frozen=True)
class Choice:
    """A choice between few things by their shares, as a table of 65,536 entries (int8)."""

    table: np.ndarray

    @classmethod
    def of(cls, shares: Sequence[int]) -> Choice:
        edges = np.cumsum(np.array(shares, np.int64)) * 65_536 // sum(shares)
        return cls(np.searchsorted(edges, np.arange(65_536), side="right").astype(np.int8))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """int8 positions in the shares."""
        chosen: np.ndarray = self.table[rng.integers(0, 65_536, count, dtype=np.uint16)]
        return chosen


def log_normal(median: int, sigma: float, low: int, high: int) -> Quantiles:
    """Log-normal whole numbers, clipped to ``low`` and ``high``."""
    pieces = 1 << QUANTILE_BITS
    inner = [NormalDist().inv_cdf(piece / pieces) for piece in range(1, pieces)]
    deviations = np.array([inner[0] * 1.2, *inner, inner[-1] * 1.2])
    return Quantiles(np.clip(median * np.exp(sigma * deviations), low, high).astype(np.int64))


def line_ranks(lines: int) -> Quantiles:
    """Ranks 0 .. lines - 1, the first the busiest: Zipf's law with a flattened head."""
    p = np.linspace(0, 1, (1 << QUANTILE_BITS) + 1)
    power = 1 - LINE_SKEW
    head, tail = LINE_FLAT**power, (1 + LINE_FLAT) ** power
    rank = ((head + p * (tail - head)) ** (1 / power) - LINE_FLAT) * lines
    return Quantiles(np.clip(np.rint(rank), 0, lines).astype(np.int64))


def day_shape(minute_hour: np.ndarray, weekend: bool) -> np.ndarray:
    """Cumulative share of the day's records at the start of each minute, and 1 at the end.

    minute_hour: int64, the local hour of every minute of the day, of 23 to 25 hours; -1 where
    nothing may start.
    """
    hours = np.array(WEEKEND if weekend else WORKDAY)
    weight = np.where(minute_hour < 0, 0, hours[minute_hour]).cumsum()
    shape: np.ndarray = np.concatenate(([0], weight)) / weight[-1]
    return shape


def starts_between(shape: np.ndarray, share: tuple[float, float], step_s: int) -> Quantiles:
    """Seconds of the day in units of ``step_s`` between two shares of the day, half-open."""
    seconds = np.arange(len(shape)) * 60
    p = np.linspace(*share, (1 << QUANTILE_BITS) + 1)
    slots = (np.interp(p, shape, seconds) // step_s).astype(np.int64)
    return Quantiles(np.minimum(slots, max(slots[0], slots[-1] - 1)))
