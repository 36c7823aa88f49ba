"""Discounts through a whole night: memberships that change within it, lists, and `explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import explain_workspace
import nights
import pytest
from click.testing import CliRunner
from explain_workspace import AS_OF_UTC_S, HEADER
from test_explain import rows, run_explain

from tollbook.cli import main
from tollbook.run import data, explaining, session

DISCOUNTS = """\
discounts:
  # The family until noon; the staff from noon on, but never the number on the list.
  - {name: family, for: {groups: family}, when: {service: voice}, action: {percent: 50}}
  - name: staff
    for: {groups: staff}
    except: {numbers: none.csv}
    components: [airtime]
    action: {fixed: 0.10}
    execution: exclusive
  - name: long-standing
    for: {opened: {to: 2002-04-01}, accounts: A-1007}
    components: [toll]
    action: {percent: 85}
    round: [{digits: 3, mode: down}, {digits: 2, mode: half_down}]
  - {name: nobody, for: {subscriptions: [S-9]}, action: {percent: 0}}
"""
GROUPS = """\
group,number,valid_from,valid_to
family,13900000001,2003-06-01,2003-06-10T12:00:00
staff,13900000001,2003-06-10T12:00:00,
staff,13900000002,,
"""
LOCAL, TOLL = "01065541234", "02087654321"
CALLS = (  # served, other, start, seconds; what it costs, by hand
    ("13900000001", LOCAL, "11:59:59", 60, {"airtime": "0.20"}),  # 0.40 x 50 %
    ("13900000001", LOCAL, "12:00:00", 60, {"airtime": "0.10"}),  # fixed, alone
    # 0.40 x 50 %; toll 6 x 0.07 = 0.42 x 50 % = 0.21; x 85 % = 0.1785, 0.178, 0.18
    ("13900000001", TOLL, "11:00:00", 36, {"airtime": "0.20", "toll": "0.18"}),
    ("13900000001", TOLL, "13:00:00", 36, {"airtime": "0.10", "toll": "0.42"}),  # fixed, alone
    ("13900000002", LOCAL, "11:00:00", 60, {"airtime": "0.40"}),  # of the staff, but on the list
    # toll 0.42 x 85 % = 0.357, 0.36
    ("13900000002", TOLL, "11:30:00", 36, {"airtime": "0.40", "toll": "0.36"}),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = explain_workspace.write(tmp_path_factory.mktemp("discounts") / "op")
    (folder / "tariffs" / "discounts.yaml").write_text(DISCOUNTS)
    (folder / "tariffs" / "none.csv").write_text("number\n8613900000002\n")
    (folder / "customers" / "groups.csv").write_text(GROUPS)
    rate(folder, [call[:4] for call in CALLS])
    return folder


def rate(folder: Path, calls: Sequence[tuple[str, str, str, int]]) -> None:
    """A night with calls: served, other, start, seconds."""
    lines = [f"voice,out,{served},{other},2003-06-10T{start}+08:00,{seconds},0,0,0,,BJ-1,,,,"
             for served, other, start, seconds in calls]  # fmt: skip
    inbox = folder / "inbox" / "msc" / explain_workspace.CDR_FILE
    inbox.write_text("\n".join([HEADER, *lines, ""]))
    nights.run(folder, AS_OF_UTC_S)


def airtime_of(folder: Path, more: str, seconds: dict[int, int], rules: str = "") -> list[Decimal]:
    """What local calls cost, one at each of the hours, under more items of the plan and discounts.

    Each of them must be explained as it was stored.
    """
    plan = folder / "tariffs" / "standard.yaml"
    plan.write_text(plan.read_text() + more)
    if rules:
        (folder / "tariffs" / "discounts.yaml").write_text(f"discounts: [{rules}]\n")
    rate(folder, [("13900000001", LOCAL, f"{hour}:00:00", length)
                  for hour, length in seconds.items()])  # fmt: skip
    found, explainer = rows(folder, "rated"), explaining.Explainer(session.open_session(folder))
    for row in found:
        assert explainer.explain(row["record_id"]).differences == ()
    return [row["charge_airtime"] for row in found]


def test_each_record_costs_what_was_worked_out(root: Path) -> None:
    found = {row["record_id"] & 0xFFFFFFFF: row for row in rows(root, "rated")}
    for line, (*_, wanted) in enumerate(CALLS, start=2):
        charges = {name: found[line][f"charge_{name}"] for name in ("airtime", "toll")}
        assert charges == {
            name: Decimal(wanted.get(name, "0")).quantize(Decimal("0.000001")) for name in charges
        }, line
    first = [(one["item"], one["before"], one["taken"]) for one in found[4]["used"]]
    assert first == [("*/discount/family", 820_000, 410_000),
                     ("*/discount/long-standing", 210_000, 30_000)]  # fmt: skip


def test_every_record_is_explained_as_it_was_stored(root: Path) -> None:
    explainer = explaining.Explainer(session.open_session(root))
    for row in rows(root, "rated"):
        assert explainer.explain(row["record_id"]).differences == ()
    shown = run_explain(root, "F1-4").output
    assert "0.42 x 50 % = 0.21" in shown
    assert "0.21 x 85 % = 0.1785 -> 0.178 -> 0.18" in shown
    said = json.loads(run_explain(root, "F1-3", "--json").output)
    assert [one["discount"] for one in said["discounts"]] == ["staff"]


def test_what_no_customer_has_is_warned_of(root: Path) -> None:
    """S-9 is nobody; that a number is written without its country code would be told alike."""
    said = data.load(root).warnings
    assert sum("discount 'nobody' names subscription 'S-9', which customers/subscriptions.csv does "
               "not have" in one for one in said) == 1  # fmt: skip
    (root / "tariffs" / "more.yaml").write_text(
        "discounts: [{name: local, for: {numbers: [139*]}, action: {percent: 50}}]\n")
    try:
        assert any("'local' names numbers, and no subscription" in one
                   for one in data.load(root).warnings)  # fmt: skip
    finally:
        (root / "tariffs" / "more.yaml").unlink()


def test_audit_finds_nothing_wrong(root: Path) -> None:
    done = CliRunner().invoke(main.cli, ["audit", "-C", str(root)])
    assert done.exit_code == 0, done.output


def test_discounts_behind_an_allowance_and_by_a_counter(tmp_path: Path) -> None:
    """60 s are included; what is left of a call costs half, from the second counted minute on."""
    folder = explain_workspace.write(tmp_path / "op")
    found = airtime_of(
        folder,
        "allowances: [{name: minute, amount: 60s, increment: 60s, when: {service: voice}}]\n"
        "counters: [{name: talked, measure: seconds, when: {service: voice}}]\n",
        {10: 100, 11: 50, 12: 0, 13: 61},
        "{name: more, used: {talked: {from: 100s}}, action: {percent: 50}}",
    )
    # 100 s: 60 s are included, the rest of 40 s costs 0.40; then 100 s are counted: 0.40 x 50 %,
    # and 2 x 0.40 x 50 %.
    assert found == [Decimal(each) for each in ("0.40", "0.20", "0.40")]


def test_money_and_a_cap_behind_a_discount(tmp_path: Path) -> None:
    """Half price; then 0.15 are given; then at most 0.20 a month, of which a rest is left over."""
    folder = explain_workspace.write(tmp_path / "op")
    found = airtime_of(
        folder,
        "allowances: [{name: gift, amount: 0.15, when: {service: voice}}]\n"
        "caps: [{name: most, amount: 0.20, when: {service: voice}}]\n",
        {10: 60, 11: 60, 12: 60}, "{name: half, action: {percent: 50}}",
    )  # fmt: skip
    # 0.40 x 50 % = 0.20, less 0.15; 0.20, of which the cap leaves 0.20 - 0.05; nothing is left.
    assert found == [Decimal(each) for each in ("0.05", "0.15", "0.00")]
    for number, said in (
        ("F1-2", ("0.40 x 50 % = 0.20", "gift: 0.15 were left  airtime  0.20 -> 0.05")),
        ("F1-3", ("gift: nothing was left of it", "most: 0.15 were left  airtime  0.20 -> 0.15")),
        ("F1-4", ("gift: nothing was left of it", "most: used up  airtime  0.20 -> 0.00")),
    ):
        shown = " ".join(run_explain(folder, number).output.split())
        for words in said:
            assert " ".join(words.split()) in shown


def test_caps_that_are_used_up_are_named_with_the_price_beyond(tmp_path: Path) -> None:
    """One free minute; then 0.30 a month, beyond it 0.05 a minute; of all that at most 0.33 a day.

    10:00 the free minute. 11:00 0.30 of 0.40 by the month's cap. 12:00 0.05 beyond it, of which the
    day has left 0.33 - 0.30. 13:00 three minutes: 0.15 beyond it, and nothing is left of the day.
    """
    folder = explain_workspace.write(tmp_path / "op")
    plan = folder / "tariffs" / "standard.yaml"
    plan.write_text(
        plan.read_text().replace("rates:\n", "rates:\n  slow: {per: 60s, price: 0.05}\n")
    )
    found = airtime_of(
        folder,
        "allowances: [{name: mins, amount: 60s, covers: airtime, increment: 60s}]\n"
        "caps: [{name: most, amount: 0.30, when: {service: voice}, beyond: slow},\n"
        "       {name: daily, amount: 0.33, period: day}]\n",
        {10: 60, 11: 60, 12: 60, 13: 180},
    )
    assert found == [Decimal(each) for each in ("0.00", "0.30", "0.03", "0.00")]
    for number, said in (
        ("F1-3", ("mins: nothing was left of it", "daily: 0.33 were left airtime 0.40 -> 0.33",
                  "most: 0.30 were left airtime 0.33 -> 0.30")),
        ("F1-4", ("most: used up, beyond it 60 s by slow airtime 0.40 -> 0.05",
                  "daily: 0.03 were left airtime 0.05 -> 0.03")),
        ("F1-5", ("most: used up, beyond it 180 s by slow airtime 1.20 -> 0.15",
                  "daily: used up airtime 0.15 -> 0.00")),
    ):  # fmt: skip
        shown = " ".join(run_explain(folder, number).output.split())
        for words in said:
            assert words in shown
        found = json.loads(run_explain(folder, number, "--json").output)
        assert found["charge_micro"] == found["stored_micro"]
        assert found["used_up"] == ["mins"]
    assert [(one["name"], one["is_used_up"], one["beyond"]) for one in found["settled"]] == [
        ("most", True, "slow"), ("daily", True, ""),
    ]  # fmt: skip


def test_numbers_of_two_groups_are_warned_of_where_groups_own_something(tmp_path: Path) -> None:
    """One number changes its group on 1 May; the other is in both from then on."""
    folder = explain_workspace.write(tmp_path / "op")
    (folder / "customers" / "groups.csv").write_text(
        "group,number,valid_from,valid_to\n"
        "h,+8613900000001,2003-01-01,\ng,+8613900000001,2003-05-01,\n"
        "g,+8613900000002,2003-01-01,2003-05-01\nh,+8613900000002,2003-05-01,\n")  # fmt: skip
    assert not any("groups" in one for one in data.load(folder).warnings)
    with (folder / "tariffs" / "standard.yaml").open("a") as plan:
        plan.write("caps: [{name: pool, amount: 50.00, owner: group}]\n")
    said = [one for one in data.load(folder).warnings if "groups" in one]
    assert [one.partition("\n")[0] for one in said] == [
        "customers/groups.csv: warning: number 86139****0001 is in the groups g and h at a time"]
