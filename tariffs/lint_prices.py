"""Prices that are well written and probably not meant: units mistaken, tiers never begun, rounding.

Everything here is a warning; an author who means it leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple

from tariffs.known import Edition, Known
from tariffs.model import DAY_S, Band, PriceRange, Rate, Tier
from tariffs.rate_limits import schedules, stage_digits, stage_mode
from tariffs.units import quantity_text, seconds_text
from tariffs.when import Position
from tollbook.money import MICRO_DIGITS, NANO_DIGITS, format_nano, round_div
from tollbook.text import Problems

_ALIKE: Final = 2  # prices within this factor look alike to a reader
_PER_APART: Final = 60  # seconds and minutes, minutes and hours
_LONG_AGO_S: Final = 10**9  # 31 years: nobody counts a usage in these
_SHORT_CALL_MAX_S: Final = 300
_STEPS_A_PER: Final = 10  # increments that last this many `per` are probably in another unit
MICRO_NANO: Final = 10 ** (NANO_DIGITS - MICRO_DIGITS)
ROUND_ADVICE: Final = ("write round: {digits: 2, mode: half_up}, or round: none to keep "
                       "millionths")  # fmt: skip


class _Priced(NamedTuple):
    """One tier of one rate, and where it stands."""

    rate: Rate
    tier: Tier
    at: Position


def lint_prices(edition: Edition, known: Known, problems: Problems) -> None:
    """All warnings about the prices of one edition."""
    for rate in edition.version.rates:
        for lint in _LINTS:
            lint(rate, problems)
        _tier_beyond_limit(rate, known, problems)
        _clock_unknown(rate, known, problems)
        _never_rounded(rate, edition, problems)
        if edition.version.version_change == "start":
            _border_useless(rate, problems)
    priced = [one for rate in edition.version.rates if not rate.is_template
              for one in _tiers(rate)]  # fmt: skip
    _price_range(priced, edition.version.price_range, problems)
    _unit_mistaken(priced, problems)
    for rate, replaced in edition.replaced:
        _rate_same(rate, replaced, problems)


def _warn(at: Position, rate: Rate, found: str, allowed: str, do: str, problems: Problems) -> None:
    problems.warn((at.file, at.line), f"rate '{rate.name}': {found}", allowed, do)


def _tiers(rate: Rate) -> Iterator[_Priced]:
    for tier in rate.tiers:
        yield _Priced(rate, tier, rate.at)
    for band in {band.at: band for band in rate.bands}.values():  # over midnight: two, one text
        for tier in band.tiers:
            yield _Priced(rate, tier, band.at)


def _text(tier: Tier, unit: str) -> str:
    return f"{format_nano(tier.price_nano)} per {quantity_text(tier.per, unit)}"


def _tier_unreachable(rate: Rate, problems: Problems) -> None:
    """Tiers in which no increment ever begins."""
    if rate.border_mode == "restart" or rate.over:  # a usage begins anywhere in a period's tiers
        return
    for tiers, at in _schedules(rate):
        begun = _begun(tiers, rate.free_quantity, rate.first_increment)
        for number in sorted(set(range(len(tiers))) - begun):
            low, high = tiers[number].from_quantity, tiers[number + 1].from_quantity
            before = max((n for n in begun if n < number), default=-1)
            if before < 0:  # it lies within what is free
                continue
            _warn(at, rate, f"tier {number + 1} ({quantity_text(low, rate.unit)} to "
                  f"{quantity_text(high, rate.unit)}) is never begun: an increment of tier "
                  f"{before + 1} lasts {quantity_text(tiers[before].increment, rate.unit)}",
                  "tiers that end where an increment of the tier before ends",
                  "correct 'up_to' or 'increments', or use border: restart", problems)


def _begun(tiers: Sequence[Tier], free: int, first_increment: int) -> set[int]:
    """The tiers in which an increment of a long usage begins, by their place."""
    begun, position, first = set(), free, first_increment
    while True:
        number = max(n for n, tier in enumerate(tiers) if tier.from_quantity <= position)
        begun.add(number)
        if number == len(tiers) - 1:
            return begun
        step = first or tiers[number].increment
        left = 1 if first else tiers[number + 1].from_quantity - position
        position, first = position - (-left // step) * step, 0


def _schedules(rate: Rate) -> Iterator[tuple[tuple[Tier, ...], Position]]:
    if rate.tiers:
        yield rate.tiers, rate.at
    yield from {band.at: (band.tiers, band.at) for band in rate.bands}.values()


def _tier_beyond_limit(rate: Rate, known: Known, problems: Problems) -> None:
    name, limit = {"second": ("duration", known.duration_limit_s),
                   "byte": ("volume", known.volume_limit_bytes)}.get(rate.unit, ("", 0))
    for tiers, at in () if rate.over else _schedules(rate):
        for number, tier in enumerate(tiers, 1):
            if 0 < limit <= tier.from_quantity:
                _warn(at, rate, f"tier {number} begins at "
                      f"{quantity_text(tier.from_quantity, rate.unit)}, `limits: {name}` of "
                      f"operator.yaml is {quantity_text(limit, rate.unit)}",
                      "tiers that a usage can reach", "correct 'up_to', or remove the tier",
                      problems)  # fmt: skip


def _price_range(
    priced: Sequence[_Priced], ranges: Sequence[PriceRange], problems: Problems
) -> None:
    for declared in ranges:
        for rate, tier, at in priced:
            if rate.unit == declared.unit and not fits_range(tier.price_nano, tier.per, declared):
                price = Fraction(tier.price_nano * declared.per, tier.per)
                _warn(at, rate, f"costs {_decimal(price)} for "
                      f"{quantity_text(declared.per, declared.unit)}, declared is "
                      f"{range_text(declared)}", "prices in the `price_range` of the plan",
                      "correct the price, or the range", problems)


def fits_range(price_nano: int, per: int, declared: PriceRange) -> bool:
    """Whether a price per so many base units is one that the plan declares."""
    price = price_nano * declared.per
    low = price >= declared.min_nano * per
    return low and (not declared.max_nano or price <= declared.max_nano * per)


def range_text(declared: PriceRange) -> str:
    """``"0.01 to 20.00"``."""
    low, high = format_nano(declared.min_nano), format_nano(declared.max_nano)
    if not declared.max_nano:
        return f"{low} or more"
    return f"{low} to {high}" if declared.min_nano else f"up to {high}"


def _decimal(nano: Fraction) -> str:
    return format_nano(round_div(nano.numerator, nano.denominator, 4))


def _unit_mistaken(priced: Sequence[_Priced], problems: Problems) -> None:
    """Prices that look alike for quantities that are far apart: one of them is in a wrong unit."""
    told = set()
    dear = sorted((one for one in priced if one.tier.price_nano), key=lambda one: one.tier.per)
    for number, one in enumerate(dear):
        for other in reversed(dear[number + 1 :]):
            low, high = sorted((one.tier.price_nano, other.tier.price_nano))
            if (
                one.rate.unit == other.rate.unit and one.at not in told
                and other.tier.per >= _PER_APART * one.tier.per and high <= _ALIKE * low
            ):  # fmt: skip
                times = (one.tier.price_nano * other.tier.per
                         // (other.tier.price_nano * one.tier.per))  # fmt: skip
                told.add(one.at)
                _warn(one.at, one.rate, f"{_text(one.tier, one.rate.unit)} is {times} times rate "
                      f"'{other.rate.name}' ({_text(other.tier, other.rate.unit)})",
                      "prices of one plan for quantities of one size",
                      f"is `per: {quantity_text(other.tier.per, other.rate.unit)}` meant?",
                      problems)


def _unit_nanoseconds(rate: Rate, problems: Problems) -> None:
    if rate.unit != "second":
        return
    quantities = {
        "increments": max(rate.first_increment, *(t.increment for _, t, _ in _tiers(rate))),
        "per": max(tier.per for _, tier, _ in _tiers(rate)),
        "up_to": max(tier.from_quantity for _, tier, _ in _tiers(rate)),
        "short_call": rate.short_call,
        "free": rate.free_quantity,
        "minimum_duration": rate.minimum_quantity,
    }
    for key, found in quantities.items():
        if found >= _LONG_AGO_S:
            _warn(rate.at, rate, f"'{key}' is {found} seconds ({found // (365 * DAY_S)} years)",
                  "seconds: 60s, 1min, 1h", "are these nanoseconds? write 60s for 60000000000",
                  problems)  # fmt: skip
            return


def _increment_beyond_per(rate: Rate, problems: Problems) -> None:
    for _, tier, at in _tiers(rate):
        if rate.unit == "second" and _STEPS_A_PER * tier.per <= tier.increment < _LONG_AGO_S:
            _warn(at, rate, f"'increments' of {seconds_text(tier.increment)} with per: "
                  f"{seconds_text(tier.per)}", "increments that are about as long as `per`, or "
                  "shorter", f"a number without a unit counts seconds: is "
                  f"{seconds_text(max(1, tier.increment // 60))} meant?", problems)


def _never_rounded(rate: Rate, edition: Edition, problems: Problems) -> None:
    """Amounts finer than what is kept, and nobody said how they are rounded."""
    if rate.name not in edition.unrounded or rate.is_template:
        return
    for _, tier, at in _tiers(rate):
        steps = [tier.increment] + [rate.first_increment] * bool(rate.first_increment)
        for step in steps:
            if not is_kept(tier.price_nano, step, tier.per):
                _warn(at, rate, f"amounts have more than {MICRO_DIGITS} decimals "
                      f"({_text(tier, rate.unit)}, steps of {quantity_text(step, rate.unit)}), and "
                      "there is no `round`", "a `round` of the rate or of the plan", ROUND_ADVICE,
                      problems)  # fmt: skip
                return


def is_kept(price_nano: int, step: int, per: int) -> bool:
    """Whether an increment's amount is a whole number of millionths."""
    return not price_nano * step % (per * MICRO_NANO)


