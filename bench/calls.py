"""The calls that the rating measures rate: what the night's outgoing calls are once decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from bench import peers_rating
from bench.data import AS_OF, DAY, TARIFFS_ONE, Data
from cdr import delimited
from rating import guide, normalise, reference, validate
from rating.reference import Reference
from tariffs import book, compiler
from tariffs.compiler import CompiledBook
from tariffs.known import names_of
from tariffs.model import Book
from tollbook import clock, codes, schemas
from tollbook.cli.common import parse_as_of
from tollbook.customers import ACTIVE
from tollbook.run import data as run_data
from tollbook.stage import ints
from tollbook.text import Problems

ROWS_MAX: Final = 2_000_000
BATCH_ROWS: Final = 131_072  # as the night rates them; fewer where cores would run out of work
BATCHES: Final = 16
COMPONENTS: Final = (1, 3)
ZONE: Final = "Asia/Shanghai"


@dataclass(frozen=True)
class Calls:
    """The same calls for both sides; same row = same call.

    normalised, usage: batches before and behind the stage guide. books: by components of a call.
    frame: the columns that Polars needs, those of guiding included.
    """

    reference: Reference
    books: dict[int, tuple[Book, CompiledBook]]
    normalised: tuple[pa.RecordBatch, ...]
    usage: tuple[pa.RecordBatch, ...]
    frame: pl.DataFrame
    tables: peers_rating.Tables

    @property
    def records(self) -> int:
        """How many there are."""
        return self.frame.height


def prepare(data: Data) -> Calls:
    """Decodes the night's files and keeps the answered outgoing calls of customers at home."""
    found = run_data.load(data.root)
    plans, as_of = found.customers.plan_ids, parse_as_of(AS_OF) or 0
    facts = reference.build(found.workspace, found.network, found.customers, as_of, 0, plans)
    normalised, usage = _batches(_stages(data, facts))
    wanted = ("account_index", "plan_index", "relation_index", "start_utc_s", "duration_s",
              "served_e164", "other_e164", "location")
    columns = pa.Table.from_batches([batch.select(list(wanted)) for batch in usage])
    frame = pl.from_arrow(columns)
    assert isinstance(frame, pl.DataFrame)
    tables = _tables(found)
    return Calls(facts, _books(data, found), normalised, usage, frame.rechunk(), tables)


def _books(data: Data, found: run_data.Data) -> dict[int, tuple[Book, CompiledBook]]:
    problems = Problems()
    known = names_of(found.workspace, found.network)
    one = book.load(data.root / TARIFFS_ONE, problems, known)
    problems.refuse_if_any()
    assert one is not None  # load gives None only after noting a problem
    names = found.network.zones.ids, found.network.relations, found.workspace.numbering.access_codes
    return {
        components: (text, compiler.compile_book(text, *names, found.customers.plan_ids))
        for components, text in zip(COMPONENTS, (one, found.book), strict=True)
    }


def _stages(data: Data, facts: Reference) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Rows before and behind guiding, block by block, those that are to be rated."""
    form = data.layout()
    rows = 0
    for number, file in enumerate(data.files, start=1):
        context = delimited.prepare(form, delimited.identify(file, form), ZONE, ZONE, 0, number)
        for block in delimited.blocks(file, form):
            batch = delimited.decode(block, context).batch
            batch = validate.validate(batch, facts).batch
            before = normalise.normalise(batch, facts).batch
            behind = guide.guide(before, facts).batch
            keep = pa.array(_wanted(behind))
            yield before.filter(keep), behind.filter(keep)
            rows += int(keep.true_count)
            if rows >= ROWS_MAX:
                return


def _wanted(usage: pa.RecordBatch) -> np.ndarray:
    home = np.asarray(usage.column("network").to_numpy(zero_copy_only=False) == "")
    chosen: np.ndarray = (
        home & (ints(usage, "reason") == 0) & (ints(usage, "service") == codes.VOICE)
        & (ints(usage, "direction") == codes.OUT) & (ints(usage, "other_e164") > 0)
    )  # fmt: skip
    return chosen


def _batches(
    pieces: Iterator[tuple[pa.RecordBatch, pa.RecordBatch]],
) -> tuple[tuple[pa.RecordBatch, ...], tuple[pa.RecordBatch, ...]]:
    found = list(pieces)
    rows = min(BATCH_ROWS, sum(usage.num_rows for _, usage in found) // BATCHES + 1)
    batches = []
    for side, schema in ((0, schemas.NORMALISED), (1, schemas.USAGE)):
        table = pa.Table.from_batches([piece[side] for piece in found], schema=schema)
        whole = table.combine_chunks().to_batches(max_chunksize=rows)
        # Filtering leaves columns that say they could hold nulls; the stages' schemas say no.
        batches.append(tuple(pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in whole))
    return batches[0], batches[1]


def _tables(found: run_data.Data) -> peers_rating.Tables:
    network, people = found.network, found.customers.subscriptions
    noon = clock.date_utc_s(DAY, ZONE) + clock.DAY_S // 2
    live = (
        (people.status == ACTIVE) & (people.valid_from_utc_s <= noon)
        & (people.valid_to_utc_s > noon)
    )  # fmt: skip
    intervals = peers_rating.interval_frame(network.ranges, noon)
    subscribers = pl.DataFrame({
        "served_e164": people.number[live], "account_index": people.account_index[live],
        "plan_index": people.plan_index[live],
    }).with_columns(
        pl.col("served_e164").cast(pl.String).str.pad_end(15, "0").cast(pl.Int64).alias("edge")
    ).sort("edge").join_asof(intervals, on="edge").select(
        "served_e164", "account_index", "plan_index", pl.col("other_zone").alias("home_zone")
    )  # fmt: skip
    return peers_rating.Tables(
        prices=peers_rating.price_frame(network.relations),
        subscribers=subscribers,
        cells=pl.DataFrame({
            "location": network.locations.names.to_pylist(),
            "cell_zone": network.locations.zone_index.astype(np.int32),
        }),
        intervals=intervals,
        relations=peers_rating.relation_frame(network),
    )  # fmt: skip
