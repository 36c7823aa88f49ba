"""What a book remembers over nights: balances in the lake, in one run's rating and the next's."""

from __future__ import annotations

import json
from pathlib import Path

import calls
import memory_workspace
import pytest
from calls import ANN, BOB, Call, Lake
from click.testing import CliRunner

from tollbook.cli.main import cli
from tollbook.run import session
from tollbook.run.explaining import Explainer
from tollbook.run.late import due


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return memory_workspace.remember(calls.make(tmp_path / "harbour"))


def state(root: Path) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(owner, item, first day) -> granted, used."""
    rows = Lake(root).rows("state", "1 as record_id, owner, item, since, granted, used")
    return {(owner, item.removeprefix("easy/"), f"{since:%m-%d}"): (granted, used)
            for _, owner, item, since, granted, used in rows}  # fmt: skip


def explained(root: Path) -> None:
    """Every rated record is explained to its stored amount."""
    work = session.open_session(root)
    explainer = Explainer(work)
    for record, charge in Lake(root).charges.items():
        found = explainer.explain(record)
        assert (found.differences, charge) == ((), f"{found.trace.charge_micro / 10**6:f}")
    work.catalogue.engine.dispose()


def at(hour: int, **more: object) -> Call:
    return Call(start=f"2003-06-10T{hour:02}:00:00+08:00", **more)


def test_nights_go_on_with_what_is_left(root: Path) -> None:
    calls.deliver(root, 1, at(10, duration=100), at(11, duration=130))
    calls.run(root)
    # April and May were never used: 2 of their 3 minutes roll over, and go first. 100 s take those
    # of April, 130 s those of May and one of June.
    ann = {("S-1", "allowance/minutes", "04-01"): (180, 120),
           ("S-1", "allowance/minutes", "05-01"): (180, 120)}  # fmt: skip
    assert state(root) == ann | {
        ("S-1", "allowance/minutes", "06-01"): (180, 60),
        ("A-1", "counter/voice", "01-01"): (0, 230),
    }
    calls.deliver(root, 2, at(12, duration=100, served=BOB), at(12, duration=130),
                  at(13, duration=650, served=BOB))  # fmt: skip
    calls.run(root, "2003-06-12T02:00:00")
    # Ann: 120 of June are left, 10 s come from the pool, which has 5 minutes for each of two lines.
    # Bob: 100 s take April's 120 s; of 650 s 120 of May, 180 of June and 350 of the pool.
    assert state(root) == ann | {
        ("S-1", "allowance/minutes", "06-01"): (180, 180),
        ("A-1", "counter/voice", "01-01"): (0, 360),
        ("club", "allowance/shared", "06-01"): (600, 360),
        ("S-2", "allowance/minutes", "04-01"): (180, 120),
        ("S-2", "allowance/minutes", "05-01"): (180, 120),
        ("S-2", "allowance/minutes", "06-01"): (180, 180),
        ("A-2", "counter/voice", "01-01"): (0, 750),
    }
    calls.deliver(root, 3, at(14, duration=300))
    calls.run(root, "2003-06-13T02:00:00")
    # The pool's last 240 s; 60 s at 0.60 a minute are left to be paid.
    assert list(Lake(root).charges.values())[-1] == "0.600000"
    calls.audited(root)
    explained(root)


def test_the_cap_ends_what_toll_costs(root: Path) -> None:
    toll = {"other": "+862087654321", "duration": 600}
    calls.deliver(root, 1, *(at(hour, served=BOB, **toll) for hour in (8, 9)))
    calls.run(root)
    rows = Lake(root).rows("rated", "record_id, charge_toll, charge_airtime")
    # 600 s are 100 x 0.07 of toll: 2.00 of the first are paid, nothing of the second. Airtime: 420
    # of the first 600 s are the line's own, 180 the pool's; of the second 420 the pool's.
    assert [(f"{toll:f}", f"{airtime:f}") for _, toll, airtime in rows] == [
        ("2.000000", "0.000000"), ("0.000000", "1.800000"),
    ]  # fmt: skip
    calls.audited(root)
    explained(root)


def test_an_audit_finds_a_balance_that_its_records_do_not_explain(root: Path) -> None:
    calls.deliver(root, 1, at(10))
    calls.run(root)
    calls.audited(root)
    work = session.open_session(root)
    with work.catalogue.writer(), work.catalogue.transaction() as link:
        [file] = [one for one in work.catalogue.lake_files("state") if one.period]
        work.catalogue.supersede(link, [file.path], 1)
    (root / file.path).unlink()
    from tollbook.run import audit

    assert audit.audit(work).findings == (
        "balance of  , easy/allowance/minutes from 2003-04-01: 0 used by the state, 60 by its "
        "records",
    )
    work.catalogue.engine.dispose()


def test_balance_shows_what_is_left_and_why(root: Path) -> None:
    calls.deliver(root, 1, at(10, duration=400))
    calls.run(root)
    asked = ["balance", "A-1", "-C", str(root)]
    found = json.loads(CliRunner().invoke(cli, [*asked, "--json", "--masked"]).output)
    by_item = {(one["item"], one["since"]): one for one in found["balances"]}
    june = by_item["easy/allowance/minutes", "2003-06-01"]
    assert (june["granted"], june["used"], june["left"], june["is_open"]) == (180, 180, 0, True)
    assert june["records"] == [
        {"record": "F1-2", "start_utc_s": calls.moment("2003-06-10T10:00:00"),
         "subscription": "S-1", "before": 0, "taken": 160 + 20, "served_e164": "86130****0001"}
    ]  # fmt: skip
    assert june["days"] == [{"day": "2003-06-10", "records": 1, "taken": 180}]
    april = by_item["easy/allowance/minutes", "2003-04-01"]  # over: 120 of it may be used, and were
    assert (april["used"], april["carried_used"], april["left"]) == (120, 120, 0)
    cap = by_item["easy/cap/toll", "2003-06-01"]
    assert (cap["is_open"], cap["granted"], cap["left"]) == (False, 2_000_000, 2_000_000)
    screen = CliRunner().invoke(cli, [*asked, "--records", "1"]).output
    assert "easy/cap/toll" in screen
    assert "(2.00 CNY)" in screen
    missing = CliRunner().invoke(cli, ["balance", "A-9", "-C", str(root)])
    assert missing.exit_code == 1


def test_late_records_are_noted_where_the_plan_says_so(root: Path) -> None:
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + "late: rerate\n")
    calls.deliver(root, 1, at(10), at(10, served=BOB))
    calls.run(root)
    work = session.open_session(root)
    assert due(work.catalogue) == []
    calls.deliver(root, 2, at(9), at(11, served=BOB))
    done = calls.run(root, "2003-06-12T02:00:00")
    assert done.due_accounts == 1
    [one] = due(work.catalogue)
    assert (one.run_number, one.account_id) == (2, "A-1")
    assert one.since_utc_s == calls.moment("2003-06-10T09:00:00")
    work.catalogue.engine.dispose()


def test_what_rolls_over_is_told_alike_in_table_and_history(root: Path) -> None:
    calls.deliver(root, 1, at(10, duration=100))
    calls.run(root)
    # April granted 180 s, of which 120 s may roll over; 100 s in steps of 60 s take all of these.
    # 180 - 120 = 60 s of April were never used, and nobody can use them any more.
    ask = ["balance", "A-1", "-C", str(root), "--records", "0"]
    for period in ("2003-06", "2003-04"):
        screen = CliRunner().invoke(cli, [*ask, "--period", period]).output
        (row,) = [line for line in screen.splitlines() if "minutes" in line and "04-01  " in line]
        assert row.split()[-8:] == ["180", "s", "120", "s", "120", "s", "0", "s"], screen
        assert "    2003-06-10   120 s by 1 record; used 120 s, left 0 s\n" in screen


def test_a_customer_who_is_gone_keeps_his_balances(root: Path) -> None:
    calls.deliver(root, 1, at(10), at(10, served=BOB))
    calls.run(root)
    before = state(root)
    people = root / "customers" / "subscriptions.csv"
    whole = people.read_text()
    people.write_text("".join(one for one in whole.splitlines(True) if not one.startswith("S-1")))
    calls.deliver(root, 2, at(11, served=BOB))
    calls.run(root, "2003-06-12T02:00:00")
    assert {key: one for key, one in state(root).items() if key[0] == "S-1"} == {
        key: one for key, one in before.items() if key[0] == "S-1"
    }
    people.write_text(whole)
    calls.deliver(root, 3, at(12, served=ANN))
    calls.run(root, "2003-06-13T02:00:00")
    assert state(root)["S-1", "allowance/minutes", "04-01"] == (180, 120)
    calls.audited(root)


def test_what_an_undone_file_had_taken_goes_back(root: Path) -> None:
    calls.deliver(root, 1, at(10, duration=100), at(11, duration=60, served=BOB))
    calls.run(root)
    before = state(root)
    calls.deliver(root, 2, at(12, duration=300), at(13, duration=600))
    calls.run(root, "2003-06-12T02:00:00")
    assert state(root)["S-1", "allowance/minutes", "06-01"] == (180, 180)
    done = CliRunner().invoke(cli, ["undo", "F2", "-C", str(root), "--note", "tests", "--json"])
    assert done.exit_code == 0, done.output
    assert state(root) == before
    calls.audited(root)
    calls.deliver(root, 3, at(12, duration=60))
    calls.run(root, "2003-06-13T02:00:00")
    assert state(root)["S-1", "allowance/minutes", "05-01"] == (180, 60)
    calls.audited(root)
