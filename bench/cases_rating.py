"""Rating: the kernels on one core, and on all of them beside Polars' simpler job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from bench import book, calls, peers_rating
from bench.calls import Calls
from bench.measure import Figure, in_turns, speed
from bench.options import Options
from rating import guide, rate, trace
from tollbook import codes, schemas
from tollbook.stage import ints

SAMPLE: Final = 2_000  # calls that are priced again by ``rating.trace``
NUMBER: Final = {1: "one", 3: "three"}
ONE_CORE: Final = {1: (6, 12), 3: (3, 6)}  # million records a second: at least, aim
AGAINST_POLARS: Final = {1: (1.5, 3), 3: (1, 1.5)}


def figures(options: Options) -> list[Figure]:
    """One and three components: one core, all cores against Polars, guiding included against
    Polars with its joins."""
    made = calls.prepare(options.data)
    found: list[Figure] = []
    for components in calls.COMPONENTS:
        check(made, components)
        found += _figures(made, components, options)
    return found


def _figures(made: Calls, components: int, options: Options) -> list[Figure]:
    cores, records, word = options.cores, made.records, NUMBER[components]
    alone, together, polars, whole, polars_whole = in_turns((
        lambda: rated_micro(made, components, 1),
        lambda: rated_micro(made, components, cores),
        lambda: peers_rating.rate_guided(made.frame, made.tables, components),
        lambda: rated_micro(made, components, cores, guiding=True),
        lambda: peers_rating.guide_and_rate(_raw(made.frame), made.tables, components),
    ), options.repeat)  # fmt: skip
    least, aim = ONE_CORE[components]
    ratio_least, ratio_aim = AGAINST_POLARS[components]
    what = f"{word} component{'s' if components > 1 else ''}"
    guided, raw = (speed(records, seconds, cores) for seconds in (polars, polars_whole))
    return [
        Figure(f"rating_{word}", f"rating, {what}, one core", records / alone / 1e6,
               "M records/s", least, aim,
               note="bands, tiers, increments, rounding; "
               f"{records:,} calls, {len(book.PLANS)} plans"),
        Figure(f"rating_{word}_polars",
               f"rating, {what}, all cores, against Polars (band at start, no tiers)",
               polars / together, "x", ratio_least, ratio_aim,
               note=f"{speed(records, together, cores)}; Polars {guided}"),
        Figure(f"guiding_{word}_polars",
               f"guiding and rating, {what}, all cores, against Polars (joins, band at start)",
               polars_whole / whole, "x",
               note=f"{speed(records, whole, cores)}; Polars {raw}"),
    ]  # fmt: skip


def rated_micro(made: Calls, components: int, threads: int, guiding: bool = False) -> int:
    """The sum of all charges, rated from guided batches, or guided and rated."""
    compiled = made.books[components][1]

    def work(batch: pa.RecordBatch) -> int:
        if guiding:
            batch = guide.guide(batch, made.reference).batch
        return rate.rate(batch, compiled).totals["charge_micro"]

    batches = made.normalised if guiding else made.usage
    if threads == 1:
        return sum(map(work, batches))
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, batches))


def _raw(frame: pl.DataFrame) -> pl.DataFrame:
    """What a record says by itself."""
    return frame.select("served_e164", "other_e164", "location", "start_utc_s", "duration_s")


def check(made: Calls, components: int) -> None:
    """Charges of calls within one band and tier equal those of Polars, and those of a sample equal
    the steps of ``rating.trace``; raises AssertionError otherwise."""
    compiled = made.books[components][1]
    rated = [rate.rate(batch, compiled).batch for batch in made.usage]
    assert all(int(np.count_nonzero(ints(batch, "reason"))) == 0 for batch in rated)
    names = schemas.CHARGE_COLUMNS[:components]
    ours = np.concatenate([np.stack([ints(batch, name) for name in names]) for batch in rated], 1)
    theirs = peers_rating.charges(made.frame, made.tables, components).to_numpy().T
    simple = within_one_band(made.frame)
    crossing = int(np.count_nonzero(~simple))
    assert 0 < crossing < made.records // 2, f"{crossing} of {made.records} calls cross a border"
    assert np.array_equal(ours[:, simple], theirs[:, simple])
    total = int(ours.sum())
    assert total == rated_micro(made, components, 2, guiding=True)
    _check_peers_guiding(made)
    _check_sample(made, components, ours, simple)


def within_one_band(frame: pl.DataFrame) -> np.ndarray:
    """bool: calls whose last second lies in the band of the first, none behind the first tier."""
    start = frame["start_utc_s"].to_numpy() + peers_rating.SHANGHAI_S
    duration = frame["duration_s"].to_numpy()
    edges = np.array(book.BAND_EDGES_S)
    second = start % peers_rating.DAY_S
    after = np.searchsorted(edges, second, side="right")
    next_edge = np.append(edges, edges[0] + peers_rating.DAY_S)[after]
    inside: np.ndarray = (duration <= book.TIER_S) & (second + duration <= next_edge)
    return inside


def _check_peers_guiding(made: Calls) -> None:
    """Polars' joins find the account, plan and relation that guiding finds."""
    found = peers_rating.guide(_raw(made.frame).lazy(), made.tables).collect()
    assert found.height == made.records
    keys = ["served_e164", "other_e164", "start_utc_s", "location", "duration_s"]
    columns = [*keys, "account_index", "plan_index", "relation_index"]
    assert made.frame.select(columns).sort(columns).equals(found.select(columns).sort(columns))


def _check_sample(made: Calls, components: int, ours: np.ndarray, simple: np.ndarray) -> None:
    """Half of the sample are calls that cross a border of band or tier."""
    rng = np.random.Generator(np.random.PCG64(1))
    for pool in (np.flatnonzero(simple), np.flatnonzero(~simple)):
        for row in rng.permutation(pool)[: SAMPLE // 2].tolist():
            steps = _trace(made, components, row)
            charged = [component.charge_micro for component in steps.components]
            assert (charged or [0] * components) == ours[:, row].tolist(), f"call {row}"


def _trace(made: Calls, components: int, row: int) -> trace.Trace:
    text, compiled = made.books[components]
    call = made.frame.row(row, named=True)
    facts = trace.Facts(
        service=codes.SERVICES[codes.VOICE], direction=codes.DIRECTIONS[codes.OUT],
        start_utc_s=call["start_utc_s"], duration_s=call["duration_s"],
        relation=compiled.names.relations[call["relation_index"]],
    )  # fmt: skip
    plans = made.reference.names.plans
    return trace.price(text, plans[call["plan_index"]], facts)
