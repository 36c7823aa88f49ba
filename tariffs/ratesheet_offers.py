"""Rows of a sheet as offers: for each code its terms and days, every cell checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple

from tariffs import units
from tariffs.ratesheet_codes import Codes, country_of, loses_zeros, parse_codes
from tariffs.ratesheet_deck import OPEN, Terms
from tariffs.ratesheet_mapping import ALWAYS, PER_EVENT, Located, SheetMapping, normal
from tariffs.ratesheet_notes import Fault, Findings, PassedOver, Repair, shown
from tariffs.ratesheet_rows import NumberCell, SheetRow
from tariffs.ratesheet_values import (
    STATUSES,
    parse_day,
    parse_increments,
    parse_price,
    parse_status,
)
from tollbook.money import format_nano

DECK_PER_S: Final = 60  # a price of a deck is for so many seconds
_TOTAL: Final = re.compile(r"(grand |sub)?-?totals?\b|average\b|number of\b|count\b", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"[A-Za-z]{3}")
_DIGIT: Final = re.compile(r"\d")
_QUIETLY_CARRIED: Final = ("destination", "country")  # names: no price depends on them
_COLUMNS_OF: Final = {  # a field of Terms and the columns that say it
    "destination": ("destination", "country"),
    "increments": ("increments", "first", "following"),
    "connect_nano": ("connect",),
    "minimum_nano": ("minimum",),
}


class Offer(NamedTuple):
    """What a sheet says of one code from one day on; ``terms`` None: the code ends."""

    prefix: str
    valid_from: str  # "": always
    valid_to: str  # OPEN: none
    terms: Terms | None
    status: str  # of STATUSES; "": the sheet says nothing
    line: int


@dataclass(frozen=True)
class Offers:
    """All offers of a sheet. ``unsaid``: fields of Terms for which the sheet has no column."""

    rows: tuple[Offer, ...]
    unsaid: frozenset[str]
    row_count: int


def read_offers(located: Located, mapping: SheetMapping, findings: Findings) -> Offers:
    """Every row below the headings; those with an error, which is noted, give no offer."""
    reader = _RowReader(located, mapping, findings)
    _check_heading(located, mapping, findings)
    rows = tuple(offer for row in located.rows for offer in reader.offers(row))
    reader.note_lost_zeros()
    unsaid = frozenset(
        name for name, columns in _COLUMNS_OF.items()
        if not any(column in located.index for column in columns)
        and not (name == "increments" and mapping.increments)
    )  # fmt: skip
    return Offers(rows, unsaid, reader.row_count)


_CURRENCY: Final = re.compile(
    r"(?<![A-Z])(?:AED|ARS|AUD|BDT|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KES|KRW"
    r"|MXN|MYR|NGN|NOK|NZD|PHP|PKR|PLN|RUB|SAR|SEK|SGD|THB|TWD|UAH|USD|VND|XDR|ZAR)(?![A-Z])"
)  # those that are looked for in headings and notes


def currencies_in(text: str) -> list[str]:
    """The currencies that a heading or a note names, in capitals."""
    return _CURRENCY.findall(text)


def _check_heading(located: Located, mapping: SheetMapping, findings: Findings) -> None:
    if located.header is None:
        return
    heading = located.cell(located.header, "price")
    named = currencies_in(heading)
    if mapping.currency and named and mapping.currency not in named:
        findings.error(located.header.line, Fault(
            "currency", f"the prices are headed '{shown(heading)}'", f"prices in "
            f"{mapping.currency}", "correct `currency` in the mapping, or ask the carrier"))


@dataclass
class _RowReader:
    """Reads row after row; blank cells of carried columns take the cell above."""

    located: Located
    mapping: SheetMapping
    findings: Findings
    row_count: int = 0
    _above: dict[str, str] = field(default_factory=dict)
    _heading: list[str] = field(default_factory=list)
    _zeros: set[str] = field(default_factory=set)  # countries with area codes that begin with 0
    _numbers: dict[str, list[int]] = field(default_factory=dict)  # country -> lines

    _per_s: int = DECK_PER_S  # what a price of the sheet is for; an event counts as it stands

    def __post_init__(self) -> None:
        quantity = units.parse_quantity(self.mapping.per)
        if self.mapping.per != PER_EVENT and quantity is not None:
            self._per_s = quantity[1]
        if self.located.header is not None:
            self._heading = [normal(cell) for cell in self.located.header.cells]

    def offers(self, row: SheetRow) -> Iterable[Offer]:
        """The offers of one row: one for each code it names."""
        cells = self._cells(row)
        kind = self._no_rate(row, cells)
        if kind:
            text = shown(" ".join(cell for cell in row.cells if cell))
            self.findings.passed_over.append(PassedOver(row.line, kind, text))
            return ()
        self.row_count += 1
        self._carry(row.line, cells)
        before = self.findings.errors
        status = self._status(row.line, cells.get("status", ""))
        codes = self._codes(row.line, cells)
        self._check_currency(row.line, cells)
        terms = None if status == "deleted" else self._terms(row.line, cells)
        since, until = self._days(row.line, cells, status == "deleted")
        if self.findings.errors > before:
            return ()
        return [Offer(prefix, since, until, terms, status, row.line) for prefix in codes.prefixes]

    def _cells(self, row: SheetRow) -> dict[str, str]:
        return {name: row.cell(index) for name, index in self.located.index.items()}

    def _no_rate(self, row: SheetRow, cells: Mapping[str, str]) -> str:
        """Why a row is no rate at all; ``""`` if it is one, well or badly written."""
        code = cells["code"] or cells.get("country_code", "")
        price = cells["price"]
        if not _DIGIT.search(code) and [normal(cell) for cell in row.cells] == self._heading:
            return "headings again"
        if not (code and price) and any(_TOTAL.match(cell) for cell in row.cells):
            return "a total"
        if not code and not price:
            return "no code and no price"
        prose = not _DIGIT.search(code) or (_SENTENCE.search(code) and not cells.get("status"))
        return "no code and no price" if prose and not _DIGIT.search(price) else ""

    def _carry(self, line: int, cells: dict[str, str]) -> None:
        for name in self.mapping.carry_down:
            if cells.get(name):
                self._above[name] = cells[name]
            elif name in cells and self._above.get(name):
                cells[name] = self._above[name]
                if name not in _QUIETLY_CARRIED:
                    self._repair(line, f"blank {name} taken from the row above", "", cells[name])

    def _repair(self, line: int, kind: str, found: str, became: str) -> None:
        self.findings.repairs.append(Repair(line, kind, shown(found), became))

    def _status(self, line: int, text: str) -> str:
        found = self.mapping.statuses.get(text.lower()) or parse_status(text)
        if found is None:
            self.findings.error(line, Fault(
                "status", f"the status is '{shown(text)}'", ", ".join(STATUSES),
                f"say in the mapping what it means: `statuses: {{{shown(text)}: ...}}`"))
        return found or ""

    def _codes(self, line: int, cells: Mapping[str, str]) -> Codes:
        text, country = cells["code"], cells.get("country_code", "")
        commas = self.mapping.code_commas
        codes = parse_codes(country or text, commas if not country else "", "")
        if country and codes.fault is None and text:
            head = codes.prefixes[0]
            if text.startswith("0"):
                self._zeros.add(head)
            if isinstance(text, NumberCell):
                self._numbers.setdefault(head, []).append(line)
            codes = parse_codes(text, commas, head)
        if codes.fault is not None:
            self.findings.error(line, codes.fault)
        for kind in codes.repairs:
            self._repair(line, kind, text or country, ", ".join(codes.prefixes[:3]))
        for prefix in codes.prefixes:
            self._check_prefix(line, prefix)
        return codes

    def _check_prefix(self, line: int, prefix: str) -> None:
        if not country_of(prefix):
            self.findings.flag(line, Fault(
                "country", f"the code is {prefix}: no country or network has such a code",
                "codes that begin with a country code of ITU-T E.164",
                "look whether the country code is in another column"))
        elif loses_zeros(prefix):
            self.findings.flag(line, Fault(
                "zeros", f"the code is {prefix}: a spreadsheet may have put zeros for lost digits",
                "codes as the carrier wrote them", "compare it with the carrier's own list"))

    def note_lost_zeros(self) -> None:
        """Flags area codes that are numbers, where others of the country begin with 0."""
        for country in sorted(self._zeros & self._numbers.keys()):
            for line in self._numbers[country]:
                self.findings.flag(line, Fault(
                    "lost_zero", f"an area code of country {country} is a number, while others "
                    "begin with 0: a spreadsheet may have dropped the 0", "area codes as text",
                    "compare it with the carrier's own list"))

    def _check_currency(self, line: int, cells: Mapping[str, str]) -> None:
        found = cells.get("currency", "").upper()
        if found and found != self.mapping.currency:
            self.findings.error(line, Fault(
                "currency", f"the currency is '{shown(found)}'",
                f"prices in {self.mapping.currency or 'the currency that the mapping names'}",
                "correct `currency` in the mapping, or take these rows out"))

    def _terms(self, line: int, cells: Mapping[str, str]) -> Terms:
        names = [" ".join(cells.get(name, "").split()) for name in ("country", "destination")]
        if names[1].lower().startswith(names[0].lower()):
            names[0] = ""
        price = self._price(line, "price", cells["price"])
        if price is not None and not price:
            self.findings.flag(line, Fault("free", "the price is 0", "a price above 0",
                                           "ask the carrier whether calls are free"))
        return Terms(
            ", ".join(name for name in names if name),
            self._per_deck(line, price or 0),
            self._increments(line, cells),
            self._price(line, "connection fee", cells.get("connect", "")),
            self._price(line, "minimum charge", cells.get("minimum", "")),
        )

    def _price(self, line: int, name: str, text: str) -> int | None:
        """A price in nano; None if the cell is empty, or after an error was noted."""
        if not text and name != "price":
            return None
        comma = self.mapping.decimal == "comma" and not isinstance(text, NumberCell)
        read = parse_price(text, comma, self.mapping.currency)
        fault, limit_nano = read.fault, self.mapping.price_max_nano
        if fault is None and not 0 <= read.value <= limit_nano:
            fault = Fault("price_limit", f"the price is {text}",
                          f"0 to {format_nano(limit_nano, 0)} (`price_max` in the mapping)",
                          "ask the carrier" if read.value < 0 else "ask the carrier, or raise "
                          "`price_max` if prices of this currency are so high")
        if fault is not None:
            if name != "price":
                fault = fault._replace(found=fault.found.replace("price", name, 1))
            self.findings.error(line, fault)
            return None
        if read.repair:
            self._repair(line, read.repair, text, format_nano(read.value))
        return read.value

    def _per_deck(self, line: int, price_nano: int) -> int:
        """A price of the sheet as one for DECK_PER_S, or for an event."""
        if self._per_s == DECK_PER_S:
            return price_nano
        found, rest = divmod(price_nano * DECK_PER_S, self._per_s)
        if rest:
            self.findings.error(line, Fault(
                "per", f"the price {format_nano(price_nano)} per {self.mapping.per} has no exact "
                f"price per {DECK_PER_S} s", "prices whose price per 60 s has at most 9 decimals",
                "correct `per` in the mapping, or ask for prices per minute"))
        return found

    def _increments(self, line: int, cells: Mapping[str, str]) -> str:
        parts = [cells.get(name, "") for name in ("first", "following")]
        text = cells.get("increments", "") or "/".join(part for part in parts if part)
        if not text:
            return self.mapping.increments
        found, fault = parse_increments(text)
        if fault is not None:
            self.findings.error(line, fault)
        return found

    def _days(self, line: int, cells: Mapping[str, str], deleted: bool) -> tuple[str, str]:
        """First day and the day after the last, as ISO texts; of a deletion, from when it holds."""
        since = self._day(line, cells.get("valid_from", ""))
        until = self._end(line, cells.get("valid_to", ""))
        if deleted and until:
            return until, OPEN
        if not since:
            since = self.mapping.effective
            if not since and not cells.get("valid_from"):  # else the cell was refused
                self.findings.error(line, Fault(
                    "effective", "the row has no effective date", "a day, or `effective: always` "
                    "in the mapping", "name the day of the sheet with --effective"))
        since = "" if since == ALWAYS else since
        if until and since >= until:
            self.findings.error(line, Fault(
                "days", f"the row ends on {until}, not after it begins ({since})",
                "an end after the effective date", "correct one of the two, or `end_date` in the "
                "mapping"))
        return since, until or OPEN

    def _day(self, line: int, text: str) -> str:
        if not text:
            return ""
        read = parse_day(text, self.mapping.date_order)
        if read.fault is not None:
            self.findings.error(line, read.fault)
        elif read.repair:
            self._repair(line, read.repair, text, read.day)
        return read.day

    def _end(self, line: int, text: str) -> str:
        """The first day on which the row no longer holds."""
        day = self._day(line, text)
        if not day or not text:
            return ""
        ends = parse_day(text, self.mapping.date_order).ends
        if not ends and not self.mapping.end_date:
            self.findings.error(line, Fault(
                "end_date", f"the row ends '{shown(text)}': on that day, or before it?",
                "`end_date: last_day` or `end_date: day_after` in the mapping",
                "ask the carrier, and say it in the mapping"))
        if ends or self.mapping.end_date == "last_day":
            return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        return day
