"""Whole volumes settled when a month ends (``settle: whole``): by hand, and by a plain twin."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import calls
import pytest
from calls import ANN, BOB, Call, Lake
from click.testing import CliRunner
from rerating_helpers import JULY, JUNE, billed, rerated

from tollbook.cli.main import cli
from tollbook.run import bills, session

# Toll of a line: 0.70 for each minute begun up to 20 minutes of a month, 0.50 up to 40, then 0.30.
# Airtime of an account: 0.20 up to 30 minutes, then 0.10, half of that at night, and 0.05 a call.
PLAN = """
plan: easy
name: By volume
currency: CNY
time_zone: Asia/Shanghai
valid: {from: 2001-02-21}
components: [airtime, toll]
rates:
  bulk:
    per: 60s
    tiers_over: {settle: whole}
    tiers:
      - {up_to: 20min, price: 0.70}
      - {up_to: 40min, price: 0.50}
      - {price: 0.30}
  pool:
    per: 60s
    connect: 0.05
    tiers_over: {owner: account, settle: whole}
    bands:
      - name: night
        from: "22:00"
        to: "07:00"
        tiers: [{up_to: 30min, price: 0.10}, {price: 0.05}]
    tiers: [{up_to: 30min, price: 0.20}, {price: 0.10}]
rules:
  - {when: {service: voice, direction: in}, charge: free}
  - {when: {service: voice, relation: [province, toll]}, charge: {toll: bulk}}
  - {when: {service: voice}, charge: {airtime: pool}}
  - {otherwise: refuse}
