"""What the contents of a field mean, by the names of its type: columns, and words for people."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdr import value_kernels as kernels
from cdr.ber_kernels import PAD_BYTES


class Form(Enum):
    """How contents are written."""

    INTEGER = "integer"
    TEXT = "text"  # ISO 646
    DIGITS = "digits"  # packed, first digit in the high half (TD.57: BCDString)
    SWAPPED = "swapped"  # packed, first digit in the low half (TS 29.002: TBCD-STRING)
    ADDRESS = "address"  # a byte that says what kind of number, then swapped digits
    TIME = "time"  # nine bytes of TS 32.298: YYMMDDhhmmss, a sign, hhmm
    BYTES = "bytes"


# The first name of a field's type that stands here decides.
FORMS: Final = {
    "BCDString": Form.DIGITS, "Currency": Form.TEXT,
    "AsciiString": Form.TEXT, "NumberString": Form.TEXT, "HexString": Form.TEXT,
    "IA5String": Form.TEXT, "GraphicString": Form.TEXT, "UTF8String": Form.TEXT,
    "IMSI": Form.SWAPPED, "IMEI": Form.SWAPPED,
    "MSISDN": Form.ADDRESS, "CallingNumber": Form.ADDRESS, "CalledNumber": Form.ADDRESS,
    "TranslatedNumber": Form.ADDRESS, "ConnectedNumber": Form.ADDRESS,
    "RoamingNumber": Form.ADDRESS, "RecordingEntity": Form.ADDRESS,
    "AddressString": Form.ADDRESS, "ISDN-AddressString": Form.ADDRESS,
    "TimeStamp": Form.TIME,
    "INTEGER": Form.INTEGER, "ENUMERATED": Form.INTEGER, "BOOLEAN": Form.INTEGER,
}  # fmt: skip
_TIME_BYTES: Final = 9
_ADDRESS_V4: Final = "IPBinV4Address"
_PRINTABLE: Final = range(0x20, 0x7F)


def form_of(words: Sequence[str]) -> Form:
    """The form of a field; ``words`` as in ``asn_grammar.Field``."""
    # TD.57 and TD.35 have numbers of the same names as TS 32.298, written otherwise.
    for own in ("BCDString", "NumberString"):
        if own in words:
            return FORMS[own]
    return next((FORMS[word] for word in words if word in FORMS), Form.BYTES)


def column(data: np.ndarray, begin: np.ndarray, size: np.ndarray, form: Form) -> pa.Array:
    """The values of a field by row; null where a row has none, or where it is not of its form.

    int64 for integers, utf8 for text and digits, binary for all else. ``data`` has PAD_BYTES behind
    the last contents.
    """
    count = len(size)
    valid = np.zeros((count + 7) // 8, np.uint8)
    if form is Form.INTEGER:
        values = np.empty(count, np.int64)
        kernels.read_integers(data, begin, size, values, valid)
        return _array(pa.int64(), count, valid, values)
    room = int(np.maximum(size, 0).sum(dtype=np.int64))
    offsets = np.empty(count + 1, np.int32)
    if form in (Form.DIGITS, Form.SWAPPED, Form.ADDRESS):
        text = np.empty(2 * room, np.uint8)
        skip, is_swapped = int(form is Form.ADDRESS), form is not Form.DIGITS
        kernels.unpack_digits(data, begin, size, skip, is_swapped, offsets, text, valid)
        return _array(pa.string(), count, valid, offsets, text)
    text = np.empty(room + PAD_BYTES, np.uint8)
    kernels.copy_bytes(data, begin, size, offsets, text, valid)
    if form is not Form.TEXT:
        return _array(pa.binary(), count, valid, offsets, text)
    if (text[:room] >= 0x80).any():
        found = _array(pa.binary(), count, valid, offsets, text)
        is_bad = pa.array(_beyond_ascii(offsets, text[:room]))
        return pc.if_else(is_bad, pa.scalar(None, pa.binary()), found).cast(pa.string())
    return _array(pa.string(), count, valid, offsets, text)


def _array(kind: pa.DataType, count: int, *parts: np.ndarray) -> pa.Array:
    """The parts of a column as Arrow has them: bits of what is valid, and so on."""
    return pa.Array.from_buffers(kind, count, [pa.py_buffer(part) for part in parts])


def _beyond_ascii(offsets: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Rows with a byte that is none of ISO 646."""
    sums = np.concatenate(([0], np.cumsum(text >= 0x80)))
    found: np.ndarray = sums[offsets[1:]] > sums[offsets[:-1]]
    return found


def in_words(contents: bytes, words: Sequence[str]) -> str:
    """One value for people: ``19902``, ``'EUR'``, ``2026-11-22 04:00:05 +08:00``, ``0x1234``."""
    form = form_of(words)
    size = np.array([len(contents)], np.int32)
    raw = np.frombuffer(contents + bytes(PAD_BYTES), np.uint8)
    if form is Form.TIME and len(contents) == _TIME_BYTES:
        return _time(contents)
    if words[:1] == (_ADDRESS_V4,) and len(contents) == 4:
        return ".".join(map(str, contents))
    if form in (Form.TIME, Form.BYTES):
        return f"0x{contents.hex()}" if contents else "(empty)"
    value = column(raw, np.zeros(1, np.int32), size, form)[0].as_py()
    if value is None:
        return f"0x{contents.hex()} (not {form.value})" if contents else "(empty)"
    if form is not Form.TEXT:
        return str(value)
    shown = "".join(sign if ord(sign) in _PRINTABLE else f"\\x{ord(sign):02x}" for sign in value)
    return f"'{shown}'"


def _time(contents: bytes) -> str:
    """``260x22...`` as it stands: whether such a day exists is not asked."""
    digits, zone = contents[:6].hex(), contents[7:9].hex()
    sign = chr(contents[6])
    if not (digits + zone).isdigit() or sign not in "+-":
        return f"0x{contents.hex()} (not time)"
    year, month, day, hour, minute, second = (digits[i : i + 2] for i in range(0, 12, 2))
    return f"20{year}-{month}-{day} {hour}:{minute}:{second} {sign}{zone[:2]}:{zone[2:]}"
