"""What nights make of records: periods, duplicates, customers; runs that do not close or stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import calls
import nights
import numpy as np
import pytest
from calls import ANN, BOB, CAT, FRIEND, NOBODY, Call, Lake, audited
from click.testing import CliRunner

from tollbook.cli import main
from tollbook.errors import NotClosed, TollbookError
from tollbook.run import bills, flow, session, settlements, work
from tollbook.stage import StageResult, with_columns

JUNE = 2003 * 12 + 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return calls.make(tmp_path / "harbour")


# ---- periods


def test_two_months_of_one_night_lie_in_two_folders(root: Path) -> None:
    calls.deliver(
        root, 1,
        Call(start="2003-05-31T23:59:59+08:00"), Call(start="2003-06-01T00:00:00+08:00"),
        Call(start="2003-05-31T15:59:58Z"), Call(start="2003-05-31T16:00:01Z"),
    )  # fmt: skip
    calls.run(root)
    places = {
        month: sorted(number & 0xFFFFFFFF for (number,) in Lake(root).rows(
            f"rated/{month}", "record_id", where=f"bill_period = '{month}'"))
        for month in ("2003-05", "2003-06")
    }  # fmt: skip
    assert places == {"2003-05": [2, 4], "2003-06": [3, 5]}
    assert sorted(path.name for path in (root / "lake" / "rated").iterdir()) == list(places)


def test_what_comes_after_a_month_is_closed_goes_to_the_next_one(root: Path) -> None:
    calls.deliver(root, 1, Call(trunk_out="GR-BJ-1"))
    calls.run(root)
    after = calls.moment("2003-07-02T00:00:00")
    work = session.open_session(root)
    june = bills.run(work, JUNE, after)
    settlements.run(work, JUNE, after)
    closed = nights.tree(root)
    calls.deliver(root, 2, Call(start="2003-06-30T23:00:00+08:00", trunk_out="GR-BJ-1"))
    calls.run(root, "2003-07-03T02:00:00")
    lake = Lake(root)
    columns = "record_id >> 32, usage_period, bill_period"
    assert lake.rows("rated", columns) == [(1, "2003-06", "2003-06"), (2, "2003-06", "2003-07")]
    assert [month for (month,) in lake.rows("legs", "settle_period")] == ["2003-06", "2003-07"]
    assert closed.items() <= nights.tree(root).items()
    again = bills.run(work, JUNE, after)
    assert (again.again, again.rated_micro, june.rated_micro) == (True, 600_000, 600_000)
    july = bills.run(work, JUNE + 1, calls.moment("2003-08-02T00:00:00"))
    assert july.rated_micro == 600_000
    work.catalogue.engine.dispose()
    audited(root)


# ---- duplicates, customers


def test_a_record_counts_once_in_a_file_a_night_and_for_ever(root: Path) -> None:
    first = Call()
    others = [
        replace(first, served=BOB), replace(first, other=CAT), replace(first, duration=61),
        replace(first, start="2003-06-10T10:00:01+08:00"), replace(first, direction="in"),
    ]  # fmt: skip
    calls.deliver(root, 1, first, replace(first, call_ref="again"), *others)
    calls.deliver(root, 2, replace(first, start="2003-06-10T02:00:00Z"))  # the same instant
    assert calls.run(root).dispositions["duplicate"] == 2
    calls.deliver(root, 3, replace(first, call_ref="third"), replace(others[0], call_ref="x"))
    assert calls.run(root).dispositions["duplicate"] == 2
    lake = Lake(root)
    twins = {key for key, fate in lake.fates.items() if fate == "record_duplicate"}
    names = [calls.name(number) for number in (1, 2, 3)]
    assert twins == {(names[0], 3), (names[1], 2), (names[2], 2), (names[2], 3)}
    said = lake.rows("uncharged", "record_id, first_record_id")
    assert {(record >> 32, record & 7): (known >> 32, known & 7) for record, known in said} == {
        (1, 3): (1, 2), (2, 2): (1, 2), (3, 2): (1, 2), (3, 3): (1, 4)}  # fmt: skip
    audited(root)


def test_a_duplicate_of_a_suspended_record_stays_one(root: Path) -> None:
    lost = Call(served=NOBODY)
    calls.deliver(root, 1, lost)
    assert calls.run(root).reasons == {"subscription_missing": 1}
    calls.deliver(root, 2, replace(lost, call_ref="b"))
    assert calls.run(root).reasons == {"record_duplicate": 1}
    calls.add_subscription(root, f"S-9,A-2,{NOBODY},,easy,active,2003-01-01,")
    result = CliRunner().invoke(main.cli, ["suspense", "retry", "-C", str(root)])
    assert result.exit_code == 0, result.output
    calls.deliver(root, 3, replace(lost, call_ref="c"))
    assert calls.run(root).reasons == {"record_duplicate": 1}
    lake = Lake(root)
    assert list(lake.fates.values()).count("rated") == 1
    assert lake.fates[calls.name(1), 2] == "rated"
    audited(root)


def test_a_number_that_changes_hands_is_charged_to_whom_it_belonged(root: Path) -> None:
    rows = (root / "customers" / "subscriptions.csv").read_text().splitlines()
    rows[1] = f"S-1,A-1,{ANN},,easy,active,2002-01-01,2003-06-10T12:00:00"
    rows += [f"S-9,A-3,{ANN},,easy,active,2003-06-10T12:00:00,2003-06-10T13:00:00",
             f"S-9,A-3,{ANN},,easy,suspended,2003-06-10T13:00:00,2003-06-10T14:00:00",
             f"S-9,A-3,{ANN},,standard,active,2003-06-10T14:00:00,"]  # fmt: skip
    (root / "customers" / "subscriptions.csv").write_text("\n".join(rows) + "\n")
    hours = ("11:59:59", "12:00:00", "12:59:59", "13:00:00", "13:59:59", "14:00:00")
    calls.deliver(root, 1, *(Call(start=f"2003-06-10T{hour}+08:00") for hour in hours))
    calls.run(root)
    lake = Lake(root)
    columns = "record_id & 7, account_id, subscription_id, plan"
    assert lake.rows("rated", columns) == [
        (2, "A-1", "S-1", "easy"), (3, "A-3", "S-9", "easy"), (4, "A-3", "S-9", "easy"),
        (7, "A-3", "S-9", "standard"),
    ]  # fmt: skip
    assert lake.rows("suspense", "record_id & 7, reason") == [
        (5, "subscription_inactive"), (6, "subscription_inactive")]  # fmt: skip


# ---- runs that do not close, runs that are given up


def _charge_more(batch: Any) -> Any:
    """One record costs a micro more than its components say."""
    charge = batch.column("charge_micro").to_numpy().copy()
    charge[0] += 1
    return with_columns(batch, batch.schema, {"charge_micro": charge})


def _charge_all_more(batch: Any) -> Any:
    """The same, in its component as well."""
    charge = batch.column("charge_0_micro").to_numpy() + np.int64(1)
    return with_columns(_charge_more(batch), batch.schema, {"charge_0_micro": charge})


def _lose_one(batch: Any) -> Any:
    return batch.slice(1)


def _have_one_twice(batch: Any) -> Any:
    return batch.take(np.append(np.arange(batch.num_rows), 0))


@pytest.mark.parametrize("wrong", [_charge_more, _charge_all_more, _lose_one, _have_one_twice])
def test_a_run_that_does_not_close_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any], Any]
) -> None:
    calls.deliver(root, 1, Call())
    calls.run(root)
    before, known = nights.tree(root), nights.books(root)
    calls.deliver(root, 2, Call(served=BOB), Call(served=CAT), Call(served=NOBODY))
    rate = flow.BY_NAME["rate"]

    def spoiled(batch: Any, book: Any, state: None) -> StageResult:
        done: StageResult = rate(batch, book, state)
        return replace(done, batch=wrong(done.batch))

    with monkeypatch.context() as patch:
        patch.setitem(flow.BY_NAME, "rate", spoiled)
        with pytest.raises(NotClosed, match="do not close; nothing was committed"):
            calls.run(root)
    readable = {name for name in nights.tree(root) if not name.endswith(".pending")}
    assert {name for name in readable if "snapshots" not in name} == {
        name for name in before if "snapshots" not in name}  # fmt: skip
    after = nights.books(root)
    assert [run["state"] for run in after["runs"]] == ["published", "planned"]
    assert (after["totals"], after["lake_files"]) == (known["totals"], known["lake_files"])
    done = calls.run(root)  # the sound program does what was planned
    assert done.put_right == (2,)
    assert len(Lake(root).fates) == 4
    audited(root)


def _plan_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies behind its plan."""
    with monkeypatch.context() as patch:
        patch.setattr(work, "prepared", None)
        with pytest.raises(TypeError):
            calls.run(root)


