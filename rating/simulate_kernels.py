"""Sums by group, and the band that prices a usage: what a simulation counts."""

from __future__ import annotations

import numpy as np

from rating.find_kernels import Rated, Usage, asked_of, target_of
from tariffs.price_kernels import DAY_S, band_at, day_class_of, zone_entry
from tariffs.rule_kernels import DECK, Tables
from tollbook.jit import kernel

NO_BAND = -1  # the record has no charge by a rate
SCHEDULES = 64  # more than one rate may have: tariffs.model.SCHEDULES_MAX


@kernel
def add_up(key: np.ndarray, values: np.ndarray, sums: np.ndarray) -> None:
    """Adds each row of ``values`` (int64 [row, measure]) to its group's row of ``sums``.

    key: int32, a row of ``sums`` (int64 [group, measure]); below 0: of no group.
    """
    for row in range(len(key)):
        group = key[row]
        if group >= 0:
            for measure in range(values.shape[1]):
                sums[group, measure] += values[row, measure]


@kernel
def find_bands(
    tables: Tables, usage: Usage, out: Rated, shapes: int, band: np.ndarray
) -> None:
    """Which of a version's bands prices the start of each record, by its first component's rate.

    band: int32, filled with (version * (shapes + 1) + shape + 1) * SCHEDULES + the schedule,
    counted from the rate's first, or NO_BAND.
    """
    rules, prices, clocks = tables.rules, tables.prices, tables.clocks
    versions, rates = tables.versions.versions, prices.rates
    asked = asked_of(tables, usage)
    for row in range(len(band)):
        band[row] = NO_BAND
        if out.reason[row] != 0 or out.rule_index[row] < 0:
            continue
        version = out.version_index[row]
        rule = versions[version]["first_rule"] + out.rule_index[row]
        for slot in range(rules.target.shape[1]):
            rate = rules.target[rule, slot]
            if rate <= DECK:
                rate = target_of(asked, row, rate)
            if rate < 0:
                continue
            shape, schedule = int(rates[rate]["shape"]), 0
            if shape >= 0:
                start, zone = usage.start_utc_s[row], versions[version]["zone"]
                entry = zone_entry(clocks, zone, start)
                local = start + clocks.entries[entry]["offset_s"]
                day = local // DAY_S
                kind = day_class_of(clocks.day_class, day)
                found = band_at(prices, shape, kind, local - day * DAY_S)
                schedule = int(prices.bands[found]["schedule"])
            place = version * (shapes + 1) + shape + 1
            band[row] = place * SCHEDULES + schedule
            break
