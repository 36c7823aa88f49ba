"""The mapping ``mediation`` of operator.yaml: which records are never charged, by rule.

A rule is a name and what must be so (``when``): all conditions that it names, and of each one of
its values. Rules are tried in their order, discard before filter; the first that fits takes the
record. What the words of a rule may be is checked against the network and the book (``check``), so
that no rule waits in silence for a plan or a trunk that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.codes import DIRECTIONS, ROAMINGS, SERVICES
from tollbook.columns import load_table
from tollbook.network import Network
from tollbook.network_places import ANY
from tollbook.table_checks import check_shape, check_unique
from tollbook.text import Node, Problems, Reader, did_you_mean

DISCARD, FILTER = "discard", "filter"
LISTS: Final = "network/lists"
RULES_MAX: Final = 1000
_NUMBER: Final = r"(?:\+[0-9]{1,15}|[0-9*#]{0,31}[0-9#])\*?"
_NUMBER_IS: Final = (
    "a number as it is dialled (digits, * and #), or + and E.164 digits; a * at the end: whatever "
    "follows"
)
_PAIR_S_MAX: Final = 3600
_CAUSE_MAX: Final = 2**31 - 1
_SHOWN: Final = 12
_Reads = Callable[[Reader, str], object]


@dataclass(frozen=True)
class Patterns:
    """Texts that are meant as a whole, and beginnings (written with a ``*`` behind them)."""

    whole: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: Sequence[str]) -> Patterns:
        """Patterns as they stand in a file; two stars: the key, then whatever follows."""
        return cls(
            tuple(text for text in written if not text.endswith(ANY)),
            tuple(text.removesuffix(ANY) for text in written if text.endswith(ANY)),
        )


@dataclass(frozen=True)
class When:
    """The conditions of a rule; one that is None, or an empty tuple, is not asked.

    served, other: numbers, those with a + as E.164 only, the others as dialled or as E.164; they
    are empty where a list has no number yet, and then nothing fits.
    """

    served: Patterns | None = None
    other: Patterns | None = None
    source: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    duration_max_s: int | None = None
    cause: tuple[int, ...] = ()
    plan: tuple[str, ...] = ()
    roaming: tuple[str, ...] = ()
    special_number: tuple[str, ...] = ()
    location: Patterns | None = None
    trunk: Patterns | None = None


@dataclass(frozen=True)
class Rule:
    """One rule. action: DISCARD or FILTER. line: where in operator.yaml its conditions begin."""

    name: str
    action: str
    when: When
    line: int


@dataclass(frozen=True)
class Mediation:
    """The whole mapping. rules: discard, then filter, each in the order of the file.

    pair_forwarded_s: how far apart the two legs of a forwarded call may start; None: not paired.
    """

    rules: tuple[Rule, ...] = ()
    pair_forwarded_s: int | None = None


NO_MEDIATION: Final = Mediation()


def read(keys: Reader, sources: Sequence[str], root: Path) -> Mediation:
    """The mapping as it is written; problems are noted in the reader's list.

    root: the workspace, whose lists of numbers are read.
    """
    rules: list[Rule] = []
    for action in (DISCARD, FILTER):
        for node in keys.sequence(action):
            rule = _rule(node, action, sources, (root, keys.problems))
            if rule.name in {other.name for other in rules}:
                keys.problems.add(node, f"rule '{rule.name}' stands twice", "every name once",
                                  "records are shown with the name of their rule: rename one")
            rules.append(rule)
    if len(rules) > RULES_MAX:
        keys.wrong(FILTER if FILTER in keys else DISCARD, f"{len(rules)} rules",
                   f"at most {RULES_MAX}", "put numbers into a list, and name the list in one rule")
    return Mediation(tuple(rules), _pair_s(keys))


def _pair_s(keys: Reader) -> int | None:
    if "pair_forwarded" not in keys:
        return None
    found = keys.duration_s("pair_forwarded", 0)
    if found > _PAIR_S_MAX:
        keys.wrong("pair_forwarded", f"'pair_forwarded' is {found}s", f"at most {_PAIR_S_MAX}s",
                   "name how far apart the starts of the two legs can be, such as 30s")
    return found


def _rule(
    node: Node, action: str, sources: Sequence[str], about: tuple[Path, Problems]
) -> Rule:
    root, problems = about
    keys = Reader(node, problems, f"rule of {action}", ("name", "when"))
    name = keys.text("name", allowed="a name that people recognise, such as test lines")
    if name and not re.fullmatch(r"[\w .:()/-]{1,64}", name):
        keys.wrong("name", f"'name' is '{name}'",
                   "letters, digits, blanks and . : ( ) / - _ (at most 64)",
                   "choose a plainer name")
    if "when" not in keys:
        keys.missing("when", "the conditions of the rule")
        return Rule(name, action, When(), node.line)
    return Rule(name, action, _when(keys, name, sources, root), keys.node_of("when").line)


def _when(rule: Reader, name: str, sources: Sequence[str], root: Path) -> When:
    named = {
        "source": _words(sources), "service": _words(SERVICES[1:]),
        "direction": _words(DIRECTIONS[1:]), "roaming": _words(ROAMINGS), "plan": Reader.texts,
        "special_number": Reader.texts, "location": _patterns, "trunk": _patterns,
        "cause": _causes, "served": _numbers, "other": _numbers,
    }  # fmt: skip
    lists = {"served_list": "served", "other_list": "other"}
    keys = Reader(rule.node_of("when"), rule.problems, f"rule '{name}'",
                  (*named, *lists, "duration_at_most"))  # fmt: skip
    found = {key: reads(keys, key) for key, reads in named.items() if key in keys}
    for key, party in lists.items():
        if key in keys:
            listed = [text for one in keys.texts(key) for text in _list(keys, key, one, root)]
            given = found.get(party, Patterns())
            assert isinstance(given, Patterns)
            more = Patterns.of(listed)
            found[party] = Patterns(given.whole + more.whole, given.beginnings + more.beginnings)
    if "duration_at_most" in keys:
        found["duration_max_s"] = keys.duration_s("duration_at_most", 0)
    if not keys.keys and isinstance(keys.node.value, dict):
        keys.problems.add(keys.node, f"{keys.name} has no condition", "one condition or more",
                          "without one the rule would take every record")
    for key in keys.keys:
        if key in named and not keys.sequence(key):
            keys.wrong(key, f"'{key}' is empty", "one value or more", "the rule could never hold: "
                       "name a value, or remove the condition")  # fmt: skip
    return When(**found)  # type: ignore[arg-type]


def _words(allowed: Sequence[str]) -> _Reads:
    """Reads a list of words, each one of ``allowed``."""

    def read_words(keys: Reader, key: str) -> tuple[str, ...]:
        found = keys.texts(key)
        for word in dict.fromkeys(found):
            if word not in allowed:
                _unknown(keys, key, word, allowed)
        return found

    return read_words


def _unknown(keys: Reader, key: str, word: str, allowed: Sequence[str]) -> None:
    keys.wrong(key, f"'{key}' names '{word}'", ", ".join(allowed),
               did_you_mean(word, allowed, "use one of these"))  # fmt: skip


def _patterns(keys: Reader, key: str) -> Patterns:
    return Patterns.of([text for text in keys.texts(key) if text])


def _numbers(keys: Reader, key: str) -> Patterns:
    found = keys.texts(key)
    for text in found:
        if not re.fullmatch(_NUMBER, text):
            keys.wrong(key, f"'{key}' names '{text}'", _NUMBER_IS,
                       "correct the number, or leave the condition out to mean all")
    return Patterns.of(found)


def _causes(keys: Reader, key: str) -> tuple[int, ...]:
    found = []
    for text in keys.texts(key):
        if re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= _CAUSE_MAX:
            found.append(int(text))
        else:
            keys.wrong(key, f"'{key}' names '{text}'", f"whole numbers from 0 to {_CAUSE_MAX}",
                       "write the number that the source gives for the cause of release")
    return tuple(found)


def _list(keys: Reader, key: str, name: str, root: Path) -> list[str]:
    """The numbers of ``network/lists/<name>.csv``."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        keys.wrong(key, f"'{key}' names '{name}'", "letters, digits, - and _ (at most 64)",
                   f"name a file of {LISTS} without its .csv")
        return []
    path = root / LISTS / f"{name}.csv"
    if not path.is_file():
        there = [one.stem for one in sorted((root / LISTS).glob("*.csv"))]
        keys.wrong(key, f"'{key}' names '{name}', and {LISTS}/{name}.csv does not exist",
                   ", ".join(there) or f"a file of {LISTS}",
                   did_you_mean(name, there, f"write {LISTS}/{name}.csv with a column number"))
        return []
    table = load_table(path, ("number",), ("note",), keys.problems, f"{LISTS}/{name}.csv")
    check_shape(table, "number", _NUMBER, _NUMBER_IS, keys.problems)
    check_unique(table, "number", keys.problems)
    listed: list[str] = table["number"].to_pylist()
    return listed


