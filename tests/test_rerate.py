"""Re-rating: a month under corrected data is what it would have been, had they been right at once.

The cases on a made month compare whole lakes; those on written-out calls check single amounts. On
plan ``easy`` a local call costs 0.60 for each minute begun, a message 0.15.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import calls
import duckdb
import nights
import pyarrow as pa
import pytest
from calls import BOB, CAT, NOBODY, Call, Lake, audited
from click.testing import CliRunner, Result

from tollbook import codes, schemas
from tollbook.cli import main
from tollbook.run import bills, flow, lake, rerate, rewriting, session, suspended
from tollbook.run.explaining import Explainer
from tollbook.run.rerating import Scope

JUNE, JULY = 2003 * 12 + 5, 2003 * 12 + 6
LATER = "2003-06-20T09:00:00"
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


def rerated(
    root: Path, scope: Scope | None = None, as_of: str = LATER, *, period: int = JUNE,
    dry_run: bool = False,
) -> rerate.Rerated:  # fmt: skip
    work = session.open_session(root)
    try:
        return rerate.run(work, period, scope or Scope(), calls.moment(as_of), dry_run)
    finally:
        work.catalogue.engine.dispose()


def billed(root: Path, period: int, as_of: str) -> bills.Billed:
    work = session.open_session(root)
    try:
        return bills.run(work, period, calls.moment(as_of))
    finally:
        work.catalogue.engine.dispose()


def content(root: Path) -> dict[str, Counter[tuple]]:
    """All rows of each dataset, whichever run and file they are of; when they were suspended is the
    run's own. Of legs those of charged calls: transit is not rated. And all control totals."""
    work = session.open_session(root)
    found: dict[str, Counter[tuple]] = {}
    transit = {record for record, in Lake(root).rows("uncharged", "record_id")}
    for dataset in ("rated", "legs", "ratings", "suspense", "pending", "uncharged", "duplicates"):
        rows = found[dataset] = Counter()
        for file in work.catalogue.lake_files(dataset):
            table = lake.read(root, file)
            if dataset == "legs":
                ids = table.column("record_id").to_pylist()
                table = table.filter(pa.array([record not in transit for record in ids]))
            names = sorted(set(table.column_names) - {"suspended_utc_s"})
            rows.update(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    totals = found["totals"] = Counter()
    for _, one in work.catalogue.totals():
        key = (one.file_number, one.period, one.reason, one.service)
        totals.update({(*key, "rows"): one.rows, (*key, "micro"): one.charge_micro})
    found["totals"] = Counter({key: value for key, value in totals.items() if value})
    work.catalogue.engine.dispose()
    return found


def state(root: Path) -> tuple[dict[str, str], dict[str, list[dict[str, Any]]]]:
    """All that a run leaves, but for the compiled book, which may go at any time."""
    files = {name: one for name, one in nights.tree(root).items() if "/compiled/" not in name}
    return files, nights.books(root)


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


PARTIALS = "\nmediation:\n  pair_forwarded: 30s\n"


# ---- a closed month

EASY = "local: {per: 60s, price: 0.60}"


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    """Two local calls and a message on plan easy, one call on plan standard; in June."""
    root = calls.make(tmp_path / "harbour")
    calls.deliver(
        root, 1, Call(), Call(served=BOB, duration=61), Call(served=CAT),
        Call(served=BOB, service="sms", duration=0, events=1), Call(served=NOBODY),
    )  # fmt: skip
    assert calls.run(root).dispositions["rated"] == 4
    return root


def priced(root: Path, price: str) -> None:
    """Another price of local calls on plan easy."""
    path = root / "tariffs" / "easy.yaml"
    lines = path.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  local: {per: 60s"))
    lines[at] = f"  local: {{per: 60s, price: {price}}}"
    path.write_text("\n".join(lines) + "\n")


def command(root: Path, *words: str) -> Result:
    found = CliRunner().invoke(main.cli, ["rerate", "-C", str(root), "--period", "2003-06", *words])
    assert found.exit_code == 0, found.output
    return found


def read(root: Path, dataset: str, where: str, columns: str) -> list[tuple]:
    """Rows of a dataset without record ids; amounts as text."""
    files = f"read_parquet('{root}/lake/{dataset}/**/*.parquet')"
    with duckdb.connect() as link:
        found = link.sql(f"select {columns} from {files} where {where} order by all").fetchall()
    return [tuple(str(one) if isinstance(one, Decimal) else one for one in row) for row in found]


def test_a_closed_month_is_corrected_on_the_next_bill(harbour: Path) -> None:
    billed(harbour, JUNE, "2003-07-02T00:00:00")
    before = Lake(harbour).rows("rated", "*")
    priced(harbour, "0.55")
    said = command(harbour, "--as-of", "2003-07-03").stdout
    for line in (
        "run 3: 4 records of 2003-06 rated again, 2 of them otherwise than before",
        "easy  airtime          2  1.80  1.65  -0.15",
        "2 accounts less: -0.15 in all, the most A-2 with -0.10",
        "the month is billed: `tollbook bill --period 2003-07` bills the differences",
    ):  # fmt: skip
        assert line in said, said
    columns = "account_id, plan, component, tax_class, old, new, delta, rated_period, bill_period"
    assert [tuple(map(str, row)) for row in Lake(harbour).rows("differences", columns)] == [
        ("A-1", "easy", "airtime", "standard", "0.600000", "0.550000", "-0.050000", "2003-06",
         "2003-07"),
        ("A-2", "easy", "airtime", "standard", "1.200000", "1.100000", "-0.100000", "2003-06",
         "2003-07"),
    ]  # fmt: skip
    assert Lake(harbour).rows("rated", "*") == before
    assert command(harbour).stdout.startswith("nothing to do: 4 records")  # it is booked
    priced(harbour, "0.50")
    assert "1.65  1.50  -0.15" in command(harbour).stdout  # the rest, no more
    priced(harbour, "0.55")
    assert "1.50  1.65  0.15" in command(harbour).stdout  # and back
    done = billed(harbour, JULY, "2003-08-02T00:00:00")
    assert (done.rated_micro, done.correction_micro) == (-150_000, -150_000)
    audited(harbour)
    lines = read(harbour, "bill_lines", "kind = 'correction'",
                 "bill_number, kind, item, plan, usage_count, rated, amount")  # fmt: skip
    assert lines == [
        ("2003-07-A-1", "correction", "airtime", "easy", 1, "-0.050000", "-0.050000"),
        ("2003-07-A-2", "correction", "airtime", "easy", 1, "-0.100000", "-0.100000"),
    ]
    entries = read(harbour, "ledger", "ledger_account like 'correction%'",
                   "bill_number, ledger_account, debit, credit")  # fmt: skip
    assert entries == [
        ("2003-07-A-1", "correction:airtime", "0.050000", "0.000000"),
        ("2003-07-A-2", "correction:airtime", "0.100000", "0.000000"),
    ]
