"""Formats of times and of durations written as clocks.

Those of times are a strptime subset with a fixed width for every directive but two; those of clocks
are letters, one for each digit.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

# Items of a compiled format: (code, literal byte). The kernel reads them one by one.
(LITERAL, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FRACTION, OFFSET, EPOCH_S,
 EPOCH_MS, YEAR_TWO) = range(12)  # fmt: skip
DIRECTIVES: Final = {
    "Y": YEAR, "m": MONTH, "d": DAY, "H": HOUR, "M": MINUTE, "S": SECOND, "f": FRACTION,
    "z": OFFSET, "y": YEAR_TWO,
}  # fmt: skip
NAMED_FORMATS: Final = ("iso8601", "epoch_s", "epoch_ms")
ALLOWED: Final = "%Y %y %m %d %H %M %S %f %z and literal text, or iso8601 | epoch_s | epoch_ms"
ITEMS_MAX: Final = 32

_DATE: Final = {YEAR, MONTH, DAY}
_CLOCK: Final = {HOUR, MINUTE}
_NEEDED: Final = {"start": _DATE | _CLOCK, "start_date": _DATE, "start_clock": _CLOCK}
_FORBIDDEN: Final = {
    "start": set(),
    "start_date": {HOUR, MINUTE, SECOND, FRACTION, OFFSET},
    "start_clock": _DATE,
}  # fmt: skip


def parse(text: str) -> tuple[tuple[int, int], ...]:
    """The items of a format; raises ValueError with what is wrong."""
    if text in ("epoch_s", "epoch_ms"):
        return ((EPOCH_S if text == "epoch_s" else EPOCH_MS, 0),)
    if not text.isascii():
        raise ValueError("it holds signs that are not ASCII")
    items: list[tuple[int, int]] = []
    rest = iter(text)
    for character in rest:
        if character != "%":
            items.extend((LITERAL, byte) for byte in character.encode())
            continue
        letter = next(rest, "")
        if letter == "%":
            items.append((LITERAL, ord("%")))
        elif letter not in DIRECTIVES:
            raise ValueError(f"'%{letter}' is no directive that layouts know")
        elif (DIRECTIVES[letter], 0) in items:
            raise ValueError(f"'%{letter}' stands twice")
        else:
            items.append((DIRECTIVES[letter], 0))
    if len(items) > ITEMS_MAX:
        raise ValueError(f"it has {len(items)} parts, more than {ITEMS_MAX}")
    return tuple(items)


def check(text: str, field: str) -> str:
    """What is wrong with a format for a field (start, start_date, start_clock); "" if nothing."""
    if text in NAMED_FORMATS:
        return "" if field == "start" else f"{text} is a whole time, not a part of one"
    try:
        codes = {code for code, _ in parse(text)}
    except ValueError as error:
        return str(error)
    letters = {code: f"%{letter}" for letter, code in DIRECTIVES.items()}
    if YEAR in codes and YEAR_TWO in codes:
        return "%Y and %y are both there"
    codes = {YEAR if code == YEAR_TWO else code for code in codes}
    missing = [letters[code] for code in sorted(_NEEDED[field] - codes)]
    if missing:
        return f"{' '.join(missing)} is missing"
    extra = [letters[code] for code in sorted(codes & _FORBIDDEN[field])]
    if extra:
        return f"{' '.join(extra)} does not belong to {field}"
    if FRACTION in codes and SECOND not in codes:
        return "%f without %S"
    return ""


def fixed(text: str) -> tuple[bool, int] | None:
    """(has an offset, the byte between day and clock) of formats whose places are all fixed.

    These are ``%Y-%m-%d %H:%M:%S`` with any one byte between, perhaps with ``%z``, and iso8601 (-1:
    a T or a blank); a faster kernel reads them. None for other formats.
    """
    if text == "iso8601":
        return True, -1
    items = () if text in NAMED_FORMATS else parse(text)
    day = ((YEAR, 0), (LITERAL, 45), (MONTH, 0), (LITERAL, 45), (DAY, 0))
    moment = ((HOUR, 0), (LITERAL, 58), (MINUTE, 0), (LITERAL, 58), (SECOND, 0))
    if len(items) < 11 or items[:5] != day or items[5][0] != LITERAL or items[6:11] != moment:
        return None
    if items[11:] not in ((), ((OFFSET, 0),)):
        return None
    return len(items) == 12, items[5][1]


# Items of a clock: (code, digits or 0 for as many as follow, or the literal byte).
(CLOCK_LITERAL, CLOCK_HOUR, CLOCK_MINUTE, CLOCK_SECOND, CLOCK_FRACTION) = range(5)
CLOCKS: Final = {"h": CLOCK_HOUR, "m": CLOCK_MINUTE, "s": CLOCK_SECOND, "f": CLOCK_FRACTION}
CLOCK_DIGITS: Final = 6
CLOCK_ALLOWED: Final = "letters h m s f, one for each digit, and signs between, such as h:mm:ss"


def parse_clock(text: str) -> tuple[tuple[int, int], ...]:
    """The items of a clock such as ``h:mm:ss`` or ``mmmmssf``; raises ValueError if it is none.

    One letter alone before a sign or at the end stands for as many digits as there are.
    """
    runs = [(letter, len(list(run))) for letter, run in groupby(text)]
    order = [CLOCKS[letter] for letter, _ in runs if letter in CLOCKS]
    if not order or order != sorted(set(order)):
        raise ValueError("h, m, s and f stand in this order, each once")
    if CLOCK_FRACTION in order and CLOCK_SECOND not in order:
        raise ValueError("f without s")
    items: list[tuple[int, int]] = []
    for place, (letter, size) in enumerate(runs):
        if letter not in CLOCKS:
            if not letter.isascii() or letter.isalnum():
                raise ValueError(f"'{letter}' is no letter of a clock")
            items.extend([(CLOCK_LITERAL, ord(letter))] * size)
            continue
        if size > CLOCK_DIGITS:
            raise ValueError(f"{size} digits of {letter}, more than {CLOCK_DIGITS}")
        is_last = place + 1 == len(runs) or runs[place + 1][0] not in CLOCKS
        items.append((CLOCKS[letter], 0 if size == 1 and is_last else size))
    if len(items) > ITEMS_MAX:
        raise ValueError(f"it has {len(items)} parts, more than {ITEMS_MAX}")
    return tuple(items)
