"""Discounts of calls that people write down: each call names those that are for it.

Without customers only discounts for whole plans are for anybody. A call that names others is priced
as a record of somebody who has just these: their conditions decide then, as in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from rating import trace, trace_discounts, trace_stored
from rating.tables import fixed
from rating.trace_steps import Trace, Used
from rating.trace_stored import Stored
from rating.trial import Context, facts_of
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook
from tariffs.discount_kernels import Selection
from tariffs.memory_model import Discount
from tollbook import clock, schemas
from tollbook.columns import Table
from tollbook.stage import int_array, ints, with_columns
from tollbook.text import Problems, did_you_mean

COLUMN: Final = "discounts"
NONE: Final = "none"  # as a cell: no discount at all


@dataclass(frozen=True)
class Chosen:
    """Calls as somebody's who has the discounts that they name."""

    batches: Sequence[pa.RecordBatch]
    context: Context


def chosen(
    calls: Table, batches: Sequence[pa.RecordBatch], context: Context, named: Sequence[str],
    problems: Problems,
) -> Chosen:  # fmt: skip
    """The calls with their discounts. named: those of calls whose cell is empty; (): all for their
    plan. What no discount is called is noted."""
    cells = calls[COLUMN].dictionary_encode()
    texts = cells.dictionary.to_pylist()
    if not named and not any(texts):
        return Chosen(batches, context)
    tables = context.compiled.discounts
    bits = {name: 1 << place for place, name in enumerate(tables.names)}
    for name in named:
        _check(name, bits, ("--discount", 0), problems)
    for cell, text in enumerate(texts):
        first = int(np.flatnonzero(cells.indices.to_numpy() == cell)[0])
        for name in text.split() if text != NONE else ():
            _check(name, bits, (calls.shown, int(calls.lines[first])), problems)
    problems.refuse_if_any("nothing was priced")
    plans = np.concatenate([ints(batch, "plan_index") for batch in batches])
    cell = cells.indices.to_numpy()
    pairs, row = np.unique(np.stack([cell, plans]), axis=1, return_inverse=True)
    by_plan = tables.selection.by_plan
    always = [_mask(texts[cell] or " ".join(named), int(by_plan[plan]) if plan >= 0 else 0, bits)
              for cell, plan in pairs.T.tolist()]  # fmt: skip
    nothing = fixed(np.zeros(0, np.int64))
    selection = Selection(1, by_plan, fixed(np.array([*always, 0], np.int64)),
                          fixed(np.zeros(len(always) + 2, np.int32)), *[nothing] * 4)  # fmt: skip
    compiled = replace(context.compiled, discounts=replace(tables, selection=selection))
    low, made = 0, []
    for batch in batches:
        index = row.reshape(-1)[low : low + batch.num_rows].astype(np.int32)
        made.append(with_columns(batch, schemas.USAGE, {"subscription_index": int_array(index)}))
        low += batch.num_rows
    return Chosen(made, replace(context, compiled=compiled))


def _mask(text: str, by_plan: int, bits: dict[str, int]) -> int:
    if not text:
        return by_plan
    return 0 if text == NONE else int(sum(bits[name] for name in {*text.split()}))


def _check(name: str, known: dict[str, int], at: tuple[str, int], problems: Problems) -> None:
    if name not in known and name != NONE:
        problems.add(at, f"discounts names '{name}', which is no discount of the book",
                     f"{', '.join(known) or 'the book has none'}; or {NONE}",
                     did_you_mean(name, known, "correct it, or leave it out"))  # fmt: skip


def explained(context: Context, batch: pa.RecordBatch, row: int) -> Trace:
    """The steps of a priced call (``schemas.RATED``): what it used is known from its price.

    Where that is not enough (a threshold that was granted in part), as if nothing had been used.
    """
    plan_id, facts = facts_of(batch, row, context)
    compiled, maxima = context.compiled, context.maxima or Maxima()
    names = _names(compiled, int(ints(batch, "subscription_index")[row]))
    if compiled.memory is None and names is None:
        priced = trace.price(context.book, plan_id, facts, context.maxima)
        return trace_discounts.of_plan(context.book, plan_id, priced, facts, context.maxima)

    def is_for(one: Discount) -> bool:
        if names is None:
            return trace_discounts.is_of_plan(one, plan_id)
        return one.name in names

    charges = {name: int(ints(batch, column)[row])
               for name, column in zip(compiled.components, schemas.CHARGE_COLUMNS, strict=False)}
    used = None if compiled.memory is None else _used(context, batch, row)
    found = trace_stored.explained(Stored(
        context.book, plan_id, facts, maxima, used, is_for, charges
    ))  # fmt: skip
    if used is None or found.charge_micro == int(ints(batch, "charge_micro")[row]):
        return found
    return trace.price(context.book, plan_id, facts, context.maxima)


def _names(compiled: CompiledBook, place: int) -> frozenset[str] | None:
    """The discounts that a call was given; None: those of its plan."""
    found = compiled.discounts
    if not found.selection.is_known:
        return None
    mask = int(found.selection.always[place])
    return frozenset(name for bit, name in enumerate(found.names) if mask >> bit & 1)


def _used(context: Context, batch: pa.RecordBatch, row: int) -> list[Used]:
    amounts = {
        f"{plan.plan_id}/allowance/{one.name}": one.amount
        for plan in context.book.plans for version in plan.versions
        for one in version.memory.allowances if one.amount >= 0
    } | {
        f"{plan.plan_id}/cap/{one.name}": one.amount_micro
        for plan in context.book.plans for version in plan.versions for one in version.memory.caps
    }  # fmt: skip
    found = []
    for one in batch.column("used")[row].as_py():
        item = context.compiled.items[one["item"]]
        since = date.fromordinal(clock.EPOCH_DAY + one["since_day"])
        found.append(Used(item, since, one["before"], one["taken"], amounts.get(item)))
    return found
