"""A first mapping of a sheet that nobody has described yet, guessed from headings and cells.

A guess is only proposed: it is shown with sample values, and a person confirms it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from tariffs.ratesheet_codes import parse_codes
from tariffs.ratesheet_mapping import ABOVE, ALWAYS, CARRIED, FIELDS, Located, SheetMapping, normal
from tariffs.ratesheet_offers import currencies_in
from tariffs.ratesheet_preamble import day_above, kind_above, notes_above
from tariffs.ratesheet_rows import NumberCell, Sheet, SheetRow
from tariffs.ratesheet_values import parse_day, parse_status

SAMPLES: Final = 3  # values of each column that are shown
_ROWS_TRIED: Final = 200  # for the row of headings
_HEADING_LENGTH: Final = 80  # a longer cell is a note
_ROWS_LOOKED_AT: Final = 5_000  # for what cells tell
_NOT_A_PRICE: Final = (
    r"(?!.*\b(old|previous|prior|last|change|changes|effective|date|increments?|setup|set up|"
    r"connect|connection|fee|type|plan|name|id|sheet|class|currency|min charge|minimum|interval|"
    r"status|difference|diff|code|notes?|comments?|off peak|weekend)\b)"
)
# Field and the headings that mean it, as ``normal`` writes them; the first that fits wins.
_HEADINGS: Final = tuple(
    (name, re.compile(pattern)) for name, pattern in (
        ("country_code", r"(country|intl|international) ?(dial|dialing|dialling)? ?(code|prefix)|"
                         r"cc"),
        ("code", r"(full |complete |e ?164 |new )?(dial|dialing|dialling|destination|dest|prefix|"
                 r"breakout|number|phone|tel|b number) ?(codes?|prefix(es)?|digits?|numbers?|"
                 r"range)|dial ?codes?|codes?|prefix(es)?|e ?164|dialed digits"),
        ("code", r"(area|city|national|network|region|operator|sub) ?(codes?|prefix(es)?)|ndc|"
                 r"breakouts?|codes? .*|number range"),
        ("price", r"new (rate|price|tariff)\b" + _NOT_A_PRICE + ".*"),
        ("price", _NOT_A_PRICE + r".*\b(rates?|price|tariff|cost|per min(ute)?|usd min|eur min|"
                  r"ppm|termination)\b.*"),
        ("valid_to", r".*\b(end|ends|ending|expiry|expires|expiration|expire|valid (to|until|till|"
                     r"thru|through)|effective (to|until|till|end)|until|till|last day|closing|"
                     r"close|discontinued?)\b.*"),
        ("valid_from", r"(?!.*\b(rate|price)\b).*\b(effective|eff|start|starts|valid|begin|"
                       r"activation|applicable|commencement|in force)\b.*|from|date|from date|"
                       r".*\beffective date\b.*|.*\bdate of (change|effect)\b.*"),
        ("first", r"(initial|first|1st).*|min(imum)? ?(duration|time|sec|secs|seconds|length|"
                  r"increment|billing).*|interval 1|increment 1"),
        ("following", r"(next|subsequent|additional|following|recurring|2nd|second) .*|next|"
                      r"subsequent|interval (2|n)|increment 2"),
        ("increments", r".*\b(increments?|inc|interval|rounding|pulse|granularity|billing "
                       r"(terms?|blocks?|unit|type)|blocks?)\b.*|billing"),
        ("minimum", r"min(imum)? ?(charge|price|fee|cost).*"),
        ("connect", r".*\b(connect|connection|set ?up|setup|call|flag ?fall|access|answer)\b.*\b("
                    r"fee|charge|price|cost|rate)\b.*|connection|flag ?fall|setup"),
        ("currency", r"currency( code)?|curr|ccy"),
        ("country", r"country( name)?|territory|nation"),
        ("destination", r"(destination|dest|area|region|route|location|network|operator|breakout|"
                        r"zone|carrier|city)( ?(name|description))?|description|name|"
                        r"country (and |network |)?(destination|region|network|name|operator)|"
                        r"destination .*"),
        ("status", r"status|(rate )?change( type| status| code| indicator)?|change in rate|action|"
                   r"type( of change)?|movement|indicator|remarks?|comments?|notes?|update"),
    )
)  # fmt: skip


@dataclass
class Guess:
    """A proposed mapping; ``why`` says of a key whence it comes, ``unused`` what is not read."""

    mapping: SheetMapping
    located: Located
    why: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    def samples(self, name: str) -> list[str]:
        """A few different values of a field."""
        values = (self.located.cell(row, name) for row in self.located.rows[:_ROWS_LOOKED_AT])
        return list(islice(dict.fromkeys(value for value in values if value), SAMPLES))


def guess(sheets: Sequence[Sheet]) -> Guess | None:
    """The best guess over all worksheets; None if no row looks like headings of a rate sheet."""
    best: tuple[int, Sheet, int, dict[str, int]] | None = None
    for sheet in sheets:
        for position, row in enumerate(sheet.rows[:_ROWS_TRIED]):
            found = _fields(row)
            if {"code", "price"} <= found.keys() and (best is None or len(found) > best[0]):
                best = len(found), sheet, position, found
    if best is None:
        return None
    _, sheet, position, index = best
    header, rows = sheet.rows[position], sheet.rows[position + 1 :]
    located = Located(sheet, header, index, rows)
    index = _without_doubtful(located)
    located = Located(sheet, header, index, rows)
    made = Guess(SheetMapping(), located)
    made.unused = [cell for place, cell in enumerate(header.cells)
                   if cell and place not in index.values()]  # fmt: skip
    made.unused += [f"worksheet '{other.name}'" for other in sheets if other is not sheet]
    made.mapping = _settings(made)
    return made


def _fields(row: SheetRow) -> dict[str, int]:
    """Field -> column, from headings alone."""
    headings = [normal(cell) for cell in row.cells]
    found: dict[str, int] = {}
    for name, pattern in _HEADINGS:
        for place, heading in enumerate(headings):
            free = name not in found and place not in found.values()
            if free and 0 < len(heading) <= _HEADING_LENGTH and pattern.fullmatch(heading):
                found[name] = place
    if "code" not in found and "country_code" in found:
        found["code"] = found.pop("country_code")
    return found


def _column(located: Located, name: str) -> list[str]:
    cells = (located.cell(row, name) for row in located.rows[:_ROWS_LOOKED_AT])
    return [cell for cell in cells if cell]


def _without_doubtful(located: Located) -> dict[str, int]:
    """The columns but for those whose cells say that the heading meant something else."""
    index = dict(located.index)
    countries = _column(located, "country_code")
    pairs = [(located.cell(row, "country_code"), located.cell(row, "code"))
             for row in located.rows[:_ROWS_LOOKED_AT]]  # fmt: skip
    whole = all(code.startswith(country) for country, code in pairs if country and code)
    if countries and (whole or not all(cell.strip("+0 ").isdigit() for cell in countries)):
        del index["country_code"]
    statuses = _column(located, "status")
    if statuses and sum(parse_status(cell) is None for cell in statuses) * 2 > len(statuses):
        del index["status"]
    increments = _column(located, "increments")
    if "first" in index and "following" not in index and increments \
            and not any(re.search(r"\d\D+\d", cell) for cell in increments):  # fmt: skip
        index["following"] = index.pop("increments")
    return index


def _settings(made: Guess) -> SheetMapping:
    """What the cells and the lines above the headings tell."""
    located, why = made.located, made.why
    header = located.header
    assert header is not None  # a guess is made from headings
    heading = located.cell(header, "price")
    order = _date_order(located, why)
    index = {name: located.index[name] for name in FIELDS if name in located.index}
    return SheetMapping(
        columns={name: _heading(header, place) for name, place in index.items()},
        sheet=located.sheet.name,
        kind=_kind(located, why),
        effective=_effective(located, header, order, why),
        date_order=order,
        end_date=_end_date(located, header, why),
        decimal=_decimal(located, why),
        currency=_currency(located, heading, why),
        per=_per(heading, why),
        code_commas=_commas(located, why),
        carry_down=_carried(located, why),
    )


def _heading(header: SheetRow, place: int) -> str:
    """The heading as a mapping names it: its place where another column is headed alike."""
    headings = [normal(cell) for cell in header.cells]
    return header.cells[place] if headings.count(headings[place]) == 1 else f"#{place + 1}"


def _kind(located: Located, why: dict[str, str]) -> str:
    found = kind_above(located)
    if found.value:
        why["kind"] = f"from '{found.words}' above the headings"
    return found.value


def _effective(located: Located, header: SheetRow, order: str, why: dict[str, str]) -> str:
    if "empty: always" in located.cell(header, "valid_from").lower():
        why["effective"] = "from the heading"
        return ALWAYS
    found = day_above(located, order)
    if found.value:
        why["effective"] = f"the day that stands above the headings, here {found.value}"
    return ABOVE if found.value else ""


def _date_order(located: Located, why: dict[str, str]) -> str:
    """The order that every ambiguous date of the sheet can have, if only one can."""
    found: dict[str, str] = {}
    for name in ("valid_from", "valid_to"):
        for text in dict.fromkeys(_column(located, name)):
            first = parse_day(text, "day_first")
            second = parse_day(text, "month_first")
            if first.day and not second.day:
                found.setdefault("day_first", text)
            if second.day and not first.day:
                found.setdefault("month_first", text)
    if len(found) != 1:
        return ""
    order, text = found.popitem()
    why["date_order"] = f"{text} can be nothing else"
    return order


def _end_date(located: Located, header: SheetRow, why: dict[str, str]) -> str:
    if "valid_to" not in located.index:
        return ""
    heading = normal(located.cell(header, "valid_to"))
    if re.search(r"\b(exclusive|day after)\b", heading):
        why["end_date"] = "from the heading"
        return "day_after"
    sure = re.search(r"\b(last day|inclusive)\b", heading)
    why["end_date"] = "from the heading" if sure else "assumed: ask the carrier (or: day_after)"
    return "last_day"


def _decimal(located: Located, why: dict[str, str]) -> str:
    prices = [cell for cell in _column(located, "price") if not isinstance(cell, NumberCell)]
    comma = next((cell for cell in prices if re.search(r"\d,\d", cell)), "")
    if comma and not any(re.search(r"\d\.\d", cell) for cell in prices):
        why["decimal"] = f"as in {comma}"
        return "comma"
    return "point"


def _currency(located: Located, heading: str, why: dict[str, str]) -> str:
    for where, texts in (
        ("from its column", _column(located, "currency")),
        ("from the heading of prices", [heading]),
        ("from above the headings", [notes_above(located)]),
        ("from the prices", _column(located, "price")[:_ROWS_TRIED]),
    ):
        named = {code for text in texts for code in currencies_in(text.upper())}
        if len(named) == 1:
            why["currency"] = where
            return named.pop()
    return ""


def _per(heading: str, why: dict[str, str]) -> str:
    words = normal(heading)
    for per, pattern in (("60s", r"\b(min|mins|minute|ppm)\b"), ("1s", r"\b(sec|second)\b"),
                         ("event", r"\b(sms|message|msg|event)\b")):  # fmt: skip
        if re.search(pattern, words):
            why["per"] = "from the heading of prices"
            return per
    why["per"] = "assumed: what a price is for"
    return "60s"


def _commas(located: Located, why: dict[str, str]) -> str:
    for text in _column(located, "code"):
        if "," in text and parse_codes(text, "", "").fault is None:
            why["code_commas"] = f"as in {text[:30]}"
            return "list"
    return ""


def _carried(located: Located, why: dict[str, str]) -> tuple[str, ...]:
    """Names that stand only in the first of several rows, as merged cells leave them."""
    found = []
    for name in CARRIED[:3]:
        if located.header and "empty: none" in located.cell(located.header, name):
            continue
        seen = False
        for row in located.rows[:_ROWS_LOOKED_AT]:
            cell, code = located.cell(row, name), located.cell(row, "code")
            if name in located.index and seen and not cell and code and located.cell(row, "price"):
                found.append(name)
                break
            seen = seen or bool(cell)
    if found:
        why["carry_down"] = "blank below a name: the name above is meant"
    return tuple(found)