def _stage_coarse(rate: Rate, problems: Problems) -> None:
    digits = stage_digits(rate)
    if rate.stage != "increment" or rate.is_template:
        return
    unit_nano = 10 ** (NANO_DIGITS - digits)
    for _, tier, at in _tiers(rate):
        amount = Fraction(tier.price_nano * tier.increment, tier.per)
        rest = round_div(amount.numerator, amount.denominator * unit_nano, stage_mode(rate))
        if amount and not rest:
            _warn(at, rate, f"stage increment at {digits} digits: an increment of "
                  f"{_decimal(amount)} becomes {format_nano(0, digits)}",
                  "stages fine enough that something is left", "give more `stage_digits`", problems)


def _short_call_long(rate: Rate, problems: Problems) -> None:
    if rate.unit == "second" and _SHORT_CALL_MAX_S <= rate.short_call < _LONG_AGO_S:
        _warn(rate.at, rate, f"'short_call' of {seconds_text(rate.short_call)} frees every call of "
              "up to that length", "a few seconds", "write 3s for three seconds; for free minutes "
              "use `free`", problems)


def _free_beyond_minimum(rate: Rate, problems: Problems) -> None:
    if 0 < rate.minimum_quantity <= rate.free_quantity:
        minimum, free = (quantity_text(quantity, rate.unit)
                         for quantity in (rate.minimum_quantity, rate.free_quantity))  # fmt: skip
        _warn(rate.at, rate, f"a minimum of {minimum} with {free} free: no usage is priced by it",
              "a minimum that is longer than what is free", "correct one of the two", problems)


