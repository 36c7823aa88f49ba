"""What stored usage would come to under other books: sums by what people ask for, and by account.

A simulation reads every usage once and prices it by each candidate with the kernels of the night.
Nothing but sums is kept, so memory does not grow with the number of records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from rating import simulate_kernels, trace
from rating.find_kernels import Rated, Usage
from rating.memory import Past, State
from rating.rate import charges, rate
from rating.settled import Settler, Volumes
from rating.trace_time import ENDLESS, Clock, Span, Timeline
from rating.trial import Context
from rating.trial_stated import batch_of
from tollbook import codes, reasons, schemas
from tollbook.clock import ZoneTable
from tollbook.stage import ints

DIMENSIONS: Final = ("plan", "zone", "service", "relation", "hour")  # the same for all candidates
# Of an item.
BUNDLE: Final = ("records", "taken", "owners", "balances", "granted", "used", "used_up")
COUNTED: Final = ("records", "duration_s", "volume_bytes", "event_count", "old_micro")
HOURS: Final = 24
HOUR_S: Final = 3600
ALL_HOURS, OTHER_HOURS, NO_RATE = "all hours", "other hours", "free or no price"
_MEASURE: Final = np.array(
    [codes.QUANTITY_UNIT.get(code, 0) for code in range(len(codes.SERVICES))], np.int8
)
_KINDS: Final = {field.name: field.type.to_pandas_dtype() for field in schemas.USAGE}


@dataclass(frozen=True)
class Candidate:
    """A book to try. moves: by plan index the plan that prices it instead, int32. settler: of
    rates whose whole volume is settled when the month ends; None: it has none."""

    name: str
    context: Context
    moves: np.ndarray
    settler: Settler | None = None


@dataclass(frozen=True)
class Piece:
    """Some stored records. columns: of ``schemas.USAGE``, those of find_kernels.Usage.

    charge_micro: int64, as stored. account: int32 into ``accounts`` (utf8, each once).
    """

    columns: Mapping[str, np.ndarray]
    charge_micro: np.ndarray
    account: np.ndarray
    accounts: pa.Array


@dataclass(frozen=True)
class Sample:
    """A record that stands for all of its band: plan index and a batch of one row."""

    plan_index: int
    batch: pa.RecordBatch


@dataclass
class Sums:
    """What pieces come to; additive.

    cubes: dimension -> int64 [group, len(COUNTED) + candidates]; behind COUNTED each candidate's
    charges in micro. bands: by candidate, its band -> int64 [len(COUNTED) + 1], and samples.
    unpriced: by candidate, reason -> [records, old_micro]. accounts: account id, records, old and
    each candidate's charges; one entry a piece. bundles: by candidate, int64 [item, len(BUNDLE)].
    settled: by candidate what whole volumes come to when the month ends, in micro.
    """

    cubes: dict[str, np.ndarray]
    bands: list[dict[int, np.ndarray]]
    samples: list[dict[int, Sample]]
    unpriced: list[dict[str, np.ndarray]]
    accounts: list[pa.Table] = field(default_factory=list)
    bundles: list[np.ndarray] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)

    def add(self, other: Sums) -> None:
        for name, cube in other.cubes.items():
            self.cubes[name] += cube
        for mine, others in zip(self.bands, other.bands, strict=True):
            for key, row in others.items():
                mine[key] = mine[key] + row if key in mine else row
        for kept, more in zip(self.samples, other.samples, strict=True):
            for key, sample in more.items():
                kept.setdefault(key, sample)
        for counts, found in zip(self.unpriced, other.unpriced, strict=True):
            for reason, row in found.items():
                counts[reason] = counts[reason] + row if reason in counts else row
        self.accounts += other.accounts
        for used, taken in zip(self.bundles, other.bundles, strict=True):
            used += taken
        self.settled = [a + b for a, b in zip(self.settled, other.settled, strict=True)]


def nothing(candidates: Sequence[Candidate]) -> Sums:
    """Sums of no record."""
    words = candidates[0].context.words
    groups = {
        "plan": len(candidates[0].context.plans) + 1, "zone": len(words.zones) + 1,
        "service": len(codes.SERVICES), "hour": HOURS,
        "relation": len(codes.SERVICES) * (len(words.relations) + 1),
    }  # fmt: skip
    width = len(COUNTED) + len(candidates)
    return Sums(
        {name: np.zeros((groups[name], width), np.int64) for name in DIMENSIONS},
        [{} for _ in candidates], [{} for _ in candidates], [{} for _ in candidates],
        bundles=[np.zeros((len(candidate.context.compiled.items), len(BUNDLE)), np.int64)
                 for candidate in candidates],
        settled=[0 for _ in candidates],
    )  # fmt: skip


def simulate(
    piece: Piece, candidates: Sequence[Candidate], zone: ZoneTable,
    past: Sequence[Past | None] = (), volumes: Sequence[Volumes | None] = (),
) -> tuple[Sums, list[State | None]]:
    """Price one piece by every candidate. zone: whose local hours are meant.

    past: by candidate, what its owners have used before, where the book remembers something; what
    they have used then comes back beside the sums. volumes: by candidate, where it settles any.
    """
    found, columns = nothing(candidates), piece.columns
    count = len(piece.charge_micro)
    values = np.empty((count, len(COUNTED) + len(candidates)), np.int64)
    values[:, 0] = 1
    measure = _MEASURE[columns["service"]]
    values[:, 1] = columns["duration_s"] * (measure == codes.SECONDS)
    values[:, 2] = (columns["up_bytes"] + columns["down_bytes"]) * (measure == codes.BYTES)
    values[:, 3] = columns["event_count"] * (measure == codes.EVENTS)
    values[:, 4] = piece.charge_micro
    after: list[State | None] = []
    for place, candidate in enumerate(candidates):
        usage = _usage(columns, candidate)
        before = past[place] if past else None
        kept = volumes[place] if volumes else None
        out, state = _priced(piece, candidate, usage, before, (found.bundles[place], kept))
        after.append(state)
        values[:, len(COUNTED) + place] = out.total_micro
        _count_bands(found, place, candidate, usage, out, values)
        _count_unpriced(found.unpriced[place], out, values)
    for name, key in _keys(columns, candidates[0].context, zone).items():
        simulate_kernels.add_up(key, values, found.cubes[name])
    found.accounts.append(_by_account(piece, values))
    return found, after


def _priced(
    piece: Piece, candidate: Candidate, usage: Usage, past: Past | None,
    counted: tuple[np.ndarray, Volumes | None],
) -> tuple[Rated, State | None]:
    """What a candidate makes of the rows, and what owners have used then, added to ``counted``."""
    bundles, volumes = counted
    compiled = candidate.context.compiled
    count = len(piece.charge_micro)
    if not compiled.items:
        return charges(compiled, usage, np.zeros(count, np.int16)), None
    done = rate(batch_of({**piece.columns, **usage._asdict()}, count), compiled, past)
    used = done.batch.column("used").flatten()
    item, taken = (used.field(name).to_numpy() for name in ("item", "taken"))
    values = np.stack([np.ones(len(item), np.int64), taken], axis=1)
    sums = np.zeros((len(bundles), values.shape[1]), np.int64)
    simulate_kernels.add_up(item, values, sums)
    bundles[:, : sums.shape[1]] += sums
    if volumes is not None and past is not None:
        volumes.add(usage._asdict(), done.batch, past.owners)
    names = ("reason", "version_index", "rule_index")
    micro = np.stack([ints(done.batch, name) for name in schemas.CHARGE_COLUMNS])
    reason, version, rule = (ints(done.batch, name) for name in names)
    out = Rated(reason, version, rule, micro, ints(done.batch, "charge_micro"))
    return out, done.state


def count_slots(bundles: np.ndarray, state: State, since_utc_s: int) -> None:
    """Adds the balances that records from ``since_utc_s`` on have used: how many owners have them,
    how many they are, what was granted and used, and how many have nothing left."""
    rows = np.flatnonzero(state.last_start_utc_s >= since_utc_s)
    item, granted, used = (
        column[rows] for column in (state.item_index, state.granted, state.used)
    )
    # All balances of an owner stand together, in the order of their items.
    owner = np.stack([state.owner_kind[rows], state.owner_index[rows], item])
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (owner[:, 1:] != owner[:, :-1]).any(axis=0)
    is_used_up = (granted >= 0) & (used >= granted)
    values = np.stack([
        is_new, np.ones(len(rows), bool), np.maximum(granted, 0), used, is_used_up,
    ], axis=1)  # fmt: skip
    sums = np.zeros((len(bundles), values.shape[1]), np.int64)
    simulate_kernels.add_up(item, np.ascontiguousarray(values, np.int64), sums)
    bundles[:, 2:] += sums


def _usage(columns: Mapping[str, np.ndarray], candidate: Candidate) -> Usage:
    """The columns as rating reads them, on the plans that the candidate moves them to."""
    found = {name: columns[name] for name in Usage._fields}
    found["plan_index"] = candidate.moves[found["plan_index"]]
    for name, column in found.items():
        found[name] = np.ascontiguousarray(column, _KINDS[name])
        found[name].setflags(write=False)
    return Usage(**found)


def _keys(
    columns: Mapping[str, np.ndarray], context: Context, zone: ZoneTable
) -> dict[str, np.ndarray]:
    """The group of each record, by dimension (int32)."""
    start = columns["start_utc_s"]
    offset = zone.offset_s[np.searchsorted(zone.since_utc_s, start, "right") - 1]
    relations = np.int32(len(context.words.relations) + 1)
    service = columns["service"].astype(np.int32)
    return {
        "plan": columns["plan_index"].astype(np.int32) + np.int32(1),
        "zone": columns["other_zone_index"].astype(np.int32) + np.int32(1),
        "service": service,
        "relation": service * relations + columns["relation_index"] + np.int32(1),
        "hour": ((start + offset) // HOUR_S % HOURS).astype(np.int32),
    }


def _count_bands(
    found: Sums, place: int, candidate: Candidate, usage: Usage, out: Rated, values: np.ndarray
) -> None:
    tables = candidate.context.compiled.tables
    shapes = int(tables.prices.rates["shape"].max()) + 1
    band = np.empty(len(values), np.int32)
    simulate_kernels.find_bands(tables, usage, out, shapes, band)
    keys, first, group = np.unique(band, return_index=True, return_inverse=True)
    own = np.ascontiguousarray(values[:, [*range(len(COUNTED)), len(COUNTED) + place]])
    sums = np.zeros((len(keys), own.shape[1]), np.int64)
    simulate_kernels.add_up(group.astype(np.int32), own, sums)
    for row, (key, at) in enumerate(zip(keys.tolist(), first.tolist(), strict=True)):
        found.bands[place][key] = sums[row]
        if key != simulate_kernels.NO_BAND:
            one = {name: column[at : at + 1] for name, column in usage._asdict().items()}
            found.samples[place][key] = Sample(int(usage.plan_index[at]), batch_of(one, 1))


def _count_unpriced(counts: dict[str, np.ndarray], out: Rated, values: np.ndarray) -> None:
    missing = np.flatnonzero(out.reason)
    for code in np.unique(out.reason[missing]).tolist():
        rows = missing[out.reason[missing] == code]
        counts[reasons.name_of(code)] = values[rows][:, [0, 4]].sum(axis=0)


def _by_account(piece: Piece, values: np.ndarray) -> pa.Table:
    own = np.ascontiguousarray(values[:, [0, *range(4, values.shape[1])]])
    sums = np.zeros((len(piece.accounts), own.shape[1]), np.int64)
    simulate_kernels.add_up(piece.account, own, sums)
    names = ["records", "old_micro"]
    names += [f"new_{place}_micro" for place in range(own.shape[1] - len(names))]
    columns = {name: sums[:, place] for place, name in enumerate(names)}
    return pa.table({"account": piece.accounts} | columns)


def band_names(
    found: Sums, place: int, candidate: Candidate
) -> dict[str, np.ndarray]:
    """What a candidate's bands are called -> their sums; bands of one name are added."""
    context = candidate.context
    named: dict[str, np.ndarray] = {}
    for key, row in sorted(found.bands[place].items()):
        name = NO_RATE
        if key != simulate_kernels.NO_BAND:
            name = _band_name(found.samples[place][key], context)
        named[name] = named[name] + row if name in named else row
    return named


def _band_name(sample: Sample, context: Context) -> str:
    """The band that prices the start of a record, as the book calls it, by the tariff's clock."""
    facts = trace.facts_of(sample.batch, 0, context.compiled)
    plan = context.compiled.plan_ids[sample.plan_index]
    found = trace.price(context.book, plan, facts, context.maxima)
    rate = next((one.rate for one in found.components if one.rate is not None), None)
    if rate is None or found.version is None:
        return NO_RATE
    if not rate.bands:
        return ALL_HOURS
    clock = Clock(found.version.time_zone, 0, context.book.holidays)
    return Timeline((Span(ENDLESS, rate),), clock).at(facts.start_utc_s).band or OTHER_HOURS
