"""``partials`` of operator.yaml: how the partial records of one long call are recognised.

docs/mediation.md explains the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tollbook.clock import DAY_S
from tollbook.text import Reader, did_you_mean

FIELDS: Final = ("served", "other", "call_ref", "imsi", "source", "location", "trunk_in")
KEY: Final = ("served", "call_ref")
SECTION: Final = "partials"
KEYS: Final = ("key", "gap", "hold", "going_on")
GAP_S, HOLD_S = 5, DAY_S
GAP_MAX_S: Final = 3600
HOLD_MAX_S: Final = 60 * DAY_S
CAUSE_MAX: Final = 2**31 - 1
EVERY_SOURCE: Final = ""


@dataclass(frozen=True)
class Partials:
    """What makes records parts of one call, and how long a call waits for its other parts.

    key: fields that are equal in all parts of a call (words of FIELDS). gap_s: how far the start
    of a part may lie from the end of the one before, either way. hold_s: how long after its end
    an unfinished call waits. going_on: by source, values of ``cause`` after which another part must
    follow; EVERY_SOURCE stands for those that are not named. Without any the cause does not tell
    that a call has ended, and every call of the source waits.
    """

    key: tuple[str, ...] = KEY
    gap_s: int = GAP_S
    hold_s: int = HOLD_S
    going_on: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def goes_on_after(self, source: str) -> tuple[int, ...]:
        """The causes after which a part of the source is followed by another."""
        return self.going_on.get(source, self.going_on.get(EVERY_SOURCE, ()))


def read(keys: Reader, sources: Sequence[str]) -> Partials | None:
    """The section of operator.yaml, checked; None where it is not there: parts stay apart."""
    if SECTION not in keys:
        return None
    part = Reader(keys.node_of(SECTION), keys.problems, SECTION, KEYS)
    return Partials(
        _key(part),
        _span_s(part, "gap", GAP_S, GAP_MAX_S),
        _span_s(part, "hold", HOLD_S, HOLD_MAX_S),
        _going_on(part, sources),
    )


def _key(part: Reader) -> tuple[str, ...]:
    found = part.texts("key") if "key" in part else KEY
    for name in dict.fromkeys(found):
        if name not in FIELDS:
            part.wrong("key", f"'key' names '{name}'", ", ".join(FIELDS),
                       did_you_mean(name, FIELDS, "use these words"))
        if found.count(name) > 1:
            part.wrong("key", f"'key' names '{name}' twice", "every word once", "remove one")
    if "served" not in found:
        part.wrong("key", f"'key' is [{', '.join(found)}]", "at least served",
                   "records of two numbers are never parts of one call")
    return found


def _span_s(part: Reader, key: str, default_s: int, most_s: int) -> int:
    found = part.duration_s(key, default_s)
    if found > most_s:
        part.wrong(key, f"'{key}' is {found}s", f"at most {most_s}s", "correct the span")
    return found


def _going_on(part: Reader, sources: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """One list for all sources, or a mapping with a list for each."""
    key = "going_on"
    if key not in part:
        return {}
    node = part.node_of(key)
    if not isinstance(node.value, dict):
        return {EVERY_SOURCE: _causes(part, key)}
    each = Reader(node, part.problems, f"{SECTION}: {key}", sources)
    return {source: _causes(each, source) for source in sources if source in each}


def _causes(part: Reader, key: str) -> tuple[int, ...]:
    found = []
    for word in part.texts(key):
        if re.fullmatch(r"\d{1,10}", word) and int(word) <= CAUSE_MAX:
            found.append(int(word))
        else:
            part.wrong(key, f"'{key}' names '{word}'",
                       f"whole numbers from 0 to {CAUSE_MAX}, as the column cause has them",
                       "write the numbers that the source gives to parts of a call that goes on")
    return tuple(sorted(set(found)))
