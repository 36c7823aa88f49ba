"""The figures as a table for people, and the README's copy of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click

from bench import machine
from bench.measure import Figure

BEGIN: Final = "<!-- bench:begin -->"
END: Final = "<!-- bench:end -->"


def value_text(figure: Figure, value: float | None) -> str:
    """A figure's value or one of its numbers to reach, with its unit."""
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    number = f"{value:.{digits}f}"
    return f"{number}×" if figure.unit == "x" else f"{number} {figure.unit}"


def goal_text(figure: Figure, value: float | None) -> str:
    """A number to reach: a bound from above or below."""
    if value is None:
        return ""
    number = f"{value:g}"
    number = f"{number}×" if figure.unit == "x" else f"{number} {figure.unit}"
    return f"{'≤' if figure.lower else '≥'} {number}"


def lines(figures: Sequence[Figure]) -> list[str]:
    """One line a figure for the terminal."""
    width = max((len(figure.name) for figure in figures), default=0)
    return [
        f"{figure.name:<{width}}  {value_text(figure, figure.value):>16}  "
        f"{figure.verdict:<5}  {figure.note}"
        for figure in figures
    ]


def earlier(
    paths: Sequence[Path], about: dict[str, Any], records: int
) -> dict[str, Figure]:
    """Figures of earlier runs by name, the last one of each in the first one's place.

    Raises ClickException for a run of another machine, other versions or other records: the
    figures of a table belong together.
    """
    names = {field.name for field in fields(Figure)}
    found: dict[str, Figure] = {}
    for path in paths:
        run = json.loads(path.read_text("utf-8"))
        for what, own, other in (("machine", about, run["machine"]),
                                 ("records", records, run["records"])):  # fmt: skip
            if own != other:
                raise click.ClickException(
                    f"{path}: {what} are {other}\n    allowed: {own}\n    do: measure it again"
                )
        for values in run["figures"]:
            figure = Figure(**{name: values[name] for name in names & values.keys()})
            found[figure.name] = figure
    return found


def markdown(
    figures: Sequence[Figure], about: dict[str, Any], records: int, size_bytes: int
) -> str:
    """The table and what it was measured on."""
    head = [
        "| what | measured | at least | aim | |",
        "|---|--:|--:|--:|---|",
    ]
    rows = [
        f"| {figure.title} | **{value_text(figure, figure.value)}** | "
        f"{goal_text(figure, figure.least)} | {goal_text(figure, figure.aim)} | {figure.note} |"
        for figure in figures
    ]
    note = (
        f"Measured with `python -m bench` on {records:,} records "
        f"({size_bytes / 2**20:,.0f} MiB) on: {machine.in_words(about)}. Medians; what is compared "
        "ran in turns in one run on the same files, and every result was checked."
    )
    return "\n".join([*head, *rows, "", note])


def write_into(readme: Path, text: str) -> None:
    """Replaces what stands between the two markers; raises ValueError if they are not there."""
    whole = readme.read_text("utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme}: the lines {BEGIN} and {END} are missing")
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
