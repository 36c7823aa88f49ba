"""Usage that was rated, read from the lake as facts, to be priced by another book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rating.trial import BATCH_ROWS, Vocabulary
from rating.trial_stated import batch_of
from tollbook import clock, codes
from tollbook.columns import index_in
from tollbook.errors import NotFound
from tollbook.run import differences, lake
from tollbook.run.session import Session, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from tollbook.run.catalogue import LakeFile

_PLAIN: Final = (
    "record_id", "start_utc_s", "utc_offset_s", "duration_s", "up_bytes", "down_bytes",
    "event_count", "other_e164", "routing_e164", "flags",
)  # fmt: skip
_CODED: Final = {  # column of usage -> column of the lake, and its words by code
    "service": ("service", codes.SERVICES),
    "direction": ("direction", codes.DIRECTIONS),
    "roaming": ("roaming", codes.ROAMINGS),
    "forward_reason": ("forward", codes.FORWARDS),
}
_INDEXED: Final = {  # column of usage -> column of the lake, and which words of the vocabulary
    "relation_index": ("relation", "relations"),
    "home_relation_index": ("home_relation", "relations"),
    "other_zone_index": ("other_zone", "zones"),
    "served_zone_index": ("served_zone", "zones"),
    "home_zone_index": ("home_zone", "zones"),
    "real_zone_index": ("real_zone", "zones"),
    "called_zone_index": ("called_zone", "zones"),
    "access_code_index": ("access_code", "access_codes"),
    "carrier_index": ("carrier", "carriers"),
}
ACCOUNT, SUBSCRIPTION = "account_id", "subscription_id"
CHARGE: Final = "charge_micro"
OWNED: Final = ("served_e164", "dedupe_hash")  # what the order of an owner's records needs
WHOLE_PPM: Final = 1_000_000
_WORDS: Final = (
    "plan", *(name for name, _ in _CODED.values()), *(name for name, _ in _INDEXED.values()),
)  # fmt: skip
_COLUMNS: Final = (*_PLAIN, *_WORDS)


@dataclass(frozen=True)
class Group:
    """A row group of a lake file. rows: how many it has."""

    file: LakeFile
    number: int
    rows: int


def files_of(session: Session, period: int) -> list[LakeFile]:
    """The rated files of a bill month. Raises NotFound where no record of it is rated."""
    files = [one for one in session.catalogue.lake_files("rated") if one.period == period]
    if not sum(one.rows for one in files):
        months = {one.period for one in session.catalogue.lake_files("rated")}
        listed = ", ".join(clock.period_text(month) for month in sorted(months)) or "none"
        raise NotFound(f"{clock.period_text(period)}: no record of this bill period is rated\n"
                       f"    allowed: {listed}\n"
                       "    do: name a month with rated records")  # fmt: skip
    return files


def read(
    root: Path, period: int, words: Vocabulary, plans: Sequence[str], sample: int = 0
) -> Iterator[pa.RecordBatch]:
    """The rated records of a bill month as batches of ``schemas.USAGE``.

    words, plans: what the indices shall point into; a word that is not among them becomes -1.
    sample: at most about so many records, evenly spread; 0: all. Raises NotFound without any.
    """
    session = open_session(root)
    files = files_of(session, period)
    total = sum(one.rows for one in files)
    step = max(1, -(-total // sample)) if sample else 1
    offset = 0
    for one in files:
        table = lake.read(session.root, one, _COLUMNS, read_dictionary=list(_WORDS))
        rows = np.arange(-offset % step, table.num_rows, step)
        offset += table.num_rows
        if step > 1:
            table = table.take(pa.array(rows))
        for low in range(0, table.num_rows, BATCH_ROWS):
            part = table.slice(low, BATCH_ROWS)
            found = columns_of(part, words, plans)
            found["reason_field"] = np.full(part.num_rows, -1, np.int64)
            yield batch_of(found, part.num_rows)


def groups_of(session: Session, files: Sequence[LakeFile]) -> list[Group]:
    """The row groups of lake files, in their order."""
    found = []
    for file in files:
        with pq.ParquetFile(str(session.root / file.path), memory_map=True) as source:
            found += [
                Group(file, number, source.metadata.row_group(number).num_rows)
                for number in range(source.num_row_groups)
            ]
    return found


def read_group(session: Session, group: Group, more: Sequence[str] = ()) -> pa.Table:
    """A row group with all that a simulation reads; words as dictionaries, amounts as micro.

    more: further columns, of numbers; with them the subscription is read, too.
    """
    words = [*_WORDS, ACCOUNT, *((SUBSCRIPTION,) if more else ())]
    names = [*_PLAIN, *words, *more, "charge"]
    path = str(session.root / group.file.path)
    with pq.ParquetFile(path, memory_map=True, read_dictionary=words) as source:
        present = [name for name in names if name in source.schema_arrow.names]
        table = source.read_row_group(group.number, columns=present, use_threads=False)
    return lake.amounts_to_micro(table)


def columns_of(
    table: pa.Table, words: Vocabulary, plans: Sequence[str], more: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Columns of ``schemas.USAGE`` from rows of the lake, of which the words are dictionaries.

    more: further columns, of numbers.
    """
    found = {name: table[name].to_numpy() for name in (*_PLAIN, *more)}
    found["plan_index"] = _coded(table["plan"], plans)
    for name, (stored, names) in _CODED.items():
        found[name] = _coded(table[stored], names)
    for name, (stored, kind) in _INDEXED.items():
        found[name] = _coded(table[stored], getattr(words, kind))
    return found


