"""What few usages need: the price of one component by the general ways of cutting."""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Usage
from tariffs.price_kernels import GRID, price_wide
from tariffs.rule_kernels import Tables
from tariffs.walk_kernels import (
    ENDLESS,
    RATE_OF,
    UNTIL,
    Way,
    price_general,
)
from tollbook.jit import inner, kernel

CLOCK_TARIFF, CLOCK_HOME, CLOCK_VISITED, CLOCK_SWITCH = 0, 1, 2, 3  # tariffs.model.CLOCKS


@inner
def way_of(tables: Tables, usage: Usage, row: int, zone: int, terms: np.void) -> Way:
    """By whose clock a usage is priced. terms: a row of EXTRA; zone: the version's."""
    chosen, offset = zone, 0
    if terms["clock"] == CLOCK_SWITCH:
        chosen, offset = -1, int(usage.utc_offset_s[row])
    elif terms["clock"] != CLOCK_TARIFF:
        place = int(usage.home_zone_index[row])
        if terms["clock"] == CLOCK_VISITED:
            place = int(usage.served_zone_index[row])
        own = int(tables.clocks.place_zone[place + 1])
        chosen = own if own >= 0 else zone
    return Way(chosen, offset, int(usage.start_utc_s[row]), int(usage.duration_s[row]), 1)


@kernel
def price_slow(
    tables: Tables, usage: Usage, row: int, zone: int, rate: int, counts: tuple[int, int],
    parts: np.ndarray,
) -> int:
    """Charge of one component in micro, or TOO_LARGE, where it is not narrow or crosses borders.

    counts: what the rate counts, above its short call. parts: room for PARTS_MAX of them.
    """  # fmt: skip
    prices, clocks = tables.prices, tables.clocks
    if prices.rates_rest[rate]["program"] == GRID:
        start = usage.start_utc_s[row]
        return price_wide(prices, clocks, rate, zone, start, counts[0], counts[1])
    terms = prices.extras[prices.rates_rest[rate]["extra"]]
    way = way_of(tables, usage, row, zone, terms)
    parts[0, UNTIL], parts[0, RATE_OF] = ENDLESS, rate
    return price_general(prices, clocks, way, parts, counts, 0)
