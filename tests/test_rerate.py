"""Re-rating: a month under corrected data is what it would have been, had they been right at once.

The lake as a whole is compared, of a made month; and with that of a run that was killed.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nights
import pyarrow as pa
import pytest
from calls import Lake, audited
from rerating_helpers import KILLS, Calm, killed, places_called, rerated, some_instant, state

from tollbook import codes, schemas
from tollbook.run import crash, flow, lake, rewriting, session, suspended
from tollbook.run.explaining import Explainer

PARTIALS = "\nmediation:\n  pair_forwarded: 30s\n"
RIGHT = {  # file of the tariff book -> (wrong, right)
    "easy.yaml": [("{per: 60s, price: 0.60}", "{per: 60s, price: 0.55, connect: 0.02}"),
                  ("gprs: {per: 1KiB, price: 0.03, maximum: 5.00}",
                   "gprs: {per: 1KiB, price: 0.02, maximum: 4.00}"),
                  ("  - {when: {service: sms}, charge: {message: sms}}\n", "")],
    "standard.yaml": [("{per: event, price: 0.10}", "{per: event, price: 0.12}")],
}  # fmt: skip


def correct(root: Path) -> None:
    """The tariffs as they should have been, another agreement's price, and a number's new plan."""
    for name, edits in RIGHT.items():
        path = root / "tariffs" / name
        text = path.read_text()
        for wrong, right in edits:
            assert wrong in text, (name, wrong)
            text = text.replace(wrong, right)
        path.write_text(text)
    path = root / "network" / "agreements.csv"
    text = path.read_text()
    assert ",0.06," in text
    path.write_text(text.replace(",0.06,", ",0.05,"))
    path = root / "customers" / "subscriptions.csv"
    lines = path.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if ",easy," in line)
    lines[at] = lines[at].replace(",easy,", ",standard,")
    path.write_text("\n".join(lines) + "\n")


def content(root: Path) -> dict[str, Counter]:
    """All rows of each dataset, whichever run and file they are of; when they were suspended is the
    run's own. Of legs those of charged calls: transit is not rated. And all control totals."""
    work = session.open_session(root)
    found: dict[str, Counter] = {}
    transit = {record for record, in Lake(root).rows("uncharged", "record_id")}
    for dataset in ("rated", "legs", "ratings", "suspense", "pending", "uncharged", "duplicates"):
        rows = found[dataset] = Counter()
        for file in work.catalogue.lake_files(dataset):
            table = lake.read(root, file)
            if dataset == "legs":
                ids = table.column("record_id").to_pylist()
                table = table.filter(pa.array([record not in transit for record in ids]))
            names = sorted(set(table.column_names) - {"suspended_utc_s"})
            rows.update(map(repr, zip(
                *(table.column(name).to_pylist() for name in names), strict=True
            )))  # fmt: skip
    totals = found["totals"] = Counter()
    for _, one in work.catalogue.totals():
        key = (one.file_number, one.period, one.reason, one.service)
        totals.update({(*key, "rows"): one.rows, (*key, "micro"): one.charge_micro})
    found["totals"] = Counter({key: value for key, value in totals.items() if value})
    work.catalogue.engine.dispose()
    return found


