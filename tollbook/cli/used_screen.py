"""What a call took from allowances, caps and the like, on the screen."""

from __future__ import annotations

import pyarrow as pa

from tariffs.compiler import CompiledBook
from tariffs.memory_model import MEASURES
from tariffs.words import quantity_text
from tollbook.cli import steps_screen
from tollbook.money import format_micro
from tollbook.stage import ints

MONEY = "money"


def used_lines(
    batch: pa.RecordBatch, row: int, compiled: CompiledBook, currency: str
) -> list[str]:
    """What a row of ``schemas.RATED`` has used, in its order, and what was charged then; [] if
    nothing."""  # fmt: skip
    lines = []
    for entry in batch.column("used")[row].as_py():
        _, kind, name = compiled.items[entry["item"]].split("/", 2)
        measure = _measure(compiled, entry["item"])
        before, taken = (_amount(measure, entry[key]) for key in ("before", "taken"))
        is_discount = kind == "discount"
        said = f"{taken} off {before}" if is_discount else f"{taken}, after {before} before"
        lines.append(steps_screen.line("used", f"{kind} {name}: {said}"))
    if lines:
        charged = format_micro(int(ints(batch, "charge_micro")[row]))
        lines.append(steps_screen.line("charged", f"{charged} {currency}"))
    return lines


def _measure(compiled: CompiledBook, item: int) -> str:
    """A word of MEASURES; discounts stand behind the items and are money."""
    memory = compiled.memory
    if memory is None or item >= len(memory.item_measures):
        return MONEY
    return MEASURES[memory.item_measures[item]]


def _amount(measure: str, amount: int) -> str:
    return format_micro(amount) if measure == MONEY else quantity_text(measure, amount)
