"""What is looked at before and after the ends of records are found: blocks and rows as a whole."""

from __future__ import annotations

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.spec_kernels import Int, Word
from tollbook.jit import inner, kernel

LF, CR, TAB, BLANK, ESCAPE = 10, 13, 9, 32, 92


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
    feeds, returns = b.EACH * b.U(LF), b.EACH * b.U(CR)
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
            ends = feed | equal_bytes(word, returns)
            unsafe |= word | ((word - b.BLANKS) & ~word & ~ends)
        pairs = (sums & b.PAIRS) + ((sums >> b.S8) & b.PAIRS)
        pairs = (pairs & b.QUADS) + ((pairs >> b.S16) & b.QUADS)
        lines += np.int64((pairs + (pairs >> b.S32)) & b.HALF)
    for at in range(whole, size):
        byte = np.int64(data[at])
        lines += byte == LF
        if (byte == quote) | (byte == escape):
            special |= b.S1
        if byte >= 128 or (byte < BLANK and byte != LF and byte != CR):
            unsafe |= b.HIGH_BIT
    found[0] = lines
    found[1] = special != b.NO_BITS
    found[2] = (unsafe & b.HIGH_BIT) != b.NO_BITS


@inner
def starts_with(data: np.ndarray, at: Int, prefix: np.ndarray) -> bool:
    """Whether the bytes at ``at`` are the (non-empty) prefix of comment lines."""
    for i in range(len(prefix)):
        if data[at + i] != prefix[i]:
            return False
    return len(prefix) > 0


@inner
def judge_rows(block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output) -> None:
    """Writes where each row of the window lies, and its reason if it is bad as a whole.

    A column that a row lacks becomes an empty field; so do all columns of a bad row.
    """
    rows, state, bounds, raw = s.rows, s.state, s.bounds, s.raw
    numbers, smalls, verdicts = out.numbers, out.smalls, out.verdicts
    first, limit = state[k.STATE_ROW], spec.settings[k.ROW_BYTES]
    width_min, width_max = spec.settings[k.WIDTH_MIN], spec.settings[k.WIDTH_MAX]
    for r in range(state[k.STATE_COUNT]):
        row, width, reason = b.U(first + r), rows[k.ROW_WIDTH, r], rows[k.ROW_REASON, r]
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
        smalls[k.BYTE_LENGTH, row], smalls[k.FLAGS, row] = length, 0
        verdicts[k.REASON, row], verdicts[k.REASON_FIELD, row] = reason, -1
        if reason != 0:
            numbers[k.FAULT_BEGIN, row], numbers[k.FAULT_LENGTH, row] = 0, 0
