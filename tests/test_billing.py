"""Bills, taxes and ledger entries: hand-checked cases, and the sums that always hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from billing_helpers import NO_RENT, NO_USAGE, accounts, june, rents, shown, tax, usage
from hypothesis import given
from hypothesis import strategies as st
from reference_billing import half_up

from billing import bill, ledger
from tollbook import schemas
from tollbook.errors import NotClosed, NotFound, Refused
from tollbook.money import exact_sum

STANDARD = "standard"
CITY = accounts([["A"], ["B"], ["E", "", "", "exempt"]])


def made(*usage_rows: Any, taxes: Any = (), rent: Any = (), digits: int = 2) -> bill.Bills:
    lines = usage(*usage_rows) if usage_rows else NO_USAGE
    recurring = rents(*rent) if rent else NO_RENT
    return bill.make(lines, recurring, CITY, june(*taxes, digits=digits))


TOTALS = ("account_id", "recurring_micro", "usage_micro", "tax_micro", "total_micro",
          "rated_micro", "rounding_micro")  # fmt: skip


def test_lines_round_and_the_difference_is_shown() -> None:
    found = made(
        ("A", "p", "airtime", STANDARD, 1_234_999),  # 1.23
        ("A", "p", "toll", STANDARD, 5_000),  # 0.01: half goes up
        ("A", "p", "data", STANDARD, 4_999),  # 0.00
        ("B", "p", "airtime", STANDARD, -5_000),  # -0.01: away from zero
    )
    assert shown(found.bills, *TOTALS) == [
        "A 0 1240000 0 1240000 1244998 4998",
        "B 0 -10000 0 -10000 -5000 5000",
    ]
    assert found.bills.column("bill_number").to_pylist() == ["2003-06-A", "2003-06-B"]


def test_many_lines_carry_their_rounding_to_the_ledger() -> None:
    rows = [("A", f"p{n}", "airtime", STANDARD, 4_900) for n in range(100)]  # 0.49 in all
    found = made(*rows)
    assert shown(found.bills, *TOTALS) == ["A 0 0 0 0 490000 490000"]
    assert shown(ledger.entries_of(found), "entry_id", "debit_micro", "credit_micro") == [
        "2003-06-A:revenue:airtime 0 490000",
        "2003-06-A:rounding 490000 0",
    ]


def test_two_tax_classes_round_once_each() -> None:
    found = made(
        ("A", "p", "airtime", STANDARD, 10_110_000),
        ("A", "p", "message", "reduced", 3_330_000),
        ("A", "p", "toll", STANDARD, 140_000),
        rent=[("A", 20_000_000)],
        taxes=[tax(STANDARD, 6), tax("reduced", 3)],
    )
    taxes = found.lines.filter(pc.equal(found.lines.column("kind"), "tax"))
    assert shown(taxes, "tax_class", "base_micro", "percent_nano", "amount_micro") == [
        "reduced 3330000 3000000000 100000",  # 3.33 x 3 % = 0.0999
        "standard 30250000 6000000000 1820000",  # (20 + 10.11 + 0.14) x 6 % = 1.815: half up
    ]
    assert shown(found.bills, *TOTALS) == ["A 20000000 13580000 1920000 35500000 13580000 0"]


def test_the_rate_of_the_last_day_of_the_period_holds() -> None:
    dated = [tax(STANDARD, 6, until="2003-06-30"), tax(STANDARD, 9, since="2003-06-30")]
    found = made(("A", "p", "airtime", STANDARD, 1_000_000), taxes=dated)
    assert found.bills.column("tax_micro").to_pylist() == [90_000]


def test_exempt_accounts_and_exempt_classes_pay_no_tax() -> None:
    found = made(
        ("A", "p", "airtime", "exempt", 1_000_000),
        ("E", "p", "airtime", STANDARD, 1_000_000),
        taxes=[tax(STANDARD, 6)],
    )
    assert found.bills.column("tax_micro").to_pylist() == [0, 0]
    assert "tax" not in found.lines.column("kind").to_pylist()


def test_rent_alone_makes_a_bill_and_no_charge_makes_none() -> None:
    found = made(rent=[("B", 50_000_000)])
    assert shown(found.bills, *TOTALS) == ["B 50000000 0 0 50000000 0 0"]
    assert made().bills.num_rows == 0
    assert made().lines.schema.equals(schemas.BILL_LINE)
    assert ledger.entries_of(made()).num_rows == 0


def test_lines_are_ordered_and_numbered_within_each_bill() -> None:
    found = made(
        ("A", "p", "airtime", STANDARD, 1_000_000),
        ("B", "p", "airtime", STANDARD, 1_000_000),
        ("B", "p", "free", STANDARD, 0),
        rent=[("B", 50_000_000)],
        taxes=[tax(STANDARD, 6)],
    )
    assert shown(found.lines, "bill_number", "line_number", "kind", "item") == [
        "2003-06-A 1 usage airtime",
        "2003-06-A 2 tax VAT",
        "2003-06-B 1 recurring rent",
        "2003-06-B 2 usage airtime",
        "2003-06-B 3 usage free",
        "2003-06-B 4 tax VAT",
    ]


def test_a_class_without_a_rate_is_refused_and_all_are_named() -> None:
    with pytest.raises(Refused) as caught:
        made(
            ("A", "p", "airtime", "luxury", 1_000_000),
            ("A", "p", "toll", "postal", 1_000_000),
            ("B", "p", "free", "unused", 0),
            taxes=[tax(STANDARD, 6)],
        )
    assert [problem.found for problem in caught.value.problems] == [
        "tax class 'luxury' has no rate on 2003-06-30",
        "tax class 'postal' has no rate on 2003-06-30",
    ]


def test_an_account_without_customer_data_is_refused() -> None:
    rows = [(f"X{n}", "p", "airtime", STANDARD, 1) for n in range(5)]
    with pytest.raises(NotFound, match="missing: X0, X1, X2 and 2 more"):
        made(*rows)


def test_a_bill_that_does_not_add_up_is_never_handed_out() -> None:
    found = made(("A", "p", "airtime", STANDARD, 1_234_999))
    spoiled = found.bills.set_column(
        found.bills.schema.get_field_index("total_micro"), "total_micro", pa.array([1_240_001])
    )
    with pytest.raises(NotClosed, match="bill run"):
        bill.check_closed(dataclasses.replace(found, bills=spoiled))
    with pytest.raises(NotClosed, match="ledger: debits and credits differ for 1 bills"):
        ledger.entries_of(dataclasses.replace(found, bills=spoiled))


def test_entries_of_a_bill() -> None:
    found = made(
        ("A", "p", "airtime", STANDARD, 1_234_000), ("A", "q", "airtime", STANDARD, 1_001_000),
        rent=[("A", -20_000_000)], taxes=[tax(STANDARD, 6)],
    )  # fmt: skip
    # 1.23 + 1.00 - 20.00 = -17.77; x 6 % = -1.0662; total -18.84
    assert shown(ledger.entries_of(found), "ledger_account", "debit_micro", "credit_micro") == [
        "receivable 0 18840000",
        "recurring:rent 20000000 0",
        "revenue:airtime 0 2235000",
        "tax:standard:VAT 1070000 0",
        "rounding 5000 0",
    ]


_NONE = schemas.ENTRY.empty_table()


def test_posting_twice_changes_nothing() -> None:
    entries = ledger.entries_of(made(("A", "p", "airtime", STANDARD, 1_234_000)))
    first = ledger.post(_NONE, entries)
    assert first.to_append.equals(entries)
    assert set(first.answers.to_pylist()) == {"created"}
    again = ledger.post(first.to_append, entries)
    assert again.to_append.num_rows == 0
    assert set(again.answers.to_pylist()) == {"exists"}


def test_posting_says_which_field_differs() -> None:
    old = ledger.entries_of(made(("A", "p", "airtime", STANDARD, 1_000_000)))
    new = ledger.entries_of(
        made(("A", "p", "airtime", STANDARD, 2_000_000), ("B", "p", "toll", STANDARD, 30_000))
    )
    posting = ledger.post(old, new)
    assert dict(zip(new.column("entry_id").to_pylist(), posting.answers.to_pylist(),
                    strict=True)) == {
        "2003-06-A:receivable": "exists_with_different_debit_micro",
        "2003-06-A:revenue:airtime": "exists_with_different_credit_micro",
        "2003-06-B:receivable": "created",
        "2003-06-B:revenue:toll": "created",
    }  # fmt: skip
    assert set(posting.to_append.column("account_id").to_pylist()) == {"B"}
    euros = old.set_column(
        old.schema.get_field_index("currency"), "currency", pa.array(["EUR"] * old.num_rows)
    )
    assert set(ledger.post(euros, old).answers.to_pylist()) == {"exists_with_different_currency"}


_charge = st.integers(-(10**12), 10**12)
_usage_rows = st.lists(
    st.tuples(st.sampled_from("ABE"), st.sampled_from("pq"), st.sampled_from(("airtime", "toll")),
              st.sampled_from((STANDARD, "reduced", "exempt")), _charge),
    unique_by=lambda row: row[:4], max_size=20,
)  # fmt: skip
_rent_rows = st.lists(
    st.tuples(st.sampled_from("ABE"), st.integers(-(10**6), 10**6)), max_size=5,
    unique_by=lambda row: row[0],
)  # fmt: skip


@given(_usage_rows, _rent_rows, st.integers(0, 6), st.integers(0, 40))
def test_bills_are_the_sum_of_their_lines_and_debits_equal_credits(
    usage_rows: list[tuple[str, str, str, str, int]],
    rent_rows: list[tuple[str, int]],
    digits: int,
    percent: int,
) -> None:
    rent = [(account, units * 10**6) for account, units in sorted(rent_rows)]
    found = made(*sorted(usage_rows), rent=rent, digits=digits,
                 taxes=[tax(STANDARD, percent), tax("reduced", 3)])  # fmt: skip
    lines = found.lines.to_pylist()
    for row in found.bills.to_pylist():
        own = [line for line in lines if line["bill_number"] == row["bill_number"]]
        assert [line["line_number"] for line in own] == list(range(1, row["line_count"] + 1))
        assert row["total_micro"] == sum(line["amount_micro"] for line in own)
        billed = sum(line["amount_micro"] for line in own if line["kind"] == "usage")
        rated = sum(charge for account, *_, charge in usage_rows if account == row["account_id"])
        assert billed + row["rounding_micro"] == rated
        assert row["total_micro"] % 10 ** (6 - digits) == 0
        _check_taxes(row, own, {STANDARD: percent, "reduced": 3}, digits)
    entries = ledger.entries_of(found)
    assert entries.schema.equals(schemas.ENTRY)
    debit, credit = (entries.column(side).to_numpy() for side in ("debit_micro", "credit_micro"))
    assert exact_sum(debit) == exact_sum(credit)
    assert not (debit * credit).any()
    assert len(set(entries.column("entry_id").to_pylist())) == entries.num_rows


def _check_taxes(
    row: Mapping[str, Any], own: list[dict[str, Any]], percents: Mapping[str, int], digits: int
) -> None:
    """Taxes said again, class by class."""
    wanted = 0
    for tax_class, percent in percents.items():
        base = sum(line["amount_micro"] for line in own
                   if line["tax_class"] == tax_class and line["kind"] != "tax")  # fmt: skip
        wanted += half_up(Fraction(base * percent, 100), digits)
    assert row["tax_micro"] == (0 if row["account_id"] == "E" else wanted)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_sums_never_wrap(amounts: list[int]) -> None:
    for some in (amounts, [one >> 8 for one in amounts]):  # wide, and plain in one int64
        assert exact_sum(np.array(some, np.int64)) == sum(some)
