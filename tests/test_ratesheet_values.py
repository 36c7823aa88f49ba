"""Cells of rate sheets: what each text means, what is repaired, what is refused and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.ratesheet_codes import country_of, loses_zeros, parse_codes
from tariffs.ratesheet_values import (
    DATE_ORDERS,
    parse_day,
    parse_increments,
    parse_price,
    parse_status,
)
from tollbook import clock

ARABIC_447 = "\u0664\u0664\u0667"
# A cell, how its commas are meant, the country code in front -> prefixes and repairs.
CODES = [
    ("447", "", "", "447", ""),
    ("123456789012345", "", "", "123456789012345", ""),
    ("447.0", "", "", "447", "decimals of a number removed"),
    ("'447", "", "", "447", "apostrophe removed"),
    ("\u2019447\u200b", "", "", "447", "unusual characters replaced, apostrophe removed"),
    ("+447", "", "", "447", "+ or 00 in front removed"),
    ("0044 7700", "", "", "447700", "+ or 00 in front removed, blanks or hyphens removed"),
    ("44\u00a07700", "", "", "447700", "unusual characters replaced, blanks or hyphens removed"),
    ("\uff14\uff14", "", "", "44", "unusual characters replaced"),
    ("1-809", "", "", "1809", "blanks or hyphens removed"),
    ("447, 4479,44770-44772", "", "", "447 4479 44770 44771 44772", ""),
    ("447;448/449|446\n445", "", "", "447 448 449 446 445", ""),
    ("4477,4478,4477", "", "", "4477 4478", ""),
    ("44770-3", "", "", "44770 44771 44772 44773", ""),
    ("44\u201346", "", "44", "4444 4445 4446", "unusual characters replaced"),
    ("44,770", "list", "", "44 770", ""),
    ("44,770", "thousands", "", "44770", "thousands separators removed"),
    ("447, 448", "thousands", "", "447 448", ""),
    ("20, 7", "", "44", "4420 447", ""),
    ("06, 02", "", "39", "3906 3902", ""),  # Italian numbers keep their 0
    ("012-014", "", "39", "39012 39013 39014", ""),
]


@pytest.mark.parametrize(("text", "commas", "country", "prefixes", "repairs"), CODES)
def test_codes(text: str, commas: str, country: str, prefixes: str, repairs: str) -> None:
    found = parse_codes(text, commas, country)
    assert found.fault is None
    assert " ".join(found.prefixes) == prefixes
    assert ", ".join(found.repairs) == repairs


# Nothing of these can be known, so nothing is guessed: the kind, and words of the message.
REFUSED_CODES = [
    ("4.47E+11", "code_exponent", "a spreadsheet dropped its last digits", "codes as text"),
    ("4,47E+11", "code_exponent", "a spreadsheet dropped its last digits", "codes as text"),
    ("07-Jan", "code_date", "a spreadsheet made a date of it", "codes as text"),
    ("Jan-07", "code_date", "a spreadsheet made a date of it", "codes as text"),
    ("2026-01-07", "code_date", "a spreadsheet made a date of it", "codes as text"),
    ("7/1/2026", "code_date", "a spreadsheet made a date of it", "codes as text"),
    ("44O7", "code_letter", "a letter among digits", "which digit is meant"),
    ("l44", "code_letter", "a letter among digits", "which digit is meant"),
    ("44,770", "code_commas", "a list of codes, or one with thousands separators",
     "`code_commas: list`"),
    ("447 4479", "code_blanks", "a list of codes, or one in groups of digits", "with commas"),
    ("447-4479", "code_blanks", "a list of codes, or one in groups of digits", "with commas"),
    ("44-77", "code_range", "no range of ascending codes of one country", "44770-44779"),
    ("44779-44770", "code_range", "no range of ascending codes of one country", "44770-44779"),
    ("44770000-44779999", "code_range", "a range of 10000 codes; at most 1000", "shorter codes"),
    ("0207", "code_zero", "no country code begins with 0", "map the column of country codes"),
    ("1234567890123456", "code_length", "16 digits; at most 15", "correct the code"),
    ("447.5", "code_digits", "the code is '447.5'", "correct the code"),
    ("44.770", "code_digits", "the code is '44.770'", "correct the code"),
    (ARABIC_447 + "x", "code_digits", "the code is", "correct the code"),
    ("Mobile", "code_digits", "the code is 'Mobile'", "correct the code"),
    (" , ", "code_missing", "the code is ' , '", "remove the row"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "found", "do"), REFUSED_CODES)
def test_codes_refused(text: str, kind: str, found: str, do: str) -> None:
    fault = parse_codes(text, "", "").fault
    assert fault is not None
    assert fault.kind == kind
    assert found in fault.found
    assert do in fault.do
    assert "447700" in fault.allowed


def test_country_codes() -> None:
    for prefix, country in (("447700", "44"), ("1809", "1"), ("77012", "7"), ("390", "39"),
                            ("8835", "883"), ("3531", "353"), ("97150", "971")):  # fmt: skip
        assert country_of(prefix) == country
    assert [country_of(one) for one in ("210", "999", "83", "0", "")] == [""] * 5
    assert loses_zeros("447700000000")
    assert not loses_zeros("44770000")


# A cell -> nano, and whether it was repaired.
PRICES = [
    ("0.0123", 12_300_000, False),
    ("0.000000001", 1, False),
    (".5", 500_000_000, False),
    ("-0.5", -500_000_000, False),
    ("USD 0.0123", 12_300_000, False),
    ("0.0123usd", 12_300_000, False),
    ("$0.0123", 12_300_000, False),
    # What 0.1 + 0.2 leaves behind: 17 significant digits, of which a spreadsheet keeps 15.
    ("0.30000000000000004", 300_000_000, True),
    ("0.07000000000000001", 70_000_000, True),
    ("0.069999999999999993", 70_000_000, True),
    ("1234.5600000000002", 1_234_560_000_000, True),
]


@pytest.mark.parametrize(("text", "nano", "repaired"), PRICES)
def test_prices(text: str, nano: int, repaired: bool) -> None:
    found = parse_price(text, decimal_comma=False, currency="USD")
    assert found.fault is None
    assert (found.value, bool(found.repair)) == (nano, repaired)


REFUSED_PRICES = [
    ("0,0123", False, "the price is '0,0123'", "`decimal: comma`"),
    ("1,234.5", False, "the price is '1,234.5'", "remove thousands separators"),
    ("1.234,5", True, "the price is '1.234,5'", "remove thousands separators"),
    ("0.0123", True, "the price is '0.0123'", "`decimal: point`"),
    ("1.2E-05", False, "a spreadsheet dropped its last digits", "more decimals"),
    ("0.0123456789", False, "with 10 decimals", "round it with the carrier"),
    ("0.01234567890123456", False, "with 17 decimals", "round it with the carrier"),
    ("EUR 0.01", False, "the price is 'EUR 0.01'", "correct `currency`"),
    ("€0.01", False, "the price is '€0.01'", "correct `currency`"),
    ("#N/A", False, "the price is '#N/A'", "remove the row"),
    ("", False, "the price is ''", "remove the row"),
    ("1.2.3", False, "the price is '1.2.3'", "one point"),
]


@pytest.mark.parametrize(("text", "comma", "found", "do"), REFUSED_PRICES)
def test_prices_refused(text: str, comma: bool, found: str, do: str) -> None:
    fault = parse_price(text, comma, "USD").fault
    assert fault is not None
    assert found in fault.found
    assert do in fault.do


# A cell and the order of day and month that the mapping says -> the day.
DAYS = [
    ("2026-12-01", "", "2026-12-01"),
    ("2026/12/01", "", "2026-12-01"),
    ("20261201", "", "2026-12-01"),
    ("01-Dec-2026", "", "2026-12-01"),
    ("1 December 26", "", "2026-12-01"),
    ("Dec 1, 2026", "", "2026-12-01"),
    ("46357", "", "2026-12-01"),  # days since 1899-12-30: 46,022 on 2025-12-31, and 335 more
    ("2026-12-01 00:00:00", "", "2026-12-01"),
    ("2026-12-01T00:00:00Z", "", "2026-12-01"),
    ("01/02/2026", "day_first", "2026-02-01"),
    ("01/02/2026", "month_first", "2026-01-02"),
    ("01.02.26", "day_first", "2026-02-01"),
    ("13/02/2026", "", "2026-02-13"),
    ("02/13/2026", "", "2026-02-13"),
    ("05/05/2026", "", "2026-05-05"),
]


@pytest.mark.parametrize(("text", "order", "day"), DAYS)
def test_days(text: str, order: str, day: str) -> None:
    found = parse_day(text, order)
    assert found.fault is None
    assert (found.day, found.ends) == (day, False)
    assert bool(found.repair) == text.isdigit() * (len(text) == 5)


def test_end_of_a_day() -> None:
    assert parse_day("2026-12-31 23:59:59", "").ends
    assert parse_day("31/12/2026 23:59", "").day == "2026-12-31"


REFUSED_DAYS = [
    ("01/02/2026", "", "day or month first?", "ask the carrier"),
    ("01.02.26", "", "day or month first?", "ask the carrier"),
    ("31/02/2026", "", "the date is '31/02/2026'", "correct the date"),
    ("13/02/2026", "month_first", "the date is '13/02/2026'", "`date_order`"),
    ("2026-12-01 12:00:00", "", "a time of day", "a deck changes at midnight"),
    ("immediately", "", "the date is 'immediately'", "write it so"),
    ("01-Foo-2026", "", "the date is '01-Foo-2026'", "write it so"),
    ("1926-12-01", "", "the date is '1926-12-01'", "correct the date"),
]


@pytest.mark.parametrize(("text", "order", "found", "do"), REFUSED_DAYS)
def test_days_refused(text: str, order: str, found: str, do: str) -> None:
    fault = parse_day(text, order).fault
    assert fault is not None
    assert found in fault.found
    assert do in fault.do


def test_increments() -> None:
    for text, meaning in (("60/6", "60/6"), ("60:6", "60/6"), ("60 + 6", "60/6"), ("6", "6/6"),
                          ("60s/6s", "60/6"), ("1.0", "1/1"), ("30 sec", "30/30")):  # fmt: skip
        assert parse_increments(text) == (meaning, None)
    date = "a spreadsheet made a date"
    for text, do in (("2026-01-01", date), ("06-Jun", date), ("0/1", "correct it"),
                     ("60/6/6", "correct it"), ("x", "correct it")):  # fmt: skip
        found, fault = parse_increments(text)
        assert found == ""
        assert fault is not None
        assert do in fault.do
        assert text in fault.found


# Letters, digits, separators and signs that cells are made of, some from other scripts.
CELLS = st.text("0123456789 .,;:/|-+'eEOolJanFebT$€\n\u00a0\u0664\u00b2\uff14\u200b", max_size=24)


@given(CELLS, st.sampled_from(("", "list", "thousands")), st.sampled_from(("", "44")))
def test_any_cell_of_codes_is_read_or_refused(text: str, commas: str, country: str) -> None:
    found = parse_codes(text, commas, country)
    assert bool(found.prefixes) == (found.fault is None)
    for prefix in found.prefixes:
        assert prefix.isascii()
        assert prefix.isdigit()
        assert prefix[0] != "0"
        assert len(prefix) <= 15
        assert prefix.startswith(country)


@given(CELLS, st.booleans(), st.sampled_from(("", *DATE_ORDERS)))
def test_any_other_cell_is_read_or_refused(text: str, comma: bool, order: str) -> None:
    price = parse_price(text, comma, "USD")
    assert price.fault is None or price.value == 0
    day = parse_day(text, order)
    assert (clock.parse_date(day.day) is None) == (day.fault is not None)
    increments, fault = parse_increments(text)
    assert bool(increments) == (fault is None)


def test_statuses() -> None:
    words = {
        "New": "new", "INCREASED": "increase", "Decrease": "decrease", "No Change": "no_change",
        "unchanged": "no_change", "Deleted": "deleted", "closed": "deleted", " ": "",
        "Blocked": None,
    }  # fmt: skip
    assert {word: parse_status(word) for word in words} == words
