"""Small workspaces for tests of whole nights: the sample operator and made call records."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cdr import synth
from cdr.synth import SynthReport, SynthSpec
from cdr.synth_faults import Rates
from tollbook import clock, sample, workspace
from tollbook.run import nightly, session
from tollbook.run.nightly import Outcome
from tollbook.run.tables import METADATA

FIRST_DAY = date(2003, 6, 3)
ZONE = "Asia/Shanghai"


def make(
    root: Path, records: int, nights: int, subscribers: int = 200, seed: int = 7,
    rates: Rates | None = None, duplicates: str = "", sections: str = "",
) -> SynthReport:  # fmt: skip
    """A sample workspace in ``root`` and its nights' files in ``root/delivery``.

    duplicates: more lines of that section of operator.yaml. sections: more of its sections.
    """
    sample.write_sample(root, subscribers, seed)
    operator = root / "operator.yaml"
    operator.write_text(operator.read_text().replace(
        "\nduplicates:", f"\nduplicates:\n{duplicates}", 1) + sections)  # fmt: skip
    space, net, people = workspace.load_all(root)
    spec = SynthSpec(
        records, FIRST_DAY, nights, seed, files_per_night=2, rates=rates or Rates()
    )
    return synth.write_month(
        space, net, people, root / "delivery", spec, root / "delivery" / "truth.csv"
    )


def deliver(root: Path, made: SynthReport, night: int) -> int:
    """Move a night's files into the inbox; gives the night's ``as_of``."""
    day = FIRST_DAY + timedelta(days=night)
    for file in made.files:
        if file.night == day:
            target = root / "inbox" / file.source / file.path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / "delivery" / file.source / file.path.name, target)
    return clock.date_utc_s(day + timedelta(days=1), ZONE) + 7200


def run(root: Path, as_of_utc_s: int, threads: int = 2) -> Outcome:
    """One night in this process."""
    work = session.open_session(root)
    work.threads = threads
    try:
        return nightly.run(work, as_of_utc_s)
    finally:
        work.catalogue.engine.dispose()


def run_apart(root: Path, as_of_utc_s: int, before: str = "", **environment: str) -> int:
    """One night in a process of its own; gives its exit code (-9: killed).

    before: Python that the process executes first.
    """
    work = f"nightly.run(session.open_session(Path({str(root)!r})), {as_of_utc_s})"
    return apart(f"{before}\nfrom tollbook.run import nightly, session\n{work}\n", **environment)


def apart(code: str, **environment: str) -> int:
    """Python in a process of its own; gives its exit code: 0, or -9 if it was killed."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{code}"],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode not in (0, -9):
        raise AssertionError(done.stderr)
    return done.returncode


def killer(module: str, name: str, call: int, wait_s: float) -> str:
    """Python that kills its process a moment into the n-th call of a function or method."""
    return f"""
import itertools, os, signal, threading, nights
owner, name = nights.owner_of({module!r}, {name!r})
real, numbers, doomed = getattr(owner, name), itertools.count(1), []
def wrapped(*values, **named):
    if next(numbers) == {call}:
        doomed.append(True)
        threading.Timer({wait_s!r}, os.kill, (os.getpid(), signal.SIGKILL)).start()
    found = real(*values, **named)
    if doomed:
        threading.Event().wait()
    return found
setattr(owner, name, wrapped)
"""


def owner_of(module: str, name: str) -> tuple[Any, str]:
    """The module or class that holds a function or method, and the last part of its name."""
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, last


def tree(root: Path) -> dict[str, str]:
    """Every file of the lake and of out/ with its digest."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("lake", "out")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def books(root: Path) -> dict[str, list[dict[str, Any]]]:
    """The catalogue's rows, but for how long things took, how often it was written to, and the room
    on the machine's disk."""
    work = session.open_session(root)
    found = {}
    with work.catalogue.engine.connect() as link:
        for table in METADATA.sorted_tables:
            rows = [dict(row) for row in link.execute(select(table)).mappings()]
            for row in rows:
                for name in ("elapsed_ms", "epoch", "modified_ns"):
                    row.pop(name, None)
            found[table.name] = [
                row for row in rows if row.get("name") != "epoch" and row.get("kind") != "disk_low"
            ]
    work.catalogue.engine.dispose()
    return found


def copy(root: Path, folder: Path) -> Path:
    """A copy of a workspace, with the times of its files."""
    return Path(shutil.copytree(root, folder / root.name))
