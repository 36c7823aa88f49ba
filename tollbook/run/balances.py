"""What an account has of everything that its plans remember: balances, and how they came about.

An account's balances are its own, those of its subscriptions, and those of the groups that their
numbers are in. They are read from the state and from the rated records in force; nothing is rated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rating import owners
from tariffs.memory_model import KINDS, MEASURES, OWNERS
from tollbook import clock
from tollbook.customers import Customers
from tollbook.errors import NotFound
from tollbook.run import lake, settled, unopened, work
from tollbook.run.audit_state import OWNER_COLUMNS
from tollbook.run.balance import Balance, Use
from tollbook.run.catalogue import LakeFile
from tollbook.run.item_owners import CORRECTED
from tollbook.run.session import Session
from tollbook.run.state import DATASET
from tollbook.run.state_reach import Reach
from tollbook.run.used import LIMITED, WITHOUT_END

EPOCH: Final = date(1970, 1, 1)
_Key = tuple[str, str, str, date]
_RECORD: Final = ("record_id", "start_utc_s", "subscription_id", "served_e164")


@dataclass(frozen=True)
class Account:
    """An account and its balances in the spans that can be used in a month."""

    account_id: str
    name: str
    period: int
    time_zone: str
    currency: str
    balances: tuple[Balance, ...]
    settled: tuple[Mapping[str, Any], ...] = ()  # rows of schemas.SETTLED_LINE, as of now


def of_account(session: Session, account_id: str, period: int = 0) -> Account:
    """The balances of an account. period: a month (default: that of the last run).

    Raises NotFound for an account that the last run's customers are without.
    """
    runs = session.catalogue.runs(state="published")
    if not runs:
        raise NotFound("no run has been made\n    allowed: workspaces with rated records\n"
                       "    do: `tollbook run` first")  # fmt: skip
    ready = work.compiled(session, runs[-1].snapshot)
    people, operator = ready.data.customers, ready.data.workspace.operator
    now = datetime.fromtimestamp(runs[-1].as_of_utc_s, ZoneInfo(operator.time_zone)).date()
    period = period or clock.month_index(now.year, now.month)
    first = date(period // 12, period % 12 + 1, 1)
    last = first + timedelta(clock.month_length(period) - 1)
    day = (min(max(now, first), last) - EPOCH).days
    row = pc.index(people.accounts.account_id, account_id).as_py()
    if row < 0:
        raise NotFound(f"account '{account_id}' is not among the customers of run "
                       f"{runs[-1].run_number}\n    allowed: ids of customers/accounts.csv\n"
                       "    do: correct the id; `tollbook explain` shows whose a record is")
    memory = ready.book.memory
    shown = Account(account_id, people.accounts.name[row].as_py(), period, operator.time_zone,
                    operator.currency, ())  # fmt: skip
    if memory is None:
        return shown
    tables = owners.build(
        people, memory.has_groups, ready.book.plan_ids, operator.time_zone
    )
    chosen = _owners_of(row, tables, people)
    reach = Reach.of(memory.tables.entries, len(memory.item_names))
    measures = {
        item: MEASURES[measure]
        for item, measure in zip(memory.item_names, memory.item_measures, strict=True)
    }
    found = list(_stored(session, chosen, (first, max(first, now)), reach, measures))
    found = _with_uses(session, account_id, found, range(period, period + reach.back + 1))
    known = {(one.owner_kind, one.owner, one.item, one.since) for one in found}
    found += [
        one for one in unopened.balances(ready.book, tables, chosen, day)
        if (one.owner_kind, one.owner, one.item, one.since) not in known
    ]
    found.sort(key=_order)
    due = settled.of_month(session, period, ready.data, (account_id,))
    return replace(shown, balances=tuple(found), settled=tuple(due.to_pylist()))


def _order(one: Balance) -> tuple[int, str, str, int, date]:
    plan, kind, _ = one.item.rsplit("/", 2)
    return OWNERS.index(one.owner_kind), one.owner, plan, KINDS.index(kind), one.since


def _owners_of(
    account: int, tables: owners.OwnerTables, people: Customers
) -> dict[str, list[str]]:
    """The ids of the owners whose balances an account sees, by kind."""
    lines, groups = people.subscriptions, people.groups
    numbers = lines.number[lines.account_index == account]
    joined = np.unique(groups.group_index[np.isin(groups.number, numbers)]).tolist()
    own = np.flatnonzero(tables.account_of_subscription == account)
    found = (tables.subscriptions.take(pa.array(own)).to_pylist(),
             [tables.accounts[account].as_py()], [groups.groups[place] for place in joined])
    return dict(zip(OWNERS, found, strict=True))


def _stored(
    session: Session, chosen: dict[str, list[str]], days: tuple[date, date], reach: Reach,
    measures: dict[str, str],
) -> Iterator[Balance]:  # fmt: skip
    """What the state holds of these owners, of spans that can be used in a month.

    days: its first one, and the one as of which it is told what is left.
    """
    first, today = days
    period = clock.month_index(first.year, first.month)
    items = {item: index for index, item in enumerate(measures)}
    months = [0, *range(period - reach.back, period + 1)]
    ids = [owner for one in chosen.values() for owner in one]
    for file in session.catalogue.lake_files(DATASET, periods=months):
        table = lake.read(session.root, file, filters=[("owner", "in", ids)])
        for row in table.to_pylist():
            item, since, until = row["item"], row["since"], row["until"]
            more, limit = reach.rollover(items[item]) if item in items else (0, 0)
            ends = until + more * (until - since)  # a month longer than the others is no matter
            if row["owner"] not in chosen[row["owner_kind"]] or ends <= first:
                continue
            has_end = item.split("/")[-2] in LIMITED and row["granted"] != WITHOUT_END
            yield Balance(
                row["owner_kind"], row["owner"], item, measures.get(item, ""), since, until,
                row["granted"] if has_end else None, row["used"], row["carried_used"], True,
                limit=None if today < until else limit if today < ends else 0,
            )  # fmt: skip


def _with_uses(
    session: Session, account_id: str, found: Sequence[Balance], months: range
) -> list[Balance]:
    """The balances with the records of some months that used them."""
    wanted = {(one.owner_kind, one.owner, one.item, one.since): one for one in found}
    kinds = {one.item: one.owner_kind for one in found}
    uses: dict[_Key, list[Use]] = {key: [] for key in wanted}
    ids = {account_id} | {one.owner for one in found if one.owner_kind == "group"}
    for file in session.catalogue.lake_files("rated", periods=list(months)):
        for row in _records(session, file, ids):
            record = {name: row[name] for name in _RECORD}
            for one in row["used"]:
                kind = kinds.get(one["item"], OWNERS[0])
                owner = row.get(OWNER_COLUMNS[kind], "")
                key = kind, owner, one["item"], one["since"]
                if key in uses:
                    uses[key].append(Use(**record, before=one["before"], taken=one["taken"]))
    later = _corrected(session, {one.owner for one in found}, months)
    return [
        replace(
            one, corrected=later[key],
            before=one.used - later[key] - sum(use.taken for use in uses[key]),
            uses=tuple(sorted(
                uses[key], key=lambda use: (use.start_utc_s, use.before, use.record_id)
            )),
        )
        for key, one in wanted.items()
    ]  # fmt: skip


def _corrected(session: Session, ids: set[str], months: range) -> Counter[_Key]:
    """What records of closed months take otherwise than they say, by owner, item and span."""
    found: Counter[_Key] = Counter()
    for file in session.catalogue.lake_files(CORRECTED, periods=list(months)):
        for row in lake.read(session.root, file, filters=[("owner", "in", ids)]).to_pylist():
            found[row["owner_kind"], row["owner"], row["item"], row["since"]] += row["taken"]
    return found


def _records(session: Session, file: LakeFile, ids: set[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file that used something, of an account or of groups that it is in."""
    keys = ("account_id", "owner_group")
    values = pa.array(sorted(ids), pa.string())
    with pq.ParquetFile(str(session.root / file.path), memory_map=True) as source:
        present = source.schema_arrow.names
        if "used" not in present:
            return
        columns = [name for name in (*_RECORD, *keys, "used") if name in present]
        for number in range(source.num_row_groups):  # an account lies in one or two of them
            owned = source.read_row_group(number, [name for name in keys if name in present])
            mask = np.zeros(owned.num_rows, bool)
            for column in owned.columns:
                mask |= pc.is_in(column, value_set=values).to_numpy()
            if mask.any():
                table = source.read_row_group(number, columns).filter(pa.array(mask))
                yield from (row for row in table.to_pylist() if row["used"])

