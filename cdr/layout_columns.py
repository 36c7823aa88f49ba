"""Reads the ``columns:`` of a layout; every finding goes to ``Problems`` with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from cdr import layout_time
from cdr.layout_fields import CLOCK, CONDITION, DECIMAL, FIELDS, INTEGER, TIME, WORD
from cdr.layout_types import COLUMNS_MAX, DELIMITED, FIXED, JSON, ROW_BYTES_MAX, Column
from tollbook import clock, codes
from tollbook.text import Node, Problems, Reader, did_you_mean

ROUNDINGS: Final = ("up", "nearest", "down")
FIELD_BYTES_MAX: Final = 65_535
_PLACE: Final = {DELIMITED: ("at", "name"), FIXED: ("at", "length"), JSON: ("path",)}
_COMMON: Final = ("to", "type", "optional", "null")
_VALUE: Final = (*_COMMON, "required", "max_length")
_KEYS: Final = {
    INTEGER: (*_VALUE, "unit", "round"), DECIMAL: (*_VALUE, "unit", "round"),
    CLOCK: (*_VALUE, "format", "round"), TIME: (*_VALUE, "format", "zone"), WORD: (*_VALUE, "map"),
    CONDITION: (*_COMMON, "equals", "unless"),
}  # fmt: skip
_UNKNOWN: Final = "unknown"
_CODES: Final = {
    "service": codes.SERVICE_CODE, "direction": codes.DIRECTION_CODE,
    "forward_reason": codes.FORWARD_CODE,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the columns of a layout have in common; ``nulls``: those of the whole layout."""

    kind: str
    encoding: str
    header: str
    nulls: tuple[bytes, ...]


def read(nodes: tuple[Node, ...], problems: Problems, shape: Shape) -> tuple[Column, ...]:
    """The columns of a layout, as far as they can be read."""
    found: list[tuple[Node, Column]] = []
    for index, node in enumerate(nodes, 1):
        column = _column(node, problems, f"column {index}", shape)
        if column is not None:
            found.append((node, column))
    _check_once(found, problems)
    if len(found) > COLUMNS_MAX:
        problems.add(nodes[0], f"{len(found)} columns", f"at most {COLUMNS_MAX}", "remove some")
    return tuple(column for _, column in found)


def _column(node: Node, problems: Problems, called: str, shape: Shape) -> Column | None:
    target = scalar(node, "to")
    kind = _type_of(node, target)
    keys = (*_PLACE[shape.kind], *_KEYS.get(kind, _VALUE))
    reader = Reader(node, problems, called, keys)
    if not isinstance(node.value, dict):
        return None
    words = tuple(FIELDS)
    field = reader.choice("to", words)
    if target not in FIELDS:
        return None
    known = FIELDS[field]
    reader.choice("type", known.types, known.types[0])
    place = {DELIMITED: _place, FIXED: _span, JSON: _path}[shape.kind]
    position, name, end = place(reader, shape)
    required = reader.choice("required", ("yes", "no"), "yes" if known.required else "no") == "yes"
    optional = reader.choice("optional", ("yes", "no"), "no") == "yes"
    if optional and required:
        reader.wrong("optional", f"'{field}' is optional, but every row needs it",
                     "optional: yes only with required: no", "remove one of the two")
    column = Column(
        position=position, name=name, field=field, type=kind, optional=optional,
        required=required, nulls=encode_all(reader, "null", shape.encoding, shape.nulls),
        max_bytes=reader.integer("max_length", 1, FIELD_BYTES_MAX, 255), end=end,
    )  # fmt: skip
    return _typed(reader, column, shape.encoding)


def scalar(node: Node, key: str) -> str:
    """The text of a key whose value is one; "" where it is not."""
    child = node.value.get(key) if isinstance(node.value, dict) else None
    return child.value if child is not None and isinstance(child.value, str) else ""


def _type_of(node: Node, target: str) -> str:
    """The column's type; that of the field where the file names none or a wrong one."""
    if target not in FIELDS:
        return ""
    types = FIELDS[target].types
    return scalar(node, "type") if scalar(node, "type") in types else types[0]


