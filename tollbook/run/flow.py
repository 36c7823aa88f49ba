"""Drives chunks and buckets through the stages, in the one pool of threads.

1. ``scatter``: each chunk is decoded, validated, normalised, guided and mediated by one thread,
   then put into bucket order; the keys of its duplicates go into partitions by hash.
2. ``find_duplicates``: each group of partitions is compared with itself and with the index of the
   days that it touches.
3. ``assembling.assemble``: partial records, which do not go into buckets, become calls that do.
4. ``rate_and_write``: each part collects its buckets, rates, settles and writes.

Every result is joined in an order that the data give, so the number of threads changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rating import assemble, duplicates, legs, ratings
from rating.duplicates import Repeats
from rating.reference import Reference
from tollbook import codes, schemas
from tollbook.errors import BrokenFile, HeldFile
from tollbook.run import index, manifest
from tollbook.run.catalogue import LakeFile
from tollbook.run.exchange import ChunkKey, Exchange
from tollbook.run.manifest import Figures
from tollbook.run.parts import Others, Part, Target, Written
from tollbook.run.pile import Pile
from tollbook.run.pipeline import BY_NAME
from tollbook.run.pool import cores, in_order
from tollbook.run.progress import Progress
from tollbook.run.state import Slots
from tollbook.run.totals import Tally
from tollbook.run.undo_state import GivenBack
from tollbook.run.withdrawn import Withdrawn
from tollbook.stage import StageResult, ints

BUCKETS: Final = 256
PARTITIONS: Final = 64
MEMORY_BYTES: Final = 1360 * 2**20  # rows held between the phases; what is beyond goes to disk
ROWS_A_TASK: Final = 262_144  # a row group; half as many took a fifth more time
TASKS_A_PART: Final = 4  # at most
PARTS_LEFT: Final = 3  # or a third of the tasks that are left: short ones at last end together
KEYS_A_GROUP: Final = 262_144
KEYS_AT_ONCE: Final = 1_048_576  # with those of the history
GROUPS_A_RANGE: Final = 8  # groups that one thread decides and writes into files of their own
BEFORE_EXCHANGE: Final = ("validate", "normalise", "guide", "mediate")
_FATE: Final = ("record_id", "direction", "reason", "reason_field")
Found = tuple[list[Repeats], list[LakeFile]]
# Texts that guiding has found in a table of the network: the index says the same.
IMPLIED: Final = {
    "location": "location_index", "trunk_in": "trunk_in_index", "trunk_out": "trunk_out_index",
}  # fmt: skip


@dataclass(frozen=True)
class Tariffs:
    """What rate and settle need, compiled."""

    book: Any
    agreements: Any
    assignment: Any = None  # of further ratings; None: there are none


@dataclass
class Flow:
    """One run's way through the stages, and what it has gathered.

    recollected: numbers of files that were asked for again.
    hold_ppm: by the number of a file, from which share of suspended records on it is held back.
    withdrawn: records that the run takes out of the lake; None: it takes none.
    slots: what owners have used of what the book remembers; None: it remembers nothing.
    given_back: what withdrawn records had used of that; None: nothing.
    """

    reference: Reference
    tariffs: Tariffs
    target: Target
    spill_folder: Path
    progress: Progress
    rules: assemble.Rules | None = None  # None: partial records stay apart
    threads: int = field(default_factory=cores)
    memory_bytes: int = MEMORY_BYTES
    tally: Tally = field(default_factory=Tally)
    decoded_rows: dict[int, int] = field(default_factory=dict)
    broken: dict[int, BrokenFile | HeldFile] = field(default_factory=dict)
    figures: dict[int, Figures] = field(default_factory=dict)
    recollected: frozenset[int] = frozenset()
    hold_ppm: dict[int, int] = field(default_factory=dict)
    withdrawn: Withdrawn | None = None
    slots: Slots | None = None
    given_back: GivenBack | None = None

    def __post_init__(self) -> None:
        half = self.memory_bytes // 8  # for duplicate keys; half of it for rejected rows
        for_parts = half // 2 if self.rules is not None else 0
        folder = self.spill_folder
        for_usage = self.memory_bytes - half - half // 2 - for_parts
        self.usage = Exchange(schemas.USAGE, BUCKETS, for_usage, folder, IMPLIED)
        self.parts = Exchange(schemas.USAGE, PARTITIONS, for_parts, folder)
        self.keys = Exchange(schemas.DUPLICATE_KEY, PARTITIONS, half, folder)
        self.pile = Pile(half // 2, folder)

    def close(self) -> None:
        self.usage.close()
        self.parts.close()
        self.keys.close()
        self.pile.close()
        if self.slots is not None:
            self.slots.held.close()


@dataclass(frozen=True)
class Chunk:
    """A piece of input: ``decode()`` gives its cdr rows; ``size`` is what progress counts."""

    key: ChunkKey
    size: int
    decode: Callable[[], StageResult]


def scatter(flow: Flow, chunks: Iterable[Chunk], validated: bool = False) -> None:
    """Phase 1. ``validated``: the rows passed validation before (they come out of suspense)."""

    def work(chunk: Chunk) -> tuple[Chunk, int, Figures]:
        file_number = chunk.key[0]
        if file_number in flow.broken:
            return chunk, 0, Figures()
        try:
            decoded = chunk.decode()
        except BrokenFile as error:
            flow.broken[file_number] = error
            return chunk, 0, Figures()
        if file_number in flow.recollected:
            decoded = replace(decoded, batch=manifest.recollected(decoded.batch))
        guided = _scatter_chunk(flow, chunk.key, decoded, validated)
        figures = manifest.figures_of(decoded.batch, flow.reference.checks)
        if file_number in flow.hold_ppm:
            figures = replace(figures, suspended=manifest.suspended_in(guided))
        return chunk, guided.num_rows, figures

    for chunk, rows, figures in in_order(flow.threads, work, chunks):
        number = chunk.key[0]
        flow.decoded_rows[number] = flow.decoded_rows.get(number, 0) + rows
        flow.figures[number] = flow.figures.get(number, Figures()) + figures
        flow.progress.advance(chunk.size)
    for number, limit_ppm in flow.hold_ppm.items():
        held = manifest.held(
            flow.decoded_rows.get(number, 0), flow.figures.get(number, Figures()), limit_ppm
        )
        if held is not None:
            flow.broken.setdefault(number, held)
    for number in flow.broken:  # a broken file is refused whole: nothing of it goes on
        flow.usage.drop_file(number)
        flow.parts.drop_file(number)
        flow.keys.drop_file(number)
        flow.pile.drop_file(number)
        flow.decoded_rows[number] = 0


def _scatter_chunk(
    flow: Flow, key: ChunkKey, decoded: StageResult, validated: bool
) -> pa.RecordBatch:
    """The rows of one piece, guided, on their way to where the next phase finds them."""
    batch = decoded.batch
    schemas.check(batch, schemas.CDR, "decode")
    for name in BEFORE_EXCHANGE[1:] if validated else BEFORE_EXCHANGE:
        batch = BY_NAME[name](batch, flow.reference, None).batch
    schemas.check(batch, schemas.USAGE, "mediate")
    keys = duplicates.keys_of(batch, flow.reference)
    if keys.num_rows:
        partition = duplicates.partition_of(ints(keys, "dedupe_hash"))
        flow.keys.add(key, keys, partition)
    # What was rejected before it got a duplicate hash cannot be anybody's duplicate.
    out = (ints(batch, "reason") != 0) & (ints(batch, "dedupe_hash") == 0)
    if flow.rules is not None:
        out |= assemble.is_part(batch)
    bucket = np.where(out, np.int16(BUCKETS), ints(batch, "bucket")).astype(np.int16)
    left = flow.usage.add(key, batch, bucket)
    if left is not None and flow.rules is not None:
        left = flow.parts.add(key, left, assemble.partition_of(left))
    if left is not None:
        flow.pile.add(key, left, decoded.rejected)
    return batch


def find_duplicates(flow: Flow, known: index.Index) -> tuple[Repeats, list[LakeFile]]:
    """Phase 2: the duplicates, and the new index files."""
    groups = flow.keys.tasks(KEYS_A_GROUP, known.rows // PARTITIONS, KEYS_AT_ONCE)
    ranges = [groups[at : at + GROUPS_A_RANGE] for at in range(0, len(groups), GROUPS_A_RANGE)]

    def work(item: tuple[int, list[tuple[int, int]]]) -> Found:
        number, of_range = item
        writer = index.Writer(flow.target, number)
        found = []
        for group in of_range:
            new = flow.keys.collect(*group)
            history = known.read(new, group, PARTITIONS)
            decided = BY_NAME["deduplicate"](new, history, flow.reference)
            writer.write(decided.kept)
            found.append(decided.repeats)
        return found, writer.close()

    repeats: list[Repeats] = []
    files: list[LakeFile] = []
    flow.progress.start("deduplicate", len(ranges))
    for found, written in in_order(flow.threads, work, enumerate(ranges, start=1)):
        repeats += found
        files += written
        flow.progress.advance(1)
    return duplicates.join(repeats), files


def rate_and_write(flow: Flow, repeats: Repeats) -> tuple[list[Written], dict[str, int]]:
    """Phase 4: all parts written (pending), and the sums that the stages report."""
    tasks = flow.usage.tasks(ROWS_A_TASK)
    if flow.slots is not None:  # owners without a record in this run keep what they have
        tasks[-1] = (tasks[-1][0], BUCKETS)
    numbered = list(enumerate(_in_parts(tasks), start=1))
    sums: dict[str, int] = {}

    def work(item: tuple[int, list[tuple[int, int]]]) -> tuple[Written, dict[str, int]]:
        number, buckets = item
        part = Part(flow.target, number, flow.tally)
        totals: dict[str, int] = {}
        apart = [_rate_span(flow, part, span, repeats, totals) for span in buckets]
        _rate(flow, part, pa.concat_batches(apart), repeats, totals)
        return part.close(), totals

    flow.progress.start("rate and write", max(1, len(numbered)))
    written = [_write_pile(flow)]
    for result, totals in in_order(flow.threads, work, numbered):
        written.append(result)
        for name, value in totals.items():
            sums[name] = sums.get(name, 0) + value
        flow.progress.advance(1)
    return written, sums


def _in_parts(tasks: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Runs of tasks, each of which one thread writes into files of its own."""
    found, at = [], 0
    while at < len(tasks):
        count = max(1, min(TASKS_A_PART, (len(tasks) - at) // PARTS_LEFT))
        found.append(tasks[at : at + count])
        at += count
    return found


def _rate_span(
    flow: Flow,
    part: Part,
    span: tuple[int, int],
    repeats: Repeats,
    totals: dict[str, int],
) -> pa.RecordBatch:
    """Rate the rows of a span; gives back those that have a reason, or are nobody's to rate."""
    known = duplicates.mark(flow.usage.collect(*span, _FATE), repeats)
    is_apart = (ints(known, "reason") != 0) | (ints(known, "direction") == codes.TRANSIT)
    batch, apart = flow.usage.split(*span, np.flatnonzero(is_apart))
    if batch.num_rows or flow.slots is not None:
        batch = BY_NAME["pair"](batch, flow.reference, None).batch
        _rate(flow, part, batch, repeats, totals, span)
    return duplicates.mark(apart, repeats)


def _rate(
    flow: Flow,
    part: Part,
    batch: pa.RecordBatch,
    repeats: Repeats,
    totals: dict[str, int],
    span: tuple[int, int] | None = None,
) -> None:
    """Rate, settle and write rows. span: whose state these rows use, where the book remembers."""
    if batch.num_rows == 0 and (flow.slots is None or span is None):
        return
    if flow.slots is None or span is None:
        rated = BY_NAME["rate"](batch, flow.tariffs.book, None)
        settled = BY_NAME["settle"](rated.batch, flow.tariffs.agreements, None)
    else:
        rated, settled = _rate_with_state(flow, flow.slots, part, span, batch)
    schemas.check(settled.batch, schemas.RATED, "settle")
    for result in (rated, settled):
        for name, value in result.totals.items():
            totals[name] = totals.get(name, 0) + int(value)
    extra = dict(settled.extra)
    if flow.tariffs.assignment is not None:
        more = ratings.rate_more(settled.batch, flow.tariffs.book, flow.tariffs.assignment)
        extra |= more.extra
        for name, value in more.totals.items():
            totals[name] = totals.get(name, 0) + int(value)
    BY_NAME["write"](part, settled.batch, extra, first_ids(settled.batch, repeats))


def _rate_with_state(
    flow: Flow, slots: Slots, part: Part, span: tuple[int, int], batch: pa.RecordBatch
) -> tuple[StageResult, StageResult]:
    """A span of a book that remembers, rated and settled; its state goes in and out."""
    first = legs.settle_first(batch, flow.tariffs.agreements)
    past = slots.past(slots.of_span(span), first.batch)
    rated = BY_NAME["rate"](first.batch, flow.tariffs.book, past)
    slots.write(part, past, rated)
    return rated, legs.without(first, rated.batch)


def first_ids(batch: pa.RecordBatch, repeats: Repeats) -> np.ndarray:
    """For each row the record that came first, where the row is a duplicate; else 0."""
    ids, firsts = repeats.ids, repeats.first_ids
    out = np.zeros(batch.num_rows, np.int64)
    if len(ids):
        rows = np.flatnonzero(ints(batch, "reason") != 0)
        wanted = ints(batch, "record_id")[rows]
        place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        hit = ids[place] == wanted
        out[rows[hit]] = firsts[place[hit]]
    return out


def _write_pile(flow: Flow) -> Written:
    """Part 0: rows that were rejected before duplicates were decided, in the order of files."""
    part = Part(flow.target, 0, flow.tally)
    for batch, rejected in flow.pile.pieces():
        nothing = np.zeros(batch.num_rows, np.int64)
        part.write_others(Others(batch, nothing, rejected))
    return part.close()
