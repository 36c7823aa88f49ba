"""A simulation of the book in force comes to what is committed, whatever has led there: nights,
late records rated again or not, re-ratings of months and accounts, and months that were billed."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import calls
import memory_workspace
import pytest
from calls import ANN, BOB, CAT, FRIEND, Call, Lake
from click.testing import CliRunner
from conftest import JIT_IS_OFF
from rerating_helpers import billed, rerated

from tollbook import clock
from tollbook.cli.main import cli
from tollbook.run import rerate_late, session
from tollbook.run.rerate_scope import Scope

MONTHS = 2003 * 12 + 4, 2003 * 12 + 5
DAN = "+8613010000004"
TOLL = "+862087654321"
ITEMS = memory_workspace.ITEMS.replace("caps:", """
  - {name: nine, amount: 2min, when: {service: voice}, covers: airtime, period: 9d}
  - {name: welcome, amount: 10min, when: {service: voice}, covers: toll, period: once}
caps:""") + "late: rerate\n"
EASY = f"\nS-4,A-4,{DAN},,easy,active,2003-05-20,"
CHANCES = {"night": 6, "late": 2, "month": 2, "account": 1, "bill": 0.7}
# Of 24 and 32: late records after June had used what May left over, rated again or not; June alone
# rated again behind them; May billed, and corrected. TOLLBOOK_LIVES asks for more of them.
MORE = range(100, 100 + int(os.environ.get("TOLLBOOK_LIVES", "0")))
SEEDS = (24,) if JIT_IS_OFF else (24, 32, *MORE)
CALLS_A_NIGHT, STEPS = (6, 6) if JIT_IS_OFF else (14, 10)


def made(folder: Path) -> Path:
    """A workspace of four customers, of whom Ann and Bob share a pool; Cat has none of it all."""
    root = memory_workspace.remember(calls.make(folder / "harbour"), ITEMS)
    customers = root / "customers"
    accounts = customers / "accounts.csv"
    accounts.write_text(accounts.read_text() + "A-4,Dan,4 Renmin Road\n")
    lines = customers / "subscriptions.csv"
    lines.write_text(lines.read_text().rstrip() + EASY + "\n")
    return root


class Life:
    """What a workspace goes through, by chance. day: of its last night, since the first of May."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.chance = root, random.Random(seed)
        self.day, self.number = 22, 0

    @property
    def as_of(self) -> str:
        return f"{_date(self.day)}T04:00:00"

    @property
    def months(self) -> list[int]:
        """Those with rated records."""
        names = {row[0] for row in Lake(self.root).rows("rated", "bill_period")}
        return [month for month in MONTHS if clock.period_text(month) in names]

    def night(self) -> None:
        """Calls of the day before, and as many of earlier days."""
        self.number += 1
        self.day += self.chance.choice((1, 3, 6))
        found = []
        for minute in range(CALLS_A_NIGHT):
            day = self.day - 1
            if self.chance.random() > 0.5:
                day = self.chance.randrange(12, self.day)
            one = Call(
                self.chance.choice((ANN, ANN, BOB, CAT, DAN)), self.chance.choice((FRIEND, TOLL)),
                f"{_date(day)}T{self.chance.randrange(24):02}:{minute:02}:00+08:00",
                self.chance.choice((30, 61, 90, 200)), call_ref=f"{self.number}-{minute}",
            )  # fmt: skip
            if self.chance.random() < 0.2:
                one = replace(one, service="sms", duration=0, events=1)
            found.append(one)
        calls.deliver(self.root, self.number, *found)
        calls.run(self.root, self.as_of)

    def late(self) -> None:
        """The accounts that wait are rated again."""
        work = session.open_session(self.root)
        rerate_late.run(work, calls.moment(self.as_of))
        work.catalogue.engine.dispose()

    def month(self, scope: Scope | None = None) -> None:
        """One of the months is rated again."""
        rerated(self.root, scope, self.as_of, period=self.chance.choice(self.months))

    def account(self) -> None:
        """So is what concerns one account, if the month has any record of it."""
        self.month(Scope((self.chance.choice(("A-1", "A-2", "A-4")),)))

    def bill(self) -> None:
        """May is closed once June has begun."""
        work = session.open_session(self.root)
        is_open = session.open_period(work.catalogue, "bill") <= MONTHS[0]
        work.catalogue.engine.dispose()
        if is_open and self.months == [*MONTHS]:
            billed(self.root, MONTHS[0], self.as_of)


def _date(day: int) -> str:
    month, of_month = divmod(day, 31)
    return f"2003-{5 + month:02}-{1 + of_month:02}"


def committed(root: Path, month: int) -> Decimal:
    """What a month's records cost in all, with what was corrected since they were billed."""
    period, lake = clock.period_text(month), Lake(root)
    rows = lake.rows("rated", "charge", where=f"bill_period = '{period}'")
    rows += lake.rows("differences", "delta", where=f"rated_period = '{period}'")
    return sum((amount for (amount,) in rows), Decimal())


def simulated(root: Path, month: int) -> dict[str, Any]:
    """The book in force, tried on a month."""
    done = CliRunner().invoke(cli, [
        "tariff", "simulate", "-C", str(root), "--book", str(root / "tariffs"), "--period",
        clock.period_text(month), "--json",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_book_in_force_comes_to_what_is_committed(seed: int, tmp_path: Path) -> None:
    root = made(tmp_path)
    life = Life(root, seed)
    life.night()
    done = ["night"]
    for _ in range(STEPS):
        step = life.chance.choices(list(CHANCES), list(CHANCES.values()))[0]
        getattr(life, step)()
        done.append(step)
        for month in life.months:
            found = simulated(root, month)
            [book] = found["books"]
            assert Decimal(found["charged"]) == committed(root, month), (done, found["period"])
            assert book["would_be"] == found["charged"], (done, found["period"])
            assert (book["winners"], book["losers"]) == (0, 0), (done, found["period"])
