"""Rating: the charge of each component of every row that has a rule."""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Faults, Rated, Usage, asked_of, target_of
from tariffs.exact_kernels import ratio
from tariffs.price_kernels import (
    HOUR_S,
    HOURS,
    Day,
    band_of,
    day_of,
    price_first,
    price_plain,
    quantities,
)
from tariffs.rule_kernels import DECK, NO_RATE, Tables
from tollbook.jit import borrows, kernel


@kernel
@borrows
def price_rows(
    tables: Tables, usage: Usage, faults: Faults, out: Rated, left: np.ndarray
) -> int:
    """The charges of every row to which ``find_rules`` gave a rule, and their total.

    Nearly every usage lies under one schedule of each rate and is priced here, in plain int64. The
    other rows go to ``left`` (int64, room for all), for ``slow_kernels``; returns how many. What is
    looked up by day, and by hour, is kept while rows (and components) need the same.
    """
    rules, prices, versions = tables.rules, tables.prices, tables.versions.versions
    rates, schedules, tiers = prices.rates, prices.schedules, prices.tiers
    hours, bands, shape_size = prices.hours, prices.bands, prices.day_classes * HOURS
    asked, (ups, downs, events) = asked_of(tables, usage), usage[10:13]
    day, left_count = Day(-1, 0, 0, 0, 0, 0), 0
    for row in range(len(out.reason)):
        if out.reason[row] != 0 or out.rule_index[row] < 0:
            continue
        start, duration = usage.start_utc_s[row], usage.duration_s[row]
        version = versions[np.uint64(out.version_index[row])]
        if version["splits_change"] != 0 and start + duration > version["to_utc_s"]:
            left[left_count], left_count = row, left_count + 1
            continue
        if start < day.since_utc_s or start >= day.until_utc_s or day.zone != version["zone"]:
            day = day_of(tables.clocks, int(version["zone"]), start)
        second = start - day.midnight_utc_s
        rule = np.uint64(version["first_rule"] + out.rule_index[row])
        total, reason, is_plain = 0, 0, True
        shape, in_force, lasts_s = -1, 0, 0
        for slot in range(rules.target.shape[1]):
            rate = rules.target[rule, slot]
            if rate < 0:
                if rate <= DECK:
                    rate = target_of(asked, row, rate)
                    if rate == NO_RATE:
                        reason = faults.no_rate
                if rate < 0:
                    continue
            terms = rates[rate]
            quantity, apart = quantities(terms, duration, ups[row], downs[row], events[row])
            used, schedule = quantity + apart, int(terms["first_schedule"])
            if used <= terms["short_call"]:
                continue
            is_plain = used <= terms["narrow_quantity"]
            if terms["shape"] >= 0:
                if terms["shape"] != shape:  # the components of a charge mostly have one
                    shape = int(terms["shape"])
                    hour = shape * shape_size + day.first_hour + ratio(second, HOUR_S)
                    in_force, until_s = band_of(hours, bands, hour, second)
                    lasts_s = min(until_s - second, day.clock_until_utc_s - start)
                schedule += in_force
                is_plain = is_plain and (terms["splits"] == 0 or quantity <= lasts_s)
            if not is_plain:
                break
            one = schedules[np.uint64(schedule)]
            charge = (price_first(terms, one, quantity)
                      if apart == 0 and quantity <= one["to_quantity"]
                      else price_plain(terms, one, tiers, quantity, apart))  # fmt: skip
            out.charge_micro[slot, row] = charge
            total += charge
        if not is_plain:
            left[left_count], left_count = row, left_count + 1
            continue
        if reason == 0 and total > version["charge_limit_micro"]:
            reason = faults.charge_too_large
        if reason != 0:
            out.reason[row] = reason
            out.charge_micro[:, row] = 0
            total = 0
        out.total_micro[row] = total
    return left_count
