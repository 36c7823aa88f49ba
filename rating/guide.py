"""The stage guide: the subscription that pays, zones, relation, roaming, carriers, periods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rating import decide_kernels
from rating import guide_kernels as kernels
from rating.hash_kernels import TextTable, find_texts
from rating.reference import Guiding, Reference
from rating.tables import columns_of, texts_of
from tollbook import schemas
from tollbook.stage import StageResult, ints, with_columns


def guide(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.NORMALISED`` -> ``schemas.USAGE``.

    Subscriptions, number ranges and trunks are those in force at the record's start. The first
    thing that is missing sets ``reason`` and ``reason_field``; what was found before stays. Rows
    that came with a reason get -1 and 0, and their bucket; their ``dedupe_hash`` is 0 if decode or
    validate rejected them: such rows take no part in the search for duplicates.
    totals: rejected, the rows that this stage rejected.
    """
    schemas.check(batch, schemas.NORMALISED, "guide")
    tables = reference.guiding
    new = {"dedupe_hash": np.empty(batch.num_rows, np.int64)}
    bucket = np.empty(batch.num_rows, np.int16)
    kernels.identify(
        tables.key_fields, tables.takes_part, columns_of(batch, kernels.Identity),
        new["dedupe_hash"], bucket,
    )  # fmt: skip
    payers = _payers(batch, tables, bucket)
    found = _look_up(batch, tables, payers)
    given = columns_of(batch, decide_kernels.Given)
    results = _outputs(batch, decide_kernels.Results)
    decide_kernels.decide(tables.known, tables.faults, given, found, results)
    new["location_index"] = np.maximum(found.location, np.int32(-1))
    for name in ("trunk_in", "trunk_out"):
        new[f"{name}_index"] = _trunks(batch, tables.trunks, name)
    new |= {name: getattr(payers, name) for name in payers._fields if name in schemas.USAGE.names}
    new["home_zone_index"] = payers.home_zone
    for name in ("real_zone_index", "called_zone_index"):
        new[name] = np.full(batch.num_rows, -1, np.int32)
    rejected = np.count_nonzero(results.reason) - np.count_nonzero(given.reason)
    return StageResult(
        with_columns(batch, schemas.USAGE, new | results._asdict()),
        totals={"rejected": int(rejected)},
    )


def _payers(batch: pa.RecordBatch, tables: Guiding, bucket: np.ndarray) -> kernels.Payers:
    count = batch.num_rows
    payers = kernels.Payers(
        subscription_index=np.empty(count, np.int32),
        account_index=np.empty(count, np.int32),
        plan_index=np.empty(count, np.int32),
        bucket=bucket,
        home_zone=np.empty(count, np.int32),
        standing=np.empty(count, np.int8),
    )
    kernels.find_payers(
        tables.subscriptions, ints(batch, "served_e164"), ints(batch, "start_utc_s"),
        ints(batch, "direction"), ints(batch, "reason"), payers,
        np.empty(kernels.BLOCK_ROWS, np.int64),
    )  # fmt: skip
    return payers


def _look_up(
    batch: pa.RecordBatch, tables: Guiding, payers: kernels.Payers
) -> decide_kernels.Found:
    start_utc_s = ints(batch, "start_utc_s")
    other_zone = np.full(batch.num_rows, kernels.DATED, np.int32)
    carrier = np.empty(batch.num_rows, np.int32)
    # The home zone's carrier is not asked for: the second search overwrites it.
    for name, zone in (("served_e164", payers.home_zone), ("other_e164", other_zone)):
        kernels.find_zones(tables.ranges, ints(batch, name), start_utc_s, zone, carrier)
    return decide_kernels.Found(
        standing=payers.standing,
        home_zone=payers.home_zone,
        network=_places(batch, tables.networks, "network"),
        location=_places(batch, tables.locations, "location"),
        number_zone=other_zone,
        number_carrier=carrier,
    )


def _trunks(batch: pa.RecordBatch, trunks: kernels.TrunkTable, name: str) -> np.ndarray:
    found = np.empty(batch.num_rows, np.int32)
    names = _places(batch, trunks.names, name)
    kernels.find_trunks(trunks, names, ints(batch, "start_utc_s"), ints(batch, "reason"), found)
    return found


def _places(batch: pa.RecordBatch, table: TextTable, name: str) -> np.ndarray:
    """Places of a column's texts in a table; int32."""
    found = np.empty(batch.num_rows, np.int32)
    find_texts(table, texts_of(batch.column(name)), found)
    return found


def _outputs(batch: pa.RecordBatch, kind: type[Any]) -> Any:
    """Room for the columns of ``schemas.USAGE`` that a kernel writes."""
    types = (schemas.USAGE.field(name).type.to_pandas_dtype() for name in kind._fields)
    return kind(*(np.empty(batch.num_rows, dtype) for dtype in types))
