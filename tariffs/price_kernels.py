"""Price schedules as arrays, and the exact price of one quantity under one of them.

An amount is a sum of integers over one denominator, both found by the compiler. Here are the rates
of the *grid*: increments form one grid from the start of the usage, an increment takes the band
and tier in force at its first second (or those of the start) and adds its weight; the connection
fee is added, minimum and maximum bound the sum, and one division rounds it to the digits that the
rate names. ``walk_kernels`` has all others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.exact_kernels import add, add_product, divide, divide_wide, is_less, ratio
from tollbook.jit import borrows, inlined, inner

DAY_S = 86_400  # tariffs.model
HOUR_S, HOURS = 3600, 24
SECONDS, BYTES, EVENTS = 1, 2, 3  # tollbook.codes
GRID, GENERAL = 0, 1  # of a rate: which kernel prices it
TOO_LARGE = -1  # instead of a charge
ENDLESS = 1 << 62


class Clocks(NamedTuple):
    """Time zones and the calendar.

    Zone z has the entries first[z] .. first[z + 1] - 1 (ZONE_ENTRY): from ``since_utc_s`` on,
    local = UTC + ``offset_s``; the last one lies beyond all times. day_class: int16 by local day
    since 1970, a kind of day. place_zone: int32 [place + 1], the time zone of a place of the
    network, -1 for those without one of their own; [0] stands for no place.
    """

    first: np.ndarray  # int32
    entries: np.ndarray
    day_class: np.ndarray
    place_zone: np.ndarray


class Prices(NamedTuple):
    """Rates, the spans of the day in which their prices hold, and those prices.

    rates (RATE) and schedules (SCHEDULE) hold what nearly every usage needs, 64 bytes a row;
    rates_rest and schedules_rest, at the same index, what few do. A rate's schedules lie one after
    the other. hours: HOUR [(shape * day_classes + day class) * 24 + hour], the band in force as
    that hour of the local day begins; a day's bands (BAND) end with one that reaches its end.
    The tiers (TIER) of a schedule end with one without end.
    """

    rates: np.ndarray
    rates_rest: np.ndarray
    day_classes: int
    hours: np.ndarray
    bands: np.ndarray
    schedules: np.ndarray
    schedules_rest: np.ndarray
    tiers: np.ndarray
    extras: np.ndarray  # EXTRA, only rates that are GENERAL have one


class Reach(NamedTuple):
    """Which part of a usage is priced.

    covered: positions before it are paid for already. stop: positions from it on are free; ENDLESS:
    none are, and a minimum quantity holds. origin: what is added to a position to find its tier.
    anew: the part is priced as if it were a usage by itself, from the start of this one.
    """

    covered: int
    stop: int
    origin: int
    anew: int


class Day(NamedTuple):
    """A local day of a time zone, or the part of it before or behind a change of clocks.

    It holds at since_utc_s <= utc < until_utc_s. midnight_utc_s: from it seconds of the day count.
    first_hour: of its kind of day, in ``Prices.hours`` of the first shape. clock_until_utc_s: when
    clocks change next.
    """

    zone: int
    since_utc_s: int
    until_utc_s: int
    midnight_utc_s: int
    first_hour: int
    clock_until_utc_s: int


def _record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


ZONE_ENTRY = _record("since_utc_s", "offset_s")

# splits: the price is that of each increment's own second. shape: -1, the same price at all times.
# scale: turns units of the rate's last digit into micro. narrow_quantity: up to it no sum leaves
# 62 bits and no limit is passed; -1: never narrow. short_call: quantities up to it are free.
# quantity_limit: up to it no sum leaves 123 bits and no charge the limit of money.
RATE = np.dtype([
    *((name, np.int8) for name in ("unit", "apart", "splits", "mode")),
    *((name, np.int32) for name in ("shape", "first_schedule", "scale")),
    *((name, np.int64) for name in (
        "narrow_quantity", "short_call", "quantity_limit", "denominator_low", "minimum_low",
        "maximum_low")),
])  # fmt: skip

# program: GRID or GENERAL. linked: the same rate as one that adds up with those of other versions.
RATE_REST = _record(
    "minimum_high", "maximum_high", "denominator_high", "program", "extra", "linked"
)

# to_s: second of the local day. until_s: the same, counted on over midnight where every day begins
# as this one ends. schedule: counted from the rate's first.
BAND = np.dtype([(name, np.int32) for name in ("to_s", "until_s", "schedule")])
# band: its place; the rest is copied from there, since bands seldom change within an hour.
HOUR = np.dtype([*((name, np.int32) for name in BAND.names or ()), ("band", np.int32)])

# first: length of the first increment where it has its own, else 0, and what it weighs.
# to_quantity, increment, weight: those of the first tier. Weights are wide numbers
# (exact_kernels): what one increment adds to the sum.
SCHEDULE = _record(
    "connect_low", "first", "first_weight_low", "to_quantity", "increment", "weight_low",
    "first_tier", "tier_count",
)  # fmt: skip
SCHEDULE_REST = _record("connect_high", "first_weight_high")

# to_quantity: base units from the start of the usage. weight: of one increment, in GENERAL rates
# of one base unit. fee: only in GENERAL rates.
TIER = _record("to_quantity", "increment", "weight_low", "weight_high", "fee_low", "fee_high")

# Codes of walk_kernels. first: length of the first increment, or 0. stage: one unit of the
# rounding before the last. duration_limit: longer usages are too large.
EXTRA = _record(
    "border", "clock", "first", "free_quantity", "minimum_quantity", "duration_limit", "stage",
    "stage_mode", "stage_low", "stage_high",
)  # fmt: skip


@inner
@borrows
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


@inner
@borrows
def day_class_of(day_class: np.ndarray, day: int) -> int:
    """Kind of a local day; days beyond the calendar take its last one."""
    if 0 <= day < len(day_class):
        return int(day_class[day])
    return int(day_class[0 if day < 0 else len(day_class) - 1])


@inner
@borrows
def day_of(clocks: Clocks, zone: int, utc_s: int) -> Day:
    """The local day of an instant."""
    entry = zone_entry(clocks, zone, utc_s)
    offset, until = int(clocks.entries[entry]["offset_s"]), clocks.entries[entry + 1]["since_utc_s"]
    day = (utc_s + offset) // DAY_S
    midnight = day * DAY_S - offset
    return Day(
        zone, max(midnight, int(clocks.entries[entry]["since_utc_s"])),
        min(midnight + DAY_S, int(until)), midnight,
        day_class_of(clocks.day_class, day) * HOURS, int(until),
    )  # fmt: skip


@inlined
@borrows
def band_of(hours: np.ndarray, bands: np.ndarray, hour: int, second: int) -> tuple[int, int]:
    """Schedule and ``until_s`` of the band at a second of the day. hour: its place in ``hours``."""
    begins = hours[np.uint64(hour)]  # unsigned: no test for a place that counts from the end
    if begins["to_s"] > second:
        return int(begins["schedule"]), int(begins["until_s"])
    band = bands[band_from(bands, int(begins["band"]), second)]
    return int(band["schedule"]), int(band["until_s"])


@inner
@borrows
def band_at(prices: Prices, shape: int, day_class: int, second: int) -> int:
    """The band of a shape that holds at a second of a local day."""
    hour = (int(shape) * prices.day_classes + day_class) * HOURS + second // HOUR_S
    return band_from(prices.bands, int(prices.hours[hour]["band"]), second)


@inner
@borrows
def band_from(bands: np.ndarray, band: int, second: int) -> int:
    """The band that holds at a second of the day; ``band``: the one as its hour begins."""
    while bands[band]["to_s"] <= second:
        band += 1
    return band


@inner
@borrows
def sum_tiers(schedule: np.void, tiers: np.ndarray, quantity: int) -> int:
    """Connection fee and weights of all increments of a quantity, whatever tiers it reaches."""
    total = schedule["connect_low"] + schedule["first_weight_low"]
    position, tier = schedule["first"], schedule["first_tier"]
    while position < quantity:
        while tiers[tier]["to_quantity"] <= position:
            tier += 1
        increment = tiers[tier]["increment"]
        stop = min(quantity, tiers[tier]["to_quantity"])
        count = (stop - position + increment - 1) // increment
        total += count * tiers[tier]["weight_low"]
        position += count * increment
    return int(total)


@inlined
@borrows
def sum_first(schedule: np.void, quantity: int) -> int:
    """The same of a quantity above zero that ends in the first tier. All of it fits 62 bits."""
    increment = schedule["increment"]
    count = ratio(max(quantity - schedule["first"], 0) + increment - 1, increment)
    fixed = schedule["connect_low"] + schedule["first_weight_low"]
    return int(fixed + count * schedule["weight_low"])


@inner
@borrows
def sum_narrow(schedule: np.void, tiers: np.ndarray, quantity: int) -> int:
    """The same, wherever it ends. schedule: a row of SCHEDULE. quantity: above zero."""
    if quantity > schedule["to_quantity"]:
        return sum_tiers(schedule, tiers, quantity)
    return sum_first(schedule, quantity)


@inner
@borrows
def sum_wide(
    prices: Prices, clocks: Clocks, rate: int, zone: int, start_utc_s: int, quantity: int
) -> tuple[int, int]:
    """Weights of all increments as a wide number, over every border of band, tier and clock.

    One step for each span in which the price stays the same, never one for each increment.
    """
    high, low, position = 0, 0, 0
    shape, splits = prices.rates[rate]["shape"], prices.rates[rate]["splits"]
    schedule = first_schedule = int(prices.rates[rate]["first_schedule"])
    entry = zone_entry(clocks, zone, start_utc_s)
    while position < quantity:
        stop = quantity
        if shape >= 0:
            moment = start_utc_s + (position if splits else 0)
            while clocks.entries[entry + 1]["since_utc_s"] <= moment:
                entry += 1
            local = moment + clocks.entries[entry]["offset_s"]
            day = local // DAY_S
            second = local - day * DAY_S
            band = band_at(prices, shape, day_class_of(clocks.day_class, day), second)
            schedule = first_schedule + prices.bands[band]["schedule"]
            if splits:
                until = position + int(prices.bands[band]["to_s"]) - second
                clock_until = clocks.entries[entry + 1]["since_utc_s"] - start_utc_s
                stop = min(stop, until, clock_until)
        if position == 0 and prices.schedules[schedule]["first"] > 0:
            high = prices.schedules_rest[schedule]["first_weight_high"]
            low = prices.schedules[schedule]["first_weight_low"]
            position = prices.schedules[schedule]["first"]
            continue
        tier = prices.schedules[schedule]["first_tier"]
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


@inner
@borrows
def schedule_at(prices: Prices, clocks: Clocks, rate: int, zone: int, utc_s: int) -> int:
    """The schedule of a rate that holds at an instant."""
    schedule, shape = int(prices.rates[rate]["first_schedule"]), prices.rates[rate]["shape"]
    if shape >= 0:
        local = utc_s + clocks.entries[zone_entry(clocks, zone, utc_s)]["offset_s"]
        day = local // DAY_S
        day_class = day_class_of(clocks.day_class, day)
        band = band_at(prices, shape, day_class, local - day * DAY_S)
        schedule += int(prices.bands[band]["schedule"])
    return schedule


@inlined
@borrows
def finish_narrow(rate: np.void, total: int) -> int:
    """Minimum, maximum and the one rounding of a sum below 2**62; micro. rate: a row of RATE."""
    total = min(max(total, rate["minimum_low"]), rate["maximum_low"])
    return divide(total, rate["denominator_low"], rate["mode"]) * int(rate["scale"])


@inlined
@borrows
def price_first(rate: np.void, schedule: np.void, quantity: int) -> int:
    """Charge in micro of a narrow quantity above zero that ends in the first tier."""
    return finish_narrow(rate, sum_first(schedule, quantity))


@inner
@borrows
def price_plain(
    rate: np.void, schedule: np.void, tiers: np.ndarray, quantity: int, apart: int
) -> int:
    """Charge in micro of quantities that are narrow and lie under one schedule.

    rate, schedule: rows of RATE and SCHEDULE; an array is handed on as seven values.
    """
    total = 0
    if quantity > 0:
        total = sum_narrow(schedule, tiers, quantity)
    if apart > 0:
        total += sum_narrow(schedule, tiers, apart)
        if quantity > 0:
            total -= schedule["connect_low"]
    return finish_narrow(rate, total)


@inner
@borrows
def finish_wide(prices: Prices, rate: int, high: int, low: int) -> int:
    """The same for a wide sum."""
    rates, rest = prices.rates, prices.rates_rest
    if is_less(high, low, rest[rate]["minimum_high"], rates[rate]["minimum_low"]):
        high, low = rest[rate]["minimum_high"], rates[rate]["minimum_low"]
    if is_less(rest[rate]["maximum_high"], rates[rate]["maximum_low"], high, low):
        high, low = rest[rate]["maximum_high"], rates[rate]["maximum_low"]
    by_high, by_low = rest[rate]["denominator_high"], rates[rate]["denominator_low"]
    units = divide_wide(high, low, by_high, by_low, rates[rate]["mode"])
    return units * int(rates[rate]["scale"])


@inner
@borrows
def price_wide(
    prices: Prices, clocks: Clocks, rate: int, zone: int, start_utc_s: int, quantity: int,
    apart: int,
) -> int:
    """Charge of a quantity in micro, or TOO_LARGE, whatever borders it crosses and however wide
    its sum is.

    apart: a second quantity that rounds by itself (bytes down beside bytes up), or 0.
    """  # fmt: skip
    if quantity + apart > prices.rates[rate]["quantity_limit"]:
        return TOO_LARGE
    high, low = sum_wide(prices, clocks, rate, zone, start_utc_s, quantity)
    if apart > 0:
        more_high, more_low = sum_wide(prices, clocks, rate, zone, start_utc_s, apart)
        high, low = add(high, low, more_high, more_low)
    schedule = schedule_at(prices, clocks, rate, zone, start_utc_s)
    high, low = add(
        high, low, prices.schedules_rest[schedule]["connect_high"],
        prices.schedules[schedule]["connect_low"],
    )  # fmt: skip
    return finish_wide(prices, rate, high, low)


@inlined
@borrows
def quantities(
    rate: np.void, seconds: int, up: int, down: int, events: int
) -> tuple[int, int]:
    """What a rate (a row of RATE) counts, and what it counts apart; beyond its limit one more."""
    if rate["unit"] == SECONDS:
        return seconds, 0
    if rate["unit"] != BYTES:
        return events, 0
    limit = rate["quantity_limit"]
    if up > limit or down > limit:
        return limit + 1, 0
    if rate["apart"]:
        return up, down
    return up + down, 0
