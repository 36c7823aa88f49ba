"""What whole volumes come to when a month ends: records at the price of the tier reached.

Exact, by the kernels of the night: a record at the tier reached is an ordinary usage under a rate
of one tier (``tariffs.settled``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rating.find_kernels import Usage
from rating.memory import unlimited
from rating.rate import charges
from tariffs import settled
from tariffs.compile_rates import Maxima
from tariffs.compile_targets import Names
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import Book
from tariffs.settled import Whole
from tollbook.errors import TollbookError

Key = tuple[str, str, str]  # plan, label of the version, item


@dataclass(frozen=True)
class Settler:
    """The rates that are settled whole, and their prices by the tier reached.

    items: what stands for them in ``used``, each once, with ``owners``: whose volume counts.
    """

    wholes: Mapping[Key, Whole]
    items: tuple[str, ...]
    owners: tuple[str, ...]
    compiled: CompiledBook

    @classmethod
    def of(cls, book: Book, names: Names, maxima: Maxima | None = None) -> Settler | None:
        """None where a book settles nothing."""
        found = {(one.plan.plan_id, one.version.label, one.item): one
                 for one in settled.wholes(book)}  # fmt: skip
        if not found:
            return None
        prices = settled.price_list(book)
        made = compile_book(
            prices, names.zones, names.relations, names.access_codes,
            [plan.plan_id for plan in prices.plans], maxima, names.carriers, names.zone_time_zones,
        )  # fmt: skip
        owners = {one.item: one.rate.over.owner for one in found.values() if one.rate.over}
        return cls(found, tuple(owners), tuple(owners.values()),
                   replace(made, tables=unlimited(made)))  # fmt: skip

    def owner_of(self, one: Whole) -> str:
        """Whose volume counts."""
        return self.owners[self.items.index(one.item)]

    def due_micro(
        self, columns: Mapping[str, np.ndarray], which: list[tuple[Whole, int]], place: np.ndarray
    ) -> np.ndarray:
        """What usages cost at the tier reached; int64 micro.

        columns: those of ``Usage``. which: rates and how many borders were passed (at least one);
        place: int, by row into it. Raises TollbookError where a price does not fit.
        """
        ids = {name: index for index, name in enumerate(self.compiled.plan_ids)}
        plans = np.array([ids[one.plan_at(reached)] for one, reached in which], np.int32)
        slots = np.array([self.compiled.components.index(one.component) for one, _ in which])
        usage = dict(columns) | {"plan_index": plans[place]}
        for name, column in usage.items():
            usage[name] = np.ascontiguousarray(column)
            usage[name].setflags(write=False)
        out = charges(self.compiled, Usage(**{name: usage[name] for name in Usage._fields}),
                      np.zeros(len(place), np.int16))  # fmt: skip
        if out.reason.any():
            one, _ = which[place[np.flatnonzero(out.reason)[0]]]
            raise TollbookError(
                f"rate '{one.rate.name}' of plan '{one.plan.plan_id}': a record has no price at "
                "the tier reached\n    allowed: prices below 10**12 of the currency\n"
                "    do: correct the prices of its last tiers"
            )
        found: np.ndarray = out.charge_micro[slots[place], np.arange(len(place))]
        return found
