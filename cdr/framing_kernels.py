"""Where the records of a TS 32.297 file lie (clause 6.1.2), and which of them are BER."""

from __future__ import annotations

import numpy as np

from cdr import ber_header_kernels as h
from cdr.ber_state_kernels import FILLER_HIGH
from cdr.spec_kernels import Int
from tollbook.jit import inner, kernel

RECORD_HEADER_BYTES = 4
EXTENDED_RELEASE = 7  # its number follows in a byte of its own
FORMAT_SHIFT, BER, FORMATS_MAX = 5, 1, 4
BEGIN, END, FORMAT, STATE = range(4)
SOUND, UNREADABLE, OTHER_ENCODING = range(3)
# How much a place looks like the header of a frame.
NONE, POSSIBLE, LIKELY, PROBABLE, EXACT = range(5)


@inner
def contents_of(data: np.ndarray, at: Int) -> tuple[Int, Int]:
    """Begin and end of the contents of the frame at ``at``, which may lie behind the file."""
    length = np.int64(data[at]) << 8 | np.int64(data[at + 1])
    is_extended = np.int64(data[at + 2]) >> 5 == EXTENDED_RELEASE
    begin = at + RECORD_HEADER_BYTES + (1 if is_extended else 0)
    return begin, begin + length


@inner
def likeness(data: np.ndarray, at: Int, end: Int, known: np.ndarray) -> Int:
    """Whether a frame begins here; EXACT where it holds one record of a definite length."""
    form = np.int64(data[at + 3]) >> FORMAT_SHIFT
    begin, stop = contents_of(data, at)
    if stop > end or form < 1 or form > FORMATS_MAX:
        return NONE
    if form != BER:
        return POSSIBLE
    key, behind = h.read_tag(data, begin)
    is_known = 0 <= key < len(known) and known[key] and data[begin] & h.CONSTRUCTED != 0
    if begin == stop or not is_known:
        return LIKELY
    length, contents = h.read_length(data, behind)
    return EXACT if length >= 0 and contents + length == stop else PROBABLE


@inner
def record_in(data: np.ndarray, begin: Int, stop: Int, known: np.ndarray) -> tuple[Int, Int]:
    """Begin and end of the one record in a frame, apart from filler; end -1: there is no such."""
    while begin < stop and data[begin] in (0, FILLER_HIGH):
        begin += 1
    if begin == stop or data[begin] & h.CONSTRUCTED == 0:
        return begin, -1
    key, _ = h.read_tag(data, begin)
    if key < 0 or key >= len(known) or not known[key]:
        return begin, -1
    behind = h.behind_element(data, begin, stop)
    rest = behind
    while 0 <= rest < stop and data[rest] in (0, FILLER_HIGH):
        rest += 1
    return begin, behind if rest == stop else np.int64(-1)


@inner
def behind_filler(data: np.ndarray, at: Int, end: Int, known: np.ndarray) -> Int:
    """Where the next frame begins, or the end of the file, if there is filler here; else ``at``.

    The length of a short frame begins with a zero, as filler may: what the bytes behind the filler
    look like tells where it ends. Four bytes of filler are no header, as no format has such a
    number.
    """
    rest = at
    while rest < end and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest in (at, end):
        return rest
    best, place = NONE, at
    for one in range(max(at + 1, rest - 3), rest + 1):
        if one + RECORD_HEADER_BYTES <= end:
            like = likeness(data, one, end, known)
            if like > best:
                best, place = like, one
    if rest - at >= RECORD_HEADER_BYTES:
        return place
    least = EXACT if likeness(data, at, end, known) != NONE else PROBABLE
    return place if best >= least else at


@kernel
def find_frames(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, frames: np.ndarray
) -> tuple[Int, Int]:
    """The frames from ``at`` on, as many as there is room for; filler between them is no frame.

    known: by tag, whether a record begins with it. frames: int64 [frame, 4]: begin and end (of a
    record that is SOUND without the filler around it), format << 5 | number of the specification,
    and state. Returns how many there are and the place behind the last one: ``end`` where all is
    well. ``data`` has PAD_BYTES behind ``end``.
    """
    count = 0
    while at < end and count < len(frames):
        form, place, state = np.int64(data[at + 3]), at, SOUND
        begin, stop = contents_of(data, at)
        behind = stop
        if stop > end or likeness(data, at, end, known) != EXACT:
            first, last = begin, np.int64(-1)
            is_ber = form >> FORMAT_SHIFT == BER
            if stop <= end and is_ber:
                first, last = record_in(data, begin, stop, known)
            if last < 0 and data[at] in (0, FILLER_HIGH):
                place = behind_filler(data, at, end, known)
            state = UNREADABLE if is_ber else OTHER_ENCODING
            if last >= 0:
                begin, stop, state = first, last, SOUND
        if place != at:
            at = place
            continue
        if stop > end or at + RECORD_HEADER_BYTES > end:
            break
        frames[count, BEGIN], frames[count, END] = begin, stop
        frames[count, FORMAT], frames[count, STATE] = form, state
        count += 1
        at = behind
    return count, at
