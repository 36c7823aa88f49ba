"""Suspense as a CSV file that a clerk repairs in any editor, and back.

``write`` shows one row a record, ``read`` finds out which cells were changed: those are the
corrections, and nothing else is. A spreadsheet neither runs nor rewrites a cell
(``outputs.protected``), and a row that was exported before somebody else acted on its record is
refused, not applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tollbook import outputs
from tollbook.errors import TollbookError, printable
from tollbook.run import suspended
from tollbook.run.correctable import FIELDS, escaped
from tollbook.run.corrections import Change
from tollbook.run.records import parse_record, record_text
from tollbook.run.session import Session
from tollbook.run.suspended import Choice
from tollbook.text import FILE_LIMIT_BYTES, Problems, Row, load_csv

RECORD, CHECK, NOTE = "record", "check", "note"
ROWS_AT_ONCE: Final = 10_000  # that are Python objects while a file is written
LINES_MAX: Final = 100_000  # of a file that is imported: its rows, and its problems, take memory
TOLD: Final = ("reason", "field", "found")  # for the reader; nobody changes them
_OURS: Final = (RECORD, CHECK, "reason", "field")  # words that no record brought along
HEADER: Final = (RECORD, CHECK, *TOLD, *FIELDS, NOTE)


def write(session: Session, choice: Choice, path: Path) -> int:
    """Write the chosen records; gives how many. Raises TollbookError if the file is there."""
    if path.exists():
        raise TollbookError(f"{path}: the file is there already\n    allowed: a new file\n"
                            "    do: name another, or move it away")  # fmt: skip
    return outputs.write_csv(path, HEADER, _rows(session, choice), HEADER)


def _rows(session: Session, choice: Choice) -> Iterator[list[str]]:
    for batch in suspended.in_order(session, choice).to_batches(ROWS_AT_ONCE):
        for row in batch.to_pylist():
            cells = _cells(row)
            yield [cells[name] if name in _OURS else outputs.protected(cells[name])
                   for name in HEADER]  # fmt: skip


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of suspense as the texts of a row of the file."""
    shown = {name: field.show(row) for name, field in FIELDS.items()}
    told = {"reason": row["reason"], "field": row["field"], "found": escaped(row["raw_value"])}
    content = "\0".join([*told.values(), *shown.values()])
    check = f"v{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    return {RECORD: record_text(row["record_id"]), CHECK: check} | told | shown | {NOTE: ""}


def read(session: Session, path: Path, note: str, problems: Problems) -> list[Change]:
    """The changes that a file asks for; what is wrong with it is noted, all of it.

    note: for rows that have none of their own.
    """
    if _is_too_long(path, problems):
        return []
    rows: dict[int, Row] = {}
    for row in load_csv(path, (RECORD, CHECK), HEADER[2:], problems, path.name):
        record = _record(row, problems)
        if record is None:
            continue
        if record in rows:
            problems.add(row.at, f"{row[RECORD]} stands on line {rows[record].line} too",
                         "every record once", "remove one of the rows")
        else:
            rows[record] = row
    wanted, found = Choice(record_ids=tuple(rows)), []
    for _, table in suspended.tables(session) if rows else ():
        for stored in table.filter(wanted.mask(table)).to_pylist():
            row = rows.pop(stored["record_id"])
            values = _changed(row, _cells(stored), problems)
            if values:
                found.append(Change(stored["record_id"], values,
                                    outputs.bare(row[NOTE]) or note, row.at))  # fmt: skip
    for row in rows.values():
        problems.add(row.at, f"{outputs.bare(row[RECORD])} is not in suspense",
                     "records that wait: `tollbook suspense show`", "remove the row")
    return found


def _is_too_long(path: Path, problems: Problems) -> bool:
    """Whether the file has more lines than are taken at once; notes it."""
    if path.stat().st_size > FILE_LIMIT_BYTES:
        return False  # load_csv refuses it unread
    lines = path.read_bytes().count(b"\n")
    if lines > LINES_MAX:
        problems.add((path.name, 0), f"the file has {lines:,} lines", f"at most {LINES_MAX:,}",
                     "remove the rows that nobody changed, or split the file")
    return lines > LINES_MAX


def _record(row: Row, problems: Problems) -> int | None:
    """The row's record; None after a problem was noted."""
    try:
        return parse_record(outputs.bare(row[RECORD]))
    except TollbookError:
        problems.add(row.at, f"'{printable(row[RECORD][:100])}' is no record",
                     "file and line such as F17-204", "leave the column as it was exported")
        return None


def _changed(row: Row, stored: Mapping[str, str], problems: Problems) -> dict[str, str]:
    """Field -> new value, of the cells that are not as they were exported."""
    if outputs.bare(row[CHECK]) != stored[CHECK]:
        problems.add(row.at, f"{stored[RECORD]} is not as it was exported: somebody has corrected "
                     "or retried it since, or its column 'check' was changed",
                     "rows of a fresh export", "export it again, and correct it there")
        return {}
    cells = {name: outputs.bare(cell) for name, cell in row.cells.items()}
    for name in TOLD:
        if cells.get(name, stored[name]) != stored[name]:
            problems.add(row.at, f"{stored[RECORD]}: '{name}' is changed to "
                         f"'{printable(cells[name][:100])}'", f"changes of {', '.join(FIELDS)}",
                         f"write {stored[name]!r} again")
    return {name: cells[name] for name in FIELDS if cells.get(name, stored[name]) != stored[name]}
