"""Layouts of kind ``ber``: where the canonical fields lie in each kind of record (docs/layouts.md).

``read`` notes everything that is wrong with such a layout at once, as ``file:line``; what it gives
back is frozen. A place is the path of a value inside the record, or ``Table:path`` for a value of a
repeated group (``file:path``: of what is in no record), as ``tollbook cdr convert`` names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdr import native
from cdr.asn_grammar import FILE, Schema
from cdr.layout_fields import CONDITION, CONDITION_REASON, FIELDS, INTEGER, NUMBER, TEXT, WORD
from tollbook import codes
from tollbook.text import Node, Problems, Reader, did_you_mean

KEYS: Final = ("layout", "kind", "format", "records")
FORMATS: Final = ("tap", "nrtrde", "ts32298")
FIRST, LAST, SUM, ANY = "first", "last", "sum", "any"
INTERNATIONAL, SMS_ADDRESS, ABROAD = "international", "sms_address", "abroad"
# Parts of a time that is a group: the clock, and which offset it has (TD.57: DateTime).
CLOCK_PART, CODE_PART = ".localTimeStamp", ".utcTimeOffsetCode"
CODES: Final = {
    "service": codes.SERVICE_CODE, "direction": codes.DIRECTION_CODE,
    "forward_reason": codes.FORWARD_CODE,
}  # fmt: skip
_COMMON: Final = ("of", "take", "where", "required", "wrong")
_RULE: Final = {
    WORD: (*_COMMON, "map", "else"), NUMBER: (*_COMMON, "as", "null"),
    TEXT: (*_COMMON, "join", "as", "null"), "time": (*_COMMON, "offset"),
    CONDITION: ("of", "unless"),
}  # fmt: skip
_AS: Final = {NUMBER: (INTERNATIONAL, SMS_ADDRESS), TEXT: (ABROAD,)}
# Fields that no record of these formats is asked for: a start is one value.
_LEFT_OUT: Final = ("start_date", "start_clock")


@dataclass(frozen=True)
class Place:
    """A value: of the record's own row (table ""), of a repeated group, or of the file."""

    table: str
    path: str


@dataclass(frozen=True)
class Rule:
    """One way to a value; the rules of a field are tried in their order.

    places: alternatives, or (is_joined) parts of one text. value: a constant, where there are no
    places. take: which value of a repeated group (ANY: the first that is in words), where: only
    rows of it with that text in a path beside it. words: values with their codes; otherwise: the
    code of others, -1: they are unknown.
    offset: where the offset of a time lies. form: INTERNATIONAL, SMS_ADDRESS, ABROAD or "".
    is_lenient: a value that is not of its form counts as none. unless: of a condition, places that
    must have no value, or (with a text) not that one.
    """

    places: tuple[Place, ...] = ()
    value: int = 0
    take: str = FIRST
    where: tuple[str, str] = ("", "")
    words: tuple[tuple[str, int], ...] = ()
    otherwise: int = -1
    offset: Place | None = None
    form: str = ""
    nulls: tuple[str, ...] = ()
    is_joined: bool = False
    is_lenient: bool = False
    unless: tuple[tuple[Place, str], ...] = ()


@dataclass(frozen=True)
class FieldRules:
    """How one canonical field (key of ``layout_fields.FIELDS``) is found in a kind of record."""

    field: str
    rules: tuple[Rule, ...]
    required: bool


@dataclass(frozen=True)
class BerLayout:
    """A layout that was read without problems. records: by the kind of record, its fields."""

    name: str
    kind: str
    format: str
    records: tuple[tuple[str, tuple[FieldRules, ...]], ...]

    @property
    def schema(self) -> Schema:
        """What files of the format are walked with."""
        return native.FORMATS[self.format].schema


def is_meant(tree: Node) -> bool:
    """Whether a layout file says that it is of this kind."""
    kind = tree.value.get("kind") if isinstance(tree.value, dict) else None
    return kind is not None and kind.value == "ber"