def revenue(root: Path) -> int:
    return sum(value for key, value in content(root)["totals"].items() if key[-1] == "micro")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two nights under wrong data, and the same two under the right ones."""
    wrong = tmp_path_factory.mktemp("wrong") / "operator"
    made = nights.make(wrong, records=1600, nights=2)
    right = Path(shutil.copytree(wrong, tmp_path_factory.mktemp("right") / "operator"))
    correct(right)
    for night in range(2):
        nights.run(wrong, nights.deliver(wrong, made, night))
        nights.run(right, nights.deliver(right, made, night))
    return wrong, right


# ---- an open month


def test_a_month_put_right_is_as_if_it_had_been_right_at_once(
    month: tuple[Path, Path], tmp_path: Path
) -> None:
    root = nights.copy(month[0], tmp_path)
    wanted, before = content(month[1]), revenue(root)
    correct(root)
    seen = state(root)
    planned = rerated(root, dry_run=True)
    assert (state(root), planned.run_number) == (seen, 0)  # it only looked
    done = rerated(root)
    assert replace(done, run_number=0, elapsed_ms=0) == planned
    for dataset, rows in content(root).items():
        assert rows == wanted[dataset], dataset
    assert done.records == 1572
    assert 400 < done.changed < done.records
    assert done.unrated.keys() == {"no_rate"}
    assert done.new_micro - done.old_micro == revenue(root) - before
    assert done.less.delta_micro + done.more.delta_micro == done.new_micro - done.old_micro
    audited(root)
    work = session.open_session(root)
    explainer = Explainer(work)
    rated = [file for file in work.catalogue.lake_files("rated") if file.rows]
    assert {rewriting.origin_of(file) for file in rated} == {1, 2, 3}
    for file in rated:  # each by the run that rated it, wherever its row lies now
        for record in lake.read(root, file).column("record_id").to_pylist()[:12]:
            explained = explainer.explain(record)
            assert explained.run.run_number == rewriting.origin_of(file)
            assert explained.differences == ()
    work.catalogue.engine.dispose()
    again = state(root)
    assert rerated(root).run_number == 0  # the second finds nothing to do
    assert state(root) == again


def test_without_a_change_nothing_is_written(month: tuple[Path, Path]) -> None:
    for root in month:
        before = state(root)
        for dry_run in (True, False):
            done = rerated(root, dry_run=dry_run)
            assert (done.run_number, done.changed, done.unrated, done.plans) == (0, 0, {}, ())
            assert done.records == sum(content(root)["rated"].values())
        assert state(root) == before


def test_stored_records_are_what_was_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every decoded column of every rated row, but for what mediation has put together."""
    root = tmp_path / "operator"
    made = nights.make(root, records=1600, nights=1, sections=PARTIALS)
    decoded: list[pa.RecordBatch] = []
    normalise = flow.BY_NAME["normalise"]
    monkeypatch.setitem(flow.BY_NAME, "normalise",
                        lambda batch, *rest: (decoded.append(batch), normalise(batch, *rest))[1])
    nights.run(root, nights.deliver(root, made, 0), 1)
    first = pa.Table.from_batches(decoded).sort_by("record_id").to_pylist()
    by_id = {row["record_id"]: row for row in first}
    work = session.open_session(root)
    sources = [source.name for source in work.workspace.sources]
    tables = [
        table for file in work.catalogue.lake_files("rated")
        for table in rewriting.groups(root, file)
    ]  # fmt: skip
    work.catalogue.engine.dispose()
    rows = [row for table in tables for row in suspended.cdr_batch(table, sources).to_pylist()]
    assert len(rows) > 700
    found = Counter[str]()
    for row in rows:
        before = by_id[row["record_id"]]
        made_of = row["flags"] & (codes.FLAG_MERGED | codes.FLAG_PAIRED)
        for name in schemas.CDR.names:
            if row[name] != before[name]:
                assert made_of, (name, row[name], before[name])
                found[name] += 1
        assert not made_of or row["flags"] & ~made_of == before["flags"]
    assert set(found) <= {"flags", "third_raw", "duration_s", "up_bytes", "down_bytes", "sequence",
                          "cause"}  # fmt: skip


# ---- killed on the way

POINTS = [point for point in crash.POINTS if point != "parts_assembled"] if KILLS else [
    "plan_committed", "chunks_scattered", "before_transaction", "after_transaction",
    "superseded_hidden", "first_file_shown",
]  # fmt: skip


@pytest.fixture(scope="module")
def calm(month: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """The month with the right data waiting to be used, and what an undisturbed run leaves."""
    root = nights.copy(month[0], tmp_path_factory.mktemp("before"))
    correct(root)
    done = nights.copy(root, tmp_path_factory.mktemp("calm"))
    called = places_called(lambda: rerated(done))
    assert len(called) >= 6
    return Calm(root, done, called)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(calm: Calm, tmp_path: Path, point: str) -> None:
    root = nights.copy(calm.before, tmp_path)
    killed(root, TOLLBOOK_KILL_AT=point)
    assert state(root) == state(calm.done)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS or 2))
def test_killed_at_any_instant(calm: Calm, tmp_path: Path, seed: int) -> None:
    root = nights.copy(calm.before, tmp_path)
    killed(root, some_instant(seed, calm.called))
    assert state(root) == state(calm.done)
