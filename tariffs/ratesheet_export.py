"""A deck as a rate sheet for a partner: everything, or what changes between two days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from tariffs.ratesheet_deck import OPEN, DeckRow, Terms, optional_price
from tariffs.ratesheet_merge import change_kind
from tollbook import outputs
from tollbook.money import format_nano

EXCEL_SAFE_DIGITS: Final = 15  # a longer number loses digits in a spreadsheet: written as text
_CELL_CHARACTERS: Final = 30_000  # a cell of a workbook holds 32,767
_STATUS_OF: Final = {
    "new": "New", "increased": "Increase", "decreased": "Decrease", "changed": "Change",
}  # fmt: skip
_NO_CHANGE, _DELETED = "No change", "Deleted"
_UNIT_OF: Final = {"60s": "min", "event": "event"}


class Line(NamedTuple):
    """One row of the sheet: ``terms`` None where the codes end on the day ``since``."""

    codes: str
    destination: str
    terms: Terms | None
    since: str  # "": always
    until: str  # "": open, or the next row of the code follows on
    status: str


def lines(deck: Sequence[DeckRow], kind: str, since: str, until: str) -> list[Line]:
    """The rows of a sheet, by code and day.

    kind ``full``: all prices in force on ``since`` or later; ``amendment``: what begins or ends
    from ``since`` on. Both before ``until``; ISO days, ``""``: no limit.
    """
    found: list[Line] = []
    for _, group in groupby(sorted(deck), key=lambda row: row.prefix):
        rows = list(group)
        for before, row, after in zip([None, *rows], rows, [*rows[1:], None], strict=False):
            found += _lines_of(before, row, after, kind, (since, until or OPEN))
    return found


def _lines_of(
    before: DeckRow | None, row: DeckRow, after: DeckRow | None, kind: str, span: tuple[str, str]
) -> Iterable[Line]:
    since, until = span
    joined = before is not None and before.valid_to == row.valid_from
    ends = row.valid_to != OPEN and (after is None or after.valid_from != row.valid_to)
    in_force = row.valid_to > since and row.valid_from < until
    begins = in_force and row.valid_from >= since
    status = _STATUS_OF[change_kind(before.terms if joined and before else None, row.terms)]
    if begins or (in_force and kind == "full"):
        yield Line(row.prefix, row.terms.destination, row.terms, row.valid_from,
                   row.valid_to if ends else "", status if begins else _NO_CHANGE)
    # An amendment says an end apart: else the receiver's own price would hold again.
    if kind == "amendment" and ends and (begins or since <= row.valid_to < until):
        yield Line(row.prefix, row.terms.destination, None, row.valid_to, "", _DELETED)


def grouped(found: Iterable[Line]) -> list[Line]:
    """The rows with all codes of the same destination, terms and days in one, ``447, 4479``."""
    def same(line: Line) -> tuple[object, ...]:
        price = () if line.terms is None else tuple(
            -1 if part is None else part for part in line.terms
        )  # fmt: skip
        return line.destination, line.since, line.until, line.status, price

    joined: list[Line] = []
    for _, group in groupby(sorted(found, key=lambda line: (same(line), line.codes)), key=same):
        for line in group:
            last = joined[-1] if joined else None
            if last and same(last) == same(line) and len(last.codes) < _CELL_CHARACTERS:
                joined[-1] = last._replace(codes=f"{last.codes}, {line.codes}")
            else:
                joined.append(line)
    return joined


def header(found: Sequence[Line], currency: str, per: str) -> tuple[str, ...]:
    """The headings; they say what whoever reads the sheet would otherwise have to ask."""
    price = f"Price {currency}/{_UNIT_OF[per]}" if currency else f"Price per {_UNIT_OF[per]}"
    always = " (empty: always)" if any(not line.since for line in found) else ""
    none = " (empty: none)" if any(not line.destination for line in found) else ""
    return ("Code", f"Destination{none}", price, "Increments", "Connection fee", "Minimum charge",
            f"Effective date{always}", "End date (last day)", "Status")  # fmt: skip


def write_sheet(path: Path, found: Sequence[Line], currency: str, per: str) -> None:
    """Writes a workbook if the name ends in .xlsx, else CSV."""
    names = header(found, currency, per)
    if path.suffix.lower() != ".xlsx":
        cells = ([str(cell) for cell in _cells(line)] for line in found)
        outputs.write_csv(path, names, cells, (names[2], *names[4:6]))
        return
    from tariffs.ratesheet_workbook import workbook_bytes

    path.write_bytes(workbook_bytes("Rates", names, (_typed(line) for line in found)))


def _cells(line: Line) -> tuple[str, ...]:
    terms = line.terms
    return (
        line.codes, line.destination, "" if terms is None else format_nano(terms.price_nano),
        "" if terms is None else terms.increments,
        "" if terms is None else optional_price(terms.connect_nano),
        "" if terms is None else optional_price(terms.minimum_nano),
        line.since, _last_day(line.until), line.status,
    )  # fmt: skip


def _typed(line: Line) -> tuple[str | Decimal | date, ...]:
    """The cells as a workbook has them: codes and increments are texts whatever they look like."""
    codes, destination, price, increments, connect, minimum, since, until, status = _cells(line)
    return (codes, destination, _number(price), increments, _number(connect), _number(minimum),
            date.fromisoformat(since) if since else "", date.fromisoformat(until) if until else "",
            status)  # fmt: skip


def _number(price: str) -> str | Decimal:
    digits = price.replace(".", "").strip("0")
    return price if not price or len(digits) > EXCEL_SAFE_DIGITS else Decimal(price)


def _last_day(until: str) -> str:
    return (date.fromisoformat(until) - timedelta(days=1)).isoformat() if until else ""
