"""The stage normalise: numbers as switches write them -> E.164."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rating import number_kernels as kernels
from rating.reference import FIELD, Reference
from rating.tables import columns_of, texts_of
from tollbook import reasons, schemas
from tollbook.stage import StageResult, ints, with_columns

_PARTIES = (
    (kernels.SERVED, "served", "served_number_malformed"),
    (kernels.OTHER, "other", "other_number_malformed"),
    (kernels.THIRD, "third", "other_number_malformed"),
    (kernels.ROUTING, "routing", "routing_number_malformed"),
)


def normalise(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.CDR`` -> ``schemas.NORMALISED``, by the dialling rules of operator.yaml.

    Spaces, hyphens, dots and parentheses are passed over; of ``sip:`` and ``tel:`` addresses the
    user part is read. In this order: special number (exactly as dialled), access code (taken off
    where the rest is a number), international prefix or plus sign, national prefix, number dialled
    without a prefix, local number of the source's area, own country code without a prefix.
    Special numbers and access codes are dialled: they stand in other and third numbers only.
    totals: rejected, the rows that this stage rejected.
    """
    schemas.check(batch, schemas.CDR, "normalise")
    count = batch.num_rows
    rows = columns_of(batch, kernels.NumberRows)
    results = kernels.NumberResults(
        e164=np.empty(count, np.int64),
        access_code_index=np.full(count, -1, np.int16),
        special_index=np.full(count, -1, np.int32),
        flags=ints(batch, "flags").copy(),
        reason=ints(batch, "reason").copy(),
        reason_field=ints(batch, "reason_field").copy(),
    )
    good_before = count - np.count_nonzero(results.reason)
    new = {}
    for party, name, fault in _PARTIES:
        texts = texts_of(batch.column(f"{name}_raw"))
        if party == kernels.ROUTING and texts.offsets[0] == texts.offsets[-1]:  # as in most files
            new["routing_e164"] = np.zeros(count, np.int64)
            continue
        e164 = new[f"{name}_e164"] = np.empty(count, np.int64)
        with np.errstate(over="ignore"):  # words wrap on purpose
            kernels.normalise(
                reference.dialling, texts, rows, party,
                reasons.CODE[fault], FIELD[f"{name}_raw"], results._replace(e164=e164),
            )  # fmt: skip
    new |= {name: getattr(results, name) for name in results._fields if name != "e164"}
    rejected = good_before - (count - np.count_nonzero(results.reason))
    return StageResult(
        with_columns(batch, schemas.NORMALISED, new), totals={"rejected": int(rejected)}
    )
