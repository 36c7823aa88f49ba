"""Lookup tables for the guiding kernels, built from columns: hash tables and number intervals.

Everything returned is read-only; the tables do not depend on the order of the rows they came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rating.guide_kernels import (
    BUCKET_COUNT,
    DATED,
    NODE,
    RangeTable,
    SubscriptionTable,
    TrunkTable,
)
from rating.hash_kernels import Texts, TextTable, fill_number_slots, fill_text_slots, hash_texts
from rating.number_kernels import POWER
from tariffs.prefix_intervals import Prefixed, first_level, intervals
from tariffs.prefix_kernels import E164_DIGITS, GROUP, GROUPS, SIZE_BITS
from tollbook.clock import local_midnight_utc_s, month_index
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.customers import ACTIVE, Subscriptions
from tollbook.network import NumberRanges, Trunks
from tollbook.stage import ints, text_of

FIRST_YEAR, LAST_YEAR = 1970, 2100
FEW_INTERVALS: Final = 8  # a group of the range index with more is divided further
MANY_INTERVALS: Final = 32  # and one of those pieces with more, which are many


@dataclass(frozen=True)
class Names:
    """What the ``_index`` columns of usage stand for; same index = same row.

    account_id is utf8 by row of accounts.csv, subscription_id by row of ``Customers.lines``;
    locations are the whole texts of locations.csv, each once; the others are tuples.
    """

    sources: tuple[str, ...]
    access_codes: tuple[str, ...]
    special_numbers: tuple[str, ...]
    zones: tuple[str, ...]
    relations: tuple[str, ...]
    carriers: tuple[str, ...]
    trunks: tuple[str, ...]
    plans: tuple[str, ...]
    mediation: tuple[str, ...]  # names of the rules
    account_id: pa.Array
    subscription_id: pa.Array
    locations: pa.Array


# One cache line holds all that guiding needs to know of a subscription.
SUBSCRIPTION_ROW: Final = np.dtype(
    [
        ("number", np.int64),  # or the IMSI, in a table by IMSI
        ("valid_from_utc_s", np.int64),
        ("valid_to_utc_s", np.int64),
        ("row", np.int32),  # row of customers/subscriptions.csv
        ("account_index", np.int32),
        ("plan_index", np.int32),
        ("home_zone_index", np.int32),  # -1: no number range; DATED: it depends on the time
        ("bucket", np.int16),
        ("standing", np.int16),  # ACTIVE or INACTIVE of guide_kernels
    ],
    align=True,
)


def fixed(array: np.ndarray, kind: type[np.generic] | None = None) -> np.ndarray:
    """The array, contiguous and read-only: kernels are compiled for read-only inputs."""
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view


def texts_of(column: pa.Array) -> Texts:
    """A utf8 column as read-only arrays for kernels (not copied)."""
    text = text_of(column)
    return Texts(fixed(text.offsets), fixed(text.data))


def columns_of(batch: pa.RecordBatch, kind: type[Any]) -> Any:
    """The columns of a batch that a kernel reads, as the NamedTuple ``kind`` that it takes."""
    fields = (batch.schema.field(name) for name in kind._fields)
    return kind(
        *(
            texts_of(batch.column(field.name)) if field.type == pa.string()
            else ints(batch, field.name)
            for field in fields
        )
    )  # fmt: skip


def slot_count(entries: int) -> int:
    """Size of a hash table that stays at most half full: a power of two."""
    return 1 << max(1, (2 * entries - 1).bit_length()) if entries else 1


def text_table(column: pa.Array) -> TextTable:
    """A hash table over distinct texts."""
    texts = texts_of(column)
    slots = np.full(slot_count(len(column)), -1, np.int32)
    fill_text_slots(texts, slots)
    return TextTable(fixed(slots), texts)


def text_hashes(texts: Texts) -> np.ndarray:
    """Stable hashes of texts; int64, 0 to 2**62 - 1."""
    hashes = np.empty(len(texts.offsets) - 1, np.int64)
    hash_texts(texts, hashes)
    return hashes


def number_slots(numbers: np.ndarray) -> np.ndarray:
    """A hash table from each number to its first row; equal numbers must lie together."""
    slots = np.full(slot_count(len(numbers)), -1, np.int64)
    fill_number_slots(fixed(numbers, np.int64), slots)
    return fixed(slots)


def number_keys(numbers: np.ndarray) -> np.ndarray:
    """Where E.164 numbers lie among the intervals of a RangeTable; int64."""
    digits = np.maximum(np.searchsorted(POWER[:E164_DIGITS], numbers, side="right"), 1)
    keys: np.ndarray = (numbers * POWER[E164_DIGITS - digits] << SIZE_BITS) + digits
    return keys


def range_table(ranges: NumberRanges) -> RangeTable:
    """Longest-prefix match as disjoint intervals, each with its dated candidates in order."""
    found = intervals(Prefixed(
        ranges.prefix, ranges.prefix_length.astype(np.int64), ranges.valid_from_utc_s,
        ranges.valid_to_utc_s,
    ))  # fmt: skip
    is_dated = found.row < -1
    row, entry = np.where(is_dated, -1, found.row), found.entry
    zone, carrier = np.append(ranges.zone_index, -1), np.append(ranges.carrier_index, -1)
    return RangeTable(
        fixed(found.start, np.int64), fixed(np.where(is_dated, DATED, zone[row]), np.int32),
        fixed(carrier[row], np.int32), *_digit_index(found.start),
        fixed(np.where(is_dated, -2 - found.row, 0), np.int32),
        fixed(np.append(ranges.valid_from_utc_s, OPEN_FROM)[entry], np.int64),
        fixed(np.append(ranges.valid_to_utc_s, OPEN_TO)[entry], np.int64),
        fixed(zone[entry], np.int32), fixed(carrier[entry], np.int32),
    )  # fmt: skip


def _digit_index(
    start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """first_level, dense_at, second_level, denser_at and third_level of a RangeTable."""
    groups, begins = first_level(start), GROUP * np.arange(GROUPS)
    dense = np.flatnonzero(np.diff(groups) > FEW_INTERVALS)
    dense_at, begins, second_level = _divided(start, begins, dense, POWER[8])
    dense = np.flatnonzero(np.diff(second_level) > MANY_INTERVALS)
    dense = dense[dense % (NODE + 1) != NODE]  # from one node's end to the beginning of the next
    denser_at, _, third_level = _divided(start, begins, dense, POWER[5])
    return (fixed(groups, np.int32), fixed(dense_at, np.int32), fixed(second_level, np.int32),
            fixed(denser_at, np.int32), fixed(third_level, np.int32))  # fmt: skip


def _divided(
    start: np.ndarray, begins: np.ndarray, dense: np.ndarray, unit: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces ``dense`` of a level, divided: where their nodes are, how they begin, their level."""
    node_at = np.full(len(begins), -1)
    node_at[dense] = np.arange(len(dense)) * (NODE + 1)
    inside = (begins[dense][:, None] + unit * np.arange(NODE + 1)).ravel()
    return node_at, inside, np.searchsorted(start, inside << SIZE_BITS, side="right") - 1


