"""The report of a month: every figure that went in is shown, exactly, in a page of its own."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tollbook.run import report, report_svg
from tollbook.run.report import CarrierFigures, MonthFigures, NightFigures

FIGURES = MonthFigures(
    operator="Berg & <Tal>", currency="CHF", currency_digits=2, period="2026-03",
    nights=(
        NightFigures(date(2026, 3, 2), 7, {("msc", "rated"): 9_000, ("msc", "suspended"): 999,
                     ("pbx", "rated"): 1, ("pbx", "discarded"): 2_000},
                     {"voice": 1_234_567_890_001, "sms": 50_000}, 4_000),
        NightFigures(date(2026, 3, 3), 8, {("msc", "rated"): 500}, {"voice": 9_999_999}, 0),
    ),
    suspense={"no_rate": 3, "subscription_missing": 996},
    bill_count=41, bill_total_micro=1_234_500_000_000,
    settlements=(CarrierFigures("Rival", 70_000_000, 12_345_000), CarrierFigures("Sea", 0, 1)),
)  # fmt: skip


class Reader(HTMLParser):
    """Takes a page apart: its text by tag, what it refers to, and whether its tags nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.refers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.refers += [value or "" for name, value in attrs if name in ("src", "href", "xlink")]
        if tag not in ("meta", "rect", "line", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed at once."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path",):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag and text]


def test_the_page_shows_the_figures_and_needs_nothing_else(tmp_path: Path) -> None:
    report.write(tmp_path / "out" / "march.html", FIGURES)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["march.html"]
    page = (tmp_path / "out" / "march.html").read_text(encoding="utf-8")
    read = Reader(page)
    assert read.open == []
    assert read.refers == []
    assert not re.search(r"https?:|url\(|@import|<script", page)
    assert read.of("h1") == ["Berg & <Tal>: March 2026"]
    # 9,000 + 999 + 1 + 2,000 + 500 records; 1,234,567.890001 + 0.05 + 9.999999 charged.
    assert read.of("b") == ["12,500", "9,501", "1,234,577", "999", "1,234,500"]
    assert read.of("small") == [".94", ".00"]
    cells = read.of("td")
    nights = cells[cells.index("Mon 2026-03-02") :]
    assert nights == [
        "Mon 2026-03-02", "7", "12,000", "9,001", "999", "0", "2,000", "1,234,567.940001",
        "4.000", "3,000",
        "Tue 2026-03-03", "8", "500", "500", "0", "0", "0", "9.999999", "0.000", "0",
        "all", "12,500", "9,501", "999", "0", "2,000", "1,234,577.94", "4.000", "3,125",
    ]  # fmt: skip
    assert cells[: cells.index("Mon 2026-03-02")] == [
        "Rival", "12.345", "70.00", "−57.655", "Sea", "0.000001", "0.00", "0.000001",
        "all", "12.345001", "70.00", "−57.654999",
    ]  # fmt: skip
    assert {"voice", "1,234,577.89", "sms", "0.05", "rated", "9,501 · 76.01 %"} <= set(
        read.of("tspan") + read.of("text")
    )
    assert "add a rule" in page  # the advice for no_rate
    assert "msc → suspended: 999" in read.of("title")


def test_a_month_without_anything_is_a_page_too() -> None:
    page = report.page(MonthFigures("Berg", "CHF", 2, "2026-04", (), {}))
    read = Reader(page)
    assert read.of("b") == ["0", "0", "0", "0"]
    assert "No record waits." in page
    assert "Settlement" not in page


@pytest.mark.parametrize(
    ("highest", "unit", "steps"),
    [
        (0, 1, [0, 1]), (1, 1, [0, 1]), (5, 1, [0, 1, 2, 3, 4, 5]), (6, 1, [0, 2, 4, 6]),
        (11, 1, [0, 5, 10, 15]), (26, 1, [0, 10, 20, 30]), (999, 1, [0, 200, 400, 600, 800, 1000]),
        (1_000_001, 1_000_000, [0, 1, 2]),
    ],
)  # fmt: skip
def test_an_axis_has_round_steps_that_reach_the_highest(
    highest: int, unit: int, steps: list[int]
) -> None:
    assert report_svg.ticks(highest, unit) == steps


def test_bands_of_a_flow_add_up_to_its_uprights() -> None:
    rows = {("a", "rated"): 600, ("b", "rated"): 200, ("b", "duplicate"): 200}
    picture = report_svg.flow(report_svg.Flow(
        rows, ("rated", "duplicate"), "rated", {"voice": (3, "3.00"), "sms": (1, "1.00")}
    ))  # fmt: skip
    uprights = [float(found) for found in re.findall(r'<rect [^>]*height="([\d.]+)"', picture)]
    # 300 units stand for 1,000 records; the 800 rated ones, 240, are shared out 3 to 1 by money.
    assert uprights == [180, 120, 240, 60, 180, 60]
    bands = re.findall(r'd="M[\d.]+ ([\d.]+)C[^V]*V([\d.]+)C[^Z]* ([\d.]+)Z"', picture)
    heights = sorted(round(float(bottom) - float(top)) for top, _, bottom in bands)
    assert heights == [60, 60, 60, 180, 180]
