"""What a rated record took from balances, read from the lake: for explanations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from rating.trace_steps import Used
from tariffs.memory_model import OWNERS
from tollbook.run import lake
from tollbook.run.audit_state import OWNER_COLUMNS
from tollbook.run.commit import where_kept
from tollbook.run.session import Session
from tollbook.run.state import DATASET
from tollbook.run.state_reach import month_of

LIMITED: Final = ("allowance", "cap")  # kinds of items that have an end; the others only count
WITHOUT_END: Final = -1  # as granted


def of_row(session: Session, row: Mapping[str, Any], run_number: int) -> list[Used] | None:
    """What a row of the lake's ``rated`` took, in its order; None: its book remembers nothing.

    run_number: the run that rated it.
    """
    if "used" not in row:
        return None
    granted = _granted(session, row, run_number) if row["used"] else {}
    return [
        Used(one["item"], one["since"], one["before"], one["taken"],
             granted.get((one["item"], one["since"])))
        for one in row["used"]
    ]  # fmt: skip


def _granted(
    session: Session, row: Mapping[str, Any], run_number: int
) -> dict[tuple[str, date], int]:
    """What the balances of a record's owners were granted as its run left them, where that has an
    end: a re-rating since may have granted more or less, or nothing of the kind."""
    ids = {kind: row.get(OWNER_COLUMNS[kind], "") for kind in OWNERS}
    months = {0, *(month_of(one["since"]) for one in row["used"])}
    found = {}
    for file in session.catalogue.lake_files(DATASET, periods=sorted(months), hidden=True):
        if file.run_number > run_number or 0 < file.superseded_by <= run_number:
            continue
        asked = [("owner", "in", [one for one in ids.values() if one])]
        for slot in lake.read(session.root, where_kept(file), filters=asked).to_pylist():
            is_own = slot["owner"] == ids[slot["owner_kind"]]
            has_end = slot["item"].split("/")[-2] in LIMITED and slot["granted"] != WITHOUT_END
            if is_own and has_end:
                found[slot["item"], slot["since"]] = slot["granted"]
    return found
