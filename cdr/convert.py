"""A native file as Arrow tables: one for each kind of repeated group, with the parents of its rows.

Rows are numbered from 0 in the whole file. ``record`` is the row of the record that a row belongs
to; ``parent`` and ``parent_row`` say what it is an element of. A record has its place in the file,
what it is and what is wrong with it; a record that is wrong may lack values. Of a framed file,
``file`` is its header, and FAULTS are the frames that hold no record of BER.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cdr import ber, ber_tree, code_tables, framing, native
from cdr.asn_grammar import FILE
from cdr.native_pieces import Piece, pieces
from tollbook import reasons

KINDS: Final = ("parquet", "csv", "jsonl")
FAULTS: Final = "faults"  # the table of frames that hold no record
LINES: Final = 4096  # rows made at once


def tables(data: bytes, form: native.Format, where: str) -> dict[str, pa.Table]:
    """All tables that have rows, by name. Raises BrokenFile where the file cannot be read."""
    schema, raw = form.schema, ber.padded(data, where)
    parts: dict[str, list[pa.Table]] = {name: [] for name in schema.tables}
    first = np.zeros(len(schema.tables), np.int64)
    faults: list[pa.Table] = []
    for block in _blocks(raw, form, where, faults):
        for number, name in enumerate(schema.tables):
            if block.rows(number):
                parts[name].append(_part(block, number, first))
        first += [block.rows(number) for number in range(len(schema.tables))]
        first[0] = 0  # all blocks have the one row of the file
    found = {
        name: pa.concat_tables(some, promote_options="default").combine_chunks()
        for name, some in parts.items() if some
    }  # fmt: skip
    if FILE in found:
        file = found[FILE]
        found[FILE] = pa.table({name: _first(file[name]) for name in file.schema.names})
    if form is native.FRAMED:
        found[FILE] = _header(native.header_of(raw, where))
    if faults:
        found[FAULTS] = pa.concat_tables(faults).combine_chunks()
    whole = {name: table for name, table in found.items() if table.num_columns}
    return code_tables.joined(whole, schema) if form.name == "tap" else whole


def _blocks(
    data: np.ndarray, form: native.Format, where: str, faults: list[pa.Table]
) -> Iterator[ber.Block]:
    """The blocks of a file; what is no record of BER is appended to ``faults``."""
    walker = ber.Walker(data, form.schema, where)
    for piece in pieces(data, form, where):
        if len(piece.others):
            faults.append(_faults(piece, data))
        yield from walker.blocks(piece.parts)


def _faults(piece: Piece, data: np.ndarray) -> pa.Table:
    """Frames that are no record that can be read, by their number in the file, with their bytes."""
    begin, end, number, reason = piece.others.T
    contents = [data[a:b].tobytes() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    return pa.table({
        "frame": pa.array(number), "at": pa.array(begin), "size": pa.array(end - begin),
        "reason": pa.array([reasons.BY_CODE[code].name for code in reason.tolist()]),
        "encoding": pa.array([framing.format_name(code) for code in piece.codes.tolist()]),
        "bytes": pa.array(contents, pa.binary()),
    })  # fmt: skip


def _header(header: framing.FileHeader) -> pa.Table:
    """The header of a framed file as a row; what it does not know is null."""
    shown = asdict(header)
    for name in ("opened", "appended"):
        shown[name] = framing.in_words(shown[name])
    return pa.table({
        name: pa.array([None if value == -1 else value]) for name, value in shown.items()
    })  # fmt: skip


def write(table: pa.Table, file: Path, kind: str) -> None:
    """One table as a file of one of KINDS; bytes are hexadecimal in text."""
    if kind == "parquet":
        pa.parquet.write_table(table, file)
        return
    for number, field in enumerate(table.schema):
        if pa.types.is_binary(field.type):
            words = [None if one is None else one.hex() for one in table[number].to_pylist()]
            table = table.set_column(number, field.name, pa.array(words, pa.string()))
    if kind == "csv":
        pa.csv.write_csv(table, file)
        return
    with file.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in _json_lines(table))


def _part(block: ber.Block, number: int, first: np.ndarray) -> pa.Table:
    schema, count = block.schema, block.rows(number)
    columns: dict[str, pa.Array] = {}
    if number:
        above, row, record = block.parents(number)
        columns["row"] = pa.array(first[number] + np.arange(count))
        columns["parent"] = pa.array(np.array(schema.tables)[above].tolist())
        columns["parent_row"] = pa.array(first[above] + row)
        owner = first[schema.record] + record
        columns["record"] = pa.array(owner, mask=record < 0)
    if number == schema.record:
        records = block.records
        kinds = [schema.kind_of(one) for one in records.kind.tolist()]
        faults = [ber_tree.FAULTS.get(one) for one in records.fault.tolist()]
        columns |= {
            "at": pa.array(records.at), "size": pa.array(records.size), "kind": pa.array(kinds),
            "fault": pa.array(faults, pa.string()),
        }  # fmt: skip
    fields = [field for field in block.fields() if schema.fields[field].table == number]
    for field, column in block.columns(fields).items():
        columns[schema.fields[field].path] = column
    return pa.table(columns)


def _first(column: pa.ChunkedArray) -> pa.Array:
    """The one value that is not null, or null: blocks have parts of the file's row."""
    there = column.drop_null()
    return pa.array([there[0].as_py() if len(there) else None], column.type)


def _json_lines(table: pa.Table) -> Iterator[str]:
    for batch in table.to_batches(max_chunksize=LINES):
        for row in batch.to_pylist():
            shown = {name: value for name, value in row.items() if value is not None}
            yield json.dumps(shown, ensure_ascii=False)
