"""Native files from nested values, by the names of their types: plain Python, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference_ber import element, number_of

from cdr import asn_values
from cdr.asn_types import CHOICE, LISTS, UNIVERSAL, Types
from cdr.asn_values import Form
from cdr.native import FORMATS


def build(form: str, value: Mapping[str, Any]) -> bytes:
    """One element of the root type of a format: ``{"transferBatch": {...}}``."""
    one = FORMATS[form]
    return encode(one.types, one.root, value)


def encode(types: Types, name: str, value: Any, key: int = -1) -> bytes:
    """An element of a type; groups are mappings (in any order), lists are lists, bytes as is."""
    base = types.base(name)
    own = key if key >= 0 else types.key(name)
    if base.kind == CHOICE:
        [(chosen, inner)] = value.items()
        member = next(one for one in base.members if one.name == chosen)
        found = encode(types, member.type, inner, member.key)
        return found if own < 0 else element(own, True, found)
    own = own if own >= 0 else UNIVERSAL[base.kind] << 2
    if base.kind in LISTS:
        return element(own, True, b"".join(encode(types, base.element, one) for one in value))
    if base.kind in ("SEQUENCE", "SET"):
        known = {member.name for member in base.members}
        assert set(value) <= known, set(value) - known
        parts = [encode(types, one.type, value[one.name], one.key)
                 for one in base.members if one.name in value]
        if base.kind == "SET":
            parts.sort(key=lambda part: (part[0] >> 6, number_of(part)))
        return element(own, True, b"".join(parts))
    is_group = base.kind == "OPAQUE"
    return element(own, is_group, contents(asn_values.form_of(types.words(name)), value))


def contents(form: Form, value: Any) -> bytes:
    """A value as bytes: numbers in as few bytes as they need, digits packed as the form says.

    An address is ``91 8613800000001``: the kind of number in hexadecimals, then the digits; a time
    ``2026-11-22 04:00:05 +08:00``.
    """
    if isinstance(value, bytes):
        return value
    if form is Form.INTEGER:
        return int(value).to_bytes((int(value).bit_length() + 8) // 8, "big", signed=True)
    if form is Form.DIGITS:
        return bytes.fromhex(value + "f" * (len(value) % 2))
    if form is Form.ADDRESS:
        kind, digits = value.split(" ")
        return bytes.fromhex(kind) + swapped(digits)
    if form is Form.SWAPPED:
        return swapped(value)
    if form is Form.TIME:
        day, clock, zone = value.split(" ")
        packed = bytes.fromhex((day[2:] + clock).replace("-", "").replace(":", ""))
        return packed + zone[:1].encode() + bytes.fromhex(zone[1:].replace(":", ""))
    return str(value).encode("ascii")


def swapped(digits: str) -> bytes:
    """Two digits a byte, the first in the low half, filled up with F."""
    padded = digits + "f" * (len(digits) % 2)
    return bytes(int(padded[at + 1] + padded[at], 16) for at in range(0, len(padded), 2))


def framed(records: list[bytes], code: int = 0x26) -> bytes:
    """A file of TS 32.297: a header of 54 bytes, then each record behind its own header."""
    body = b"".join(len(one).to_bytes(2) + b"\0" + bytes([code]) + one for one in records)
    header = (54).to_bytes(4) + bytes(10) + len(records).to_bytes(4) + bytes(28) + bytes(4)
    return (4 + len(header) + len(body)).to_bytes(4) + header + body


def data_file(records: list[bytes]) -> bytes:
    """Records in one outer list: a header (when it was made), the list, a trailer."""
    made = element(0 << 2 | 2, False, contents(Form.TIME, "2003-06-11 00:00:00 +08:00"))
    parts = (element(0 << 2 | 2, True, made), element(1 << 2 | 2, True, b"".join(records)),
             element(2 << 2 | 2, True, made))
    return element(UNIVERSAL["SEQUENCE"] << 2, True, b"".join(parts))
