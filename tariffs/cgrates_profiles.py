"""Rate profiles of CGRateS 1.0 (RateS) as plans of this book.

They differ from the older plans in more than their columns: a partial increment at a border is
billed on both sides, a fee is due each time a price with one is entered, and intervals count from
the start of the event.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tariffs import cgrates_prices as prices
from tariffs.cgrates_files import DROPPED, KNOWN, Findings, Row
from tariffs.cgrates_map import ANY_PREFIXES, DeckRow, Draft, name_of
from tariffs.cgrates_prices import Offer, Rounding
from tariffs.cgrates_units import cron, weight
from tariffs.model import Tier

_BY_NUMBER: Final = re.compile(r"\*prefix:~\*req\.Destination:([1-9]\d*(?:\|[1-9]\d*)*)")
_EVERY: Final = ""  # the prefix of all numbers


@dataclass(frozen=True)
class _Priced:
    """The prices of one rate of a profile, and the prefixes of the numbers that they are for."""

    prefixes: tuple[str, ...]
    offers: tuple[Offer, ...]


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
    priced, is_whole = _rates(rows, unit, findings)
    low, high = prices.price_nano(head["MinCost"]), prices.price_nano(head["MaxCost"])
    if low is None or high is None:
        findings.add(head.at, DROPPED, f"MinCost '{head['MinCost']}' or MaxCost"
                     f" '{head['MaxCost']}' is no amount")  # fmt: skip
        is_whole = False
    if low or high:
        findings.add(head.at, KNOWN, "MinCost and MaxCost are applied here; CGRateS carries them in"
                     " its result and leaves them to others")
    made = {}
    for prefix in sorted({prefix for one in priced for prefix in one.prefixes}):
        # A number whose longest prefix is this one meets the filters of all shorter ones too.
        offers = [replace(offer, minimum_nano=low or 0, maximum_nano=high or 0)
                  for one in priced if any(prefix.startswith(short) for short in one.prefixes)
                  for offer in one.offers]  # fmt: skip
        name = name_of(f"{profile}_{prefix}" if prefix else profile)
        rate = prices.rate(name, unit, offers, head, Rounding(), findings)
        is_whole = is_whole and rate is not None
        if rate is not None:
            made[prefix] = replace(rate, border="restart") if unit == "second" else rate
    is_single = set(made) == {_EVERY}
    deck = [] if is_single else [DeckRow(prefix, profile, rate.name)
                                 for prefix, rate in made.items() if prefix]  # fmt: skip
    if not is_single and _EVERY in made:
        deck += [DeckRow(digit, profile, made[_EVERY].name)
                 for digit in ANY_PREFIXES if digit not in made]  # fmt: skip
    return Draft(
        name_of(f"{tenant}.{profile}"), service, None, None, tuple(made.values()),
        tuple(sorted(deck, key=lambda row: row.prefix)), made[_EVERY].name if is_single else "",
        (), head.at, is_whole and bool(made),
    )  # fmt: skip


def _rates(
    rows: Sequence[Row], unit: str, findings: Findings
) -> tuple[list[_Priced], bool]:
    """The rates of a profile, and whether no row was dropped."""
    by_rate: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_rate[row["RateID"]].append(row)
    found: list[_Priced] = []
    for order, (name, own) in enumerate(by_rate.items()):
        head = own[0]
        spans = cron(head["RateActivationStart"])
        heavy = weight(head["RateWeights"].rpartition(";")[2])
        prefixes = _prefixes(head["RateFilterIDs"])
        if spans is None:
            findings.add(head.at, DROPPED, f"RateActivationStart '{head['RateActivationStart']}' is"
                         " more than lists and ranges of minutes, hours, days and months")
        if prefixes is None or heavy is None or head["RateWeights"].startswith("*"):
            findings.add(head.at, DROPPED, "a filter other than prefixes of the destination, or a"
                         f" weight with one: '{head['RateFilterIDs']}' '{head['RateWeights']}'")
            continue
        made = [(tier, row) for row in own if (tier := _tier(row, unit, findings)) is not None]
        tiers = prices.ascending(made, findings) if len(made) == len(own) else None
        if spans is not None and tiers is not None:
            found.append(_Priced(prefixes, tuple(
                Offer(name_of(name), span, heavy, order, tiers, later_start_wins=False)
                for span in spans
            )))  # fmt: skip
    return found, len(found) == len(by_rate)


def _prefixes(text: str) -> tuple[str, ...] | None:
    """``*prefix:~*req.Destination:49|44`` as prefixes; all numbers without a filter; else None."""
    if not text:
        return (_EVERY,)
    match = _BY_NUMBER.fullmatch(text)
    return tuple(match[1].split("|")) if match else None


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
