"""The tariff book as read-only arrays: ``compile_book``, and what the arrays' indices mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Final

import numpy as np

from tariffs.compile_rates import ENDLESS, Maxima, RateTables, frozen
from tariffs.compile_rules import Names, RuleTables
from tariffs.model import Book, Plan, Version
from tariffs.price_kernels import ZONE_ENTRY, Clocks
from tariffs.rule_kernels import VERSION, Tables, Versions
from tollbook import clock, money, schemas
from tollbook.text import Problems

_LAST_DAY: Final = date(2101, 1, 3)
_HOLIDAY: Final = 7  # position in model.DAY_TYPES
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class CompiledBook:
    """The arrays, and what their indices mean.

    components: by slot of the charge columns. plans: by version_index, the plan and its version.
    version_names: by version_index, such as "2003-06-01".
    """

    tables: Tables
    components: tuple[str, ...]
    plans: tuple[tuple[Plan, Version], ...]
    version_names: tuple[str, ...]
    names: Names


def compile_book(
    book: Book,
    zones: Sequence[str],
    relations: Sequence[str],
    access_codes: Sequence[str],
    plan_ids: Sequence[str],
    maxima: Maxima | None = None,
) -> CompiledBook:
    """Compile a book for a run.

    zones, relations, access_codes, plan_ids: what ``other_zone_index``, ``relation_index``,
    ``access_code_index`` and ``plan_index`` of the usage point into. A plan without a version in
    the book gives ``plan_missing``. maxima: the largest quantities that are proven not to overflow.
    Raises Refused with all problems: names that are not defined, rates that could overflow.
    """
    problems = Problems()
    names = Names(tuple(zones), tuple(relations), tuple(access_codes), book.components)
    if len(book.components) > schemas.COMPONENTS_MAX:
        problems.add(("tariffs", 0), f"{len(book.components)} components",
                     f"at most {schemas.COMPONENTS_MAX}", "merge some of them")
    rates = RateTables(maxima or Maxima())
    rules = RuleTables(names, problems)
    clocks: dict[str, int] = {}
    chosen = _versions_of(book, plan_ids)
    rows: list[tuple[int, ...]] = []
    for _, version in chosen:
        _check_limit(version, problems)
        _check_known(version, problems)
        own = _rates_of(version, rates, problems)
        first_cell, first_rule = rules.add(version, own.__getitem__)
        zone = version.time_zone
        rows.append((
            *_validity(version),
            clocks.setdefault(zone, len(clocks)),
            version.charge_limit_micro,
            first_cell,
            first_rule,
        ))
    problems.refuse_if_any("no record was rated")
    counts = Counter(plan.plan_id for plan, _ in chosen)
    first = [0, *accumulate(counts[plan_id] for plan_id in plan_ids)]
    tables = Tables(
        Versions(frozen(first, np.int32), frozen(rows, VERSION)), rules.arrays(), rates.arrays(),
        compile_clocks(tuple(clocks) or ("UTC",), book.holidays),
    )  # fmt: skip
    labels = tuple(version.label for _, version in chosen)
    return CompiledBook(tables, book.components, chosen, labels, names)


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
    return {rate.name: rates.add(rate, problems) for rate in version.rates}


def _check_limit(version: Version, problems: Problems) -> None:
    if not 0 <= version.charge_limit_micro <= money.CHARGE_LIMIT_MICRO:
        problems.add(
            (version.at.file, version.at.line),
            f"the limit of one charge is {money.format_micro(version.charge_limit_micro)}",
            f"0 to {money.format_micro(money.CHARGE_LIMIT_MICRO)}", "correct the limit",
        )  # fmt: skip


def _check_known(version: Version, problems: Problems) -> None:
    """Refuse what is not yet priced, rather than price it as if it were not there."""
    for name, given in (
        ("fallback", bool(version.fallback)),
        ("version_change: split", version.version_change != "start"),
    ):
        if given:
            problems.add((version.at.file, version.at.line), f"`{name}`",
                         "what rating knows", "leave it out: it is not yet priced")


def compile_clocks(zones: Sequence[str], holidays: Iterable[date]) -> Clocks:
    """Time zones one after the other, and the day type of every local day since 1970."""
    first, entries = [0], []
    for zone in zones:
        table = clock.zone_table(zone)
        entries += [*zip(table.since_utc_s.tolist(), table.offset_s.tolist(), strict=True)]
        entries.append((ENDLESS, 0))
        first.append(len(entries))
    days = np.arange(_LAST_DAY.toordinal() - clock.EPOCH_DAY, dtype=np.int64)
    day_type = ((days + _FIRST_WEEKDAY) % 7).astype(np.int8)
    for day in holidays:
        if 0 <= day.toordinal() - clock.EPOCH_DAY < len(day_type):
            day_type[day.toordinal() - clock.EPOCH_DAY] = _HOLIDAY
    return Clocks(
        frozen(first, np.int32), frozen(entries, ZONE_ENTRY), frozen(day_type, np.int8)
    )
