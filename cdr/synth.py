"""CDR files of any size for a workspace, seeded and realistic, with the truth about every row.

``write_month`` draws records block by block, weaves copies in, and writes files as the workspace's
sources would deliver them. A seed gives the same bytes whatever the number of threads. Two calls
for the same days must not be read by the same workspace: their records know nothing of each other.
"""

from __future__ import annotations

import gzip
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from cdr import (
    synth_again,
    synth_draw,
    synth_mediated,
    synth_plan,
    synth_population,
    synth_rules,
)
from cdr.synth_again import Made
from cdr.synth_draw import Night
from cdr.synth_feeds import Feed, SynthSpec, feeds_of
from cdr.synth_layouts import derive
from cdr.synth_plan import Day, night_weights, share_out
from cdr.synth_population import Population
from cdr.synth_text import Sheet
from cdr.synth_truth import Truth
from cdr.synth_weave import Beside, Place
from tollbook import clock
from tollbook.customers import Customers
from tollbook.errors import NotFound, TollbookError
from tollbook.network import Network
from tollbook.workspace import Workspace

__all__ = ["SynthFile", "SynthReport", "SynthSpec", "write_month"]

BLOCK_ROWS: Final = 1 << 18
GZIP_LEVEL: Final = 3
REFERENCES_A_DAY: Final = 10**9


@dataclass(frozen=True)
class SynthFile:
    """One file that was written; ``size_bytes`` as it lies on disk. night: in which it arrives.

    again: ``late`` for a file of an earlier night, ``same`` for a copy, ``cut`` for the rows of two
    files in one; empty for all others.
    """

    night: date
    source: str
    path: Path
    rows: int  # lines behind the header
    size_bytes: int
    again: str = ""


@dataclass(frozen=True)
class SynthReport:
    """What was made; ``dispositions``: rows by their fate, those that are rated included."""

    files: tuple[SynthFile, ...]
    rows: int
    size_bytes: int
    dispositions: dict[str, int]
    truth: Path


Progress = Callable[[int], None]


@dataclass(frozen=True)
class _File:
    """One file to be written; ``number`` is its place in the truth."""

    number: int
    feed: Feed
    day: Day
    place: Place
    count: int
    path: Path

    @property
    def is_late(self) -> bool:
        return self.place in self.feed.holes.late


@dataclass(frozen=True)
class _Block:
    """A piece of a file: drawn in any order, woven and written in this one."""

    file: _File
    night: Night
    count: int
    share: tuple[float, float]  # the part of the day that the block stands for
    first_ref: int
    seed: tuple[int, ...]
    nights_after: int


def write_month(
    workspace: Workspace,
    network: Network,
    customers: Customers,
    out_folder: Path,
    spec: SynthSpec,
    truth_path: Path,
    progress: Progress | None = None,
) -> SynthReport:
    """Writes the files as ``out_folder/<source>/<name>`` and the truth as CSV and JSON.

    progress: called with the rows of each block that was written. Raises NotFound for sources
    or days that cannot be made, TollbookError if a file is there already.
    """
    days = [spec.first_day + timedelta(days=index) for index in range(spec.days)]
    zone = workspace.operator.time_zone
    span = clock.date_utc_s(days[0], zone), clock.date_utc_s(days[-1] + timedelta(days=1), zone)
    synth_mediated.check(workspace, spec.rates)
    people = synth_population.build(
        workspace, network, customers, span, spec.seed,
        synth_rules.numbers_of(workspace.mediation.rules),
    )  # fmt: skip
    truth = Truth()
    feeds = feeds_of(workspace, people, spec, customers.plan_ids)
    files = _files(feeds, days, zone, out_folder, (spec, truth))
    for file in files:
        if file.path.exists():
            raise TollbookError(f"{file.path}: the file is there already\n"
                                "    do: remove it, or choose another folder or other days")
    blocks = _blocks(files, workspace, people, spec)
    written = []
    texts = _texts(blocks, truth, spec.threads)
    for number, pieces in groupby(texts, key=lambda piece: piece[0].file.number):
        with _Target(files[number]) as target:
            for _, lines, text in pieces:
                target.write(text)
                if progress is not None:
                    progress(lines)
        written.append(target.written(truth))
    made = [Made(file.number, file.feed.source, file.place, file.path, file.feed.layout.header,
                 file.is_late) for file in files]  # fmt: skip
    again = synth_again.deliver(made, spec.again, spec.days, truth)
    written += [SynthFile(days[one.night], one.source, one.path, one.rows,
                          one.path.stat().st_size, one.how) for one in again]  # fmt: skip
    about = {
        "seed": spec.seed, "first_day": str(days[0]), "last_day": str(days[-1]),
        "rates": asdict(spec.rates),
        "left_out": sorted(f"{feed.source.name}/{name}" for feed in feeds
                           for name in feed.left_out),
        "late": [truth.files[file.number] for file in files if file.is_late],
        "sent_again": [{"file": f"{one.source}/{one.path.name}", "how": one.how, "of": one.of}
                       for one in again],
    }  # fmt: skip
    dispositions = truth.write(truth_path, about)
    size = sum(file.size_bytes for file in written)
    return SynthReport(tuple(written), sum(truth.rows), size, dispositions, truth_path)


