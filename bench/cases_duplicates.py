"""Duplicates against a long history: what sixty days of as many records, and all three kinds of
duplicates, add to a night that knows only exact ones and has no history."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from statistics import median
from typing import Final

from bench import cases_night, make_history
from bench.data import fresh_copy
from bench.make_history import History
from bench.measure import Apart, Figure
from bench.options import Options
from rating import overlaps
from tollbook import workspace
from tollbook.run import session

KINDS: Final = """
  overlapping: {services: [voice], same: [other]}
  ultra_short: {duration: 2s, gap: 180s}"""
SETTING: Final = "  window: 60d"


def figures(options: Options) -> list[Figure]:
    """Time of the night with the history and all kinds, beside the plain night; peak memory."""
    data, top = options.data, options.workdir
    folder, old = top / "duplicates-night", top / "duplicates-history"
    plain = night(options, folder)
    cases_night.check(data, folder, json.loads(plain.output))
    alone = night(options, folder, all_kinds=True)
    options.say("making the history")
    shutil.rmtree(old, ignore_errors=True)
    history = make(options, folder, old)
    taken: dict[str, list[Apart]] = {"plain": [], "exact": [], "all": []}
    for _ in range(options.repeat):
        for name, times in taken.items():
            known = None if name == "plain" else history
            times.append(night(options, folder, name == "all", known))
            check(name, times[-1], alone, history)
    shutil.rmtree(folder)
    shutil.rmtree(old)
    seconds = {name: median(one.seconds for one in times) for name, times in taken.items()}
    added = {name: 100 * (seconds[name] / seconds["plain"] - 1) for name in taken}
    work_s = {name: median(one.cpu_seconds for one in times) for name, times in taken.items()}
    peak = {name: max(one.peak_bytes for one in times) / 2**30 for name, times in taken.items()}
    rows = f"{data.records:,} records against {history.rows:,} of {make_history.DAYS} days"
    return [
        Figure("duplicates", "what a long history and all kinds of duplicates add to the night",
               added["all"], "%", 40, 20, lower=True,
               note=f"{rows}: {seconds['all']:.2f} s, without history {seconds['plain']:.2f} s; "
               f"exact ones alone add {added['exact']:.0f} %; processor time "
               f"{work_s['all']:.1f} s and {work_s['plain']:.1f} s"),
        Figure("duplicates_memory", "peak memory of that night", peak["all"], "GiB", 3, 1.5,
               lower=True, note=f"without history {peak['plain']:.2f} GiB"),
    ]  # fmt: skip


def night(
    options: Options, folder: Path, all_kinds: bool = False, history: History | None = None
) -> Apart:
    """A night in a fresh copy of the workspace."""
    root = fresh_copy(options.data, folder)
    if all_kinds:
        path = root / "operator.yaml"
        text = path.read_text("utf-8")
        assert SETTING in text
        path.unlink()  # a link to the original
        end = text.index("\n", text.index(SETTING))
        path.write_text(text[:end] + KINDS + text[end:], encoding="utf-8")
    if history is not None:
        _put(history, root)
    return cases_night.run(root, options.cores)


def _put(history: History, root: Path) -> None:
    """The history as the index of a workspace that has not run."""
    shutil.copytree(history.root / "lake", root / "lake", copy_function=os.link)
    work = session.open_session(root)
    with work.catalogue.transaction() as link:
        work.catalogue.add_lake_files(link, history.files)
    work.catalogue.engine.dispose()


def make(options: Options, done: Path, root: Path) -> History:
    """A history for the night that was run, with all kinds, in the folder ``done``."""
    space = workspace.load(done)
    searches = overlaps.searches(space.duplicates, 0, space.limits.duration_s)
    return make_history.make(
        root, done, options.data.records, space.duplicates, searches.reach_s
    )


def _reasons(done: Apart) -> dict[str, int]:
    found: dict[str, int] = json.loads(done.output)["reasons"]
    return found


def check(name: str, done: Apart, alone: Apart, history: History) -> None:
    """What was planted was found, each kind by its name, and nothing else."""
    found, before = _reasons(done), _reasons(alone)
    for reason, count in history.planted.items():
        expected = before.get(reason, 0)
        if name == "all" or (name == "exact" and reason == "record_duplicate"):
            expected += count
        elif reason != "record_duplicate":
            expected = 0
        assert found.get(reason, 0) == expected, f"{name}: {reason} {found}, expected {expected}"
