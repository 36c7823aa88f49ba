"""Whether the bands of a rate give every local second of every day exactly one price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from tariffs.day_kinds import DayKind, day_kinds
from tariffs.model import ALL_DAYS, DAY_S, Band, Rate
from tariffs.units import days_text, time_text
from tollbook.text import Problems


@dataclass
class _Found:
    """Days on which something was found: a mask of their types, the first, how many kinds."""

    days: int = 0
    first: date = date.max
    kinds: int = 0

    def add(self, kind: DayKind) -> None:
        self.kinds += 1
        self.days |= 1 << kind.day_type
        self.first = min(self.first, kind.example)


@dataclass
class _Hours:
    """What was found over all kinds of day; bands by their place in the rate."""

    overlaps: dict[tuple[int, int], _Found] = field(default_factory=dict)
    gaps: dict[tuple[int, int], _Found] = field(default_factory=dict)
    deciding: set[int] = field(default_factory=set)
    kinds: Counter[int] = field(default_factory=Counter)  # of day, by day type

    def on(self, found: _Found) -> str:
        """The days in words, with an example where it is not all days of a type."""
        days = days_text(found.days) if found.days == ALL_DAYS else f"on {days_text(found.days)}"
        every = sum(count for kind, count in self.kinds.items() if found.days >> kind & 1)
        return days if found.kinds == every else f"on certain dates, the first {found.first},"


def check_bands(rate: Rate, problems: Problems) -> None:
    """Notes overlaps, hours without a price, and prices that are never in force."""
    if not rate.bands:
        return
    hours = _Hours()
    for kind in day_kinds(tuple(band.dates for band in rate.bands)):
        hours.kinds[kind.day_type] += 1
        holding = [
            number for number, band in enumerate(rate.bands)
            if band.days >> kind.day_type & 1 and kind.holds[number]
        ]  # fmt: skip
        _walk_day(rate.bands, holding, kind, hours)
    for (one, other), found in hours.overlaps.items():
        pair = rate.bands[one], rate.bands[other]
        _note_overlap(rate, pair, hours.on(found), problems)
    if not rate.tiers:
        _note_gaps(rate, hours, problems)
    elif not hours.gaps and not hours.overlaps:
        problems.warn((rate.at.file, rate.at.line), f"rate '{rate.name}': its own price is never "
                      "in force, because the bands cover all hours",
                      "a price for the hours that no band covers", "remove it, or a band")
    if not hours.overlaps:
        _note_hidden(rate, hours.deciding, problems)


def _walk_day(
    bands: Sequence[Band], holding: Sequence[int], kind: DayKind, hours: _Hours
) -> None:
    """Notes pairs that overlap with one weight, what no band covers, and the bands that decide."""
    for one, other in combinations(holding, 2):
        a, b = bands[one], bands[other]
        if a.weight == b.weight and a.from_s < b.to_s and b.from_s < a.to_s:
            hours.overlaps.setdefault((one, other), _Found()).add(kind)
    starts, ends = {bands[n].from_s for n in holding}, {bands[n].to_s for n in holding}
    edges = sorted({0, DAY_S} | starts | ends)
    open_from = -1
    for low in edges:
        over = [n for n in holding if bands[n].from_s <= low < bands[n].to_s]
        if over:
            hours.deciding.add(max(over, key=lambda number: bands[number].weight))
        if open_from >= 0 and (over or low == DAY_S):
            hours.gaps.setdefault((open_from, low), _Found()).add(kind)
            open_from = -1
        elif not over and open_from < 0 and low < DAY_S:
            open_from = low


def _note_overlap(rate: Rate, pair: tuple[Band, Band], on: str, problems: Problems) -> None:
    first, second = sorted(pair, key=lambda band: band.at.line)
    low, high = max(first.from_s, second.from_s), min(first.to_s, second.to_s)
    weight = f" with weight {first.weight}" if any(band.weight for band in rate.bands) else ""
    problems.add((second.at.file, second.at.line), f"rate '{rate.name}': bands '{first.name}' "
                 f"(line {first.at.line}) and '{second.name}' both hold {time_text(low)}-"
                 f"{time_text(high)} {on}{weight}",
                 "every local minute of every day type has exactly one price",
                 "shorten one of the bands, give them different days, or give the one that counts "
                 "a higher `weight`")


def _note_gaps(rate: Rate, hours: _Hours, problems: Problems) -> None:
    for (low, high), found in hours.gaps.items():
        problems.add((rate.at.file, rate.at.line), f"rate '{rate.name}': bands leave "
                     f"{time_text(low)}-{time_text(high)} {hours.on(found)} without a price",
                     "every local minute of every day type has exactly one price",
                     "add a band, or give the rate a `price` that holds elsewhere")


def _note_hidden(rate: Rate, deciding: set[int], problems: Problems) -> None:
    """Bands of which no part ever decides; a band over midnight has two parts."""
    in_force = {rate.bands[number].at for number in deciding}
    for band in {band.at: band for band in rate.bands if band.at not in in_force}.values():
        problems.warn((band.at.file, band.at.line), f"rate '{rate.name}': band '{band.name}' never "
                      "holds: bands of higher weight cover it, or its days and dates never meet",
                      "bands that decide the price of some hour",
                      "give it a higher `weight`, or remove it")
