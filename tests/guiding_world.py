"""A small country for the tests of guiding, and batches of records from a few words each.

Zones 010 and 0311 lie in the north, 020 in the south, us abroad; 110 is an emergency number. The
operator is `own`; times in tables are UTC seconds, an empty end is open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rating import guide, normalise, reference
from tollbook import codes, reasons, schemas
from tollbook import customers as customer_tables
from tollbook import network as network_tables
from tollbook import workspace as workspace_tables
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.duplicate_rules import DuplicateRules
from tollbook.numbering import Lengths, Numbering
from tollbook.sources import Source

DAY_S = 86_400
START = 1_055_199_590  # 2003-06-09T22:59:50Z, 06:59:50 on the 10th in Shanghai
OPEN_PERIOD = 2003 * 12 + 5  # 2003-06

ZONES = (  # id, region, country
    ("010", "north", "CN"), ("020", "south", "CN"), ("0311", "north", "CN"),
    ("us", "", "US"), ("emergency", "", "CN"),
)  # fmt: skip
CARRIERS = ("own", "rival", "abroad")
RELATIONS = ("local", "toll", "international", "free")
MATRIX = (  # served zone x other zone
    (0, 1, 1, 2, 3),
    (1, 0, 1, 2, 3),
    (1, 1, 0, 2, -1),
    (-1, 2, 2, -1, -1),
    (-1, -1, -1, -1, -1),
)
RANGES = (  # prefix, zone, carrier, from, to
    ("8610", "010", "rival", None, None),
    ("8620", "020", "rival", None, None),
    ("86311", "0311", "rival", None, None),
    ("86139", "010", "own", None, None),
    ("861390", "020", "own", None, None),
    ("8613905", "0311", "own", START, START + DAY_S),  # only for a day, inside 861390
    ("8613666", "010", "own", None, START),  # moved from 010 to 020 at START
    ("8613666", "020", "own", START, None),
    ("1", "us", "abroad", None, None),
)
SPECIALS = (("110", "emergency"), ("10086", "010"))
LOCATIONS = (("MSC1", "010"), ("MSC2", "020"), ("MSC3", "0311"))
NETWORKS = (("USAXX", "us"),)
TRUNKS = (("T1", None, START), ("T1", START, None), ("T2", None, None))  # name, from, to
SUBSCRIPTIONS = (  # number, account, plan, status, from, to
    ("8613900000001", "A-1", "gold", "active", None, None),
    ("8613900000002", "A-2", "gold", "active", None, START),  # the number changes hands at START
    ("8613900000002", "A-3", "basic", "active", START, START + DAY_S),
    ("8613900000003", "A-1", "basic", "suspended", None, None),
    ("8613905000004", "A-4", "basic", "active", None, None),
    ("8613666000005", "A-5", "basic", "active", None, None),
    ("8655500000006", "A-6", "basic", "active", None, None),  # in no number range
)
NUMBERING = Numbering(
    country_code="86",
    international_prefixes=("00",),
    national_prefix="0",
    national_lengths=Lengths(9, 10),
    mobile_lengths=Lengths(11, 11),
    local_lengths=Lengths(7, 8),
    access_codes=("17951", "179"),
)
SOURCES = (("east", "10"), ("south", "20"), ("none", ""))


@dataclass(frozen=True)
class World:
    workspace: workspace_tables.Workspace
    network: network_tables.Network
    customers: customer_tables.Customers
    as_of_utc_s: int = START + DAY_S
    open_period: int = OPEN_PERIOD

    def reference(self) -> reference.Reference:
        return reference.build(
            self.workspace, self.network, self.customers, self.as_of_utc_s, self.open_period
        )


def world(
    national_roaming: str = "region",
    time_zone: str = "Asia/Shanghai",
    key: Sequence[str] = ("served", "start", "duration", "other", "direction"),
    subscriptions: Sequence[tuple[Any, ...]] = SUBSCRIPTIONS,
    ranges: Sequence[tuple[Any, ...]] = RANGES,
    **changes: Any,
) -> World:
    """The country, with some tables or settings replaced."""
    workspace = workspace_tables.Workspace(
        root=Path("/w"),
        operator=workspace_tables.Operator("Own", "CN", "CNY", 2, time_zone, "CHNHM"),
        numbering=NUMBERING,
        national_roaming=national_roaming,
        sources=tuple(
            Source(name, "tollbook", "*", time_zone, area, re.compile("")) for name, area in SOURCES
        ),
        duplicates=DuplicateRules(tuple(key), 60 * DAY_S),
        limits=workspace_tables.Limits(60 * DAY_S, 3600, 36_000, 2**40),
        store=workspace_tables.Store("sqlite://", Path("/w/lake")),
    )
    made = World(workspace, _network(ranges), _customers(subscriptions))
    return replace(made, **changes)


def _index(names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    return np.array([names.index(word) for word in wanted], np.int32)


def _times(since: Sequence[int | None], until: Sequence[int | None]) -> dict[str, np.ndarray]:
    return {
        "valid_from_utc_s": np.array([OPEN_FROM if t is None else t for t in since], np.int64),
        "valid_to_utc_s": np.array([OPEN_TO if t is None else t for t in until], np.int64),
    }


def _network(ranges: Sequence[tuple[Any, ...]]) -> network_tables.Network:
    ids = [zone for zone, _, _ in ZONES]
    regions = sorted({region for _, region, _ in ZONES if region})
    countries = sorted({country for _, _, country in ZONES})
    region_index = [regions.index(word) if word else -1 for _, word, _ in ZONES]
    rows = sorted(ranges, key=lambda row: (len(row[0]), row[0], row[3] or OPEN_FROM))
    return network_tables.Network(
        zones=network_tables.Zones(
            tuple(ids), tuple(ids), tuple(regions), np.array(region_index, np.int32),
            tuple(countries), _index(countries, [word for _, _, word in ZONES]), (),
            np.full(len(ids), -1, np.int32), tuple(ids), _index(ids, ids), ("",) * len(ids),
        ),
        ranges=network_tables.NumberRanges(
            prefix=np.array([int(row[0]) for row in rows], np.int64),
            prefix_length=np.array([len(row[0]) for row in rows], np.int8),
            zone_index=_index(ids, [row[1] for row in rows]),
            carrier_index=_index(CARRIERS, [row[2] for row in rows]),
            **_times([row[3] for row in rows], [row[4] for row in rows]),
        ),
        special_numbers=network_tables.SpecialNumbers(
            tuple(number for number, _ in SPECIALS), _index(ids, [zone for _, zone in SPECIALS]),
            tuple(number for number, _ in SPECIALS),
        ),
        relations=RELATIONS,
        relation_matrix=np.array(MATRIX, np.int16),
        locations=network_tables.Locations(
            pa.array([name for name, _ in LOCATIONS]), _index(ids, [zone for _, zone in LOCATIONS]),
            **_times([None] * len(LOCATIONS), [None] * len(LOCATIONS)),
        ),
        visited=network_tables.VisitedNetworks(
            tuple(name for name, _ in NETWORKS), _index(ids, [zone for _, zone in NETWORKS]),
            tuple(name for name, _ in NETWORKS),
        ),
        carriers=network_tables.Carriers(CARRIERS, CARRIERS, 0),
        trunks=network_tables.Trunks(
            tuple(name for name, _, _ in TRUNKS), tuple(name for name, _, _ in TRUNKS),
            np.zeros(len(TRUNKS), np.int32),
            **_times([since for _, since, _ in TRUNKS], [until for _, _, until in TRUNKS]),
        ),
        holidays=(),
    )  # fmt: skip


def imsi_of(number: str) -> int:
    """The IMSI of a subscription that has this number."""
    return int("46000" + number[-10:])


def _customers(rows: Sequence[tuple[Any, ...]]) -> customer_tables.Customers:
    accounts = sorted({row[1] for row in rows})
    plans = sorted({row[2] for row in rows})
    empty = pa.array([""] * len(accounts), pa.string())
    return customer_tables.Customers(
        customer_tables.Accounts(
            pa.array(accounts, pa.string()), empty, empty, empty, np.zeros(len(accounts), np.bool_),
            **_times([None] * len(accounts), [None] * len(accounts)),
        ),
        customer_tables.Subscriptions(
            subscription_id=pa.array([f"S-{row}" for row in range(len(rows))], pa.string()),
            account_index=_index(accounts, [row[1] for row in rows]),
            number=np.array([int(row[0]) for row in rows], np.int64),
            imsi=np.array([imsi_of(row[0]) for row in rows], np.int64),
            plan_index=_index(plans, [row[2] for row in rows]),
            status=np.array([customer_tables.STATUSES.index(row[3]) for row in rows], np.int8),
            **_times([row[4] for row in rows], [row[5] for row in rows]),
        ),
        tuple(plans),
    )


BLANK: Mapping[str, Any] = {
    "service": codes.VOICE, "direction": codes.OUT, "served_raw": "13900000001",
    "other_raw": "13900000009", "start_utc_s": START, "duration_s": 60, "utc_offset_s": 28_800,
    "reason_field": -1,
}  # fmt: skip


def records(*rows: Mapping[str, Any], schema: pa.Schema = schemas.CDR) -> pa.RecordBatch:
    """A batch of records: what a row does not name is a plain call of a known customer."""
    columns = []
    for field in schema:
        nothing: Any = "" if field.type == pa.string() else 0
        values = [row.get(field.name, BLANK.get(field.name, nothing)) for row in rows]
        if field.name == "record_id":
            values = [row.get("record_id", (17 << 32) + at) for at, row in enumerate(rows, 1)]
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


CHINA: Final = world()
REFERENCE: Final = CHINA.reference()


def guided(*rows: dict[str, Any], made: World = CHINA) -> list[dict[str, Any]]:
    """Records through normalise and guide, with names in place of indexes."""
    tables = REFERENCE if made is CHINA else made.reference()
    batch = guide.guide(normalise.normalise(records(*rows), tables).batch, tables).batch
    schemas.check(batch, schemas.USAGE, "test")
    found = batch.to_pylist()
    for row in found:
        row["reason"] = reasons.name_of(row["reason"])
        row["field"] = schemas.CDR.names[row["reason_field"]] if row["reason_field"] >= 0 else ""
        for column, words in (
            ("served_zone", [name for name, _, _ in ZONES]),
            ("other_zone", [name for name, _, _ in ZONES]),
            ("carrier", CARRIERS),
            ("relation", RELATIONS),
            ("account", tables.names.account_id.to_pylist()),
            ("plan", tables.names.plans),
        ):
            index = row[f"{column}_index"]
            row[column] = words[index] if index >= 0 else ""
    return found
