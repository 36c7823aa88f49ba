"""A lake compared with the naive twin of rating with memory: every record, and all balances."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
from calls import Lake
from reference_memory import Twin
from reference_slots import Event, Term

from tariffs.compile_rates import Maxima
from tollbook.run import data, records, rewriting, session
from tollbook.run.explaining import facts_of

Terms = dict[tuple[str, str], list[Term]]


def compared(root: Path, terms_of: Callable[[int], Terms], at_once: bool = False) -> int:
    """Assert that the lake is what the twin makes of its records, in the order of the runs that
    rated them; gives how many used a balance.

    terms_of: who was on which plan, by the number of the run. at_once: all were rated in order,
    whenever they came.
    """
    work = session.open_session(root)
    known = data.load(root)
    limits = known.workspace.limits
    twin = Twin(known.book, Maxima(limits.duration_s, limits.volume_bytes), {})
    nights: dict[int, list[dict]] = {}
    for file in work.catalogue.lake_files("rated"):
        rows = records.amounts_to_micro(pq.read_table(root / file.path)).to_pylist()
        nights.setdefault(0 if at_once else rewriting.night_of(file), []).extend(rows)
    users = 0
    for run_number, rows in sorted(nights.items()):
        twin.terms.clear()
        twin.terms.update(terms_of(run_number))
        told = twin.rate([_event(row) for row in rows])
        for row in rows:
            charges = {name: row[f"charge_{name}_micro"] for name in known.book.components}
            used = [(one["item"], one["since"], one["before"], one["taken"]) for one in row["used"]]
            found = told[row["record_id"]]
            assert (found.charges, found.used) == (charges, used), row
            users += bool(used)
    work.catalogue.engine.dispose()
    kept = {key: (slot.used, slot.carried) for key, slot in twin.slots.slots.items() if slot.used}
    columns = "0 as record_id, owner_kind, owner, item, since, used, carried_used"
    stored = {tuple(row[1:5]): row[5:] for row in Lake(root).rows("state", columns)}
    assert stored == kept
    return users


def _event(row: dict) -> Event:
    month = date.fromisoformat(f"{row['bill_period']}-01")
    owners = {"subscription": row["subscription_id"], "account": row["account_id"],
              "group": row["owner_group"]}  # fmt: skip
    return Event(row["record_id"], row["dedupe_hash"], row["plan"], owners, month, facts_of(row))