def zone_of_numbers(ranges: RangeTable, numbers: np.ndarray) -> np.ndarray:
    """Zones of numbers whatever the time; -1: none, DATED: it depends on the time. int32."""
    found = np.searchsorted(ranges.start, number_keys(numbers), side="right") - 1
    zones: np.ndarray = ranges.zone[found]
    return zones


def account_buckets(account_id: pa.Array) -> np.ndarray:
    """Bucket of each account, 0 to 255, from its id alone; int16."""
    buckets: np.ndarray = (text_hashes(texts_of(account_id)) & (BUCKET_COUNT - 1)).astype(np.int16)
    return buckets


def subscription_table(
    subscriptions: Subscriptions, bucket: np.ndarray, plan_index: np.ndarray, ranges: RangeTable,
    by_imsi: bool = False,
) -> SubscriptionTable:  # fmt: skip
    """Subscriptions by number, or by IMSI, and time. bucket: by account; plan_index: by row."""
    key = subscriptions.imsi if by_imsi else subscriptions.number
    order = np.lexsort((subscriptions.valid_from_utc_s, key))
    order = order[np.searchsorted(key[order], 1) :] if by_imsi else order  # 0: it has none
    rows = np.zeros(len(order), SUBSCRIPTION_ROW)
    account = subscriptions.account_index[order]
    rows["number"] = key[order]
    rows["valid_from_utc_s"] = subscriptions.valid_from_utc_s[order]
    rows["valid_to_utc_s"] = subscriptions.valid_to_utc_s[order]
    rows["row"] = order
    rows["account_index"] = account
    rows["plan_index"] = plan_index[order]
    rows["home_zone_index"] = zone_of_numbers(ranges, subscriptions.number[order])
    rows["bucket"] = bucket[account]
    rows["standing"] = subscriptions.status[order] != ACTIVE
    return SubscriptionTable(number_slots(rows["number"]), fixed(rows))


def trunk_table(trunks: Trunks) -> TrunkTable:
    """Trunks by name and time."""
    names = sorted(set(trunks.trunks))
    position = {name: place for place, name in enumerate(names)}
    name_of_row = np.array([position[name] for name in trunks.trunks], np.int64)
    order = np.lexsort((trunks.valid_from_utc_s, name_of_row))
    first = np.searchsorted(name_of_row[order], np.arange(len(names) + 1))
    return TrunkTable(
        text_table(pa.array(names, pa.string())), fixed(first, np.int32), fixed(order, np.int32),
        fixed(trunks.valid_from_utc_s[order], np.int64),
        fixed(trunks.valid_to_utc_s[order], np.int64),
    )  # fmt: skip


@lru_cache(maxsize=8)
def month_starts_utc_s(zone: str) -> np.ndarray:
    """First instants of a zone's local months, 1970 to 2100; int64. The first is FIRST_MONTH."""
    starts = [
        local_midnight_utc_s(year, month, 1, zone)
        for year in range(FIRST_YEAR, LAST_YEAR + 1)
        for month in range(1, 13)
    ]
    return fixed(np.array(starts), np.int64)


FIRST_MONTH: Final = month_index(FIRST_YEAR, 1)
