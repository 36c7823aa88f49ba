"""Records of blocks in which quotes or escapes occur: a careful walk, byte by byte.

A field is quoted if its first byte is the quote; the quote closes where a delimiter or a line end
follows it. A quote that does not close so within the row limit is a fault: the record then ends
with the line on which that field began, so that a bad row never swallows the rows after it.
"""

from __future__ import annotations

import numpy as np

from cdr import spec_kernels as k
from cdr.record_kernels import BLANK, CR, ESCAPE, LF, TAB, starts_with
from cdr.spec_kernels import Int
from tollbook.jit import inner, kernel


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
        tab = BLANK if settings[k.DELIMITER] == TAB else TAB
        while at < size and (data[at] == BLANK or data[at] == tab):
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
