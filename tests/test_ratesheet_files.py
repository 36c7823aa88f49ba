"""Files that carriers send, read in whatever form they came; and decks as files for partners."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ratesheet_helpers import AS_OF, DECK_HEADER, done, run, workbook

from tariffs.ratesheet_guess import guess
from tariffs.ratesheet_import import import_sheet
from tariffs.ratesheet_notes import Findings
from tariffs.ratesheet_read import read
from tariffs.ratesheet_rows import NumberCell
from tariffs.ratesheet_workbook import PARTS_LIMIT
from tollbook.cli.tariff_ratesheet import ratesheet_export

TABLE = "Code,Destination,Price\n44,Großbritannien,0.01\n"
ENCODINGS = [
    ("utf-8", "\t", "CSV, utf-8, separated by tab"),
    ("utf-8-sig", ";", "CSV, utf-8-sig, separated by semicolon"),
    ("utf-16", ",", "CSV, utf-16, separated by comma"),
    ("utf-16-le", ",", "CSV, utf-16-le, separated by comma"),
    ("utf-16-be", "|", "CSV, utf-16-be, separated by bar"),
    ("latin-1", ",", "CSV, latin-1, separated by comma"),
]


@pytest.mark.parametrize(("encoding", "delimiter", "how"), ENCODINGS)
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str, how: str) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(TABLE.replace(",", delimiter).replace("\n", "\r\n").encode(encoding))
    (sheet,) = read(path, Findings("sheet.csv"))
    assert [tuple(row.cells) for row in sheet.rows] == [
        ("Code", "Destination", "Price"), ("44", "Großbritannien", "0.01")
    ]  # fmt: skip
    assert sheet.how == how


def test_a_workbook(tmp_path: Path) -> None:
    """Numbers keep every digit; dates are dates; the sheet with rates is found; codes in text."""
    path = tmp_path / "sheet.xlsx"
    made = workbook(
        ("Code", "Destination", "Price USD/min", "Effective", "End date", "Increments"),
        (447700, "UK Mobile", 0.3, date(2026, 12, 1), datetime(2026, 12, 31), "60/6"),
        ("'0044", "UK", 0.00001, 46357, None, None),
        (None, None, None, None, None, None),
        (336.0, "France", 1, datetime(2026, 12, 1, 0, 0), None, 6),
        cover=True,
    )  # fmt: skip
    path.write_bytes(_edited(made, RATES, b"<v>0.3</v>", b"<v>0.30000000000000004</v>"))
    deck = tmp_path / "deck.csv"
    output = done(path, "--yes", "--kind", "full", "--as-of", AS_OF, "--out", deck)
    assert deck.read_text() == DECK_HEADER + (
        "336,France,1.00,6/6,,,2026-12-01,\n"
        "44,UK,0.00001,,,,2026-12-01,\n"
        "447700,UK Mobile,0.30,60/6,,,2026-12-01,2027-01-01\n"
    )
    assert "XLSX, worksheet 'Rates': 3 rows" in output
    assert "sheet.xlsx:2: '0.30000000000000004' -> 0.30" in output
    assert "sheet.xlsx:3: '46357' -> 2026-12-01" in output
    (_, rates) = read(path, Findings(""))
    assert isinstance(rates.rows[1].cell(0), NumberCell)
    assert not isinstance(rates.rows[2].cell(0), NumberCell)


def test_control_characters_do_not_get_through(tmp_path: Path) -> None:
    path, deck = tmp_path / "sheet.csv", tmp_path / "deck.csv"
    words = (path, "--yes", "--kind", "full", "--effective", "2026-12-01", "--out", deck)
    good = "Code,Destination,Price \x1b\n44,U\x1b[31mK\x07,0.1\n"
    path.write_text(f"{good}45,DK,x\x1b\n")
    output = run(*words).output
    assert "the price is 'x'" in output
    assert not {"\x1b", "\x07"} & set(output)
    path.write_text(good)
    done(*words)
    assert deck.read_text() == DECK_HEADER + "44,U [31mK,0.10,,,,2026-12-01,\n"


def _zip(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def _edited(made: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A workbook with a part of it written otherwise."""
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    assert old in parts[name]
    return _zip({**parts, name: parts[name].replace(old, new)})


def _swollen(made: bytes, size: int) -> bytes:
    """The archive with another size of its first part, as its directory at the end states it."""
    at = made.index(b"PK\x01\x02") + 24
    return made[:at] + struct.pack("<L", size) + made[at + 4 :]


