"""The CSV files of a CGRateS tariff plan, row by row, and the list of what was not imported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tollbook.text import Problems, read_bytes

# Columns in the order of the files, which have no header that a loader reads.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "Timings": ("Tag", "Years", "Months", "MonthDays", "WeekDays", "Time"),
    "Destinations": ("Tag", "Prefix"),
    "Rates": ("Tag", "ConnectFee", "Rate", "RateUnit", "RateIncrement", "GroupIntervalStart"),
    "DestinationRates": (
        "Tag", "DestinationsTag", "RatesTag", "RoundingMethod", "RoundingDecimals", "MaxCost",
        "MaxCostStrategy",
    ),
    "RatingPlans": ("Tag", "DestratesTag", "TimingTag", "Weight"),
    "RatingProfiles": (
        "Tenant", "Category", "Subject", "ActivationTime", "RatingPlanTag", "FallbackSubjects",
    ),
}  # fmt: skip
# Branch 1.0: one file of rate profiles; it may also be called Rates.csv.
RATE_PROFILES: Final = (
    "Tenant", "ID", "FilterIDs", "Weights", "MinCost", "MaxCost", "MaxCostStrategy", "RateID",
    "RateFilterIDs", "RateActivationStart", "RateWeights", "RateBlocker", "RateIntervalStart",
    "RateFixedFee", "RateRecurrentFee", "RateUnit", "RateIncrement",
)  # fmt: skip
# Files of a plan that say nothing about the price of a record.
OTHER_FILES: Final[Mapping[str, str]] = {
    "SharedGroups": "balances that accounts share",
    "Actions": "changes of balances",
    "ActionPlans": "when balances change",
    "ActionTriggers": "thresholds of balances",
    "AccountActions": "accounts and their balances",
    "Attributes": "fields that are rewritten before rating",
    "Chargers": "further ratings of a record: network/ratings.csv",
    "Filters": "conditions of other profiles",
    "Stats": "statistics",
    "Thresholds": "thresholds of statistics",
    "Routes": "least-cost routing",
    "Resources": "limits of resources",
    "IPs": "pools of addresses",
    "Rankings": "rankings of statistics",
    "Trends": "trends of statistics",
    "DispatcherProfiles": "dispatching",
    "DispatcherHosts": "dispatching",
    "Dispatchers": "dispatching",
}
PROFILES: Final = ("RatingProfiles", "RateProfiles")  # tables whose rows make the plans
ANY: Final = "*any"
DROPPED, CHANGED, KNOWN = "dropped", "changed", "known"  # kinds of findings


@dataclass(frozen=True)
class Row:
    """One line of a file: its cells by column name, and where it stands."""

    file: str
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells[name]

    @property
    def at(self) -> tuple[str, int]:
        return self.file, self.line

    def listed(self, name: str) -> tuple[str, ...]:
        """The values of a list cell; none for ``*any`` and an empty cell."""
        text = self.cells[name]
        return tuple(part.strip() for part in text.split(";") if part.strip() not in ("", ANY))


@dataclass(frozen=True, order=True)
class Finding:
    """Something that the importer did not take over as it stands.

    kind: DROPPED (the row is not in the book), CHANGED (it is, read as the loader of CGRateS reads
    it, which may surprise) or KNOWN (a way of CGRateS to count that is not imitated).
    """

    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self.kind}: {self.text}"


@dataclass
class Findings:
    """All that was found, in the order of files and lines; one finding is listed once."""

    found: set[Finding] = field(default_factory=set)

    def add(self, at: tuple[str, int], kind: str, text: str) -> None:
        self.found.add(Finding(*at, kind, text))

    def listed(self) -> tuple[Finding, ...]:
        return tuple(sorted(self.found))


Tables = Mapping[str, Sequence[Row]]


def read(folder: Path, findings: Findings, problems: Problems) -> dict[str, list[Row]]:
    """All tables of a folder, absent ones empty; rows of files that are not read are listed."""
    tables: dict[str, list[Row]] = {name: [] for name in (*COLUMNS, "RateProfiles")}
    for path in sorted(folder.glob("*.csv")):
        name = path.stem
        if name not in tables:
            why = OTHER_FILES.get(name, "a file of unknown meaning")
            for line, _ in _lines(path, findings, problems):
                findings.add((path.name, line), DROPPED, f"not a price: {why}")
            continue
        for line, cells in _lines(path, findings, problems):
            row = _row(name, path.name, line, cells, problems)
            if row is not None:
                is_profile = "RateID" in row.cells
                tables["RateProfiles" if is_profile else name].append(row)
    if not any(tables[name] for name in PROFILES) and not problems.errors:
        _note_nothing(folder, tables, problems)
    return tables


def _note_nothing(folder: Path, tables: Tables, problems: Problems) -> None:
    """Says which is missing: the files, their rows, or the profiles that make plans of them."""
    files = [f"{name}.csv" for name in tables]
    if any(tables.values()):
        problems.add((str(folder), 0), "no row of a profile is here, so there is no plan",
                     f"rows in {' or '.join(f'{name}.csv' for name in PROFILES)}",
                     "add the profiles; a line with # in front is a comment")
        return
    there = [name for name in files if (folder / name).is_file()]
    if there:
        problems.add((str(folder), 0), f"{', '.join(there)}: only comments and empty lines",
                     "rows of a tariff plan; a line with # in front is a comment",
                     "fill in the rows, or name another folder")
    else:
        problems.add((str(folder), 0), "no file of a CGRateS tariff plan is here",
                     ", ".join(files), "name the folder of its CSVs")


def _lines(
    path: Path, findings: Findings, problems: Problems
) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins. A line that begins with # is a comment."""
    data = read_bytes(path, path.name, problems)
    if data is None:
        return
    reader = csv.reader(io.StringIO(data.decode(), newline=""))
    before = 0
    for cells in reader:
        line, before = before + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if cells[0].startswith("#"):
            if line > 1:
                findings.add((path.name, line), CHANGED, "a line with # is a comment wherever it"
                             " stands; nothing of it was read")
            continue
        yield line, [cell.strip() for cell in cells]


def _row(
    name: str, file: str, line: int, cells: list[str], problems: Problems
) -> Row | None:
    """A row by column names; None after a wrong number of cells was noted."""
    columns = RATE_PROFILES if name == "RateProfiles" else COLUMNS[name]
    if name == "Rates" and len(cells) == len(RATE_PROFILES):
        columns = RATE_PROFILES
    if len(cells) != len(columns):
        found = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
        problems.add((file, line), found, f"{len(columns)}: {', '.join(columns)}",
                     "leave a cell empty for what is missing; quote cells that contain a comma")
        return None
    return Row(file, line, dict(zip(columns, cells, strict=True)))
