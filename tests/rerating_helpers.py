"""What tests of re-rating share: a run of it, a bill run, and all that a run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import calls
import nights

from tollbook.run import bills, rerate, session
from tollbook.run.rerating import Scope

JUNE, JULY = 2003 * 12 + 5, 2003 * 12 + 6
LATER = "2003-06-20T09:00:00"


def rerated(
    root: Path, scope: Scope | None = None, as_of: str = LATER, *, period: int = JUNE,
    dry_run: bool = False,
) -> rerate.Rerated:  # fmt: skip
    work = session.open_session(root)
    try:
        return rerate.run(work, period, scope or Scope(), calls.moment(as_of), dry_run)
    finally:
        work.catalogue.engine.dispose()


def billed(root: Path, period: int, as_of: str) -> bills.Billed:
    work = session.open_session(root)
    try:
        return bills.run(work, period, calls.moment(as_of))
    finally:
        work.catalogue.engine.dispose()


def state(root: Path) -> tuple[dict[str, str], dict[str, list[dict[str, Any]]]]:
    """All that a run leaves, but for the compiled book, which may go at any time."""
    files = {name: one for name, one in nights.tree(root).items() if "/compiled/" not in name}
    return files, nights.books(root)
