"""Where the records of a TS 32.297 file lie (clause 6.1.2), and which of them are BER."""

from __future__ import annotations

import numpy as np

from cdr import ber_header_kernels as h
from cdr.ber_state_kernels import FILLER_HIGH
from cdr.spec_kernels import Int
from tollbook.jit import inner, kernel

RECORD_HEADER_BYTES = 4
EXTENDED_RELEASE = 7  # its number follows in a byte of its own
FORMAT_SHIFT, BER, FORMATS_MAX, NUMBER_BITS = 5, 1, 4, 0x1F
BEGIN, END, FORMAT, STATE = range(4)
SOUND, UNREADABLE, OTHER_ENCODING = range(3)
# What is remembered of a file while its frames are found: the release and the specification of the
# last sound frame (-1: there was none), and whether it is unclear where the next one begins.
RELEASE, NUMBER, IS_UNCLEAR = range(3)
# How little a place looks like the beginning of a frame: what is behind a header that could be one.
EXACT, INDEFINITE, GROUP, ANYTHING, NOTHING, UNKNOWN_FORMAT = 0, 1, 4, 6, 8, 20
OTHER_RELEASE, OTHER_NUMBER = 3, 3  # than frames before it, for all that are not EXACT
# ANYTHING is dearer, the more of the file it would take away from records behind it.
SIZE_SHIFT, SIZE_MAX = 4, 24
IMPOSSIBLE = 1024
LOOKED_AHEAD = 6  # frames behind a place whose beginning is not clear
NO_FRAMES = (LOOKED_AHEAD + 1) * IMPOSSIBLE
OUTLOOK_FILLER = 64  # bytes of filler behind a frame that are looked over for a guess
FILLED_MAX = 16  # bytes of filler in a frame that are looked through for a guess


@inner
def contents_of(data: np.ndarray, at: Int) -> tuple[Int, Int]:
    """Begin and end of the contents of the frame at ``at``, which may lie behind the file."""
    length = np.int64(data[at]) << 8 | np.int64(data[at + 1])
    is_extended = np.int64(data[at + 2]) >> 5 == EXTENDED_RELEASE
    begin = at + RECORD_HEADER_BYTES + (1 if is_extended else 0)
    return begin, begin + length


@inner
def is_exact(data: np.ndarray, begin: Int, stop: Int, form: Int, known: np.ndarray) -> bool:
    """Whether there is one record of a definite length in a frame, and nothing else."""
    key, behind = h.read_tag(data, begin)
    if form >> FORMAT_SHIFT != BER or begin == stop or data[begin] & h.CONSTRUCTED == 0:
        return False
    if key < 0 or key >= len(known) or not known[key]:
        return False
    length, contents = h.read_length(data, behind)
    return bool(length >= 0 and contents + length == stop)


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
def anything(begin: Int, stop: Int) -> Int:
    """The unlikeness of a frame that holds nothing that is known."""
    return NOTHING if begin == stop else ANYTHING + min(SIZE_MAX, stop - begin >> SIZE_SHIFT)


@inner
def unlikeness(data: np.ndarray, at: Int, end: Int, known: np.ndarray) -> Int:
    """How little a frame seems to begin here, by its header and the first bytes of its record."""
    form = np.int64(data[at + 3]) >> FORMAT_SHIFT
    begin, stop = contents_of(data, at)
    if stop > end or data[at + 3] in (0, FILLER_HIGH):
        return IMPOSSIBLE
    if form < 1 or form > FORMATS_MAX:
        return UNKNOWN_FORMAT
    if form != BER:
        return anything(begin, stop)
    most = min(stop, begin + FILLED_MAX)
    while begin < most and data[begin] in (0, FILLER_HIGH):
        begin += 1
    key, behind = h.read_tag(data, begin)
    if begin == stop or key < 0 or data[begin] & h.CONSTRUCTED == 0:
        return anything(begin, stop)
    length, contents = h.read_length(data, behind)
    if length < 0:
        is_ended = stop - begin >= 4 and data[stop - 1] == 0 and data[stop - 2] == 0
        is_known = key < len(known) and known[key]
        return INDEFINITE if is_known and is_ended else anything(begin, stop)
    rest = contents + length
    if rest > stop or rest < stop - FILLED_MAX:
        return anything(begin, stop)
    while rest < stop and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest != stop:
        return anything(begin, stop)
    return EXACT if key < len(known) and known[key] else GROUP


