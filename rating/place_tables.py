"""Tables of places and numbers for the guiding kernels, from the tables of network/ and customers/.

Everything returned is read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.member_kernels import FriendTable, NumberTable, PortedTable
from rating.place_kernels import BOTH, NEVER, ORIGINATING, Calling, LocationTable, Rewriting
from rating.tables import fixed, number_slots, text_table
from tollbook import codes
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.customers import Customers
from tollbook.network import Boundary, Locations, Network, Portability, VirtualAreas, Zones
from tollbook.network_places import is_beginning
from tollbook.workspace import Workspace

_ANYBODY: Final = -1
_SAME_PLACE: Final = {"never": NEVER, "originating": ORIGINATING, "both": BOTH}


@dataclass(frozen=True)
class PlaceRules:
    """What the optional rules of place look up; None: the rule does not hold, or has no table.

    locations: only where locations.csv has dates or beginnings.
    calling: is_asked says whether it decides for calls that have no number routed to.
    """

    locations: LocationTable | None
    boundary: LocationTable | None
    rewriting: Rewriting | None
    calling: Calling
    is_asked: bool
    ported: PortedTable | None
    friends: FriendTable | None
    groups: NumberTable | None


def place_rules(workspace: Workspace, network: Network, customers: Customers) -> PlaceRules:
    """The rules that hold for an operator."""
    places, groups = workspace.places, customers.groups
    serves = places.boundary != "never" and len(network.boundary.home_zone) > 0
    return PlaceRules(
        locations=_locations(network.locations),
        boundary=_boundary(network.boundary, network.zones) if serves else None,
        rewriting=_rewriting(workspace, network) if serves or places.forward_home else None,
        calling=_calling(workspace, network),
        is_asked=places.same_place != "never",
        ported=_ported(network.portability),
        friends=_friends(customers),
        groups=_number_table(groups.number, groups.valid_from_utc_s, groups.valid_to_utc_s,
                             groups.group_index)[0] if len(groups.number) else None,
    )  # fmt: skip


def roaming_areas(workspace: Workspace, network: Network) -> np.ndarray:
    """The area of each zone, outside of which a customer of that zone roams; int32."""
    by_region = workspace.national_roaming == "region"
    return fixed(network.zones.region_index if by_region else network.zones.area_index, np.int32)


def whole_locations(locations: Locations) -> pa.Array:
    """The whole texts of locations.csv, each once, in the order of the file."""
    names = locations.names
    return pc.unique(names.filter(pa.array(~is_beginning(names))))


def _locations(locations: Locations) -> LocationTable | None:
    """None where row i of the file holds for location i of ``whole_locations`` at any time."""
    is_dated = (locations.valid_from_utc_s > OPEN_FROM) | (locations.valid_to_utc_s < OPEN_TO)
    if not is_dated.any() and not is_beginning(locations.names).any():
        return None
    rows = np.arange(len(locations.names))
    return _location_table(locations.names, rows, np.full(len(rows), _ANYBODY),
                           (locations.valid_from_utc_s, locations.valid_to_utc_s))  # fmt: skip


def _boundary(boundary: Boundary, zones: Zones) -> LocationTable:
    """Rows of a region hold for each of its zones; the home zone's own rows come first."""
    rows, homes = [], []
    for zone in range(len(zones.ids)):
        region = zones.region_index[zone]
        of_zone = np.flatnonzero(boundary.home_zone == zone)
        of_region = np.flatnonzero((boundary.home_region == region) & (region >= 0))
        rows += [of_zone, of_region]
        homes += [np.full(len(of_zone) + len(of_region), zone)]
    everyone = np.flatnonzero((boundary.home_zone < 0) & (boundary.home_region < 0))
    row = np.concatenate([*rows, everyone])
    home = np.concatenate([*homes, np.full(len(everyone), _ANYBODY)])
    span = boundary.valid_from_utc_s[row], boundary.valid_to_utc_s[row]
    return _location_table(boundary.locations.take(pa.array(row)), row, home, span)


def _location_table(
    names: pa.Array, row: np.ndarray, home_zone: np.ndarray, span: tuple[np.ndarray, np.ndarray]
) -> LocationTable:
    """Entries in the order in which they are asked; several may be of one location."""
    begins = is_beginning(names)
    whole = pc.unique(names.filter(pa.array(~begins)))
    starts = pc.unique(names.filter(pa.array(begins)))
    places = pa.concat_arrays([whole, starts])
    place = pc.index_in(names, value_set=places).to_numpy(zero_copy_only=False)
    beginnings = pc.utf8_slice_codeunits(starts, 0, stop=-1)
    sizes = np.unique(pc.binary_length(beginnings).to_numpy(zero_copy_only=False))[::-1]
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(len(places) + 1))
    return LocationTable(
        whole=text_table(whole),
        beginnings=text_table(beginnings),
        sizes=fixed(sizes, np.int64),
        wider=_wider(whole, beginnings),
        first=fixed(first, np.int32),
        row=fixed(row[order], np.int32),
        home_zone=fixed(home_zone[order], np.int32),
        valid_from_utc_s=fixed(span[0][order], np.int64),
        valid_to_utc_s=fixed(span[1][order], np.int64),
    )


