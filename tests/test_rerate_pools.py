"""Re-rating under a book that remembers: parts of a month, closed months, and once more.

Whatever is put right when, the lake says what it would say if it had been right from the start:
rated rows with the differences that were found for them, and balances.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import calls
import memory_workspace
import nights
import pytest
from calls import ANN, BOB, CAT, NOBODY, Call, audited
from rerating_helpers import (
    JULY,
    JUNE,
    billed,
    killed_leaves_no_trace,
    nothing_differs,
    rerated,
    state,
)
from test_rerate_memory import correct, put_right

from tollbook.run import balances as balances_of
from tollbook.run import lake, rerate_memory, retry, session, suspended
from tollbook.run.rerate_scope import Scope

SERVED = {"A-1": ANN, "A-2": BOB, "A-3": CAT}


@pytest.fixture(autouse=True)
def _small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerate_memory, "ROWS_A_TASK", 40)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ann and Bob share a pool; Cat, on the same plan, has her own."""
    root = calls.make(tmp_path / "harbour")
    path = root / "customers" / "subscriptions.csv"
    path.write_text(path.read_text().replace(",standard,", ",easy,"))
    return memory_workspace.remember(root)


def at(day: str, **more: object) -> Call:
    return Call(start=f"2003-{day}:00:00+08:00", **more)


def june(root: Path) -> None:
    calls.deliver(
        root, 1,
        *(at(f"06-10T{hour}", served=served, duration=70 * place + 40)
          for place, hour in enumerate((10, 12, 15), start=1) for served in SERVED.values()),
        *(at(f"06-10T{hour}", service="sms", events=1, duration=0) for hour in range(10, 14)),
    )  # fmt: skip
    calls.run(root)
    calls.deliver(root, 2, at("06-11T09", duration=650, served=BOB), at("06-10T09", duration=170),
                  at("06-11T11", duration=900, served=CAT), at("06-11T12", served=NOBODY))
    calls.run(root, "2003-06-12T02:00:00")


def july(root: Path) -> None:
    """June is billed; what is left of it goes on, and a call of June comes late."""
    billed(root, JUNE, "2003-07-02T00:00:00")
    calls.deliver(root, 3, *(at(f"07-03T{hour}", served=served, duration=130)
                             for hour in (10, 14) for served in SERVED.values()),
                  at("06-20T10", duration=100))  # fmt: skip
    calls.run(root, "2003-07-04T02:00:00")


def rows(root: Path, dataset: str) -> list[dict]:
    work = session.open_session(root)
    files = work.catalogue.lake_files(dataset)
    found = [row for one in files for row in lake.read(root, one).to_pylist()]
    work.catalogue.engine.dispose()
    return found


def balances(root: Path) -> list[str]:
    return sorted(str(row) for row in rows(root, "state"))


def due(root: Path) -> dict[object, Counter]:
    """What each record costs by account and component, and takes by item and day, in all."""
    found: dict[object, Counter] = {}
    for row in rows(root, "rated"):
        of = found.setdefault(row["record_id"], Counter())
        for name, amount in row.items():
            if name.startswith("charge_") and name != "charge_micro":
                component = name.removeprefix("charge_").removesuffix("_micro")
                of[row["account_id"], component] += amount
        for one in row["used"]:
            if not one["item"].startswith("*/"):
                of[one["item"], one["since"]] += one["taken"]
    for row in rows(root, "differences"):
        found[row["record_id"]][row["account_id"], row["component"]] += row["delta_micro"]
    for row in rows(root, "use_differences"):
        found[row["record_id"]][row["item"], row["since"]] += row["taken"]
    return {record: Counter({key: n for key, n in of.items() if n}) for record, of in found.items()}


def of_accounts(root: Path, *accounts: str) -> list[str]:
    """Rows of ``rated`` and ``state`` of some accounts, with all their columns."""
    lines = {account.replace("A", "S") for account in accounts}
    return sorted(map(str, [
        *(row for row in rows(root, "rated") if row["account_id"] in accounts),
        *(row for row in rows(root, "state") if row["owner"] in {*accounts, *lines}),
    ]))  # fmt: skip


def settle_on(root: Path, price: str, owner: str = "group") -> None:
    """More mistakes are found: a price, an allowance, and whose the shared one is."""
    path = root / "tariffs" / "easy.yaml"
    text = path.read_text()
    assert "price: 0.55}" in text
    path.write_text(text.replace("price: 0.55}", f"price: {price}}}").replace(
        "4min", "5min").replace("owner: group", f"owner: {owner}"))  # fmt: skip


def test_a_scope_closes_over_pools_and_leaves_all_others(root: Path, tmp_path: Path) -> None:
    right = nights.copy(root, tmp_path / "right")
    correct(right)
    for one in (root, right):
        june(one)
    correct(root)
    pair, cat = of_accounts(root, "A-1", "A-2"), of_accounts(root, "A-3")
    done = rerated(root, Scope(accounts=("A-3",)))
    assert (done.run_number, done.records) == (3, 4)
    assert of_accounts(root, "A-1", "A-2") == pair
    assert of_accounts(root, "A-3") == of_accounts(right, "A-3") != cat
    audited(root)
    assert rerated(root, Scope(accounts=("A-3",))).run_number == 0
    done = rerated(root, Scope(("A-2",), ("easy",), ("msc-east",)))  # Ann's pool is Bob's
    assert (done.run_number, done.records) == (4, 12)
    assert (due(root), balances(root)) == (due(right), balances(right))
    audited(root)
    nothing_differs(root)


