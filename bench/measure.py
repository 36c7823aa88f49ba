"""How time and memory are measured, and what a figure is."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
ENOUGH_S: Final = 5  # works that take less in all are repeated
ROUNDS_MAX: Final = 15


@dataclass(frozen=True)
class Figure:
    """One line of the table. least, aim: what the project promises; None: shown for comparison.

    lower: a smaller value is better (seconds, bytes). note: what was measured, with records a
    second and core.
    """

    name: str
    title: str
    value: float
    unit: str
    least: float | None = None
    aim: float | None = None
    lower: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``aim``, ``ok`` or ``below``, by the numbers to reach; "" if there are none."""
        if self.least is None or self.aim is None:
            return ""
        sign = -1 if self.lower else 1
        if sign * self.value >= sign * self.aim:
            return "aim"
        return "ok" if sign * self.value >= sign * self.least else "below"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"verdict": self.verdict}


def seconds_of(work: Callable[[], Any]) -> float:
    """Seconds that one call takes; what it returns is dropped behind the clock."""
    gc.collect()
    began = time.perf_counter()
    kept = work()
    passed = time.perf_counter() - began
    del kept
    return passed


def in_turns(works: Sequence[Callable[[], Any]], repeat: int) -> list[float]:
    """Median seconds of each, taken in turns (A B A B ...), so that a slow moment of the machine
    falls on all of them. Short works are run more often than ``repeat``. What must be warm is
    warmed up by the caller, which checks results."""
    taken: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    while len(taken[0]) < repeat or (
        len(taken[0]) < ROUNDS_MAX and time.perf_counter() - began < ENOUGH_S
    ):
        for index, work in enumerate(works):
            taken[index].append(seconds_of(work))
    return [median(times) for times in taken]


def speed(records: int, seconds: float, cores: int) -> str:
    """``4.10 M records/s/core``."""
    return f"{records / seconds / cores / 1e6:.2f} M records/s/core"


@dataclass(frozen=True)
class Apart:
    """What a command in a process of its own took. ``output``: its standard output."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def apart(arguments: Sequence[str], **environment: str) -> Apart:
    """Runs ``python <arguments>`` and reports time and peak memory; raises if it fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "spawn.py"), sys.executable, *arguments],
        env=_environment(environment), capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return Apart(**json.loads(done.stdout))


def _environment(more: dict[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # An installed package has its byte code beside it; to compile it anew is no part of a run.
    own = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {"PYTHONPATH": path} | more
