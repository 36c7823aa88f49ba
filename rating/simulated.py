"""What a simulation found, as people ask for it: by dimension, by decile, who wins and who loses.

All figures are exact; an elasticity's response is a fraction until it is rounded, half to even, to
a micro.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rating.simulate import BUNDLE, COUNTED, DIMENSIONS, HOURS, Candidate, Sums, band_names
from tariffs.memory_model import KINDS, MEASURES
from tollbook import codes
from tollbook.money import exact_sum

DECILES: Final = 10
EXTREMES: Final = 10  # accounts that are named, on either side
# Borders of the classes of change, in per mille of what an account paid before.
BORDERS: Final = (-500, -200, -100, -50, -10, 0, 10, 50, 100, 200, 500)
NONE: Final = "(none)"


@dataclass(frozen=True)
class Line:
    """Some records: how many, what was used, what they cost and what they would cost."""

    label: str
    records: int
    duration_s: int
    volume_bytes: int
    event_count: int
    old_micro: int
    new_micro: tuple[int, ...]


@dataclass(frozen=True)
class Account:
    """An account that a candidate moves most."""

    account: str
    old_micro: int
    new_micro: int


@dataclass(frozen=True)
class Movement:
    """Accounts by what a candidate does to them.

    classes: (from, to) in per mille of the old charge, and how many accounts; None: without end.
    from_nothing: accounts that paid nothing before and would pay now.
    """

    winners: int
    losers: int
    unchanged: int
    won_micro: int
    lost_micro: int
    classes: tuple[tuple[int | None, int | None, int], ...]
    from_nothing: int
    greatest_winners: tuple[Account, ...]
    greatest_losers: tuple[Account, ...]


@dataclass(frozen=True)
class Response:
    """What customers do about other prices, as the user assumes it: for one service and relation.

    old_micro, new_micro: records that have a price in both. usage_ppm: how much would be used for
    each million used now. responded_micro: what that would bring at the new prices.
    """

    service: str
    relation: str
    elasticity: Fraction
    old_micro: int
    new_micro: int
    usage_ppm: int
    responded_micro: int


@dataclass(frozen=True)
class Bundle:
    """What became of an allowance, cap, counter, tier or discount, in its own measure.

    records: that took from it; taken: by all of them. owners: how many have one that was used;
    balances: how many they have, one for each span; used: of these. granted, used_up: what these
    were granted, and how many have nothing left. None: nobody owns a discount, and nothing is
    granted for counters and tiers.
    """

    item: str  # plan/kind/name
    measure: str
    records: int
    taken: int
    owners: int | None
    balances: int | None
    granted: int | None
    used: int | None
    used_up: int | None


@dataclass(frozen=True)
class Tried:
    """What one candidate makes of the usage. bands: its own, by what they are called.

    settled_micro: what whole volumes come to when the month is billed; no record's charge has it.
    """

    name: str
    new_micro: int
    unpriced: Mapping[str, tuple[int, int]]  # reason -> records, old micro
    bands: tuple[Line, ...]
    movement: Movement
    responses: tuple[Response, ...]
    bundles: tuple[Bundle, ...] = ()
    settled_micro: int = 0

    @property
    def responded_micro(self) -> int:
        """What the candidate would bring if customers respond as assumed; 0: nothing assumed."""
        return sum(one.responded_micro for one in self.responses)


@dataclass(frozen=True)
class Simulation:
    """Everything that was found. tables: dimension -> lines; deciles ascend by the old charge."""

    records: int
    old_micro: int
    tables: Mapping[str, tuple[Line, ...]]
    deciles: tuple[Line, ...]
    tried: tuple[Tried, ...]
    accounts: pa.Table  # account, records, old_micro, new_0_micro ...


def conclude(
    found: Sums, candidates: Sequence[Candidate], elasticity: Mapping[tuple[str, str], Fraction]
) -> Simulation:
    """The sums of all pieces as figures for people. elasticity: by service and relation; ``*``."""
    accounts = _accounts(found)
    labels = _labels(candidates)
    tables = {
        name: tuple(_lines(found.cubes[name], labels[name])) for name in (*DIMENSIONS,)
    }  # fmt: skip
    tried = tuple(
        Tried(
            candidate.name,
            sum(line.new_micro[place] for line in tables["service"]),
            {reason: (int(row[0]), int(row[1]))
             for reason, row in sorted(found.unpriced[place].items())},
            tuple(_line(name, row) for name, row in band_names(found, place, candidate).items()),
            movement(accounts, place),
            _responses(found.cubes["relation"], place, candidate, elasticity),
            _bundles(found.bundles[place], candidate),
            found.settled[place],
        )
        for place, candidate in enumerate(candidates)
    )  # fmt: skip
    total = tables["service"]
    return Simulation(
        sum(line.records for line in total), sum(line.old_micro for line in total), tables,
        _deciles(accounts, len(candidates)), tried, accounts,
    )  # fmt: skip


def _bundles(sums: np.ndarray, candidate: Candidate) -> tuple[Bundle, ...]:
    """The items of a book that were used, in the order of the book."""
    compiled = candidate.context.compiled
    memory = compiled.memory
    measures = [] if memory is None else [MEASURES[code] for code in memory.item_measures]
    kinds = [] if memory is None else [KINDS[code] for code in memory.item_kinds]
    discounts = len(compiled.items) - len(kinds)
    measures, kinds = measures + ["money"] * discounts, kinds + ["discount"] * discounts
    endless = {"granted", "used_up"}
    absent = {"discount": {"owners", "balances", "used", *endless}, "counter": endless,
              "tiers": endless}  # see ``Bundle``
    found = []
    rows = zip(compiled.items, measures, kinds, sums.tolist(), strict=True)
    for item, measure, kind, row in rows:
        bundle = Bundle(item, measure, **dict(zip(BUNDLE, row, strict=True)))
        if bundle.records:
            unknown: dict[str, Any] = dict.fromkeys(absent.get(kind, ()))
            found.append(replace(bundle, **unknown))
    return tuple(found)


def _labels(candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    context = candidates[0].context
    relations = [NONE, *context.words.relations]
    return {
        "plan": [NONE, *(plan.plan_id for plan in context.plans)],
        "zone": [NONE, *context.words.zones],
        "service": list(codes.SERVICES),
        "relation": [f"{service}, {relation}" for service in codes.SERVICES
                     for relation in relations],
        "hour": [f"{hour:02d}" for hour in range(HOURS)],
    }  # fmt: skip


def _lines(cube: np.ndarray, labels: Sequence[str]) -> list[Line]:
    return [_line(labels[row], cube[row]) for row in np.flatnonzero(cube[:, 0]).tolist()]


def _line(label: str, row: np.ndarray) -> Line:
    records, duration_s, volume_bytes, event_count, old_micro, *new_micro = row.tolist()
    return Line(
        label, records, duration_s, volume_bytes, event_count, old_micro, tuple(new_micro)
    )


def _accounts(found: Sums) -> pa.Table:
    """One row an account, in their order."""
    every = pa.concat_tables(found.accounts)
    names = every.column_names[1:]
    merged = every.group_by("account").aggregate([(name, "sum") for name in names])
    columns = {"account": merged["account"]} | {name: merged[f"{name}_sum"] for name in names}
    table = pa.table(columns)
    return table.filter(pa.array(table["records"].to_numpy() > 0)).sort_by("account")


def _deciles(accounts: pa.Table, count: int) -> tuple[Line, ...]:
    """Tenths of the accounts by what they pay now; the first pay least."""
    old = accounts["old_micro"].to_numpy()
    order = np.argsort(old, kind="stable")
    columns = [accounts[f"new_{place}_micro"].to_numpy() for place in range(count)]
    records = accounts["records"].to_numpy()
    lines = []
    for decile in range(DECILES):
        low, high = decile * len(old) // DECILES, (decile + 1) * len(old) // DECILES
        rows = order[low:high]
        lines.append(Line(
            f"{decile + 1}", int(records[rows].sum()), 0, 0, 0, exact_sum(old[rows]),
            tuple(exact_sum(column[rows]) for column in columns),
        ))  # fmt: skip
    return tuple(lines)


def movement(accounts: pa.Table, place: int) -> Movement:
    """Who pays less and who pays more under a candidate."""
    old = accounts["old_micro"].to_numpy()
    new = accounts[f"new_{place}_micro"].to_numpy()
    change = new - old
    ids = accounts["account"]
    order = np.argsort(change, kind="stable")

    def named(rows: np.ndarray) -> tuple[Account, ...]:
        return tuple(
            Account(ids[row].as_py(), int(old[row]), int(new[row])) for row in rows.tolist()
        )  # fmt: skip

    paid = old > 0
    bounds: list[int | None] = [None, *BORDERS, None]
    classes = []
    for low, high in pairwise(bounds):
        inside = paid & (change != 0)
        if low is not None:
            inside &= change >= -(-old * low // 1000)
        if high is not None:
            inside &= change < -(-old * high // 1000)
        classes.append((low, high, int(np.count_nonzero(inside))))
    won, lost = change < 0, change > 0
    return Movement(
        int(np.count_nonzero(won)), int(np.count_nonzero(lost)),
        int(np.count_nonzero(change == 0)), exact_sum(-change[won]), exact_sum(change[lost]),
        tuple(classes), int(np.count_nonzero(lost & ~paid)),
        named(order[: min(EXTREMES, int(np.count_nonzero(won)))]),
        named(order[::-1][: min(EXTREMES, int(np.count_nonzero(lost)))]),
    )  # fmt: skip


def _responses(
    cube: np.ndarray, place: int, candidate: Candidate,
    elasticity: Mapping[tuple[str, str], Fraction],
) -> tuple[Response, ...]:
    """What usage and revenue come to if each group of calls responds to its mean change of price.

    Usage changes by elasticity x change of price, never below nothing; groups for which nothing is
    assumed, or that cost nothing today, stay as they are.
    """  # fmt: skip
    if not elasticity:
        return ()
    relations = [NONE, *candidate.context.words.relations]
    found = []
    for row in np.flatnonzero(cube[:, 0]).tolist():
        service, relation = codes.SERVICES[row // len(relations)], relations[row % len(relations)]
        assumed = next(
            (elasticity[key] for key in (
                (service, relation), (service, "*"), ("*", relation), ("*", "*"),
            ) if key in elasticity), Fraction(0),
        )  # fmt: skip
        old, new = int(cube[row, 4]), int(cube[row, len(COUNTED) + place])
        share = Fraction(1)
        if old:
            share = max(Fraction(0), 1 + assumed * Fraction(new - old, old))
        found.append(Response(
            service, relation, assumed, old, new, round(share * 10**6), round(new * share)
        ))  # fmt: skip
    return tuple(found)
