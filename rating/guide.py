"""The stage guide: the subscription that pays, zones, relation, roaming, carriers, periods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rating import decide_kernels, member_kernels, place_kernels, visitors
from rating import guide_kernels as kernels
from rating.decide_kernels import Found, Given, Related, Served
from rating.hash_kernels import TextTable, find_texts
from rating.place_kernels import LocationTable
from rating.reference import FIELD, Guiding, Reference
from rating.tables import columns_of, fixed, texts_of
from tollbook import codes, schemas
from tollbook.stage import StageResult, ints, with_columns


def guide(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.NORMALISED`` -> ``schemas.USAGE``.

    Everything that is dated is looked up as of the record's start. The first thing that is missing
    sets ``reason`` and ``reason_field``; what was found before stays. Rows that came with a reason
    get -1 and 0, and their bucket; their ``dedupe_hash`` is 0 if decode or validate rejected them:
    such rows take no part in the search for duplicates.
    A record without a served number is its IMSI's; ``served_e164`` becomes the subscription's. One
    that no subscription pays for may be a visitor's (``rating.visitors``).
    totals: rejected, the rows that this stage rejected.
    """
    schemas.check(batch, schemas.NORMALISED, "guide")
    tables = reference.guiding
    new = {"dedupe_hash": np.empty(batch.num_rows, np.int64)}
    new["real_zone_index"] = np.full(batch.num_rows, -1, np.int32)
    new["mediation_index"] = np.full(batch.num_rows, -1, np.int16)
    bucket = np.empty(batch.num_rows, np.int16)
    kernels.identify(
        tables.key_fields, tables.takes_part, columns_of(batch, kernels.Identity),
        new["dedupe_hash"], bucket,
    )  # fmt: skip
    payers = _payers(batch, tables, bucket)
    by_imsi = _without_number(batch)
    if len(by_imsi):
        new["served_e164"] = _pay_by_imsi(batch, tables, payers, by_imsi)
        batch = with_columns(batch, schemas.NORMALISED, {"served_e164": new["served_e164"]})
    visited_zone = np.zeros(0, np.int32)
    if tables.visitors is not None:
        visited_zone = visitors.find_payers(batch, tables.visitors, payers)
    given = columns_of(batch, Given)
    served, related = _outputs(batch, Served), _outputs(batch, Related)
    related.called_zone_index.fill(-1)
    location = _places(batch, tables.locations, "location")
    found = _look_up(batch, tables, (payers, visited_zone), location)
    decide_kernels.place_served(tables.places, tables.faults, given, found, served)
    _name_imsi(by_imsi, served)
    _apply_rules(batch, tables, (given, found), (served, related), new["real_zone_index"])
    decide_kernels.relate(tables.relations, tables.faults, given, found, served, related)
    _flag_members(batch, tables, payers, (served.reason, related.flags))
    new["location_index"] = np.maximum(location, np.int32(-1))
    for name in ("trunk_in", "trunk_out"):
        new[f"{name}_index"] = _trunks(batch, tables.trunks, name)
    new |= {name: getattr(payers, name) for name in payers._fields if name in schemas.USAGE.names}
    new |= served._asdict() | related._asdict() | {"home_zone_index": payers.home_zone}
    rejected = np.count_nonzero(served.reason) - np.count_nonzero(ints(batch, "reason"))
    return StageResult(
        with_columns(batch, schemas.USAGE, new), totals={"rejected": int(rejected)}
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


def _without_number(batch: pa.RecordBatch) -> np.ndarray:
    """Rows that no number, but an IMSI, tells who was served; int64."""
    number = ints(batch, "served_e164")
    if number.all():
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(number == 0)
    is_meant = (ints(batch, "imsi")[rows] > 0) & (ints(batch, "reason")[rows] == 0)
    found: np.ndarray = rows[is_meant & (ints(batch, "direction")[rows] != codes.TRANSIT)]
    return found


def _pay_by_imsi(
    batch: pa.RecordBatch, tables: Guiding, payers: kernels.Payers, rows: np.ndarray
) -> np.ndarray:
    """Finds the payers of these rows by IMSI; ``served_e164`` of all rows, with their numbers."""
    imsi, start_utc_s, direction, reason = (
        fixed(ints(batch, name)[rows]) for name in ("imsi", "start_utc_s", "direction", "reason")
    )
    found = kernels.Payers(*(column[rows] for column in payers))
    kernels.find_payers(
        tables.imsis.table, imsi, start_utc_s, direction, reason, found,
        np.empty(kernels.BLOCK_ROWS, np.int64),
    )  # fmt: skip
    for column, values in zip(payers, found, strict=True):
        column[rows] = values
    e164 = ints(batch, "served_e164").copy()
    paid = found.subscription_index >= 0
    e164[rows[paid]] = tables.imsis.subscriptions.number[found.subscription_index[paid]]
    return e164


def _name_imsi(rows: np.ndarray, served: Served) -> None:
    """The field at fault of rows that have an IMSI only."""
    fields = served.reason_field[rows]
    served.reason_field[rows] = np.where(fields == FIELD["served_raw"], FIELD["imsi"], fields)


def _look_up(
    batch: pa.RecordBatch, tables: Guiding, who: tuple[kernels.Payers, np.ndarray],
    location: np.ndarray,
) -> Found:
    payers, visited_zone = who
    start_utc_s = ints(batch, "start_utc_s")
    other_zone = np.full(batch.num_rows, kernels.DATED, np.int32)
    carrier = np.empty(batch.num_rows, np.int32)
    # The home zone's carrier is not asked for: the second search overwrites it.
    for name, zone in (("served_e164", payers.home_zone), ("other_e164", other_zone)):
        kernels.find_zones(tables.ranges, ints(batch, name), start_utc_s, zone, carrier)
    if tables.rules.locations is not None:
        location = _rows(batch, tables.rules.locations, location, payers.home_zone)
    return Found(
        standing=payers.standing,
        home_zone=payers.home_zone,
        network=_places(batch, tables.networks, "network"),
        location=location,
        number_zone=other_zone,
        number_carrier=carrier,
        visited_zone=visited_zone,
    )


def _apply_rules(
    batch: pa.RecordBatch, tables: Guiding, known: tuple[Given, Found],
    columns: tuple[Served, Related], real_zone: np.ndarray,
) -> None:  # fmt: skip
    """The rules of place and portability that the operator has; the others cost nothing."""
    rules, (given, found), (served, related) = tables.rules, known, columns
    if rules.ported is not None:
        member_kernels.find_ported(
            rules.ported, given.other_e164, given.start_utc_s, served.reason, found.number_zone,
            found.number_carrier, related.flags, codes.FLAG_PORTED,
        )  # fmt: skip
    if rules.rewriting is not None:
        boundary = np.full(batch.num_rows, -1, np.int32)
        if rules.boundary is not None:
            whole = _places(batch, rules.boundary.whole, "location")
            boundary = _rows(batch, rules.boundary, whole, found.home_zone)
        place_kernels.rewrite_served(
            rules.rewriting, given, found, boundary, served, real_zone, related.flags
        )
    routing_e164 = ints(batch, "routing_e164")
    is_routed = bool(routing_e164.any())
    if rules.is_asked or is_routed:
        routed = np.full(batch.num_rows, kernels.DATED if is_routed else -1, np.int32)
        if is_routed:
            kernels.find_zones(
                tables.ranges, routing_e164, given.start_utc_s, routed, np.empty_like(routed)
            )
        place_kernels.find_called(
            rules.calling, given, found, served, routed, real_zone, related.called_zone_index,
            related.flags,
        )  # fmt: skip


def _flag_members(
    batch: pa.RecordBatch, tables: Guiding, payers: kernels.Payers,
    columns: tuple[np.ndarray, np.ndarray],
) -> None:
    rules, (reason, flags) = tables.rules, columns
    other, start_utc_s = ints(batch, "other_e164"), ints(batch, "start_utc_s")
    if rules.friends is not None:
        member_kernels.flag_friends(
            rules.friends, payers.subscription_index, other, start_utc_s, reason, flags,
            codes.FLAG_FRIEND,
        )  # fmt: skip
    if rules.groups is not None:
        member_kernels.flag_groups(
            rules.groups, ints(batch, "served_e164"), other, start_utc_s, reason, flags,
            codes.FLAG_GROUP,
        )  # fmt: skip


def _rows(
    batch: pa.RecordBatch, table: LocationTable, whole: np.ndarray, home_zone: np.ndarray
) -> np.ndarray:
    """The row of a table that holds for each record's location and home; int32."""
    found = np.empty(batch.num_rows, np.int32)
    place_kernels.find_rows(
        table, texts_of(batch.column("location")), whole, home_zone, ints(batch, "start_utc_s"),
        found,
    )  # fmt: skip
    return found


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
    """Room for columns of ``schemas.USAGE`` that a kernel writes; what the batch has, copied."""
    known = schemas.NORMALISED.names
    types = (schemas.USAGE.field(name).type.to_pandas_dtype() for name in kind._fields)
    return kind(*(
        ints(batch, name).copy() if name in known else np.empty(batch.num_rows, dtype)
        for name, dtype in zip(kind._fields, types, strict=True)
    ))  # fmt: skip