def _wider(whole: pa.Array, beginnings: pa.Array) -> np.ndarray:
    """For each place the longest beginning, shorter than its own, that fits it too; -1: none."""
    known = {text.encode(): at for at, text in enumerate(beginnings.to_pylist())}
    sizes = sorted({len(text) for text in known}, reverse=True)
    found = np.full(len(whole) + len(beginnings), -1, np.int32)
    if not known:
        return fixed(found)
    for place, text in enumerate([*whole.to_pylist(), *beginnings.to_pylist()]):
        data, most = text.encode(), len(text.encode()) - (place >= len(whole))
        fits = (known[data[:size]] for size in sizes if size <= most and data[:size] in known)
        found[place] = next((len(whole) + at for at in fits), -1)
    return fixed(found)


def _rewriting(workspace: Workspace, network: Network) -> Rewriting:
    boundary = network.boundary
    return Rewriting(
        zone_area=roaming_areas(workspace, network),
        zone_region=fixed(network.zones.region_index, np.int32),
        serve_as=fixed(boundary.serve_as, np.int32),
        edge=fixed(boundary.edge, np.int8),
        roams=int(workspace.national_roaming != "never"),
        forward_home=sum(1 << codes.FORWARD_CODE[word] for word in workspace.places.forward_home),
        flag_boundary=codes.FLAG_BOUNDARY,
        flag_boundary_inter=codes.FLAG_BOUNDARY_INTER,
    )


def _calling(workspace: Workspace, network: Network) -> Calling:
    zones, areas = network.zones, network.virtual_areas
    first, virtual = _virtual(areas, len(zones.ids))
    return Calling(
        special_zone=fixed(network.special_numbers.zone_index, np.int32),
        zone_region=fixed(zones.region_index, np.int32),
        zone_locality=fixed(zones.area_index, np.int32),
        virtual_first=first,
        virtual=virtual,
        by_routing=int(workspace.places.called_by == "routing"),
        same_place=_SAME_PLACE[workspace.places.same_place],
        flag_same_place=codes.FLAG_SAME_PLACE,
        flag_routed=codes.FLAG_ROUTED,
        flag_boundary=codes.FLAG_BOUNDARY,
    )


def _virtual(areas: VirtualAreas, zones: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(areas.zone_index, kind="stable")
    columns = (areas.valid_from_utc_s, areas.valid_to_utc_s, areas.area_index)
    table = np.stack([column.astype(np.int64)[order] for column in columns], axis=1)
    first = np.searchsorted(areas.zone_index[order], np.arange(zones + 1))
    return fixed(first, np.int32), fixed(table, np.int64)


def _ported(ported: Portability) -> PortedTable | None:
    if not len(ported.number):
        return None
    table, order = _number_table(ported.number, ported.valid_from_utc_s, ported.valid_to_utc_s,
                                 ported.carrier_index)  # fmt: skip
    return PortedTable(table, fixed(ported.zone_index[order], np.int32))


def _number_table(
    number: np.ndarray, since: np.ndarray, until: np.ndarray, value: np.ndarray
) -> tuple[NumberTable, np.ndarray]:
    """The table, and the order of the file's rows in it."""
    order = np.lexsort((since, number))
    rows = fixed(number[order], np.int64)
    return NumberTable(
        number_slots(rows), rows, fixed(since[order], np.int64), fixed(until[order], np.int64),
        fixed(value[order], np.int32),
    ), order  # fmt: skip


def _friends(customers: Customers) -> FriendTable | None:
    friends = customers.friends
    if not len(friends.number):
        return None
    known = customers.lines.subscription_id.dictionary_encode()
    line = known.indices.to_numpy(zero_copy_only=False)
    of = line[friends.subscription_row]
    order = np.argsort(of, kind="stable")
    first = np.searchsorted(of[order], np.arange(len(known.dictionary) + 1))
    return FriendTable(
        fixed(line, np.int32), fixed(first, np.int32), fixed(friends.number[order], np.int64),
        fixed(friends.valid_from_utc_s[order], np.int64),
        fixed(friends.valid_to_utc_s[order], np.int64),
    )
