"""Cells of BER records -> canonical values, with what is wrong with them: one form at a time.

A value that is there and bad gives its reason (``tollbook.reasons``); one that is not there gives
nothing at all. The rules are those of delimited files (docs/layouts.md).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdr import layout_fields
from cdr.asn_values import Form
from cdr.ber_cells import Cells, texts_of
from cdr.ber_layout import INTERNATIONAL, SMS_ADDRESS, Rule
from cdr.delimited_spec import NUMBER_SIGNS
from cdr.time_kernels import LAST_UTC_S, YEAR_FIRST, YEAR_LAST
from tollbook import reasons, stage
from tollbook.clock import DAY_S

BYTES_MAX: Final = 255  # of a text or a number, as in delimited files
_CODE: Final = reasons.CODE
# Forms in which no sign can stand that a number may not have.
_PACKED: Final = (Form.DIGITS, Form.SWAPPED, Form.ADDRESS, Form.INTEGER)
# TS 24.008, 10.5.4.7: no number in packed digits is longer; those of an IMSI or IMEI are 16.
_PACKED_NUMBER_MAX: Final = 41
_PACKED_IDENTITY_MAX, _IDENTITY_MAX = 8, 16
LENIENT_MAX: Final = 16  # bytes: what is longer is no value of a wrong form but damage
_NUMBER_BYTES: Final = np.isin(
    np.arange(256), [*NUMBER_SIGNS, *(c for c in range(128) if chr(c).isalnum())]
)
# A control character but tab and line end, as in the texts of delimited files.
_CONTROLS: Final = np.isin(np.arange(256), [c for c in range(32) if c not in (9, 10, 13)] + [127])
_TON_INTERNATIONAL: Final = 1  # TS 24.008: type of number, three bits above the numbering plan
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_LOCAL_BYTES, _STAMP_BYTES, _OFFSET_BYTES = 14, 9, 5
NO_OFFSET: Final = -(2**31)


class Values(NamedTuple):
    """One value a row. values: int64, or a utf8 column; there: it has one; reason: int16, of a
    value that is bad (0: it is good); cells: where it lies, for messages."""

    values: np.ndarray | pa.Array
    there: np.ndarray
    reason: np.ndarray
    cells: Cells


def _reason(is_bad: np.ndarray, name: str) -> np.ndarray:
    return np.where(is_bad, np.int16(_CODE[name]), np.int16(0))


def _mask(column: pa.Array) -> np.ndarray:
    """Which rows of a column are null."""
    found: np.ndarray = column.is_null().to_numpy(zero_copy_only=False)
    return found


def counts(cells: Cells) -> np.ndarray:
    """Which rows have what a condition asks for: any value, and of a number not 0."""
    there: np.ndarray = cells.size >= 0
    if cells.form is Form.INTEGER and there.any():
        there = there & (cells.column().fill_null(1).to_numpy() != 0)
    return there


def counts_as(cells: Cells, text: str) -> np.ndarray:
    """Which rows have a value, and (``text`` is not empty) which have that one."""
    found: np.ndarray = cells.size >= 0
    if text and found.any():
        is_that = pc.fill_null(pc.equal(texts_of(cells), text), False)
        found = found & is_that.to_numpy(zero_copy_only=False)
    return found


def too_long(cells: Cells, kind: str) -> np.ndarray:
    """Which rows have a value that is too long to be a number (``kind``: NUMBER) or an identity."""
    is_packed = cells.form in _PACKED
    if kind == layout_fields.NUMBER:
        most = _PACKED_NUMBER_MAX if is_packed else BYTES_MAX
    else:
        most = _PACKED_IDENTITY_MAX if is_packed else _IDENTITY_MAX
    found: np.ndarray = cells.size > most
    return found


def integers(cells: Cells, largest: int) -> Values:
    """Whole numbers from 0 to ``largest``; digits count as such."""
    if cells.form is Form.INTEGER:
        column = cells.column()
        values = column.fill_null(0).to_numpy()
        is_bad = _mask(column)
    else:
        values, is_bad = _digits(texts_of(cells), 1, 18)
    reason = _reason(is_bad, "integer_malformed")
    beyond = (values < 0) | (values > largest)
    reason = np.where(beyond, np.int16(_CODE["integer_out_of_range"]), reason)
    return Values(values, cells.there, reason, cells)


def _digits(text: pa.Array, least: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts of digits as numbers; and which of them are none, or of another length."""
    size = _lengths(text)
    is_digits = pc.fill_null(pc.ascii_is_decimal(text), False).to_numpy(zero_copy_only=False)
    is_bad = (size < least) | (size > most) | ~is_digits
    good = pc.if_else(pa.array(~is_bad), text, pa.scalar("0"))
    return good.cast(pa.int64()).fill_null(0).to_numpy(), is_bad


