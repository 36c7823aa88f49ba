"""Tables as files for other programs, batch by batch: Parquet, CSV or JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


class Writer:
    """A file that comes into being with its first batch; ``rows``: written so far."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind, self.rows = path, kind, 0
        self.out: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends a batch; all must have one schema. Bytes become hexadecimal in text."""
        if self.kind != "parquet":
            batch = in_text(batch)
        if self.out is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.out = self._open(batch.schema)
        self.rows += batch.num_rows
        if self.kind == "jsonl":
            for row in batch.to_pylist():
                self.out.write(f"{json.dumps(row, ensure_ascii=False)}\n")
        else:
            self.out.write_batch(batch)

    def _open(self, schema: pa.Schema) -> Any:
        if self.kind == "parquet":
            return pa.parquet.ParquetWriter(self.path, schema)
        if self.kind == "csv":
            return pa.csv.CSVWriter(self.path, schema)
        return self.path.open("w", encoding="utf-8")

    def close(self) -> None:
        """Ends the file, if there is one."""
        if self.out is not None:
            self.out.close()


def in_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bytes as hexadecimal digits."""
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_binary(column.type):
            column = pa.array([one.hex() for one in column.to_pylist()], pa.string())
        columns[name] = column
    return pa.RecordBatch.from_pydict(columns)
