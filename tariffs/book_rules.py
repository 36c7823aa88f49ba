"""The ``rules:`` of a plan file, as ``model.Rule``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tariffs.book_tiers import is_mapping
from tariffs.grammar import KEYS
from tariffs.model import FREE, Charge, Rule
from tariffs.when import Position, When
from tollbook.codes import BOUNDARIES, DIRECTIONS, FORWARDS, ROAMINGS, SERVICES
from tollbook.text import Node, Problems, Reader, did_you_mean

REFUSE: Final = "refuse"
ANY_ZONE: Final = "*"
ANY_RELATION: Final = "*"
ANY_CODE: Final = "*"  # of access codes: whichever was dialled
NO_CODE: Final = "none"
RULED_SERVICES: Final = SERVICES[1:]
RULED_DIRECTIONS: Final = DIRECTIONS[1:4]  # a transit record has no subscription, hence no plan

LOOKUPS: Final = ("by_zone", "by_prefix", "by_relation", "by_home_relation")
_CHARGE_ALLOWED: Final = "free, refuse, or a mapping of components to rates"
_TARGET_ALLOWED: Final = f"the name of a rate, free, or a mapping with one of {', '.join(LOOKUPS)}"


def parse_rules(
    nodes: Sequence[Node], problems: Problems, name: str = "rule", ends: bool = True
) -> tuple[tuple[Rule, ...], bool]:
    """The rules that could be read, in order, and whether those are all of them.

    ends: the list may end with `otherwise`; rules that stand before others may not.
    """
    rules = []
    for number, node in enumerate(nodes, 1):
        before = problems.errors
        reader = Reader(node, problems, f"{name} {number}", KEYS["rule"])
        last = ends and number == len(nodes)
        rule = _read_rule(reader, last) if is_mapping(reader) else None
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
    when = read_when(reader) if "when" in reader else When()
    charges, refuse = _read_charges(reader, "charge" if "charge" in reader else "otherwise")
    return Rule(when, charges, refuse, at)


def read_when(outer: Reader) -> When:
    """``when``, which is there: the conditions of a rule, or of whatever else holds for some."""
    reader = Reader(outer.keys["when"], outer.problems, f"{outer.name}, when", KEYS["when"])
    return When(
        service=_words(reader, "service", RULED_SERVICES),
        direction=_words(reader, "direction", RULED_DIRECTIONS),
        roaming=_words(reader, "roaming", ROAMINGS),
        relation=_words(reader, "relation"),
        to_zone=_words(reader, "to"),
        on_net=_yes_or_no(reader, "on_net"),
        special=_yes_or_no(reader, "special"),
        access_code=_access_codes(reader),
        from_zone=_words(reader, "from"),
        home_zone=_words(reader, "home"),
        home_relation=_words(reader, "home_relation"),
        carrier=_words(reader, "carrier"),
        forward=_words(reader, "forward", FORWARDS),
        boundary=_words(reader, "boundary", BOUNDARIES),
        same_place=_yes_or_no(reader, "same_place"),
        friend=_yes_or_no(reader, "friend"),
        group=_yes_or_no(reader, "group"),
    )


def _access_codes(reader: Reader) -> tuple[str, ...]:
    """Codes, or one word for all of them or none of them."""
    words = _words(reader, "access_code")
    for word in (ANY_CODE, NO_CODE):
        if word in words and len(words) > 1:
            reader.wrong("access_code", f"'access_code' names '{word}' beside other codes",
                         f"codes, or '{ANY_CODE}' alone (any code), or '{NO_CODE}' alone (no code)",
                         "write two rules")
    return words


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
    reader = Reader(target, outer.problems, f"{outer.name}, {component}", KEYS["target"])
    if not is_mapping(reader):
        return Charge(component, at=at)
    given = [key for key in LOOKUPS if key in reader]
    if len(given) != 1:
        found = f"names {' and '.join(given)}" if given else "names nothing to look the rate up by"
        reader.wrong("by_zone", found, f"one of {', '.join(LOOKUPS)}", "leave one")
        return Charge(component, at=at)
    if "like" in reader and given != ["by_prefix"]:
        reader.wrong("like", f"'like' beside '{given[0]}'", "'like' beside 'by_prefix'",
                     "remove 'like': a rate of such a deck says everything itself")
    return Charge(
        component,
        by_zone=_deck_name(reader, "by_zone"),
        at=at,
        by_prefix=_deck_name(reader, "by_prefix"),
        like=reader.text("like", None, "the name of a rate") if "like" in reader else "",
        by_relation=_by_word(reader, "by_relation"),
        by_home_relation=_by_word(reader, "by_home_relation"),
    )


def _deck_name(reader: Reader, key: str) -> str:
    if key not in reader:
        return ""
    name = reader.text(key, None, _TARGET_ALLOWED)
    if name and (Path(name).name != name or "\\" in name or not name.endswith(".csv")):
        reader.wrong(key, f"'{key}' is '{name}'", "the name of a .csv file of the same "
                     "folder as the book", "put the file there and name it without a folder")
    return name


def _by_word(outer: Reader, key: str) -> tuple[tuple[str, str], ...]:
    """A mapping of relations (or "*") to rates."""
    if key not in outer:
        return ()
    node = outer.keys[key]
    if not isinstance(node.value, dict) or not node.value:
        found = "an empty mapping" if isinstance(node.value, dict) else node.kind
        outer.wrong(key, f"'{key}' is {found}", "a mapping of relations to rates",
                    f'write it as `{key}: {{local: free, "*": toll}}`')
        return ()
    reader = Reader(node, outer.problems, f"{outer.name}, {key}", node.value)
    return tuple((word, reader.text(word, None, "the name of a rate, or free"))
                 for word in reader.keys)  # fmt: skip
