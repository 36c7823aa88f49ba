"""BER for people: every element of a file with its place, name and value, one after the other.

Plain and slow on purpose: what ``tollbook cdr dump`` prints, and what the kernels are tested
against. Nothing is left out: elements that the types do not know are shown as bytes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cdr import ber_header_kernels as h
from cdr import ber_state_kernels as k
from cdr.asn_types import CHOICE, LISTS, OPAQUE, UNIVERSAL, Types

# What is wrong, in words.
FAULTS: Final = {
    k.TAG_TOO_LONG: f"a tag of more than {h.TAG_BYTES_MAX} bytes",
    k.LENGTH_TOO_LONG: f"a length of more than {h.LENGTH_BYTES_MAX} bytes",
    k.BEYOND_CONTAINER: "an element that ends behind what holds it",
    k.WRONG_FORM: "an element that cannot stand here, or a value where a group must be",
    k.TOO_DEEP: f"groups within groups, more than {k.DEPTH_MAX} deep",
    k.END_MISSING: "a group of indefinite length without an end",
    k.TWICE: "an element that may stand once, for the second time",
    k.TOO_MANY: "a record with more elements in a list than are allowed",
}  # fmt: skip
_Path = tuple[int, ...]
_HOLDERS: Final = (*LISTS, "SEQUENCE", "SET", CHOICE)
ANY_SIZE: Final = 2**62
LISTS_OUTERMOST: Final = (UNIVERSAL["SEQUENCE"] << 2, UNIVERSAL["SET"] << 2)
CLASS_NAMES: Final = ("UNIVERSAL", "APPLICATION", "CONTEXT", "PRIVATE")


class BrokenBer(Exception):
    """Bytes that are no BER. fault: a fault of ``ber_kernels``; at: place in the file."""

    def __init__(self, fault: int, at: int) -> None:
        super().__init__(f"{FAULTS[fault]}, at byte {at}")
        self.fault, self.at = fault, at


@dataclass(frozen=True)
class Element:
    """One element. type: "" if it is not known. contents: of an element that holds no others."""

    depth: int
    name: str
    type: str
    key: int
    at: int
    size: int  # with its tag and length
    is_group: bool
    contents: bytes = b""
    words: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """``[APPLICATION 129]``; "" for what has none."""
        if self.key < 0:
            return ""
        return f"[{CLASS_NAMES[self.key & 3]} {self.key >> 2}]"


class _Row:
    """Which fields a row has had: each may stand once, as one cell holds it."""

    def __init__(self, path: _Path = (), seen: set[_Path] | None = None) -> None:
        self.path, self.seen = path, set() if seen is None else seen

    def within(self, key: int) -> _Row:
        """The same row inside of a group."""
        return _Row((*self.path, key), self.seen)

    def note(self, key: int, at: int, is_known: bool) -> None:
        """A field; raises BrokenBer for a known one that was there before."""
        if is_known and (*self.path, key) in self.seen:
            raise BrokenBer(k.TWICE, at)
        self.seen.add((*self.path, key))


def elements(
    data: bytes, types: Types, root: str, is_repeated: bool = False,
    region: tuple[int, int] | None = None,
) -> Iterator[Element]:  # fmt: skip
    """All elements in the order of the file, groups before what they hold.

    is_repeated: outside of elements, zeros and 0xFF are passed over, and a group of an unknown tag
    is a record that nobody knows, if it is no list of them. region: begin and end of the
    part to read, all of it by default. Raises BrokenBer.
    """
    at, end = region or (0, len(data))
    reader = _Reader(data, types)
    top = outermost(types, root)
    while at < end:
        if is_repeated and data[at] in (0, k.FILLER_HIGH):
            at += 1
            continue
        key, is_group, _, _ = header(data, at, ANY_SIZE)
        is_stranger = is_repeated and is_group and key not in LISTS_OUTERMOST
        if key not in top and not is_stranger:
            raise BrokenBer(k.WRONG_FORM, at)
        at = yield from reader.element(at, end, 0, top, _Row())


def outermost(types: Types, root: str) -> dict[int, tuple[str, str]]:
    """What may stand outermost: by key, its name and type."""
    return dict(_alternatives(types, root, root))


def header(data: bytes, at: int, end: int) -> tuple[int, bool, int, int]:
    """Key, whether it is a group, place of the contents, their length (-1: indefinite).

    Raises BrokenBer where they do not end before ``end``.
    """
    padded = data[at : at + k.PAD_BYTES].ljust(k.PAD_BYTES, b"\0")
    is_group, number, place = bool(padded[0] & h.CONSTRUCTED), padded[0] & h.LONG_TAG, 1
    if number == h.LONG_TAG:
        number = 0
        while True:
            if place == h.TAG_BYTES_MAX:
                raise BrokenBer(k.TAG_TOO_LONG, at)
            number, more = number << 7 | padded[place] & 0x7F, padded[place] & h.TAG_MORE
            place += 1
            if not more:
                break
    key, length = number << 2 | padded[0] >> 6, padded[place]
    place += 1
    if length == h.LENGTH_MORE:
        length = -1
    elif length > h.LENGTH_MORE:
        count = length & 0x7F
        if count > h.LENGTH_BYTES_MAX:
            raise BrokenBer(k.LENGTH_TOO_LONG, at)
        length, place = int.from_bytes(padded[place : place + count]), place + count
    if at + place + max(length, 0) > end:
        raise BrokenBer(k.BEYOND_CONTAINER, at)
    return key, is_group, at + place, length


class _Reader:
    """Reads the elements of one file."""

    def __init__(self, data: bytes, types: Types) -> None:
        self.data, self.types = data, types

    def element(
        self, at: int, end: int, depth: int, known: Mapping[int, tuple[str, str]],
        row: _Row,
    ) -> Generator[Element, None, int]:  # fmt: skip
        """An element and all that is in it; returns the place behind it."""
        key, is_group, begin, length = header(self.data, at, ANY_SIZE)
        name, kind = known.get(key, ("", ""))
        base = self.types.base(kind).kind if kind else ""
        if length < 0 and not is_group:
            raise BrokenBer(k.WRONG_FORM, at)
        if depth + 1 == k.DEPTH_MAX:
            raise BrokenBer(k.TOO_DEEP, at)
        if begin > end:
            raise BrokenBer(k.BEYOND_CONTAINER, at)
        # What there is of a group that was cut off is shown nevertheless.
        limit = end if length < 0 else min(begin + length, end)
        words = self.types.words(kind) if kind else ()
        found = Element(depth, name, kind, key, at, limit - at, is_group, b"", words)
        if not is_group or base == OPAQUE:
            if base in _HOLDERS:
                raise BrokenBer(k.WRONG_FORM, at)
            if begin + length > end:
                raise BrokenBer(k.BEYOND_CONTAINER, at)
            row.note(key, at, is_known=bool(kind))
            yield replace(found, is_group=False, contents=self.data[begin:limit])
            return limit
        if base and base not in _HOLDERS:
            raise BrokenBer(k.WRONG_FORM, at)
        if not kind and length >= 0:
            yield from self.stranger(found, begin, limit)
        else:
            yield found
            limit = yield from self.inside(found, begin, limit, length < 0, row)
        if begin + length > end:
            raise BrokenBer(k.BEYOND_CONTAINER, at)
        return limit

    def inside(
        self, group: Element, place: int, limit: int, is_open: bool, row: _Row
    ) -> Generator[Element, None, int]:
        """What is in a group; returns the place behind it."""
        inner = dict(_inside(self.types, group.type)) if group.type else {}
        is_list = bool(group.type) and self.types.base(group.type).kind in LISTS
        while place < limit or is_open:
            if place >= limit:
                raise BrokenBer(k.END_MISSING, place)
            if is_open and self.data[place : place + 2] == b"\0\0":
                return place + 2
            part = _Row() if is_list else row.within(group.key)
            place = yield from self.element(place, limit, group.depth + 1, inner, part)
        return place

    def stranger(self, group: Element, place: int, limit: int) -> Iterator[Element]:
        """A group that nobody knows: with what is in it, or as bytes where that is no BER."""
        inside: list[Element] = []
        begin = place
        try:
            while place < limit:
                place = _collect(self.element(place, limit, group.depth + 1, {}, _Row()), inside)
        except BrokenBer:
            yield replace(group, is_group=False, contents=self.data[begin:limit])
            return
        yield group
        yield from inside


def _collect(reading: Generator[Element, None, int], into: list[Element]) -> int:
    """Appends the elements; returns the place behind them."""
    while True:
        try:
            into.append(next(reading))
        except StopIteration as stop:
            return int(stop.value)


def _inside(types: Types, name: str) -> Iterator[tuple[int, tuple[str, str]]]:
    base = types.base(name)
    if base.kind in LISTS:
        yield from _alternatives(types, "", base.element)
    for member in base.members:
        yield from _alternatives(types, member.name, member.type, member.key)


def _alternatives(
    types: Types, name: str, kind: str, key: int = -1
) -> Iterator[tuple[int, tuple[str, str]]]:
    own = key if key >= 0 else types.key(kind)
    base = types.base(kind)
    if base.kind == CHOICE and own < 0:
        for member in base.members:
            yield from _alternatives(types, member.name, member.type, member.key)
    else:
        yield (own if own >= 0 else UNIVERSAL[base.kind] << 2), (name or kind, kind)
