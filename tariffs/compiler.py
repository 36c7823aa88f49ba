"""The tariff book as read-only arrays: ``compile_book``, and what the arrays' indices mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from tariffs.compile_bands import DayClasses, book_day_classes
from tariffs.compile_decks import PrefixTables
from tariffs.compile_discounts import Compiling, DiscountTables, compile_discounts
from tariffs.compile_memory import MemoryTables, compile_memory
from tariffs.compile_proof import link_of
from tariffs.compile_rates import ENDLESS, Maxima, RateTables, frozen
from tariffs.compile_rules import RuleTables
from tariffs.compile_targets import Edition, Names, Targets, unknown
from tariffs.model import FALLBACKS_MAX, Book, Plan, Version
from tariffs.price_kernels import ZONE_ENTRY, Clocks
from tariffs.rule_kernels import VERSION, Tables, Versions
from tollbook import clock, money, schemas
from tollbook.text import Problems

DISCOUNT_ITEM: Final = "*/discount/"  # before its name: what stands for it in the column ``used``


@dataclass(frozen=True)
class CompiledBook:
    """The arrays, and what their indices mean.

    components: by slot of the charge columns. plan_ids: by plan_index, those of the run and behind
    them the plans that only fallbacks name. version_plans: by version_index, the plan's index.
    version_names: by version_index, such as "2003-06-01". fallbacks: int32 [version, n], indices of
    the plans that are asked in this order where the version has no price; -1: no more. discounts:
    those on single records. memory: what the versions remember, or None.
    """

    tables: Tables
    components: tuple[str, ...]
    plan_ids: tuple[str, ...]
    version_plans: tuple[int, ...]
    version_names: tuple[str, ...]
    names: Names
    fallbacks: np.ndarray
    discounts: DiscountTables
    memory: MemoryTables | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """What the column ``used`` of rated records may name, by position."""
        remembered = self.memory.item_names if self.memory else ()
        return remembered + tuple(f"{DISCOUNT_ITEM}{name}" for name in self.discounts.names)


def compile_book(
    book: Book,
    zones: Sequence[str],
    relations: Sequence[str],
    access_codes: Sequence[str],
    plan_ids: Sequence[str],
    maxima: Maxima | None = None,
    carriers: Sequence[str] = (),
    zone_time_zones: Sequence[str] = (),
) -> CompiledBook:
    """Compile a book for a run.

    zones, relations, access_codes, plan_ids, carriers: what ``other_zone_index``,
    ``relation_index``, ``access_code_index``, ``plan_index`` and ``carrier_index`` of the usage
    point into. A plan without a version in the book gives ``plan_missing``. maxima: the largest
    quantities that are proven not to overflow. zone_time_zones: by zone its own time zone, "" where
    it has none, for rates that follow the clock of a place.
    Raises Refused with all problems: names that are not defined, rates that could overflow.
    """
    problems = Problems()
    names = Names(
        tuple(zones), tuple(relations), tuple(access_codes), book.components, tuple(carriers),
        tuple(zone_time_zones) or ("",) * len(zones),
    )  # fmt: skip
    _check_book(book, problems)
    days = book_day_classes(book, problems)
    rates = RateTables(maxima or Maxima(), days)
    prefixes = PrefixTables(rates, problems)
    rules = RuleTables(names, problems, Targets(names, problems, prefixes))
    clocks: dict[str, int] = {}
    plan_ids = _with_fallbacks(book, plan_ids)
    chosen = _versions_of(book, plan_ids)
    fallbacks = _fallbacks(chosen, plan_ids, problems)
    rows: list[tuple[int, ...]] = []
    editions: list[Edition] = []
    links = {plan.plan_id: link_of(plan.versions) for plan, _ in chosen}
    for plan, version in chosen:
        _check_limit(version, problems)
        rates.link = links[plan.plan_id]
        edition = Edition(version, _rates_of(version, rates, problems))
        editions.append(edition)
        first_cell, first_rule = rules.add(edition)
        zone = version.time_zone
        rows.append((
            *_validity(version), clocks.setdefault(zone, len(clocks)), version.charge_limit_micro,
            first_cell, first_rule, int(version.version_change == "split"), -1,
        ))  # fmt: skip
    version_plans = tuple(plan_ids.index(plan.plan_id) for plan, _ in chosen)
    conditions = RuleTables(names, problems, Targets(names, problems, prefixes))
    memory = compile_memory(chosen, editions, version_plans, conditions, rates)
    problems.refuse_if_any("no record was read")
    counts = Counter(plan.plan_id for plan, _ in chosen)
    first = [0, *accumulate(counts[plan_id] for plan_id in plan_ids)]
    versions = _linked(np.array(rows, VERSION), np.array(version_plans))
    own_zones = names.zone_time_zones
    places = [clocks.setdefault(zone, len(clocks)) if zone else -1 for zone in own_zones]
    tables = Tables(
        Versions(frozen(first, np.int32), frozen(versions, VERSION)), rules.arrays(),
        rates.arrays(), compile_clocks(tuple(clocks) or ("UTC",), days, places),
        prefixes.arrays(),
    )  # fmt: skip
    labels = tuple(version.label for _, version in chosen)
    made = Compiling(editions, [row[5] for row in rows], tables.rules, plan_ids, names)
    conditions = RuleTables(names, problems, Targets(names, problems, prefixes))
    return CompiledBook(
        tables, book.components, plan_ids, version_plans, labels, names, fallbacks,
        compile_discounts(book.discounts, made, conditions), memory,
    )  # fmt: skip


def _with_fallbacks(book: Book, plan_ids: Sequence[str]) -> tuple[str, ...]:
    """The plans of the run, and behind them those of the book that only fallbacks name."""
    known = {plan.plan_id for plan in book.plans}
    named = (
        plan_id
        for plan in book.plans if plan.plan_id in set(plan_ids)
        for version in plan.versions
        for plan_id in version.fallback if plan_id in known
    )  # fmt: skip
    return tuple(plan_ids) + tuple(dict.fromkeys(one for one in named if one not in plan_ids))


def _fallbacks(
    chosen: Sequence[tuple[Plan, Version]], plan_ids: Sequence[str], problems: Problems
) -> np.ndarray:
    """int32 [version, n]: the plans that versions fall back on; -1: no more."""
    width = max((len(version.fallback) for _, version in chosen), default=0)
    found = np.full((len(chosen), width), -1, np.int32)
    for row, (_, version) in enumerate(chosen):
        if len(version.fallback) > FALLBACKS_MAX:
            problems.add((version.at.file, version.at.line), f"{len(version.fallback)} fallbacks",
                         f"at most {FALLBACKS_MAX}", "leave some out")
        for place, plan_id in enumerate(version.fallback):
            if plan_id in plan_ids:
                found[row, place] = plan_ids.index(plan_id)
            else:
                unknown(problems, version.at, ("fallback plan", plan_id), plan_ids)
    found.setflags(write=False)
    return found


def _linked(versions: np.ndarray, plans: np.ndarray) -> np.ndarray:
    """VERSION rows, each with the version that begins where it ends."""
    if len(versions) > 1:
        follows = plans[1:] == plans[:-1]
        follows &= versions["from_utc_s"][1:] == versions["to_utc_s"][:-1]
        versions["next_version"][:-1] = np.where(follows, np.arange(1, len(versions)), -1)
    return versions


def _versions_of(book: Book, plan_ids: Sequence[str]) -> tuple[tuple[Plan, Version], ...]:
    plans = {plan.plan_id: plan for plan in book.plans}
    return tuple(
        (plans[plan_id], version)
        for plan_id in plan_ids if plan_id in plans
        for version in sorted(
            plans[plan_id].versions, key=lambda one: (one.valid_from, one.valid_from_s)
        )
    )  # fmt: skip


def _validity(version: Version) -> tuple[int, int]:
    """First second of a version and the first after it, in UTC."""
    zone, begins = version.time_zone, version.valid_from
    since = clock.wall_utc_s(begins, version.valid_from_s, zone)
    if version.valid_to is None:
        return since, ENDLESS
    return since, clock.wall_utc_s(version.valid_to, version.valid_to_s, zone)


def _rates_of(version: Version, rates: RateTables, problems: Problems) -> Mapping[str, int]:
    """By name; templates are no rates, only what the rows of decks are made from."""
    return {
        rate.name: rates.add(rate, problems) for rate in version.rates if not rate.is_template
    }


def _check_limit(version: Version, problems: Problems) -> None:
    if not 0 <= version.charge_limit_micro <= money.CHARGE_LIMIT_MICRO:
        problems.add(
            (version.at.file, version.at.line),
            f"the limit of one charge is {money.format_micro(version.charge_limit_micro)}",
            f"0 to {money.format_micro(money.CHARGE_LIMIT_MICRO)}", "correct the limit",
        )  # fmt: skip


def _check_book(book: Book, problems: Problems) -> None:
    if len(book.components) > schemas.COMPONENTS_MAX:
        problems.add(("tariffs", 0), f"{len(book.components)} components",
                     f"at most {schemas.COMPONENTS_MAX}", "merge some of them")


def compile_clocks(
    zones: Sequence[str], days: DayClasses, place_zones: Iterable[int] = ()
) -> Clocks:
    """Time zones one after the other, and the kind of every local day since 1970.

    place_zones: by place of the network a position in ``zones``, -1 where it has none.
    """
    first, entries = [0], []
    for zone in zones:
        table = clock.zone_table(zone)
        entries += [*zip(table.since_utc_s.tolist(), table.offset_s.tolist(), strict=True)]
        entries.append((ENDLESS, 0))
        first.append(len(entries))
    places = [-1, *place_zones]
    return Clocks(
        frozen(first, np.int32), frozen(entries, ZONE_ENTRY), days.of_day,
        frozen(places, np.int32),
    )
