"""The price of a part of a usage under a rate of the grid: what an allowance has left of it.

As ``price_kernels.price_wide``, but the grid begins where the part does, and tiers may be counted
on from what was used before.
"""

from __future__ import annotations

from tariffs.exact_kernels import add, add_product
from tariffs.price_kernels import (
    DAY_S,
    TOO_LARGE,
    Clocks,
    Prices,
    Reach,
    band_at,
    day_class_of,
    finish_wide,
    schedule_at,
    zone_entry,
)
from tollbook.jit import borrows, inner


@inner
@borrows
def sum_rest(
    prices: Prices, clocks: Clocks, rate: int, where: tuple[int, int], position: int, stop_all: int,
    origin: int,
) -> tuple[int, int]:
    """Weights of all increments from a position on. where: the zone and the start in UTC.

    The first increment has a length of its own only at position 0.
    """  # fmt: skip
    zone, start_utc_s = where
    high, low, is_first = 0, 0, position == 0
    shape, splits = prices.rates[rate]["shape"], prices.rates[rate]["splits"]
    schedule = first_schedule = int(prices.rates[rate]["first_schedule"])
    while position < stop_all:
        stop = stop_all
        if shape >= 0:
            moment = start_utc_s + (position if splits else 0)
            entry = zone_entry(clocks, zone, moment)
            local = moment + clocks.entries[entry]["offset_s"]
            day = local // DAY_S
            second = local - day * DAY_S
            band = band_at(prices, shape, day_class_of(clocks.day_class, day), second)
            schedule = first_schedule + int(prices.bands[band]["schedule"])
            if splits:
                until = position + int(prices.bands[band]["to_s"]) - second
                stop = min(stop, until, clocks.entries[entry + 1]["since_utc_s"] - start_utc_s)
        if is_first and prices.schedules[schedule]["first"] > 0:
            high = int(prices.schedules_rest[schedule]["first_weight_high"])
            low = int(prices.schedules[schedule]["first_weight_low"])
            position, is_first = int(prices.schedules[schedule]["first"]), False
            continue
        is_first = False
        tier = int(prices.schedules[schedule]["first_tier"])
        while prices.tiers[tier]["to_quantity"] <= position + origin:
            tier += 1
        stop = min(stop, int(prices.tiers[tier]["to_quantity"]) - origin)
        increment = int(prices.tiers[tier]["increment"])
        count = (stop - position + increment - 1) // increment
        high, low = add_product(
            high, low, count, prices.tiers[tier]["weight_high"], prices.tiers[tier]["weight_low"]
        )
        position += count * increment
    return high, low


@inner
@borrows
def price_rest(
    prices: Prices, clocks: Clocks, rate: int, where: tuple[int, int], counts: tuple[int, int],
    reach: Reach,
) -> int:
    """Charge in micro, or TOO_LARGE, of the part of a usage that ``reach`` says.

    counts: the quantity, and a second one that rounds by itself; positions run through both.
    """  # fmt: skip
    if counts[0] + counts[1] > prices.rates[rate]["quantity_limit"]:
        return TOO_LARGE
    high, low, before = 0, 0, 0
    for place in range(2):
        covered = max(reach.covered - before, 0)
        stop = min(reach.stop - before, counts[place])
        before += counts[place]
        if covered < stop:
            more_high, more_low = sum_rest(
                prices, clocks, rate, where, covered, stop, reach.origin
            )
            high, low = add(high, low, more_high, more_low)
    schedule = schedule_at(prices, clocks, rate, where[0], where[1])
    high, low = add(
        high, low, prices.schedules_rest[schedule]["connect_high"],
        prices.schedules[schedule]["connect_low"],
    )  # fmt: skip
    return finish_wide(prices, rate, high, low)
