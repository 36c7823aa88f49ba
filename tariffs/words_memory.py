"""Allowances, counters, caps and tiers of a period in words, for ``tariff show`` and ``diff``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tariffs.memory_model import Allowance, Cap, Counter, Memory, Over, Prorate, Span
from tariffs.units import quantity_text
from tariffs.when import When
from tariffs.write_memory import amount_text
from tollbook import money

Item = Allowance | Counter | Cap
_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_PERIODS: Final = {"month": "a month", "day": "a day", "once": "in all"}
_ALL: Final = "all that may be discounted"
UNSAID: Final = {  # what holds where an item does not say it
    "for": "everything",
    "shared by": "nobody: each subscription has its own",
    "priority": "0",
    "in steps of": "1 s, 1 B or 1 event",
    "mode": "partial",
    "the rest": "stays where it is in the usage",
    "at rate": "none: what is covered costs nothing",
    "prorated": "not: always the whole",
    "rolls over": "not",
    "valid": "always",
}


def items_of(memory: Memory) -> Iterator[tuple[str, Item]]:
    """All items, each with its kind and name: ``allowance minutes``."""
    for kind, items in (("allowance", memory.allowances), ("counter", memory.counters),
                        ("cap", memory.caps)):  # fmt: skip
        for item in items:
            yield f"{kind} {item.name}", item


def facts(item: Item, when: str) -> dict[str, str]:
    """What an item says, by what it is about; when: its conditions in words, "" for none."""
    found = {"amount": _amount(item)}
    if when:
        found["for"] = when
    found["covers"] = ", ".join(item.covers) or _ALL
    if isinstance(item, Counter) and item.measure != "money":
        del found["covers"]
    if item.owner != "subscription":
        found["shared by"] = f"the {item.owner}"
    if valid := _valid(item.span):
        found["valid"] = valid
    if not isinstance(item, Counter) and item.priority:
        found["priority"] = str(item.priority)
    if isinstance(item, Cap):
        found["beyond it"] = f"rate {item.beyond}" if item.beyond else "free"
    return found | (_terms(item) if isinstance(item, Allowance) else {})


def item_text(item: Item, when: str) -> str:
    """The same in one line: ``170min a month; for voice; covers airtime``."""
    (_, amount), *more = facts(item, when).items()
    return "; ".join([amount, *(f"{name} {said}" for name, said in more)])


def over_words(over: Over) -> str:
    """``a month of the account, settled as a whole``."""
    period = f"{over.span.days} days" if over.span.kind == "days" else _PERIODS[over.span.kind]
    said = f"{period} of the {over.owner}"
    return said + (", settled as a whole" if over.settle == "whole" else "")


def period_words(span: Span) -> str:
    """``a month``, ``every 30 days``."""
    return f"every {span.days} days" if span.kind == "days" else _PERIODS[span.kind]


def settings(memory: Memory) -> dict[str, str]:
    """What a version says of all of its items."""
    return {
        "not discountable": ", ".join(memory.not_discountable),
        "late records": memory.late,
    }


def is_conditioned(item: Item) -> bool:
    """Whether an item holds for some usage only."""
    return item.when != When()


def _amount(item: Item) -> str:
    if isinstance(item, Cap):
        return f"{money.format_micro(item.amount_micro)} {period_words(item.span)}"
    if isinstance(item, Counter):
        what = item.measure if item.measure == "money" else f"{item.measure}s"
        return f"{what} {period_words(item.span)}"
    many = "unlimited" if item.amount < 0 else amount_text(item.measure, item.amount)
    each = " for each subscription" if item.per_member else ""
    return f"{many}{each} {period_words(item.span)}"


def _valid(span: Span) -> str:
    since = f"from {span.valid_from}" if span.valid_from else ""
    return " ".join(filter(None, [since, f"until {span.valid_to}" if span.valid_to else ""]))


def _terms(one: Allowance) -> dict[str, str]:
    found = {}
    if one.measure not in ("money", "event", "") and one.increment > 1:
        found["in steps of"] = quantity_text(one.increment, one.measure)
    if one.mode != "partial":
        found["mode"] = one.mode
    if one.rest != "after":
        found["the rest"] = "is priced from the start"
    for name, said in (("at rate", one.price), ("draws on", one.draws_on)):
        if said:
            found[name] = said
    if one.prorate.by != "none":
        found["prorated"] = _prorated(one.prorate, one.measure)
    if one.rollover_spans:
        limit = amount_text(one.measure, one.rollover_limit)
        spans = f"{one.rollover_spans} periods" if one.rollover_spans > 1 else "1 period"
        found["rolls over"] = f"for {spans}, at most {limit}"
    return found


def _prorated(prorate: Prorate, measure: str) -> str:
    unit = amount_text(measure, prorate.unit_size, prorate.unit_size)
    plus = f" plus {money.format_nano(prorate.add_nano, 1)}" if prorate.add_nano else ""
    by = {"days": "by days", "half_month": "by half months"}[prorate.by]
    return f"{by}{plus}, {_MODES[prorate.mode]} to {unit}"
