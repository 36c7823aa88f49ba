"""A month of files in which everything happens that mediation is there for, against the truth.

The synthesiser makes the files of a small operator with gaps, files sent again, copies, contained
duplicates, runs of ultra-short calls, split calls, records for rules and unknown numbers, and tells
what becomes of each row. The nights must find exactly that, and every balance must close.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import nights
import pytest
from click.testing import CliRunner
from conftest import JIT_IS_OFF

from cdr import synth
from cdr.synth_again import Again
from cdr.synth_faults import Rates
from tollbook import clock, codes, sample, workspace
from tollbook.cli.collection import command as collection
from tollbook.run import audit, deliveries, sequences, session

FIRST_DAY = date(2003, 6, 16)
IS_WHOLE = not JIT_IS_OFF  # else a week of few records
NIGHTS, RECORDS = (30, 12_000) if IS_WHOLE else (7, 1_400)  # a month ends in another
AGAIN = Again(gaps=2, late=2, same=2, cut=3) if IS_WHOLE else Again(1, 1, 1, 1)
SECTIONS = """
  overlapping: {services: [voice], same: [other], window: 60d}
  ultra_short: {duration: 2s, gap: 180s, window: 10d}
"""
MORE = """
partials: {key: [served, call_ref], gap: 5s, hold: 24h, going_on: [1]}
mediation:
  discard:
    - {name: test lines, when: {served: ["8613800000*"], service: [voice]}}
    - {name: service codes, when: {other: ["*72*", "10010"], direction: [out]}}
  filter:
    - {name: easy abroad, when: {plan: [easy], roaming: [international]}}
  pair_forwarded: 30s
