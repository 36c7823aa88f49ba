"""Records of blocks in which no quote and no escape occurs: every line feed ends one.

One bit for each byte says whether it ends a field; the places of the bits are listed without a
branch that depends on the data, and cut into rows at the line feeds.
"""

from __future__ import annotations

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.record_kernels import CR, LF, equal_bytes, starts_with
from cdr.spec_kernels import Int, Word
from tollbook.jit import inner


@inner
def bit_count(word: Word) -> Int:
    """Set bits (one machine instruction: the compiler knows the loop)."""
    count: Int = np.int64(0)
    while word != b.NO_BITS:
        word &= word - b.S1
        count += 1
    return count


@inner
def place_of_lowest(word: Word) -> Int:
    """Index of the lowest set bit; 64 if there is none."""
    return bit_count(~word & (word - b.S1))


@inner
def list_places(words: np.ndarray, count: Int, begin: Int, places: np.ndarray, there: Int) -> Int:
    """Appends the places of the set bits of ``count`` words; returns how many places are there.

    Twelve and twelve are written, without asking whether there are so many. An index without a sign
    is not asked whether it counts from the end.
    """
    for i in range(count):
        bits, base, behind = words[i], begin + i * 64, bit_count(words[i])
        for j in range(12):
            places[b.U(there + j)] = base + place_of_lowest(bits)
            bits &= bits - b.S1
        if behind > 12:
            for j in range(12, 24):
                places[b.U(there + j)] = base + place_of_lowest(bits)
                bits &= bits - b.S1
        for j in range(24, behind):
            places[b.U(there + j)] = base + place_of_lowest(bits)
            bits &= bits - b.S1
        there += behind
    return there


@inner
def next_ends(data: np.ndarray, delimiter: Int, limit: Int, s: k.Scratch) -> None:
    """Lists delimiters and line feeds on from where it stopped, until a line feed is found.

    The ends of the row that began are kept. First one bit is made for each byte, eight bytes at a
    time; then the places of the bits are listed.
    """
    ends, feeds, marks, words, state = s.ends, s.feeds, s.marks, s.mark_words, s.state
    delimiters, line_feeds, there = b.EACH * b.U(delimiter), b.EACH * b.U(LF), np.int64(0)
    while there == 0:
        used, kept = state[k.STATE_USED], state[k.STATE_ENDS] - state[k.STATE_USED]
        if kept > limit:  # more columns than a row may have bytes: too long, whatever they are
            kept = 0
        for i in range(kept):
            ends[i] = ends[used + i]
        begin = state[k.STATE_WORD] * 64
        stretch = min(k.MARK_WORDS, (len(data) - 8 - begin) >> 6)
        for i in range(stretch * 8):
            eight = b.load8(data, begin + i * 8)
            feed = equal_bytes(eight, line_feeds)
            hit = equal_bytes(eight, delimiters) | feed
            marks[0, i] = np.uint8(((hit >> b.S7) * b.GATHER) >> b.S56)
            marks[1, i] = np.uint8(((feed >> b.S7) * b.GATHER) >> b.S56)
        state[k.STATE_USED] = 0
        state[k.STATE_ENDS] = list_places(words[0], stretch, begin, ends, kept)
        for i in range(stretch):
            bits, base = words[1, i], begin + i * 64
            behind = bit_count(bits)
            for j in range(2):
                feeds[b.U(there + j)] = base + place_of_lowest(bits)
                bits &= bits - b.S1
            for j in range(2, behind):
                feeds[b.U(there + j)] = base + place_of_lowest(bits)
                bits &= bits - b.S1
            there += behind
        state[k.STATE_WORD] += k.MARK_WORDS
    state[k.STATE_USED_FEEDS], state[k.STATE_FEEDS] = 0, there


@inner
def scatter_eight(ends: np.ndarray, at: Int, bounds: np.ndarray, column: Int, row: Int) -> None:
    """Writes eight ends to as many columns of bounds."""
    i, c, r = b.U(at), b.U(column), b.U(row)
    bounds[c, r], bounds[c + b.S1, r] = ends[i], ends[i + b.S1]
    bounds[c + b.S2, r], bounds[c + b.S3, r] = ends[i + b.S2], ends[i + b.S3]
    bounds[c + b.S4, r], bounds[c + b.S5, r] = ends[i + b.S4], ends[i + b.S5]
    bounds[c + b.S6, r], bounds[c + b.S7, r] = ends[i + b.S6], ends[i + b.S7]


@inner
def plain_rows(
    data: np.ndarray, block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Finds a window of records in a block in which no quote and no escape occurs."""
    bounds, rows, state, ends, feeds = s.bounds, s.rows, s.state, s.ends, s.feeds
    size, window, comment, blanks = block[k.SIZE], rows.shape[1], spec.comment, 0
    width_max, has_comments = spec.settings[k.WIDTH_MAX], len(spec.comment) > 0
    start, identifier, count = state[k.STATE_POSITION], state[k.STATE_ID], np.int64(0)
    used, feed = state[k.STATE_USED], state[k.STATE_USED_FEEDS]
    while count < window and start < size:
        if feed == state[k.STATE_FEEDS]:
            state[k.STATE_USED] = used
            next_ends(data, spec.settings[k.DELIMITER], spec.settings[k.ROW_BYTES], s)
            used, feed = 0, 0
        at: Int = np.int64(feeds[b.U(feed)])
        last = used + width_max - 1
        if last >= state[k.STATE_ENDS] or ends[b.U(last)] != at:
            last = used  # not as many columns as most rows have
            while ends[b.U(last)] != at:
                last += 1
        end = at - 1 if at > start and data[b.U(at - 1)] == CR else at
        if end == start:
            blanks += 1
        elif has_comments and starts_with(data, start, comment):
            out.totals[k.TOTAL_COMMENT] += 1
        else:
            bounds[0, count] = start - 1
            for c in range(0, width_max, k.ENDS_STEP):
                scatter_eight(ends, used + c, bounds, c + 1, count)
            width = last - used + 1
            if width <= width_max:
                bounds[width, count] = end
            rows[k.ROW_BEGIN, count], rows[k.ROW_END, count] = start, end
            rows[k.ROW_WIDTH, count], rows[k.ROW_ID, count] = width, identifier
            rows[k.ROW_REASON, count] = 0
            count += 1
        used, feed = last + 1, feed + 1
        start = at + 1
        identifier += 1
    out.totals[k.TOTAL_BLANK] += blanks
    state[k.STATE_POSITION], state[k.STATE_ID], state[k.STATE_COUNT] = start, identifier, count
    state[k.STATE_USED], state[k.STATE_USED_FEEDS] = used, feed
