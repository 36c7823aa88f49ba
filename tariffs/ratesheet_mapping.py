"""How one carrier's sheets are read: which column is what, and what its words and numbers mean.

A mapping is YAML that a person has read. It is first written from a guess (``ratesheet_guess``) and
then kept beside the deck: the next sheet of the carrier is read by it, or refused if it changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tariffs import units
from tariffs.ratesheet_notes import Fault, Findings, shown
from tariffs.ratesheet_rows import Sheet, SheetRow
from tariffs.ratesheet_values import DATE_ORDERS, STATUSES
from tollbook.money import NANO, format_nano
from tollbook.text import Problems, Reader, load_yaml

FIELDS: Final = {
    "code": "dial codes",
    "country_code": "country codes that stand before the codes",
    "destination": "names of destinations",
    "country": "names of countries, put before the destination",
    "price": "prices",
    "currency": "currencies, checked only",
    "increments": "increments such as 60/6",
    "first": "first increment or minimum duration, in seconds",
    "following": "following increment, in seconds",
    "connect": "fee once a call",
    "minimum": "least charge of a call",
    "valid_from": "first day",
    "valid_to": "end",
    "status": "new, increase, deleted ...",
}
KINDS: Final = ("full", "amendment")
END_DATES: Final = ("last_day", "day_after")
COMMAS: Final = ("list", "thousands")
DECIMALS: Final = ("point", "comma")
CARRIED: Final = ("destination", "country", "country_code", "price", "increments", "valid_from")
ALWAYS: Final = "always"
ABOVE: Final = "above"
PER_EVENT: Final = "event"
PRICE_MAX_NANO: Final = 100 * NANO
_NUMBERED: Final = re.compile(r"#([1-9]\d{0,2})")
_KEYS: Final = (
    "sheet", "header_row", "columns", "kind", "effective", "date_order", "end_date", "decimal",
    "currency", "per", "increments", "code_commas", "carry_down", "statuses", "notice_days",
    "jump_times", "price_max",
)  # fmt: skip


@dataclass(frozen=True)
class SheetMapping:
    """What a person has confirmed about a carrier's sheets. ``""`` means: not said.

    columns: field of FIELDS -> heading, or ``#3`` for the third column.
    header_row: line of the headings; 0: the first row that has them all.
    effective: the day of the sheet and of rows without one: ISO, ALWAYS, or ABOVE: the day that
    stands above the headings.
    per: what a price is for, ``event`` or a time. price_max_nano: dearer is refused as absurd.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    header_row: int = 0
    kind: str = ""
    effective: str = ""
    date_order: str = ""
    end_date: str = ""
    decimal: str = "point"
    currency: str = ""
    per: str = "60s"
    increments: str = ""
    code_commas: str = ""
    carry_down: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    notice_days: int = 7
    jump_times: int = 5
    price_max_nano: int = PRICE_MAX_NANO

    def overlaid(self, kind: str | None, effective: str | None) -> SheetMapping:
        """The same mapping with what the command line says of this one sheet."""
        return replace(self, kind=kind or self.kind, effective=effective or self.effective)


def load(path: Path, problems: Problems) -> SheetMapping | None:
    """The mapping of a file; None after its problems were noted."""
    node = load_yaml(path, problems)
    if node is None:
        return None
    before = problems.errors
    reader = Reader(node, problems, "the mapping", _KEYS)
    mapping = SheetMapping(
        columns=_columns(reader, problems),
        sheet=reader.text("sheet", ""),
        header_row=reader.integer("header_row", 0, 10_000, 0),
        kind=reader.choice("kind", KINDS, ""),
        effective=_effective(reader),
        date_order=reader.choice("date_order", DATE_ORDERS, ""),
        end_date=reader.choice("end_date", END_DATES, ""),
        decimal=reader.choice("decimal", DECIMALS, "point"),
        currency=_currency(reader),
        per=_per(reader),
        increments=_increments(reader),
        code_commas=reader.choice("code_commas", COMMAS, ""),
        carry_down=_carried(reader),
        statuses=_statuses(reader, problems),
        notice_days=reader.integer("notice_days", 0, 366, 7),
        jump_times=reader.integer("jump_times", 2, 1_000_000, 5),
        price_max_nano=reader.price_nano("price_max", PRICE_MAX_NANO),
    )
    return mapping if problems.errors == before else None


