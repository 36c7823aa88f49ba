"""Late records under ``late: rerate``: a night, and the re-ratings that `tollbook run` does behind
it, month by month: done, killed, refused, or left out.

Ann and Bob have five minutes a month each. Ann's late call of June and Bob's of July come when they
are used up; in order they are free, and the calls after them are paid.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import calls
import nights
import pytest
from calls import BOB, Call, Lake, audited
from click.testing import CliRunner
from rerating_helpers import JUNE, state
from sqlalchemy import update
from test_rerate_memory import taken

from tollbook.cli.main import cli
from tollbook.run import session
from tollbook.run.tables import LAKE_FILES

ITEMS = """
allowances:
  - {name: minutes, amount: 5min, when: {service: voice}, covers: airtime, increment: 60s}
late: rerate
"""
ONE = "late records of plans with `late: rerate`: 1 account"
AS_OF = "2003-07-04T02:00:00+08:00"


def at(day: str, hour: int, **more: object) -> Call:
    return Call(start=f"2003-{day}T{hour:02}:00:00+08:00", **more)


ANN_LATE, BOB_LATE = at("06-09", 9, duration=250), at("07-02", 9, duration=170, served=BOB)


def started(folder: Path, *more: Call) -> Path:
    """A workspace with two nights behind it. more: what comes with the second of them."""
    root = calls.make(folder)
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + ITEMS)
    calls.deliver(root, 1, at("06-10", 10, duration=300), at("06-10", 11, served=BOB))
    calls.run(root)
    calls.deliver(root, 2, at("07-02", 10, duration=290, served=BOB), *more)
    calls.run(root, "2003-07-03T02:00:00")
    return root


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ann is noted by the second night, Bob will be by the third, which lies in the inbox."""
    root = started(tmp_path_factory.mktemp("late") / "harbour", ANN_LATE)
    calls.deliver(root, 3, BOB_LATE)
    return root


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the same records take and cost if they come in order."""
    root = calls.make(tmp_path_factory.mktemp("time") / "harbour")
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + ITEMS)
    calls.deliver(root, 1, at("06-10", 10, duration=300), at("06-10", 11, served=BOB), ANN_LATE,
                  BOB_LATE, at("07-02", 10, duration=290, served=BOB))  # fmt: skip
    calls.run(root, "2003-07-03T02:00:00")
    return taken(root)


@pytest.fixture(scope="module")
def calm(before: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The third night, undisturbed; and what it says in --json."""
    root = nights.copy(before, tmp_path_factory.mktemp("calm"))
    return root, said(root, "run")


def tb(root: Path, *words: str, exit_code: int = 0) -> str:
    moment = () if "--as-of" in words else ("--as-of", AS_OF)
    done = CliRunner().invoke(cli, [*words, "-C", str(root), *moment])
    assert done.exit_code == exit_code, done.output
    return done.stdout


def said(root: Path, *words: str, exit_code: int = 0) -> Any:
    return json.loads(tb(root, *words, "--json", exit_code=exit_code))


def test_a_night_rates_late_accounts_again_month_by_month(
    calm: tuple[Path, Any], in_time: list[str]
) -> None:
    root, told = calm
    assert (told["run"], told["due_accounts"], told["not_rerated"]) == (3, 0, [])
    june, july = told["rerated"]
    assert [(one["run_number"], one["period"], one["last_period"], one["late_accounts"])
            for one in (june, july)] == [(4, "2003-06", "2003-06", 1), (5, "2003-07", "2003-07", 1)]
    # Ann's 250 s had cost 5 x 0.60 and are free; her 300 s, once free, cost it now. Bob's 170 s had
    # cost 3 x 0.60; now 2 minutes of his 290 s are free, and 170 s of them cost it.
    assert [one["delta_micro"] for one in (june, july)] == [0, 0]
    assert [one["changed"] for one in (june, july)] == [2, 2]
    assert taken(root) == in_time
    audited(root)
    again = said(root, "run")
    assert (again["run"], again["rerated"], again["due_accounts"]) == (0, [], 0)
    nothing = said(root, "rerate", "--late")
    assert nothing == {"dry_run": False, "rerated": [], "not_rerated": [], "due_accounts": 0}
    assert "nothing to do" in tb(root, "rerate", "--late")


