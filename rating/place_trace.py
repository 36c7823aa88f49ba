"""Rules of place for one usage, for ``tollbook explain``: plain Python, no arrays.

Each says which row of which table decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import codes
from tollbook.network import Network
from tollbook.network_places import ANY, is_beginning
from tollbook.numbering import E164_DIGITS_MAX
from tollbook.workspace import Workspace


@dataclass(frozen=True)
class Ends:
    """What a record says of its two ends; 0 and "" where it says nothing.

    imsi: of a record that has no served number.
    """

    start_utc_s: int
    served_e164: int = 0
    other_e164: int = 0
    special_number: str = ""
    network: str = ""
    location: str = ""
    direction: str = "out"
    forward: str = codes.FORWARDS[0]
    routing_e164: int = 0
    imsi: int = 0


@dataclass(frozen=True)
class Place:
    """A zone, and what decided it; by: "" where there is none.

    by and key: "network" and its TADIG code; "location", "prefix", "special number" with what the
    table has; "portability"; "border cell" and its location; "forwarding" and its reason;
    "same place" and the place that it is the same as; "number routed to" and its prefix.
    """

    zone: str = ""
    name: str = ""
    by: str = ""
    key: str = ""

    @property
    def is_by_digits(self) -> bool:
        """Whether the key is of a person's number: beside a masked one it would tell digits."""
        return self.by in ("prefix", "number routed to")


NOWHERE: Final = Place()


def place_of(network: Network, zone: int, by: str, key: str) -> Place:
    """A zone by its index."""
    return Place(network.zones.ids[zone], network.zones.names[zone], by, key)


def in_force(table: Any, utc_s: int) -> np.ndarray:
    """Which rows of a dated table are valid at an instant; bool."""
    valid: np.ndarray = (table.valid_from_utc_s <= utc_s) & (utc_s < table.valid_to_utc_s)
    return valid


def by_prefix(network: Network, number: int, utc_s: int) -> tuple[Place, str]:
    """Zone and carrier of an E.164 number: the longest prefix in force decides."""
    ranges, text = network.ranges, str(number)
    valid = in_force(ranges, utc_s)
    for size in range(min(len(text), E164_DIGITS_MAX), 0, -1):
        fits = (ranges.prefix == int(text[:size])) & (ranges.prefix_length == size)
        found = np.flatnonzero(fits & valid)
        if len(found):
            row = int(found[0])
            carrier = int(ranges.carrier_index[row])
            place = place_of(network, int(ranges.zone_index[row]), "prefix", text[:size])
            return place, network.carriers.ids[carrier] if carrier >= 0 else ""
    return NOWHERE, ""


def ported_row(network: Network, number: int, utc_s: int) -> int:
    """The row of portability.csv that is valid for a number; -1: none."""
    ported = network.portability
    rows = np.flatnonzero((ported.number == number) & in_force(ported, utc_s))
    return int(rows[0]) if len(rows) else -1


def location_row(names: pa.Array, text: str, holds: np.ndarray) -> int:
    """Of the rows that hold the one for a location: its whole text, else its longest beginning."""
    whole = np.flatnonzero(pc.equal(names, text).to_numpy(zero_copy_only=False) & holds)
    if len(whole) and not text.endswith(ANY):
        return int(whole[0])
    rows = np.flatnonzero(is_beginning(names) & holds).tolist()
    fits = [row for row in rows if text.startswith(names[row].as_py().removesuffix(ANY))]
    return max(fits, key=lambda row: (len(names[row].as_py()), -row), default=-1)


def counted(
    workspace: Workspace, network: Network, ends: Ends, home: Place, true_place: Place
) -> tuple[Place, int]:
    """Where the served party counts as being, and the flags of the rule of borders."""
    places = workspace.places
    if not home.zone or not true_place.zone:
        return true_place, 0
    if ends.direction == "forward" and ends.forward in places.forward_home:
        return _as(home, true_place, "forwarding", ends.forward), 0
    if places.boundary == "never" or true_place.by != "location" or true_place.zone == home.zone:
        return true_place, 0
    row = _boundary_row(network, ends, home)
    if row < 0:
        return true_place, 0
    boundary, zones = network.boundary, network.zones
    zone = int(boundary.serve_as[row])
    place = home if zone < 0 else place_of(network, zone, "", "")
    edge = codes.BOUNDARIES[int(boundary.edge[row])]
    regions = [zones.region_index[zones.ids.index(one.zone)] for one in (true_place, home)]
    is_inter = edge == "inter" or (edge == "none" and regions[0] != regions[1])
    flags = codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER * is_inter
    return _as(place, true_place, "border cell", boundary.locations[row].as_py()), flags


