"""The control report of one run: what came in from each file, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tollbook import clock, reasons
from tollbook.errors import TollbookError
from tollbook.run import withdrawn
from tollbook.run.catalogue import InputFile, Run, Total
from tollbook.run.report_figures import COUNTED_KINDS
from tollbook.run.session import Session


@dataclass(frozen=True)
class FileFigures:
    """A file's records in a run. fates: by disposition; records that a retry took out of suspense
    are not new and count there as minus.
    """

    file: InputFile
    records: int  # read in this run: 0 in a retry
    fates: Mapping[str, int]
    charge_micro: int

    @property
    def unaccounted(self) -> int:
        """Records without a fate: 0 where the books close."""
        return self.records - sum(self.fates.values())


@dataclass(frozen=True)
class RunFigures:
    """A night or a retry. reasons: why records are not rated, by name, net of those taken out."""

    run: Run
    currency: str
    files: tuple[FileFigures, ...]
    reasons: Mapping[str, int]

    @property
    def records(self) -> int:
        return sum(one.records for one in self.files)

    @property
    def charge_micro(self) -> int:
        return sum(one.charge_micro for one in self.files)

    @property
    def is_closed(self) -> bool:
        """Whether every record of every file has one fate."""
        return not any(one.unaccounted for one in self.files)

    def of(self, disposition: str) -> int:
        """Records of all files that met this fate."""
        return sum(one.fates.get(disposition, 0) for one in self.files)


def of_run(session: Session, run_number: int) -> RunFigures:
    """A run's figures; raises NotFound for no run, TollbookError for one without control totals."""
    catalogue = session.catalogue
    run = catalogue.run(run_number)
    if run.kind not in COUNTED_KINDS:
        period = clock.period_text(run.period)
        raise TollbookError(
            f"run {run_number} is a {run.kind} run\n    allowed: nights, and actions on suspense: "
            f"they have control totals\n    do: `tollbook {run.kind} --period {period}` shows its "
            "figures"
        )
    if run.state == "planned":
        raise TollbookError(
            f"run {run_number} is planned\n    allowed: runs that are committed\n"
            "    do: `tollbook run` goes on with it"
        )
    totals = [total for _, total in catalogue.totals(run_number)]
    numbers = {total.file_number for total in totals}
    files = [file for file in catalogue.files()
             if file.run_number == run_number or file.file_number in numbers]  # fmt: skip
    why: Counter[str] = Counter()
    for total in totals:
        if total.reason:
            why[reasons.name_of(total.reason)] += total.rows
    undone = withdrawn.by_file(catalogue)
    figures = tuple(_file(run, file, totals, file.file_number in undone) for file in files)
    return RunFigures(run, session.workspace.operator.currency, figures,
                      {name: rows for name, rows in sorted(why.items()) if rows})  # fmt: skip


def _file(
    run: Run, file: InputFile, totals: Iterable[Total], is_withdrawn: bool
) -> FileFigures:
    """A file's figures. One that was withdrawn since has no rows of its own any more: what it had
    is what the run has counted, and less than nothing in the run that withdrew it."""
    fates: Counter[str] = Counter()
    charge_micro = 0
    for total in totals:
        if total.file_number == file.file_number:
            fates[total.disposition] += total.rows
            charge_micro += total.charge_micro
    records = file.rows if file.run_number == run.run_number and not file.refused else 0
    if is_withdrawn:
        records = sum(fates.values())
    return FileFigures(file, records, dict(fates), charge_micro)
