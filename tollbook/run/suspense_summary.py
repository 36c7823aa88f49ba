"""What waits, counted: by reason, file, source or day, with its age and what it may be worth.

The worth is an estimate, and said to be one: the record's quantity at the mean charge per second,
byte or event of rated records of the same service and direction, up to the limits of
operator.yaml. No float has a part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import clock, codes
from tollbook.money import ROUND_HALF_EVEN, exact_sum, round_div
from tollbook.run import lake, suspended
from tollbook.run.session import Session
from tollbook.run.standing import STANDINGS, Today
from tollbook.workspace import Limits

SAMPLE_ROWS: Final = 1_000_000  # of rated records, the newest first, that means are made of
_QUANTITIES: Final = ("duration_s", "up_bytes", "down_bytes", "event_count")
_WAITING: Final = ("service", "direction", *_QUANTITIES, "record_id", "reason", "source", "tries",
                   "suspended_utc_s", "start_utc_s", "utc_offset_s", "flags")  # fmt: skip
_RATED: Final = ("service", "direction", *_QUANTITIES, "charge_micro")
_DIRECTIONS: Final = len(codes.DIRECTIONS)


@dataclass
class Group:
    """Records that wait together.

    standings: how many are in each of ``standing.STANDINGS``. corrected: how many a person has
    corrected. oldest_utc_s: since when the first of them waits. estimated: how many have an
    estimate; together they have ``estimate_micro``. used: their quantities by service and
    direction.
    """

    name: str
    records: int = 0
    standings: list[int] = field(default_factory=lambda: [0] * len(STANDINGS))
    corrected: int = 0
    oldest_utc_s: int = 2**62
    estimated: int = 0
    estimate_micro: int = 0
    used: dict[int, Used] = field(default_factory=dict)


@dataclass
class Used:
    """Records of one service and direction: how many, their quantity, their charge if rated."""

    records: int = 0
    quantity: int = 0
    charge_micro: int = 0


def summary(session: Session, as_of_utc_s: int, by: str = "reason") -> tuple[list[Group], int]:
    """The groups, largest first, and how many rated records their estimates are made of."""
    groups: dict[str, Group] = {}
    today = Today(session, as_of_utc_s)
    for file, table in suspended.tables(session, _WAITING):
        _count(session, table, today.standing(file, table), by, groups)
    means = means_of(session) if groups else {}
    for group in groups.values():
        for kind, used in group.used.items():
            mean = means.get(kind)
            if mean is not None and mean.quantity and used.quantity:
                group.estimated += used.records
                group.estimate_micro += round_div(
                    used.quantity * mean.charge_micro, mean.quantity, ROUND_HALF_EVEN
                )
    found = sorted(groups.values(), key=lambda one: (-one.records, one.name))
    return found, sum(mean.records for mean in means.values())


def means_of(session: Session) -> dict[int, Used]:
    """Quantities and charges of the newest rated records, by service and direction."""
    found: dict[int, Used] = {}
    rows = 0
    for file in reversed(session.catalogue.lake_files("rated")):
        for batch in lake.batches(session.root, [file], _RATED):
            if rows >= SAMPLE_ROWS:
                return found
            table = pa.Table.from_batches([batch])
            charge = table.column("charge_micro").to_numpy()
            _add(found, *_kinds(table), charge)
            rows += table.num_rows
    return found


def _count(
    session: Session, table: pa.Table, standing: np.ndarray, by: str, groups: dict[str, Group]
) -> None:
    """Add the rows of a suspense file to their groups. standing: see ``Today.standing``."""
    names = pa.concat_arrays(_names(table, by).chunks).dictionary_encode()
    code = names.indices.to_numpy()
    since = table.column("suspended_utc_s").to_numpy()
    corrected = table.column("flags").to_numpy() & codes.FLAG_CORRECTED != 0
    kind, quantity = _kinds(table, session.workspace.limits)
    for place, name in enumerate(names.dictionary.to_pylist()):
        rows = np.flatnonzero(code == place)
        group = groups.setdefault(name, Group(name))
        group.records += len(rows)
        counts = np.bincount(standing[rows], minlength=len(STANDINGS)).tolist()
        group.standings = [a + b for a, b in zip(group.standings, counts, strict=True)]
        group.corrected += int(np.count_nonzero(corrected[rows]))
        group.oldest_utc_s = min(group.oldest_utc_s, int(since[rows].min()))
        rows = rows[quantity[rows] > 0]
        _add(group.used, kind[rows], quantity[rows], np.zeros(len(rows), np.int64))


def _names(table: pa.Table, by: str) -> pa.ChunkedArray:
    if by == "file":
        numbers = pa.chunked_array([table.column("record_id").to_numpy() >> 32])
        return pc.binary_join_element_wise("F", numbers.cast(pa.string()), "")
    if by == "day":
        start = table.column("start_utc_s").to_numpy()
        days = (start + table.column("utc_offset_s").to_numpy()) // clock.DAY_S
        values, code = np.unique(np.where(start == 0, -1, days), return_inverse=True)
        texts = [clock.utc_text(day * clock.DAY_S)[:10] if day >= 0 else "unknown"
                 for day in values.tolist()]  # fmt: skip
        return pa.chunked_array([pa.array(texts, pa.string()).take(pa.array(code))])
    return table.column(by).cast(pa.string())


def _kinds(table: pa.Table, limits: Limits | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Of each row: service and direction as one number, and how much was used (int64).

    limits: no row counts for more, for one absurd duration would hide what all others are worth.
    """
    service, direction = (
        pc.index_in(table.column(name), value_set=pa.array(words)).to_numpy().astype(np.int64)
        for name, words in (("service", codes.SERVICES), ("direction", codes.DIRECTIONS))
    )
    unit = np.zeros(len(codes.SERVICES), np.int64)
    for code, counted in codes.QUANTITY_UNIT.items():
        unit[code] = counted
    seconds, up, down, events = (table.column(name).to_numpy() for name in _QUANTITIES)
    of_row = unit[service]
    quantity = np.select(
        [of_row == codes.SECONDS, of_row == codes.BYTES, of_row == codes.EVENTS],
        [seconds, up + down, events], np.int64(0),
    )  # fmt: skip
    if limits:
        for counted, most in ((codes.SECONDS, limits.duration_s),
                              (codes.BYTES, limits.volume_bytes)):  # fmt: skip
            quantity = np.where(of_row == counted, np.minimum(quantity, most), quantity)
    return service * _DIRECTIONS + direction, quantity


def _add(
    found: dict[int, Used], kind: np.ndarray, quantity: np.ndarray, charge_micro: np.ndarray
) -> None:
    for one in np.unique(kind).tolist():
        rows = kind == one
        used = found.setdefault(one, Used())
        used.records += int(np.count_nonzero(rows))
        used.quantity += exact_sum(quantity[rows])
        used.charge_micro += exact_sum(charge_micro[rows])


def as_dict(groups: list[Group], now_utc_s: int) -> dict[str, Mapping[str, int]]:
    """The groups for programs, by name."""
    return {
        one.name: {
            "records": one.records, "corrected": one.corrected,
            **dict(zip(STANDINGS, one.standings, strict=True)),
            "oldest_utc_s": one.oldest_utc_s, "age_days": age_days(one, now_utc_s),
            "estimated": one.estimated, "estimate_micro": one.estimate_micro,
        } for one in groups
    }  # fmt: skip


def age_days(group: Group, now_utc_s: int) -> int:
    """Whole days that the first record of a group waits."""
    return max(0, now_utc_s - group.oldest_utc_s) // clock.DAY_S
