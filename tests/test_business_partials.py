"""Long calls in parts as business cases in text: tests/business/partials."""

from __future__ import annotations

import csv
import re
from fractions import Fraction
from pathlib import Path
from typing import Final

import calls
import nights
from calls import Call, Lake, audited

from tollbook import codes

FOLDER: Final = Path(__file__).parent / "business" / "partials"
NIGHTS: Final = tuple(f"2003-06-{day}T02:00:00" for day in (11, 12, 13, 14))
WORDS: Final = {
    "part_merged": "merged", "record_duplicate": "exact", "duration_too_long": "too long",
    "part_awaited": "waits", "duration_zero": "no time",
}  # fmt: skip
Row = dict[str, str]
Place = tuple[str, int]


def cases() -> list[Row]:
    with (FOLDER / "records.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def workspace(root: Path, rows: list[Row]) -> dict[str, str]:
    """An operator that merges parts, and a customer for each case: its number."""
    calls.make(root)
    operator = root / "operator.yaml"
    operator.write_text(operator.read_text() + (FOLDER / "partials.yaml").read_text())
    names = dict.fromkeys(row["case"] for row in rows)
    numbers = {case: f"+861301000{1000 + place}" for place, case in enumerate(names)}
    for number in numbers.values():
        calls.add_subscription(root, f"S-{number[1:]},A-1,{number},,standard,active,2002-01-01,")
    return numbers


def deliver(root: Path, rows: list[Row], numbers: dict[str, str]) -> dict[Place, Row]:
    """The files of a night; where each record stands."""
    places = {}
    for file in sorted({int(row["file"]) for row in rows}):
        chosen = [row for row in rows if row["file"] == str(file)]
        calls.deliver(root, file, *(
            Call(numbers[row["case"]], start=row["start"].replace(" ", "T") + "+08:00",
                 duration=int(row["duration"]), call_ref=row["ref"],
                 sequence=int(row["sequence"]), cause=int(row["cause"]))
            for row in chosen
        ))  # fmt: skip
        places |= {(calls.name(file), line): row for line, row in enumerate(chosen, start=2)}
    return places


def found(root: Path, places: dict[Place, Row]) -> dict[str, str]:
    """Case and record -> what became of it so far, as the cases say it."""
    lake = Lake(root)
    work = nights.session.open_session(root)
    files = {file.file_number: file.name for file in work.catalogue.files()}
    work.catalogue.engine.dispose()

    def row_of(record: int) -> Row:
        return places[files[record >> 32], record & 0xFFFFFFFF]

    fates = {key: WORDS.get(fate, fate) for key, fate in lake.fates.items()}
    told = {f"{places[key]['case']}: {places[key]['record']}": fate for key, fate in fates.items()}
    for record, of in lake.rows(
        "uncharged", "record_id, first_record_id", where="first_record_id > 0"
    ):
        row = row_of(record)
        assert row_of(of)["case"] == row["case"]
        told[f"{row['case']}: {row['record']}"] += f" {row_of(of)['record']}"
    has_parts = {of for _, of in lake.rows(
        "uncharged", "record_id, first_record_id", where="reason = 'part_merged'")}  # fmt: skip
    for record, charge, flags in lake.rows("rated", "record_id, charge, flags"):
        row = row_of(record)
        word = "partial" if flags & codes.FLAG_PARTIAL else "charged"
        assert bool(flags & codes.FLAG_MERGED) == (record in has_parts)
        told[f"{row['case']}: {row['record']}"] = f"{word} {charge:.2f}"
    return told


def test_what_becomes_of_each_part(tmp_path: Path) -> None:
    rows, root = cases(), tmp_path / "harbour"
    numbers = workspace(root, rows)
    places: dict[Place, Row] = {}
    for night, as_of in enumerate(NIGHTS, start=1):
        new = [row for row in rows if row["night"] == str(night)]
        places |= deliver(root, new, numbers)
        before = sum(row["decided"] >= str(night) for row in rows if row["night"] < str(night))
        outcome = calls.run(root, as_of, threads=night)
        assert (outcome.rows, outcome.released) == (len(new), before)
        assert sum(outcome.dispositions.values()) == len(new) + before
        expected = {
            f"{row['case']}: {row['record']}":
                row["expect"] if row["decided"] <= str(night) else "waits"
            for row in rows if row["night"] <= str(night)
        }  # fmt: skip
        assert found(root, places) == expected
        audited(root)
    assert outcome.run_number == 0  # in the last night there was nothing to do


def test_sums_end_in_the_charge() -> None:
    for row in cases():
        end = re.search(r"= ([0-9.]+)$", row["arithmetic"])
        charge = re.fullmatch(r"(?:charged|partial) ([0-9.]+)", row["expect"])
        assert bool(end) == bool(charge), row
        if end and charge:
            assert Fraction(end[1]) == Fraction(charge[1]), row
