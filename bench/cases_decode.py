"""Decoding: the night's files -> ``cdr`` batches with checks per field, against typed readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from bench import damage, peers
from bench.damage import Damaged
from bench.data import Data
from bench.measure import Figure, in_turns, speed
from bench.options import Options
from bench.peers import Sums
from cdr import delimited
from cdr.delimited import Block, DecodeContext
from tollbook import reasons
from tollbook.run.pool import in_order
from tollbook.stage import StageResult, ints

ZONE: Final = "Asia/Shanghai"
Work = tuple[Block, DecodeContext]


def figures(options: Options) -> list[Figure]:
    """Decoding on all cores and on one, each beside the others on the same files."""
    data, cores = options.data, options.cores
    damaged = damage.of(data)
    check(data, cores, damaged)
    malformed = damaged.malformed
    ours, arrow, duck, polars, ours_alone, arrow_alone = in_turns((
        lambda: decode(data, cores),
        lambda: peers.arrow_read(data.files, malformed),
        lambda: peers.duckdb_read(data.files).close(),
        lambda: peers.polars_read(data.files),
        lambda: decode(data, 1),
        lambda: peers.arrow_read(data.files, malformed, threads=False),
    ), options.repeat)  # fmt: skip
    note = (
        f"{speed(data.records, ours, cores)}; pyarrow.csv "
        f"{speed(data.records, arrow, cores)}"
    )
    alone = (
        f"{speed(data.records, ours_alone, 1)}; pyarrow.csv {speed(data.records, arrow_alone, 1)}"
    )
    return [
        Figure("decode", "decode into `cdr` with checks per field, against `pyarrow.csv`, typed",
               arrow / ours, "x", 2, 3, note=note),
        Figure("decode_one_core", "the same on one core", arrow_alone / ours_alone, "x",
               note=alone),
        Figure("decode_duckdb", "the same against DuckDB, typed", duck / ours, "x",
               note=f"DuckDB {speed(data.records, duck, cores)}"),
        Figure("decode_polars", "the same against Polars, typed", polars / ours, "x",
               note=f"Polars {speed(data.records, polars, cores)}"),
    ]  # fmt: skip


def decode(data: Data, threads: int) -> int:
    """Rows of all files; batches are dropped as they come, as the night does."""
    if threads == 1:
        return sum(delimited.decode(*work).batch.num_rows for work in _work(data))
    results = in_order(threads, lambda work: delimited.decode(*work).batch.num_rows, _work(data))
    return sum(results)


def _work(data: Data) -> Iterator[Work]:
    form = data.layout()
    for number, file in enumerate(data.files, start=1):
        context = delimited.prepare(form, delimited.identify(file, form), ZONE, ZONE, 0, number)
        for block in delimited.blocks(file, form):
            yield block, context


def check(data: Data, threads: int, damaged: Damaged) -> Sums:
    """Every reason is found as often as the truth says, and all four readers agree about the rows
    that can be decoded; raises AssertionError otherwise."""
    results = list(in_order(threads, lambda work: delimited.decode(*work), _work(data)))
    found: Counter[str] = Counter()
    for result in results:
        codes = pa.array(ints(result.batch, "reason"))
        for pair in pc.value_counts(codes).to_pylist():
            found[reasons.name_of(pair["values"]) if pair["values"] else ""] += pair["counts"]
    truth = {
        name: count for name, count in data.truth["totals"]["reasons"].items()
        if reasons.BY_CODE[reasons.CODE[name]].stage == "decode"
    }  # fmt: skip
    good = found.pop("", 0)
    assert dict(found) == truth, f"reasons found {dict(found)}, made {truth}"
    assert good + sum(truth.values()) == data.records
    ours = _sums(results)
    leave_out = damaged.references
    arrow = peers.arrow_sums(peers.arrow_read(data.files, damaged.malformed), leave_out)
    with peers.duckdb_read(data.files) as link:
        duck = peers.duckdb_sums(link, leave_out)
    polars = peers.polars_sums(peers.polars_read(data.files), leave_out)
    assert ours == arrow == duck == polars, f"{ours}\n{arrow}\n{duck}\n{polars}"
    return ours


def _sums(results: list[StageResult]) -> Sums:
    totals = Counter[str]()
    names = ("start_utc_s", "duration_s", "up_bytes", "down_bytes")
    for result in results:
        batch = result.batch
        good = ints(batch, "reason") == 0
        totals["rows"] += int(good.sum())
        for name in names:
            totals[name] += int(ints(batch, name)[good].sum())
    return Sums(totals["rows"], *(totals[name] for name in names))
