"""A rate sheet as rows of text: CSV in whatever encoding and delimiter it came, or a workbook.

Carriers' files are not ours to dictate, so encoding and delimiter are found out and said. Cells
keep the text that the file holds; what it means is decided with a mapping (``ratesheet_mapping``).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final

from tariffs.ratesheet_notes import Fault, Findings
from tariffs.ratesheet_rows import (
    COLUMNS_LIMIT,
    READABLE,
    ROWS_LIMIT,
    Sheet,
    SheetRow,
    tidy,
    too_large,
)
from tollbook import csv_faults

FILE_LIMIT_BYTES: Final = 64 * 2**20
_DELIMITERS: Final = (",", ";", "\t", "|")
_DELIMITER_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LINES_TRIED: Final = 200  # to find the delimiter
_ZIP: Final = b"PK\x03\x04"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"  # .xls, and any workbook with a password
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip


def read(path: Path, findings: Findings) -> tuple[Sheet, ...]:
    """Every table of the file: one of a CSV, one of each visible worksheet; none after an error."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= FILE_LIMIT_BYTES else b""
    except OSError as error:
        findings.error(0, Fault("file", f"the file cannot be read ({error.strerror})",
                                "a readable file", "correct its name"))
        return ()
    if size > FILE_LIMIT_BYTES:
        findings.error(0, Fault("file", f"the file has {size} bytes",
                                f"at most {FILE_LIMIT_BYTES} bytes", "split the sheet"))
        return ()
    if data.startswith(_OLD_OFFICE):
        findings.error(0, Fault("file", "an old Excel workbook (.xls), or one with a password",
                                READABLE, "open it and save it as .xlsx without a password"))
        return ()
    if data.startswith(_ZIP):
        from tariffs.ratesheet_workbook import read_workbook

        return read_workbook(data, findings)
    sheet = _read_csv(data, findings)
    return () if sheet is None else (sheet,)


def _read_csv(data: bytes, findings: Findings) -> Sheet | None:
    encoding, text = _decoded(data)
    if "\0" in text[:4096]:
        findings.error(0, Fault("file", "binary data", READABLE, "ask for the sheet as CSV"))
        return None
    delimiter = _delimiter(text)
    rows: list[SheetRow] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if kept := tidy(cells):
                rows.append(SheetRow(line, kept))
            line = reader.line_num + 1
            if len(cells) > COLUMNS_LIMIT or len(rows) > ROWS_LIMIT:
                findings.error(line - 1, too_large())
                return None
    except csv.Error as error:
        found, do = f"this is not CSV: {error}", "look for a quote within a cell; write it twice"
        if "unexpected end" in str(error):
            found, _, do = csv_faults.OPEN_QUOTE
        findings.error(line, Fault("csv", found, READABLE, do))
        return None
    how = f"CSV, {encoding}, separated by {_DELIMITER_NAMES[delimiter]}"
    return Sheet(findings.file, "", tuple(rows), how)


def _decoded(data: bytes) -> tuple[str, str]:
    """The encoding and the text. Every byte is a letter of Latin-1, so something always fits."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, data.decode(encoding, "replace")
    head = data[:1024]
    if head.count(0) * 3 > len(head):  # every other byte of Latin text in UTF-16
        encoding = "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
        return encoding, data.decode(encoding, "replace")
    try:
        return "utf-8", data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1", data.decode("latin-1")


def _delimiter(text: str) -> str:
    """The delimiter under which most of the first rows have the same number of cells, above one."""
    best, score = ",", 0
    head = "".join(islice(io.StringIO(text), _LINES_TRIED))
    for delimiter in _DELIMITERS:
        widths: Counter[int] = Counter()
        try:
            for cells in csv.reader(io.StringIO(head), delimiter=delimiter):
                widths[len(cells)] += len(cells) > 1
        except csv.Error:
            continue
        width, rows = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        if rows * width > score:
            best, score = delimiter, rows * width
    return best
