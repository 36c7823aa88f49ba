"""``tollbook tariff import`` and ``export``: what other engines and carriers use."""

from __future__ import annotations

from typing import Final

import click

from tollbook.cli.lazy import LazyGroup

IMPORTS: Final = {
    "cgrates": ("tollbook.cli.tariff_cgrates:cgrates_import",
                "Read the CSV files of a CGRateS tariff plan and write them as a tariff book."),
    "ratesheet": ("tollbook.cli.tariff_ratesheet:ratesheet_import",
                  "Read a carrier's rate sheet (CSV or XLSX) into a prefix deck."),
}  # fmt: skip
EXPORTS: Final = {
    "ratesheet": ("tollbook.cli.tariff_ratesheet:ratesheet_export",
                  "Write a prefix deck as a rate sheet for a partner."),
}  # fmt: skip


@click.group(name="import", cls=LazyGroup, table=IMPORTS)
def importing() -> None:
    """Bring in prices of another engine or of a carrier."""


@click.group(name="export", cls=LazyGroup, table=EXPORTS)
def exporting() -> None:
    """Write prices for others."""
