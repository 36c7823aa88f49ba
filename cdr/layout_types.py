"""The frozen form of a layout, shared by the modules that read and use layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DELIMITED, FIXED, JSON = "delimited", "fixed", "json"  # kinds of layout
COLUMNS_MAX: Final = 512
ROW_BYTES_MAX: Final = 65_536


@dataclass(frozen=True)
class Column:
    """One column of the file that feeds a canonical field.

    position: 0-based place in a row; -1 where the column is found by ``name`` in the header. Of a
    fixed layout its first byte, and ``end`` the place behind its last one; of a JSON layout
    ``name`` is the path of keys, with a dot between them.
    field: key of ``layout_fields.FIELDS``; type: one of its types.
    optional: a header, or a shorter row, may lack the column; required: no row may leave it empty.
    nulls: texts that mean "no value" beside the empty text.
    times, per, rounding: the value is ``text * times / per``, rounded up | nearest | down.
    time_format: strptime subset, or iso8601 | epoch_s | epoch_ms; zone: source | operator | a name.
    words: the words of a ``word`` or condition with the codes that they stand for (a condition
    holds where the word is found, or, with ``unless``, where it is not).
    """

    position: int
    name: str
    field: str
    type: str
    optional: bool = False
    required: bool = False
    nulls: tuple[bytes, ...] = ()
    times: int = 1
    per: int = 1
    rounding: str = "up"
    time_format: str = ""
    zone: str = "source"
    words: tuple[tuple[bytes, int], ...] = ()
    unless: bool = False
    max_bytes: int = 255
    end: int = 0

    @property
    def label(self) -> str:
        """How messages call the column."""
        return f"'{self.name}'" if self.name else f"column {self.position + 1}"


@dataclass(frozen=True)
class Layout:
    """A layout that was read without problems; see docs/layouts.md for what each key means.

    constants: canonical field -> code, integer or text for every row.
    Of delimited layouts: delimiter, quote: one byte each (-1: none); backslash: a backslash escapes
    the next byte; width_min, width_max: columns that a row may have; 0, 0 with a header: as many as
    it names. Of fixed ones: record_bytes: length of all records; 0: lines.
    """

    name: str
    kind: str
    encoding: str
    header: str
    skip_lines: int
    comment: bytes
    trim: bool
    columns: tuple[Column, ...]
    constants: tuple[tuple[str, int | str], ...]
    row_bytes_max: int
    delimiter: int = -1
    quote: int = -1
    backslash: bool = False
    width_min: int = 0
    width_max: int = 0
    record_bytes: int = 0
