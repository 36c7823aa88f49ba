"""The same usage priced by two books: which records cost something else, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from rating.rate import rate
from rating.trial import Context, Vocabulary, prepare, priced
from rating.trial_guided import Guiding
from tariffs.compile_rates import Maxima
from tariffs.model import Book
from tariffs.words import is_beginning
from tollbook import money, reasons, schemas
from tollbook.columns import Table
from tollbook.stage import ints
from tollbook.text import Problems

SHOWN: Final = 20  # records that are kept one by one, the greatest differences first
NO_PLAN: Final = "(no plan)"
NO_RULE: Final = "no rule"


@dataclass(frozen=True)
class Outcome:
    """What one book makes of a record. reason: "" where it is priced. rule: from 1, 0: none."""

    reason: str
    version: str
    rule: int
    charges: tuple[tuple[str, int], ...]
    charge_micro: int


@dataclass(frozen=True)
class Pair:
    """One record that is priced differently; ``batch`` and ``row`` say where it is."""

    record_id: int
    batch: int
    row: int
    plan: str
    old: Outcome
    new: Outcome

    @property
    def difference_micro(self) -> int:
        return self.new.charge_micro - self.old.charge_micro


@dataclass
class Sum:
    """Records of a plan and a rule: how many, how many differ, and what they come to."""

    records: int = 0
    differ: int = 0
    old_micro: int = 0
    new_micro: int = 0

    def add(self, other: Sum) -> None:
        self.records += other.records
        self.differ += other.differ
        self.old_micro += other.old_micro
        self.new_micro += other.new_micro


@dataclass
class Comparison:
    """All records together, by plan and the rules that price them in both books, and the greatest.

    unpriced: records with a reason in the old and in the new book, where they are not the same.
    priced, priceless: records with a price in both books, and in neither.
    """

    total: Sum = field(default_factory=Sum)
    groups: dict[tuple[str, str, str], Sum] = field(default_factory=dict)
    greatest: list[Pair] = field(default_factory=list)
    unpriced: dict[tuple[str, str], int] = field(default_factory=dict)
    priced: int = 0
    priceless: int = 0


@dataclass(frozen=True)
class Contexts:
    """Two books compiled for the same usage: their indices of plans and words are the same."""

    old: Context
    new: Context


def prepare_both(
    old: Book, new: Book, words: Vocabulary, plan: str = "", maxima: Maxima | None = None,
    guiding: Guiding | None = None,
) -> Contexts:  # fmt: skip
    """Compile both books; raises Refused if one could overflow, or if their currencies differ."""
    refuse_currencies(old, new)
    known = {one.plan_id for one in old.plans}
    plans = (*old.plans, *(one for one in new.plans if one.plan_id not in known))
    return Contexts(prepare(old, words, plan, maxima, plans, guiding),
                    prepare(new, words, plan, maxima, plans, guiding))  # fmt: skip


def refuse_currencies(old: Book, new: Book) -> None:
    """Sums and differences of charges mean something in one currency alone."""
    problems = Problems()
    currencies = sorted({plan.currency for book in (old, new) for plan in book.plans})
    for plan in new.plans:
        if plan.currency != old.plans[0].currency:
            problems.add((plan.versions[0].at.file, plan.versions[0].at.line),
                         f"the charges of plan '{plan.plan_id}' are in {plan.currency}, those of "
                         f"the old book in {old.plans[0].currency}",
                         "two books whose plans are all in one currency",
                         "state both in one currency, or compare their words alone: "
                         "tollbook tariff diff OLD NEW")  # fmt: skip
    if len(currencies) > 1 and not problems.errors:
        problems.add((old.files[0], 0), f"the old book has the currencies {', '.join(currencies)}",
                     "two books whose plans are all in one currency",
                     "leave the plans in another currency out of the book")  # fmt: skip
    problems.refuse_if_any("nothing was compared")


def compare(
    batches: Iterable[pa.RecordBatch], contexts: Contexts, shown: int = SHOWN,
    calls: Table | None = None,
) -> Comparison:  # fmt: skip
    """Price every batch of ``schemas.USAGE`` by both books.

    calls: where the usage comes from; calls of one customer then share what he has. Without them
    each record is priced as if nothing had been used before it.
    """
    found = Comparison()
    for number, (old, new) in enumerate(_priced(batches, contexts, calls)):
        differs = _differs(old, new, contexts)
        _add_groups(found, old, new, differs, contexts)
        rows = np.flatnonzero(differs)
        change = ints(new, "charge_micro")[rows] - ints(old, "charge_micro")[rows]
        order = rows[np.argsort(-np.abs(change), kind="stable")][:shown]
        found.greatest += [
            Pair(int(ints(old, "record_id")[row]), number, row, _plan(contexts, old, row),
                 outcome(old, row, contexts.old), outcome(new, row, contexts.new))
            for row in order.tolist()
        ]  # fmt: skip
        found.greatest.sort(key=lambda pair: -abs(pair.difference_micro))
        del found.greatest[shown:]
    return found


def _priced(
    batches: Iterable[pa.RecordBatch], contexts: Contexts, calls: Table | None
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    both = contexts.old, contexts.new
    if calls is None:
        for batch in batches:
            yield rate(batch, both[0].compiled).batch, rate(batch, both[1].compiled).batch
        return
    read = list(batches)
    yield from zip(*(priced(read, one, calls, Problems()) for one in both), strict=True)


def _differs(old: pa.RecordBatch, new: pa.RecordBatch, contexts: Contexts) -> np.ndarray:
    """Rows with another reason or another charge of any component; bool."""
    differs: np.ndarray = ints(old, "reason") != ints(new, "reason")
    for one, other in _component_columns(contexts):
        zero = np.zeros(old.num_rows, np.int64)
        before = ints(old, one) if one else zero
        after = ints(new, other) if other else zero
        differs |= before != after
    return differs


def _component_columns(contexts: Contexts) -> Iterator[tuple[str, str]]:
    """The columns of each component in both books; "" where one does not have it."""
    slots = [dict(zip(one.compiled.components, schemas.CHARGE_COLUMNS, strict=False))
             for one in (contexts.old, contexts.new)]  # fmt: skip
    for name in dict.fromkeys((*slots[0], *slots[1])):
        yield slots[0].get(name, ""), slots[1].get(name, "")


def _add_groups(
    found: Comparison, old: pa.RecordBatch, new: pa.RecordBatch, differs: np.ndarray,
    contexts: Contexts,
) -> None:  # fmt: skip
    """Sums by plan, old rule and new rule."""
    columns = [ints(batch, name) for batch, name in (
        (old, "plan_index"), (old, "version_index"), (old, "rule_index"), (new, "version_index"),
        (new, "rule_index"), (old, "reason"), (new, "reason"))]  # fmt: skip
    distinct, place = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    charges = ints(old, "charge_micro"), ints(new, "charge_micro")
    order = np.argsort(place.ravel(), kind="stable")
    edges = np.searchsorted(place.ravel()[order], np.arange(len(distinct) + 1))
    for number, key in enumerate(distinct.tolist()):
        rows = order[edges[number] : edges[number + 1]]
        one = Sum(len(rows), int(differs[rows].sum()), money.exact_sum(charges[0][rows]),
                  money.exact_sum(charges[1][rows]))  # fmt: skip
        plan = contexts.old.plans[key[0]].plan_id if key[0] >= 0 else NO_PLAN
        labels = (plan, _rule(contexts.old, *key[1:3]), _rule(contexts.new, *key[3:5]))
        found.groups.setdefault(labels, Sum()).add(one)
        found.total.add(one)
        found.priced += len(rows) * (not key[5] and not key[6])
        found.priceless += len(rows) * bool(key[5] and key[6])
        if key[5] != key[6]:
            pair = _reason(key[5]), _reason(key[6])
            found.unpriced[pair] = found.unpriced.get(pair, 0) + len(rows)


def _rule(context: Context, version: int, rule: int) -> str:
    """``2003-01-01 rule 3``; ``rule 3`` in a version that holds from the beginning."""
    if version < 0:
        return "no version"
    name = f"rule {rule + 1}" if rule >= 0 else NO_RULE
    day = context.compiled.version_names[version]
    return name if is_beginning(day) else f"{day} {name}"


def _reason(code: int) -> str:
    return reasons.name_of(code) if code else "priced"


def _plan(contexts: Contexts, batch: pa.RecordBatch, row: int) -> str:
    index = int(ints(batch, "plan_index")[row])
    return contexts.old.plans[index].plan_id if index >= 0 else NO_PLAN


def outcome(batch: pa.RecordBatch, row: int, context: Context) -> Outcome:
    """A row of ``schemas.RATED`` in words."""
    code, version = int(ints(batch, "reason")[row]), int(ints(batch, "version_index")[row])
    charges = tuple(
        (name, int(ints(batch, column)[row]))
        for name, column in zip(context.compiled.components, schemas.CHARGE_COLUMNS, strict=False)
    )
    return Outcome(
        reasons.name_of(code) if code else "",
        context.compiled.version_names[version] if version >= 0 else "",
        int(ints(batch, "rule_index")[row]) + 1, charges, int(ints(batch, "charge_micro")[row]),
    )  # fmt: skip


def ordered(groups: dict[tuple[str, str, str], Sum]) -> Sequence[tuple[tuple[str, str, str], Sum]]:
    """Groups in which anything differs, the greatest difference of sums first."""
    changed = [(key, one) for key, one in groups.items() if one.differ]
    return sorted(changed, key=lambda pair: -abs(pair[1].new_micro - pair[1].old_micro))
