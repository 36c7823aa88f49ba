"""Tables about where a party is: locations, borders, virtual areas, ported numbers.

All are dated. ``valid_from_utc_s`` and ``valid_to_utc_s`` are int64, one entry a row, half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook.codes import BOUNDARIES
from tollbook.columns import (
    Table,
    digits_value,
    first_rows,
    index_in,
    is_digits,
    is_empty,
    lengths,
    validity,
    words_of,
)
from tollbook.network_tables import Carriers, Zones
from tollbook.numbering import E164_DIGITS_MAX, E164_DIGITS_MIN, masked
from tollbook.table_checks import (
    WORD,
    WORD_IS,
    check_filled,
    check_overlaps,
    check_shape,
    load_optional,
    references,
)
from tollbook.text import Problems

ANY: Final = "*"  # behind a text: whatever follows; alone: every home zone
_EDGES: Final = BOUNDARIES[1:]
_DATES: Final = ("valid_from", "valid_to")
_NO_TEXTS: Final = pa.array([], pa.string())
_NO_INDEX: Final = np.zeros(0, np.int32)
_NO_TIMES: Final = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Locations:
    """locations.csv: cells, areas or switches; a text that ends in ``*`` is the beginning of some.

    names: utf8, in the order of the file; one may stand in several rows, one after the other.
    """

    names: pa.Array
    zone_index: np.ndarray  # int32
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


@dataclass(frozen=True)
class Boundary:
    """boundary.csv: who is served by a cell across a border and counts as being elsewhere.

    home_zone, home_region: int32, for whose customers a row holds; -1, -1: for all.
    locations: utf8, as in Locations. edge: int8, codes.BOUNDARIES, 0: as the regions have it.
    serve_as: int32, the zone in which the customer counts as being; -1: his own.
    """

    home_zone: np.ndarray
    home_region: np.ndarray
    locations: pa.Array
    edge: np.ndarray
    serve_as: np.ndarray
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


@dataclass(frozen=True)
class VirtualAreas:
    """virtual_areas.csv: zones that are one place for the rule of the same place."""

    areas: tuple[str, ...]  # sorted
    area_index: np.ndarray
    zone_index: np.ndarray
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


@dataclass(frozen=True)
class Portability:
    """portability.csv: numbers that another carrier holds than their range says."""

    number: np.ndarray  # int64, E.164 digits
    carrier_index: np.ndarray
    zone_index: np.ndarray  # -1: that of the range
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


NO_BOUNDARY: Final = Boundary(
    _NO_INDEX, _NO_INDEX, _NO_TEXTS, _NO_INDEX, _NO_INDEX, _NO_TIMES, _NO_TIMES
)
NO_VIRTUAL_AREAS: Final = VirtualAreas((), _NO_INDEX, _NO_INDEX, _NO_TIMES, _NO_TIMES)
NO_PORTABILITY: Final = Portability(_NO_TIMES, _NO_INDEX, _NO_INDEX, _NO_TIMES, _NO_TIMES)


def load_locations(
    path: Path, zones: Zones, time_zone: str, problems: Problems, shown: str
) -> Locations:
    """locations.csv: location, zone, valid_from, valid_to. May have hundreds of thousands rows."""
    table = load_optional(path, ("location", "zone"), _DATES, problems, shown)
    check_filled(table, "location", problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems)
    span = validity(table, time_zone, problems)
    check_overlaps(table, "location", first_rows(table["location"]), span, problems)
    return Locations(table["location"], zone_index, *span)


def load_boundary(
    path: Path, zones: Zones, locations: Locations, time_zone: str, problems: Problems, shown: str
) -> Boundary:
    """boundary.csv: home, location, edge, serve_as, valid_from, valid_to."""
    table = load_optional(path, ("home", "location"), ("edge", "serve_as", *_DATES), problems,
                          shown)
    check_filled(table, "location", problems)
    _check_known(table, locations, problems)
    check_shape(table, "edge", "|".join(("", *_EDGES)),
                f"{' | '.join(_EDGES)}, or empty where the regions tell", problems)
    home_zone, home_region = _homes(table, zones, problems)
    serve_as = references(table, "serve_as", zones.ids, "zones.csv", problems, may_be_empty=True)
    span = validity(table, time_zone, problems)
    both = pc.binary_join_element_wise(table["home"], table["location"], "\n")
    check_overlaps(table, "location", first_rows(both), span, problems,
                   lambda row: f"{table.cell('location', row)} of home {table.cell('home', row)}")
    edge = (index_in(table["edge"], _EDGES) + 1).astype(np.int8)
    return Boundary(home_zone, home_region, table["location"], edge, serve_as, *span)


def _check_known(table: Table, locations: Locations, problems: Problems) -> None:
    """A whole location that locations.csv does not know is never asked for here."""
    names = table["location"]
    unknown = (index_in(names, locations.names) < 0) & ~is_beginning(names) & ~is_empty(names)
    known = locations.names.filter(pa.array(is_beginning(locations.names))).to_pylist()
    begins = tuple(text.removesuffix(ANY) for text in known)
    for row in np.flatnonzero(unknown).tolist():
        unknown[row] = not names[row].as_py().startswith(begins)
    table.report(unknown, lambda row: f"location '{table.cell('location', row)}' is not in "
                 "locations.csv", "a location of that table, or one that begins as one of its rows",
                 "correct it, or add it to locations.csv", problems)


def _homes(table: Table, zones: Zones, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """Zone and region of each pattern in the column home; -1, -1: ``*``."""
    regions = [f"region:{region}" for region in zones.regions]
    home_zone, home_region = index_in(table["home"], zones.ids), index_in(table["home"], regions)
    everyone = index_in(table["home"], [ANY]) == 0
    table.report(
        (home_zone < 0) & (home_region < 0) & ~everyone & (len(zones.ids) > 0),
        lambda row: f"home is '{table.cell('home', row)}'",
        "*, a zone of zones.csv, or region:X of its column",
        "correct it, or add the zone to zones.csv", problems,
    )  # fmt: skip
    return home_zone, home_region


def load_virtual_areas(
    path: Path, zones: Zones, time_zone: str, problems: Problems, shown: str
) -> VirtualAreas:
    """virtual_areas.csv: area, zone, valid_from, valid_to."""
    table = load_optional(path, ("area", "zone"), _DATES, problems, shown)
    check_shape(table, "area", WORD, WORD_IS, problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems)
    span = validity(table, time_zone, problems)
    nobody = -1 - np.arange(len(table))  # keys that clash with none
    check_overlaps(table, "zone", np.where(zone_index >= 0, zone_index, nobody), span, problems)
    areas, area_index = words_of(table, "area")
    return VirtualAreas(areas, area_index, zone_index, *span)


def load_portability(
    path: Path, zones: Zones, carriers: Carriers, time_zone: str, problems: Problems, shown: str
) -> Portability:
    """portability.csv: number, carrier, zone, valid_from, valid_to."""
    table = load_optional(path, ("number", "carrier"), ("zone", *_DATES), problems, shown)
    size = lengths(table["number"])
    good = is_digits(table["number"]) & (size >= E164_DIGITS_MIN) & (size <= E164_DIGITS_MAX)
    number = digits_value(table["number"], good)
    good &= number >= 10 ** (np.clip(size, 1, 18).astype(np.int64) - 1)
    table.report(~good, lambda row: f"number is '{table.cell('number', row)}'",
                 f"{E164_DIGITS_MIN} to {E164_DIGITS_MAX} digits that begin with the country code, "
                 "no + and no 0", "write for example 8613900000001", problems)
    carrier_index = references(table, "carrier", carriers.ids, "carriers.csv", problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems, may_be_empty=True)
    span = validity(table, time_zone, problems)
    key = np.where(good, number, -1 - np.arange(len(table)))
    check_overlaps(table, "number", key, span, problems, lambda row: masked(int(number[row])))
    return Portability(number, carrier_index, zone_index, *span)


def is_beginning(locations: pa.Array) -> np.ndarray:
    """Which texts end in ``*`` and stand for all that begin so; bool."""
    found: np.ndarray = pc.ends_with(locations, ANY).to_numpy(zero_copy_only=False)
    return found