def _cancel(root: Path, number: int) -> Any:
    return CliRunner().invoke(main.cli, ["runs", "cancel", "-C", str(root), str(number)])


def test_a_plan_is_kept_until_it_is_cancelled(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = calls.deliver(root, 1, Call())
    twin = calls.deliver(root, 2, Call())
    _plan_only(root, monkeypatch)
    path.unlink()
    for _ in range(2):
        with pytest.raises(TollbookError, match=r"it is gone(.|\n)*`tollbook runs cancel 1`"):
            calls.run(root)
    path.write_bytes(calls.text(Call(), Call(served=BOB)))
    with pytest.raises(TollbookError, match="its content is another"):
        calls.run(root)
    path.unlink()
    assert _cancel(root, 2).exit_code == 1
    result = _cancel(root, 1)
    assert (result.exit_code, "run 1 is cancelled" in result.output) == (0, True)
    outcome = calls.run(root)  # the copy is no copy of anything now
    assert (outcome.rows, outcome.refused) == (1, ())
    assert Lake(root).fates == {(twin.name, 2): "rated"}
    result = _cancel(root, 1)
    assert result.exit_code == 1
    assert "run 1 is published" in result.output
    listed = CliRunner().invoke(main.cli, ["runs", "-C", str(root)])
    assert "published" in listed.output
    audited(root)


def test_files_that_arrive_after_the_plan_wait(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.deliver(root, 2, Call())
    _plan_only(root, monkeypatch)
    calls.deliver(root, 1, Call(served=BOB), Call(other=FRIEND))
    outcome = calls.run(root)
    assert outcome.put_right == (1,)
    assert (outcome.run_number, outcome.rows) == (2, 2)
    assert Lake(root).fates == {
        (calls.name(2), 2): "rated", (calls.name(1), 2): "rated",
        (calls.name(1), 3): "record_duplicate",
    }  # fmt: skip


def test_one_writer_at_a_time(root: Path) -> None:
    calls.deliver(root, 1, Call())
    work = session.open_session(root)
    with work.catalogue.writer():
        for words in (["run"], ["suspense", "retry"], ["bill", "--period", "2003-05"]):
            done = CliRunner().invoke(main.cli, [*words, "-C", str(root)])
            assert done.exit_code == 1
            assert "another process is writing to this workspace" in done.stderr
        assert CliRunner().invoke(main.cli, ["audit", "-C", str(root)]).exit_code == 0  # reading
    work.catalogue.engine.dispose()
    assert calls.run(root).rows == 1
