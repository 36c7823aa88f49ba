"""Taxes of a bill: dated rates by tax class, exclusive, rounded once per bill and tax.

The rate in force on the last day of the billed period holds for the whole bill. Everything of one
tax class on a bill is one base; each tax of the class is a percentage of that base, rounded
half_up to the currency's digits. Exempt accounts pay none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from billing.amounts import share_half_up, sum_by
from tariffs.model import TaxRate
from tollbook.errors import Problem, Refused
from tollbook.money import NANO

EXEMPT: Final = "exempt"  # a tax class that never has a rate
_HUNDRED_PERCENT_NANO: Final = 100 * NANO


@dataclass(frozen=True)
class TaxLines:
    """One row a tax of a bill; same index = same row. Rows ascend by (bill, tax)."""

    bill_index: np.ndarray  # int64
    tax_index: np.ndarray  # int64 into ``taxes``
    base_micro: np.ndarray  # int64
    amount_micro: np.ndarray  # int64
    taxes: tuple[TaxRate, ...]


def rates_on(taxes: Sequence[TaxRate], day: date) -> tuple[TaxRate, ...]:
    """The rates in force on a day, by class and name."""
    found = [t for t in taxes if t.valid_from <= day and (t.valid_to is None or day < t.valid_to)]
    return tuple(sorted(found, key=lambda tax: (tax.tax_class, tax.name)))


def check_classes(used: Sequence[str], taxes: Sequence[TaxRate], day: date) -> None:
    """Refuses a tax class that bills use and for which no rate is in force on ``day``.

    A book without any tax taxes nothing; class ``exempt`` is never taxed.
    """
    known = {tax.tax_class for tax in rates_on(taxes, day)} | {EXEMPT}
    missing = sorted(set(used) - known) if taxes else []
    file = taxes[0].at.file if taxes else ""
    if missing:
        raise Refused([
            Problem(file or "tariffs", 0, f"tax class '{name}' has no rate on {day}",
                    ", ".join(sorted(known)),
                    f"add a rate for '{name}' in force on {day}, or use the class '{EXEMPT}'")
            for name in missing
        ], "no bill was made")  # fmt: skip


def tax_lines(
    bill_index: np.ndarray,
    class_index: np.ndarray,
    amounts_micro: np.ndarray,
    classes: Sequence[str],
    exempt: np.ndarray,
    rates: Sequence[TaxRate],
    digits: int,
) -> TaxLines:
    """Taxes on charge lines. A tax whose base is zero makes no line.

    bill_index, class_index, amounts_micro: int64, one a charge line, in any order.
    classes: names for ``class_index``. exempt: bool, one a bill. rates: ``rates_on`` the tax day.
    """
    bills = len(exempt)
    taxes = tuple(rates)
    found = [(np.zeros(0, np.int64),) * 4]
    for code, name in enumerate(classes):
        of_class = class_index == code
        base = sum_by(bill_index[of_class], amounts_micro[of_class], bills, f"tax base '{name}'")
        taxed = np.flatnonzero((base != 0) & ~exempt)
        for tax_index, tax in enumerate(taxes):
            if tax.tax_class == name:
                amount = share_half_up(
                    base[taxed], tax.percent_nano, _HUNDRED_PERCENT_NANO, digits, tax.name
                )
                found.append((taxed, np.full(len(taxed), tax_index), base[taxed], amount))
    bill, tax_of, base, amount = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.lexsort((tax_of, bill))
    return TaxLines(bill[order], tax_of[order], base[order], amount[order], taxes)
