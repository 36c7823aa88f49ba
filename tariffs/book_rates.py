"""The ``rates:`` of a plan file: price schedules of bands and tiers, as ``model.Rate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from tariffs import units
from tariffs.book_bands import read_band
from tariffs.book_memory import read_over
from tariffs.book_tiers import (
    NAME,
    NAME_ALLOWED,
    PRICE_KEYS,
    PRICE_LIMIT_NANO,
    Scope,
    is_mapping,
    read_price,
    read_prices,
    read_quantity,
    read_scope,
)
from tariffs.grammar import KEYS
from tariffs.model import BORDERS, CLOCKS, STAGES, Rate, Tier
from tariffs.when import Position
from tollbook.money import MICRO_DIGITS, NANO_DIGITS, ROUND_HALF_EVEN, ROUNDING_MODES
from tollbook.text import Node, Problems, Reader, did_you_mean

__all__ = ["PRICE_LIMIT_NANO", "Rates", "Rounding", "parse_rates", "read_rounding", "rounded"]

RESERVED: Final = ("free", "refuse")  # words that stand for a rate in rules
DROP: Final = "drop"
NONE: Final = "none"
SPLIT: Final = "split"  # what people call the border mode `unit` of volumes


class Rounding(NamedTuple):
    """``round``: the last rounding, and what is rounded before it; -1 as in model.Rate."""

    digits: int = MICRO_DIGITS
    mode: int = ROUND_HALF_EVEN
    stage: str = STAGES[0]
    stage_digits: int = -1
    stage_mode: int = -1


@dataclass(frozen=True)
class Rates:
    """The ``rates`` of one file.

    read: those without a problem. unread: names of the others. dropped: inherited rates that the
    file does without, and where it says so. rounded: names of rates with a ``round`` of their own.
    """

    read: Mapping[str, Rate]
    unread: frozenset[str] = frozenset()
    dropped: Mapping[str, Position] | None = None
    rounded: frozenset[str] = frozenset()


def parse_rates(node: Node | None, problems: Problems) -> Rates:
    """The rates that could be read; what is wrong with the others is noted."""
    if node is None:
        return Rates({})
    if not isinstance(node.value, dict):
        problems.add(node, f"rates is {node.kind}", "a mapping of names to rates",
                     "write `rates: {name: {per: 60s, price: 0.40}}`")
        return Rates({})
    rates, unread, dropped, own = {}, set(), {}, set()
    for name, child in node.value.items():
        before = problems.errors
        at = Position(node.file, node.key_lines[name])
        if not NAME.fullmatch(name) or name in RESERVED:
            problems.add((at.file, at.line), f"a rate is named '{name}'",
                         f"{NAME_ALLOWED}, not {' or '.join(RESERVED)}",
                         "give it another name")
        if child.value == DROP:
            dropped[name] = at
            continue
        rate = _read_rate(name, child, at, problems)
        if isinstance(child.value, dict) and "round" in child.value:
            own.add(name)
        if problems.errors == before:
            rates[name] = rate
        else:
            unread.add(name)
    return Rates(rates, frozenset(unread), dropped, frozenset(own))


def rounded(rate: Rate, rounding: Rounding) -> Rate:
    """The rate, rounded so."""
    return replace(rate, **rounding._asdict())


def _read_rate(name: str, node: Node, at: Position, problems: Problems) -> Rate:
    reader = Reader(node, problems, f"rate '{name}'", KEYS["rate"])
    if not is_mapping(reader):
        return Rate(name, "", (), at=at)
    outer = Scope(_unit_of(node), 0, 0)
    scope, first = read_scope(reader, outer)
    tiers = read_prices(reader, scope)
    if not tiers and "bands" not in reader and not PRICE_KEYS & reader.keys.keys():
        reader.missing("price", "price, tiers, or bands that cover every hour of every day type")
    children = reader.sequence("bands")
    bands = [band for child in children for band in read_band(reader, child, scope)]
    schedules = [tiers, *(band.tiers for band in bands)]
    minimum = read_price(reader, "minimum") if "minimum" in reader else 0
    rate = Rate(
        name=name,
        unit=scope.unit,
        tiers=tiers,
        bands=tuple(bands),
        first_increment=first,
        connect_nano=read_price(reader, "connect") if "connect" in reader else 0,
        minimum_nano=minimum,
        maximum_nano=_maximum(reader, minimum),
        short_call=_short_call(reader, scope.unit),
        apart=_volumes_apart(reader, scope.unit),
        at=at,
        border=_border(reader, scope.unit),
        free_quantity=read_quantity(reader, "free", scope.unit) if "free" in reader else 0,
        minimum_quantity=_minimum_quantity(reader, scope.unit),
        clock=reader.choice("clock", CLOCKS, CLOCKS[0]),
        is_template=_is_template(reader, schedules),
        over=read_over(reader),
    )
    return rounded(rate, read_rounding(reader)) if "round" in reader else rate


def _unit_of(node: Node) -> str:
    """The unit of the first ``per`` of a rate, in the order of reading: own, tiers, bands."""
    if not isinstance(node.value, dict):
        return ""
    per = node.value.get("per")
    if per is not None and isinstance(per.value, str):
        quantity = units.parse_quantity(per.value)
        return quantity[0] if quantity else ""
    for key in ("tiers", "bands"):
        for child in node.value[key].items() if key in node.value else ():
            if unit := _unit_of(child):
                return unit
    return ""


def _is_template(reader: Reader, schedules: list[tuple[Tier, ...]]) -> bool:
    """Whether prices are percentages of a deck row's: all of them must be, or none."""
    percents = [tier.percent_nano > 0 for tiers in schedules for tier in tiers]
    if any(percents) and not all(percents):
        reader.wrong("price", "some prices are of a deck and some are not",
                     "all prices as `price: deck` or `percent`, or all as amounts",
                     "write every price as a percentage of the deck's, or use two rates")
    return any(percents)


