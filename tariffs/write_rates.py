"""Rates of a book written back as text: words, quantities and mappings as a person writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from tariffs.memory_model import Over, Span
from tariffs.model import ALL_DAYS, DAY_S, DAY_TYPES, Band, Dates, Rate, Tier
from tariffs.units import time_text
from tollbook import money

WIDTH: Final = 100  # a mapping that fits stands on one line
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*|\d{4}-\d{2}-\d{2}")
_VOLUMES: Final = (
    ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10),
    ("GB", 10**9), ("MB", 10**6), ("KB", 10**3),
)  # fmt: skip
_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
Pairs = Sequence[tuple[str, str]]  # keys and values, as they are written


def word(text: str) -> str:
    """A text as YAML has it: quoted unless it is a plain word or a day."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def quantity(unit: str, value: int) -> str:
    """Base units with the largest unit that divides them: ``60s``, ``1KiB``, ``3 events``."""
    if unit == "event":
        return "event" if value == 1 else f"{value} events"
    if unit == "second":
        return f"{value}s"
    for name, size in _VOLUMES:
        if value % size == 0:
            return f"{value // size}{name}"
    return f"{value}B"


def price(price_nano: int) -> str:
    """``0.40``: at least two decimals, never fewer than are exact."""
    return money.format_nano(price_nano)


