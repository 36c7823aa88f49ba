"""The price of a call on the screen: its steps, and what it took from what is included."""

from __future__ import annotations

import pyarrow as pa

from rating.trace_steps import Trace
from tariffs.compiler import CompiledBook
from tariffs.memory_model import MEASURES
from tariffs.words import quantity_text
from tollbook.cli import steps_screen
from tollbook.money import format_micro
from tollbook.stage import ints

MONEY = "money"


def price_lines(
    found: Trace, batch: pa.RecordBatch, row: int, compiled: CompiledBook
) -> list[str]:
    """Steps of a row of ``schemas.RATED``, then what it used; and what was charged, where the steps
    are those of its price as if nothing had been used before it."""  # fmt: skip
    charged = int(ints(batch, "charge_micro")[row])
    currency = found.plan.currency if found.plan else ""
    used = _used(batch, row, compiled)
    is_same = bool(used) or charged == found.charge_micro
    said = currency if is_same else f"{currency}, NOT AS THE STEPS SAY"
    lines = [*steps_screen.aligned([*steps_screen.price_steps(found, said)]), *used]
    if used and charged != found.charge_micro:
        lines.append(steps_screen.line("charged", f"{format_micro(charged)} {currency}"))
    return lines


def _used(batch: pa.RecordBatch, row: int, compiled: CompiledBook) -> list[str]:
    """What a row has used, in its order, but for discounts, which are steps of the price."""
    memory, lines = compiled.memory, []
    for entry in batch.column("used")[row].as_py():
        if memory is None or entry["item"] >= len(memory.item_names):
            continue
        _, kind, name = memory.item_names[entry["item"]].split("/", 2)
        measure = MEASURES[memory.item_measures[entry["item"]]]
        before, taken = (_amount(measure, entry[key]) for key in ("before", "taken"))
        lines.append(steps_screen.line("used", f"{kind} {name}: {taken}, after {before} before"))
    return lines


def _amount(measure: str, amount: int) -> str:
    return format_micro(amount) if measure == MONEY else quantity_text(measure, amount)
