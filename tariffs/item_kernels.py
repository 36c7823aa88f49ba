"""What remembers, as arrays: the items of plan versions, and which of them a usage may concern.

Conditions over small sets are one lookup in a dense table that gives a bit for each item; items
with open conditions are then checked one by one, as rules are (``rule_kernels``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tariffs.rule_kernels import Rules

SUBSCRIPTION, ACCOUNT, GROUP = 0, 1, 2  # tariffs.memory_model.OWNERS
MEASURE_SECOND, MEASURE_BYTE, MEASURE_EVENT, MEASURE_MONEY = 0, 1, 2, 3  # its MEASURES
ALLOWANCE, TIERS, COUNTER, CAP = 0, 1, 2, 3  # its KINDS
MONTH, DAY, DAYS, ONCE = 0, 1, 2, 3  # its SPANS
PARTIAL, OVERRUN, THRESHOLD = 0, 1, 2  # its MODES
AFTER, START_ANEW = 0, 1  # its RESTS
WITHOUT_END = -1  # of an amount
NOTHING = -1  # instead of a place or a rate

# An item of one version. item: its number over all versions; rank: of kind and priority among the
# items of the version, name_rank: of its name. slots: bits of the components that it covers.
# price: a rate or NOTHING; of a cap what comes beyond it, and ``mode`` is the unit of that.
# amount: of tiers, what lies in the first one at all times. draws_on: a place in ``entries`` or
# NOTHING. first_day, last_day: local days, half-open, in which it applies; opens_day: no span that
# ends before it is opened. rule: in ``rules``, or NOTHING: it has no open conditions.
ITEM = np.dtype([(name, np.int64) for name in (
    "item", "kind", "measure", "owner", "span", "days", "first_day", "last_day", "opens_day",
    "rank", "name_rank", "mode", "rest", "increment", "slots", "price", "draws_on", "amount",
    "rollover_limit", "rollover_spans", "rule", "plan",
)])  # fmt: skip


class Items(NamedTuple):
    """The items of all versions.

    Version v has the entries (ITEM) first[v] .. first[v + 1] - 1; the ones that have conditions
    come first, at most 62. mask: int64 by cell of the rules' dense table, from first_cell[v] on;
    bit i: the version's entry i may hold; -1 as first_cell: it has none. over: int32 by rate, the
    entry of its tiers over a span, or NOTHING. month_day: int32, the first local day of each month
    from ``first_month`` (an index of months) on.
    service_unit: int8 by service, what it counts. row_most: how many takes one row may have.
    Of item i a span is granted what entry opening[n] says, with the last n of opens_first[i] ..
    opens_first[i + 1] - 1 for which opens_day[n] is not after the span's first day, or the first.
    """

    first: np.ndarray
    first_cell: np.ndarray
    mask: np.ndarray
    entries: np.ndarray
    over: np.ndarray
    has_over: int
    month_day: np.ndarray
    first_month: int
    service_unit: np.ndarray
    row_most: int
    opens_first: np.ndarray
    opens_day: np.ndarray
    opening: np.ndarray
    rules: Rules
