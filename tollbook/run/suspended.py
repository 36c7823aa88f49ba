"""Reading suspense: which records wait, why, and back into cdr rows for another try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import codes, schemas
from tollbook.errors import TollbookError
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.session import Session
from tollbook.run.standing import STANDINGS, Today

_WORDS = {
    "service": codes.SERVICES, "direction": codes.DIRECTIONS, "forward_reason": codes.FORWARDS,
}  # fmt: skip
_STORED = {"forward_reason": "forward"}  # column of the lake, where it has another name
# What the record brought along; the other flags are found anew by the stages of a retry.
_LASTING_FLAGS = (
    codes.FLAG_AMBIGUOUS_CLOCK | codes.FLAG_RECOLLECTED | codes.FLAG_PARTIAL | codes.FLAG_MERGED
    | codes.FLAG_PAIRED | codes.FLAG_CORRECTED
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Which suspended records: all, or those of a reason, a file, or by their ids."""

    reason: str = ""
    file_number: int = 0
    record_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Choice:
        """The choice that a plan remembers."""
        return cls(arguments["reason"], arguments["file_number"], tuple(arguments["record_ids"]))

    @property
    def is_all(self) -> bool:
        """Whether nothing is named that records must fit."""
        return not (self.reason or self.file_number or self.record_ids)

    def arguments(self) -> dict[str, Any]:
        """The choice as a plan remembers it."""
        return {"reason": self.reason, "file_number": self.file_number,
                "record_ids": list(self.record_ids)}  # fmt: skip

    def mask(self, table: pa.Table) -> np.ndarray:
        """Which rows of a suspense table are chosen (bool)."""
        chosen = np.ones(table.num_rows, bool)
        ids = table.column("record_id").to_numpy()
        if self.reason:
            chosen &= pc.equal(table.column("reason"), self.reason).to_numpy()
        if self.file_number:
            chosen &= (ids >> 32) == self.file_number
        if self.record_ids:
            chosen &= np.isin(ids, np.array(self.record_ids, np.int64))
        return chosen


def tables(
    session: Session, columns: Sequence[str] | None = None
) -> Iterator[tuple[LakeFile, pa.Table]]:
    """The suspense files in force, in a fixed order, with their rows."""
    for file in session.catalogue.lake_files("suspense"):
        yield file, lake.read(session.root, file, columns)


def in_order(session: Session, choice: Choice, today: Today | None = None) -> pa.Table:
    """The chosen rows by record id. today: with a column ``retry``, of ``standing.STANDINGS``."""
    found = []
    for file, table in tables(session):
        if today:
            words = pa.array(STANDINGS).take(pa.array(today.standing(file, table)))
            table = table.append_column("retry", words)
        found.append(table.filter(pa.array(choice.mask(table))))
    if not found:
        return pa.table({"record_id": pa.array([], pa.int64())})
    return pa.concat_tables(found, promote_options="default").sort_by("record_id")


def cdr_batch(table: pa.Table, sources: Sequence[str]) -> pa.RecordBatch:
    """Rows of the lake as the cdr rows that they were, without their reason.

    Words may be dictionaries. Holds for every dataset with the decoded columns (docs/lake.md).
    """
    columns = {}
    for field in schemas.CDR:
        name = field.name
        stored = _STORED.get(name, name)
        if stored not in table.column_names and name not in ("source_index", "reason_field"):
            columns[name] = _absent(field.type, table.num_rows)
        elif name == "source_index":
            columns[name] = codes_of(table, "source", sources).cast(pa.int16())
        elif name in _WORDS:
            columns[name] = codes_of(table, stored, _WORDS[name]).cast(pa.int8())
        elif name == "reason":
            columns[name] = pa.array(np.zeros(table.num_rows, np.int16))
        elif name == "reason_field":
            columns[name] = pa.array(np.full(table.num_rows, -1, np.int16))
        elif name == "flags":
            flags = table.column(name).to_numpy() & _LASTING_FLAGS
            columns[name] = pa.array(flags.astype(np.int32))
        else:
            column = table.column(name)
            column = column if column.type == field.type else column.cast(field.type)
            columns[name] = pa.concat_arrays(column.chunks or [pa.array([], field.type)])
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in schemas.CDR.names], schema=schemas.CDR
    )


def rejected_batch(table: pa.Table) -> pa.RecordBatch:
    """The bytes of suspended rows that could not be decoded at first (``schemas.REJECTED``)."""
    rows = table.filter(pc.greater(pc.binary_length(table.column("raw_record")), 0))
    whole = rows.select(schemas.REJECTED.names).cast(schemas.REJECTED).combine_chunks()
    return pa.RecordBatch.from_arrays(
        [pa.concat_arrays(one.chunks or [pa.array([], one.type)]) for one in whole.columns],
        schema=schemas.REJECTED,
    )


def _absent(kind: pa.DataType, rows: int) -> pa.Array:
    """A column that came into being after the rows were suspended: the record has none."""
    nothing = "" if pa.types.is_string(kind) else 0
    return pa.repeat(pa.scalar(nothing, kind), rows)


def codes_of(table: pa.Table, name: str, words: Sequence[str]) -> pa.Array:
    """The places of a column's words among those that it may hold (int32)."""
    found = table.column(name).combine_chunks()
    if not pa.types.is_dictionary(found.type):
        found = found.dictionary_encode()
    code = pc.index_in(found.dictionary, value_set=pa.array(list(words), pa.string()))
    taken = code.take(found.indices)
    if taken.null_count:
        missing = pc.unique(found.filter(pc.is_null(taken)).cast(pa.string())).to_pylist()
        raise TollbookError(
            f"the lake holds records of {name} {missing}\n    allowed: {', '.join(words)}\n"
            "    do: put the source back into operator.yaml"
        )
    return taken
