"""The numbering plan of an operator, and telephone numbers as E.164 digits in int64.

A number in a table that people write may stand in any of these forms, tried in this order:

* ``+8613900000001``: a plus sign, country code, number;
* ``008613900000001``: an international prefix instead of the plus;
* ``01065541234``: the national prefix, then a whole national number;
* ``13900000001``: no prefix and a length in ``mobile_lengths``: a whole national number;
* ``8613900000001``: the own country code, then a national number.

All of them become 8613900000001 (or 861065541234): the country code and the national number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook.columns import DIGITS_MAX, digits_value, is_digits, lengths
from tollbook.text import Reader

E164_DIGITS_MIN: Final = 7
E164_DIGITS_MAX: Final = 15
SERVICE_DIGITS_MAX: Final = 5  # 110, 10010: nobody's own
_POWER: Final = 10 ** np.arange(DIGITS_MAX + 1, dtype=np.int64)


@dataclass(frozen=True)
class Lengths:
    """How many digits a kind of number may have, both ends included."""

    min: int
    max: int

    def __contains__(self, digits: int) -> bool:
        return self.min <= digits <= self.max

    def __str__(self) -> str:
        return f"{self.min}" if self.min == self.max else f"{self.min} to {self.max}"


@dataclass(frozen=True)
class Numbering:
    """How numbers are dialled in the operator's country.

    national_prefix: "" where none is dialled. national_lengths: digits of a national number behind
    the national prefix or the country code. mobile_lengths: digits of a national number that is
    dialled without any prefix (None: always with one). local_lengths: digits of a number inside
    one area, dialled without its area code (None: not dialled so); its area is the source's.
    """

    country_code: str
    international_prefixes: tuple[str, ...]
    national_prefix: str
    national_lengths: Lengths
    mobile_lengths: Lengths | None = None
    local_lengths: Lengths | None = None
    access_codes: tuple[str, ...] = ()


def read(keys: Reader) -> Numbering:
    """The mapping ``numbering`` of operator.yaml; problems are noted in the reader's list."""
    country_code = _digits(keys, "country_code", keys.text("country_code"), 3)
    international = keys.texts("international_prefixes") or ("00",)
    national_prefix = keys.text("national_prefix", "0")
    for key, prefixes in (
        ("international_prefixes", international),
        ("national_prefix", (national_prefix,) if national_prefix else ()),
        ("access_codes", keys.texts("access_codes")),
    ):
        for prefix in prefixes:
            _digits(keys, key, prefix, 8)
        _unique(keys, key, prefixes)
    found = Numbering(
        country_code=country_code,
        international_prefixes=international,
        national_prefix=national_prefix,
        national_lengths=_lengths(keys, "national_lengths") or Lengths(4, E164_DIGITS_MAX - 1),
        mobile_lengths=_lengths(keys, "mobile_lengths"),
        local_lengths=_lengths(keys, "local_lengths"),
        access_codes=keys.texts("access_codes"),
    )
    mobile, local = found.mobile_lengths, found.local_lengths
    if mobile and local and mobile.min <= local.max and local.min <= mobile.max:
        keys.wrong("mobile_lengths", f"mobile_lengths {mobile} and local_lengths {local} overlap",
                   "lengths that tell a local from a national number",
                   "narrow one, or leave mobile_lengths out where a prefix is always dialled")
    return found


def _digits(keys: Reader, key: str, value: str, most: int) -> str:
    if value and not re.fullmatch(rf"[0-9]{{1,{most}}}", value):
        keys.wrong(key, f"'{key}' holds '{value}'", f"1 to {most} digits", "write digits only")
        return ""
    return value


def _unique(keys: Reader, key: str, values: Sequence[str]) -> None:
    for value in sorted({value for value in values if values.count(value) > 1}):
        keys.wrong(key, f"'{key}' names '{value}' twice", "every prefix once", "remove one")


