"""docs/trying-tariffs.md: its files are written, its commands run, and its screens are theirs."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from docs_screens import run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "trying-tariffs.md"
FILES = ("calls.csv", "dialled.csv")  # the CSV blocks of the page, in their order
BLOCK = re.compile(r"```(csv|console)\n(.*?)```\n", re.DOTALL)


def screen(commands: str) -> str:
    """What the lines of a console block print that begin with a dollar sign, with these lines."""
    shown = []
    for line in re.findall(r"^\$ (.*)$", commands, re.MULTILINE):
        shown.append(f"$ {line}")
        program, *words = shlex.split(line)
        if program != "tollbook":
            subprocess.run([program, *words], check=True)
            continue
        shown += run(line)
    return "\n".join(shown) + "\n"


def test_the_page_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = PAGE.read_text("utf-8")
    names = iter(FILES)
    found = text
    for kind, body in BLOCK.findall(text):
        if kind == "csv":
            Path(next(names)).write_text(body, "utf-8")
        else:
            found = found.replace(f"```console\n{body}```", f"```console\n{screen(body)}```")
    assert list(names) == []
    if update_golden:
        PAGE.write_text(found, "utf-8")
    assert PAGE.read_text("utf-8") == found