def read(tree: Node, path: Path, problems: Problems) -> BerLayout | None:
    """A layout file of kind ``ber``; None after its problems were noted."""
    before = problems.errors
    reader = Reader(tree, problems, "layout", KEYS)
    name = reader.text("layout", allowed="the layout's name")
    if name and name != path.stem:
        reader.wrong("layout", f"the layout is called '{name}', its file '{path.name}'",
                     "one name", f"call it {path.stem}, or the file {name}.yaml")
    kind = reader.choice("kind", ("ber",))
    problems_before_format = problems.errors
    form = reader.choice("format", FORMATS)
    if problems.errors > problems_before_format:  # no path could be judged
        return None
    kinds = tuple(native.FORMATS[form].schema.alternatives.values())
    records = Reader(reader.keys.get("records", Node({}, tree.file, tree.line)), problems,
                     "records", kinds)
    if not records.keys:
        reader.missing("records", "the kinds of record that are read, each with its fields")
    found = []
    for record, node in records.keys.items():
        if record in kinds:
            fields = _Kind(record, native.FORMATS[form].schema, node, problems).read()
            found.append((record, fields))
    layout = BerLayout(name, kind, form, tuple(found))
    return layout if problems.errors == before else None


class _Kind:
    """Reads the fields of one kind of record."""

    def __init__(self, record: str, schema: Schema, node: Node, problems: Problems) -> None:
        self.record, self.schema, self.problems = record, schema, problems
        known = [name for name in FIELDS if name not in _LEFT_OUT]
        self.reader = Reader(node, problems, record, known)
        tables = schema.tables
        self.paths: dict[str, list[str]] = {name: [] for name in tables}
        for field in schema.fields:
            self.paths[tables[field.table]].append(field.path)
        self.own = tables[schema.record]

    def read(self) -> tuple[FieldRules, ...]:
        """All fields, in the order of ``layout_fields``: it decides which fault a row has."""
        found = []
        for name in FIELDS:
            if name in self.reader and name not in _LEFT_OUT:
                found.append(self._field(name, self.reader.keys[name]))
        for name in ("service", "direction", "start"):
            if name not in self.reader:
                self.reader.missing(name, "where it lies, or a word that all records have")
        return tuple(sorted(found, key=lambda one: one.field not in CONDITION_REASON))

    def _field(self, name: str, node: Node) -> FieldRules:
        kind = FIELDS[name].types[0]
        nodes = node.value if isinstance(node.value, tuple) else (node,)
        rules, required = [], FIELDS[name].required
        for one in nodes:
            rule, is_required = self._rule(name, kind, one)
            required = required or is_required
            rules.append(rule)
        return FieldRules(name, tuple(rules), required)

    def _rule(self, name: str, kind: str, node: Node) -> tuple[Rule, bool]:
        if isinstance(node.value, str):
            return self._short(name, kind, node), False
        allowed = _RULE.get(kind, _COMMON)
        keys = Reader(node, self.problems, f"{self.record}, {name}", allowed)
        if kind == CONDITION:
            return self._condition(keys), False
        joined = "join" in keys and kind == TEXT
        texts = keys.texts("join" if joined else "of")
        if not texts:
            keys.missing("of", "the path of the value")
        places = tuple(self._place(keys, "join" if joined else "of", text, kind) for text in texts)
        words, otherwise = self._words(keys, name, kind)
        required = keys.choice("required", ("yes", "no"), "no") == "yes"
        rule = Rule(
            places=places, take=keys.choice("take", self._takes(name), FIRST),
            where=self._where(keys, places), words=words, otherwise=otherwise,
            offset=self._offset(keys, kind), nulls=keys.texts("null"), is_joined=joined,
            form=keys.choice("as", _AS[kind], "") if kind in _AS else "",
            is_lenient=keys.choice("wrong", ("suspense", "empty"), "suspense") == "empty",
        )  # fmt: skip
        return rule, required

    def _short(self, name: str, kind: str, node: Node) -> Rule:
        """A word or number that all records have, or a path."""
        text = str(node.value)
        keys = Reader(Node({name: node}, node.file, node.line, {name: node.line}), self.problems,
                      self.record, (name,))
        if kind == WORD:
            words = [word for word, code in CODES[name].items() if code or word == "none"]
            return Rule(value=CODES[name].get(keys.choice(name, words), 0))
        if kind == INTEGER and text.isdigit():
            return Rule(value=keys.integer(name, 0, FIELDS[name].maximum))
        return Rule(places=(self._place(keys, name, text, kind),))

    def _condition(self, keys: Reader) -> Rule:
        places = tuple(self._place(keys, "of", text, CONDITION) for text in keys.texts("of"))
        wanted = keys.keys["unless"].value if "unless" in keys else ()
        if isinstance(wanted, dict):  # path: the text that must not be there
            inner = Reader(keys.keys["unless"], self.problems, f"{keys.name}, unless", wanted)
            pairs = [(path, inner.text(path)) for path in inner.keys]
        else:
            pairs = [(path, "") for path in keys.texts("unless")]
        unless = tuple((self._place(keys, "unless", path, CONDITION), text)
                       for path, text in pairs)
        if not places and not unless:
            keys.missing("of", "the path of a value that must be there (unless: must not)")
        return Rule(places=places, unless=unless)

    def _takes(self, name: str) -> tuple[str, ...]:
        if FIELDS[name].types[0] == WORD:
            return FIRST, LAST, ANY
        is_number = FIELDS[name].units is not None or FIELDS[name].types[0] == INTEGER
        return (FIRST, LAST, SUM) if is_number else (FIRST, LAST)

    def _place(self, keys: Reader, key: str, text: str, kind: str) -> Place:
        """The place that a text names; noted where the format has none such."""
        table, colon, path = text.rpartition(":")
        own = table or self.own
        full = path if colon else f"{self.record}.{path}"
        known = self.paths.get(own)
        if known is None:
            keys.wrong(key, f"'{text}': there is no table '{table}'", "one of the format's tables",
                       did_you_mean(table, list(self.paths), "see tollbook cdr convert"))
            return Place(own, full)
        is_there = full in known
        if kind == "time" and full + CLOCK_PART in known and full + CODE_PART in known:
            is_there = True
        if not is_there:
            inside = known if colon else [
                one.removeprefix(self.record + ".") for one in known
                if one.startswith(self.record + ".")
            ]  # fmt: skip
            keys.wrong(key, f"no value '{path}' in {table or self.record}",
                       "a path as tollbook cdr convert names its columns",
                       did_you_mean(path, inside, "see the columns of tollbook cdr convert"))
        return Place("" if own == self.own and not colon else own, full)

    def _where(self, keys: Reader, places: tuple[Place, ...]) -> tuple[str, str]:
        """``where: {chargeType: "00"}``: a path beside the value, and the text that it must be."""
        if "where" not in keys:
            return "", ""
        node = keys.keys["where"]
        table = places[0].table if places else ""
        known = self.paths.get(table, []) if table not in ("", FILE) else []
        inner = Reader(node, self.problems, f"{keys.name}, where", known) if known else None
        if inner is None or len(inner.keys) != 1:
            keys.wrong("where", "'where' needs one path of a repeated group",
                       "where: {path: text} beside of: Table:path", "correct it")
            return "", ""
        [path] = inner.keys
        return path, inner.text(path)

    def _words(self, keys: Reader, name: str, kind: str) -> tuple[tuple[tuple[str, int], ...], int]:
        if kind != WORD:
            return (), -1
        known = CODES[name]
        options = [word for word, code in known.items() if code or word == "none"]
        if "map" not in keys:
            keys.missing("map", "values with the words that they stand for")
            return (), -1
        node = keys.keys["map"]
        texts = list(node.value) if isinstance(node.value, dict) else []
        inner = Reader(node, self.problems, f"{keys.name}, map", texts)
        words = tuple((text, known.get(inner.choice(text, options), 0)) for text in inner.keys)
        other = keys.choice("else", options, "")
        return words, known[other] if other else -1

    def _offset(self, keys: Reader, kind: str) -> Place | None:
        if kind != "time" or "offset" not in keys:
            return None
        return self._place(keys, "offset", keys.text("offset"), TEXT)
