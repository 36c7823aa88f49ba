"""Telephone numbers as switches write them -> E.164 digits in int64, by the dialling rules.

One pass over the bytes reads the digits into ``head`` (the first 18) and ``tail`` (the others);
all prefixes are then taken off by comparing and subtracting, never by dividing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.hash_kernels import Texts, number_slot
from tollbook.jit import kernel

SERVED, OTHER, THIRD = 0, 1, 2  # which party's column a call of ``normalise`` works on
HEAD_DIGITS = 18  # decimal digits that int64 always holds
DIGITS_MAX = 30  # more digits than any dialled number can have
E164_DIGITS_MIN, E164_DIGITS_MAX = 7, 15
MALFORMED = -1

# What a text is made of.
EMPTY, DIGITS, PLUS_DIGITS, WORDS, MARKS = 0, 1, 2, 3, 4
KINDS = 5


class Prefixes(NamedTuple):
    """Prefixes of dialled digits, longest first: their value, and how many digits they have."""

    value: np.ndarray  # int64
    size: np.ndarray  # int64


class DiallingRules(NamedTuple):
    """The numbering plan. ``power``: int64, 10**0 .. 10**18. Sizes are counts of digits.

    source_prefix: int64, country code and area of each source, -1 where it has no area.
    special_slots: int32 hash table over special_key (int64: "1" and the dialled digits); the row
    of the special number is in special_row (int32).
    absent: int8 [party, kind of text, service, direction], 1 where a record is complete although
    that party is no telephone number.
    """

    power: np.ndarray
    international: Prefixes
    national: Prefixes
    access_codes: Prefixes
    access_code_row: np.ndarray
    country: Prefixes
    national_min: int
    national_max: int
    mobile_min: int
    mobile_max: int
    local_min: int
    local_max: int
    source_prefix: np.ndarray
    special_slots: np.ndarray
    special_key: np.ndarray
    special_row: np.ndarray
    special_size_max: int
    absent: np.ndarray
    flag_special: int
    flag_access_code: int


class NumberRows(NamedTuple):
    """Columns that say which rows are read, and what they may leave out (read-only)."""

    source_index: np.ndarray  # int16
    service: np.ndarray  # int8
    direction: np.ndarray  # int8


class NumberResults(NamedTuple):
    """What is written; ``reason``, ``reason_field`` and ``flags`` come filled from the batch."""

    e164: np.ndarray  # int64
    access_code_index: np.ndarray  # int16
    special_index: np.ndarray  # int32
    flags: np.ndarray  # int32
    reason: np.ndarray  # int16
    reason_field: np.ndarray  # int16


@kernel
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


@kernel
def scan(data: np.ndarray, first: int, last: int) -> tuple[int, int, int, int]:
    """Kind of a text, its count of digits, and their value: the first 18, and those behind."""
    head, tail, count = np.int64(0), np.int64(0), 0
    plus = letters = marks = False
    for place in range(first, last):
        mark = np.int64(data[place])
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


@kernel
def match_prefix(prefixes: Prefixes, power: np.ndarray, head: int, size: int) -> int:
    """Position of the first prefix that the ``size`` digits of ``head`` begin with; -1: none."""
    for position in range(len(prefixes.value)):
        rest = size - prefixes.size[position]
        if rest > 0:
            behind = head - prefixes.value[position] * power[rest]
            if 0 <= behind < power[rest]:
                return position
    return -1


@kernel
def whole(power: np.ndarray, head: int, tail: int, tail_size: int) -> int:
    """Head and tail as one number, for at most 18 digits together."""
    return head * power[tail_size] + tail


@kernel
def international(power: np.ndarray, head: int, size: int, tail: int, tail_size: int) -> int:
    """Digits with a country code -> E.164, or MALFORMED."""
    count = size + tail_size
    if count < E164_DIGITS_MIN or count > E164_DIGITS_MAX:
        return MALFORMED
    number = whole(power, head, tail, tail_size)
    return number if number >= power[count - 1] else MALFORMED


@kernel
def dialled(
    rules: DiallingRules, head: int, size: int, tail: int, tail_size: int, source: int
) -> int:
    """Digits as dialled in the operator's country -> E.164, or MALFORMED."""
    power = rules.power
    found = match_prefix(rules.international, power, head, size)
    if found >= 0:
        rest = size - rules.international.size[found]
        behind = head - rules.international.value[found] * power[rest]
        return international(power, behind, rest, tail, tail_size)
    if size + tail_size > HEAD_DIGITS:
        return MALFORMED
    number, count = whole(power, head, tail, tail_size), size + tail_size
    country, country_size = rules.country.value[0], rules.country.size[0]
    found = match_prefix(rules.national, power, number, count)
    if found >= 0:
        rest = count - rules.national.size[found]
        behind = number - rules.national.value[found] * power[rest]
        fits = rules.national_min <= rest <= rules.national_max or (
            rules.mobile_min <= rest <= rules.mobile_max
        )
        if fits and rest + country_size <= E164_DIGITS_MAX and behind >= power[rest - 1]:
            return country * power[rest] + behind
    # Where a national prefix is dialled, no number without it begins with a zero.
    zero = count == 0 or (number < power[count - 1] and len(rules.national.value) > 0)
    if not zero and rules.mobile_min <= count <= rules.mobile_max:
        return country * power[count] + number
    area = rules.source_prefix[source]
    if not zero and area > 0 and rules.local_min <= count <= rules.local_max:
        return area * power[count] + number
    if match_prefix(rules.country, power, number, count) >= 0:
        rest = count - country_size
        if rules.national_min <= rest <= rules.national_max or (
            rules.mobile_min <= rest <= rules.mobile_max
        ):
            return international(power, number, count, 0, 0)
    return MALFORMED