not_discountable: [airtime, toll]
"""
AFAR, DAN = "+862087654321", "+8613010000004"
CLOSED = "2003-07-01T09:00:00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = calls.make(tmp_path / "harbour")
    (made / "tariffs" / "easy.yaml").write_text(PLAN)
    calls.add_subscription(made, f"S-4,A-1,{DAN},,easy,active,2002-01-01,")
    return made


def toll(hour: int, duration: int, served: str = ANN) -> Call:
    return Call(served, AFAR, f"2003-06-10T{hour:02}:00:00+08:00", duration)


def local(hour: int, duration: int, served: str = ANN) -> Call:
    return Call(served, start=f"2003-06-10T{hour:02}:00:00+08:00", duration=duration)


def settled(root: Path, period: int = JUNE) -> list[tuple[str, str, str, int, int, str]]:
    """The settled lines: account, line, item, records, seconds, exact amount."""
    work = session.open_session(root)
    rows = bills.stored(work, period)[1].lines.to_pylist()
    work.catalogue.engine.dispose()
    return [
        (row["account_id"], row["subscription_id"], row["item"], row["usage_count"],
         row["duration_s"], f"{row['rated_micro'] / 10**6:.2f}")
        for row in rows if row["kind"] == "settled"
    ]  # fmt: skip


def test_a_month_is_settled_at_the_price_of_the_tier_reached(root: Path) -> None:
    calls.deliver(root, 1, toll(8, 600), toll(9, 601), toll(8, 1200, BOB), local(9, 900))
    calls.run(root)
    calls.deliver(root, 2, local(23, 1000, DAN), toll(10, 1900, DAN), toll(12, 500, DAN))
    calls.run(root, "2003-06-12T02:00:00")
    # Each unit at its own tier. Ann: 10 x 0.70; 10 x 0.70 + 1 x 0.50; 0.05 + 15 x 0.20. Bob: 20 x
    # 0.70. Dan by night, behind Ann's 900 s: 0.05 + 15 x 0.10 + 2 x 0.05; toll of 32 minutes: 20 x
    # 0.70 + 12 x 0.50; then at 1,900 s: 9 x 0.50 (the ninth begins at 2,380 s, before 40 minutes).
    assert list(Lake(root).charges.values()) == [
        "7.000000", "7.500000", "14.000000", "3.050000", "1.650000", "20.000000", "4.500000",
    ]  # fmt: skip
    asked = ["balance", "A-1", "-C", str(root)]
    screen = CliRunner().invoke(cli, asked).output
    assert "toll/bulk     subscription S-1        2   1,201 s  -4.00 CNY" in screen
    shown = CliRunner().invoke(cli, ["explain", "-C", str(root), "F1-3"]).output
    assert "bulk: tiers go on from 600 s; the month's bill settles it at the price of the" in shown
    told = json.loads(CliRunner().invoke(cli, [*asked, "--json"]).output)["settled"]
    assert [one["charge_micro"] for one in told] == [-2_250_000, -4_000_000, -4_000_000]
    done = billed(root, JUNE, CLOSED)
    # Ann's toll: 1,201 s are beyond 20 minutes: 10 x 0.50 + 11 x 0.50 - 14.50 = -4.00. Bob's 1,200
    # are not: no line. Dan's 2,400 s are not beyond 40: 32 x 0.50 + 9 x 0.50 - 24.50 = -4.00.
    # Airtime of A-1, 1,900 s: 0.05 + 15 x 0.10 - 3.05 = -1.50; 0.05 + 17 x 0.05 - 1.65 = -0.75.
    assert settled(root) == [
        ("A-1", "", "airtime/pool", 2, 1900, "-2.25"),
        ("A-1", "S-1", "toll/bulk", 2, 1201, "-4.00"),
        ("A-1", "S-4", "toll/bulk", 2, 2400, "-4.00"),
    ]
    assert (done.settled_micro, done.rated_micro) == (-10_250_000, 57_700_000 - 10_250_000)
    lines = (done.folder / "bills.jsonl").read_text().splitlines()
    ann = next(one for one in map(json.loads, lines) if one["account"]["id"] == "A-1")
    assert (ann["totals"]["settled"], ann["settled"][1]["item"]) == ("-10.25", "toll/bulk")
    assert billed(root, JUNE, CLOSED).settled_micro == done.settled_micro  # again: as it was
    calls.audited(root)
    # What comes after the close counts in July, alone: nothing is settled of June again.
    calls.deliver(root, 3, toll(13, 61))
    calls.run(root, "2003-07-02T02:00:00")
    assert list(Lake(root).charges.values())[-1] == "1.400000"
    assert billed(root, JULY, "2003-08-02T00:00:00").settled_micro == 0


def test_settled_equals_the_twin_however_nights_are_cut(root: Path) -> None:
    draw = random.Random(7)
    made = [
        Call(served, AFAR if draw.random() < 0.5 else calls.FRIEND,
             f"2003-06-{1 + number // 24:02}T{number % 12 + 8:02}:{number % 60:02}:00+08:00",
             draw.choice([59, 60, 61, draw.randrange(1, 900)]))
        for number in range(150) for served in [draw.choice([ANN, ANN, BOB, DAN])]
    ]  # fmt: skip
    for number, low in enumerate(range(0, len(made), 60), 1):
        calls.deliver(root, number, *made[low : low + 60])
        calls.run(root, f"2003-06-{10 + number}T02:00:00")
    rerated(root)
    volume, minutes = defaultdict(int), defaultdict(int)
    for call in made:
        line = {ANN: "S-1", BOB: "S-2", DAN: "S-4"}[call.served]
        account = "A-2" if call.served == BOB else "A-1"
        key = (account, line) if call.other == AFAR else (account, "")
        volume[key] += int(call.duration)
        minutes[key] += -(-int(call.duration) // 60)
    due = 0
    for (account, line), seconds in volume.items():
        calls_of = sum(1 for call in made if (call.other != AFAR) == (not line)
                       and (call.served == BOB) == (account == "A-2"))  # fmt: skip
        tiers = [(2400, 30), (1200, 50), (0, 70)] if line else [(1800, 10), (0, 20)]
        cents = next(price for border, price in tiers if seconds > border)
        due += minutes[account, line] * cents * 10_000 + (0 if line else 50_000 * calls_of)
    work = session.open_session(root)
    committed = sum(one.charge_micro for _, one in work.catalogue.totals())
    work.catalogue.engine.dispose()
    done = billed(root, JUNE, CLOSED)
    assert done.rated_micro == due
    # The book in force comes to what was committed, and to the same settlement beside it.
    tried = CliRunner().invoke(cli, [
        "tariff", "simulate", "-C", str(root), "--book", str(root / "tariffs"), "--period",
        "2003-06", "--json"])  # fmt: skip
    told = json.loads(tried.output)["books"][0]
    assert (Decimal(told["would_be"]), Decimal(told["settled"])) == (
        Decimal(committed).scaleb(-6), Decimal(done.settled_micro).scaleb(-6))  # fmt: skip
    assert done.rated_micro == committed + done.settled_micro
    assert done.settled_micro < 0
    calls.audited(root)


def test_a_closed_month_that_is_rated_again_is_settled_again(root: Path) -> None:
    calls.deliver(root, 1, toll(8, 600), toll(9, 601), toll(8, 600, BOB))
    calls.run(root)
    # Ann as above: 14.50, settled at 10.50. Bob has no line.
    assert billed(root, JUNE, CLOSED).settled_micro == -4_000_000
    book = root / "tariffs" / "easy.yaml"
    book.write_text(book.read_text().replace("price: 0.50", "price: 0.45"))
    # Ann's last minute should have cost 0.45: she gets 0.05 back as a correction. Her month comes
    # to 21 x 0.45 = 9.45 now, of 14.45: -5.00, of which -4.00 are billed.
    rerated(root, as_of="2003-07-02T09:00:00")
    done = billed(root, JULY, "2003-08-02T00:00:00")
    assert (done.correction_micro, done.settled_micro) == (-50_000, -1_000_000)
    assert settled(root, JULY) == [("A-1", "S-1", "toll/bulk", 0, 0, "-1.00")]
    calls.audited(root)
    # August has nothing to say of it any more.
    calls.deliver(root, 2, Call(start="2003-08-10T10:00:00+08:00"))
    calls.run(root, "2003-08-11T02:00:00")
    august = billed(root, JULY + 1, "2003-09-02T00:00:00")
    assert (august.correction_micro, august.settled_micro) == (0, 0)
