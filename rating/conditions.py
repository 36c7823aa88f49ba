"""The conditions of a rule beside the facts of a usage: which of them hold, in words."""

from __future__ import annotations

from dataclasses import dataclass

from rating.trace import Facts
from tariffs.when import When


@dataclass(frozen=True)
class Condition:
    """One condition of a rule, the words that it allows, and the record's own word."""

    name: str
    allowed: tuple[str, ...]
    found: str

    @property
    def holds(self) -> bool:
        """Whether it does; of access codes ``*`` allows any, and ``none`` that there is none."""
        word = self.found or "none"
        return self.found in self.allowed or word in self.allowed or (
            "*" in self.allowed and bool(self.found)
        )


def conditions(when: When, facts: Facts) -> list[Condition]:
    """The conditions that a rule names, by the keys of the book; it holds if all of them do."""
    listed = (
        ("service", when.service, facts.service),
        ("direction", when.direction, facts.direction),
        ("roaming", when.roaming, facts.roaming),
        ("relation", when.relation, facts.relation),
        ("home_relation", when.home_relation, facts.home_relation),
        ("to", when.to_zone, facts.other_zone),
        ("from", when.from_zone, facts.served_zone),
        ("home", when.home_zone, facts.home_zone),
        ("carrier", when.carrier, facts.carrier),
        ("access_code", when.access_code, facts.access_code),
        ("forward", when.forward, facts.forward),
        ("boundary", when.boundary, facts.boundary),
        *(
            (name, _yes_no(wanted), _yes_no(found)[0])
            for name, wanted, found in (
                ("on_net", when.on_net, facts.on_net),
                ("special", when.special, facts.special),
                ("same_place", when.same_place, facts.same_place),
                ("friend", when.friend, facts.friend),
                ("group", when.group, facts.group),
            )
        ),
    )
    return [Condition(name, allowed, found) for name, allowed, found in listed if allowed]


def _yes_no(value: bool | None) -> tuple[str, ...]:
    return () if value is None else ("yes" if value else "no",)
