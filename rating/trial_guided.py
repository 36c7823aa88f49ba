"""Calls that say who was served, and what was dialled: guided by the network as in a run.

The columns are those of a record (served, other, location ...). Every served number counts as a
subscription of the plan that the call names, so that calls of any number can be tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import guide, normalise, reference
from rating import trial_cells as cells
from rating.trial_stated import batch_of, stated
from tariffs.model import Plan
from tollbook import codes, schemas
from tollbook.columns import OPEN_FROM, OPEN_TO, Table
from tollbook.customers import ACTIVE, Accounts, Customers, Subscriptions
from tollbook.network import Network
from tollbook.numbering import to_e164
from tollbook.stage import ints
from tollbook.text import Problems
from tollbook.workspace import Workspace

DIALLED: Final = ("served", "other", "third", "location", "network", "trunk_in", "trunk_out")
# Facts that guiding finds out, and that a call with ``served`` must therefore not state.
FOUND: Final = (
    "relation", "zone", "from", "home", "home_relation", "roaming", "access_code", "on_net",
    "special", "same_place", "boundary", "carrier", "number",
)  # fmt: skip
_ACCOUNT: Final = "trial"
_NO_MONTH: Final = 0


@dataclass(frozen=True)
class Guiding:
    """The operator whose network guides calls."""

    workspace: Workspace
    network: Network


def guided(
    table: Table, plans: Sequence[Plan], plan_id: str, guiding: Guiding, problems: Problems
) -> pa.RecordBatch:
    """Calls as a batch of ``schemas.USAGE``; one that cannot be guided has its reason.

    What is wrong with a cell is noted; then the batch is not to be used.
    """
    _refuse_found(table, problems)
    columns = stated(table, plans, plan_id, problems)
    members = [codes.FLAG_FRIEND * cells.yes_or_no(table, "friend", problems),
               codes.FLAG_GROUP * cells.yes_or_no(table, "group", problems)]  # fmt: skip
    served, good = to_e164(table["served"], guiding.workspace.numbering)
    table.report(~good, lambda row: f"served is '{table.cell('served', row)}'",
                 "a number as the numbering plan of operator.yaml has it, such as +86139...",
                 "write it with its country code", problems)  # fmt: skip
    if problems.errors:
        return batch_of({}, len(table))
    texts = {f"{name}_raw": table[name] for name in ("served", "other", "third", "routing")}
    texts |= {name: table[name] for name in ("location", "network", "trunk_in", "trunk_out")}
    cdr = {name: column for name, column in columns.items() if name != "plan_index"}
    # A served number is dialled nowhere: it is written in full for the stage that reads it.
    texts["served_raw"] = pc.binary_join_element_wise("+", pa.array(served).cast(pa.string()), "")
    batch = batch_of(cdr | texts, len(table), schemas.CDR)
    known = reference.build(
        guiding.workspace, guiding.network, _customers(served),
        int(columns["start_utc_s"].max(initial=0)) + 1, _NO_MONTH,
    )  # fmt: skip
    found = guide.guide(normalise.normalise(batch, known).batch, known).batch
    flags = ints(found, "flags") | members[0].astype(np.int32) | members[1].astype(np.int32)
    kept = {name: found.column(name) for name in schemas.USAGE.names}
    return batch_of(kept | {"plan_index": columns["plan_index"], "flags": flags}, len(table))


def _refuse_found(table: Table, problems: Problems) -> None:
    for name in FOUND:
        if not cells.is_blank(table[name]):
            problems.add((table.shown, 1), f"'{name}' is given beside 'served'",
                         f"{', '.join(DIALLED)}, routing, forward, friend, group; the network "
                         "says the rest", f"leave '{name}' out, or 'served'")


def _customers(served: np.ndarray) -> Customers:
    """A subscription for each served number, in force for ever."""
    number = np.unique(served)
    count = len(number)
    since, until = np.full(count, OPEN_FROM), np.full(count, OPEN_TO)
    text = pa.array([_ACCOUNT], pa.string())
    empty = pa.array([""], pa.string())
    accounts = Accounts(text, text, empty, empty, np.zeros(1, np.bool_),
                        np.array([OPEN_FROM]), np.array([OPEN_TO]))  # fmt: skip
    subscriptions = Subscriptions(
        pa.array(number).cast(pa.string()), np.zeros(count, np.int32), number,
        np.zeros(count, np.int64), np.zeros(count, np.int32),
        np.full(count, ACTIVE, np.int8), since, until,
    )  # fmt: skip
    return Customers(accounts, subscriptions, (_ACCOUNT,))
