"""The ``rates:`` of a plan file: price schedules of bands and tiers, as ``model.Rate``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tariffs import units
from tariffs.model import ALL_DAYS, DAY_S, Band, Position, Rate, Tier
from tollbook.money import MICRO_DIGITS, NANO, ROUND_HALF_EVEN, ROUNDING_MODES
from tollbook.text import Node, Problems, Reader, did_you_mean

PRICE_LIMIT_NANO: Final = 10**9 * NANO  # 1,000,000,000 of the currency unit: fits int64
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_ALLOWED: Final = "letters, digits and . _ - (at most 64), beginning with a letter or digit"
RESERVED: Final = ("free", "refuse")  # words that stand for a rate in rules

_RATE_KEYS: Final = ("per", "price", "increments", "bands", "tiers", "connect", "minimum",
                     "maximum", "short_call", "round", "volumes")  # fmt: skip
_BAND_KEYS: Final = ("from", "to", "days", "name", "per", "price", "increments", "tiers")
_TIER_KEYS: Final = ("up_to", "per", "price", "increments")
_PRICE_ALLOWED: Final = "a price from 0 to 1000000000 with at most 9 decimals"


class _Scope(NamedTuple):
    """What a band or tier takes over from what surrounds it; zeros: nothing was said yet."""

    unit: str
    per: int
    increment: int


def parse_rates(node: Node | None, problems: Problems) -> tuple[tuple[Rate, ...], frozenset[str]]:
    """The rates that could be read, and the names of those in which a problem was noted."""
    if node is None:
        return (), frozenset()
    if not isinstance(node.value, dict):
        problems.add(node, f"rates is {node.kind}", "a mapping of names to rates",
                     "write `rates: {name: {per: 60s, price: 0.40}}`")
        return (), frozenset()
    rates, unread = [], set()
    for name, child in node.value.items():
        before = problems.errors
        at = Position(node.file, node.key_lines[name])
        if not NAME.fullmatch(name) or name in RESERVED:
            problems.add((at.file, at.line), f"a rate is named '{name}'",
                         f"{NAME_ALLOWED}, not {' or '.join(RESERVED)}", "give it another name")
        rate = _read_rate(name, child, at, problems)
        if problems.errors == before:
            rates.append(rate)
        else:
            unread.add(name)
    return tuple(rates), frozenset(unread)


def is_mapping(reader: Reader) -> bool:
    """Whether there is anything to read; if not, the Reader has noted it."""
    return isinstance(reader.node.value, dict)


def _read_rate(name: str, node: Node, at: Position, problems: Problems) -> Rate:
    reader = Reader(node, problems, f"rate '{name}'", _RATE_KEYS)
    if not is_mapping(reader):
        return Rate(name, "", (), at=at)
    outer = _Scope(_unit_of(node), 0, 0)
    scope, first = _scope(reader, outer)
    tiers = _prices(reader, scope)
    if not tiers and "bands" not in reader and not {"price", "tiers"} & reader.keys.keys():
        reader.missing("price", "price, tiers, or bands that cover every hour of every day type")
    children = reader.sequence("bands")
    bands = [band for child in children for band in _read_band(reader, child, scope)]
    minimum = read_price(reader, "minimum") if "minimum" in reader else 0
    maximum = _maximum(reader, minimum)
    digits, mode = _rounding(reader)
    return Rate(
        name=name,
        unit=scope.unit,
        tiers=tiers,
        bands=tuple(bands),
        first_increment=first,
        connect_nano=read_price(reader, "connect") if "connect" in reader else 0,
        minimum_nano=minimum,
        maximum_nano=maximum,
        short_call=_short_call(reader, scope.unit),
        apart=_volumes_apart(reader, scope.unit),
        digits=digits,
        mode=mode,
        at=at,
    )


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


def _scope(reader: Reader, outer: _Scope) -> tuple[_Scope, int]:
    """``per`` and ``increments`` of a rate, band or tier; also the first increment, 0 if alike."""
    unit, per, increment = outer
    if "per" in reader:
        quantity = read_quantity(reader, "per", unit)
        per = increment = quantity or per
    if "increments" not in reader:
        return _Scope(unit, per, increment), 0
    written = reader.text("increments", None, units.INCREMENTS_ALLOWED)
    found = units.parse_increments(written, unit)
    if found is None:
        if written:
            reader.wrong("increments", f"'increments' is '{written}'", units.INCREMENTS_ALLOWED,
                         f"write numbers of {unit or 'unit'}s, such as 60/6")
        return _Scope(unit, per, increment), 0
    first, increment = found
    return _Scope(unit, per, increment), first if first != increment else 0


def _inner_scope(reader: Reader, outer: _Scope) -> _Scope:
    scope, first = _scope(reader, outer)
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


def _prices(reader: Reader, scope: _Scope) -> tuple[Tier, ...]:
    """``price`` as a single tier, or ``tiers``; empty if there is neither."""
    if "price" in reader and "tiers" in reader:
        reader.wrong("tiers", "both 'price' and 'tiers'", "one of the two",
                     "make the price the last tier")
        return ()
    if "price" in reader:
        if not scope.per and "per" not in reader:
            reader.missing("per", units.PER_ALLOWED)
        return (Tier(0, read_price(reader, "price"), scope.per, scope.increment),)
    if "tiers" not in reader:
        return ()
    nodes = reader.sequence("tiers")
    if not nodes:
        reader.wrong("tiers", "'tiers' is empty", "one tier or more", "write a price instead")
    return _read_tiers(reader, nodes, scope)


def _read_tiers(outer: Reader, nodes: tuple[Node, ...], scope: _Scope) -> tuple[Tier, ...]:
    tiers, start = [], 0
    for number, node in enumerate(nodes, 1):
        reader = Reader(node, outer.problems, f"{outer.name}, tier {number}", _TIER_KEYS)
        if not is_mapping(reader):
            continue
        own = _inner_scope(reader, scope)
        if not own.per and "per" not in reader:
            reader.missing("per", units.PER_ALLOWED)
        tiers.append(Tier(start, read_price(reader, "price"), own.per, own.increment))
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


def _read_band(outer: Reader, node: Node, scope: _Scope) -> tuple[Band, ...]:
    """One band, or two where it runs over midnight: both are the same local day's hours."""
    reader = Reader(node, outer.problems, f"{outer.name}, band", _BAND_KEYS)
    if not is_mapping(reader):
        return ()
    from_s, to_s = _time(reader, "from", 0), _time(reader, "to", DAY_S)
    days = _days(reader)
    tiers = _prices(reader, _inner_scope(reader, scope))
    if not tiers and not {"price", "tiers"} & reader.keys.keys():
        reader.missing("price", "a price or tiers of its own")
    span = f"{units.time_text(from_s)}-{units.time_text(to_s)}"
    name = span if days == ALL_DAYS else f"{units.days_text(days)} {span}"
    name = reader.text("name", name)
    at = Position(node.file, node.line)
    if from_s == to_s:
        reader.wrong("to", f"the band begins and ends at {units.time_text(from_s)}",
                     "an end after the beginning", "write from: 00:00 and to: 24:00 for all day")
        return ()
    spans = [(from_s, to_s)] if from_s < to_s else [(0, to_s), (from_s, DAY_S)]
    return tuple(Band(days, low, high, tiers, name, at) for low, high in spans if low < high)