def test_the_screen_tells_what_was_noted_or_done(
    before: Path, calm: tuple[Path, Any], tmp_path: Path
) -> None:
    root, by_hand = (nights.copy(before, tmp_path / name) for name in ("run", "hand"))
    shown = tb(root, "run")
    assert f"{ONE} rated again in order from 2003-06 on\nrun 4: 2 records of 2003-06" in shown
    assert f"{ONE} rated again in order from 2003-07 on\nrun 5: 2 records of 2003-07" in shown
    assert "noted" not in shown
    shown = tb(by_hand, "run", "--no-rerate")
    assert "2 accounts noted; `tollbook rerate --late`, or the next" in shown
    assert "rated again in order from" not in shown
    waiting = said(by_hand, "run", "--no-rerate")  # nothing new, and they wait still
    assert (waiting["run"], waiting["rerated"], waiting["due_accounts"]) == (0, [], 2)
    left = state(by_hand)
    planned = said(by_hand, "rerate", "--late", "--dry-run")
    assert [one["changed"] for one in planned["rerated"]] == [2, 2]
    assert (planned["dry_run"], planned["due_accounts"], state(by_hand)) == (True, 2, left)
    assert "would be rated again" in tb(by_hand, "rerate", "--late", "--dry-run")
    assert [one["run_number"] for one in said(by_hand, "rerate", "--late")["rerated"]] == [4, 5]
    assert state(by_hand) == state(root) == state(calm[0])


def test_a_month_that_is_refused_leaves_the_others_done(
    before: Path, in_time: list[str], tmp_path: Path
) -> None:
    """June's balances are lost, and are found again."""
    root = nights.copy(before, tmp_path)
    lost(root, 1)
    shown = said(nights.copy(root, tmp_path / "json"), "run", exit_code=1)
    assert (shown["run"], shown["due_accounts"]) == (3, 1)
    assert [(one["run_number"], one["period"]) for one in shown["rerated"]] == [(4, "2003-07")]
    [refused] = shown["not_rerated"]
    assert (refused["period"], refused["accounts"]) == ("2003-06", ["A-1"])
    assert "balances that records had used are not in the state: 1" in refused["why"]
    told = tb(root, "run", exit_code=1)
    assert f"{ONE} rated again in order from 2003-07 on\nrun 4: " in told
    assert f"{ONE} not rated again from 2003-06 on: A-1\nthe control totals do not" in told
    told = tb(root, "run", exit_code=1)  # it is tried each time, and nothing else is done
    assert told.startswith("nothing to do: no new file in the inbox\n")
    assert said(root, "rerate", "--late", exit_code=1)["rerated"] == []
    lost(root, 0)
    [one] = said(root, "run")["rerated"]
    assert (one["run_number"], one["period"]) == (5, "2003-06")
    assert taken(root) == in_time
    audited(root)


def lost(root: Path, superseded_by: int) -> None:
    """Take the balances of June out of the state, or put them back."""
    work = session.open_session(root)
    with work.catalogue.engine.begin() as link:
        is_june = (LAKE_FILES.c.dataset == "state") & (LAKE_FILES.c.period == JUNE)
        done = link.execute(update(LAKE_FILES).where(is_june).values(superseded_by=superseded_by))
    assert done.rowcount == 1
    work.catalogue.engine.dispose()


def test_nobody_waits_for_records_that_were_withdrawn(tmp_path: Path) -> None:
    """Of July, then of Ann in June, nothing is left; what is due of them is struck off."""
    root = started(tmp_path / "harbour")
    calls.deliver(root, 3, ANN_LATE)
    calls.deliver(root, 4, BOB_LATE)
    assert said(root, "run", "--no-rerate")["due_accounts"] == 2
    for file in ("F2", "F4"):
        tb(root, "undo", file, "--note", "wrong file")
    told = said(root, "run")
    assert ([one["period"] for one in told["rerated"]], told["due_accounts"]) == (["2003-06"], 0)
    calls.deliver(root, 5, at("06-09", 8))
    assert said(root, "run", "--no-rerate")["due_accounts"] == 1
    calls.deliver(root, 6, at("06-11", 8, served=BOB))
    for file in ("F1", "F3", "F5"):
        tb(root, "undo", file, "--note", "wrong file")
    told = said(root, "run")
    assert (told["not_rerated"], told["due_accounts"]) == ([], 0)
    audited(root)


