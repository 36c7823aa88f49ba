"""Quantities of balances as screens show them: 7,200 s, 2.00 CNY, 3 events."""

from __future__ import annotations

from typing import Final

from tariffs.model import Book
from tollbook import money

MONEY: Final = "money"
_UNITS: Final = {"second": " s", "byte": " B", "event": ""}


def balance_text(value: int, measure: str, currency: str) -> str:
    """measure: a word of memory_model.MEASURES, or "" where it is not known."""
    if measure == MONEY:
        return f"{money.format_micro(value)} {currency}"
    return f"{value:,}{_UNITS.get(measure, '')}"


def measure_of(book: Book, item: str) -> str:
    """What an item (plan/kind/name) of a book counts; "": the book does not have it."""
    plan_id, kind, name = item.rsplit("/", 2)
    if kind in ("cap", "discount"):
        return MONEY
    for version in (one for plan in book.plans if plan.plan_id == plan_id for one in plan.versions):
        memory = version.memory
        if kind == "tiers":
            found = {rate.name: rate.unit for rate in version.rates}
        else:
            items = memory.allowances if kind == "allowance" else memory.counters
            found = {one.name: one.measure for one in items}
        if name in found:
            return found[name]
    return ""
