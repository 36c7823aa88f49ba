"""Rates whose whole volume is settled when a month ends: which they are, and their price lists.

In the month each unit costs what its tier says. When the month is billed, each record is priced
again as though the tier that the owner has reached had held from the first unit on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from tariffs.memory_model import NO_MEMORY
from tariffs.model import Book, Charge, Plan, Rate, Rule, Tier, Version
from tariffs.when import When

WHOLE = "whole"


@dataclass(frozen=True)
class Whole:
    """A rate of a plan version with ``settle: whole``, and the component that it charges."""

    plan: Plan
    version: Version
    rate: Rate
    component: str

    @property
    def item(self) -> str:
        """What stands for it in the column ``used``."""
        return f"{self.plan.plan_id}/tiers/{self.rate.name}"

    @property
    def tax_class(self) -> str:
        """The tax class of its component."""
        return dict(self.version.tax_class).get(self.component, "standard")

    @cached_property
    def borders(self) -> tuple[int, ...]:
        """Where any of its tiers but the first ones begins, in base units."""
        every = (self.rate.tiers, *(band.tiers for band in self.rate.bands))
        return tuple(sorted({tier.from_quantity for tiers in every for tier in tiers} - {0}))

    def reached(self, quantity: int) -> int:
        """How many borders a volume has passed: its last unit lies behind them."""
        return sum(quantity > border for border in self.borders)

    def plan_at(self, reached: int) -> str:
        """What the plan of a price list is called in ``price_list``."""
        return "/".join((self.plan.plan_id, self.version.label, self.rate.name, str(reached)))

    def rate_at(self, reached: int) -> Rate:
        """The rate with one tier: the one that lies behind so many borders."""
        since = (0, *self.borders)[reached]

        def only(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
            last = [tier for tier in tiers if tier.from_quantity <= since][-1:]
            return tuple(replace(tier, from_quantity=0) for tier in last)

        bands = tuple(replace(band, tiers=only(band.tiers)) for band in self.rate.bands)
        return replace(self.rate, tiers=only(self.rate.tiers), bands=bands, over=None)


def components_of(version: Version, rate: Rate) -> list[str]:
    """The components that a rate is charged for, by whatever names it."""
    decks: dict[str, tuple[str, ...]] = {
        deck.name: tuple(name for _, name in deck.rates) for deck in version.decks
    }
    decks |= {deck.name: deck.rate_names for deck in version.prefix_decks}

    def names(charge: Charge) -> tuple[str, ...]:
        related = (*charge.by_relation, *charge.by_home_relation)
        return (charge.rate, *decks.get(charge.by_zone, ()), *decks.get(charge.by_prefix, ()),
                *(name for _, name in related))  # fmt: skip

    return list(dict.fromkeys(
        charge.component for rule in version.rules for charge in rule.charges
        if rate.name in names(charge)
    ))  # fmt: skip


def wholes(book: Book) -> Iterator[Whole]:
    """Every rate of a book that is settled whole, by plan and version."""
    for plan in book.plans:
        for version in plan.versions:
            for rate in version.rates:
                if rate.over is not None and rate.over.settle == WHOLE:
                    for component in components_of(version, rate):
                        yield Whole(plan, version, rate, component)


def price_list(book: Book) -> Book:
    """A book of one plan for each tier beyond the first that can be reached, without memory."""
    plans = []
    for one in wholes(book):
        for reached in range(1, len(one.borders) + 1):
            rate = one.rate_at(reached)
            version = replace(
                one.version, rates=(rate,), decks=(), prefix_decks=(), fallback=(),
                rules=(Rule(When(), (Charge(one.component, rate.name),)),), recurring=(),
                memory=NO_MEMORY,
            )  # fmt: skip
            name = one.plan_at(reached)
            plans.append(Plan(name, name, one.plan.currency, (version,)))
    return replace(book, plans=tuple(plans), discounts=(), taxes=())
