"""Lake files written anew without some of their rows: the others stay what they were.

A file that is written anew is named after the run that made its rows, and the name that this run
gave them, ``kept-<run>-<name>.parquet``: what that run knew, its snapshot, goes on explaining them.
A part's rated rows, legs and further ratings lie in files of one origin, so that the legs of a
record can be found without reading all legs. What a re-rating writes anew of a file is named
``night-<run>-<k>.parquet`` after the run with which the records came: late ones stay late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tollbook.run import lake
from tollbook.run.catalogue import LakeFile

KEPT: Final = "kept-"
NIGHT: Final = "night-"


class Origin(NamedTuple):
    """The run that made a file's rows, and what it called the file."""

    run_number: int
    name: str


def origin(file: LakeFile) -> Origin:
    """Where a lake file's rows come from."""
    name = file.path.rpartition("/")[2].removesuffix(lake.SUFFIX)
    if not name.startswith(KEPT):
        return Origin(file.run_number, name)
    number, _, first_name = name.removeprefix(KEPT).partition("-")
    return Origin(int(number), first_name)


def origin_of(file: LakeFile) -> int:
    """The run that made a lake file's rows."""
    return origin(file).run_number


def night_of(file: LakeFile) -> int:
    """The run with which a file's records came, however often they were rated again since."""
    made = origin(file)
    if not made.name.startswith(NIGHT):
        return made.run_number
    return int(made.name.removeprefix(NIGHT).partition("-")[0])


def night_stem(file: LakeFile) -> str:
    """How the file is named that takes rows of this one, rated again; its number follows."""
    return f"{NIGHT}{night_of(file):05d}"


def groups(root: Path, file: LakeFile) -> Iterator[pa.Table]:
    """The rows of a file, row group by row group, as they are stored: words as dictionaries."""
    return chosen_groups(root, file, (), None)


def chosen_groups(
    root: Path, file: LakeFile, keys: Sequence[str],
    is_wanted: Callable[[pa.Table], bool] | None,
) -> Iterator[pa.Table]:  # fmt: skip
    """The same of row groups that are wanted by their columns ``keys``, which are read first."""
    path = str(root / file.path)
    words = _words(pq.read_metadata(path))
    with pq.ParquetFile(path, memory_map=True, read_dictionary=words) as source:
        first = [name for name in keys if name in source.schema_arrow.names]
        for group in range(source.num_row_groups):
            if is_wanted is None or is_wanted(
                source.read_row_group(group, columns=first, use_threads=False)
            ):
                yield source.read_row_group(group, use_threads=False)


def without(
    root: Path, prefix: str, run_number: int, file: LakeFile,
    gone: Callable[[pa.Table], np.ndarray],
) -> LakeFile | None:  # fmt: skip
    """A file's rows but those that are gone, in a file of this run (pending); None: none is left.

    prefix: the lake's folder as the catalogue writes it. gone: rows of the file, amounts as
    ``*_micro`` -> which of them go (bool); asked row group by row group, in their order. The caller
    supersedes the file.
    """
    made = origin(file)
    folder = lake.period_folder(file.dataset, file.period)
    name = f"{KEPT}{made.run_number:05d}-{made.name}"
    path = f"{prefix}/{lake.relative_path(file.dataset, folder, run_number, name)}"
    writer: lake.Writer | None = None
    for rows in groups(root, file):
        table = lake.amounts_to_micro(rows)
        mask = gone(table)
        if mask.all():
            continue
        if writer is None:
            writer = lake.Writer(root, path, run_number, file.dataset, file.period)
        left = table.filter(pa.array(~mask)) if mask.any() else table
        writer.write(lake.micro_to_amounts(left.combine_chunks()))
    return None if writer is None else writer.close()


def holds_any(root: Path, file: LakeFile, record_ids: np.ndarray) -> bool:
    """Whether a file has rows of any of these records (ascending)."""
    ids = lake.read(root, file, ["record_id"]).column("record_id")
    return any(bool(is_among(chunk.to_numpy(), record_ids).any()) for chunk in ids.chunks)


def is_among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Which values (int64) are among ascending ones (bool)."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: np.ndarray = ascending[place] == values
    return found


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
