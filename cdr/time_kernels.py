"""Times of records -> UTC seconds and the record's own offset, through the zone's table.

A local time that the clock shows twice is taken as its first occurrence and flagged; one that the
clock skips is refused. Fractions of a second are cut off: a start is the second in which it lies.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cdr import bytes_kernels as b
from cdr import spec_kernels as k
from cdr.field_kernels import integer
from cdr.spec_kernels import Int, Word
from tollbook.jit import inner

DAY_S: Final = 86_400
YEAR_FIRST, YEAR_LAST = 1970, 2100
LAST_UTC_S: Final = 4_133_980_799  # the end of 2100
NEAR_S: Final = 2 * DAY_S  # no two offsets of a zone differ by as much
NONE: Final = -(2**40)  # no offset was read
# The signs of "2003-06-" and "06:59:50", where they stand, and the zeros that may stand there.
DATE_SIGNS, CLOCK_SIGNS = b.U(0x2D00002D00000000), b.U(0x00003A00003A0000)
DATE_PLACES, CLOCK_PLACES = b.U(0xFF0000FF00000000), b.U(0x0000FF0000FF0000)
TWO_BYTES, SIX_BYTES = b.U(0xFFFF), b.U(0xFFFFFFFFFFFF)


@inner
def day_number(year: Int, month: Int, day: Int) -> Int:
    """Days since 1970-01-01; -1 for a day that no calendar of 1970..2100 has."""
    if year < YEAR_FIRST or year > YEAR_LAST or month < 1 or month > 12 or day < 1 or day > 31:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > 30 and (month == 4 or month == 6 or month == 9 or month == 11):
        return -1
    if month == 2 and day > (29 if leap else 28):
        return -1
    # Years that begin in March, so that the leap day comes last.
    y = year - 1 if month <= 2 else year
    m = month + 9 if month <= 2 else month - 3
    return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719_468


@inner
def second_of_day(hour: Int, minute: Int, second: Int) -> Int:
    """-1 for what no clock shows (a leap second is not counted by UTC seconds)."""
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    return hour * 3600 + minute * 60 + second


@inner
def fixed_day(date: Word, source: np.ndarray, at: Int) -> Int:
    """Day number of ``2003-06-`` (in ``date``) and ``10`` at ``at``; -1: malformed."""
    if date & DATE_PLACES != DATE_SIGNS:
        return -1
    number = b.digits8((date & ~DATE_PLACES) | (b.ZEROS & DATE_PLACES))
    return day_number(number // 10_000, number // 10 % 100, b.two_digits(source, at))


@inner
def fixed_second(clock: Word) -> Int:
    """Second of the day of ``06:59:50``; -1: malformed."""
    if clock & CLOCK_PLACES != CLOCK_SIGNS:
        return -1
    if b.not_digits((clock & ~CLOCK_PLACES) | (b.ZEROS & CLOCK_PLACES)) != b.NO_BITS:
        return -1
    clock &= b.LOW_NIBBLE
    pairs = clock * b.TEN + (clock >> b.S8)  # in each byte: ten times its digit and the next one
    hour, minute = pairs & b.BYTE, (pairs >> b.S24) & b.BYTE
    return second_of_day(np.int64(hour), np.int64(minute), np.int64((pairs >> b.S48) & b.BYTE))


@inner
def read_offset(source: np.ndarray, at: Int, end: Int) -> tuple[Int, Int]:
    """``Z``, ``+08:00``, ``+0800`` or ``+08``: (seconds, the place behind); NONE: malformed."""
    if at >= end:
        return NONE, at
    sign = source[at]
    if sign == 90:
        return 0, at + 1
    if (sign != 43 and sign != 45) or at + 3 > end:
        return NONE, at
    hours, minutes = b.two_digits(source, at + 1), 0
    at += 3
    if at < end and (source[at] == 58 or (source[at] >= 48 and source[at] <= 57)):
        at += source[at] == 58
        minutes = b.two_digits(source, at) if at + 2 <= end else -1
        at += 2
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return NONE, at
    seconds = hours * 3600 + minutes * 60
    return (-seconds if sign == 45 else seconds), at


@inner
def skip_digits(source: np.ndarray, at: Int, end: Int) -> Int:
    """The place behind a run of digits."""
    while at < end and source[at] >= 48 and source[at] <= 57:
        at += 1
    return at


@inner
def tail_offset(source: np.ndarray, at: Int, end: Int, form: Int) -> Int:
    """The offset behind the seconds, after a fraction where ISO 8601 allows one; NONE if bad."""
    if form == k.FORMAT_ISO and at < end and (source[at] == 46 or source[at] == 44):
        behind = skip_digits(source, at + 1, end)
        if behind == at + 1:
            return NONE
        at = behind
    offset, behind = read_offset(source, at, end)
    return offset if behind == end else NONE


@inner
def zone_place(utc_s: Int, since: np.ndarray, first: Int, count: Int) -> Int:
    """Index of the entry of a zone's table that holds at an instant."""
    low, high = first, first + count
    while high - low > 1:
        middle = (low + high) >> 1
        if since[middle] <= utc_s:
            low = middle
        else:
            high = middle
    return low


