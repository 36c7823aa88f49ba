"""Naive twins of the rules of place: lists and loops over the tables, one record at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guiding_world import World

from tollbook import codes

Row = Mapping[str, Any]
SAME_PLACE_FOR = {"never": (), "originating": (codes.OUT,), "both": (codes.OUT, codes.IN)}


def valid(table: Any, row: int, utc_s: int) -> bool:
    return bool(table.valid_from_utc_s[row] <= utc_s < table.valid_to_utc_s[row])


def closeness(name: str, text: str) -> int:
    """How closely a location of a table fits a record's; -1: not at all."""
    if name.endswith("*"):
        return len(name) - 1 if text.startswith(name[:-1]) else -1
    return 10**9 if name == text else -1


def best_location(names: list[str], text: str, holds: list[bool]) -> int:
    """The row that fits most closely of those that hold; -1: none."""
    fits = [(closeness(name, text), -row) for row, name in enumerate(names) if holds[row]]
    degree, row = max(fits, default=(-1, 0))
    return -row if degree >= 0 else -1


def own_codes(world: World) -> tuple[str, ...]:
    operator = world.workspace.operator
    return ("", operator.tadig, *operator.plmn)


def visitor(world: World, row: Row) -> int:
    """The row of visitors.csv that holds for a record that no subscription pays for; -1: none."""
    rows, best = world.customers.visitors, (0, -1)
    if row["network"] not in own_codes(world) or not row["imsi"]:
        return -1
    for place in range(len(rows.prefix)):
        since, until = rows.valid_from_utc_s[place], rows.valid_to_utc_s[place]
        prefix = str(rows.prefix[place])
        if str(row["imsi"]).startswith(prefix) and since <= row["start_utc_s"] < until:
            best = max(best, (len(prefix), place))
    return best[1]


def location_row(world: World, text: str, utc_s: int) -> int:
    table = world.network.locations
    names = table.names.to_pylist()
    return best_location(names, text, [valid(table, row, utc_s) for row in range(len(names))])


def is_away(world: World, zone: int, home: int) -> bool:
    zones = world.network.zones
    return {
        "never": False,
        "zone": zones.areas[zones.area_index[zone]] != zones.areas[zones.area_index[home]],
        "region": zones.region_index[zone] != zones.region_index[home],
    }[world.workspace.national_roaming]


def true_place(row: Row, world: World, home: int) -> tuple[int, int] | tuple[str, str]:
    """Zone and roaming, or reason and field."""
    network = world.network
    if row["network"] not in own_codes(world):
        if row["network"] not in network.visited.tadigs:
            return "network_missing", "network"
        at = network.visited.tadigs.index(row["network"])
        return int(network.visited.zone_index[at]), codes.INTERNATIONAL
    zone = home
    if row["location"]:
        place = location_row(world, row["location"], row["start_utc_s"])
        if place < 0:
            return "location_missing", "location"
        zone = int(network.locations.zone_index[place])
    if zone < 0 or (home < 0 and world.workspace.national_roaming != "never"):
        return "number_range_missing", "served_raw"
    away = home >= 0 and is_away(world, zone, home)
    return zone, codes.NATIONAL if away else codes.HOME


def boundary_row(row: Row, world: World, home: int) -> int:
    table, region = world.network.boundary, world.network.zones.region_index[home]
    best = (-1, -1, -1)
    for at, name in enumerate(table.locations.to_pylist()):
        near = -1
        if table.home_zone[at] == home:
            near = 2
        elif table.home_region[at] >= 0:
            near = 1 if table.home_region[at] == region else -1
        elif table.home_zone[at] < 0:
            near = 0
        fit = closeness(name, row["location"]) if row["location"] else -1
        if near >= 0 and fit >= 0 and valid(table, at, row["start_utc_s"]):
            best = max(best, (fit, near, at))
    return best[2]


