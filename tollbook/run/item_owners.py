"""Whose balances the items are that rated records used.

A row of ``rated`` names the item, not the kind of its owner. Usually the state tells it; an item
that was given other owners since is what the book says that rated the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tariffs import book
from tariffs.known import names_of
from tariffs.model import Book
from tollbook import network, workspace
from tollbook.run import lake, rewriting, snapshots
from tollbook.run.catalogue import LakeFile
from tollbook.run.session import Session
from tollbook.text import Problems

CORRECTED: Final = "use_differences"  # what records of closed months take otherwise
_HOLDERS: Final = ("state", CORRECTED)  # datasets with an item and its owner's kind


def of_book(tariff_book: Book) -> dict[str, str]:
    """Item (plan/kind/name) -> a word of OWNERS."""
    found: dict[str, str] = {}
    for plan in tariff_book.plans:
        for version in plan.versions:
            memory = version.memory
            named = [
                *(("allowance", one.name, one.owner) for one in memory.allowances),
                *(("counter", one.name, one.owner) for one in memory.counters),
                *(("cap", one.name, one.owner) for one in memory.caps),
                *(("tiers", one.name, one.over.owner) for one in version.rates if one.over),
            ]
            found |= {f"{plan.plan_id}/{kind}/{name}": owner for kind, name, owner in named}
    return found


class ItemOwners:
    """Item -> a word of OWNERS, for the rows of each file of ``rated``."""

    def __init__(self, session: Session) -> None:
        self._session, self._of_run = session, dict[int, Mapping[str, str]]()
        self._unclear, self.stored = set[str](), dict[str, str]()
        names = ("item", "owner_kind")
        for dataset in _HOLDERS:
            for file in session.catalogue.lake_files(dataset):
                rows = lake.read(session.root, file, names).group_by(names).aggregate([])
                for row in rows.to_pylist():
                    item, kind = row["item"], row["owner_kind"]
                    if self.stored.setdefault(item, kind) != kind:
                        self._unclear.add(item)

    def of(self, file: LakeFile) -> Mapping[str, str]:
        """Those of the rows of a file."""
        if not self._unclear:
            return self.stored
        number = rewriting.origin_of(file)
        if number not in self._of_run:
            known = of_run(self._session, number)
            self._of_run[number] = self.stored | {
                item: known[item] for item in self._unclear & known.keys()
            }
        return self._of_run[number]


def of_run(session: Session, run_number: int) -> dict[str, str]:
    """Item -> a word of OWNERS, by the book of a run."""
    run = session.catalogue.run(run_number)
    folder, problems = snapshots.folder_of(session.lake, run.snapshot), Problems()
    space = workspace.load(folder, problems)
    net = network.load(space.network, space.operator.time_zone, problems)
    found = book.load(space.tariffs, problems, names_of(space, net))
    problems.refuse_if_any(f"the snapshot of run {run_number} cannot be read")
    return {} if found is None else of_book(found)
