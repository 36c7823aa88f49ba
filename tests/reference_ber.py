"""Random files of a format in plain Python: every type can occur, groups and lists may be empty.

Lengths are definite and minimal, and members stand in their order, so that reading a file and
writing what was read must give the same bytes.
"""

from __future__ import annotations

import random

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
