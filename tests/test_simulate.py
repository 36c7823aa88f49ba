"""A month through other books: totals, groups, winners, samples, assumptions, and what is written.

The naive way: every stored record is priced by ``rating.trace`` from the book's dataclasses, and
summed in plain Python.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import nights
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from conftest import JIT_IS_OFF

from rating import simulate, simulate_kernels, simulated, trace
from rating.simulate import COUNTED
from tollbook.cli import main
from tollbook.run import lake, report_heat, session

RECORDS = 400 if JIT_IS_OFF else 4000
EDITS = (("{per: 60s, price: 0.40}", "{per: 60s, price: 0.45}"),
         ("price: 0.30, name: office hours", "price: 0.27, name: office hours"))  # fmt: skip


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample operator after one night, and beside it a book with other prices."""
    root = tmp_path_factory.mktemp("simulate") / "harbour"
    made = nights.make(root, RECORDS, 1)
    nights.run(root, nights.deliver(root, made, 0))
    new = root.parent / "new"
    new.mkdir()
    for path in (root / "tariffs").iterdir():
        text = path.read_text("utf-8")
        for old, other in EDITS:
            text = text.replace(old, other)
        (new / path.name).write_text(text, "utf-8")
    return root


def called(root: Path, *words: object) -> Result:
    listed = ["tariff", "simulate", "-C", str(root), *map(str, words)]
    return CliRunner().invoke(main.cli, listed)


