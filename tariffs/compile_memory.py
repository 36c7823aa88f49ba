"""What the versions of a book remember -> arrays for the kernels (``item_kernels``).

Refused is what the kernels could not do exactly: amounts that could overflow, items that draw on
each other in a circle, tiers over a span where a usage may be cut by versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np

from tariffs import item_kernels as kernels
from tariffs.check_memory import check_version
from tariffs.compile_rates import ENDLESS, RateTables, frozen
from tariffs.compile_rules import RuleTables, dense
from tariffs.compile_targets import Edition, Names
from tariffs.memory_model import (
    ITEMS_MAX,
    KINDS,
    MEASURES,
    MODES,
    OWNERS,
    PRORATIONS,
    RESTS,
    SPANS,
    Allowance,
    Cap,
    Counter,
    Memory,
    Span,
)
from tariffs.model import Plan, Rate, Version
from tollbook import clock, codes

FIRST_DAY: Final = 0  # 1970-01-01: stands for "always" as the first day of a span
LAST_DAY: Final = date(9999, 12, 31).toordinal() - clock.EPOCH_DAY  # and for "without end"
FIRST_MONTH: Final = clock.month_index(1970, 1)
LAST_MONTH: Final = clock.month_index(2101, 1)
_PHASE: Final = {"allowance": 0, "tiers": 1, "cap": 3, "counter": 4}
_MONEY_PHASE: Final = 2
_RANKS: Final = ITEMS_MAX + 1  # of a phase
Made = Allowance | Cap | Counter


@dataclass(frozen=True)
class MemoryTables:
    """The compiled items of a book.

    item_names: "plan/kind/name" by item, in the order of the book; item_kinds, item_measures,
    item_owners: positions in tariffs.memory_model. grants: by entry (proration, add_nano, mode,
    unit_size, per_member, amount). months_back: state of so many months before a record's may be
    asked for.
    """

    item_names: tuple[str, ...]
    item_kinds: tuple[int, ...]
    item_measures: tuple[int, ...]
    item_owners: tuple[int, ...]
    grants: tuple[tuple[int, ...], ...]
    months_back: int
    tables: kernels.Items

    @property
    def item_counts(self) -> tuple[str, ...]:
        """By item, what it counts in which span: ``second/month``, ``money/day``, ``byte/days/30``.
        """
        found = [""] * len(self.item_names)
        for entry in self.tables.entries:
            parts = [MEASURES[entry["measure"]], SPANS[entry["span"]]]
            if entry["span"] == kernels.DAYS:
                parts.append(str(entry["days"]))
            found[entry["item"]] = "/".join(parts)
        return tuple(found)

    @property
    def has_groups(self) -> bool:
        """Whether an item belongs to groups, which then join accounts."""
        return kernels.GROUP in self.item_owners


@dataclass
class _Gathered:
    """Items of all versions, as they are gathered."""

    names: Names
    rules: RuleTables
    opens: Mapping[tuple[str, str, str], int]
    items: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    entries: list[tuple[int, ...]] = field(default_factory=list)
    grants: list[tuple[int, ...]] = field(default_factory=list)
    first: list[int] = field(default_factory=lambda: [0])
    first_cell: list[int] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    cells: int = 0
    over: dict[int, int] = field(default_factory=dict)
    openings: list[tuple[int, int, int]] = field(default_factory=list)  # item, first day, entry
    most: int = 1

    def add(self, plan: Plan, plan_index: int, edition: Edition) -> None:
        """Add the items of a version."""
        version, memory = edition.version, edition.version.memory
        made: list[Made] = [*memory.allowances, *memory.caps, *memory.counters]
        base = len(self.entries)
        ranks = _ranks(made)
        places = {one.name: base + at for at, one in enumerate(memory.allowances)}
        for one in made:
            entry = self._entry(plan, one, edition) | {
                "rank": ranks[_phase(one), getattr(one, "priority", 0)],
                "draws_on": places.get(getattr(one, "draws_on", ""), kernels.NOTHING),
                "rule": self.rules.add_conditions(one.when, one.at), "plan": plan_index,
                "name_rank": sorted({each.name for each in made}).index(one.name),
            }
            self.entries.append(tuple(entry[name] for name in kernels.ITEM.names or ()))
            self.grants.append(_grant(one))
        self.most = max(self.most, sum(
            1 + getattr(one, "rollover_spans", 0) for one in made
        ) + 2 * len(self.names.components))  # fmt: skip
        self.first_cell.append(self._cells(made) if made else kernels.NOTHING)
        for rate in version.rates:
            if rate.over is not None and rate.name in edition.rates:
                self._add_over(plan, plan_index, edition, rate)
        since = _day(version.valid_from)
        self.openings += [
            (self.entries[place][0], since, place) for place in range(base, len(self.entries))
        ]
        self.first.append(len(self.entries))

    def _entry(self, plan: Plan, one: Made, edition: Edition) -> dict[str, int]:
        version, memory = edition.version, edition.version.memory
        kind, measure = _kind(one), getattr(one, "measure", "money")
        covers = one.covers or tuple(
            name for name in version.components
            if kind == "counter" or name not in memory.not_discountable
        )  # fmt: skip
        if kind == "allowance":
            covers = tuple(name for name in covers if name not in memory.not_discountable)
        price = getattr(one, "price", "") or getattr(one, "beyond", "")
        return {
            **self._common(plan, kind, one.name, measure, one.owner), **_span(one.span),
            "opens_day": self.opens[plan.plan_id, kind, one.name],
            "mode": _mode(one, version),
            "rest": RESTS.index(getattr(one, "rest", "after")),
            "increment": getattr(one, "increment", 1),
            "slots": sum(1 << self.names.components.index(name) for name in covers),
            "price": edition.rates[price] if price else kernels.NOTHING,
            "amount": getattr(one, "amount", getattr(one, "amount_micro", 0)),
            "rollover_limit": getattr(one, "rollover_limit", 0),
            "rollover_spans": getattr(one, "rollover_spans", 0),
        }  # fmt: skip

    def _common(
        self, plan: Plan, kind: str, name: str, measure: str, owner: str
    ) -> dict[str, int]:
        label = f"{plan.plan_id}/{kind}/{name}"
        found = KINDS.index(kind), MEASURES.index(measure), OWNERS.index(owner)
        item = self.numbers.setdefault(label, len(self.numbers))
        self.items.setdefault(label, found)
        return {"item": item, "kind": found[0], "measure": found[1], "owner": found[2]}

    def _add_over(self, plan: Plan, plan_index: int, edition: Edition, rate: Rate) -> None:
        """The tiers of a rate that are counted over a span."""
        assert rate.over is not None
        index = edition.rates[rate.name]
        entry: dict[str, int] = {
            **dict.fromkeys(kernels.ITEM.names or (), 0),
            **self._common(plan, "tiers", rate.name, rate.unit, rate.over.owner),
            **_span(rate.over.span), "rank": _PHASE["tiers"] * _RANKS, "price": kernels.NOTHING,
            "draws_on": kernels.NOTHING, "rule": kernels.NOTHING, "plan": plan_index,
            "increment": 1,
        }  # fmt: skip
        every = [rate.tiers, *(band.tiers for band in rate.bands)]
        ends = [tiers[1].from_quantity if len(tiers) > 1 else ENDLESS for tiers in every if tiers]
        entry["amount"] = min(ends)  # quantities up to it lie in the first tier
        self.over[index] = len(self.entries)
        self.entries.append(tuple(entry[name] for name in kernels.ITEM.names or ()))
        self.grants.append((0, 0, 0, 1, 0, 0))

    def _cells(self, made: Sequence[Made]) -> int:
        """The first cell of the table of these items."""
        mask = sum(
            dense(one.when, self.names.relations).astype(np.int64).reshape(-1) << place
            for place, one in enumerate(made)
        )
        self.masks.append(np.asarray(mask, np.int64))
        self.cells += len(self.masks[-1])
        return self.cells - len(self.masks[-1])


def compile_memory(
    chosen: Sequence[tuple[Plan, Version]],
    editions: Sequence[Edition],
    plan_index: Sequence[int],
    rules: RuleTables,
    rates: RateTables,
) -> MemoryTables | None:
    """The items of the versions of a run; None where there are none.

    rules: an empty table, for the conditions of items. plan_index: by version. What is wrong is
    noted among the problems of ``rules``.
    """
    problems, names = rules.problems, rules.names
    for plan, version in chosen:
        check_version(plan, version, names.components, problems)
    if problems.errors or not any(map(remembers, (version for _, version in chosen))):
        return None
    first_days: dict[tuple[str, str, str], int] = {}
    for plan, version in chosen:
        for one in _items_of(version.memory):
            key = plan.plan_id, _kind(one), one.name
            first_days[key] = min(first_days.get(key, LAST_DAY), _day(version.valid_from))
    found = _Gathered(names, rules, first_days)
    for (plan, _), edition, index in zip(chosen, editions, plan_index, strict=True):
        found.add(plan, index, edition)
    over = np.full(rates.rates.count, kernels.NOTHING, np.int32)
    for rate, place in found.over.items():
        over[rate] = place
    kinds, measures, owners = zip(*found.items.values(), strict=True)
    months = [
        _day(date(month // 12, month % 12 + 1, 1)) for month in range(FIRST_MONTH, LAST_MONTH + 1)
    ]
    spans = [entry[list(kernels.ITEM.names or ()).index("rollover_spans")]
             for entry in found.entries]  # fmt: skip
    opens = np.array(sorted(found.openings), np.int64).reshape(-1, 3)
    units = [codes.QUANTITY_UNIT.get(service, 0) for service in range(len(codes.SERVICES))]
    return MemoryTables(
        tuple(found.items), kinds, measures, owners, tuple(found.grants), max(spans),
        kernels.Items(
            first=frozen(found.first, np.int32), first_cell=frozen(found.first_cell, np.int64),
            mask=frozen(np.concatenate(found.masks) if found.masks else [], np.int64),
            entries=frozen(found.entries, kernels.ITEM), over=frozen(over, np.int32),
            has_over=int(bool(found.over)),
            month_day=frozen(months, np.int32), first_month=FIRST_MONTH,
            service_unit=frozen(units, np.int8), row_most=found.most,
            opens_first=frozen(np.searchsorted(opens[:, 0], np.arange(len(kinds) + 1)), np.int32),
            opens_day=frozen(opens[:, 1], np.int32), opening=frozen(opens[:, 2], np.int32),
            rules=rules.arrays(),
        ),
    )  # fmt: skip


def remembers(version: Version) -> bool:
    """Whether a version has any item."""
    return bool(_items_of(version.memory)) or any(rate.over for rate in version.rates)


def _items_of(memory: Memory) -> list[Made]:
    return [*memory.allowances, *memory.caps, *memory.counters]


def _kind(one: Made) -> str:
    return {Allowance: "allowance", Cap: "cap", Counter: "counter"}[type(one)]


def _mode(one: Made, version: Version) -> int:
    """Of an allowance its mode; of a cap the unit of what comes beyond it."""
    if isinstance(one, Cap) and one.beyond:
        return MEASURES.index(version.rate(one.beyond).unit)
    return MODES.index(one.mode) if isinstance(one, Allowance) else 0


def _phase(one: Made) -> int:
    is_money = isinstance(one, Allowance) and one.measure == "money"
    return _MONEY_PHASE if is_money else _PHASE[_kind(one)]


def _ranks(made: Sequence[Made]) -> dict[tuple[int, int], int]:
    """The order in which items are asked, but for the end of their slots and their names."""
    keys = sorted({(_phase(one), int(getattr(one, "priority", 0))) for one in made})
    return {key: key[0] * _RANKS + place for place, key in enumerate(keys)}


def _day(day: date) -> int:
    return day.toordinal() - clock.EPOCH_DAY


def _span(span: Span) -> dict[str, int]:
    return {
        "span": SPANS.index(span.kind), "days": span.days,
        "first_day": FIRST_DAY if span.valid_from is None else _day(span.valid_from),
        "last_day": LAST_DAY if span.valid_to is None else _day(span.valid_to),
    }  # fmt: skip


def _grant(one: Made) -> tuple[int, ...]:
    """What a slot is opened with: proration, add_nano, mode, unit_size, per_member, amount."""
    if isinstance(one, Allowance):
        prorate: Any = one.prorate
        return (PRORATIONS.index(prorate.by), prorate.add_nano, prorate.mode, prorate.unit_size,
                int(one.per_member), one.amount)  # fmt: skip
    return 0, 0, 0, 1, 0, one.amount_micro if isinstance(one, Cap) else 0

