"""The network folder: zones, number ranges, relations, places, carriers and trunks as arrays.

Every ``*_index`` array points into the tuple of names of its table. Times are UTC seconds,
half-open; an open beginning is ``OPEN_FROM``, an open end ``OPEN_TO`` (``tollbook.columns``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from tollbook import network_places, network_tables
from tollbook.network_places import (
    NO_BOUNDARY,
    NO_PORTABILITY,
    NO_VIRTUAL_AREAS,
    Boundary,
    Locations,
    Portability,
    VirtualAreas,
)
from tollbook.network_ranges import NumberRanges, load_ranges
from tollbook.network_ratings import NO_RATINGS, CarrierRatings, load_ratings
from tollbook.network_relations import load_relations
from tollbook.network_tables import (
    Carriers,
    SpecialNumbers,
    Trunks,
    VisitedNetworks,
    Zones,
)
from tollbook.table_checks import check_files
from tollbook.text import Problems

__all__ = [
    "Boundary", "Carriers", "Locations", "Network", "NumberRanges", "Portability",
    "SpecialNumbers", "Trunks", "VirtualAreas", "VisitedNetworks", "Zones", "load",
]  # fmt: skip

# What may lie in the folder; agreements.csv is read by ``tariffs.agreements``.
FILES: Final = (
    "zones.csv", "number_ranges.csv", "relations.csv", "carriers.csv", "special_numbers.csv",
    "locations.csv", "networks.csv", "trunks.csv", "holidays.csv", "agreements.csv",
    "boundary.csv", "virtual_areas.csv", "portability.csv", "ratings.csv",
)  # fmt: skip


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
    boundary: Boundary = NO_BOUNDARY
    virtual_areas: VirtualAreas = NO_VIRTUAL_AREAS
    portability: Portability = NO_PORTABILITY
    ratings: CarrierRatings = NO_RATINGS


def load(folder: Path, time_zone: str, problems: Problems, shown: str = "network") -> Network:
    """All tables of the folder; days in them are local days of ``time_zone``.

    Problems are noted with ``shown`` before the file's name; what is wrong is left out of, or
    -1 in, the Network that comes back, so that checking can go on.
    """

    def at(name: str) -> tuple[Path, Problems, str]:
        return folder / name, problems, f"{shown}/{name}"

    check_files(folder, FILES, problems, shown)

    def of_zones(name: str) -> tuple[Path, Zones, Problems, str]:
        return folder / name, zones, problems, f"{shown}/{name}"

    def dated(name: str) -> tuple[Path, Zones, str, Problems, str]:
        return folder / name, zones, time_zone, problems, f"{shown}/{name}"

    zones = network_tables.load_zones(*at("zones.csv"))
    carriers = network_tables.load_carriers(*at("carriers.csv"))
    relations, matrix = load_relations(*of_zones("relations.csv"))
    locations = network_places.load_locations(*dated("locations.csv"))
    return Network(
        zones=zones,
        ranges=load_ranges(folder / "number_ranges.csv", zones, carriers, time_zone, problems,
                           f"{shown}/number_ranges.csv"),
        special_numbers=network_tables.load_special_numbers(*of_zones("special_numbers.csv")),
        relations=relations,
        relation_matrix=matrix,
        locations=locations,
        visited=network_tables.load_visited(*of_zones("networks.csv")),
        carriers=carriers,
        trunks=network_tables.load_trunks(folder / "trunks.csv", carriers, time_zone, problems,
                                          f"{shown}/trunks.csv"),
        holidays=network_tables.load_holidays(*at("holidays.csv")),
        boundary=network_places.load_boundary(
            folder / "boundary.csv", zones, locations, time_zone, problems,
            f"{shown}/boundary.csv",
        ),
        virtual_areas=network_places.load_virtual_areas(*dated("virtual_areas.csv")),
        portability=network_places.load_portability(
            folder / "portability.csv", zones, carriers, time_zone, problems,
            f"{shown}/portability.csv",
        ),
        ratings=load_ratings(folder / "ratings.csv", carriers, time_zone, problems,
                             f"{shown}/ratings.csv"),
    )