def _lengths(text: pa.Array) -> np.ndarray:
    """Bytes of each row; of a null, 0."""
    bounds = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    found: np.ndarray = np.diff(bounds)
    return found


def _has_byte(text: pa.Array, wanted: np.ndarray) -> np.ndarray:
    """Which rows hold a byte that is ``wanted`` (bool by byte)."""
    _, offsets, data = text.buffers()
    bounds = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    if data is None or bounds[0] == bounds[-1]:
        return np.zeros(len(text), bool)
    hit = wanted[np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]]
    if not hit.any():
        return np.zeros(len(text), bool)
    sums = np.concatenate(([0], np.cumsum(hit)))[bounds - bounds[0]]
    found: np.ndarray = sums[1:] > sums[:-1]
    return found


def identities(cells: Cells, field: str) -> Values:
    """An IMSI or IMEI as a number."""
    least, most = (6, 15) if field == layout_fields.IMSI else (14, 16)
    values, is_bad = _digits(texts_of(cells), least, most)
    is_bad |= too_long(cells, field)  # digits end at their filler, whatever a damaged length says
    return Values(values, cells.there, _reason(is_bad, f"{field}_malformed"), cells)


def texts(cells: Cells, nulls: tuple[str, ...] = ()) -> Values:
    """Any contents as text; ``nulls`` mean that there is none."""
    column = texts_of(cells)
    reason = _reason(_mask(column), "text_not_utf8")
    if cells.form is Form.TEXT:
        reason[_has_byte(column, _CONTROLS)] = _CODE["text_control_character"]
    return _as_text(column, cells, reason, nulls)


def numbers(cells: Cells, rule: Rule) -> Values:
    """A telephone number as digits; with a plus sign where it is known to be international."""
    if rule.form == SMS_ADDRESS:
        cells = _without_length(cells)
    column = texts_of(cells)
    is_bad = _mask(column)
    if cells.form is Form.TEXT:
        is_bad |= _has_byte(column, ~_NUMBER_BYTES)
    is_bad |= too_long(cells, layout_fields.NUMBER)
    reason = _reason(is_bad | (cells.form not in (*_PACKED, Form.TEXT)), "number_malformed")
    is_whole = np.zeros(len(cells.size), bool)
    if cells.form is Form.ADDRESS:
        kind = cells.data[cells.begin] >> 4 & 7
        is_whole = (kind == _TON_INTERNATIONAL) & (cells.size > 1)
    elif rule.form == INTERNATIONAL:
        first = pc.utf8_slice_codeunits(column, 0, 1)
        is_whole = pc.fill_null(pc.utf8_is_digit(first), False).to_numpy(zero_copy_only=False)
    if is_whole.any():
        plus = pc.if_else(pa.array(is_whole), "+", "")
        column = pc.binary_join_element_wise(plus, column, "")
    return _as_text(column, cells, reason, rule.nulls)


def _without_length(cells: Cells) -> Cells:
    """An address of TS 23.040 behind the count of its digits; the kind of number has its top bit
    set, so that an address without that count is told from it."""
    lead = (cells.data[cells.begin] < 0x80) & (cells.size > 0)
    return Cells(cells.data, cells.begin + lead.astype(np.int32),
                 cells.size - lead.astype(np.int32), Form.ADDRESS)


