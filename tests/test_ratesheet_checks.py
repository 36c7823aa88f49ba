"""Every error and every flag of a rate sheet, with its line and its words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ratesheet_helpers import AS_OF, HEAD, imported, workbook

from tariffs.ratesheet_guess import guess
from tariffs.ratesheet_import import import_sheet
from tariffs.ratesheet_notes import Findings
from tariffs.ratesheet_read import read

# A sheet, changes of the mapping that is guessed from it -> line: what is found.
BROKEN = [
    ("44,UK,0.01,2026-12-01\n44,UK,0.02,2026-12-01\n", {},
     "3: code 44 stands twice from 2026-12-01, here and in line 2, with different terms"),
    ("44,UK,-0.01,2026-12-01\n", {}, "2: the price is -0.01"),
    ("44,UK,101,2026-12-01\n", {}, "2: the price is 101"),
    ("44,UK,free,2026-12-01\n", {}, "2: the price is 'free'"),
    ("44,UK,0.01\n", {}, "2: the row has no effective date"),
    ("44,UK,0.01,01/02/2026\n", {}, "2: the date is '01/02/2026': day or month first?"),
    ("44,UK,0.01,2026-12-01,2026-11-01\n", {},
     "2: the row ends on 2026-11-02, not after it begins (2026-12-01)"),
    ("44,UK,0.01,2026-12-01,2027-01-31\n", {"end_date": ""},
     "2: the row ends '2027-01-31': on that day, or before it?"),
    ("44,UK,0.01,2026-12-01,,01-Jan\n", {}, "2: the increments are '01-Jan'"),
    ("44,UK,0.01,2026-12-01,,,Blocked\n44,UK,0.01,2026-12-01,,,new\n", {},
     "2: the status is 'Blocked'"),
    ("44O,UK,0.01,2026-12-01\n", {}, "2: the code is '44O': a letter among digits"),
    (",UK,0.01,2026-12-01\n", {}, "2: the code is ''"),
    ("44,UK,EUR 0.01,2026-12-01\n", {}, "2: the price is 'EUR 0.01'"),
    ("44,UK,0.01,2026-12-01\n", {"currency": "EUR"}, "1: the prices are headed 'Price USD/min'"),
    ("44,UK,0.01,2026-12-01\n", {"kind": ""},
     "0: nothing says whether the sheet is full or an amendment"),
    ("44,UK,0.01,2026-12-01\n", {"sheet": "Rates"}, "0: there is no worksheet 'Rates'"),
    ("44,UK,0.01,2026-12-01\n", {"columns": {"code": "Code", "price": "Rate"}},
     "1: no column is headed 'Rate'"),
    ("44,UK,0.01,2026-12-01\n", {"per": "7s"}, "2: the price 0.01 per 7s has no exact price"),
    ("All prices in USD\n", {}, "0: the sheet has no rates below its headings"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "changed", "found"), BROKEN)
def test_errors(tmp_path: Path, rows: str, changed: dict[str, Any], found: str) -> None:
    merged, findings = imported(tmp_path / "s.csv", HEAD + rows, changed)
    assert merged is None
    errors = [one for one in findings.problems.found if one.severity == "error"]
    assert [f"{one.line}: {one.found}"[: len(found)] for one in errors] == [found]
    assert all(one.allowed and one.do for one in errors)


# The deck, a sheet -> what a person has to look at. Notice counts from 2026-11-22: seven days end
# on 2026-11-29.
FLAGS = [
    ("44,UK,0.10,,,,,\n", "44,UK,0.12,2026-11-28\n",
     "2: code 44 increased from 0.10 to 0.12 on 2026-11-28, with 6 days' notice"),
    ("44,UK,0.10,,,,,\n", "44,UK,0.12,2026-11-29\n", ""),
    ("44,UK,0.10,,,,,\n", "44,UK,0.08,2026-11-22\n", ""),
    ("44,UK,0.10,1/1,,,,\n", "44,UK,0.10,2026-11-23,,60/60\n",
     "2: code 44 increased in its terms at 0.10 on 2026-11-23, with 1 day's notice"),
    ("44,UK,0.10,,,,,\n", "447,UK,0.12,2026-11-23\n",
     "2: code 447 is new at 0.12 on 2026-11-23, and calls to it cost 0.12 instead of 0.10, with 1"),
    ("44,UK,0.10,,,,,\n447,UK,0.08,,,,,\n", "447,UK,,2026-11-23,,,Deleted\n",
     "2: code 447 ends on 2026-11-23, and calls to it cost 0.10 instead of 0.08, with 1"),
    ("44,UK,0.10,,,,,\n", "44,UK,0.08,2026-11-21\n",
     "2: code 44 decreased from 0.10 to 0.08 from 2026-11-21, before the day of import"),
    ("44,UK,0.10,,,,,\n", "44,UK,0.51,2026-12-01\n",
     "2: code 44 increased from 0.10 to 0.51 on 2026-12-01"),
    ("44,UK,0.10,,,,,\n", "44,UK,0.50,2026-12-01\n", ""),
    ("44,UK,0.10,,,,,\n", "44,UK,0.12,2026-12-01,,,Decrease\n",
     "2: code 44 is called 'decrease', but from 2026-12-01 it goes from 0.10 to 0.12"),
    ("44,UK,0.10,,,,,\n", "44,UK,0.08,2026-12-01,2026-12-31\n",
     "2: code 44 ends on 2027-01-01; then the deck's 0.10 holds again"),
    ("", "44,UK,0.10,2026-12-01,2026-12-15\n44,UK,0.10,2026-12-20\n",
     "3: code 44 ends on 2026-12-16 in line 2 and goes on from 2026-12-20: days without a price"),
    ("", "44,UK,0.10,2026-12-01,2026-12-25\n44,UK,0.10,2026-12-20\n",
     "3: code 44 ends on 2026-12-26 in line 2 and goes on from 2026-12-20: both hold"),
    ("", "44,UK,0.10,2026-12-01,,60/6\n447,UK,0.10,2026-12-01,,60/60\n",
     "3: 'UK' has increments 60/60 here and 60/6 in line 2"),
    ("", "44,UK,0,2026-12-01\n", "2: the price is 0"),
    ("", "210,Nowhere,0.10,2026-12-01\n", "2: the code is 210: no country or network has such"),
    ("", "447700000000,UK,0.10,2026-12-01\n",
     "2: the code is 447700000000: a spreadsheet may have put zeros for lost digits"),
]  # fmt: skip


@pytest.mark.parametrize(("deck", "rows", "found"), FLAGS)
def test_flags(tmp_path: Path, deck: str, rows: str, found: str) -> None:
    merged, findings = imported(tmp_path / "s.csv", HEAD + rows, {}, deck)
    assert merged is not None
    listed = [f"{one.line}: {one.found}" for one in findings.problems.found]
    assert [one[: len(found)] for one in listed] == [found] * bool(found)
    assert findings.errors == 0


def test_a_full_sheet_that_ends_most_codes(tmp_path: Path) -> None:
    deck = "".join(f"4477{digit},UK,0.10,,,,,\n" for digit in range(10))
    _, findings = imported(tmp_path / "s.csv", HEAD + "44770,UK,0.10,2026-12-01\n",
                           {"kind": "full"}, deck)
    assert [one.found for one in findings.problems.found] == ["the full sheet ends 9 of 10 codes"]


def test_a_full_sheet_without_a_day_of_its_own(tmp_path: Path) -> None:
    rows = "44,UK,0.10,2026-12-01\n33,FR,0.10,2026-12-05\n"
    merged, findings = imported(tmp_path / "s.csv", HEAD + rows, {"kind": "full"},
                                "44,UK,0.10,,,,,\n49,DE,0.10,,,,,\n")  # fmt: skip
    assert merged is None
    assert findings.problems.found[0].found == (
        "codes of the deck are not in this full sheet (1, such as 49), and its rows have 2 "
        "effective dates"
    )
    merged, _ = imported(tmp_path / "s.csv", HEAD + rows,
                         {"kind": "full", "effective": "2026-12-03"}, "49,DE,0.10,,,,,\n")
    assert merged is not None
    assert {row.prefix: row.valid_to for row in merged.rows}["49"] == "2026-12-03"


def test_old_effective_dates_can_be_taken_as_today(tmp_path: Path) -> None:
    merged, findings = imported(tmp_path / "s.csv", HEAD + "44,UK,0.08,2019-01-01\n", {},
                                "44,UK,0.10,,,,,\n", not_before=AS_OF)  # fmt: skip
    assert merged is not None
    assert not findings.problems.found
    assert [(row.valid_from, row.terms.price_nano) for row in merged.rows] == [
        ("", 100_000_000), (AS_OF, 80_000_000)
    ]  # fmt: skip


def test_country_codes_in_a_column_of_their_own(tmp_path: Path) -> None:
    """Area codes with their country code in front; numbers beside a text 06 may have lost a 0."""
    path = tmp_path / "s.xlsx"
    path.write_bytes(workbook(
        ("Destination", "Country code", "Area codes", "Price per second", "Effective", "Setup fee",
         "Min charge", "Initial", "Next"),
        ("UK", 44, None, 0.001, date(2026, 12, 1), 0.05, 0.1, 30, 6),
        (None, 44, "20, 161", 0.001, date(2026, 12, 1), None, None, 30, None),
        ("Italy", 39, "06", 0.001, date(2026, 12, 1), None, None, None, None),
        (None, 39, 2, 0.001, date(2026, 12, 1), None, None, None, 6),
    ))  # fmt: skip
    findings = Findings(path.name)
    sheets = read(path, findings)
    made = guess(sheets)
    assert made is not None
    assert (made.mapping.per, made.mapping.carry_down) == ("1s", ("destination",))
    found = import_sheet(sheets, replace(made.mapping, kind="full"), [], AS_OF, "", findings)
    assert found is not None
    assert [(row.prefix, *row.terms) for row in found.merged.rows] == [
        ("3906", "Italy", 60_000_000, "", None, None),  # 0.001 a second: 0.06 a minute
        ("392", "Italy", 60_000_000, "6/6", None, None),
        ("44", "UK", 60_000_000, "30/6", 50_000_000, 100_000_000),
        ("44161", "UK", 60_000_000, "30/30", None, None),
        ("4420", "UK", 60_000_000, "30/30", None, None),
    ]
    assert [f"{one.line}: {one.found}" for one in sorted(findings.problems.found)] == [
        "3: 'UK' has increments 30/30 here and 30/6 in line 2",
        "5: an area code of country 39 is a number, while others begin with 0: a spreadsheet may "
        "have dropped the 0",
    ]


def test_many_faults_of_one_kind_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"0{code},UK,0.10,2026-12-01\n" for code in range(100, 180))
    _, findings = imported(tmp_path / "s.csv", HEAD + rows, {})
    assert findings.errors == 80
    assert len(findings.problems.found) == 51
    assert (findings.problems.found[-1].line, findings.problems.found[-1].found) == (
        52, "and 30 more of this kind from here on"
    )  # fmt: skip