def _time(reader: Reader, key: str, default: int) -> int:
    written = reader.text(key, units.time_text(default), units.TIME_ALLOWED)
    found = units.parse_time_s(written)
    if found is None:
        reader.wrong(key, f"'{key}' is '{written}'", units.TIME_ALLOWED,
                     "write the time with two digits for the hour, such as 07:00")
        return default
    return found


def _days(reader: Reader) -> int:
    if "days" not in reader:
        return ALL_DAYS
    mask = 0
    for word in reader.texts("days"):
        found = units.parse_day(word)
        if found is None:
            reader.wrong("days", f"'days' names '{word}'", units.DAYS_ALLOWED,
                         did_you_mean(word, units.DAYS_ALLOWED.split(", "), "use these words"))
        mask |= found or 0
    if not reader.texts("days"):
        reader.wrong("days", "'days' names no day", units.DAYS_ALLOWED,
                     "leave 'days' out where the band holds every day")
    return mask or ALL_DAYS


def _maximum(reader: Reader, minimum: int) -> int:
    if "maximum" not in reader:
        return 0
    maximum = read_price(reader, "maximum")
    if maximum < max(minimum, 1):
        reader.wrong("maximum", f"'maximum' is '{reader.text('maximum')}'",
                     "more than 0, and not less than 'minimum'",
                     "leave it out where there is none; for no charge use the price 0")
    return maximum


def _rounding(reader: Reader) -> tuple[int, int]:
    if "round" not in reader:
        return MICRO_DIGITS, ROUND_HALF_EVEN
    inner = Reader(reader.keys["round"], reader.problems, f"{reader.name}, round",
                   ("digits", "mode"))  # fmt: skip
    if not is_mapping(inner):
        return MICRO_DIGITS, ROUND_HALF_EVEN
    digits = inner.integer("digits", 0, MICRO_DIGITS)
    return digits, ROUNDING_MODES.get(inner.choice("mode", tuple(ROUNDING_MODES)), ROUND_HALF_EVEN)


def _short_call(reader: Reader, unit: str) -> int:
    if "short_call" not in reader:
        return 0
    inner = Reader(reader.keys["short_call"], reader.problems, f"{reader.name}, short_call",
                   ("up_to", "price"))  # fmt: skip
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
