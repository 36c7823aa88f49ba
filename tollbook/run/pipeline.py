"""The night, as one tuple of stages; their names are also the labels of progress and reports.

A source reads or decides what to read, a pure stage turns one batch into another
(``stage(batch, reference, state) -> StageResult``; no path, no catalogue, no clock), a sink writes.
``flow.py`` drives chunks and buckets through them in a pool of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cdr.delimited
import rating.assemble
import rating.duplicates
import rating.guide
import rating.legs
import rating.mediate
import rating.normalise
import rating.pair
import rating.rate
import rating.validate
from tollbook.run import commit, parts, plan


@dataclass(frozen=True)
class Stage:
    """One row of the pipeline. kind: source | pure | sink."""

    name: str
    kind: str
    function: Callable[..., Any]


STAGES: Final = (
    Stage("collect", "source", plan.collect),
    Stage("decode", "source", cdr.delimited.decode),
    Stage("validate", "pure", rating.validate.validate),
    Stage("normalise", "pure", rating.normalise.normalise),
    Stage("guide", "pure", rating.guide.guide),
    Stage("mediate", "pure", rating.mediate.mediate),
    Stage("deduplicate", "pure", rating.duplicates.decide),
    Stage("assemble", "pure", rating.assemble.assemble),
    Stage("pair", "pure", rating.pair.pair),
    Stage("rate", "pure", rating.rate.rate),
    Stage("settle", "pure", rating.legs.settle),
    Stage("write", "sink", parts.write_part),
    Stage("commit", "sink", commit.commit),
)
BY_NAME: Final = {stage.name: stage.function for stage in STAGES}
