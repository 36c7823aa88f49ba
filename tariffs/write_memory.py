"""Allowances, counters and caps written back as text, and the conditions of rules and items."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from tariffs.memory_model import Allowance, Cap, Counter, Memory, Prorate, Span
from tariffs.when import When
from tariffs.write_rates import WIDTH, Pairs, flow, listed, period_text, quantity, word
from tollbook import money

_UNITS: Final = {
    "second": (("h", 3600), ("min", 60), ("s", 1)),
    "byte": (
        ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("TB", 10**12),
        ("GB", 10**9), ("MB", 10**6), ("KB", 10**3), ("B", 1),
    ),
}  # fmt: skip
_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_DEFAULT: Final = "subscription"


def memory_lines(memory: Memory) -> list[str]:
    """What a version has under ``allowances``, ``counters``, ``caps``, and their terms."""
    lines = []
    if memory.not_discountable or memory.late != Memory().late:
        lines.append("")
    if memory.not_discountable:
        lines.append(f"not_discountable: {listed(memory.not_discountable)}")
    if memory.late != Memory().late:
        lines.append(f"late: {memory.late}")
    for key, items in (
        ("allowances", [_allowance(one) for one in memory.allowances]),
        ("counters", [_counter(one) for one in memory.counters]),
        ("caps", [_cap(one) for one in memory.caps]),
    ):
        if items:
            lines += ["", f"{key}:", *(line for pairs in items for line in _item(pairs))]
    return lines


def amount_text(measure: str, value: int, unit_size: int = 0) -> str:
    """``170min``, ``20GiB``, ``100 events``, ``50.00``, in units of that size if there are such."""
    if measure == "money":
        digits = len(str(money.MICRO // unit_size)) - 1 if unit_size else 2
        return money.format_micro(value, max(digits, 1))
    if measure not in _UNITS:
        return quantity(measure, value)
    fitting = [(name, size) for name, size in _UNITS[measure] if value % size == 0]
    named = [(name, size) for name, size in fitting if size == unit_size]
    name, size = (named or fitting)[0]
    return f"{value // size}{name}"


def _item(pairs: Pairs) -> list[str]:
    """An item on one line if that fits, else a key a line."""
    one_line = f"  - {flow(pairs)}"
    if len(one_line) <= WIDTH:
        return [one_line]
    return [f"{'    ' if at else '  - '}{key}: {value}" for at, (key, value) in enumerate(pairs)]


def _allowance(one: Allowance) -> Pairs:
    unit_size = one.prorate.unit_size if one.prorate.by != "none" else 0
    amount = "unlimited" if one.amount < 0 else amount_text(one.measure, one.amount, unit_size)
    pairs = [("name", word(one.name)), ("amount", amount), *_scope(one.when, one.covers)]
    if one.measure != "money":
        pairs.append(("increment", amount_text(one.measure, one.increment)))
    pairs += _holder(one.owner, one.span)
    if one.priority:
        pairs.append(("priority", str(one.priority)))
    said = (("mode", one.mode, "partial"), ("rest", one.rest, "after"), ("price", one.price, ""),
            ("draws_on", one.draws_on, ""))  # fmt: skip
    pairs += [(key, word(value)) for key, value, default in said if value != default]
    if one.per_member:
        pairs.append(("per_member", "yes"))
    if one.prorate.by != "none":
        pairs.append(("prorate", _prorate(one.prorate, one.measure, amount)))
    if one.rollover_spans:
        limit = amount_text(one.measure, one.rollover_limit)
        pairs.append(("rollover", flow([("limit", limit), ("periods", str(one.rollover_spans))])))
    return pairs


def _prorate(prorate: Prorate, measure: str, amount: str) -> str:
    pairs = [("by", prorate.by)]
    if prorate.add_nano:
        pairs.append(("add", money.format_nano(prorate.add_nano, 1)))
    if prorate.mode != money.ROUND_DOWN:
        pairs.append(("round", _MODES[prorate.mode]))
    unit = amount_text(measure, prorate.unit_size, prorate.unit_size)
    if measure == "money":
        is_written = len(amount.partition(".")[2]) == len(unit.partition(".")[2])
    else:
        is_written = measure == "event" or amount.lstrip("0123456789") == unit.lstrip("1")
    if not is_written:
        pairs.append(("unit", unit))
    return flow(pairs) if len(pairs) > 1 else prorate.by


def _counter(one: Counter) -> Pairs:
    measure = one.measure if one.measure == "money" else f"{one.measure}s"
    return [("name", word(one.name)), ("measure", measure), *_scope(one.when, one.covers),
            *_holder(one.owner, one.span)]  # fmt: skip


def _cap(one: Cap) -> Pairs:
    pairs = [("name", word(one.name)), ("amount", money.format_micro(one.amount_micro)),
             *_scope(one.when, one.covers), *_holder(one.owner, one.span)]  # fmt: skip
    if one.priority:
        pairs.append(("priority", str(one.priority)))
    return [*pairs, ("beyond", word(one.beyond))] if one.beyond else pairs


def _scope(when: When, covers: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if when != When():
        yield "when", flow(when_pairs(when))
    if covers:
        yield "covers", listed(covers)


def _holder(owner: str, span: Span) -> Iterator[tuple[str, str]]:
    if owner != _DEFAULT:
        yield "owner", owner
    if span.kind != "month":
        yield "period", period_text(span)
    ends: tuple[tuple[str, date | None], ...] = (("from", span.valid_from), ("to", span.valid_to))
    valid = [(key, str(day)) for key, day in ends if day is not None]
    if valid:
        yield "valid", flow(valid)


def when_pairs(when: When) -> Pairs:
    """The conditions of a rule or an item as they are written."""
    lists = (
        ("service", when.service), ("direction", when.direction), ("roaming", when.roaming),
        ("relation", when.relation), ("home_relation", when.home_relation),
        ("to", when.to_zone), ("from", when.from_zone), ("home", when.home_zone),
        ("carrier", when.carrier), ("access_code", when.access_code),
        ("forward", when.forward), ("boundary", when.boundary),
    )  # fmt: skip
    flags = (
        ("on_net", when.on_net), ("special", when.special), ("same_place", when.same_place),
        ("friend", when.friend), ("group", when.group),
    )  # fmt: skip
    return [
        *((key, listed(words)) for key, words in lists if words),
        *((key, "yes" if flag else "no") for key, flag in flags if flag is not None),
    ]
