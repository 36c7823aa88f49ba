"""Where records and their fields end: marks for blocks without a quote, a careful walk for others.

A field is quoted if its first byte is the quote; the quote closes where a delimiter or a line end
follows it. A quote that does not close so within the row limit is a fault: the record then ends
with the line on which that field began, so that a bad row never swallows the rows after it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.spec_kernels import Int, Word
from tollbook.jit import inner, kernel

LF, CR, TAB, BLANK, ESCAPE = 10, 13, 9, 32, 92
MARK_WORDS: Final = 512  # words of 64 marks that are made at a time: 32 KiB of a block
MARK_BYTES: Final = MARK_WORDS * 64
# The index of the lowest set bit, by multiplication: each isolated bit gives another top six bits.
DE_BRUIJN: Final = b.U(0x03F79D71B4CB0A89)
BIT_INDEX: Final = np.zeros(64, np.uint8)
for _bit in range(64):
    BIT_INDEX[((int(DE_BRUIJN) << _bit) & (2**64 - 1)) >> 58] = _bit
S58: Final = b.U(58)


@inner
def equal_bytes(word: Word, pattern: Word) -> Word:
    """The high bit of each byte where the word has the pattern's byte."""
    x = word ^ pattern
    return ~(((x & b.LOW_SEVEN) + b.LOW_SEVEN) | x) & b.HIGH_BIT


@kernel
def survey(data: np.ndarray, size: Int, quote: Int, escape: Int, found: np.ndarray) -> None:
    """found int64 [3]: line feeds; whether a quote or escape occurs; whether text needs checks.

    quote, escape: byte, or -1 for none. ``data`` has at least eight bytes behind ``size``.
    """
    feeds = b.EACH * b.U(LF)
    quotes = b.EACH * b.U(quote if quote >= 0 else LF)
    escapes = b.EACH * b.U(escape if escape >= 0 else LF)
    special, unsafe = b.NO_BITS, b.NO_BITS
    lines: Int = np.int64(0)
    whole = size & ~7
    for begin in range(0, whole, 1024):
        sums = b.NO_BITS
        for at in range(begin, min(begin + 1024, whole), 8):
            word = b.load8(data, at)
            feed = equal_bytes(word, feeds)
            sums += feed >> b.S7
            special |= (equal_bytes(word, quotes) | equal_bytes(word, escapes)) & ~feed
            unsafe |= word | ((word - b.BLANKS) & ~word & ~feed)
        pairs = (sums & b.PAIRS) + ((sums >> b.S8) & b.PAIRS)
        pairs = (pairs & b.QUADS) + ((pairs >> b.S16) & b.QUADS)
        lines += np.int64((pairs + (pairs >> b.S32)) & b.HALF)
    for at in range(whole, size):
        byte = np.int64(data[at])
        lines += byte == LF
        if (byte == quote) | (byte == escape):
            special |= b.S1
        if byte >= 128 or (byte < BLANK and byte != LF):
            unsafe |= b.HIGH_BIT
    found[0] = lines
    found[1] = special != b.NO_BITS
    found[2] = (unsafe & b.HIGH_BIT) != b.NO_BITS


@inner
def mark(data: np.ndarray, begin: Int, size: Int, delimiter: Int, marks: np.ndarray) -> None:
    """One bit for each byte from ``begin`` on, set at delimiters and line feeds."""
    delimiters = b.EACH * b.U(delimiter)
    feeds = b.EACH * b.U(LF)
    count = min(MARK_WORDS * 8, ((size - begin) >> 3) + 9)
    for i in range(count):
        word = b.load8(data, begin + i * 8)
        hit = equal_bytes(word, delimiters) | equal_bytes(word, feeds)
        marks[i] = np.uint8(((hit >> b.S7) * b.GATHER) >> b.S56)


@inner
def starts_with(data: np.ndarray, at: Int, prefix: np.ndarray) -> bool:
    """Whether the bytes at ``at`` are the (non-empty) prefix of comment lines."""
    for i in range(len(prefix)):
        if data[at + i] != prefix[i]:
            return False
    return len(prefix) > 0


