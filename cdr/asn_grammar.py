"""Grammars from types: nodes, fields and tables of repeated groups, to read and to write with.

The element type of each list is a table, wherever the list occurs. A field is a path of members
inside the row of its table, such as ``mobileOriginatedCall.basicCallInformation.destination.
calledNumber``; choices without a tag of their own add their alternative's name to the path.

Groups have cells too, numbered behind the fields: one says that a group was there and empty, which
no field can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from cdr import ber_state_kernels as k
from cdr.asn_types import CHOICE, LISTS, OPAQUE, UNIVERSAL, Types, load

FILE: Final = "file"  # the table of what is in no list
STRANGER: Final = "unknown"  # a record of no kind that the types have


@dataclass(frozen=True)
class Field:
    """Where a value lies and what it is. words: the names of its type, from its own to its kind."""

    table: int
    path: str
    words: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The kind of ASN.1."""
        return self.words[-1]


@dataclass(frozen=True, eq=False)
class Schema:
    """A grammar with the names of its parts. alternatives: what a record is, by its node.

    groups: what the cells behind those of the fields stand for. rows: by table, what its elements
    may be; nodes: what a group may hold; both with an entry for each tag, in the order of writing.
    """

    types: Types
    tables: tuple[str, ...]
    fields: tuple[Field, ...]
    groups: tuple[Field, ...]
    rows: tuple[Mapping[int, Entry], ...]
    nodes: tuple[Mapping[int, Entry], ...]
    alternatives: Mapping[int, str]
    root: int
    grammar: k.Grammar

    def kind_of(self, node: int) -> str:
        """What a record is, by its node; STRANGER for one whose tag is none that is known."""
        return self.alternatives.get(node, STRANGER)

    @property
    def record(self) -> int:
        """The table of records."""
        return self.grammar.record_table

    @property
    def cells(self) -> int:
        """How many cells a row can have: those of the fields, then those of the groups."""
        return len(self.fields) + len(self.groups)


@dataclass(frozen=True)
class Entry:
    """What a tag means. target: a field or a node, by the kind. table: of rows.

    place: which list of its row a group is, from 1; 0: it is no list. group: its position in
    ``Schema.groups``, or -1.
    """

    kind: int
    target: int
    table: int = 0
    place: int = 0
    group: int = -1

    @property
    def packed(self) -> int:
        """As ``ber_kernels.Grammar`` has it."""
        within = self.place if self.kind == k.GROUP else self.table
        return self.target << 10 | within << k.KIND_BITS | self.kind