def _as_text(column: pa.Array, cells: Cells, reason: np.ndarray, nulls: tuple[str, ...]) -> Values:
    there = cells.there
    reason = np.where(cells.size > BYTES_MAX, np.int16(_CODE["field_too_long"]), reason)
    # An address of no digits is no number, and a text without a sign is none.
    there = there & ((_lengths(column) > 0) | (reason != 0))
    if nulls:
        is_null = pc.fill_null(pc.is_in(column, pa.array(nulls)), False)
        there = there & ~is_null.to_numpy(zero_copy_only=False)
    return Values(column, there, reason, cells)


def joined(parts: list[Cells]) -> Values:
    """Parts of one text with a hyphen between those that are there."""
    there = np.zeros(len(parts[0].size), bool)
    reason = np.zeros(len(there), np.int16)
    column = pa.array([""]).take(pa.array(np.zeros(len(there), np.int8)))
    for cells in parts:
        one = texts(cells)
        part = pc.if_else(pa.array(one.there), one.values, "").fill_null("")
        hyphen = pc.if_else(pa.array(there & one.there), "-", "")
        column = pc.binary_join_element_wise(column, hyphen, part, "")
        reason = np.where(one.there & (reason == 0), one.reason, reason)
        there = there | one.there
    return Values(column, there, reason, parts[0])


def words(cells: Cells, rule: Rule, unknown: str) -> Values:
    """The codes of words; ``unknown``: the reason of those that stand for nothing."""
    known = dict(rule.words)
    column = texts_of(cells).dictionary_encode()
    codes = np.array([known.get(one, rule.otherwise) for one in column.dictionary.to_pylist()]
                     + [rule.otherwise], np.int64)
    places = column.indices.fill_null(len(codes) - 1).to_numpy()
    values = codes[places]
    return Values(np.maximum(values, 0), cells.there, _reason(values < 0, unknown), cells)


def abroad(cells: Cells, imsi: pa.Array) -> Values:
    """A network code (TS 24.008: PLMN) as digits, where its country is not that of the IMSI."""
    there = (cells.size == 3) & ~_mask(imsi)
    raw = _bytes_of(cells, there, 3)
    nibbles = np.stack([raw & 15, raw >> 4], axis=2).reshape(-1, 6)
    order = nibbles[:, [0, 1, 2, 4, 5, 3]]  # the third digit of the network lies in the middle
    has_third = order[:, 5] != 15
    is_bad = (order[:, :5] > 9).any(axis=1) | (has_third & (order[:, 5] > 9))
    signs = np.where(is_bad[:, None], 0, np.minimum(order, 9)).astype(np.uint8) + np.uint8(48)
    size = 5 + has_third.astype(np.int32)
    bounds = np.concatenate(([0], np.cumsum(size))).astype(np.int32)
    column = stage.text_array(bounds, signs[np.arange(6) < size[:, None]])
    country = pc.utf8_slice_codeunits(column, 0, 3)
    is_home = pc.fill_null(pc.equal(country, pc.utf8_slice_codeunits(imsi, 0, 3)), True)
    there = there & (is_bad | ~is_home.to_numpy(zero_copy_only=False))
    return Values(column, there, _reason(is_bad, "integer_malformed"), cells)


def _bytes_of(cells: Cells, is_used: np.ndarray, count: int) -> np.ndarray:
    """uint8 [row, count]: the first bytes of each row's contents; zeros where it is not used."""
    begin = np.where(is_used, cells.begin, 0).astype(np.int64)
    if len(cells.data) < count:
        return np.zeros((len(begin), count), np.uint8)
    raw: np.ndarray = cells.data[begin[:, None] + np.arange(count)]
    raw[~is_used] = 0
    return raw


