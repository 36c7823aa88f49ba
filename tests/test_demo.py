"""The demo's month, audited from outside: DuckDB reads the lake, sqlite3 the catalogue.

Nothing here trusts tollbook's own sums: records are counted in the delivered files, fates and money
in the Parquet files, and what customers and carriers receive is read as they would read it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
import sqlite3
from collections import Counter
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from tollbook import clock
from tollbook.cli import main
from tollbook.run import audit, bills, demo, nightly, session, settlements
from tollbook.run.progress import Silent

pytestmark = pytest.mark.slow  # a month, in every test
RECORDS, SUBSCRIBERS = 6_000, 300
MONTH = "2003-06"
PERIOD = 2003 * 12 + 5
LINES_OF_HEADER = {"msc-east": 1, "ims-west": 0, "ggsn": 0}
BILLS, SETTLEMENT = f"out/bills/{MONTH}", f"out/settlement/{MONTH}"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> demo.Demo:
    return demo.run(tmp_path_factory.mktemp("demo") / "harbour", Silent(), RECORDS, SUBSCRIBERS)


def rows(root: Path, query: str) -> list[Any]:
    """A query over the lake; ``{rated}`` stands for the files that a reader finds of a dataset."""
    scans = re.sub(r"\{(\w+)\}", rf"read_parquet('{root}/lake/\1/**/*.parquet')", query)
    with duckdb.connect() as link:
        return link.sql(scans).fetchall()


def catalogue(root: Path, query: str) -> list[Any]:
    with sqlite3.connect(root / "catalogue.db") as link:
        return link.execute(query).fetchall()


def files(root: Path) -> dict[int, tuple[str, str]]:
    """File number -> (source, name)."""
    found = catalogue(root, "select file_number, source, name from files")
    return {number: (source, name) for number, source, name in found}


def lines_of(path: Path) -> int:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    assert data.endswith(b"\n")
    return data.count(b"\n")


def digests(root: Path) -> dict[str, str]:
    """Every file of the lake and of out/, and the catalogue, byte for byte."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*root.glob("lake/**/*"), *root.glob("out/**/*"), root / "catalogue.db"]
        if path.is_file()
    }


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def fates(root: Path) -> dict[int, tuple[str, str]]:
    """record id -> (fate, reason) of all records, as the lake's readers find them."""
    found = rows(root, """
        select record_id, 'rated', '' from {rated}
        union all select record_id, 'suspended', reason from {suspense}
        union all select record_id, disposition, reason from {uncharged}
    """)  # fmt: skip
    assert len({record for record, _, _ in found}) == len(found)  # no record has two fates
    return {record: (fate, reason) for record, fate, reason in found}


def test_every_record_of_every_file_has_one_fate(done: demo.Demo) -> None:
    delivered = {
        number: lines_of(done.root / "inbox" / source / name) - LINES_OF_HEADER[source]
        for number, (source, name) in files(done.root).items()
    }
    assert len(delivered) == 30 * 3 * 2  # nights, sources, files of each
    assert RECORDS <= sum(delivered.values()) == done.records
    stored = Counter(record >> 32 for record in fates(done.root))
    assert dict(stored) == {number: count for number, count in delivered.items() if count}
    read = dict(catalogue(done.root, "select file_number, rows from files"))
    assert read == delivered
    # What the nights told, night by night, and what is stored.
    run_of = dict(catalogue(done.root, "select file_number, run_number from files"))
    by_night = Counter((run_of[record >> 32], fate)
                       for record, (fate, _) in fates(done.root).items())  # fmt: skip
    told = {(night.run_number, fate): count for night in done.nights
            for fate, count in night.dispositions.items() if count}  # fmt: skip
    assert by_night == told
    assert all(sum(night.dispositions.values()) == night.rows for night in done.nights)


def test_the_faults_that_were_made_are_those_that_were_caught(done: demo.Demo) -> None:
    expected = {(row["file"], int(row["row"])): (row["disposition"], row["reason"])
                for row in sheet(done.truth)}  # fmt: skip
    number = files(done.root)
    caught = {
        ("/".join(number[record >> 32]), record & 0xFFFFFFFF): fate
        for record, fate in fates(done.root).items() if fate[0] != "rated"
    }  # fmt: skip
    assert caught == expected
    assert len({reason for _, reason in expected.values()}) > 12
    first = {record: ("/".join(number[known >> 32]), known & 0xFFFFFFFF) for record, known in rows(
        done.root, "select record_id, first_record_id from {uncharged} where first_record_id > 0"
    )}  # fmt: skip
    for row in sheet(done.truth):
        if row["disposition"] == "duplicate":
            record = next(r for r in first if ("/".join(number[r >> 32]), r & 0xFFFFFFFF)
                          == (row["file"], int(row["row"])))  # fmt: skip
            assert first[record] == (row["first_file"], int(row["first_row"]))


