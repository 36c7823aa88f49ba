"""The steps of a price as lines of a screen, for ``explain`` and ``tariff price``.

A step is a heading, what, how many at which price, from when to when, an amount and a remark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Final

from rating.trace import Component, Segment
from tariffs.model import Position, Rate
from tollbook import clock, money
from tollbook.cli.common import count

# Heading, what, how many at which price, from when to when, amount, remark. Without an amount: a
# line of words.
Step = tuple[str, str, str, str, str, str]

_BYTES: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_ROUNDING: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_HEADING_SIZE: Final = 11
_NANO_A_MICRO: Final = 1000
_REST_DIGITS: Final = 12  # decimals shown of an amount that has no end


def line(heading: str, text: str) -> str:
    """A heading in its column, and what stands under it."""
    return f"  {heading:<{_HEADING_SIZE}}{text}"


def at_text(position: Position) -> str:
    """``tariffs/standard.yaml:17``."""
    return f"{position.file}:{position.line}"


def component_name(component: Component) -> str:
    """The rate, and the deck that named it if one did."""
    if component.rate is None:
        return "free"
    return f"{component.rate.name} by {component.deck}" if component.deck else component.rate.name


def component_steps(component: Component, name: str, zone: str) -> Iterator[Step]:
    """How a component came about: increments, fee, sum, bounds, the one rounding."""
    rate = component.rate
    if rate is None:
        yield _sum(name, Fraction(0))
        return
    if not component.segments:
        most = quantity_text(rate.unit, rate.short_call)
        why = f"{most} or less cost nothing" if component.is_short else "nothing was used"
        yield _sum(f"{name}: {why}", Fraction(0))
        return
    for segment in component.segments:
        yield ("", *_segment(segment, rate, name, zone), _nano(segment.amount_nano), "")
    if rate.connect_nano:
        yield _sum("connection fee", Fraction(rate.connect_nano))
    if len(component.segments) > 1 or rate.connect_nano:
        added = (segment.amount_nano for segment in component.segments)
        yield _sum("together", sum(added, Fraction(rate.connect_nano)))
    if component.bound:
        yield _sum(f"{component.bound} of {name}", component.exact_nano)
    is_named = (rate.digits, rate.mode) != (money.MICRO_DIGITS, money.ROUND_HALF_EVEN)
    rounded_nano = Fraction(component.charge_micro * _NANO_A_MICRO)
    if is_named or component.exact_nano != rounded_nano:
        to = f"to {count(rate.digits, 'decimal')}"
        yield _sum(f"rounded {_ROUNDING[rate.mode]} {to}", rounded_nano)


def _sum(what: str, amount_nano: Fraction) -> Step:
    return "", what, "", "", _nano(amount_nano), ""


def _segment(segment: Segment, rate: Rate, name: str, zone: str) -> tuple[str, str, str]:
    """What, how many at which price, and from when to when where that matters."""
    tiers = rate.tiers if not segment.band else next(
        band.tiers for band in rate.bands if band.name == segment.band
    )  # fmt: skip
    words = [name] + [segment.band] * bool(segment.band)
    words += [f"tier {segment.tier}"] * (len(tiers) > 1)
    times = ""
    if rate.unit == "second" and (rate.bands or len(tiers) > 1):
        since, until = (clock.local_text(moment, zone)[-8:]
                        for moment in (segment.from_utc_s, segment.to_utc_s))  # fmt: skip
        times = f"{since} .. {until}"
    per = "" if segment.per == segment.increment else (
        f" per {quantity_text(rate.unit, segment.per)}")  # fmt: skip
    increment = quantity_text(rate.unit, segment.increment)
    price = money.format_nano(segment.price_nano)
    return " ".join(words), f"{segment.count:,} x {increment} at {price}{per}", times


def quantity_text(unit: str, quantity: int) -> str:
    """``60 s``, ``1 KiB``, ``2 events``."""
    if unit == "event":
        return count(quantity, "event")
    if unit == "second":
        return f"{quantity:,} s"
    for name, size in _BYTES:
        if quantity and quantity % size == 0:
            return f"{quantity // size:,} {name}"
    return f"{quantity:,} B"


def _nano(amount_nano: Fraction) -> str:
    """An exact amount; one without an end is cut, and says so."""
    digits = money.NANO_DIGITS
    while digits < money.NANO_DIGITS + _REST_DIGITS and amount_nano.denominator != 1:
        amount_nano, digits = amount_nano * 10, digits + 1
    whole, rest = divmod(int(amount_nano), 10**digits)
    fraction = f"{rest:0{digits}d}"
    if amount_nano.denominator != 1:
        return f"{whole}.{fraction[:_REST_DIGITS]}..."
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def aligned(steps: Sequence[Step]) -> list[str]:
    """The steps below each other: columns of words, amounts by their decimal points."""
    sums = [step for step in steps if step[4]]
    widths = [max((len(step[column]) for step in sums), default=0) for column in (1, 2, 3)]
    points = [step[4].partition(".") for step in steps]
    whole = max((len(units) for units, _, _ in points), default=0)
    places = max((1 + len(fraction) for _, _, fraction in points), default=0)
    lines = []
    for step, (units, point, fraction) in zip_longest(steps, points):
        heading, *words, amount, remark = step
        if not amount:
            lines.append(line(heading, words[0]))
            continue
        cells = [word.ljust(width) for word, width in zip(words, widths, strict=True)]
        value = f"{units:>{whole}}{point}{fraction}".ljust(whole + places)
        lines.append(line(heading, f"{'  '.join(cells)}  {value}  {remark}").rstrip())
    return lines
