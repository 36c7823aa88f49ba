"""XLSX workbooks: read as rows of text within limits, and written so that codes stay codes.

A workbook is a ZIP archive of XML that comes from outside. Before it is opened its parts are
counted, their sizes added up and document type definitions refused, so that neither a ZIP bomb nor
an XML bomb unfolds; rows are then streamed, and cells beyond the limits refused.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from tariffs.ratesheet_notes import Fault, Findings, shown
from tariffs.ratesheet_rows import (
    COLUMNS_LIMIT,
    READABLE,
    ROWS_LIMIT,
    NumberCell,
    Sheet,
    SheetRow,
    tidy,
    too_large,
)

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

PARTS_LIMIT: Final = 2_000
UNPACKED_LIMIT_BYTES: Final = 256 * 2**20
_CELLS_LIMIT: Final = 20_000_000  # empty ones between filled ones included
_CHUNK: Final = 2**20
_DOCTYPE: Final = b"<!DOCTYPE"
_PACKED_AT: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP archive can hold


def read_workbook(data: bytes, findings: Findings) -> tuple[Sheet, ...]:
    """The visible worksheets that hold anything; none after an error was noted."""
    import openpyxl

    try:
        fault = _unfit(data)
        if fault is not None:
            findings.error(0, fault)
            return ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on extensions that do not concern cells
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            try:
                return _sheets(book, findings)
            finally:
                book.close()
    except Exception as error:  # whatever openpyxl meets in a damaged file
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        findings.error(0, Fault("workbook", f"the workbook is damaged ({what[:200]})", READABLE,
                                "open it in a spreadsheet program and save it again"))
        return ()


def _unfit(data: bytes) -> Fault | None:
    """Why the archive must not be opened as a workbook."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        size = sum(part.file_size for part in parts)
        if len(parts) > PARTS_LIMIT or size > UNPACKED_LIMIT_BYTES:
            return Fault("bomb", f"the workbook unpacks to {len(parts)} parts of {size} bytes",
                         f"at most {PARTS_LIMIT} parts of {UNPACKED_LIMIT_BYTES} bytes in all",
                         "save the sheet of rates alone, or as CSV")
        for part in parts:
            if part.filename.endswith((".xml", ".rels")) and _has_doctype(archive, part):
                return Fault("doctype", f"{part.filename} defines a document type",
                             "a workbook as spreadsheet programs write it",
                             "ask for another copy: this one was not made by such a program")
    return None


def _has_doctype(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            window = tail + chunk.replace(b"\0", b"")  # UTF-16 too
            if _DOCTYPE in window:
                return True
            tail = window[-len(_DOCTYPE):]
    return False


def _sheets(book: Workbook, findings: Findings) -> tuple[Sheet, ...]:
    sheets, cells_seen = [], 0
    for worksheet in book.worksheets:
        if worksheet.sheet_state != "visible":
            continue
        worksheet.reset_dimensions()  # what a file says of its own size may be anything
        rows: list[SheetRow] = []
        for line, values in enumerate(worksheet.iter_rows(values_only=True), start=1):
            cells_seen += len(values)
            cells = tidy([_text(value) for value in values])
            if cells:
                rows.append(SheetRow(line, cells))
            if len(cells) > COLUMNS_LIMIT or len(rows) > ROWS_LIMIT or cells_seen > _CELLS_LIMIT:
                findings.error(line, too_large())
                return ()
        if rows:
            how = f"XLSX, worksheet '{shown(worksheet.title)}'"
            sheets.append(Sheet(findings.file, worksheet.title, tuple(rows), how))
    return tuple(sheets)


def _text(value: Any) -> str:
    """A cell as text; numbers by their shortest decimal text, never by what they display."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M:%S")
    if isinstance(value, Real):
        text = repr(value)
        return NumberCell(f"{Decimal(text):f}" if "e" in text else text)
    return str(value)


def workbook_bytes(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str | Decimal | date]]
) -> bytes:
    """A workbook of one worksheet; the same rows give the same bytes.

    A text is a text cell whatever it looks like, so that a program neither drops zeros nor makes
    exponents, dates or formulas of codes; decimals and dates are numbers and dates.
    """
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"

    text, number, day = (WriteOnlyCell(sheet) for _ in range(3))
    text.number_format, number.number_format, day.number_format = "@", "0.00#######", "yyyy-mm-dd"

    def cells(row: Sequence[str | Decimal | date]) -> Iterator[Any]:
        # A cell is written before the next one is asked for, so that three of them do for all.
        for value in row:
            if value == "":
                yield None
            elif isinstance(value, str):
                text.value, text.data_type = value, "s"
                yield text
            else:
                cell = day if isinstance(value, date) else number
                cell.value = value
                yield cell

    sheet.append(list(header))
    for row in rows:
        sheet.append(cells(row))
    target = io.BytesIO()
    book.save(target)
    return _without_times(target.getvalue(), book)


def _without_times(data: bytes, book: Workbook) -> bytes:
    """The archive without the moment at which it was written."""
    target = io.BytesIO()
    moments = {
        moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        for moment in (book.properties.created, book.properties.modified) if moment is not None
    }  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(data)) as source, \
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in source.infolist():
            content = source.read(part)
            if part.filename == "docProps/core.xml":
                for moment in moments:
                    content = content.replace(moment, b"1980-01-01T00:00:00Z")
            packed.writestr(zipfile.ZipInfo(part.filename, _PACKED_AT), content,
                            zipfile.ZIP_DEFLATED)
    return target.getvalue()
