"""The scope of a re-rating: which stored records of a month are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook import clock
from tollbook.errors import NotFound, Problem, printable
from tollbook.run import lake, late
from tollbook.run.rewriting import is_among
from tollbook.text import did_you_mean

if TYPE_CHECKING:
    from tollbook.run.data import Data
    from tollbook.run.session import Session

# What narrows a scope -> the column of ``rated`` that has it.
_COLUMN: Final = {"account": "account_id", "plan": "plan", "source": "source"}


@dataclass(frozen=True)
class Scope:
    """Which rated records of a month: those that fit everything that is named.

    reason: records that waited in suspense for it before they were rated.
    """

    accounts: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it names anything at all."""
        return self != Scope()

    @property
    def is_of_accounts(self) -> bool:
        """Whether it names nothing but accounts: all that they have in the month."""
        return self == Scope(self.accounts)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Scope:
        """The scope that a plan remembers."""
        accounts, plans, sources = (
            tuple(arguments[name]) for name in ("accounts", "plans", "sources")
        )
        return cls(accounts, plans, sources, arguments["reason"])

    def arguments(self) -> dict[str, Any]:
        """The scope as a plan remembers it."""
        return {"accounts": list(self.accounts), "plans": list(self.plans),
                "sources": list(self.sources), "reason": self.reason}  # fmt: skip

    def mask(self, table: pa.Table, released: np.ndarray) -> np.ndarray:
        """Which rows of ``rated`` are in scope (bool). released: records that waited, ascending."""
        found = np.ones(table.num_rows, np.bool_)
        named = (self.accounts, self.plans, self.sources)
        for column, words in zip(_COLUMN.values(), named, strict=True):
            if words:
                texts = table.column(column).cast(pa.string())
                found &= pc.is_in(texts, value_set=pa.array(words)).to_numpy()
        if self.reason:
            found &= is_among(table.column("record_id").to_numpy(), released)
        return found


def refuse_unknown(session: Session, scope: Scope, found: Data, period: int) -> None:
    """Raises NotFound with every name that is unknown both to today's data (``found``) and to the
    records of a bill month and later ones.

    Who has left the data may still be rated again; the lake is read only where a name is in doubt.
    """
    plans = sorted({*found.customers.plan_ids, *(plan.plan_id for plan in found.book.plans)})
    sources = [source.name for source in found.workspace.sources]
    unknown = {
        "account": _unknown(scope.accounts, found.customers.accounts.account_id),
        "plan": _unknown(scope.plans, pa.array(plans, pa.string())),
        "source": _unknown(scope.sources, pa.array(sources, pa.string())),
    }
    if unknown["account"]:  # of those who are due all records may have been withdrawn
        due = pa.array([one.account_id for one in late.due(session.catalogue)], pa.string())
        unknown["account"] = _unknown(unknown["account"], due)
    for kind, words in unknown.items():
        if words:
            unknown[kind] = _unknown(words, _stored(session, _COLUMN[kind], period))
    problems = []
    for kind, words in unknown.items():
        # Ids of accounts are all near each other: the nearest one would be somebody else's.
        near = {"account": [], "plan": plans, "source": sources}[kind]
        problems += [
            Problem(f"--{kind} {printable(word)}", 0,
                    f"there is no such {kind}, today or in records from "
                    f"{clock.period_text(period)} on",
                    ", ".join(near) or "ids of customers/accounts.csv",
                    did_you_mean(word, near, "correct it")) for word in words
        ]  # fmt: skip
    if problems:
        raise NotFound("\n".join(map(str, problems)))


def _unknown(words: Sequence[str], known: pa.Array) -> list[str]:
    """The words that are not among those that are known (utf8), each once."""
    asked = pa.array(dict.fromkeys(words), pa.string())
    missing: list[str] = asked.filter(pc.invert(pc.is_in(asked, value_set=known))).to_pylist()
    return missing


def _stored(session: Session, column: str, period: int) -> pa.Array:
    """The words (utf8, each once) of a column of the rated records from a bill month on."""
    parts = [
        lake.read(session.root, file, [column]).column(column).unique().cast(pa.string())
        for file in session.catalogue.lake_files("rated") if file.period >= period
    ]
    return pa.concat_arrays(parts)
