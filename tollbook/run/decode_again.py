"""Suspended records that could not be decoded, decoded again once a person has corrected them.

The record's bytes (its own, or corrected ones) go through the layout of its source once more. The
columns of the layout that feed a corrected field are left out: their text is what was wrong. All
others are read as in the night, so that a second fault cannot hide behind the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cdr import delimited, formats
from cdr.layout import AnyLayout
from cdr.layout_fields import FIELDS
from cdr.layout_types import Layout
from tollbook import codes, reasons, schemas
from tollbook.errors import BrokenFile
from tollbook.run.correctable import escaped
from tollbook.run.data import Data
from tollbook.run.session import INBOX, Session

# Column of suspense -> column of schemas.CDR, where the two have different names.
_DECODED: Final = {"forward": "forward_reason"}
_WORDS: Final = {
    "service": codes.SERVICES, "direction": codes.DIRECTIONS, "forward": codes.FORWARDS,
}  # fmt: skip
_PLACE: Final = ("record_id", "byte_offset", "byte_length", "source", "flags")
_NOTHING_READ: Final = ("record_unreadable", "encoding_unknown")
_QUANTITIES: Final = {
    codes.SECONDS: ("duration_s",), codes.BYTES: ("up_bytes", "down_bytes"),
    codes.EVENTS: ("event_count",),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """Why a record is still no record, in the words of a problem."""

    found: str
    allowed: str
    do: str


@dataclass
class Decoder:
    """Decodes single records; what belongs to a file is prepared once."""

    session: Session
    data: Data
    _prepared: dict[tuple[int, frozenset[str]], Any] = field(default_factory=dict)

    def decode(
        self, row: Mapping[str, Any], raw: bytes, corrected: Mapping[str, Any]
    ) -> dict[str, Any] | Fault:
        """The record's columns as suspense names them.

        row: the row of suspense. raw: the bytes to decode. corrected: values that take the place of
        those in the bytes.
        """
        layout = self._layout(row["source"])
        if layout is None:
            return Fault(f"its source '{row['source']}' is not in operator.yaml",
                         "a source of operator.yaml", "put the source back, or discard the record")
        if not isinstance(layout, Layout):  # native records are nothing without their file
            return taken_as_it_is(row, raw, corrected)
        file_number, line = row["record_id"] >> 32, row["record_id"] & 0xFFFFFFFF
        try:
            context = self._context(file_number, layout, frozenset(corrected))
        except (BrokenFile, OSError) as error:
            return Fault(f"its file's head cannot be read ({error})", "the file in the inbox",
                         "put the file back, or discard the record")
        data = raw if layout.record_bytes else raw + b"\n"
        block = delimited.block_of(data, layout, row["byte_offset"], line)
        decoded = formats.reader(layout.kind).decode(block, context)
        if decoded.batch.num_rows != 1:
            return Fault(f"the corrected bytes are {decoded.batch.num_rows} records",
                         "one record", "write raw_record without line ends outside of quotes")
        found: dict[str, Any] = decoded.batch.to_pylist()[0]
        if found["reason"]:
            return _fault(found, decoded.rejected)
        return _columns(row, found) | dict(corrected)

    def _layout(self, source: str) -> AnyLayout | None:
        names = [one.name for one in self.data.workspace.sources]
        return self.data.layouts[names.index(source)] if source in names else None

    def _context(self, file_number: int, layout: Layout, corrected: frozenset[str]) -> Any:
        key = (file_number, corrected)
        if key not in self._prepared:
            file = self.session.catalogue.file(file_number)
            path = self.session.root / INBOX / file.source / file.name
            self._prepared[key] = self._prepare(path, file.source, file_number,
                                                without(layout, corrected), layout)  # fmt: skip
        return self._prepared[key]

    def _prepare(
        self, path: Path, source: str, file_number: int, fewer: Layout, layout: Layout
    ) -> Any:
        space, reader = self.data.workspace, formats.reader(layout.kind)
        place = [one.name for one in space.sources].index(source)
        return reader.prepare(
            fewer, reader.identify(path, layout), space.sources[place].time_zone,
            space.operator.time_zone, place, file_number,
        )  # fmt: skip


def without(layout: Layout, corrected: frozenset[str]) -> Layout:
    """The layout without the columns that feed the corrected columns of suspense."""
    dropped = {_DECODED.get(name, name) for name in corrected}
    kept = tuple(one for one in layout.columns if FIELDS[one.field].column not in dropped)
    return replace(layout, columns=kept)


def _columns(row: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A row of schemas.CDR as columns of suspense; its place in the file stays what it was."""
    columns = {}
    for name in row:
        source = _DECODED.get(name, name)
        if source not in schemas.CDR.names or name in (*_PLACE, "reason", "reason_field"):
            continue
        value = found[source]
        columns[name] = _WORDS[name][value] if name in _WORDS else value
    columns["flags"] = row["flags"] | found["flags"]
    return columns


def _fault(found: Mapping[str, Any], rejected: pa.RecordBatch | None) -> Fault:
    """What is wrong with the record although it was corrected."""
    reason = reasons.BY_CODE[found["reason"]]
    at = found["reason_field"]
    where = f" in {schemas.CDR.names[at]}" if at >= 0 else ""
    raw = rejected.column("raw_value")[0].as_py() if rejected is not None else b""
    shown = f": '{escaped(raw)[:100]}'" if raw else ""
    if reason.disposition == codes.DISCARDED:
        return Fault(f"corrected so, the night would discard it as {reason.name}",
                     "a record that is charged", "discard it, or correct it otherwise")
    return Fault(f"it still is {reason.name}{where}{shown}", "a record without such a fault",
                 "correct that field as well" if at >= 0 else "correct raw_record")


def taken_as_it_is(
    row: Mapping[str, Any], raw: bytes, corrected: Mapping[str, Any]
) -> dict[str, Any] | Fault:
    """For formats whose single records cannot be decoded apart: what was read of the record, and
    what was corrected, must be a whole record together."""
    if row["reason"] in _NOTHING_READ:
        return Fault(f"it is {row['reason']}: nothing of it could be read", "a record of which at "
                     "least its kind is known", "discard it, and ask its source for the file again")
    if raw != row["raw_record"]:
        return Fault("raw_record is corrected, and a record of this format is not read apart from "
                     "its file", "fields of the record", "correct its fields")
    whole = dict(row) | dict(corrected)
    missing = [
        name for name, nothing in (
            ("service", codes.SERVICES[0]), ("direction", codes.DIRECTIONS[0]), ("served_raw", ""),
            ("start_utc_s", 0),
        ) if whole[name] == nothing
    ]  # fmt: skip
    quantities = _QUANTITIES.get(codes.QUANTITY_UNIT.get(codes.SERVICE_CODE[whole["service"]], 0))
    if quantities and not any(whole[name] for name in quantities):
        missing.append(" or ".join(quantities))
    if missing:
        return Fault(f"it could not be decoded, and has no {', '.join(missing)}",
                     "a whole record", f"correct {', '.join(missing)} as well")
    return dict(corrected)
