"""The numbering plan of an operator, and telephone numbers as E.164 digits in int64.

A number in a table that people write may stand in any of these forms, tried in this order:

* ``+8613900000001``: a plus sign, country code, number;
* ``008613900000001``: an international prefix instead of the plus;
* ``01065541234``: the national prefix, then a national number;
* ``13900000001``: no prefix and a length in ``mobile_lengths``: a whole national number;
* ``8613900000001``: the own country code, then a national number.

All of them become 8613900000001 (or 861065541234): the country code and the national number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

E164_DIGITS_MIN: Final = 7
E164_DIGITS_MAX: Final = 15


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
