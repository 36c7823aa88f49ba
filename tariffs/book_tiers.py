"""Prices of a tariff book: ``per``, ``increments``, ``price``, ``percent`` and ``tiers``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tariffs import units
from tariffs.grammar import KEYS
from tariffs.model import Tier
from tollbook.money import NANO
from tollbook.text import Node, Reader

PRICE_LIMIT_NANO: Final = 10**9 * NANO  # 1,000,000,000 of the currency unit: fits int64
PERCENT_WHOLE_NANO: Final = 100 * NANO  # the row's price as it is
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_ALLOWED: Final = "letters, digits and . _ - (at most 64), beginning with a letter or digit"
DECK_PRICE: Final = "deck"  # `price: deck`: what the row of the deck says
PRICE_KEYS: Final = frozenset({"price", "percent", "tiers"})

_PERCENT_LIMIT_NANO: Final = 1000 * NANO
_PRICE_ALLOWED: Final = "a price from 0 to 1000000000 with at most 9 decimals"


class Scope(NamedTuple):
    """What a band or tier takes over from what surrounds it; zeros: nothing was said yet."""

    unit: str
    per: int
    increment: int


def is_mapping(reader: Reader) -> bool:
    """Whether there is anything to read; if not, the Reader has noted it."""
    return isinstance(reader.node.value, dict)


def read_scope(reader: Reader, outer: Scope) -> tuple[Scope, int]:
    """``per`` and ``increments`` of a rate, band or tier; also the first increment, 0 if alike."""
    unit, per, increment = outer
    if "per" in reader:
        quantity = read_quantity(reader, "per", unit)
        per = increment = quantity or per
    if "increments" not in reader:
        return Scope(unit, per, increment), 0
    written = reader.text("increments", None, units.INCREMENTS_ALLOWED)
    found = units.parse_increments(written, unit)
    if found is None:
        if written:
            reader.wrong("increments", f"'increments' is '{written}'", units.INCREMENTS_ALLOWED,
                         f"write numbers of {unit or 'unit'}s, such as 60/6")
        return Scope(unit, per, increment), 0
    first, increment = found
    return Scope(unit, per, increment), first if first != increment else 0


def inner_scope(reader: Reader, outer: Scope) -> Scope:
    """``per`` and ``increments`` of a band or a tier, which have no first increment."""
    scope, first = read_scope(reader, outer)
    if first:
        reader.wrong("increments", "'increments' names a first increment",
                     "first/following on the rate itself; one quantity here",
                     "move the first increment to the rate")
    return scope


def read_quantity(reader: Reader, key: str, unit: str) -> int:
    """A quantity with its unit, which must be ``unit`` unless that is ""; 0 after a problem."""
    written = reader.text(key, None, units.PER_ALLOWED)
    quantity = units.parse_quantity(written)
    if quantity is None:
        if written:
            reader.wrong(key, f"'{key}' is '{written}'", units.PER_ALLOWED,
                         units.quantity_advice(written))
        return 0
    if unit and quantity[0] != unit:
        reader.wrong(key, f"'{key}' is '{written}', in {quantity[0]}s",
                     f"one unit in the whole rate, here {unit}s", "split the rate in two")
        return 0
    return quantity[1]


def read_price(reader: Reader, key: str) -> int:
    """A price of zero or more, in nano; 0 after a problem was noted."""
    found = reader.price_nano(key)
    if not 0 <= found <= PRICE_LIMIT_NANO:
        reader.wrong(key, f"'{key}' is '{reader.text(key)}'", _PRICE_ALLOWED,
                     "a charge is never negative: book credits as discounts" if found < 0
                     else "correct the price")
        return 0
    return found


def read_prices(reader: Reader, scope: Scope) -> tuple[Tier, ...]:
    """``price`` or ``percent`` as a single tier, or ``tiers``; empty if there is none of them."""
    if "tiers" in reader and ("price" in reader or "percent" in reader):
        one = "price" if "price" in reader else "percent"
        reader.wrong("tiers", f"both '{one}' and 'tiers'", "one of the two",
                     f"make the {one} the last tier")
        return ()
    if "price" in reader or "percent" in reader:
        if not scope.per and "per" not in reader:
            reader.missing("per", units.PER_ALLOWED)
        return (_tier(reader, 0, scope),)
    if "tiers" not in reader:
        return ()
    nodes = reader.sequence("tiers")
    if not nodes:
        reader.wrong("tiers", "'tiers' is empty", "one tier or more", "write a price instead")
    return _read_tiers(reader, nodes, scope)


def _tier(reader: Reader, start: int, scope: Scope) -> Tier:
    price, percent = _price_or_percent(reader)
    fee = read_price(reader, "fee") if "fee" in reader else 0
    return Tier(start, price, scope.per, scope.increment, fee, percent)


def _price_or_percent(reader: Reader) -> tuple[int, int]:
    """A price in nano, or the percentage (times 10**9) of what a deck's row says."""
    if "percent" not in reader:
        node = reader.keys.get("price")
        if node is not None and node.value == DECK_PRICE:
            return 0, PERCENT_WHOLE_NANO
        return read_price(reader, "price"), 0
    if "price" in reader:
        reader.wrong("percent", "both 'price' and 'percent'", "one of the two",
                     "write a price, or a percentage of what the deck's row says")
    before = reader.problems.errors
    percent = reader.price_nano("percent")
    if not 0 < percent <= _PERCENT_LIMIT_NANO:
        if reader.problems.errors == before:
            reader.wrong("percent", f"'percent' is '{reader.text('percent')}'",
                         "more than 0, and at most 1000", "write 60 for 60 per cent of the row; "
                         "what costs nothing is a charge `free` of a rule")
        return 0, PERCENT_WHOLE_NANO
    return 0, percent


def _read_tiers(outer: Reader, nodes: tuple[Node, ...], scope: Scope) -> tuple[Tier, ...]:
    tiers, start = [], 0
    for number, node in enumerate(nodes, 1):
        reader = Reader(node, outer.problems, f"{outer.name}, tier {number}", KEYS["tier"])
        if not is_mapping(reader):
            continue
        own = inner_scope(reader, scope)
        if not own.per and "per" not in reader:
            reader.missing("per", units.PER_ALLOWED)
        tiers.append(_tier(reader, start, own))
        if number == len(nodes):
            if "up_to" in reader:
                reader.wrong("up_to", "the last tier ends at 'up_to'",
                             "a last tier without 'up_to', so that every length has a price",
                             "remove 'up_to', or add a tier after it")
        elif "up_to" not in reader:
            reader.missing("up_to", "on every tier but the last: where it ends, from the start")
        else:
            end = read_quantity(reader, "up_to", own.unit)
            if 0 < end <= start:
                reader.wrong("up_to", f"'up_to' is '{reader.text('up_to')}', not after the tier "
                             "before it", "tiers that ascend; 'up_to' counts from the start of "
                             "the usage", "order the tiers, or correct 'up_to'")
            start = end or start
    return tuple(tiers)
