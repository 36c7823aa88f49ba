"""Columns of large tables against plain Python: rows and lines, numbers, local times, overlaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook import columns, numbering, text
from tollbook.numbering import Lengths, Numbering
from tollbook.text import Problems
from tollbook.wall_clock import local_seconds, local_to_utc_s

CHINA = Numbering("86", ("00",), "0", Lengths(9, 11), Lengths(11, 11), Lengths(7, 8), ("17911",))
AMERICA = Numbering("1", ("011",), "1", Lengths(10, 10), Lengths(10, 10))
RUSSIA = Numbering("7", ("810",), "8", Lengths(10, 10))
ITALY = Numbering("39", ("00",), "", Lengths(6, 11), Lengths(8, 11))  # no prefix: 06 ... is dialled

CELLS = st.text(st.sampled_from('ab é0",'), max_size=4)
RAGGED = st.lists(CELLS, min_size=1, max_size=3).filter(lambda cells: any(map(str.strip, cells)))
ROWS = st.lists(st.one_of(
    st.lists(CELLS, min_size=2, max_size=2), RAGGED, st.sampled_from([["# a, comment"], ["#"]])),
    max_size=12)  # fmt: skip


@given(ROWS, st.booleans())
def test_columns_are_the_rows_of_the_plain_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], dos: bool
) -> None:
    """The column reader against the reader of small tables: same cells, lines and problems."""
    path = tmp_path_factory.getbasetemp() / "table.csv"
    end = "\r\n" if dos else "\n"
    lines = [",".join(cell if "#" in cell or not cell else '"' + cell.replace('"', '""') + '"'
                      for cell in row) for row in rows]
    path.write_bytes(("a, b" + end + end.join(lines)).encode())
    plain, fast = Problems(), Problems()
    wanted = text.load_csv(path, ["a", "b"], ["c"], plain, "t.csv")
    found = columns.load_table(path, ["a", "b"], ["c"], fast, "t.csv")
    assert [(row["a"], row["b"], row["c"], row.line) for row in wanted] == list(zip(
        *(found[name].to_pylist() for name in "abc"), found.lines.tolist(), strict=True))
    assert sorted(map(str, plain.found)) == sorted(map(str, fast.found))


# A number as it is written -> its digits with country code; 0: refused.
NUMBERS = [
    (CHINA, "+8613900000001", 8613900000001),
    (CHINA, "008613900000001", 8613900000001),
    (CHINA, "13900000001", 8613900000001),
    (CHINA, "8613900000001", 8613900000001),
    (CHINA, "01065541234", 861065541234),
    (CHINA, "861065541234", 861065541234),
    (CHINA, "+85225551234", 85225551234),
    (CHINA, "0085225551234", 85225551234),
    (CHINA, "65541234", 0),  # a local number has no area here
    (CHINA, "+861390000000123", 0),  # 13 digits behind 86
    (CHINA, "++8613900000001", 0),
    (CHINA, "+0613900000001", 0),
    (CHINA, "+1390000", 1390000),
    (CHINA, "+139000", 0),  # six digits
    (CHINA, "+1234567890123456", 0),  # sixteen
    (CHINA, "0", 0),
    (CHINA, "00", 0),
    (CHINA, "", 0),
    (CHINA, "139 0000 0001", 0),
    (CHINA, "１３９００００００００１", 0),  # full-width digits
    (AMERICA, "2125551234", 12125551234),
    (AMERICA, "12125551234", 12125551234),
    (AMERICA, "0118613900000001", 8613900000001),
    (AMERICA, "5551234", 0),
    (RUSSIA, "84951234567", 74951234567),
    (RUSSIA, "74951234567", 74951234567),
    (RUSSIA, "4951234567", 0),
    (RUSSIA, "8108613900000001", 8613900000001),
    (ITALY, "0612345678", 390612345678),
    (ITALY, "+390612345678", 390612345678),
    (ITALY, "3331234567", 393331234567),
]


def test_numbers_become_e164_digits() -> None:
    for rules in (CHINA, AMERICA, RUSSIA, ITALY):
        rows = [(written, wanted) for plan, written, wanted in NUMBERS if plan is rules]
        found, good = numbering.to_e164(pa.array([written for written, _ in rows]), rules)
        assert found.tolist() == [wanted for _, wanted in rows]
        assert good.tolist() == [wanted > 0 for _, wanted in rows]


def is_national(digits: str, plan: Numbering) -> bool:
    lengths = [plan.national_lengths, *([plan.mobile_lengths] if plan.mobile_lengths else [])]
    return any(len(digits) in allowed for allowed in lengths) and digits[0] != "0"


def plain_e164(written: str, plan: Numbering) -> int:
    """The rule of ``numbering`` for one number, in plain Python."""
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= columns.DIGITS_MAX):
        return 0
    international = [p for p in plan.international_prefixes if digits.startswith(p)]
    if written.startswith("+"):
        found = digits
    elif international:
        found = digits[len(international[0]) :]
    elif plan.national_prefix and digits.startswith(plan.national_prefix) and is_national(
        digits[len(plan.national_prefix) :], plan
    ):
        found = plan.country_code + digits[len(plan.national_prefix) :]
    elif plan.mobile_lengths and len(digits) in plan.mobile_lengths and (
        digits[0] != "0" or not plan.national_prefix
    ):
        found = plan.country_code + digits
    elif digits.startswith(plan.country_code):
        found = digits
    else:
        found = ""
    code = len(plan.country_code)
    fits = not found.startswith(plan.country_code) or any(
        allowed and len(found) - code in allowed
        for allowed in (plan.national_lengths, plan.mobile_lengths)
    )
    return int(found) if 7 <= len(found) <= 15 and found[0] != "0" and fits else 0


@given(st.sampled_from([CHINA, AMERICA, RUSSIA, ITALY]), st.lists(st.one_of(
    st.from_regex(r"\A(\+|00|011|810|0|8|1|86)?[0-9]{0,18}\Z"), st.text("0123+ x", max_size=20)),
    min_size=1))  # fmt: skip
def test_numbers_follow_the_plain_rule(plan: Numbering, written: list[str]) -> None:
    found, good = numbering.to_e164(pa.array(written), plan)
    assert found.tolist() == [plain_e164(text, plan) for text in written]
    assert good.tolist() == [value > 0 for value in found.tolist()]


@given(st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo",
                        "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"]),
       st.integers(1, 4_133_980_799), st.booleans())  # fmt: skip
def test_local_times_are_those_of_zoneinfo(zone: str, seconds: int, whole_day: bool) -> None:
    seconds -= seconds % 86_400 if whole_day else 0
    wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    moment = wall.replace(tzinfo=ZoneInfo(zone))
    written = f"{wall:%Y-%m-%d}" if whole_day else f"{wall:%Y-%m-%dT%H:%M:%S}"
    local, good = local_seconds(pa.array([written]))
    assert (local.tolist(), good.tolist()) == ([seconds], [True])
    assert local_to_utc_s(local, zone).tolist() == [int(moment.timestamp())]


def test_days_that_are_none() -> None:
    words = ["2003-02-29", "2004-02-29", "1969-12-31", "2100-12-31", "2101-01-01", "2003-00-10",
             "2003-06-10T23:59:59", "2003-06-10T24:00:00", "2003-06-10 12:00:00", "2003-6-10",
             "2003/06/10", "", "２００３-０６-１０"]  # fmt: skip
    _, good = local_seconds(pa.array(words))
    assert [word for word, fine in zip(words, good.tolist(), strict=True) if fine] == [
        "2004-02-29", "2100-12-31", "2003-06-10T23:59:59"]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6), st.integers(1, 4)), max_size=9))
def test_overlaps_are_found_if_there_are_any(spans: list[tuple[int, int, int]]) -> None:
    key, since, length = (np.array([span[i] for span in spans], np.int64) for i in range(3))
    later, earlier = columns.overlaps(key, since, since + length)
    pairs = {(a, b) for a, (k, low, n) in enumerate(spans) for b, (k2, low2, n2) in enumerate(spans)
             if a != b and k == k2 and low < low2 + n2 and low2 < low + n}  # fmt: skip
    found = set(zip(later.tolist(), earlier.tolist(), strict=True))
    assert found <= pairs
    assert {spans[a][0] for a, _ in found} == {spans[a][0] for a, _ in pairs}


BROKEN_TABLES = [
    ("a,b,c\n1\n", 2, "1 cell", "3 cells as the header names", "2 cells are missing"),
    ("a,b,c\n1,2\n", 2, "2 cells", "3 cells as the header names",
     "a cell is missing; write an empty one: ,,"),
    ("a,b,c\n1,2,3\n1,2,3,4\n", 3, "4 cells", "3 cells as the header names",
     "quote cells that contain a comma"),
    ('a,b,c\n1,2,3\n# x\n1,"2,3\n1,2,3\n', 4, "a quote opens here and never closes", "quotes", ""),
    ('a,b,c\n1,2,"3', 2, "a quote opens here and never closes", "quotes", "close the quote"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line", "found", "allowed", "do"), BROKEN_TABLES)
def test_both_readers_say_what_is_wrong_with_a_row(
    tmp_path: Path, source: str, line: int, found: str, allowed: str, do: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(source)
    for load in (text.load_csv, columns.load_table):
        problems = Problems()
        load(path, ["a", "b", "c"], [], problems, "t.csv")
        (one,) = problems.found
        assert (one.line, one.found) == (line, found)
        assert one.allowed.startswith(allowed)
        assert one.do.startswith(do)


def test_a_quote_that_closes_on_another_line() -> None:
    problems = Problems()
    columns.parse_table(b'a,b\n1,"2\n3",4\n', ["a", "b"], [], problems, "t.csv")
    assert [(one.line, one.found) for one in problems.found] == [
        (2, "a quote opens here and closes on another line")
    ]
