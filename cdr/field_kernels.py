"""One column of a window of rows at a time: bytes to integers and codes, with a reason a row.

Every function reads the fields that ``locate`` has found (``Scratch.low`` and ``length``), writes
one value a row and notes faults; the first fault of a row stays.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.spec_kernels import Int, Word
from tollbook.jit import inner

MINUS, POINT, ZERO = 45, 46, 48
LENGTH_MIX: Final = b.U(k.LENGTH_MIX)


@inner
def judge_fields(op: np.ndarray, first_row: Int, s: k.Scratch, out: k.Output) -> None:
    """Rows in which an op found a fault are bad for that reason, unless they were bad before."""
    fault, raw, numbers, verdicts = s.fault, s.raw, out.numbers, out.verdicts
    column = op[k.OP_COLUMN]
    for r in range(s.state[k.STATE_COUNT]):
        row = first_row + r
        if fault[r] != 0 and verdicts[k.REASON, row] == 0:
            verdicts[k.REASON, row], verdicts[k.REASON_FIELD, row] = fault[r], op[k.OP_FIELD]
            numbers[k.FAULT_BEGIN, row] = raw[column, r] + 1
            numbers[k.FAULT_LENGTH, row] = raw[column + 1, r] - raw[column, r] - 1
        fault[r] = 0
    s.state[k.STATE_FAULTS] = 0


@inner
def head_of(source: np.ndarray, at: Int, length: Int) -> Word:
    """The first eight bytes of a field as a word, zeros behind a shorter one."""
    half = b.U(8 - min(length, 8)) << b.S2  # half the bits to clear: 64 at once are undefined
    return b.load8(source, at) & ((b.ALL_ONES >> half) >> half)


@inner
def follow(source: np.ndarray, at: Int, length: Int, word: Int, spec: k.Spec) -> Int:
    """The word of a chain that a field of more than eight bytes is, from ``word`` on; 0: none."""
    while word > 0:
        begin, differs = spec.words[word, k.WORD_BEGIN], 0
        for i in range(8, length):
            differs |= source[at + i] ^ spec.pool[begin + i]
        if differs == 0:
            break
        word = spec.words[word, k.WORD_NEXT]
    return word


@inner
def find_words(source: np.ndarray, group: Int, spec: k.Spec, s: k.Scratch) -> None:
    """The word of a group that each located field is, to ``s.word``; 0 where it is none.

    One look by a hash without collisions: which word comes cannot be foretold, and a wrongly
    foretold branch costs more than the hash.
    """
    low, lengths, found, slots, heads = s.low, s.length, s.word, spec.slots, spec.heads
    words, first = spec.words, spec.groups[group, k.GROUP_SLOT]
    shift, multiplier = spec.groups[group, k.GROUP_SHIFT], spec.groups[group, k.GROUP_MULTIPLIER]
    for r in range(s.state[k.STATE_COUNT]):
        at, length = np.int64(low[r]), np.int64(lengths[r])
        head = head_of(source, at, length)
        mixed = (head ^ (b.U(length) * LENGTH_MIX)) * multiplier
        word = np.int64(slots[first + (mixed >> shift)])
        is_same = (heads[word] == head) & (words[word, k.WORD_LENGTH] == length)
        found[r] = word if is_same else 0
        if length > 8 and is_same:
            found[r] = follow(source, at, length, word, spec)


@inner
def trim(source: np.ndarray, s: k.Scratch) -> None:
    """Takes blanks and tabs off both ends of the located fields."""
    lows, lengths = s.low, s.length
    for r in range(s.state[k.STATE_COUNT]):
        low, end = lows[r], lows[r] + lengths[r]
        while low < end and (source[low] == 32 or source[low] == 9):
            low += 1
        while end > low and (source[end - 1] == 32 or source[end - 1] == 9):
            end -= 1
        lows[r], lengths[r] = low, end - low


@inner
def locate(source: np.ndarray, op: np.ndarray, trims: bool, spec: k.Spec, s: k.Scratch) -> Int:
    """Finds the op's field in every row; one that is empty, null or at fault has length 0.

    Returns the length of the longest field that was there.
    """
    state, fault, lows, lengths, column = s.state, s.fault, s.low, s.length, op[k.OP_COLUMN]
    count = state[k.STATE_COUNT]
    before, behind, found = s.bounds[column], s.bounds[column + 1], s.word
    most, is_required = op[k.OP_MAX_BYTES], op[k.OP_REQUIRED] != 0
    longest, shortest = np.int32(0), np.int32(1)
    for r in range(count):
        begin = before[r] + np.int32(1)
        size = behind[r] - begin
        lows[r], lengths[r] = begin, size
        longest, shortest = max(longest, size), min(shortest, size)
    if trims:
        trim(source, s)
    nulls = op[k.OP_NULLS]
    if nulls > 0:
        find_words(source, nulls, spec, s)
    elif not trims and longest <= most and (shortest > 0 or not is_required):
        return longest
    for r in range(count):
        if lengths[r] > most:
            fault[r], state[k.STATE_FAULTS] = k.FIELD_TOO_LONG, 1
            lengths[r] = 0
        elif lengths[r] == 0 or (nulls > 0 and found[r] > 0):
            lengths[r] = 0
            if is_required:
                fault[r], state[k.STATE_FAULTS] = k.FIELD_MISSING, 1
    return longest


@inner
def integer(source: np.ndarray, at: Int, length: Int) -> Int:
    """The integer that 1 or more bytes spell; -1: malformed, -2: negative or beyond 18 digits."""
    value = b.digits(source, at, length) if length <= 18 else -1
    if value >= 0:
        return value
    begin = 1 if source[at] == MINUS and length > 1 else 0
    if begin == 0 and length <= 18:
        return -1
    for i in range(begin, length):
        if source[at + i] < 48 or source[at + i] > 57:
            return -1
    return -2


@inner
def scaled(value: Int, rest: Int, per: Int, rounding: Int) -> Int:
    """``value + rest / per`` rounded; -1 where ``rest`` is not 0 and nothing may be rounded."""
    if rest == 0 or rounding == k.ROUND_DOWN:
        return value
    if rounding == k.ROUND_UP:
        return value + 1
    if rounding == k.ROUND_NEAREST:
        return value + (1 if rest >= per - rest else 0)
    return -1


@inner
def decimal(source: np.ndarray, at: Int, length: Int, op: np.ndarray) -> Int:
    """A decimal in units of the column, rounded; -1: malformed, -2: out of range.

    Digits must stand on both sides of the point, at most nine of them behind it.
    """
    times, largest, end, point = op[k.OP_A], op[k.OP_D] // op[k.OP_A], at + length, at
    while point < end and source[point] != POINT:
        point += 1
    whole = integer(source, at, point - at) if point > at else -1
    if whole < 0 or point == end:
        return -2 if whole > largest else (whole * times if whole >= 0 else whole)
    while end > point + 2 and source[end - 1] == ZERO:
        end -= 1
    decimals = end - point - 1
    part = b.digits(source, point + 1, decimals) if 0 < decimals <= 9 else -1
    if part < 0:
        return -1
    scale = np.int64(1)
    for _ in range(decimals):
        scale *= 10
    if whole >= largest:
        return -2
    return scaled(whole * times + part * times // scale, part * times % scale, scale, op[k.OP_C])


@inner
def clock(source: np.ndarray, at: Int, length: Int, op: np.ndarray, items: np.ndarray) -> Int:
    """A duration written as a clock, in seconds, rounded; -1: malformed.

    Minutes and seconds reach 60 only where nothing larger stands before them.
    """
    end, total, larger = at + length, np.int64(0), False
    for item in range(op[k.OP_B], op[k.OP_B] + op[k.OP_E]):
        code, size = items[item, 0], items[item, 1]
        if code == k.CLOCK_LITERAL:
            if at >= end or source[at] != size:
                return -1
            at += 1
            continue
        if size == 0:
            most = 9 if code == k.CLOCK_FRACTION else k.CLOCK_DIGITS
            while size < most and at + size < end and b.is_digit(source[at + size]):
                size += 1
        value = b.digits(source, at, size) if size > 0 and at + size <= end else -1
        if value < 0 or (larger and value > 59 and code != k.CLOCK_FRACTION):
            return -1
        at += size
        larger = True
        scale = np.int64(1_000_000_000)
        if code == k.CLOCK_HOUR:
            scale *= 3600
        elif code == k.CLOCK_MINUTE:
            scale *= 60
        elif code == k.CLOCK_FRACTION:
            for _ in range(size):
                scale //= 10
        total += value * scale
    if at != end:
        return -1
    return scaled(total // 1_000_000_000, total % 1_000_000_000, 1_000_000_000, op[k.OP_C])


@inner
def read_short(source: np.ndarray, first_row: Int, s: k.Scratch, target: np.ndarray) -> Int:
    """Reads a window of numbers of at most eight digits without a branch.

    Rows whose field is none are listed in ``s.word``; returns how many.
    """
    low, lengths, odd, count = s.low, s.length, s.word, np.int64(0)
    for r in range(s.state[k.STATE_COUNT]):
        length: Int = np.int64(lengths[r])
        spare = b.U(8 - min(length, 8)) << b.S2  # half the bits to shift out: 64 are undefined
        word = (b.load8(source, np.int64(low[r])) << spare) << spare
        word |= (b.ZEROS >> (b.S32 - spare)) >> (b.S32 - spare)
        odd[count] = r
        count += (b.not_digits(word) != b.NO_BITS) | (length > 8)
        word &= b.LOW_NIBBLE
        word = (word * b.TEN + (word >> b.S8)) & b.PAIRS
        word = (word * b.HUNDRED + (word >> b.S16)) & b.QUADS
        target[first_row + r] = np.int64((word * b.MYRIAD + (word >> b.S32)) & b.HALF)
    return count


@inner
def quantity(source: np.ndarray, at: Int, length: Int, op: np.ndarray) -> Int:
    """A whole number in the column's unit, rounded; -1: malformed, -2: out of range."""
    if length < op[k.OP_E] or length > op[k.OP_F]:
        return -1
    times, per, value = op[k.OP_A], op[k.OP_B], integer(source, at, length)
    if value > op[k.OP_D] // times:
        return -2
    if value <= 0:
        return value
    if per == 1:
        return value * times
    return scaled(value * times // per, value * times % per, per, op[k.OP_C])


@inner
def read_quantity(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Whole numbers, decimals and clocks -> the column's unit; IMSI and IMEI."""
    target, kind, rows = out.numbers[op[k.OP_SLOT]], op[k.OP_KIND], s.word
    count: Int = np.int64(s.state[k.STATE_COUNT])
    if kind == k.KIND_QUANTITY and op[k.OP_A] == op[k.OP_B] and op[k.OP_E] <= 1:
        count = read_short(source, first_row, s, target)
    else:
        for r in range(count):
            rows[r] = r
    for i in range(count):
        row = np.int64(rows[i])
        at, length = np.int64(s.low[row]), np.int64(s.length[row])
        value: Int = np.int64(0)
        if length > 0 and kind == k.KIND_DECIMAL:
            value = decimal(source, at, length, op)
        elif length > 0 and kind == k.KIND_CLOCK:
            value = clock(source, at, length, op, spec.items)
        elif length > 0:
            value = quantity(source, at, length, op)
        if value < 0:
            s.fault[row] = op[k.OP_G] if value == -1 else k.INTEGER_OUT_OF_RANGE
            s.state[k.STATE_FAULTS] = 1
            value = 0
        target[first_row + row] = value


@inner
def read_word(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Words of a closed list -> their codes; or the rows to keep, by what the list says of them."""
    rule, lengths, words, found = op[k.OP_D], s.length, spec.words, s.word
    fault, state = s.fault, s.state
    find_words(source, op[k.OP_A], spec, s)
    if rule == k.RULE_CODE:
        codes = out.codes[op[k.OP_SLOT]]
        for r in range(s.state[k.STATE_COUNT]):
            codes[first_row + r] = words[found[r], k.WORD_CODE]
            if found[r] == 0 and lengths[r] > 0:
                fault[r], state[k.STATE_FAULTS] = op[k.OP_C], 1
        return
    for r in range(s.state[k.STATE_COUNT]):
        if (found[r] > 0) == (rule == k.RULE_UNLESS):
            fault[r], state[k.STATE_FAULTS] = op[k.OP_C], 1
