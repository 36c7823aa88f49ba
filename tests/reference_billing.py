"""Billing said again in plain Python: dictionaries, integers and Fractions, one row at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

SECONDS_SERVICES = ("voice", "video")
EVENT_SERVICES = ("sms", "mms", "event")


def usage_lines(
    rows: Sequence[Mapping[str, Any]], components: Sequence[str], classes: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    """(account, plan, component, class, count, seconds, bytes, events, micro), sorted as lines."""
    order = [*components, "free"]
    sums: dict[tuple[str, str, int, str], list[int]] = defaultdict(lambda: [0] * 5)
    for row in rows:
        charged = [c for c in components if row.get(f"charge_{c}_micro", 0)] or ["free"]
        for component in charged:
            key = (row["account_id"], row["plan"], order.index(component),
                   classes.get(component, "standard"))  # fmt: skip
            sums[key][0] += 1
            if row["service"] in SECONDS_SERVICES:
                sums[key][1] += row["duration_s"]
            elif row["service"] == "data":
                sums[key][2] += row["up_bytes"] + row["down_bytes"]
            elif row["service"] in EVENT_SERVICES:
                sums[key][3] += row["event_count"]
            sums[key][4] += row.get(f"charge_{component}_micro", 0)
    return [
        (account, plan, order[component], tax_class, *figures)
        for (account, plan, component, tax_class), figures in sorted(sums.items())
    ]


def half_up(amount_micro: Fraction | int, digits: int) -> int:
    """Micro rounded to ``digits`` decimals, halves away from zero."""
    step = 10 ** (6 - digits)
    steps = abs(Fraction(amount_micro)) / step + Fraction(1, 2)
    rounded = (steps.numerator // steps.denominator) * step
    return -rounded if amount_micro < 0 else rounded


def rent_micro(
    price_micro: int, spans: Sequence[tuple[date, date]], month_first: date, digits: int
) -> int:
    """Rent of one month for days inside any of the half-open ``spans``, counted one by one."""
    next_month = (month_first + timedelta(days=32)).replace(day=1)
    of_days = (next_month - month_first).days
    days = [month_first + timedelta(days=n) for n in range(of_days)]
    used = sum(any(first <= day < end for first, end in spans) for day in days)
    return half_up(Fraction(price_micro * used, of_days), digits)
