"""Charges of rows that have a rule: each by the quickest kernel that can price it."""

from __future__ import annotations

import numpy as np

from rating import rate_kernels, slow_kernels
from rating.find_kernels import Faults, Rated, Usage
from tariffs.model import PARTS_MAX
from tariffs.rule_kernels import Tables


def price(tables: Tables, usage: Usage, faults: Faults, out: Rated) -> None:
    """The charges and totals of all rows without a reason that have a version and a rule.

    Nearly all are priced in the first pass. A pass that nothing is left for is not even compiled.
    """
    left = np.empty(len(out.reason), np.int64)
    left = left[: rate_kernels.price_rows(tables, usage, faults, out, left)]
    if len(left):
        left = left[: slow_kernels.price_crossing(tables, usage, faults, out, left)]
    if len(left):
        parts = np.empty((PARTS_MAX, 2), np.int64)
        slow_kernels.price_left(tables, usage, faults, out, left, parts)
