"""docs/allowances.md: its books and snippets are without a finding, and no key is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tariff_books import ROOT, load
from test_docs_tariffs import DOC_KNOWN, blocks

from tariffs import book
from tariffs.grammar import KEYS
from tollbook.text import Problems

TEXT = (ROOT / "docs" / "allowances.md").read_text()
BASE = """\
plan: snippet
components: [airtime, toll]
rates: {local: {per: 60s, price: 0.40}}
rules: [{when: {service: voice}, charge: {airtime: local}}, {otherwise: refuse}]
"""


def sections() -> dict[str, list[str]]:
    """By title, the blocks of YAML; the files of one section are one book."""
    parts = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: found for part in parts if (found := blocks("yaml", part))}


@pytest.mark.parametrize("title", sections())
def test_what_the_page_shows_is_read_without_a_finding(tmp_path: Path, title: str) -> None:
    for block in sections()[title]:
        name = re.match(r"# ([\w-]+\.yaml)\n", block)
        (tmp_path / (name[1] if name else "snippet.yaml")).write_text(
            block if name else BASE + block)  # fmt: skip
    problems = Problems()
    found = book.load(tmp_path, problems, DOC_KNOWN)
    assert not problems.found
    assert found is not None


def test_the_page_names_every_key() -> None:
    for kind in ("allowance", "counter", "cap", "tiers_over", "prorate", "rollover"):
        unnamed = [key for key in KEYS[kind] if not re.search(rf"`{key}|\b{key}:", TEXT)]
        assert not unnamed, f"{kind}: {unnamed}"


def test_the_grants_that_the_page_works_out(tmp_path: Path) -> None:
    """10 of 30 days of 100 minutes, half of 101: whole minutes, nine tenths are added first."""
    block = sections()["A part of a period"][0]
    (tmp_path / "snippet.yaml").write_text(BASE + block)
    found = load(tmp_path, DOC_KNOWN).plan("snippet").versions[0].memory.allowances
    prorates = {one.name: (one.amount // one.prorate.unit_size, one.prorate.add_nano)
                for one in found if one.prorate.add_nano}  # fmt: skip
    assert prorates == {"gift": (100, 9 * 10**8), "half": (101, 9 * 10**8)}
    assert (10 * 100 * 10**9 // 30 + prorates["gift"][1]) // 10**9 == 34
    assert (101 * 10**9 // 2 + prorates["half"][1]) // 10**9 == 51
