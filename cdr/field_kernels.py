"""One column of a window of rows at a time: bytes to text, integers and codes, with a reason a row.

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
TEXT_ROWS: Final = 64  # whose texts are looked at in one piece


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
def copy_texts(
    source: np.ndarray, op: np.ndarray, first_row: Int, begin: Int, end: Int, s: k.Scratch,
    out: k.Output,
) -> None:  # fmt: skip
    """Fields of the window's rows ``begin`` .. ``end`` as they are. Sixteen bytes are moved whether
    a field has as many or not: how long the next one is cannot be foretold."""
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    low, lengths, to = s.low, s.length, np.int64(offsets[first_row + begin])
    for r in range(begin, end):
        at: Int = np.int64(low[r])
        length: Int = np.int64(lengths[r])
        b.store8(target, to, b.load8(source, at))
        b.store8(target, to + 8, b.load8(source, at + 8))
        done = 16
        while done < length:
            b.store8(target, to + done, b.load8(source, at + done))
            done += 8
        to += length
        offsets[first_row + r + 1] = to


@inner
def check_texts(
    source: np.ndarray, op: np.ndarray, first_row: Int, begin: Int, end: Int, encoding: Int,
    s: k.Scratch, out: k.Output,
) -> None:  # fmt: skip
    """The same for fields that may hold bytes that are not stored as they are."""
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
    """Fields as UTF-8, a few rows at a time.

    Where the block holds bytes that may not be stored as they are, what was copied is looked at in
    one piece; few pieces have any, and only those are copied anew, with all checks.
    """
    count, encoding = s.state[k.STATE_COUNT], spec.settings[k.ENCODING]
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    if longest == 0:
        offsets[first_row + 1 : first_row + count + 1] = offsets[first_row]
        return
    for begin in range(0, count, TEXT_ROWS):
        end: Int = min(begin + TEXT_ROWS, count)
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
def read_number(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Telephone numbers as text: eight digits at a time, other signs by table."""
    offsets, target = out.offsets[op[k.OP_SLOT]], out.texts[op[k.OP_SLOT]]
    low, lengths, fault, state = s.low, s.length, s.fault, s.state
    to, allowed = np.int64(offsets[first_row]), spec.number_bytes
    for r in range(s.state[k.STATE_COUNT]):
        at: Int = np.int64(low[r])
        length: Int = np.int64(lengths[r])
        other, done = b.NO_BITS, 0
        while done < length:
            word = b.load8(source, at + done)
            b.store8(target, to + done, word)
            # Bytes behind the field are shifted out, so that only its own are looked at.
            done += 8
            behind = done - length if done > length else 0
            other |= b.not_digits(word) << (b.U(behind) << b.S3)
        if other != b.NO_BITS and not is_number(source, at, length, allowed):
            fault[r], state[k.STATE_FAULTS] = k.NUMBER_MALFORMED, 1
            length = 0
        to += length
        offsets[first_row + r + 1] = to


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
def read_short(source: np.ndarray, first_row: Int, s: k.Scratch, target: np.ndarray) -> bool:
    """Reads a window of numbers of at most eight digits without a branch; False: one is none."""
    low, lengths, faults = s.low, s.length, b.NO_BITS
    for r in range(s.state[k.STATE_COUNT]):
        spare = b.U(8 - lengths[r]) << b.S2  # half the bits to shift out: 64 at once are undefined
        word = (b.load8(source, np.int64(low[r])) << spare) << spare
        word |= (b.ZEROS >> (b.S32 - spare)) >> (b.S32 - spare)
        faults |= b.not_digits(word)
        word &= b.LOW_NIBBLE
        word = (word * b.TEN + (word >> b.S8)) & b.PAIRS
        word = (word * b.HUNDRED + (word >> b.S16)) & b.QUADS
        target[first_row + r] = np.int64((word * b.MYRIAD + (word >> b.S32)) & b.HALF)
    return bool(faults == b.NO_BITS)


@inner
def read_quantity(
    source: np.ndarray, op: np.ndarray, first_row: Int, longest: Int, spec: k.Spec, s: k.Scratch,
    out: k.Output,
) -> None:  # fmt: skip
    """Whole numbers, decimals and clocks -> the column's unit; IMSI and IMEI."""
    target, is_decimal = out.numbers[op[k.OP_SLOT]], op[k.OP_KIND] == k.KIND_DECIMAL
    is_clock = op[k.OP_KIND] == k.KIND_CLOCK
    times, per, fewest, most = op[k.OP_A], op[k.OP_B], op[k.OP_E], op[k.OP_F]
    largest = op[k.OP_D] // times
    is_plain = not is_decimal and not is_clock
    is_simple = longest <= 8 and longest <= most and fewest <= 1 and is_plain
    if is_simple and times == per and read_short(source, first_row, s, target):
        return
    low, lengths, fault, state = s.low, s.length, s.fault, s.state
    for r in range(s.state[k.STATE_COUNT]):
        at, length = np.int64(low[r]), np.int64(lengths[r])
        value = 0
        if length > 0:
            if is_decimal:
                value = decimal(source, at, length, op)
            elif is_clock:
                value = clock(source, at, length, op, spec.items)
            elif length < fewest or length > most:
                value = -1
            else:
                value = integer(source, at, length)
                if value > largest:
                    value = -2
                elif value >= 0 and per > 1:
                    value = scaled(value * times // per, value * times % per, per, op[k.OP_C])
                elif value >= 0:
                    value *= times
            if value < 0:
                reason = op[k.OP_G] if value == -1 else k.INTEGER_OUT_OF_RANGE
                fault[r], state[k.STATE_FAULTS] = reason, 1
                value = 0
        target[first_row + r] = value


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
