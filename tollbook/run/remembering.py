"""The state of owners around a run's rating: read once its records are known, kept or superseded
once they are rated. Where the book remembers nothing, nothing of this happens."""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.flow import Flow
from tollbook.run.session import Session
from tollbook.run.state import DATASET


def read(session: Session, work: Flow) -> None:
    """Brings the slots that the run's records may need to the buckets of their owners.

    The months are those of the records, not of the calendar: a record may be late, or retried.
    """
    if work.slots is None:
        return
    of_records = {
        month for name in ("usage_period", "bill_period") for month in work.usage.distinct(name)
    } - {0}
    files = session.catalogue.lake_files(DATASET)
    given, stored = work.given_back, sorted({one.period for one in files})
    months = set(work.slots.reach.months(sorted(of_records), stored))
    if given is not None:
        months |= given.months
        work.slots.months |= given.months
    session.progress.start("balances", len(months))
    for month in sorted(months):
        of_month = [one for one in files if one.period == month]
        work.slots.files += of_month
        rows = lake.read_all(session.root, of_month)
        work.slots.add(month, rows if given is None else given.less(rows))
        session.progress.advance(1)


def finish(work: Flow, files: Sequence[LakeFile]) -> tuple[list[LakeFile], list[str]]:
    """The run's files as they are committed, and the paths of the state that they supersede."""
    if work.slots is None:
        return list(files), []
    return work.slots.finish(work.target, files)
