"""Rate profiles of CGRateS 1.0 (RateS) as plans of this book.

They differ from the older plans in more than their columns: a partial increment at a border is
billed on both sides, a fee is due each time a price with one is entered, and intervals count from
the start of the event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from tariffs import cgrates_prices as prices
from tariffs.cgrates_files import DROPPED, KNOWN, Findings, Row
from tariffs.cgrates_map import Draft, name_of
from tariffs.cgrates_prices import Offer, Rounding
from tariffs.cgrates_units import cron, weight
from tariffs.model import Tier
from tollbook import money


def drafts(rows: Sequence[Row], service: str, findings: Findings) -> list[Draft]:
    """One plan of one version for each profile; they are exact, so compat changes nothing."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["Tenant"], row["ID"]].append(row)
    return [_draft(*key, groups[key], service, findings) for key in sorted(groups)]


def _draft(
    tenant: str, profile: str, rows: Sequence[Row], service: str, findings: Findings
) -> Draft:
    head = rows[0]
    if head["FilterIDs"]:
        findings.add(head.at, DROPPED, f"FilterIDs '{head['FilterIDs']}': who is on the plan stands"
                     " in customers/subscriptions.csv")
    unit = "second" if service in ("voice", "video") else "byte" if service == "data" else "event"
    found, is_whole = _offers(rows, unit, findings)
    made = None
    low, high = prices.price_nano(head["MinCost"]), prices.price_nano(head["MaxCost"])
    if found and low is not None and high is not None:
        if low or high:
            findings.add(head.at, KNOWN, "MinCost and MaxCost are applied here; CGRateS carries"
                         " them in its result and leaves them to others")
        offers = [replace(offer, minimum_nano=low, maximum_nano=high) for offer in found]
        made = prices.rate(name_of(profile), unit, offers, head, Rounding(), findings)
    if made is not None and unit == "second":
        made = replace(made, border="restart")
    elif made is None:
        is_whole = False
    rates = () if made is None else (made,)
    return Draft(name_of(f"{tenant}.{profile}"), service, None, None, rates, (),
                 name_of(profile) if rates else "", (), head.at, is_whole)  # fmt: skip


def _offers(
    rows: Sequence[Row], unit: str, findings: Findings
) -> tuple[list[Offer], bool]:
    """The prices of a profile, and whether no row was dropped."""
    by_rate: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_rate[row["RateID"]].append(row)
    found: list[Offer] = []
    is_whole = True
    for order, (name, own) in enumerate(by_rate.items()):
        head = own[0]
        spans = cron(head["RateActivationStart"])
        heavy = weight(head["RateWeights"].rpartition(";")[2])
        if spans is None:
            findings.add(head.at, DROPPED, f"RateActivationStart '{head['RateActivationStart']}' is"
                         " more than lists and ranges of minutes, hours, days and months")
        if head["RateFilterIDs"] or heavy is None:
            findings.add(head.at, DROPPED, f"filters or weights that depend on filters:"
                         f" '{head['RateFilterIDs']}' '{head['RateWeights']}'")
        made = [(tier, row) for row in own if (tier := _tier(row, unit, findings)) is not None]
        tiers = prices.ascending(made, findings) if len(made) == len(own) else None
        if spans is None or heavy is None or tiers is None or head["RateFilterIDs"]:
            is_whole = False
            continue
        found.extend(
            Offer(name_of(name), span, heavy or Fraction(0), order, tiers, later_start_wins=False,
                  digits=0, mode=money.ROUND_HALF_EVEN)
            for span in spans
        )  # fmt: skip
    return found, is_whole


def _tier(row: Row, unit: str, findings: Findings) -> Tier | None:
    start = prices.quantity(row, "RateIntervalStart", unit, findings)
    per = prices.quantity(row, "RateUnit", unit, findings)
    step = prices.quantity(row, "RateIncrement", unit, findings)
    fee, price = prices.price_nano(row["RateFixedFee"]), prices.price_nano(row["RateRecurrentFee"])
    if fee is None or price is None:
        findings.add(row.at, DROPPED, f"'{row['RateFixedFee']}' or '{row['RateRecurrentFee']}' is"
                     " no price of at most nine decimals")
    if start is None or per is None or step is None or fee is None or price is None:
        return None
    return Tier(start, price, per, step, fee)