def _border_useless(rate: Rate, problems: Problems) -> None:
    one_price = len(schedules(rate)) == 1 and all(len(t) == 1 for t, _ in schedules(rate))
    if rate.border not in ("", "unit") and one_price:
        _warn(rate.at, rate, f"border {rate.border} on a rate with one price",
              "a border mode where bands or tiers meet", "remove 'border', or add the bands",
              problems)


def _clock_unknown(rate: Rate, known: Known, problems: Problems) -> None:
    if rate.clock in ("home", "visited") and known.has_zone_clocks is False:
        _warn(rate.at, rate, f"clock {rate.clock}, but no zone has a time zone of its own",
              "the column time_zone in network/zones.csv", "fill it in, or remove 'clock'",
              problems)


def _rate_same(rate: Rate, replaced: Rate, problems: Problems) -> None:
    if _without_places(rate) == _without_places(replaced):
        _warn(rate.at, rate, f"is equal to the one it replaces ({replaced.at.file}:"
              f"{replaced.at.line})", "rates that differ from those that are taken over",
              "remove it here: it is taken over as it is", problems)


def _without_places(rate: Rate) -> Rate:
    bands: tuple[Band, ...] = tuple(replace(band, at=Position()) for band in rate.bands)
    return replace(rate, at=Position(), bands=bands)


_LINTS: Final[tuple[Callable[[Rate, Problems], None], ...]] = (
    _tier_unreachable, _unit_nanoseconds, _increment_beyond_per, _stage_coarse, _short_call_long,
    _free_beyond_minimum,
)  # fmt: skip