def _coded(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    """A dictionary column as positions in ``names`` (int32); -1 where a word is not among them."""
    parts = []
    for chunk in column.chunks:
        place = index_in(chunk.dictionary.cast(pa.string()), names).astype(np.int32)
        parts.append(place[chunk.indices.to_numpy(zero_copy_only=False)])
    return np.concatenate(parts) if len(parts) != 1 else parts[0]


@dataclass(frozen=True)
class Corrections:
    """What charges of a closed month have become by re-ratings: the rows stay as they were billed.

    record_ids: int64, ascending, each once. delta_micro: int64.
    """

    record_ids: np.ndarray
    delta_micro: np.ndarray

    @classmethod
    def of(cls, session: Session, period: int) -> Corrections:
        """All that is booked for a bill month's records."""
        rows = lake.amounts_to_micro(differences.booked(session, [period]).rows)
        ids, which = np.unique(rows.column("record_id").to_numpy(), return_inverse=True)
        delta = np.zeros(len(ids), np.int64)
        np.add.at(delta, which, rows.column("delta_micro").to_numpy())
        return cls(ids, delta)

    def charges_of(self, table: pa.Table) -> np.ndarray:
        """What the rows of a row group cost today; int64, micro."""
        charge: np.ndarray = table[CHARGE].to_numpy()
        if not len(self.record_ids):
            return charge
        ids = table["record_id"].to_numpy()
        place = np.minimum(np.searchsorted(self.record_ids, ids), len(self.record_ids) - 1)
        return charge + np.where(self.record_ids[place] == ids, self.delta_micro[place], 0)


def accounts_of(table: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """The account of each row of a row group: int32 into utf8 ids, each of which stands once."""
    return _ids_of(table, ACCOUNT)


def subscriptions_of(table: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """The same of subscriptions."""
    return _ids_of(table, SUBSCRIPTION)


def _ids_of(table: pa.Table, name: str) -> tuple[np.ndarray, pa.Array]:
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    return column.indices.to_numpy(zero_copy_only=False), column.dictionary.cast(pa.string())


def sampled(accounts: pa.Array, sample_ppm: int) -> np.ndarray:
    """Which accounts belong to a sample: whole accounts, the same ones in every run; bool."""
    if sample_ppm >= WHOLE_PPM:
        return np.ones(len(accounts), bool)
    ids = accounts.to_pylist()
    return np.array([crc32(one.encode()) % WHOLE_PPM < sample_ppm for one in ids], bool)
