"""Calls that name the discounts that are for them, by hand; their steps land on their price."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from tollbook.cli.main import cli

PLAN = """\
plan: a
currency: CNY
time_zone: Asia/Shanghai
valid: {from: 2003-01-01}
components: [airtime]
rates: {local: {per: 60s, price: 0.40}}
rules: [{when: {service: voice}, charge: {airtime: local}}, {otherwise: refuse}]
"""
MEMORY = """\
allowances:
  - {name: minutes, amount: 2min, increment: 60s, when: {service: voice}}
  - {name: gift, amount: 0.30, priority: 1}
caps: [{name: most, amount: 0.50}]
"""
DISCOUNTS = """\
discounts:
  - {name: vip, for: {numbers: 86138*}, action: {percent: 50}}
  - {name: night, for: {accounts: A-1}, when: {relation: far}, action: {off: 0.10}}
  - {name: all, action: {fixed: 0.30}, execution: exclusive, priority: 9}
"""
# A minute costs 0.40. Of several the first by name acts first: (0.80 - 0.10) x 50 % = 0.35.
CALLS = """\
name,start,used,relation,discounts,expect
for everybody,2003-06-10 10:00:00,60s,near,,airtime=0.30
of a number,2003-06-10 10:00:00,60s,near,vip,airtime=0.20
both,2003-06-10 10:00:00,61s,far,vip night,airtime=0.35
the other is for far calls,2003-06-10 10:00:00,61s,near,vip night,airtime=0.40
none,2003-06-10 10:00:00,61s,near,none,airtime=0.80
"""
# The first two minutes are included. Then 2 x 0.40 x 50 % = 0.40, of which the gift pays 0.30 and
# 0.10 is left; 0.40 x 50 % = 0.20; 3 x 0.40 = 1.20 without a discount, of which the cap leaves
# 0.50 - 0.10 - 0.20 = 0.20; then nothing.
OF_ONE = """\
name,account,start,used,relation,discounts,expect
included,x,2003-06-10 10:00:00,120s,near,vip,free
the gift,x,2003-06-10 11:00:00,61s,near,vip,airtime=0.10
half,x,2003-06-10 12:00:00,60s,near,vip,airtime=0.20
the cap,x,2003-06-10 13:00:00,121s,near,none,airtime=0.20
nothing is left,x,2003-06-10 14:00:00,60s,near,vip,airtime=0.00
"""


def price(folder: Path, calls: str, *words: str, plan: str = PLAN) -> Result:
    book = folder / "book"
    book.mkdir(exist_ok=True)
    (book / "a.yaml").write_text(plan)
    (book / "discounts.yaml").write_text(DISCOUNTS)
    (folder / "calls.csv").write_text(calls)
    return CliRunner().invoke(
        cli, ["tariff", "price", str(book), "--calls", str(folder / "calls.csv"), *words]
    )


def test_calls_name_their_discounts(tmp_path: Path) -> None:
    found = price(tmp_path, CALLS, "--check", "--explain")
    assert "5 calls compared, 0 differ" in found.output, found.output
    assert "AS THE STEPS SAY" not in found.output
    assert "0.80 x 50 % = 0.40" in found.output


def test_discounts_before_money_and_a_cap(tmp_path: Path) -> None:
    found = price(tmp_path, OF_ONE, "--check", "--explain", plan=PLAN + MEMORY)
    assert "5 calls compared, 0 differ" in found.output, found.output
    # The steps are those of the price with what was used, so that nothing remains to be said.
    assert "charged " not in found.output
    assert "0.40 -> 0.10" in found.output


def test_options_name_the_discounts_of_all_others(tmp_path: Path) -> None:
    calls = "\n".join(line.replace("airtime=0.30", "airtime=0.20") if number == 1 else line
                      for number, line in enumerate(CALLS.splitlines()))  # fmt: skip
    assert "0 differ" in price(tmp_path, calls + "\n", "--check", "--discount", "vip").output
    single = ["tariff", "price", str(tmp_path / "book"), "--start", "2003-06-10 10:00:00",
              "--used", "60s", "--discount", "vip"]  # fmt: skip
    assert "0.40 x 50 % = 0.20" in CliRunner().invoke(cli, single).output


def test_a_discount_that_the_book_lacks(tmp_path: Path) -> None:
    found = price(tmp_path, CALLS.replace("vip night", "vip nigth"), "--discount", "wip")
    assert found.exit_code == 1
    assert "calls.csv:4: discounts names 'nigth', which is no discount of the book" in str(
        found.output) + str(found.exception)  # fmt: skip
    assert "--discount: discounts names 'wip'" in str(found.output) + str(found.exception)
