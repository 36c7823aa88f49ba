"""The exact price of one quantity however it is cut: a walk from border to border.

For rates that the grid of ``price_kernels`` does not know: free and minimum quantities, fees of
tiers, increments that begin anew at borders, one price chosen among several, clocks of other
places, roundings before the last, and usages that cross into another version of their plan. All
increments up to the next moment at which anything may change are one step; all sums are wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.exact_kernels import add, add_product, divide, divide_wide, is_less
from tariffs.price_kernels import (
    DAY_S,
    ENDLESS,
    SECONDS,
    TOO_LARGE,
    Clocks,
    Prices,
    Reach,
    band_at,
    day_class_of,
    finish_wide,
    zone_entry,
)
from tollbook.jit import borrows, inner

UNIT, RESTART, START, END, MIDDLE, CHEAPEST = 0, 1, 2, 3, 4, 5  # tariffs.model.BORDERS
COMPONENT, INCREMENT, SEGMENT, CGRATES = 0, 1, 2, 3  # tariffs.model.STAGES
DOWN, UP = 0, 1  # tollbook.money
FREE = -1
PARTS_MAX, TIERS_MAX = 8, 1 << 20
UNTIL, RATE_OF = 0, 1  # columns of ``parts``


class Way(NamedTuple):
    """When a usage takes place, and by whose clock.

    zone: -1, then local time is UTC + offset_s. part_count: how many rows of ``parts`` (int64
    [PARTS_MAX, 2]) say which rate holds until which instant; FREE: none does.
    """

    zone: int
    offset_s: int
    start_utc_s: int
    duration_s: int
    part_count: int


class Course(NamedTuple):
    """How the positions of a quantity lie in time: each in its second, or spread over the usage.

    from_position .. stop is priced. fixed: the schedule of all positions, or -1: each its own.
    first: length of the first increment, or 0. origin: is added to a position to find its tier.
    """

    quantity: int
    from_position: int
    stop: int
    is_time: bool
    fixed: int
    first: int
    origin: int


class Place(NamedTuple):
    """What is in force at a position. schedule: -1 where it is free.

    stop: the next position at which it may be something else. identity: alike where schedule,
    tier and version are.
    """

    schedule: int
    tier: int
    stop: int
    day: int
    identity: int


class Hold(NamedTuple):
    """What is in force at an instant, and until when nothing can change."""

    part: int
    schedule: int
    until_utc_s: int
    day: int


@inner
@borrows
def hold_at(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, utc_s: int, by_day: bool
) -> Hold:
    """The schedule in force. by_day: it counts as another one on the next local day."""
    part, schedule, day = 0, -1, 0
    while part + 1 < way.part_count and parts[part, UNTIL] <= utc_s:
        part += 1
    until = int(parts[part, UNTIL]) if part + 1 < way.part_count else ENDLESS
    rate, shape = int(parts[part, RATE_OF]), -1
    if rate >= 0:
        schedule = int(prices.rates[rate]["first_schedule"])
        shape = int(prices.rates[rate]["shape"])
    if rate >= 0 and (shape >= 0 or by_day):
        offset = way.offset_s
        if way.zone >= 0:
            entry = zone_entry(clocks, way.zone, utc_s)
            offset = int(clocks.entries[entry]["offset_s"])
            until = min(until, int(clocks.entries[entry + 1]["since_utc_s"]))
        day = (utc_s + offset) // DAY_S
        second = utc_s + offset - day * DAY_S
        lasts_s = DAY_S - second
        if shape >= 0:
            band = band_at(prices, shape, day_class_of(clocks.day_class, day), second)
            schedule += int(prices.bands[band]["schedule"])
            lasts_s = int(prices.bands[band]["to_s"]) - second
        until = min(until, utc_s + lasts_s)
    return Hold(part, schedule, until, day)


@inner
@borrows
def moment_of(way: Way, course: Course, position: int) -> int:
    """The instant of a position."""
    if course.is_time:
        return way.start_utc_s + position
    if position >= course.quantity:
        return way.start_utc_s + max(way.duration_s - 1, 0)
    high, low = add_product(0, 0, position, 0, way.duration_s)
    return way.start_utc_s + divide_wide(high, low, 0, course.quantity, DOWN)


@inner
@borrows
def position_of(way: Way, course: Course, utc_s: int) -> int:
    """The first position whose moment is not before an instant."""
    after_s = utc_s - way.start_utc_s
    if course.is_time or after_s <= 0:
        return max(after_s, 0)
    if after_s >= way.duration_s:
        return ENDLESS
    high, low = add_product(0, 0, after_s, 0, course.quantity)
    return divide_wide(high, low, 0, way.duration_s, UP)


@inner
@borrows
def place_at(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, course: Course, position: int,
    by_day: bool,
) -> Place:
    """What is in force at a position."""  # fmt: skip
    part, schedule, stop, day = 0, course.fixed, ENDLESS, 0
    if course.fixed < 0:
        hold = hold_at(prices, clocks, way, parts, moment_of(way, course, position), by_day)
        part, schedule, day = hold.part, hold.schedule, hold.day
        stop = position_of(way, course, hold.until_utc_s)
    tier, identity = 0, -1
    if schedule >= 0:
        first = int(prices.schedules[schedule]["first_tier"])
        tier = first
        while prices.tiers[tier]["to_quantity"] <= position + course.origin:
            tier += 1
        if prices.tiers[tier]["to_quantity"] < ENDLESS:
            stop = min(stop, int(prices.tiers[tier]["to_quantity"]) - course.origin)
        identity = (schedule * PARTS_MAX + part) * TIERS_MAX + tier - first
    return Place(schedule, tier, stop, day, identity)


@inner
@borrows
def staged(terms: np.void, high: int, low: int) -> tuple[int, int]:
    """A wide amount rounded to the digits of the stage. terms: a row of EXTRA."""
    by_high, by_low = int(terms["stage_high"]), int(terms["stage_low"])
    units = divide_wide(high, low, by_high, by_low, terms["stage_mode"])
    return add_product(0, 0, units, by_high, by_low)


@inner
@borrows
def closed(terms: np.void, high: int, low: int, count: int) -> tuple[int, int]:
    """What a segment of ``count`` increments adds to the sum."""
    if terms["stage"] == SEGMENT:
        return staged(terms, high, low)
    if terms["stage"] == CGRATES and count > 0:
        by_high, by_low = int(terms["stage_high"]), int(terms["stage_low"])
        once = divide_wide(high, low, by_high, by_low, terms["stage_mode"])
        each = divide(once, count, terms["stage_mode"])
        return add_product(0, 0, each * count, by_high, by_low)
    return high, low


@inner
@borrows
def priced(prices: Prices, terms: np.void, tier: int, count: int, length: int) -> tuple[int, int]:
    """Amount of equal increments of one tier."""
    weight_high = int(prices.tiers[tier]["weight_high"])
    weight_low = int(prices.tiers[tier]["weight_low"])
    if terms["stage"] != INCREMENT:
        return add_product(0, 0, count * length, weight_high, weight_low)
    high, low = add_product(0, 0, length, weight_high, weight_low)
    high, low = staged(terms, high, low)
    return add_product(0, 0, count, high, low)


@inner
@borrows
def fee_of(prices: Prices, terms: np.void, tier: int) -> tuple[int, int]:
    """The fee of a tier, rounded by itself unless it belongs to a segment or to the whole."""
    high, low = int(prices.tiers[tier]["fee_high"]), int(prices.tiers[tier]["fee_low"])
    if terms["stage"] == INCREMENT or terms["stage"] == CGRATES:
        return staged(terms, high, low)
    return high, low


@inner
@borrows
def walk(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, course: Course, terms: np.void
) -> tuple[int, int]:
    """Sum of all increments of a quantity, and of the fees of the tiers that they enter."""
    high, low, run_high, run_low, run_count = 0, 0, 0, 0, 0
    by_day, restarts = terms["stage"] == CGRATES, terms["border"] == RESTART
    position, first = course.from_position, course.first
    before, day_before = -1, 0
    while position < course.stop:
        place = place_at(prices, clocks, way, parts, course, position, by_day)
        if place.schedule < 0:
            position, before = place.stop, -1
            continue
        is_entered = place.identity != before
        if is_entered or (by_day and place.day != day_before):
            more_high, more_low = closed(terms, run_high, run_low, run_count)
            high, low = add(high, low, more_high, more_low)
            run_high, run_low, run_count = 0, 0, 0
        if is_entered:
            more_high, more_low = fee_of(prices, terms, place.tier)
            if terms["stage"] == SEGMENT:
                run_high, run_low = more_high, more_low
            else:
                high, low = add(high, low, more_high, more_low)
        stop = place.stop
        while restarts and stop < course.stop:
            further = place_at(prices, clocks, way, parts, course, stop, by_day)
            if further.identity != place.identity:
                break
            stop = further.stop
        stop = min(stop, course.stop)
        count, length = 1, first
        if first <= 0:
            length = int(prices.tiers[place.tier]["increment"])
            count = (stop - position + length - 1) // length
        first = 0
        more_high, more_low = priced(prices, terms, place.tier, count, length)
        run_high, run_low = add(run_high, run_low, more_high, more_low)
        run_count += count
        end = position + count * length
        position = stop if restarts and stop < min(end, course.stop) else end
        before, day_before = place.identity, place.day
    more_high, more_low = closed(terms, run_high, run_low, run_count)
    return add(high, low, more_high, more_low)


@inner
@borrows
def sum_all(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, counts: tuple[int, int],
    reach: Reach, fixed: int, lead: int,
) -> tuple[int, int]:
    """Connection fee, fees and increments. lead: the part that leads."""  # fmt: skip
    rate = parts[lead, RATE_OF]
    terms = prices.extras[prices.rates_rest[rate]["extra"]]
    is_time = prices.rates[rate]["unit"] == SECONDS
    high, low, schedule, before = 0, 0, fixed, 0
    for place in range(2):
        quantity = counts[place]
        covered, stop = max(reach.covered - before, 0), min(reach.stop - before, quantity)
        before += quantity
        if quantity <= 0 or covered >= stop:
            continue
        if reach.stop >= ENDLESS:
            stop = max(quantity, int(terms["minimum_quantity"]))
        free = max(min(int(terms["free_quantity"]), stop), covered)
        first = 0 if covered > 0 else int(terms["first"])
        course = Course(quantity, free, stop, is_time, fixed, first, reach.origin)
        more_high, more_low = walk(prices, clocks, way, parts, course, terms)
        high, low = add(high, low, more_high, more_low)
        if schedule < 0:
            moment = way.start_utc_s
            if lead > 0:
                moment = int(parts[lead - 1, UNTIL])
                moment = moment_of(way, course, position_of(way, course, moment))
            schedule = hold_at(prices, clocks, way, parts, moment, False).schedule
    more_high = int(prices.schedules_rest[schedule]["connect_high"])
    more_low = int(prices.schedules[schedule]["connect_low"])
    if terms["stage"] != COMPONENT:
        more_high, more_low = staged(terms, more_high, more_low)
    return add(high, low, more_high, more_low)


@inner
@borrows
def least_sum(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, counts: tuple[int, int],
    reach: Reach,
) -> tuple[int, int]:
    """The least of the sums under each schedule that is in force during the usage."""  # fmt: skip
    first = int(prices.rates[parts[0, RATE_OF]]["first_schedule"])
    high, low, seen = 0, 0, 0
    moment, end = way.start_utc_s, way.start_utc_s + max(way.duration_s, 1)
    while moment < end:
        hold = hold_at(prices, clocks, way, parts, moment, False)
        bit = 1 << (hold.schedule - first)
        if seen & bit == 0:
            one_high, one_low = sum_all(
                prices, clocks, way, parts, counts, reach, hold.schedule, 0
            )
            if seen == 0 or is_less(one_high, one_low, high, low):
                high, low = one_high, one_low
            seen |= bit
        moment = hold.until_utc_s
    return high, low


@inner
@borrows
def price_general(
    prices: Prices, clocks: Clocks, way: Way, parts: np.ndarray, counts: tuple[int, int],
    reach: Reach, lead: int,
) -> int:
    """Charge in micro, or TOO_LARGE, of a usage that is not free.

    counts: what the leading rate counts, and what it counts apart. A rate with one price for all
    positions has one part.
    """  # fmt: skip
    rate = parts[lead, RATE_OF]
    terms = prices.extras[prices.rates_rest[rate]["extra"]]
    if counts[0] + counts[1] > prices.rates[rate]["quantity_limit"]:
        return TOO_LARGE
    if way.duration_s > terms["duration_limit"]:
        return TOO_LARGE
    border = terms["border"]
    if border == CHEAPEST:
        high, low = least_sum(prices, clocks, way, parts, counts, reach)
    else:
        fixed, moment = -1, way.start_utc_s
        if border == END:
            moment += max(way.duration_s, 1) - 1
        elif border == MIDDLE:
            moment += way.duration_s // 2
        if border >= START:
            fixed = hold_at(prices, clocks, way, parts, moment, False).schedule
        high, low = sum_all(prices, clocks, way, parts, counts, reach, fixed, lead)
    return finish_wide(prices, rate, high, low)
