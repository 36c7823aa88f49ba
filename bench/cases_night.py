"""The whole night in a process of its own, beside ``pyarrow.csv`` merely reading the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl

from bench import damage
from bench.data import AS_OF, Data, fresh_copy
from bench.measure import Apart, Figure, apart, speed
from bench.options import Options
from tollbook.reasons import BY_CODE, CODE


def figures(options: Options) -> list[Figure]:
    """Time and peak memory of the night, and the time of a run that has nothing to do."""
    data, folder = options.data, options.workdir / "night"
    malformed = damage.of(data).malformed
    warm_up(options, folder)
    nights, reads = [], []
    for _ in range(options.repeat):
        root = fresh_copy(data, folder)
        nights.append(run(root, options.cores))
        check(data, root, json.loads(nights[-1].output))
        reads.append(read_seconds(data, malformed))
    idle = [run(folder, options.cores) for _ in range(max(5, options.repeat))]
    assert all(json.loads(one.output)["run"] == 0 for one in idle), "a second run found work"
    shutil.rmtree(folder)
    night, read = median(one.seconds for one in nights), median(reads)
    peak = max(one.peak_bytes for one in nights)
    processor = median(one.cpu_seconds for one in nights)
    note = (
        f"{night:.2f} s, {speed(data.records, night, options.cores)}; "
        f"pyarrow.csv {read:.2f} s; {processor / night:.2f} cores busy"
    )
    return [
        Figure("night", "the whole night, as a multiple of `pyarrow.csv` reading its files",
               night / read, "x", 3.5, 2, lower=True, note=note),
        Figure("night_memory", "peak memory of the night", peak / 2**30, "GiB", 3, 1.5, lower=True,
               note=f"{data.records:,} records, {data.size_bytes / 2**20:,.0f} MiB"),
        Figure("fixed", "`tollbook run` with nothing to do", median(one.seconds for one in idle),
               "s", 1.5, 0.7, lower=True, note="a process from start to end"),
    ]  # fmt: skip


def warm_up(options: Options, folder: Path) -> None:
    """One night, so that kernels are compiled and files lie in the system's cache."""
    options.say("compiling, if this is the first time")
    run(fresh_copy(options.data, folder), options.cores)


def run(root: Path, threads: int, **environment: str) -> Apart:
    """``tollbook run`` in a process of its own."""
    return apart(
        ["-m", "tollbook", "run", "-C", str(root), "--as-of", AS_OF, "--threads", str(threads),
         "--json"],
        **environment,
    )  # fmt: skip


def read_seconds(data: Data, malformed: Sequence[str]) -> float:
    """What ``pyarrow.csv`` needs for the same files, in a process of its own."""
    names = [str(file) for file in data.files]
    done = json.loads(apart(["-m", "bench.reading", json.dumps(malformed), *names]).output)
    short = data.truth["totals"]["reasons"]
    cut = short.get("columns_too_few", 0) + short.get("columns_too_many", 0)
    assert done["rows"] == data.records - cut
    return float(done["seconds"])


def check(data: Data, root: Path, outcome: dict[str, Any]) -> None:
    """Every record has the fate that the truth gives it, the books close, and DuckDB and Polars
    read the same rows and the same money from the lake; raises AssertionError otherwise."""
    truth = data.truth["totals"]
    assert outcome["records"] == data.records
    made = {name: rows for name, rows in outcome["dispositions"].items() if rows}
    assert made == truth["dispositions"], f"{made}, made {truth['dispositions']}"
    assert outcome["reasons"] == dict(sorted(truth["reasons"].items()))
    apart(["-m", "tollbook", "audit", "-C", str(root)])  # fails if anything does not close
    rated, charge = truth["dispositions"]["rated"], Decimal(outcome["charge_micro"]).scaleb(-6)
    pattern = str(root / "lake/rated/**/*.parquet")
    with duckdb.connect() as link:
        query = "SELECT count(*), sum(charge), sum(charge_airtime + charge_toll + charge_access" \
                " + charge_message + charge_data) FROM read_parquet(?)"  # fmt: skip
        found = link.execute(query, [pattern]).fetchone()
    assert found == (rated, charge, charge), f"DuckDB: {found}; {rated} rows, {charge}"
    frame = pl.scan_parquet(pattern).select(pl.len(), pl.col("charge").sum()).collect()
    assert frame.row(0) == (rated, charge), f"Polars: {frame.row(0)}; {rated} rows, {charge}"
    assert _rows(root, "legs") == outcome["legs"] > 0
    assert _rows(root, "suspense") == truth["dispositions"]["suspended"]
    assert _rows(root, "duplicates") == data.records - _before_duplicates(truth["reasons"])


def _rows(root: Path, dataset: str) -> int:
    frame = pl.scan_parquet(str(root / f"lake/{dataset}/**/*.parquet"))
    return int(frame.select(pl.len()).collect().item())


def _before_duplicates(reasons_made: dict[str, int]) -> int:
    """Records that are not in the duplicate index: rejected before, or duplicates themselves."""
    stages = ("decode", "validate", "deduplicate")
    return sum(
        count for name, count in reasons_made.items() if BY_CODE[CODE[name]].stage in stages
    )
