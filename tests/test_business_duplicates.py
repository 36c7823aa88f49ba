"""Duplicates of all kinds as business cases in text: tests/business/duplicates."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import calls
import nights
import pytest
from calls import FRIEND, Call, Lake, audited

FOLDER: Final = Path(__file__).parent / "business" / "duplicates"
FILES: Final = sorted(FOLDER.glob("records-*.csv"))
OTHERS: Final = {"friend": FRIEND, "other": "+8613530000008"}
WORDS: Final = {
    "rated": "charged", "record_duplicate": "exact", "record_overlaps": "overlaps",
    "record_ultra_short": "ultra-short",
}  # fmt: skip
NIGHTS: Final = ("2003-06-11T02:00:00", "2003-06-12T02:00:00", "2003-06-13T02:00:00")
Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def workspace(root: Path, served: list[str]) -> None:
    """An operator with the rules of duplicates.yaml, and a customer for every number."""
    calls.make(root)
    operator = root / "operator.yaml"
    before, found, rest = operator.read_text().partition("duplicates:")
    assert found
    after = rest[rest.index("\n\n") :]
    operator.write_text(before + (FOLDER / "duplicates.yaml").read_text() + after)
    for number in served:
        calls.add_subscription(root, f"S-{number[1:]},A-1,{number},,easy,active,2002-01-01,")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_who_is_charged(path: Path, tmp_path: Path) -> None:
    rows, root = rows_of(path), tmp_path / "harbour"
    cases = list(dict.fromkeys(row["case"] for row in rows))
    number = {case: f"+861301000{1000 + place}" for place, case in enumerate(cases)}
    workspace(root, list(number.values()))
    place_of: dict[tuple[str, int], Row] = {}
    for night, as_of in enumerate(NIGHTS, start=1):
        of_night = [row for row in rows if row["night"] == str(night)]
        for file in sorted({int(row["file"]) for row in of_night}):
            chosen = [row for row in of_night if row["file"] == str(file)]
            calls.deliver(root, file, *(
                Call(served=number[row["case"]], other=OTHERS[row["other"]],
                     start=row["start"].replace(" ", "T") + "+08:00",
                     duration=int(row["duration"]), direction=row["direction"])
                for row in chosen
            ))  # fmt: skip
            place_of |= {(calls.name(file), line): row for line, row in enumerate(chosen, start=2)}
        calls.run(root, as_of)
    lake = Lake(root)
    assert {**found(root, place_of, lake)} == {
        f"{row['case']}: {row['record']}": row["expect"] for row in rows
    }
    audited(root)


def found(root: Path, place_of: dict[tuple[str, int], Row], lake: Lake) -> dict[str, str]:
    """Case and record -> what became of it, as the cases say it."""
    work = nights.session.open_session(root)
    names = {file.file_number: file.name for file in work.catalogue.files()}
    work.catalogue.engine.dispose()
    first = {
        (names[record >> 32], record & 0xFFFFFFFF): place_of[names[of >> 32], of & 0xFFFFFFFF]
        for record, of in lake.rows("uncharged", "record_id, first_record_id")
    }
    fates = {}
    for place, fate in lake.fates.items():
        row, word = place_of[place], WORDS[fate]
        if place in first:
            assert first[place]["case"] == row["case"]
            word = f"{word} {first[place]['record']}"
        fates[f"{row['case']}: {row['record']}"] = word
    return fates
