"""Random files of a format in plain Python: every type can occur, groups and lists may be empty.

Lengths are definite and minimal, and members stand in their order, so that reading a file and
writing what was read must give the same bytes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection

from cdr.asn_types import CHOICE, LISTS, OPAQUE, UNIVERSAL, Member, Types

CONSTRUCTED = 0x20


def element(key: int, is_group: bool, contents: bytes) -> bytes:
    """X.690 clause 8.1: a tag, a length, contents."""
    number, lead = key >> 2, (key & 3) << 6 | CONSTRUCTED * is_group
    if number < 31:
        tag = bytes([lead | number])
    else:
        groups = []
        while True:
            groups.append(number & 0x7F)
            number >>= 7
            if not number:
                break
        parts = [one | 0x80 for one in groups[:0:-1]] + [groups[0]]
        tag = bytes([lead | 31, *parts])
    size = len(contents)
    if size < 128:
        return tag + bytes([size]) + contents
    count = next(n for n in range(1, 5) if size < 256**n)
    return tag + bytes([0x80 + count]) + size.to_bytes(count, "big") + contents


class Maker:
    """Makes random elements of the types. shares: how many members of a group there are; one of
    them is drawn for each group."""

    def __init__(
        self, types: Types, seed: int, shares: tuple[float, ...] = (0, 0.1, 0.3, 1)
    ) -> None:
        self.types, self.rng, self.shares = types, random.Random(seed), shares

    def make(self, name: str, key: int = -1, depth: int = 0) -> bytes:
        """An element of a type; ``key``: the tag of a member, -1: that of its type."""
        base = self.types.base(name)
        own = key if key >= 0 else self.types.key(name)
        if base.kind == CHOICE and own < 0:
            chosen = self.rng.choice(base.members)
            return self.make(chosen.type, chosen.key, depth)
        own = own if own >= 0 else UNIVERSAL[base.kind] << 2
        if base.kind == CHOICE:
            chosen = self.rng.choice(base.members)
            return element(own, True, self.make(chosen.type, chosen.key, depth + 1))
        if base.kind in LISTS:
            count = self.rng.choice((0, 1, 1, 2, 5))
            parts = [self.make(base.element, depth=depth + 1) for _ in range(count)]
            return element(own, True, b"".join(parts))
        if base.kind in ("SEQUENCE", "SET"):
            return element(own, True, self.members(base.members, base.kind == "SET", depth))
        return element(own, base.kind == OPAQUE, self.contents(base.kind))

    def members(self, members: tuple[Member, ...], is_set: bool, depth: int) -> bytes:
        share = self.rng.choice(self.shares)
        parts = [
            self.make(one.type, one.key, depth + 1)
            for one in members if self.rng.random() < share
        ]  # fmt: skip
        if is_set:
            parts.sort(key=lambda part: (part[0] >> 6, number_of(part)))
        return b"".join(parts)

    def contents(self, kind: str) -> bytes:
        if kind in ("INTEGER", "ENUMERATED"):
            value = self.rng.getrandbits(self.rng.choice((4, 8, 16, 31, 62))) - 5
            return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)
        if kind == OPAQUE:
            return element(UNIVERSAL["OCTET STRING"] << 2, False, self.contents(""))
        return self.rng.randbytes(self.rng.choice((0, 1, 4, 8, 9, 30, 130, 300)))


class FullMaker(Maker):
    """Makes elements in which a type of the choice, ``goal``, occurs for certain, in lists that
    mostly have several elements, with many of the members that may be absent.

    needed: (type, member) that are never absent. elements: about how many there are before lists
    and groups become short. made: how often each type was made so far.
    """

    def __init__(
        self, types: Types, seed: int, goal: str, needed: Collection[tuple[str, str]] = (),
        elements: tuple[int, ...] = (200, 800, 3000),
    ) -> None:  # fmt: skip
        super().__init__(types, seed, (0.3, 0.6, 0.9))
        self.goal, self.needed, self.made = goal, needed, Counter[str]()
        self.left = self.rng.choice(elements)
        self.ways = leading_to(types, goal)
        self.is_there = False  # the goal has been made

    def make(self, name: str, key: int = -1, depth: int = 0) -> bytes:
        self.made[name] += 1
        self.left -= 1
        self.is_there |= name == self.goal
        base = self.types.base(name)
        own = key if key >= 0 else self.types.key(name)
        if base.kind == CHOICE:
            ways = [one for one in base.members if self.leads(one.type)]
            chosen = self.rng.choice(ways or base.members)
            inner = self.make(chosen.type, chosen.key, depth + 1)
            return inner if own < 0 else element(own, True, inner)
        own = own if own >= 0 else UNIVERSAL[base.kind] << 2
        if base.kind in LISTS:
            count = self.rng.choice((1, 2, 2, 3, 4, 5, 6) if self.left > 0 else (0, 1))
            if self.leads(base.element):
                count = max(count, 1)
            parts = [self.make(base.element, depth=depth + 1) for _ in range(count)]
            return element(own, True, b"".join(parts))
        if base.kind in ("SEQUENCE", "SET"):
            return element(own, True, self.group(name, base.members, base.kind == "SET", depth))
        return element(own, base.kind == OPAQUE, self.contents(base.kind))

    def leads(self, name: str) -> bool:
        return not self.is_there and name in self.ways

    def group(self, name: str, members: tuple[Member, ...], is_set: bool, depth: int) -> bytes:
        share = self.rng.choice(self.shares) if self.left > 0 else 0.1
        parts = []
        for one in members:
            is_needed = (name, one.name) in self.needed or self.leads(one.type)
            if is_needed or self.rng.random() < share:
                parts.append(self.make(one.type, one.key, depth + 1))
        if is_set:
            parts.sort(key=lambda part: (part[0] >> 6, number_of(part)))
        return b"".join(parts)

    def contents(self, kind: str) -> bytes:
        if kind in ("INTEGER", "ENUMERATED", OPAQUE) or self.rng.random() < 0.02:
            return super().contents(kind)  # bytes of up to 300, and of 0
        return self.rng.randbytes(self.rng.choice((1, 2, 3, 5, 8, 9, 14, 15, 16, 20, 31, 64)))


def leading_to(types: Types, goal: str) -> frozenset[str]:
    """The names of a type and of all types inside which it can occur."""
    found, is_new = {goal}, True
    while is_new:
        outer = {
            name for name in types
            if types[name].element in found or types[name].kind in found
            or any(member.type in found for member in types[name].members)
        }  # fmt: skip
        is_new = not outer <= found
        found |= outer
    return frozenset(found)


def number_of(part: bytes) -> int:
    """The number of an element's tag."""
    if part[0] & 31 < 31:
        return part[0] & 31
    number = 0
    for one in part[1:]:
        number = number << 7 | one & 0x7F
        if one < 0x80:
            break
    return number