class _Target:
    """A file under way: hidden until it is whole, so that no run picks up a part of it."""

    def __init__(self, file: _File) -> None:
        self.file = file
        file.path.parent.mkdir(parents=True, exist_ok=True)
        self._hidden = file.path.with_name(f".{file.path.name}.part")
        self._raw: BinaryIO = self._hidden.open("wb")
        self._packed: gzip.GzipFile | None = None
        if file.path.suffix == ".gz":
            # Without a time and a name in it, the same rows give the same bytes.
            self._packed = gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
        self.write(file.feed.writer.header)

    def write(self, text: bytes) -> None:
        """Appends to the file."""
        (self._packed or self._raw).write(text)

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._packed is not None:
            self._packed.close()
        self._raw.close()
        if kind is None:
            os.replace(self._hidden, self.file.path)
        else:
            self._hidden.unlink()

    def written(self, truth: Truth) -> SynthFile:
        """What was written, once the file is shown under its name."""
        file = self.file
        late = timedelta(days=synth_again.LATE_NIGHTS if file.is_late else 0)
        return SynthFile(
            file.day.date + late, file.feed.source.name, file.path, truth.rows[file.number],
            file.path.stat().st_size, synth_again.LATE if file.is_late else "",
        )  # fmt: skip


def _files(
    feeds: list[Feed], days: list[date], zone: str, folder: Path, about: tuple[SynthSpec, Truth]
) -> list[_File]:
    """All files in the order of writing: by night, source and time."""
    spec, truth = about
    files = []
    names: set[tuple[int, str]] = set()
    weights = [feed.layout.weight for feed in feeds]
    for night, of_night in enumerate(share_out(spec.records, night_weights(days))):
        for feed, of_feed in zip(feeds, share_out(of_night, weights), strict=True):
            day = synth_plan.day_of(days[night], zone, feed.source.time_zone)
            counts = share_out(of_feed, [1] * spec.files_per_night)
            for index, count in enumerate(counts):
                compress = spec.gzip_every > 0 and (index + 1) % spec.gzip_every == 0
                name = synth_plan.file_name(
                    feed.source, day, index, spec.files_per_night, compress
                )
                if (feed.index, name) in names:
                    raise NotFound(
                        f"operator.yaml: the pattern of source '{feed.source.name}' gives two "
                        f"files of {days[night]} the name {name}\n"
                        "    do: put {sequence:06d} or * into the pattern, or ask for one file")
                names.add((feed.index, name))
                if (night, index) in feed.holes.never:
                    feed.left_out.append(name)
                    continue
                number = truth.open_file(f"{feed.source.name}/{name}", int(feed.layout.header))
                path = folder / feed.source.name / name
                files.append(_File(number, feed, day, (night, index), count, path))
    return files


def _blocks(
    files: list[_File], workspace: Workspace, people: Population, spec: SynthSpec
) -> Iterator[_Block]:
    night: Night | None = None
    before = None
    for file in files:
        if night is None or before != (file.feed.index, file.day.date):
            night = _night(file, workspace, people)
            before = file.feed.index, file.day.date
        pieces = max(1, -(-file.count // BLOCK_ROWS))
        parts = pieces * spec.files_per_night
        ordinal = file.day.date.toordinal()
        reference = (ordinal - clock.EPOCH_DAY) * REFERENCES_A_DAY
        for piece, count in enumerate(share_out(file.count, [1] * pieces)):
            at = file.place[1] * pieces + piece
            seed = (spec.seed, file.feed.index, ordinal, *file.place[1:], piece)
            yield _Block(file, night, count, (at / parts, (at + 1) / parts),
                         reference + at * BLOCK_ROWS, seed,
                         spec.days - 1 - file.place[0])  # fmt: skip


def _night(file: _File, workspace: Workspace, people: Population) -> Night:
    feed, day = file.feed, file.day
    active, inactive = people.in_force(day.start_utc_s, day.end_utc_s, feed.chosen)
    return Night(
        people, active, inactive, day.start_utc_s, day.shape, day.hole, feed.index,
        len(workspace.sources), feed.kinds, feed.layout.damage_reasons(),
        feed.layout.unanswered_ppm, feed.rates, workspace.limits, feed.mediated,
    )  # fmt: skip


_Drawn = tuple[Sheet, Beside | None, np.random.Generator]


def _draw(block: _Block) -> _Drawn:
    rng = np.random.Generator(np.random.PCG64(block.seed))
    feed, night = block.file.feed, block.night
    rows = synth_draw.draw_block(night, rng, block.count, block.share, block.first_ref)
    feed.rules.apply(rng, rows, feed.rates.by_rule_ppm)
    extras = None if block.file.is_late else synth_mediated.add(
        rng, rows, (feed.mediated, feed.rates, feed.rules), (night.day_utc_s, block.nights_after)
    )  # fmt: skip
    zone = clock.zone_table(feed.source.time_zone)
    beside = None
    if extras is not None:
        derive(extras.rows, zone)
        beside = Beside(
            feed.writer.sheet(extras.rows), extras.origin, extras.is_free, extras.where
        )
    derive(rows, zone)
    return feed.writer.sheet(rows), beside, rng


def _texts(
    blocks: Iterator[_Block], truth: Truth, threads: int
) -> Iterator[tuple[_Block, int, bytes]]:
    """Blocks with their rows as text, in order. Drawing and writing run in threads ahead of the
    weaving between them, which knows the lines of earlier blocks and runs alone."""
    drawn: deque[tuple[_Block, Future[_Drawn]]] = deque()
    texts: deque[tuple[_Block, int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(threads) as pool:

        def weave_next() -> None:
            block, future = drawn.popleft()
            sheet, beside, rng = future.result()
            file, feed = block.file, block.file.feed
            at = file.place, file.number
            woven, order = feed.weaver.weave(sheet, beside, rng, at, truth)
            texts.append((block, len(order), pool.submit(feed.writer.text, woven, order)))

        for block in blocks:
            drawn.append((block, pool.submit(_draw, block)))
            if len(drawn) > threads:
                weave_next()
            if len(texts) > threads:
                head, lines, text = texts.popleft()
                yield head, lines, text.result()
        while drawn:
            weave_next()
        for head, lines, text in texts:
            yield head, lines, text.result()
