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
# last frame with a sound record, or of the last of all where there was none such so far (-1: no
# frame); whether there was; whether it is unclear where the next frame begins; the last filler.
RELEASE, NUMBER, HAS_SOUND, IS_UNCLEAR, FILLER_BEGIN, FILLER_END = range(6)
FIRST = (-1, -1, 0, 0, 0, 0)
# How little a place looks like the beginning of a frame, by what is behind a header.
SOUND_RECORD, OPEN_RECORD, GROUP, ANYTHING, NOTHING, UNKNOWN_FORMAT = 0, 1, 2, 4, 5, 11
IMPOSSIBLE = 1024
OTHER_RELEASE, OTHER_NUMBER = 8, 8  # than frames before it
AHEAD = 4  # frames without a sound record that are followed to the next one that has one
# A place yet to be tried as the beginning of a frame, the last such, the price of the frames before
# them, the filler's end, and release and specification of the frame before.
NEXT, LAST, PRICE, BEHIND, ITS_RELEASE, ITS_NUMBER = range(6)
RANK_SHIFT = 8  # above the price
NO_RANK = 1 << 60
FILLER_MAX = 512  # bytes of filler that are looked through for a guess
FILLED_MAX = 16  # such in a frame


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
def anything(data: np.ndarray, begin: Int, stop: Int) -> Int:
    """The price of a frame with contents that are not known; filler, or none, are less likely."""
    most = min(stop, begin + FILLED_MAX)
    while begin < most and data[begin] in (0, FILLER_HIGH):
        begin += 1
    return NOTHING if begin == most else ANYTHING


@inner
def price_of(data: np.ndarray, at: Int, end: Int, known: np.ndarray) -> Int:
    """How little a frame seems to begin here, by its header and the first bytes of its record."""
    form = np.int64(data[at + 3]) >> FORMAT_SHIFT
    first, stop = contents_of(data, at)
    if stop > end or data[at + 3] in (0, FILLER_HIGH):
        return IMPOSSIBLE
    if form < 1 or form > FORMATS_MAX:
        return UNKNOWN_FORMAT
    begin, most = first, min(stop, first + FILLED_MAX)
    while begin < most and data[begin] in (0, FILLER_HIGH):
        begin += 1
    key, behind = h.read_tag(data, begin)
    if form != BER or begin == stop or key < 0 or data[begin] & h.CONSTRUCTED == 0:
        return anything(data, first, stop)
    length, contents = h.read_length(data, behind)
    is_known = key < len(known) and known[key]
    if length < 0:
        is_ended = stop - begin >= 4 and data[stop - 1] == 0 and data[stop - 2] == 0
        return OPEN_RECORD if is_known and is_ended else anything(data, first, stop)
    rest = contents + length
    if rest > stop or rest < stop - FILLED_MAX:
        return anything(data, first, stop)
    while rest < stop and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest != stop:
        return anything(data, first, stop)
    return SOUND_RECORD if is_known else GROUP


@inner
def unlike(data: np.ndarray, at: Int, release: Int, number: Int) -> Int:
    """What is added to a price where a header is not like one before it (-1: there is none)."""
    price = np.int64(0)
    if release not in (-1, np.int64(data[at + 2])):
        price += OTHER_RELEASE
    if number not in (-1, np.int64(data[at + 3]) & NUMBER_BITS):
        price += OTHER_NUMBER
    return price


@inner
def filler_end(data: np.ndarray, at: Int, end: Int, memory: np.ndarray) -> Int:
    """The place behind the filler that begins here; -1: it is more than FILLER_MAX bytes."""
    if memory[FILLER_BEGIN] <= at < memory[FILLER_END]:
        return memory[FILLER_END]
    rest, most = at, min(end, at + FILLER_MAX)
    while rest < most and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest == most < end:
        return np.int64(-1)
    if rest > at:
        memory[FILLER_BEGIN], memory[FILLER_END] = at, rest
    return rest