def _columns(reader: Reader, problems: Problems) -> dict[str, str]:
    if "columns" not in reader:
        reader.missing("columns", "the heading of each column that is read")
        return {}
    columns = Reader(reader.node_of("columns"), problems, "columns", FIELDS)
    found = {name: columns.text(name) for name in FIELDS if name in columns}
    for name in ("code", "price"):
        if name not in found:
            columns.missing(name, f"the heading of the column with {FIELDS[name]}, or its place "
                            "(#3)")
    return found


def _effective(reader: Reader) -> str:
    if "effective" in reader and reader.text("effective", "") in ("", ALWAYS, ABOVE):
        return reader.text("effective", "")
    day = reader.date("effective")
    return day.isoformat() if day else ""


def _currency(reader: Reader) -> str:
    found = reader.text("currency", "")
    if found and not re.fullmatch(r"[A-Z]{3}", found):
        reader.wrong("currency", f"'currency' is '{found}'", "three capitals of ISO 4217",
                     "write for example USD")
    return found


def _per(reader: Reader) -> str:
    found = reader.text("per", "60s")
    quantity = units.parse_quantity(found)
    if found != PER_EVENT and (quantity is None or quantity[0] != "second"):
        reader.wrong("per", f"'per' is '{found}'", "a time with its unit (60s, 1s), or event",
                     "write what one price in the sheet is for")
        return "60s"
    return found


def _increments(reader: Reader) -> str:
    found = reader.text("increments", "")
    parsed = units.parse_increments(found, "second") if found else None
    if found and parsed is None:
        reader.wrong("increments", f"'increments' is '{found}'", units.INCREMENTS_ALLOWED,
                     "write seconds, such as 60/6")
    return f"{parsed[0]}/{parsed[1]}" if parsed else ""


def _carried(reader: Reader) -> tuple[str, ...]:
    found = tuple(name for name in reader.texts("carry_down") if name)
    for name in found:
        if name not in CARRIED:
            reader.wrong("carry_down", f"'carry_down' names '{name}'", ", ".join(CARRIED),
                         "remove it: a blank cell of this column means nothing")
    return found


def _statuses(reader: Reader, problems: Problems) -> dict[str, str]:
    node = reader.keys.get("statuses")
    if node is None or not isinstance(node.value, dict):
        if node is not None and node.value != "":
            reader.wrong("statuses", f"'statuses' is {node.kind}", "a mapping of words",
                         "write `Blocked: deleted`")
        return {}
    words = Reader(node, problems, "statuses", node.value)
    return {word.lower(): words.choice(word, STATUSES) for word in node.value}