def _place(reader: Reader, shape: Shape) -> tuple[int, str, int]:
    """0-based position, or -1 and the name in the header."""
    if ("at" in reader) == ("name" in reader):
        reader.wrong("at", "a column needs its place", "either `at` (from 1) or `name`",
                     "write one of the two")
    if "name" in reader:
        if shape.header == "none":
            reader.wrong("name", "found by name, but the layout has no header",
                         "`at` with header: none", "give its position, or the kind of header")
        return -1, reader.text("name", allowed="the column's name in the header"), 0
    if "at" not in reader:
        return -1, "", 0
    return reader.integer("at", 1, COLUMNS_MAX) - 1, "", 0


def _span(reader: Reader, shape: Shape) -> tuple[int, str, int]:
    """The first byte of a column and the place behind its last one, both from 0."""
    node = reader.keys.get("at")
    if node is not None and isinstance(node.value, tuple):
        texts = reader.texts("at")
        places = [int(text) for text in texts if re.fullmatch(r"[0-9]{1,5}", text)]
        if "length" in reader or len(texts) != 2 or len(places) != 2 or not (
            1 <= places[0] <= places[1] <= ROW_BYTES_MAX
        ):
            reader.wrong("at", f"'at' is [{', '.join(texts)}]"
                         + (" beside a length" if "length" in reader else ""),
                         f"the first and the last byte, from 1 to {ROW_BYTES_MAX}, or the first "
                         "byte and `length`", "write it as `at: [7, 12]`")
            return 0, "", 1
        return places[0] - 1, "", places[1]
    first = reader.integer("at", 1, ROW_BYTES_MAX)
    size = reader.integer("length", 1, ROW_BYTES_MAX + 1 - first, 1)
    return first - 1, "", first - 1 + size


def _path(reader: Reader, shape: Shape) -> tuple[int, str, int]:
    """The keys that lead to a value."""
    name = reader.text("path", allowed="keys with dots between them, such as variables.duration")
    if name and not all(name.split(".")):
        reader.wrong("path", f"'path' is '{name}'",
                     "keys with dots between them, such as variables.duration", "correct the path")
    return -1, name, 0


def _typed(reader: Reader, column: Column, encoding: str) -> Column:
    """The keys that belong to the column's type."""
    if column.type in (INTEGER, DECIMAL):
        return _numeric(reader, column)
    if column.type == TIME:
        return _time(reader, column)
    if column.type == CLOCK:
        return _clock(reader, column)
    if column.type == WORD:
        return replace(column, words=_map(reader, column.field, encoding))
    if column.type == CONDITION:
        return _condition(reader, column, encoding)
    return column


def _numeric(reader: Reader, column: Column) -> Column:
    units = FIELDS[column.field].units
    if units is None:
        for key in ("unit", "round"):
            if key in reader:
                reader.wrong(key, f"'{column.field}' has no unit", "no such key", "remove it")
        return column
    unit = units[reader.choice("unit", tuple(units), next(iter(units)))]
    if column.type == DECIMAL and unit.per > 1:
        reader.wrong("unit", "decimals of a part of the unit",
                     "type: decimal with " + ", ".join(u for u in units if units[u].per == 1),
                     "use type: integer, or a whole unit")
    rounding = reader.choice("round", ROUNDINGS, "up")
    if column.field == "charge" and "round" in reader:
        reader.wrong("round", "a charge is never rounded on reading",
                     "at most six decimals of the currency unit", "remove it")
    return replace(column, times=unit.times, per=unit.per, rounding=rounding)


def _clock(reader: Reader, column: Column) -> Column:
    text = reader.text("format", allowed=layout_time.CLOCK_ALLOWED)
    try:
        layout_time.parse_clock(text or "h:mm:ss")
    except ValueError as error:
        reader.wrong("format", f"'{text}': {error}", layout_time.CLOCK_ALLOWED, "correct it")
    return replace(column, time_format=text, rounding=reader.choice("round", ROUNDINGS, "up"))


