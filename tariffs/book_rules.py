"""The ``rules:`` of a plan file, and the decks (zone -> rate) that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tariffs.book_rates import is_mapping
from tariffs.model import FREE, Charge, Deck, Position, Rule, When
from tollbook import text
from tollbook.codes import DIRECTIONS, ROAMINGS, SERVICES
from tollbook.text import Node, Problems, Reader, did_you_mean

REFUSE: Final = "refuse"
ANY_ZONE: Final = "*"
RULED_SERVICES: Final = SERVICES[1:]
RULED_DIRECTIONS: Final = DIRECTIONS[1:4]  # a transit record has no subscription, hence no plan

_WHEN_KEYS: Final = ("service", "direction", "roaming", "relation", "to", "on_net", "special",
                     "access_code")  # fmt: skip
_CHARGE_ALLOWED: Final = "free, refuse, or a mapping of components to rates"
_TARGET_ALLOWED: Final = "the name of a rate, free, or {by_zone: a CSV file beside the book}"


@dataclass(frozen=True)
class DeckRow:
    """One line of a deck file; ``zone`` may be ANY_ZONE: all zones that no other line names."""

    zone: str
    rate: str
    at: Position


@dataclass
class DeckFiles:
    """Deck files of one book, each read once however many plans name it."""

    folder: Path
    shown: str
    problems: Problems
    read: dict[str, tuple[DeckRow, ...] | None] = field(default_factory=dict)

    def rows(self, charge: Charge) -> tuple[DeckRow, ...] | None:
        """The rows of the deck that a charge names; None if problems were noted in it."""
        name, before = charge.by_zone, self.problems.errors
        if name not in self.read:
            rows: tuple[DeckRow, ...] = ()
            if (self.folder / name).is_file():
                rows = _read_deck(self.folder / name, f"{self.shown}/{name}", self.problems)
            else:
                self.problems.add((charge.at.file, charge.at.line), f"there is no deck '{name}'",
                                  "a .csv file of the same folder, with the columns zone and rate",
                                  "write it, or correct its name")
            self.read[name] = rows if self.problems.errors == before else None
        return self.read[name]


def _read_deck(path: Path, shown: str, problems: Problems) -> tuple[DeckRow, ...]:
    rows: dict[str, DeckRow] = {}
    for row in text.load_csv(path, ("zone", "rate"), ("name",), problems, shown):
        for column in ("zone", "rate"):
            if not row[column]:
                problems.add(row.at, f"the {column} is empty", "a zone and a rate on every line",
                             "fill it in, or remove the line")
        if row["zone"] in rows:
            problems.add(row.at, f"zone '{row['zone']}' stands twice (first in line "
                         f"{rows[row['zone']].at.line})", "every zone once", "remove one")
        rows[row["zone"]] = DeckRow(row["zone"], row["rate"], Position(row.file, row.line))
    return tuple(rows.values())


def make_deck(name: str, rows: Sequence[DeckRow], zones: Sequence[str] | None) -> Deck:
    """A deck with the line for all other zones (``*``) written out over ``zones``.

    Where the zones are not known the line stays as it is written.
    """
    named = {row.zone for row in rows}
    pairs: list[tuple[str, str]] = []
    for row in rows:
        if row.zone == ANY_ZONE and zones is not None:
            pairs += [(zone, row.rate) for zone in zones if zone not in named]
        else:
            pairs.append((row.zone, row.rate))
    return Deck(name, tuple(pairs), rows[0].at if rows else Position())


def parse_rules(nodes: Sequence[Node], problems: Problems) -> tuple[tuple[Rule, ...], bool]:
    """The rules that could be read, in order, and whether those are all of them."""
    rules = []
    for number, node in enumerate(nodes, 1):
        before = problems.errors
        reader = Reader(node, problems, f"rule {number}", ("when", "charge", "otherwise"))
        rule = _read_rule(reader, last=number == len(nodes)) if is_mapping(reader) else None
        if rule is not None and problems.errors == before:
            rules.append(rule)
    return tuple(rules), len(rules) == len(nodes)


def _read_rule(reader: Reader, last: bool) -> Rule | None:
    at = Position(reader.node.file, reader.node.line)
    if ("charge" in reader) == ("otherwise" in reader):
        reader.wrong("otherwise", "needs either 'charge' or 'otherwise'",
                     "{when: ..., charge: ...}, and {otherwise: ...} as the last rule",
                     "write one of the two")
        return None
    if "otherwise" in reader:
        if "when" in reader:
            reader.wrong("when", "'when' beside 'otherwise'", "'otherwise' without conditions",
                         "write 'charge' instead of 'otherwise'")
        if not last:
            reader.wrong("otherwise", "'otherwise' is not the last rule",
                         "'otherwise' at the end of the rules", "move it to the end")
    when = _read_when(reader) if "when" in reader else When()
    charges, refuse = _read_charges(reader, "charge" if "charge" in reader else "otherwise")
    return Rule(when, charges, refuse, at)


def _read_when(outer: Reader) -> When:
    reader = Reader(outer.keys["when"], outer.problems, f"{outer.name}, when", _WHEN_KEYS)
    return When(
        service=_words(reader, "service", RULED_SERVICES),
        direction=_words(reader, "direction", RULED_DIRECTIONS),
        roaming=_words(reader, "roaming", ROAMINGS),
        relation=_words(reader, "relation"),
        to_zone=_words(reader, "to"),
        on_net=_yes_or_no(reader, "on_net"),
        special=_yes_or_no(reader, "special"),
        access_code=_words(reader, "access_code"),
    )


def _words(reader: Reader, key: str, allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """A word or a list of words; ``allowed`` empty: checked later, against the network."""
    if key not in reader:
        return ()
    words = reader.texts(key)
    if not any(words):
        reader.wrong(key, f"'{key}' names nothing", ", ".join(allowed) or "one word or a list",
                     "leave the condition out where anything goes")
    for word in words:
        if word and allowed and word not in allowed:
            reader.wrong(key, f"'{key}' names '{word}'", ", ".join(allowed),
                         did_you_mean(word, allowed, "use these words"))
    return tuple(dict.fromkeys(words))


def _yes_or_no(reader: Reader, key: str) -> bool | None:
    if key not in reader:
        return None
    return reader.choice(key, ("yes", "no")) == "yes"


def _read_charges(reader: Reader, key: str) -> tuple[tuple[Charge, ...], bool]:
    """The charges, and whether the usage is refused."""
    node = reader.keys[key]
    if isinstance(node.value, str):
        if node.value not in (FREE, REFUSE):
            reader.wrong(key, f"'{key}' is '{node.value}'", _CHARGE_ALLOWED,
                         f"name the component: {key}: {{airtime: {node.value or 'local'}}}")
        return (), node.value == REFUSE
    if not isinstance(node.value, dict) or not node.value:
        found = "an empty mapping" if isinstance(node.value, dict) else node.kind
        reader.wrong(key, f"'{key}' is {found}", _CHARGE_ALLOWED,
                     "write free where nothing is charged")
        return (), False
    charges = []
    for component, target in node.value.items():
        at = Position(node.file, node.key_lines[component])
        charges.append(_read_charge(reader, component, target, at))
    return tuple(charges), False


def _read_charge(outer: Reader, component: str, target: Node, at: Position) -> Charge:
    if isinstance(target.value, str):
        if target.value in ("", REFUSE):
            outer.problems.add(target, f"{outer.name}: '{component}' is '{target.value}'",
                               _TARGET_ALLOWED, "refuse the whole usage with `charge: refuse`")
        return Charge(component, target.value, at=at)
    reader = Reader(target, outer.problems, f"{outer.name}, {component}", ("by_zone",))
    if not is_mapping(reader):
        return Charge(component, at=at)
    name = reader.text("by_zone", None, _TARGET_ALLOWED)
    if name and (Path(name).name != name or "\\" in name or not name.endswith(".csv")):
        reader.wrong("by_zone", f"'by_zone' is '{name}'", "the name of a .csv file of the same "
                     "folder as the book", "put the file there and name it without a folder")
    return Charge(component, by_zone=name, at=at)
