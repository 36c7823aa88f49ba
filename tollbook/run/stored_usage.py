"""Usage that was rated, read from the lake as facts, to be priced by another book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from rating.trial import BATCH_ROWS, Vocabulary
from rating.trial_stated import batch_of
from tollbook import clock, codes
from tollbook.columns import index_in
from tollbook.errors import NotFound
from tollbook.run import lake
from tollbook.run.session import open_session

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
_COLUMNS: Final = (
    *_PLAIN, "plan", *(name for name, _ in _CODED.values()), *(n for n, _ in _INDEXED.values()),
)  # fmt: skip


def read(
    root: Path, period: int, words: Vocabulary, plans: Sequence[str], sample: int = 0
) -> Iterator[pa.RecordBatch]:
    """The rated records of a usage month as batches of ``schemas.USAGE``.

    words, plans: what the indices shall point into; a word that is not among them becomes -1.
    sample: at most about so many records, evenly spread; 0: all. Raises NotFound without any.
    """
    session = open_session(root)
    files = [one for one in session.catalogue.lake_files("rated") if one.period == period]
    total = sum(one.rows for one in files)
    if not total:
        months = {one.period for one in session.catalogue.lake_files("rated")}
        listed = ", ".join(clock.period_text(month) for month in sorted(months)) or "none"
        raise NotFound(f"{clock.period_text(period)}: no record of this bill period is rated\n"
                       f"    allowed: {listed}\n"
                       "    do: name a month with rated records")  # fmt: skip
    step = max(1, -(-total // sample)) if sample else 1
    offset = 0
    for one in files:
        table = lake.read(session.root, one, _COLUMNS)
        rows = np.arange(-offset % step, table.num_rows, step)
        offset += table.num_rows
        if step > 1:
            table = table.take(pa.array(rows))
        for low in range(0, table.num_rows, BATCH_ROWS):
            yield _usage(table.slice(low, BATCH_ROWS).combine_chunks(), words, plans)


def _usage(table: pa.Table, words: Vocabulary, plans: Sequence[str]) -> pa.RecordBatch:
    def texts(name: str) -> pa.Array:
        return pa.concat_arrays(table[name].cast(pa.string()).chunks)

    found = {name: table[name].to_numpy() for name in _PLAIN}
    found["plan_index"] = index_in(texts("plan"), plans)
    for name, (stored, names) in _CODED.items():
        found[name] = index_in(texts(stored), names)
    for name, (stored, kind) in _INDEXED.items():
        found[name] = index_in(texts(stored), getattr(words, kind))
    found["reason_field"] = np.full(table.num_rows, -1, np.int64)
    return batch_of(found, table.num_rows)