@inner
def settle_time(
    op: np.ndarray, row: Int, local_s: Int, spec: k.Spec, known: np.ndarray, out: k.Output
) -> Int:
    """Writes a start that was read as local time: the zone's table decides what it is in UTC.

    Returns the reason if it is none. ``known`` keeps a span of local times that have one offset,
    for the rows that follow.
    """
    since, offsets, end = spec.zone_since, spec.zone_offset, op[k.OP_D] + op[k.OP_E]
    place = zone_place(local_s - NEAR_S, since, op[k.OP_D], op[k.OP_E])
    found: Int = NONE
    hits = 0
    while place < end and since[place] < local_s + NEAR_S:
        offset, begin = offsets[place], since[place]
        behind = since[place + 1] if place + 1 < end else 2**62
        if begin <= local_s - offset < behind:
            found = offset if hits == 0 else found
            hits += 1
            if begin + NEAR_S <= local_s - offset < behind - NEAR_S:
                known[0], known[1] = begin + NEAR_S + offset, behind - NEAR_S + offset
                known[2] = offset
        place += 1
    if hits == 0:
        return k.TIME_NOT_ON_CLOCK
    if local_s < found or local_s - found > LAST_UTC_S:
        return k.TIME_MALFORMED
    out.numbers[k.START, row], out.smalls[k.UTC_OFFSET, row] = local_s - found, found
    if hits > 1:
        out.smalls[k.FLAGS, row] |= k.FLAG_AMBIGUOUS_CLOCK
    return 0


