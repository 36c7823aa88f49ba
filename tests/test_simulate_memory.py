"""A simulation of books that remember something, and of books with discounts.

What nights have committed is what a simulation of the book in force has to come to: with nights in
their order, late records, pools of accounts and of groups.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nights
import pytest
from click.testing import CliRunner
from conftest import JIT_IS_OFF

from tollbook.cli import main
from tollbook.run import lake, session

RECORDS = 600 if JIT_IS_OFF else 6000
NIGHTS = 3
MEMORY = """
allowances:
  - {name: minutes, amount: 20min, when: {service: voice}, covers: airtime, increment: 60s}
  - name: pool
    amount: 50MiB
    when: {service: data}
    covers: data
    increment: 1KiB
    owner: account
  - {name: daily, amount: 2 events, when: {service: sms}, period: day}
  - {name: family, amount: 30min, when: {service: voice}, increment: 60s, owner: group, priority: 5}
  - {name: welcome, amount: 9 events, when: {service: sms}, period: once, priority: 9}
caps:
  - {name: most, amount: 40.00, covers: [airtime, toll]}
counters:
  - {name: calls, measure: seconds, when: {service: voice}}
"""
DISCOUNTS = """
discounts:
  - name: ten
    for: {plans: [easy, standard]}
    except: {groups: [G1]}
    action: {percent: 90}
    round: [{digits: 2, mode: half_down}]
  - {name: friends, for: {groups: [G2]}, when: {service: voice}, action: {percent: 50}}
