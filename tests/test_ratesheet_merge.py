"""Sheets laid over decks: cases by hand, a day-by-day twin, and decks that survive a round trip."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs import ratesheet_export
from tariffs.ratesheet_checks import counts, greatest_increases, percent
from tariffs.ratesheet_deck import OPEN, DeckRow, Terms, read_deck, write_deck
from tariffs.ratesheet_guess import guess
from tariffs.ratesheet_import import import_sheet
from tariffs.ratesheet_merge import Span, merge, timelines
from tariffs.ratesheet_notes import Findings
from tariffs.ratesheet_read import read
from tollbook.money import parse_decimal
from tollbook.text import Problems

AS_OF = "2026-06-01"


def terms(price: str) -> Terms:
    nano = parse_decimal(price, 9)
    assert nano is not None
    return Terms("", nano, "60/6")


def parsed(text: str) -> dict[str, list[Span]]:
    """``44 01-01..03-01 0.10; 44 03-01.. -`` as spans of 2026; ``-`` is no price."""
    found: dict[str, list[Span]] = {}
    for line, part in enumerate(filter(None, text.split("; ")), start=1):
        prefix, days, price = part.split()
        since, until = (f"2026-{day}" if day else "" for day in days.split(".."))
        asked = None if price == "-" else terms(price)
        found.setdefault(prefix, []).append(Span(since, until or OPEN, asked, line))
    return found


def written(rows: tuple[DeckRow, ...]) -> str:
    def row(one: DeckRow) -> str:
        until = "" if one.valid_to == OPEN else one.valid_to[5:]
        return f"{one.prefix} {one.valid_from[5:]}..{until} {one.terms.price_nano / 10**9:.2f}"

    return "; ".join(map(row, rows))


def deck_of(text: str) -> dict[str, list[Span]]:
    return {prefix: [one._replace(line=0) for one in spans] for prefix, spans in
            parsed(text).items()}  # fmt: skip


# Deck, sheet, day of a full sheet (None: amendment) -> deck after it, and its changes.
# The day of import is 06-01.
MERGES = [
    ("a first sheet", "", "44 07-01.. 0.10; 33 07-01.. 0.20", None,
     "33 07-01.. 0.20; 44 07-01.. 0.10", "new 33, new 44"),
    ("an increase splits the validity", "44 01-01.. 0.10", "44 07-01.. 0.12", None,
     "44 01-01..07-01 0.10; 44 07-01.. 0.12", "increased 44"),
    ("the same price changes nothing", "44 01-01.. 0.10", "44 07-01.. 0.10", None,
     "44 01-01.. 0.10", ""),
    ("an old date with today's price changes nothing", "44 01-01..05-01 0.09; 44 05-01.. 0.10",
     "44 02-01.. 0.10", "07-01", "44 01-01..05-01 0.09; 44 05-01.. 0.10", ""),
    ("an amendment leaves the others", "33 01-01.. 0.20; 44 01-01.. 0.10", "44 07-01.. 0.08", None,
     "33 01-01.. 0.20; 44 01-01..07-01 0.10; 44 07-01.. 0.08", "decreased 44"),
    ("a full sheet ends the others", "33 01-01.. 0.20; 44 01-01.. 0.10", "44 07-01.. 0.10",
     "07-01", "33 01-01..07-01 0.20; 44 01-01.. 0.10", "ended 33"),
    ("a full sheet withdraws what had not begun", "33 08-01.. 0.20", "44 07-01.. 0.10", "07-01",
     "44 07-01.. 0.10", "ended 33, new 44"),
    ("a full sheet with a later price keeps the present one", "44 01-01.. 0.10", "44 07-15.. 0.12",
     "07-01", "44 01-01..07-15 0.10; 44 07-15.. 0.12", "increased 44"),
    ("a planned increase is withdrawn", "44 01-01..07-01 0.10; 44 07-01.. 0.12", "44 01-01.. 0.10",
     None, "44 01-01.. 0.10", "decreased 44"),
    ("a planned increase comes sooner", "44 01-01..07-01 0.10; 44 07-01.. 0.12", "44 06-15.. 0.12",
     None, "44 01-01..06-15 0.10; 44 06-15.. 0.12", "increased 44"),
    ("two steps in one sheet", "44 01-01.. 0.10", "44 07-01..08-01 0.11; 44 08-01.. 0.12", None,
     "44 01-01..07-01 0.10; 44 07-01..08-01 0.11; 44 08-01.. 0.12", "increased 44, increased 44"),
    ("a deletion", "44 01-01.. 0.10", "44 07-01.. -", None, "44 01-01..07-01 0.10", "ended 44"),
    ("a deletion of what has ended", "44 01-01..05-01 0.10", "44 07-01.. -", None,
     "44 01-01..05-01 0.10", ""),
    ("a code comes back", "44 01-01..05-01 0.10", "44 07-01.. 0.10", None,
     "44 01-01..05-01 0.10; 44 07-01.. 0.10", "new 44"),
    ("an amendment that ends: the deck goes on", "44 01-01.. 0.10", "44 07-01..08-01 0.08", None,
     "44 01-01..07-01 0.10; 44 07-01..08-01 0.08; 44 08-01.. 0.10", "decreased 44"),
    ("a full sheet that ends: the code ends", "44 01-01.. 0.10", "44 07-01..08-01 0.08", "07-01",
     "44 01-01..07-01 0.10; 44 07-01..08-01 0.08", "decreased 44, ended 44"),
    ("sooner than the deck, and dearer than planned", "44 08-01.. 0.10", "44 07-01.. 0.12", None,
     "44 07-01.. 0.12", "new 44, increased 44"),
]  # fmt: skip


@pytest.mark.parametrize(("deck", "sheet", "full_from", "after", "changes"),
                         [case[1:] for case in MERGES], ids=[case[0] for case in MERGES])
def test_merge(deck: str, sheet: str, full_from: str | None, after: str, changes: str) -> None:
    day = None if full_from is None else f"2026-{full_from}"
    merged = merge(deck_of(deck), parsed(sheet), frozenset(), day, AS_OF)
    assert written(merged.rows) == after
    assert ", ".join(f"{one.kind} {one.prefix}" for one in merged.changes) == changes
    again = merge(timelines(merged.rows), parsed(sheet), frozenset(), day, AS_OF)
    assert (again.rows, again.changes) == (merged.rows, ())


def test_what_a_sheet_does_not_name_stays() -> None:
    """A sheet without increments: the deck's hold, before and after they change."""
    deck = {"44": [Span("", "2026-08-01", Terms("UK", 10, "60/60", 5)),
                   Span("2026-08-01", OPEN, Terms("UK", 10, "1/1", 5))]}  # fmt: skip
    sheet = {"44": [Span("2026-07-01", OPEN, Terms("UK", 20), 1)]}
    merged = merge(deck, sheet, frozenset({"increments", "connect_nano"}), None, AS_OF)
    assert merged.rows == (
        DeckRow("44", "", "2026-07-01", Terms("UK", 10, "60/60", 5)),
        DeckRow("44", "2026-07-01", "2026-08-01", Terms("UK", 20, "60/60", 5)),
        DeckRow("44", "2026-08-01", OPEN, Terms("UK", 20, "1/1", 5)),
    )