"""
RATES = Rates(
    bad_ppm=10_000, limits_ppm=10_000, duplicates_ppm=20_000, unknown_ppm=20_000,
    inactive_ppm=10_000, overlapping_ppm=20_000, ultra_short_ppm=10_000, split_ppm=20_000,
    by_rule_ppm=5_000,
)  # fmt: skip
ASKED = "msc-east"
SEED = 11
Key = tuple[str, int]


class Month:
    """The workspace after its last night, and the truth."""

    def __init__(self, root: Path) -> None:
        self.root = root
        sample.write_sample(root, 300, 7)
        settings = root / "operator.yaml"
        text = settings.read_text()
        assert "duplicates:" in text
        at = text.index("\n", text.index("  key: [served, start")) + 1
        settings.write_text(text[:at] + SECTIONS.lstrip("\n") + text[at:] + MORE)
        self.spec = spec = synth.SynthSpec(
            RECORDS, FIRST_DAY, NIGHTS, SEED, files_per_night=2, gzip_every=5, rates=RATES,
            again=AGAIN,
        )  # fmt: skip
        self.made = synth.write_month(
            *workspace.load_all(root), root / "delivery", spec, root / "truth.csv"
        )
        self.outcomes = [self.night(number) for number in range(NIGHTS + 1)]
        self.work = session.open_session(root)

    def night(self, number: int) -> nights.Outcome:
        """Deliver the files of a night, and run it; the last one brings none.

        Of the mobile switch whatever is missing has been asked for before.
        """
        day = FIRST_DAY + timedelta(days=number)
        work = session.open_session(self.root)
        if any(gap.source == ASKED for gap in deliveries.open_gaps(work.catalogue)):
            CliRunner().invoke(collection, ["request", ASKED, "--gap", "all", "-C", str(self.root)])
        work.catalogue.engine.dispose()
        for file in self.made.files:
            if file.night == day:
                target = self.root / "inbox" / file.source / file.path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / "delivery" / file.source / file.path.name, target)
        return nights.run(
            self.root, clock.date_utc_s(day + timedelta(days=1), nights.ZONE) + 7200
        )

    @property
    def names(self) -> dict[int, str]:
        return {file.file_number: f"{file.source}/{file.name}"
                for file in self.work.catalogue.files()}  # fmt: skip

    def truth(self) -> dict[Key, tuple[str, Key | None]]:
        """Row -> reason and the row that came first, of all rows that are not plainly rated."""
        with (self.root / "truth.csv").open(newline="") as file:
            return {
                (row["file"], int(row["row"])): (
                    row["reason"],
                    (row["first_file"], int(row["first_row"])) if row["first_file"] else None,
                )
                for row in csv.DictReader(file)
            }

    def lake(self) -> dict[Key, tuple[str, Key | None]]:
        """The same of every row, as the lake has it."""
        names, found = self.names, {}

        def key(record: int) -> Key:
            return names[record >> 32], record & 0xFFFFFFFF

        for dataset, columns in (
            ("rated", "'ok', 0"), ("suspense", "reason, 0"), ("pending", "reason, 0"),
            ("uncharged", "reason, first_record_id"),
        ):  # fmt: skip
            if any((self.root / "lake" / dataset).rglob("*.parquet")):
                files = f"read_parquet('{self.root}/lake/{dataset}/**/*.parquet')"
                rows = duckdb.sql(f"select record_id, {columns} from {files}").fetchall()
                for record, reason, first in rows:
                    assert key(record) not in found
                    found[key(record)] = reason, key(first) if first else None
        return found


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return Month(tmp_path_factory.mktemp("month"))


def test_a_seed_gives_the_same_month_whatever_the_threads(month: Month, tmp_path: Path) -> None:
    loaded, spec = workspace.load_all(month.root), replace(month.spec, threads=1)
    synth.write_month(*loaded, tmp_path / "delivery", spec, tmp_path / "truth.csv")
    one, other = (
        {str(path.relative_to(root)): path.read_bytes()
         for name in ("delivery", "truth.csv", "truth.json")
         for path in sorted([root / name, *(root / name).rglob("*")]) if path.is_file()}
        for root in (month.root, tmp_path)
    )  # fmt: skip
    assert one == other
    assert len(one) == len(month.made.files) + 2


def test_every_row_has_the_fate_that_the_truth_tells(month: Month) -> None:
    truth, lake = month.truth(), month.lake()
    assert len(lake) == month.made.rows
    assert {key: fate for key, fate in lake.items() if fate[0] != "ok"} == truth
    counts = Counter(reason for reason, _ in truth.values())
    assert counts.keys() >= {
        "record_duplicate", "record_overlaps", "record_ultra_short", "part_merged",
        "discarded_by_rule", "filtered_by_rule", "subscription_missing", "subscription_inactive",
        "not_answered",
    }  # fmt: skip


def test_the_balance_closes_per_file_night_and_period(month: Month) -> None:
    """received = rated + settled_only + merged + duplicate + discarded + suspended + ..."""
    document = json.loads((month.root / "truth.json").read_text())
    expected = {one["file"]: one["dispositions"] for one in document["files"]}
    names, totals = month.names, month.work.catalogue.totals()
    of_file: dict[str, Counter[str]] = {name: Counter() for name in expected}
    of_run, of_period = Counter[int](), Counter[int]()
    for run, total in totals:
        of_file[names[total.file_number]][total.disposition] += total.rows
        of_run[run] += total.rows
        of_period[total.period] += total.rows
    assert {name: {word: n for word, n in found.items() if n} for name, found in of_file.items()} \
        == {name: {word: n for word, n in found.items() if n} for name, found in expected.items()}
    for number, outcome in enumerate(month.outcomes):
        delivered = sum(file.rows for file in month.made.files if file.again != "same"
                        and file.night == FIRST_DAY + timedelta(days=number))  # fmt: skip
        assert outcome.rows == delivered
        assert of_run[outcome.run_number] == delivered
    stored = Counter[str]()
    for dataset in ("rated", "suspense", "uncharged"):
        files = f"read_parquet('{month.root}/lake/{dataset}/**/*.parquet')"
        stored.update(dict(duckdb.sql(
            f"select usage_period, count(*) from {files} group by usage_period").fetchall()))
    assert {clock.period_text(p) if p else "": n for p, n in of_period.items()} == stored
    assert len(stored) > (2 if IS_WHOLE else 0)
    audited = audit.audit(month.work)
    assert audited.findings == ()
    assert audited.dispositions == {word: document["totals"]["dispositions"].get(word, 0)
                                    for word in codes.DISPOSITIONS}  # fmt: skip


def test_a_file_with_the_same_bytes_is_told_and_not_read(month: Month) -> None:
    twice = {f"{file.source}/{file.path.name}" for file in month.made.files if file.again == "same"}
    assert twice
    assert {name for one in month.outcomes for name, _ in one.refused} == twice
    assert not twice & set(month.names.values())


def test_what_is_missing_is_known_and_what_comes_late_is_marked(month: Month) -> None:
    about = json.loads((month.root / "truth.json").read_text())
    sources = {source.name: source for source in month.work.workspace.sources}
    missing = {
        (source, file.sequence)
        for source, name in (one.split("/") for one in about["left_out"])
        if (file := sources[source].match(name)) and file.sequence is not None
    }
    found = {
        (gap.source, number)
        for gap in deliveries.open_gaps(month.work.catalogue)
        for first, last in sequences.parse(gap.missing) for number in range(first, last + 1)
    }
    assert found == missing
    assert len(missing) == 2 * AGAIN.gaps  # there are two sources that count their files
    late = {name for name in about["late"] if name.startswith(f"{ASKED}/")}
    names = month.names
    read = month.work.catalogue.files()
    assert {names[file.file_number] for file in read if file.request_number} == late
    files = f"read_parquet('{month.root}/lake/rated/**/*.parquet')"
    marked = duckdb.sql(
        f"select distinct record_id >> 32 from {files} "
        f"where flags & {codes.FLAG_RECOLLECTED} > 0").fetchall()
    assert {names[number] for number, in marked} == late


def test_merged_calls_carry_the_sum_of_their_parts(month: Month) -> None:
    """The seconds that are charged, and those of the parts beside them, add up."""
    files = f"read_parquet('{month.root}/lake/uncharged/**/*.parquet')"
    parts = dict(duckdb.sql(
        f"select first_record_id, sum(duration_s)::bigint from {files} "
        "where reason = 'part_merged' group by 1").fetchall())
    rated = f"read_parquet('{month.root}/lake/rated/**/*.parquet')"
    calls = duckdb.sql(
        f"select record_id, duration_s, flags from {rated} "
        f"where flags & {codes.FLAG_MERGED | codes.FLAG_PARTIAL} > 0").fetchall()
    merged = {record for record, _, flags in calls if flags & codes.FLAG_MERGED}
    assert merged == parts.keys()
    for record, duration_s, flags in calls:
        assert duration_s > parts.get(record, 0)
        assert flags & codes.FLAG_PARTIAL or record in merged
    if IS_WHOLE:
        assert any(flags & codes.FLAG_PARTIAL for _, _, flags in calls)  # a part never came
