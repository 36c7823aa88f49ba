"""The scope of a re-rating: which stored records of a month are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook.run.rewriting import is_among


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
        for column, words in (("account_id", self.accounts), ("plan", self.plans),
                              ("source", self.sources)):  # fmt: skip
            if words:
                texts = table.column(column).cast(pa.string())
                found &= pc.is_in(texts, value_set=pa.array(words)).to_numpy()
        if self.reason:
            found &= is_among(table.column("record_id").to_numpy(), released)
        return found
