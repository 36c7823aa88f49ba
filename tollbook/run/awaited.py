"""Partial records that wait for the other parts of their call: the dataset ``pending``.

Every run that rates takes all of them up and writes those anew that go on waiting. Kept apart from
``assembling`` so that a start with nothing to do loads no kernels.
"""

from __future__ import annotations

from typing import Final

import pyarrow.compute as pc

from tollbook.run import lake
from tollbook.run.session import Session

DATASET: Final = "pending"


def any_due(session: Session, as_of_utc_s: int) -> bool:
    """Whether a run would charge parts that wait, even if no new file has come."""
    files = session.catalogue.lake_files(DATASET)
    if session.workspace.partials is None:  # parts are no longer put together
        return bool(files)
    due = (lake.read(session.root, file, ["due_utc_s"]).column(0) for file in files)
    return any(pc.min(column).as_py() < as_of_utc_s for column in due if len(column))