def flow(pairs: Pairs) -> str:
    """``{key: value, ...}``."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def listed(words: Iterable[str]) -> str:
    """``[a, b]``, or the one word alone."""
    found = [word(one) for one in words]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def mapping(head: str, pairs: Pairs, blocks: Mapping[str, Sequence[Pairs]]) -> list[str]:
    """Lines of ``head: {...}``: on one line if that fits, else a key a line.

    blocks: keys whose values are lists of mappings, one item a line.
    """
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    inline = [*pairs, *((key, f"[{', '.join(map(flow, items))}]") for key, items in blocks.items())]
    one_line = f"{head}: {flow(inline)}"
    if len(one_line) <= WIDTH and all(len(items) < 2 for items in blocks.values()):
        return [one_line]
    lines = [f"{head}:", *(f"{indent}{key}: {value}" for key, value in pairs)]
    for key, items in blocks.items():
        lines += [f"{indent}{key}:", *(f"{indent}  - {flow(item)}" for item in items)]
    return lines


def rate_lines(rate: Rate) -> list[str]:
    """One rate under ``rates:``."""
    base = (rate.tiers or rate.bands[0].tiers)[0]
    first = rate.first_increment or base.increment
    pairs = [("per", quantity(rate.unit, base.per))]
    if first != base.per or base.increment != base.per:
        pairs.append(("increments", _increments(first, base.increment)))
    blocks: dict[str, Sequence[Pairs]] = {}
    if _is_single(rate.tiers):
        pairs += _amount(rate.tiers[0])
    elif rate.tiers:
        blocks["tiers"] = _tiers(rate, rate.tiers, base)
    pairs += _options(rate)
    if rate.bands:
        blocks["bands"] = [_band(rate, band, base) for band in rate.bands]
    return mapping(f"  {rate.name}", pairs, blocks)


def _increments(first: int, following: int) -> str:
    return f"{first}/{following}" if first != following else str(following)


def _is_single(tiers: Sequence[Tier]) -> bool:
    """Whether ``price`` (or ``percent``) says all."""
    return len(tiers) == 1 and not tiers[0].fee_nano


def _amount(tier: Tier) -> Pairs:
    if tier.percent_nano == 100 * money.NANO:
        return [("price", "deck")]
    if tier.percent_nano:
        return [("percent", money.format_nano(tier.percent_nano, 0))]
    return [("price", price(tier.price_nano))]


def _steps(unit: str, tier: Tier, base: Tier) -> Pairs:
    """``per`` and ``increments`` where they are not those of the rate."""
    pairs = []
    if tier.per != base.per:
        pairs.append(("per", quantity(unit, tier.per)))
    implied = tier.per if pairs else base.increment
    return pairs + ([("increments", str(tier.increment))] if tier.increment != implied else [])


def _tiers(rate: Rate, tiers: Sequence[Tier], base: Tier) -> list[Pairs]:
    found: list[Pairs] = []
    for number, tier in enumerate(tiers, 1):
        pairs: list[tuple[str, str]] = []
        if number < len(tiers):
            pairs.append(("up_to", quantity(rate.unit, tiers[number].from_quantity)))
        pairs += [*_steps(rate.unit, tier, base), *_amount(tier)]
        if tier.fee_nano:
            pairs.append(("fee", price(tier.fee_nano)))
        found.append(pairs)
    return found


def _band(rate: Rate, band: Band, base: Tier) -> Pairs:
    pairs: list[tuple[str, str]] = []
    if band.name:
        pairs.append(("name", word(band.name)))
    if band.days != ALL_DAYS:
        pairs.append(("days", listed(_days(band.days))))
    if band.dates != Dates():
        pairs.append(("dates", dates_text(band.dates)))
    if (band.from_s, band.to_s) != (0, DAY_S) or len(pairs) < 1 + bool(band.name):
        pairs += [("from", f'"{time_text(band.from_s)}"'), ("to", f'"{time_text(band.to_s)}"')]
    if band.weight:
        pairs.append(("weight", str(band.weight)))
    if band.connect_nano >= 0:
        pairs.append(("connect", price(band.connect_nano)))
    if _is_single(band.tiers):
        return [*pairs, *_steps(rate.unit, band.tiers[0], base), *_amount(band.tiers[0])]
    tiers = ", ".join(map(flow, _tiers(rate, band.tiers, base)))
    return [*pairs, ("tiers", f"[{tiers}]")]


def _days(days: int) -> list[str]:
    return [name for bit, name in enumerate(DAY_TYPES) if days >> bit & 1]


def dates_text(dates: Dates) -> str:
    """A list of days and spans, or a mapping of months, days and years; ValueError for both."""
    days = [_span(since, until) for since, until in dates.spans]
    days += [_yearly(low) + (f"..{_yearly(high)}" if low != high else "")
             for low, high in dates.yearly]  # fmt: skip
    parts = (("months", dates.months), ("days", dates.month_days), ("years", dates.years))
    pairs = [
        (key, f"[{', '.join('last' if one < 0 else str(one) for one in values)}]")
        for key, values in parts if values
    ]  # fmt: skip
    if (days and pairs) or (dates.spans and dates.yearly):
        raise ValueError(f"a band holds on days of two kinds, which text cannot say: {dates}")
    return flow(pairs) if pairs else f"[{', '.join(days)}]"


def _span(since: date, until: date) -> str:
    """Days [since, until) with the last day included, as people write them."""
    last = until - timedelta(days=1)
    return since.isoformat() + (f"..{last}" if last > since else "")


def _yearly(key: int) -> str:
    return f"{key // 100:02d}-{key % 100:02d}"


def _options(rate: Rate) -> Pairs:
    pairs = []
    minimum = {"second": "minimum_duration", "byte": "minimum_volume"}.get(rate.unit, "minimum")
    for key, value in (("free", rate.free_quantity), (minimum, rate.minimum_quantity)):
        if value:
            pairs.append((key, quantity(rate.unit, value)))
    if rate.short_call:
        pairs.append(("short_call", flow([("up_to", quantity(rate.unit, rate.short_call)),
                                          ("price", "0")])))  # fmt: skip
    for key, nano in (("connect", rate.connect_nano), ("minimum", rate.minimum_nano),
                      ("maximum", rate.maximum_nano)):  # fmt: skip
        if nano:
            pairs.append((key, price(nano)))
    if rate.apart:
        pairs.append(("volumes", "apart"))
    if rate.border:
        pairs.append(("border", rate.border))
    if rate.clock != "tariff":
        pairs.append(("clock", rate.clock))
    if rate.over:
        pairs.append(("tiers_over", over_text(rate.over)))
    return pairs + _round(rate)


def over_text(over: Over) -> str:
    """``tiers_over``: the period alone, or with its owner and settlement."""
    period = period_text(over.span)
    more = [("owner", over.owner)] if over.owner != Over().owner else []
    more += [("settle", over.settle)] if over.settle != Over().settle else []
    return flow([("period", period), *more]) if more else period


def period_text(span: Span) -> str:
    """``month``, ``30d``."""
    return f"{span.days}d" if span.kind == "days" else span.kind


def _round(rate: Rate) -> list[tuple[str, str]]:
    plain = (rate.digits, rate.mode) == (money.MICRO_DIGITS, money.ROUND_HALF_EVEN)
    if plain and rate.stage == "component":
        return []
    pairs = [("digits", str(rate.digits)), ("mode", _MODES[rate.mode])]
    if rate.stage != "component":
        pairs.append(("stage", rate.stage))
    if rate.stage_digits >= 0:
        pairs.append(("stage_digits", str(rate.stage_digits)))
    if rate.stage_mode >= 0:
        pairs.append(("stage_mode", _MODES[rate.stage_mode]))
    return [("round", flow(pairs))]
