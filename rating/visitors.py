"""Visitors: customers of other networks on ours, whose records are charged by their IMSI.

customers/visitors.csv says to which account and by which plan. Nothing is remembered of a visitor,
so plans of visitors have no allowances, and nothing is charged by the month.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.guide_kernels import NO_SUBSCRIPTION, VISITING, Payers
from rating.tables import fixed
from tariffs.compile_memory import remembers
from tariffs.model import Book, Version
from tollbook import codes
from tollbook.columns import index_in
from tollbook.customers import Customers
from tollbook.customers_visitors import FILE, IMSI_DIGITS_MAX, Visitors
from tollbook.numbering import heads_of
from tollbook.stage import ints
from tollbook.text import Problems, did_you_mean
from tollbook.workspace import Operator

_IMSI_END: Final = 10**IMSI_DIGITS_MAX


@dataclass(frozen=True)
class VisitorTable:
    """Rows of visitors.csv by the length of their prefix.

    by_length: longest first, the length, its prefixes (int64, ascending, of each the earliest row
    first) and their rows (int64). networks: what ``network`` says of the operator's own.
    first_line: the first visitor's row among the subscriptions. plan_index: int32 by row, into the
    plans of the run. bucket: int16 by row. zone_index: int32 by row, of records without a location.
    """

    visitors: Visitors
    networks: tuple[str, ...]
    first_line: int
    by_length: tuple[tuple[int, np.ndarray, np.ndarray], ...]
    plan_index: np.ndarray
    bucket: np.ndarray
    zone_index: np.ndarray

    def find(self, imsi: np.ndarray, start_utc_s: np.ndarray) -> np.ndarray:
        """The row whose prefix is the longest that an IMSI begins with at a time; -1: none."""
        found = np.full(len(imsi), -1, np.int64)
        since, until = self.visitors.valid_from_utc_s, self.visitors.valid_to_utc_s
        for length, prefixes, table_rows in self.by_length:
            rows = np.flatnonzero(found < 0)
            head = heads_of(imsi[rows], length)
            rows, head = rows[head >= 0], head[head >= 0]
            place = np.searchsorted(prefixes, head)
            while len(rows):
                inside = place < len(prefixes)
                inside[inside] = prefixes[place[inside]] == head[inside]
                rows, head, place = rows[inside], head[inside], place[inside]
                row, start = table_rows[place], start_utc_s[rows]
                holds = (since[row] <= start) & (start < until[row])
                found[rows[holds]] = row[holds]
                rows, head, place = rows[~holds], head[~holds], place[~holds] + 1
        return found


def table_of(
    customers: Customers, zones: Sequence[str], columns: tuple[np.ndarray, np.ndarray],
    operator: Operator,
) -> VisitorTable | None:
    """The table of a run; None where there are no visitors.

    columns: plan_index by row of ``customers.lines`` (int32), and the bucket by account (int16).
    """
    known, (plan_index, bucket) = customers.visitors, columns
    if not len(known.prefix):
        return None
    by_length = []
    for length in sorted(set(known.prefix_length.tolist()), reverse=True):
        rows = np.flatnonzero(known.prefix_length == length)
        rows = rows[np.lexsort((known.valid_from_utc_s[rows], known.prefix[rows]))]
        by_length.append((length, fixed(known.prefix[rows]), fixed(rows)))
    first_line = len(customers.subscriptions.number)
    return VisitorTable(
        known, operator.networks, first_line, tuple(by_length), fixed(plan_index[first_line:]),
        fixed(bucket[known.account_index]), fixed(index_in(known.zone, zones)),
    )  # fmt: skip


def find_payers(batch: pa.RecordBatch, table: VisitorTable, payers: Payers) -> np.ndarray:
    """Finds who pays for visitors' records, among those that no subscription pays for.

    A record of another network (``network``) is of none of ours, whatever its IMSI. A visitor has
    no home zone. Returns, by row of the batch, where a visitor is who has no location; int32, -1.
    """
    zone = np.full(batch.num_rows, -1, np.int32)
    rows = np.flatnonzero(payers.standing == NO_SUBSCRIPTION)
    imsi = ints(batch, "imsi")[rows]
    meant = (imsi > 0) & (imsi < _IMSI_END) & (ints(batch, "reason")[rows] == 0)
    meant &= ints(batch, "direction")[rows] != codes.TRANSIT
    rows, imsi = rows[meant], imsi[meant]
    network = batch.column("network").take(pa.array(rows))
    ours = pc.is_in(network, pa.array(table.networks, pa.string()))
    here = ours.to_numpy(zero_copy_only=False)
    rows, imsi = rows[here], imsi[here]
    row = table.find(imsi, ints(batch, "start_utc_s")[rows])
    rows, row = rows[row >= 0], row[row >= 0]
    payers.subscription_index[rows] = table.first_line + row
    payers.account_index[rows] = table.visitors.account_index[row]
    payers.plan_index[rows] = table.plan_index[row]
    payers.bucket[rows] = table.bucket[row]
    payers.standing[rows] = VISITING
    zone[rows] = table.zone_index[row]
    return zone


def check_zones(customers: Customers, zones: Sequence[str], problems: Problems) -> None:
    """Note the zones of visitors that the network does not have."""
    known = customers.visitors
    for row, zone in enumerate(known.zone.to_pylist()):
        if zone and zone not in zones:
            problems.add(
                (f"customers/{FILE}", int(known.lines[row])), f"zone '{zone}' is not in zones.csv",
                ", ".join(zones[:12]) + (", ..." if len(zones) > 12 else ""),
                did_you_mean(zone, zones, "correct it, or leave it empty"),
            )  # fmt: skip


def check_plans(customers: Customers, book: Book, problems: Problems) -> None:
    """Note the plans of visitors that remember something, or charge by the month."""
    known = {plan.plan_id: plan.versions for plan in book.plans}
    told: set[int] = set()
    for row, plan in enumerate(customers.visitors.plan_index.tolist()):
        if plan in told:
            continue
        told.add(plan)
        name = customers.plan_ids[plan]
        for what in _not_for_visitors(known, name):
            problems.add(
                (f"customers/{FILE}", int(customers.visitors.lines[row])),
                f"plan '{name}' {what}", "a plan that prices each record by itself",
                "give the visitors a plan of their own, without it",
            )  # fmt: skip


def _not_for_visitors(known: dict[str, tuple[Version, ...]], name: str) -> Iterator[str]:
    versions = known.get(name, ())
    if any(version.recurring for version in versions):
        yield "has recurring charges, and a visitor is no subscription"
    asked = [other for version in versions for other in version.fallback]
    for other in dict.fromkeys([name, *asked]):
        if any(remembers(version) for version in known.get(other, ())):
            which = "" if other == name else f"falls back on '{other}', which "
            yield (f"{which}has allowances, caps, counters or tiers over a period, and nothing is "
                   "remembered of a visitor")  # fmt: skip
