"""Frames of TS 32.297 that hold one record of BER, told from those that do not.

Looked at before the walk, so that a frame whose bytes make no sense costs that record alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import framing
from cdr.native import Format
from tollbook import reasons

_HEADER_BYTES: Final = 8  # a tag of up to two bytes, then a length of up to five


def sorted_out(
    data: np.ndarray, frames: np.ndarray, form: Format
) -> tuple[np.ndarray, np.ndarray]:
    """Frames that hold one record of BER, and the others: begin, end, number and (others) reason.

    One of indefinite length is taken for sound: where it ends, the walk will see.
    """
    begin, end = frames[:, 0], frames[:, 1]
    numbered = np.column_stack([begin, end, np.arange(1, len(frames) + 1),
                                np.zeros(len(frames), np.int64)])
    padded = np.concatenate([data[-_HEADER_BYTES:], np.zeros(_HEADER_BYTES, np.uint8)])
    safe = np.minimum(begin, len(data) - _HEADER_BYTES)
    raw = data[np.maximum(safe, 0)[:, None] + np.arange(_HEADER_BYTES)].astype(np.int64)
    late = np.flatnonzero(begin > len(data) - _HEADER_BYTES)
    for row in late.tolist():  # the last frame or two
        shift = int(begin[row]) - (len(data) - _HEADER_BYTES)
        raw[row] = padded[shift : shift + _HEADER_BYTES]
    key, length, behind = _headers(raw)
    known = np.array(sorted(form.schema.nodes[form.schema.root]), np.int64)
    is_whole = (length < 0) | (begin + behind + length == end)
    is_ber = frames[:, 2] & framing.FORMAT_BITS == framing.BER
    is_sound = np.isin(key, known) & (raw[:, 0] & 0x20 != 0) & is_whole & (end > begin)
    unreadable, unknown = (reasons.CODE[n] for n in ("record_unreadable", "encoding_unknown"))
    numbered[:, 3] = np.where(is_ber, unreadable, unknown)
    good = is_ber & is_sound
    return numbered[good, :3], numbered[~good]


def _headers(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tag number * 4 + class, length (-1: indefinite, -2: too long) and size of headers in rows."""
    lead, rows = raw[:, 0], np.arange(len(raw))
    is_long = lead & 0x1F == 0x1F
    number = np.where(is_long, raw[:, 1], lead & 0x1F)
    key = np.where(is_long & (raw[:, 1] >= 0x80), -1, number << 2 | lead >> 6)
    at = np.where(is_long, 2, 1)
    count = raw[rows, at]
    length = np.where(count < 0x80, count, 0)
    extra = np.where(count < 0x80, 0, count & 0x7F)
    for step in range(1, 5):
        length = np.where(step <= extra, length << 8 | raw[rows, np.minimum(at + step, 7)], length)
    length = np.where(count == 0x80, -1, np.where(extra > 4, -2**40, length))
    return key, length, at + 1 + np.minimum(extra, 4)


