"""Prefix decks as arrays: the rate of a number called, by its longest prefix at a time.

Numbers are filled up with zeros to 15 digits, so prefixes become intervals; four bits more hold how
many digits there were, so that a number shorter than a prefix never lies in its interval.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import borrows, inner

E164_DIGITS = 15
SIZE_BITS = 4
GROUPS = 10_001  # groups of four leading digits, and one that ends the last
FULL = 10**14  # the smallest number of 15 digits
GROUP = 10**11  # a group of four leading digits has so many numbers of 15 digits
NO_PREFIX = -2  # NO_RATE of rule_kernels
DATED = -3  # in ``rate``: it depends on the time; entries begin at DATED - rate


class Prefixes(NamedTuple):
    """Prefix decks, one after the other; the intervals of each begin at 0.

    first_level: int32 [deck * GROUPS + group], the interval in which the group begins.
    start: int64, ascending within a deck, key of a padded number. rate: int32, a rate, FREE,
    NO_RATE, or DATED and beyond. Entries of an interval, the longest prefix first, end with one
    that always holds; entry_from_utc_s, entry_to_utc_s: int64, half-open; entry_rate: int32.
    """

    first_level: np.ndarray
    start: np.ndarray
    rate: np.ndarray
    entry_from_utc_s: np.ndarray
    entry_to_utc_s: np.ndarray
    entry_rate: np.ndarray


@inner
@borrows
def find_prefix(prefixes: Prefixes, deck: int, number: int, utc_s: int) -> int:
    """The rate of a number in a deck at a time: a rate, FREE or NO_RATE."""
    if number <= 0 or number >= 10 * FULL:
        return NO_PREFIX
    digits = E164_DIGITS
    while number < FULL:
        number *= 10
        digits -= 1
    place = deck * GROUPS + number // GROUP
    first, last = int(prefixes.first_level[place]), int(prefixes.first_level[place + 1])
    key = (number << SIZE_BITS) + digits
    size = last - first + 1
    while size > 1:
        half = size >> 1
        if prefixes.start[first + half] <= key:
            first += half
        size -= half
    rate = int(prefixes.rate[first])
    if rate > DATED:
        return rate
    entry = DATED - rate
    while not prefixes.entry_from_utc_s[entry] <= utc_s < prefixes.entry_to_utc_s[entry]:
        entry += 1
    return int(prefixes.entry_rate[entry])
