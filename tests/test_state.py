"""The state of owners between the lake and a run: what is read, carried over and superseded."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from test_owners import built, customers_of

from tariffs.memory_model import SPANS
from tollbook import schemas
from tollbook.clock import EPOCH_DAY, month_index
from tollbook.run import state
from tollbook.run.state_reach import Reach

PEOPLE = customers_of(["A-1", "A-2"], [("S-1", 0, 11), ("A-1", 1, 22)], [("club", 22, 0, 9)])
NAMES = state.StateNames.of(("easy/allowance/min", "easy/cap/max"), built(PEOPLE))
JUNE, JULY = month_index(2003, 6), month_index(2003, 7)


def day(year: int, month: int, of_month: int) -> int:
    return date(year, month, of_month).toordinal() - EPOCH_DAY


def slots(*rows: tuple[int, int, int, int, int]) -> pa.RecordBatch:
    """Of each: owner kind, owner, item, first day, used."""
    columns = dict(zip(("owner_kind", "owner_index", "item_index", "since_day", "used"),
                       zip(*rows, strict=True), strict=True))  # fmt: skip
    count = len(rows)
    more = {"until_day": [one + 30 for one in columns["since_day"]], "granted": [100] * count,
            "carried_used": [0] * count, "last_start_utc_s": [7] * count}  # fmt: skip
    found = columns | more
    return pa.RecordBatch.from_arrays(
        [pa.array(found[field.name], field.type) for field in schemas.STATE], schema=schemas.STATE
    )


def test_ids_of_a_subscription_and_an_account_may_be_the_same() -> None:
    """The lake holds words, once each; they come back as the owners that they were."""
    batch = slots((0, 0, 0, 9, 5), (0, 1, 0, 9, 6), (1, 0, 1, 9, 7), (1, 1, 1, 40, 8),
                  (2, 0, 0, 9, 9))  # fmt: skip
    table = state.table_of(batch, NAMES)
    assert table["owner"].to_pylist() == ["S-1", "A-1", "A-1", "A-2", "club"]
    assert len(table["owner"].chunk(0).dictionary) == 4
    back, unknown = state.batch_of(table, NAMES)
    assert (back, unknown.num_rows) == (batch, 0)


def test_owners_and_items_that_nobody_knows_today_are_kept_as_they_are() -> None:
    table = state.table_of(slots((0, 0, 0, 9, 5), (0, 1, 1, 9, 6), (2, 0, 0, 9, 7)), NAMES)
    today = state.StateNames.of(
        ("easy/allowance/min",), built(customers_of(["A-1"], [("S-1", 0, 11)]))
    )
    known, unknown = state.batch_of(table, today)
    assert known.to_pylist() == slots((0, 0, 0, 9, 5)).to_pylist()
    assert unknown.select(["owner_kind", "owner", "item", "used"]).to_pylist() == [
        {"owner_kind": "subscription", "owner": "A-1", "item": "easy/cap/max", "used": 6},
        {"owner_kind": "group", "owner": "club", "item": "easy/allowance/min", "used": 7},
    ]  # fmt: skip


@pytest.mark.parametrize(("span", "days", "rollover", "back"), [
    ("month", 0, 0, 0), ("month", 0, 3, 3),
    ("day", 0, 0, 1), ("day", 0, 30, 2),  # yesterday's, and 31 days: two short months
    ("days", 30, 0, 2), ("days", 30, 2, 4),
    ("once", 0, 0, 0),
])  # fmt: skip
def test_how_far_back_the_state_is_read(span: str, days: int, rollover: int, back: int) -> None:
    kind = np.dtype([(name, np.int64) for name in (
        "item", "span", "days", "rollover_spans", "rollover_limit")])  # fmt: skip
    reach = Reach.of(np.array([(0, SPANS.index(span), days, rollover, 9)], kind), 1)
    assert reach.back == back
    stored = [0, *range(JUNE - 6, JULY + 3)]
    # The month before and the one behind: plans may have clocks of their own.
    assert reach.months([JUNE], stored) == [0, *range(JUNE - back - 1, JULY + 1)]
    assert reach.months([], stored) == []
    since = np.array([day(2003, 6, 30), day(2003, 7, 1)])
    month = [0, 0] if span == "once" else [JUNE, JULY]
    assert reach.month_of(np.array([0, 0]), since).tolist() == month


def test_days_before_1970_have_their_months() -> None:
    reach = Reach(np.array([False]), np.array([0]), np.array([0]), 0)
    days = np.array([day(1969, 12, 31), day(1970, 1, 1)])
    months = [month_index(1969, 12), month_index(1970, 1)]
    assert reach.month_of(np.array([0, 0]), days).tolist() == months
