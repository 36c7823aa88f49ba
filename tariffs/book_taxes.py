"""A file with ``taxes``, and the span of days that taxes and plan versions are valid for."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from tariffs import units
from tariffs.book_tiers import is_mapping
from tariffs.grammar import KEYS
from tariffs.model import TaxRate
from tariffs.when import Position
from tollbook import clock
from tollbook.money import NANO
from tollbook.text import Node, Problems, Reader

ALWAYS: Final = date(1970, 1, 1)  # a version without `valid` holds from the first accepted day on
_PERCENT_LIMIT_NANO: Final = 1000 * NANO
_DAY_ALLOWED: Final = "a day such as 2003-06-10, or a day and time such as 2003-06-10T14:00"


class Span(NamedTuple):
    """[first, to) of ``valid: {from: ..., to: ...}``, a day and its second; ``to`` None: open."""

    first: date
    to: date | None
    at: Position
    first_s: int = 0
    to_s: int = 0


def read_taxes(node: Node, problems: Problems) -> tuple[TaxRate, ...]:
    """A file with ``taxes``: a list of dated rates by tax class."""
    outer = Reader(node, problems, "the file", KEYS["taxes"])
    taxes = []
    for child in outer.sequence("taxes"):
        reader = Reader(child, problems, "a tax", KEYS["tax"])
        if not is_mapping(reader):
            continue
        before = problems.errors
        tax_class = reader.text("class", None, "a word such as standard")
        reader.name = f"tax '{tax_class}'"
        percent = reader.price_nano("percent")
        if not 0 <= percent <= _PERCENT_LIMIT_NANO:
            reader.wrong("percent", f"'percent' is '{reader.text('percent')}'", "from 0 to 1000",
                         "write 6 for six per cent")
        span = read_span(reader, Position(child.file, child.line))
        name = reader.text("name", tax_class)
        if problems.errors == before:
            at = Position(child.file, child.line)
            taxes.append(TaxRate(tax_class, name, percent, span.first, span.to, at))
    return tuple(taxes)


def read_span(outer: Reader, at: Position, timed: bool = False) -> Span:
    """``valid``; without it: from 1970 on. timed: its ends may have a time of day."""
    if "valid" not in outer:
        return Span(ALWAYS, None, at)
    reader = Reader(outer.keys["valid"], outer.problems, f"{outer.name}, valid", KEYS["valid"])
    at = Position(outer.node.file, outer.node.key_lines["valid"])
    read = _read_moment if timed else _read_day
    first, first_s = read(reader, "from")
    to, to_s = read(reader, "to")
    first = first or ALWAYS
    if to is not None and (to, to_s) <= (first, first_s):
        reader.wrong("to", f"'to' is '{reader.text('to')}', not after 'from' "
                     f"{reader.text('from', str(first))}",
                     "an end after the beginning; 'to' is the first day without it",
                     "correct one of the two days")
        to, to_s = None, 0
    return Span(first, to, at, first_s, to_s)


def _read_day(reader: Reader, key: str) -> tuple[date | None, int]:
    return reader.date(key), 0


def _read_moment(reader: Reader, key: str) -> tuple[date | None, int]:
    """A day, or a day and a time; None if absent or malformed."""
    written = reader.text(key, "", _DAY_ALLOWED)
    match = re.fullmatch(r"([^T]*)T(.*)", written)
    if match is None:
        return reader.date(key), 0
    day, second = clock.parse_date(match[1]), units.parse_time_s(match[2])
    if day is None or second is None or second == clock.DAY_S:
        reader.wrong(key, f"'{key}' is '{written}'", _DAY_ALLOWED,
                     "write the time as HH:MM or HH:MM:SS; 24:00 is 00:00 of the next day")
        return None, 0
    return day, second
