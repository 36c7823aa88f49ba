"""docs/tariffs.md: every snippet is read, alone or with what the text says around it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tariff_books import BROKEN, KNOWN, REFUSE_ALL, ROOT, load

from tariffs import book
from tollbook.text import Problems


def doc_blocks(kind: str) -> list[str]:
    text = (ROOT / "docs" / "tariffs.md").read_text()
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


DOC_KNOWN = book.Known(
    zones=("emergency", "police", "010", "GB", "JP"),
    relations=("local", "toll", "hkmt", "international"),
    access_codes=("17911",), currency="CNY", time_zone="Asia/Shanghai",
)  # fmt: skip


@pytest.mark.parametrize("block", doc_blocks("yaml"))
def test_every_snippet_of_the_guide_is_read(tmp_path: Path, block: str) -> None:
    """A snippet of rates or rules stands for the rest of a plan; taxes need a plan beside them."""
    for deck in doc_blocks("csv"):
        (tmp_path / deck.splitlines()[0].removeprefix("# ")).write_text(deck)
    head = "" if block.startswith(("plan:", "taxes:")) else "plan: snippet\n"
    tail = "" if "rules:" in block or block.startswith("taxes:") else REFUSE_ALL
    (tmp_path / "snippet.yaml").write_text(head + block + tail)
    if block.startswith("taxes:"):
        (tmp_path / "plan.yaml").write_text("plan: p\n" + REFUSE_ALL)
    found = load(tmp_path, DOC_KNOWN)
    assert found.plans or found.taxes


def test_the_message_that_the_guide_shows(tmp_path: Path) -> None:
    shutil.copy(BROKEN / "band_gap.yaml", tmp_path)
    problems = Problems()
    book.load(tmp_path, problems, KNOWN)
    assert str(problems.found[0]) in doc_blocks("text")[0]
