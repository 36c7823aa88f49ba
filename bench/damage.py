"""The rows of a night's files that cannot be decoded, as the truth and the files' own lines say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from bench import peers
from bench.data import Data
from tollbook.reasons import BY_CODE, CODE

REFERENCE_AT: Final = peers.COLUMNS.index(peers.REFERENCE)
START_AT: Final = peers.COLUMNS.index(peers.START)
INT64_DIGITS: Final = 18


@dataclass(frozen=True)
class Damaged:
    """references: utf8, ``call_ref`` of every such row that was not cut before it.

    malformed: texts that stand where a typed reader expects a time or a number.
    """

    references: pa.Array
    malformed: tuple[str, ...]


def of(data: Data) -> Damaged:
    """What is damaged in the files of a night."""
    return _of(data.truth_csv, data.files)


@lru_cache(maxsize=2)
def _of(truth_csv: Path, files: tuple[Path, ...]) -> Damaged:
    wanted: dict[str, dict[int, str]] = {}
    for line in truth_csv.read_text("utf-8").splitlines()[1:]:
        name, row, _, reason, *_ = line.split(",")
        if BY_CODE[CODE[reason]].stage == "decode":
            wanted.setdefault(name.rpartition("/")[2], {})[int(row)] = reason
    references, malformed = [], set()
    for path in files:
        rows = wanted.get(path.name, {})
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                if number not in rows:
                    continue
                fields = text.rstrip(b"\n").split(b",")
                if len(fields) > REFERENCE_AT:
                    references.append(fields[REFERENCE_AT].decode("ascii"))
                malformed |= _malformed(fields, rows[number])
    return Damaged(pa.array(references, pa.string()), tuple(sorted(malformed)))


def _malformed(fields: list[bytes], reason: str) -> set[str]:
    if reason == "time_malformed":
        return {fields[START_AT].decode()}
    if reason not in ("integer_malformed", "integer_out_of_range"):
        return set()
    numbers = (fields[peers.COLUMNS.index(name)].decode() for name in peers.NUMBERS)
    return {text for text in numbers if not text.isdigit() or len(text) > INT64_DIGITS}
