"""docs/tariffs.md: every snippet is read, every book on it is without a finding, every sum right.

Blocks whose first line names a file (``# plan.yaml``) are, section by section, the files of a book;
its ``calls.csv`` is priced. Other blocks of YAML are parts of a plan.
"""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from tariff_books import BROKEN, KNOWN, REFUSE_ALL, ROOT, load
from test_examples import expected, facts_of, shown

from rating import trace
from tariffs import book
from tariffs.book_rules import RULED_DIRECTIONS
from tariffs.grammar import KEYS
from tollbook.text import Problems

TEXT = (ROOT / "docs" / "tariffs.md").read_text()
CALLS = "calls.csv"
DOC_KNOWN = book.Known(
    zones=("emergency", "police", "010", "GB", "JP"),
    relations=("local", "toll", "province", "hkmt", "international"),
    access_codes=("17911",), currency="CNY", time_zone="Asia/Shanghai",
)  # fmt: skip


def blocks(kind: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def books() -> dict[str, dict[str, str]]:
    """The files of each section's book."""
    found = {}
    for section in re.split(r"^##+ ", TEXT, flags=re.MULTILINE)[1:]:
        files = {
            match[1]: block for block in blocks("(?:yaml|csv)", section)
            if (match := re.match(r"# ([\w-]+\.(?:yaml|csv))\n", block))
        }  # fmt: skip
        if files:
            found[section.splitlines()[0]] = files
    return found


@pytest.mark.parametrize("title", books())
def test_books_of_the_guide_cost_what_they_say(tmp_path: Path, title: str) -> None:
    files = books()[title]
    for name, text in files.items():
        if name != CALLS:
            (tmp_path / name).write_text(text)
    problems = Problems()
    found = book.load(tmp_path, problems, DOC_KNOWN)
    assert found is not None, "\n".join(map(str, problems.found))
    assert not problems.found
    calls = list(csv.DictReader(files[CALLS].splitlines()[1:]))
    assert calls
    wrong = []
    for cells in calls:
        plan = cells.get("plan") or found.plans[0].plan_id
        facts = facts_of({"direction": "out", **cells}, "Asia/Shanghai")
        steps = trace.price(found, plan, facts)
        parts = {part.component: part.charge_micro for part in steps.components}
        charged = steps.reason, shown({} if steps.reason else parts)
        if charged != expected(cells["expect"]):
            wrong.append(f"{charged} is not {cells}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("block", [one for one in blocks("yaml") if not one.startswith("#")])
def test_every_other_snippet_of_the_guide_is_read(tmp_path: Path, block: str) -> None:
    """A snippet of rates or rules stands for the rest of a plan; taxes and discounts need a plan
    beside them."""
    is_whole = block.startswith(("taxes:", "discounts:"))
    head = "" if is_whole or block.startswith("plan:") else "plan: snippet\n"
    tail = "" if "rules:" in block or is_whole else REFUSE_ALL
    (tmp_path / "snippet.yaml").write_text(head + block + tail)
    if is_whole:
        (tmp_path / "plan.yaml").write_text("plan: young\n" + REFUSE_ALL)
    found = load(tmp_path, DOC_KNOWN)
    assert found.plans or found.taxes


def test_the_message_that_the_guide_shows(tmp_path: Path) -> None:
    shutil.copy(BROKEN / "band_gap.yaml", tmp_path)
    problems = Problems()
    book.load(tmp_path, problems, KNOWN)
    assert any(str(problems.found[0]) in block for block in blocks("text"))


def test_the_guide_names_every_key_and_condition() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", TEXT, re.MULTILINE)
    assert set(KEYS["when"]) <= set(rows)
    for kind in ("plan", "rate", "band", "tier", "round", "target"):
        unnamed = [key for key in KEYS[kind] if not re.search(rf"\b{key}\b", TEXT)]
        assert not unnamed, f"{kind}: {unnamed}"
    assert all(word in TEXT for word in RULED_DIRECTIONS)
