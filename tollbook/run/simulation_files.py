"""The figures of a simulation as Parquet, for whoever wants to go on from there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rating.simulated import Line, Simulation
from tollbook.run.lake import as_amount


def write(folder: Path, found: Simulation) -> list[Path]:
    """``groups.parquet``: every line of every table by book; ``accounts.parquet``: every account.

    Amounts are decimals with six places, as in the lake.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [one.name for one in found.tried]
    tables = {**found.tables, "decile": found.deciles}
    rows = [row for by, lines in tables.items() for row in _rows(by, lines, names)]
    rows += [row for one in found.tried for row in _rows("band", one.bands, [one.name])]
    groups = pa.table({
        name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate((
            ("by", pa.string()), ("label", pa.string()), ("book", pa.string()),
            ("records", pa.int64()), ("duration_s", pa.int64()), ("volume_bytes", pa.int64()),
            ("event_count", pa.int64()), ("charged", pa.int64()), ("would_be", pa.int64()),
        ))
    })  # fmt: skip
    accounts = found.accounts.combine_chunks()
    columns = {"account": accounts["account"], "records": accounts["records"],
               "charged": accounts["old_micro"]}  # fmt: skip
    columns |= {name: accounts[f"new_{place}_micro"] for place, name in enumerate(names)}
    return [
        _write(folder / "groups.parquet", _amounts(groups, ("charged", "would_be"))),
        _write(folder / "accounts.parquet", _amounts(pa.table(columns), ("charged", *names))),
    ]  # fmt: skip


def _rows(
    by: str, lines: Sequence[Line], names: Sequence[str]
) -> list[tuple[str | int, ...]]:
    return [
        (by, line.label, name, line.records, line.duration_s, line.volume_bytes, line.event_count,
         line.old_micro, new_micro)
        for line in lines for name, new_micro in zip(names, line.new_micro, strict=True)
    ]  # fmt: skip


def _amounts(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        place = table.schema.get_field_index(name)
        chunks = [as_amount(chunk) for chunk in table[name].chunks]
        table = table.set_column(place, name, pa.chunked_array(chunks))
    return table


def _write(path: Path, table: pa.Table) -> Path:
    """The file appears whole, or not at all."""
    hidden = path.with_name(f".{path.name}.part")
    pq.write_table(table, hidden, compression="zstd", store_decimal_as_integer=True)
    os.replace(hidden, path)
    return path