def _lengths(keys: Reader, key: str) -> Lengths | None:
    if key not in keys:
        return None
    ends = Reader(keys.node_of(key), keys.problems, key, ("min", "max"))
    low = ends.integer("min", 1, E164_DIGITS_MAX)
    high = ends.integer("max", 1, E164_DIGITS_MAX)
    if low > high:
        ends.wrong("max", f"max {high} is below min {low}", "min up to max", "exchange the two")
    return Lengths(min(low, high), max(low, high))


def to_e164(texts: pa.Array, numbering: Numbering) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a table as E.164 digits (int64, 0 where wrong) and which are right (bool).

    The forms that are taken, and their order, stand at the head of this module.
    """
    plus = pc.starts_with(texts, "+").to_numpy(zero_copy_only=False)
    bare = pc.utf8_ltrim(texts, "+") if plus.any() else texts
    good = is_digits(bare) & (lengths(bare) + plus == lengths(texts))
    value, size = digits_value(bare, good), np.where(good, lengths(bare), 0)
    country, digits = int(numbering.country_code or 0), len(numbering.country_code)
    result, result_size = np.where(plus, value, 0), np.where(plus, size, 0)
    done = plus | ~good

    def starts(prefix: str) -> np.ndarray:
        found = pc.starts_with(bare, prefix).to_numpy(zero_copy_only=False)
        return np.flatnonzero(found & ~done)

    def settle(rows: np.ndarray, dropped: int, prefix: str) -> None:
        """Take the rows as ``prefix`` + the digits behind the first ``dropped`` ones."""
        left = size[rows] - dropped
        result[rows] = int(prefix or 0) * _POWER[left] + value[rows] % _POWER[left]
        result_size[rows] = left + len(prefix)
        done[rows] = True

    for prefix in numbering.international_prefixes:
        settle(starts(prefix), len(prefix), "")
    if numbering.national_prefix:
        dropped = len(numbering.national_prefix)
        rows = starts(numbering.national_prefix)
        left = size[rows] - dropped
        whole = value[rows] % _POWER[left] >= _POWER[np.maximum(left - 1, 0)]
        settle(rows[_is_national(left, numbering) & whole], dropped, numbering.country_code)
    if numbering.mobile_lengths:
        # Where a national prefix is dialled, no number without it begins with a zero.
        plain = (value >= _POWER[np.maximum(size - 1, 0)]) | (not numbering.national_prefix)
        rows = np.flatnonzero(~done & plain & _within(size, numbering.mobile_lengths))
        settle(rows, 0, numbering.country_code)
    own = starts(numbering.country_code)
    settle(own[_is_national(size[own] - digits, numbering)], 0, "")
    good &= done & (result_size >= E164_DIGITS_MIN) & (result_size <= E164_DIGITS_MAX)
    good &= result >= _POWER[np.clip(result_size - 1, 0, DIGITS_MAX)]  # no leading zero
    home = result // _POWER[np.clip(result_size - digits, 0, DIGITS_MAX)] == country
    good &= ~home | _is_national(result_size - digits, numbering)
    return np.where(good, result, 0), good


def _is_national(size: np.ndarray, numbering: Numbering) -> np.ndarray:
    """Whether so many digits can be a whole national number."""
    fits = _within(size, numbering.national_lengths)
    return fits | _within(size, numbering.mobile_lengths) if numbering.mobile_lengths else fits


def _within(size: np.ndarray, range_: Lengths) -> np.ndarray:
    inside: np.ndarray = (size >= range_.min) & (size <= range_.max)
    return inside


def masked(number: int | str) -> str:
    """A person's number for messages and logs: ``8613900000001`` -> ``86139****0001``.

    Numbers of up to five digits are services (110, 10010), not people, and stay as they are.
    """
    text = str(number)
    if len(text) <= SERVICE_DIGITS_MAX:
        return text
    return f"{text[:-8]}****{text[-4:]}" if len(text) > 8 else "****"


def heads_of(numbers: np.ndarray, length: int) -> np.ndarray:
    """The first ``length`` digits of E.164 numbers or IMSIs (int64); -1 of those with fewer."""
    rest = np.searchsorted(_POWER, numbers, side="right") - length
    return np.where(rest >= 0, numbers // _POWER[np.maximum(rest, 0)], -1)
