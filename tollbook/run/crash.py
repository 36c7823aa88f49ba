"""Named points of the commit protocol at which a test may kill the process.

``TOLLBOOK_KILL_AT=after_transaction`` sends SIGKILL to this very process there: the strongest way
to show that a run killed anywhere leaves nothing half done. Unset, a point costs one look-up.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = (
    "plan_made",  # the plan is not yet in the catalogue
    "plan_committed",
    "chunks_scattered",  # everything decoded, nothing rated
    "parts_assembled",  # partial records are calls, nothing rated
    "files_written",  # pending files exist, their folders are not yet synced
    "before_transaction",
    "after_transaction",
    "superseded_hidden",
    "first_file_shown",
    "all_files_shown",
    "published",
)


def point(name: str) -> None:
    """Die here if a test asked for it."""
    if name not in POINTS:
        raise ValueError(f"{name} is not a named point")
    if os.environ.get("TOLLBOOK_KILL_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