def document(root: Path, *words: object) -> dict[str, Any]:
    result = called(root, *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def stored(root: Path) -> list[dict[str, Any]]:
    work = session.open_session(root)
    files = work.catalogue.lake_files("rated")
    return [row for one in files for row in lake.read(root, one).to_pylist()]


def micro(text: str) -> int:
    return int(Fraction(text) * 10**6)


def test_the_book_in_force_comes_to_what_was_committed(month: Path) -> None:
    found = document(month, "--book", month / "tariffs", "--period", "2003-06")
    rows = stored(month)
    whole = sum(row["charge_micro"] for row in rows)
    assert found["records"] == len(rows) > RECORDS // 2
    assert micro(found["charged"]) == micro(found["books"][0]["would_be"]) == whole > 0
    assert (found["books"][0]["winners"], found["books"][0]["losers"]) == (0, 0)
    for name, column in (("plan", "plan"), ("zone", "other_zone"), ("service", "service")):
        sums: Counter[str] = Counter()
        for row in rows:
            sums[row[column] or "(none)"] += row["charge_micro"]
        told = {line["label"]: line for line in found["by"][name]}
        assert {label: micro(line["charged"]) for label, line in told.items()} == sums
        assert {label: micro(line["books"]["tariffs"]) for label, line in told.items()} == sums
    hours = Counter((row["start_utc_s"] + 8 * 3600) // 3600 % 24 for row in rows)
    assert {int(line["label"]): line["records"] for line in found["by"]["hour"]} == hours
    seconds = sum(row["duration_s"] for row in rows if row["service"] in ("voice", "video"))
    assert sum(line["duration_s"] for line in found["by"]["plan"]) == seconds
    assert sum(line["records"] for line in found["books"][0]["bands"]) == len(rows)


def traced(root: Path, book: Path) -> dict[int, tuple[trace.Trace, int]]:
    """Record -> its trace under a book, and what it costs today."""
    from rating import trial
    from rating.trial import Vocabulary
    from tollbook.cli.tariff_books import open_book
    from tollbook.run import stored_usage
    from tollbook.text import Problems

    base = open_book(root, Problems())
    opened = open_book(book, Problems(), base)
    words: Vocabulary = base.words
    context = trial.prepare(opened.book, words, "", base.maxima, (), base.guiding)
    plans = [plan.plan_id for plan in context.plans]
    old = {row["record_id"]: row["charge_micro"] for row in stored(root)}
    found = {}
    for batch in stored_usage.read(root, 2003 * 12 + 5, words, plans):
        ids = batch.column("record_id").to_pylist()
        for row, record in enumerate(ids):
            plan, facts = trial.facts_of(batch, row, context)
            found[record] = trace.price(opened.book, plan, facts, base.maxima), old[record]
    return found


def test_another_book_as_the_trace_has_it(month: Path) -> None:
    new = month.parent / "new"
    found = document(month, "--book", new, "--book", month / "tariffs", "--period", "2003-06")
    wanted = traced(month, new)
    accounts: dict[str, list[int]] = {}
    for row in stored(month):
        sums = accounts.setdefault(row["account_id"], [0, 0])
        sums[0] += row["charge_micro"]
        sums[1] += wanted[row["record_id"]][0].charge_micro
    one = found["books"][0]
    assert micro(one["would_be"]) == sum(sums[1] for sums in accounts.values())
    changes = [new_micro - old_micro for old_micro, new_micro in accounts.values()]
    assert one["winners"] == sum(change < 0 for change in changes) > 0
    assert one["losers"] == sum(change > 0 for change in changes) > 0
    assert micro(one["won"]) == -sum(change for change in changes if change < 0)
    assert micro(one["lost"]) == sum(change for change in changes if change > 0)
    greatest = one["greatest_losers"][0]
    assert micro(greatest["would_be"]) - micro(greatest["charged"]) == max(changes)
    deciles = [micro(line["charged"]) for line in found["deciles"]]
    ordered = sorted(old_micro for old_micro, _ in accounts.values())
    assert deciles == [
        sum(ordered[tenth * len(ordered) // 10 : (tenth + 1) * len(ordered) // 10])
        for tenth in range(10)
    ]
    office = sum(
        made.charge_micro for made, _ in wanted.values()
        if any(segment.band == "office hours" for component in made.components[:1]
               for segment in component.segments[:1])
    )  # fmt: skip
    bands = {line["label"]: micro(line["books"]["new"]) for line in one["bands"]}
    assert bands["office hours"] == office > 0
    assert sum(bands.values()) == micro(one["would_be"])
    assert found["books"][1]["would_be"] == found["charged"]


def test_usage_may_move_to_another_plan(month: Path) -> None:
    """All of `easy` priced as `standard`: no line of `easy` is left to be paid by its own rates."""
    words = ("--book", month / "tariffs", "--period", "2003-06")
    moved = document(month, *words, "--move", "easy=standard")
    easy = {line["label"]: line for line in moved["by"]["plan"]}["easy"]
    assert easy["books"]["tariffs"] != easy["charged"]
    others = [line for line in moved["by"]["plan"] if line["label"] != "easy"]
    assert all(line["books"]["tariffs"] == line["charged"] for line in others)
    refused = called(month, *words, "--move", "easy=gold")
    assert (refused.exit_code, "the books have" in refused.output) == (2, True)


def test_a_sample_is_of_whole_accounts_and_always_the_same(month: Path, tmp_path: Path) -> None:
    words = ("--book", month.parent / "new", "--period", "2003-06")
    found = document(month, *words, "--sample", "25%", "--out", tmp_path)
    assert document(month, *words, "--sample", "25%") == found
    chosen = set(pq.read_table(tmp_path / "accounts.parquet")["account"].to_pylist())
    rows = [row for row in stored(month) if row["account_id"] in chosen]
    assert found["records"] == len(rows)
    assert micro(found["charged"]) == sum(row["charge_micro"] for row in rows)
    every = {row["account_id"] for row in stored(month)}
    assert len(every) // 8 < len(chosen) < len(every) // 2


def test_customers_respond_as_the_user_assumes() -> None:
    """Prices rise from 100.00 to 110.00, by 10 %; with -0.5 usage falls by 5 % to 95 %; at the new
    prices that brings 0.95 x 110.00 = 104.50. With -20 nothing would be left. A group that cost
    nothing, and one for which nothing is assumed, stay: 3.00 and 7.00."""
    cube = np.zeros((7 * 2, len(COUNTED) + 1), np.int64)
    for row, old, new in ((2, 100, 110), (3, 0, 3), (10, 5, 7)):  # voice (none), voice local, data
        cube[row] = (1, 0, 0, 0, old * 10**6, new * 10**6)

    class Words:
        relations = ("local",)

    class Context:
        words = Words()

    candidate = simulate.Candidate(
        "new", Context(), np.zeros(1, np.int32)  # type: ignore[arg-type]
    )
    for assumed, wanted in (("-1/2", 104_500_000), ("-20", 0), ("0", 110_000_000)):
        elasticity = {("voice", "*"): Fraction(assumed)}
        told = simulated._responses(cube, 0, candidate, elasticity)
        assert [one.responded_micro for one in told] == [wanted, 3_000_000, 7_000_000]
    told = simulated._responses(cube, 0, candidate, {("*", "local"): Fraction("-1/2")})
    assert [one.elasticity for one in told] == [0, Fraction("-1/2"), 0]
    assert told[0].usage_ppm == 10**6


def test_classes_of_change_hold_every_account_once() -> None:
    """-50 % and +1 % are in the classes that begin there; the outer ones have no end."""
    old = [100, 100, 100, 100, 100, 0, 100, 1000]
    new = [49, 50, 99, 101, 150, 5, 100, 1009]
    accounts = pa.table({
        "account": [f"A{n}" for n in range(len(old))], "records": [1] * len(old),
        "old_micro": pa.array(old, pa.int64()), "new_0_micro": pa.array(new, pa.int64()),
    })  # fmt: skip
    found = simulated.movement(accounts, 0)
    assert {(low, high): count for low, high, count in found.classes if count} == {
        (None, -500): 1, (-500, -200): 1, (-10, 0): 1, (0, 10): 1, (10, 50): 1, (500, None): 1,
    }  # fmt: skip
    assert (found.winners, found.losers, found.unchanged, found.from_nothing) == (3, 4, 1, 1)


def test_sums_by_group() -> None:
    key = np.array([2, 0, -1, 2], np.int32)
    values = np.arange(8, dtype=np.int64).reshape(4, 2)
    sums = np.zeros((3, 2), np.int64)
    simulate_kernels.add_up(key, values, sums)
    assert sums.tolist() == [[2, 3], [0, 0], [6, 8]]


def test_the_report_and_the_files(month: Path, tmp_path: Path) -> None:
    assumed = tmp_path / "assumed.csv"
    assumed.write_text("service,relation,elasticity\nvoice,*,-0.5\n", "utf-8")
    before = {path: path.stat().st_mtime_ns for path in (month / "lake").rglob("*")}
    html = tmp_path / "sent" / "on.html"
    result = called(month, "--book", month.parent / "new", "--period", "2003-06", "--html", html,
                    "--elasticity", assumed)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "new: largest rise: account" in result.output
    page = html.read_text("utf-8")
    assert "June 2003 by other books" in page
    assert "If customers respond to new" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # it needs nothing else
    groups = pq.read_table(tmp_path / "sent" / "on" / "groups.parquet").to_pylist()
    charged = sum(row["charged"] for row in groups if row["by"] == "plan")
    assert int(charged.scaleb(6)) == sum(row["charge_micro"] for row in stored(month))
    assert {row["by"] for row in groups} == {
        "plan", "zone", "service", "relation", "hour", "decile", "band"}  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in (month / "lake").rglob("*")} == before


def test_wrong_use_is_told(
    month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = ("--book", month / "tariffs")
    for words, code, said in (
        ((*book, "--period", "2001-01"), 1, "allowed: 2003-06"),
        ((*book, "--period", "2003-06", "--sample", "5"), 2, "write 5%"),
        ((*book, "--period", "2003-06", "--sample", "0%"), 2, "write 5%"),
        ((*book * 6, "--period", "2003-06"), 2, "at most 5 are compared at once"),
        ((*book, *book, "--period", "2003-06"), 2, "is named twice"),
        ((*book, "--period", "2003-06", "--move", "easy"), 2, "does not name two plans"),
        ((*book, "--period", "2003-06", "--sample", "0.0001%"), 1, "take a larger --sample"),
    ):
        result = called(month, *words)
        assert (result.exit_code, said in result.output) == (code, True), result.output
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("service,elasticity\nvoice,little\nvoice,-1\nvoice,-2\n", "utf-8")
    result = called(month, *book, "--period", "2003-06", "--elasticity", wrong)
    assert result.exit_code == 1
    assert "wrong.csv:2" in result.output
    assert "wrong.csv:4" in result.output
    wrong.write_text("service,relation,elasticity\nvoise,,-1\nvoice,locl,-1\n,,-1\n,local,-1\n"
                     "data,(none),-1\n")
    result = called(month, *book, "--period", "2003-06", "--elasticity", wrong)
    assert result.exit_code == 1
    for said in ("wrong.csv:2: there is no service 'voise'", "did you mean 'voice'?",
                 "wrong.csv:3: there is no relation 'locl'", "did you mean 'local'?",
                 "2 errors in 1 file"):  # fmt: skip
        assert said in result.output
    (empty := tmp_path / "empty").mkdir()
    words = (*book, "--period", "2003-06")
    for result in (called(empty, *words), called(tmp_path, *words)):
        assert result.exit_code == 1
        assert "operator.yaml: the file cannot be read" in result.output
        assert "name the operator's folder with -C" in result.output
    monkeypatch.chdir(empty)
    result = called(month, "--book", ".", "--period", "2003-06")
    assert f"{empty}: there is no tariff book" in result.output


def test_the_report_of_several_books(month: Path, tmp_path: Path) -> None:
    """One table for books whose bands are alike; a book that changes nothing moves nobody."""
    html = tmp_path / "three.html"
    other = tmp_path / "<dear>"
    shutil.copytree(month.parent / "new", other)
    result = called(month, "--period", "2003-06", "--html", html, *(
        word for book in (month / "tariffs", month.parent / "new", other)
        for word in ("--book", book)
    ))  # fmt: skip
    assert result.exit_code == 0, result.output
    page = html.read_text("utf-8")
    assert page.count('<div class="card">') == 4
    assert "<dear>" not in page
    assert page.count("<h3>&lt;dear&gt;</h3>") == 2  # its card, and the accounts that it moves
    assert page.count("<h3>tariffs</h3>") == 1
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [
        "Plans", "Services", "Hours of the day", "Customers by what they pay",
        "Who wins and who loses", "Accounts with the greatest changes", "Zones called",
        "Services and relations", "Bands",
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "shade", "short"), [
    (1000, 1000, "", ""), (1000, 1009, "u1", "+0.9"), (1000, 990, "d2", "−1.0"),
    (1000, 901, "d3", "−9.9"), (1000, 900, "d4", "−10"), (1000, 1500, "u6", "+50"),
    (1000, 0, "d6", "−100"), (0, 5, "u6", ""),
])  # fmt: skip
def test_changes_are_shaded_by_their_size(old: int, new: int, shade: str, short: str) -> None:
    assert (report_heat.shade(new, old), report_heat.percent_short(new, old)) == (shade, short)
