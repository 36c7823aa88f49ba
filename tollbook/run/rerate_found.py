"""What the tasks of a re-rating have in common: what they give, and what they compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tollbook import reasons
from tollbook.run.catalogue import LakeFile
from tollbook.run.lake_columns import CDR_IN_LAKE
from tollbook.run.rerate_figures import Figures

# Columns that re-rating cannot change: what came from the network, and where the record is billed.
FIXED: Final = frozenset({
    *CDR_IN_LAKE, "upstream_charge_micro", "dedupe_hash", "bill_period", "rating_kind",
}) - {"flags"}  # fmt: skip


@dataclass
class Found:
    """What a file's task gives: figures, and what it has written.

    gone, come: rows of ``rated`` that left the file, and records that were written anew.
    """

    figures: Figures = field(default_factory=Figures)
    files: list[LakeFile] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    component_micro: int = 0
    ratings_micro: int = 0
    gone: int = 0
    come: int = 0


def count(figures: Figures, reason: np.ndarray, held: np.ndarray) -> None:
    """Records without a price any more, by reason; held (bool): those that stay as they are."""
    for code, rows in zip(*np.unique(reason[reason != 0], return_counts=True), strict=True):
        figures.unrated[reasons.name_of(int(code))] += int(rows)
    figures.held += int(np.count_nonzero(held))