def _time(reader: Reader, column: Column) -> Column:
    text = reader.text("format", allowed=layout_time.ALLOWED)
    fault = layout_time.check(text, column.field) if text else ""
    if fault:
        reader.wrong("format", f"'{text}': {fault}", layout_time.ALLOWED, "correct the format")
    zone = reader.text("zone", "source", "source | operator | utc | a name such as Asia/Shanghai")
    if zone == "utc":
        zone = "UTC"
    if zone not in ("source", "operator"):
        try:
            clock.zone_table(zone)
        except KeyError:
            reader.wrong("zone", f"'{zone}' is no time zone",
                         "source | operator | utc | a name of the IANA database",
                         "for example Asia/Shanghai")
            zone = "source"
    if "zone" in reader and text == "iso8601":
        reader.wrong("zone", "iso8601 carries its own offset", "no zone", "remove it")
    return replace(column, time_format=text, zone=zone)


def _map(reader: Reader, field: str, encoding: str) -> tuple[tuple[bytes, int], ...]:
    """Words of the file -> codes; without a map the file uses our own words."""
    known = {word: code for word, code in _CODES[field].items() if word != _UNKNOWN}
    node = reader.keys.get("map")
    if node is None:
        return tuple((word.encode(), code) for word, code in known.items())
    if not isinstance(node.value, dict) or not node.value:
        reader.wrong("map", f"'map' is {node.kind}", "words of the file: " + " | ".join(known),
                     "write it as `{V: voice, S: sms}`")
        return ()
    found = []
    for word, meaning in node.value.items():
        if not isinstance(meaning.value, str) or meaning.value not in known:
            reader.problems.add(
                (node.file, node.key_lines[word]),
                f"{reader.name}: '{word}' stands for '{meaning.value}'", " | ".join(known),
                did_you_mean(str(meaning.value), known, "use one of these words"))
            continue
        if not word:
            reader.wrong("map", "the empty text stands for a word", "words that are not empty",
                         "use a constant where the file has no such column")
            continue
        found.append((_encoded(reader, "map", word, encoding), known[meaning.value]))
    return tuple(found)


def _condition(reader: Reader, column: Column, encoding: str) -> Column:
    if ("equals" in reader) == ("unless" in reader):
        reader.wrong("equals", f"'{column.field}' needs words to compare with",
                     "either `equals` or `unless`", "write one of the two")
    key = "unless" if "unless" in reader else "equals"
    words = tuple((_encoded(reader, key, word, encoding), 1) for word in reader.texts(key))
    if key in reader and not words:
        reader.wrong(key, f"'{key}' is empty", "one word or more", "name the words")
    return replace(column, words=words, unless=key == "unless")


def encode_all(
    reader: Reader, key: str, encoding: str, default: tuple[bytes, ...] = ()
) -> tuple[bytes, ...]:
    """A list of texts in the file's encoding; the empty text is a null anyway."""
    if key not in reader:
        return default
    found = (_encoded(reader, key, text, encoding) for text in reader.texts(key))
    return tuple(text for text in found if text)


def _encoded(reader: Reader, key: str, text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        reader.wrong(key, f"'{text}' cannot stand in a file of encoding {encoding}",
                     f"text that {encoding} can write", "correct the text or the encoding")
        return b""


def _check_once(found: list[tuple[Node, Column]], problems: Problems) -> None:
    """A field is fed once, except that several columns may be conditions of one name."""
    first: dict[str, int] = {}
    for node, column in found:
        if column.type == CONDITION:
            continue
        if column.field in first:
            problems.add(node, f"'{column.field}' is fed twice (first in line "
                         f"{first[column.field]})", "one column for each field",
                         "remove one of the two")
        first.setdefault(column.field, node.line)
    parts = {"start_date", "start_clock"} & first.keys()
    if (parts and "start" in first) or len(parts) == 1:
        name = min(parts)
        problems.add((found[0][0].file, first[name]), f"'{name}' stands alone, or beside 'start'",
                     "start, or start_date and start_clock together", "complete the pair")


