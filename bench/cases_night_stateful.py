"""The whole night under a book that remembers: every plan has three allowances, beside the same
night without them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import median
from typing import Final

import polars as pl

from bench import cases_night, damage
from bench.data import Data, fresh_copy
from bench.measure import Figure, speed
from bench.options import Options

ITEMS: Final = """
allowances:
  - {name: minutes, amount: 30min, when: {service: [voice, video]}, covers: airtime, increment: 6s}
  - {name: family, amount: 60min, when: {service: [voice, video], relation: local}, covers: airtime,
     increment: 6s, owner: account, priority: 1}
  - {name: credit, amount: 5.00, priority: 2}
"""


def remembering(data: Data, target: Path) -> Path:
    """A copy of the workspace whose plans have allowances."""
    root = fresh_copy(data, target)
    for path in sorted((root / "tariffs").glob("plan-*.yaml")):
        text = path.read_text("utf-8")
        path.unlink()  # it is a hard link: the text of the original stays
        path.write_text(text + ITEMS, "utf-8")
    return root


def check(data: Data, root: Path, output: str) -> None:
    """Fates and money as of any night, and what records took is what balances have lost."""
    cases_night.check(data, root, json.loads(output))  # its audit compares the balances
    used = pl.scan_parquet(str(root / "lake/state/**/*.parquet")).select(pl.col("used").sum())
    rated = pl.scan_parquet(str(root / "lake/rated/**/*.parquet")).select("used").explode("used")
    taken = rated.select(pl.col("used").struct.field("taken").sum())
    assert used.collect().item() == taken.collect().item() > 0


def figures(options: Options) -> list[Figure]:
    """Time and peak memory; both nights in turn, so that they meet the same machine."""
    data, folder = options.data, options.workdir / "night"
    malformed = damage.of(data).malformed
    cases_night.warm_up(options, folder)
    cases_night.run(remembering(data, folder), options.cores)
    nights, plain, reads = [], [], []
    for _ in range(options.repeat):
        plain.append(cases_night.run(fresh_copy(data, folder), options.cores).seconds)
        root = remembering(data, folder)
        nights.append(cases_night.run(root, options.cores))
        check(data, root, nights[-1].output)
        reads.append(cases_night.read_seconds(data, malformed))
    shutil.rmtree(folder)
    night, without = median(one.seconds for one in nights), median(plain)
    peak = max(one.peak_bytes for one in nights)
    note = (
        f"{night:.2f} s, {speed(data.records, night, options.cores)}; without allowances "
        f"{without:.2f} s; pyarrow.csv {median(reads):.2f} s"
    )
    return [
        Figure("night_stateful", "the night with three allowances a plan, as a multiple of "
               "`pyarrow.csv`", night / median(reads), "x", 3.5, 2, lower=True, note=note),
        Figure("night_stateful_memory", "its peak memory", peak / 2**30, "GiB", 3, 1.5, lower=True,
               note=f"{data.records:,} records"),
    ]  # fmt: skip