def test_rated_money_is_the_same_by_night_component_and_catalogue(done: demo.Demo) -> None:
    components = [name for (name, *_) in rows(done.root, "describe select * from {rated}")
                  if name.startswith("charge_")]  # fmt: skip
    [(charge, parts)] = rows(
        done.root, f"select sum(charge), sum({' + '.join(components)}) from {{rated}}")
    assert charge == parts == Decimal(done.charge_micro).scaleb(-6) > 0
    run_of = dict(catalogue(done.root, "select file_number, run_number from files"))
    by_night: Counter[int] = Counter()
    by_file = "select record_id >> 32, sum(charge) from {rated} group by 1"
    for file, amount in rows(done.root, by_file):
        by_night[run_of[file]] += int(amount.scaleb(6))
    assert by_night == {night.run_number: night.charge_micro for night in done.nights}
    totals = catalogue(done.root, "select run_number, charge from totals")
    kept: Counter[int] = Counter()
    for run, amount in totals:
        kept[run] += int(amount)
    assert kept == by_night


def test_a_bill_is_the_sum_of_its_lines_and_the_lines_are_the_usage(done: demo.Demo) -> None:
    root = done.root
    rated = dict(rows(root, """
        select account_id, sum(charge) from {rated} where bill_period = '2003-06' group by 1
    """))  # fmt: skip
    billed = {
        account: (usage, rounding) for account, usage, rounding in rows(root, """
            select account_id, sum(amount), sum(rated - amount) from {bill_lines}
            where kind = 'usage' group by 1
        """)
    }  # fmt: skip
    assert {account: usage + rounding for account, (usage, rounding) in billed.items()} == rated
    posted = dict(rows(root, """
        select account_id, sum(debit - credit) from {ledger}
        where ledger_account = 'rounding' group by 1
    """))  # fmt: skip
    rounded = {account: rounding for account, (_, rounding) in billed.items() if rounding}
    assert {account: abs(amount) for account, amount in posted.items()} == {
        account: abs(amount) for account, amount in rounded.items()
    }
    assert rows(root, "select count(*) from {bill_lines} where amount * 100 <> round(amount * 100)"
                ) == [(0,)]  # fmt: skip
    assert rows(root, """
        select b.bill_number from {bills} b
        left join (
            select bill_number, count(*) as lines, sum(amount) as total,
                   sum(amount) filter (kind = 'recurring') as recurring,
                   sum(amount) filter (kind = 'usage') as usage,
                   sum(amount) filter (kind = 'tax') as tax
            from {bill_lines} group by 1
        ) l using (bill_number)
        where (b.line_count, b.total, b.recurring, b.usage, b.tax) is distinct from
              (l.lines, l.total, coalesce(l.recurring, 0), coalesce(l.usage, 0), coalesce(l.tax, 0))
    """) == []  # fmt: skip
    assert done.billed.bills == len(rows(root, "select distinct account_id from {bills}")) > 100


def test_debits_are_credits(done: demo.Demo) -> None:
    uneven = "select bill_number from {ledger} group by 1 having sum(debit) <> sum(credit)"
    assert rows(done.root, uneven) == []
    owed = rows(done.root, """
        select account_id, sum(debit) from {ledger} where ledger_account = 'receivable' group by 1
    """)  # fmt: skip
    billed = rows(done.root, "select account_id, total from {bills} where total <> 0")
    assert dict(owed) == dict(billed)


def test_register_and_bill_objects_are_the_lake(done: demo.Demo) -> None:
    names = ("recurring", "usage", "tax", "total", "rated", "rounding")
    stored = {
        number: amounts
        for number, *amounts in rows(
            done.root, f"select bill_number, {', '.join(names)} from {{bills}}")
    }  # fmt: skip
    register = sheet(done.root / BILLS / "register.csv")
    assert {row["bill_number"]: [Decimal(row[name]) for name in names]
            for row in register} == stored  # fmt: skip
    objects = [json.loads(line)
               for line in (done.root / BILLS / "bills.jsonl").read_text("utf-8").splitlines()]
    assert {one["bill_number"]: [Decimal(one["totals"][name]) for name in names]
            for one in objects} == stored  # fmt: skip
    for one in objects:
        lines = [*one["recurring"], *one["usage"], *one["taxes"]]
        assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
        assert sum(Decimal(line["amount"]) for line in lines) == Decimal(one["totals"]["total"])


def test_statements_are_the_legs(done: demo.Demo) -> None:
    legs = {
        tuple(key): (calls, charge) for *key, calls, charge in rows(done.root, """
            select carrier, direction, count(*), sum(charge) from {legs}
            where settle_period = '2003-06' group by 1, 2
        """)
    }  # fmt: skip
    stated: dict[tuple[str, ...], tuple[int, Decimal]] = {}
    for path in sorted((done.root / SETTLEMENT).glob("S-*.csv")):
        carrier = path.stem.removeprefix(f"S-{MONTH}-")
        for row in sheet(path):
            calls, charge = stated.get((carrier, row["direction"]), (0, Decimal(0)))
            stated[carrier, row["direction"]] = (
                calls + int(row["calls"]), charge + Decimal(row["amount"]))  # fmt: skip
    assert stated == legs
    assert len(stated) > 4
    for row in sheet(done.root / SETTLEMENT / "summary.csv"):
        for way in ("out", "in"):
            calls, charge = legs.get((row["carrier"], way), (0, Decimal(0)))
            assert (int(row[f"{way}_calls"]), Decimal(row[f"{way}_exact"])) == (calls, charge)
            payable = Decimal(row[f"{way}_payable"])
            assert payable + Decimal(row[f"{way}_rounding"]) == charge
        assert Decimal(row["in_payable"]) - Decimal(row["out_payable"]) == Decimal(row["net"])
    # A leg comes from a record that is rated, or that was carried for others.
    assert rows(done.root, """
        select record_id from {legs} where record_id not in (
            select record_id from {rated} union all
            select record_id from {uncharged} where disposition = 'settled_only'
        )
    """) == []  # fmt: skip


