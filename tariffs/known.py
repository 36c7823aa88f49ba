"""What a tariff book may refer to, and one plan file as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tariffs.model import Rate, Version
from tariffs.when import Position
from tollbook.network import Network
from tollbook.workspace import Workspace


@dataclass(frozen=True)
class Known:
    """The names that the operator's other files define.

    None means "not known here": names of that kind are then not checked, so that a book can be
    tried without a workspace. currency, time_zone: used where a plan names none; "" if not known,
    and every plan must then name its own. duration_limit_s, volume_limit_bytes: the largest usages
    (0: not known). has_zone_clocks: whether a zone has a time zone of its own; has_same_place,
    has_boundary: whether operator.yaml asks for these rules of places.
    """

    zones: tuple[str, ...] | None = None
    relations: tuple[str, ...] | None = None
    access_codes: tuple[str, ...] | None = None
    carriers: tuple[str, ...] | None = None
    holidays: frozenset[date] = frozenset()
    currency: str = ""
    time_zone: str = ""
    duration_limit_s: int = 0
    volume_limit_bytes: int = 0
    has_zone_clocks: bool | None = None
    has_same_place: bool | None = None
    has_boundary: bool | None = None


def names_of(workspace: Workspace, network: Network) -> Known:
    """What an operator's workspace defines."""
    return Known(
        zones=network.zones.ids,
        relations=network.relations,
        access_codes=workspace.numbering.access_codes,
        carriers=network.carriers.ids,
        holidays=frozenset(day for day, _ in network.holidays),
        currency=workspace.operator.currency,
        time_zone=workspace.operator.time_zone,
        duration_limit_s=workspace.limits.duration_s,
        volume_limit_bytes=workspace.limits.volume_bytes,
        has_zone_clocks=any(network.zones.time_zones),
        has_same_place=workspace.places.same_place != "never",
        has_boundary=workspace.places.boundary != "never",
    )


@dataclass(frozen=True)
class Edition:
    """One plan file: a version, and what the checks must know about how it was read.

    unread_rates: names of rates that were noted as faulty; what refers to them is not noted again.
    rules_are_whole: False if a rule was noted as faulty and is missing from the version.
    replaced: rates of the file that stand in place of one it took over, with that one.
    unrounded: names of rates for which neither they nor the plan says `round`.
    named_elsewhere: names of rates that other files of the book name.
    unread_items: names of allowances, counters and caps that were noted as faulty; stepped_items:
    of allowances that say their increment.
    """

    plan_id: str
    name: str
    currency: str
    version: Version
    at: Position
    unread_rates: frozenset[str] = frozenset()
    rules_are_whole: bool = True
    replaced: tuple[tuple[Rate, Rate], ...] = ()
    unrounded: frozenset[str] = frozenset()
    named_elsewhere: frozenset[str] = frozenset()
    unread_items: frozenset[str] = frozenset()
    stepped_items: frozenset[str] = frozenset()

    @property
    def begins(self) -> tuple[date, int]:
        """The day and its wall second on which the version comes into force."""
        return self.version.valid_from, self.version.valid_from_s

    @property
    def ends(self) -> tuple[date, int] | None:
        """The first day and second without it; None: it holds on."""
        version = self.version
        return None if version.valid_to is None else (version.valid_to, version.valid_to_s)
