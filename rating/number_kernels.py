"""Telephone numbers as switches write them -> E.164 digits in int64, by the dialling rules.

Digits are read into ``head`` (the first 18) and ``tail`` (the others); all prefixes are then taken
off by comparing and subtracting, never by dividing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cdr.bytes_kernels import digits
from rating.hash_kernels import POSITION_MASK, Texts, byte, number_slot, span
from tollbook.jit import borrows, inlined, inner, kernel

SERVED, OTHER, THIRD, ROUTING = 0, 1, 2, 3  # which party's column a call of ``normalise`` works on
HEAD_DIGITS = 18  # decimal digits that int64 always holds
DIGITS_MAX = 30  # more digits than any dialled number can have
E164_DIGITS_MIN, E164_DIGITS_MAX = 7, 15
MALFORMED = -1
POWER = 10 ** np.arange(HEAD_DIGITS + 1, dtype=np.int64)

# What a text is made of.
EMPTY, DIGITS, PLUS_DIGITS, WORDS, MARKS = 0, 1, 2, 3, 4
KINDS = 5


class NumberingPlan(NamedTuple):
    """How national numbers are dialled: prefixes as their value and count of digits, lengths."""

    country: int
    country_size: int
    national: int
    national_size: int  # 0: no national prefix is dialled
    national_min: int
    national_max: int
    mobile_min: int
    mobile_max: int
    local_min: int
    local_max: int


class DiallingRules(NamedTuple):
    """The numbering plan and all that is dialled besides (read-only).

    international, access_codes: int64 [prefixes, 3], longest first: value, count of digits, row.
    source_prefix: int64, country code and area of each source, -1 where it has no area.
    specials: int64 [special numbers, 2]: "1" and the dialled digits, row of the special number;
    special_slots: int64 hash table over them. special_beginnings: as access_codes, of the special
    numbers of which the table has the beginning.
    absent: int8 [party, kind of text, service, direction], 1 where a record is complete although
    that party is no telephone number.
    """

    plan: NumberingPlan
    international: np.ndarray
    access_codes: np.ndarray
    source_prefix: np.ndarray
    special_slots: np.ndarray
    specials: np.ndarray
    special_size_max: int
    special_beginnings: np.ndarray
    absent: np.ndarray
    flag_special: int
    flag_access_code: int


class NumberRows(NamedTuple):
    """Columns that say which rows are read, and what they may leave out (read-only)."""

    source_index: np.ndarray  # int16
    service: np.ndarray  # int8
    direction: np.ndarray  # int8
    imsi: np.ndarray  # int64


class NumberResults(NamedTuple):
    """What is written; ``reason``, ``reason_field`` and ``flags`` come filled from the batch."""

    e164: np.ndarray  # int64
    access_code_index: np.ndarray  # int16
    special_index: np.ndarray  # int32
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


@inner
@borrows
def uri_part(data: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """The user part of ``sip:user@host``, ``sips:`` or ``tel:``; any other text as it is."""
    colon = first
    while colon < last and colon < first + 5 and data[colon] != 58:
        colon += 1
    if colon >= last or data[colon] != 58 or colon < first + 3:
        return first, last
    a, b, c = data[first] | 32, data[first + 1] | 32, data[first + 2] | 32
    sip = a == 115 and b == 105 and c == 112
    sips = sip and colon == first + 4 and (data[first + 3] | 32) == 115
    tel = a == 116 and b == 101 and c == 108
    if not (((sip or tel) and colon == first + 3) or sips):
        return first, last
    end = colon + 1
    while end < last and data[end] != 64 and data[end] != 59:  # @ ;
        end += 1
    return colon + 1, end


@inlined
@borrows
def scan(data: np.ndarray, first: int, last: int) -> tuple[int, int, int, int]:
    """Kind of a text, its count of digits, and their value: the first 18, and those behind."""
    # Nearly all texts are digits, some behind a plus: these are read eight at a time.
    is_plus = first < last and data[first] == 43
    begin = first + is_plus
    if begin < last <= begin + HEAD_DIGITS and begin + max(last - begin, 8) <= len(data):
        value = int(digits(data, begin, last - begin))
        if value >= 0:
            return PLUS_DIGITS if is_plus else DIGITS, last - begin, value, 0
    head, tail, count = 0, 0, 0
    plus = letters = marks = False
    for place in range(first, last):
        mark = byte(data, place)
        digit = mark - 48
        if 0 <= digit <= 9:
            if count < HEAD_DIGITS:
                head = head * 10 + digit
            elif count < DIGITS_MAX:
                tail = tail * 10 + digit
            count += 1
        elif mark == 43 and count == 0 and not plus:
            plus = True
        elif 97 <= (mark | 32) <= 122 or mark >= 128:
            letters = True
        elif not (mark == 32 or mark == 45 or mark == 46 or mark == 40 or mark == 41):
            marks = True
    kind = PLUS_DIGITS if plus else DIGITS
    if letters:
        kind = WORDS
    elif first == last:
        kind = EMPTY
    elif marks or count == 0 or count > DIGITS_MAX:
        kind = MARKS
    return kind, count, head, tail


@inner
@borrows
def match_prefix(prefixes: np.ndarray, head: int, size: int, least: int) -> int:
    """Position of the first prefix with which the ``size`` digits of ``head`` begin; -1: none.

    least: how many digits there must be behind it.
    """
    for position in range(len(prefixes)):
        rest = size - prefixes[position, 1]
        if rest >= least:
            behind = head - prefixes[position, 0] * POWER[rest]
            if 0 <= behind < POWER[rest]:
                return position
    return -1


@inner
@borrows
def is_national(plan: NumberingPlan, size: int) -> bool:
    """Whether so many digits can be a whole national number."""
    return plan.national_min <= size <= plan.national_max or (
        plan.mobile_min <= size <= plan.mobile_max
    )


@inner
@borrows
def international(plan: NumberingPlan, head: int, size: int, tail: int, tail_size: int) -> int:
    """Digits with a country code -> E.164, or MALFORMED."""
    count = size + tail_size
    if count < E164_DIGITS_MIN or count > E164_DIGITS_MAX:
        return MALFORMED
    number = int(head * POWER[tail_size] + tail)
    rest = count - plan.country_size
    if number // POWER[rest] == plan.country and not is_national(plan, rest):
        return MALFORMED
    return number if number >= POWER[count - 1] else MALFORMED


@inner
@borrows
def national(plan: NumberingPlan, number: int, count: int, area: int) -> int:
    """Digits dialled inside the country -> E.164, or MALFORMED. area: -1 where it is unknown."""
    rest = count - plan.national_size
    if plan.national_size > 0 and rest > 0 and is_national(plan, rest):
        behind = number - plan.national * POWER[rest]
        if POWER[rest - 1] <= behind < POWER[rest]:
            return int(plan.country * POWER[rest] + behind)
    # Where a national prefix is dialled, no number without it begins with a zero.
    if count == 0 or (number < POWER[count - 1] and plan.national_size > 0):
        return MALFORMED
    if plan.mobile_min <= count <= plan.mobile_max:
        return int(plan.country * POWER[count] + number)
    if area > 0 and plan.local_min <= count <= plan.local_max:
        return int(area * POWER[count] + number)
    rest = count - plan.country_size
    if rest > 0 and is_national(plan, rest) and number // POWER[rest] == plan.country:
        return number
    return MALFORMED


@inner
@borrows
def dialled(
    plan: NumberingPlan, prefixes: np.ndarray, head: int, size: int, tail: int, tail_size: int,
    area: int,
) -> int:  # fmt: skip
    """Digits as dialled -> E.164, or MALFORMED. prefixes: the international ones."""
    found = match_prefix(prefixes, head, size, 1)
    if found >= 0:
        rest = size - prefixes[found, 1]
        left = head - prefixes[found, 0] * POWER[rest]
        return international(plan, left, rest, tail, tail_size)
    if size + tail_size > HEAD_DIGITS:
        return MALFORMED
    number = national(plan, head * POWER[tail_size] + tail, size + tail_size, area)
    return number if number >= POWER[E164_DIGITS_MIN - 1] else MALFORMED


@inner
@borrows
def find_special(slots: np.ndarray, specials: np.ndarray, key: int) -> int:
    """Row of the special number whose key ("1" and the dialled digits) this is; -1: none."""
    mask = len(slots) - 1
    slot = number_slot(key, mask)
    while slots[slot] >= 0:
        place = slots[slot] & POSITION_MASK
        if specials[place, 0] == key:
            return int(specials[place, 1])
        slot = (slot + 1) & mask
    return -1


@kernel
@borrows
def normalise(
    rules: DiallingRules, texts: Texts, rows: NumberRows, party: int, fault: int, field: int,
    results: NumberResults,
) -> None:  # fmt: skip
    """One party's column of raw texts -> ``results.e164`` (0: no telephone number).

    party: SERVED, OTHER, THIRD or ROUTING. A text that fits no rule sets reason ``fault`` and
    ``field``. Rows that already have a reason keep 0. Special numbers and access codes belong to
    dialled numbers: they are found for OTHER and THIRD, and written for OTHER.
    """
    # Arrays are taken out of their tuples once: inside the loop numba would count references.
    plan, prefixes, codes, areas, slots, specials, special_size_max, beginnings, absent = rules[:9]
    offsets, data = texts
    source_index, service, direction, imsi = rows
    e164, code_index, special_index, flags, reason, reason_field = results
    for row in range(len(e164)):
        e164[row] = 0
        if reason[row] != 0:
            continue
        first, last = span(offsets, row)
        kind, count, head, tail = scan(data, first, last)
        if kind == WORDS:
            start, end = uri_part(data, first, last)
            if end - start != last - first:
                kind, count, head, tail = scan(data, start, end)
        size = min(count, HEAD_DIGITS)
        behind = count - size
        number, special = MALFORMED, -1
        if kind == PLUS_DIGITS:
            number = international(plan, head, size, tail, behind)
        elif kind == DIGITS:
            area = areas[source_index[row]]
            if party in (OTHER, THIRD):
                if count <= special_size_max:
                    special = find_special(slots, specials, POWER[size] + head)
                if special < 0 and len(beginnings) > 0:
                    place = match_prefix(beginnings, head, size, 0)
                    special = beginnings[place, 2] if place >= 0 else -1
                code = match_prefix(codes, head, size, 1)
                if special >= 0:
                    number = 0
                elif code >= 0:
                    rest = size - codes[code, 1]
                    left = head - codes[code, 0] * POWER[rest]
                    number = dialled(plan, prefixes, left, rest, tail, behind, area)
                    if number != MALFORMED and party == OTHER:
                        code_index[row] = codes[code, 2]
                        flags[row] |= rules.flag_access_code
            if number == MALFORMED:
                number = dialled(plan, prefixes, head, size, tail, behind, area)
        if number >= 0:
            e164[row] = number
            if special >= 0 and party == OTHER:
                special_index[row] = special
                flags[row] |= rules.flag_special
        elif party == SERVED and kind == EMPTY and imsi[row] > 0:
            pass  # guiding looks for the IMSI
        elif absent[party, kind, service[row], direction[row]] == 0:
            reason[row], reason_field[row] = fault, field
