"""Price schedules as arrays, and the exact price of one quantity under one of them.

An amount is a sum of integers over one denominator, both found by the compiler: each increment adds
its weight, the connection fee is added, minimum and maximum bound the sum, and one division rounds
it to the digits that the rate names. Border mode ``unit``: increments form one grid from the start,
and an increment takes the band and tier in force at its first second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.exact_kernels import add, add_product, divide, divide_wide, is_less
from tollbook.jit import kernel

DAY_S = 86_400  # tariffs.model
DAY_TYPES = 8
SECONDS, BYTES, EVENTS = 1, 2, 3  # tollbook.codes
TOO_LARGE, NOT_PLAIN = -1, -2  # instead of a charge


class Clocks(NamedTuple):
    """Time zones and the calendar.

    Zone z has the entries first[z] .. first[z + 1] - 1 (ZONE_ENTRY): from ``since_utc_s`` on,
    local = UTC + ``offset_s``; the last one lies beyond all times. day_type: int8 by local day
    since 1970, 0..6 for Monday to Sunday, 7 for a holiday.
    """

    first: np.ndarray  # int32
    entries: np.ndarray
    day_type: np.ndarray


class Prices(NamedTuple):
    """Rates (RATE), their bands (BAND), and the tiers of each band (TIER).

    The day type's bands of a rate begin at first_band[rate * 8 + day type] (int32) and end with
    one that reaches the end of the day. The tiers of a band end with one without end. Weights are
    wide numbers (exact_kernels): what one increment adds to the sum.
    """

    rates: np.ndarray
    first_band: np.ndarray
    bands: np.ndarray
    tiers: np.ndarray


def _record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


ZONE_ENTRY = _record("since_utc_s", "offset_s")

# short_call: quantities up to it are free. quantity_limit: up to it no sum leaves 123 bits and no
# charge the limit of money. narrow_quantity: up to it no sum leaves 62 bits; -1: always wide.
# only_band: the band of a rate that has the same price at all times; -1: it has several bands.
# Amounts are wide numbers over the denominator, in units of the rate's last digit; ``scale`` turns
# such a unit into micro.
RATE = _record(
    "unit", "apart", "short_call", "quantity_limit", "narrow_quantity", "only_band",
    "first_increment", "connect_low", "minimum_low", "maximum_low", "denominator_low", "mode",
    "scale", "connect_high", "minimum_high", "maximum_high", "denominator_high",
)  # fmt: skip

# to_s: second of the local day. The first increment weighs something else where it has its own
# length.
BAND = _record("to_s", "first_tier", "first_weight_high", "first_weight_low")

# to_quantity: base units from the start of the usage.
TIER = _record("to_quantity", "increment", "weight_high", "weight_low")


@kernel
def zone_entry(clocks: Clocks, zone: int, utc_s: int) -> int:
    """Entry of a zone that holds at an instant."""
    low, high = int(clocks.first[zone]), int(clocks.first[zone + 1]) - 2
    while low < high:
        middle = (low + high + 1) >> 1
        if clocks.entries[middle]["since_utc_s"] <= utc_s:
            low = middle
        else:
            high = middle - 1
    return low


@kernel
def day_type_of(day_type: np.ndarray, day: int) -> int:
    """Day type of a local day; days beyond the calendar take its last one."""
    if 0 <= day < len(day_type):
        return int(day_type[day])
    return int(day_type[0 if day < 0 else len(day_type) - 1])


@kernel
def band_at(prices: Prices, rate: int, day_type: int, second: int) -> int:
    """The band of a rate that holds at a second of a local day."""
    band = int(prices.first_band[rate * DAY_TYPES + day_type])
    while prices.bands[band]["to_s"] <= second:
        band += 1
    return band


@kernel
def sum_narrow(prices: Prices, band: int, first: int, quantity: int) -> int:
    """Weights of all increments of a quantity inside one band; all of it fits 62 bits.

    first: length of the first increment where it has its own, else 0.
    """
    total, position = 0, 0
    if first > 0 and quantity > 0:
        total, position = prices.bands[band]["first_weight_low"], first
    tier = prices.bands[band]["first_tier"]
    while position < quantity:
        while prices.tiers[tier]["to_quantity"] <= position:
            tier += 1
        increment = prices.tiers[tier]["increment"]
        stop = min(quantity, prices.tiers[tier]["to_quantity"])
        count = (stop - position + increment - 1) // increment
        total += count * prices.tiers[tier]["weight_low"]
        position += count * increment
    return total


@kernel
def sum_wide(
    prices: Prices, clocks: Clocks, rate: int, zone: int, start_utc_s: int, quantity: int
) -> tuple[int, int]:
    """Weights of all increments as a wide number, over every border of band, tier and clock.

    One step for each span in which the price stays the same, never one for each increment.
    """
    high, low, position = 0, 0, 0
    first = prices.rates[rate]["first_increment"]
    only_band = prices.rates[rate]["only_band"]
    by_second = prices.rates[rate]["unit"] == SECONDS
    entry = zone_entry(clocks, zone, start_utc_s)
    while position < quantity:
        stop, band = quantity, only_band
        if band < 0:
            moment = start_utc_s + (position if by_second else 0)
            while clocks.entries[entry + 1]["since_utc_s"] <= moment:
                entry += 1
            local = moment + clocks.entries[entry]["offset_s"]
            day = local // DAY_S
            second = local - day * DAY_S
            band = band_at(prices, rate, day_type_of(clocks.day_type, day), second)
            if by_second:
                until = position + prices.bands[band]["to_s"] - second
                clock_until = clocks.entries[entry + 1]["since_utc_s"] - start_utc_s
                stop = min(stop, until, clock_until)
        if position == 0 and first > 0:
            high = prices.bands[band]["first_weight_high"]
            low = prices.bands[band]["first_weight_low"]
            position = first
            continue
        tier = prices.bands[band]["first_tier"]
        while prices.tiers[tier]["to_quantity"] <= position:
            tier += 1
        stop = min(stop, prices.tiers[tier]["to_quantity"])
        increment = prices.tiers[tier]["increment"]
        count = (stop - position + increment - 1) // increment
        high, low = add_product(
            high, low, count, prices.tiers[tier]["weight_high"], prices.tiers[tier]["weight_low"]
        )
        position += count * increment
    return high, low


@kernel
def finish_narrow(prices: Prices, rate: int, total: int) -> int:
    """Connection fee, minimum, maximum and the one rounding of a sum below 2**62; micro."""
    rates = prices.rates
    total += rates[rate]["connect_low"]
    total = min(max(total, rates[rate]["minimum_low"]), rates[rate]["maximum_low"])
    units = divide(total, rates[rate]["denominator_low"], rates[rate]["mode"])
    return int(units * rates[rate]["scale"])


@kernel
def finish_wide(prices: Prices, rate: int, high: int, low: int) -> int:
    """The same for a wide sum."""
    rates = prices.rates
    high, low = add(high, low, rates[rate]["connect_high"], rates[rate]["connect_low"])
    if is_less(high, low, rates[rate]["minimum_high"], rates[rate]["minimum_low"]):
        high, low = rates[rate]["minimum_high"], rates[rate]["minimum_low"]
    if is_less(rates[rate]["maximum_high"], rates[rate]["maximum_low"], high, low):
        high, low = rates[rate]["maximum_high"], rates[rate]["maximum_low"]
    by_high, by_low = rates[rate]["denominator_high"], rates[rate]["denominator_low"]
    units = divide_wide(high, low, by_high, by_low, rates[rate]["mode"])
    return int(units * rates[rate]["scale"])


@kernel
def price_wide(
    prices: Prices, clocks: Clocks, rate: int, zone: int, start_utc_s: int, quantity: int,
    apart: int,
) -> int:
    """Charge of a quantity in micro, whatever borders it crosses and however wide its sum is.

    apart: a second quantity that rounds by itself (bytes down beside bytes up), or 0.
    """  # fmt: skip
    high, low = sum_wide(prices, clocks, rate, zone, start_utc_s, quantity)
    if apart > 0:
        more_high, more_low = sum_wide(prices, clocks, rate, zone, start_utc_s, apart)
        high, low = add(high, low, more_high, more_low)
    return finish_wide(prices, rate, high, low)


@kernel
def quantities(
    rates: np.ndarray, rate: int, seconds: int, up: int, down: int, events: int
) -> tuple[int, int]:
    """What a rate counts, and what it counts apart; beyond its limit one more than the limit."""
    if rates[rate]["unit"] == SECONDS:
        return seconds, 0
    if rates[rate]["unit"] != BYTES:
        return events, 0
    limit = rates[rate]["quantity_limit"]
    if up > limit or down > limit:
        return limit + 1, 0
    if rates[rate]["apart"]:
        return up, down
    return up + down, 0


class Local(NamedTuple):
    """A start on the local clock."""

    day_type: int
    second: int  # of the local day
    until_utc_s: int  # until then the clock is not moved


@kernel
def price_plain(
    prices: Prices, rate: int, start_utc_s: int, quantity: int, apart: int, local: Local
) -> int:
    """Charge of one component in micro, or TOO_LARGE, or NOT_PLAIN: left to ``price_wide``.

    Nearly every usage lies inside one band and is priced here, in plain int64.
    """
    rates = prices.rates
    both = quantity + apart
    if both > rates[rate]["quantity_limit"]:
        return TOO_LARGE
    if both <= rates[rate]["short_call"]:
        return 0
    if both > rates[rate]["narrow_quantity"]:
        return NOT_PLAIN
    band = rates[rate]["only_band"]
    if band < 0:
        band = band_at(prices, rate, local.day_type, local.second)
        if rates[rate]["unit"] == SECONDS:
            stop = start_utc_s + quantity
            if stop > local.until_utc_s or local.second + quantity > prices.bands[band]["to_s"]:
                return NOT_PLAIN
    first = rates[rate]["first_increment"]
    total = sum_narrow(prices, band, first, quantity)
    if apart > 0:
        total += sum_narrow(prices, band, first, apart)
    return finish_narrow(prices, rate, total)
