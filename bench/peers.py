"""The others' part: readers of the same files with every column typed, and a simpler rating job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

# Columns of layout `tollbook` as the synthesiser writes them.
TEXTS: Final = ("service", "direction", "served", "other", "network", "location", "trunk_in",
                "trunk_out", "call_ref")  # fmt: skip
NUMBERS: Final = ("duration", "up_bytes", "down_bytes", "events")
START: Final = "start"
START_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"
REFERENCE: Final = "call_ref"
COLUMNS: Final = ("service", "direction", "served", "other", START, *NUMBERS, "network",
                  "location", "trunk_in", "trunk_out", REFERENCE)  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """What is compared between readers, over the rows that all of them must have read."""

    rows: int
    start_utc_s: int
    duration_s: int
    up_bytes: int
    down_bytes: int


def arrow_read(files: Sequence[Path], malformed: Sequence[str], threads: bool = True) -> pa.Table:
    """``pyarrow.csv``: rows of another length are skipped, and the texts that stand where numbers
    and times should be (``malformed``) are told to it beforehand, or it would give up."""
    types = dict.fromkeys(TEXTS, pa.string()) | dict.fromkeys(NUMBERS, pa.int64())
    convert = pacsv.ConvertOptions(
        column_types=types | {START: pa.timestamp("s", "UTC")},
        null_values=["", *malformed], check_utf8=False,
    )  # fmt: skip
    parse = pacsv.ParseOptions(invalid_row_handler=lambda row: "skip")
    read = pacsv.ReadOptions(use_threads=threads)
    return pa.concat_tables([
        pacsv.read_csv(file, read_options=read, parse_options=parse, convert_options=convert)
        for file in files
    ])  # fmt: skip


def arrow_sums(table: pa.Table, leave_out: pa.Array) -> Sums:
    """Sums of ``arrow_read`` without the rows of these references."""
    keep = pc.invert(pc.is_in(table.column(REFERENCE), value_set=leave_out))
    table = table.filter(keep)
    start = table.column(START).cast(pa.int64())
    numbers = (start, *(table.column(name) for name in NUMBERS[:3]))
    return Sums(table.num_rows, *(pc.sum(column).as_py() for column in numbers))


def polars_read(files: Sequence[Path]) -> pl.DataFrame:
    """Polars: what cannot be read becomes null, rows that are too long are cut."""
    schema: dict[str, Any] = {
        name: pl.Int64 if name in NUMBERS else pl.String for name in COLUMNS
    }
    start = pl.col(START).str.to_datetime(
        START_FORMAT, time_unit="us", time_zone="UTC", strict=False
    )
    frames = [
        pl.read_csv(file, schema=schema, ignore_errors=True, truncate_ragged_lines=True,
                    encoding="utf8-lossy")
        for file in files
    ]  # fmt: skip
    return pl.concat(frames).with_columns(start)


def polars_sums(frame: pl.DataFrame, leave_out: pa.Array) -> Sums:
    """Sums of ``polars_read`` without the rows of these references, and without those cut short,
    whose reference is null."""
    references = pl.Series(leave_out.to_pylist(), dtype=pl.String)
    kept = frame.filter(~pl.col(REFERENCE).is_in(references.implode()))
    return Sums(
        kept.height, int(kept[START].dt.epoch("s").sum()),
        *(int(kept[name].sum()) for name in NUMBERS[:3]),
    )  # fmt: skip


def duckdb_read(files: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """DuckDB: a table ``cdr``; rows that cannot be read are left out."""
    types = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in COLUMNS}
    link = duckdb.connect()
    link.execute(
        "CREATE TABLE cdr AS SELECT * FROM read_csv(?, columns = ?, header = true, delim = ',', "
        "quote = '\"', ignore_errors = true)",
        [[str(file) for file in files], types | {START: "TIMESTAMPTZ"}],
    )
    return link


def duckdb_sums(link: duckdb.DuckDBPyConnection, leave_out: pa.Array) -> Sums:
    """Sums of ``duckdb_read`` without the rows of these references."""
    link.register("leave_out", pa.table({"reference": leave_out}))
    found = link.execute(
        "SELECT count(*), sum(epoch(start)::BIGINT), sum(duration), sum(up_bytes), sum(down_bytes) "
        f"FROM cdr WHERE {REFERENCE} NOT IN (SELECT reference FROM leave_out)"
    ).fetchone()
    assert found is not None  # an aggregate has one row
    return Sums(*(int(value) for value in found))
