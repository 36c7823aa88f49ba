"""Whom discounts are for: selectors of the tariff book x customers -> masks by subscription.

A subscription's row is chosen if all that a discount's ``for`` gives holds for it, and nothing of
its ``except``. Membership in a group is dated, so it becomes spans; all else holds for the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.tables import fixed
from tariffs.compile_discounts import in_order
from tariffs.compiler import CompiledBook
from tariffs.discount_kernels import Selection
from tariffs.memory_model import Chosen, Discount
from tollbook import clock
from tollbook.columns import OPEN_FROM
from tollbook.customers import Customers
from tollbook.numbering import heads_of
from tollbook.text import Problems


def choose(
    compiled: CompiledBook, discounts: Sequence[Discount], customers: Customers, time_zone: str
) -> CompiledBook:
    """A compiled book whose discounts know their subscriptions.

    time_zone: the operator's, of the days on which subscriptions were opened.
    """
    if not discounts:
        return compiled
    chosen = select(in_order(discounts), customers, time_zone)
    chosen = chosen._replace(by_plan=compiled.discounts.selection.by_plan)
    return replace(compiled, discounts=replace(compiled.discounts, selection=chosen))


def select(discounts: Sequence[Discount], customers: Customers, time_zone: str) -> Selection:
    """The masks of all rows of ``Customers.lines``; discounts by bit."""
    rows = _Rows(customers, time_zone)
    count = len(customers.lines.number)
    always = np.zeros(count + 1, np.int64)
    spans = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for place, one in enumerate(discounts):
        holds = rows.all_of(one.chosen)
        if one.excluded is not None:
            holds &= ~rows.any_of(one.excluded)
            _add(spans, rows, one.excluded.groups, holds, (0, 1 << place))
        if one.chosen.groups:
            _add(spans, rows, one.chosen.groups, holds, (1 << place, 0))
        else:
            always[:-1] |= holds.astype(np.int64) << place
    entry, adds, takes = (np.concatenate(part) for part in spans)
    line, member = rows.lines[entry], rows.members[entry]
    order = np.lexsort((takes, adds, customers.groups.valid_from_utc_s[member], line))
    first = np.searchsorted(line[order], np.arange(count + 2)).astype(np.int32)
    return Selection(
        1, fixed(np.zeros(1, np.int64)), fixed(always), fixed(first),
        fixed(customers.groups.valid_from_utc_s[member[order]]),
        fixed(customers.groups.valid_to_utc_s[member[order]]),
        fixed(adds[order]), fixed(takes[order]),
    )  # fmt: skip


_Spans = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


def _add(
    spans: _Spans, rows: _Rows, groups: Sequence[str], holds: np.ndarray, bits: tuple[int, int]
) -> None:
    """Spans of the members of some groups among the subscriptions for which all else holds."""
    wanted = np.isin(rows.group_of_member, [
        at for at, name in enumerate(rows.customers.groups.groups) if name in groups
    ])  # fmt: skip
    found = np.flatnonzero(wanted & holds[rows.lines])
    for column, values in zip(spans, (found, *(np.full(len(found), bit) for bit in bits)),
                              strict=True):  # fmt: skip
        column.append(values.astype(np.int64))


class _Rows:
    """Customers by row of ``Customers.lines``; lines, members: who of them is in which entry of
    groups.csv, as pairs of rows."""

    def __init__(self, customers: Customers, time_zone: str) -> None:
        self.customers, self.time_zone = customers, time_zone
        subscriptions, groups = customers.lines, customers.groups
        order = np.argsort(subscriptions.number, kind="stable")
        number = subscriptions.number[order]
        begin = np.searchsorted(number, groups.number)
        count = np.searchsorted(number, groups.number, "right") - begin
        self.members = np.repeat(np.arange(len(groups.number)), count)
        within = np.arange(len(self.members)) - np.repeat(np.cumsum(count) - count, count)
        self.lines = order[np.repeat(begin, count) + within]
        self.group_of_member = groups.group_index[self.members]

    def all_of(self, chosen: Chosen) -> np.ndarray:
        """Whether all that is given holds, but for groups; bool by row."""
        found = np.ones(len(self.customers.lines.number), np.bool_)
        for test in self._tests(chosen):
            found &= test()
        return found

    def any_of(self, chosen: Chosen) -> np.ndarray:
        """Whether anything that is given holds, but for groups."""
        found = np.zeros(len(self.customers.lines.number), np.bool_)
        for test in self._tests(chosen):
            found |= test()
        return found

    def _tests(self, chosen: Chosen) -> list[Callable[[], np.ndarray]]:
        subscriptions, accounts = self.customers.lines, self.customers.accounts
        plans = self.customers.plan_ids
        tests: list[Callable[[], np.ndarray]] = []
        if chosen.numbers:
            tests.append(lambda: numbers_in(subscriptions.number, chosen.numbers))
        if chosen.subscriptions:
            tests.append(lambda: _is_in(subscriptions.subscription_id, chosen.subscriptions))
        if chosen.accounts:
            tests.append(lambda: _is_in(accounts.account_id, chosen.accounts)[
                subscriptions.account_index])  # fmt: skip
        if chosen.plans:
            tests.append(lambda: np.array([name in chosen.plans for name in plans], np.bool_)[
                subscriptions.plan_index])  # fmt: skip
        if chosen.opened_from is not None or chosen.opened_to is not None:
            tests.append(lambda: self._opened(chosen.opened_from, chosen.opened_to))
        return tests

    def _opened(self, since: date | None, until: date | None) -> np.ndarray:
        """Whether a subscription's first row begins in a span of local days."""
        lines = self.customers.lines.subscription_id.dictionary_encode().indices
        which = lines.to_numpy()
        first = np.full(len(which), np.iinfo(np.int64).max)
        np.minimum.at(first, which, self.customers.lines.valid_from_utc_s)
        low = OPEN_FROM if since is None else clock.date_utc_s(since, self.time_zone)
        begins = first[which]
        holds: np.ndarray = begins >= low
        if until is not None:
            holds &= begins < clock.date_utc_s(until, self.time_zone)
        return holds