def mapping_text(mapping: SheetMapping, why: Mapping[str, str]) -> str:
    """The mapping as YAML to be reviewed; ``why`` says of a key or column whence it comes."""

    def line(key: str, value: str, about: str, indent: str = "") -> str:
        written = f"{indent}{key}: {value}".rstrip()
        return f"{written:<36} # {about}" if about else written

    price_max = format_nano(mapping.price_max_nano, 0)
    carried = ", ".join(mapping.carry_down)
    lines = [
        "# How this carrier's rate sheets are read. Written from a guess: review every line.",
        line("sheet", _quoted(mapping.sheet), "worksheet of a workbook"),
        line("header_row", str(mapping.header_row), "0: the first row with these headings"),
        "columns:",
        *(line(name, _quoted(heading), why.get(name, ""), "  ")
          for name, heading in mapping.columns.items()),
        line("kind", mapping.kind, why.get("kind") or "full (replaces) | amendment (changes)"),
        line("effective", mapping.effective,
             why.get("effective") or "rows without a day: above | always | YYYY-MM-DD"),
        line("date_order", mapping.date_order,
             why.get("date_order") or "how 01/02/2026 is meant: day_first | month_first"),
        line("end_date", mapping.end_date,
             why.get("end_date") or "what an end names: last_day | day_after"),
        line("decimal", mapping.decimal, why.get("decimal") or "point | comma"),
        line("currency", mapping.currency, why.get("currency") or "such as USD"),
        line("per", mapping.per, why.get("per") or "what a price is for: 60s | 1s | event"),
        line("increments", mapping.increments, "where the sheet names none, such as 60/6"),
        line("code_commas", mapping.code_commas,
             why.get("code_commas") or "how 44,770 is meant: list | thousands"),
        line("carry_down", f"[{carried}]", why.get("carry_down") or "columns whose blank cells "
             "repeat the cell above"),
        line("notice_days", str(mapping.notice_days), "agreed notice of an increase"),
        line("jump_times", str(mapping.jump_times), "flag prices that change more than so often"),
        line("price_max", price_max, "a dearer price is an error"),
        "statuses: {}                         # other words, such as {Blocked: deleted}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as YAML reads it back, whatever it holds: JSON strings are YAML."""
    return json.dumps(text, ensure_ascii=False) if text else '""'


@dataclass(frozen=True)
class Located:
    """A sheet with its columns found: ``index`` by field, and the rows below the headings."""

    sheet: Sheet
    header: SheetRow | None
    index: Mapping[str, int]
    rows: tuple[SheetRow, ...]

    def cell(self, row: SheetRow, name: str) -> str:
        """The cell of a field; empty where the sheet has no such column."""
        return row.cell(self.index.get(name, -1))


def normal(heading: str) -> str:
    """A heading as it is compared: letters and digits in lower case, single blanks between."""
    return " ".join(re.sub(r"[\W_]+", " ", heading.lower()).split())


def locate(sheets: tuple[Sheet, ...], mapping: SheetMapping, findings: Findings) -> Located | None:
    """The mapped columns in the file; None after an error was noted."""
    chosen = [sheet for sheet in sheets if mapping.sheet in ("", sheet.name)]
    if not chosen:
        names = ", ".join(f"'{sheet.name}'" for sheet in sheets) or "none that holds anything"
        findings.error(0, Fault("sheet", f"there is no worksheet '{mapping.sheet}'", names,
                                "correct `sheet` in the mapping"))
        return None
    tried = (_in_sheet(sheet, mapping) for sheet in chosen)
    for located in tried:
        if located is not None:
            return located
    _note_missing(chosen[0], mapping, findings)
    return None


def _in_sheet(sheet: Sheet, mapping: SheetMapping) -> Located | None:
    wanted = {name: normal(text) for name, text in mapping.columns.items()
              if not _NUMBERED.fullmatch(text)}  # fmt: skip
    numbered = {name: int(text[1:]) - 1 for name, text in mapping.columns.items()
                if name not in wanted}  # fmt: skip
    if not wanted and not mapping.header_row:
        return Located(sheet, None, numbered, sheet.rows)
    for position, row in enumerate(sheet.rows):
        if mapping.header_row not in (0, row.line):
            continue
        headings = [normal(cell) for cell in row.cells]
        if all(heading in headings for heading in wanted.values()):
            named = {name: headings.index(heading) for name, heading in wanted.items()}
            return Located(sheet, row, {**named, **numbered}, sheet.rows[position + 1 :])
    return None


def _note_missing(sheet: Sheet, mapping: SheetMapping, findings: Findings) -> None:
    """Names the row that has most of the headings, and what it lacks."""
    wanted = {normal(text): text for text in mapping.columns.values()
              if not _NUMBERED.fullmatch(text)}
    rows = [row for row in sheet.rows if mapping.header_row in (0, row.line)]
    best = max(rows, default=SheetRow(mapping.header_row, ()),
               key=lambda row: len({normal(cell) for cell in row.cells} & wanted.keys()))
    lacking = wanted.keys() - {normal(cell) for cell in best.cells}
    names = ", ".join(f"'{wanted[heading]}'" for heading in sorted(lacking))
    found = f"no column is headed {names}" if rows else "there is no such row"
    have = ", ".join(f"'{shown(cell)}'" for cell in best.cells if cell) or "nothing"
    findings.error(best.line, Fault("headings", found, have, "correct `columns` in the mapping, "
                                    "or make a new mapping if the carrier changed the sheet"))
