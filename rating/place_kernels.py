"""Guiding, rules of place that only some operators have; none is run where its table is empty.

Dated locations and beginnings of locations, cells across a border, forwarders who count as at home,
and the place with which a call's relation is made where that is not the other number's zone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.decide_kernels import FORWARD, HOME, NATIONAL, Found, Given, Served, other_place
from rating.guide_kernels import TRANSIT
from rating.hash_kernels import (
    NO_TEXT,
    UNKNOWN_TEXT,
    Texts,
    TextTable,
    is_same,
    span,
    text_slot,
)
from tollbook.jit import inner, kernel

OUT, IN = 1, 2  # tollbook.codes
EDGE_INTER, EDGE_BY_REGION = 2, 0  # of boundary.csv: tollbook.codes.BOUNDARIES, 0 where it is empty
NEVER, ORIGINATING, BOTH = 0, 1, 2  # Calling.same_place
VALID_FROM, VALID_TO, AREA = range(3)  # columns of Calling.virtual


class LocationTable(NamedTuple):
    """Dated rows by location: whole texts, and beginnings (a text of the table that ends in ``*``).

    Place p < len(whole) is a whole text, any other a beginning; it has the entries first[p] ..
    first[p + 1]. wider: int32 by place, the longest shorter beginning that fits its text, -1: none.
    sizes: int64, bytes of the beginnings, each size once, the longest first.
    """

    whole: TextTable
    beginnings: TextTable
    sizes: np.ndarray
    wider: np.ndarray
    first: np.ndarray  # int32
    row: np.ndarray  # int32, row of the file
    home_zone: np.ndarray  # int32, of the customers for whom the entry holds; -1: of all
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


class Rewriting(NamedTuple):
    """What ``rewrite_served`` needs besides (read-only)."""

    zone_area: np.ndarray  # int32, as in Places
    zone_region: np.ndarray  # int32
    serve_as: np.ndarray  # int32 by row of boundary.csv, -1: the home zone
    edge: np.ndarray  # int8 by row of boundary.csv
    roams: int
    forward_home: int  # a bit for each of codes.FORWARDS: the forwarder counts as at home
    flag_boundary: int
    flag_boundary_inter: int


class Calling(NamedTuple):
    """What ``find_called`` needs besides (read-only).

    virtual: int64 [rows, 3], the virtual areas of zone z in rows virtual_first[z] ..
    virtual_first[z + 1] (int32).
    """

    special_zone: np.ndarray  # int32
    zone_region: np.ndarray  # int32
    zone_locality: np.ndarray  # int32, zones of one local network
    virtual_first: np.ndarray
    virtual: np.ndarray
    by_routing: int  # 1: the number routed to stands for the other number
    same_place: int
    flag_same_place: int
    flag_routed: int
    flag_boundary: int


@inner
def find_beginning(beginnings: TextTable, sizes: np.ndarray, texts: Texts, row: int) -> int:
    """Position of the longest beginning that fits a text; -1: none."""
    slots, (known_offsets, known) = beginnings
    offsets, data = texts
    first, last = span(offsets, row)
    mask = len(slots) - 1
    for size in sizes:
        if size > last - first:
            continue
        slot = text_slot(data, first, first + int(size), mask)
        while slots[slot] >= 0:
            start, end = span(known_offsets, slots[slot])
            if end - start == size and is_same(known, start, data, first, int(size)):
                return int(slots[slot])
            slot = (slot + 1) & mask
    return -1


@kernel
def find_rows(
    table: LocationTable, texts: Texts, whole: np.ndarray, home_zone: np.ndarray,
    utc_s: np.ndarray, found: np.ndarray,
) -> None:  # fmt: skip
    """``found`` (int32): the table's row for every location, NO_TEXT or UNKNOWN_TEXT.

    whole: int32, the texts' places among the whole texts. The whole text is asked before
    beginnings, the longer beginning before the shorter; of each the first row decides that is valid
    and holds for the home zone.
    """
    beginnings, sizes, wider, first, table_row, homes, valid_from, valid_to = table[1:]
    whole_count = len(table.whole.texts.offsets) - 1
    for row in range(len(found)):
        place = whole[row]
        found[row] = place if place == NO_TEXT else UNKNOWN_TEXT
        if place == UNKNOWN_TEXT:
            place = find_beginning(beginnings, sizes, texts, row)
            place = place + whole_count if place >= 0 else -1
        while place >= 0 and found[row] == UNKNOWN_TEXT:
            for entry in range(first[place], first[place + 1]):
                holds = homes[entry] == -1 or homes[entry] == home_zone[row]
                if holds and valid_from[entry] <= utc_s[row] < valid_to[entry]:
                    found[row] = table_row[entry]
                    break
            place = wider[place]


@kernel
def rewrite_served(
    known: Rewriting, given: Given, found: Found, boundary: np.ndarray, served: Served,
    real_zone: np.ndarray, flags: np.ndarray,
) -> None:  # fmt: skip
    """Served parties who count as being elsewhere; ``real_zone`` (comes as -1) keeps their place.

    boundary: int32, the row of boundary.csv for each record's home zone and location, below 0: none
    (a foreign network's cells are not in that table). Whoever has forwarded his calls for a reason
    of ``forward_home`` counts as at home.
    """
    area, region, serve_as, edge = known[:4]
    _, _, _, direction, forward_reason = given
    home_zone = found.home_zone
    served_zone, roaming, _, _, reason, _ = served
    for row in range(len(reason)):
        home, zone = home_zone[row], served_zone[row]
        if reason[row] != 0 or direction[row] == TRANSIT or home < 0:
            continue
        place = zone
        if direction[row] == FORWARD and known.forward_home >> forward_reason[row] & 1:
            place = home
        elif boundary[row] >= 0 and zone != home and roaming[row] in (HOME, NATIONAL):
            place = home if serve_as[boundary[row]] < 0 else serve_as[boundary[row]]
            flags[row] |= known.flag_boundary
            kind = edge[boundary[row]]
            crosses = kind == EDGE_BY_REGION and region[zone] != region[home]
            if kind == EDGE_INTER or crosses:
                flags[row] |= known.flag_boundary_inter
        if place != zone:
            real_zone[row], served_zone[row] = zone, place
            away = known.roams == 1 and area[place] != area[home]
            roaming[row] = NATIONAL if away else HOME


@inner
def virtual_area(virtual_first: np.ndarray, virtual: np.ndarray, zone: int, utc_s: int) -> int:
    """The virtual area that a zone belongs to at a time; -1: none."""
    for row in range(virtual_first[zone], virtual_first[zone + 1]):
        if virtual[row, VALID_FROM] <= utc_s < virtual[row, VALID_TO]:
            return int(virtual[row, AREA])
    return -1


@inner
def is_one_area(
    virtual_first: np.ndarray, virtual: np.ndarray, one: int, two: int, utc_s: int
) -> bool:
    """Whether two zones (-1: none) are in one virtual area."""
    if one < 0 or two < 0:
        return False
    area = virtual_area(virtual_first, virtual, one, utc_s)
    return area >= 0 and area == virtual_area(virtual_first, virtual, two, utc_s)


@kernel
def find_called(
    known: Calling, given: Given, found: Found, served: Served, routed: np.ndarray,
    real_zone: np.ndarray, called_zone: np.ndarray, flags: np.ndarray,
) -> None:  # fmt: skip
    """``called_zone`` (int32): the place to relate to, where it is not the other party's; else -1.

    routed: int32, zone of the number routed to, -1: none. What an incoming call was routed to says
    where the served party is, and is not asked.
    """
    special_zone, region, locality, first, virtual = known[:5]
    other_e164, special_index, start_utc_s, direction, _ = given
    home_zone, number_zone = found.home_zone, found.number_zone
    served_zone, roaming, _, _, reason, _ = served
    for row in range(len(called_zone)):
        called_zone[row] = -1
        if reason[row] != 0:
            continue
        way, time, zone = direction[row], start_utc_s[row], served_zone[row]
        other = other_place(special_zone, special_index[row], other_e164[row], number_zone[row])
        route = routed[row] if way != IN else -1
        place = other
        if route >= 0:
            flags[row] |= known.flag_routed
        if known.by_routing == 1 and route >= 0:
            place = route
        elif (way == OUT and known.same_place >= ORIGINATING) or (
            way == IN and known.same_place == BOTH
        ):
            real = real_zone[row] if flags[row] & known.flag_boundary and way == OUT else -1
            # Which local network each of the four is in; parties without a place have -1 or -2.
            here, there = locality[zone], locality[other] if other >= 0 else -1
            truly = locality[real] if real >= 0 else -2
            reached = locality[route] if route >= 0 else -1
            is_same = here in (there, reached) or truly in (there, reached)
            if not is_same and len(virtual) > 0:
                is_same = (
                    is_one_area(first, virtual, zone, other, time)
                    or is_one_area(first, virtual, zone, route, time)
                    or is_one_area(first, virtual, real, other, time)
                    or is_one_area(first, virtual, real, route, time)
                )
            if is_same:
                place = zone
                flags[row] |= known.flag_same_place
            elif route >= 0 and other >= 0 and region[route] == region[zone] != region[other]:
                home = home_zone[row]
                near = roaming[row] == NATIONAL and region[zone] == region[home]
                if region[zone] >= 0 and (roaming[row] == HOME or near):
                    place = route
        if place != other:
            called_zone[row] = place
