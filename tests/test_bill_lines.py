"""What goes into bills: usage lines, recurring lines and the arithmetic on columns of money."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from billing_helpers import (
    COMPONENTS,
    NO_USAGE,
    ZONE,
    book,
    customers,
    june,
    period,
    rated,
    rent,
    shown,
    version,
)
from hypothesis import given
from hypothesis import strategies as st
from reference_billing import half_up, rent_micro, usage_lines

from billing import bill
from billing.accumulate import RatedRowRefused, accumulate
from billing.amounts import AmountTooLarge, round_half_up, share_half_up, sum_by
from billing.recurring import recurring_lines
from tollbook import schemas
from tollbook.errors import NotFound
from tollbook.money import MICRO, exact_sum, parse_decimal

# --- accumulate ------------------------------------------------------------------------------

_ROW: dict[str, Any] = {"account_id": "A", "plan": "standard", "version": "2001-01-01",
                        "service": "voice", "duration_s": 61}  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    """A rated row whose charge is the sum of its components, unless the test says otherwise."""
    made = _ROW | changes
    parts = (made.get(f"charge_{component}_micro", 0) for component in COMPONENTS)
    return {"charge_micro": sum(parts)} | made


def test_a_record_counts_in_every_component_that_charged_it() -> None:
    rows = [
        row(charge_airtime_micro=800_000, charge_toll_micro=770_000),
        row(charge_airtime_micro=400_000, duration_s=59),
        row(service="sms", duration_s=0, event_count=2, charge_message_micro=200_000),
        row(duration_s=5),  # an emergency call
        row(service="data", up_bytes=1, down_bytes=1023, charge_data_micro=30_000),
    ]
    found = accumulate([rated(rows)], book(standard=version()))
    assert shown(found, "component", "tax_class", "usage_count", "duration_s", "volume_bytes",
                 "event_count", "charge_micro") == [
        "airtime standard 2 120 0 0 1200000",  # 61 + 59 s; 0.80 + 0.40
        "toll standard 1 61 0 0 770000",
        "message reduced 1 0 0 2 200000",
        "data standard 1 0 1024 0 30000",
        "free standard 1 5 0 0 0",
    ]  # fmt: skip


_ACCOUNTS = ("A", "B", "AB", "A-1007", "王", "", "x" * 40)
_rows = st.lists(
    st.builds(
        lambda **values: row(**values),
        account_id=st.sampled_from(_ACCOUNTS),
        plan=st.sampled_from(("standard", "easy")),
        service=st.sampled_from(("voice", "sms", "data", "unknown")),
        duration_s=st.integers(0, 10**6), up_bytes=st.integers(0, 2**40),
        down_bytes=st.integers(0, 2**40), event_count=st.integers(0, 9),
        **{f"charge_{name}_micro": st.sampled_from((0, 0, 1, 400_000, -7, 10**14))
           for name in COMPONENTS},
    ),
    max_size=60,
)  # fmt: skip


@given(_rows, st.integers(1, 20), st.booleans())
def test_accumulate_equals_the_reference_however_rows_are_cut(
    rows: list[dict[str, Any]], size: int, dictionaries: bool
) -> None:
    of_plan = book(standard=version(), easy=version())
    batches = [rated(rows[at : at + size], dictionaries) for at in range(0, len(rows), size)]
    wanted = usage_lines(rows, COMPONENTS, {"message": "reduced"})
    for order in (batches, batches[::-1]):
        found = accumulate(order, of_plan)
        assert found.schema.equals(schemas.USAGE_LINE)
        assert [tuple(line.values()) for line in found.to_pylist()] == wanted


def test_tables_grow_and_chunks_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.accumulate.CHUNK_ROWS", 1000)
    size = 1500  # accounts; more than the tables begin with, each three times
    ids = [f"A-{number * 7919 % size:05d}" for number in range(size)] * 3
    rows = [row(account_id=name, charge_airtime_micro=MICRO) for name in ids]
    found = accumulate([rated(rows)], book(standard=version()))
    assert found.column("account_id").to_pylist() == sorted(set(ids))
    assert set(found.column("charge_micro").to_pylist()) == {3 * MICRO}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(version="1999-01-01")], "the plan version is not in the book"),
        ([row(charge_airtime_micro=5, charge_micro=6)], "do not add up to the charge"),
        ([row(duration_s=-1)], "a quantity is negative"),
        ([row(charge_airtime_micro=10**18)], "too large"),
        ([row(charge_airtime_micro=6 * 10**17)] * 2, "too large"),
        ([row(duration_s=4 * 10**17)] * 3, "too large"),
        ([row(service="data", up_bytes=2**63 - 1, down_bytes=2**63 - 1)], "too large"),
    ],
)
def test_rows_that_must_not_be_billed_are_refused(rows: list[dict[str, Any]], said: str) -> None:
    good = row(charge_airtime_micro=1)
    with pytest.raises(RatedRowRefused, match=said) as caught:
        accumulate([rated([good, *rows, good])], book(standard=version()))
    assert "account A, plan 'standard'" in str(caught.value)


# --- arithmetic on columns -------------------------------------------------------------------

_amounts = st.integers(-(10**18) + 1, 10**18 - 1)


@given(st.lists(_amounts, min_size=1), st.integers(0, 6))
def test_rounding_of_columns_equals_the_reference(amounts: list[int], digits: int) -> None:
    found = round_half_up(np.array(amounts, np.int64), digits)
    assert found.tolist() == [half_up(amount, digits) for amount in amounts]


@given(st.lists(_amounts, min_size=1), st.integers(0, 10**11), st.integers(1, 10**11),
       st.integers(0, 3))  # fmt: skip
def test_shares_are_exact_or_refused(
    amounts: list[int], numerator: int, denominator: int, digits: int
) -> None:
    wanted = [half_up(Fraction(a * numerator, denominator), digits) for a in amounts]
    column = np.array(amounts, np.int64)
    if max(map(abs, wanted)) < 10**18:
        assert share_half_up(column, numerator, denominator, digits, "x").tolist() == wanted
    else:
        with pytest.raises(AmountTooLarge):
            share_half_up(column, numerator, denominator, digits, "x")


def test_a_sum_that_does_not_fit_is_refused() -> None:
    index = np.zeros(12, np.int64)
    assert sum_by(index, np.full(12, -(10**16)), 1, "x").tolist() == [-12 * 10**16]
    with pytest.raises(AmountTooLarge, match="total of a bill"):
        sum_by(index, np.full(12, 10**18 - 1), 1, "total of a bill")


# --- recurring -------------------------------------------------------------------------------

RENT_CASES = [
    # month, from, to, price, amount    (price x days / days of that month, half_up)
    ("2003-06", "2001-01-01", "-", 50, "50.00"),  # 30 of 30
    ("2003-06", "2003-06-11", "-", 50, "33.33"),  # 20 of 30: 11 to 30, both counted: 33.333
    ("2003-06", "2001-01-01", "2003-06-11", 50, "16.67"),  # 10 of 30: 16.667
    ("2003-07", "2003-07-31", "-", 50, "1.61"),  # 1 of 31: 1.6129
    ("2003-02", "2003-02-15", "-", 50, "25.00"),  # 14 of 28
    ("2004-02", "2004-02-15", "-", 50, "25.86"),  # 15 of 29: 25.862
    ("2004-02", "2004-02-29", "2004-03-01", 29, "1.00"),  # 1 of 29
    ("2003-06", "2003-06-10T23:58", "2003-06-10T23:59", 30, "1.00"),  # any part of a day is a day
    ("2003-06", "2003-06-10T12:00", "2003-06-12T00:01", 30, "3.00"),  # 10, 11 and 12
    ("2003-06", "2003-06-30T23:00", "-", 30, "1.00"),  # a day in Shanghai, not in UTC
    ("2003-06", "2003-07-01", "-", 50, ""),
    ("2003-06", "2001-01-01", "2003-06-01", 50, ""),
]


@pytest.mark.parametrize(("month", "since", "until", "price", "amount"), RENT_CASES)
def test_rent_by_days(month: str, since: str, until: str, price: int, amount: str) -> None:
    world = customers(f"S-1 A standard {since} {until}")
    lines = recurring_lines(world, book(standard=version(rent(price))), period(month), ZONE, 2)
    wanted = [parse_decimal(amount, 6)] if amount else []
    assert lines.column("amount_micro").to_pylist() == wanted


KEYS = ("subscription_id", "plan", "charge", "first_day", "last_day", "amount_micro")


def june_lines(world: str, **plans: Any) -> list[str]:
    return shown(recurring_lines(customers(world), book(**plans), period("2003-06"), ZONE, 2),
                 *KEYS)  # fmt: skip


def test_a_change_of_plan_gives_two_lines_and_its_day_belongs_to_the_new_plan() -> None:
    world = "S-1 A easy 2002-01-01 2003-06-11T12:00\nS-1 A standard 2003-06-11T12:00"
    found = june_lines(world, easy=version(rent(20)), standard=version(rent(50)))
    assert found == [
        "S-1 easy rent 1 10 6670000",  # 20 x 10 / 30 = 6.667
        "S-1 standard rent 11 30 33330000",  # 50 x 20 / 30 = 33.333
    ]


def test_a_new_number_or_a_suspension_does_not_cut_the_rent() -> None:
    world = "S-1 A p 2002-01-01 2003-06-11\nS-1 A p 2003-06-11 2003-06-21 suspended\n" \
            "S-1 A p 2003-06-21"  # fmt: skip
    assert june_lines(world, p=version(rent(50))) == ["S-1 p rent 1 30 50000000"]


def test_closed_days_are_not_charged() -> None:
    world = "S-1 A p 2002-01-01 2003-06-11\nS-1 A p 2003-06-11 2003-06-21 closed\n" \
            "S-1 A p 2003-06-21"  # fmt: skip
    assert june_lines(world, p=version(rent(30))) == [
        "S-1 p rent 1 10 10000000", "S-1 p rent 21 30 10000000",
    ]  # fmt: skip


def test_a_new_edition_changes_the_price_in_mid_month() -> None:
    editions = (version(rent(98), until="2003-06-16"), version(rent(60), since="2003-06-16"))
    assert june_lines("S-1 A p 2002-01-01", p=editions) == [
        "S-1 p rent 1 15 49000000", "S-1 p rent 16 30 30000000",
    ]  # fmt: skip
    same = (version(rent(98), until="2003-06-16"), version(rent(98), since="2003-06-16"))
    assert june_lines("S-1 A p 2002-01-01", p=same) == ["S-1 p rent 1 30 98000000"]


def test_without_proration_the_whole_price_is_due_once() -> None:
    editions = (version(rent(98, prorate="none"), until="2003-06-16"),
                version(rent(60, prorate="none"), since="2003-06-16"))  # fmt: skip
    world = "S-1 A p 2003-06-09\nS-2 A p 2003-06-20 2003-06-21"
    assert june_lines(world, p=editions) == [
        "S-1 p rent 9 15 98000000",  # the price of its first day
        "S-2 p rent 20 20 60000000",
    ]


def test_in_advance_bills_the_next_month_and_takes_back_what_did_not_come_true() -> None:
    plans = book(p=version(rent(50, in_advance=True)))

    def run(world: str, month: str, before: pa.Table | None) -> pa.Table:
        return recurring_lines(customers(world), plans, period(month), ZONE, 2, before)

    names = ("service_period", "first_day", "last_day", "amount_micro")
    june, july, august = period("2003-06"), period("2003-07"), period("2003-08")
    first = run("S-1 A p 2003-06-11", "2003-06", None)
    assert shown(first, *names) == [
        f"{june} 11 30 33330000",  # the part of the month in which the line began
        f"{july} 1 31 50000000",
    ]
    quiet = run("S-1 A p 2003-06-11", "2003-07", first)
    assert shown(quiet, *names) == [f"{august} 1 31 50000000"]
    ended = run("S-1 A p 2003-06-11 2003-07-15", "2003-07", first)
    assert shown(ended, *names) == [
        f"{july} 1 14 22580000",  # 50 x 14 / 31 = 22.5806
        f"{july} 1 31 -50000000",  # exactly what was charged
    ]
    after = run("S-1 A p 2003-06-11 2003-07-15", "2003-08", pa.concat_tables([first, ended]))
    assert after.num_rows == 0
    paid = exact_sum(pa.concat_tables([first, ended]).column("amount_micro").to_numpy())
    assert paid == 33_330_000 + 22_580_000


def test_bill_lines_serve_as_what_was_billed_before() -> None:
    world, plans = customers("S-1 A p 2002-01-01"), book(p=version(rent(50, in_advance=True)))
    first = recurring_lines(world, plans, period("2003-06"), ZONE, 2)
    billed = bill.make(NO_USAGE, first, world.accounts, june()).lines
    again = recurring_lines(world, plans, period("2003-06"), ZONE, 2, billed)
    assert again.num_rows == 0


def test_a_plan_without_a_tariff_is_refused() -> None:
    with pytest.raises(NotFound, match="plans without a tariff: lost"):
        june_lines("S-1 A lost 2002-01-01", p=version())


_days = st.tuples(st.integers(1, 60), st.integers(1, 60)).map(sorted).filter(lambda d: d[0] < d[1])


@given(_days, st.integers(0, 10**6), st.integers(0, 3))
def test_rent_equals_counting_days_one_by_one(days: list[int], price: int, digits: int) -> None:
    since, until = (date(2004, 1, 15) + timedelta(days=n) for n in days)
    world = customers(f"S-1 A p {since} {until}")
    lines = recurring_lines(world, book(p=version(rent(price))), period("2004-02"), ZONE, digits)
    wanted = rent_micro(price * MICRO, [(since, until)], date(2004, 2, 1), digits)
    assert exact_sum(lines.column("amount_micro").to_numpy()) == wanted
