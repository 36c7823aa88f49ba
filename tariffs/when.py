"""What parts of a tariff book have: where they stand in the text, and for which usage they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Position:
    """Where something stands in the text, for messages and explanations."""

    file: str = ""
    line: int = 0


NOWHERE: Final = Position()


@dataclass(frozen=True)
class When:
    """Conditions of a rule; an empty tuple means any, and so does None.

    Words of ``tollbook.codes`` for service, direction, roaming, forward and boundary; relations,
    zones and carriers are names of the network's tables.
    """

    service: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    roaming: tuple[str, ...] = ()
    relation: tuple[str, ...] = ()
    to_zone: tuple[str, ...] = ()  # the only open-ended condition of book v1
    on_net: bool | None = None
    special: bool | None = None
    access_code: tuple[str, ...] = ()
    from_zone: tuple[str, ...] = ()  # place of the served party
    home_zone: tuple[str, ...] = ()  # zone of the served number
    home_relation: tuple[str, ...] = ()  # of the home zone to the place of the served party
    carrier: tuple[str, ...] = ()  # of the other party's number
    forward: tuple[str, ...] = ()
    boundary: tuple[str, ...] = ()
    same_place: bool | None = None
    friend: bool | None = None
    group: bool | None = None
