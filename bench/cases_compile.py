"""The first start on a new machine: every kernel is compiled, once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from bench import data
from bench.cases_night import run
from bench.measure import Figure, apart
from bench.options import Options

RECORDS: Final = 2_000
PERIOD: Final = "2003-06"
AFTER: Final = "2003-07-02T00:00:00+08:00"


def figures(options: Options) -> list[Figure]:
    """A small night, its settlement and its bills, cold and warm: the difference is compiling."""
    small = data.prepare(options.workdir, RECORDS)
    folder = options.workdir / "compile"
    with tempfile.TemporaryDirectory(dir=options.workdir) as cache:
        cold = _everything(data.fresh_copy(small, folder), options.cores, cache)
        warm = _everything(data.fresh_copy(small, folder), options.cores, cache)
    shutil.rmtree(folder)
    return [
        Figure("compile", "first compilation of everything", cold - warm, "s", 25, 12, lower=True,
               note=f"night, settlement and bills: {cold:.1f} s at first, then {warm:.1f} s"),
    ]  # fmt: skip


def _everything(root: Path, threads: int, cache: str) -> float:
    """Seconds of the three commands, one after the other."""
    taken = run(root, threads, TOLLBOOK_CACHE=cache).seconds
    for command in ("settle", "bill"):
        arguments = ["-m", "tollbook", command, "-C", str(root), "--period", PERIOD,
                     "--as-of", AFTER]  # fmt: skip
        taken += apart(arguments, TOLLBOOK_CACHE=cache).seconds
    return taken
