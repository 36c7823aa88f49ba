"""Whether the bands of a rate give every local second of every day type exactly one price."""

from __future__ import annotations

from tariffs.model import ALL_DAYS, DAY_S, DAY_TYPES, Band, Rate
from tariffs.units import days_text, time_text
from tollbook.text import Problems


def check_bands(rate: Rate, problems: Problems) -> None:
    """Notes overlaps, hours without a price, and a base price that no hour is left for."""
    if not rate.bands:
        return
    overlaps: dict[tuple[Band, Band], int] = {}
    gaps: dict[tuple[int, int], int] = {}
    for day in range(len(DAY_TYPES)):
        bit = 1 << day
        met, open_spans = _walk_day([band for band in rate.bands if band.days & bit])
        for pair in met:
            overlaps[pair] = overlaps.get(pair, 0) | bit
        for span in open_spans:
            gaps[span] = gaps.get(span, 0) | bit
    for (one, other), days in overlaps.items():
        _note_overlap(rate, one, other, days, problems)
    if not rate.tiers:
        _note_gaps(rate, gaps, problems)
    elif not gaps and not overlaps:
        problems.warn((rate.at.file, rate.at.line), f"rate '{rate.name}': its own price is never "
                      "in force, because the bands cover all hours",
                      "a price for the hours that no band covers", "remove it, or a band")


def _walk_day(bands: list[Band]) -> tuple[list[tuple[Band, Band]], list[tuple[int, int]]]:
    """Pairs of bands that overlap on one day, and the spans that none of them covers."""
    met, open_spans = [], []
    end, last = 0, None
    for band in sorted(bands, key=lambda band: (band.from_s, band.to_s)):
        if last is not None and band.from_s < end:
            met.append((last, band))
        if band.from_s > end:
            open_spans.append((end, band.from_s))
        if band.to_s > end:
            end, last = band.to_s, band
    if end < DAY_S:
        open_spans.append((end, DAY_S))
    return met, open_spans


def _note_overlap(rate: Rate, one: Band, other: Band, days: int, problems: Problems) -> None:
    first, second = sorted((one, other), key=lambda band: band.at.line)
    low, high = max(one.from_s, other.from_s), min(one.to_s, other.to_s)
    problems.add((second.at.file, second.at.line), f"rate '{rate.name}': bands '{first.name}' "
                 f"(line {first.at.line}) and '{second.name}' both hold {time_text(low)}-"
                 f"{time_text(high)} {_on(days)}",
                 "every local minute of every day type has exactly one price",
                 "shorten one of the bands, or give them different days")


def _note_gaps(rate: Rate, gaps: dict[tuple[int, int], int], problems: Problems) -> None:
    for (low, high), days in gaps.items():
        problems.add((rate.at.file, rate.at.line), f"rate '{rate.name}': bands leave "
                     f"{time_text(low)}-{time_text(high)} {_on(days)} without a price",
                     "every local minute of every day type has exactly one price",
                     "add a band, or give the rate a `price` that holds elsewhere")


def _on(days: int) -> str:
    return days_text(days) if days == ALL_DAYS else f"on {days_text(days)}"
