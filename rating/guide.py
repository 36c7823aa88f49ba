"""The stage guide: the subscription that pays, zones, relation, roaming, carriers, periods."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rating import guide_kernels as kernels
from rating.hash_kernels import Texts
from rating.reference import Reference
from rating.tables import texts_of
from tollbook import schemas
from tollbook.stage import StageResult, ints, with_columns

_TEXTS = frozenset(
    ("served_raw", "other_raw", "trunk_in", "trunk_out", "network", "location", "call_ref")
)
_RESULT_TYPES = {
    name: schemas.USAGE.field(name).type.to_pandas_dtype() for name in kernels.GuideResults._fields
}


def guide(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.NORMALISED`` -> ``schemas.USAGE``.

    Subscriptions, number ranges and trunks are those in force at the record's start. The first
    thing that is missing sets ``reason`` and ``reason_field``; what was found before stays. Rows
    that came with a reason get -1 and 0, and their bucket; their ``dedupe_hash`` is 0 if decode or
    validate rejected them: such rows take no part in the search for duplicates.
    totals: rejected, the rows that this stage rejected.
    """
    schemas.check(batch, schemas.NORMALISED, "guide")
    columns = kernels.GuideColumns(*(_column(batch, name) for name in kernels.GuideColumns._fields))
    results = kernels.GuideResults(
        *(np.empty(batch.num_rows, kind) for kind in _RESULT_TYPES.values())
    )
    kernels.guide(reference.guiding, columns, results)
    rejected = np.count_nonzero(results.reason) - np.count_nonzero(columns.reason)
    return StageResult(
        with_columns(batch, schemas.USAGE, results._asdict()), totals={"rejected": int(rejected)}
    )


def _column(batch: pa.RecordBatch, name: str) -> np.ndarray | Texts:
    return texts_of(batch.column(name)) if name in _TEXTS else ints(batch, name)