def numbers_in(numbers: np.ndarray, spans: Sequence[tuple[str, str]]) -> np.ndarray:
    """Whether E.164 numbers begin with something from first to last of one of the spans; bool."""
    found = np.zeros(len(numbers), np.bool_)
    for size in {len(first) for first, _ in spans}:
        ends = np.array([(int(a), int(b)) for a, b in spans if len(a) == size], np.int64)
        ends = ends[np.argsort(ends[:, 0], kind="stable")]
        furthest = np.maximum.accumulate(ends[:, 1])
        head = heads_of(numbers, size)
        place = np.searchsorted(ends[:, 0], head, side="right") - 1
        found |= (place >= 0) & (head <= furthest[np.maximum(place, 0)])
    return found


def _is_in(column: pa.Array, words: Sequence[str] | pa.Array) -> np.ndarray:
    values = words if isinstance(words, pa.Array) else pa.array(words, pa.string())
    found: np.ndarray = pc.is_in(column, values).to_numpy(
        zero_copy_only=False
    )
    return found


def chosen_names(
    discounts: Sequence[Discount], customers: Customers, time_zone: str, row: int, utc_s: int
) -> frozenset[str]:
    """The discounts that are for a row of ``Customers.lines`` at an instant, by name."""
    ordered = in_order(discounts)
    chosen = select(ordered, customers, time_zone)
    span = slice(int(chosen.first[row]), int(chosen.first[row + 1]))
    holds = (chosen.since_utc_s[span] <= utc_s) & (utc_s < chosen.until_utc_s[span])
    mask = int(chosen.always[row]) | int(np.bitwise_or.reduce(chosen.adds[span][holds]))
    mask &= ~int(np.bitwise_or.reduce(chosen.takes[span][holds]))
    return frozenset(one.name for place, one in enumerate(ordered) if mask >> place & 1)


def check(discounts: Sequence[Discount], customers: Customers, problems: Problems) -> None:
    """Warn of ids, groups and numbers of selectors that no customer has: they choose nobody."""
    tables = (
        ("account", "accounts", customers.accounts.account_id, "accounts.csv"),
        ("subscription", "subscriptions", customers.lines.subscription_id,
         "subscriptions.csv"),
        ("group", "groups", pa.array(customers.groups.groups, pa.string()), "groups.csv"),
    )  # fmt: skip
    for one in discounts:
        at, name = (one.at.file, one.at.line), f"discount '{one.name}'"
        for chosen in (one.chosen, one.excluded or Chosen()):
            for word, key, column, file in tables:
                named = getattr(chosen, key)
                known = _is_in(pa.array(named, pa.string()), column.unique())
                missing = [each for each, is_known in zip(named, known, strict=True)
                           if not is_known]  # fmt: skip
                if missing:
                    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                    others = " or visitors.csv" * (word == "subscription")
                    problems.warn(at, f"{name} names {word} '{missing[0]}'{more}, which customers/"
                                  f"{file} does not have", f"ids of {file}{others}",
                                  "correct the id, or leave it out")
            numbers = customers.lines.number
            if chosen.numbers and not numbers_in(numbers, chosen.numbers).any():
                problems.warn(at, f"{name} names numbers, and no subscription has one of them",
                              "numbers with their country code, such as 86138*",
                              "write the country code before them")
