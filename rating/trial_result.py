"""Priced calls as a table in words, their sums, and what their ``expect`` column says against them.

``expect`` is ``airtime=0.80 toll=0.77`` (components not named cost nothing), ``free``, or the name
of a reason; ``rule=3`` may follow, counted from 1 as ``tollbook explain`` counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.trial import Context
from tariffs.model import FREE
from tollbook import money, reasons, schemas
from tollbook.columns import Table
from tollbook.stage import ints
from tollbook.text import Problems, did_you_mean

AMOUNT: Final = pa.decimal128(18, money.MICRO_DIGITS)
_ANY: Final = -2  # an expectation that says nothing of the rule
_RULE: Final = "rule"
TOTAL: Final = "total"


@dataclass(frozen=True)
class Sums:
    """What a priced file comes to. reasons: rows without a price, by reason."""

    calls: int
    priced: int
    charge_micro: int
    components: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Difference:
    """A call that does not come to what its ``expect`` says; words for both."""

    line: int
    name: str
    expected: str
    found: str


def amounts(values_micro: np.ndarray) -> pa.Array:
    """int64 micro as an exact decimal column."""
    pairs = np.empty((len(values_micro), 2), np.int64)
    pairs[:, 0], pairs[:, 1] = values_micro, values_micro >> 63
    return pa.Array.from_buffers(AMOUNT, len(pairs), [None, pa.py_buffer(pairs)])


def table_of(
    calls: Table, rated: Sequence[pa.RecordBatch], context: Context
) -> pa.Table:
    """The calls with their prices: name, line, reason, plan, version, rule, charges, currency."""
    batches, low = [], 0
    for batch in rated:
        batches.append(_words(calls["name"].slice(low, batch.num_rows), batch, context))
        low += batch.num_rows
    return pa.Table.from_batches(batches)


def _words(names: pa.Array, batch: pa.RecordBatch, context: Context) -> pa.RecordBatch:
    compiled, plans = context.compiled, context.plans
    plan = ints(batch, "plan_index")
    columns = {
        "line": batch.column("record_id"),
        "name": names,
        "reason": _named(ints(batch, "reason"), {0: "", **{
            code: reason.name for code, reason in reasons.BY_CODE.items()}}),
        "plan": _picked(plan, [one.plan_id for one in plans]),
        "version": _picked(ints(batch, "version_index"), compiled.version_names),
        "rule": pa.array(ints(batch, "rule_index") + 1),
        **{
            f"charge_{name}": amounts(ints(batch, column))
            for name, column in zip(compiled.components, schemas.CHARGE_COLUMNS, strict=False)
        },
        "charge": amounts(ints(batch, "charge_micro")),
        "currency": _picked(plan, [one.currency for one in plans]),
    }  # fmt: skip
    return pa.RecordBatch.from_pydict(columns)


def _named(codes: np.ndarray, names: dict[int, str]) -> pa.Array:
    places = np.zeros(max(names) + 1, np.int32)
    places[list(names)] = np.arange(len(names))
    return pa.array([*names.values()], pa.string()).take(pa.array(places[codes]))


def _picked(index: np.ndarray, names: Sequence[str]) -> pa.Array:
    """The name of each index; "" for -1."""
    return pa.array(["", *names], pa.string()).take(pa.array(index + 1))


def sums_of(rated: Sequence[pa.RecordBatch], context: Context) -> Sums:
    """What all calls together come to."""
    names = context.compiled.components
    components = dict.fromkeys(names, 0)
    found: dict[str, int] = {}
    calls = charge = 0
    for batch in rated:
        calls += batch.num_rows
        charge += money.exact_sum(ints(batch, "charge_micro"))
        for name, column in zip(names, schemas.CHARGE_COLUMNS, strict=False):
            components[name] += money.exact_sum(ints(batch, column))
        codes, counts = np.unique(ints(batch, "reason"), return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            if code:
                found[reasons.name_of(code)] = found.get(reasons.name_of(code), 0) + count
    return Sums(calls, calls - sum(found.values()), charge, tuple(components.items()),
                tuple(sorted(found.items())))  # fmt: skip


@dataclass(frozen=True)
class Expected:
    """One distinct text of the column ``expect``. total_micro: -1 where only parts are named."""

    reason: str
    charges: tuple[int, ...]
    total_micro: int
    rule: int


def parse_expect(text: str, components: Sequence[str]) -> Expected | None:
    """The meaning of an ``expect`` cell; None if it has none."""
    charges = dict.fromkeys(components, 0)
    reason, total, rule = "", -1, _ANY
    for word in text.split():
        name, is_pair, value = word.partition("=")
        amount = money.parse_decimal(value, money.MICRO_DIGITS) if is_pair else None
        if name == _RULE and value.isdigit():
            rule = int(value) - 1
        elif name == TOTAL and amount is not None:
            total = amount
        elif name in charges and amount is not None:
            charges[name] = amount
        elif not is_pair and word in reasons.CODE:
            reason = word
        elif word != FREE:
            return None
    return Expected(reason, tuple(charges.values()), total, rule)


def check(
    calls: Table, rated: Sequence[pa.RecordBatch], context: Context, problems: Problems
) -> list[Difference]:
    """The calls that do not come to what they expect; cells that mean nothing are noted."""
    components = context.compiled.components
    encoded = calls["expect"].dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    parsed = [parse_expect(text, components) for text in texts]
    place = encoded.indices.to_numpy(zero_copy_only=False)
    bad = np.array([one is None for one in parsed])
    words = (*components, TOTAL, _RULE, FREE, "no_rate", "plan_missing", "charge_too_large")
    first = texts[int(np.argmax(bad))] if bad.any() else ""
    calls.report(
        bad[place], lambda row: f"expect is '{calls.cell('expect', row)}'",
        f"component=amount with at most 6 decimals, free, a reason, rule=number; components: "
        f"{', '.join(components)}",
        did_you_mean(first.partition("=")[0].split(" ")[-1], words, "correct it"), problems,
    )  # fmt: skip
    if bad.any():
        return []
    known = [one for one in parsed if one is not None]
    differs = _differs(known, place, rated)
    differs &= np.asarray(pc.binary_length(calls["expect"])) > 0
    found = []
    starts = np.cumsum([0, *(batch.num_rows for batch in rated)])
    for row in np.flatnonzero(differs).tolist():
        part = int(np.searchsorted(starts, row, side="right")) - 1
        found.append(Difference(
            int(calls.lines[row]), calls.cell("name", row), texts[place[row]],
            came_to(rated[part], row - int(starts[part]), components),
        ))  # fmt: skip
    return found


def _differs(
    known: Sequence[Expected], place: np.ndarray, rated: Sequence[pa.RecordBatch]
) -> np.ndarray:
    """Whether each row comes to something else than its expectation; bool."""
    reason = np.array([reasons.CODE[one.reason] if one.reason else 0 for one in known])[place]
    rule = np.array([one.rule for one in known])[place]
    total = np.array([one.total_micro for one in known], np.int64)[place]
    wanted = np.array([one.charges for one in known], np.int64).reshape(len(known), -1)[place]

    def column(name: str) -> np.ndarray:
        return np.concatenate([ints(batch, name) for batch in rated])

    differs: np.ndarray = column("reason") != reason
    differs |= (rule != _ANY) & (column("rule_index") != rule)
    parts = np.zeros(len(place), np.bool_)
    for slot in range(wanted.shape[1]):
        parts |= column(schemas.CHARGE_COLUMNS[slot]) != wanted[:, slot]
    only_total = (total >= 0) & (wanted.sum(axis=1) == 0)
    differs |= (reason == 0) & parts & ~only_total
    differs |= (total >= 0) & (column("charge_micro") != total)
    return differs


def came_to(batch: pa.RecordBatch, row: int, components: Sequence[str]) -> str:
    """A priced row in the words of an ``expect`` cell."""
    code = int(ints(batch, "reason")[row])
    rule = f" rule={int(ints(batch, 'rule_index')[row]) + 1}"
    if code:
        return reasons.name_of(code) + rule
    charges = ((name, int(ints(batch, column)[row]))
               for name, column in zip(components, schemas.CHARGE_COLUMNS,
                                       strict=False))  # fmt: skip
    said = " ".join(f"{name}={money.format_micro(value)}" for name, value in charges if value)
    return (said or FREE) + rule
