"""The tariff book of the benchmarks: 50 plans, three bands, two tiers, increments, rounding.

It exists twice: with three components a call, and with one. ``prices_nano`` gives the same prices
as numbers, so that others can compute the same charges from them by other means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tollbook.money import format_nano

PLANS: Final = tuple(f"plan-{number:02d}" for number in range(50))
BANDS: Final = (
    ("day", "07:00", "19:00"), ("evening", "19:00", "23:00"), ("night", "23:00", "07:00"),
)  # fmt: skip
BAND_EDGES_S: Final = (7 * 3600, 19 * 3600, 23 * 3600)  # seconds of the local day; night wraps
TIER_S: Final = 600  # from here on a call is cheaper
PER_S: Final = 60
# Relations of network/relations.csv by price class; a call in no other class is of the last one.
CLASSES: Final = (
    ("local", ("local",)), ("national", ("province", "toll")), ("abroad", ()),
)  # fmt: skip
FREE: Final = "special"


@dataclass(frozen=True)
class Component:
    """One part of a call's charge: increments ``first/following`` seconds, decimals of its
    rounding (half_up), price in the dearest class and band in nano a minute."""

    name: str
    first_s: int
    following_s: int
    digits: int
    price_nano: int


COMPONENTS: Final = (
    Component("airtime", 60, 6, 2, 400_000_000),
    Component("toll", 6, 6, 3, 700_000_000),
    Component("access", 30, 1, 4, 55_500_000),
)


def prices_nano(component: Component) -> np.ndarray:
    """int64 [plan, class, band]: price of a minute up to TIER_S."""
    plan, kind, band = np.ogrid[: len(PLANS), : len(CLASSES), : len(BANDS)]
    percent = (100 + plan) * (1 + 2 * kind) * (10 - 3 * band)
    return np.asarray(component.price_nano * percent // 10_000, np.int64)


def later_price_nano(price_nano: int) -> int:
    """Price of a minute from TIER_S on."""
    return price_nano * 4 // 5


def write(folder: Path, components: int) -> None:
    """The book's files, one a plan, with the first ``components`` of a call's components."""
    folder.mkdir(parents=True, exist_ok=True)
    prices = {one.name: prices_nano(one).tolist() for one in COMPONENTS}
    for plan, name in enumerate(PLANS):
        lines = [f"plan: {name}", "currency: CNY", "time_zone: Asia/Shanghai", "recurring:",
                 "  - {charge: rent, price: 30.00, in: advance, prorate: days_of_month}",
                 "rates:",
                 "  sms: {per: event, price: 0.10}",
                 "  gprs: {per: 1KiB, price: 0.003, maximum: 50.00}"]  # fmt: skip
        chosen = COMPONENTS[:components]
        for one in chosen:
            for kind, (word, _) in enumerate(CLASSES):
                lines += _rate(one, word, prices[one.name][plan][kind])
        lines += _rules(chosen)
        (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rate(one: Component, word: str, prices: list[int]) -> list[str]:
    lines = [f"  {one.name}_{word}:", f"    per: {PER_S}s",
             f"    increments: {one.first_s}/{one.following_s}",
             f"    round: {{digits: {one.digits}, mode: half_up}}", "    bands:"]  # fmt: skip
    for (band, begins, ends), price in zip(BANDS, prices, strict=True):
        later = format_nano(later_price_nano(price))
        lines += [f'      - {{name: {band}, from: "{begins}", to: "{ends}", tiers: [',
                  f"          {{up_to: {TIER_S}s, price: {format_nano(price)}}}, "
                  f"{{price: {later}}}]}}"]  # fmt: skip
    return lines


def _rules(chosen: tuple[Component, ...]) -> list[str]:
    lines = ["rules:", f"  - {{when: {{relation: {FREE}}}, charge: free}}"]
    for word, relations in CLASSES:
        charge = ", ".join(f"{one.name}: {one.name}_{word}" for one in chosen)
        where = f", relation: [{', '.join(relations)}]" if relations else ""
        lines.append(f"  - {{when: {{service: [voice, video]{where}}}, charge: {{{charge}}}}}")
    return [*lines, "  - {when: {service: [sms, mms], direction: in}, charge: free}",
            "  - {when: {service: [sms, mms]}, charge: {message: sms}}",
            "  - {when: {service: data}, charge: {data: gprs}}",
            "  - {otherwise: refuse}"]  # fmt: skip
