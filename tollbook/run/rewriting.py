"""Lake files written anew without some of their rows: the others stay what they were.

A file that is written anew is named after the run that made its rows, ``kept-<run>-<k>.parquet``:
what that run knew, its snapshot, goes on explaining them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tollbook.run import lake
from tollbook.run.catalogue import LakeFile

KEPT: Final = "kept-"


def origin_of(file: LakeFile) -> int:
    """The run that made a lake file's rows."""
    name = file.path.rpartition("/")[2]
    if not name.startswith(KEPT):
        return file.run_number
    return int(name.removeprefix(KEPT).partition("-")[0])


def without(
    root: Path, prefix: str, run_number: int, place: tuple[int, LakeFile],
    gone: Callable[[pa.Table], np.ndarray],
) -> LakeFile | None:  # fmt: skip
    """A file's rows but those that are gone, in a file of this run (pending); None: none is left.

    prefix: the lake's folder as the catalogue writes it. place: a number that is the file's own
    among those of its dataset and period that the run writes, and the file. gone: rows of the file,
    amounts as ``*_micro`` -> which of them go (bool); asked row group by row group, in their order.
    """
    number, file = place
    name = f"{KEPT}{origin_of(file):05d}-{number:04d}"
    folder = lake.period_folder(file.dataset, file.period)
    path = f"{prefix}/{lake.relative_path(file.dataset, folder, run_number, name)}"
    writer: lake.Writer | None = None
    head = pq.read_metadata(str(root / file.path))
    with pq.ParquetFile(str(root / file.path), read_dictionary=_words(head)) as source:
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group, use_threads=False)
            table = lake.amounts_to_micro(rows)
            mask = gone(table)
            if mask.all():
                continue
            if writer is None:
                writer = lake.Writer(root, path, run_number, file.dataset, file.period)
            left = table.filter(pa.array(~mask)) if mask.any() else table
            writer.write(lake.micro_to_amounts(left.combine_chunks()))
    return None if writer is None else writer.close()


def _words(head: pq.FileMetaData) -> list[str]:
    """The columns of text that are stored by a dictionary, as they shall be again."""
    if not head.num_row_groups:
        return []
    group = head.row_group(0)
    columns = (group.column(at) for at in range(head.num_columns))
    return [
        column.path_in_schema for column in columns
        if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page
        and "." not in column.path_in_schema
    ]  # fmt: skip
