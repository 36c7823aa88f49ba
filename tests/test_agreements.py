"""Agreements between carriers: what a row means, and the message that a faulty one gets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tariffs import agreements
from tollbook import clock, money
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.text import Problems

HEADER = ("agreement,carrier,direction,service,group,price,per,increments,digits,mode,clock,"
          "valid_from,valid_to\n")  # fmt: skip


def load_agreements(folder: Path, rows: str) -> tuple[tuple[agreements.Agreement, ...], Problems]:
    (folder / "agreements.csv").write_text(HEADER + rows)
    problems = Problems()
    found = agreements.load(folder / "agreements.csv", problems, ("CT", "CM"), ("north", "south"),
                            "Asia/Shanghai")  # fmt: skip
    return found, problems


def test_agreements_as_written(tmp_path: Path) -> None:
    found, problems = load_agreements(
        tmp_path,
        "A1,CT,out,voice,*,0.06,60s,,,,,,\n"
        "A1,CT,out,voice,north,0.0123,60s,60/6,4,half_up,end,2003-01-01,2004-01-01\n"
        "A1,CT,out,voice,north,0.02,60s,6/6,,,,2004-01-01,\n"
        "A2,CM,in,sms,south,0.03,event,,,,,,\n",
    )
    assert not problems.found
    assert [(a.carrier, a.group, a.at.line) for a in found] == [
        ("CM", "south", 5), ("CT", "north", 3), ("CT", "north", 4), ("CT", "*", 2)]  # fmt: skip
    dated = found[1]
    start = clock.date_utc_s(date(2003, 1, 1), "Asia/Shanghai")
    assert start == 1_041_350_400  # 2002-12-31T16:00:00Z
    assert (dated.valid_from_utc_s, dated.valid_to_utc_s) == (start, start + 365 * 86_400)
    assert (dated.price_nano, dated.per, dated.first_increment, dated.increment) == (
        12_300_000, 60, 60, 6)  # fmt: skip
    assert (dated.digits, dated.mode, dated.clock) == (4, money.ROUND_HALF_UP, "end")
    assert (found[2].first_increment, found[2].increment) == (0, 6)
    everything = found[3]
    assert (everything.valid_from_utc_s, everything.valid_to_utc_s) == (OPEN_FROM, OPEN_TO)
    assert (everything.increment, everything.digits, everything.clock) == (60, 6, "start")


# One faulty row -> the words of its one problem.
BROKEN_AGREEMENTS = [
    (",CT,out,voice,*,0.06,60s,,,,,,", "'agreement' is empty"),
    ("A1,CX,out,voice,*,0.06,60s,,,,,,", "'carrier' is 'CX'"),
    ("A1,CT,transit,voice,*,0.06,60s,,,,,,", "'direction' is 'transit'"),
    ("A1,CT,out,fax,*,0.06,60s,,,,,,", "'service' is 'fax'"),
    ("A1,CT,out,voice,west,0.06,60s,,,,,,", "'group' is 'west'"),
    ('A1,CT,out,voice,*,"0,06",60s,,,,,,', "'price' is '0,06'"),
    ("A1,CT,out,voice,*,-0.06,60s,,,,,,", "'price' is '-0.06'"),
    ("A1,CT,out,voice,*,0.06,60,,,,,,", "'per' is '60'"),
    ("A1,CT,out,voice,*,0.06,event,,,,,,", "'per' is 'event'"),
    ("A1,CT,out,voice,*,0.06,60s,60-6,,,,,", "'increments' is '60-6'"),
    ("A1,CT,out,voice,*,0.06,60s,,9,up,,,", "'digits' is '9'"),
    ("A1,CT,out,voice,*,0.06,60s,,,up,,,", "'digits' is empty"),
    ("A1,CT,out,voice,*,0.06,60s,,2,,,,", "'mode' is empty"),
    ("A1,CT,out,voice,*,0.06,60s,,,,middle,,", "'clock' is 'middle'"),
    ("A1,CT,out,voice,*,0.06,60s,,,,,2003-13-01,", "'valid_from' is '2003-13-01'"),
    ("A1,CT,out,voice,*,0.06,60s,,,,,2003-01-02,2003-01-02", "'valid_to' is '2003-01-02'"),
]


@pytest.mark.parametrize(("row", "words"), BROKEN_AGREEMENTS)
def test_broken_agreement(tmp_path: Path, row: str, words: str) -> None:
    found, problems = load_agreements(tmp_path, f"{row}\nA1,CM,out,voice,*,0.06,60s,,,,,,\n")
    assert [(p.line, p.found) for p in problems.found] == [(2, words)]
    assert [a.carrier for a in found] == ["CM"]


def test_two_prices_at_a_time_are_refused(tmp_path: Path) -> None:
    row = "A1,CT,out,voice,north,0.06,60s,,,,,{}\n"
    _, problems = load_agreements(
        tmp_path, row.format("2003-01-01,2004-01-01") + row.format("2003-12-31,")
    )
    assert [(p.line, p.found) for p in problems.found] == [
        (3, "a second price for CT, out, voice, group north is in force from 2003-12-31; the first "
            "is in line 2")]  # fmt: skip


def test_without_a_file_there_is_no_agreement(tmp_path: Path) -> None:
    problems = Problems()
    assert agreements.load(tmp_path / "agreements.csv", problems, (), (), "UTC") == ()
    assert not problems.found