def test_what_is_late_for_a_bill_is_a_correction_on_the_next(tmp_path: Path) -> None:
    """June is billed before Ann is rated again; the minutes cover toll, too.

    Her late 250 s found nothing left: 5 x 0.60 + 42 x 0.07 = 5.94. In order they take the five
    minutes, and her local call after them costs 5 x 0.60 = 3.00 instead of nothing.
    """
    root = calls.make(tmp_path / "harbour")
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + ITEMS.replace("covers: airtime, ", ""))
    calls.deliver(root, 1, at("06-10", 10, duration=300))
    calls.run(root)
    calls.deliver(root, 2, replace(ANN_LATE, other="+862087654321"))
    assert said(root, "run", "--no-rerate")["charge_micro"] == 5_940_000
    tb(root, "bill", "--period", "2003-06")
    rated = Lake(root).charges
    [done] = said(root, "run")["rerated"]
    assert (done["period"], done["bill_period"], done["delta_micro"]) == (
        "2003-06", "2003-07", -2_940_000)  # fmt: skip
    assert Lake(root).charges == rated
    audited(root)
    tb(root, "bill", "--period", "2003-07", "--as-of", "2003-08-02T02:00:00+08:00")
    lines = Lake(root).rows("bill_lines", "0 as record_id, account_id, amount",
                            where="kind = 'correction'")  # fmt: skip
    assert {account for _, account, _ in lines} == {"A-1"}
    assert f"{sum(amount for *_, amount in lines):.2f}" == "-2.94"
    assert said(root, "run")["due_accounts"] == 0
    audited(root)


@pytest.mark.slow
def test_killed_between_and_within_the_re_ratings(
    before: Path, calm: tuple[Path, Any], tmp_path: Path
) -> None:
    root = nights.copy(before, tmp_path)
    words = ["run", "-C", str(root), "--as-of", AS_OF]
    run = f"from tollbook.cli.main import cli\ncli({words})"
    between = """
import os, signal
from tollbook.run import rerate_late
rerate_late.run = lambda *values: os.kill(os.getpid(), signal.SIGKILL)
"""
    assert nights.apart(between + run) == -9
    assert nights.apart(run, TOLLBOOK_KILL_AT="plan_committed") == -9  # of the first re-rating
    assert [run["state"] for run in nights.books(root)["runs"]] == [
        "published", "published", "published", "planned"]  # fmt: skip
    assert nights.apart(run, TOLLBOOK_KILL_AT="before_transaction") == -9  # finishing that one
    told = said(root, "run")
    assert (told["put_right"], [one["run_number"] for one in told["rerated"]]) == ([4], [5])
    assert state(root) == state(calm[0])


def test_what_came_after_its_month_was_closed_stays_behind_it(tmp_path: Path) -> None:
    """June: 300 s are free, 300 s cost 5 x 0.60; June is billed. A call of 5 June counts in July
    then, whose five minutes it takes. What June leaves (up to three minutes may go on, but nothing
    is left) belongs to June's own records first, also where both months are rated again."""
    root = calls.make(tmp_path / "harbour")
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + ITEMS.replace(
        "increment: 60s}", "increment: 60s, rollover: {limit: 3min, periods: 1}}"
    ))  # fmt: skip
    calls.deliver(root, 1, at("06-10", 10, duration=300), at("06-20", 10, duration=300))
    calls.run(root, "2003-07-01T02:00:00")
    tb(root, "bill", "--period", "2003-06", "--as-of", "2003-07-02T00:00:00+08:00")
    calls.deliver(root, 2, at("06-05", 10, duration=300))
    night = said(root, "run", "--as-of", "2003-07-03T02:00:00+08:00")
    assert night["charge_micro"] == 0
    before = taken(root)
    for words in (("--late",), ("--period", "2003-07"), ("--period", "2003-06")):
        done = said(root, "rerate", *words)
        for one in done.get("rerated", [done]):
            assert (one["changed"], one["delta_micro"]) == (0, 0), words
    assert taken(root) == before
    audited(root)