SHEET, RATES = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"
SMALL = workbook(("Code", "Price"), ("44", 1))
UNREADABLE = [
    ("an old workbook", b"\xd0\xcf\x11\xe0rest", "an old Excel workbook (.xls)"),
    ("a bomb of zeros", _swollen(SMALL, 2**28), "unpacks to 9 parts of 26"),
    ("a bomb of parts", _zip({f"{n}.xml": b"" for n in range(PARTS_LIMIT + 1)}), "2001 parts"),
    ("entities", _edited(SMALL, SHEET, b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet'),
     "defines a document type"),
    ("a far cell", _edited(SMALL, SHEET, b'r="B2"', b'r="ZZ2"'), "larger than any rate sheet"),
    ("broken XML", _edited(SMALL, SHEET, b"</worksheet>", b"<"), "the workbook is damaged"),
    ("no workbook", _zip({"a.txt": b"text"}), "the workbook is damaged"),
    ("half an archive", workbook(("Code", "Price"))[:2000], "the workbook is damaged"),
    ("binary data", b"\x89PNG\r\n\x00\x01\x02", "binary data"),
    ("an open quote", b'Code,Price\n"44,1\n45,2\n', "xlsx:2: a quote opens here and never closes"),
    ("a quote within a cell", b'Code,Price\n"4"4,1\n', "this is not CSV"),
    ("too many columns", b"," * 300 + b"x\n", "larger than any rate sheet"),
]


@pytest.mark.parametrize(("data", "found"), [case[1:] for case in UNREADABLE],
                         ids=[case[0] for case in UNREADABLE])
def test_what_is_no_sheet_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "sheet.xlsx"
    path.write_bytes(data)
    result = run(path, "--yes", "--kind", "full")
    assert result.exit_code == 1
    assert found in result.output
    assert "1 error, 0 warnings; nothing was written" in result.output


PIECES = ("Code", "Price", "Status", "End date", "Increments", "44", "0.1", "1/1/26", '"', ",", ";",
          "\n", "\r", "\0", "é", "new", "deleted", "total", "full", " ")  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(st.binary(max_size=200) | TEXTS.map(lambda text: f"Code,Price\n{text}".encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    findings = Findings("sheet")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sheet"
        path.write_bytes(data)
        sheets = read(path, findings)
    assert (len(sheets) == 1) == (findings.errors == 0)
    made = guess(sheets)
    if made is not None:
        import_sheet(sheets, replace(made.mapping, kind="full"), [], AS_OF, "", findings)


def test_export(tmp_path: Path) -> None:
    deck, sheet = tmp_path / "deck.csv", tmp_path / "out.csv"
    deck.write_text(DECK_HEADER + "33,=FR(1),0.10,60/6,0.05,,,2026-12-01\n"
                    "33,=FR(1),0.12,60/6,0.05,,2026-12-01,\n44,UK,0.10,,,,2026-01-01,2027-01-01\n"
                    "447,UK,0.10,,,,2026-01-01,2027-01-01\n")  # fmt: skip
    runner = CliRunner()

    def exported(*words: str) -> list[str]:
        result = runner.invoke(ratesheet_export, [
            str(deck), "--out", str(sheet), "--currency", "EUR", *words
        ])  # fmt: skip
        assert result.exit_code == 0, result.output
        return sheet.read_text().splitlines()

    assert exported("--group") == [
        "Code,Destination,Price EUR/min,Increments,Connection fee,Minimum charge,"
        "Effective date (empty: always),End date (last day),Status",
        "33,'=FR(1),0.10,60/6,0.05,,,,New",
        "33,'=FR(1),0.12,60/6,0.05,,2026-12-01,,Increase",
        '"44, 447",UK,0.10,,,,2026-01-01,2026-12-31,New',
    ]
    assert exported("--from", "2026-12-01")[1:] == [
        "33,'=FR(1),0.12,60/6,0.05,,2026-12-01,,Increase",
        "44,UK,0.10,,,,2026-01-01,2026-12-31,No change",
        "447,UK,0.10,,,,2026-01-01,2026-12-31,No change",
    ]
    assert exported("--kind", "amendment", "--from", "2026-12-01", "--until", "2027-01-01")[1:] == [
        "33,'=FR(1),0.12,60/6,0.05,,2026-12-01,,Increase"
    ]
    assert exported("--kind", "amendment", "--from", "2026-12-02", "--group")[1:] == [
        '"44, 447",UK,,,,,2027-01-01,,Deleted'
    ]


EXPORTS_REFUSED = [
    ("--out x.csv --currency EUR --kind amendment", "an amendment needs --from"),
    ("--out x.pdf --currency EUR", "'x.pdf' is neither .csv nor .xlsx; write for example x.xlsx"),
    ("--out x --currency EUR", "'x' is neither .csv nor .xlsx"),
    ("--out x.csv", "Missing option '--currency'"),
    ("--out x.csv --currency euro", "'euro' is no currency"),
]


@pytest.mark.parametrize(("words", "found"), EXPORTS_REFUSED)
def test_exports_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    deck = tmp_path / "deck.csv"
    deck.write_text(DECK_HEADER + "33,France,0.10,,,,,\n")
    result = CliRunner().invoke(ratesheet_export, [str(deck), *words.split()])
    assert result.exit_code == 2
    assert found in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["deck.csv"]


def test_codes_of_an_exported_workbook_are_text(tmp_path: Path) -> None:
    deck, sheet = tmp_path / "deck.csv", tmp_path / "out.xlsx"
    again = tmp_path / "again.xlsx"
    deck.write_text(DECK_HEADER + "447700,=UK(1),0.10,1/1,,,2026-12-01,\n")
    for name in (sheet, again):
        CliRunner().invoke(ratesheet_export, [
            str(deck), "--out", str(name), "--currency", "EUR"
        ])  # fmt: skip
    assert sheet.read_bytes() == again.read_bytes()
    book = openpyxl.load_workbook(sheet)
    cells = book.active[2]
    assert [(cell.value, cell.data_type) for cell in cells[:4]] == [
        ("447700", "s"), ("=UK(1)", "s"), (0.1, "n"), ("1/1", "s")
    ]  # fmt: skip
    assert cells[6].value == datetime(2026, 12, 1)
