"""Levels of high usage as business cases in text: tests/business/high_usage."""

from __future__ import annotations

import csv
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest
import yaml

from rating import high_usage as arithmetic
from tollbook import high_usage
from tollbook.high_usage import HighUsage
from tollbook.text import Problems, Reader, load_yaml

FOLDER: Final = Path(__file__).parent / "business" / "high_usage"
Row = dict[str, str]


def cases() -> list[Row]:
    with (FOLDER / "levels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def read(path: Path) -> tuple[HighUsage, list[str]]:
    problems = Problems()
    tree = load_yaml(path, problems, path.name)
    assert tree is not None
    found = high_usage.read(Reader(tree, problems, path.name, (high_usage.SECTION,)))
    return found, [str(one) for one in problems.found]


def test_the_rules_are_read() -> None:
    found, problems = read(FOLDER / "high_usage.yaml")
    assert problems == []
    assert [(one.name, one.measure, one.per) for one in found.rules] == [
        ("roamers", "sdr", "day"), ("monthly fee", "money", "month"),
        ("minutes", "seconds", "month"), ("volume", "bytes", "day"),
    ]  # fmt: skip
    assert found.sdr == ((date(2003, 1, 1), 10_500_000), (date(2003, 6, 10), 11_000_000))


@pytest.mark.parametrize("row", cases(), ids=lambda row: row["case"])
def test_the_level_of_what_was_used(row: Row) -> None:
    found, _ = read(FOLDER / "high_usage.yaml")
    rule = next(one for one in found.rules if one.name == row["rule"])
    if rule.measure in (high_usage.MONEY, high_usage.SDR):
        fees = []
        for part in row["used"].split():
            fee, day = part.split("@")
            price = arithmetic.sdr_price_micro(found.sdr, date.fromisoformat(day))
            fees.append((int(Fraction(fee) * 10**6), price))
        amount = Fraction(sum(fee for fee, _ in fees))
        amount = arithmetic.in_sdr(fees) if rule.measure == high_usage.SDR else amount
    else:
        amount = Fraction(row["used"])
    threshold = arithmetic.threshold_of(rule, row["plan"], row["imsi"])
    level = arithmetic.level_of(rule.levels, threshold, amount)
    assert level == int(row["level"]), row["arithmetic"]
    assert level == 0 or amount >= arithmetic.least_of(rule)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"levels": "[200, 100]"}, "the levels do not rise"),
        ({"levels": "[]"}, "0 levels"),
        ({"levels": "[0]"}, "'levels' has '0'"),
        ({"measure": "seconds"}, "'levels' has '50'"),
        ({"measure": "SDR"}, "'measure' is 'SDR'"),
        ({"per": "week"}, "'per' is 'week'"),
        ({"when": "{roaming: abroad}"}, "'roaming' names 'abroad'"),
        ({"when": "{plan: gold}"}, "unknown key 'plan'"),
        ({"segments": "[{threshold: 7}]"}, "'plan' is missing"),
        ({"segments": "[{imsi: 4x, threshold: 7}]"}, "'imsi' names '4x'"),
        ({"measure": "sdr"}, "'sdr' is missing"),
        ({"mean_of": "3"}, "'mean_of' with money by day"),
        ({"mean_of": "13", "per": "month"}, "'mean_of' is '13'"),
        ({"mean_of": "3", "per": "month", "levels": "[5x]"}, "'levels' has '5x'"),
        ({"least": "3.00"}, "'least' without 'mean_of'"),
    ],
)
def test_what_makes_no_sense_is_refused(change: Row, says: str, tmp_path: Path) -> None:
    keys = {"name": "a", "measure": "money", "per": "day", "levels": "[50, 100]"} | change
    rule = ", ".join(f"{key}: {value}" for key, value in keys.items())
    path = tmp_path / "operator.yaml"
    path.write_text(f"high_usage:\n  rules: [{{{rule}}}]\n")
    assert yaml.safe_load(path.read_text())
    _, problems = read(path)
    assert any(says in one for one in problems), problems
