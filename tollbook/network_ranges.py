"""number_ranges.csv: E.164 prefixes with their zone and carrier, dated, as sorted arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tollbook.columns import digits_value, is_digits, lengths, load_table, validity
from tollbook.network_tables import Carriers, Zones
from tollbook.numbering import E164_DIGITS_MAX
from tollbook.table_checks import check_overlaps, references
from tollbook.text import Problems


@dataclass(frozen=True)
class NumberRanges:
    """number_ranges.csv sorted by (prefix_length, prefix, valid_from_utc_s); one entry a row."""

    prefix: np.ndarray  # int64, E.164 digits
    prefix_length: np.ndarray  # int8, 1..15
    zone_index: np.ndarray  # int32
    carrier_index: np.ndarray  # int32, -1: none
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


def load_ranges(
    path: Path, zones: Zones, carriers: Carriers, time_zone: str, problems: Problems, shown: str
) -> NumberRanges:
    """number_ranges.csv: prefix, zone, carrier, valid_from, valid_to."""
    table = load_table(path, ("prefix", "zone"), ("carrier", "valid_from", "valid_to"), problems,
                       shown)
    size = lengths(table["prefix"])
    good = is_digits(table["prefix"]) & (size <= E164_DIGITS_MAX)
    prefix = digits_value(table["prefix"], good)
    # A prefix without leading zero is its value: two texts never mean the same prefix.
    good &= prefix >= 10 ** (np.clip(size, 1, 18).astype(np.int64) - 1)
    table.report(~good, lambda row: f"prefix is '{table.cell('prefix', row)}'",
                 f"1 to {E164_DIGITS_MAX} digits that begin with the country code, no + and no 0",
                 "write for example 8610 for Beijing", problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems)
    carrier_index = references(table, "carrier", carriers.ids, "carriers.csv", problems,
                               may_be_empty=True)
    since, until = validity(table, time_zone, problems)
    key = np.where(good, prefix, -1 - np.arange(len(prefix)))
    check_overlaps(table, "prefix", key, (since, until), problems)
    order = np.lexsort((since, prefix, size))
    return NumberRanges(prefix[order], size[order].astype(np.int8), zone_index[order],
                        carrier_index[order], since[order], until[order])
