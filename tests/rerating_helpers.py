"""What tests of re-rating share: a run of it, also one that is killed, a bill run, and all that a
run leaves."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import calls
import nights
import pytest

from tollbook.run import bills, rerate, session
from tollbook.run.rerate_scope import Scope

JUNE, JULY = 2003 * 12 + 5, 2003 * 12 + 6
LATER = "2003-06-20T09:00:00"
# TOLLBOOK_KILLS=20 asks for so many kills at random instants, and for all named points.
KILLS = int(os.environ.get("TOLLBOOK_KILLS", "0"))
PLACES = (  # functions that read, rate, write and commit
    ("tollbook.run.rewriting", "groups"), ("rating.rate_kernels", "price_rows"),
    ("tollbook.run.lake", "Writer.write"), ("tollbook.run.lake", "Writer.close"),
    ("tollbook.run.differences", "find"), ("tollbook.run.commit", "publish"),
    ("tollbook.run.catalogue", "Catalogue.supersede"),
)  # fmt: skip
KILLED_WITHIN_S = 0.005  # of the beginning of a call


def edit(root: Path, *changes: tuple[str, str]) -> None:
    """Words of plan ``easy`` that become others."""
    path = root / "tariffs" / "easy.yaml"
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


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


def nothing_differs(root: Path, as_of: str = LATER) -> None:
    """A month that is right already: re-rating it writes nothing."""
    before = state(root)
    assert rerated(root, as_of=as_of).run_number == 0
    assert state(root) == before


def killed(
    root: Path, before: str = "", *, period: int = JUNE, as_of: str = LATER, **environment: str
) -> None:
    """A run in a process of its own that does not survive; then the next start."""
    code = f"""{before}
from tollbook.run import rerate, session
from tollbook.run.rerate_scope import Scope
rerate.run(session.open_session(Path({str(root)!r})), {period}, Scope(), {calls.moment(as_of)})
"""
    assert nights.apart(code, **environment) == -9
    rerated(root, as_of=as_of, period=period)


def killed_leaves_no_trace(root: Path, tmp_path: Path, point: str, run_number: int) -> None:
    """Killed at a named point, it ends as the run of this number that is left in peace."""
    calm = nights.copy(root, tmp_path / "calm")
    assert rerated(calm).run_number == run_number
    killed(root, TOLLBOOK_KILL_AT=point)
    assert state(root) == state(calm)


class Calm(NamedTuple):
    """What is to be re-rated, what it is after an undisturbed run, and the PLACES which that called
    how often."""

    before: Path
    done: Path
    called: Counter[tuple[str, str]]


def places_called(work: Callable[[], object]) -> Counter[tuple[str, str]]:
    """How often a piece of work calls each of PLACES."""
    found: list[tuple[str, str]] = []

    def counted(place: tuple[str, str], real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values, **named: (found.append(place), real(*values, **named))[1]

    with pytest.MonkeyPatch.context() as patch:
        for place in PLACES:
            owner, name = nights.owner_of(*place)
            patch.setattr(owner, name, counted(place, getattr(owner, name)))
        work()
    return Counter(found)


def some_instant(seed: int, called: Counter[tuple[str, str]]) -> str:
    """Python that kills its process some microseconds into one of the calls."""
    chance = random.Random(seed)
    place, times = chance.choice(sorted(called.items()))
    return nights.killer(*place, chance.randint(1, times), chance.random() * KILLED_WITHIN_S)