@inner
def plain_rows(
    data: np.ndarray, block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Finds a window of records in a block in which no quote and no escape occurs."""
    bounds, rows, state, marks, comment = s.bounds, s.rows, s.state, s.marks, spec.comment
    size, window, has_comments = block[k.SIZE], rows.shape[1], len(comment) > 0
    delimiter, width_max = spec.settings[k.DELIMITER], spec.settings[k.WIDTH_MAX]
    start, identifier, count = state[k.STATE_POSITION], state[k.STATE_ID], 0
    bits, word = s.mask[0], np.int64(s.mask[1])
    while count < window and start < size:
        width, at = 0, start
        bounds[0, count] = start - 1
        while True:
            while bits == b.NO_BITS:
                if word & (MARK_WORDS - 1) == 0:
                    mark(data, word * 64, size, delimiter, s.marks_bytes)
                bits = marks[word & (MARK_WORDS - 1)]
                word += 1
            lowest = bits & (~bits + b.S1)
            bits ^= lowest
            at = (word - 1) * 64 + np.int64(BIT_INDEX[(lowest * DE_BRUIJN) >> S58])
            width += 1
            if width <= width_max:
                bounds[width, count] = at
            if data[at] == LF:
                break
        end = at - 1 if at > start and data[at - 1] == CR else at
        if end == start:
            out.totals[k.TOTAL_BLANK] += 1
        elif has_comments and starts_with(data, start, comment):
            out.totals[k.TOTAL_COMMENT] += 1
        else:
            if width <= width_max:
                bounds[width, count] = end
            rows[k.ROW_BEGIN, count], rows[k.ROW_END, count] = start, end
            rows[k.ROW_WIDTH, count], rows[k.ROW_ID, count] = width, identifier
            rows[k.ROW_REASON, count] = 0
            count += 1
        start = at + 1
        identifier += 1
    state[k.STATE_POSITION], state[k.STATE_ID], state[k.STATE_COUNT] = start, identifier, count
    s.mask[0], s.mask[1] = bits, b.U(word)


@inner
def line_end(data: np.ndarray, at: Int, size: Int) -> Int:
    """Place of the next line feed, or ``size``."""
    while at < size and data[at] != LF:
        at += 1
    return at


@inner
def skip_blanks(data: np.ndarray, at: Int, size: Int, settings: np.ndarray) -> Int:
    """The next byte that is no blank, where the layout trims; ``at`` otherwise."""
    if settings[k.TRIM] != 0:
        while at < size and (data[at] == BLANK or data[at] == TAB):
            at += 1
    return at


@inner
def closes(data: np.ndarray, at: Int, last: Int, size: Int, settings: np.ndarray) -> Int:
    """The place of the delimiter or line end that follows a quote at ``at``; -1: neither does."""
    after = skip_blanks(data, at + 1, min(size, last + 2), settings)
    if after >= size or data[after] == settings[k.DELIMITER] or data[after] == LF:
        return after
    if data[after] == CR and (after + 1 >= size or data[after + 1] == LF):
        return after
    return -1


@inner
def quoted_field(
    data: np.ndarray, at: Int, last: Int, size: Int, settings: np.ndarray, row: np.ndarray, to: Int
) -> tuple[Int, Int, Int]:
    """Reads a quoted field that opens at ``at``: (place behind it, end in ``row``, line feeds).

    The place is that of the delimiter or line end that follows; -1 if the quote does not close at
    or before ``last``.
    """
    quote, escapes, feeds = settings[k.QUOTE], settings[k.BACKSLASH] != 0, 0
    at += 1
    while at < size and at <= last:
        byte = np.int64(data[at])
        if escapes and byte == ESCAPE and at + 1 < size:
            at += 1
            byte = np.int64(data[at])
        elif byte == quote:
            if escapes or at + 1 >= size or data[at + 1] != quote:
                return closes(data, at, last, size, settings), to, feeds
            at += 1
        feeds += byte == LF
        row[to] = np.uint8(byte)
        to += 1
        at += 1
    return -1, to, feeds


@inner
def bare_field(
    data: np.ndarray, at: Int, size: Int, settings: np.ndarray, row: np.ndarray, to: Int
) -> tuple[Int, Int]:
    """Reads a field without quotes: (place of the delimiter or line end, its end in ``row``)."""
    delimiter, escapes = settings[k.DELIMITER], settings[k.BACKSLASH] != 0
    begin, room = to, len(row) - k.PAD_BYTES
    while at < size:
        byte = np.int64(data[at])
        if (byte == delimiter) | (byte == LF):
            break
        if byte == CR and (at + 1 >= size or data[at + 1] == LF):
            break
        if escapes and byte == ESCAPE and at + 1 < size and data[at + 1] != LF:
            at += 1
            byte = np.int64(data[at])
        if to < room:
            row[to] = np.uint8(byte)
            to += 1
        at += 1
    if settings[k.TRIM] != 0:
        while to > begin and (row[to - 1] == BLANK or row[to - 1] == TAB):
            to -= 1
    return at, to


@inner
def quoted_row(
    data: np.ndarray, start: Int, size: Int, spec: k.Spec, s: k.Scratch, r: Int, to: Int
) -> tuple[Int, Int, Int, Int, Int]:
    """Walks one record: (its columns, its end, its end in ``row``, line feeds inside, reason).

    The end is the place of the line end that closes the record, or ``size``.
    """
    settings, row, width, inside, at = spec.settings, s.row, 0, 0, start
    quote, delimiter = settings[k.QUOTE], settings[k.DELIMITER]
    last = start + settings[k.ROW_BYTES]
    s.bounds[0, r] = to - 1
    s.raw[0, r] = start - 1
    while True:
        opening = skip_blanks(data, at, size, settings)
        if opening < size and data[opening] == quote:
            at, to, feeds = quoted_field(data, opening, last, size, settings, row, to)
            if at < 0:
                return width, line_end(data, opening, size), to, inside, k.QUOTE_UNCLOSED
            inside += feeds
        else:
            at, to = bare_field(data, opening, size, settings, row, to)
        width += 1
        if width <= settings[k.WIDTH_MAX]:
            s.bounds[width, r] = to
            s.raw[width, r] = at
        row[to] = np.uint8(delimiter)
        to += 1
        if at >= size or data[at] != delimiter:
            return width, at, to, inside, 0
        if at >= last:
            return width, line_end(data, at, size), to, inside, k.ROW_TOO_LONG
        at += 1


@inner
def quoted_rows(
    data: np.ndarray, block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Finds a window of records in a block in which quotes or escapes occur."""
    rows, state, size, to, count = s.rows, s.state, block[k.SIZE], np.int64(0), np.int64(0)
    start, identifier = state[k.STATE_POSITION], state[k.STATE_ID]
    room = len(s.row) - 2 * k.PAD_BYTES - spec.settings[k.ROW_BYTES]
    while count < rows.shape[1] and start < size and to <= room:
        inside = 0
        if starts_with(data, start, spec.comment):
            end = line_end(data, start, size)
            out.totals[k.TOTAL_COMMENT] += 1
        else:
            width, end, to, inside, reason = quoted_row(data, start, size, spec, s, count, to)
            stop = end
            if end > start and data[end - 1] == CR and reason != 0:
                stop -= 1
            if stop == start:
                out.totals[k.TOTAL_BLANK] += 1
            else:
                rows[k.ROW_BEGIN, count], rows[k.ROW_END, count] = start, stop
                rows[k.ROW_WIDTH, count], rows[k.ROW_ID, count] = width, identifier
                rows[k.ROW_REASON, count] = reason
                count += 1
        if end < size and data[end] == CR:
            end += 1
        start = end + 1
        identifier += inside + 1
    state[k.STATE_POSITION], state[k.STATE_ID] = min(start, size), identifier
    state[k.STATE_COUNT] = count


@inner
def judge_rows(block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output) -> None:
    """Writes where each row of the window lies, and its reason if it is bad as a whole.

    A column that a row lacks becomes an empty field; so do all columns of a bad row.
    """
    rows, state, numbers, bounds, raw = s.rows, s.state, out.numbers, s.bounds, s.raw
    first, limit = state[k.STATE_ROW], spec.settings[k.ROW_BYTES]
    width_min, width_max = spec.settings[k.WIDTH_MIN], spec.settings[k.WIDTH_MAX]
    for r in range(state[k.STATE_COUNT]):
        row, width, reason = first + r, rows[k.ROW_WIDTH, r], rows[k.ROW_REASON, r]
        length = rows[k.ROW_END, r] - rows[k.ROW_BEGIN, r]
        if length > limit:
            length, reason = limit, k.ROW_TOO_LONG
        elif reason == 0 and width < width_min:
            reason = k.COLUMNS_TOO_FEW
        elif reason == 0 and width > width_max:
            reason = k.COLUMNS_TOO_MANY
        for c in range(0 if reason != 0 else width, width_max):
            bounds[c + 1, r] = bounds[c, r] + 1
            raw[c + 1, r] = raw[c, r] + 1
        numbers[k.RECORD_ID, row] = rows[k.ROW_ID, r]
        numbers[k.BYTE_OFFSET, row] = block[k.BLOCK_OFFSET] + rows[k.ROW_BEGIN, r]
        numbers[k.BYTE_LENGTH, row] = length
        numbers[k.REASON, row] = reason
        numbers[k.REASON_FIELD, row] = -1
        numbers[k.FAULT_BEGIN, row] = 0
        numbers[k.FAULT_LENGTH, row] = 0
        numbers[k.FLAGS, row] = 0


@kernel
def cut(data: np.ndarray, size: Int, spec: k.Spec, s: k.Scratch) -> Int:
    """Length of the part of a buffer that holds whole records, as ``quoted_rows`` reads them.

    A record is whole if its line end is there, and if no byte behind the buffer could show that its
    quote closes after all.
    """
    first, limit = np.int64(0), spec.settings[k.ROW_BYTES]
    start = first
    while start < size:
        reason = 0
        if starts_with(data, start, spec.comment):
            end = line_end(data, start, size)
        else:
            _, end, _, _, reason = quoted_row(data, start, size, spec, s, first, first)
        if end < size and data[end] == CR:
            end += 1
        if end >= size or (reason == k.QUOTE_UNCLOSED and size - start <= limit + 2):
            break
        start = end + 1
    return start
