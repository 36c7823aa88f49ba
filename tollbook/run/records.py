"""Records by their id: ``F17-204`` is line 204 of file 17; where in the lake one is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tollbook.errors import NotFound, TollbookError
from tollbook.run import differences, rewriting, use_differences, withdrawn
from tollbook.run.catalogue import InputFile
from tollbook.run.lake import amounts_to_micro, read
from tollbook.run.session import Session


def record_text(record_id: int) -> str:
    """``F17-204``."""
    return f"F{record_id >> 32}-{record_id & 0xFFFFFFFF}"


def parse_record(text: str) -> int:
    """``F17-204`` -> record id; raises TollbookError for anything else."""
    match = re.fullmatch(r"[Ff](\d{1,9})-(\d{1,10})", text)
    if match is None or int(match[2]) >> 32:
        raise TollbookError(
            f"'{text}' is no record\n    allowed: file and line such as F17-204\n"
            "    do: take it from the column record_id, a bill's detail or `tollbook suspense show`"
        )
    return (int(match[1]) << 32) + int(match[2])


def parse_file(text: str) -> int:
    """``F17`` -> 17."""
    match = re.fullmatch(r"[Ff](\d{1,9})", text)
    if match is None:
        raise TollbookError(f"'{text}' is no file\n    allowed: a file number such as F17\n"
                            "    do: see `tollbook runs`")  # fmt: skip
    return int(match[1])


@dataclass(frozen=True)
class Found:
    """A record in the lake: the dataset that holds it, its row, and the run that wrote it.

    Of a rated record it is the run that rated it, whichever run wrote the row again since.
    """

    dataset: str  # rated | suspense | pending | uncharged
    row: dict[str, Any]
    run_number: int


def find(session: Session, record_id: int) -> Found:
    """Where a record ended up; raises NotFound if the workspace has never read it."""
    file = session.catalogue.file(record_id >> 32)
    for dataset in ("rated", "suspense", "pending", "uncharged"):
        for one in session.catalogue.lake_files(dataset):
            if one.run_number >= file.run_number:
                for row in rows_in(session.root / one.path, record_id):
                    return Found(dataset, row, rewriting.origin_of(one))
    _refuse_withdrawn(session, file, record_id)
    again = next((one.file_number for one in reversed(session.catalogue.files())
                  if one.release_of == file.file_number), 0)  # fmt: skip
    if again:
        instead = record_text((again << 32) + (record_id & 0xFFFFFFFF))
        raise NotFound(
            f"{record_text(record_id)}: F{file.file_number} ({file.source}/{file.name}) was held "
            f"back, and read as F{again} once it was released\n"
            f"    allowed: records of F{again}\n    do: name {instead}"
        )
    raise NotFound(
        f"{record_text(record_id)}: {file.source}/{file.name} has no record on that line\n"
        f"    allowed: the lines of its {file.rows} records\n"
        "    do: count lines from 1, a header included"
    )


def _refuse_withdrawn(session: Session, file: InputFile, record_id: int) -> None:
    undone = withdrawn.by_file(session.catalogue).get(file.file_number)
    if undone is not None:
        raise NotFound(
            f"{record_text(record_id)}: F{file.file_number} ({file.source}/{file.name}) was "
            f"withdrawn by run {undone.run_number}: {undone.arguments['note']}\n"
            "    allowed: records of files that are in the lake\n"
            "    do: see `tollbook collection log`; if it was read again, name its new number"
        )


def legs_of(session: Session, record_id: int) -> list[tuple[dict[str, Any], int]]:
    """A record's legs, each with the run that made it."""
    began = session.catalogue.file(record_id >> 32).run_number
    return [
        (row, rewriting.origin_of(one))
        for one in session.catalogue.lake_files("legs") if one.run_number >= began
        for row in rows_in(session.root / one.path, record_id)
    ]  # fmt: skip


def parts_of(session: Session, record_id: int) -> list[dict[str, Any]]:
    """The partial records that were merged into a call, but for the first, which is the call."""
    began = session.catalogue.file(record_id >> 32).run_number
    names = ("record_id", "first_record_id", "reason", "start_utc_s", "duration_s", "up_bytes",
             "down_bytes", "event_count", "service")  # fmt: skip
    found: list[dict[str, Any]] = []
    for one in session.catalogue.lake_files("uncharged"):
        if one.run_number < began:
            continue
        table = read(session.root, one, names, filters=[("first_record_id", "=", record_id)])
        found += [row for row in table.to_pylist() if row["reason"] == "part_merged"]
    return sorted(found, key=lambda row: (row["start_utc_s"], row["record_id"]))


def corrections_of(session: Session, record_id: int) -> list[dict[str, Any]]:
    """What re-ratings have found of a billed record since, run by run: rows of
    ``schemas.DIFFERENCE`` and of ``schemas.USE_DIFFERENCE``."""
    asked = [("record_id", "=", record_id)]
    found = [
        row for dataset in (differences.DATASET, use_differences.DATASET)
        for one in session.catalogue.lake_files(dataset)
        for row in amounts_to_micro(read(session.root, one, filters=asked)).to_pylist()
    ]  # fmt: skip
    return sorted(found, key=lambda row: int(row["run_number"]))


def rows_in(path: Path, record_id: int) -> list[dict[str, Any]]:
    """The record's rows in a file, reading one column of the other rows."""
    with pq.ParquetFile(str(path), memory_map=True) as source:
        position = source.schema_arrow.names.index("record_id")
        for number in range(source.num_row_groups):
            statistics = source.metadata.row_group(number).column(position).statistics
            if statistics is not None and not statistics.min <= record_id <= statistics.max:
                continue
            ids = source.read_row_group(number, columns=["record_id"], use_threads=False)
            rows = np.flatnonzero(ids.column(0).to_numpy() == record_id)
            if len(rows):  # all of a record's rows lie in one row group
                table = source.read_row_group(number, use_threads=False).take(pa.array(rows))
                found: list[dict[str, Any]] = amounts_to_micro(table).to_pylist()
                return found
    return []
