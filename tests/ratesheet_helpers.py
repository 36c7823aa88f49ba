"""What the tests of rate sheets share: sheets made up, and one import without the command."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import openpyxl
from click.testing import CliRunner, Result

from tariffs.ratesheet_deck import read_deck
from tariffs.ratesheet_guess import guess
from tariffs.ratesheet_import import import_sheet
from tariffs.ratesheet_merge import Merged
from tariffs.ratesheet_notes import Findings
from tariffs.ratesheet_read import read
from tollbook.cli.tariff_ratesheet import ratesheet_import
from tollbook.text import Problems

AS_OF: Final = "2026-11-22"
DECK_HEADER: Final = (
    "prefix,destination,price,increments,connect,minimum,valid_from,valid_to\n"
)
HEAD: Final = "Code,Destination,Price USD/min,Effective date,End date,Increments,Status\n"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(ratesheet_import, [str(word) for word in words])


def done(*words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.output


def workbook(*rows: tuple[Any, ...], cover: bool = False) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    if cover:
        sheet.append(["Blue Carrier Ltd"])
        sheet = book.create_sheet("Rates")
    for row in rows:
        sheet.append(row)
    if cover:
        hidden = book.create_sheet("Old")
        hidden.append(["Code", "Price", "Destination", "Increments"])
        hidden.sheet_state = "hidden"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def imported(
    path: Path, text: str, changed: dict[str, Any], deck: str = "", not_before: str = ""
) -> tuple[Merged | None, Findings]:
    path.write_text(text, encoding="utf-8")
    findings = Findings(path.name)
    sheets = read(path, findings)
    made = guess(sheets)
    assert made is not None
    mapping = replace(made.mapping, **{"kind": "amendment", **changed})
    problems = Problems()
    (path.parent / "deck.csv").write_text(DECK_HEADER + deck)
    rows = read_deck(path.parent / "deck.csv", problems)
    problems.refuse_if_any()
    found = import_sheet(sheets, mapping, rows, AS_OF, not_before, findings)
    findings.close()
    return found and found.merged, findings
