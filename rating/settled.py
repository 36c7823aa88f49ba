"""What whole volumes come to when a month ends: records at the price of the tier reached.

Exact, by the kernels of the night: a record at the tier reached is an ordinary usage under a rate
of one tier (``tariffs.settled``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from rating.find_kernels import Usage
from rating.memory import Owners, unlimited
from rating.rate import charges
from tariffs import settled
from tariffs.compile_rates import Maxima
from tariffs.compile_targets import Names
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import Book
from tariffs.settled import Whole
from tollbook import schemas
from tollbook.columns import index_in
from tollbook.errors import TollbookError
from tollbook.money import exact_sum
from tollbook.stage import ints

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


@dataclass
class Volumes:
    """Records as they are rated, of all owners that share anything, until their month ends.

    compiled: the book that rates them.
    """

    settler: Settler
    compiled: CompiledBook
    _kept: list[dict[str, np.ndarray]] = field(default_factory=list)

    def add(
        self, columns: Mapping[str, np.ndarray], rated: pa.RecordBatch, owners: Owners
    ) -> None:
        """Keep what counts of a batch. columns: those of ``Usage``; rated: ``schemas.RATED``."""
        used = rated.column("used")
        flat = used.flatten()
        items = [self.compiled.items[item] for item in range(len(self.compiled.items))]
        place = index_in(pa.array(items, pa.string()), self.settler.items)
        item = place[flat.field("item").to_numpy()] if items else np.zeros(0, np.int32)
        chosen = np.flatnonzero(item >= 0)
        row = np.repeat(np.arange(len(used)), np.diff(used.offsets.to_numpy()))[chosen]
        by_kind = {"subscription": owners.subscription, "account": owners.account,
                   "group": owners.group}  # fmt: skip
        owner = np.array([by_kind[kind] for kind in self.settler.owners])[item[chosen], row]
        charges = np.array([ints(rated, name)[row] for name in schemas.CHARGE_COLUMNS])
        slots = np.arange(len(self.compiled.components))
        self._kept.append({
            **{name: columns[name][row] for name in Usage._fields},
            "item": item[chosen], "owner": owner, "version": ints(rated, "version_index")[row],
            "taken": flat.field("taken").to_numpy()[chosen], "charges": charges[slots].T,
        })  # fmt: skip

    def settled_micro(self) -> int:
        """What all records come to at the tiers that their owners reached, less what they cost."""
        if not sum(len(one["item"]) for one in self._kept):
            return 0
        kept = {name: np.concatenate([one[name] for one in self._kept]) for name in self._kept[0]}
        pair = np.stack([kept["item"], kept["owner"]])
        owners, of_row = np.unique(pair, axis=1, return_inverse=True)
        volume = np.zeros(owners.shape[1], np.int64)
        np.add.at(volume, of_row.reshape(-1), kept["taken"])
        cells, cell = np.unique(np.stack([of_row.reshape(-1), kept["version"]]), axis=1,
                                return_inverse=True)  # fmt: skip
        which: list[tuple[Whole, int]] = []
        place = np.full(cells.shape[1], -1, np.int64)
        for at, (owner, version) in enumerate(cells.T.tolist()):
            plan = self.compiled.plan_ids[self.compiled.version_plans[version]]
            item = self.settler.items[owners[0, owner]]
            one = self.settler.wholes[plan, self.compiled.version_names[version], item]
            reached = one.reached(int(volume[owner]))
            if reached:
                if (one, reached) not in which:
                    which.append((one, reached))
                place[at] = which.index((one, reached))
        of_which = place[cell.reshape(-1)]
        rows = np.flatnonzero(of_which >= 0)
        if not len(rows):
            return 0
        columns = {name: kept[name][rows] for name in Usage._fields}
        due = self.settler.due_micro(columns, which, of_which[rows])
        slots = np.array([self.compiled.components.index(one.component) for one, _ in which])
        return exact_sum(due - kept["charges"][rows, slots[of_which[rows]]])
