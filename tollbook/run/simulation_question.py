"""What a simulation is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tollbook.run.stored_usage import WHOLE_PPM


@dataclass(frozen=True)
class Question:
    """What is asked of a month.

    sample_ppm: which share of the accounts is looked at, always the same ones. elasticity: by
    service and relation, ``*`` for any. moves: plan -> the plan that prices its usage instead.
    """

    period: int
    sample_ppm: int = WHOLE_PPM
    elasticity: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
