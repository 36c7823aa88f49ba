"""Progress of long work: a bar on a terminal, plain lines elsewhere, silence for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

_FORESEEN: Final = 10  # per cent done before it says how long the rest takes


class Progress(Protocol):
    """What long work reports to. ``total`` and ``done`` are in the unit that the label names."""

    def start(self, label: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...
    def stop(self, note: str = "") -> None: ...
    def say(self, text: str) -> None: ...


class Silent:
    """Reports nothing."""

    def start(self, label: str, total: int) -> None:
        """Nothing."""

    def advance(self, done: int) -> None:
        """Nothing."""

    def stop(self, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Lines:
    """One plain line when a piece of work ends, and one every ten seconds while it lasts."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._label, self._total, self._done = "", 0, 0
        self._began = self._told = time.monotonic()

    def start(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._began = self._told = time.monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        now = time.monotonic()
        if now - self._told >= 10:
            self._told = now
            self._line(now)

    def stop(self, note: str = "") -> None:
        if note:
            self.say(f"{self._label}: {note}")
        self._label = ""

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def _line(self, now: float) -> None:
        share = min(100, 100 * self._done // max(self._total, 1))
        if share < _FORESEEN:
            self.say(f"{self._label}: {share} %")
            return
        left = (now - self._began) * (self._total - self._done) / self._done
        self.say(f"{self._label}: {share} %, about {max(0, round(left))} s left")


class Bars:
    """Bars on a terminal, through rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description:<28}"), BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=1, visible=False)
        self._bar.start()

    def start(self, label: str, total: int) -> None:
        self._bar.reset(
            self._task, description=label, total=max(total, 1), completed=0, visible=True
        )

    def advance(self, done: int) -> None:
        self._bar.advance(self._task, done)

    def stop(self, note: str = "") -> None:
        if note:
            self._bar.console.print(note, highlight=False)

    def say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False)

    def close(self) -> None:
        self._bar.stop()


class Whole:
    """Nights of a month as one piece of work: what each night reports does not reset it."""

    def __init__(self, outer: Progress, label: str, total: int) -> None:
        self._outer = outer
        outer.start(label, total)

    def step(self) -> None:
        self._outer.advance(1)

    def start(self, label: str, total: int) -> None:
        """Nothing: the whole goes on."""

    def advance(self, done: int) -> None:
        """Nothing: the whole counts nights."""

    def stop(self, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        self._outer.say(text)


@contextmanager
def shown(quiet: bool) -> Iterator[Progress]:
    """The progress that suits where standard error goes."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        bars = Bars()
        try:
            yield bars
        finally:
            bars.close()
    else:
        yield Lines(sys.stderr)
