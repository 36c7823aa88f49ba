"""README.md, "Five minutes": its commands run one after the other, and print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_screens import run

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```\n(\$ .*?)```\n", re.DOTALL)
SHOWN = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
SLIP = ("tariffs/standard.yaml", 13, "0.40", "0.4O")  # what its check of a book finds


@pytest.mark.slow
def test_the_page_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    section = (ROOT / "README.md").read_text("utf-8").split("\n## ")[1]
    assert section.startswith("Five minutes")
    found = [pair for block in BLOCK.findall(section) for pair in SHOWN.findall(block)]
    assert len(found) == 9
    for command, screen in found:
        if command.startswith("cd "):
            monkeypatch.chdir(command.removeprefix("cd "))
            continue
        if "tariff check" not in command:
            printed = run(command)
        else:
            name, line, right, wrong = SLIP
            book = Path(name).read_text("utf-8")
            lines = book.splitlines()
            lines[line - 1] = lines[line - 1].replace(right, wrong)
            Path(name).write_text("\n".join(lines), "utf-8")
            printed = run(command, exit_code=1)
            Path(name).write_text(book, "utf-8")
        left = iter(printed)  # some screens are shown in part, in their order
        for shown in screen.splitlines():
            assert shown == "..." or shown in left, (command, shown, printed)
