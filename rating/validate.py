"""The stage validate: values that were read but cannot be right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rating import validate_kernels as kernels
from rating.reference import Reference
from rating.tables import columns_of
from tollbook import schemas
from tollbook.stage import StageResult, with_columns


def validate(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.CDR`` checked against the limits of operator.yaml.

    A row that fails gets its ``reason`` and ``reason_field``; the first check that fails counts:
    start, then what the service counts (seconds of voice and video, bytes of data, events of
    messages). Data sessions may last longer than ``limits: duration``. Where partial records are
    merged, one of them may be empty: ``assemble`` checks the call.
    totals: rejected, the rows that this stage rejected.
    """
    schemas.check(batch, schemas.CDR, "validate")
    columns = columns_of(batch, kernels.CheckedColumns)
    reason = np.empty(batch.num_rows, np.int16)
    reason_field = np.empty(batch.num_rows, np.int16)
    rejected = int(kernels.validate(reference.checks, columns, reason, reason_field))
    new = {"reason": reason, "reason_field": reason_field} if rejected else {}
    return StageResult(with_columns(batch, schemas.CDR, new), totals={"rejected": rejected})
