"""Re-rating under a book that remembers: the month is what it would have been at once."""

from __future__ import annotations

from pathlib import Path

import calls
import memory_workspace
import nights
import pytest
from calls import BOB, Call, audited
from click.testing import CliRunner
from rerating_helpers import edit, killed_leaves_no_trace, nothing_differs, rerated, state
from test_rerate import content

from tollbook.cli.main import cli
from tollbook.run import lake, session
from tollbook.run.late import due

WRONG = [("amount: 3min", "amount: 4min"), ("amount: 2.00", "amount: 1.00"),
         ("{per: 60s, price: 0.60}", "{per: 60s, price: 0.55}")]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return memory_workspace.remember(calls.make(tmp_path / "harbour"))


def correct(root: Path) -> None:
    edit(root, *WRONG)


def at(day: int, hour: int, **more: object) -> Call:
    return Call(start=f"2003-06-{day:02}T{hour:02}:00:00+08:00", **more)


def first(root: Path) -> None:
    calls.deliver(root, 1, at(10, 10, duration=100), at(10, 12, duration=250),
                  at(10, 11, duration=200, served=BOB), at(10, 13, service="sms", events=1,
                                                          duration=0))  # fmt: skip
    calls.run(root)


def second(root: Path, *more: Call) -> None:
    calls.deliver(root, 2, at(11, 9, duration=650, served=BOB), at(11, 10, duration=130),
                  at(11, 11, duration=900), *more)  # fmt: skip
    calls.run(root, "2003-06-12T02:00:00")


LATE = at(10, 9, duration=170)


def whole(root: Path) -> dict[str, object]:
    found: dict[str, object] = dict(content(root))
    work = session.open_session(root)
    tables = [lake.read(root, one) for one in work.catalogue.lake_files("state")]
    work.catalogue.engine.dispose()
    found["state"] = sorted(str(row) for table in tables for row in table.to_pylist())
    return {name: sorted(map(str, rows.items())) if hasattr(rows, "items") else rows
            for name, rows in found.items()}  # fmt: skip


def taken(root: Path) -> list[str]:
    """What each record took and was charged, and the state, whatever files they came in."""
    work = session.open_session(root)
    files = [*work.catalogue.lake_files("rated"), *work.catalogue.lake_files("state")]
    rows = [row for one in files for row in lake.read(root, one).to_pylist()]
    work.catalogue.engine.dispose()
    names = ("served_raw", "start_utc_s", "charge", "used", "owner", "item", "since", "granted",
             "carried_used", "last_start_utc_s")  # fmt: skip
    return sorted(str([row.get(name) for name in names]) for row in rows)


@pytest.mark.parametrize("late", [(), (LATE,)])
def test_wrong_allowances_put_right_are_as_if_right_at_once(
    root: Path, tmp_path: Path, late: tuple[Call, ...]
) -> None:
    right = nights.copy(root, tmp_path / "right")
    correct(right)
    for one in (root, right):
        first(one)
        second(one, *late)
        nothing_differs(one)
    correct(root)
    seen = state(root)
    planned = rerated(root, dry_run=True)
    assert (planned.changed > 1, state(root)) == (True, seen)
    assert rerated(root).run_number == 3
    assert whole(root) == whole(right)
    audited(root)
    nothing_differs(root)


def test_late_records_are_rated_as_if_they_had_come_in_time(root: Path, tmp_path: Path) -> None:
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + "late: rerate\n")
    in_time = nights.copy(root, tmp_path / "time")
    first(root)
    calls.deliver(root, 3, LATE)
    second(root)
    calls.deliver(in_time, 3, LATE)
    first(in_time)
    second(in_time)
    assert taken(root) != taken(in_time)
    work = session.open_session(root)
    assert [one.account_id for one in due(work.catalogue)] == ["A-1"]
    by_hand, by_itself = (nights.copy(root, tmp_path / name) for name in ("hand", "itself"))
    for folder, words in ((by_hand, ("rerate", "--late")), (by_itself, ("run",))):
        said = CliRunner().invoke(cli, [*words, "-C", str(folder), "--as-of", "2003-06-20T09:00:00"
                                        "+08:00"])  # fmt: skip
        assert said.exit_code == 0, said.output
        assert "run 3: " in said.output
        assert taken(folder) == taken(in_time)
        again = CliRunner().invoke(cli, [*words, "-C", str(folder)])
        assert "nothing to do" in again.output
        audited(folder)
    assert rerated(root).run_number == 3
    assert due(work.catalogue) == []
    work.catalogue.engine.dispose()
    assert taken(root) == taken(in_time)
    audited(root)
    assert rerated(root).run_number == 0


@pytest.mark.slow
@pytest.mark.parametrize("point", ["plan_committed", "before_transaction", "after_transaction",
                                   "superseded_hidden"])  # fmt: skip
def test_killed_at_a_named_point(root: Path, tmp_path: Path, point: str) -> None:
    first(root)
    second(root)
    correct(root)
    killed_leaves_no_trace(root, tmp_path, point, 3)


def test_a_made_month_under_wrong_data(tmp_path: Path) -> None:
    """Customers that move to another plan, prices, allowances and groups' pools, all wrong."""
    wrong = tmp_path / "wrong" / "operator"
    made = nights.make(wrong, records=1600, nights=2)
    people = (wrong / "customers" / "subscriptions.csv").read_text().splitlines()[1:]
    numbers = sorted({f"+86{line.split(',')[2]}" for line in people if line.split(',')[2]})
    groups = "group,number,valid_from,valid_to\n" + "".join(
        f"g{place // 3},{number},2002-01-01,\n" for place, number in enumerate(numbers[:30])
    )
    memory_workspace.remember(wrong, groups=groups)
    right = nights.copy(wrong, tmp_path / "right")
    put_right(right)
    correct(right)
    for night in range(2):
        nights.run(wrong, nights.deliver(wrong, made, night))
        nights.run(right, nights.deliver(right, made, night))
    nothing_differs(wrong)
    put_right(wrong)
    correct(wrong)
    done = rerated(wrong)
    assert (done.run_number, done.changed > 300) == (3, True)
    assert whole(wrong) == whole(right)
    audited(wrong)
    nothing_differs(wrong)


def put_right(root: Path) -> None:
    """A number's new plan, and another agreement's price."""
    path = root / "customers" / "subscriptions.csv"
    path.write_text(path.read_text().replace(",easy,", ",standard,", 1))
    path = root / "network" / "agreements.csv"
    path.write_text(path.read_text().replace(",0.06,", ",0.05,"))
