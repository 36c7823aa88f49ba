"""The smaller tables of the network folder: zones, places, carriers, trunks, holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.clock import parse_date, zone_table
from tollbook.columns import Table, first_rows, index_in, load_table, validity, words_of
from tollbook.table_checks import (
    WORD,
    WORD_IS,
    check_filled,
    check_overlaps,
    check_shape,
    check_unique,
    load_optional,
    references,
)
from tollbook.text import Problems

ZONES_MAX: Final = 4096  # the matrix of relations has this many rows and columns at most
# Patterns of relations.csv.
SAME: Final = ("same_zone", "same_area", "same_region", "same_country")


@dataclass(frozen=True)
class Zones:
    """zones.csv, in the order of the file. Arrays: int32, one entry a zone.

    regions, countries, groups: sorted words; a zone without one has index -1.
    areas: sorted words of local networks; a zone that names none is one by itself.
    time_zones: one entry a zone, "": the operator's.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    regions: tuple[str, ...]
    region_index: np.ndarray
    countries: tuple[str, ...]
    country_index: np.ndarray
    groups: tuple[str, ...]  # settlement groups
    group_index: np.ndarray
    areas: tuple[str, ...]
    area_index: np.ndarray
    time_zones: tuple[str, ...]


@dataclass(frozen=True)
class SpecialNumbers:
    """special_numbers.csv: numbers as dialled (digits), in the order of the file.

    One that ends in ``*`` stands for all that begin so.
    """

    numbers: tuple[str, ...]
    zone_index: np.ndarray  # int32
    names: tuple[str, ...]


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


def load_zones(path: Path, problems: Problems, shown: str) -> Zones:
    """zones.csv: zone, name, region, country, settlement_group, area, time_zone."""
    before = problems.errors
    table = load_table(path, ("zone", "name", "region", "country"),
                       ("settlement_group", "area", "time_zone"), problems, shown)
    if not len(table) and problems.errors == before:
        problems.add((shown, 0), "the table has no row", "one zone or more", "add the zones")
    check_shape(table, "zone", WORD, WORD_IS, problems)
    check_unique(table, "zone", problems)
    if len(table) > ZONES_MAX:
        problems.add(table.at(ZONES_MAX), f"{len(table)} zones", f"at most {ZONES_MAX} zones",
                     "join zones that no tariff tells apart")
    for row in np.flatnonzero(index_in(table["zone"], SAME) >= 0).tolist():
        problems.add(table.at(row), f"zone is '{table.cell('zone', row)}'",
                     "another word", "relations.csv uses this word as a pattern: rename the zone")
    ids, areas = _texts(table, "zone"), _texts(table, "area")
    local = [area or zone for zone, area in zip(ids, areas, strict=True)]
    area_words = tuple(sorted(set(local)))
    return Zones(ids, _texts(table, "name"), *words_of(table, "region"),
                 *words_of(table, "country"), *words_of(table, "settlement_group"), area_words,
                 index_in(pa.array(local, pa.string()), area_words), _clocks(table, problems))


def _clocks(table: Table, problems: Problems) -> tuple[str, ...]:
    """The column time_zone; one that does not exist is noted and left out."""
    good = {""}
    for name in sorted(set(table["time_zone"].to_pylist()) - good):
        try:
            zone_table(name)
        except KeyError:
            continue
        good.add(name)
    found = _texts(table, "time_zone")
    bad = np.array([name not in good for name in found], np.bool_)
    table.report(bad, lambda row: f"time_zone is '{table.cell('time_zone', row)}'",
                 "a name of the IANA database, or empty for the operator's",
                 "write for example Asia/Shanghai", problems)
    return tuple(name if name in good else "" for name in found)


def load_special_numbers(
    path: Path, zones: Zones, problems: Problems, shown: str
) -> SpecialNumbers:
    """special_numbers.csv: number, zone, name."""
    table = load_optional(path, ("number", "zone"), ("name",), problems, shown)
    check_shape(table, "number", r"[0-9]{2,15}|[0-9]{1,14}\*",
                "2 to 15 digits as they are dialled, or their beginning and a *", problems)
    check_unique(table, "number", problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems)
    return SpecialNumbers(_texts(table, "number"), zone_index, _texts(table, "name"))


def load_visited(path: Path, zones: Zones, problems: Problems, shown: str) -> VisitedNetworks:
    """networks.csv: tadig, zone, name."""
    table = load_optional(path, ("tadig", "zone"), ("name",), problems, shown)
    check_shape(table, "tadig", r"[A-Z0-9]{5}|[0-9]{6}",
                "five letters and digits, such as HKGSP, or six digits, such as 310410", problems)
    check_unique(table, "tadig", problems)
    zone_index = references(table, "zone", zones.ids, "zones.csv", problems)
    return VisitedNetworks(_texts(table, "tadig"), zone_index, _texts(table, "name"))


def load_carriers(path: Path, problems: Problems, shown: str) -> Carriers:
    """carriers.csv: carrier, name, own (yes for exactly one)."""
    before = problems.errors
    table = load_table(path, ("carrier", "name", "own"), (), problems, shown)
    readable = problems.errors == before
    check_shape(table, "carrier", WORD, WORD_IS, problems)
    check_unique(table, "carrier", problems)
    check_shape(table, "own", "yes|no", "yes | no", problems)
    own = np.flatnonzero(index_in(table["own"], ["yes"]) == 0).tolist()
    if len(own) != 1 and readable:
        at = table.at(own[1]) if own else (shown, 0)
        problems.add(at, f"{len(own)} carriers have own = yes", "exactly one",
                     "mark the operator's own carrier, and no other")
    return Carriers(_texts(table, "carrier"), _texts(table, "name"), own[0] if own else 0)


def load_trunks(
    path: Path, carriers: Carriers, zone: str, problems: Problems, shown: str
) -> Trunks:
    """trunks.csv: trunk, carrier, name, valid_from, valid_to."""
    table = load_optional(path, ("trunk", "carrier"), ("name", "valid_from", "valid_to"), problems,
                          shown)
    check_filled(table, "trunk", problems)
    carrier_index = references(table, "carrier", carriers.ids, "carriers.csv", problems)
    span = validity(table, zone, problems)
    check_overlaps(table, "trunk", first_rows(table["trunk"]), span, problems)
    return Trunks(_texts(table, "trunk"), _texts(table, "name"), carrier_index, *span)


def load_holidays(path: Path, problems: Problems, shown: str) -> tuple[tuple[date, str], ...]:
    """holidays.csv: date, name. Ascending by date."""
    table = load_optional(path, ("date",), ("name",), problems, shown)
    check_unique(table, "date", problems)
    days = [parse_date(text) for text in table["date"].to_pylist()]
    bad = np.array([day is None for day in days], np.bool_)
    table.report(bad, lambda row: f"date is '{table.cell('date', row)}'",
                 "a day such as 2003-10-01, years 1970 to 2100", "write it as YYYY-MM-DD", problems)
    names = table["name"].to_pylist()
    return tuple(sorted((day, name) for day, name in zip(days, names, strict=True) if day))


def _texts(table: Table, name: str) -> tuple[str, ...]:
    return tuple(table[name].to_pylist())