"""


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_nights(tmp_path_factory.mktemp("simulate") / "harbour", MEMORY)


def three_nights(root: Path, memory: str) -> Path:
    """Three nights under a book that remembers; the first night's second file comes with the last
    one, so that its records are late."""
    made = nights.make(root, RECORDS, NIGHTS)
    for path in (root / "tariffs").glob("standard*.yaml"):
        path.write_text(path.read_text("utf-8") + memory, "utf-8")
    (root / "tariffs" / "discounts.yaml").write_text(DISCOUNTS, "utf-8")
    people = (root / "customers" / "subscriptions.csv").read_text("utf-8").splitlines()
    at = people[0].split(",").index("number")
    rows = ["group,number,valid_from,valid_to"]
    rows += [f"G{place % 5},{line.split(',')[at]},," for place, line in enumerate(people[1:40])]
    (root / "customers" / "groups.csv").write_text("\n".join(dict.fromkeys(rows)) + "\n", "utf-8")
    late = None
    for night in range(NIGHTS):
        as_of = nights.deliver(root, made, night)
        files = sorted(path for path in (root / "inbox").rglob("*") if path.is_file())
        if night == 0:
            late = files[-1], files[-1].read_bytes()
            files[-1].unlink()
        elif night == NIGHTS - 1 and late is not None:
            late[0].write_bytes(late[1])
        nights.run(root, as_of)
    return root


def document(root: Path, *words: object) -> dict[str, Any]:
    listed = ["tariff", "simulate", "-C", str(root), "--period", "2003-06", *map(str, words)]
    result = CliRunner().invoke(main.cli, [*listed, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_book_in_force_comes_to_what_nights_have_committed(month: Path) -> None:
    found = document(month, "--book", month / "tariffs")
    book = found["books"][0]
    assert book["would_be"] == found["charged"] != "0.00"
    assert (book["winners"], book["losers"]) == (0, 0)
    work = session.open_session(month)
    taken: dict[str, int] = {}
    for file in work.catalogue.lake_files("rated"):
        for row in lake.read(month, file).to_pylist():
            for one in row["used"]:
                taken[one["item"]] = taken.get(one["item"], 0) + one["taken"]
    assert {one["item"]: one["taken"] for one in book["items"]} == taken
    assert set(taken) == {
        "standard/allowance/minutes", "standard/allowance/pool", "standard/allowance/daily",
        "standard/allowance/family", "standard/allowance/welcome", "standard/cap/most",
        "standard/counter/calls", "*/discount/ten", "*/discount/friends",
    }  # fmt: skip
    items = {one["item"].rpartition("/")[2]: one for one in book["items"]}
    pool, daily, calls, ten = (items[name] for name in ("pool", "daily", "calls", "ten"))
    assert pool["granted"] == pool["owners"] * 50 * 2**20
    assert 0 < pool["used_up"] <= pool["owners"] == pool["balances"]
    # Three nights: who sends on several days has a balance for each, of two messages.
    assert daily["owners"] < daily["balances"] <= daily["owners"] * (NIGHTS + 1)
    assert daily["granted"] == 2 * daily["balances"]
    # Two messages a day are all of it; nothing is granted to a counter, so nothing is used up.
    assert 2 * daily["used_up"] <= daily["used"] == daily["taken"] <= daily["granted"]
    assert (calls["granted"], calls["used_up"]) == (None, None)
    assert calls["used"] == calls["taken"] > calls["records"] > calls["owners"] > 0
    assert {ten[name] for name in ("owners", "balances", "granted", "used", "used_up")} == {None}


def test_a_month_is_the_same_in_several_passes(
    month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollbook.run import simulation_order

    whole = document(month, "--book", month / "tariffs")
    monkeypatch.setattr(simulation_order, "ROWS_AT_ONCE", RECORDS // 3)
    assert document(month, "--book", month / "tariffs") == whole


def test_without_allowances_and_discounts_everybody_pays_at_least_as_much(
    month: Path, tmp_path: Path
) -> None:
    for path in (month / "tariffs").iterdir():
        if path.name != "discounts.yaml":
            text = path.read_text("utf-8").replace(MEMORY, "\n")
            (tmp_path / path.name).write_text(text, "utf-8")
    found = document(month, "--book", tmp_path, "--book", month / "tariffs")
    bare, own = found["books"]
    shutil.copy2(month / "tariffs" / "discounts.yaml", tmp_path)
    discounted = document(month, "--book", tmp_path)["books"][0]
    assert {one["item"] for one in discounted["items"]} == {"*/discount/ten", "*/discount/friends"}
    assert float(own["would_be"]) < float(discounted["would_be"]) < float(bare["would_be"])
    assert bare["winners"] == 0 < bare["losers"]
    assert own["would_be"] == found["charged"]
    assert bare["items"] == []


def test_a_plan_with_allowances_may_be_tried_on_others(month: Path) -> None:
    """Who moves to `standard` gets what it includes: 50 MiB for each account that uses data."""
    found = document(month, "--book", month / "tariffs", "--move", "business=standard")
    pool = next(one for one in found["books"][0]["items"]
                if one["item"] == "standard/allowance/pool")  # fmt: skip
    own = document(month, "--book", month / "tariffs")["books"][0]["items"]
    before = next(one for one in own if one["item"] == "standard/allowance/pool")
    assert pool["owners"] > before["owners"]
    assert pool["granted"] == pool["owners"] * 50 * 2**20


def test_what_was_rated_again_for_late_records_is_taken_in_its_order(tmp_path: Path) -> None:
    root = three_nights(tmp_path / "harbour", MEMORY + "late: rerate\n")
    arrived = document(root, "--book", root / "tariffs")
    assert arrived["books"][0]["would_be"] == arrived["charged"]
    done = CliRunner().invoke(main.cli, ["rerate", "-C", str(root), "--late", "--json"])
    assert sum(one["changed"] for one in json.loads(done.stdout)["rerated"]) > 0, done.output
    found = document(root, "--book", root / "tariffs")
    assert found["books"][0]["would_be"] == found["charged"]
    assert (found["books"][0]["winners"], found["books"][0]["losers"]) == (0, 0)
    # A sample may leave whole files without a record, and all of them.
    some = document(root, "--book", root / "tariffs", "--sample", "20%")
    assert some["books"][0]["would_be"] == some["charged"] != found["charged"]
    result = CliRunner().invoke(main.cli, [
        "tariff", "simulate", "-C", str(root), "--period", "2003-06", "--book",
        str(root / "tariffs"), "--sample", "0.0001%",
    ])  # fmt: skip
    assert (result.exit_code, "take a larger --sample" in result.output) == (1, True)