@inner
def read_fixed(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """``2003-06-10T06:59:50``, local or with an offset; what the row before had is remembered."""
    form, sign, shift = op[k.OP_A], op[k.OP_B], np.int64(NONE)
    last_date, last_two, last_tail, day = b.NO_BITS, b.NO_BITS, b.NO_BITS, np.int64(-1)
    low, lengths, fault, known, state = s.low, s.length, s.fault, s.known, s.state
    starts, offsets = out.numbers[k.START], out.smalls[k.UTC_OFFSET]
    for r in range(s.state[k.STATE_COUNT]):
        at, length, row = np.int64(low[r]), np.int64(lengths[r]), first_row + r
        if length == 0:
            starts[row], offsets[row] = 0, 0
            continue
        second, is_whole = np.int64(-1), False
        if length >= 19:
            date, two = b.load8(source, at), b.load8(source, at + 8)
            if date != last_date or two & TWO_BYTES != last_two:
                day, last_date, last_two = fixed_day(date, source, at + 8), date, two & TWO_BYTES
            between = np.int64((two >> b.S16) & b.BYTE)
            # ISO 8601 has a T, or the blank that many write.
            if between == sign or (sign < 0 and (between == 84 or between == 32)):
                second = fixed_second(b.load8(source, at + 11))
            is_whole = length == 19
            if form != k.FORMAT_LOCAL:
                tail = b.load8(source, at + 19) & SIX_BYTES
                if length != 25 or tail != last_tail:
                    shift = tail_offset(source, at + 19, at + length, form)
                    last_tail = tail if length == 25 else b.NO_BITS
                is_whole = shift != NONE
        local_s = day * DAY_S + second
        is_good = day >= 0 and second >= 0 and is_whole
        if form == k.FORMAT_LOCAL:
            if is_good and not known[0] <= local_s < known[1]:
                starts[row], offsets[row] = 0, 0
                fault[r] = settle_time(op, row, local_s, spec, known, out)
                state[k.STATE_FAULTS] |= fault[r]
                continue
            shift = known[2]
        if not is_good or local_s < shift or local_s - shift > LAST_UTC_S:
            starts[row], offsets[row] = 0, 0
            fault[r], state[k.STATE_FAULTS] = k.TIME_MALFORMED, 1
            continue
        starts[row], offsets[row] = local_s - shift, shift


@inner
def read_epoch(source: np.ndarray, at: Int, length: Int, code: Int) -> Int:
    """Seconds or milliseconds since 1970 as UTC seconds; -1: malformed or beyond 2100."""
    value = integer(source, at, length)
    if code == k.ITEM_EPOCH_MS and value >= 0:
        value //= 1000
    return value if value <= LAST_UTC_S else -1


@inner
def read_items(
    source: np.ndarray, at: Int, end: Int, op: np.ndarray, items: np.ndarray
) -> tuple[Int, Int, Int]:
    """A time by the items of its format: (day, second of day, offset).

    The day or the second is -1 where the format has none; both are -2 where the time is malformed.
    """
    fault: Int = np.int64(-2)
    year: Int = np.int64(-1)
    month, day, hour, minute, second = year, year, year, year, year + 1
    offset: Int = np.int64(NONE)
    for item in range(op[k.OP_B], op[k.OP_B] + op[k.OP_C]):
        code, behind = items[item, 0], at
        if code == k.ITEM_FRACTION:
            behind = skip_digits(source, at, end)
        elif code == k.ITEM_OFFSET:
            offset, behind = read_offset(source, at, end)
            behind = at if offset == NONE else behind
        else:
            size = 1 if code == k.ITEM_LITERAL else (4 if code == k.ITEM_YEAR else 2)
            behind = at + size if at + size <= end else at
        if behind == at:
            return fault, fault, offset
        if code == k.ITEM_LITERAL:
            if source[at] != items[item, 1]:
                return fault, fault, offset
        elif code == k.ITEM_YEAR:
            year = b.digits(source, at, behind - at)
        elif code == k.ITEM_YEAR_TWO:
            year = b.two_digits(source, at)
            year += (2000 if year < 70 else 1900) if year >= 0 else 0
        elif code == k.ITEM_MONTH:
            month = b.two_digits(source, at)
        elif code == k.ITEM_DAY:
            day = b.two_digits(source, at)
        elif code == k.ITEM_HOUR:
            hour = b.two_digits(source, at)
        elif code == k.ITEM_MINUTE:
            minute = b.two_digits(source, at)
        elif code == k.ITEM_SECOND:
            second = b.two_digits(source, at)
        at = behind
    number, moment = day_number(year, month, day), second_of_day(hour, minute, second)
    part = op[k.OP_F]
    if at != end or (part != k.PART_CLOCK and number < 0) or (part != k.PART_DAY and moment < 0):
        return fault, fault, offset
    return number, moment, offset


@inner
def read_time(
    source: np.ndarray, op: np.ndarray, first_row: Int, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Times of any other format; a day and a clock in two columns meet at the op of the clock."""
    low, lengths, fault, state = s.low, s.length, s.fault, s.state
    starts, offsets = out.numbers[k.START], out.smalls[k.UTC_OFFSET]
    code, part = spec.items[op[k.OP_B], 0], op[k.OP_F]
    is_epoch = code == k.ITEM_EPOCH_S or code == k.ITEM_EPOCH_MS
    absent: Int = np.int64(-1)
    none: Int = np.int64(NONE)
    for r in range(s.state[k.STATE_COUNT]):
        at, length, row = np.int64(low[r]), np.int64(lengths[r]), first_row + r
        starts[row], offsets[row] = 0, 0
        day, second, offset = absent, absent, none
        if length > 0 and is_epoch:
            second = read_epoch(source, at, length, code)
            day = second // DAY_S
            if second >= 0:
                place = zone_place(second, spec.zone_since, op[k.OP_D], op[k.OP_E])
                offset = spec.zone_offset[place]
                second += offset - day * DAY_S
        elif length > 0:
            day, second, offset = read_items(source, at, at + length, op, spec.items)
        is_day_bad = day < 0 and part != k.PART_CLOCK
        if length > 0 and (is_day_bad or second == -2):
            fault[r], state[k.STATE_FAULTS] = k.TIME_MALFORMED, 1
        if part == k.PART_DAY:
            s.days[r] = day
            continue
        if part == k.PART_CLOCK:
            day = s.days[r] if second >= 0 else -1
        local_s = day * DAY_S + second
        if day < 0:
            continue
        if offset == NONE:
            fault[r] = settle_time(op, row, local_s, spec, s.known, out)
            state[k.STATE_FAULTS] |= fault[r]
        elif 0 <= local_s - offset <= LAST_UTC_S:
            starts[row], offsets[row] = local_s - offset, offset
        else:
            fault[r], state[k.STATE_FAULTS] = k.TIME_MALFORMED, 1