def _maximum(reader: Reader, minimum: int) -> int:
    if "maximum" not in reader:
        return 0
    maximum = read_price(reader, "maximum")
    if maximum < max(minimum, 1):
        reader.wrong("maximum", f"'maximum' is '{reader.text('maximum')}'",
                     "more than 0, and not less than 'minimum'",
                     "leave it out where there is none; for no charge use the price 0")
    return maximum


def read_rounding(outer: Reader) -> Rounding:
    """``round``, which is there: a mapping, or the word none (as exactly as amounts are kept)."""
    node = outer.keys["round"]
    if node.value == NONE:
        return Rounding()
    reader = Reader(node, outer.problems, f"{outer.name}, round", KEYS["round"])
    if not is_mapping(reader):
        return Rounding()
    modes = (*ROUNDING_MODES, NONE)
    if reader.keys.get("mode") is not None and reader.keys["mode"].value == NONE:
        digits = reader.integer("digits", MICRO_DIGITS, MICRO_DIGITS, MICRO_DIGITS)
        mode = ROUND_HALF_EVEN
    else:
        digits = reader.integer("digits", 0, MICRO_DIGITS)
        mode = ROUNDING_MODES.get(reader.choice("mode", modes), ROUND_HALF_EVEN)
    stage = reader.choice("stage", STAGES, STAGES[0])
    for key in ("stage_digits", "stage_mode"):
        if key in reader and stage == STAGES[0]:
            reader.wrong(key, f"'{key}' without a 'stage' before the last rounding",
                         f"'{key}' beside `stage: increment`, segment or cgrates",
                         "name the stage, or remove it")
    stage_digits = reader.integer("stage_digits", digits, NANO_DIGITS, -1)
    stage_mode = -1
    if "stage_mode" in reader:
        stage_mode = ROUNDING_MODES.get(reader.choice("stage_mode", tuple(ROUNDING_MODES)), -1)
    return Rounding(digits, mode, stage, stage_digits, stage_mode)


def _short_call(reader: Reader, unit: str) -> int:
    if "short_call" not in reader:
        return 0
    inner = Reader(reader.keys["short_call"], reader.problems, f"{reader.name}, short_call",
                   KEYS["short_call"])  # fmt: skip
    if not is_mapping(inner):
        return 0
    if inner.price_nano("price"):
        inner.wrong("price", f"'price' is '{inner.text('price')}'",
                    "0: usage up to that length is free", "write price: 0, or use tiers")
    return read_quantity(inner, "up_to", unit)


def _volumes_apart(reader: Reader, unit: str) -> bool:
    if "volumes" not in reader:
        return False
    apart = reader.choice("volumes", ("together", "apart")) == "apart"
    if unit != "byte":
        reader.wrong("volumes", f"'volumes' on a rate that counts {unit or 'unknown unit'}s",
                     "only on rates per volume, such as per: 1KiB", "remove 'volumes'")
    return apart


def _border(reader: Reader, unit: str) -> str:
    """The border mode; "" where none is written, which is the unit's own."""
    if "border" not in reader:
        return ""
    words = (*BORDERS, SPLIT) if unit == "byte" else BORDERS
    found = reader.text("border", None, " | ".join(words))
    if found and found not in words:
        advice = "write unit" if found == SPLIT else did_you_mean(found, words, "use these words")
        reader.wrong("border", f"'border' is '{found}'", " | ".join(words), advice)
        return ""
    return BORDERS[0] if found == SPLIT else found


def _minimum_quantity(reader: Reader, unit: str) -> int:
    """``minimum_duration`` of seconds, ``minimum_volume`` of bytes; 0: none."""
    found = 0
    for key, fitting in (("minimum_duration", "second"), ("minimum_volume", "byte")):
        if key in reader and unit not in (fitting, ""):
            reader.wrong(key, f"'{key}' on a rate that counts {unit}s",
                         f"'{key}' on rates per {fitting}", f"remove '{key}'")
        elif key in reader:
            found = read_quantity(reader, key, unit)
    return found