def test_terms_count_where_prices_are_equal() -> None:
    old = Terms("UK", 10, "1/1")
    for new, kind in ((Terms("UK", 10, "60/1"), "increased"), (Terms("UK", 10, "1/1", 5),
                      "increased"), (Terms("U.K.", 10, "1/1"), "changed"),
                      (Terms("UK", 9, "60/60"), "decreased")):  # fmt: skip
        merged = merge({"44": [Span("", OPEN, old)]}, {"44": [Span("2026-07-01", OPEN, new, 1)]},
                       frozenset(), None, AS_OF)  # fmt: skip
        assert [one.kind for one in merged.changes] == [kind]


def test_greatest_increases() -> None:
    """0.10 -> 0.12 is 20 %; 1 -> 1.0005 is 0.05 %, half to even 0.0; from 0 comes first."""
    deck = deck_of("1 01-01.. 1.00; 33 01-01.. 0.10; 44 01-01.. 0.00; 49 01-01.. 0.50")
    sheet = parsed("1 07-01.. 1.0005; 33 07-01.. 0.12; 44 07-01.. 0.01; 49 07-01.. 0.40")
    merged = merge(deck, sheet, frozenset(), None, AS_OF)
    found = [(one.prefix, percent(one)) for one in greatest_increases(merged.changes, 3)]
    assert found == [("44", ""), ("33", "+20.0 %"), ("1", "+0.0 %")]
    assert counts(merged) == {"new": 0, "increased": 3, "decreased": 1, "changed": 0, "ended": 0,
                              "unchanged": 0}  # fmt: skip


DAYS = ("", *(f"2026-{month:02d}-01" for month in range(3, 11)), OPEN)
CODES = ("1", "44", "447")
TERMS = (Terms("A", 10, "60/6"), Terms("A", 20, "60/6"), Terms("B, C", 10, "", 5, 0), terms("0.30"))


@st.composite
def timeline(draw: st.DrawFn, line: int, gone: bool) -> list[Span]:
    """Spans in order; ``gone``: some of them without a price."""
    cuts = sorted(draw(st.sets(st.sampled_from(DAYS), max_size=6)))
    offered = st.sampled_from((None, *TERMS) if gone else TERMS)
    spans = [Span(since, until, draw(offered), line) for since, until in pairwise(cuts)]
    return [one for one in spans if draw(st.integers(0, 3))]


