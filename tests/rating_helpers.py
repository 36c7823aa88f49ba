"""Usage batches from facts in words, and the kernel's results back in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from rating.rate import rate
from rating.trace import Facts
from tariffs.compiler import CompiledBook
from tollbook import codes, reasons, schemas


def batch_of(schema: pa.Schema, count: int, columns: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """A batch of a schema: the columns given, empty texts and zeros for the others."""
    arrays = []
    for field in schema:
        blank: Any = "" if pa.types.is_string(field.type) else 0
        blank = [] if pa.types.is_list(field.type) else blank
        arrays.append(pa.array(columns.get(field.name, [blank] * count), field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def usage_columns(facts: Sequence[Facts], compiled: CompiledBook) -> dict[str, list[Any]]:
    """The columns of schemas.USAGE that say the same as the facts."""
    names = compiled.names

    def index(words: Sequence[str], word: str) -> int:
        return words.index(word) if word else -1

    return {
        "record_id": list(range(len(facts))),
        "service": [codes.SERVICE_CODE[fact.service] for fact in facts],
        "direction": [codes.DIRECTION_CODE[fact.direction] for fact in facts],
        "roaming": [codes.ROAMINGS.index(fact.roaming) for fact in facts],
        "relation_index": [index(names.relations, fact.relation) for fact in facts],
        "other_zone_index": [index(names.zones, fact.other_zone) for fact in facts],
        "access_code_index": [index(names.access_codes, fact.access_code) for fact in facts],
        "flags": [
            codes.FLAG_ON_NET * fact.on_net | codes.FLAG_SPECIAL * fact.special
            | codes.FLAG_ACCESS_CODE * bool(fact.access_code)
            | codes.FLAG_FRIEND * fact.friend | codes.FLAG_GROUP * fact.group
            | codes.FLAG_SAME_PLACE * fact.same_place | codes.FLAG_ROUTED * fact.is_routed
            | codes.FLAG_BOUNDARY * (fact.boundary != "none")
            | codes.FLAG_BOUNDARY_INTER * (fact.boundary == "inter") for fact in facts
        ],
        "served_zone_index": [index(names.zones, fact.served_zone) for fact in facts],
        "home_zone_index": [index(names.zones, fact.home_zone) for fact in facts],
        "home_relation_index": [index(names.relations, fact.home_relation) for fact in facts],
        "carrier_index": [index(names.carriers, fact.carrier) for fact in facts],
        "forward_reason": [codes.FORWARD_CODE[fact.forward] for fact in facts],
        "reason_field": [-1] * len(facts),
        **{
            name: [getattr(fact, name) for fact in facts]
            for name in (
                "start_utc_s", "duration_s", "up_bytes", "down_bytes", "event_count",
                "other_e164", "routing_e164", "utc_offset_s",
            )
        },
    }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of schemas.RATED in words; charges: every component of the book."""

    reason: str
    version: str
    rule_index: int
    charges: dict[str, int]
    total: int


def rate_facts(
    facts: Sequence[Facts], plans: Sequence[int], compiled: CompiledBook
) -> list[Row]:
    """Rate usages through the stage, all in one batch."""
    columns = usage_columns(facts, compiled) | {"plan_index": list(plans)}
    return rows_of(rate(batch_of(schemas.USAGE, len(facts), columns), compiled).batch, compiled)


def rows_of(batch: pa.RecordBatch, compiled: CompiledBook) -> list[Row]:
    rows = []
    for row in batch.to_pylist():
        version = row["version_index"]
        rows.append(Row(
            reason="" if not row["reason"] else reasons.name_of(row["reason"]),
            version="" if version < 0 else compiled.version_names[version],
            rule_index=row["rule_index"],
            charges={
                name: row[column]
                for name, column in zip(compiled.components, schemas.CHARGE_COLUMNS, strict=False)
            },
            total=row["charge_micro"],
        ))  # fmt: skip
        assert sum(row[column] for column in schemas.CHARGE_COLUMNS) == row["charge_micro"]
    return rows


def always_wide(compiled: CompiledBook) -> CompiledBook:
    """The same book, but for every sum being worked out in two halves."""
    rates = compiled.tables.prices.rates.copy()
    rates["narrow_quantity"] = -1
    rates.setflags(write=False)
    prices = compiled.tables.prices._replace(rates=rates)
    tables = compiled.tables._replace(prices=prices)
    return replace(compiled, tables=tables)


def shuffled(batch: pa.RecordBatch, seed: int) -> tuple[pa.RecordBatch, np.ndarray]:
    """The rows in another order, and that order."""
    order = np.random.default_rng(seed).permutation(batch.num_rows)
    return batch.take(pa.array(order)), order
