"""Types of ASN.1 modules as tables: tags, kinds and members, read from ``cdr/asn1/*.csv``.

A row is one type: its name, its tag (``A129`` application, ``C3`` context; empty: that of its
kind), its kind (a kind of ASN.1 or another type), the document and clause that define it and, for
groups, its members ``name:Type`` in their order; ``name@C3:Type`` gives a member a tag of its own
(blanks of kinds are underscores). Facts of the standards as data, none of their text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

LISTS: Final = ("SEQUENCE OF", "SET OF")
GROUPS: Final = ("SEQUENCE", "SET", *LISTS)
CHOICE: Final = "CHOICE"
OPAQUE: Final = "OPAQUE"  # a group whose inside nobody needs: its contents are one value
# Universal tag numbers (X.680 clause 8.4) of the kinds that occur without a tag of their own.
UNIVERSAL: Final = {
    "BOOLEAN": 1, "INTEGER": 2, "BIT STRING": 3, "OCTET STRING": 4, "NULL": 5, "ENUMERATED": 10,
    "UTF8String": 12, "SEQUENCE": 16, "SEQUENCE OF": 16, "SET": 17, "SET OF": 17, "IA5String": 22,
    "GraphicString": 25, OPAQUE: 16,
}  # fmt: skip
CLASSES: Final = {"A": 1, "C": 2}


@dataclass(frozen=True)
class Member:
    """A member of a group. key: its own tag number * 4 + class, -1: that of its type."""

    name: str
    type: str
    key: int = -1


@dataclass(frozen=True)
class Type:
    """kind: a kind of ASN.1, or the type that this one is. element: of a list. clause: the document
    that defines it, with the clause where the document is public."""

    name: str
    key: int
    kind: str
    members: tuple[Member, ...] = ()
    element: str = ""
    clause: str = ""


class Types(Mapping[str, Type]):
    """The types of one or more modules, by name; kinds of ASN.1 are types of themselves."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._types = {kind: Type(kind, -1, kind) for kind in (*UNIVERSAL, CHOICE)} | dict(types)

    def __getitem__(self, name: str) -> Type:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def base(self, name: str) -> Type:
        """The type at the end of a chain of references: its kind is one of ASN.1."""
        found = self[name]
        while found.kind != found.name and found.kind not in (*UNIVERSAL, CHOICE):
            found = self[found.kind]
        return found

    def key(self, name: str) -> int:
        """Tag of a type: its own, or that of the type it is; -1: none (a choice, a plain kind)."""
        found = self[name]
        while found.key < 0 and found.kind != found.name:
            found = self[found.kind]
        return found.key

    def words(self, name: str) -> tuple[str, ...]:
        """The names that a type goes by, from its own to its kind: what its values mean."""
        chain = [name]
        while self[chain[-1]].kind != chain[-1]:
            chain.append(self[chain[-1]].kind)
        return tuple(chain)

    def is_group(self, name: str) -> bool:
        """Whether its contents are elements again."""
        return self.base(name).kind in (*GROUPS, CHOICE)


@cache
def load(*modules: str) -> Types:
    """The types of modules that ship (``tap``, ``rap``, ...); later ones win."""
    found: dict[str, Type] = {}
    for module in modules:
        text = files("cdr").joinpath("asn1", f"{module}.csv").read_text("utf-8")
        rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
        for row in rows:
            found[row["type"]] = _type(row)
    return Types(found)


def _type(row: Mapping[str, str]) -> Type:
    members, element = row["members"].strip(), ""
    if row["kind"] in LISTS:
        members, element = "", members
    return Type(
        row["type"], _key(row["tag"]), row["kind"],
        tuple(_member(text) for text in members.split()), element, row["clause"],
    )  # fmt: skip


def _member(text: str) -> Member:
    name, _, kind = text.partition(":")
    name, _, tag = name.partition("@")
    return Member(name, kind.replace("_", " "), _key(tag))


def _key(tag: str) -> int:
    return int(tag[1:]) << 2 | CLASSES[tag[0]] if tag else -1