def test_a_closed_month_and_what_it_carries_into_the_open_one(root: Path, tmp_path: Path) -> None:
    right = nights.copy(root, tmp_path / "right")
    correct(right)
    for one in (root, right):
        june(one)
        july(one)
    stored = [row for row in rows(root, "rated") if row["bill_period"] == "2003-06"]
    first, total = state(root), sum(row["charge_micro"] for row in rows(root, "rated"))
    assert rerated(root, as_of="2003-07-05T00:00:00").run_number == 0
    assert state(root) == first
    correct(root)
    planned = rerated(root, as_of="2003-07-05T00:00:00", dry_run=True)
    done = rerated(root, as_of="2003-07-05T00:00:00")
    assert (done.run_number, done.bill_period, done.records) == (5, JULY, 23)
    assert (done.old_micro, done.new_micro) == (planned.old_micro, planned.new_micro)
    assert (due(root), balances(root)) == (due(right), balances(right))
    assert [row for row in rows(root, "rated") if row["bill_period"] == "2003-06"] == stored
    now = sum(row["charge_micro"] for row in rows(right, "rated"))
    assert done.new_micro - done.old_micro == now - total
    audited(root)
    work = session.open_session(root)
    june_of_ann = balances_of.of_account(work, "A-1", JUNE).balances
    work.catalogue.engine.dispose()
    corrected = {one.item: one.corrected for one in june_of_ann if one.since.month == 6}
    assert corrected["easy/allowance/minutes"] == 60  # 4 minutes of 4, where 3 of 3 were used
    assert all(one.before == 0 for one in june_of_ann if one.is_open)
    nothing_differs(root, as_of="2003-07-06T00:00:00")
    for one in (root, right):  # and once more: what was booked counts
        settle_on(one, "0.50", "account")
    assert rerated(root, Scope(accounts=("A-1",)), "2003-07-06T00:00:00").run_number == 6
    assert rerated(root, Scope(accounts=("A-3",)), "2003-07-06T00:00:00").run_number == 7
    rerated(right, as_of="2003-07-06T00:00:00")
    assert (due(root), balances(root)) == (due(right), balances(right))
    audited(root)
    money = {account: sum(n for of in due(root).values() for (who, _), n in of.items()
                          if who == account) for account in SERVED}  # fmt: skip
    for one in (root, right):
        billed(one, JULY, "2003-08-02T00:00:00")
    bills = Counter()
    for row in rows(root, "bills"):
        bills[row["account_id"]] += row["rated_micro"]
    assert dict(bills) == money


def test_which_night_a_record_came_in_stays_known(root: Path, tmp_path: Path) -> None:
    """A record that waited in suspense came with the retry; so it is rated for the third time."""
    right = nights.copy(root, tmp_path / "right")
    correct(right)
    settle_on(right, "0.50")
    for one in (root, right):
        june(one)
        calls.add_subscription(one, f"S-9,A-3,{NOBODY},,easy,active,2003-01-01,")
        work = session.open_session(one)
        retried = retry.run(work, suspended.Choice(), calls.moment("2003-06-13T00:00:00"))
        work.catalogue.engine.dispose()
        assert retried.dispositions["rated"] == 1
    correct(root)
    done = rerated(root, Scope(reason="subscription_missing"))
    assert (done.run_number, done.records) == (4, 5)  # all of account A-3
    assert rerated(root).run_number == 5
    settle_on(root, "0.50")
    assert rerated(root).run_number == 6
    assert (due(root), balances(root)) == (due(right), balances(right))
    audited(root)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["chunks_scattered", "after_transaction"])
def test_a_closed_month_killed_at_a_named_point(root: Path, tmp_path: Path, point: str) -> None:
    june(root)
    july(root)
    correct(root)
    killed_leaves_no_trace(root, tmp_path, point, 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A made month of groups that share pools, under wrong data and under the right ones."""
    wrong = tmp_path_factory.mktemp("wrong") / "operator"
    month = nights.make(wrong, records=1200, nights=2)
    people = (wrong / "customers" / "subscriptions.csv").read_text().splitlines()[1:]
    numbers = sorted({f"+86{line.split(',')[2]}" for line in people if line.split(",")[2]})
    memory_workspace.remember(wrong, groups="group,number,valid_from,valid_to\n" + "".join(
        f"g{place // 3},{number},2002-01-01,\n" for place, number in enumerate(numbers[:30])
    ))  # fmt: skip
    right = nights.copy(wrong, tmp_path_factory.mktemp("copy") / "right")
    put_right(right)
    correct(right)
    for night in range(2):
        for one in (wrong, right):
            nights.run(one, nights.deliver(one, month, night))
    put_right(wrong)
    correct(wrong)
    return wrong, right


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_made_month_plan_by_plan(
    made: tuple[Path, Path], tmp_path: Path, is_closed: bool
) -> None:
    root = nights.copy(made[0], tmp_path)
    if is_closed:
        billed(root, JUNE, "2003-07-02T00:00:00")
    plans = sorted({row["plan"] for row in rows(root, "rated")})
    total = sum(row["charge_micro"] for row in rows(root, "rated"))
    found = [rerated(root, Scope(plans=(plan,)), "2003-07-03T00:00:00") for plan in plans]
    assert sum(done.run_number > 0 for done in found) > 1
    assert (due(root), balances(root)) == (due(made[1]), balances(made[1]))
    now = sum(row["charge_micro"] for row in rows(made[1], "rated"))
    assert sum(done.new_micro - done.old_micro for done in found) == now - total
    audited(root)
    nothing_differs(root, as_of="2003-07-03T00:00:00")
