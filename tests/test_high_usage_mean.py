"""High usage against the mean of the months before, by hand: with history, without, and new."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import calls
import numpy as np
import pytest
from calls import ANN, BOB, CAT, Call

from rating.high_usage import level_above
from tollbook import clock
from tollbook.run import high_usage, session
from tollbook.run.high_usage_mean import months_from

DAN, EVE = "+8613010000004", "+8613010000005"
RULES = """
high_usage:
  rules:
    - {name: huge, measure: money, per: month, mean_of: 3, levels: [5, 10], least: 3.00,
       segments: [{imsi: ["46002"], threshold: 2.5}]}
"""
LINES = f"""subscription_id,account_id,number,imsi,plan,status,valid_from,valid_to
S-1,A-1,{ANN},,easy,active,2002-01-01,
S-2,A-2,{BOB},,easy,active,2003-05-02,
S-3,A-3,{CAT},,easy,active,2003-07-01T00:01:00,
S-4,A-1,{DAN},,easy,active,2002-01-01,
S-5,A-2,{EVE},,easy,active,2003-06-01,
"""
MINUTES = {  # month -> minutes of each line; a minute costs 0.60
    "2003-04": {ANN: 1},
    "2003-05": {ANN: 2, BOB: 50},
    "2003-06": {ANN: 3, BOB: 1, EVE: 1},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = calls.make(tmp_path / "harbour")
    (made / "operator.yaml").write_text((made / "operator.yaml").read_text() + RULES)
    (made / "customers" / "subscriptions.csv").write_text(LINES)
    for number, (month, used) in enumerate(MINUTES.items(), 1):
        told = night(made, number, month, used)
        assert told == []  # April is the first month of all; later ones are not above five times
    return made


def night(root: Path, number: int, month: str, used: dict[str, int]) -> list[tuple[str, int, int]]:
    """A night with a call of so many minutes by each; what it tells: line, level, threshold."""
    calls.deliver(root, number, *(
        Call(who, start=f"{month}-10T{8 + number:02}:00:00+08:00", duration=60 * minutes)
        for who, minutes in used.items()
    ))  # fmt: skip
    done = calls.run(root, f"{month}-11T02:00:00")
    return [(one.subscription_id, one.level, one.threshold) for one in done.high_usage]


def test_a_month_against_three_before(root: Path) -> None:
    # Ann: (0.60 + 1.20 + 1.80) / 3 = 1.20, five times 6.00. Ten minutes are just that: nothing.
    # Bob began on 2 May, so only June counts: 0.60, five times 3.00. Six minutes: 3.60.
    # Cat began in July: no mean. Dan used nothing for three months: whatever is above 0, once it
    # is 3.00 (least); four minutes are 2.40. Eve: June alone, 0.60; five minutes are just 3.00.
    used = {ANN: 10, BOB: 6, CAT: 100, DAN: 4, EVE: 5}
    assert night(root, 4, "2003-07", used) == [("S-2", 1, 3_000_000)]
    # Ann: 11 minutes, 6.60. Dan: 5 minutes, 3.00: above every multiple of nothing. Eve: 3.60.
    assert night(root, 5, "2003-07", {ANN: 1, DAN: 1, EVE: 1}) == [
        ("S-1", 1, 6_000_000), ("S-4", 2, 0), ("S-5", 1, 3_000_000)]  # fmt: skip
    # Ann: 20 minutes are 12.00, just ten times; Bob: 11 minutes are 6.60, more than ten times 0.60.
    assert night(root, 6, "2003-07", {ANN: 9, BOB: 5}) == [("S-2", 2, 3_000_000)]
    assert night(root, 7, "2003-07", {ANN: 1}) == [("S-1", 2, 6_000_000)]
    work = session.open_session(root)
    with work.catalogue.writer():
        assert high_usage.look(work, calls.moment("2003-07-12T02:00:00")) == ()
    work.catalogue.engine.dispose()


def test_multiples_are_exceeded_not_reached() -> None:
    five_and_ten = 5_000_000, 10_000_000
    mean = Fraction(100, 3)
    for amount, threshold, level in (
        (Fraction(500, 3), 5_000_000, 0), (Fraction(501, 3), 5_000_000, 1),
        (Fraction(1001, 3), 5_000_000, 2), (Fraction(251, 3), 2_500_000, 1),
        (Fraction(501, 3), 2_500_000, 2),  # a segment: all its levels are at half
    ):  # fmt: skip
        assert level_above(five_and_ten, threshold, amount, mean) == level


def test_which_months_are_whole() -> None:
    zone = clock.zone_table("Asia/Shanghai")
    first, later = (calls.moment(text) for text in ("2003-04-01T00:00:00", "2003-04-01T00:00:01"))
    found = months_from(np.array([first, later, -(2**61)]), zone)
    assert [clock.period_text(month) for month in found.tolist()] == [
        "2003-04", "2003-05", "1970-02"]  # fmt: skip
