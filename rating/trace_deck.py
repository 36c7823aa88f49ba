"""The row of a prefix deck that prices a call, and the rate that the row and its ``like`` make."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tariffs.model import FREE, Band, PrefixDeck, Rate, Tier, Version
from tollbook.wall_clock import local_to_utc_s

_PERCENT: Final = 10**11  # 100 %, scaled by 10**9
_PER_S: Final = 60  # of rows without a ``like``


def row_of(deck: PrefixDeck, number: int, utc_s: int, zone: str) -> int:
    """The row with the longest prefix of a number among those valid at an instant; -1: none."""
    rows, digits = deck.rows, str(number)
    begins = local_to_utc_s(rows.valid_from_wall_s, zone)
    is_valid = (begins <= utc_s) & (utc_s < local_to_utc_s(rows.valid_to_wall_s, zone))
    for size in range(len(digits) if number else 0, 0, -1):
        fits = is_valid & (rows.size == size) & (rows.prefix == int(digits[:size]))
        if fits.any():
            return int(np.flatnonzero(fits)[0])
    return -1


def rate_of(version: Version, deck: PrefixDeck, row: int, like: str) -> Rate | None:
    """The rate of a row; None where the row says free."""
    rows = deck.rows
    if rows.price_nano[row] < 0:
        name = deck.rate_names[int(rows.rate[row])]
        return None if name == FREE else version.rate(name)
    first, following = int(rows.first_increment[row]), int(rows.increment[row])
    connect, minimum = int(rows.connect_nano[row]), int(rows.minimum_nano[row])
    price = int(rows.price_nano[row])
    if not like:
        tier = Tier(0, price, _PER_S, following or _PER_S)
        return Rate(deck.name, "second", (tier,), (), first, max(connect, 0), max(minimum, 0))

    def tier_of(tier: Tier) -> Tier:
        percent = tier.percent_nano or _PERCENT
        return replace(tier, price_nano=price * percent // _PERCENT, percent_nano=0,
                       increment=following or tier.increment)  # fmt: skip

    def band_of(band: Band) -> Band:
        return replace(band, tiers=tuple(map(tier_of, band.tiers)))

    rate = version.rate(like)
    return replace(
        rate,
        tiers=tuple(map(tier_of, rate.tiers)),
        bands=tuple(map(band_of, rate.bands)),
        first_increment=first if following else rate.first_increment,
        connect_nano=rate.connect_nano if connect < 0 else connect,
        minimum_nano=rate.minimum_nano if minimum < 0 else minimum,
        is_template=False,
    )