@inner
def rank_of(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, memory: np.ndarray, stack: np.ndarray
) -> Int:
    """The rank of a place for the beginning of a frame: the lower, the better; NO_RANK: it is none.

    All ways are followed on which frames can go on from here, over at most AHEAD frames that hold
    no sound record. The rank is the place where the first sound record follows, and then the price
    of the frames before it; where none follows, the end of the file and the mean price.
    """
    stack[0, NEXT], stack[0, LAST], stack[0, PRICE], stack[0, BEHIND] = at, at, 0, at
    stack[0, ITS_RELEASE], stack[0, ITS_NUMBER] = memory[RELEASE], memory[NUMBER]
    depth, best = np.int64(0), np.int64(NO_RANK)
    while depth >= 0:
        one, price, behind = stack[depth, NEXT], stack[depth, PRICE], stack[depth, BEHIND]
        release, number = stack[depth, ITS_RELEASE], stack[depth, ITS_NUMBER]
        if one > stack[depth, LAST]:
            depth -= 1
            continue
        stack[depth, NEXT] = one + 1
        its = price_of(data, one, end, known)
        if its == IMPOSSIBLE:
            continue
        more = unlike(data, one, release, number)
        price += its + more
        if its == SOUND_RECORD or (its == OPEN_RECORD and more == 0):
            if memory[RELEASE] >= 0:
                price -= more
            best = min(best, behind << RANK_SHIFT | price)
            continue
        _, stop = contents_of(data, one)
        rest = filler_end(data, stop, end, memory)
        if rest == end or depth + 1 == AHEAD or rest < 0:
            mean = price * AHEAD // (depth + 1) + (1 if rest != end else 0)
            best = min(best, end << RANK_SHIFT | mean)
        else:
            depth += 1
            stack[depth, NEXT], stack[depth, LAST] = max(stop, rest - 3), min(rest, end - 4)
            stack[depth, PRICE], stack[depth, BEHIND] = price, rest
            stack[depth, ITS_RELEASE], stack[depth, ITS_NUMBER] = memory[RELEASE], memory[NUMBER]
            if memory[RELEASE] < 0:
                stack[depth, ITS_RELEASE] = np.int64(data[one + 2])
                stack[depth, ITS_NUMBER] = np.int64(data[one + 3]) & NUMBER_BITS
    return best


@inner
def behind_filler(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, memory: np.ndarray, stack: np.ndarray
) -> Int:
    """Where the next frame begins, or the end of the file, if there is filler here; else ``at``.

    The length of a short frame begins with a zero, as filler may. A header can begin at four places
    at most, as its fourth byte is no filler (no format has such a number): the one of the best rank
    is taken. -1: two places are as good as each other.
    """
    rest = at
    while rest < end and data[rest] in (0, FILLER_HIGH):
        rest += 1
    if rest == end:
        return end
    best, second, place = np.int64(NO_RANK), np.int64(NO_RANK), at
    for one in range(max(at, rest - 3), min(rest, end - 4) + 1):
        rank = rank_of(data, one, end, known, memory, stack)
        if rank >> RANK_SHIFT == one:  # a sound record begins here
            rank += rest - one << RANK_SHIFT
        if rank < best:
            best, second, place = rank, best, one
        else:
            second = min(second, rank)
    return place if best < second or best == NO_RANK else np.int64(-1)


@kernel
def find_frames(
    data: np.ndarray, at: Int, end: Int, known: np.ndarray, frames: np.ndarray,
    memory: np.ndarray, stack: np.ndarray,
) -> tuple[Int, Int]:  # fmt: skip
    """The frames from ``at`` on, as many as there is room for; filler between them is no frame.

    known: by tag, whether a record begins with it. frames: int64 [frame, 4]: begin and end (of a
    record that is SOUND without the filler around it), format << 5 | number of the specification,
    and state. memory: int64, FIRST at first; stack: int64 [AHEAD, 6], for the kernel. Returns how
    many there are and the place behind the last one: ``end`` where all is well. ``data`` has
    PAD_BYTES behind ``end``.
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
                place = behind_filler(data, at, end, known, memory, stack)
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
        if state == SOUND or memory[HAS_SOUND] == 0:
            memory[HAS_SOUND] = 1 if state == SOUND else 0
            memory[RELEASE], memory[NUMBER] = np.int64(data[at + 2]), form & NUMBER_BITS
        frames[count, BEGIN], frames[count, END] = begin, stop
        frames[count, FORMAT], frames[count, STATE] = form, state
        count += 1
        at = behind
    return count, at
