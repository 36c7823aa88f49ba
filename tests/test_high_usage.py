"""High usage over nights: every level is told once, as a naive sum over the rated rows has it."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import calls
import pytest
from calls import ANN, BOB, CAT, FRIEND, Call, Lake
from click.testing import CliRunner, Result

from tollbook.cli import main
from tollbook.run import high_usage, session

RULES: Final = """
high_usage:
  rules:
    - {name: day, measure: money, per: day, levels: [10, 30, 60], segments: [
       {plan: standard, threshold: 20}]}
    - {name: month, measure: sdr, per: month, levels: [5, 9]}
    - {name: talk, when: {service: voice, direction: out}, measure: seconds, per: month,
       levels: [1h, 2h]}
  sdr: [{from: 2003-01-01, price: 10.50}, {from: 2003-06-10, price: 11}]
"""
LEVELS: Final = {"day": (10, 30, 60), "month": (5, 9), "talk": (3600, 7200)}
NIGHTS: Final = ("2003-06-11T02:00:00", "2003-06-12T02:00:00", "2003-06-13T02:00:00")


def made(root: Path) -> Path:
    calls.make(root)
    operator = root / "operator.yaml"
    operator.write_text(operator.read_text() + RULES)
    return root


def command(root: Path, *words: str) -> Result:
    found = CliRunner().invoke(main.cli, ["high-usage", words[0], "-C", str(root), *words[1:]])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def naive(root: Path) -> dict[tuple[str, str, str], int]:
    """Rule, subscription and span -> level, from the rated rows of the lake one by one."""
    sums: dict[tuple[str, str, str], Fraction] = {}
    plans: dict[str, str] = {}
    rows = Lake(root).rows(
        "rated", "subscription_id, plan, start_utc_s, duration_s, charge, direction"
    )
    for who, plan, start, seconds, charge, direction in rows:
        day = (datetime.fromtimestamp(start, UTC) + timedelta(hours=8)).date()
        price = Fraction("10.50") if day < date(2003, 6, 10) else Fraction(11)
        fee = Fraction(charge)
        plans[who] = plan
        for rule, span, amount in (("day", f"{day}", fee), ("month", f"{day}"[:7], fee / price),
                                   ("talk", f"{day}"[:7], Fraction(seconds))):  # fmt: skip
            if rule != "talk" or direction == "out":
                sums[rule, who, span] = sums.get((rule, who, span), Fraction(0)) + amount
    found = {}
    for (rule, who, span), amount in sums.items():
        ratio = 2 if rule == "day" and plans[who] == "standard" else 1
        level = sum(amount >= least * ratio for least in LEVELS[rule])
        if level:
            found[rule, who, span] = level
    return found


def test_every_level_is_told_once(tmp_path: Path) -> None:
    root, rng = made(tmp_path / "harbour"), random.Random(7)
    told: dict[tuple[str, str, str], int] = {}
    for night, as_of in enumerate(NIGHTS, start=1):
        lines = []
        for number in range(40):
            day = rng.choice(("2003-06-09", "2003-06-10"))
            lines.append(Call(
                rng.choice((ANN, BOB, CAT)), other=FRIEND, call_ref=f"{night}-{number}",
                start=f"{day}T{rng.randrange(8, 22):02d}:{number:02d}:00+08:00",
                duration=rng.randrange(1, 900), direction=rng.choice(("out", "out", "in")),
            ))  # fmt: skip
        calls.deliver(root, night, *lines)
        outcome = calls.run(root, as_of)
        before = dict(told)
        for one in outcome.high_usage:
            key = (one.rule, one.subscription_id, one.span)
            assert one.level > told.get(key, 0)
            told[key] = one.level
        assert told == naive(root)
        assert told != before
    work = session.open_session(root)
    with work.catalogue.writer():
        assert high_usage.look(work, calls.moment(NIGHTS[-1])) == ()
    assert {one.rule for one in high_usage.read(work)} == set(LEVELS)
    work.catalogue.engine.dispose()


def test_a_segment_by_imsi_holds_for_records_that_bring_none(tmp_path: Path) -> None:
    """Both talk for an hour, 60 x 0.60 = 36.00: level 2 of 10, 30, 60. Bob's IMSI is of the segment
    from 40 on since the 10th, before that of none: he is told of for the 9th alone."""
    root = made(tmp_path / "harbour")
    operator, people = root / "operator.yaml", root / "customers" / "subscriptions.csv"
    operator.write_text(operator.read_text().replace(
        "{plan: standard, threshold: 20}", '{imsi: ["46002"], threshold: 40}'
    ))  # fmt: skip
    text = people.read_text().replace(f"{ANN},", f"{ANN},460010000000001").replace(
        f"S-2,A-2,{BOB},,easy,active,2002-01-01,", f"S-2,A-2,{BOB},,easy,active,2002-01-01,"
        f"2003-06-10\nS-2,A-2,{BOB},460020000000002,easy,active,2003-06-10,"
    )  # fmt: skip
    people.write_text(text)
    calls.deliver(root, 1, *(
        Call(who, other=FRIEND, duration=3600, call_ref=f"{who}-{day}",
             start=f"2003-06-{day}T10:00:00+08:00") for who in (ANN, BOB) for day in ("09", "10")
    ))  # fmt: skip
    told = [one for one in calls.run(root).high_usage if one.rule == "day"]
    assert [(one.subscription_id, one.span, one.level, one.imsi) for one in told] == [
        ("S-1", "2003-06-09", 2, 460010000000001), ("S-1", "2003-06-10", 2, 460010000000001),
        ("S-2", "2003-06-09", 2, 0),
    ]  # fmt: skip


@pytest.fixture
def reported(tmp_path: Path) -> Path:
    """Ann talks for an hour: 60 x 0.60 = 36.00, level 2 of the day; and level 1 of talk."""
    root = made(tmp_path / "harbour")
    calls.deliver(root, 1, Call(ANN, other=FRIEND, duration=3600))
    calls.run(root)
    return root


def test_what_is_done_about_it_is_written_down(reported: Path) -> None:
    found: list[dict[str, Any]] = json.loads(command(reported, "list", "--json").stdout)
    assert [(one["rule"], one["level"], one["amount"]) for one in found] == [
        ("day", 2, 36_000_000), ("talk", 1, 3600),
    ]  # fmt: skip
    assert "36.00" in command(reported, "list").stdout
    done = command(reported, "dispose", "1", "--action", "force_open", "--days", "30", "--note",
                   "he knows", "--by", "kim", "--as-of", "2003-06-11T03:00:00+08:00")  # fmt: skip
    assert (done.exit_code, done.stdout) == (0, "1 report decided by kim: force_open\n")
    assert "force_open 30 days by kim" in command(reported, "list").stdout
    left = json.loads(command(reported, "list", "--open", "--json").stdout)
    assert [one["report_number"] for one in left] == [2]
    path = reported / "high.csv"
    assert command(reported, "list", "--out", str(path)).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert {name: first[name] for name in (
        "subscription", "first_start", "duration", "fee", "threshold", "days",
    )} == {
        "subscription": "S-1", "first_start": "2003-06-10 10:00:00", "duration": "01:00:00",
        "fee": "36.00", "threshold": "10.00", "days": "30",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("9", "--action", "notify"), "report 9: there is none"),
        (("1", "--action", "force_open"), "force_open for 0 days"),
        (("1", "--action", "notify", "--days", "3"), "notify for 3 days"),
        (("1", "1", "--action", "ignore"), "report 1"),
    ],
)
def test_what_cannot_be_decided(reported: Path, words: tuple[str, ...], says: str) -> None:
    found = command(reported, "dispose", *words, "--note", "x")
    if words[:2] == ("1", "1"):
        assert found.exit_code == 0
        found = command(reported, "dispose", *words, "--note", "x")
    assert found.exit_code == 1
    assert says in found.stderr
    assert len(json.loads(command(reported, "list", "--open", "--json").stdout)) == (
        1 if words[:2] == ("1", "1") else 2
    )
