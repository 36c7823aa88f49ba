"""Fixed-width and JSON-lines records once more, naively: one line, one column after the other.

What a field means is read by ``reference_decode``, which shares no code with the kernels; JSON is
read by ``json.loads``, with decimals as ``Decimal``.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import reference_decode as naive

from cdr.delimited_spec import Resolved
from cdr.layout_types import Layout
from tollbook import codes, reasons

Decoded = tuple[list[dict[str, Any]], list[tuple[int, bytes, bytes]], dict[str, int]]


def fixed(data: bytes, layout: Layout, zones: dict[str, str]) -> Decoded:
    """As ``reference_decode.decode``; records by line, or of ``record_bytes`` each."""
    made = Made(layout, zones)
    if layout.record_bytes:
        size = layout.record_bytes
        for number, at in enumerate(range(0, len(data), size), 1):
            text = data[at : at + size]
            is_end = len(text) < size and not text.strip(b"\r\n\x1a")
            made.fixed(data, at, at if is_end else at + len(text), number)
        return made.decoded()
    for number, at, text in lines_of(data):
        made.fixed(data, at, at + len(text), number)
    return made.decoded()


def json_lines(data: bytes, layout: Layout, zones: dict[str, str]) -> Decoded:
    made = Made(layout, zones)
    for number, at, text in lines_of(data):
        made.json(data, at, text, number)
    return made.decoded()


def lines_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """Number, place and text of each line."""
    found, at = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if line or data.count(b"\n") >= number:
            found.append((number, at, line.removesuffix(b"\r")))
        at += len(line) + 1
    return found


class Made:
    def __init__(self, layout: Layout, zones: dict[str, str]) -> None:
        self.layout, self.zones = layout, zones
        self.resolved = tuple(Resolved(column, i) for i, column in enumerate(layout.columns))
        self.rows: list[dict[str, Any]] = []
        self.rejected: list[tuple[int, bytes, bytes]] = []
        self.blank = self.comments = 0

    def decoded(self) -> Decoded:
        totals = {"rows": len(self.rows), "blank_lines": self.blank}
        return self.rows, self.rejected, totals | {"comment_lines": self.comments}

    def fixed(self, data: bytes, begin: int, end: int, number: int) -> None:
        layout = self.layout
        if begin == end:
            self.blank += 1
            return
        if layout.comment and data.startswith(layout.comment, begin):
            self.comments += 1
            return
        record = naive.Record(begin, end, number)
        for column in layout.columns:
            low, high = min(begin + column.position, end), min(begin + column.end, end)
            text = data[low:high]
            record.fields.append(text.strip(b" \t") if layout.trim else text)
            record.spans.append((low, high))
        needed = max((c.end for c in layout.columns if not c.optional), default=0)
        row, raw = self.read(data, record)
        discarded = row["reason"] and self.disposition(row) == codes.DISCARDED
        too_long = row["reason"] == reasons.CODE["row_too_long"]
        if end - begin < needed and not discarded and not too_long:
            row |= {"reason": reasons.CODE["columns_too_few"], "reason_field": -1}
            raw = b""
        self.add(row, raw, data[begin : begin + row["byte_length"]])

    def json(self, data: bytes, begin: int, line: bytes, number: int) -> None:
        if not line.strip():
            self.blank += 1
            return
        record = naive.Record(begin, begin + len(line), number)
        values, record.reason = self.values(line)
        if len(line) > self.layout.row_bytes_max:
            record.reason, values = "", [b""] * len(self.layout.columns)
        record.fields, source = values, b"".join(values)
        for i in range(len(values)):
            low = sum(map(len, values[:i]))
            record.spans.append((low, low + len(values[i])))
        row, raw = self.read(source, record)
        self.add(row, raw, data[begin : begin + row["byte_length"]])

    def values(self, line: bytes) -> tuple[list[bytes], str]:
        nothing = [b""] * len(self.layout.columns)
        try:
            # NaN and Infinity are Python's own.
            numbers = {"parse_float": Written, "parse_int": Written, "parse_constant": len}
            tree = json.loads(line.decode(), **numbers)  # type: ignore[call-overload]
        except UnicodeDecodeError:
            return nothing, "text_not_utf8"
        except (ValueError, RecursionError):
            return nothing, "record_unreadable"
        bare = re.sub(rb'"(\\.|[^"\\])*"', b"", line)
        if not isinstance(tree, dict) or re.search(rb"NaN|Infinity", bare):
            return nothing, "record_unreadable"
        found = []
        for column in self.layout.columns:
            value = tree
            for key in column.name.split("."):
                if isinstance(value, dict):
                    value = value.get(key)
                elif isinstance(value, list):
                    is_place = re.fullmatch("[0-9]+", key) and int(key) < len(value)
                    value = value[int(key)] if is_place else None
                else:
                    value = None
            if isinstance(value, dict | list):
                return nothing, "record_unreadable"
            text = "" if value is None else value
            if isinstance(value, bool):
                text = "true" if value else "false"
            found.append(str(text).encode("utf-8", "surrogatepass"))
        return found, ""

    def read(self, data: bytes, record: naive.Record) -> tuple[dict[str, Any], bytes]:
        width = len(record.fields)
        return naive.read_row(data, record, self.layout, self.resolved, (width, width), self.zones)

    def disposition(self, row: dict[str, Any]) -> int:
        return reasons.BY_CODE[row["reason"]].disposition

    def add(self, row: dict[str, Any], raw: bytes, whole: bytes) -> None:
        self.rows.append(row)
        if row["reason"] and self.disposition(row) == codes.SUSPENDED:
            self.rejected.append((row["record_id"], raw, whole))


class Written(Decimal):
    """A number that remembers how it was written."""

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text  # type: ignore[attr-defined]
        return made

    def __str__(self) -> str:
        return str(self.text)  # type: ignore[attr-defined]

    __hash__ = Decimal.__hash__
