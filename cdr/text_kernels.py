"""Text columns of a window of rows: fields to UTF-8 and to telephone numbers.

A few rows' fields are copied as they are, and what was copied is looked at in one piece. Few pieces
hold anything that is out of the usual, and only their fields are looked at one by one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.spec_kernels import Int
from tollbook.jit import inner

PIECE_ROWS: Final = 64


@inner
def copy_texts(
    source: np.ndarray, op: np.ndarray, first_row: Int, begin: Int, end: Int, s: k.Scratch,
    out: k.Output,
) -> None:  # fmt: skip
    """Fields of the window's rows ``begin`` .. ``end`` as they are. Sixteen bytes are moved whether
    a field has as many or not: how long the next one is cannot be foretold."""
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    low, lengths, to = s.low, s.length, np.int64(offsets[first_row + begin])
    for r in range(begin, end):
        at: Int = np.int64(low[b.U(r)])
        length: Int = np.int64(lengths[b.U(r)])
        b.store8(target, to, b.load8(source, at))
        b.store8(target, to + 8, b.load8(source, at + 8))
        done = 16
        while done < length:
            b.store8(target, to + done, b.load8(source, at + done))
            done += 8
        to += length
        offsets[b.U(first_row + r + 1)] = to


@inner
def check_texts(
    source: np.ndarray, op: np.ndarray, first_row: Int, begin: Int, end: Int, encoding: Int,
    s: k.Scratch, out: k.Output,
) -> None:  # fmt: skip
    """The same for fields that may hold bytes that may not be stored as they are."""
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    low, lengths, to = s.low, s.length, np.int64(offsets[first_row + begin])
    for r in range(begin, end):
        at: Int = np.int64(low[r])
        length: Int = np.int64(lengths[r])
        length = b.copy_checked(source, at, length, target, to, encoding)
        if length < 0:
            s.fault[r] = k.TEXT_NOT_UTF8 if length == -1 else k.TEXT_CONTROL_CHARACTER
            s.state[k.STATE_FAULTS] = 1
            length = 0
        to += length
        offsets[first_row + r + 1] = to


@inner
def read_text(
    source: np.ndarray, op: np.ndarray, first_row: Int, longest: Int, block: np.ndarray,
    spec: k.Spec, s: k.Scratch, out: k.Output,
) -> None:  # fmt: skip
    """Fields as UTF-8; pieces are looked at if the block holds anything but printable ASCII."""
    count, encoding = s.state[k.STATE_COUNT], spec.settings[k.ENCODING]
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    if longest == 0:
        offsets[first_row + 1 : first_row + count + 1] = offsets[first_row]
        return
    for begin in range(0, count, PIECE_ROWS):
        end: Int = min(begin + PIECE_ROWS, count)
        copy_texts(source, op, first_row, begin, end, s, out)
        at, behind = offsets[first_row + begin], offsets[first_row + end]
        if block[k.IS_CHECKED] != 0 and not b.is_plain(target, np.int64(at), np.int64(behind)):
            check_texts(source, op, first_row, begin, end, encoding, s, out)


@inner
def is_number(source: np.ndarray, at: Int, length: Int, allowed: np.ndarray) -> bool:
    """Whether every byte may stand in a telephone number (or the name of a SIP user)."""
    good = 1
    for i in range(length):
        good &= allowed[source[at + i]]
    return good != 0


@inner
def check_numbers(
    op: np.ndarray, first_row: Int, begin: Int, end: Int, allowed: np.ndarray, s: k.Scratch,
    out: k.Output,
) -> None:  # fmt: skip
    """Takes out of the numbers that were copied those in which a byte stands that may not."""
    offsets, text = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    at = np.int64(offsets[first_row + begin])
    to: Int = at
    for r in range(begin, end):
        length: Int = np.int64(s.length[r])
        if is_number(text, at, length, allowed):
            for i in range(length):
                text[to + i] = text[at + i]
            to += length
        else:
            s.fault[r], s.state[k.STATE_FAULTS] = k.NUMBER_MALFORMED, 1
        at += length
        offsets[first_row + r + 1] = to


@inner
def read_number(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Telephone numbers as text: digits, with a plus or without, or other signs by table."""
    count, offsets = s.state[k.STATE_COUNT], out.offsets[op[k.OP_SLOT]]
    for begin in range(0, count, PIECE_ROWS):
        end: Int = min(begin + PIECE_ROWS, count)
        copy_texts(source, op, first_row, begin, end, s, out)
        at, behind = offsets[first_row + begin], offsets[first_row + end]
        if not b.is_dialled(out.texts[op[k.OP_SLOT]], np.int64(at), np.int64(behind)):
            check_numbers(op, first_row, begin, end, spec.number_bytes, s, out)
