"""Stage batches -> lake tables: codes and indices become words, micro amounts become decimals.

Words are stored as dictionaries (an index a row, each word once a row group), so they cost next to
nothing; readers see plain text. What is written here is the layout of the lake that users query;
docs/lake.md lists it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.owners import Members
from tollbook import clock, codes, reasons, schemas
from tollbook.run.exchange_kernels import compact
from tollbook.run.lake import as_amount
from tollbook.stage import text_of

NO_TEXT: Final = ""
RETAIL: Final = "retail"
NEAR: Final = 1 << 15  # integers of a smaller range are counted, not sorted


@dataclass(frozen=True)
class Names:
    """What the indices in a batch stand for in this run's reference data; arrays of utf8."""

    sources: Sequence[str]
    accounts: pa.Array
    subscriptions: pa.Array  # each once; a subscription may have several rows
    subscription_of_row: np.ndarray  # int32, by row of Customers.lines; the last is -1: none
    plans: Sequence[str]
    versions: Sequence[str]  # first day of each plan version
    version_plans: Sequence[str]  # the plan of each version
    zones: Sequence[str]
    relations: Sequence[str]
    carriers: Sequence[str]
    special_numbers: Sequence[str]
    access_codes: Sequence[str]
    components: Sequence[str]
    trunks: Sequence[str]
    locations: pa.Array
    agreements: Sequence[str]  # by row of network/agreements.csv
    prices: Sequence[str]  # the same rows' prices, as text
    groups: Sequence[str]
    mediation: Sequence[str] = ()  # names of the rules of operator.yaml
    items: Sequence[str] = ()  # what remembers, as plan/kind/name; (): nothing does
    owner_groups: Sequence[str] = ()
    members: Members | None = None  # of groups; None: groups own nothing


# Columns of the stage schema that the lake stores as they are, in the lake's order.
_POSITION: Final = ("record_id", "byte_offset", "byte_length")
_CDR_PLAIN: Final = (
    "served_raw", "other_raw", "third_raw", "imsi", "imei", "start_utc_s", "utc_offset_s",
    "duration_s", "up_bytes", "down_bytes", "event_count", "trunk_in", "trunk_out", "network",
    "location", "call_ref", "sequence", "cause", "routing_raw",
)  # fmt: skip
_NUMBERS: Final = ("served_e164", "other_e164", "third_e164", "routing_e164")
CDR_IN_LAKE: Final = (
    *_POSITION, "source", "service", "direction", *_CDR_PLAIN, "forward", "upstream_charge",
    "flags",
)  # fmt: skip


def words(index: np.ndarray, names: Sequence[str], absent: str = NO_TEXT) -> pa.Array:
    """Small codes as words; index -1 (or 0 for tables that start with it) is ``absent``."""
    return coded(np.asarray(index, np.int32) + np.int32(1), (absent, *names))


