"""Records that a withdrawn one had kept from being charged: through the night's stages again.

Their rows in the lake are what the stages need, but for the first parts of calls: these rows hold
the whole call, so the parts are read from their files again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from cdr import formats
from cdr.files import sha256
from rating import overlaps
from tollbook import schemas
from tollbook.errors import TollbookError
from tollbook.run import (
    data,
    flow,
    lake,
    manifest,
    moves,
    snapshots,
    suspended,
    suspense_log,
    undo_state,
    work,
)  # fmt: skip
from tollbook.run.catalogue import InputFile, LakeFile, Run, Total
from tollbook.run.data import Data
from tollbook.run.flow import Chunk
from tollbook.run.records import record_text
from tollbook.run.session import INBOX, Session
from tollbook.run.undo_state import GivenBack
from tollbook.run.undo_survey import Again, Survey
from tollbook.stage import StageResult, ints, with_columns

_BITS: Final = 32


@dataclass(frozen=True)
class Rated:
    files: list[LakeFile] = field(default_factory=list)
    superseded: tuple[str, ...] = ()
    net: list[Total] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)


def rate(
    session: Session, planned: Run, found: Survey, stored: Sequence[pa.Table],
    given: GivenBack | None,
) -> Rated:  # fmt: skip
    """Records that a withdrawn one had kept from being charged go through the stages again."""
    again = found.again
    if not stored and not len(again.firsts) and not found.of("pending"):
        return Rated(*undo_state.rewrite(session, planned, given))
    with work.prepared(session, planned) as (today, going):
        going.withdrawn, going.given_back = found.unknown, given
        going.reference = replace(going.reference, searches=_searches(session, today, again))
        sources = going.reference.names.sources
        places = {name: place for place, name in enumerate(sources)}
        decoded: list[Callable[[], pa.RecordBatch]] = [
            partial(suspended.cdr_batch, table, sources) for table in stored
        ]
        firsts = list(_firsts(session, again.firsts, places))
        decoded += [partial(_same, batch) for batch in firsts]
        session.progress.start("rate again", len(decoded))
        flow.scatter(going, (
            Chunk((number, 0), 1, partial(_decode, one)) for number, one in enumerate(decoded)
        ), validated=True)  # fmt: skip
        going.decoded_rows = moves.rows_by_file([
            *stored, *(pa.Table.from_batches([batch]) for batch in firsts)
        ])  # fmt: skip
        done = work.finish(session, going)
        booked = (
            undo_state.rewrite(session, planned, given) if going.slots is None else ([], ())
        )
    fates: dict[str, int] = {}
    for total in done.totals:
        fates[total.disposition] = fates.get(total.disposition, 0) + total.rows
    return Rated([*done.files, *booked[0]], (*done.superseded, *booked[1]), done.net, fates)


def _searches(session: Session, today: Data, again: Again) -> overlaps.Searches:
    """Which duplicates are looked for: those of the night in which the records came, so that one
    that is too old by now is still not charged beside those of its kind."""
    numbers = np.unique(again.stored >> _BITS).tolist()
    runs = {session.catalogue.file(number).run_number for number in numbers}
    as_of_utc_s = min((session.catalogue.run(run).as_of_utc_s for run in runs), default=0)
    space = today.workspace
    return overlaps.searches(space.duplicates, as_of_utc_s, space.limits.duration_s)


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _decode(one: Callable[[], pa.RecordBatch]) -> StageResult:
    return StageResult(one())


def check(session: Session, again: Again) -> None:
    """Refuse an undo for which something would have to be rated again that cannot be."""
    firsts = again.firsts
    sources = [source.name for source in session.workspace.sources]
    for number in np.union1d(again.stored >> _BITS, firsts >> _BITS).tolist():
        file = session.catalogue.file(number)
        if file.source not in sources:
            raise TollbookError(
                f"F{number} ({file.source}/{file.name}) has records that would be charged again, "
                "and operator.yaml names its source no more\n"
                f"    allowed: {', '.join(sorted(sources))}\n    do: put the source back"
            )
    for number in np.unique(firsts >> _BITS).tolist():
        file = session.catalogue.file(number)
        path = session.root / INBOX / file.source / file.name
        if not path.is_file():
            raise _unreadable(file, "is gone from the inbox")
        if sha256(path) != file.sha256:
            raise _unreadable(file, "has another content by now")
    corrected = _corrected(session, firsts)
    if len(corrected):
        first = int(corrected[0])
        file = session.catalogue.file(first >> _BITS)
        raise _unreadable(file, f"holds {record_text(first)}, which a person has corrected since")


def _corrected(session: Session, firsts: np.ndarray) -> np.ndarray:
    found = [np.zeros(0, np.int64)]
    for file in session.catalogue.lake_files(suspense_log.DATASET) if len(firsts) else ():
        table = lake.read(session.root, file, ["record_id"],
                          filters=[("action", "=", suspense_log.CORRECTED)])  # fmt: skip
        found.append(table.column("record_id").to_numpy())
    return np.intersect1d(firsts, np.concatenate(found))


def _unreadable(file: InputFile, why: str) -> TollbookError:
    number = f"F{file.file_number}"
    return TollbookError(
        f"{number} ({file.source}/{file.name}) {why}, and calls that begin in it have parts that "
        "are to be withdrawn\n"
        "    allowed: calls whose first part can be read again as its file has it\n"
        f"    do: put the file back, or `tollbook undo {number}` first"
    )


def _firsts(
    session: Session, firsts: np.ndarray, sources: Mapping[str, int]
) -> Iterator[pa.RecordBatch]:
    """The records (int64 ids) as their files have them: ``schemas.CDR``, decoded as in their night.

    sources: source -> its place today.
    """
    for number in np.unique(firsts >> _BITS).tolist():
        file = session.catalogue.file(number)
        wanted = firsts[firsts >> _BITS == number]
        for batch in _decoded(session, file, wanted):
            place = np.full(batch.num_rows, sources[file.source], np.int16)
            whole = with_columns(batch, schemas.CDR, {"source_index": place})
            yield manifest.recollected(whole) if file.request_number else whole


def _decoded(
    session: Session, file: InputFile, wanted: np.ndarray
) -> Iterator[pa.RecordBatch]:
    """Rows of a file, with the layout that the run had which read it."""
    run = session.catalogue.run(file.run_number)
    found = data.load(snapshots.folder_of(session.lake, run.snapshot))
    space = found.workspace
    place = [source.name for source in space.sources].index(file.source)
    layout = found.layouts[place]
    reader = formats.reader(layout.kind)
    path = session.root / INBOX / file.source / file.name
    context = reader.prepare(
        layout, reader.identify(path, layout), space.sources[place].time_zone,
        space.operator.time_zone, place, file.file_number,
    )  # fmt: skip
    missing = len(wanted)
    for block in reader.blocks(path, layout):
        batch = reader.decode(block, context).batch
        mask = np.isin(ints(batch, "record_id"), wanted)
        if mask.any():
            yield batch.filter(pa.array(mask))
            missing -= int(np.count_nonzero(mask))
        if not missing:
            return
