"""Rating: the charge of each component of every row that has a rule."""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Faults, Rated, Usage, asked_of, target_of
from tariffs.price_kernels import (
    DAY_S,
    HOUR_S,
    HOURS,
    band_from,
    day_class_of,
    price_first,
    price_plain,
    quantities,
    zone_entry,
)
from tariffs.rule_kernels import DECK, NO_RATE, Tables
from tollbook.jit import kernel


@kernel
def price_rows(
    tables: Tables, usage: Usage, faults: Faults, out: Rated, left: np.ndarray
) -> int:
    """The charges of every row to which ``find_rules`` gave a rule, and their total.

    Nearly every usage lies under one schedule of each rate and is priced here, in plain int64. The
    other rows go to ``left`` (int64, room for all), for ``slow_kernels.price_left``; returns how
    many. Pricing them here would cost every row: calls that hand on many arrays count references.
    """
    rules, prices, clocks = tables.rules, tables.prices, tables.clocks
    versions = tables.versions.versions
    rates, schedules, tiers = prices.rates, prices.schedules, prices.tiers
    hour_band, bands, day_classes = prices.hour_band, prices.bands, prices.day_classes
    asked, (ups, downs, events) = asked_of(tables, usage), usage[10:13]
    zone, low, high, offset, left_count = -1, 0, 0, 0, 0
    for row in range(len(out.reason)):
        if out.reason[row] != 0 or out.rule_index[row] < 0:
            continue
        start, version = usage.start_utc_s[row], versions[out.version_index[row]]
        if zone != version["zone"] or start < low or start >= high:
            zone = version["zone"]
            at = zone_entry(clocks, zone, start)
            low, high = clocks.entries[at]["since_utc_s"], clocks.entries[at + 1]["since_utc_s"]
            offset = clocks.entries[at]["offset_s"]
        day = (start + offset) // DAY_S
        second = start + offset - day * DAY_S
        hour = day_class_of(clocks.day_class, day) * HOURS + second // HOUR_S
        rule = version["first_rule"] + out.rule_index[row]
        total, reason, duration = 0, 0, usage.duration_s[row]
        is_plain = version["splits_change"] == 0 or start + duration <= version["to_utc_s"]
        for slot in range(rules.target.shape[1]):
            rate = rules.target[rule, slot]
            if rate <= DECK:
                rate = target_of(asked, row, rate)
                if rate == NO_RATE:
                    reason = faults.no_rate
            if rate < 0:
                continue
            terms = rates[rate]
            quantity, apart = quantities(terms, duration, ups[row], downs[row], events[row])
            used = quantity + apart
            if used <= terms["short_call"]:
                continue
            schedule = int(terms["first_schedule"])
            is_plain = is_plain and used <= terms["narrow_quantity"]
            if terms["shape"] >= 0:
                place = int(terms["shape"]) * day_classes * HOURS + hour
                band = bands[band_from(bands, int(hour_band[place]), second)]
                schedule += int(band["schedule"])
                is_plain = is_plain and (terms["splits"] == 0 or (
                    second + quantity <= band["until_s"] and start + quantity <= high
                ))  # fmt: skip
            if not is_plain:
                break
            one = schedules[schedule]
            is_first = apart == 0 and 0 < quantity <= one["to_quantity"]
            charge = (price_first(terms, one, quantity) if is_first  # counts no references
                      else price_plain(terms, one, tiers, quantity, apart))  # fmt: skip
            out.charge_micro[slot, row] = charge
            total += charge
        if not is_plain:
            left[left_count], left_count = row, left_count + 1
        elif reason == 0 and total > version["charge_limit_micro"]:
            reason = faults.charge_too_large
        if reason != 0 and is_plain:
            out.reason[row] = reason
            out.charge_micro[:, row] = 0
            total = 0
        out.total_micro[row] = total
    return left_count
