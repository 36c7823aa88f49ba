"""Every measure on little data: the results are asserted, the times are not looked at.

``pytest bench -n 0 --benchmark-enable`` times them with pytest-benchmark; ``python -m bench``
measures on a whole night.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import click
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import (
    calls,
    cases_bills,
    cases_decode,
    cases_duplicates,
    cases_night,
    cases_night_stateful,
    cases_rating,
    damage,
    data,
    machine,
    make_history,
    peers,
    table,
)
from bench.calls import Calls
from bench.data import Data
from bench.measure import Figure
from bench.options import Options
from tollbook.run import data as run_data

JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
RECORDS = 1_500 if JIT_IS_OFF else 20_000


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data.prepare(tmp_path_factory.mktemp("bench"), RECORDS)


@pytest.fixture(scope="module")
def made(night: Data) -> Calls:
    return calls.prepare(night)


def test_decode(benchmark: BenchmarkFixture, night: Data) -> None:
    sums = cases_decode.check(night, 2, damage.of(night))
    assert sums.rows < night.records
    assert benchmark(cases_decode.decode, night, 1) == night.records


def test_readers(benchmark: BenchmarkFixture, night: Data) -> None:
    read = benchmark(peers.arrow_read, night.files, damage.of(night).malformed)
    reasons = night.truth["totals"]["reasons"]
    cut = reasons.get("columns_too_few", 0) + reasons.get("columns_too_many", 0)
    assert read.num_rows == night.records - cut


@pytest.mark.parametrize("components", calls.COMPONENTS)
def test_rating(benchmark: BenchmarkFixture, made: Calls, components: int) -> None:
    cases_rating.check(made, components)
    charged = benchmark(cases_rating.rated_micro, made, components, 1)
    assert charged == cases_rating.rated_micro(made, components, 2, guiding=True)


def test_night(benchmark: BenchmarkFixture, night: Data, tmp_path: Path) -> None:
    root = data.fresh_copy(night, tmp_path / "night")
    # One round: a second night would find nothing to do.
    done = benchmark.pedantic(cases_night.run, (root, 2))  # type: ignore[no-untyped-call]
    cases_night.check(night, root, json.loads(done.output))
    assert done.peak_bytes > 50 * 2**20
    again = cases_night.run(root, 2)
    assert json.loads(again.output)["run"] == 0


def test_night_stateful(benchmark: BenchmarkFixture, night: Data, tmp_path: Path) -> None:
    root = cases_night_stateful.remembering(night, tmp_path / "night")
    done = benchmark.pedantic(cases_night.run, (root, 2))  # type: ignore[no-untyped-call]
    cases_night_stateful.check(night, root, done.output)


def test_duplicates(benchmark: BenchmarkFixture, night: Data, tmp_path: Path) -> None:
    given, folder = Options(night, tmp_path, repeat=1, cores=2), tmp_path / "night"
    alone = cases_duplicates.night(given, folder, all_kinds=True)
    history = cases_duplicates.make(given, folder, tmp_path / "history")
    assert history.rows == make_history.DAYS * night.records
    assert history.planted["record_duplicate"] == history.planted["record_overlaps"] > 0
    arguments = (given, folder, True, history)
    done = benchmark.pedantic(cases_duplicates.night, arguments)  # type: ignore[no-untyped-call]
    cases_duplicates.check("all", done, alone, history)


def test_bills(benchmark: BenchmarkFixture, night: Data) -> None:
    found = run_data.load(night.root)
    batches = list(cases_bills.rated(found, RECORDS))
    bills = benchmark(cases_bills.make, found, batches)
    cases_bills.check(batches, bills)
    assert bills.bills.num_rows <= len(found.customers.accounts.account_id)


FIGURES = (
    Figure("a", "faster", 2.5, "x", 2, 3, note="1.00 M records/s/core"),
    Figure("b", "seconds", 0.65, "s", 1.5, 0.7, lower=True),
    Figure("c", "memory", 3.21, "GiB", 3, 1.5, lower=True),
    Figure("d", "shown", 12.34, "x"),
)


def test_table() -> None:
    assert [figure.verdict for figure in FIGURES] == ["ok", "aim", "below", ""]
    text = table.markdown(FIGURES, machine.describe(), 1_000_000, 2**30)
    assert "| faster | **2.50×** | ≥ 2× | ≥ 3× | 1.00 M records/s/core |" in text
    assert "| seconds | **0.65 s** | ≤ 1.5 s | ≤ 0.7 s |  |" in text
    assert "| shown | **12.3×** |  |  |  |" in text
    assert "1,000,000 records (1,024 MiB)" in text


def test_figures_of_earlier_runs_are_of_one_machine(tmp_path: Path) -> None:
    """The later run counts, in the earlier one's place; another machine is refused."""
    about = machine.describe()
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path, figures in ((first, FIGURES), (second, [replace(FIGURES[1], value=0.5)])):
        path.write_text(json.dumps({
            "machine": about, "records": 1000, "figures": [one.as_dict() for one in figures],
        }))  # fmt: skip
    found = table.earlier([first, second], about, 1000)
    assert [(one.name, one.value) for one in found.values()] == [
        ("a", 2.5), ("b", 0.5), ("c", 3.21), ("d", 12.34)]  # fmt: skip
    with pytest.raises(click.ClickException, match="records are 1000"):
        table.earlier([first], about, 2000)
    with pytest.raises(click.ClickException, match="machine are"):
        table.earlier([first], about | {"cores": -1}, 1000)


def test_readme_is_rewritten_between_its_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", "utf-8")
    table.write_into(readme, "new")
    table.write_into(readme, "newer")
    assert readme.read_text("utf-8") == f"before\n{table.BEGIN}\nnewer\n{table.END}\nafter\n"
    readme.write_text(f"before\n{table.END}\n{table.BEGIN}\n", "utf-8")
    with pytest.raises(ValueError, match="are missing"):
        table.write_into(readme, "new")