class _Builder:
    def __init__(self, types: Types, record: str) -> None:
        self.types, self.record = types, record
        self.tables = [FILE]
        self.rows: list[dict[int, Entry]] = [{}]
        self.fields: dict[Field, int] = {}  # with their numbers
        self.groups: dict[Field, int] = {}
        self.places = [0]
        self.nodes: list[dict[int, Entry]] = []
        self.known: dict[tuple[str, int, str], int] = {}
        self.alternatives: dict[int, str] = {}
        self.record_node = -1

    def keys(self, path: str, name: str, key: int = -1) -> Iterator[tuple[int, str, str]]:
        """The tags under which a type may appear: (tag, path, type).

        A choice without a tag appears as any of its alternatives; one with a tag is a group of its
        own around them (X.680 clause 31.2.7: a tagged choice is tagged explicitly).
        """
        own = key if key >= 0 else self.types.key(name)
        base = self.types.base(name)
        if base.kind == CHOICE and own < 0:
            for member in base.members:
                inner = f"{path}.{member.name}" if path else member.name
                yield from self.keys(inner, member.type, member.key)
        else:
            yield own if own >= 0 else UNIVERSAL[base.kind] << 2, path, name

    def table(self, name: str) -> int:
        if name not in self.tables:
            self.tables.append(name)
            self.rows.append({})
            self.places.append(0)
        return self.tables.index(name)

    def field(self, table: int, path: str, name: str) -> int:
        return self.fields.setdefault(Field(table, path, self.types.words(name)), len(self.fields))

    def group(self, table: int, path: str, name: str) -> int:
        return self.groups.setdefault(Field(table, path, self.types.words(name)), len(self.groups))

    def place(self, table: int, name: str) -> int:
        """A number for a list in the row of a table; 0 for what is no list."""
        if self.types.base(name).kind not in LISTS:
            return 0
        self.places[table] += 1
        return self.places[table]

    def node(self, name: str, table: int, path: str) -> int:
        """The node of a group in the row of a table; lists are the same wherever they are."""
        base = self.types.base(name)
        place = (base.name, -1, "") if base.kind in LISTS else (base.name, table, path)
        if place in self.known:
            return self.known[place]
        number = self.known[place] = len(self.nodes)
        self.nodes.append({})
        if base.kind in LISTS:
            self.nodes[number] = dict(self.elements(base.element))
            self.record_node = number if base.element == self.record else self.record_node
        else:
            held = dict(self.members(name, table, path))
            # A SEQUENCE is written in its own order, a SET by class and number of the tags.
            order = sorted(held, key=lambda key: (key & 3, key)) if base.kind == "SET" else held
            self.nodes[number] = {key: held[key] for key in order}
        return number

    def elements(self, name: str) -> Iterator[tuple[int, Entry]]:
        """Entries of a list's node: each element is a row."""
        table = self.table(name)
        kind = k.RECORD if name == self.record else k.ROW
        for key, path, inner in self.keys("", name):
            if self.types.is_group(inner) or kind == k.RECORD:
                if self.types.is_group(inner):
                    node = self.node(inner, table, path)
                else:  # a record of which nothing is read but that it is there
                    node = len(self.nodes)
                    self.nodes.append({})
                if kind == k.RECORD:
                    self.alternatives[node] = path
                entry = Entry(kind, node, table, group=self.group(table, path, inner))
            else:
                one = k.ROW_OPAQUE if self.types.base(inner).kind == OPAQUE else k.ROW_FIELD
                entry = Entry(one, self.field(table, path or "value", inner), table)
            self.rows[table][key] = entry
            yield key, entry

    def members(self, name: str, table: int, path: str) -> Iterator[tuple[int, Entry]]:
        """Entries of a group's node."""
        for member in self.types.base(name).members:
            inner = f"{path}.{member.name}" if path else member.name
            for key, place, kind in self.keys(inner, member.type, member.key):
                if self.types.base(kind).kind == OPAQUE:
                    yield key, Entry(k.OPAQUE, self.field(table, place, kind))
                elif self.types.is_group(kind):
                    yield key, self.within(kind, table, place)
                else:
                    yield key, Entry(k.FIELD, self.field(table, place, kind))

    def within(self, name: str, table: int, path: str) -> Entry:
        """The entry of a group inside of a row."""
        return Entry(
            k.GROUP, self.node(name, table, path), place=self.place(table, name),
            group=self.group(table, path, name),
        )  # fmt: skip

    def outermost(self, root: str, is_repeated: bool) -> int:
        """The node around everything: one root, or (``is_repeated``) records one by one."""
        number = len(self.nodes)
        self.nodes.append({})
        if is_repeated:
            self.nodes[number] = dict(self.elements(root))
            self.record_node = number
        else:
            self.nodes[number] = self.rows[0] = {
                key: self.within(inner, 0, path) for key, path, inner in self.keys("", root)
            }
        return number

    def grammar(self, is_filled: bool) -> k.Grammar:
        nodes = [*self.nodes, {}]
        lows = [min(node, default=1) for node in nodes]
        highs = [max(node, default=0) for node in nodes]
        sizes = [high - low + 1 for low, high in zip(lows, highs, strict=True)]
        first = np.concatenate(([0], np.cumsum(sizes[:-1])))
        stranger = len(nodes) - 1 << 10
        entry = np.full(sum(sizes), stranger, np.int32)
        cell = np.full(sum(sizes), -1, np.int32)
        for node, low, begin in zip(nodes, lows, first, strict=True):
            for key, one in node.items():
                entry[begin + key - low] = one.packed
                if one.group >= 0:
                    cell[begin + key - low] = len(self.fields) + one.group
        owner = [one.table for one in (*self.fields, *self.groups)]
        return k.Grammar(
            np.stack([first - lows, lows, highs], 1).astype(np.int64), entry, cell,
            np.array(owner, np.int32), self.table(self.record), int(is_filled), self.record_node,
        )  # fmt: skip


@cache
def schema(modules: tuple[str, ...], root: str, record: str, is_repeated: bool = False) -> Schema:
    """The schema of files of one root type whose records are of type ``record``.

    is_repeated: the file is records one after the other, with filler between them.
    """
    return of_types(load(*modules), root, record, is_repeated)


def of_types(types: Types, root: str, record: str, is_repeated: bool = False) -> Schema:
    """The same of types that are at hand.

    Raises ValueError for what the kernels have no room for, and for lists that can be inside of
    themselves: the walk relies on the rows of a table coming one after the other.
    """
    build = _Builder(types, record)
    top = build.outermost(root, is_repeated)
    grammar = build.grammar(is_filled=is_repeated)
    if max(len(build.tables), *build.places) > k.TABLE_MASK:
        raise ValueError(f"{root} has more than {k.TABLE_MASK} tables, or lists in one of them")
    if endless := _inside_themselves(build.rows, build.nodes):
        names = ", ".join(build.tables[table] for table in sorted(endless))
        raise ValueError(f"{root} has lists that can be inside of themselves: {names}")
    return Schema(
        build.types, tuple(build.tables), tuple(build.fields), tuple(build.groups),
        tuple(build.rows), tuple(build.nodes), build.alternatives, top, grammar,
    )  # fmt: skip


def _inside_themselves(
    rows: Sequence[Mapping[int, Entry]], nodes: Sequence[Mapping[int, Entry]]
) -> set[int]:
    """Tables whose rows can hold rows of the same table, and those that hold such ones."""

    def held(entries: Mapping[int, Entry]) -> Iterator[int]:
        for entry in entries.values():
            if entry.kind in (k.ROW, k.RECORD, k.ROW_FIELD, k.ROW_OPAQUE):
                yield entry.table
            elif entry.kind == k.GROUP:
                yield from held(nodes[entry.target])

    groups = (k.GROUP, k.ROW, k.RECORD)
    inner = [
        {table for one in row.values() if one.kind in groups for table in held(nodes[one.target])}
        for row in rows
    ]
    left = set(range(len(rows)))
    while ready := {table for table in left if not inner[table] & left}:
        left -= ready
    return left
