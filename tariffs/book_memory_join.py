"""What remembers, joined over the files that extend each other: a later item replaces by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tariffs.book_memory import Item, Items, MemoryText
from tariffs.memory_model import Allowance, Memory
from tollbook.text import Problems, did_you_mean


class Joined(NamedTuple):
    """The memory of a version. unread, stepped: as unread_items, stepped_items of Edition."""

    memory: Memory
    unread: frozenset[str]
    stepped: frozenset[str]


def joined_memory(texts: Sequence[MemoryText], problems: Problems) -> Joined:
    """What the files of a version say together, oldest text first."""
    allowances, faulty = _joined("allowance", [one.allowances for one in texts], problems)
    counters, faulty_counters = _joined("counter", [one.counters for one in texts], problems)
    caps, faulty_caps = _joined("cap", [one.caps for one in texts], problems)
    withheld = [one.not_discountable for one in texts if one.not_discountable is not None]
    late = [one.late for one in texts if one.late is not None]
    measured = {one.name: one for one in allowances}
    memory = Memory(
        tuple(replace(one, measure=_measure(one, measured)) for one in allowances),
        counters,
        caps,
        withheld[-1] if withheld else (),
        late[-1] if late else Memory().late,
    )
    stepped: set[str] = set()
    for text in texts:
        stepped = (stepped - text.allowances.read.keys()) | text.stepped
    return Joined(memory, faulty | faulty_counters | faulty_caps, frozenset(stepped))


def _joined(
    kind: str, texts: Sequence[Items[Item]], problems: Problems
) -> tuple[tuple[Item, ...], frozenset[str]]:
    found: dict[str, Item] = {}
    unread: set[str] = set()
    for items in texts:
        for name, at in items.dropped.items():
            if name not in found and name not in unread:
                problems.add((at.file, at.line), f"{kind} '{name}' is dropped, but not there",
                             ", ".join(found) or "those of the file that is extended",
                             did_you_mean(name, found, "remove the line"))
            found.pop(name, None)
            unread.discard(name)
        for name in items.unread:
            found.pop(name, None)
        unread |= items.unread
        unread -= items.read.keys()
        found.update(items.read)
    return tuple(found.values()), frozenset(unread)


def _measure(one: Allowance, allowances: dict[str, Allowance]) -> str:
    """An allowance without end measures what the one measures that it draws on."""
    seen = {one.name}
    while not one.measure and one.draws_on in allowances and one.draws_on not in seen:
        one = allowances[one.draws_on]
        seen.add(one.name)
    return one.measure
