"""A file as its layout reads it, for people and other programs: no workspace, nothing is charged.

What a night would make of the file: the same readers, so the same rows and the same reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cdr import formats, layout
from cdr.layout import AnyLayout
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas, stage
from tollbook.errors import BrokenFile
from tollbook.text import Problems

LOOKED_AT: Final = 64 * 1024  # bytes of a file that are tried with a layout
# Columns that hold codes, and the words of the codes.
WORDS: Final = {
    "service": codes.SERVICES, "direction": codes.DIRECTIONS, "forward_reason": codes.FORWARDS,
}  # fmt: skip
_REASONS: Final = pa.array(
    [reasons.name_of(code) if code == 0 or code in reasons.BY_CODE else ""
     for code in range(max(reasons.BY_CODE) + 1)])  # fmt: skip
_FIELDS: Final = pa.array([*schemas.CDR.names, ""])
_LINE: Final = 2**32 - 1  # of a record's id; the rest is the number of its file
_DULL: Final = ("record", "byte_offset", "byte_length", "reason", "reason_field", "flags")


@dataclass(frozen=True)
class Fit:
    """How a layout fits a file: records of its beginning, and those that it cannot read."""

    layout: str
    records: int
    bad: int


def named(text: str) -> AnyLayout:
    """A layout that ships, or that of a file ``.yaml``; raises NotFound or Refused."""
    if not text.endswith((".yaml", ".yml")):
        return layout.shipped(text)
    problems = Problems()
    found = layout.load(Path(text), problems, text)
    problems.refuse_if_any()
    assert found is not None  # load gives None only after noting a problem
    return found


def results(path: Path, found: AnyLayout, zone: str) -> Iterator[stage.StageResult]:
    """The file's batches with the bytes of bad rows. Raises BrokenFile.

    ``zone``: the time zone for times that name none.
    """
    reader = formats.reader(found.kind)
    context = reader.prepare(found, reader.identify(path, found), zone, zone, 0, 0)
    for block in reader.blocks(path, found):
        yield reader.decode(block, context)


def fits(path: Path) -> list[Fit]:
    """The layouts of text that ship and that read most records of the file's beginning; best first.

    At least one record must be a call, so that a layout that passes all rows over does not fit.
    """
    found = []
    for name in layout.SHIPPED:
        one = layout.shipped(name)
        if not isinstance(one, Layout):
            continue
        try:
            count = _tried(path, one)
        except BrokenFile:
            continue  # its head is not that of a file of this layout
        reason = count.column("reason").to_pylist()
        bad = sum(reasons.BY_CODE[code].disposition == codes.SUSPENDED for code in reason if code)
        if 0 in reason and 2 * bad < len(reason):
            found.append(Fit(name, len(reason), bad))
    return sorted(found, key=lambda fit: (fit.bad * 1000 // fit.records, fit.layout))


def _tried(path: Path, one: Layout) -> pa.RecordBatch:
    reader = formats.reader(one.kind)
    context = reader.prepare(one, reader.identify(path, one), "UTC", "UTC", 0, 0)
    with closing(reader.blocks(path, one, LOOKED_AT)) as blocks:
        for block in blocks:
            batch: pa.RecordBatch = reader.decode(block, context).batch
            return batch
    return pa.RecordBatch.from_pylist([], schemas.CDR)


def readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with words for codes: reasons by name, and the number of the record in its file."""
    columns: dict[str, pa.Array] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name == "record_id":
            columns["record"] = pa.array(column.to_numpy() & _LINE)
        elif field.name in WORDS:
            columns[field.name] = pa.array(WORDS[field.name]).take(column)
        elif field.name == "reason":
            columns["reason"] = _REASONS.take(column)
        elif field.name == "reason_field":
            columns["reason_field"] = _FIELDS.take(pa.array(column.to_numpy() % len(_FIELDS)))
        elif field.name != "source_index":
            columns[field.name] = column
    return pa.RecordBatch.from_pydict(columns)


def numbered(rejected: pa.RecordBatch) -> pa.RecordBatch:
    """The bytes of bad rows with the number of the record in its file."""
    columns = {"record": pa.array(rejected.column("record_id").to_numpy() & _LINE)}
    columns |= {name: rejected.column(name) for name in ("raw_value", "raw_record")}
    return pa.RecordBatch.from_pydict(columns)


def records(path: Path, found: AnyLayout, zone: str) -> Iterator[dict[str, Any]]:
    """Every record as what is known of it: its place, its values, its reason and its bytes if bad.

    ``values`` has what is neither 0 nor empty; times are ISO 8601.
    """
    for result in results(path, found, zone):
        raw = {}
        if result.rejected is not None:
            raw = {row["record_id"] & _LINE: row for row in result.rejected.to_pylist()}
        for row in readable(result.batch).to_pylist():
            shown = {name: value for name, value in row.items()
                     if name not in _DULL and value not in (0, "", "none", "unknown")}
            if "start_utc_s" in shown:
                shown["start"] = in_words(row["start_utc_s"], row["utc_offset_s"])
            shown = {name: value for name, value in shown.items()
                     if name not in ("start_utc_s", "utc_offset_s")}
            one = {"record": row["record"], "at": row["byte_offset"], "size": row["byte_length"],
                   "reason": row["reason"], "field": row["reason_field"], "values": shown}
            if row["record"] in raw:
                one["raw_value"] = raw[row["record"]]["raw_value"]
                one["raw_record"] = raw[row["record"]]["raw_record"]
            yield one


def in_words(utc_s: int, offset_s: int) -> str:
    """``2003-06-10T06:59:50+08:00``."""
    local = datetime.fromtimestamp(utc_s, UTC).astimezone(timezone(timedelta(seconds=offset_s)))
    return local.isoformat()
