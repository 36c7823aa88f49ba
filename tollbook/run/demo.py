"""The demo: a made sample operator lives through a month, from files to bills and statements.

Nothing in it is special: it calls what the commands call. At the end it compares what the nights
caught with the truth file of the synthesiser, and the books with each other.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cdr import synth
from cdr.synth import SynthReport, SynthSpec
from tollbook import clock, codes, customers, network, sample, workspace
from tollbook.errors import NotClosed
from tollbook.money import exact_sum
from tollbook.run import bills, lake, nightly, report, report_figures, session, settlements
from tollbook.run.bills import Billed
from tollbook.run.catalogue import LakeFile
from tollbook.run.nightly import Outcome
from tollbook.run.progress import Progress, Whole
from tollbook.run.session import OUT, Session
from tollbook.run.settlements import Settled

DELIVERY: Final = "delivery"  # where the month's files wait for their night
NIGHT_HOUR: Final = 2  # local hour at which the nights run
FIRST_DAY: Final = date(2003, 6, 1)
DAYS: Final = 30


@dataclass(frozen=True)
class Demo:
    """What the demo has made and found."""

    root: Path
    records: int
    nights: tuple[Outcome, ...]
    billed: Billed
    settled: Settled
    report: Path
    printed: tuple[Path, ...]
    truth: Path
    elapsed_s: int

    @property
    def dispositions(self) -> dict[str, int]:
        """Records of all nights by their fate."""
        found: Counter[str] = Counter(dict.fromkeys(codes.DISPOSITIONS, 0))
        for night in self.nights:
            found.update(night.dispositions)
        return dict(found)

    @property
    def charge_micro(self) -> int:
        return sum(night.charge_micro for night in self.nights)


def run(
    root: Path, progress: Progress, records: int = 200_000, subscribers: int = 5_000, seed: int = 1
) -> Demo:
    """The whole month in an empty or new folder; raises NotClosed if anything does not agree."""
    began = time.monotonic()
    period = clock.month_index(FIRST_DAY.year, FIRST_DAY.month)
    sample.write_sample(root, subscribers, seed)
    made = deliver(root, progress, records, seed)
    work = session.open_session(root, progress)
    nights = list(live(work, made))
    after = clock.period_bounds_utc_s(period, work.workspace.operator.time_zone)[1]
    as_of = after + DAYS * 60
    billed = bills.run(work, period, as_of + clock.DAY_S)
    settled = settlements.run(work, period, as_of + clock.DAY_S)
    caught = check_truth(work, made)
    check_books(work, nights, billed, settled)
    printed = bills.print_pdfs(work, period, typical_accounts(work, period)).files
    figures = report_figures.of_month(work, period)
    path = root / OUT / f"report-{clock.period_text(period)}.html"
    report.write(path, figures)
    return Demo(
        root, sum(caught.values()), tuple(nights), billed, settled, path, tuple(printed),
        made.truth, round(time.monotonic() - began),
    )  # fmt: skip


def deliver(root: Path, progress: Progress, records: int, seed: int) -> SynthReport:
    """Every file of the month, waiting outside of the inbox."""
    space, net, people = load(root)
    progress.start("make call records", records)
    spec = SynthSpec(records, FIRST_DAY, DAYS, seed, files_per_night=2, gzip_every=2)
    folder = root / DELIVERY
    return synth.write_month(space, net, people, folder, spec, folder / "truth.csv",
                             progress.advance)  # fmt: skip


def load(root: Path) -> tuple[workspace.Workspace, network.Network, customers.Customers]:
    """The sample operator as the synthesiser needs it."""
    return workspace.load_all(root)


def live(work: Session, made: SynthReport) -> Iterator[Outcome]:
    """One run a night, each with the files that the day before has brought."""
    zone = work.workspace.operator.time_zone
    outer, days = work.progress, sorted({file.night for file in made.files})
    work.progress = whole = Whole(outer, f"{len(days)} nights", len(days))
    for night in days:
        for file in made.files:
            if file.night == night:
                inbox = work.root / "inbox" / file.source
                inbox.mkdir(parents=True, exist_ok=True)
                file.path.rename(inbox / file.path.name)
        morning = clock.date_utc_s(night + timedelta(days=1), zone) + NIGHT_HOUR * 3600
        yield nightly.run(work, morning)
        whole.step()
    work.progress = outer


def check_truth(work: Session, made: SynthReport) -> dict[str, int]:
    """What became of every row is what the truth file says; gives the rows by fate."""
    expected = read_truth(made.truth)
    found: dict[tuple[str, str, int], tuple[str, str]] = {}
    names = {file.file_number: (file.source, file.name) for file in work.catalogue.files()}
    for dataset in ("suspense", "uncharged"):
        for one in work.catalogue.lake_files(dataset):
            table = lake.read(work.root, one)
            fates = (
                table.column("disposition").to_pylist() if dataset == "uncharged"
                else [codes.DISPOSITIONS[codes.SUSPENDED]] * table.num_rows
            )  # fmt: skip
            ids = table.column("record_id").to_pylist()
            why = table.column("reason").to_pylist()
            for record, fate, reason in zip(ids, fates, why, strict=True):
                source, name = names[record >> 32]
                found[source, name, record & 0xFFFFFFFF] = (fate, reason)
    wrong = [
        f"{'/'.join(map(str, key))}: {found.get(key, ('rated', ''))}, "
        f"made as {expected.get(key, ('rated', ''))}"
        for key in sorted({*expected, *found}) if expected.get(key) != found.get(key)
    ]  # fmt: skip
    if wrong:
        raise NotClosed("\n    ".join([
            f"{len(wrong)} rows have another fate than the synthesiser gave them", *wrong[:20]
        ]))  # fmt: skip
    return made.dispositions


def read_truth(path: Path) -> dict[tuple[str, str, int], tuple[str, str]]:
    """(source, file, row) -> (disposition, reason) of the rows that are not simply rated."""
    with path.open(encoding="utf-8", newline="") as handle:
        return {
            (*row["file"].rsplit("/", 1), int(row["row"])): (row["disposition"], row["reason"])
            for row in csv.DictReader(handle)
        }


def check_books(work: Session, nights: list[Outcome], billed: Billed, settled: Settled) -> None:
    """Nights, lake, bills and statements speak of the same records and the same money."""
    rated = work.catalogue.lake_files("rated")
    legs = work.catalogue.lake_files("legs")
    other_rated = [one for one in rated if one.period != billed.period]
    other_legs = [one for one in legs if one.period != settled.period]
    stated = sum(line.charge_micro for one in settled.statements for line in one.lines)
    due = billed.recurring_micro + billed.rated_micro - billed.rounding_micro + billed.tax_micro
    wrong = [
        f"{name}: {left} and {right}"
        for name, left, right in (
            ("micro rated by the nights and in the lake",
             sum(night.charge_micro for night in nights),
             billed.rated_micro + charge_of(work, other_rated)),
            ("records rated by the nights and in the lake",
             sum(night.dispositions["rated"] for night in nights), rows_of(rated)),
            ("micro due and the sum of its parts", billed.total_micro, due),
            ("legs of the nights and in the lake",
             sum(night.leg_count for night in nights), rows_of(legs)),
            ("legs settled and all but those of other months",
             settled.leg_count, rows_of(legs) - rows_of(other_legs)),
            ("micro of legs and statements", settled.leg_micro, stated),
        )
        if left != right
    ]  # fmt: skip
    if wrong:
        raise NotClosed("\n    ".join(["the books of the demo do not close", *wrong]))


def rows_of(files: list[LakeFile]) -> int:
    """Rows of lake files."""
    return sum(file.rows for file in files)


def charge_of(work: Session, files: list[LakeFile]) -> int:
    """The exact charge of lake files, in micro."""
    columns = (lake.read(work.root, file, ["charge_micro"]).column(0) for file in files)
    return sum(exact_sum(chunk.to_numpy()) for column in columns for chunk in column.chunks)


def typical_accounts(work: Session, period: int) -> list[str]:
    """Three accounts to print: a large bill, a middling one, a small one."""
    _, made, _ = bills.stored(work, period)
    order = made.bills.select(["account_id", "total_micro"]).sort_by("total_micro")
    ids = order.column("account_id").to_pylist()
    return sorted({ids[-1], ids[len(ids) // 2], ids[len(ids) // 10]}) if ids else []
