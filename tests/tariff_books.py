"""Tariff books of tests: how they are loaded, and what an operator's other files define."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tariffs import book
from tariffs.model import Book
from tollbook.text import Problems

ROOT = Path(__file__).parent.parent
BROKEN = Path(__file__).parent / "broken" / "tariffs"
KNOWN = book.Known(
    zones=("emergency", "010", "020", "0044"),
    relations=("local", "toll", "international"),
    access_codes=("17911",),
    carriers=("CMCC",),
    holidays=frozenset({date(2003, 10, 1)}),
    currency="CNY",
    time_zone="Asia/Shanghai",
    duration_limit_s=36_000,
    volume_limit_bytes=2**40,
    has_zone_clocks=False,
    has_same_place=False,
    has_boundary=False,
)
REFUSE_ALL = "rules: [{otherwise: refuse}]\n"


def load(folder: Path, known: book.Known = KNOWN) -> Book:
    """A book that must have no error."""
    problems = Problems()
    found = book.load(folder, problems, known)
    problems.refuse_if_any()
    assert found is not None
    return found
