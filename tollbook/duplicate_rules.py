"""``duplicates`` of operator.yaml: what makes two records one, and which of them stays.

Three kinds, each with its window: exact ones, those of which one covers time of the other, and
runs of ultra-short calls. docs/duplicates.md explains them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tollbook.clock import DAY_S
from tollbook.text import Reader, did_you_mean

FIELDS: Final = (
    "served", "start", "duration", "other", "direction", "service", "call_ref", "sequence",
)  # fmt: skip
KEY: Final = ("served", "start", "duration", "other", "direction")
KEYS: Final = ("key", "window", "overlapping", "ultra_short")
SAME: Final = ("other", "service")
TIMED: Final = ("voice", "video", "data")  # services whose records last
SHORT_MAX_S: Final = 60
GAP_MAX_S: Final = 3600


@dataclass(frozen=True)
class Overlapping:
    """Of records of one number whose times overlap, the longest stays.

    services: words of TIMED. same: fields that must be equal besides served number and direction,
    words of SAME. window_s: how long after its start a record is compared.
    """

    services: tuple[str, ...]
    same: tuple[str, ...]
    window_s: int


@dataclass(frozen=True)
class UltraShort:
    """Of a run of calls of at most ``duration_s``, each at most ``gap_s`` after the one before,
    the one received first stays."""

    services: tuple[str, ...]
    same: tuple[str, ...]
    window_s: int
    duration_s: int
    gap_s: int


@dataclass(frozen=True)
class DuplicateRules:
    """fields: those that make two records the same one (words of FIELDS), remembered for
    ``window_s``. The other kinds are looked for where they are configured."""

    fields: tuple[str, ...]
    window_s: int
    overlapping: Overlapping | None = None
    ultra_short: UltraShort | None = None


def read(keys: Reader, age_s: int) -> DuplicateRules:
    """The section, checked; age_s: the age at which records are no longer accepted."""
    fields = keys.texts("key") if "key" in keys else KEY
    _check_words(keys, "key", fields, FIELDS)
    if not {"served", "start"} <= set(fields):
        keys.wrong("key", f"'key' is [{', '.join(fields)}]", "at least served and start",
                   "records of other numbers or times are never the same record")
    window_s = keys.duration_s("window", age_s)
    if window_s < age_s:
        keys.wrong("window", f"the window of {_span(window_s)} is shorter than limits: age, "
                   f"{_span(age_s)}", "window not below age",
                   "a copy of an old record would be charged again: raise window or lower age")
    return DuplicateRules(
        fields, window_s, _overlapping(keys, window_s), _ultra_short(keys, window_s)
    )


def _overlapping(keys: Reader, longest_s: int) -> Overlapping | None:
    part = _part(keys, "overlapping", ("services", "same", "window"))
    if part is None:
        return None
    return Overlapping(
        _words(part, "services", ("voice",), TIMED), _words(part, "same", ("other",), SAME),
        _window(part, longest_s, longest_s),
    )  # fmt: skip


def _ultra_short(keys: Reader, longest_s: int) -> UltraShort | None:
    part = _part(keys, "ultra_short", ("services", "same", "window", "duration", "gap"))
    if part is None:
        return None
    spans = {}
    for key, default, most in (("duration", 2, SHORT_MAX_S), ("gap", 180, GAP_MAX_S)):
        spans[key] = part.duration_s(key, default)
        if not 0 < spans[key] <= most:
            part.wrong(key, f"'{key}' is {_span(spans[key])}", f"more than 0s, at most {most}s",
                       "correct the span")
    return UltraShort(
        _words(part, "services", ("voice",), TIMED), _words(part, "same", (), SAME),
        _window(part, min(longest_s, 2 * DAY_S), longest_s), spans["duration"], spans["gap"],
    )  # fmt: skip


def _part(keys: Reader, key: str, allowed: tuple[str, ...]) -> Reader | None:
    """A mapping within the section; None where it is not there."""
    if key not in keys:
        return None
    return Reader(keys.node_of(key), keys.problems, f"{keys.name}: {key}", allowed)


def _words(
    keys: Reader, key: str, default: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, ...]:
    found = keys.texts(key) if key in keys else default
    _check_words(keys, key, found, known)
    if key == "services" and not found:
        keys.wrong(key, f"'{key}' names none", ", ".join(known), "name one, or remove the section")
    return found


def _check_words(
    keys: Reader, key: str, found: tuple[str, ...], known: tuple[str, ...]
) -> None:
    for name in dict.fromkeys(found):
        if name not in known:
            keys.wrong(key, f"'{key}' names '{name}'", ", ".join(known),
                       did_you_mean(name, known, "use these words"))
        if found.count(name) > 1:
            keys.wrong(key, f"'{key}' names '{name}' twice", "every word once", "remove one")


def _window(keys: Reader, default_s: int, longest_s: int) -> int:
    window_s = keys.duration_s("window", default_s)
    if not 0 < window_s <= longest_s:
        keys.wrong("window", f"'window' is {_span(window_s)}",
                   f"more than 0s, at most the window of all duplicates, {_span(longest_s)}",
                   "lower this window, or raise the other")
    return window_s


def _span(seconds: int) -> str:
    return f"{seconds}s" if seconds % DAY_S or not seconds else f"{seconds // DAY_S}d"
