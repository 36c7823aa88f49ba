"""Rating: the charge of each component of every row that has a rule."""

from __future__ import annotations

from rating.find_kernels import Faults, Rated, Usage, target_of
from tariffs.price_kernels import (
    DAY_S,
    NOT_PLAIN,
    TOO_LARGE,
    Local,
    day_type_of,
    price_plain,
    price_wide,
    quantities,
    zone_entry,
)
from tariffs.rule_kernels import DECK, NO_RATE, Tables
from tollbook.jit import kernel


@kernel
def price_rows(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """The charges of every row to which ``find_rules`` gave a rule, and their total."""
    rules, prices, clocks = tables.rules, tables.prices, tables.clocks
    versions = tables.versions.versions
    zone, low, high, offset = -1, 0, 0, 0
    for row in range(len(out.reason)):
        if out.reason[row] != 0 or out.rule_index[row] < 0:
            continue
        start, version = usage.start_utc_s[row], out.version_index[row]
        if zone != versions[version]["zone"] or start < low or start >= high:
            zone = versions[version]["zone"]
            entry = zone_entry(clocks, zone, start)
            low = clocks.entries[entry]["since_utc_s"]
            high = clocks.entries[entry + 1]["since_utc_s"]
            offset = clocks.entries[entry]["offset_s"]
        day = (start + offset) // DAY_S
        local = Local(day_type_of(clocks.day_type, day), start + offset - day * DAY_S, high)
        rule = versions[version]["first_rule"] + out.rule_index[row]
        total, reason = 0, 0
        for slot in range(rules.target.shape[1]):
            rate = rules.target[rule, slot]
            if rate <= DECK:
                rate = target_of(tables, usage, row, rate)
                if rate == NO_RATE:
                    reason = faults.no_rate
            if rate < 0:
                continue
            quantity, apart = quantities(
                prices.rates, rate, usage.duration_s[row], usage.up_bytes[row],
                usage.down_bytes[row], usage.event_count[row],
            )  # fmt: skip
            charge = price_plain(prices, rate, start, quantity, apart, local)
            if charge == NOT_PLAIN:
                charge = price_wide(prices, clocks, rate, zone, start, quantity, apart)
            elif charge == TOO_LARGE:
                charge = 0
                if reason == 0:
                    reason = faults.charge_too_large
            out.charge_micro[slot, row] = charge
            total += charge
        if reason == 0 and total > versions[version]["charge_limit_micro"]:
            reason = faults.charge_too_large
        if reason != 0:
            out.reason[row] = reason
            out.charge_micro[:, row] = 0
            total = 0
        out.total_micro[row] = total
