"""The other ratings of a call that a calls file names by plan: sold to whom, bought from whom.

Columns ``sell``, ``buy`` and ``reseller`` hold plans of the book; each is priced like the call's
own plan. margin = what the call was sold for (``sell``, or its own plan) - buy - reseller. Nothing
of it is ever stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rating import trial_cells as cells
from rating.rate import rate
from rating.trial import KINDS, Context
from tollbook import money, reasons
from tollbook.columns import Table
from tollbook.stage import ints
from tollbook.text import Problems


@dataclass(frozen=True)
class Kinds:
    """The other ratings of all calls, in their order; int64 charges, and reasons by kind.

    margin_micro: where every rating that is named has a price (``is_known``), else 0.
    """

    charge_micro: dict[str, np.ndarray]
    reason: dict[str, np.ndarray]
    margin_micro: np.ndarray
    is_known: np.ndarray


def named(calls: Table) -> tuple[str, ...]:
    """The kinds of which the file names a plan."""
    return tuple(kind for kind in KINDS if not cells.is_blank(calls[kind]))


def price(
    calls: Table, usages: Sequence[pa.RecordBatch], rated: Sequence[pa.RecordBatch],
    context: Context, problems: Problems,
) -> Kinds | None:  # fmt: skip
    """Every rating that the calls name; None if they name none."""
    found = named(calls)
    if not found:
        return None
    ids = [one.plan_id for one in context.plans]
    plans = {kind: cells.coded(calls, kind, ids, -1, problems) for kind in found}
    retail = np.concatenate([ints(batch, "charge_micro") for batch in rated])
    known = np.concatenate([ints(batch, "reason") == 0 for batch in rated])
    charge, reason = {}, {}
    for kind, plan in plans.items():
        charge[kind], reason[kind] = _rated(usages, plan, context)
        known &= (reason[kind] == 0) | (plan < 0)
    sold = retail if "sell" not in plans else np.where(plans["sell"] < 0, retail, charge["sell"])
    paid = sum((charge[kind] for kind in ("buy", "reseller") if kind in charge),
               np.zeros(len(retail), np.int64))  # fmt: skip
    return Kinds(charge, reason, np.where(known, sold - paid, 0), known)


def _rated(
    usages: Sequence[pa.RecordBatch], plan: np.ndarray, context: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Charges and reasons by other plans; rows without one have neither."""
    charges, codes, low = [], [], 0
    place = usages[0].schema.get_field_index("plan_index")
    for batch in usages:
        own = plan[low : low + batch.num_rows]
        low += batch.num_rows
        column = pa.array(own.astype(np.int32))
        other = rate(batch.set_column(place, batch.schema.field(place), column), context.compiled)
        charges.append(np.where(own < 0, 0, ints(other.batch, "charge_micro")))
        codes.append(np.where(own < 0, 0, ints(other.batch, "reason")))
    return np.concatenate(charges), np.concatenate(codes)


def with_kinds(table: pa.Table, kinds: Kinds) -> pa.Table:
    """The table of prices with the columns of the other ratings and the margin behind."""
    from rating.trial_result import amounts

    for kind, charge in kinds.charge_micro.items():
        names = [reasons.name_of(code) if code else "" for code in kinds.reason[kind].tolist()]
        table = table.append_column(f"reason_{kind}", pa.array(names, pa.string()))
        table = table.append_column(f"charge_{kind}", amounts(charge))
    return table.append_column("margin", amounts(kinds.margin_micro))


def check(calls: Table, kinds: Kinds, problems: Problems) -> list[tuple[int, str, str, str]]:
    """Rows whose ``margin`` is not what the file says: line, name, expected, found."""
    encoded = calls["margin"].dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    parsed = [money.parse_decimal(text, money.MICRO_DIGITS) if text else 0 for text in texts]
    place = encoded.indices.to_numpy(zero_copy_only=False)
    calls.report(np.array([one is None for one in parsed])[place],
                 lambda row: f"margin is '{calls.cell('margin', row)}'",
                 "an amount with at most 6 decimals", "correct it", problems)  # fmt: skip
    if None in parsed:
        return []
    wanted = np.array([one or 0 for one in parsed], np.int64)[place]
    is_said = np.array([bool(text) for text in texts])[place]
    wrong = is_said & ((wanted != kinds.margin_micro) | ~kinds.is_known)
    return [
        (int(calls.lines[row]), calls.cell("name", row), f"margin={texts[place[row]]}",
         f"margin={money.format_micro(int(kinds.margin_micro[row]))}" if kinds.is_known[row]
         else "no margin: a rating has no price")
        for row in np.flatnonzero(wrong).tolist()
    ]  # fmt: skip
