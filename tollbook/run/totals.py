"""Control totals: every record of a run has one fate, and the money adds up (promise 3, closed).

The rows of a file are counted when they are decoded; their fates are counted when they are written,
from other columns, by other code. A run whose two counts differ does not commit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook import codes, reasons
from tollbook.errors import NotClosed
from tollbook.run.catalogue import Total
from tollbook.run.exchange_kernels import tally
from tollbook.stage import ints

_SERVICES: Final = len(codes.SERVICES)
_REASONS: Final = max(reasons.BY_CODE) + 1
_Key = tuple[int, int, int, int]  # file number, period, reason, service


def disposition_of(reason: int) -> str:
    """The fate that a reason means; 0 is rated."""
    return codes.DISPOSITIONS[reasons.BY_CODE[reason].disposition if reason else codes.RATED]


@dataclass
class Tally:
    """Rows and charges by (file, period, reason, service), filled by several threads."""

    rows: Counter[_Key] = field(default_factory=Counter)
    charge_micro: Counter[_Key] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch of schemas.USAGE, or RATED with its charges."""
        if batch.num_rows == 0:
            return
        files, file_code = _dense(ints(batch, "record_id") >> 32)
        periods, period_code = _dense(ints(batch, "usage_period"))
        code = (file_code * len(periods) + period_code) * _REASONS + ints(batch, "reason")
        code = code * _SERVICES + ints(batch, "service")
        size = len(files) * len(periods) * _REASONS * _SERVICES
        rows, high, low = (np.zeros(size, np.int64) for _ in range(3))
        if "charge_micro" in batch.schema.names:
            charge = ints(batch, "charge_micro")
        else:
            charge = np.zeros(batch.num_rows, np.int64)
        tally(code, charge, rows, high, low)
        with self._lock:
            for index in np.flatnonzero(rows).tolist():
                rest, service = divmod(index, _SERVICES)
                rest, reason = divmod(rest, _REASONS)
                file, period = divmod(rest, len(periods))
                key = (int(files[file]), int(periods[period]), reason, service)
                self.rows[key] += int(rows[index])
                self.charge_micro[key] += (int(high[index]) << 32) + int(low[index])

    def totals(self) -> list[Total]:
        """As rows of the catalogue, in a fixed order."""
        return [
            Total(file, period, reason, service, disposition_of(reason), self.rows[key],
                  self.charge_micro[key])
            for key in sorted(self.rows)
            for file, period, reason, service in (key,)
        ]  # fmt: skip


def _dense(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, and for each row the position of its own (int64)."""
    low, high = int(values.min()), int(values.max())
    if low == high:
        return np.array([low]), np.zeros(len(values), np.int64)
    if high - low < 1 << 16:
        distinct = np.flatnonzero(np.bincount(values - low)) + low
    else:
        distinct = np.unique(values)
    return distinct, np.searchsorted(distinct, values)


def check_closed(
    decoded_rows: Mapping[int, int],
    totals: Iterable[Total],
    money: Mapping[str, int],
) -> None:
    """Refuse a run that does not close.

    decoded_rows: rows that came in, by file number (new, or recycled from suspense).
    totals: the fates of the rows, as written.
    money: the same sum of charges found in several ways, by the name of the way.
    """
    found: dict[int, int] = defaultdict(int)
    charge = 0
    for total in totals:
        found[total.file_number] += total.rows
        charge += total.charge_micro
    wrong = [
        f"F{file}: {decoded_rows.get(file, 0)} records came in, {found.get(file, 0)} have a fate"
        for file in sorted({*decoded_rows, *found})
        if decoded_rows.get(file, 0) != found.get(file, 0)
    ]
    wrong += [
        f"money: {charge} micro by the control totals, {amount} micro by {way}"
        for way, amount in money.items() if amount != charge
    ]  # fmt: skip
    if wrong:
        raise not_closed(wrong)


def not_closed(wrong: list[str]) -> NotClosed:
    """The error of a run whose books do not close; ``wrong`` says where."""
    return NotClosed(
        "the control totals do not close; nothing was committed\n    "
        + "\n    ".join(wrong)
        + "\n    allowed: every record has exactly one fate, every amount is counted once"
        + "\n    do: report this with the output of `tollbook audit`; the input is untouched"
    )
