"""Small workspaces whose deliveries are watched: made files, nights, and what the commands show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import calls
from calls import Call
from click.testing import CliRunner, Result

from tollbook.cli import main

SOURCE = "msc-east"
PATTERN = "    files: MSCE_{sequence:06d}_{date:%Y%m%d%H%M}.csv*\n"


def configure(root: Path, of_source: str = "", of_all: str = "") -> None:
    """More keys of msc-east, and of operator.yaml. The disk of the machine is nobody's concern."""
    path = root / "operator.yaml"
    text = path.read_text()
    assert text.count(PATTERN) == 1
    if of_source:
        text = text.replace(PATTERN, f"{PATTERN}    {of_source}\n")
    path.write_text(f"{text}alarms: {{disk_minor: off, disk_critical: off{of_all}}}\n")


def deliver(root: Path, number: int, made: str, *rows: Call) -> Path:
    """File ``number``, made at a local time; by default with one record of its own."""
    moment = made.replace("-", "").replace(":", "").replace("T", "").replace(" ", "")
    one = Call(start=f"{made[:10]}T{made[11:16]}:00+08:00", duration=60 + number)
    return calls.deliver(root, f"MSCE_{number:06d}_{moment}.csv", *(rows or (one,)))


def cli(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["collection", words[0], "-C", str(root), *words[1:]])


def shown(root: Path, *words: str) -> Any:
    """What a command prints as JSON."""
    result = cli(root, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def told(root: Path, as_of: str) -> list[str]:
    """What a night tells of alarms, shortened to what, kind and subject."""
    return [
        " ".join(filter(None, (one.what, one.alarm.kind, one.alarm.subject)))
        for one in calls.run(root, as_of).alarms
    ]


def standing(root: Path) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["state"], one["repeats"]) for one in shown(root, "alarms")["alarms"]]
