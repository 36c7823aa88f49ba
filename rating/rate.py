"""The stage rate: the plan's version, the rule and the charges of every usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from rating import discounts, find_kernels, memory, pricing
from tariffs.compiler import CompiledBook
from tollbook import codes, money, reasons, schemas
from tollbook.stage import StageResult, ints, with_columns, zeros

FAULTS: Final = find_kernels.Faults(
    reasons.CODE["plan_missing"], reasons.CODE["no_rate"], reasons.CODE["charge_too_large"],
    codes.TRANSIT,
)  # fmt: skip
ALL_DIRECTIONS: Final = -1  # ``passed_by`` where transit is rated, too


def rate(
    batch: pa.RecordBatch, compiled: CompiledBook, state: memory.Past | None = None
) -> StageResult:
    """Rows of ``schemas.USAGE`` -> ``schemas.RATED``.

    Rows with a reason are passed by, and so is transit, which has no subscription. A row that
    cannot be rated gets the reason ``plan_missing``, ``no_rate`` or ``charge_too_large`` and no
    charge; its version and rule are kept as far as they were found. Discounts are taken off; the
    limit of one charge is asked before.
    state: for a book with memory, whose the rows are and what was used before; the result's state
    is a ``memory.State``. Without it nothing is remembered: each row is priced as a whole.
    totals: rated (rows with a rule and no reason), charge_micro (the exact sum of their charges).
    """
    schemas.check(batch, schemas.USAGE, "rate")
    usage = find_kernels.Usage(*(ints(batch, name) for name in find_kernels.Usage._fields))
    count, slots = batch.num_rows, len(compiled.components)
    after = None
    if compiled.memory is None or state is None:
        out = charges(compiled, usage, ints(batch, "reason"))
        used = nothing_used(count)
    else:
        out, used, after = _remembering(batch, compiled, usage, state)
    if compiled.discounts.names and after is None:
        used = discounts.apply(compiled, usage, ints(batch, "subscription_index"), out, FAULTS)
    nothing = zeros(pa.int64(), count)
    slot_micro = [*out.charge_micro, *[nothing] * (schemas.COMPONENTS_MAX - slots)]
    new = {
        "reason": out.reason,
        "version_index": out.version_index,
        "rule_index": out.rule_index,
        "charge_micro": out.total_micro,
        **dict(zip(schemas.CHARGE_COLUMNS, slot_micro, strict=True)),
        "used": used,
    }
    rated = np.count_nonzero((out.reason == 0) & (out.rule_index >= 0))
    return StageResult(
        with_columns(batch, schemas.RATED, new), state=after,
        totals={"rated": int(rated), "charge_micro": money.exact_sum(out.total_micro)},
    )


def _remembering(
    batch: pa.RecordBatch, compiled: CompiledBook, usage: find_kernels.Usage, past: memory.Past
) -> tuple[find_kernels.Rated, pa.ListArray, memory.State]:
    """Rules and charges under a book with memory, what the rows have used, and the state then."""
    free = replace(compiled, tables=memory.unlimited(compiled))
    own_version = np.empty(batch.num_rows, np.int32)
    out = charges(free, usage, ints(batch, "reason"), own_version=own_version)
    used, after = memory.apply(
        batch, compiled, usage, out, own_version, past, FAULTS.charge_too_large
    )
    return out, used, after


def nothing_used(count: int) -> pa.ListArray:
    """The column ``used`` of so many rows that have taken nothing."""
    kind = schemas.RATED.field("used").type
    offsets, nothing = zeros(pa.int32(), count + 1), pa.array([], kind.value_type)
    return pa.ListArray.from_buffers(kind, count, offsets.buffers(), children=[nothing])


def charges(
    compiled: CompiledBook,
    usage: find_kernels.Usage,
    reason: np.ndarray,
    faults: find_kernels.Faults = FAULTS,
    own_version: np.ndarray | None = None,
) -> find_kernels.Rated:
    """Rules and charges of usages; those with a reason (int16) are passed by.

    own_version: int32, filled with the version of each row's own plan, also where another one
    prices it.
    """
    out = _rated(compiled, usage, reason, faults)
    if own_version is not None:
        own_version[:] = out.version_index
    if compiled.fallbacks.shape[1]:
        _fall_back(compiled, usage, out, faults)
    return out


def _rated(
    compiled: CompiledBook,
    usage: find_kernels.Usage,
    reason: np.ndarray,
    faults: find_kernels.Faults,
) -> find_kernels.Rated:
    """Rules and charges by the plan of each row, without fallbacks."""
    count = len(reason)
    out = find_kernels.Rated(
        reason=reason.copy(),
        version_index=np.empty(count, np.int32),
        rule_index=np.empty(count, np.int32),
        charge_micro=np.zeros((len(compiled.components), count), np.int64),
        total_micro=np.zeros(count, np.int64),
    )
    find_kernels.find_rules(compiled.tables, usage, faults, out)
    pricing.price(compiled.tables, usage, faults, out)
    return out


def _fall_back(
    compiled: CompiledBook,
    usage: find_kernels.Usage,
    out: find_kernels.Rated,
    faults: find_kernels.Faults,
) -> None:
    """Ask the fallback plans for the rows in which no rule held, or a deck had no rate.

    A rule that refuses is final, in the row's own plan and in each that is asked.
    """
    chains = compiled.fallbacks[out.version_index]
    rows = _missing(compiled, usage, out)
    for place in range(chains.shape[1]):
        rows = rows[chains[rows, place] >= 0]
        if not len(rows):
            return
        columns = {name: column[rows] for name, column in usage._asdict().items()}
        columns["plan_index"] = chains[rows, place]
        for column in columns.values():
            column.setflags(write=False)
        asked = find_kernels.Usage(**columns)
        found = _rated(compiled, asked, np.zeros(len(rows), np.int16), faults)
        done = (found.reason == 0) | (found.reason == FAULTS.charge_too_large)
        for name in ("reason", "version_index", "rule_index", "total_micro"):
            getattr(out, name)[rows[done]] = getattr(found, name)[done]
        out.charge_micro[:, rows[done]] = found.charge_micro[:, done]
        onward = found.reason == FAULTS.plan_missing
        onward[_missing(compiled, asked, found)] = True
        rows = rows[onward]


def _missing(
    compiled: CompiledBook, usage: find_kernels.Usage, out: find_kernels.Rated
) -> np.ndarray:
    """Rows that nothing was found for: no rule at all, or a deck without a rate."""
    is_missing = np.empty(len(out.reason), np.bool_)
    find_kernels.find_missing(compiled.tables, usage, out, is_missing)
    return np.flatnonzero(is_missing & (out.reason == FAULTS.no_rate))