def _as(place: Place, true_place: Place, by: str, key: str) -> Place:
    """The place as it was decided, unless it is the true one anyway."""
    return true_place if place.zone == true_place.zone else Place(place.zone, place.name, by, key)


def _boundary_row(network: Network, ends: Ends, home: Place) -> int:
    """The row of boundary.csv for a home and a location: the closest location, then home."""
    boundary, zones = network.boundary, network.zones
    zone = zones.ids.index(home.zone)
    region = zones.region_index[zone]
    valid = in_force(boundary, ends.start_utc_s)
    everyone = (boundary.home_zone < 0) & (boundary.home_region < 0)
    of_home = (
        (boundary.home_zone == zone) & valid,
        (boundary.home_region == region) & (region >= 0) & valid,
        everyone & valid,
    )
    found = [location_row(boundary.locations, ends.location, holds) for holds in of_home]
    rows = [row for row in found if row >= 0]

    def closeness(row: int) -> tuple[bool, int]:
        name = boundary.locations[row].as_py()
        return not name.endswith(ANY), len(name)

    return max(rows, key=closeness, default=-1)


def called(
    workspace: Workspace, network: Network, ends: Ends, found: tuple[Place, Place, Place],
    is_near: bool,
) -> tuple[Place, int]:
    """The place that the relation is made with, and flags.

    found: where the served party counts as being, its true place where a border was crossed, and
    the other party's zone. is_near: the served party is in its own region.
    """
    served, real, other = found
    places, at = workspace.places, ends.start_utc_s
    routed = NOWHERE
    if ends.routing_e164 and ends.direction != "in":
        prefix, _ = by_prefix(network, ends.routing_e164, at)
        routed = _by(prefix, "number routed to", prefix.key)
    flags = codes.FLAG_ROUTED * bool(routed.zone)
    if places.called_by == "routing" and routed.zone:
        return routed, flags
    if ends.direction not in {"never": (), "originating": ("out",), "both": ("out", "in")}[
        places.same_place
    ]:
        return other, flags
    pairs = ((served, other), (served, routed), *(
        ((real, other), (real, routed)) if ends.direction == "out" else ()
    ))  # fmt: skip
    for one, two in pairs:
        if is_same(network, one.zone, two.zone, at):
            return _by(served, "same place", two.zone), flags | codes.FLAG_SAME_PLACE
    if (
        is_near and routed.zone and other.zone
        and in_one_region(network, routed.zone, served.zone)
        and not in_one_region(network, other.zone, served.zone)
    ):  # fmt: skip
        return routed, flags
    return other, flags


def _by(place: Place, by: str, key: str) -> Place:
    return Place(place.zone, place.name, by, key) if place.zone else NOWHERE


def in_one_region(network: Network, one: str, two: str) -> bool:
    """Whether two zones lie in one region; a zone without a region lies in none."""
    zones = network.zones
    if not one or not two:
        return False
    regions = [int(zones.region_index[zones.ids.index(zone)]) for zone in (one, two)]
    return regions[0] == regions[1] >= 0


def is_same(network: Network, one: str, two: str, utc_s: int) -> bool:
    """Whether two zones are one place: the same, of one local network, or of one virtual area."""
    zones, areas = network.zones, network.virtual_areas
    if not one or not two:
        return False
    first, second = zones.ids.index(one), zones.ids.index(two)
    if first == second or zones.area_index[first] == zones.area_index[second]:
        return True
    valid = in_force(areas, utc_s)
    found = [set(areas.area_index[(areas.zone_index == zone) & valid]) for zone in (first, second)]
    return bool(found[0] & found[1])