@kernel
def find_special(rules: DiallingRules, head: int, size: int) -> int:
    """Row of the special number that is exactly these dialled digits; -1: none."""
    if size == 0 or size > rules.special_size_max:
        return -1
    key = rules.power[size] + head
    mask = len(rules.special_slots) - 1
    slot = number_slot(key, mask)
    while rules.special_slots[slot] >= 0:
        if rules.special_key[rules.special_slots[slot]] == key:
            return np.int64(rules.special_row[rules.special_slots[slot]])
        slot = (slot + 1) & mask
    return -1


@kernel
def other_number(
    rules: DiallingRules, head: int, size: int, tail: int, tail_size: int, source: int
) -> tuple[int, int, int]:
    """What the served party dialled: E.164 (0: a special number), access code row, special row."""
    if tail_size == 0:
        special = find_special(rules, head, size)
        if special >= 0:
            return 0, -1, special
    code = match_prefix(rules.access_codes, rules.power, head, size)
    if code >= 0:
        rest = size - rules.access_codes.size[code]
        behind = head - rules.access_codes.value[code] * rules.power[rest]
        number = dialled(rules, behind, rest, tail, tail_size, source)
        if number != MALFORMED:
            return number, np.int64(rules.access_code_row[code]), -1
    return dialled(rules, head, size, tail, tail_size, source), -1, -1


@kernel
def normalise(
    rules: DiallingRules, texts: Texts, rows: NumberRows, party: int, fault: int, field: int,
    results: NumberResults,
) -> None:  # fmt: skip
    """One party's column of raw texts -> ``results.e164`` (0: no telephone number).

    party: SERVED, OTHER or THIRD. A text that fits no rule sets reason ``fault`` and ``field``.
    Rows that already have a reason keep 0. Special numbers and access codes belong to dialled
    numbers: they are found for OTHER and THIRD, and written for OTHER.
    """
    for row in range(len(results.e164)):
        results.e164[row] = 0
        if results.reason[row] != 0:
            continue
        first, last = texts.offsets[row], texts.offsets[row + 1]
        kind, count, head, tail = scan(texts.data, first, last)
        if kind == WORDS:
            start, end = uri_part(texts.data, first, last)
            if end - start != last - first:
                kind, count, head, tail = scan(texts.data, start, end)
        size = min(count, HEAD_DIGITS)
        number, code, special = MALFORMED, -1, -1
        if kind == PLUS_DIGITS:
            number = international(rules.power, head, size, tail, count - size)
        elif kind == DIGITS:
            source = rows.source_index[row]
            if party == SERVED:
                number = dialled(rules, head, size, tail, count - size, source)
            else:
                number, code, special = other_number(
                    rules, head, size, tail, count - size, source
                )
        if number >= 0:
            results.e164[row] = number
            if party == OTHER and code >= 0:
                results.access_code_index[row] = code
                results.flags[row] |= rules.flag_access_code
            if party == OTHER and special >= 0:
                results.special_index[row] = special
                results.flags[row] |= rules.flag_special
        elif rules.absent[party, kind, rows.service[row], rows.direction[row]] == 0:
            results.reason[row] = fault
            results.reason_field[row] = field
