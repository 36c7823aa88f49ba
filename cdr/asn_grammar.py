"""A grammar for ``ber_kernels`` from types: nodes, fields, and tables of repeated groups.

The element type of each list is a table, wherever the list occurs. A field is a path of members
inside the row of its table, such as ``mobileOriginatedCall.basicCallInformation.destination.
calledNumber``; choices without a tag of their own add their alternative's name to the path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from cdr import ber_kernels as k
from cdr.asn_types import CHOICE, LISTS, OPAQUE, UNIVERSAL, Types, load

FILE: Final = "file"  # the table of what is in no list


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
    """A grammar with the names of its parts. alternatives: what a record is, by its node."""

    types: Types
    tables: tuple[str, ...]
    fields: tuple[Field, ...]
    alternatives: Mapping[int, str]
    root: int
    grammar: k.Grammar

    @property
    def record(self) -> int:
        """The table of records."""
        return self.grammar.record_table


@dataclass(frozen=True)
class _Entry:
    kind: int
    target: int
    table: int = 0

    @property
    def packed(self) -> int:
        return self.target << 10 | self.table << k.KIND_BITS | self.kind


class _Builder:
    def __init__(self, types: Types, record: str) -> None:
        self.types, self.record = types, record
        self.tables = [FILE]
        self.fields: list[Field] = []
        self.nodes: list[dict[int, _Entry]] = []
        self.known: dict[tuple[str, int, str], int] = {}
        self.alternatives: dict[int, str] = {}

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
        return self.tables.index(name)

    def field(self, table: int, path: str, name: str) -> int:
        self.fields.append(Field(table, path, self.types.words(name)))
        return len(self.fields) - 1

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
        else:
            self.nodes[number] = dict(self.members(name, table, path))
        return number

    def elements(self, name: str) -> Iterator[tuple[int, _Entry]]:
        """Entries of a list's node: each element is a row."""
        table = self.table(name)
        kind = k.RECORD if name == self.record else k.ROW
        for key, path, inner in self.keys("", name):
            if self.types.is_group(inner):
                node = self.node(inner, table, path)
                if kind == k.RECORD:
                    self.alternatives[node] = path
                yield key, _Entry(kind, node, table)
            elif kind == k.RECORD:  # a record of which nothing is read but that it is there
                self.nodes.append({})
                self.alternatives[len(self.nodes) - 1] = path
                yield key, _Entry(kind, len(self.nodes) - 1, table)
            else:
                yield key, _Entry(k.ROW_FIELD, self.field(table, path or "value", inner), table)

    def members(self, name: str, table: int, path: str) -> Iterator[tuple[int, _Entry]]:
        """Entries of a group's node."""
        for member in self.types.base(name).members:
            inner = f"{path}.{member.name}" if path else member.name
            for key, place, kind in self.keys(inner, member.type, member.key):
                if self.types.base(kind).kind == OPAQUE:
                    yield key, _Entry(k.OPAQUE, self.field(table, place, kind))
                elif self.types.is_group(kind):
                    yield key, _Entry(k.GROUP, self.node(kind, table, place))
                else:
                    yield key, _Entry(k.FIELD, self.field(table, place, kind))

    def outermost(self, root: str, is_repeated: bool) -> int:
        """The node around everything: one root, or (``is_repeated``) records one by one."""
        number = len(self.nodes)
        self.nodes.append({})
        if is_repeated:
            self.nodes[number] = dict(self.elements(root))
        else:
            self.nodes[number] = {
                key: _Entry(k.GROUP, self.node(inner, 0, path))
                for key, path, inner in self.keys("", root)
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
        for node, low, begin in zip(nodes, lows, first, strict=True):
            for key, one in node.items():
                entry[begin + key - low] = one.packed
        return k.Grammar(
            first.astype(np.int32), np.array(lows, np.int32), np.array(highs, np.int32), entry,
            self.table(self.record), int(is_filled),
        )  # fmt: skip


@cache
def schema(modules: tuple[str, ...], root: str, record: str, is_repeated: bool = False) -> Schema:
    """The schema of files of one root type whose records are of type ``record``.

    is_repeated: the file is records one after the other, with filler between them.
    """
    build = _Builder(load(*modules), record)
    top = build.outermost(root, is_repeated)
    grammar = build.grammar(is_filled=is_repeated)
    if len(build.tables) > k.TABLE_MASK:
        raise ValueError(f"{root} has {len(build.tables)} tables; at most {k.TABLE_MASK}")
    names = tuple(build.tables), tuple(build.fields)
    return Schema(build.types, *names, build.alternatives, top, grammar)