def stamps(cells: Cells) -> tuple[Values, np.ndarray]:
    """Times of TS 32.298 in UTC, and their offsets: YYMMDDhhmmss, a sign, hhmm in nine bytes."""
    is_whole = cells.size == _STAMP_BYTES
    raw = _bytes_of(cells, is_whole, _STAMP_BYTES)
    packed = np.concatenate([raw[:, :6], raw[:, 7:]], axis=1)
    is_bad = (packed >> 4 > 9).any(axis=1) | (packed & 15 > 9).any(axis=1) | ~is_whole
    pairs = (packed >> 4).astype(np.int64) * 10 + (packed & 15)
    offset, no_offset = _offset(raw[:, 6], pairs[:, 6], pairs[:, 7])
    local, no_time = _seconds(2000 + pairs[:, 0], *(pairs[:, part] for part in range(1, 6)))
    return _time(cells, local, offset, is_bad | no_offset | no_time)


def clocks(cells: Cells, offset_s: np.ndarray) -> tuple[Values, np.ndarray]:
    """Local times YYYYMMDDhhmmss (TD.57) with their offsets -> UTC. offset_s: NO_OFFSET: none."""
    is_whole = cells.size == _LOCAL_BYTES
    raw = _bytes_of(cells, is_whole, _LOCAL_BYTES).astype(np.int64) - 48
    is_bad = (raw < 0).any(axis=1) | (raw > 9).any(axis=1) | ~is_whole
    pairs = raw[:, ::2] * 10 + raw[:, 1::2]
    year = pairs[:, 0] * 100 + pairs[:, 1]
    local, no_time = _seconds(year, *(pairs[:, part] for part in range(2, 7)))
    return _time(cells, local, offset_s, is_bad | no_time | (offset_s == NO_OFFSET))


def offsets(cells: Cells) -> np.ndarray:
    """Offsets such as ``+0200`` in seconds; NO_OFFSET where there is none."""
    is_whole = cells.size == _OFFSET_BYTES
    raw = _bytes_of(cells, is_whole, _OFFSET_BYTES)
    digits = raw[:, 1:].astype(np.int64) - 48
    is_bad = (digits < 0).any(axis=1) | (digits > 9).any(axis=1) | ~is_whole
    found, no_offset = _offset(raw[:, 0], digits[:, 0] * 10 + digits[:, 1],
                               digits[:, 2] * 10 + digits[:, 3])
    return np.where(is_bad | no_offset, NO_OFFSET, found)


def _offset(
    sign: np.ndarray, hours: np.ndarray, minutes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    seconds = hours * 3600 + minutes * 60
    is_bad = ((sign != 43) & (sign != 45)) | (hours > 23) | (minutes > 59)
    return np.where(sign == 45, -seconds, seconds), is_bad


def _seconds(
    year: np.ndarray, month: np.ndarray, day: np.ndarray, hour: np.ndarray, minute: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Seconds since 1970 on that clock; and which rows no calendar or clock shows."""
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    is_month = (month >= 1) & (month <= 12)
    days = _MONTH_DAYS[np.where(is_month, month, 0)] + (is_leap & (month == 2))
    is_bad = (year < YEAR_FIRST) | (year > YEAR_LAST) | ~is_month | (day < 1) | (day > days)
    is_bad |= (hour > 23) | (minute > 59) | (second > 59)
    # Years that begin in March, so that the leap day comes last.
    y, m = year - (month <= 2), np.where(month <= 2, month + 9, month - 3)
    number = 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719_468
    return number * DAY_S + hour * 3600 + minute * 60 + second, is_bad


def _time(
    cells: Cells, local: np.ndarray, offset: np.ndarray, is_bad: np.ndarray
) -> tuple[Values, np.ndarray]:
    utc = local - np.where(is_bad, 0, offset)
    is_bad = is_bad | (utc < 0) | (utc > LAST_UTC_S)
    values = np.where(is_bad, 0, utc)
    found = Values(values, cells.there, _reason(is_bad, "time_malformed"), cells)
    return found, np.where(is_bad, 0, offset)