def coded(code: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Codes 0..n-1 as words."""
    return worded(np.asarray(code, np.int32), pa.array(list(names), pa.string()))


def worded(code: np.ndarray, names: pa.Array) -> pa.Array:
    """Codes (int32) as words, each word once in the dictionary.

    Names may repeat (agreements, trunks and plan versions by row). Arrow would write a Parquet file
    with a repeated word as plain text, after a dictionary page of uninitialised memory: other bytes
    at every run.
    """
    distinct = names.dictionary_encode()
    if len(distinct.dictionary) < len(names):
        code, names = distinct.indices.to_numpy()[code], distinct.dictionary
    return pa.DictionaryArray.from_arrays(pa.array(code), names)


def looked_up(index: np.ndarray, names: pa.Array, absent: str = NO_TEXT) -> pa.Array:
    """Indices into a large table of distinct names as words: only those that occur are stored."""
    seen = np.full(len(names) + 1, -1, np.int32)
    code = np.empty(len(index), np.int32)
    used = np.empty(len(index), np.int32)
    count = compact(index, seen, code, used)
    chosen = pa.array(used[:count], mask=used[:count] < 0)
    dictionary = names.take(chosen).fill_null(absent)
    return pa.DictionaryArray.from_arrays(pa.array(code), dictionary)


def named(batch: pa.RecordBatch, column: str, names: Sequence[str] | pa.Array) -> pa.Array:
    """A text column of which texts were left out that the column's index names as well."""
    index = _ints(batch, f"{column}_index")
    texts = batch.column(column)
    known = looked_up(index, names) if isinstance(names, pa.Array) else words(index, names)
    if pc.max(pc.binary_length(texts)).as_py():
        whole = pc.if_else(pc.equal(texts, ""), known.cast(pa.string()), texts)
        return whole.dictionary_encode()
    return known


def sparse(texts: pa.Array) -> pa.Array:
    """A text column that is empty in most files: a code a row, which then cost nothing."""
    text = text_of(texts)
    if text.offsets[0] == text.offsets[-1]:
        return words(np.full(len(texts), -1, np.int32), ())
    return texts.dictionary_encode()


def months(index: np.ndarray) -> pa.Array:
    """Month indices as ``YYYY-MM``."""
    values, code = distinct(index)
    texts = [clock.period_text(value) if value else NO_TEXT for value in values.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(code), pa.array(texts, pa.string()))


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and the place of each row's among them (int32).

    What ``np.unique`` finds by sorting; integers that lie near each other are counted instead.
    """
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if high - low >= NEAR:
        found, place = np.unique(values, return_inverse=True)
        return found, place.astype(np.int32)
    step = values.astype(np.int64) - low
    occurs = np.zeros(high - low + 1, bool)
    occurs[step] = True
    places = np.cumsum(occurs, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(occurs) + low, places[step]


def _ints(batch: pa.RecordBatch, name: str) -> np.ndarray:
    values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=True)
    return values


def cdr_columns(batch: pa.RecordBatch, names: Names) -> dict[str, pa.Array]:
    """The decoded columns as the lake names them."""
    found = {name: batch.column(name) for name in (*_POSITION, *_CDR_PLAIN, "flags")}
    found["trunk_in"] = named(batch, "trunk_in", names.trunks)
    found["trunk_out"] = named(batch, "trunk_out", names.trunks)
    found["location"] = named(batch, "location", names.locations)
    found["routing_raw"] = sparse(batch.column("routing_raw"))
    found["source"] = coded(_ints(batch, "source_index"), names.sources)
    found["service"] = coded(_ints(batch, "service"), codes.SERVICES)
    found["direction"] = coded(_ints(batch, "direction"), codes.DIRECTIONS)
    found["forward"] = coded(_ints(batch, "forward_reason"), codes.FORWARDS)
    found["upstream_charge"] = as_amount(batch.column("upstream_charge_micro"))
    return {name: found[name] for name in CDR_IN_LAKE}


def rated_table(batch: pa.RecordBatch, names: Names) -> pa.Table:
    """Rated rows (schemas.RATED) as rows of the lake's ``rated`` dataset."""
    columns = cdr_columns(batch, names)
    columns |= {name: batch.column(name) for name in _NUMBERS}
    columns["access_code"] = words(_ints(batch, "access_code_index"), names.access_codes)
    columns["special_number"] = words(_ints(batch, "special_index"), names.special_numbers)
    columns["subscription_id"] = looked_up(
        names.subscription_of_row[_ints(batch, "subscription_index")], names.subscriptions
    )
    columns["account_id"] = looked_up(_ints(batch, "account_index"), names.accounts)
    columns["plan"] = words(_ints(batch, "plan_index"), names.plans)
    columns["served_zone"] = words(_ints(batch, "served_zone_index"), names.zones)
    columns["other_zone"] = words(_ints(batch, "other_zone_index"), names.zones)
    for name in ("home_zone", "real_zone", "called_zone"):
        columns[name] = words(_ints(batch, f"{name}_index"), names.zones)
    columns["carrier"] = words(_ints(batch, "carrier_index"), names.carriers)
    for name in ("relation", "home_relation"):
        columns[name] = words(_ints(batch, f"{name}_index"), names.relations)
    columns["roaming"] = coded(_ints(batch, "roaming"), codes.ROAMINGS)
    columns["dedupe_hash"] = batch.column("dedupe_hash")
    columns["usage_period"] = months(_ints(batch, "usage_period"))
    columns["bill_period"] = months(_ints(batch, "bill_period"))
    columns["rating_kind"] = coded(np.zeros(batch.num_rows, np.int32), (RETAIL,))
    columns["rating_plan"] = _rating_plan(batch, names)
    columns["version"] = words(_ints(batch, "version_index"), names.versions)
    columns["rule"] = batch.column("rule_index")
    for slot, component in enumerate(names.components):
        columns[f"charge_{component}"] = as_amount(batch.column(schemas.CHARGE_COLUMNS[slot]))
    columns["charge"] = as_amount(batch.column("charge_micro"))
    if names.members is not None:
        columns["owner_group"] = _owner_group(batch, names.members, names.owner_groups)
    if names.items:
        columns["used"] = used_list(batch.column("used"), names.items)
    return pa.table(columns)


def _owner_group(batch: pa.RecordBatch, members: Members, groups: Sequence[str]) -> pa.Array:
    """The group whose allowances, tiers, counters and caps the record may have used."""
    found = members.group_at(_ints(batch, "served_e164"), _ints(batch, "start_utc_s"))
    return words(found, groups)


def used_list(used: pa.ListArray, items: Sequence[str]) -> pa.ListArray:
    """The list ``used`` of schemas.RATED with names of items and dates."""
    item, since, before, taken = used.values.flatten()
    fields = {
        "item": worded(item.to_numpy(), pa.array(list(items), pa.string())),
        "since": since.view(pa.date32()),
        "before": before,
        "taken": taken,
    }
    kind = pa.struct([pa.field(name, one.type, nullable=False) for name, one in fields.items()])
    stored = pa.StructArray.from_arrays(list(fields.values()), fields=list(kind))
    return pa.ListArray.from_arrays(
        used.offsets, stored, type=pa.list_(pa.field("element", kind, nullable=False))
    )


def _rating_plan(batch: pa.RecordBatch, names: Names) -> pa.Array:
    """The plan that the version belongs to, where it is not the subscription's own."""
    place = {plan: index for index, plan in enumerate(names.plans)}
    of_version = np.array([place.get(plan, -1) for plan in names.version_plans] + [-1], np.int32)
    plan = of_version[_ints(batch, "version_index")]
    return words(np.where(plan == _ints(batch, "plan_index"), np.int32(-1), plan), names.plans)


def legs_table(batch: pa.RecordBatch, names: Names, own: str) -> pa.Table:
    """Settlement legs (schemas.LEG) as rows of the lake's ``legs`` dataset."""
    outgoing = _ints(batch, "direction") == codes.OUT
    carrier = words(_ints(batch, "carrier_index"), names.carriers)
    us = words(np.zeros(batch.num_rows, np.int32), (own,))
    return pa.table({
        "record_id": batch.column("record_id"),
        "agreement": words(_ints(batch, "agreement_index"), names.agreements),
        "carrier": carrier,
        "payer": _choose(outgoing, us, carrier),
        "payee": _choose(outgoing, carrier, us),
        "direction": coded(_ints(batch, "direction"), codes.DIRECTIONS),
        "service": coded(_ints(batch, "service"), codes.SERVICES),
        "trunk": words(_ints(batch, "trunk_index"), names.trunks),
        "settlement_group": words(_ints(batch, "group_index"), names.groups),
        "start_utc_s": batch.column("start_utc_s"),
        "settle_period": months(_ints(batch, "settle_period")),
        "price": words(_ints(batch, "agreement_index"), names.prices),
        "quantity": batch.column("quantity"),
        "billed_quantity": batch.column("billed_quantity"),
        "charge": as_amount(batch.column("charge_micro")),
    })  # fmt: skip


def ratings_table(batch: pa.RecordBatch, names: Names) -> pa.Table:
    """Further ratings (schemas.RATING) as rows of the lake's ``ratings`` dataset."""
    columns = {
        "record_id": batch.column("record_id"),
        "rating_kind": coded(_ints(batch, "rating_kind"), codes.RATING_KINDS),
        "plan": words(_ints(batch, "plan_index"), names.plans),
        "version": words(_ints(batch, "version_index"), names.versions),
        "rule": batch.column("rule_index"),
        "reason": coded_reasons(_ints(batch, "reason")),
        "start_utc_s": batch.column("start_utc_s"),
        "usage_period": months(_ints(batch, "usage_period")),
    }
    for slot, component in enumerate(names.components):
        columns[f"charge_{component}"] = as_amount(batch.column(schemas.CHARGE_COLUMNS[slot]))
    columns["charge"] = as_amount(batch.column("charge_micro"))
    return pa.table(columns)


def _choose(mask: np.ndarray, yes: pa.Array, no: pa.Array) -> pa.Array:
    """One of two dictionary columns, row by row."""
    shift = len(yes.dictionary)
    code = np.where(mask, yes.indices.to_numpy(), no.indices.to_numpy() + shift)
    dictionary = pa.concat_arrays([yes.dictionary, no.dictionary])
    values, dense = distinct(code)
    return worded(dense, dictionary.take(pa.array(values)))


def suspense_table(
    batch: pa.RecordBatch, names: Names, raw: pa.Table, tries: np.ndarray, since_utc_s: np.ndarray
) -> pa.Table:
    """Suspended rows: the decoded columns, why they wait, and the bytes where decoding failed.

    raw: ``schemas.REJECTED`` rows of the same records in the same order, empty where the columns
    hold all. tries: int8, how often the record was retried. since_utc_s: int64, ``as_of`` of the
    run that suspended it first.
    """
    code = _ints(batch, "reason")
    field = _ints(batch, "reason_field")
    columns = {
        "record_id": batch.column("record_id"),
        "reason": coded_reasons(code),
        "field": words(field, schemas.CDR.names),
        "raw_value": raw.column("raw_value").combine_chunks(),
        "raw_record": raw.column("raw_record").combine_chunks(),
        "tries": pa.array(tries),
        "suspended_utc_s": pa.array(since_utc_s),
        "usage_period": months(_ints(batch, "usage_period")),
    }  # fmt: skip
    return pa.table(columns | {
        name: array for name, array in cdr_columns(batch, names).items() if name != "record_id"
    })  # fmt: skip


def pending_table(
    batch: pa.RecordBatch, names: Names, call_ids: np.ndarray, due_utc_s: np.ndarray
) -> pa.Table:
    """Parts of long calls that wait for other parts.

    call_ids: int64, the first part of the call as far as it is known. due_utc_s: int64, when the
    call is charged even without them.
    """
    columns = {
        "record_id": batch.column("record_id"),
        "reason": coded_reasons(_ints(batch, "reason")),
        "call_record_id": pa.array(call_ids),
        "due_utc_s": pa.array(due_utc_s),
        "usage_period": months(_ints(batch, "usage_period")),
    }
    return pa.table(columns | {
        name: array for name, array in cdr_columns(batch, names).items() if name != "record_id"
    })  # fmt: skip


def uncharged_table(batch: pa.RecordBatch, names: Names, first_ids: np.ndarray) -> pa.Table:
    """Records without a charge of their own: discarded, duplicate, settled only, filtered..."""
    code = _ints(batch, "reason")
    dispositions = [reasons.BY_CODE[c].disposition if c else codes.RATED for c in range(
        max(reasons.BY_CODE) + 1) if c == 0 or c in reasons.BY_CODE]  # fmt: skip
    known = [0, *sorted(reasons.BY_CODE)]
    table = np.zeros(max(known) + 1, np.int32)
    table[known] = dispositions
    columns = {
        "record_id": batch.column("record_id"),
        "disposition": coded(table[code], codes.DISPOSITIONS),
        "reason": coded_reasons(code),
        "first_record_id": pa.array(first_ids),
        "mediation_rule": words(_ints(batch, "mediation_index"), names.mediation),
        "usage_period": months(_ints(batch, "usage_period")),
    }
    return pa.table(columns | {
        name: array for name, array in cdr_columns(batch, names).items() if name != "record_id"
    })  # fmt: skip


def coded_reasons(code: np.ndarray) -> pa.Array:
    """Reason codes as their names."""
    values, dense = distinct(code)
    texts = [reasons.name_of(value) for value in values.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(dense), pa.array(texts, pa.string()))