@inner
def price_of(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, release: Int, number: Int
) -> Int:
    """``unlikeness``, and more where a header is not like those before it."""
    price = unlikeness(data, at, end, known)
    if EXACT < price < IMPOSSIBLE:
        if release not in (-1, np.int64(data[at + 2])):
            price += OTHER_RELEASE
        if number not in (-1, np.int64(data[at + 3]) & NUMBER_BITS):
            price += OTHER_NUMBER
    return price


@inner
def outlook(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, release: Int, number: Int
) -> Int:
    """The price of taking this place, and the likeliest ones behind it, for beginnings of frames.

    Looks at no more than the headers of some frames, however the bytes are.
    """
    price = price_of(data, at, end, known, release, number)
    for ahead in range(LOOKED_AHEAD):
        if price >= IMPOSSIBLE:
            return price + (LOOKED_AHEAD - ahead) * IMPOSSIBLE
        release, number = np.int64(data[at + 2]), np.int64(data[at + 3]) & NUMBER_BITS
        _, at = contents_of(data, at)
        rest = at
        most = min(end, at + OUTLOOK_FILLER)
        while rest < most and data[rest] in (0, FILLER_HIGH):
            rest += 1
        if rest == end:
            return price
        if rest == most and rest > at:  # a long gap: what is behind it says nothing of this frame
            return price
        best, place = np.int64(IMPOSSIBLE), at
        for one in range(max(at, rest - 3), rest + 1):
            its = price_of(data, one, end, known, release, number)
            if one + RECORD_HEADER_BYTES <= end and its < best:
                best, place = its, one
        price, at = price + best, place
    return price


@inner
def behind_filler(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, memory: np.ndarray
) -> Int:
    """Where the next frame begins, or the end of the file, if there is filler here; else ``at``.

    The length of a short frame begins with a zero, as filler may: of the places where its header
    can be (its fourth byte is no filler, as no format has such a number) that one is taken from
    which the frames go on best. -1: two places are as good as each other.
    """
    rest = at
    while rest < end and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest == end:
        return end
    best, second, place = np.int64(NO_FRAMES), np.int64(NO_FRAMES), at
    for one in range(max(at, rest - 3), rest + 1):
        if one + RECORD_HEADER_BYTES <= end:
            price = outlook(data, one, end, known, memory[RELEASE], memory[NUMBER])
            if price < best:
                best, second, place = price, best, one
            else:
                second = min(second, price)
    return place if best < second or best == NO_FRAMES else np.int64(-1)


@kernel
def find_frames(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, frames: np.ndarray, memory: np.ndarray
) -> tuple[Int, Int]:
    """The frames from ``at`` on, as many as there is room for; filler between them is no frame.

    known: by tag, whether a record begins with it. frames: int64 [frame, 4]: begin and end (of a
    record that is SOUND without the filler around it), format << 5 | number of the specification,
    and state. memory: int64 [3], -1, -1 and 0 at first. Returns how many there are and the place
    behind the last one: ``end`` where all is well. ``data`` has PAD_BYTES behind ``end``.
    """
    count = 0
    while at < end and count < len(frames):
        form = np.int64(data[at + 3])
        begin, stop = contents_of(data, at)
        behind, state = stop, SOUND
        is_whole = stop <= end and at + RECORD_HEADER_BYTES <= end
        if not is_whole or not is_exact(data, begin, stop, form, known):
            first, last = begin, np.int64(-1)
            if is_whole and form >> FORMAT_SHIFT == BER:
                first, last = record_in(data, begin, stop, known)
            if last < 0 and data[at] in (0, FILLER_HIGH):
                place = behind_filler(data, at, end, known, memory)
                if place < 0:
                    memory[IS_UNCLEAR] = 1
                    break
                if place != at:
                    at = place
                    continue
            if not is_whole:
                break
            state = UNREADABLE if form >> FORMAT_SHIFT == BER else OTHER_ENCODING
            if last >= 0:
                begin, stop, state = first, last, SOUND
        if state == SOUND:
            memory[RELEASE], memory[NUMBER] = np.int64(data[at + 2]), form & NUMBER_BITS
        frames[count, BEGIN], frames[count, END] = begin, stop
        frames[count, FORMAT], frames[count, STATE] = form, state
        count += 1
        at = behind
    return count, at