def test_the_report_and_the_printed_bills_show_the_same_figures(done: demo.Demo) -> None:
    page = unescape(re.sub(r"<[^>]+>", " ", done.report.read_text("utf-8")))
    assert f"{done.records:,}" in page
    assert f"{done.dispositions['rated']:,}" in page
    [(total,)] = rows(done.root, "select sum(charge) from {rated}")
    assert f"{total.normalize():,f}" in page
    for reason, count in Counter(reason for fate, reason in fates(done.root).values()
                                 if fate == "suspended").items():  # fmt: skip
        assert re.search(rf"{reason.replace('_', ' ')}\D+{count}\b", page), reason
    assert len(done.printed) == 3
    for path in done.printed:
        assert path.parent == done.root / BILLS / "pdf"
        assert path.read_bytes().startswith(b"%PDF-")


def test_doing_all_of_it_again_changes_nothing(done: demo.Demo) -> None:
    before = digests(done.root)
    after = clock.period_bounds_utc_s(PERIOD, "Asia/Shanghai")[1] + clock.DAY_S
    work = session.open_session(done.root)
    assert nightly.run(work, after) == nightly.Outcome()
    assert digests(done.root) == before
    billed, settled = bills.run(work, PERIOD, after), settlements.run(work, PERIOD, after)
    assert billed.again
    assert settled.again
    assert (billed.total_micro, billed.lines) == (done.billed.total_micro, done.billed.lines)
    assert (settled.statements, settled.leg_micro) == (
        done.settled.statements, done.settled.leg_micro)  # fmt: skip
    work.catalogue.engine.dispose()
    assert digests(done.root) == before


def test_the_audit_finds_nothing(done: demo.Demo) -> None:
    found = audit.audit(session.open_session(done.root))
    assert found.findings == ()
    assert (found.records, found.dispositions) == (done.records, done.dispositions)
    assert found.charge_micro == done.charge_micro
    result = CliRunner().invoke(main.cli, ["audit", "-C", str(done.root), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["findings"]) == (0, [])


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def copy_of(done: demo.Demo, folder: Path) -> Path:
    """The workspace without the files of the network."""
    shutil.copytree(
        done.root, folder / "copy", ignore=shutil.ignore_patterns("inbox", "delivery")
    )
    return folder / "copy"


TAMPERED = [
    ("lake/rated", ".parquet", flip_a_byte, "the content is not what run"),
    ("lake/rated", ".parquet", lambda path: path.unlink(), "the file is gone"),
    ("lake/rated", ".parquet", lambda path: path.write_bytes(path.read_bytes()[:-9]),
     "the content is not what run"),
    ("lake/legs", ".parquet", lambda path: path.write_bytes(b""), "the content is not what run"),
    ("lake/bills", ".parquet", lambda path: path.write_text("no Parquet"), "the content is not"),
    ("lake/suspense", ".parquet", lambda path: shutil.copy(path, path.with_name("more.parquet")),
     "no run has committed this file"),
    ("lake/snapshots", ".csv", flip_a_byte, "the content is not what the snapshot's name says"),
    (BILLS, ".csv", lambda path: path.write_text("bill_number\n"), "the content is not what run"),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "suffix", "tamper", "words"), TAMPERED)
def test_the_audit_finds_what_was_tampered_with(
    done: demo.Demo, tmp_path: Path, folder: str, suffix: str, tamper: Any, words: str
) -> None:
    root = copy_of(done, tmp_path)
    path = sorted((root / folder).rglob(f"*{suffix}"))[0]
    tamper(path)
    result = CliRunner().invoke(main.cli, ["audit", "-C", str(root)])
    assert result.exit_code == 1
    found = result.stderr.splitlines()
    assert any(f"{folder}/" in line and words in line for line in found), found
    assert ("money:" in result.stderr) == (folder == "lake/rated")


def test_a_quick_audit_finds_a_file_that_cannot_be_read(done: demo.Demo, tmp_path: Path) -> None:
    root = copy_of(done, tmp_path)
    path = sorted((root / "lake/rated").rglob("*.parquet"))[-1]
    path.write_text("no Parquet")
    found = audit.audit(session.open_session(root), checksums=False).findings
    assert [finding.split(": ")[0] for finding in found] == [
        str(path.relative_to(root)), "money"]  # fmt: skip
