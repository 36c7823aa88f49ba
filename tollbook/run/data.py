"""All that a run must know, read from one folder, and refused at once where it is wrong.

That is: workspace, network, customers, layouts, tariff book, agreements.

The folder is the working folder when it is checked, and a snapshot when a run uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdr import layout
from cdr.ber_layout import BerLayout
from cdr.layout import AnyLayout
from rating import selectors, visitors
from tariffs import agreements
from tariffs.agreements import Agreement
from tariffs.lint_memory import has_pools
from tariffs.model import Book
from tollbook import customers, mediation
from tollbook.customers import Accounts, Customers
from tollbook.customers_members import warn_of_two_groups
from tollbook.network import Network
from tollbook.network_ratings import CarrierRatings
from tollbook.run import reading
from tollbook.run.reading import Read
from tollbook.text import Problems, did_you_mean
from tollbook.workspace import Workspace


@dataclass(frozen=True)
class Data:
    """Everything that people wrote, checked. ``layouts``: one for each source, in their order."""

    workspace: Workspace
    network: Network
    customers: Customers
    book: Book
    agreements: tuple[Agreement, ...]
    layouts: tuple[AnyLayout, ...]
    warnings: tuple[str, ...]


def load(folder: Path) -> Data:
    """Read and check a workspace's folder; raises Refused with every problem of every file."""
    return checked(reading.read(folder))


def checked(read: Read) -> Data:
    """What was read, checked against each other, with layouts and agreements; raises Refused."""
    space, net, people, tariff_book = read.workspace, read.network, read.customers, read.book
    problems = read.problems
    plans = None if tariff_book is None else [plan.plan_id for plan in tariff_book.plans]
    if plans is not None:
        customers.check_plans(people, plans, problems)
        _check_ratings(net.ratings, people.accounts, plans, problems)
        mediation.check(space.mediation.rules, net, plans, problems)
    visitors.check_zones(people, net.zones.ids, problems)
    if tariff_book is not None:
        visitors.check_plans(people, tariff_book, problems)
        if has_pools(tariff_book):
            warn_of_two_groups(people.groups, problems)
    if tariff_book is not None and not problems.errors:
        selectors.check(tariff_book.discounts, people, problems)
    layouts = _layouts(space, problems)
    dated = agreements.load(
        space.network / "agreements.csv", problems, net.carriers.ids, net.zones.groups,
        space.operator.time_zone,
    )  # fmt: skip
    problems.refuse_if_any("no record was read")
    if tariff_book is None:
        raise AssertionError("what cannot be read has a problem that refuses it")
    warnings = tuple(str(problem) for problem in problems.found)
    chosen = tuple(layouts[source.layout] for source in space.sources)
    return Data(space, net, people, tariff_book, dated, chosen, warnings)


def _check_ratings(
    ratings: CarrierRatings, accounts: Accounts, plans: Sequence[str], problems: Problems
) -> None:
    """Note the plans of further ratings that the book does not hold."""
    named = [
        (("network/ratings.csv", int(line)), ratings.plans[plan])
        for line, plan in zip(ratings.lines, ratings.plan_index, strict=True)
    ]
    named += [(("customers/accounts.csv", 0), plan) for plan in accounts.reseller_plans]
    for where, plan in named:
        if plan not in plans:
            problems.add(where, f"plan '{plan}' is not in the tariff book", ", ".join(plans[:12]),
                         did_you_mean(plan, plans, "write the plan, or name another"))


def _layouts(space: Workspace, problems: Problems) -> dict[str, AnyLayout]:
    """The layouts that sources name; each is read once, however many sources have it."""
    found = {name: _layout(space, name, problems) for name in {s.layout: 0 for s in space.sources}}
    return {name: one for name, one in found.items() if one is not None}


def is_native(space: Workspace, source: str) -> bool:
    """Whether a source delivers native files: its records have numbers in them, and no lines."""
    name = next((one.layout for one in space.sources if one.name == source), "")
    if name not in layout.SHIPPED and space.layout_path(name) is None:
        return False
    return isinstance(_layout(space, name, Problems()), BerLayout)


def _layout(space: Workspace, name: str, problems: Problems) -> AnyLayout | None:
    """A source's layout: the workspace's own, or one that ships."""
    path = space.layout_path(name)
    if path is not None:
        return layout.load(path, problems, f"layouts/{path.name}")
    if name in layout.SHIPPED:
        return layout.shipped(name)
    problems.add(("operator.yaml", 0), f"layout '{name}' does not exist",
                 f"a file layouts/{name}.yaml, or one of {', '.join(layout.SHIPPED)}",
                 did_you_mean(name, layout.SHIPPED, f"write layouts/{name}.yaml"))
    return None
