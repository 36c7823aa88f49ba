"""High usage, the arithmetic: amounts in SDR, thresholds of segments, levels. Exact, no state."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction

from tollbook.high_usage import Rule


def sdr_price_micro(prices: Sequence[tuple[date, int]], day: date) -> int:
    """What an SDR costs on a day; before the first day as on it."""
    place = bisect_right([since for since, _ in prices], day)
    return prices[max(place - 1, 0)][1]


def in_sdr(fees: Iterable[tuple[int, int]]) -> Fraction:
    """SDR in micro: fees in micro, each with the price of an SDR (micro) on its day."""
    return sum((Fraction(fee * 10**6, price) for fee, price in fees), Fraction(0))


def threshold_of(rule: Rule, plan: str, imsi: str) -> int:
    """The threshold of level 1: that of the first segment that fits, else the rule's own."""
    for segment in rule.segments:
        if segment.plans and plan not in segment.plans:
            continue
        if segment.imsi and not any(imsi.startswith(prefix) for prefix in segment.imsi):
            continue
        return segment.threshold
    return rule.levels[0]


def level_of(levels: Sequence[int], threshold: int, amount: Fraction) -> int:
    """The highest level whose least amount is reached; 0: none.

    levels: least amounts where the threshold is ``levels[0]``; they are multiplied by threshold /
    ``levels[0]``. A level begins at its least amount and ends below that of the next one.
    """
    scaled = [Fraction(least * threshold, levels[0]) for least in levels]
    return bisect_right(scaled, amount)


def level_above(
    levels: Sequence[int], threshold: int, amount: Fraction, mean: Fraction
) -> int:
    """The highest level whose multiple of a mean is exceeded; 0: none.

    levels, threshold: in millionths. What is just a multiple does not exceed it, so that nobody
    who uses nothing is above a mean of nothing.
    """
    scaled = [mean * Fraction(least * threshold, levels[0] * 10**6) for least in levels]
    return bisect_left(scaled, amount)


def least_of(rule: Rule) -> int:
    """The lowest threshold of all segments: what stays below it has no level."""
    return min((rule.levels[0], *(segment.threshold for segment in rule.segments)))
