"""What the contents of a field mean, by the names of its type: columns, and words for people."""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from cdr import value_kernels as kernels
from cdr.ber_state_kernels import PAD_BYTES, PLACE_ROW, PLACE_SUM


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
_CODES: Final = {
    Form.INTEGER: kernels.INTEGER, Form.TEXT: kernels.TEXT, Form.DIGITS: kernels.DIGITS_HIGH,
    Form.SWAPPED: kernels.DIGITS_LOW, Form.ADDRESS: kernels.ADDRESS, Form.TIME: kernels.BYTES,
    Form.BYTES: kernels.BYTES,
}  # fmt: skip
_PACKED: Final = (kernels.DIGITS_HIGH, kernels.DIGITS_LOW, kernels.ADDRESS)
_TYPES: Final = {
    code: {kernels.INTEGER: pa.int64(), kernels.BYTES: pa.binary()}.get(code, pa.string())
    for code in _CODES.values()
}
_TEXT_BYTES_MAX: Final = 2**30 - 1  # of contents: digits are twice as many
_ALIGNED: Final = 64  # what Arrow wants parts of columns to begin at
_TIME_BYTES: Final = 9
_ADDRESS_V4: Final = "IPBinV4Address"
_PRINTABLE: Final = range(0x20, 0x7F)


@cache
def form_of(words: tuple[str, ...]) -> Form:
    """The form of a field; ``words`` as in ``asn_grammar.Field``."""
    # TD.57 and TD.35 have numbers of the same names as TS 32.298, written otherwise.
    for own in ("BCDString", "NumberString"):
        if own in words:
            return FORMS[own]
    return next((FORMS[word] for word in words if word in FORMS), Form.BYTES)


def code_of(form: Form) -> int:
    """A form as the kernels have it."""
    return _CODES[form]


def columns(
    data: np.ndarray, places: np.ndarray, spans: np.ndarray, rows: np.ndarray,
    codes: np.ndarray,
) -> list[pa.Array]:  # fmt: skip
    """The values of some cells by row; null where a row has none, or where it is not of its form.

    places: see ``ber_kernels.Found``. spans, rows, codes: of each column its first and last place
    (int64 [2, column]), the rows of its table and how contents are written (``code_of``): int64 for
    integers, utf8 for text and digits, binary for all else. One of more than 1 GiB has no values,
    as Arrow's offsets are int32. ``data`` has PAD_BYTES behind the last contents. All columns lie
    in one piece of memory, which lives as long as any of them.
    """
    about = np.zeros((len(rows), kernels.TEXT_AT + 1), np.int64)
    first, last = spans
    last = np.where(places[last, PLACE_SUM] > _TEXT_BYTES_MAX, first, last)
    about[:, kernels.FIRST], about[:, kernels.LAST], about[:, kernels.ROWS] = first, last, rows
    about[:, kernels.FORM] = codes
    is_number, is_packed = codes == kernels.INTEGER, np.isin(codes, _PACKED)
    sums = places[last, PLACE_SUM].astype(np.int64) << is_packed
    sizes = np.zeros((len(rows), 3), np.int64)
    sizes[:, 0] = rows + 7 >> 3
    sizes[:, 1] = np.where(is_number, 8 * rows, 4 * (rows + 1))
    sizes[:, 2] = np.where(is_number, 0, sums + kernels.COPIED_BYTES)
    room = sizes + _ALIGNED - 1 & -_ALIGNED
    starts = np.cumsum(room).reshape(room.shape) - room
    about[:, [kernels.BITS_AT, kernels.VALUES_AT, kernels.TEXT_AT]] = starts
    about[:, kernels.VALUES_AT] //= np.where(is_number, 8, 4)
    memory = pa.allocate_buffer(_ALIGNED + int(room.sum()))  # Arrow keeps what was used before
    out = np.frombuffer(memory, np.uint8)
    nulls = np.zeros(len(rows), np.int64)
    parts = kernels.Columns(about, nulls, out, out.view(np.int32), out.view(np.int64))
    with np.errstate(over="ignore"):
        kernels.read_columns(data, places, parts)
    each = (rows.tolist(), nulls.tolist(), starts.tolist(), sizes.tolist())
    return [_array(memory, *one) for one in zip(codes.tolist(), *each, strict=True)]


def column(data: np.ndarray, begin: np.ndarray, size: np.ndarray, form: Form) -> pa.Array:
    """One column: contents of each row from ``begin``, ``size`` bytes, below zero for none."""
    there = np.flatnonzero(size >= 0)
    upto = np.cumsum(size[there], dtype=np.int64)
    if len(there) and upto[-1] > _TEXT_BYTES_MAX:
        return pa.nulls(len(size), _TYPES[code_of(form)])
    places = np.zeros((len(there) + 1, 3), np.int32)
    places[0, PLACE_ROW] = -1
    places[1:] = np.stack([there, begin[there], upto], 1)
    spans, data = np.array([[0], [len(there)]]), np.require(data, requirements="W")
    return columns(data, places, spans, np.array([len(size)]), np.array([code_of(form)]))[0]


def _array(
    memory: pa.Buffer, code: int, rows: int, nulls: int, starts: list[int], sizes: list[int]
) -> pa.Array:
    """One column: bits of what is valid (none where all is), values or offsets, text."""
    parts = [memory.slice(starts[0], sizes[0]) if nulls else None,
             memory.slice(starts[1], sizes[1])]
    if code != kernels.INTEGER:
        parts.append(memory.slice(starts[2], sizes[2]))
    return pa.Array.from_buffers(_TYPES[code], rows, parts, nulls)


def in_words(contents: bytes, words: tuple[str, ...]) -> str:
    """One value for people: ``19902``, ``'EUR'``, ``2026-11-22 04:00:05 +08:00``, ``0x1234``."""
    form = form_of(words)
    raw = np.frombuffer(contents + bytes(PAD_BYTES), np.uint8)
    if form is Form.TIME and len(contents) == _TIME_BYTES:
        return _time(contents)
    if words[:1] == (_ADDRESS_V4,) and len(contents) == 4:
        return ".".join(map(str, contents))
    if form in (Form.TIME, Form.BYTES):
        return f"0x{contents.hex()}" if contents else "(empty)"
    size = np.array([len(contents)], np.int32)
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