def decks(line: int = 0, gone: bool = False) -> st.SearchStrategy[dict[str, list[Span]]]:
    found = st.fixed_dictionaries({code: timeline(line, gone) for code in CODES})
    return found.map(lambda deck: {code: spans for code, spans in deck.items() if spans})


def without_gaps(spans: list[Span]) -> list[Span]:
    """The spans, and from the first one on spans without a price for all days between and after."""
    edges = sorted({day for one in spans for day in (one.since, one.until)} | {OPEN})
    return [on(spans, since) or Span(since, until, None) for since, until in pairwise(edges)]


def on(spans: list[Span], day: str) -> Span | None:
    return next((one for one in spans if one.since <= day < one.until), None)


@given(decks(), decks(1, gone=True), st.sampled_from((None, *DAYS[1:-1])))
def test_merge_day_by_day(
    deck: dict[str, list[Span]], sheet: dict[str, list[Span]], full_from: str | None
) -> None:
    """On each day the sheet's terms where it says something, else the deck's; and once is enough.

    What repeats the terms in force on the day of import says nothing of the days before.
    """
    merged = merge(deck, sheet, frozenset(), full_from, AS_OF)
    after = timelines(merged.rows)
    for code in CODES:
        old, offered = deck.get(code, []), sheet.get(code, [])
        if full_from is not None:
            offered = without_gaps(offered) if offered else [Span(full_from, OPEN, None)]
        today = on(old, AS_OF)
        for day in DAYS[:-1]:
            offer, was = on(offered, day), on(old, day)
            expected = was.terms if was else None
            if offer is not None:
                stale = offer.since < AS_OF < offer.until \
                    and offer.terms == (today.terms if today else None)
                if not (stale and day < AS_OF):
                    expected = offer.terms
            found = on(after.get(code, []), day)
            assert (found.terms if found else None) == expected, (code, day)
    assert list(merged.rows) == sorted(merged.rows)
    for one, following in pairwise(merged.rows):
        assert one.prefix != following.prefix or one.valid_to <= following.valid_from
    again = merge(after, sheet, frozenset(), full_from, AS_OF)
    assert (again.rows, again.changes) == (merged.rows, ())


def rows_of(deck: dict[str, list[Span]]) -> list[DeckRow]:
    return [DeckRow(code, one.since, one.until, one.terms) for code in CODES
            for one in deck.get(code, []) if one.terms]  # fmt: skip


def imported(path: Path, kind: str, into: list[DeckRow]) -> tuple[DeckRow, ...]:
    """The sheet of a partner, read by the guess that the export's headings lead to."""
    findings = Findings(path.name)
    sheets = read(path, findings)
    made = guess(sheets)
    assert made is not None
    mapping = made.mapping.overlaid(kind, None)
    found = import_sheet(sheets, mapping, into, AS_OF, "", findings)
    assert found is not None, findings.problems.found
    return found.merged.rows


@given(decks(), st.booleans(), st.sampled_from(("csv", "xlsx")))
@settings(max_examples=25)
def test_a_deck_survives_export_and_import(
    deck: dict[str, list[Span]], group: bool, suffix: str
) -> None:
    rows = rows_of(deck)
    if not rows:
        return
    with tempfile.TemporaryDirectory() as folder:
        own, sheet = Path(folder) / "deck.csv", Path(folder) / f"sheet.{suffix}"
        assert write_deck(own, rows)
        assert not write_deck(own, rows)
        problems = Problems()
        assert read_deck(own, problems) == rows
        assert not problems.found
        found = ratesheet_export.lines(rows, "full", "", "")
        found = ratesheet_export.grouped(found) if group else found
        ratesheet_export.write_sheet(sheet, found, "EUR", "60s")
        assert imported(sheet, "full", []) == tuple(rows)


@given(decks(), st.sampled_from(DAYS[2:-1]))
@settings(max_examples=25)
def test_an_amendment_brings_a_partner_up_to_date(deck: dict[str, list[Span]], day: str) -> None:
    """The partner has what was in force before ``day``; the amendment from then on gives the rest.

    Compared by what holds on each day: rows may be cut elsewhere.
    """
    rows = rows_of(deck)
    old = [one._replace(valid_to=OPEN if one.valid_to >= day else one.valid_to)
           for one in rows if one.valid_from < day]  # fmt: skip
    found = ratesheet_export.lines(rows, "amendment", day, "")
    if not found:
        return
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.csv"
        ratesheet_export.write_sheet(sheet, found, "EUR", "60s")
        after = timelines(imported(sheet, "amendment", old))
    for code in CODES:
        for one in DAYS[:-1]:
            wanted, got = on(deck.get(code, []), one), on(after.get(code, []), one)
            assert (wanted.terms if wanted else None) == (got.terms if got else None), (code, one)
