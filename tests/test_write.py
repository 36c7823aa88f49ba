"""Books written back as text: what is written reads back as the same book."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import made_tariffs
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from tariffs import book as books
from tariffs import write
from tariffs.book_rates import parse_rates
from tariffs.known import Known
from tariffs.model import Band, Book, Dates, Rate, Tier
from tariffs.when import Position
from tariffs.write_rates import quantity, rate_lines, word
from tollbook.text import Problems, parse_yaml

ROOT = Path(__file__).parents[1]
BOOKS = [
    "tests/cases/written", "tests/cases/remembered", "tests/cases/rating", "tests/cases/trial/book",
    "tollbook/sample/tariffs",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("examples/*/tariffs"))),
]  # fmt: skip


def load(folder: Path, origin: Path | None = None) -> Book:
    """A book; plans without a currency and time zone have those of the operator, if any."""
    operator = (origin or folder).parent / "operator.yaml"
    text = operator.read_text("utf-8") if operator.is_file() else ""
    said = dict(re.findall(r"^  (currency|time_zone): *(\S+)", text, re.MULTILINE))
    if (origin or folder).is_relative_to(ROOT / "tests"):
        said = {"currency": "EUR", "time_zone": "Europe/Berlin"}
    problems = Problems()
    book = books.load(folder, problems, Known(**said))
    problems.refuse_if_any()
    assert book is not None
    return book


def plain(value: Any) -> Any:
    """A book without the places of its text, its arrays as lists."""
    if isinstance(value, Position):
        return None
    if is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name)) for field in fields(value)
            if field.name not in ("files", "lines")
        }  # fmt: skip
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pa.Array):
        return value.to_pylist()
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize("folder", BOOKS)
def test_what_is_written_reads_back_as_the_same_book(folder: str, tmp_path: Path) -> None:
    book = load(ROOT / folder)
    for name, content in write.book_files(book, ["Written by a test.", ""]).items():
        (tmp_path / name).write_bytes(content)
    again = load(tmp_path, ROOT / folder)
    assert plain(again) == plain(book)
    assert write.book_files(again, ["Written by a test.", ""]) == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }


def test_a_file_is_written_as_a_person_would() -> None:
    book = load(ROOT / "tests/cases/trial/book")
    plan = book.plans[0]
    assert write.plan_text(plan, plan.versions[0], ["From the carrier's sheet."]) == """\
# From the carrier's sheet.
plan: standard
name: Standard
currency: EUR
time_zone: Europe/Berlin
valid: {from: 2003-01-01}
components: [airtime, toll, message, data]

rates:
  local: {per: 60s, price: 0.40}
  toll: {per: 6s, price: 0.07, bands: [{name: night, from: "00:00", to: "07:00", price: 0.04}]}
  sms: {per: event, price: 0.10}
  bytes: {per: 1KiB, price: 0.03, volumes: apart}

rules:
  - {when: {special: yes}, charge: free}
  - {when: {service: voice, relation: toll, to: "020"}, charge: {airtime: local, toll: toll}}
  - {when: {service: voice, relation: local}, charge: {airtime: local}}
  - {when: {service: sms}, charge: {message: sms}}
  - {when: {service: data}, charge: {data: bytes}}
  - {otherwise: refuse}
"""


def test_words_and_quantities() -> None:
    assert [word(one) for one in ("toll", "010", "a b", 'say "x"', "2003-06-01", "-x", "")] == [
        "toll", '"010"', '"a b"', '"say \\"x\\""', "2003-06-01", '"-x"', '""',
    ]  # fmt: skip
    assert [quantity("byte", one) for one in (1, 1000, 1024, 1536, 10**6, 2**30)] == [
        "1B", "1KB", "1KiB", "1536B", "1MB", "1GiB",
    ]  # fmt: skip
    assert (quantity("event", 1), quantity("event", 2), quantity("second", 90)) == (
        "event", "2 events", "90s")  # fmt: skip


def test_dates_that_text_cannot_say_are_refused() -> None:
    tier = (Tier(0, 1, 60, 60),)
    band = Band(255, 0, 86_400, tier, "x", dates=Dates(yearly=((1224, 1224),), years=(2003,)))
    with pytest.raises(ValueError, match="days of two kinds"):
        rate_lines(Rate("r", "second", tier, (band,)))


def meant(rate: Rate) -> Rate:
    """A made-up rate without what has no meaning, and so no text."""

    def priced(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        return tuple(replace(one, price_nano=0) if one.percent_nano else one for one in tiers)

    is_staged = rate.stage != "component"
    following = (rate.tiers or rate.bands[0].tiers)[0].increment
    return replace(
        rate, tiers=priced(rate.tiers),
        bands=tuple(replace(band, tiers=priced(band.tiers)) for band in rate.bands),
        first_increment=0 if rate.first_increment == following else rate.first_increment,
        stage_digits=rate.stage_digits if is_staged else -1,
        stage_mode=rate.stage_mode if is_staged else -1,
    )  # fmt: skip


def test_made_rates_read_back_the_same() -> None:
    """Of books that are crossed at random: each rate that the parser takes, by itself."""
    taken: list[str] = []

    @settings(max_examples=20)
    @given(book=made_tariffs.books())
    def run(book: Book) -> None:
        for rate in (rate for plan in book.plans for one in plan.versions for rate in one.rates):
            tiers = [*rate.tiers, *(tier for band in rate.bands for tier in band.tiers)]
            if any(band.dates.spans and band.dates.yearly for band in rate.bands) or (
                rate.is_template and not all(tier.percent_nano for tier in tiers)
            ):
                continue  # text cannot say it
            problems = Problems()
            text = "\n".join(["rates:", *rate_lines(rate)])
            node = parse_yaml(text, problems, "made.yaml")
            assert node is not None
            assert isinstance(node.value, dict)
            found = parse_rates(node.value["rates"], problems).read
            if found:
                assert plain(found[rate.name]) == plain(meant(rate)), text
                taken.append(rate.name)

    run()
    assert len(taken) > 50
