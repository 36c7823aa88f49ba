"""Codes of a TAP file with what its own tables say that they stand for, as further columns.

``...callEventStartTimeStamp.utcTimeOffsetCode`` is followed by ``...callEventStartTimeStamp.
utcTimeOffset``: a definition's values stand beside its code, as if the record had them itself. A
code without a definition has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from cdr.asn_grammar import Schema
from cdr.check_codes import DEFINED_IN

_PLACE: Final = ("row", "parent", "parent_row", "record")


def joined(tables: Mapping[str, pa.Table], schema: Schema) -> dict[str, pa.Table]:
    """A file's tables (``convert.tables``), with what codes mean in columns beside them."""
    found = dict(tables)
    for field in schema.fields:
        name, code = schema.tables[field.table], field.words[0]
        meant = tables.get(DEFINED_IN.get(code, ""))
        if meant is None or name not in found or name == DEFINED_IN[code]:
            continue
        if field.path in found[name].column_names:
            found[name] = _beside(found[name], field.path, meant, _code_column(meant, code))
    return found


def _code_column(table: pa.Table, code: str) -> str:
    """The column of a table of definitions that holds the code: named as its type."""
    wanted = code[0].lower() + code[1:]
    return wanted if wanted in table.column_names else ""


def _beside(table: pa.Table, path: str, meant: pa.Table, code: str) -> pa.Table:
    if not code:
        return table
    known = meant[code].combine_chunks()
    first = [place for place, value in enumerate(known.to_pylist()) if value is not None]
    chosen = dict(reversed([(known[place].as_py(), place) for place in first]))
    values = pa.array(list(chosen), pa.int64())
    rows = pa.array(list(chosen.values()), pa.int64())
    place = rows.take(pc.index_in(table[path].combine_chunks(), value_set=values))
    group = path.rpartition(".")[0]
    at = table.column_names.index(path) + 1
    for name in meant.column_names:
        if name != code and name not in _PLACE:
            shown = f"{group}.{name}" if group else name
            if shown not in table.column_names:
                table = table.add_column(at, shown, meant[name].combine_chunks().take(place))
                at += 1
    return table
