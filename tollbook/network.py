"""The network folder: zones, number ranges, relations, places, carriers and trunks as arrays.

Every ``*_index`` array points into the tuple of names of its table. Times are UTC seconds,
half-open; an open beginning is ``OPEN_FROM``, an open end ``OPEN_TO`` (``tollbook.columns``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Zones:
    """zones.csv, in the order of the file. Arrays: int32, one entry a zone.

    regions, countries, groups: sorted words; a zone without one has index -1.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    regions: tuple[str, ...]
    region_index: np.ndarray
    countries: tuple[str, ...]
    country_index: np.ndarray
    groups: tuple[str, ...]  # settlement groups
    group_index: np.ndarray


@dataclass(frozen=True)
class NumberRanges:
    """number_ranges.csv sorted by (prefix_length, prefix, valid_from_utc_s); one entry a row."""

    prefix: np.ndarray  # int64, E.164 digits
    prefix_length: np.ndarray  # int8, 1..15
    zone_index: np.ndarray  # int32
    carrier_index: np.ndarray  # int32, -1: none
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class SpecialNumbers:
    """special_numbers.csv: numbers as dialled (digits), in the order of the file."""

    numbers: tuple[str, ...]
    zone_index: np.ndarray  # int32
    names: tuple[str, ...]


@dataclass(frozen=True)
class Locations:
    """locations.csv: exact text of cells, areas or switches."""

    names: pa.Array  # utf8, unique
    zone_index: np.ndarray  # int32


@dataclass(frozen=True)
class VisitedNetworks:
    """networks.csv: networks in which the operator's customers roam."""

    tadigs: tuple[str, ...]
    zone_index: np.ndarray  # int32
    names: tuple[str, ...]


@dataclass(frozen=True)
class Carriers:
    """carriers.csv; ``own_index`` is the operator's own row."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    own_index: int


@dataclass(frozen=True)
class Trunks:
    """trunks.csv, one entry a row; a trunk may have several rows that do not overlap in time."""

    trunks: tuple[str, ...]
    names: tuple[str, ...]
    carrier_index: np.ndarray  # int32
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class Network:
    """The network folder. ``relation_matrix``: int16 [served zone, other zone], an index into
    ``relations``, -1 where no row of relations.csv fits."""

    zones: Zones
    ranges: NumberRanges
    special_numbers: SpecialNumbers
    relations: tuple[str, ...]
    relation_matrix: np.ndarray
    locations: Locations
    visited: VisitedNetworks
    carriers: Carriers
    trunks: Trunks
    holidays: tuple[tuple[date, str], ...]  # ascending, with their names
