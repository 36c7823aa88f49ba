"""Groups of words as hash tables without collisions, for ``field_kernels.find_word``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cdr import spec_kernels as k

_MASK: Final = 2**64 - 1
_TRIES: Final = 256


class Words:
    """Collects groups of words with their codes; the attributes become arrays of ``Spec``."""

    def __init__(self) -> None:
        self.groups: list[tuple[int, int, int]] = [(0, 63, 0)]  # group 0: no words
        self.slots: list[int] = [0, 0]
        self.rows: list[list[int]] = [[-1, 0, 0, 0]]  # word 0: none, which no field is
        self.heads: list[int] = [0]
        self.pool = b""

    def add(self, words: list[tuple[bytes, int]]) -> int:
        """The number of a new group; 0 for no words."""
        if not words:
            return 0
        keys: dict[int, int] = {}  # words of one length and head share a slot and are chained
        for word, code in words:
            head = int.from_bytes(word[:8], "little")
            key = head ^ (len(word) * k.LENGTH_MIX & _MASK)
            self.rows.append([len(word), code, len(self.pool), keys.get(key, 0)])
            self.heads.append(head)
            self.pool += word
            keys[key] = len(self.rows) - 1
        multiplier, bits = next(_perfect(list(keys)))
        slots = [0] * 2**bits
        for key, row in keys.items():
            slots[_slot(key, multiplier, bits)] = row
        self.groups.append((len(self.slots), 64 - bits, multiplier))
        self.slots += slots
        return len(self.groups) - 1


def _slot(key: int, multiplier: int, bits: int) -> int:
    return (key * multiplier & _MASK) >> (64 - bits)


def _perfect(keys: list[int]) -> Iterator[tuple[int, int]]:
    """Multipliers, and sizes of tables as powers of two, with which no two keys meet."""
    bits = max(1, (2 * len(keys) - 1).bit_length())
    multiplier = 1
    while True:
        for _ in range(_TRIES):
            multiplier = (multiplier * 6364136223846793005 + 1442695040888963407) & _MASK
            if len({_slot(key, multiplier | 1, bits) for key in keys}) == len(keys):
                yield multiplier | 1, bits
        bits += 1
