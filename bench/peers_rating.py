"""Rating in Polars: a simpler job than the product's, in the same exact integers.

Every call takes the price of the band in which it starts, without tiers. Where a call lies within
one band and one tier its charge is that of the book, to the last micro.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from bench import book
from bench.book import Component
from tollbook.network import Network, NumberRanges

DAY_S: Final = 86_400
SHANGHAI_S: Final = 8 * 3600  # no summer time in the data's year
E164_DIGITS: Final = 15
NANO_A_MICRO: Final = 1000
MICRO_DIGITS: Final = 6


@dataclass(frozen=True)
class Tables:
    """What the job joins: frames. ``subscribers``: in force on the night's day, one row a number.
    ``intervals``: E.164 padded to 15 digits, sorted by ``edge``."""

    prices: pl.DataFrame  # plan_index, relation_index, band -> price_<slot> in nano a minute
    subscribers: pl.DataFrame  # served_e164 -> account_index, plan_index, home_zone
    cells: pl.DataFrame  # location -> cell_zone
    intervals: pl.DataFrame  # edge -> other_zone
    relations: pl.DataFrame  # served_zone, other_zone -> relation_index


def rate_guided(calls: pl.DataFrame, tables: Tables, components: int) -> pl.DataFrame:
    """Charges in micro by account, for calls whose plan and relation are known."""
    return _charged(calls.lazy(), tables, components).group_by("account_index").agg(
        pl.col(f"charge_{slot}").sum() for slot in range(components)
    ).collect()  # fmt: skip


def charges(calls: pl.DataFrame, tables: Tables, components: int) -> pl.DataFrame:
    """The same for each call, in their order, to be compared."""
    wanted = [f"charge_{slot}" for slot in range(components)]
    return _charged(calls.lazy(), tables, components).select(wanted).collect()


def guide_and_rate(calls: pl.DataFrame, tables: Tables, components: int) -> pl.DataFrame:
    """Charges in micro by account, from the numbers and cells in the records."""
    guided = guide(calls.lazy(), tables)
    return _charged(guided, tables, components).group_by("account_index").agg(
        pl.col(f"charge_{slot}").sum() for slot in range(components)
    ).collect()  # fmt: skip


def guide(calls: pl.LazyFrame, tables: Tables) -> pl.LazyFrame:
    """Adds the subscriber's account and plan, both zones and their relation."""
    padded = pl.col("other_e164").cast(pl.String).str.pad_end(E164_DIGITS, "0").cast(pl.Int64)
    return (
        calls.with_columns(padded.alias("edge"))
        .join(tables.subscribers.lazy(), on="served_e164", how="inner")
        .join(tables.cells.lazy(), on="location", how="left")
        .sort("edge")
        .join_asof(tables.intervals.lazy(), on="edge", strategy="backward")
        .with_columns(pl.coalesce("cell_zone", "home_zone").alias("served_zone"))
        .join(tables.relations.lazy(), on=["served_zone", "other_zone"], how="inner")
    )


def _charged(calls: pl.LazyFrame, tables: Tables, components: int) -> pl.LazyFrame:
    second = (pl.col("start_utc_s") + SHANGHAI_S) % DAY_S
    day, evening, night = book.BAND_EDGES_S
    band = (
        pl.when((second >= day) & (second < evening)).then(0)
        .when((second >= evening) & (second < night)).then(1)
        .otherwise(2).cast(pl.Int8)
    )  # fmt: skip
    return (
        calls.with_columns(band.alias("band"))
        .join(tables.prices.lazy(), on=["plan_index", "relation_index", "band"], how="left",
              maintain_order="left")
        .with_columns(
            _charge(one, slot).alias(f"charge_{slot}")
            for slot, one in enumerate(book.COMPONENTS[:components])
        )
    )  # fmt: skip


def _charge(one: Component, slot: int) -> pl.Expr:
    """Micro: increments, then the exact amount rounded half up to the component's digits."""
    duration = pl.col("duration_s")
    beyond = (duration - one.first_s).clip(lower_bound=0)
    steps = (beyond + (one.following_s - 1)) // one.following_s
    billed = one.first_s + steps * one.following_s
    unit_micro: int = 10 ** (MICRO_DIGITS - one.digits)
    divisor = book.PER_S * NANO_A_MICRO * unit_micro
    amount: pl.Expr = (billed * pl.col(f"price_{slot}") + divisor // 2) // divisor
    return amount * unit_micro


def price_frame(relations: tuple[str, ...]) -> pl.DataFrame:
    """The book's prices by plan, relation and band; special numbers are free."""
    last = len(book.CLASSES) - 1
    kinds = {word: kind for kind, (_, words) in enumerate(book.CLASSES) for word in words}
    kind = np.array([kinds.get(word, last) for word in relations])
    paid = np.array([word != book.FREE for word in relations])
    plan, relation, band = (
        axis.ravel() for axis in np.indices((len(book.PLANS), len(relations), len(book.BANDS)))
    )
    columns = {"plan_index": plan.astype(np.int32), "relation_index": relation.astype(np.int16),
               "band": band.astype(np.int8)}  # fmt: skip
    for slot, one in enumerate(book.COMPONENTS):
        prices = book.prices_nano(one)[plan, kind[relation], band]
        columns[f"price_{slot}"] = prices * paid[relation]
    return pl.DataFrame(columns)


def interval_frame(ranges: NumberRanges, at_utc_s: int) -> pl.DataFrame:
    """Longest prefix as disjoint intervals: shorter prefixes are painted over by longer ones."""
    valid = (ranges.valid_from_utc_s <= at_utc_s) & (ranges.valid_to_utc_s > at_utc_s)
    rows = np.flatnonzero(valid)
    rows = rows[np.argsort(ranges.prefix_length[rows], kind="stable")]
    unit = 10 ** (E164_DIGITS - ranges.prefix_length[rows].astype(np.int64))
    begins = ranges.prefix[rows] * unit
    edges = np.unique(np.concatenate(([0], begins, begins + unit)))
    zone = np.full(len(edges), -1, np.int32)
    low, high = np.searchsorted(edges, begins), np.searchsorted(edges, begins + unit)
    for first, last, index in zip(low, high, ranges.zone_index[rows], strict=True):
        zone[first:last] = index
    return pl.DataFrame({"edge": edges, "other_zone": zone})


def relation_frame(network: Network) -> pl.DataFrame:
    """Relation of every pair of zones that has one."""
    served, other = np.nonzero(network.relation_matrix >= 0)
    return pl.DataFrame({
        "served_zone": served.astype(np.int32), "other_zone": other.astype(np.int32),
        "relation_index": network.relation_matrix[served, other].astype(np.int16),
    })  # fmt: skip
