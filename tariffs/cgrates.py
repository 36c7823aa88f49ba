"""A CGRateS tariff plan, from its folder of CSV files to the text of a book (docs/cgrates.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tariffs import cgrates_files, cgrates_map, cgrates_profiles, cgrates_write
from tariffs.cgrates_files import DROPPED, KNOWN, Finding, Findings
from tariffs.cgrates_map import Draft
from tariffs.cgrates_prices import Rounding
from tollbook.text import Problems

# Ways to count that are known and not imitated; told with every import.
NOT_IMITATED: Final = (
    "a connection fee is charged once; equal neighbouring spans do not multiply it",
    "a maximum cost limits the sum of a call, not a running total",
    "of two prices the one with the higher weight holds, whatever the order of their rows",
    "amounts are exact: rounding up has no guard for binary fractions",
    "charges are those of a cost query; a debit that rounds span by span can differ from it",
)
COMPAT_KNOWN: Final = (
    "data and messages: each increment is rounded by itself, without the span's rounding before it"
)


@dataclass(frozen=True)
class Import:
    """What was read. refused: plans whose prices need a row that was dropped."""

    drafts: tuple[Draft, ...]
    findings: tuple[Finding, ...]
    refused: frozenset[str]

    @property
    def dropped(self) -> int:
        """Rows that were not imported."""
        return len({(one.file, one.line) for one in self.findings if one.kind == DROPPED})


def load(folder: Path, rounding: Rounding, service: str = "voice") -> Import:
    """Read a folder; ``service`` is that of rate profiles, which name none.

    Raises Refused, with all problems, if a row has a wrong number of cells or there is no plan.
    """
    problems, findings = Problems(), Findings()
    tables = cgrates_files.read(folder, findings, problems)
    problems.refuse_if_any("nothing was written")
    made = cgrates_map.Importer(tables, rounding, findings).drafts()
    made.extend(cgrates_profiles.drafts(tables["RateProfiles"], service, findings))
    for text in NOT_IMITATED:
        findings.add(("", 0), KNOWN, text)
    if rounding.compat_digits >= 0 and any(d.service not in ("voice", "video") for d in made):
        findings.add(("", 0), KNOWN, COMPAT_KNOWN)
    return Import(tuple(made), findings.listed(), cgrates_map.refused(made))


def texts(
    done: Import, currency: str, time_zone: str, partial: bool = False
) -> dict[str, bytes]:
    """The files of the book by name; without refused plans unless ``partial``."""
    drafts = [one for one in done.drafts if partial or one.plan_id not in done.refused]
    return cgrates_write.files(drafts, currency, time_zone)