def rewrite(row: Row, world: World, home: int, new: dict[str, Any]) -> None:
    """Served parties who count as being elsewhere than they are."""
    places, zones = world.workspace.places, world.network.zones
    zone = new["served_zone_index"]
    if row["direction"] == codes.TRANSIT or home < 0:
        return
    place = zone
    reason = codes.FORWARDS[row["forward_reason"]]
    if row["direction"] == codes.FORWARD and reason in places.forward_home:
        place = home
    elif (
        places.boundary == "served" and zone != home and new["roaming"] != codes.INTERNATIONAL
        and (found := boundary_row(row, world, home)) >= 0
    ):  # fmt: skip
        table = world.network.boundary
        place = int(table.serve_as[found]) if table.serve_as[found] >= 0 else home
        edge = codes.BOUNDARIES[table.edge[found]]
        if edge == "none" and zones.region_index[zone] != zones.region_index[home]:
            edge = "inter"
        new["flags"] |= codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER * (edge == "inter")
    if place != zone:
        new["real_zone_index"], new["served_zone_index"] = zone, place
        new["roaming"] = codes.NATIONAL if is_away(world, place, home) else codes.HOME


def virtual_areas(world: World, zone: int, utc_s: int) -> set[str]:
    table = world.network.virtual_areas
    return {
        table.areas[table.area_index[row]]
        for row in range(len(table.zone_index))
        if table.zone_index[row] == zone and valid(table, row, utc_s)
    }


def is_same(world: World, one: int, two: int, utc_s: int) -> bool:
    if one < 0 or two < 0:
        return False
    zones = world.network.zones
    if zones.areas[zones.area_index[one]] == zones.areas[zones.area_index[two]]:
        return True
    return bool(virtual_areas(world, one, utc_s) & virtual_areas(world, two, utc_s))


def region(world: World, zone: int) -> str:
    index = world.network.zones.region_index[zone]
    return world.network.zones.regions[index] if index >= 0 else ""


def call(row: Row, world: World, new: dict[str, Any], other: int, routed: int) -> int:
    """The place to make the relation with; may set flags."""
    places, start, way = world.workspace.places, row["start_utc_s"], row["direction"]
    served, home = new["served_zone_index"], new["home_zone_index"]
    routed = -1 if way == codes.IN else routed
    new["flags"] |= codes.FLAG_ROUTED * (routed >= 0)
    if places.called_by == "routing" and routed >= 0:
        return routed
    if way not in SAME_PLACE_FOR[places.same_place]:
        return other
    mine = [served]
    if way == codes.OUT and new["flags"] & codes.FLAG_BOUNDARY:
        mine.append(new["real_zone_index"])
    if any(is_same(world, one, two, start) for one in mine for two in (other, routed)):
        new["flags"] |= codes.FLAG_SAME_PLACE
        return int(served)
    here = region(world, served)
    if new["roaming"] == codes.HOME:
        near = True
    else:
        near = new["roaming"] == codes.NATIONAL and region(world, home) == here
    is_known = here and routed >= 0 and other >= 0
    if near and is_known and region(world, routed) == here != region(world, other):
        return routed
    return other


def ported(world: World, number: int, utc_s: int) -> tuple[int, int] | None:
    """Carrier and zone (-1: that of the range) of a ported number."""
    table = world.network.portability
    for row in range(len(table.number)):
        if table.number[row] == number and valid(table, row, utc_s):
            return int(table.carrier_index[row]), int(table.zone_index[row])
    return None


def members(row: Row, world: World, subscription: int) -> int:
    """The flags of friends and groups."""
    start, customers = row["start_utc_s"], world.customers
    served, other = row["served_e164"], row["other_e164"]
    if not other:
        return 0
    flags = 0
    friends, lines = customers.friends, customers.subscriptions.subscription_id.to_pylist()
    for at in range(len(friends.number)):
        is_own = subscription >= 0 and lines[friends.subscription_row[at]] == lines[subscription]
        if is_own and friends.number[at] == other and valid(friends, at, start):
            flags |= codes.FLAG_FRIEND
    groups = customers.groups
    of = {
        number: {
            groups.group_index[at] for at in range(len(groups.number))
            if groups.number[at] == number and valid(groups, at, start)
        }
        for number in (served, other)
    }  # fmt: skip
    return flags | codes.FLAG_GROUP * bool(served and of[served] & of[other])
