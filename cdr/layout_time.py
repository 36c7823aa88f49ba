"""Time formats of layouts: a strptime subset with a fixed width for every directive but two."""

from __future__ import annotations

from typing import Final

# Items of a compiled format: (code, literal byte). The kernel reads them one by one.
LITERAL, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FRACTION, OFFSET = range(9)
DIRECTIVES: Final = {
    "Y": YEAR, "m": MONTH, "d": DAY, "H": HOUR, "M": MINUTE, "S": SECOND, "f": FRACTION,
    "z": OFFSET,
}  # fmt: skip
NAMED_FORMATS: Final = ("iso8601", "epoch_s", "epoch_ms")
ALLOWED: Final = "%Y %m %d %H %M %S %f %z and literal text, or iso8601 | epoch_s | epoch_ms"
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
    missing = [letters[code] for code in sorted(_NEEDED[field] - codes)]
    if missing:
        return f"{' '.join(missing)} is missing"
    extra = [letters[code] for code in sorted(codes & _FORBIDDEN[field])]
    if extra:
        return f"{' '.join(extra)} does not belong to {field}"
    if FRACTION in codes and SECOND not in codes:
        return "%f without %S"
    return ""


def has_offset(text: str) -> bool:
    """Whether the text itself says what the time is in UTC, so that no zone is needed."""
    return text in NAMED_FORMATS or any(code == OFFSET for code, _ in parse(text))