def check(
    rules: Sequence[Rule], network: Network, plans: Sequence[str], problems: Problems
) -> None:
    """Note words of rules that no record can have: plans, special numbers, trunks, locations."""
    trunks = tuple(dict.fromkeys(network.trunks.trunks))
    is_asked = any(rule.when.location for rule in rules)  # a large table, read for nothing
    locations = Patterns.of(network.locations.names.to_pylist() if is_asked else ())
    known = {
        "plan": ("the tariff book", tuple(plans)),
        "special_number": ("network/special_numbers.csv", network.special_numbers.numbers),
        "trunk": ("network/trunks.csv", trunks),
        "location": ("network/locations.csv", locations.whole + locations.beginnings),
    }
    for rule in rules:
        for key, (where, words) in known.items():
            for word in _strangers(getattr(rule.when, key), words, locations.beginnings):
                problems.add(
                    ("operator.yaml", rule.line),
                    f"rule '{rule.name}': '{key}' names '{word}', which is not in {where}",
                    ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
                    or f"nothing: {where} has none",
                    did_you_mean(word, words[:10_000], "the rule could never hold: correct it"),
                )


def _strangers(
    asked: Patterns | tuple[str, ...] | None, words: tuple[str, ...], beginnings: tuple[str, ...]
) -> Iterator[str]:
    """What is asked for and cannot be: not among the words, nor within their beginnings."""
    known = set(words)
    if asked is None:
        return
    if isinstance(asked, tuple):
        yield from (word for word in asked if word not in known)
        return
    yield from (w for w in asked.whole if w not in known and not w.startswith(beginnings))
    for begin in asked.beginnings:
        if not begin.startswith(beginnings) and not any(w.startswith(begin) for w in words):
            yield f"{begin}{ANY}"
